//! The doors: what each gives out of an item that is restricted, asked to be purged, or purged, and
//! with approvals.

use crate::common::{Outcome, TestRepo, is_embedded};

use super::{ANN, BOB, CAROL, CONTENT, approve, is_verifiable, purge, request};

/// What is the matter with the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Restricted,
    Requested,
    Purged,
}

pub const CASES: [Case; 3] = [Case::Restricted, Case::Requested, Case::Purged];

pub fn with(case: Case) -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let mut line = vec!["store", "_codex_", "src/old.py", "--reason", "dead", "--json"];
    if case == Case::Restricted {
        line.push("--restricted");
    }
    let told = repo.archive(line).ok().json();
    let id = told["items"][0]["tombstone"].as_str().unwrap().to_owned();
    repo.try_commit("retire").ok();
    match case {
        Case::Restricted => {}
        Case::Requested => drop(request(&repo, &id, CAROL).ok()),
        Case::Purged => drop(purge(&repo, &id, &[]).ok()),
    }
    if case != Case::Restricted {
        repo.try_commit("governed").ok();
    }
    (repo, id)
}

/// It is refused, and shows nothing of the content.
#[track_caller]
fn refuses(outcome: Outcome, case: Case) {
    let outcome = outcome.fails(6).says_not("print(");
    match case {
        Case::Purged => outcome.says("purged"),
        _ => outcome.says("two approvals"),
    };
}

#[test]
fn what_yields_content_is_shut() {
    for case in CASES {
        let (repo, id) = with(case);
        for line in [
            vec!["cat", &id],
            vec!["cat", "--json", &id],
            vec!["cat", "src/old.py"],
            vec!["restore", &id],
            vec!["restore", &id, "out.py"],
            vec!["restore", &id, "out.py", "--force"],
            vec!["restore", &id, "-"],
            vec!["restore", &id, "--stage"],
            vec!["restore", "src/old.py", "--stage", "--force"],
        ] {
            repo.unchanged_but_recorded(|repo| refuses(repo.archive(line), case));
        }
        repo.file("m.csv", format!("tombstone,output\n{id},out.py\n"));
        for more in [&["--results", "r.json"][..], &["--continue-on-error", "--results", "r.json"]]
        {
            let line = ["batch-restore", "m.csv"].iter().chain(more);
            let said = repo.archive(line).says_not("print(");
            assert!([3, 6].contains(&said.code), "{case:?} {said}");
            assert!(!repo.has("out.py"), "{case:?}");
            assert!(!repo.has("r.json") || !repo.read("r.json").contains("print("));
        }
        assert!(!repo.read("src/old.py").contains("print("));
    }
}

#[test]
fn what_tells_about_an_item_goes_on() {
    for case in CASES {
        let (repo, id) = with(case);
        for line in [
            vec!["show", &id],
            vec!["--json", "show", &id],
            vec!["list"],
            vec!["--json", "list"],
            vec!["log", &id],
            vec!["export"],
            vec!["status"],
            vec!["evidence", "log"],
            vec!["verify", "--all"],
            vec!["fsck"],
            vec!["health-check"],
        ] {
            repo.archive(line).ok().says_not("print(");
        }
        let shown = repo.archive(["--json", "show", &id]).ok().json();
        assert_eq!(shown["prune_requested"], case == Case::Requested, "{shown}");
        let state = if case == Case::Purged { "purged" } else { "archived" };
        assert_eq!(shown["state"], state, "{shown}");
    }
}

#[test]
fn two_approvals_open_the_door_of_restore_alone() {
    for case in CASES {
        let (repo, id) = with(case);
        if case == Case::Purged {
            repo.unchanged(|repo| approve(repo, &id, "restore", ANN).fails(6)).says("purged");
            continue;
        }
        approve(&repo, &id, "restore", ANN).ok();
        repo.archive(["restore", &id, "out.py"]).fails(6).says("1 of 2");
        approve(&repo, &id, "restore", BOB).ok();
        // Reading is no restore: it leaves no record.
        refuses(repo.archive(["cat", &id]), case);
        let given = repo.archive(["restore", &id, "-"]).ok();
        assert_eq!(given.stdout, CONTENT, "{case:?}");
        repo.archive(["restore", &id, "-"]).fails(6);
        is_verifiable(&repo);
    }
}

#[test]
fn each_way_of_restoring_takes_the_approvals() {
    for (line, path) in
        [(vec!["out.py"], "out.py"), (vec![], "src/old.py"), (vec!["--stage"], "src/old.py")]
    {
        let (repo, id) = with(Case::Restricted);
        for by in [ANN, BOB] {
            approve(&repo, &id, "restore", by).ok();
        }
        repo.try_commit("approved").ok();
        let mut words = vec!["restore", &id];
        words.extend(&line);
        repo.archive(words).ok();
        assert_eq!(repo.read(path), CONTENT, "{line:?}");
        repo.archive(["restore", &id, "other.py"]).fails(6);
        assert!(!repo.has("other.py"));
    }
}

#[test]
fn another_archive_gives_it_out_no_more_freely() {
    if !is_embedded() {
        return;
    }
    for case in CASES {
        let (repo, id) = with(case);
        let other = repo.world.path("other.sqlite");
        let url = format!("sqlite:///{}", other.display());
        repo.archive(["copy", "--to", &url]).ok().says_not("print(");
        let copied = repo.env("CODEX_ARCHIVE_URL", &url);
        refuses(copied.archive(["cat", &id]), case);
        refuses(copied.archive(["restore", &id, "out.py"]), case);
        // And into another repository, by `import`.
        let clone = repo.clone_to("clone");
        clone.archive(["init"]).ok();
        clone.archive(["import", "--adopt", other.to_str().unwrap()]).ok();
        refuses(clone.archive(["cat", &id]), case);
        refuses(clone.archive(["restore", &id, "out.py"]), case);
        assert!(!repo.has("out.py") && !clone.has("out.py"));
    }
}

#[test]
fn repairing_gives_nothing_out_and_brings_nothing_back() {
    if !is_embedded() {
        return;
    }
    for case in CASES {
        let (repo, id) = with(case);
        if case != Case::Purged {
            repo.sql("UPDATE run SET bytes = x'00'");
            refuses(repo.archive(["cat", &id]), case);
        }
        repo.archive(["fsck", "--repair"]).ok().says_not("print(");
        refuses(repo.archive(["cat", &id]), case);
        repo.archive(["reconcile"]).ok();
        refuses(repo.archive(["restore", &id, "out.py"]), case);
        repo.archive(["undo"]).fails(5);
    }
}

#[test]
fn undo_gives_back_what_is_not_committed_and_nothing_else() {
    let repo = TestRepo::ready();
    let line = ["store", "_codex_", "src/old.py", "--reason", "dead", "--restricted"];
    repo.archive(line).ok();
    // The user's own file of a moment ago.
    repo.archive(["undo"]).ok();
    assert_eq!(repo.read("src/old.py"), CONTENT);
    repo.archive(line).ok();
    let id = repo.archive(["--json", "show", "src/old.py"]).ok().json();
    let id = id["tombstone"].as_str().unwrap().to_owned();
    purge(&repo, &id, &[]).ok();
    repo.archive(["undo"]).fails(6);
    assert!(!repo.read("src/old.py").contains("print("));
}
