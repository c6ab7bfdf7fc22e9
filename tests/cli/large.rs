//! Files that go into the archive in parts, because they are too large for memory.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::common::{BINARY, TestRepo, is_embedded, skipped};
use crate::governance::{noise, purge, request};

/// Text and noise by turns, so many MiB of it.
fn large(mib: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..mib {
        match n % 2 {
            0 => bytes.extend(noise(1 << 20).iter().map(|byte| byte ^ n as u8)),
            _ => {
                let text = format!("line {n} of a long text that says little\n");
                bytes.extend_from_slice(text.repeat((1 << 20) / text.len()).as_bytes());
            }
        }
    }
    bytes
}

fn with(content: &[u8]) -> TestRepo {
    let repo = TestRepo::ready();
    repo.file("data/large.bin", content).commit("large");
    repo
}

#[test]
fn a_large_file_goes_in_and_comes_back() {
    let content = large(23);
    let repo = with(&content);
    let dry = ["store", "_codex_", "data/large.bin", "--reason", "dead", "--dry-run", "--json"];
    let told = repo.archive(dry).ok().json();
    let (size, length) = (&told["items"][0]["size_bytes"], &told["items"][0]["compressed_size"]);
    assert_eq!(*size, content.len());
    let stored = repo.store(&["data/large.bin"]);
    assert_eq!(
        (&stored["items"][0]["compressed_size"], &stored["items"][0]["size_bytes"]),
        (length, size)
    );
    let id = stored["items"][0]["tombstone"].as_str().unwrap();
    if is_embedded() {
        let run = repo.sql("SELECT members, pieces, (SELECT COUNT(*) FROM run_piece) FROM run");
        assert_eq!(run.trim(), "1|12|11");
        assert_eq!(repo.sql("SELECT COUNT(*) FROM upload").trim(), "0");
    }
    repo.try_commit("retire").ok();
    repo.archive(["fsck"]).ok();
    repo.archive(["verify", "--all"]).ok();
    repo.archive(["restore", id, "out/large.bin"]).ok();
    assert_eq!(repo.bytes("out/large.bin"), content);
    repo.file("m.json", format!(r#"[{{"tombstone":"{id}","output":"out/again.bin"}}]"#));
    repo.archive(["batch-restore", "m.json"]).ok();
    assert_eq!(repo.bytes("out/again.bin"), content);
    // The same content again is known before any of it is sent.
    repo.file("data/twin.bin", &content).commit("twin");
    let told = repo.store(&["data/twin.bin"]);
    assert_eq!(told["items"][0]["deduplicated"], true);
    if is_embedded() {
        assert_eq!(repo.sql("SELECT COUNT(*) FROM run").trim(), "1");
    }
    repo.is_well();
}

#[test]
fn what_git_converts_is_archived_as_git_has_it() {
    let text = "a line of text\n".repeat(700_000);
    let repo = TestRepo::ready();
    repo.file(".gitattributes", "*.txt text\n").file("large.txt", &text).commit("large");
    repo.file("large.txt", text.replace('\n', "\r\n"));
    repo.git(["add", "large.txt"]).ok();
    let told = repo.store(&["large.txt"]);
    assert_eq!(told["items"][0]["size_bytes"], text.len());
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    repo.archive(["restore", id, "out.txt"]).ok();
    assert_eq!(repo.read("out.txt"), text);
}

#[test]
fn what_was_changed_is_refused_and_leaves_nothing() {
    let mut content = large(11);
    let repo = with(&content);
    content[5 << 20] ^= 1;
    repo.file("data/large.bin", &content);
    let store = ["store", "_codex_", "data/large.bin", "--reason", "dead"];
    repo.archive(store).fails(6);
    if is_embedded() && repo.has(".codex/archive.sqlite") {
        let left = "SELECT (SELECT COUNT(*) FROM run) || (SELECT COUNT(*) FROM upload)";
        assert_eq!(repo.sql(left).trim(), "00");
    }
}

#[test]
fn a_credential_in_it_is_told_with_its_line() {
    let mut content = "just words\n".repeat(1_200_000);
    let secret = format!("aws = {}{}\n", "AKIA", "QYLPMN5HHHFPZAM2");
    content.insert_str(11 * 1_000_000, &secret);
    let repo = with(content.as_bytes());
    let store = ["store", "_codex_", "data/large.bin", "--reason", "dead"];
    let told = repo.archive(store).fails(6).says("data/large.bin:1000001:7");
    assert!(!told.said("QYLPMN5"), "{told}");
    if is_embedded() {
        assert_eq!(repo.sql("SELECT COUNT(*) FROM run").trim(), "0");
    }
}

/// A repository in which `store` of a large file was killed on its way; and the file's content.
fn killed_on_its_way() -> (TestRepo, Vec<u8>) {
    let content = large(96);
    let repo = with(&content);
    let mut command = repo.world.command(BINARY, &repo.top);
    command.args(STORE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while pieces(&repo) < 8 {
        assert!(child.try_wait().unwrap().is_none(), "it was done before it could be killed");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(repo.bytes("data/large.bin"), content);
    (repo, content)
}

const STORE: [&str; 5] = ["store", "_codex_", "data/large.bin", "--reason", "dead"];

fn pieces(repo: &TestRepo) -> u64 {
    repo.sql("SELECT COUNT(*) FROM run_piece").trim().parse().unwrap()
}

#[test]
fn a_killed_store_goes_on_where_it_was() {
    if !is_embedded() {
        return skipped("it is watched with sqlite3");
    }
    let (repo, content) = killed_on_its_way();
    let (run, there) = (repo.sql("SELECT run_id FROM upload"), pieces(&repo));
    assert!(!run.trim().is_empty(), "the upload is not known");
    let told = repo.store(&["data/large.bin"]);
    assert_eq!(repo.sql("SELECT run_id FROM artifact_row"), run);
    assert!(pieces(&repo) > there);
    assert_eq!(repo.sql("SELECT COUNT(*) FROM upload").trim(), "0");
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    repo.archive(["restore", id, "out.bin"]).ok();
    assert_eq!(repo.bytes("out.bin"), content);
    repo.archive(["fsck"]).ok();
}

#[test]
fn a_purge_leaves_no_interrupted_upload_behind() {
    if !is_embedded() {
        return skipped("it is watched with sqlite3");
    }
    let (repo, content) = killed_on_its_way();
    let id = repo.store_one("src/old.py");
    request(&repo, &id, "ann@example.com").ok();
    purge(&repo, &id, &[]).ok();
    assert_eq!(repo.sql("SELECT COUNT(*) FROM upload").trim(), "0");
    assert_eq!(pieces(&repo), 0);
    let told = repo.store(&["data/large.bin"]);
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    repo.archive(["restore", id, "out.bin"]).ok();
    assert_eq!(repo.bytes("out.bin"), content);
}
