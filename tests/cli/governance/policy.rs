//! The policy in force: how it comes, who changes it, and that nothing beside it is looser.

use std::fs;

use crate::common::{TestRepo, have};
use crate::pinned::pin;
use crate::signed::key;

use super::{ANN, BOB, CAROL, adopt, approve, hold, is_verifiable, request, retired};

const SIGNERS: &str = ".codex/allowed_signers";

/// Sets `[governance]` of the tracked file to these lines.
fn rules(repo: &TestRepo, lines: &str) {
    let toml = repo.read(".codex/archive.toml");
    let before = toml.split("\n[governance]\n").next().unwrap();
    repo.file(".codex/archive.toml", format!("{before}\n[governance]\n{lines}"));
}

#[test]
fn what_is_said() {
    let (repo, _) = retired();
    pin("policy-none", &repo, &repo.archive(["policy", "show"]).ok());
    rules(&repo, "separation = true\napproval_ttl = 3\n");
    pin("policy-diff", &repo, &repo.archive(["policy", "diff"]).ok());
    pin("policy-diff-json", &repo, &repo.archive(["policy", "diff", "--json"]).ok());
    pin("policy-adopt", &repo, &adopt(&repo, &[ANN]).ok());
    pin("policy-adopt-again", &repo, &adopt(&repo, &[BOB]).ok());
    pin("policy-show", &repo, &repo.archive(["policy", "show"]).ok());
    pin("policy-same", &repo, &repo.archive(["policy", "diff"]).ok());
    repo.commit("first");
    is_verifiable(&repo);
    rules(&repo, "separation = false\n");
    pin("policy-looser", &repo, &request(&repo, "src/old.py", ANN).fails(6));
    // Who asks does not approve.
    pin("policy-adopt-waits", &repo, &adopt(&repo, &[ANN]).fails(3));
    pin("policy-request", &repo, &repo.archive(["request", "list"]).ok());
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    let deed = listed["requests"][0]["request"].as_str().unwrap();
    approve(&repo, deed, "policy", ANN).fails(6).says("count as one");
    approve(&repo, deed, "policy", BOB).ok().says("1 of 2");
    adopt(&repo, &[CAROL]).ok().says("Adopted");
    repo.git(["add", ".codex/archive.toml"]).ok();
    is_verifiable(&repo);
}

#[test]
fn what_is_said_of_a_later_one() {
    let (repo, _) = retired();
    adopt(&repo, &[ANN]).ok();
    repo.commit("first");
    rules(&repo, "approval_ttl = 3\n");
    pin("policy-waits", &repo, &adopt(&repo, &[ANN]).fails(3));
    let line = ["policy", "adopt", "--by", ANN, "--second", BOB, "--reason", "x", "--json"];
    pin("policy-adopt-json", &repo, &repo.archive(line).ok());
    pin("policy-show-json", &repo, &repo.archive(["policy", "show", "--json"]).ok());
    repo.git(["add", ".codex/archive.toml"]).ok();
    repo.try_commit("second").ok();
    is_verifiable(&repo);
}

#[test]
fn a_later_policy_takes_two_under_the_old_one() {
    let (repo, id) = retired();
    adopt(&repo, &[ANN]).ok().says("unwitnessed");
    repo.commit("first");
    rules(&repo, "approval_ttl = 30\n");
    // Looser: nothing else goes on until it is adopted or taken back.
    request(&repo, &id, CAROL).fails(6).says("governance.approval_ttl");
    adopt(&repo, &[ANN, "Ann@example.com"]).fails(6).says("count as one");
    adopt(&repo, &[ANN]).fails(3);
    adopt(&repo, &["ANN@example.com"]).fails(3);
    let shown = repo.archive(["--json", "policy", "show"]).ok().json();
    assert_eq!(shown["version"], 1, "{shown}");
    adopt(&repo, &[BOB]).ok();
    let shown = repo.archive(["--json", "policy", "show"]).ok().json();
    assert_eq!((&shown["version"], &shown["unwitnessed"]), (&2.into(), &false.into()), "{shown}");
    request(&repo, &id, CAROL).ok();
}

#[test]
fn approvals_of_one_change_are_none_of_another() {
    let (repo, _) = retired();
    adopt(&repo, &[ANN]).ok();
    repo.commit("first");
    rules(&repo, "approval_ttl = 30\n");
    adopt(&repo, &[ANN]).fails(3);
    rules(&repo, "approval_ttl = 31\n");
    adopt(&repo, &[BOB]).fails(3);
    assert_eq!(repo.archive(["--json", "policy", "show"]).ok().json()["version"], 1);
    rules(&repo, "approval_ttl = 30\n");
    adopt(&repo, &[BOB]).ok();
    let shown = repo.archive(["--json", "policy", "show"]).ok().json();
    assert!(shown["rules"].as_str().unwrap().contains("approval_ttl = 30"), "{shown}");
}

