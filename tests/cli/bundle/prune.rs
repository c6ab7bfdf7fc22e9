//! Which bundles go, and with what.

use std::fs;

use serde_json::Value;

use crate::common::TestRepo;

use super::{create, files, made, tarball, verify};

/// Four commits, each with a bundle.
fn with_four() -> TestRepo {
    let repo = TestRepo::with_history();
    for n in 0..4 {
        repo.file("n", format!("{n}\n")).git(["add", "n"]).ok();
        repo.try_commit("n").ok();
        create(&repo, &["--version", &format!("1.{n}")]).ok();
    }
    repo
}

fn versions(repo: &TestRepo) -> Vec<String> {
    let items = repo.archive(["--json", "bundle", "list"]).ok().json()["items"].clone();
    let version = |it: &Value| it["version"].as_str().unwrap().to_owned();
    items.as_array().unwrap().iter().map(version).collect()
}

#[test]
fn tarball_lock_and_line_go_together() {
    let repo = with_four();
    repo.file("releases/my-photos.tar.gz", "x").file("releases/other.lock.json", "{}");
    repo.append("releases/SHA256SUMS", &format!("{}  my-photos.tar.gz\n", "0".repeat(64)));
    let before = files(&repo);
    let line = ["--json", "bundle", "prune", "--keep", "2", "--dry-run"];
    let told = repo.unchanged(|repo| repo.archive(line).ok().json());
    assert_eq!((told["kept"].as_u64(), told["pruned"].as_array().unwrap().len()), (Some(2), 2));
    repo.archive(["bundle", "prune", "--keep", "2"]).ok();
    assert_eq!(files(&repo).len(), before.len() - 4);
    let sums = repo.read("releases/SHA256SUMS");
    assert_eq!(sums.lines().count(), 3, "{sums}");
    assert!(sums.contains("my-photos") && sums.contains("v1.3") && !sums.contains("v1.0"));
    assert!(repo.has("releases/my-photos.tar.gz") && repo.has("releases/other.lock.json"));
    assert_eq!(versions(&repo)[..2], ["v1.3", "v1.2"]);
}

#[test]
fn a_new_bundle_of_an_old_commit_stays() {
    let repo = with_four();
    let report = made(&repo, &["HEAD~3", "--version", "old", "--keep", "2", "--prune"]);
    assert_eq!(report["pruned"].as_array().unwrap().len(), 3);
    assert_eq!(versions(&repo), ["v1.3", "vold"]);
    verify(&repo).ok();
}

#[test]
fn each_environment_keeps_its_own() {
    let repo = with_four();
    create(&repo, &["--env", "dev", "--version", "dev", "--keep", "1", "--prune"]).ok();
    assert_eq!(versions(&repo).len(), 5);
    repo.archive(["bundle", "prune", "--env", "prod", "--keep", "1"]).ok();
    assert_eq!(versions(&repo), ["vdev", "v1.3"]);
    repo.archive(["bundle", "prune", "--keep", "0"]).fails(2);
}

#[test]
fn nothing_goes_while_the_newest_is_damaged() {
    let repo = with_four();
    let newest = tarball(&made(&repo, &["--version", "1.3"]));
    fs::write(&newest, "x").unwrap();
    let prune = |repo: &TestRepo| repo.archive(["bundle", "prune", "--keep", "1"]);
    repo.unchanged(|repo| prune(repo).fails(1)).says("nothing was removed");
    // One without its tarball does not count as kept.
    fs::remove_file(&newest).unwrap();
    prune(&repo).ok();
    assert_eq!(versions(&repo), ["v1.3", "v1.2"]);
}
