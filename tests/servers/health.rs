//! `health-check` on servers: the smoke test leaves every table as it was.

use crate::common::server::{Kind, Server};
use crate::{on, on_both};

/// Every row of every table, counters among them, as the server's own program prints them.
fn all_rows(server: &Server, database: &str) -> Vec<(String, Vec<u8>)> {
    let (schema, flag) = match server.kind {
        Kind::Postgres => ("public", "-c"),
        Kind::Mariadb => (database, "-e"),
    };
    let names = server.sql(
        database,
        &format!(
            "SELECT table_name FROM information_schema.tables
             WHERE table_schema = '{schema}' AND table_type = 'BASE TABLE' ORDER BY table_name"
        ),
    );
    let dump = |name: &str| {
        let query = format!("SELECT * FROM {name} ORDER BY 1");
        let output = server.client(database).args([flag, &query]).output().unwrap();
        assert!(output.status.success(), "{name}");
        (name.to_owned(), output.stdout)
    };
    names.lines().map(dump).collect()
}

#[test]
fn a_smoke_test_leaves_nothing() {
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        repo.store_one("src/old.py");
        let before = all_rows(server, &database);
        assert!(before.iter().filter(|(_, rows)| !rows.is_empty()).count() >= 8, "{before:?}");
        let told = repo.unchanged(|repo| repo.archive(["health-check", "--smoke", "--json"])).ok();
        for step in ["smoke-store", "smoke-show", "smoke-restore", "smoke-purge", "smoke-clean"] {
            told.clone().says(step);
        }
        assert_eq!(told.json()["ok"], true, "{told}");
        assert_eq!(all_rows(server, &database), before, "{:?}", server.kind);
        repo.archive(["fsck"]).ok();
    });
}

/// Killed in the middle: the server rolls back by itself.
#[test]
fn a_smoke_test_that_is_killed_leaves_nothing() {
    if !crate::common::strace::can_trace() {
        return;
    }
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        let before = all_rows(server, &database);
        let url = server.url(&database);
        let line = ["health-check", "--smoke"];
        // Where it writes to the server after the transaction began.
        let mut killed = 0;
        for n in [20, 30, 40, 50, 60, 80] {
            let (trace, inject) = crate::common::strace::at_call("sendto,write", n, "signal=KILL");
            let mut strace = repo.world.command("strace", &repo.top);
            strace.env("CODEX_ARCHIVE_URL", &url).args(["-f", "-o", "/dev/null"]);
            strace.args(["-e", &trace, "-e", &inject, "git-codex-archive"]).args(line);
            let outcome = crate::common::run(strace, None);
            killed += usize::from(outcome.code != 0);
        }
        assert!(killed > 0, "{:?}: it was never killed", server.kind);
        repo.archive(line).ok();
        assert_eq!(all_rows(server, &database), before, "{:?}", server.kind);
    });
}

#[test]
fn a_user_who_may_only_read_fails_the_smoke_test_alone() {
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        match server.kind {
            Kind::Postgres => server.sql(
                &database,
                "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'r';
                 GRANT USAGE ON SCHEMA public TO reader;
                 GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            ),
            Kind::Mariadb => server.sql(
                "",
                &format!(
                    "DROP USER IF EXISTS reader@'%'; CREATE USER reader@'%' IDENTIFIED BY 'r';
                     GRANT SELECT ON {database}.* TO reader@'%'"
                ),
            ),
        };
        let url = server.url(&database);
        let at = url.find('@').unwrap();
        let scheme = &url[..url.find("://").unwrap()];
        let reader = repo.env("CODEX_ARCHIVE_URL", &format!("{scheme}://reader:r{}", &url[at..]));
        let told = reader.archive(["health-check", "--json"]).ok();
        assert_eq!(told.json()["ok"], true, "{told}");
        let told = reader.archive(["health-check", "--smoke", "--json"]).fails(1);
        let told = told.json();
        let checks = told["checks"].as_array().unwrap();
        let failed: Vec<_> = checks
            .iter()
            .filter(|check| check["ok"] == false)
            .map(|check| check["name"].as_str().unwrap())
            .collect();
        assert!(failed == ["smoke-connect"] || failed == ["smoke-store"], "{told:#}");
    });
}
