//! Memory in archives that are moved: as it stands by `copy`, merged by `import`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::TestRepo;

/// A file for an archive, and its URL.
fn beside(repo: &TestRepo, name: &str) -> (PathBuf, String) {
    let file = repo.world.path(name);
    let url = format!("sqlite:///{}", file.display());
    (file, url)
}

#[track_caller]
fn save(repo: &TestRepo, text: &str, more: &[&str]) -> String {
    let line = [&["memory", "save", text, "--json"], more].concat();
    repo.archive(line).ok().json()["id"].as_str().unwrap().to_owned()
}

fn entry(repo: &TestRepo, id: &str) -> Value {
    repo.archive(["memory", "get", id, "--json"]).ok().json()["items"][0].clone()
}

fn copy(repo: &TestRepo, to: &str) -> Value {
    repo.archive(["copy", "--to", to, "--json"]).ok().json()
}

/// How many were copied, and how many were there.
fn moved(told: &Value, what: &str) -> (u64, u64) {
    let number = |key: &str| told[what][key].as_u64().unwrap();
    (number("copied"), number("there"))
}

#[test]
fn a_copy_has_it_as_it_stands() {
    let repo = TestRepo::ready().env("RETENTION_MAX_AGE_DAYS", "2000");
    let more = ["--project", "p", "--source", "s ' \"", "--tag", "ü", "--metadata", "k=v\\"];
    let mut ids = vec![save(&repo, "one\n\ttext \u{1F980}", &more)];
    ids.extend((0..70).map(|n| save(&repo, &format!("number {n}"), &[])));
    repo.archive(["retention", "plan"]).ok();
    repo.archive(["retention", "plan", "--project", "p"]).ok();
    let (file, url) = beside(&repo, "copy.sqlite");
    let told = copy(&repo, &url);
    assert_eq!(moved(&told, "entries"), (71, 0), "{told}");
    assert_eq!(moved(&told, "retention_runs"), (2, 0), "{told}");
    let there = repo.env("CODEX_ARCHIVE_URL", &url);
    for id in [&ids[0], &ids[33], &ids[70]] {
        assert_eq!(entry(&there, id), entry(&repo, id));
    }
    let again = copy(&repo, &url);
    assert_eq!(moved(&again, "entries"), (0, 71), "{again}");
    assert_eq!(moved(&again, "retention_runs"), (0, 2), "{again}");
    assert_eq!(again["evidence"], "", "nothing new, nothing to record");
    // What an interrupted copy left out comes with the next one.
    let part = "DELETE FROM entry_tag; DELETE FROM entry_metadata; DELETE FROM entry WHERE id > 20";
    rusqlite::Connection::open(&file).unwrap().execute_batch(part).unwrap();
    assert_eq!(moved(&copy(&repo, &url), "entries"), (51, 20));
    for id in [&ids[0], &ids[19], &ids[20], &ids[70]] {
        assert_eq!(entry(&there, id), entry(&repo, id));
    }
    // Retention there goes on where it was.
    there.archive(["retention", "plan"]).ok().says("trend:        0 0 (usual 0)");
    // A tag more is no entry more.
    save(&repo, "number 3", &["--tag", "late", "--metadata", "a=b"]);
    assert_eq!(moved(&copy(&repo, &url), "entries"), (0, 71));
    let late = entry(&there, &ids[4]);
    assert_eq!((&late["tags"], &late["metadata"]), (&json!(["late"]), &json!({"a": "b"})));
    there.archive(["fsck"]).ok();
    there.archive(["evidence", "verify"]).ok();
}

/// Where only memory is new, that is news too.
#[test]
fn memory_alone_is_recorded() {
    let repo = TestRepo::ready();
    let (_, url) = beside(&repo, "copy.sqlite");
    copy(&repo, &url);
    let there = repo.env("CODEX_ARCHIVE_URL", &url);
    save(&repo, "x", &[]);
    let told = copy(&repo, &url);
    assert_eq!(moved(&told, "entries"), (1, 0));
    let log = there.archive(["log", "--json"]).ok().stdout;
    assert!(log.contains("\"entries\": 1"), "{log}");
}

#[test]
fn an_import_merges_by_content() {
    let repo = &TestRepo::ready();
    let (file, url) = beside(repo, "other.sqlite");
    let other = repo.env("CODEX_ARCHIVE_URL", &url);
    let own = save(repo, "both", &["--tag", "a", "--metadata", "k=own", "--title", "Own"]);
    let alien = save(&other, "both", &["--tag", "b", "--metadata", "k=alien", "--metadata", "l=2"]);
    let new = save(&other, "theirs", &["--project", "p"]);
    assert_ne!(own, alien);
    let import = || repo.archive(["import", file.to_str().unwrap(), "--json"]).ok().json();
    let told = import();
    assert_eq!(moved(&told, "entries"), (1, 1), "{told}");
    assert_eq!(entry(repo, &new)["body"], "theirs");
    let both = entry(repo, &own);
    assert_eq!(both["title"], "Own");
    assert_eq!(
        (&both["tags"], &both["metadata"]),
        (&json!(["a", "b"]), &json!({"k": "own", "l": "2"}))
    );
    repo.archive(["memory", "get", &alien]).fails(5);
    let again = import();
    assert_eq!(moved(&again, "entries"), (0, 2), "{again}");
    assert_eq!(again["evidence"], "");
    assert_eq!(entry(repo, &own), both);
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "verify"]).ok();
}

/// A text that was edited in the file is not carried on, nor given out.
#[test]
fn an_edited_text_is_found() {
    let repo = TestRepo::ready();
    let (file, url) = beside(&repo, "other.sqlite");
    let other = repo.env("CODEX_ARCHIVE_URL", &url);
    let id = save(&other, "pay 10", &[]);
    let edit = |sql: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    edit("UPDATE entry SET body = 'pay 1000'");
    other.archive(["memory", "get", &id]).fails(1).says("its text is not what was saved");
    let told = other.archive(["fsck", "--json"]).fails(4).json();
    let words = format!("entry {id}: its text is not what was saved");
    assert_eq!(told["complaints"], json!([words]), "{told}");
    let import = ["import", file.to_str().unwrap()];
    repo.archive(import).fails(1).says("its text is not what was saved");
    repo.archive(["memory", "get", &id]).fails(5);
    edit("UPDATE entry SET body = 'pay 10'");
    repo.archive(import).ok();
    assert_eq!(entry(&repo, &id)["body"], "pay 10");
    // An entry without its project is missed.
    edit("PRAGMA foreign_keys = off; DELETE FROM project");
    other.archive(["fsck"]).fails(4).says("memory: 1 of 1 entries name no project");
    repo.archive(import).fails(1).says("name no project");
}

/// One id with two texts is nothing that a copy decides about.
#[test]
fn two_texts_under_one_id_are_told() {
    let repo = TestRepo::ready();
    let id = save(&repo, "one", &[]);
    let (file, url) = beside(&repo, "other.sqlite");
    copy(&repo, &url);
    let other = repo.env("CODEX_ARCHIVE_URL", &url);
    let twin = save(&other, "two", &[]);
    let bytes = |id: &str| format!("X'{}'", id.replace('-', ""));
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(&format!(
            "DELETE FROM entry WHERE uuid = {}; UPDATE entry SET uuid = {} WHERE uuid = {}",
            bytes(&id),
            bytes(&id),
            bytes(&twin)
        ))
        .unwrap();
    let told = repo.archive(["copy", "--to", &url]).fails(1);
    told.says("two archives have different texts under this id");
    assert_eq!(entry(&other, &id)["body"], "two");
}
