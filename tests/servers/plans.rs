//! What daily questions cost in an archive of 100,000 items: on every backend an index answers, and
//! no table is read from end to end.

use codex_archive::backend::{Access, Catalog, Dialect, Driver, ItemFilter, Ledger, Page, Row};
use codex_archive::backend::{Patience, Scrub, Sqlite, Value, apply, connect};
use codex_archive::clock::Timestamp;
use codex_archive::model::{DeedId, Digest, ItemState, Reason, RepoLabel, RepoPath, TombstoneId};
use codex_archive::retry::Retry;
use codex_archive::secret::DatabaseUrl;

use crate::common::server::{Kind, Server};

const ITEMS: u64 = 100_000;

/// Passes everything on, and keeps the queries.
struct Recorder {
    inner: Box<dyn Driver>,
    seen: Vec<(String, Vec<Value>)>,
}

impl Driver for Recorder {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }
    fn place(&self) -> &str {
        self.inner.place()
    }
    fn query(&mut self, sql: &str, values: &[Value]) -> codex_archive::Result<Vec<Row>> {
        self.seen.push((sql.to_owned(), values.to_vec()));
        self.inner.query(sql, values)
    }
    fn execute(&mut self, sql: &str, values: &[Value]) -> codex_archive::Result<u64> {
        self.inner.execute(sql, values)
    }
    fn begin(&mut self) -> codex_archive::Result<()> {
        self.inner.begin()
    }
    fn begin_reading(&mut self) -> codex_archive::Result<()> {
        self.inner.begin_reading()
    }
    fn commit(&mut self) -> codex_archive::Result<()> {
        self.inner.commit()
    }
    fn rollback(&mut self) {
        self.inner.rollback();
    }
    fn scrub(&mut self) -> codex_archive::Result<Scrub> {
        self.inner.scrub()
    }
    fn integrity(&mut self) -> codex_archive::Result<Vec<String>> {
        self.inner.integrity()
    }
}