#[test]
fn nothing_beside_the_policy_is_looser() {
    let (repo, id) = retired();
    rules(&repo, "separation = true\nrestore_approvals = 3\napproval_ttl = 3\n");
    adopt(&repo, &[ANN]).ok();
    repo.commit("first");
    for (looser, key) in [
        ("separation = false\nrestore_approvals = 3\n", "governance.separation"),
        ("restore_approvals = 2\n", "governance.restore_approvals"),
        ("approval_ttl = 4\n", "governance.approval_ttl"),
    ] {
        // Neither the tracked file nor one that is named beside it.
        rules(&repo, looser);
        repo.unchanged(|repo| request(repo, &id, CAROL).fails(6)).says(key).says("archive.toml");
        repo.unchanged(|repo| hold_release(repo).fails(6)).says(key);
        rules(&repo, "");
        let other = repo.world.path("other.toml");
        fs::write(&other, format!("[governance]\n{looser}")).unwrap();
        let named = repo.env("CODEX_ARCHIVE_CONFIG", other.to_str().unwrap());
        named.unchanged(|repo| request(repo, &id, CAROL).fails(6)).says(key).says("other.toml");
        let line = ["--config", other.to_str().unwrap(), "prune-request", &id, "--reason", "x"];
        repo.unchanged(|repo| repo.archive(line).fails(6)).says(key);
    }
    // What says nothing is as the policy is, and stricter counts.
    rules(&repo, "");
    request(&repo, &id, CAROL).ok();
    approve(&repo, &id, "purge", CAROL).fails(6);
    // Who approves first has asked, and does not count where the two are apart.
    approve(&repo, &id, "restore", ANN).ok().says("0 of 3").says("others approve");
    approve(&repo, &id, "restore", ANN).fails(6).says("count as one");
    rules(&repo, "restore_approvals = 4\n");
    approve(&repo, &id, "restore", BOB).ok().says("1 of 4");
}

fn hold_release(repo: &TestRepo) -> crate::common::Outcome {
    super::release(repo, "LIT-7", &[ANN, BOB])
}

#[test]
fn no_rule_makes_two_fewer() {
    let (repo, id) = retired();
    for wrong in ["restore_approvals = 1\n", "restore_approvals = 0\n", "approval_ttl = 0\n"] {
        rules(&repo, wrong);
        repo.unchanged(|repo| adopt(repo, &[ANN]).fails(8));
        repo.unchanged(|repo| request(repo, &id, ANN).fails(8));
    }
}

#[test]
fn a_signer_whom_nobody_approved_is_refused() {
    if !have("ssh-keygen") {
        return;
    }
    let (repo, id) = retired();
    let [ann, bob] = ["ann", "bob"].map(|name| key(&repo, name));
    repo.file(SIGNERS, format!("{ann}\n{bob}\n"));
    adopt(&repo, &[ANN]).ok();
    repo.commit("first");
    let mallory = key(&repo, "mallory");
    repo.append(SIGNERS, &format!("{mallory}\n"));
    repo.unchanged(|repo| request(repo, &id, CAROL).fails(6)).says("allowed_signers");
    // A line fewer is stricter, and no affair of anybody's.
    repo.file(SIGNERS, format!("{ann}\n"));
    request(&repo, &id, CAROL).ok();
    // The same line with another comment or in another place is the same.
    repo.file(SIGNERS, format!("# who signs\n\n{bob}\n{ann} a comment\n"));
    approve(&repo, &id, "purge", ANN).ok();
}

#[test]
fn a_merge_of_two_approved_signers_is_in_order() {
    if !have("ssh-keygen") {
        return;
    }
    let (repo, id) = retired();
    let [ann, bob, carol, dave] = ["ann", "bob", "carol", "dave"].map(|name| key(&repo, name));
    repo.file(SIGNERS, format!("{ann}\n{bob}\n"));
    adopt(&repo, &[ANN]).ok();
    repo.commit("first");
    for (branch, line) in [("one", &carol), ("two", &dave)] {
        repo.git(["switch", "-qc", branch, "main"]).ok();
        repo.file(SIGNERS, format!("{ann}\n{bob}\n{line}\n"));
        adopt(&repo, &[ANN, BOB]).ok();
        repo.commit(branch);
    }
    let merge = repo.git(["merge", "-q", "--no-edit", "one"]);
    if merge.code != 0 {
        repo.file(SIGNERS, format!("{ann}\n{bob}\n{carol}\n{dave}\n"));
        repo.commit("merged");
    }
    for line in [&ann, &bob, &carol, &dave] {
        assert!(repo.read(SIGNERS).contains(line.as_str()));
    }
    request(&repo, &id, CAROL).ok();
    repo.archive(["policy", "diff"]).ok().says("what is in force");
    is_verifiable(&repo);
    // Who is taken out of the merged file is revoked.
    repo.file(SIGNERS, format!("{ann}\n{bob}\n{dave}\n"));
    adopt(&repo, &[ANN, BOB]).ok();
    let shown = repo.archive(["--json", "policy", "show"]).ok().json();
    assert_eq!(shown["signers"].as_array().unwrap().len(), 3, "{shown}");
}

#[test]
fn an_approval_of_the_old_policys_time_says_so() {
    let (repo, id) = retired();
    request(&repo, &id, CAROL).ok();
    approve(&repo, &id, "purge", ANN).ok();
    rules(&repo, "separation = true\n");
    adopt(&repo, &[ANN]).ok();
    // The stricter rule counts at once: of who asked, nothing is taken.
    approve(&repo, &id, "purge", BOB).ok().says("2 of 2");
    approve(&repo, &id, "purge", CAROL).fails(6);
    hold(&repo, &[&id], "LIT-7").ok();
    super::purge(&repo, &id, &[]).fails(6).says("LIT-7");
}
