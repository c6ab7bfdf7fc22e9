//! A server that is not there, or does not let us in: exit 7, and no secret in what is said.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::TestRepo;
use crate::common::server::{Kind, PASSWORD, Server, free_port};
use crate::{noise, on, on_both};

/// Every command says why it cannot, and a hook lets people go on working.
#[track_caller]
fn refused(repo: &TestRepo, server: &Server, url: &str, words: &str) {
    let repo = repo.env("CODEX_ARCHIVE_URL", url);
    let tree = repo.snapshot();
    for line in [
        &["store", "_codex_", "src/live.py", "--reason", "dead"][..],
        &["list"],
        &["restore", "src/old.py", "out.py"],
        &["fsck"],
    ] {
        let said = repo.archive(line);
        assert_eq!(said.code, 7, "{:?} {line:?}\n{said}", server.kind);
        assert!(said.stderr.contains(words), "{:?} {line:?}\n{said}", server.kind);
        assert!(!said.to_string().contains(PASSWORD), "{said}");
    }
    assert_eq!(repo.snapshot(), tree, "nothing changed");
    repo.file("src/new.py", "new\n");
    repo.git(["add", "src/new.py"]).ok();
    repo.git(["commit", "-qm", "new"]).ok();
}

#[test]
fn nobody_listens() {
    on_both(|server| {
        let repo = on(server).0;
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        let url = server.url("x").replace(&server.port.to_string(), &free_port().to_string());
        refused(&repo, server, &url, "cannot connect to the archive at");
    });
}

/// A commit with a stub in it asks the archive; it is not held up by one that cannot be asked.
#[track_caller]
fn commits_with_a_warning(server: &Server, port: u16) {
    let (repo, database) = on(server);
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
    let url = server.url(&database).replace(&server.port.to_string(), &port.to_string());
    let repo = repo.env("CODEX_ARCHIVE_URL", &url);
    let began = Instant::now();
    let said = repo.git(["commit", "-qm", "retire old"]).ok();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}: {said}", server.kind);
    assert!(said.stderr.contains("[archive-unreachable]"), "{:?}: {said}", server.kind);
    assert!(!said.to_string().contains(PASSWORD), "{said}");
}

#[test]
fn a_hook_passes_where_nobody_listens() {
    on_both(|server| commits_with_a_warning(server, free_port()));
}

#[test]
fn a_hook_passes_where_nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    std::thread::spawn(move || {
        // Held open, and never a word.
        let held: Vec<_> = silent.incoming().collect();
        drop(held);
    });
    on_both(|server| commits_with_a_warning(server, port));
}

#[test]
fn another_password() {
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        let url = server.url(&database).replace(PASSWORD, "wr0ng");
        refused(&repo, server, &url, "cannot connect to the archive at");
    });
}

#[test]
fn no_such_database() {
    on_both(|server| {
        let repo = on(server).0;
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        refused(&repo, server, &server.url("nowhere"), "cannot connect to the archive at");
    });
}

#[test]
fn a_schema_is_made_by_init_alone() {
    on_both(|server| {
        let (repo, database) = on(server);
        let said = repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]);
        assert_eq!(said.code, 8, "{said}");
        assert!(said.stderr.contains("there is no archive at"), "{said}");
        let count = format!(
            "SELECT COUNT(*) FROM information_schema.tables
             WHERE table_schema IN ('public', '{database}')"
        );
        assert_eq!(server.sql(&database, &count).trim(), "0");
    });
}

#[test]
fn a_password_is_in_no_tracked_file() {
    on_both(|server| {
        let (repo, database) = on(server);
        let whole = server.url(&database);
        let masked = whole.replace(PASSWORD, "***");
        let plain = repo.env("CODEX_ARCHIVE_URL", "");
        let said = repo.archive(["init", "--repo", "_codex_", "--url", &whole]);
        assert_eq!(said.code, 8, "{said}");
        assert!(said.stderr.contains("must not stand in a tracked file"), "{said}");
        assert!(!said.stderr.contains(PASSWORD), "{said}");
        let said = plain.archive(["init", "--repo", "_codex_", "--url", &masked]);
        assert_eq!(said.code, 8, "{said}");
        assert!(!repo.has(".codex/archive.toml"), "nothing was written");
        repo.archive(["init", "--repo", "_codex_", "--url", &masked]).ok();
        let written = repo.read(".codex/archive.toml");
        assert!(written.contains(&masked) && !written.contains(PASSWORD), "{written}");
        repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
    });
}

#[test]
fn what_cannot_be_reached_is_told_before_anything_is_written() {
    on_both(|server| {
        let (repo, database) = on(server);
        let port = free_port().to_string();
        let url = server.url(&database).replace(&server.port.to_string(), &port);
        let repo = repo.env("CODEX_ARCHIVE_URL", &url);
        let tree = repo.snapshot();
        let said = repo.archive(["init", "--repo", "_codex_"]);
        assert_eq!(said.code, 7, "{said}");
        assert_eq!(repo.snapshot(), tree, "nothing changed");
    });
}

/// What a server that can only be read does not take is refused; what is there can be read.
#[test]
fn a_server_that_can_only_be_read() {
    let Some(primary) = Server::of(Kind::Postgres) else { return };
    let (repo, database) = on(primary);
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
    let standby = primary.standby();
    let repo = repo.env("CODEX_ARCHIVE_URL", &standby.url(&database));
    assert_eq!(repo.archive(["cat", "src/old.py"]).ok().stdout, "print('old')\n");
    repo.archive(["fsck"]).ok();
    let tree = repo.snapshot();
    let said = repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]);
    assert_eq!(said.code, 7, "{said}");
    assert!(said.stderr.contains("during recovery"), "{said}");
    assert_eq!(repo.snapshot(), tree, "nothing changed");
}

/// No room on the server: the tree is as it was, and so is the archive.
#[test]
fn a_server_that_is_full() {
    let Some(server) = Server::start_small() else { return };
    let (repo, _) = on(&server);
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.file("large.bin", noise(24 << 20)).commit("large");
    let tree = repo.snapshot();
    let said = repo.archive(["store", "_codex_", "large.bin", "--reason", "dead"]);
    assert_eq!(said.code, 7, "{said}");
    // MariaDB 10.11 says that it is full, or falls over and comes back.
    server.wait();
    assert_eq!(repo.snapshot(), tree, "nothing changed");
    assert_eq!(repo.archive(["list", "--json"]).ok().json()["items"].as_array().unwrap().len(), 0);
    repo.archive(["fsck"]).ok();
}

/// Several clones may found the archive in the same moment.
#[test]
fn inits_at_once() {
    on_both(|server| {
        let (repo, database) = on(server);
        let clones: Vec<_> = (0..6)
            .map(|n| {
                let clone = repo.clone_to(&format!("clone{n}"));
                clone.env("CODEX_ARCHIVE_URL", &server.url(&database))
            })
            .collect();
        std::thread::scope(|scope| {
            for clone in &clones {
                scope.spawn(|| clone.archive(["init", "--repo", "_codex_"]).ok());
            }
        });
        let count = server.sql(&database, "SELECT COUNT(*) FROM meta WHERE k = 'archive'");
        assert_eq!(count.trim(), "1");
        for clone in &clones {
            clone.archive(["migrate", "--status"]).ok();
            clone.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
            clone.archive(["evidence", "verify"]).ok();
        }
    });
}
