//! A `create` or `prune` that is killed at any change of a name: what is left does not count, and the
//! next run completes it.

use std::fs;

use crate::common::TestRepo;
use crate::common::strace::{can_trace, fault_was_met, with_fault};

use super::{create, files, made, verify};

/// Every lock that is listed without a fault is of a whole bundle.
fn what_counts_is_whole(repo: &TestRepo) {
    let items = repo.archive(["--json", "bundle", "list"]).ok().json()["items"].clone();
    for item in items.as_array().unwrap().iter().filter(|it| it["fault"].is_null()) {
        repo.archive(["bundle", "verify", item["file"].as_str().unwrap()]).ok();
    }
    if repo.has("releases/SHA256SUMS") {
        repo.types("cd releases && sha256sum --check --strict --quiet SHA256SUMS").ok();
    }
}

#[test]
fn whatever_kills_it() {
    if !can_trace() {
        return;
    }
    let mut met = 0;
    for call in ["renameat", "renameat2", "unlinkat", "fdatasync"] {
        for n in 1..20 {
            let repo = TestRepo::with_history();
            let old = made(&repo, &["--version", "1.0", "--env", "dev"]);
            create(&repo, &["--version", "1.1"]).ok();
            repo.file("n", "n\n").git(["add", "n"]).ok();
            repo.try_commit("n").ok();
            let line = ["bundle", "create", "--version", "2.0", "--keep", "1", "--prune"];
            with_fault(&repo, call, n, "signal=KILL", &line);
            if !fault_was_met(&repo) {
                break;
            }
            met += 1;
            what_counts_is_whole(&repo);
            assert!(fs::exists(super::tarball(&old)).unwrap());
            repo.archive(line).ok();
            verify(&repo).ok();
            let names = files(&repo);
            assert_eq!(names.len(), 5, "{call} {n}: {names:?}");
            what_counts_is_whole(&repo);
        }
    }
    assert!(met >= 5, "{met}");
}
