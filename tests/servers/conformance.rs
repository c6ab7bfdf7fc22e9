//! What every driver promises, asked of all three in the same words.

use std::thread;
use std::time::Duration;

use codex_archive::backend::{Access, Driver, Patience, Sqlite, Value, apply, connect};
use codex_archive::clock::Timestamp;
use codex_archive::error::ErrorKind;
use codex_archive::retry::Retry;
use codex_archive::secret::DatabaseUrl;

use crate::common::server::{Kind, Server};

/// Opens the same archive again and again.
type Open<'a> = &'a dyn Fn(Access) -> Box<dyn Driver>;

/// Runs `test` on an archive of each backend.
fn on_each(test: impl Fn(Open<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sqlite");
    let open = |access| -> Box<dyn Driver> { Box::new(Sqlite::open(&file, access).unwrap()) };
    apply(open(Access::Create).as_mut(), Timestamp::from_unix_ms(0)).unwrap();
    test(&open);
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let Some(server) = Server::of(kind) else { return };
        let url = DatabaseUrl::new(server.url(&server.database()).as_str());
        let open = |access| connect(&url, access, Patience::of_command(Retry::NEVER)).unwrap();
        apply(open(Access::Create).as_mut(), Timestamp::from_unix_ms(0)).unwrap();
        test(&open);
    }
}

const PUT: &str = "INSERT INTO meta (k, v) VALUES (?, ?)";
const GET: &str = "SELECT v FROM meta WHERE k = ?";

fn text(driver: &mut dyn Driver, key: &str) -> Option<String> {
    let rows = driver.query(GET, &[key.into()]).unwrap();
    rows.first().map(|row| row.text(0).unwrap().to_owned())
}

#[test]
fn values_come_back_as_they_went_in() {
    on_each(|open| {
        let driver = &mut *open(Access::Write);
        let long = "ü".repeat(70_000);
        let texts = [
            "",
            " ",
            "a",
            "A",
            "a ",
            "é",
            "e\u{301}",
            "\u{1f600}",
            "'; DROP TABLE meta; --",
            "\\",
            "%_",
            "\"",
            "?",
            "$1",
            "{}",
            &long,
        ];
        for (n, value) in texts.iter().enumerate() {
            let key = format!("text {n}");
            assert_eq!(driver.execute(PUT, &[key.as_str().into(), (*value).into()]).unwrap(), 1);
            assert_eq!(text(driver, &key).as_deref(), Some(*value), "{:?}", driver.dialect());
        }
        let run =
            "INSERT INTO run (id, members, stored_sha256, bytes, pieces) VALUES (?, ?, ?, ?, ?)";
        let every: Vec<u8> = (0..=255).cycle().take(4 << 20).collect();
        for (id, number, bytes) in
            [(1i64, i64::MIN, Some(every)), (2, i64::MAX, Some(Vec::new())), (3, 0, None)]
        {
            let digest = vec![0u8, 255, 10, 92];
            let values: [Value; 5] = [
                id.into(),
                number.into(),
                digest.clone().into(),
                bytes.clone().into(),
                0i64.into(),
            ];
            driver.execute(run, &values).unwrap();
            let sql = "SELECT members, stored_sha256, bytes FROM run WHERE id = ?";
            let rows = driver.query(sql, &[id.into()]).unwrap();
            assert_eq!(rows[0].int(0).unwrap(), number);
            assert_eq!(rows[0].bytes(1).unwrap(), digest);
            assert_eq!(rows[0].bytes_or_null(2).unwrap(), bytes.as_deref());
        }
    });
}

/// Text is compared byte by byte, whatever language the database was made for.
#[test]
fn keys_are_bytes() {
    on_each(|open| {
        let driver = &mut *open(Access::Write);
        let mut keys = vec!["a", "A", "a ", "b", "ä", "z", "Z", "_", "0", "~", "é", "e\u{301}"];
        for key in &keys {
            driver.execute(PUT, &[(*key).into(), "".into()]).unwrap();
        }
        let rows = driver.query("SELECT k FROM meta WHERE k <> ? ORDER BY k", &["archive".into()]);
        let found: Vec<String> =
            rows.unwrap().iter().map(|row| row.text(0).unwrap().to_owned()).collect();
        keys.sort_unstable();
        assert_eq!(found, keys, "{:?}", driver.dialect());
        assert!(driver.execute(PUT, &["a".into(), "twice".into()]).is_err(), "a key stands once");
    });
}

#[test]
fn what_is_found_is_counted_though_it_stays_the_same() {
    on_each(|open| {
        let driver = &mut *open(Access::Write);
        driver.execute(PUT, &["k".into(), "v".into()]).unwrap();
        let update = "UPDATE meta SET v = ? WHERE k = ?";
        assert_eq!(driver.execute(update, &["v".into(), "k".into()]).unwrap(), 1);
        assert_eq!(driver.execute(update, &["v".into(), "nothing".into()]).unwrap(), 0);
    });
}

