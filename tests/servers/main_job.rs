//! The main job, with the archive on a server that clones share.

use crate::common::server::{Kind, PASSWORD, Server};
use crate::{noise, on, on_both};

#[test]
fn no_command_shows_the_password() {
    on_both(|server| {
        let (repo, _) = on(server);
        let said = repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        assert!(!said.to_string().contains(PASSWORD), "{said}");
        repo.commit("archive");
        repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead", "--tag", "x"]).ok();
        repo.try_commit("retire old").ok();
        for line in [
            &["list"][..],
            &["show", "src/old.py"],
            &["log"],
            &["status"],
            &["fsck"],
            &["evidence", "verify"],
            &["verify", "--all", "--deep"],
            &["health-check"],
            &["config-show"],
            &["config-show", "--json"],
            &["store", "_codex_", "src/live.py", "--reason", "dead", "--debug"],
        ] {
            let said = repo.archive(line).ok();
            assert!(!said.to_string().contains(PASSWORD), "{line:?}\n{said}");
        }
    });
}

/// Two clones archive and restore through one database: one log without gap or fork, and each
/// clone's journal has its own records.
#[test]
fn two_clones_share_an_archive() {
    on_both(|server| {
        let (ann, database) = on(server);
        ann.archive(["init", "--repo", "_codex_"]).ok();
        ann.commit("archive");
        let ben = ann.clone_to("ben").env("CODEX_ARCHIVE_URL", &server.url(&database));
        ann.archive(["store", "_codex_", "src/old.py", "--reason", "dead", "--by", "ann"]).ok();
        ben.archive(["store", "_codex_", "src/live.py", "--reason", "dead", "--by", "ben"]).ok();
        let id = crate::common::id_of("_codex_", "src/old.py", b"print('old')\n");
        ben.archive(["restore", &id, "back.py"]).ok();
        assert_eq!(ben.read("back.py"), "print('old')\n");
        for repo in [&ann, &ben] {
            repo.archive(["fsck"]).ok();
            repo.archive(["evidence", "verify"]).ok();
        }
        let lines = |repo: &crate::common::TestRepo| {
            repo.read(".codex/evidence/archive_ops.jsonl").lines().count()
        };
        // LOG_START and ARCHIVE; ARCHIVE and RESTORE.
        assert_eq!((lines(&ann), lines(&ben)), (2, 2));
        let logs = server.sql(&database, "SELECT COUNT(*), MAX(head_seq) FROM log");
        assert_eq!(logs.split_whitespace().collect::<Vec<_>>().join("|"), "1|4");
    });
}

/// Thirty-two processes at once in eight clones: all of them succeed, and the chain is whole.
#[test]
fn many_writers() {
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        for n in 0..32 {
            repo.file(format!("many/{n}.py"), format!("print({n})\n"));
        }
        repo.commit("many");
        let clones: Vec<_> = (0..8)
            .map(|n| {
                let clone = repo.clone_to(&format!("clone{n}"));
                clone.env("CODEX_ARCHIVE_URL", &server.url(&database))
            })
            .collect();
        std::thread::scope(|scope| {
            for n in 0..32 {
                let clone = &clones[n % 8];
                scope.spawn(move || {
                    let path = format!("many/{n}.py");
                    clone.archive(["store", "_codex_", &path, "--reason", "dead"]).ok();
                });
            }
        });
        let told = repo.archive(["list", "--json", "--limit", "100"]).ok();
        assert_eq!(told.json()["items"].as_array().unwrap().len(), 32);
        for clone in &clones {
            clone.archive(["evidence", "verify"]).ok();
        }
        repo.archive(["fsck"]).ok();
    });
}

/// Content of several pieces, and more of it than a server takes in one packet.
#[test]
fn large_content() {
    on_both(|server| {
        let (repo, _) = on(server);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        let content = noise(40 << 20);
        repo.file("large.bin", &content).commit("large");
        repo.archive(["store", "_codex_", "large.bin", "--reason", "dead"]).ok();
        repo.archive(["fsck"]).ok();
        repo.archive(["restore", "--stage", "large.bin"]).ok();
        assert!(repo.bytes("large.bin") == content);
    });
}

/// Row numbers are taken many at once: a server keeps every version of a counter until the transaction
/// ends, so counting up one by one costs the square of the items.
#[test]
fn a_counter_is_not_counted_up_one_by_one() {
    let Some(server) = Server::of(Kind::Postgres) else { return };
    let (repo, database) = on(server);
    repo.archive(["init", "--repo", "_codex_"]).ok();
    for n in 0..400 {
        repo.file(format!("many/{n}.py"), format!("print({n})\n"));
    }
    repo.commit("many");
    repo.archive(["store", "_codex_", "many", "--reason", "dead"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let updates = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'counter'";
    let count: u32 = server.sql(&database, updates).trim().parse().unwrap();
    assert!((5..80).contains(&count), "{count} updates for 400 files");
}