/// The digits of an id that `n` decides, 32 of them, as the SQL below makes them.
fn id_of(n: u64) -> Vec<u8> {
    let mut bytes = n.to_be_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// Fills the tables with items, one artifact and one record each, twenty to a deed.
#[allow(clippy::too_many_lines, reason = "one statement a table")]
fn fill(driver: &mut dyn Driver) {
    let (numbers, id, digest) = match driver.dialect() {
        Dialect::Sqlite => (
            format!(
                "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ITEMS})
                 SELECT n FROM s) AS s"
            ),
            "CAST(unhex(printf('%016x', n) || '0000000000000000') AS BLOB)",
            "CAST(unhex(printf('%016x', n) || printf('%048d', 0)) AS BLOB)",
        ),
        Dialect::Postgres => (
            format!("generate_series(1, {ITEMS}) AS s(n)"),
            "decode(lpad(to_hex(n), 16, '0') || repeat('0', 16), 'hex')",
            "decode(lpad(to_hex(n), 16, '0') || repeat('0', 48), 'hex')",
        ),
        Dialect::Mariadb => (
            format!("(SELECT seq AS n FROM seq_1_to_{ITEMS}) AS s"),
            "unhex(concat(lpad(hex(n), 16, '0'), repeat('0', 16)))",
            "unhex(concat(lpad(hex(n), 16, '0'), repeat('0', 48)))",
        ),
        Dialect::Mysql => (
            format!(
                "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ITEMS})
                 SELECT n FROM s) AS s"
            ),
            "unhex(concat(lpad(hex(n), 16, '0'), repeat('0', 16)))",
            "unhex(concat(lpad(hex(n), 16, '0'), repeat('0', 48)))",
        ),
    };
    if driver.dialect() == Dialect::Mysql {
        driver.execute(&format!("SET SESSION cte_max_recursion_depth = {ITEMS}"), &[]).unwrap();
    }
    // Whole numbers, and text, as every dialect has them.
    let path = match driver.dialect() {
        Dialect::Mariadb | Dialect::Mysql => "concat('src/d', n % 100, '/f', n, '.py')",
        Dialect::Postgres => "'src/d' || (n % 100) || '/f' || n || '.py'",
        Dialect::Sqlite => "'f' || n || '.py'",
    };
    let (folder_column, folder) = match driver.dialect() {
        Dialect::Sqlite => (", folder_id", ", 1 + n % 100"),
        _ => ("", ""),
    };
    if driver.dialect() == Dialect::Sqlite {
        let sql = format!(
            "INSERT INTO folder SELECT n, 'src/d' || (n - 1) || '/' FROM {numbers} WHERE n <= 100"
        );
        driver.execute(&sql, &[]).unwrap();
    }
    let actor = match driver.dialect() {
        Dialect::Mariadb | Dialect::Mysql => "concat('actor', n % 5000)",
        _ => "'actor' || (n % 5000)",
    };
    let deeds = "WHERE n <= 5000";
    for sql in [
        format!("INSERT INTO log VALUES (1, {id}, '_codex_', {ITEMS}, {digest}, 'home')")
            .replace("n)", "1)")
            .replace(", n,", ", 1,")
            .replace("hex(n)", "hex(1)"),
        format!(
            "INSERT INTO run (id, members, stored_sha256, bytes, pieces)
             SELECT n, 1, {digest}, {digest}, 1 FROM {numbers}"
        ),
        format!(
            "INSERT INTO artifact_row SELECT n, {digest}, 10, n, 0, 32, 'then',
               CASE WHEN n % 1000 = 0 THEN 'then' END FROM {numbers}"
        ),
        format!(
            "INSERT INTO batch SELECT n, {id}, '_codex_', 'c', {actor}, 'dead', '2026-01-01'
             FROM {numbers} {deeds}"
        ),
        format!(
            "INSERT INTO item_row (id, tombstone, batch_id, artifact_id, path, path_hash, git_blob, mode,
               kind, language, restricted, delete_after, restored_at, hidden{folder_column})
             SELECT n, {id}, 1 + n % 5000, n, {path}, n, {digest}, 33188, 'code',
               NULL, 0, NULL, CASE WHEN n % 500 = 0 THEN 'then' END, 0{folder} FROM {numbers}"
        ),
        format!("INSERT INTO tag SELECT n, 'every' FROM {numbers}"),
        format!("INSERT INTO tag SELECT n, 'rare' FROM {numbers} WHERE n % 10000 = 0"),
        format!("INSERT INTO metadata SELECT n, 'k', 'v' FROM {numbers}"),
        format!(
            "INSERT INTO hold SELECT n, {id}, '_codex_', 'path', 'src/**', 'LIT-7', 'x', 'ann',
               'then', NULL FROM {numbers} WHERE n < 4"
        ),
        format!("INSERT INTO hold_item SELECT 1, n FROM {numbers} WHERE n % 10 = 0"),
        format!(
            "INSERT INTO request SELECT n, {id}, 'purge', 'x', '_codex_', n, 'ann', 'x', 0, 'then',
               'then', 'open' FROM {numbers} WHERE n % 5 = 0"
        ),
        format!("INSERT INTO item_purge SELECT n, 'then' FROM {numbers} WHERE n % 1000 = 0"),
        format!(
            "INSERT INTO evidence_block SELECT n, 1, {id}, 0, n * 20 - 19, 20, {digest}
             FROM {numbers} {deeds}"
        ),
        format!(
            "INSERT INTO evidence SELECT n, 1, n, {digest}, 1 + (n - 1) / 20, n, 'ARCHIVE'
             FROM {numbers}"
        )
        .replace(
            "(n - 1) / 20",
            match driver.dialect() {
                Dialect::Mariadb | Dialect::Mysql => "(n - 1) DIV 20",
                _ => "(n - 1) / 20",
            },
        ),
    ] {
        driver.execute(&sql, &[]).unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    }
    let tables = [
        "artifact_row",
        "batch",
        "item_row",
        "tag",
        "metadata",
        "evidence_block",
        "evidence",
        "hold",
        "hold_item",
        "request",
        "item_purge",
    ];
    match driver.dialect() {
        // As a user's archive, which nobody analyses.
        Dialect::Sqlite => {}
        Dialect::Postgres => tables.iter().for_each(|table| {
            driver.execute(&format!("ANALYZE {table}"), &[]).unwrap();
        }),
        Dialect::Mariadb | Dialect::Mysql => tables.iter().for_each(|table| {
            driver.query(&format!("ANALYZE TABLE {table}"), &[]).unwrap();
        }),
    }
}

/// The steps of a query's plan that read a whole table.
fn scans(driver: &mut dyn Driver, sql: &str, values: &[Value]) -> Vec<String> {
    // The newest rows are looked through until a page is full.
    let newest = ["ORDER BY i.id DESC LIMIT", "ORDER BY id DESC LIMIT"];
    let is_newest = newest.iter().any(|end| sql.contains(end));
    let explain = match driver.dialect() {
        Dialect::Sqlite => "EXPLAIN QUERY PLAN",
        Dialect::Postgres | Dialect::Mariadb => "EXPLAIN",
        Dialect::Mysql => "EXPLAIN FORMAT=TRADITIONAL",
    };
    let rows = driver.query(&format!("{explain} {sql}"), values).unwrap();
    let mut found = Vec::new();
    for row in rows {
        let step = match driver.dialect() {
            Dialect::Sqlite => row.text(3).unwrap().to_owned(),
            Dialect::Postgres => row.text(0).unwrap().to_owned(),
            Dialect::Mariadb => format!(
                "{} {}",
                row.text_or_null(2).unwrap().unwrap_or_default(),
                row.text_or_null(3).unwrap().unwrap_or_default(),
            ),
            // There the partitions come before the kind of access.
            Dialect::Mysql => format!(
                "{} {}",
                row.text_or_null(2).unwrap().unwrap_or_default(),
                row.text_or_null(4).unwrap().unwrap_or_default(),
            ),
        };
        let is_scan = match driver.dialect() {
            Dialect::Sqlite => {
                let is_page = ["i", "e"].iter().any(|name| {
                    step == format!("SCAN {name}") && sql.contains(&format!(") {name} "))
                });
                step.starts_with("SCAN") && !step.contains("USING INDEX") && !is_newest && !is_page
            }
            // For many items the deeds are cheaper read at once, servers say.
            Dialect::Postgres => {
                let of_deeds = [" on batch ", " on evidence_block "];
                step.contains("Seq Scan") && !of_deeds.iter().any(|it| step.contains(it))
            }
            Dialect::Mariadb | Dialect::Mysql => {
                let is_page = step.starts_with("<derived");
                step.ends_with(" ALL") && !is_page && (is_newest || step != "b ALL")
            }
        };
        // The few logs may be read whole, the few holds, and the few items that were purged.
        let is_small = ["log", " l ", "schema_migrations", " h ", " p ", " p_1 "];
        if is_scan && !is_small.iter().any(|name| format!(" {step} ").contains(name)) {
            found.push(step);
        }
    }
    found
}

