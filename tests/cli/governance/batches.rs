//! Batches: what takes approvals comes out of them with approvals, one file for each two.

use serde_json::{Value, json};

use crate::batch::results;
use crate::common::TestRepo;

use super::doors::{CASES, Case, with};
use super::{ANN, BOB, CONTENT, approve};

/// A manifest of `id` to each of `outputs`, and the line that restores it.
fn listed(repo: &TestRepo, id: &str, outputs: &[&str]) -> [&'static str; 2] {
    let lines: String = outputs.iter().map(|output| format!("{id},{output}\n")).collect();
    repo.file("m.csv", format!("tombstone,output\n{lines}"));
    ["batch-restore", "m.csv"]
}

fn approved(repo: &TestRepo, id: &str) {
    for by in [ANN, BOB] {
        approve(repo, id, "restore", by).ok();
    }
    repo.try_commit("approved").ok();
}

fn last_restore(repo: &TestRepo) -> Value {
    let journal = repo.journal();
    let lines = journal.iter().rev().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.into_iter().find(|record| record["action"] == "RESTORE").unwrap()
}

#[test]
fn two_approvals_let_an_item_of_a_batch_out_once() {
    for case in CASES {
        let (repo, id) = with(case);
        repo.script("plain.sh", "#!/bin/sh\n").commit("more");
        let other = repo.store_one("plain.sh");
        repo.try_commit("other").ok();
        let line = listed(&repo, &id, &["out/a.py"]);
        repo.append("m.csv", &format!("{other},out/b.sh\n"));
        repo.unchanged(|repo| repo.archive(line)).fails(6);
        if case == Case::Purged {
            continue;
        }
        approve(&repo, &id, "restore", ANN).ok();
        repo.unchanged(|repo| repo.archive(line)).fails(6).says("1 of 2 approvals count");
        approve(&repo, &id, "restore", BOB).ok();
        repo.try_commit("approved").ok();
        let dry = [line[0], line[1], "--dry-run"];
        repo.unchanged(|repo| repo.archive(dry)).ok().says("Ready: 2");
        repo.archive(line).ok().says("Succeeded: 2");
        assert_eq!((repo.read("out/a.py"), repo.is_executable("out/b.sh")), (CONTENT.into(), true));
        let item = &results(&repo)["items"][0];
        let about_it = |line: &&String| line.contains(&id) && line.contains(r#""RESTORE""#);
        let journal = repo.journal();
        let record: Value = serde_json::from_str(journal.iter().rfind(about_it).unwrap()).unwrap();
        let approvers = record["approvers"].as_array().unwrap();
        assert_eq!(approvers.len(), 2, "{record}");
        assert!(record["detail"]["request"].is_string() && record["detail"]["batch"].is_string());
        assert_eq!(item["status"], "succeeded");
        // They are used up, for a batch as for a restore.
        let again = listed(&repo, &id, &["out/c.py"]);
        repo.unchanged(|repo| repo.archive(again)).fails(6).says("two approvals");
        repo.archive(["restore", &id, "out/c.py"]).fails(6);
        assert!(!repo.has("out/c.py"));
        repo.is_well();
        repo.archive(["evidence", "verify"]).ok();
    }
}

#[test]
fn approvals_for_one_file_let_no_second_one_out() {
    let (repo, id) = with(Case::Restricted);
    approved(&repo, &id);
    let line = listed(&repo, &id, &["one.py", "two.py"]);
    for more in [&[][..], &["--dry-run"]] {
        let line: Vec<&str> = line.iter().chain(more).copied().collect();
        let told = repo.unchanged(|repo| repo.archive(line)).fails(6);
        assert!(told.said("item 2") && told.said("two approvals"), "{told}");
    }
    let goes_on = [line[0], line[1], "--continue-on-error", "--concurrent", "4"];
    repo.archive(goes_on).fails(3);
    let document = results(&repo);
    let status = [&document["items"][0]["status"], &document["items"][1]["status"]];
    assert_eq!(status, [&json!("succeeded"), &json!("failed")]);
    assert!(repo.read("one.py") == CONTENT && !repo.has("two.py"));
    repo.is_well();
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn an_item_that_cannot_be_written_leaves_its_approvals() {
    let (repo, id) = with(Case::Restricted);
    approved(&repo, &id);
    repo.file("there.py", "mine\n");
    let line = listed(&repo, &id, &["there.py", "two.py"]);
    repo.archive([line[0], line[1], "--continue-on-error"]).fails(3);
    assert_eq!((repo.read("there.py").as_str(), repo.read("two.py").as_str()), ("mine\n", CONTENT));
}

#[test]
fn what_is_there_is_skipped_when_its_approvals_are_used_up() {
    let (repo, id) = with(Case::Restricted);
    approved(&repo, &id);
    let line = listed(&repo, &id, &["one.py"]);
    repo.archive(line).ok();
    let record = last_restore(&repo);
    let told = repo.archive([line[0], line[1], "--resume", "--json"]).ok().json();
    assert_eq!(
        (&told["items"][0]["status"], &told["items"][0]["why"]),
        (&json!("skipped"), &json!("already"))
    );
    assert!(!told["items"][0]["evidence"].as_str().unwrap().is_empty());
    assert_eq!(last_restore(&repo), record, "nothing was restored again");
    repo.file("one.py", "edited\n");
    repo.archive([line[0], line[1], "--resume", "--force"]).fails(6);
    assert_eq!(repo.read("one.py"), "edited\n");
}
