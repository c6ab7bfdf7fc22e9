//! Requests and approvals: who may ask, who counts, for how long, and how often.

use serde_json::Value;

use crate::common::{TestRepo, is_embedded};
use crate::pinned::pin;

use super::{
    ANN, BOB, CAROL, CONTENT, adopt, approve, is_verifiable, let_expire, purge, request, retired,
    state,
};

/// A repository with a restricted item, archived and committed; and its id.
fn restricted() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let line = ["store", "_codex_", "src/old.py", "--reason", "dead", "--restricted", "--json"];
    let told = repo.archive(line).ok().json();
    repo.try_commit("retire").ok();
    (repo, told["items"][0]["tombstone"].as_str().unwrap().to_owned())
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn what_is_said() {
    let (repo, id) = retired();
    pin("request-none", &repo, &repo.archive(["request", "list"]).ok());
    pin("prune-request", &repo, &request(&repo, &id, CAROL).ok());
    pin("prune-request-again", &repo, &request(&repo, &id, ANN).ok());
    let line = ["prune-request", &id, "--by", BOB, "--reason", "x", "--json"];
    pin("prune-request-json", &repo, &repo.archive(line).ok());
    pin("approve", &repo, &approve(&repo, &id, "purge", ANN).ok());
    pin("approve-again", &repo, &approve(&repo, &id, "purge", ANN).ok());
    let line = ["approve", &id, "--action", "purge", "--by", BOB, "--json"];
    let told = repo.archive(line).ok();
    let user = told.json()["one_keyboard"].clone();
    assert_eq!(user, true);
    pin("approve-json", &repo, &told);
    pin("request-list", &repo, &repo.archive(["request", "list"]).ok());
    pin("request-list-json", &repo, &repo.archive(["request", "list", "--json"]).ok());
    is_verifiable(&repo);
    let cancel = ["request", "cancel", &id, "--reason", "a mistake", "--by", CAROL];
    pin("request-cancel", &repo, &repo.archive(cancel).ok());
    pin("request-list-all", &repo, &repo.archive(["request", "list", "--all"]).ok());
    request(&repo, &id, CAROL).ok();
    let cancel = ["request", "cancel", &id, "--reason", "again", "--by", CAROL, "--json"];
    pin("request-cancel-json", &repo, &repo.archive(cancel).ok());
    is_verifiable(&repo);
}

#[test]
fn each_deed_leaves_the_tree_verifiable() {
    let (repo, id) = retired();
    request(&repo, &id, CAROL).ok();
    is_verifiable(&repo);
    approve(&repo, &id, "purge", ANN).ok();
    is_verifiable(&repo);
    approve(&repo, &id, "restore", ANN).ok();
    is_verifiable(&repo);
    let line = ["request", "cancel", "src/old.py", "--reason", "x"];
    // Two requests are about it: which one is meant has to be said.
    repo.archive(line).fails(2).says("2");
    approve(&repo, &id, "restore", BOB).ok();
    repo.archive(["restore", &id, "--stage", "--by", CAROL]).ok();
    is_well_but_restored(&repo);
}

