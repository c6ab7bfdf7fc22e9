//! The schema as the servers' own programs take it, and the queries of the runbook.

use crate::{on, on_both};

#[test]
fn what_schema_prints_is_applied_by_the_servers_own_program() {
    on_both(|server| {
        let (repo, database) = on(server);
        let dialect = server.kind.dialect();
        let text = repo.archive(["schema", "--dialect", dialect]).ok().stdout;
        server.sql(&database, &text);
        // As it stands, and again.
        server.sql(&database, &text);
        let columns = |database: &str| {
            let query = "SELECT table_name, column_name, data_type FROM information_schema.columns
                         WHERE table_schema IN ('public', 'DATABASE') AND table_name <> 'x'
                         ORDER BY table_name, column_name";
            server.sql(database, &query.replace("DATABASE", database))
        };
        let (other, other_database) = on(server);
        other.archive(["init", "--repo", "_codex_"]).ok();
        assert_eq!(columns(&database), columns(&other_database));
    });
}

#[test]
fn the_runbooks_queries_run_as_they_stand() {
    on_both(|server| {
        let (repo, database) = on(server);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.file("src/twin.py", "print('old')\n").commit("twin");
        let line = ["store", "_codex_", "src/old.py", "src/twin.py", "--reason", "dead"];
        repo.archive(line.iter().chain(&["--metadata", "ticket=OPS-1"])).ok();
        let newest = server.sql(
            &database,
            "SELECT repo, path, archived_at, tombstone_id
             FROM item
             ORDER BY archived_at DESC
             LIMIT 100;",
        );
        assert!(newest.contains("src/twin.py") && newest.contains("_codex_"), "{newest}");
        let shared = server.sql(
            &database,
            "SELECT content_sha256, COUNT(*) AS reuse_count
             FROM artifact a
             JOIN item i ON i.artifact_id = a.id
             GROUP BY content_sha256
             HAVING COUNT(*) > 1;",
        );
        let digest = crate::common::sha256(b"print('old')\n");
        assert!(shared.contains(&digest) && shared.trim().ends_with('2'), "{shared}");
        let metadata = server.sql(&database, "SELECT metadata FROM item WHERE path = 'src/old.py'");
        let parsed: serde_json::Value = serde_json::from_str(metadata.trim()).unwrap();
        assert_eq!(parsed, serde_json::json!({"ticket": "OPS-1"}));
    });
}