/// Asks everything that daily commands ask.
fn ask(driver: &mut Recorder) {
    let id = |n| TombstoneId::from_slice(&id_of(n)).unwrap();
    let path = RepoPath::new(b"src/d7/f7.py").unwrap();
    let folder = RepoPath::new(b"src/d7").unwrap();
    let mut catalog = Catalog::new(driver);
    catalog.item(&id(77), false).unwrap();
    let bound = |n| id_of(n).try_into().unwrap();
    catalog.items_between(bound(77), bound(80), 10).unwrap();
    catalog.items_at("_codex_", &path).unwrap();
    catalog.items_with(77).unwrap();
    catalog.artifact(&Digest::of(b"x")).unwrap();
    let place = catalog.place(77).unwrap().unwrap();
    catalog.piece(place.run, 0).unwrap();
    catalog.members_of(place.run).unwrap();
    catalog.members_after(77, 10).unwrap();
    catalog.upload(&Digest::of(b"none")).unwrap();
    catalog.item_rows(0, 50).unwrap();
    catalog.item_rows_by_id(None, 50).unwrap();
    catalog.metadata_texts(0, 50).unwrap();
    catalog.artifact_rows(0, 500).unwrap();
    catalog.artifacts_by_digest(None, 500).unwrap();
    let none = ItemFilter::default();
    for filter in [
        none.clone(),
        ItemFilter { tag: Some("rare".to_owned()), ..none.clone() },
        ItemFilter { by: Some("actor7".to_owned()), ..none.clone() },
        ItemFilter { repo: Some("other".to_owned()), ..none.clone() },
        ItemFilter { since: Some("2027".to_owned()), ..none.clone() },
        ItemFilter { reason: Some(Reason::Legacy), ..none.clone() },
        ItemFilter { path: Some(path), ..none.clone() },
        ItemFilter { path: Some(folder), ..none.clone() },
        ItemFilter { state: Some(ItemState::Restored), ..none.clone() },
        ItemFilter { state: Some(ItemState::Purged), ..none.clone() },
        ItemFilter { state: Some(ItemState::Archived), ..none.clone() },
    ] {
        catalog.list(&filter, Page { limit: 50, after: None }).unwrap();
    }
    let label = RepoLabel::new("_codex_").unwrap();
    let mut ledger = Ledger::new(driver);
    ledger.current_log(label.as_str()).unwrap();
    ledger.has_deed(&DeedId::from_slice(&id_of(7)).unwrap()).unwrap();
    let _ = ledger.records_about(77);
    let _ = ledger.records_after(99_990, 5);
    let _ = ledger.newest(5);
    let _ = ledger.records_after(0, 50);
    let _ = ledger.records_about_rows(1, 50);
    let _ = ledger.records_of(&DeedId::from_slice(&id_of(7)).unwrap());
}

fn no_table_is_read_whole(mut driver: Box<dyn Driver>) {
    fill(driver.as_mut());
    let mut recorder = Recorder { inner: driver, seen: Vec::new() };
    ask(&mut recorder);
    assert!(recorder.seen.len() > 30);
    for (sql, values) in recorder.seen {
        let found = scans(recorder.inner.as_mut(), &sql, &values);
        assert!(found.is_empty(), "{:?}\n{sql}\n{values:?}\n{found:#?}", recorder.inner.dialect());
    }
}

#[test]
fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = Sqlite::open(&folder.path().join("a.sqlite"), Access::Create).unwrap();
    apply(&mut driver, Timestamp::from_unix_ms(0)).unwrap();
    no_table_is_read_whole(Box::new(driver));
}

#[test]
fn on_servers() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let Some(server) = Server::of(kind) else { return };
        let url = DatabaseUrl::new(server.url(&server.database()).as_str());
        let patience = Patience::of_command(Retry::NEVER);
        let mut driver = connect(&url, Access::Create, patience).unwrap();
        apply(driver.as_mut(), Timestamp::from_unix_ms(0)).unwrap();
        no_table_is_read_whole(driver);
    }
}
