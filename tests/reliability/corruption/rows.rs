//! Damage by SQL: bytes of a stored blob, and columns that were swapped or edited.

use rusqlite::Connection;

use crate::common::sha256;
use crate::score::{Score, whole};

use super::scene::{SMALL, Scene};

/// The stored bytes of an item.
pub fn frame(connection: &Connection, content: &[u8]) -> Vec<u8> {
    let sql = "SELECT r.bytes FROM run r JOIN artifact_row a ON a.run_id = r.id
               WHERE lower(hex(a.sha256)) = ?";
    connection.query_row(sql, [sha256(content)], |row| row.get(0)).unwrap()
}

/// What is done to a byte.
#[derive(Debug, Clone, Copy)]
pub enum Harm {
    /// One bit is turned.
    Flip,
    /// It becomes zero.
    Zero,
    /// It and all behind it are cut off.
    Cut,
    /// It stands there twice.
    Double,
}

impl Harm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flip, Self::Zero, Self::Cut, Self::Double];

    /// `bytes` with this harm done at `at`.
    pub fn to(self, bytes: &[u8], at: usize) -> Vec<u8> {
        let mut harmed = bytes.to_vec();
        match self {
            Self::Flip => harmed[at] ^= 1 << (at % 8),
            Self::Zero => harmed[at] = 0,
            Self::Cut => harmed.truncate(at),
            Self::Double => harmed.insert(at, bytes[at]),
        }
        harmed
    }
}

