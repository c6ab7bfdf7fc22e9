//! Backups: what other programs take them for, what is seen of damage, and what comes back.

mod create;
mod drill;
mod restore;
mod rotate;
mod sealed;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Outcome, TestRepo, sha256};

/// Two files, archived and committed.
fn with_items() -> TestRepo {
    let repo = TestRepo::ready();
    repo.file("src/secret.py", secret()).commit("a secret");
    repo.store(&["src/old.py", "src/secret.py"]);
    repo.commit("retired").clone()
}

/// What must not come back once it was purged: bytes that no compressor shortens, so that they stand
/// in the archive as they are.
fn secret() -> Vec<u8> {
    let hex: String = (0..12).map(|n| sha256(format!("secret {n}").as_bytes())).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    hex.as_bytes().chunks_exact(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}

/// The destination of a repository's backups.
fn dest(repo: &TestRepo) -> PathBuf {
    repo.world.path("backups")
}

/// Makes a backup of the repository's own data, with `options`; what is said of it in JSON.
#[track_caller]
fn backed_up(repo: &TestRepo, options: &[&str]) -> Value {
    let dest = dest(repo);
    let mut line = vec!["--json", "backup", "create", "--dest", dest.to_str().unwrap()];
    line.extend(options);
    repo.archive(line).ok().json()["items"][0].clone()
}

/// The same; its file.
#[track_caller]
fn backup(repo: &TestRepo, options: &[&str]) -> PathBuf {
    PathBuf::from(backed_up(repo, options)["file"].as_str().unwrap())
}

/// Runs `backup verify` of a file.
fn verify(repo: &TestRepo, file: &Path) -> Outcome {
    repo.archive(["backup", "verify", file.to_str().unwrap()])
}

/// Runs `backup restore` of a file, with `options`.
fn restore(repo: &TestRepo, file: &Path, options: &[&str]) -> Outcome {
    let mut line = vec!["backup", "restore", file.to_str().unwrap()];
    line.extend(options);
    repo.archive(line)
}

/// Every file at the destination, by its name.
fn files_at(dest: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dest.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// One of these codes.
#[track_caller]
fn ends(outcome: &Outcome, codes: &[i32]) {
    assert!(codes.contains(&outcome.code), "expected one of {codes:?}:\n{outcome}");
}
