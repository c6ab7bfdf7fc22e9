//! Batches that are refused, whole or in part.

use serde_json::{Value, json};

use crate::batch::{archived, manifest, results, saved};
use crate::common::TestRepo;
use crate::pinned::pin;

#[test]
fn what_can_be_known_beforehand_stops_all() {
    let (repo, ids) = archived();
    repo.file("there", "mine\n");
    let long = format!("{}x", "d/".repeat(3000));
    for (name, code, outputs) in [
        ("batch-duplicate", 2, ["a", "x/../a"]),
        ("batch-below", 2, ["a", "a/b"]),
        ("batch-same-by-absolute", 2, ["a", "ABSOLUTE"]),
        ("batch-outside", 6, ["a", "../b"]),
        ("batch-git-folder", 6, ["a", "git~1/config"]),
        ("batch-exists", 6, ["a", "there"]),
        ("batch-long", 2, ["a", &long]),
    ] {
        let absolute = repo.top.join("a").display().to_string();
        let outputs = outputs.map(|it| if it == "ABSOLUTE" { absolute.as_str() } else { it });
        repo.file("m.json", manifest(&ids, &outputs).to_string());
        // Going on after errors does not help a manifest that contradicts itself.
        let line = ["batch-restore", "m.json", "--continue-on-error"];
        if code == 2 {
            repo.unchanged(|repo| repo.archive(line)).fails(2);
        }
        let told = repo.unchanged(|repo| repo.archive(&line[..2])).fails(code);
        pin(name, &repo, &told);
    }
    repo.file(
        "m.json",
        manifest(&[ids[0].clone(), "0badc0de".to_owned()], &["a", "b"]).to_string(),
    );
    let told = repo.unchanged(|repo| repo.archive(["batch-restore", "m.json"])).fails(5);
    pin("batch-unknown", &repo, &told);
    let told = repo.unchanged(|repo| repo.archive(["batch-restore", "none.json"])).fails(1);
    pin("batch-no-manifest", &repo, &told);
}

