//! What an embedded archive says once for many rows: told the same as before, whatever becomes of one
//! of them, and beside rows of an older archive that say it each.

use std::fs;
use std::path::Path;

use crate::common::{TestRepo, have, is_embedded, run};
use crate::governance::{purge, request};

fn lists(repo: &TestRepo, path: &str) -> Vec<String> {
    let told = repo.archive(["list", "--path", path, "--json"]).ok().json();
    let items = told["items"].as_array().unwrap().iter();
    let mut paths: Vec<String> = items.map(|it| it["path"].as_str().unwrap().to_owned()).collect();
    paths.sort();
    paths
}

#[test]
fn paths_are_found_by_folder_and_by_name() {
    let repo = TestRepo::ready();
    let paths = ["top.py", "a/one.py", "a/b/two.py", "a.b/three.py", "a0/four.py", "aa/five.py"];
    for path in paths {
        repo.file(path, format!("# {path}\n"));
    }
    repo.commit("more");
    repo.store(&paths);
    assert_eq!(lists(&repo, "a"), ["a/b/two.py", "a/one.py"]);
    assert_eq!(lists(&repo, "a/b"), ["a/b/two.py"]);
    assert_eq!(lists(&repo, "a/b/two.py"), ["a/b/two.py"]);
    assert_eq!(lists(&repo, "top.py"), ["top.py"]);
    assert_eq!(lists(&repo, "a/b/tw"), [""; 0]);
    for path in paths {
        assert_eq!(repo.archive(["cat", path]).ok().stdout, format!("# {path}\n"));
    }
    if is_embedded() {
        let twice = "SELECT count(*) - count(DISTINCT path) FROM folder";
        assert_eq!(repo.sql(twice).trim(), "0");
        assert_eq!(repo.sql("SELECT path FROM item WHERE path LIKE '%two%'").trim(), "a/b/two.py");
    }
    repo.archive(["fsck"]).ok();
}

#[test]
fn an_artifact_knows_when_it_came_whatever_leaves_its_run() {
    if !is_embedded() || !have("sqlite3") {
        return;
    }
    let repo = TestRepo::ready();
    let paths = ["src/f1.py", "src/f2.py", "src/f3.py"];
    for path in paths {
        repo.file(path, format!("# {path}\n"));
    }
    repo.commit("more");
    let told = repo.store(&paths);
    repo.try_commit("retire").ok();
    let times = || repo.sql("SELECT created_at FROM artifact ORDER BY content_sha256");
    let before = times();
    assert!(before.lines().all(|time| time.ends_with('Z')), "{before}");
    assert_eq!(before.lines().count(), 3);
    let id = told["items"][1]["tombstone"].as_str().unwrap();
    request(&repo, id, "ann@example.com").ok();
    purge(&repo, id, &[]).ok();
    assert_eq!(repo.sql("SELECT members FROM run").trim(), "2");
    assert_eq!(times(), before);
}

/// A row that was tampered with makes the records about it unprovable too, and both are told.
#[test]
fn a_record_is_read_with_its_items_row_and_held_against_its_digest() {
    if !is_embedded() || !have("sqlite3") {
        return;
    }
    let repo = TestRepo::ready();
    let id = repo.store(&["src/old.py"])["items"][0]["tombstone"].as_str().unwrap().to_owned();
    repo.archive(["evidence", "verify"]).ok();
    let blob = repo.sql("SELECT git_blob FROM item").trim().to_owned();
    repo.sql("UPDATE item_row SET git_blob = zeroblob(20)");
    repo.archive(["evidence", "verify"]).fails(4).says("digest");
    repo.archive(["fsck"]).fails(4).says("no ARCHIVE record says the same of git blob");
    repo.sql(&format!("UPDATE item_row SET git_blob = X'{blob}'"));
    repo.archive(["fsck"]).ok();
    assert_eq!(repo.archive(["cat", &id]).ok().stdout, "print('old')\n");
}

/// An archive of the schema before, brought up to date: its rows are not rewritten.
#[test]
fn rows_with_whole_paths_are_found_beside_others() {
    if !is_embedded() || !have("sqlite3") {
        return;
    }
    let repo = TestRepo::with_history();
    let file = repo.common_dir().join("codex-archive/archive.sqlite");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives/v5.sqlite.sql");
    let mut sqlite = repo.command("sqlite3");
    sqlite.arg(&file);
    run(sqlite, Some(&fs::read(dump).unwrap())).ok();
    // What `schema` prints makes new archives, and leaves this one as it is.
    let schema = repo.archive(["schema", "--dialect", "sqlite"]).ok().stdout;
    let mut sqlite = repo.command("sqlite3");
    sqlite.arg(&file);
    let said = run(sqlite, Some(schema.as_bytes()));
    said.fails(1).says("no such column: folder_id");
    assert_eq!(repo.archive(["migrate", "--json"]).ok().json()["from"], 5);
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    repo.file("src/new.py", "new\n").commit("new");
    repo.store(&["src/new.py"]);
    assert_eq!(lists(&repo, "src"), ["src/new.py", "src/old.py", "src/twin.py"]);
    assert_eq!(lists(&repo, "src/twin.py"), ["src/twin.py"]);
    assert_eq!(lists(&repo, "run.sh"), ["run.sh"]);
    repo.archive(["fsck"]).ok();
}
