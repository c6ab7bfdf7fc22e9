//! Batches that go well: every form of manifest, results, evidence, configuration.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{TestRepo, have, sha256};
use crate::pinned::pin;

/// A repository with three files, archived and committed, and their ids.
pub fn archived() -> (TestRepo, Vec<String>) {
    let repo = TestRepo::ready();
    repo.script("src/run.sh", "#!/bin/sh\n").file("docs/a b.md", "text\n").commit("more");
    let told = repo.store(&["src/old.py", "src/run.sh", "docs/a b.md"]);
    repo.try_commit("retire").ok();
    let id = |item: &Value| item["tombstone"].as_str().unwrap().to_owned();
    (repo, told["items"].as_array().unwrap().iter().map(id).collect())
}

/// The results files in the work tree's top.
pub fn saved(repo: &TestRepo) -> Vec<PathBuf> {
    let entries = fs::read_dir(&repo.top).unwrap().flatten().map(|entry| entry.path());
    let is_one = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("batch_");
    let mut found: Vec<PathBuf> = entries.filter(is_one).collect();
    found.sort();
    found
}

/// The only results file, read and taken away.
#[track_caller]
pub fn results(repo: &TestRepo) -> Value {
    let files = saved(repo);
    assert_eq!(files.len(), 1, "{files:?}");
    let value = serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap();
    fs::remove_file(&files[0]).unwrap();
    value
}

/// `[{tombstone, output}…]` for each id.
pub fn manifest(ids: &[String], outputs: &[&str]) -> Value {
    let items = ids.iter().zip(outputs);
    items.map(|(id, output)| json!({"tombstone": id, "output": output})).collect()
}

