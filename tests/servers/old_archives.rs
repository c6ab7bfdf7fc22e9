//! Archives of every released schema: read, brought up to date, and read again.

use std::fs;
use std::path::Path;

use codex_archive::backend::LATEST_VERSION;

use crate::common::TestRepo;
use crate::common::server::{Kind, Server};

/// Ids and contents of the items in every fixture that anybody may read.
const ITEMS: &[(&str, &str)] = &[
    ("eb2253bb-0b30-8114-8a85-e91c04e208c4", "print(\"old\")\n"),
    ("451ca109-9664-85ac-8bbd-f18367db253e", "print(\"old\")\n"),
];

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Reads and changes the archive of `repo`, whose schema is `version`.
#[track_caller]
fn upgrades(repo: &TestRepo, version: i64) {
    let status = || repo.archive(["migrate", "--status", "--json"]).ok().json();
    let before = status();
    assert_eq!(before["from"], version, "{before}");
    for (id, content) in ITEMS {
        assert_eq!(repo.archive(["cat", id]).ok().stdout, *content);
    }
    let done = repo.archive(["migrate", "--json"]).ok().json();
    assert_eq!((&done["from"], &done["to"]), (&before["from"], &before["latest"]), "{done}");
    let is_older = before["from"] != before["latest"];
    assert_eq!(done["evidence"].as_str().unwrap().is_empty(), !is_older, "{done}");
    assert!(status()["steps"].as_array().unwrap().iter().all(|step| !step["applied_at"].is_null()));
    for (id, content) in ITEMS {
        assert_eq!(repo.archive(["cat", id]).ok().stdout, *content);
    }
    let shown = repo.archive(["show", ITEMS[0].0, "--json"]).ok().json().to_string();
    for word in ["zendesk", "OPS-1234", "replaced", "src/old.py"] {
        assert!(shown.contains(word), "{shown}");
    }
    assert_eq!(repo.archive(["restore", ITEMS[1].0, "back.py"]).ok().code, 0);
    // Whatever the archive's age, it has a memory now; what it remembered is still there.
    let entry = ["memory", "save", "The importer stays on Python 3.9", "--type", "decision"];
    let entry = [&entry[..], &["--project", "shop", "--source", "docs/adr.md", "--json"]].concat();
    let kept = repo.archive(entry).ok().json();
    let (status, metadata) = match version {
        ..5 => ("saved", serde_json::json!({})),
        _ => ("unchanged", serde_json::json!({"ticket": "OPS-1234"})),
    };
    assert_eq!((&kept["status"], &kept["metadata"]), (&status.into(), &metadata), "{kept}");
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn on_sqlite() {
    for version in 1..=LATEST_VERSION {
        let repo = TestRepo::with_history();
        let file = repo.common_dir().join("codex-archive/archive.sqlite");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch(&fixture(&format!("v{version}.sqlite.sql"))).unwrap();
        drop(connection);
        upgrades(&repo, version);
        let copy = file.with_file_name(format!("archive.sqlite.schema-{version}"));
        assert_eq!(copy.exists(), version < LATEST_VERSION, "copied first");
    }
}

#[test]
fn on_servers() {
    for (kind, name) in [(Kind::Postgres, "postgres"), (Kind::Mariadb, "mariadb")] {
        let Some(server) = Server::of(kind) else { return };
        if kind.dialect() == "mysql" {
            continue;
        }
        // Before the second schema there were no servers.
        for version in 2..=LATEST_VERSION {
            let database = server.database();
            server.sql(&database, &fixture(&format!("v{version}.{name}.sql")));
            let url = server.url(&database);
            let repo = TestRepo::with_history().env("CODEX_ARCHIVE_URL", &url);
            upgrades(&repo, version);
        }
    }
}
