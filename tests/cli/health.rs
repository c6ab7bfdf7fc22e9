//! `health-check`: what it says, its exit codes, and that it changes nothing.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::common::strace::{can_trace, fault_was_met, with_fault};
use crate::common::{Outcome, TestRepo, is_embedded, run};

/// The check of this name.
#[track_caller]
fn check(outcome: &Outcome, name: &str) -> Value {
    let told = outcome.json();
    let checks = told["checks"].as_array().unwrap_or_else(|| panic!("{outcome}"));
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check `{name}`:\n{outcome}")).clone()
}

#[track_caller]
fn level_of(repo: &TestRepo, name: &str) -> String {
    let outcome = repo.archive(["health-check", "--json"]);
    check(&outcome, name)["level"].as_str().unwrap().to_owned()
}

fn with_an_item() -> TestRepo {
    let repo = TestRepo::ready();
    repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    repo
}

const CHECKS: [&str; 12] = [
    "connection",
    "round-trip",
    "schema",
    "integrity",
    "sample",
    "evidence",
    "journal",
    "clock",
    "interrupted-deeds",
    "lock",
    "place",
    "disk-space",
];

#[test]
fn all_is_well() {
    let repo = with_an_item();
    let text = repo.unchanged(|repo| repo.archive(["health-check"])).ok().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "=== Archive Health Check ===");
    assert!(lines[1].starts_with("Backend: "), "{text}");
    assert!(lines[2].starts_with("URL: ") && lines[2].ends_with(" (credentials redacted)"));
    assert_eq!(lines[3..5], ["Status: ✓ OK", "Items Retrievable: 1"]);
    let told = repo.unchanged(|repo| repo.archive(["health-check", "--json"])).ok();
    assert_eq!(told.json()["ok"], true);
    assert_eq!(told.json()["status"], "ok");
    assert_eq!(told.json()["items_retrievable"], 1);
    for name in CHECKS.iter().chain(&["hooks"]) {
        let check = check(&told, name);
        assert_eq!(check["level"], "ok", "{told}");
        assert_eq!(check["ok"], true);
        assert!(check["duration_ms"].is_f64() || *name == "place", "{check}");
        assert!(text.contains(&format!("✓ {name}: ")), "{text}");
    }
    let quick = repo.env("CODEX_ARCHIVE_PERF_ENABLED", "false");
    assert!(!quick.archive(["health-check", "--json"]).ok().stdout.contains("duration_ms"));
}

#[test]
fn warnings_are_no_failures() {
    let repo = with_an_item();
    repo.archive(["hooks", "uninstall"]).ok();
    assert_eq!(level_of(&repo, "hooks"), "warning");
    let said = repo.archive(["health-check"]).ok().says("Status: ✓ OK (1 warning)");
    said.says("! hooks: not live");
    assert_eq!(repo.archive(["health-check", "--json"]).ok().json()["status"], "warning");
    if !is_embedded() {
        return;
    }
    let elsewhere = TestRepo::with_history().env("CODEX_ARCHIVE_URL", "sqlite:///data/team.sqlite");
    elsewhere.archive(["init"]).ok();
    let said = elsewhere.archive(["health-check"]).ok();
    said.says("! place: ").says("git clean -x");
}

#[test]
fn a_lock_that_is_held_for_long() {
    let repo = with_an_item();
    let lock = repo.common_dir().join("codex-archive/lock");
    let lock = fs::OpenOptions::new().create(true).append(true).open(lock).unwrap();
    lock.lock().unwrap();
    assert_eq!(level_of(&repo, "lock"), "warning");
    lock.unlock().unwrap();
    assert_eq!(level_of(&repo, "lock"), "ok");
}

#[test]
fn a_journal_that_is_not_the_archives() {
    let repo = with_an_item();
    let journal = repo.common_dir().join("codex-archive/archive_ops.jsonl");
    fs::write(&journal, "{}\n").unwrap();
    let said = repo.unchanged(|repo| repo.archive(["health-check"])).fails(1);
    said.says("Status: ✗ FAILED").says("✗ journal: ");
}

#[test]
fn damaged_bytes_in_the_sample() {
    if !is_embedded() {
        return;
    }
    let repo = with_an_item();
    repo.sql("UPDATE run SET bytes = zeroblob(length(bytes))");
    let told = repo.archive(["health-check", "--json"]).fails(1);
    assert_eq!(check(&told, "sample")["level"], "failed");
    assert_eq!(told.json()["status"], "failed");
    assert_eq!(check(&told, "evidence")["level"], "ok", "one failure hides no other check");
}

#[test]
fn no_archive_is_a_document_and_an_error() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::with_history();
    let said = repo.unchanged(|repo| repo.archive(["health-check"])).fails(8);
    said.says("Status: ✗ FAILED").says("hint: git codex-archive init");
    let said = repo.unchanged(|repo| repo.archive(["health-check", "--json", "--smoke"])).fails(8);
    assert_eq!(check(&said, "connection")["level"], "failed");
    let error: Value = serde_json::from_str(&said.stderr).unwrap();
    assert_eq!(error["error"]["exit"], 8);
}