#[test]
fn a_batch_as_the_guide_shows_it() {
    let (repo, ids) = archived();
    let items = manifest(&ids[..2], &["./restored/file1.txt", "./restored/file2.txt"]);
    repo.file("manifest.json", json!({"items": items}).to_string());
    let told = repo.archive(["batch-restore", "manifest.json", "--by", "ops-user"]).ok();
    pin("batch-restore", &repo, &told);
    assert_eq!(repo.read("restored/file1.txt"), "text\n");
    assert_eq!(repo.read("restored/file2.txt"), "print('old')\n");
    let file = saved(&repo).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(told.said(&format!("Results saved to: {name}\n")), "{told}");
    let summary = repo.types("sed -n '/\"summary\"/,/}/p' batch_restore_*.json").ok();
    pin("batch-restore-summary", &repo, &summary);
    if have("jq") {
        let typed = repo.types("jq -c '.summary | keys' batch_restore_*.json").ok();
        let keys =
            r#"["failed","restored_bytes","skipped","succeeded","total","total_duration_ms"]"#;
        assert_eq!(typed.stdout.trim_end(), keys);
        let typed = repo.types("jq '[.items[] | .duration_ms] | length' batch_restore_*.json");
        assert_eq!(typed.ok().stdout, "2\n");
    }
    let document = results(&repo);
    for (item, path) in
        document["items"].as_array().unwrap().iter().zip(["docs/a%20b.md", "src/old.py"])
    {
        assert_eq!((&item["status"], &item["path"]), (&json!("succeeded"), &json!(path)));
        assert!(item["duration_ms"].is_u64() && item.get("error").is_none());
        assert_eq!(item["sha256"], sha256(repo.read(item["output"].as_str().unwrap()).as_bytes()));
    }
    repo.is_well();
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn every_form_restores_the_same() {
    let (repo, ids) = archived();
    let outputs = ["out/a.md", "out/old, new.py", "out/run"];
    let items = manifest(&ids, &outputs);
    let lines: String = items.as_array().unwrap().iter().map(|item| format!("{item}\n")).collect();
    let table: String =
        ids.iter().zip(outputs).map(|(id, it)| format!("\"{it}\",{id}\r\n")).collect();
    for (name, text) in [
        ("m.json", json!({"items": items}).to_string()),
        ("bare.json", items.to_string()),
        ("m.jsonl", lines),
        ("m.csv", format!("output,tombstone\r\n{table}")),
    ] {
        repo.file(name, text);
        let told = repo.archive(["batch-restore", name, "--json"]).ok();
        let document = told.json();
        assert_eq!(document, results(&repo), "the file and the answer are one document");
        assert_eq!(document["summary"]["succeeded"], 3, "{told}");
        assert_eq!(document["summary"]["restored_bytes"], 5 + 13 + 10);
        let shown: Vec<&Value> =
            document["items"].as_array().unwrap().iter().map(|item| &item["output"]).collect();
        assert_eq!(shown, outputs, "in the manifest's order");
        assert_eq!(repo.read("out/old, new.py"), "print('old')\n");
        assert_eq!(repo.types("stat -c %a out/run out/a.md").ok().stdout, "755\n644\n");
        fs::remove_dir_all(repo.top.join("out")).unwrap();
    }
    pin("batch-restore-json", &repo, &repo.archive(["batch-restore", "m.csv", "--json"]).ok());
    let fed =
        repo.archive_fed(&["batch-restore", "-", "--force", "-q"], &repo.read("m.jsonl")).ok();
    assert_eq!((fed.stdout.as_str(), fed.stderr.as_str()), ("", ""));
}

#[test]
fn what_is_restored_is_recorded_one_by_one_and_as_a_whole() {
    let (repo, ids) = archived();
    let items = json!([
        {"tombstone": ids[0], "output": "a", "actor": "ada"},
        {"tombstone": "src/old.py", "output": "b"},
        {"tombstone": &ids[2][..8], "output": "c"},
    ]);
    let text = items.to_string();
    repo.file("m.json", &text);
    let before = repo.journal().len();
    repo.archive(["batch-restore", "m.json", "--actor", "ops", "--concurrent", "3"]).ok();
    let document = results(&repo);
    let records: Vec<Value> =
        repo.journal()[before..].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, each) = records.split_last().unwrap();
    assert_eq!(last["action"], "BATCH_RESTORE");
    assert_eq!(last["deed"], document["deed"]);
    assert_eq!(last["detail"]["manifest"], sha256(text.as_bytes()));
    assert_eq!(last["detail"]["items"], 3);
    assert_eq!(last["detail"]["succeeded"], 3);
    assert_eq!(last["detail"]["restored_bytes"], 28);
    assert!(last["duration_ms"].is_u64());
    assert_eq!(each.len(), 3);
    for record in each {
        assert_eq!(record["action"], "RESTORE");
        assert_eq!(record["detail"]["batch"], document["deed"]);
        assert!(record["duration_ms"].is_u64());
        let who = if record["path"] == "docs/a%20b.md" { "ada" } else { "ops" };
        assert_eq!(record["actor"], who);
    }
    let line = repo.journal().pop().unwrap();
    assert_eq!(document["evidence"], sha256(line.as_bytes()));
    for item in document["items"].as_array().unwrap() {
        let digest = &item["evidence"];
        let journal = repo.journal();
        let line = journal.iter().find(|line| sha256(line.as_bytes()) == *digest.as_str().unwrap());
        assert!(line.unwrap().contains(item["tombstone"].as_str().unwrap()));
    }
    // Without metrics the evidence has no durations; the results have them always.
    let quiet = repo.env("CODEX_ARCHIVE_PERF_ENABLED", "false");
    quiet.archive(["batch-restore", "m.json", "--force"]).ok();
    fs::remove_file(repo.top.join("a")).unwrap();
    quiet.archive(["batch-restore", "m.json", "--results", "again.json"]).ok();
    let line = repo.journal().pop().unwrap();
    assert!(line.contains("BATCH_RESTORE") && !line.contains("duration_ms"), "{line}");
    let again: Value = serde_json::from_str(&repo.read("again.json")).unwrap();
    assert!(again["items"][0]["duration_ms"].is_u64());
    assert_eq!(again["summary"]["skipped"], 2, "the two others were there");
    repo.is_well();
}

