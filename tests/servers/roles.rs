//! The roles that `schema` prints: what each of them may, and may not.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::TestRepo;
use crate::common::server::{Kind, PASSWORD, Server, mariadb_client};
use crate::on_both;

/// A database whose tables and roles its administrator made by what `schema` prints.
pub fn prepared(server: &Server) -> String {
    let database = server.database();
    let dialect = server.kind.dialect();
    let text = TestRepo::plain_folder("dba").archive(["schema", "--dialect", dialect]).ok().stdout;
    server.sql(&database, &text);
    database
}

/// A new user with `role`; the URL with which it comes.
pub fn user(server: &Server, database: &str, role: &str) -> String {
    let name = format!("{role}_{database}");
    server.sql(
        database,
        &match server.kind {
            Kind::Postgres => format!(
                "CREATE USER {name} PASSWORD '{PASSWORD}'; GRANT codex_archive_{role} TO {name};"
            ),
            Kind::Mariadb => format!(
                "CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}';
                 GRANT codex_archive_{role} TO {name}@'%';
                 SET DEFAULT ROLE codex_archive_{role} {whom} {name}@'%';",
                whom = if server.kind.dialect() == "mysql" { "TO" } else { "FOR" },
            ),
        },
    );
    server.url(database).replace("codex:", &format!("{name}:"))
}

/// Whether the server's own program, as the user of `url`, may run `sql`.
pub fn may(server: &Server, url: &str, sql: &str) -> bool {
    let mut command = match server.kind {
        Kind::Postgres => {
            let mut command = Command::new("psql");
            command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", url]);
            command
        }
        Kind::Mariadb => {
            let rest = url.split_once("://").unwrap().1;
            let (name, database) =
                (rest.split_once(':').unwrap().0, rest.rsplit_once('/').unwrap().1);
            let mut command = mariadb_client();
            command.args(["--no-defaults", "-h", "127.0.0.1", "-u", name, "-D", database]);
            command.arg(format!("-P{}", server.port)).env("MYSQL_PWD", PASSWORD);
            command
        }
    };
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let refused = said.contains("denied") || said.contains("must be owner");
    assert!(output.status.success() || refused, "{sql}: {said}");
    output.status.success()
}

#[test]
fn a_writer_does_the_daily_work_and_erases_nothing() {
    on_both(|server| {
        let database = prepared(server);
        let url = user(server, &database, "writer");
        let repo = TestRepo::with_history().env("CODEX_ARCHIVE_URL", &url);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        for line in [
            &["store", "_codex_", "src/old.py", "src/live.py", "--reason", "dead", "--tag", "x"][..],
            &["restore", "--stage", "src/live.py"],
            &["store", "_codex_", "src/live.py", "--reason", "legacy", "--tag", "y"],
            &["undo"],
            &["drop", "src/old.py", "--reason", "gone"],
            &["fsck"],
            &["evidence", "verify"],
            &["health-check"],
            &["migrate", "--status"],
            &["maintenance", "on", "--reason", "damage"],
            &["maintenance", "off"],
            &["maintenance", "on", "--reason", "damage again"],
        ] {
            repo.archive(line).ok();
        }
        repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).fails(6);
        repo.archive(["maintenance", "off"]).ok();
        for sql in [
            "UPDATE meta SET v = 'x'",
            "DELETE FROM meta",
            "UPDATE evidence SET action = 'X'",
            "DELETE FROM evidence",
            "UPDATE evidence_block SET bytes = bytes",
            "DELETE FROM evidence_block",
            "DELETE FROM log",
            "UPDATE run SET bytes = NULL",
            "DELETE FROM run",
            "DELETE FROM run_piece",
            "DELETE FROM item_row",
            "UPDATE item_row SET path = 'other'",
            "DELETE FROM artifact_row",
            "UPDATE artifact_row SET purged_at = 'now'",
            "UPDATE schema_migrations SET name = 'x'",
            "DROP TABLE evidence",
            "CREATE TABLE mine (a BIGINT)",
        ] {
            assert!(!may(server, &url, sql), "{:?}: {sql}", server.kind);
        }
        assert!(may(server, &url, "SELECT * FROM item"));
    });
}

#[test]
fn a_reader_reads() {
    on_both(|server| {
        let database = prepared(server);
        let writer = user(server, &database, "writer");
        let repo = TestRepo::with_history().env("CODEX_ARCHIVE_URL", &writer);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
        let reader = repo.env("CODEX_ARCHIVE_URL", &user(server, &database, "reader"));
        for line in [
            &["list"][..],
            &["show", "src/old.py"],
            &["cat", "src/old.py"],
            &["verify", "--staged"],
            &["fsck"],
            &["evidence", "verify"],
            &["health-check"],
        ] {
            reader.archive(line).ok();
        }
        let tree = reader.snapshot();
        let said = reader.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]);
        assert_eq!(said.code, 7, "{said}");
        assert!(said.stderr.contains("denied"), "{said}");
        assert_eq!(reader.snapshot(), tree, "nothing changed");
    });
}

#[test]
fn a_steward_may_erase() {
    on_both(|server| {
        let database = prepared(server);
        let url = user(server, &database, "steward");
        assert!(may(server, &url, "DELETE FROM evidence"));
        assert!(may(server, &url, "UPDATE run SET bytes = NULL"));
        assert!(!may(server, &url, "DELETE FROM schema_migrations"));
        assert!(!may(server, &url, "DROP TABLE evidence"));
    });
}