/// Every byte of the smallest blob in its run: in the row, in the row with a digest that fits, and in
/// the file.
pub fn every_byte(scene: &Scene, score: &mut Score) {
    let item = scene.item(SMALL);
    let good = frame(&Connection::open(scene.file()).unwrap(), &item.content);
    let place = scene.whole.windows(good.len()).position(|it| it == good).unwrap();
    let own: (u32, u32) = Connection::open(scene.file())
        .unwrap()
        .query_row(
            "SELECT run_offset, run_length FROM artifact_row WHERE sha256 = unhex(?)",
            [sha256(item.content.as_slice())],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let step = if whole() { 1 } else { 5 };
    for at in (own.0..own.0 + own.1).step_by(step) {
        let at = at as usize;
        for harm in Harm::ALL {
            let bad = harm.to(&good, at);
            if bad == good {
                continue;
            }
            let row = |digest: Option<String>| {
                scene.put_with(|connection| {
                    let sql = "UPDATE run SET bytes = ?1,
                                 stored_sha256 = COALESCE(unhex(?2), stored_sha256)
                               WHERE bytes = ?3";
                    let changed = connection.execute(sql, (&bad, digest, &good)).unwrap();
                    assert_eq!(changed, 1);
                });
            };
            row(None);
            score.note(format!("{harm:?} at {at} of the row"), is_seen_and_healed(scene, false));
            row(Some(sha256(&bad)));
            score.note(
                format!("{harm:?} at {at} of the row, with a digest that fits"),
                is_seen_and_healed(scene, true),
            );
            if bad.len() == good.len() {
                let mut file = scene.whole.clone();
                file[place..place + good.len()].copy_from_slice(&bad);
                scene.put(&file);
                score.note(
                    format!("{harm:?} at {at} in the file"),
                    is_seen_and_healed(scene, false),
                );
            }
        }
    }
}

fn is_seen_and_healed(scene: &Scene, fits: bool) -> Result<(), String> {
    let item = scene.item(SMALL);
    scene.forget_in_git();
    let verdict = scene.judge();
    scene.remember_in_git();
    if let Some(wrong) = verdict.wrong {
        return Err(wrong);
    }
    // Another frame of the same content, with a digest that fits, is as good as the first one.
    if fits && verdict.all_came && verdict.fsck.code == 0 {
        return Ok(());
    }
    if verdict.fsck.code != 4 || !verdict.fsck.said(&item.id) || !verdict.fsck.said(SMALL) {
        return Err(format!("fsck did not name the item:\n{}", verdict.fsck));
    }
    if !scene.comes_out(item)? {
        return Err("git has it, and it did not come out".to_owned());
    }
    let repair = scene.program(&["fsck", "--repair"]);
    let after = scene.program(&["fsck"]);
    if repair.code != 0 || after.code != 0 {
        return Err(format!("not healed:\n{repair}{after}"));
    }
    scene.forget_in_git();
    let came = scene.comes_out(item);
    scene.remember_in_git();
    if came? { Ok(()) } else { Err("healed, and it did not come out".to_owned()) }
}

/// One `UPDATE` or `DELETE` each: every column that means something, edited, and swapped between
/// two rows. The words are those that `fsck` must say.
pub fn swapped(scene: &Scene, score: &mut Score) {
    scene.forget_in_git();
    let mut changes: Vec<(String, String)> = Vec::new();
    for (table, column) in SWAPPED {
        changes.push((format!("swap {table}.{column}"), swap(table, column)));
    }
    changes.push(("swap runs whole".into(), swap("artifact_row", "run_id")));
    changes.push((
        "swap bytes and their digests".into(),
        format!("{};{}", swap("run", "bytes"), swap("run", "stored_sha256")),
    ));
    changes.push((
        "swap names and their folders".into(),
        format!("{};{}", swap("item_row", "path"), swap("item_row", "folder_id")),
    ));
    changes.push((
        "swap digests and sizes".into(),
        format!("{};{}", swap("artifact_row", "sha256"), swap("artifact_row", "size_bytes")),
    ));
    let edits = EDITS.iter().map(|sql| ((*sql).to_owned(), (*sql).to_owned()));
    for (name, sql) in changes.into_iter().chain(edits) {
        scene.put_with(|connection| {
            connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        });
        let changed = std::fs::read(scene.file()).unwrap();
        assert_ne!(Scene::facts(&changed, true), Scene::facts(&scene.whole, true), "{name}");
        let verdict = scene.judge();
        let held = match verdict.wrong {
            Some(wrong) => Err(wrong),
            None if verdict.fsck.code == 0 => Err(format!("fsck saw nothing:\n{}", verdict.fsck)),
            None => Ok(()),
        };
        score.note(name, held);
    }
    scene.remember_in_git();
}

/// Damage to what says which content an artifact is: git's objects heal it, since the item's id is
/// made of the content.
pub fn healed(scene: &Scene, score: &mut Score) {
    let both = format!("{};{}", swap("artifact_row", "sha256"), swap("artifact_row", "size_bytes"));
    let changes = [
        swap("run", "bytes"),
        swap("run", "stored_sha256"),
        swap("artifact_row", "run_id"),
        swap("artifact_row", "sha256"),
        both,
        "UPDATE artifact_row SET size_bytes = size_bytes + 1".to_owned(),
        "UPDATE artifact_row SET sha256 = randomblob(32)".to_owned(),
        "UPDATE artifact_row SET run_length = 1, run_offset = 1".to_owned(),
        "UPDATE run SET bytes = zeroblob(20), stored_sha256 = zeroblob(32)".to_owned(),
        "DELETE FROM run".to_owned(),
    ];
    for sql in changes {
        scene.put_with(|connection| connection.execute_batch(&sql).unwrap());
        let repair = scene.program(&["fsck", "--repair"]);
        let after = scene.program(&["fsck"]);
        scene.forget_in_git();
        let came: Result<Vec<bool>, String> =
            scene.items.iter().map(|item| scene.comes_out(item)).collect();
        scene.remember_in_git();
        let held = match came {
            Err(words) => Err(words),
            Ok(came) if came.contains(&false) || repair.code + after.code != 0 => {
                Err(format!("not healed ({came:?}):\n{repair}{after}"))
            }
            Ok(_) => Ok(()),
        };
        score.note(sql, held);
    }
}

/// SQL that swaps a column between the first and the last row, past any unique index.
fn swap(table: &str, column: &str) -> String {
    let first = format!("(SELECT MIN(id) FROM {table})");
    let last = format!("(SELECT MAX(id) FROM {table})");
    format!(
        "CREATE TEMP TABLE s AS SELECT
           (SELECT {column} FROM {table} WHERE id = {first}) AS a,
           (SELECT {column} FROM {table} WHERE id = {last}) AS b;
         UPDATE {table} SET {column} = X'00' WHERE id = {last};
         UPDATE {table} SET {column} = (SELECT b FROM s) WHERE id = {first};
         UPDATE {table} SET {column} = (SELECT a FROM s) WHERE id = {last};
         DROP TABLE s"
    )
}

const SWAPPED: [(&str, &str); 24] = [
    ("run", "bytes"),
    ("run", "stored_sha256"),
    ("artifact_row", "sha256"),
    ("artifact_row", "size_bytes"),
    ("artifact_row", "run_length"),
    ("item_row", "tombstone"),
    ("item_row", "artifact_id"),
    ("item_row", "batch_id"),
    ("item_row", "path"),
    ("item_row", "folder_id"),
    ("folder", "path"),
    ("item_row", "git_blob"),
    ("batch", "deed"),
    ("batch", "at"),
    ("batch", "commit_sha"),
    ("evidence_block", "bytes"),
    ("evidence_block", "deed"),
    ("evidence_block", "first_seq"),
    ("evidence", "seq"),
    ("evidence", "digest"),
    ("evidence", "block_id"),
    ("evidence", "action"),
    ("evidence", "item_id"),
    ("item_row", "restored_at"),
];

const EDITS: [&str; 41] = [
    "UPDATE run SET bytes = NULL WHERE id = 1",
    "UPDATE run SET bytes = X''",
    "UPDATE run SET pieces = 2 WHERE id = 1",
    "UPDATE run SET members = members + 1 WHERE id = 1",
    "INSERT INTO run SELECT 99, members, stored_sha256, bytes, pieces, created_at FROM run WHERE id = 1",
    "DELETE FROM run WHERE id = 1",
    "UPDATE artifact_row SET size_bytes = size_bytes + 1 WHERE id = 1",
    "UPDATE artifact_row SET size_bytes = -1 WHERE id = 1",
    "UPDATE artifact_row SET run_length = run_length + 1 WHERE id = 1",
    "UPDATE artifact_row SET run_offset = 1 WHERE id = 1",
    "UPDATE artifact_row SET sha256 = zeroblob(32) WHERE id = 1",
    "UPDATE artifact_row SET sha256 = 'x' WHERE id = 1",
    "UPDATE artifact_row SET purged_at = '2026-01-01T00:00:00.000Z' WHERE id = 1",
    "DELETE FROM artifact_row WHERE id = 1",
    "UPDATE item_row SET path = 'src/other.py' WHERE id = 1",
    "UPDATE item_row SET path = '../x' WHERE id = 1",
    "UPDATE item_row SET folder_id = NULL WHERE id = 1",
    "UPDATE folder SET path = 'other/' WHERE id = 1",
    "UPDATE folder SET path = '../' WHERE id = 1",
    "DELETE FROM folder WHERE id = 1",
    "UPDATE item_row SET mode = 33261 WHERE mode = 33188",
    "UPDATE item_row SET mode = 40960 WHERE id = 1",
    "UPDATE item_row SET git_blob = zeroblob(20) WHERE id = 1",
    "UPDATE item_row SET tombstone = X'abcdef01000080008000000000000001' WHERE id = 1",
    "UPDATE item_row SET hidden = 1 WHERE id = 1",
    "UPDATE item_row SET restored_at = '2026-01-01T00:00:00.000Z' WHERE id = 1",
    "DELETE FROM item_row WHERE id = 1",
    "UPDATE batch SET repo = 'other' WHERE id = 1",
    "UPDATE batch SET commit_sha = '' WHERE id = 1",
    "UPDATE batch SET reason = 'dead' WHERE id = 1",
    "UPDATE batch SET actor = 'mallory' WHERE id = 1",
    "DELETE FROM batch WHERE id = 1",
    "DELETE FROM tag WHERE tag = 'old'",
    "UPDATE metadata SET v = '43' WHERE k = 'ticket'",
    "DELETE FROM evidence WHERE seq = 3",
    "DELETE FROM evidence WHERE seq = (SELECT MAX(seq) FROM evidence)",
    "DELETE FROM evidence_block WHERE id = 2",
    "UPDATE log SET head_seq = head_seq - 1",
    "UPDATE log SET head_digest = zeroblob(32)",
    "DROP INDEX item_folder",
    "DROP VIEW item; CREATE VIEW item AS SELECT * FROM item_row",
];