fn is_well_but_restored(repo: &TestRepo) {
    repo.archive(["verify", "--staged"]).ok();
    repo.try_commit("restored").ok();
    repo.archive(["verify", "--range", "HEAD^..HEAD"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    repo.is_well();
}

#[test]
fn one_person_is_one_however_the_name_is_written() {
    let (repo, id) = retired();
    request(&repo, &id, CAROL).ok();
    approve(&repo, &id, "purge", ANN).ok();
    for same in ["ANN@EXAMPLE.COM", " ann@example.com ", "Ann@example.com"] {
        let told = repo.archive(["approve", &id, "--action", "purge", "--by", same, "--json"]);
        let told = told.ok().json();
        assert_eq!(told["already"], true, "{same}");
        assert_eq!(names(&told["approved_by"]), [ANN]);
        let line = ["purge", &id, "--by", ANN, "--second", same, "--reason", "x", "--apply"];
        repo.unchanged_but_recorded(|repo| repo.archive(line).fails(6).says("count as one"));
    }
    // Composed and decomposed letters are the same.
    approve(&repo, &id, "purge", "ren\u{e9}").ok();
    let told = approve(&repo, &id, "purge", "rene\u{301}").ok();
    told.says("Approved already").says("2 of 2");
    for nobody in ["", "  ", "a\nb"] {
        approve(&repo, &id, "purge", nobody).fails(2);
    }
}

#[test]
fn one_approval_is_not_enough() {
    let (repo, id) = retired();
    request(&repo, &id, CAROL).ok();
    let alone = ["purge", &id, "--by", ANN, "--reason", "x", "--apply"];
    repo.archive(alone).fails(6).says("1 of 2 approvals count");
    // Nor is the same person's second.
    repo.archive(alone).fails(6).says("1 of 2 approvals count");
    assert_eq!(state(&repo), "open");
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "log"]).ok().says("PURGE_REFUSED");
    is_verifiable(&repo);
}

#[test]
fn nobody_approves_what_nobody_asked_for() {
    let (repo, id) = retired();
    repo.unchanged(|repo| approve(repo, &id, "purge", ANN).fails(6)).says("nobody has asked");
    for action in ["release-hold", "policy", "retention"] {
        repo.unchanged(|repo| approve(repo, &id, action, ANN).fails(5));
    }
    repo.unchanged(|repo| approve(repo, &id, "readmit", ANN).fails(5)).says("was purged");
    request(&repo, &id, CAROL).ok();
    // A request for one thing is none for another.
    for action in ["release-hold", "policy", "retention"] {
        repo.unchanged(|repo| approve(repo, &id, action, ANN).fails(6));
    }
    repo.unchanged(|repo| approve(repo, &id, "destroy", ANN).fails(2));
    repo.unchanged(|repo| approve(repo, "nothing.py", "purge", ANN).fails(5));
}

#[test]
fn bad_words_are_refused_and_change_nothing() {
    let (repo, id) = retired();
    let long = "x".repeat(1025);
    for reason in ["", "  ", "a\nb", "a\u{1b}[31m", &long] {
        let line = ["prune-request", &id, "--by", ANN, "--reason", reason];
        repo.unchanged(|repo| repo.archive(line).fails(2));
        let line = ["purge", &id, "--by", ANN, "--second", BOB, "--reason", reason];
        repo.unchanged(|repo| repo.archive(line).fails(2));
    }
    repo.unchanged(|repo| request(repo, "src/nothing.py", ANN).fails(5));
    repo.unchanged(|repo| repo.archive(["prune-request", &id]).fails(2));
    let cancel = ["request", "cancel", &id, "--reason", "x"];
    repo.unchanged(|repo| repo.archive(cancel).fails(5)).says("nobody has asked");
}

#[test]
fn whoever_asked_does_not_approve_where_the_policy_says_so() {
    let (repo, id) = retired();
    repo.append(".codex/archive.toml", "\n[governance]\nseparation = true\n");
    repo.commit("stricter");
    adopt(&repo, &[ANN]).ok();
    // Nor does it go without anybody's request.
    purge(&repo, &id, &[]).fails(6).says("nobody has asked");
    request(&repo, &id, ANN).ok();
    repo.unchanged(|repo| approve(repo, &id, "purge", "ANN@example.com").fails(6));
    purge(&repo, &id, &[]).fails(6).says("count as one");
    assert_eq!(state(&repo), "open");
    approve(&repo, &id, "purge", BOB).ok().says("1 of 2");
    approve(&repo, &id, "purge", CAROL).ok().says("2 of 2");
    let line = ["purge", &id, "--by", BOB, "--second", CAROL, "--reason", "x", "--apply"];
    repo.archive(line).ok();
    is_verifiable(&repo);
}

