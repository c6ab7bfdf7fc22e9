//! Archives that somebody made or changed with other programs.

use std::fs;

use super::harness::{Fence, archive_file, archived, portion, readers, some, tables, tries};
use crate::common::TestRepo;
use crate::score::Score;

/// Changes to the schema that must be refused, whatever command meets them.
const FOREIGN: &[(&str, &str)] = &[
    ("a trigger", "CREATE TRIGGER t AFTER INSERT ON item_row BEGIN DELETE FROM run; END"),
    (
        "a trigger on evidence",
        "CREATE TRIGGER t AFTER INSERT ON evidence BEGIN DELETE FROM log; END",
    ),
    ("an INSTEAD OF trigger", "CREATE TRIGGER t INSTEAD OF INSERT ON item BEGIN SELECT 1; END"),
    ("a foreign view", "CREATE VIEW mine AS SELECT 1"),
    ("a view of ours, changed", "DROP VIEW item; CREATE VIEW item AS SELECT 1 AS id"),
    (
        "a view in a table's place",
        "ALTER TABLE tag RENAME TO t2; CREATE VIEW tag AS SELECT * FROM t2",
    ),
    (
        "an endless view",
        "ALTER TABLE tag RENAME TO t2; CREATE VIEW tag AS WITH RECURSIVE c(x) AS \
      (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS item_id, 'x' AS tag FROM c",
    ),
    (
        "a view that is large",
        "ALTER TABLE run_piece RENAME TO r2; CREATE VIEW run_piece AS \
      SELECT 1 AS run_id, 1 AS n, zeroblob(900000000) AS bytes",
    ),
    ("a generated column", "ALTER TABLE item_row ADD COLUMN g TEXT AS (hex(zeroblob(1000000)))"),
    ("one more column", "ALTER TABLE batch ADD COLUMN x TEXT DEFAULT 'x'"),
    ("a column less", "ALTER TABLE tag RENAME COLUMN tag TO label"),
    ("a virtual table", "CREATE VIRTUAL TABLE v USING fts5(x)"),
    ("an rtree", "CREATE VIRTUAL TABLE v USING rtree(id, a, b)"),
    (
        "a virtual table in a table's place",
        "DROP TABLE tag; CREATE VIRTUAL TABLE tag USING fts5(item_id, t)",
    ),
    ("an index that computes", "CREATE INDEX x ON item_row (hex(path))"),
    ("a table gone", "DROP TABLE metadata"),
    ("odd column types", "DROP TABLE tag; CREATE TABLE tag (item_id BLOB, tag INTEGER)"),
    (
        "other constraints",
        "DROP TABLE tag; CREATE TABLE tag (item_id BIGINT, tag TEXT CHECK (length(tag) < \
      length(randomblob(9))))",
    ),
    ("an index gone", "DROP INDEX item_folder"),
    ("a newer schema", "UPDATE schema_migrations SET version = 99 WHERE version = 4"),
    (
        "a newer schema with more",
        "UPDATE schema_migrations SET version = 99 WHERE version = 4; CREATE VIEW v AS SELECT 1",
    ),
    ("another application", "PRAGMA application_id = 1"),
];

