//! The runbook's commands, run as they stand.

use std::fs;
use std::path::Path;

use crate::common::{TestRepo, have};

#[test]
fn every_command_runs() {
    if !have("jq") || !have("sqlite3") || !crate::common::is_embedded() {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let text = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> =
        text.split("\n```sh\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect();
    assert!(blocks.len() > 10, "the page has blocks to run");
    let repo = TestRepo::new();
    repo.file("src/legacy/zendesk_v1.py", "def client():\n    return 'zendesk'\n".repeat(4));
    repo.file("src/legacy/rates.py", "RATES = {'EUR': 1}\n".repeat(4));
    repo.commit("a project");
    repo.file("../runbook.sh", format!("set -euo pipefail\nset -x\n{}\n", blocks.join("\n")));
    repo.types("bash ../runbook.sh").ok();
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["verify", "--all"]).ok();
}