#[test]
fn approvals_are_used_once() {
    let (repo, id) = restricted();
    approve(&repo, &id, "restore", ANN).ok().says("1 of 2");
    let out = ["restore", &id, "out.py", "--by", CAROL];
    repo.archive(out).fails(6).says("1 of 2 approvals count");
    assert!(!repo.has("out.py"));
    approve(&repo, &id, "restore", BOB).ok().says("2 of 2");
    repo.archive(out).ok();
    assert_eq!(repo.read("out.py"), CONTENT);
    assert_eq!(state(&repo), "done");
    let log = repo.archive(["--json", "evidence", "log"]).ok().stdout;
    assert!(log.contains("\"approvers\""), "{log}");
    repo.remove("out.py");
    repo.unchanged_but_recorded(|repo| repo.archive(out).fails(6));
    // Another round of two is asked for, from the start.
    approve(&repo, &id, "restore", BOB).ok().says("1 of 2");
    repo.archive(out).fails(6).says("1 of 2");
    approve(&repo, &id, "restore", ANN).ok().says("2 of 2");
    repo.archive(out).ok();
}

#[test]
fn a_failed_restore_uses_nothing_up() {
    let (repo, id) = restricted();
    approve(&repo, &id, "restore", ANN).ok();
    approve(&repo, &id, "restore", BOB).ok();
    repo.file("out.py", "mine\n");
    repo.archive(["restore", &id, "out.py"]).fails(6).says("already there");
    assert_eq!(repo.read("out.py"), "mine\n");
    assert_eq!(state(&repo), "open");
    repo.archive(["restore", &id, "out.py", "--force"]).ok();
    assert_eq!(repo.read("out.py"), CONTENT);
    assert_eq!(state(&repo), "done");
}

#[test]
fn approvals_end() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = restricted();
    approve(&repo, &id, "restore", ANN).ok();
    approve(&repo, &id, "restore", BOB).ok();
    request(&repo, &id, CAROL).ok();
    approve(&repo, &id, "purge", ANN).ok();
    approve(&repo, &id, "purge", BOB).ok();
    let_expire(&repo);
    assert_eq!(state(&repo), "expired");
    repo.archive(["restore", &id, "out.py"]).fails(6);
    assert!(!repo.has("out.py"));
    // One who approves again is one: the other's has ended.
    let alone = ["purge", &id, "--by", ANN, "--reason", "x", "--apply"];
    repo.archive(alone).fails(6).says("1 of 2 approvals count");
    assert_eq!(state(&repo), "open");
    approve(&repo, &id, "restore", ANN).ok().says("1 of 2");
    repo.archive(["restore", &id, "out.py"]).fails(6).says("1 of 2");
    approve(&repo, &id, "restore", BOB).ok().says("2 of 2");
    repo.archive(["restore", &id, "out.py"]).ok();
    purge(&repo, &id, &[]).ok();
}

#[test]
fn approvals_of_one_thing_are_none_of_another() {
    let (repo, old) = restricted();
    let live = repo.store_one("src/live.py");
    repo.try_commit("more").ok();
    for id in [&old, &live] {
        request(&repo, id, CAROL).ok();
    }
    for by in [ANN, BOB] {
        approve(&repo, &old, "purge", by).ok();
        approve(&repo, &live, "restore", by).ok();
    }
    // Approved to be purged is not approved to be given out, and the other way round.
    repo.archive(["restore", &old, "out.py"]).fails(6);
    let alone = ["purge", &live, "--by", ANN, "--reason", "x", "--apply"];
    repo.archive(alone).fails(6).says("1 of 2");
    // A request that was taken back takes its approvals along.
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    let of_old = listed["requests"].as_array().unwrap().iter().find(|it| it["subject"] == old);
    let deed = of_old.unwrap()["request"].as_str().unwrap().to_owned();
    repo.archive(["request", "cancel", &deed, "--reason", "x"]).ok();
    repo.unchanged(|repo| approve(repo, &deed, "purge", ANN).fails(6));
    request(&repo, &old, CAROL).ok();
    let alone = ["purge", &old, "--by", ANN, "--reason", "x", "--apply"];
    repo.archive(alone).fails(6).says("1 of 2");
}
