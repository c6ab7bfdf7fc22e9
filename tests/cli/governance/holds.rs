//! Holds: what they name, that nothing held is destroyed, and who releases them.

use crate::common::{TestRepo, is_embedded, sha256};
use crate::pinned::pin;

use super::{
    ANN, BOB, CAROL, CONTENT, adopt, approve, hold, is_verifiable, let_expire, purge, release,
    request, retired, state,
};

/// The cases that hold the item `id`, as `show` tells them.
fn cases(repo: &TestRepo, id: &str) -> Vec<String> {
    let shown = repo.archive(["--json", "show", id]).ok().json();
    let item = if shown["holds"].is_array() { &shown } else { &shown["item"] };
    item["holds"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// Nothing gets it destroyed while `case` holds it.
#[track_caller]
fn is_held(repo: &TestRepo, id: &str, case: &str) {
    purge(repo, id, &["--all-items"]).fails(6).says(&format!("held ({case})"));
    repo.archive(["fsck"]).ok();
    assert_ne!(repo.archive(["--json", "show", id]).ok().json()["state"], "purged");
}

#[test]
fn what_is_said() {
    let (repo, id) = retired();
    pin("hold-none", &repo, &repo.archive(["hold", "list"]).ok());
    pin("hold-set", &repo, &hold(&repo, &[&id], "LIT-7").ok());
    pin("hold-set-again", &repo, &hold(&repo, &[&id], "LIT-7").ok());
    let line = ["hold", "set", "--path", "src/**", "--case", "LIT-8", "--reason", "x", "--json"];
    pin("hold-set-json", &repo, &repo.archive(line).ok());
    pin("hold-list", &repo, &repo.archive(["hold", "list"]).ok());
    pin("hold-list-json", &repo, &repo.archive(["hold", "list", "--json"]).ok());
    pin("hold-refuses", &repo, &purge(&repo, &id, &[]).fails(6));
    pin("hold-release-waits", &repo, &release(&repo, "LIT-7", &[ANN]).fails(3));
    pin("hold-release", &repo, &release(&repo, "LIT-7", &[ANN, BOB]).ok());
    let line = ["hold", "release", "--case", "LIT-8", "--reason", "settled", "--json"];
    let two = ["--by", ANN, "--second", BOB];
    pin("hold-release-json", &repo, &repo.archive(line.iter().chain(&two)).ok());
    pin("hold-list-all", &repo, &repo.archive(["hold", "list", "--all"]).ok());
    is_verifiable(&repo);
}

#[test]
fn each_target_holds() {
    let (repo, id) = retired();
    let digest = sha256(CONTENT.as_bytes());
    repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead", "--tag", "eu"]).ok();
    repo.try_commit("more").ok();
    let live = repo.archive(["--json", "show", "src/live.py"]).ok().json();
    let live = live["tombstone"].as_str().unwrap().to_owned();
    for (target, held, free) in [
        (vec![id.as_str()], &id, &live),
        (vec!["src/old.py"], &id, &live),
        (vec!["--sha256", &digest], &id, &live),
        (vec!["--path", "src/o*"], &id, &live),
        (vec!["--path", "**/live.py"], &live, &id),
        (vec!["--tag", "eu"], &live, &id),
    ] {
        hold(&repo, &target, "LIT-7").ok().says("1 item");
        assert_eq!(cases(&repo, held), ["LIT-7"], "{target:?}");
        assert_eq!(cases(&repo, free), [""; 0], "{target:?}");
        is_held(&repo, held, "LIT-7");
        is_verifiable(&repo);
        release(&repo, "LIT-7", &[ANN, BOB]).ok();
        assert_eq!(cases(&repo, held), [""; 0], "{target:?}");
        is_verifiable(&repo);
    }
}

#[test]
fn what_comes_later_is_held_from_the_start() {
    let repo = TestRepo::ready();
    repo.file("src/deep/new.py", "print('new')\n").commit("more");
    hold(&repo, &["--path", "src/**"], "LIT-1").ok().says("0 items");
    hold(&repo, &["--tag", "eu"], "LIT-2").ok();
    hold(&repo, &["--sha256", &sha256(CONTENT.as_bytes())], "LIT-3").ok();
    repo.commit("holds");
    let new = repo.store_one("src/deep/new.py");
    let old = repo.store_one("src/old.py");
    assert_eq!(cases(&repo, &new), ["LIT-1"]);
    assert_eq!(cases(&repo, &old), ["LIT-1", "LIT-3"]);
    repo.try_commit("retire").ok();
    // A tag that comes later is noticed as well.
    repo.archive(["restore", "--stage", &old]).ok();
    repo.try_commit("back").ok();
    let line = ["store", "_codex_", "src/old.py", "--reason", "pruned", "--tag", "eu"];
    repo.archive(line).ok();
    assert_eq!(cases(&repo, &old), ["LIT-1", "LIT-2", "LIT-3"]);
    repo.archive(["hold", "list"]).ok().says("2 items").says("1 item");
}

#[test]
fn every_hold_must_go_before_anything_is_destroyed() {
    let (repo, id) = retired();
    hold(&repo, &[&id], "LIT-1").ok();
    hold(&repo, &["--path", "src/*"], "LIT-2").ok();
    is_held(&repo, &id, "LIT-1, LIT-2");
    release(&repo, "LIT-1", &[ANN, BOB]).ok();
    is_held(&repo, &id, "LIT-2");
    release(&repo, "LIT-2", &[ANN, BOB]).ok();
    purge(&repo, &id, &[]).ok();
    is_verifiable(&repo);
}

#[test]
fn a_hold_is_released_by_two() {
    let (repo, id) = retired();
    hold(&repo, &[&id], "LIT-7").ok();
    release(&repo, "LIT-7", &[ANN, "ANN@example.com"]).fails(6).says("count as one");
    release(&repo, "LIT-7", &[ANN]).fails(3);
    release(&repo, "LIT-7", &["Ann@Example.com"]).fails(3);
    is_held(&repo, &id, "LIT-7");
    is_verifiable(&repo);
    // The second by himself, with `approve`; then whoever asks again carries it out.
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    let asked = listed["requests"].as_array().unwrap().iter();
    let asked = asked.filter(|it| it["action"] == "release-hold").collect::<Vec<_>>();
    assert_eq!(asked.len(), 1, "{listed}");
    let deed = asked[0]["request"].as_str().unwrap();
    approve(&repo, deed, "release-hold", BOB).ok().says("2 of 2");
    is_held(&repo, &id, "LIT-7");
    release(&repo, "LIT-7", &[ANN]).ok().says("Released");
    release(&repo, "LIT-7", &[ANN, BOB]).fails(5);
    is_verifiable(&repo);
}

#[test]
fn only_what_is_named_is_released() {
    let (repo, id) = retired();
    hold(&repo, &[&id], "LIT-7").ok();
    hold(&repo, &["--path", "src/*"], "LIT-7").ok();
    release(&repo, "LIT-8", &[ANN, BOB]).fails(5);
    let line = ["hold", "release", "--path", "src/*", "--case", "LIT-7", "--reason", "x"];
    repo.archive(line.iter().chain(&["--by", ANN, "--second", BOB])).ok();
    is_held(&repo, &id, "LIT-7");
    assert_eq!(repo.archive(["--json", "hold", "list"]).ok().json()["holds"][0]["scope"], "item");
}

#[test]
fn a_request_waits_while_it_is_held_and_is_open_again_after() {
    let (repo, id) = retired();
    hold(&repo, &[&id], "LIT-1").ok();
    hold(&repo, &["--tag", "none"], "LIT-2").ok();
    request(&repo, &id, CAROL).ok().says("held by");
    approve(&repo, &id, "purge", ANN).ok();
    approve(&repo, &id, "purge", BOB).ok();
    assert_eq!(state(&repo), "held");
    hold(&repo, &["--path", "**"], "LIT-3").ok();
    release(&repo, "LIT-1", &[ANN, BOB]).ok();
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    let of_purge = |it: &&serde_json::Value| it["action"] == "purge";
    let asked = listed["requests"].as_array().unwrap().iter().find(of_purge).unwrap().clone();
    assert_eq!(asked["state"], "held");
    release(&repo, "LIT-3", &[ANN, BOB]).ok();
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    let asked = listed["requests"].as_array().unwrap().iter().find(of_purge).unwrap().clone();
    assert_eq!(asked["state"], "open");
    // Nothing runs by itself.
    assert_eq!(repo.archive(["--json", "show", &id]).ok().json()["state"], "archived");
    purge(&repo, &id, &[]).ok();
}

#[test]
fn approvals_that_ended_during_a_hold_are_asked_for_again() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = retired();
    request(&repo, &id, CAROL).ok();
    approve(&repo, &id, "purge", ANN).ok();
    approve(&repo, &id, "purge", BOB).ok();
    hold(&repo, &[&id], "LIT-1").ok();
    let_expire(&repo);
    release(&repo, "LIT-1", &[ANN, BOB]).ok();
    repo.archive(["request", "list"]).ok().says("purge expired").says("nobody");
    let alone = ["purge", &id, "--by", ANN, "--reason", "x", "--apply"];
    repo.archive(alone).fails(6).says("1 of 2");
    approve(&repo, &id, "purge", BOB).ok().says("2 of 2");
    repo.archive(alone).ok();
}

#[test]
fn bad_targets_and_cases_change_nothing() {
    let (repo, id) = retired();
    for target in [
        vec!["--path", "/src/*"],
        vec!["--path", "../*"],
        vec!["--path", "src/[a"],
        vec!["--path", ""],
        vec!["--sha256", "12ab"],
        vec!["--tag", ""],
        vec![],
        vec![id.as_str(), "--tag", "eu"],
    ] {
        repo.unchanged(|repo| hold(repo, &target, "LIT-7").fails(2));
    }
    repo.unchanged(|repo| hold(repo, &["src/nothing.py"], "LIT-7").fails(5));
    let long = "x".repeat(129);
    for case in ["", "a\nb", &long] {
        repo.unchanged(|repo| hold(repo, &[&id], case).fails(2));
    }
}

#[test]
fn whoever_writes_the_tables_by_hand_is_stopped_too() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = retired();
    hold(&repo, &[&id], "LIT-7").ok();
    for wrong in [
        "UPDATE artifact_row SET run_id = NULL",
        "UPDATE artifact_row SET purged_at = '2026'",
        "DELETE FROM artifact_row",
        "DELETE FROM item_row",
        "UPDATE run SET bytes = x''",
        "DELETE FROM run",
    ] {
        let line = format!("sqlite3 .codex/archive.sqlite \"{wrong}\"");
        repo.types(&line).says("a hold forbids it");
    }
    repo.is_well();
    release(&repo, "LIT-7", &[ANN, BOB]).ok();
    repo.sql("BEGIN; UPDATE run SET bytes = x''; ROLLBACK");
}

#[test]
fn who_asked_for_the_release_does_not_approve_it_where_the_policy_says_so() {
    let (repo, id) = retired();
    repo.append(".codex/archive.toml", "\n[governance]\nseparation = true\n");
    repo.commit("stricter");
    adopt(&repo, &[ANN]).ok();
    hold(&repo, &[&id], "LIT-7").ok();
    // Ann asks; Bob and Carol approve; whoever asks again carries it out.
    release(&repo, "LIT-7", &[ANN]).fails(3).says("Waits for approvals");
    is_held(&repo, &id, "LIT-7");
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    let asked = listed["requests"].as_array().unwrap().iter();
    let asked = asked.clone().find(|it| it["action"] == "release-hold").unwrap();
    assert_eq!(asked["requested_by"], ANN);
    let deed = asked["request"].as_str().unwrap();
    approve(&repo, deed, "release-hold", BOB).ok().says("1 of 2");
    is_held(&repo, &id, "LIT-7");
    approve(&repo, deed, "release-hold", CAROL).ok().says("2 of 2");
    release(&repo, "LIT-7", &[BOB]).ok().says("Released");
}
