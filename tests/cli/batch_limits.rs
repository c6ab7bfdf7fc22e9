//! What bounds a batch of restores: room, rights, workers, time, and who looks on.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::batch::{archived, manifest, results, saved};
use crate::common::strace::{can_trace, threads, with_fault_everywhere};
use crate::common::{TestRepo, have, skipped};
use crate::governance::noise;

/// A small disk, as long as it is mounted.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mounted(at: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let options = ["-t", "tmpfs", "-o", size, "tmpfs"];
        let done = Command::new("mount").args(options).arg(at).output();
        if done.is_ok_and(|it| it.status.success()) {
            return Some(Self(at));
        }
        skipped("a small disk (nothing may be mounted here)");
        None
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// A repository with a file of `len` bytes archived and committed, and its id.
fn with_large(len: usize) -> (TestRepo, String) {
    let repo = TestRepo::ready();
    repo.file("large.bin", noise(len)).commit("more");
    let id = repo.store_one("large.bin");
    repo.try_commit("retire").ok();
    (repo, id)
}

#[test]
fn a_disk_without_room_for_all_is_seen_before_anything_is_written() {
    let (repo, id) = with_large(300 << 10);
    let small = repo.top.join("small");
    let Some(_disk) = Disk::mounted(&small, "size=1024k") else { return };
    let outputs: Vec<String> = (0..4).map(|n| format!("small/{n}")).collect();
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    // Each of them has room, and three have.
    repo.file("m.json", manifest(&vec![id.clone(); 4], &outputs).to_string());
    for more in [&["--dry-run"][..], &[], &["--continue-on-error"]] {
        let line = ["batch-restore", "m.json"].iter().chain(more);
        let told = repo.unchanged(|repo| repo.archive(line)).fails(1);
        assert!(told.said("the batch needs 1228800 bytes, and 1048576 are free"), "{told}");
        assert_eq!(fs::read_dir(&small).unwrap().count(), 0);
    }
    repo.file("m.json", manifest(&vec![id; 3], &outputs).to_string());
    repo.archive(["batch-restore", "m.json", "--dry-run"]).ok().says("Ready: 3");
    repo.archive(["batch-restore", "m.json"]).ok();
    assert_eq!(fs::read_dir(&small).unwrap().count(), 3);
}

#[test]
fn a_store_that_the_archive_has_no_room_for_is_seen_by_a_dry_run() {
    if !crate::common::is_embedded() {
        return;
    }
    let repo = TestRepo::ready();
    let (a, b) = (noise(700 << 10), noise(1400 << 10).split_off(700 << 10));
    repo.file("a.bin", a).file("b.bin", b).commit("more");
    let elsewhere = repo.world.path("small");
    let Some(_disk) = Disk::mounted(&elsewhere, "size=1024k") else { return };
    let url = format!("sqlite:///{}/archive.sqlite", elsewhere.display());
    let there = repo.env("CODEX_ARCHIVE_URL", &url);
    let dry = |text: &str| {
        repo.file("m.csv", format!("path\n{text}"));
        let line = ["batch-store", "m.csv", "--reason", "dead", "--repo", "_codex_", "--dry-run"];
        there.unchanged(|repo| repo.archive(line))
    };
    dry("a.bin\n").ok().says("Ready: 1");
    let told = dry("a.bin\nb.bin\n").fails(1);
    assert!(told.said("the batch needs 143") && told.said("bytes, and 1"), "{told}");
}

#[test]
fn a_folder_that_takes_no_file_is_seen_before_anything_is_written() {
    let (repo, ids) = archived();
    let shut = repo.top.join("shut");
    let Some(_disk) = Disk::mounted(&shut, "ro") else { return };
    repo.file("m.json", manifest(&ids[..2], &["a", "shut/b/c"]).to_string());
    for more in [&["--dry-run"][..], &[]] {
        let line = ["batch-restore", "m.json"].iter().chain(more);
        let told = repo.unchanged(|repo| repo.archive(line)).fails(1);
        assert!(told.said("item 2") && told.said("shut"), "{told}");
    }
    // The results must have a place too, and a dry run says so.
    let line = ["batch-restore", "m.json", "--dry-run", "--results", "shut/r.json"];
    repo.unchanged(|repo| repo.archive(line)).fails(1).says("shut");
    repo.file("mine.json", "{}\n");
    let line = ["batch-restore", "m.json", "--dry-run", "--results", "mine.json"];
    repo.unchanged(|repo| repo.archive(line)).fails(6).says("cannot save the results");
    let line = ["batch-restore", "m.json", "--dry-run", "--results", "a"];
    repo.unchanged(|repo| repo.archive(line)).fails(2).says("names the results file");
}