#[test]
fn a_dry_run_checks_everything_and_writes_nothing() {
    let (repo, ids) = archived();
    let good = manifest(&ids, &["a", "b", "c/d/e"]);
    repo.file("good.json", good.to_string());
    let told =
        repo.unchanged(|repo| repo.archive(["batch-restore", "good.json", "--dry-run"])).ok();
    pin("batch-restore-dry-run", &repo, &told);
    repo.file("there", "mine\n");
    let bad = json!([
        {"tombstone": ids[0], "output": "a"},
        {"tombstone": "deadbeef", "output": "b"},
        {"tombstone": ids[1], "output": "../c"},
        {"tombstone": ids[1], "output": ".git/hooks/x"},
        {"tombstone": ids[1], "output": "there"},
        {"tombstone": ids[1], "output": "src/live.py/x"},
        {"tombstone": ids[2], "output": "src/old.py"},
        {"tombstone": ids[1], "output": "ok", "actor": " "},
    ]);
    repo.file("bad.json", bad.to_string());
    let told = repo.unchanged(|repo| repo.archive(["batch-restore", "bad.json", "-n"])).fails(5);
    pin("batch-restore-dry-run-bad", &repo, &told);
    let told = repo.unchanged(|repo| repo.archive(["batch-restore", "bad.json", "-n", "--json"]));
    let status: Vec<Value> = told.fails(5).json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["status"].clone())
        .collect();
    let failed = "failed";
    assert_eq!(status, ["ready", failed, failed, failed, failed, failed, failed, failed]);
    assert_eq!(saved(&repo), Vec::<PathBuf>::new());
    assert!(!repo.actions().contains(&"RESTORE_FAIL".to_owned()));
}

