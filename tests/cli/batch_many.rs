//! Batches of so many items that several threads restore them, in the order in which their content is
//! stored.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::batch::results;
use crate::common::{BINARY, Outcome, TestRepo, is_embedded, skipped};

/// Enough files for several threads.
const FILES: usize = 300;

/// Each file goes to so many places.
const PLACES: usize = 2;

fn path(n: usize) -> String {
    let kind = ["py", "md", "rs"][n % 3];
    format!("many/{}/f{n}.{kind}", n % 7)
}

fn content(n: usize) -> String {
    format!("line of file {n}\n").repeat(1 + n % 50)
}

/// A repository in which they are archived in one deed, and their ids.
fn archived() -> (TestRepo, Vec<String>) {
    let repo = TestRepo::ready();
    for n in 0..FILES {
        repo.file(path(n), content(n));
    }
    repo.commit("many");
    let told = repo.store(&["many"]);
    let id = |n: usize| {
        let items = told["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["path"] == path(n).as_str()).unwrap();
        item["tombstone"].as_str().unwrap().to_owned()
    };
    let ids = (0..FILES).map(id).collect();
    repo.try_commit("retire").ok();
    (repo, ids)
}

/// All items, at several places each, in an order that is neither that of paths nor that in which they
/// are stored: each number of a file and its output.
fn shuffled() -> Vec<(usize, String)> {
    let all = (0..FILES * PLACES).map(|n| (n * 7919) % (FILES * PLACES));
    all.map(|n| (n % FILES, format!("out/{}/{}", n / FILES, path(n % FILES)))).collect()
}

fn manifest(repo: &TestRepo, ids: &[String], outputs: &[(usize, String)]) {
    let item = |(n, output): &(usize, String)| json!({"tombstone": ids[*n], "output": output});
    repo.file("m.json", outputs.iter().map(item).collect::<Value>().to_string());
}

/// Runs a batch that may have so few files open.
fn with_few_descriptors(repo: &TestRepo, line: &str) -> Outcome {
    let mut command: Command = repo.world.command("sh", &repo.top);
    let script = format!("ulimit -n 100; exec {BINARY} {line}");
    command.args(["-c", &script]).stdin(Stdio::null());
    Outcome::of(line.to_owned(), command.output().unwrap())
}

#[test]
fn many_are_restored_each_to_its_places_and_told_of_in_the_manifests_order() {
    let (repo, ids) = archived();
    let outputs = shuffled();
    manifest(&repo, &ids, &outputs);
    with_few_descriptors(&repo, "batch-restore m.json").ok();
    let document = results(&repo);
    assert_eq!(document["summary"]["succeeded"], FILES * PLACES);
    let mut records = BTreeSet::new();
    for ((n, output), item) in outputs.iter().zip(document["items"].as_array().unwrap()) {
        assert_eq!(item["output"], output.as_str());
        assert_eq!((&item["status"], &item["from"]), (&json!("succeeded"), &json!("archive")));
        assert_eq!(item["tombstone"], ids[*n].as_str());
        assert_eq!(repo.read(output), content(*n), "{output}");
        records.insert(item["evidence"].as_str().unwrap().to_owned());
    }
    // Each has a record of its own, and all stand in the journal.
    assert_eq!(records.len(), FILES * PLACES);
    let restored = repo.actions().iter().filter(|it| *it == "RESTORE").count();
    assert_eq!(restored, FILES * PLACES);
    repo.archive(["evidence", "verify"]).ok();
    assert_eq!(repo.litter(), Vec::<std::path::PathBuf>::new());
    fs::remove_dir_all(repo.top.join("out")).unwrap();
    repo.is_well();
}

#[test]
fn a_damaged_member_fails_and_its_neighbours_do_not() {
    if !is_embedded() {
        return skipped("the row is damaged in the file");
    }
    let (repo, ids) = archived();
    let outputs = shuffled();
    manifest(&repo, &ids, &outputs);
    // One in the middle of its run: what it says of its size moves all that stand behind it.
    let victim = 149;
    repo.sql(&format!(
        "UPDATE artifact_row SET size_bytes = size_bytes + 1 WHERE id =
           (SELECT artifact_id FROM item WHERE path = '{}')",
        path(victim)
    ));
    repo.archive(["batch-restore", "m.json", "--continue-on-error", "-q"]).fails(3);
    let document = results(&repo);
    assert_eq!(document["summary"]["failed"], PLACES);
    for ((n, output), item) in outputs.iter().zip(document["items"].as_array().unwrap()) {
        if *n == victim {
            assert_eq!(item["status"], "failed", "{item}");
            assert!(item["error"].as_str().unwrap().contains("damaged"), "{item}");
            assert!(!repo.has(output));
        } else {
            assert_eq!((&item["status"], &item["from"]), (&json!("succeeded"), &json!("archive")));
            assert_eq!(repo.read(output), content(*n), "{output}");
        }
    }
    assert_eq!(repo.actions().iter().filter(|it| *it == "RESTORE_FAIL").count(), PLACES);
    // `fsck` names that one, and no other.
    let told = repo.archive(["fsck", "--json"]).fails(4).json();
    assert_eq!(told["damaged"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["damaged"][0]["items"][0]["path"], path(victim).as_str());
    assert_eq!(repo.litter(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_a_run_has_lost_comes_out_of_git() {
    if !is_embedded() {
        return skipped("the run is damaged in the file");
    }
    let (repo, ids) = archived();
    let outputs = shuffled();
    manifest(&repo, &ids, &outputs);
    let half = "substr(bytes, 1, length(bytes) / 2)";
    repo.sql(&format!("UPDATE run SET bytes = CAST({half} || zeroblob(9) AS BLOB)"));
    repo.archive(["batch-restore", "m.json", "-q"]).ok();
    let document = results(&repo);
    let from = |origin: &str| {
        let items = document["items"].as_array().unwrap();
        items.iter().filter(|item| item["from"] == origin).count()
    };
    let (archive, git) = (from("archive"), from("git history"));
    assert!(archive > 0 && git > 0, "{archive} {git}");
    assert_eq!(archive + git, FILES * PLACES);
    for (n, output) in &outputs {
        assert_eq!(repo.read(output), content(*n), "{output}");
    }
    // Those that `fsck` calls damaged are the ones that came out of git.
    let told = repo.archive(["fsck", "--json"]).fails(4).json();
    assert!(told["damaged"].as_array().unwrap().len() >= git / PLACES, "{told}");
}

#[test]
fn no_link_is_followed_however_many_there_are() {
    let (repo, ids) = archived();
    let outside = repo.world.path("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, repo.top.join("link")).unwrap();
    repo.file("file", "in the way\n");
    let place = |n: usize| match n % 30 {
        0 => format!("link/{n}"),
        1 => format!("link/deeper/{n}"),
        2 => format!("file/{n}"),
        _ => format!("out/{n}"),
    };
    let outputs: Vec<(usize, String)> = (0..FILES).map(|n| (n, place(n))).collect();
    manifest(&repo, &ids, &outputs);
    let line = ["batch-restore", "m.json"];
    let told = repo.unchanged(|repo| repo.archive(line)).fails(6);
    assert!(told.said("`link` is a symbolic link") || told.said("link"), "{told}");
    repo.archive(["batch-restore", "m.json", "--continue-on-error", "-q"]).fails(3);
    let document = results(&repo);
    for ((n, output), item) in outputs.iter().zip(document["items"].as_array().unwrap()) {
        let expected = if n % 30 < 3 { "failed" } else { "succeeded" };
        assert_eq!(item["status"], expected, "{item}");
        assert_eq!(repo.has(output), n % 30 >= 3);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn the_first_failure_ends_a_batch_that_is_not_told_to_go_on() {
    if !is_embedded() {
        return skipped("the row is damaged in the file");
    }
    let (repo, ids) = archived();
    let outputs = shuffled();
    manifest(&repo, &ids, &outputs);
    repo.sql("UPDATE artifact_row SET size_bytes = size_bytes + 1");
    repo.archive(["batch-restore", "m.json", "-q"]).fails(1);
    let document = results(&repo);
    let summary = &document["summary"];
    assert_eq!(summary["succeeded"], 0);
    let (failed, skipped) = (summary["failed"].as_u64(), summary["skipped"].as_u64());
    assert_eq!(failed.unwrap() + skipped.unwrap(), (FILES * PLACES) as u64);
    assert!(failed.unwrap() > 0);
    assert_eq!(repo.actions().pop().as_deref(), Some("BATCH_RESTORE"));
    assert_eq!(repo.litter(), Vec::<std::path::PathBuf>::new());
}