/// Changes that are harmless, or that a command may come to refuse.
const ODD: &[(&str, &str)] = &[
    ("a foreign table", "CREATE TABLE mine (a, b)"),
    ("user_version", "PRAGMA user_version = 2147483647"),
    ("statistics", "ANALYZE"),
    (
        "schema version -1",
        "DELETE FROM schema_migrations WHERE version > 1; UPDATE schema_migrations SET version = -1",
    ),
    ("a step forgotten", "DELETE FROM schema_migrations WHERE version > 1"),
    (
        "the largest version",
        "UPDATE schema_migrations SET version = 9223372036854775807 WHERE version = 4",
    ),
    ("no version", "DELETE FROM schema_migrations"),
    ("text for numbers", "UPDATE artifact_row SET size_bytes = 'many', run_length = 'x'"),
    ("numbers for text", "UPDATE batch SET actor = 7, repo = 1.5, at = 3"),
    ("blobs for text", "UPDATE batch SET actor = x'FF00FE', commit_sha = zeroblob(100)"),
    ("short ids", "UPDATE item_row SET tombstone = x'00'"),
    ("long ids", "UPDATE item_row SET tombstone = zeroblob(1000000)"),
    ("an infinite size", "UPDATE artifact_row SET size_bytes = 9e999"),
    (
        "the largest size",
        "UPDATE artifact_row SET size_bytes = 9223372036854775807, run_length = 9223372036854775807",
    ),
    (
        "two of them",
        "INSERT INTO artifact_row SELECT id + 1, zeroblob(32), 9223372036854775807, run_id, 0, \
      9223372036854775807, created_at, NULL FROM artifact_row; INSERT INTO artifact_row SELECT id + 2, \
      x'01', 9223372036854775807, run_id, 0, 9223372036854775807, created_at, NULL FROM artifact_row WHERE id = 1; \
      UPDATE artifact_row SET size_bytes = 9223372036854775807",
    ),
    ("many pieces", "UPDATE run SET pieces = 9223372036854775807"),
    ("fewer than no pieces", "UPDATE run SET pieces = -9223372036854775808"),
    ("a large value", "UPDATE run SET bytes = zeroblob(300000000)"),
    ("a large path", "UPDATE item_row SET folder_id = NULL, path = hex(zeroblob(10000000))"),
    ("a large tag", "INSERT INTO tag SELECT id, hex(zeroblob(20000000)) FROM item_row"),
    ("counters at the end", "UPDATE counter SET next = 9223372036854775807"),
    ("counters below nothing", "UPDATE counter SET next = -9223372036854775808"),
    ("counters of text", "UPDATE counter SET next = 'x'"),
    ("no counters", "DELETE FROM counter"),
    ("rows that repeat", "UPDATE counter SET next = 1"),
    ("the log at the end", "UPDATE log SET head_seq = 9223372036854775807"),
    ("the log below nothing", "UPDATE log SET head_seq = -1"),
    ("a record at the end", "UPDATE evidence SET seq = 9223372036854775807 WHERE id = 2"),
    (
        "blocks that overlap",
        "UPDATE evidence_block SET first_seq = -9223372036854775808, records = 9223372036854775807",
    ),
    ("items of nobody", "PRAGMA foreign_keys = OFF; UPDATE item_row SET batch_id = 77"),
    ("runs of nobody", "PRAGMA foreign_keys = OFF; UPDATE artifact_row SET run_id = 77"),
    ("a folder outside", "UPDATE folder SET path = '../../' || path"),
    ("folders of nobody", "PRAGMA foreign_keys = OFF; UPDATE item_row SET folder_id = 77"),
    ("a path outside", "UPDATE item_row SET folder_id = NULL, path = '../../outside'"),
    ("purged", "UPDATE artifact_row SET purged_at = 'x'"),
    ("modes", "UPDATE item_row SET mode = 57344"),
    ("another id", "UPDATE meta SET v = 'x'"),
    ("pages of one byte less", "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM"),
    ("UTF-16 is not possible later", "PRAGMA encoding = 'UTF-16'"),
];

fn lines(id: &str) -> Vec<Vec<String>> {
    let mut lines = readers(id);
    for line in [
        "init",
        "store _codex_ src/live.py --reason dead",
        "restore ID out.py",
        "undo",
        "restore ID --stage",
        "drop ID --reason x",
        "reconcile",
        "fsck --repair",
        "evidence new-log",
    ] {
        lines.push(line.split(' ').map(|word| word.replace("ID", id)).collect());
    }
    lines
}

/// Whether a command asks the archive in any case.
fn asks(line: &[String]) -> bool {
    matches!(
        line[0].as_str(),
        "list" | "show" | "cat" | "fsck" | "health-check" | "restore" | "init"
    ) || (line[0] == "store" && !line.contains(&"--dry-run".to_owned()))
}

fn out_is_right(repo: &TestRepo) -> Result<(), String> {
    for name in ["out.py", "src/old.py"] {
        let found = if repo.has(name) { repo.read(name) } else { continue };
        if found != "print('old')\n" && !found.contains("codex-tombstone v1") {
            return Err(format!("{name} became {found:?}"));
        }
    }
    Ok(())
}