#[test]
fn with_continue_on_error_the_rest_is_restored() {
    let (repo, ids) = archived();
    repo.file("there", "mine\n");
    let items = json!([
        {"tombstone": "0badc0de", "output": "x"},
        {"tombstone": ids[0], "output": "a"},
        {"tombstone": ids[1], "output": "../b"},
        {"tombstone": ids[1], "output": "there"},
        {"tombstone": ids[2], "output": "c"},
    ]);
    repo.file("m.json", items.to_string());
    let told = repo.archive(["batch-restore", "m.json", "--continue-on-error"]).fails(3);
    pin("batch-restore-in-part", &repo, &told);
    assert_eq!((repo.read("a"), repo.read("there")), ("text\n".to_owned(), "mine\n".to_owned()));
    assert!(repo.has("c") && !repo.has("x") && !repo.world.path("b").exists());
    let actions = repo.actions();
    assert_eq!(actions.iter().filter(|it| *it == "RESTORE_FAIL").count(), 3);
    assert_eq!(actions.iter().filter(|it| *it == "RESTORE").count(), 2);
    let document = results(&repo);
    let status: Vec<&Value> =
        document["items"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(status, ["failed", "succeeded", "failed", "failed", "succeeded"]);
    // What is done already is a part that is done.
    repo.archive(["batch-restore", "m.json", "--continue-on-error"]).fails(3);
    assert_eq!(results(&repo)["summary"]["skipped"], 2);
    // Nothing is: the exit code is that of the first failure.
    repo.file(
        "m.json",
        manifest(&["0badc0de".to_owned(), ids[1].clone()], &["x", "there"]).to_string(),
    );
    repo.archive(["batch-restore", "m.json", "--continue-on-error"]).fails(5);
    results(&repo);
    repo.is_well();
}

#[test]
fn a_failure_on_the_way_stops_the_rest_unless_told_to_go_on() {
    let (repo, ids) = archived();
    // Bytes that are damaged, and that git has not got either.
    let oid = repo.git(["rev-parse", "HEAD~1:src/old.py"]).ok().stdout.trim().to_owned();
    if !crate::common::is_embedded() {
        return;
    }
    repo.sql(
        "UPDATE run SET bytes = CAST(X'00' AS BLOB) WHERE id = (SELECT a.run_id FROM artifact_row a \
         JOIN item i ON i.artifact_id = a.id WHERE i.path = 'src/old.py')",
    );
    let object = repo.common_dir().join("objects").join(&oid[..2]).join(&oid[2..]);
    std::fs::remove_file(object).unwrap();
    repo.file("m.json", manifest(&ids, &["a", "b", "c"]).to_string());
    let told = repo.archive(["batch-restore", "m.json", "--concurrent", "1"]).fails(3);
    pin("batch-restore-stopped", &repo, &told);
    assert!(repo.has("a") && !repo.has("b") && !repo.has("c"));
    assert_eq!(results(&repo)["items"][2]["why"], "not-reached");
    let line = ["batch-restore", "m.json", "--continue-on-error", "--resume"];
    repo.archive(line).fails(3);
    assert!(repo.has("c"));
    assert_eq!(repo.litter().len(), 0);
    std::fs::remove_file(repo.top.join("a")).unwrap();
    let items = manifest(&[ids[1].clone(), ids[0].clone()], &["b", "a"]);
    repo.file("m.json", items.to_string());
    results(&repo);
    let told = repo.archive(["batch-restore", "m.json", "--concurrent", "1"]).fails(1);
    assert!(told.said("Skipped: 1") && !repo.has("a"), "{told}");
}

#[test]
fn restricted_items_stay_in() {
    let repo = TestRepo::ready();
    let line = ["store", "_codex_", "src/old.py", "--reason", "dead", "--restricted"];
    let told = repo.archive(line).ok().json();
    repo.try_commit("retire").ok();
    let id = told["items"][0]["tombstone"].as_str().unwrap().to_owned();
    repo.file("m.json", manifest(&[id], &["a"]).to_string());
    let told = repo.unchanged(|repo| repo.archive(["batch-restore", "m.json"])).fails(6);
    pin("batch-restricted", &repo, &told);
    repo.archive(["batch-restore", "m.json", "--continue-on-error"]).fails(6);
    assert!(!repo.has("a"));
}

#[test]
fn a_store_is_whole_or_leaves_out_what_is_refused() {
    let repo = TestRepo::ready();
    repo.file("dirty.py", "1\n").file("ok.py", "1\n").link("link", "ok.py").file("f/x", "x\n");
    repo.commit("more");
    repo.file("dirty.py", "2\n").file("untracked.py", "x\n");
    let line = |path: &str| format!("{path},dead\n");
    let bad =
        ["dirty.py", "untracked.py", "link", "f", "none.py", "../x", ".gitignore", "src/o*.py"];
    for path in bad {
        let text = format!("path,reason\nsrc/old.py,dead\n{}", line(path));
        repo.file("m.csv", text);
        let told = repo.unchanged_but_recorded(|repo| repo.archive(["batch-store", "m.csv"]));
        assert!(told.code == 6 || told.code == 5, "{told}");
        assert!(told.said("item 2 of the manifest cannot be archived"), "{told}");
    }
    repo.file("m.csv", format!("path,reason\nok.py,dead\n{}", bad.map(line).concat()));
    let dry = ["batch-store", "m.csv", "--dry-run"];
    pin("batch-store-dry-run-bad", &repo, &repo.unchanged(|repo| repo.archive(dry)).fails(6));
    let told = repo.archive(["batch-store", "m.csv", "--continue-on-error"]).fails(3);
    pin("batch-store-in-part", &repo, &told);
    assert!(repo.read("ok.py").contains("codex-tombstone") && repo.read("dirty.py") == "2\n");
    let record: Value = serde_json::from_str(&repo.journal().pop().unwrap()).unwrap();
    assert_eq!(record["action"], "BATCH_STORE");
    assert_eq!(record["detail"]["failed"], 8);
    results(&repo);
    repo.file("m.csv", format!("path,reason\n{}", bad.map(line).concat()));
    repo.archive(["batch-store", "m.csv", "--continue-on-error"]).fails(6);
    repo.file("m.csv", "path\nsrc/old.py\n");
    pin("batch-store-no-reason", &repo, &repo.archive(["batch-store", "m.csv"]).fails(2));
    repo.file("m.csv", "path\n./src/old.py\nsrc/../src/old.py\n");
    repo.archive(["batch-store", "m.csv", "--reason", "dead"]).fails(2);
    let other = ["batch-store", "m.csv", "--reason", "dead", "--repo", "other"];
    repo.file("m.csv", "path\nsrc/old.py\n");
    repo.archive(other).fails(6);
    repo.is_well();
}

#[test]
fn results_replace_nothing_but_results() {
    let (repo, ids) = archived();
    let m = manifest(&ids[..1], &["a"]).to_string();
    repo.file("m.json", &m).file("mine.json", "{}\n").link("link.json", "mine.json");
    for (name, file, code) in [
        ("batch-results-exists", "mine.json", 6),
        ("batch-results-link", "link.json", 6),
        ("batch-results-tracked", "src/live.py", 6),
        ("batch-results-manifest", "m.json", 6),
        ("batch-results-output", "a", 2),
        ("batch-results-git", ".git/hooks/pre-push.json", 6),
        ("batch-results-folder", "src", 6),
    ] {
        let line = ["batch-restore", "m.json", "--results", file];
        pin(name, &repo, &repo.unchanged(|repo| repo.archive(line)).fails(code));
    }
    for file in ["src/live.py", "link.json"] {
        let line = ["batch-restore", "m.json", "--force", "--results", file];
        repo.unchanged(|repo| repo.archive(line)).fails(6);
    }
    let line = ["batch-restore", "m.json", "--results", "r.json"];
    repo.archive(line).ok();
    std::fs::remove_file(repo.top.join("a")).unwrap();
    repo.archive(line).ok();
    assert_eq!((repo.read("m.json"), repo.read("mine.json")), (m, "{}\n".to_owned()));
    repo.archive(["batch-restore", "m.json", "--force", "--results", "mine.json"]).ok();
    assert!(repo.read("mine.json").contains("\"summary\""));
    assert_eq!(saved(&repo), Vec::<std::path::PathBuf>::new());
}