#[test]
fn one_file_by_two_ways_is_seen_before_anything_is_written() {
    let (repo, ids) = archived();
    let outside = repo.world.path("real");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink("real", repo.world.path("link")).unwrap();
    std::os::unix::fs::symlink(&repo.top, repo.world.path("back")).unwrap();
    for pair in [["../real/a", "../link/a"], ["a", "../back/a"], ["../real/a", "../link/a/b"]] {
        repo.file("m.json", manifest(&ids, &pair).to_string());
        let line = ["batch-restore", "m.json", "--allow-outside", "--continue-on-error"];
        let told = repo.unchanged(|repo| repo.archive(line)).fails(2);
        assert!(told.said("items 1 and 2") || told.said("below the file of item 1"), "{told}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}

#[test]
fn as_many_items_as_said_are_worked_on_at_once() {
    if !can_trace() {
        return;
    }
    let (repo, ids) = archived();
    let items: Vec<Value> =
        (0..300).map(|n| json!({"tombstone": ids[0], "output": format!("out/{n}")})).collect();
    repo.file("m.json", Value::from(items).to_string());
    repo.file("few.json", json!([{"tombstone": ids[0], "output": "out/few"}]).to_string());
    let with = |repo: &TestRepo, manifest: &str, more: &[&str]| {
        let _ = fs::remove_dir_all(repo.top.join("out"));
        let line = ["batch-restore", manifest, "-q", "--results", "../r.json"];
        threads(repo, &[&line[..], more].concat())
    };
    // A few are not worth a thread, and more threads than cores are no help.
    let none = with(&repo, "few.json", &["--concurrent", "7"]);
    let cores = std::thread::available_parallelism().unwrap().get();
    for (more, wanted) in [("1", 1), ("2", 2), ("64", 64)] {
        let seen = with(&repo, "m.json", &["--concurrent", more]) - none;
        assert_eq!(seen, cores.min(wanted), "{more}");
    }
    assert_eq!(with(&repo, "m.json", &[]) - none, cores.min(5), "the configuration's default");
    let configured = repo.env("CODEX_ARCHIVE_BATCH_CONCURRENT", "1");
    assert_eq!(with(&configured, "m.json", &[]) - none, 1);
}

#[test]
fn an_item_that_takes_too_long_fails_alone() {
    if !can_trace() {
        return;
    }
    let (repo, id) = with_large(6 << 20);
    let other = repo.store_one("src/old.py");
    repo.try_commit("retire").ok();
    let mut items = vec![json!({"tombstone": id, "output": "out/large"})];
    items.extend((0..60).map(|n| json!({"tombstone": other, "output": format!("out/{n}")})));
    repo.file("m.json", Value::from(items).to_string());
    let hasty = repo.env("CODEX_ARCHIVE_BATCH_TIMEOUT", "3");
    // The large one is written in 48 parts; the small ones together wait longer than one may take.
    let line = ["batch-restore", "m.json", "--continue-on-error", "--concurrent", "2"];
    let told = with_fault_everywhere(&hasty, "write", "delay_enter=120000", &line).fails(3);
    assert!(told.said("item 1: cannot write"), "{told}");
    assert!(told.said("it took longer than 3 s (batch.timeout_per_item)"), "{told}");
    assert!(told.said("Succeeded: 60") && told.said("Failed: 1"), "{told}");
    results(&repo);
    assert!(!repo.has("out/large") && repo.litter().is_empty());
    repo.archive(["batch-restore", "m.json", "--resume"]).ok().says("Skipped: 60");
    assert_eq!(repo.bytes("out/large"), noise(6 << 20));
}

#[test]
fn a_terminal_gets_a_bar_and_a_pipe_the_lines() {
    let (repo, ids) = archived();
    repo.file("m.json", manifest(&ids, &["a", "b", "c"]).to_string());
    let told = repo.archive(["batch-restore", "m.json"]).ok();
    let lines =
        ["Processing 3 items from manifest...", "Progress: 1/3 (33%)", "Progress: 2/3 (66%)"];
    let lines = format!("{}\nProgress: 3/3 (100%)\n\n", lines.join("\n"));
    assert_eq!(told.stderr, lines);
    if !have("script") {
        skipped("a progress bar (there is no script)");
        return;
    }
    for (term, more, bar, lines) in [
        ("xterm", "", true, false),
        ("xterm", "--no-progress", false, false),
        ("dumb", "", false, true),
    ] {
        for file in ["a", "b", "c"] {
            let _ = fs::remove_file(repo.top.join(file));
        }
        let line = format!("git codex-archive batch-restore m.json {more}");
        let typed = format!("script -qec '{line}' /dev/null </dev/null");
        let told = repo.env("TERM", term).types(&typed).ok();
        let shown = told.stdout.replace('\r', "\n");
        let is_bar = shown.contains("Progress: █") && shown.contains(" 3/3 (100%)");
        assert_eq!((is_bar, shown.contains("\nProgress: 1/3 (33%)")), (bar, lines), "{told}");
        assert!(shown.contains("Batch Restore Complete:\n"), "{told}");
    }
    for file in saved(&repo) {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn who_does_it_stands_with_each_item() {
    let (repo, ids) = archived();
    repo.file("there", "mine\n");
    let items = json!([
        {"tombstone": ids[0], "output": "a", "actor": "ada"},
        {"tombstone": ids[1], "output": "there", "actor": "bea"},
        {"tombstone": ids[2], "output": "c"},
    ]);
    repo.file("m.json", items.to_string());
    repo.archive(["batch-restore", "m.json", "--by", "ops", "--continue-on-error"]).fails(3);
    let document = results(&repo);
    let actor = |n: usize| document["items"][n].get("actor").cloned();
    assert_eq!([actor(0), actor(1), actor(2)], [Some(json!("ada")), Some(json!("bea")), None]);
    let records: Vec<Value> =
        repo.journal().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = records.iter().find(|record| record["action"] == "RESTORE_FAIL").unwrap();
    assert_eq!(failed["actor"], "bea");
}
