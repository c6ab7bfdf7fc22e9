//! Bundles: what other programs take them for, that they are the same everywhere, what is seen of
//! damage, and what a hostile repository cannot do with them.

mod create;
mod hostile;
mod killed;
mod prune;
mod release;
mod signed;
mod stubs;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Outcome, TestRepo};

/// A commit with what there may be in one: an executable file, links, long and odd names.
fn with_shapes() -> TestRepo {
    let repo = TestRepo::with_history();
    repo.script("run.sh", "#!/bin/sh\n").file("docs/internal/plan.md", "plan\n");
    repo.file("empty", "").file("docs/guide.md", "guide\n");
    repo.link("link", "src/live.py").link("dangling", &"x".repeat(150));
    repo.file(format!("{}/{}.txt", "d".repeat(90), "e".repeat(90)), "long\n");
    repo.file(odd(), "odd\n");
    repo.file("package.json", "{\"name\": \"@acme/shop\", \"version\": \"1.2.0\"}\n");
    repo.commit("shapes").clone()
}

/// A name that is no UTF-8, with a line feed in it.
fn odd() -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"o\xffd\nd -x".to_vec())
}

/// Runs `bundle create` with `options`.
fn create(repo: &TestRepo, options: &[&str]) -> Outcome {
    repo.archive([&["bundle", "create"], options].concat())
}

/// The same, which must succeed; what it says in JSON.
#[track_caller]
fn made(repo: &TestRepo, options: &[&str]) -> Value {
    repo.archive([&["--json", "bundle", "create"], options].concat()).ok().json()
}

/// The files in `releases`, by name.
fn files(repo: &TestRepo) -> Vec<String> {
    files_in(&repo.top.join("releases"))
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The lock that a report tells of.
fn lock_file(report: &Value) -> PathBuf {
    PathBuf::from(report["file"].as_str().unwrap())
}

/// The tarball that a report tells of.
fn tarball(report: &Value) -> PathBuf {
    lock_file(report).with_file_name(report["lock"]["tarball"].as_str().unwrap())
}

/// The one lock in `releases`.
fn only_lock(repo: &TestRepo) -> PathBuf {
    let mut locks = files(repo);
    locks.retain(|name| name.ends_with(".lock.json"));
    assert_eq!(locks.len(), 1, "{locks:?}");
    repo.top.join("releases").join(&locks[0])
}

/// The files in a tarball, as GNU tar names them.
fn names_in(repo: &TestRepo, tarball: &Path) -> Vec<String> {
    let listed = repo.types(&format!("tar tzf '{}'", tarball.display())).ok().stdout;
    listed.lines().map(str::to_owned).collect()
}

/// Runs `bundle verify` of all bundles in `releases`.
fn verify(repo: &TestRepo) -> Outcome {
    repo.archive(["bundle", "verify"])
}
