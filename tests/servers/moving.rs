//! Whole archives moved from one backend to another: nothing is missing, nothing is changed.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::common::TestRepo;
use crate::common::server::{Kind, PASSWORD, Server};
use crate::{on, on_both};

/// A repository whose embedded archive has seen everything that can happen to an item.
fn lively() -> TestRepo {
    let repo = TestRepo::with_history();
    repo.file("src/twin.py", "print('old')\n").file("docs/plan.md", "# Plan\n").commit("two");
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    let old = ["store", "_codex_", "src/old.py", "src/twin.py", "--reason", "replaced"];
    repo.archive(old.iter().chain(&["--tag", "a", "--tag", "ü", "--metadata", "k=v ' \" \\"])).ok();
    repo.archive(["store", "_codex_", "docs/plan.md", "--reason", "dead", "--restricted"]).ok();
    repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).ok();
    repo.archive(["undo"]).ok();
    repo.commit("retire");
    repo.archive(["restore", "--stage", "src/twin.py"]).ok();
    repo.commit("back");
    let saved =
        ["memory", "save", "stay\non 3.9 \u{1F980}", "--tag", "ü", "--metadata", "k=' \" \\"];
    repo.archive(saved).ok();
    for n in 0..40 {
        repo.archive(["memory", "save", &format!("entry {n}"), "--project", "many"]).ok();
    }
    repo.env("RETENTION_MAX_AGE_DAYS", "30").archive(["retention", "plan"]).ok();
    repo
}

/// What the archive remembers of one text.
fn remembered(repo: &TestRepo, text: &str) -> Value {
    let saved = repo.archive(["memory", "save", text, "--json"]).ok().json();
    assert_eq!(saved["status"], "unchanged", "{saved}");
    let id = saved["id"].as_str().unwrap();
    repo.archive(["memory", "get", id, "--json"]).ok().json()
}

fn copy(repo: &TestRepo, from: &str, to: &str) -> Value {
    let told = repo.archive(["copy", "--from", from, "--to", to, "--json"]).ok().json();
    assert!(!told.to_string().contains(PASSWORD), "{told}");
    told
}

const EMBEDDED: &str = "sqlite:///./.codex/archive.sqlite";

#[test]
fn around_all_backends() {
    let Some(postgres) = Server::of(Kind::Postgres) else { return };
    let Some(mariadb) = Server::of(Kind::Mariadb) else { return };
    let repo = lively();
    let file = repo.common_dir().join("copied.sqlite");
    let places = [
        EMBEDDED.to_owned(),
        postgres.url(&postgres.database()),
        mariadb.url(&mariadb.database()),
        format!("sqlite:///{}", file.display()),
    ];
    let mut root = None;
    for step in places.windows(2) {
        let told = copy(&repo, &step[0], &step[1]);
        assert_eq!(told["source_root"], told["target_root"], "{told}");
        assert_eq!(*root.get_or_insert(told["source_root"].clone()), told["source_root"]);
        assert_eq!(told["items"]["copied"], 4, "{told}");
        assert_eq!(told["entries"]["copied"], 41, "{told}");
        assert_eq!(told["retention_runs"]["copied"], 1, "{told}");
        let again = copy(&repo, &step[0], &step[1]);
        assert_eq!(again["items"]["copied"], 0, "{again}");
        assert_eq!(again["entries"]["there"], 41, "{again}");
        assert_eq!(again["evidence"], "", "nothing new, nothing to record");
    }
    let text = "stay\non 3.9 \u{1F980}";
    let entry = remembered(&repo, text);
    for url in &places {
        let there = repo.env("CODEX_ARCHIVE_URL", url);
        assert_eq!(remembered(&there, text), entry);
        there.archive(["fsck"]).ok();
        there.archive(["evidence", "verify"]).ok();
        there.archive(["verify", "--all", "--deep"]).ok();
        assert_eq!(there.archive(["cat", "src/old.py"]).ok().stdout, "print('old')\n");
        let plan = there.archive(["cat", "docs/plan.md"]);
        assert_eq!(plan.code, 6, "restricted there too: {plan}");
        let exported = there.archive(["export"]).ok().json();
        assert_eq!(Some(&exported["root"]), root.as_ref());
        assert_eq!(exported["items"].as_array().unwrap().len(), 3, "the one taken back is hidden");
        let metadata = there.archive(["export", "--metadata"]).ok().stdout;
        assert_eq!(metadata, "[{\"k\":\"v ' \\\" \\\\\"},{\"k\":\"v ' \\\" \\\\\"},{}]\n");
    }
}

/// After the move the archive goes on where it now is, and its evidence with it.
#[test]
fn work_goes_on_at_the_new_place() {
    on_both(|server| {
        let repo = lively();
        let url = server.url(&server.database());
        copy(&repo, EMBEDDED, &url);
        let there = repo.env("CODEX_ARCHIVE_URL", &url);
        there.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).ok();
        there.commit("more");
        let log = there.archive(["log", "--json"]).ok().stdout;
        for action in ["COPY", "LOG_START", "RESTORE", "ARCHIVE"] {
            assert!(log.contains(action), "{log}");
        }
        there.archive(["fsck"]).ok();
        there.archive(["evidence", "verify"]).ok();
        there.archive(["restore", "--stage", "src/old.py"]).ok();
        there.try_commit("back").ok();
    });
}

