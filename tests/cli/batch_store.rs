//! `batch-store` with what it shares with `store`, and files that fail on the way.

use std::fs;

use serde_json::{Value, json};

use crate::batch::{results, saved};
use crate::common::TestRepo;
use crate::common::strace::{can_trace, threads, with_fault_at};
use crate::governance::noise;

fn shown(repo: &TestRepo, id: &str) -> Value {
    repo.archive(["show", id, "--json"]).ok().json()
}

/// Runs `line` behind `batch-store m.csv --json`, which must succeed.
fn stored(repo: &TestRepo, more: &[&str]) -> Value {
    let line = ["batch-store", "m.csv", "--json"].iter().chain(more);
    let document = repo.archive(line).ok().json();
    for file in saved(repo) {
        fs::remove_file(file).unwrap();
    }
    document
}

fn items(document: &Value, key: &str) -> Vec<String> {
    let items = document["items"].as_array().unwrap().iter();
    items.map(|item| item[key].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_store_can_say_of_all_files_a_batch_can_too() {
    let repo = TestRepo::ready();
    repo.file("c.txt", "c\n").commit("more");
    repo.file("m.csv", "path,reason,tags,metadata\nsrc/old.py,dead,own,k=mine\nc.txt,,,\n");
    let more = [
        ["--tag", "all"],
        ["--metadata", "k=v"],
        ["--metadata", "ticket=OPS-1"],
        ["--kind", "doc"],
        ["--language", "prose"],
        ["--delete-after", "2031-12-31"],
        ["--commit", "HEAD~0"],
        ["--reason", "legacy"],
    ];
    let more = [&more.concat()[..], &["--restricted"]].concat();
    let document = stored(&repo, &more);
    let [old, c] = [0, 1].map(|n| shown(&repo, &items(&document, "tombstone")[n]));
    assert_eq!((&old["tags"], &c["tags"]), (&json!(["all", "own"]), &json!(["all"])));
    assert_eq!(old["metadata"], json!({"k": "mine", "ticket": "OPS-1"}));
    assert_eq!(c["metadata"], json!({"k": "v", "ticket": "OPS-1"}));
    assert_eq!((&old["reason"], &c["reason"]), (&json!("dead"), &json!("legacy")));
    for item in [&old, &c] {
        assert_eq!(item["restricted"], true);
        assert_eq!(item["delete_after"], "2031-12-31");
        assert_eq!((&item["kind"], &item["language"]), (&json!("doc"), &json!("prose")));
        assert_eq!(item["commit_sha"], repo.head());
    }
    for (wrong, code) in [
        (vec!["--tag", "a\u{7}b"], 2),
        (vec!["--language", ""], 2),
        (vec!["--commit", "nowhere"], 5),
        (vec!["--sidecar", "--no-stub"], 2),
        (vec!["--concurrent", "0"], 2),
        (vec!["--concurrent", "65"], 2),
    ] {
        let line = ["batch-store", "m.csv", "--reason", "dead"].into_iter().chain(wrong.clone());
        let told = repo.unchanged(|repo| repo.archive(line));
        assert_eq!(told.code, code, "{wrong:?} {told}");
    }
    // Another commit's content is not what stands there.
    repo.archive(["undo"]).ok();
    repo.file("c.txt", "changed\n").commit("later");
    let line = ["batch-store", "m.csv", "--reason", "dead", "--commit", "HEAD~1"];
    let told = repo.unchanged(|repo| repo.archive(line)).fails(6);
    assert!(told.said("item 2") && told.said("HEAD~1"), "{told}");
}

#[test]
fn stubs_beside_the_tree_are_found_again() {
    let repo = TestRepo::ready();
    repo.file("c.xml", "<c/>\n").commit("more");
    repo.file("m.csv", "path,reason\nsrc/old.py,dead\nc.xml,dead\n");
    let document = stored(&repo, &["--sidecar"]);
    assert_eq!(items(&document, "status"), ["succeeded"; 2]);
    assert!(!repo.has("c.xml") && repo.has(".codex/tombstones/c.xml.stub"));
    repo.is_well();
    for more in [&[][..], &["--sidecar"], &["--resume", "--continue-on-error"]] {
        let before = repo.journal();
        let document = stored(&repo, more);
        assert_eq!(items(&document, "why"), ["already"; 2], "{more:?}");
        assert_eq!(repo.journal(), before);
    }
    // Other code at the path is not that file.
    repo.file("c.xml", "<new/>\n");
    repo.git(["add", "c.xml"]).ok();
    repo.unchanged(|repo| repo.archive(["batch-store", "m.csv"])).fails(6);
}

#[test]
fn files_that_stay_are_skipped_where_results_and_archive_agree() {
    let repo = TestRepo::ready();
    repo.file("c.py", "c\n").commit("more");
    repo.file("m.csv", "path,reason\nsrc/old.py,dead\nc.py,dead\n");
    let line = ["batch-store", "m.csv", "--no-stub", "--results", "../r.json"];
    repo.archive(line).ok();
    assert_eq!(repo.read("c.py"), "c\n");
    assert_eq!(repo.staged(), Vec::<String>::new());
    let first: Value =
        serde_json::from_slice(&fs::read(repo.world.path("r.json")).unwrap()).unwrap();
    let before = repo.journal();
    let resumed = || repo.archive(line.iter().chain(&["--resume", "--json"])).ok().json();
    let second = resumed();
    assert_eq!(items(&second, "why"), ["already"; 2]);
    assert_eq!(items(&second, "evidence"), items(&first, "evidence"));
    assert_eq!(repo.journal(), before);
    // The results say so, but it is other content by now.
    repo.file("c.py", "changed\n").commit("later");
    let third = resumed();
    assert_eq!(items(&third, "status"), ["skipped", "succeeded"]);
    assert_ne!(items(&third, "sha256")[1], items(&first, "sha256")[1]);
    // The results say so, but the archive does not know it.
    let mut invented = third.clone();
    invented["items"][0]["sha256"] = json!("0".repeat(64));
    fs::write(repo.world.path("r.json"), invented.to_string()).unwrap();
    assert_eq!(items(&resumed(), "status"), ["succeeded", "skipped"]);
    repo.is_well();
}

#[test]
fn converted_files_are_freed_or_left_out() {
    let repo = TestRepo::ready();
    repo.file(".gitattributes", "*.id ident\n").file("a.id", "$Id$\n").file("b.py", "b\n");
    repo.commit("more");
    repo.file("m.csv", "path,reason\na.id,dead\nb.py,dead\n");
    let told = repo.unchanged(|repo| repo.archive(["batch-store", "m.csv"])).fails(6);
    assert!(told.said("item 1") && told.said("ident"), "{told}");
    let dry = ["batch-store", "m.csv", "--detach-attributes", "--dry-run"];
    repo.unchanged(|repo| repo.archive(dry)).ok().says("Ready: 2");
    let document = stored(&repo, &["--detach-attributes"]);
    assert_eq!(items(&document, "status"), ["succeeded"; 2]);
    assert!(repo.read(".gitattributes").contains("/a.id "));
    assert!(repo.status().contains("M  .gitattributes"));
    repo.try_commit("retire").ok();
    repo.is_well();
    repo.archive(["restore", "--stage", "a.id"]).ok();
    assert_eq!(repo.read(".gitattributes"), "*.id ident\n");
}

#[test]
fn a_path_that_no_line_frees_is_left_out_alone() {
    let repo = TestRepo::ready();
    repo.file("a.id", "$Id$\n").file("b.id", "$Id$\n").commit("more");
    // What stands here overrules every file of the tree.
    let attributes = repo.common_dir().join("info/attributes");
    fs::create_dir_all(attributes.parent().unwrap()).unwrap();
    fs::write(attributes, "/a.id ident\n").unwrap();
    repo.file("m.csv", "path,reason\na.id,dead\nb.id,dead\n");
    let line = ["batch-store", "m.csv", "--detach-attributes", "--continue-on-error"];
    repo.archive(line).fails(3);
    assert_eq!(items(&results(&repo), "status"), ["failed", "succeeded"]);
    assert_eq!(repo.read("a.id"), "$Id$\n");
}

#[test]
fn as_many_files_as_said_are_worked_on_at_once() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    let mut manifest = "path,reason\n".to_owned();
    for n in 0..6 {
        let name = format!("many/{n}.bin");
        repo.file(&name, noise((2 << 20) + n));
        manifest.push_str(&format!("{name},dead\n"));
    }
    repo.commit("many").file("m.csv", manifest);
    let dry = |more: &[&str]| {
        threads(&repo, &[&["batch-store", "m.csv", "--dry-run", "-q"][..], more].concat())
    };
    // Two readings: for credentials, and to compress.
    let two = dry(&["--concurrent", "2"]);
    assert_eq!(dry(&["--concurrent", "5"]) - two, 2 * 3);
    assert_eq!(two - dry(&["--concurrent", "1"]), 2 * 2, "one needs no thread");
    repo.append(".codex/archive.toml", "[batch]\nconcurrent = 3\n");
    assert_eq!(dry(&[]) - two, 2);
}

#[test]
fn a_file_that_takes_too_long_fails_alone_or_stops_all() {
    if !can_trace() {
        return;
    }
    for (name, content) in [("slow.bin", noise(64 << 10)), ("large.bin", noise(9 << 20))] {
        let repo = TestRepo::ready();
        repo.file(name, &content).commit("more");
        repo.file("m.csv", format!("path,reason\n{name},dead\nsrc/old.py,dead\n"));
        let hasty = repo.env("CODEX_ARCHIVE_BATCH_TIMEOUT", "1");
        let call = if name == "large.bin" { "pread64" } else { "read" };
        let slowly = |more: &[&str]| {
            let line = [&["batch-store", "m.csv", "--concurrent", "1"][..], more].concat();
            with_fault_at(&hasty, name, call, "delay_enter=1100000", &line)
        };
        let why = "it took longer than 1 s (batch.timeout_per_item)";
        let told = repo.unchanged_but_recorded(|_| slowly(&[])).fails(1);
        assert!(told.said("item 1 of the manifest cannot be archived") && told.said(why), "{told}");
        let told = repo.unchanged_but_recorded(|_| slowly(&["--dry-run"])).fails(1);
        assert!(told.said("Ready: 1") && told.said("Failed: 1") && told.said(why), "{told}");
        let told = slowly(&["--continue-on-error"]).fails(3);
        assert!(told.said(&format!("item 1: cannot read `{name}`: {why}")), "{told}");
        assert_eq!(items(&results(&repo), "status"), ["failed", "succeeded"]);
        assert_eq!(repo.bytes(name), content);
        repo.is_well();
        // With time enough the rest is done.
        assert_eq!(items(&stored(&repo, &["--resume"]), "status"), ["succeeded", "skipped"]);
        repo.is_well();
    }
}

#[test]
fn a_file_that_cannot_be_read_is_left_out() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    repo.file("bad.bin", noise(64 << 10)).commit("more");
    repo.file("m.csv", "path,reason\nsrc/old.py,dead\nbad.bin,dead\n");
    let with = |more: &[&str]| {
        let line = [&["batch-store", "m.csv", "--concurrent", "1"][..], more].concat();
        with_fault_at(&repo, "bad.bin", "read", "error=EIO", &line)
    };
    let told = repo.unchanged_but_recorded(|_| with(&[])).fails(1);
    assert!(told.said("bad.bin"), "{told}");
    repo.unchanged_but_recorded(|_| with(&["--dry-run"])).fails(1).says("Ready: 1");
    with(&["--continue-on-error"]).fails(3).says("item 2");
    assert_eq!(items(&results(&repo), "status"), ["succeeded", "failed"]);
    assert_eq!(repo.bytes("bad.bin"), noise(64 << 10));
    repo.is_well();
}