#[test]
fn a_schema_that_is_not_ours_is_refused() {
    let mut score = Score::of("attack: foreign schemas");
    for (n, (name, sql)) in some(FOREIGN) {
        let (repo, id) = archived();
        tables(&repo).execute_batch(sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fence = Fence::around(&repo.world, &["repo"]);
        for line in portion(lines(&id), n) {
            let tried = tries(&repo, &line);
            let held = if asks(&line) { tried.is_refused() } else { tried.is_civil() };
            let held = held.and_then(|()| fence.holds()).and_then(|()| out_is_right(&repo));
            score.note(format!("{name}, {line:?}"), held);
        }
    }
    // The text decides, not the type that the table of the schema claims.
    for (name, kind, text) in [
        (
            "a trigger that says it is a table",
            "table",
            "CREATE TRIGGER t AFTER INSERT ON tag BEGIN SELECT 1; END",
        ),
        ("a view that says it is a table", "table", "CREATE VIEW t AS SELECT 1"),
        ("another case", "table", "create  view t as select 1"),
        ("a table with a call in it", "table", "CREATE VIRTUAL TABLE t USING nothing"),
        ("no SQL", "table", "hello"),
        ("the largest root page", "table", "CREATE TABLE t (x)"),
    ] {
        let (repo, id) = archived();
        let db = tables(&repo);
        db.execute_batch("PRAGMA writable_schema = ON").unwrap();
        let page = if name.contains("largest") { i64::MAX } else { 0 };
        db.execute(
            "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?, 't', 't', ?, ?)",
            rusqlite::params![kind, page, text],
        )
        .unwrap();
        drop(db);
        for line in [&["list"][..], &["cat", &id], &["init"], &["fsck"]] {
            score.note(format!("{name}, {line:?}"), tries(&repo, line).is_refused());
        }
    }
    score.finish(60);
}

#[test]
fn odd_rows_do_no_harm() {
    let mut score = Score::of("attack: odd rows");
    for (n, (name, sql)) in some(ODD) {
        let (repo, id) = archived();
        tables(&repo).execute_batch(sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fence = Fence::around(&repo.world, &["repo"]);
        for line in portion(lines(&id), n) {
            let tried = tries(&repo, &line);
            let held = tried.is_civil().and_then(|()| fence.holds());
            score.note(format!("{name}, {line:?}"), held.and_then(|()| out_is_right(&repo)));
        }
    }
    score.finish(60);
}

/// The file itself, and those that SQLite looks for beside it.
#[test]
fn odd_files_do_no_harm() {
    let mut score = Score::of("attack: odd database files");
    let (repo, id) = archived();
    let file = archive_file(&repo);
    let good = fs::read(&file).unwrap();
    let header = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let noise: Vec<u8> =
        (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("one byte", vec![0]),
        ("the header alone", good[..100].to_vec()),
        ("noise", noise.clone()),
        ("a header and noise", [&good[..100], &noise].concat()),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("many pages", header(28, &[0xff; 4])),
        ("page size 0", header(16, &[0, 0])),
        ("page size 3", header(16, &[0, 3])),
        ("page size 65536", header(16, &[0, 1])),
        ("later format", header(18, &[3, 3])),
        ("reserved bytes", header(20, &[255])),
        ("a freelist at the end", header(32, &[0xff; 8])),
        ("auto-vacuum", header(52, &[0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9])),
        ("schema format 9", header(44, &[0, 0, 0, 9])),
        ("UTF-16", header(56, &[0, 0, 0, 2])),
        ("a page within itself", header(100, &[2, 0, 0, 0xff, 0xff, 0, 1])),
    ];
    for (n, (name, bytes)) in some(&files) {
        for line in portion(lines(&id), n) {
            fresh(&repo, bytes);
            let held = tries(&repo, &line).is_civil().and_then(|()| out_is_right(&repo));
            score.note(format!("{name}, {line:?}"), held);
        }
    }
    for (n, suffix) in ["-wal", "-journal", "-shm"].into_iter().enumerate() {
        for (m, bytes) in [
            noise.clone(),
            Vec::new(),
            good.clone(),
            vec![0xff; 1 << 20],
            [b"\x37\x7f\x06\x82\x00\x2d\xe2\x18".to_vec(), noise.clone()].concat(),
            [b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff".to_vec(), noise.clone()].concat(),
        ]
        .into_iter()
        .enumerate()
        {
            for (_, line) in some(portion(lines(&id), n + m)) {
                fresh(&repo, &good);
                fs::write(format!("{}{suffix}", file.display()), &bytes).unwrap();
                let held = tries(&repo, &line).is_civil().and_then(|()| out_is_right(&repo));
                score.note(format!("{suffix} {m}, {line:?}"), held);
            }
        }
    }
    // Links beside it and in its place lead nowhere.
    let outside = repo.world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), &good).unwrap();
    for suffix in ["", "-wal", "-journal", "-shm"] {
        for target in ["file", "none"] {
            fresh(&repo, &good);
            let path = format!("{}{suffix}", file.display());
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(outside.join(target), &path).unwrap();
            let fence = Fence::around(&repo.world, &["repo"]);
            for line in
                [&["list"][..], &["store", "_codex_", "src/live.py", "--reason", "dead"], &["fsck"]]
            {
                let held = tries(&repo, line).is_civil().and_then(|()| fence.holds());
                score.note(format!("a link {suffix} to {target}, {line:?}"), held);
            }
            let _ = repo.git(["reset", "-q", "--hard"]);
        }
    }
    score.finish(100);
}

/// This file as the archive, and nothing beside it.
fn fresh(repo: &TestRepo, bytes: &[u8]) {
    let file = archive_file(repo);
    for suffix in ["", "-wal", "-journal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", file.display()));
    }
    let _ = repo.git(["reset", "-q", "--hard"]);
    let _ = fs::remove_file(repo.top.join("out.py"));
    let _ = fs::remove_dir_all(repo.common_dir().join("codex-archive/intents"));
    fs::write(file, bytes).unwrap();
}
