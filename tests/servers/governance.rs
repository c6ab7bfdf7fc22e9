//! Governance on servers: two people, holds, and a purge whose every class is true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::TestRepo;
use crate::common::server::{Kind, Server};
use crate::roles::{may, prepared, user};
use crate::{noise, on, on_both};

const REASON: [&str; 2] = ["--reason", "erasure asked for"];

/// A repository with `src/secret.bin`, which does not compress, archived on `server`.
fn with_secret(server: &Server) -> (TestRepo, String, Vec<u8>) {
    let (repo, database) = on(server);
    repo.archive(["init", "--repo", "_codex_"]).ok();
    let secret = noise(20_000);
    repo.file("src/secret.bin", &secret).commit("secret");
    repo.archive(["store", "_codex_", "src/secret.bin", "src/old.py", "--reason", "dead"]).ok();
    repo.commit("retire");
    (repo, database, secret)
}

#[test]
fn a_purge_takes_two_and_says_what_is_out_of_reach() {
    on_both(|server| {
        let (repo, database, secret) = with_secret(server);
        let by = |who: &str, line: &[&str]| {
            let line: Vec<_> = line.iter().chain(&REASON).chain(&["--by", who]).copied().collect();
            repo.archive(line)
        };
        by("ann", &["prune-request", "src/secret.bin"]).ok();
        by("ann", &["purge", "src/secret.bin", "--apply"]).fails(6).says("1 of 2 approvals");
        by("ann", &["purge", "src/secret.bin", "--second", " ANN ", "--apply"]).fails(6);
        by("ann", &["hold", "set", "--path", "src/**", "--case", "LIT-7"]).ok();
        by("ann", &["purge", "src/secret.bin", "--second", "ben", "--apply"])
            .fails(6)
            .says("LIT-7");
        by("ann", &["hold", "release", "--case", "LIT-7", "--second", "ben"]).ok();
        let done = by("ann", &["purge", "src/secret.bin", "--second", "ben", "--apply", "--json"]);
        let report = done.ok().json();
        assert_eq!(report["state"], "purged");
        assert!(report["still_present"].as_array().unwrap().is_empty(), "{report:#}");
        let places: Vec<String> = report["outside_reach"]
            .as_array()
            .unwrap()
            .iter()
            .map(|spot| spot["what"].to_string())
            .collect();
        assert!(places.iter().any(|it| it.contains("server's files")), "{places:?}");
        assert!(places.iter().any(|it| it.contains("replicas")), "{places:?}");
        repo.archive(["cat", &repo_id(&repo, &secret)]).fails(6).says("purged");
        repo.archive(["fsck"]).ok();
        repo.archive(["evidence", "verify"]).ok();
        let gone = server.sql(&database, "SELECT COUNT(*) FROM artifact WHERE blob_bytes IS NULL");
        assert_eq!(gone.trim(), "1");
        // What was purged does not come in again.
        repo.file("src/secret.bin", &secret).commit("again");
        repo.archive(["store", "_codex_", "src/secret.bin", "--reason", "dead"]).fails(6);
        rewritten_files_have_none_of_it(server, &database, &report, &secret);
    });
}

fn repo_id(_repo: &TestRepo, content: &[u8]) -> String {
    crate::common::id_of("_codex_", "src/secret.bin", content)
}

/// The command that the report names for the server's files does what it says.
fn rewritten_files_have_none_of_it(
    server: &Server,
    database: &str,
    report: &serde_json::Value,
    secret: &[u8],
) {
    let spots = report["outside_reach"].as_array().unwrap();
    let files = spots.iter().find(|it| it["what"].to_string().contains("server's files")).unwrap();
    for statement in files["command"].as_str().unwrap().split("; ") {
        server.sql(database, statement);
    }
    let place = match server.kind {
        // Tables alone: the log is another class.
        Kind::Postgres => server.folder.join("data/base"),
        Kind::Mariadb => server.folder.join("data").join(database),
    };
    if server.kind == Kind::Mariadb {
        // The pages reach the disk when the server likes.
        server.sql(database, "FLUSH TABLES run, run_piece FOR EXPORT");
    }
    let found = files_with(&place, &secret[5_000..5_064]);
    assert!(found.is_empty(), "{:?}: {found:?}", server.kind);
}

