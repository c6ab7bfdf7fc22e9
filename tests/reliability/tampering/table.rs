//! The table: its own chain and head, and outside it the journal and the segments.

use rusqlite::Connection;

use crate::common::sha256;
use crate::score::Score;

use super::chain::{edited, relink};
use super::scene::Scene;

const VERIFY: [&str; 2] = ["evidence", "verify"];

/// The ten kinds, by SQL: what shows each, and the word that names it.
pub fn ten(score: &mut Score) {
    let scene = Scene::new();
    let log = "(SELECT id FROM log)";
    let kinds: [(&str, String, &str); 11] = [
        (
            "edit a record's action",
            "UPDATE evidence SET action = 'RESTORE' WHERE seq = 3".into(),
            "its row calls it RESTORE",
        ),
        ("delete", "DELETE FROM evidence WHERE seq = 3".into(), "deleted"),
        (
            "reorder numbers",
            "UPDATE evidence SET seq = -3 WHERE seq = 3;
             UPDATE evidence SET seq = 3 WHERE seq = 4;
             UPDATE evidence SET seq = 4 WHERE seq = -3"
                .into(),
            "reordered",
        ),
        (
            "reorder rows",
            "UPDATE evidence SET id = -3 WHERE seq = 3;
             UPDATE evidence SET id = 3 WHERE seq = 4;
             UPDATE evidence SET id = 4 WHERE seq = 3"
                .into(),
            "reordered",
        ),
        (
            "insert",
            format!(
                "INSERT INTO evidence SELECT MAX(id) + 1, {log}, MAX(seq) + 1, randomblob(32),
                   MAX(block_id), NULL, 'ARCHIVE' FROM evidence"
            ),
            "its tail was added",
        ),
        (
            "duplicate",
            format!(
                "INSERT INTO evidence SELECT (SELECT MAX(id) + 1 FROM evidence), {log},
                   (SELECT MAX(seq) + 1 FROM evidence), digest, block_id, item_id, action
                 FROM evidence WHERE seq = 4"
            ),
            "duplicate",
        ),
        (
            "fork",
            // The index that forbids it is made anew without that, and then said to be the old one.
            "DROP INDEX evidence_seq;
             CREATE INDEX evidence_seq ON evidence (log_id, seq);
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX evidence_seq ON evidence (log_id, seq)'
               WHERE name = 'evidence_seq';
             PRAGMA writable_schema = OFF;
             INSERT INTO evidence SELECT (SELECT MAX(id) + 1 FROM evidence), log_id, seq,
               randomblob(32), block_id, item_id, action FROM evidence ORDER BY id DESC LIMIT 1"
                .into(),
            "a fork",
        ),
        (
            "truncate the tail",
            "DELETE FROM evidence WHERE seq = (SELECT MAX(seq) FROM evidence)".into(),
            "its tail was truncated",
        ),
        ("edit the last digest", last("digest = randomblob(32)"), "edited"),
        ("edit the head", "UPDATE log SET head_digest = randomblob(32)".into(), "edited"),
        ("drop all records", "DELETE FROM evidence".into(), "truncated"),
    ];
    for (name, sql, words) in kinds {
        scene.reset();
        open(&scene).execute_batch(&sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        let held = scene
            .says(&["fsck"], 4, &[words])
            .and_then(|()| scene.says(&VERIFY, 4, &["table-chain", words]));
        score.note(name, held);
    }
    bodies(&scene, score);
    scene.reset();
    score.note("as it was", scene.is_well());
}

fn last(set: &str) -> String {
    format!("UPDATE evidence SET {set} WHERE seq = (SELECT MAX(seq) FROM evidence)")
}

fn open(scene: &Scene) -> Connection {
    let connection = Connection::open(&scene.database).unwrap();
    connection.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
    connection
}

/// Edits by somebody who knows the format: bodies, digests and the head are made to fit.
fn bodies(scene: &Scene, score: &mut Score) {
    let count = scene.lines.len();
    // A body alone.
    scene.reset();
    write(scene, &edit(scene, 2, 2), false);
    let held = scene.says(&["fsck"], 4, &["edited"]);
    score.note("edit a body", held.and_then(|()| scene.says(&VERIFY, 4, &["table-chain"])));
    // The last record, and its digest; then the head too.
    let mut lines = scene.lines.clone();
    lines[count - 1] = edited(&lines[count - 1]);
    scene.reset();
    write(scene, &lines, true);
    score.note("edit the last record", scene.says(&["fsck"], 4, &["edited"]));
    set_head(scene, &lines);
    score.note(
        "edit the last record and the head",
        scene.says(&VERIFY, 4, &["journal-edited", "another successor"]),
    );
    // Everything from a record on, the head included: the table alone is in order.
    for at in [2, count - 3] {
        scene.reset();
        let mut lines = edit(scene, at, at);
        relink(&mut lines, at + 1);
        write(scene, &lines, true);
        set_head(scene, &lines);
        score.note(
            format!("rewrite from record {} to the end", at + 1),
            scene.says(&VERIFY, 4, &["journal-edited", "segment"]),
        );
    }
    // The tail cut off, and the head moved back.
    scene.reset();
    open(scene)
        .execute_batch(
            "DELETE FROM evidence WHERE seq = (SELECT MAX(seq) FROM evidence);
             UPDATE log SET head_seq = (SELECT MAX(seq) FROM evidence),
               head_digest = (SELECT digest FROM evidence ORDER BY seq DESC LIMIT 1)",
        )
        .unwrap();
    score.note("truncate the tail and move the head", scene.says(&VERIFY, 4, &["table-short"]));
    // The file dropped, and a new archive made.
    scene.reset();
    std::fs::remove_file(&scene.database).unwrap();
    score.note("drop the file", scene.says(&VERIFY, 8, &[]));
    scene.repo.archive(["init"]).ok();
    score.note("drop the file, make a new one", scene.says(&VERIFY, 4, &["table-short"]));
}

fn edit(scene: &Scene, from: usize, until: usize) -> Vec<String> {
    let mut lines = scene.lines.clone();
    for line in &mut lines[from..=until] {
        *line = edited(line);
    }
    lines
}

/// Writes the bodies of `lines` into their blocks, and, if asked to, their digests.
fn write(scene: &Scene, lines: &[String], digests: bool) {
    let connection = open(scene);
    let sql = "SELECT id, first_seq, records FROM evidence_block";
    let mut statement = connection.prepare(sql).unwrap();
    let blocks: Vec<(i64, u32, u32)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (id, first, count) in blocks {
        let (first, count) = (first as usize, count as usize);
        let bodies: Vec<String> =
            lines[first - 1..first - 1 + count].iter().map(|line| body(line)).collect();
        let bytes = zstd::bulk::compress(bodies.join("\n").as_bytes(), 3).unwrap();
        let sql = "UPDATE evidence_block SET bytes = ? WHERE id = ?";
        connection.execute(sql, (bytes, id)).unwrap();
    }
    for (n, line) in lines.iter().enumerate().filter(|_| digests) {
        let sql = "UPDATE evidence SET digest = unhex(?) WHERE seq = ?";
        connection.execute(sql, (sha256(line.as_bytes()), n as u64 as i64 + 1)).unwrap();
    }
}

/// A line without what stands in columns.
fn body(line: &str) -> String {
    let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
    for key in ["v", "log", "seq", "prev", "deed"] {
        record.as_object_mut().unwrap().remove(key);
    }
    serde_json::to_string(&record).unwrap()
}

fn set_head(scene: &Scene, lines: &[String]) {
    let digest = sha256(lines.last().unwrap().as_bytes());
    open(scene).execute("UPDATE log SET head_digest = unhex(?)", [digest]).unwrap();
}
