//! Batches that are stopped on the way, by Ctrl-C or a kill, and go on.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::batch::{archived, results, saved};
use crate::common::{BINARY, Outcome, TestRepo};

/// Enough files that a signal meets the program at work.
const MANY: usize = 3000;

/// A manifest that restores one item to many files.
fn many(repo: &TestRepo, id: &str) {
    let items: Vec<Value> =
        (0..MANY).map(|n| json!({"tombstone": id, "output": format!("out/{n}")})).collect();
    repo.file("m.json", Value::from(items).to_string());
}

/// Runs a batch and sends `signal` once it tells of progress.
fn stopped_by(repo: &TestRepo, signal: &str, line: &[&str]) -> Outcome {
    let mut command = repo.world.command(BINARY, &repo.top);
    command.args(line).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("Progress: ") {
        assert_ne!(errors.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    errors.read_to_string(&mut said).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stderr = said.into_bytes();
    Outcome::of(line.join(" "), output)
}

#[test]
fn the_key_on_a_terminal_is_one_signal_though_git_sends_it_again() {
    let (repo, ids) = archived();
    many(&repo, &ids[1]);
    let mut command = repo.world.command("git", &repo.top);
    command.args(["codex-archive", "batch-restore", "m.json", "--concurrent", "1"]);
    // A terminal sends it to all that runs in the foreground.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("Progress: ") {
        assert_ne!(errors.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let group = format!("-{}", child.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    errors.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("Batch Restore Interrupted:"), "{told}{said}");
    let document = results(&repo);
    assert_eq!(document["interrupted"], true);
    assert_eq!(document["summary"]["succeeded"], restored(&repo));
    assert_eq!(repo.litter(), Vec::<std::path::PathBuf>::new());
}

/// The files that were restored; each of them whole.
fn restored(repo: &TestRepo) -> usize {
    let entries = fs::read_dir(repo.top.join("out")).unwrap().flatten();
    let names: Vec<_> = entries.map(|entry| entry.path()).collect();
    let mut whole = 0;
    for path in names {
        if path.file_name().unwrap().to_str().unwrap().starts_with(".codex-tmp-") {
            continue;
        }
        assert_eq!(fs::read(&path).unwrap(), b"print('old')\n", "{path:?}");
        whole += 1;
    }
    whole
}

#[test]
fn ctrl_c_finishes_what_is_in_hand_and_tells_of_all() {
    let (repo, ids) = archived();
    many(&repo, &ids[1]);
    for concurrent in ["1", "4"] {
        let line = ["batch-restore", "m.json", "--concurrent", concurrent];
        let told = stopped_by(&repo, "-INT", &line).fails(130);
        assert!(told.said("Batch Restore Interrupted:"), "{told}");
        let document = results(&repo);
        let (succeeded, skipped) =
            (&document["summary"]["succeeded"], &document["summary"]["skipped"]);
        let (succeeded, skipped) = (succeeded.as_u64().unwrap(), skipped.as_u64().unwrap());
        assert_eq!(succeeded + skipped, MANY as u64, "{told}");
        assert!(succeeded > 0 && skipped > 0, "{told}");
        assert_eq!(document["interrupted"], true);
        assert_eq!(restored(&repo) as u64, succeeded);
        let items = document["items"].as_array().unwrap();
        let interrupted = items.iter().filter(|item| item["why"] == "interrupted").count();
        assert_eq!(interrupted as u64, skipped);
        assert_eq!(repo.actions().pop().as_deref(), Some("BATCH_RESTORE"));
        assert_eq!(repo.litter(), Vec::<std::path::PathBuf>::new());
        fs::remove_dir_all(repo.top.join("out")).unwrap();
    }
}

#[test]
fn an_interrupted_batch_goes_on_from_its_results_and_from_the_disk() {
    let (repo, ids) = archived();
    many(&repo, &ids[1]);
    let line = ["batch-restore", "m.json", "--results", "r.json"];
    stopped_by(&repo, "-INT", &line).fails(130);
    let read = || -> Vec<Value> {
        let document: Value = serde_json::from_str(&repo.read("r.json")).unwrap();
        document["items"].as_array().unwrap().clone()
    };
    let before = read();
    let is = |item: &Value, status: &str| item["status"] == status;
    let done: Vec<usize> = (0..MANY).filter(|n| is(&before[*n], "succeeded")).collect();
    // One that is done has gone, where another was to stand there is something else by now.
    let (gone, left) = (done[0], (0..MANY).find(|n| !done.contains(n)).unwrap());
    fs::remove_file(repo.top.join(format!("out/{gone}"))).unwrap();
    repo.file(format!("out/{left}"), "mine\n");
    let resume: Vec<&str> = line.into_iter().chain(["--resume", "--continue-on-error"]).collect();
    repo.archive(&resume).fails(3);
    let second = read();
    assert!(is(&second[gone], "succeeded") && is(&second[left], "failed"));
    for n in done.iter().skip(1) {
        assert_eq!(second[*n]["why"], "already", "{n}");
        assert_eq!(second[*n]["evidence"], before[*n]["evidence"], "{n}");
    }
    let succeeded = second.iter().filter(|item| is(item, "succeeded")).count();
    assert_eq!(succeeded, MANY - done.len());
    assert_eq!(repo.read(format!("out/{left}")), "mine\n");
    fs::remove_file(repo.top.join(format!("out/{left}"))).unwrap();
    repo.archive(&resume).ok();
    assert_eq!(restored(&repo), MANY);
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn a_killed_batch_leaves_nothing_half_done_and_is_resumed() {
    let (repo, ids) = archived();
    many(&repo, &ids[1]);
    let told = stopped_by(&repo, "-KILL", &["batch-restore", "m.json", "--concurrent", "4"]);
    assert_eq!(told.code, -1, "{told}");
    let before = restored(&repo);
    assert!(before > 0 && before < MANY, "{before}");
    assert_eq!(saved(&repo).len(), 0);
    let told =
        repo.archive(["batch-restore", "m.json", "--resume", "--concurrent", "8", "--json"]).ok();
    let document = told.json();
    assert_eq!(document["summary"]["skipped"], before);
    assert_eq!(document["summary"]["succeeded"], MANY - before);
    assert_eq!(restored(&repo), MANY);
    fs::remove_dir_all(repo.top.join("out")).unwrap();
    repo.is_well();
    repo.archive(["evidence", "verify"]).ok();
    let intents = repo.common_dir().join("codex-archive/intents");
    assert_eq!(fs::read_dir(intents).unwrap().count(), 0);
}

#[test]
fn resuming_keeps_evidence_and_believes_the_disk_alone() {
    let (repo, ids) = archived();
    let items = json!([
        {"tombstone": ids[0], "output": "a"},
        {"tombstone": "0badc0de", "output": "b"},
        {"tombstone": ids[2], "output": "c"},
    ]);
    repo.file("m.json", items.to_string());
    repo.archive(["batch-restore", "m.json", "--continue-on-error", "-q"]).fails(3);
    let first = results(&repo);
    repo.file("batch_restore_20240529_103142.json", first.to_string());
    fs::remove_file(repo.top.join("c")).unwrap();
    let line = ["batch-restore", "m.json", "--continue-on-error", "--resume", "--json"];
    let second = repo.archive(line).fails(3).json();
    let item = |n: usize, key: &str| second["items"][n][key].clone();
    assert_eq!((item(0, "status"), item(0, "why")), (json!("skipped"), json!("already")));
    assert_eq!(item(0, "evidence"), first["items"][0]["evidence"]);
    assert_eq!(item(1, "status"), "failed");
    assert_eq!(item(2, "status"), "succeeded");
    assert!(repo.has("c"), "what the results call done and the disk has not is restored again");
    // Without --resume the file is as good, and its record is not looked for.
    for file in saved(&repo) {
        fs::remove_file(file).unwrap();
    }
    repo.file("a", "edited since\n");
    let told =
        repo.archive(["batch-restore", "m.json", "--continue-on-error", "--resume"]).fails(3);
    assert!(told.said("item 1: cannot restore `a`: a file is already there"), "{told}");
    assert_eq!(repo.read("a"), "edited since\n");
}

#[test]
fn an_interrupted_store_archives_nothing() {
    let repo = TestRepo::ready();
    let mut manifest = "path,reason\n".to_owned();
    for n in 0..MANY {
        repo.file(format!("many/{n}.py"), format!("print({n})\n"));
        manifest.push_str(&format!("many/{n}.py,dead\n"));
    }
    repo.commit("many");
    repo.file("m.csv", manifest);
    let before = repo.journal();
    let told = stopped_by(&repo, "-INT", &["batch-store", "m.csv"]);
    // It may have been too late: then the deed is whole.
    if told.code == 0 {
        assert_eq!(results(&repo)["summary"]["succeeded"], MANY);
    } else {
        assert_eq!(told.code, 130, "{told}");
        let document = results(&repo);
        assert_eq!(document["summary"]["skipped"], MANY, "{told}");
        assert_eq!(repo.journal(), before);
        assert_eq!(repo.status(), "?? m.csv\n");
        repo.archive(["batch-store", "m.csv", "-q"]).ok();
    }
    fs::remove_file(repo.top.join("m.csv")).unwrap();
    repo.is_well();
}
