//! Forgetting an entry: two people, one transaction, and nothing left of it.

use std::fs;

use crate::common::{Outcome, TestRepo, is_embedded};
use crate::pinned::pin;
use crate::signed::{approved_by_keys, with_key};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

fn save(repo: &TestRepo, text: &str) -> String {
    let line = ["memory", "save", text, "--tag", "t", "--metadata", "k=v", "--json"];
    repo.archive(line).ok().json()["id"].as_str().unwrap().to_owned()
}

fn forget(repo: &TestRepo, id: &str, by: &str, more: &[&str]) -> Outcome {
    let line = ["memory", "forget", id, "--reason", "GDPR 17", "--by", by];
    repo.archive([&line[..], more].concat())
}

#[test]
fn two_people_forget_and_nothing_is_left() {
    let repo = TestRepo::ready();
    let words = "a text of which nothing shall be left";
    let (id, other) = (save(&repo, words), save(&repo, "another one"));
    let told = forget(&repo, &id, ANN, &[]).fails(3);
    pin("memory-forget-waits", &repo, &told);
    forget(&repo, &id, ANN, &[]).fails(3);
    forget(&repo, &id, ANN, &["--second", " ANN@example.com"]).fails(6).says("count as one");
    repo.archive(["memory", "get", &id]).ok();
    let told = repo.archive(["request", "list"]).ok();
    told.says("forget").says(&id);
    let told = forget(&repo, &id, BOB, &[]).ok();
    if is_embedded() {
        pin("memory-forget", &repo, &told);
    }
    repo.archive(["memory", "get", &id]).fails(5);
    repo.archive(["memory", "get", &other]).ok();
    let actions = repo.actions();
    assert_eq!(actions.iter().filter(|it| *it == "MEMORY_FORGET").count(), 1);
    assert!(!repo.journal().concat().contains(words));
    if is_embedded() {
        for file in fs::read_dir(repo.common_dir().join("codex-archive")).unwrap().flatten() {
            let bytes = fs::read(file.path()).unwrap_or_default();
            let found = bytes.windows(words.len()).any(|it| it == words.as_bytes());
            assert!(!found, "{}", file.path().display());
        }
    }
    // Done once is done; the same text is another entry from then on.
    let told = forget(&repo, &id, ANN, &[]).ok();
    told.says("Forgotten already");
    repo.try_commit("forgotten").ok();
    let again = save(&repo, words);
    assert_ne!(again, id);
    repo.archive(["verify", "--all"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["fsck"]).ok();
}

#[test]
fn two_names_at_once_by_a_prefix() {
    let repo = TestRepo::ready();
    let id = save(&repo, "x");
    let told = forget(&repo, &id[..8], ANN, &["--second", BOB, "--json"]).ok().json();
    assert_eq!((&told["id"], &told["forgotten"]), (&id.as_str().into(), &true.into()));
    assert_eq!(told["approved_by"], serde_json::json!([ANN, BOB]));
    repo.unchanged(|repo| forget(repo, "0123", ANN, &["--second", BOB]).fails(5));
    let told = repo.unchanged(|repo| forget(repo, &id[..8], ANN, &["--second", BOB]).fails(5));
    told.says("no entry has this id");
}

#[test]
fn two_keys_forget() {
    let repo = TestRepo::ready();
    if !approved_by_keys(&repo) {
        return;
    }
    let id = save(&repo, "x");
    with_key(&repo, "ann");
    forget(&repo, &id, BOB, &[]).fails(6).says("does not speak for");
    let told = forget(&repo, &id, ANN, &["--second", BOB]).fails(3);
    pin("memory-forget-waits-signed", &repo, &told);
    forget(&repo, &id, ANN, &[]).fails(3);
    with_key(&repo, "bob");
    let approve = ["approve", &id, "--action", "forget", "--by", BOB];
    repo.archive(approve).ok().says("2 of 2").says("signed");
    repo.archive(["memory", "get", &id]).ok();
    forget(&repo, &id, BOB, &[]).ok().says("signed").says_not("one keyboard");
    repo.archive(["memory", "get", &id]).fails(5);
    repo.archive(["evidence", "verify"]).ok();
}

/// What retention takes needs nobody to ask for it any more.
#[test]
fn retention_ends_the_request_too() {
    let repo = TestRepo::ready().env("RETENTION_MAX_ENTRIES_PER_PROJECT", "1");
    let id = save(&repo, "old");
    save(&repo, "new");
    forget(&repo, &id, ANN, &[]).fails(3);
    repo.archive(["retention", "plan", "--output", "plan.json"]).ok();
    let apply = ["retention", "apply", "plan.json", "--by", ANN, "--second", BOB];
    repo.archive([&apply[..], &["--reason", "many", "--allow-spike"]].concat()).ok();
    repo.archive(["memory", "get", &id]).fails(5);
    let open = repo.archive(["--json", "request", "list"]).ok().json();
    assert_eq!(open["requests"], serde_json::json!([]));
}