#[test]
fn many_files_are_archived_in_one_deed_with_notes_of_their_own() {
    let repo = TestRepo::ready();
    repo.file("a b.md", "text\n").file("c.py", "c\n").commit("more");
    repo.file(
        "m.json",
        json!({"items": [
            {"path": "src/old.py", "reason": "dead", "tags": ["x", "é"], "metadata": {"ticket": "1"}},
            {"path": "./a b.md", "reason": "legacy"},
            {"path": "c.py"},
        ]})
        .to_string(),
    );
    let dry = ["batch-store", "m.json", "--reason", "pruned", "--dry-run"];
    pin("batch-store-dry-run", &repo, &repo.unchanged(|repo| repo.archive(dry)).ok());
    let told = repo.archive(["batch-store", "m.json", "--reason", "pruned", "--by", "ops"]).ok();
    pin("batch-store", &repo, &told);
    let document = results(&repo);
    assert_eq!(document["summary"]["archived_bytes"], 13 + 5 + 2);
    let segment = repo.segments();
    assert_eq!(document["evidence_segment"], segment[0].as_str());
    let records: Vec<Value> =
        repo.read(&segment[0]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&Value> = records.iter().map(|record| &record["action"]).collect();
    assert_eq!(actions, ["ARCHIVE", "ARCHIVE", "ARCHIVE", "BATCH_STORE"]);
    assert!(records.iter().all(|record| record["deed"] == document["deed"]));
    assert_eq!(records[3]["detail"]["succeeded"], 3);
    let shown = |path: &str| repo.archive(["show", path, "--json"]).ok().json();
    assert_eq!(shown("src/old.py")["reason"], "dead");
    assert_eq!(shown("src/old.py")["tags"], json!(["x", "é"]));
    assert_eq!(shown("src/old.py")["metadata"], json!({"ticket": "1"}));
    assert_eq!(shown("a b.md")["reason"], "legacy");
    assert_eq!(shown("c.py")["reason"], "pruned");
    repo.is_well();
    pin(
        "batch-store-again",
        &repo,
        &repo.archive(["batch-store", "m.json", "--reason", "dead"]).ok(),
    );
    results(&repo);
    repo.file("earlier.json", document.to_string());
    let line = ["batch-store", "m.json", "--reason", "dead", "--resume", "--results"];
    repo.archive(line.iter().chain(&["earlier.json"])).ok();
    let again: Value = serde_json::from_str(&repo.read("earlier.json")).unwrap();
    assert_eq!(again["items"][0]["why"], "already");
    assert_eq!(again["items"][0]["evidence"], document["items"][0]["evidence"]);
    fs::remove_file(repo.top.join("earlier.json")).unwrap();
    repo.archive(["undo"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    assert_eq!(repo.staged(), Vec::<String>::new());
    fs::remove_file(repo.top.join("m.json")).unwrap();
    repo.is_well();
}

#[test]
fn an_item_that_was_archived_for_another_reason_before_gets_that_back_by_undo() {
    let repo = TestRepo::ready();
    repo.file("c.py", "c\n").commit("more");
    let csv = |one: &str, two: &str| format!("path,reason\nsrc/old.py,{one}\nc.py,{two}\n");
    repo.archive_fed(&["batch-store", "-", "--results", "../r.json"], &csv("dead", "legacy")).ok();
    repo.try_commit("retire").ok();
    for path in ["src/old.py", "c.py"] {
        repo.archive(["restore", "--stage", path]).ok();
    }
    repo.try_commit("back").ok();
    repo.archive_fed(&["batch-store", "-", "--results", "../r.json"], &csv("pruned", "pruned"))
        .ok();
    repo.archive(["undo"]).ok();
    let list = repo.archive(["list", "--json"]).ok().json();
    let reasons: Vec<(&Value, &Value)> =
        list["items"].as_array().unwrap().iter().map(|it| (&it["path"], &it["reason"])).collect();
    let (old, c) = (json!("src/old.py"), json!("c.py"));
    assert!(reasons.contains(&(&old, &json!("dead"))), "{reasons:?}");
    assert!(reasons.contains(&(&c, &json!("legacy"))), "{reasons:?}");
    repo.is_well();
}

#[test]
fn a_store_manifest_as_a_table() {
    let repo = TestRepo::ready();
    let table = "path,reason,tags,metadata\nold.py,dead,a;b,k=v;l=w=x\nlive.py,replaced,,\n";
    repo.file("src/m.csv", table);
    repo.at("src").archive(["batch-store", "m.csv"]).ok();
    let shown = repo.archive(["show", "src/old.py", "--json"]).ok().json();
    assert_eq!(shown["tags"], json!(["a", "b"]));
    assert_eq!(shown["metadata"], json!({"k": "v", "l": "w=x"}));
    let names = fs::read_dir(repo.top.join("src")).unwrap().flatten();
    let here = names.filter(|it| it.file_name().to_str().unwrap().starts_with("batch_store_"));
    assert_eq!(here.count(), 1, "results stand in the current directory");
}

#[test]
fn configuration_and_environment_steer_a_batch() {
    let (repo, ids) = archived();
    let items = manifest(&[vec!["0000".to_owned()], ids].concat(), &["x", "a", "b", "c"]);
    repo.file("m.json", items.to_string());
    repo.append(".codex/archive.toml", "[batch]\nconcurrent = 2\nresults_path = \"out/r.json\"\n");
    let goes_on = repo.env("CODEX_ARCHIVE_BATCH_CONTINUE", "true");
    goes_on.archive(["batch-restore", "m.json"]).fails(3).says("Results saved to: out/r.json");
    let document: Value = serde_json::from_str(&repo.read("out/r.json")).unwrap();
    assert_eq!(document["summary"]["succeeded"], 3);
    assert_eq!(document["summary"]["failed"], 1);
    let elsewhere = goes_on.env("CODEX_ARCHIVE_BATCH_RESULTS", "env.json");
    elsewhere.archive(["batch-restore", "m.json"]).fails(3).says("Results saved to: env.json");
    // What is outside needs this clone's trust, where a tracked file says so.
    let outside = repo.world.path("elsewhere.json").display().to_string();
    let toml = repo.read(".codex/archive.toml").replace("out/r.json", &outside);
    repo.file(".codex/archive.toml", toml);
    let told = repo.unchanged(|repo| repo.archive(["batch-restore", "m.json"])).fails(8);
    assert!(told.said("has not trusted it"), "{told}");
    goes_on.archive(["batch-restore", "m.json", "--results", "mine.json"]).fails(3);
    repo.archive(["init", "--trust"]).ok();
    goes_on.archive(["batch-restore", "m.json", "--force"]).fails(3).says(&outside);
}

#[test]
fn bytes_that_the_archive_lacks_come_from_git() {
    let (repo, _) = archived();
    repo.publish();
    let clone = repo.fresh_clone("clone");
    let ids: Vec<String> = ["src/old.py", "src/run.sh"].map(str::to_owned).to_vec();
    clone.file("m.json", manifest(&ids, &["a", "b"]).to_string());
    let document = clone.archive(["batch-restore", "m.json", "--json"]).ok().json();
    assert_eq!(clone.read("a"), "print('old')\n");
    if crate::common::is_embedded() {
        assert_eq!(document["items"][0]["from"], "git history");
        // Damaged bytes are replaced by git's, if those are the same.
        repo.sql("UPDATE run SET bytes = CAST(X'00' AS BLOB)");
        repo.file("m.json", manifest(&ids, &["a", "b"]).to_string());
        let document = repo.archive(["batch-restore", "m.json", "--json"]).ok().json();
        assert_eq!(document["items"][1]["from"], "git history");
        assert_eq!(repo.read("b"), "#!/bin/sh\n");
    }
}