/// The files below `place` that have `probe`.
fn files_with(place: &Path, probe: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path)
                && bytes.windows(probe.len()).any(|window| window == probe)
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_writer_cannot_erase_what_is_held() {
    on_both(|server| {
        let database = prepared(server);
        let url = user(server, &database, "writer");
        let repo = TestRepo::with_history().env("CODEX_ARCHIVE_URL", &url);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead", "--tag", "x"]).ok();
        let line = ["hold", "set", "src/old.py", "--case", "LIT-7", "--reason", "litigation"];
        repo.archive(line).ok();
        for sql in [
            "UPDATE run SET bytes = NULL",
            "DELETE FROM run",
            "DELETE FROM run_piece",
            "UPDATE artifact_row SET run_id = NULL",
            "UPDATE artifact_row SET purged_at = 'now'",
            "DELETE FROM artifact_row",
            "DELETE FROM item_row",
            "INSERT INTO item_purge (item_id, at) VALUES (1, '2027')",
            "UPDATE hold SET released_at = 'now'",
            "DELETE FROM hold_item",
            "DELETE FROM hold",
            "INSERT INTO policy (version, toml, signers, approved_by, at) VALUES (1, '', '', '', '')",
            "DELETE FROM purge_ledger",
        ] {
            assert!(!may(server, &url, sql), "{:?}: {sql}", server.kind);
        }
        repo.archive(["cat", "src/old.py"]).ok();
        // Nor by the program, without the rights of a steward; the bytes stay.
        repo.archive([
            "hold", "release", "--case", "LIT-7", "--by", "a", "--second", "b", "--reason", "x",
        ])
        .fails(7);
        repo.archive(["cat", "src/old.py"]).ok();
    });
}

#[test]
fn a_plain_client_of_sqlite_cannot_erase_what_is_held() {
    let repo = TestRepo::ready();
    repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
    let other = repo.file("src/other.py", "print('other')\n").commit("other");
    other.archive(["store", "_codex_", "src/other.py", "--reason", "dead"]).ok();
    repo.archive(["hold", "set", "src/old.py", "--case", "LIT-7", "--reason", "litigation"]).ok();
    let file = repo.common_dir().join("codex-archive/archive.sqlite");
    let says = |sql: &str| {
        let output = Command::new("sqlite3").arg(&file).arg(sql).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let held = "(SELECT artifact_id FROM item WHERE path = 'src/old.py')";
    let run = format!("(SELECT run_id FROM artifact_row WHERE id = {held})");
    for sql in [
        format!("UPDATE run SET bytes = NULL WHERE id = {run}"),
        format!("DELETE FROM run WHERE id = {run}"),
        format!("UPDATE artifact_row SET run_id = NULL WHERE id = {held}"),
        format!("UPDATE artifact_row SET purged_at = 'now' WHERE id = {held}"),
        format!("DELETE FROM artifact_row WHERE id = {held}"),
        "DELETE FROM item_row WHERE id = (SELECT id FROM item WHERE path = 'src/old.py')"
            .to_owned(),
    ] {
        let (done, said) = says(&sql);
        assert!(!done && said.contains("a hold forbids it"), "{sql}: {said}");
    }
    repo.archive(["fsck"]).ok();
    // Beside it nothing is held.
    let free = "UPDATE run SET bytes = bytes WHERE id = (SELECT run_id FROM artifact_row WHERE id =
                (SELECT artifact_id FROM item WHERE path = 'src/other.py'))";
    assert!(says(free).0);
}

#[test]
fn governance_moves_with_the_archive() {
    on_both(|server| {
        let (repo, database, _) = with_secret(server);
        let by_two = ["--by", "ann", "--second", "ben", "--reason", "x"];
        let line = ["purge", "src/secret.bin", "--apply"];
        repo.archive(line.iter().chain(&by_two)).ok();
        repo.archive(["hold", "set", "--path", "src/*.py", "--case", "LIT-7", "--reason", "x"])
            .ok();
        let line = ["policy", "adopt", "--by", "ann", "--reason", "first"];
        repo.archive(line).ok();
        let target = server.database();
        let (from, to) = (server.url(&database), server.url(&target));
        let repo = repo.env("CODEX_ARCHIVE_FROM", &from).env("CODEX_ARCHIVE_TO", &to);
        repo.archive(["copy", "--from", "env:CODEX_ARCHIVE_FROM", "--to", "env:CODEX_ARCHIVE_TO"])
            .ok();
        let there = repo.env("CODEX_ARCHIVE_URL", &to);
        let items = there.archive(["list", "--json"]).ok().json();
        let states: Vec<_> = items["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["path"].clone(), item["state"].clone(), item["holds"].clone()))
            .collect();
        for (path, state, holds) in states {
            match path.as_str().unwrap() {
                "src/secret.bin" => assert_eq!(state, "purged"),
                _ => assert_eq!((state, holds), ("archived".into(), serde_json::json!(["LIT-7"]))),
            }
        }
        let policy = there.archive(["policy", "show", "--json"]).ok().json();
        assert_eq!(policy["version"], 1);
        there.archive(["fsck"]).ok();
        there.archive(["evidence", "verify"]).ok();
    });
}
