//! The deeds of retention.

use super::{Deed, bystanders, with_stub};
use crate::common::TestRepo;

/// A repository in which two more files are archived, which nobody keeps any more.
fn outdated() -> TestRepo {
    let repo = with_stub();
    for path in ["src/third.py", "src/fourth.py"] {
        repo.file(path, format!("print('{path}, which is to go')\n").repeat(9));
    }
    repo.commit("more");
    let last = ["--reason", "dead", "--delete-after", "2020-01-01"];
    let line = ["store", "_codex_", "src/third.py", "src/fourth.py"];
    repo.archive([&line[..], &last].concat()).ok();
    repo.try_commit("retire more").ok();
    for path in ["src/third.py", "src/fourth.py"] {
        repo.archive(["drop", path, "--reason", "unused"]).ok();
    }
    repo.try_commit("give them up").ok();
    repo
}

/// Plans what is to go, and writes it down.
pub static PLAN: Deed = Deed {
    name: "crash: retention plan",
    line: &[
        "retention",
        "plan",
        "--of",
        "items",
        "--output",
        "../plan.json",
        "--allow-outside",
        "--force",
        "--quiet",
    ],
    prepare: || bystanders(outdated()),
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Destroys what is to go: all of it or none.
pub static APPLY: Deed = Deed {
    name: "crash: retention apply",
    line: &["retention", "apply", "../plan.json", "--by", "ann", "--reason", "yearly", "--quiet"],
    prepare: || {
        let repo = outdated();
        repo.archive(PLAN.line).ok();
        let first = ["retention", "apply", "../plan.json", "--by", "ben", "--reason", "yearly"];
        repo.archive(first).fails(3);
        repo.try_commit("approved by one").ok();
        bystanders(repo)
    },
    again: &[],
    // The second approval and what was found afterwards are deeds of their own.
    is_atomic: false,
    on_its_way: &[],
};