#[test]
fn an_unreachable_server() {
    let repo = with_an_item();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["postgres", "mariadb"] {
        let url = format!("{scheme}://codex:s3cr3t@127.0.0.1:{port}/db");
        let repo = repo.env("CODEX_ARCHIVE_URL", &url);
        let said = repo.unchanged(|repo| repo.archive(["health-check"])).fails(7);
        let head: Vec<&str> = said.stdout.lines().take(5).collect();
        let shown = url.replace("s3cr3t", "***");
        assert_eq!(
            head,
            [
                "=== Archive Health Check ===",
                &format!("Backend: {}", scheme),
                &format!("URL: {shown} (credentials redacted)"),
                "Status: ✗ FAILED",
                "Items Retrievable: 0",
            ]
        );
        assert!(said.stderr.starts_with("error: cannot connect to the archive"), "{said}");
        let said = repo.archive(["health-check", "--json"]).fails(7);
        assert_eq!(said.json()["ok"], false);
        assert_eq!(check(&said, "connection")["level"], "failed");
        assert_eq!(
            check(&said, "disk-space")["level"],
            "ok",
            "what is here is checked all the same"
        );
    }
}

/// What is in the folder of the embedded archive.
fn files(repo: &TestRepo) -> Vec<String> {
    let entries = fs::read_dir(repo.common_dir().join("codex-archive")).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm") && name != "lock");
    names.sort();
    names
}

#[test]
fn a_smoke_test_leaves_nothing() {
    let repo = with_an_item();
    let (before, records) = (files(&repo), repo.journal());
    let told = repo.unchanged(|repo| repo.archive(["health-check", "--smoke", "--json"])).ok();
    for step in [
        "smoke-connect",
        "smoke-store",
        "smoke-show",
        "smoke-restore",
        "smoke-purge",
        "smoke-clean",
    ] {
        let check = check(&told, step);
        assert_eq!(check["level"], "ok", "{told}");
        assert!(check["duration_ms"].is_f64(), "{check}");
    }
    assert_eq!((files(&repo), repo.journal()), (before, records));
    repo.archive(["health-check", "--smoke"]).ok().says("✓ smoke-purge: the bytes are gone");
    repo.is_well();
}

#[test]
fn smoke_tests_side_by_side() {
    let repo = with_an_item();
    let before = files(&repo);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| repo.archive(["health-check", "--smoke"]).ok());
        }
    });
    assert_eq!(files(&repo), before);
}

/// Killed at system calls all over its way; the next one removes what is left.
#[test]
fn a_smoke_test_that_is_killed() {
    if !is_embedded() || !can_trace() {
        return;
    }
    let repo = with_an_item();
    let (before, was) = (files(&repo), repo.snapshot());
    let line = ["health-check", "--smoke"];
    let mut left = 0;
    for (call, times) in
        [("pwrite64", [1, 10, 30, 60]), ("fdatasync", [1, 2, 3, 4]), ("unlink", [1, 2, 3, 4])]
    {
        for n in times {
            let outcome = with_fault(&repo, call, n, "signal=KILL", &line);
            if !fault_was_met(&repo) {
                continue;
            }
            assert_ne!(outcome.code, 0, "{call} {n}");
            left += files(&repo).len() - before.len();
            repo.archive(line).ok();
            assert_eq!(files(&repo), before, "{call} {n}");
        }
    }
    assert!(left > 0, "no test was killed with its scratch file there");
    assert!(was.difference(&repo.snapshot()).is_empty());
}

#[test]
fn a_smoke_test_without_room_fails_and_leaves_nothing() {
    if !is_embedded() || !can_trace() {
        return;
    }
    let repo = with_an_item();
    let before = files(&repo);
    let mut failed = 0;
    for n in [4, 10, 20, 40] {
        let line = ["health-check", "--smoke"];
        let outcome = with_fault(&repo, "pwrite64", n, "error=ENOSPC", &line);
        // SQLite gets by without some of its writes.
        assert!(matches!(outcome.code, 0 | 1), "{outcome}");
        failed += outcome.code;
        assert_eq!(files(&repo), before, "{n}: {outcome}");
    }
    assert!(failed > 0, "no write of the test itself was met");
    repo.is_well();
}

/// Only SQLite's own side files are opened for writing, and nothing else is made, moved or removed.
#[test]
fn a_check_writes_no_file() {
    if !is_embedded() || !can_trace() {
        return;
    }
    let repo = with_an_item();
    let log = repo.world.path("calls");
    let mut strace = repo.world.command("strace", &repo.top);
    strace.args(["-f", "-y", "-o"]).arg(&log);
    strace.args(["-e", "trace=openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,truncate,ftruncate,chmod,fchmod,pwrite64,write"]);
    strace.args(["git-codex-archive", "health-check"]);
    run(strace, None).ok();
    let text = fs::read_to_string(&log).unwrap();
    let top = repo.top.to_str().unwrap();
    let wrote = text.lines().filter(|line| {
        let call = line.split_whitespace().nth(1).unwrap_or_default();
        let opens = call.starts_with("openat(") && !line.contains("O_CREAT");
        // What git answers is written to a pipe.
        let opens = opens || line.contains("<pipe:");
        let of_us = line.contains(top) && !opens && !line.contains("ENOENT");
        of_us && !line.contains("-shm") && !line.contains("-wal")
    });
    assert_eq!(wrote.collect::<Vec<_>>(), [""; 0]);
}