/// Two clones' archives become one.
#[test]
fn several_archives_become_one() {
    on_both(|server| {
        let ann = lively();
        ann.file("src/more.py", "more\n").commit("more");
        let ben = ann.clone_to("ben");
        ben.archive(["init"]).ok();
        ben.archive(["store", "_codex_", "src/live.py", "--reason", "dead", "--tag", "b"]).ok();
        ann.archive(["store", "_codex_", "src/more.py", "--reason", "dead"]).ok();
        let url = server.url(&server.database());
        copy(&ann, EMBEDDED, &url);
        let both = ["memory", "save", "both", "--json"];
        let [own, _] = [&ann, &ben].map(|it| it.archive(both).ok().json()["id"].clone());
        copy(&ann, EMBEDDED, &url);
        let told = copy(&ben, EMBEDDED, &url);
        // A copy has each entry as it stands; only what is imported is merged.
        assert_eq!(told["entries"]["copied"], 1, "{told}");
        let there = ann.env("CODEX_ARCHIVE_URL", &url);
        assert_eq!(there.archive(both).ok().json()["id"], own);
        // The one that Ann had taken back is Ben's now.
        assert_eq!(told["items"]["copied"], 0, "{told}");
        assert_ne!(told["source_root"], told["target_root"]);
        let there = ben.env("CODEX_ARCHIVE_URL", &url);
        let listed = there.archive(["list", "--json"]).ok().json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 5);
        there.archive(["fsck"]).ok();
        there.archive(["evidence", "verify"]).ok();
    });
}

/// A copy that was killed is completed by the next one.
#[test]
fn a_killed_copy_is_run_again() {
    on_both(|server| {
        let repo = TestRepo::new();
        for n in 0..300 {
            repo.file(format!("many/{n}.py"), format!("print({n})\n"));
        }
        repo.commit("many");
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.archive(["store", "_codex_", "many", "--reason", "dead"]).ok();
        let url = server.url(&server.database());
        for pause in [60, 120, 250, 500] {
            let mut copy = repo.command("git");
            copy.args(["codex-archive", "copy", "--to", &url, "--quiet"]);
            let mut child = copy.spawn().unwrap();
            thread::sleep(Duration::from_millis(pause));
            let _ = child.kill();
            child.wait().unwrap();
        }
        let told = copy(&repo, EMBEDDED, &url);
        assert_eq!(told["source_root"], told["target_root"], "{told}");
        let there = repo.env("CODEX_ARCHIVE_URL", &url);
        there.archive(["fsck"]).ok();
        there.archive(["evidence", "verify"]).ok();
    });
}

#[test]
fn what_cannot_be_copied_is_told() {
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        let url = server.url(&database);
        for line in [
            &["copy"][..],
            &["copy", "--to", &url],
            &["copy", "--to", "env:NO_SUCH_VARIABLE"],
            &["copy", "--from", "sqlite:///nowhere.sqlite"],
            &["copy", "--to", "ftp://somewhere/else"],
        ] {
            let said = repo.archive(line);
            assert_ne!(said.code, 0, "{line:?}: {said}");
            assert!(!said.stderr.contains(PASSWORD) && !said.stdout.contains(PASSWORD), "{said}");
        }
        // A damaged artifact is found before anything goes in.
        let source = lively();
        let file = source.common_dir().join("codex-archive/archive.sqlite");
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch("UPDATE run SET bytes = zeroblob(length(bytes))").unwrap();
        drop(connection);
        let target = server.database();
        let said = source.archive(["copy", "--to", &server.url(&target)]);
        assert_eq!(said.code, 1, "{said}");
        assert_eq!(server.sql(&target, "SELECT COUNT(*) FROM artifact_row").trim(), "0");
    });
}

/// A backup that was unpacked over the work tree is taken in, and put aside.
#[test]
fn a_file_in_the_archives_place_is_adopted() {
    let repo = lively();
    let link = repo.top.join(".codex/archive.sqlite");
    let saved = repo.common_dir().join("saved.sqlite");
    repo.archive(["copy", "--to", &format!("sqlite:///{}", saved.display())]).ok();
    fs::remove_dir_all(repo.common_dir().join("codex-archive")).unwrap();
    repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).ok();
    fs::remove_file(&link).unwrap();
    fs::rename(&saved, &link).unwrap();
    let said = repo.archive(["list"]);
    assert_eq!(said.code, 8, "{said}");
    assert!(said.stderr.contains("import --adopt"), "{said}");
    let told = repo.archive(["import", "--adopt", ".codex/archive.sqlite", "--json"]).ok().json();
    assert_eq!(told["items"]["copied"], 3, "{told}");
    assert!(fs::read_link(&link).is_ok() && repo.has(".codex/archive.sqlite-adopted"));
    assert_eq!(repo.archive(["cat", "src/old.py"]).ok().stdout, "print('old')\n");
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    assert!(!repo.status().contains("adopted"), "{}", repo.status());
    let again = repo.archive(["import", ".codex/archive.sqlite-adopted", "--json"]).ok().json();
    assert_eq!(again["items"]["copied"], 0, "{again}");
}

/// Bytes that a refused store left in the target are nothing that the copy lacks.
#[test]
fn a_target_may_hold_bytes_of_its_own() {
    let repo = lively();
    let file = repo.world.path("target.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(&repo.archive(["schema"]).ok().stdout).unwrap();
    connection
        .execute_batch(
            "INSERT INTO artifact_row VALUES (1000000, zeroblob(32), 1, NULL, 0, 0, 'then', NULL)",
        )
        .unwrap();
    drop(connection);
    let told = copy(&repo, EMBEDDED, &format!("sqlite:///{}", file.display()));
    assert_eq!(told["items"]["copied"], 4, "{told}");
    assert_ne!(told["source_root"], told["target_root"], "it holds more");
}