#[test]
fn a_transaction_is_all_or_nothing_and_a_reader_sees_one_moment() {
    on_each(|open| {
        let (writer, reader) = (&mut *open(Access::Write), &mut *open(Access::Read));
        writer.begin().unwrap();
        writer.execute(PUT, &["gone".into(), "x".into()]).unwrap();
        writer.rollback();
        assert_eq!(text(reader, "gone"), None);
        reader.begin_reading().unwrap();
        assert_eq!(text(reader, "kept"), None);
        writer.begin().unwrap();
        writer.execute(PUT, &["kept".into(), "x".into()]).unwrap();
        assert_eq!(text(reader, "kept"), None, "not committed");
        writer.commit().unwrap();
        assert_eq!(text(reader, "kept"), None, "of another moment");
        reader.rollback();
        assert_eq!(text(reader, "kept").as_deref(), Some("x"));
    });
}

#[test]
fn a_reader_cannot_write() {
    on_each(|open| {
        let reader = &mut *open(Access::Read);
        let said = reader.execute(PUT, &["k".into(), "v".into()]).unwrap_err();
        assert_ne!(said.kind(), ErrorKind::Usage);
        assert_eq!(text(&mut *open(Access::Read), "k"), None);
    });
}

/// Whoever begins while another one writes waits, and then sees what that one did.
#[test]
fn one_writes_at_a_time() {
    on_each(|open| {
        let mut first = open(Access::Write);
        first.execute(PUT, &["count".into(), "0".into()]).unwrap();
        let others: Vec<_> = (0..4).map(|_| open(Access::Write)).collect();
        let add = |driver: &mut dyn Driver| {
            driver.begin().unwrap();
            let count: u32 = text(driver, "count").unwrap().parse().unwrap();
            thread::sleep(Duration::from_millis(5));
            let next = (count + 1).to_string();
            let sql = "UPDATE meta SET v = ? WHERE k = ?";
            driver.execute(sql, &[next.into(), "count".into()]).unwrap();
            driver.commit().unwrap();
        };
        thread::scope(|scope| {
            for mut driver in others {
                scope.spawn(move || (0..5).for_each(|_| add(driver.as_mut())));
            }
        });
        assert_eq!(text(first.as_mut(), "count").as_deref(), Some("20"), "{:?}", first.dialect());
    });
}

/// An item cannot lose its artifact, nor a record its log.
#[test]
fn what_is_referred_to_stays() {
    on_each(|open| {
        let driver = &mut *open(Access::Write);
        let digest = || Value::Bytes(vec![7; 32]);
        driver
            .execute(
                "INSERT INTO artifact_row (id, sha256, size_bytes, run_id, run_offset, run_length,
                   created_at) VALUES (?, ?, 1, NULL, 0, 0, ?)",
                &[1i64.into(), digest(), "now".into()],
            )
            .unwrap();
        driver
            .execute(
                "INSERT INTO batch (id, deed, repo, commit_sha, actor, reason, at)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
                &[
                    1i64.into(),
                    digest(),
                    "r".into(),
                    "c".into(),
                    "a".into(),
                    "dead".into(),
                    "t".into(),
                ],
            )
            .unwrap();
        driver
            .execute(
                "INSERT INTO item_row (id, tombstone, batch_id, artifact_id, path, path_hash,
                   git_blob, mode, kind, restricted, hidden)
                 VALUES (?, ?, 1, 1, ?, 1, ?, 1, ?, 0, 0)",
                &[1i64.into(), digest(), "p".into(), digest(), "code".into()],
            )
            .unwrap();
        for table in ["artifact_row", "batch"] {
            let sql = format!("DELETE FROM {table} WHERE id = ?");
            assert!(driver.execute(&sql, &[1i64.into()]).is_err(), "{table}");
        }
    });
}

/// A deadlock with somebody else's transaction is met by beginning ours anew.
#[test]
fn a_deadlock_is_tried_again() {
    let Some(server) = Server::of(Kind::Postgres) else { return };
    let (repo, database) = crate::on(server);
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    // Ours looks for deadlocks late enough to be the one that sees this one.
    server.sql(&database, "ALTER ROLE codex SET deadlock_timeout = '3s'");
    let mut other = server.client(&database);
    other.env("PGOPTIONS", "-c deadlock_timeout=1h").stdin(std::process::Stdio::piped());
    let mut other = other.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut say = |line: &str| {
        use std::io::Write;
        writeln!(other.stdin.as_mut().unwrap(), "{line}").unwrap();
    };
    say("BEGIN; LOCK TABLE item_row IN EXCLUSIVE MODE;");
    thread::sleep(Duration::from_millis(500));
    let said = thread::scope(|scope| {
        let store =
            scope.spawn(|| repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]));
        thread::sleep(Duration::from_millis(1500));
        say("SELECT pg_advisory_xact_lock(x'636f647861726368'::bigint); COMMIT;");
        store.join().unwrap()
    });
    server.sql(&database, "ALTER ROLE codex RESET deadlock_timeout");
    drop(other.stdin.take());
    other.wait().unwrap();
    said.ok();
    let seen = std::fs::read_to_string(server.folder.join("log")).unwrap_or_default();
    assert!(seen.contains("deadlock detected"), "{seen}");
    repo.archive(["evidence", "verify"]).ok();
}
