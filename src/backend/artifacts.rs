//! Artifacts in the tables: deduplicated content, as pieces of runs.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::model::{DeedId, Digest};

use super::catalog::digest_of;
use super::driver::insert_rows;
use super::{Catalog, Dialect, Value};

/// Stored bytes beyond this go into further pieces, so that no value is too large for a server.
pub const PIECE_BYTES: usize = 4 << 20;

/// So many digests are asked for at once.
const ASKED_AT_ONCE: usize = 200;

/// A run to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// Its stored bytes.
    pub bytes: &'a [u8],
    /// SHA-256 of these.
    pub sha256: &'a Digest,
    /// How many artifacts share it.
    pub members: usize,
}

/// An artifact to be written, behind those before it in its run.
#[derive(Debug, Clone, Copy)]
pub struct NewMember<'a> {
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// Bytes of it in the run.
    pub length: u64,
    /// When its bytes came in, RFC 3339.
    pub at: &'a str,
}

/// Where an artifact's stored bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The run.
    pub run: i64,
    /// Values that the run's bytes are spread over.
    pub pieces: u64,
    /// Artifacts that the run was written with.
    pub members: u64,
    /// Bytes of the run before its own.
    pub offset: u64,
    /// Its own bytes in the run.
    pub length: u64,
}

/// A member of a run.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The artifact's row.
    pub artifact: i64,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Bytes of its content.
    pub size_bytes: u64,
    /// Bytes of the run before its own.
    pub offset: u64,
    /// Its own bytes in the run.
    pub length: u64,
}

/// When the bytes of an artifact came in, for whoever takes it out of the run that may say it.
pub(super) fn came_in(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "CASE created_at WHEN '' THEN
               COALESCE((SELECT r.created_at FROM run r WHERE r.id = run_id), '')
             ELSE created_at END"
        }
        _ => "created_at",
    }
}

impl Catalog<'_> {
    /// The row of the artifact with this content, if the archive has it.
    pub fn artifact(&mut self, sha256: &Digest) -> Result<Option<i64>> {
        let sql =
            format!("SELECT id FROM artifact_row WHERE {} = ? AND sha256 = ?", self.sha256_key());
        let whole = sha256.as_bytes().as_slice();
        let rows = self.driver.query(&sql, &[self.key_of(whole), whole.into()])?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// What the index on digests holds of one: eight bytes where the file's size matters.
    pub(super) fn sha256_key(&self) -> &'static str {
        if self.is_slim { "substr(sha256, 1, 8)" } else { "sha256" }
    }

    /// The same of a digest that is asked for, or of none.
    pub(super) fn key_of(&self, sha256: &[u8]) -> Value {
        if self.is_slim { sha256.get(..8).unwrap_or(&[]).into() } else { sha256.into() }
    }

    /// Whether the archive has content of exactly so many bytes.
    pub fn has_size(&mut self, size_bytes: u64) -> Result<bool> {
        let sql = "SELECT id FROM artifact_row WHERE size_bytes = ? LIMIT 1";
        Ok(!self.driver.query(sql, &[size_bytes.into()])?.is_empty())
    }

    /// The rows of those of these contents that the archive has; there may be others beside them.
    pub fn artifacts_with(&mut self, contents: &[Digest]) -> Result<HashMap<Digest, i64>> {
        let mut known = HashMap::new();
        for some in contents.chunks(ASKED_AT_ONCE) {
            let marks = vec!["?"; some.len()].join(", ");
            let key = self.sha256_key();
            let sql = format!("SELECT sha256, id FROM artifact_row WHERE {key} IN ({marks})");
            let digests: Vec<Value> = some.iter().map(|it| self.key_of(it.as_bytes())).collect();
            for row in self.driver.query(&sql, &digests)? {
                known.insert(digest_of(&row, 0)?, row.int(1)?);
            }
        }
        Ok(known)
    }

    /// Writes an artifact with a run of its own; returns its row.
    pub fn add_artifact(
        &mut self,
        sha256: &Digest,
        size_bytes: u64,
        frame: &[u8],
        frame_sha256: &Digest,
        at: &str,
    ) -> Result<i64> {
        let run = NewRun { bytes: frame, sha256: frame_sha256, members: 1 };
        let length = frame.len() as u64;
        let member = NewMember { sha256: *sha256, size_bytes, length, at };
        self.add_shared(&run, &[member]).map(|rows| rows[0])
    }

    /// Writes a run's bytes; returns its row.
    pub fn add_run(&mut self, run: &NewRun<'_>) -> Result<i64> {
        self.add_run_at(run, None)
    }

    /// The same of bytes that all came in at one time, where a run says that.
    fn add_run_at(&mut self, run: &NewRun<'_>, at: Option<&str>) -> Result<i64> {
        let id = self.new_row("run")?;
        let (first, rest) = run.bytes.split_at(run.bytes.len().min(PIECE_BYTES));
        let pieces = rest.chunks(PIECE_BYTES);
        let (column, mark) = if at.is_some() { (", created_at", ", ?") } else { ("", "") };
        let sql = format!(
            "INSERT INTO run (id, members, stored_sha256, bytes, pieces{column})
             VALUES (?, ?, ?, ?, ?{mark})"
        );
        let mut values = vec![
            id.into(),
            (run.members as u64).into(),
            run.sha256.as_bytes().as_slice().into(),
            first.into(),
            (pieces.len() as u64 + 1).into(),
        ];
        values.extend(at.map(Value::from));
        self.driver.execute(&sql, &values)?;
        for (n, piece) in pieces.enumerate() {
            self.driver.execute(
                "INSERT INTO run_piece (run_id, n, bytes) VALUES (?, ?, ?)",
                &[id.into(), (n as u64 + 1).into(), piece.into()],
            )?;
        }
        Ok(id)
    }

    /// Writes a run and the artifacts that share it, one behind the other; returns their rows.
    pub fn add_shared(&mut self, run: &NewRun<'_>, members: &[NewMember<'_>]) -> Result<Vec<i64>> {
        let at = members.first().map(|it| it.at);
        let shared = at.filter(|at| self.is_slim && members.iter().all(|it| it.at == *at));
        let row = self.add_run_at(run, shared)?;
        let members =
            members.iter().map(|it| NewMember { at: shared.map_or(it.at, |_| ""), ..*it });
        self.add_members(row, &members.collect::<Vec<_>>())
    }

    /// Writes the artifacts of a run that is there, one behind the other; returns their rows.
    pub fn add_members(&mut self, run: i64, members: &[NewMember<'_>]) -> Result<Vec<i64>> {
        let (mut offset, mut ids) = (0, Vec::with_capacity(members.len()));
        let mut rows = Vec::with_capacity(members.len());
        for member in members {
            let id = self.new_row("artifact_row")?;
            rows.push([
                id.into(),
                member.sha256.as_bytes().as_slice().into(),
                member.size_bytes.into(),
                run.into(),
                offset.into(),
                member.length.into(),
                member.at.into(),
            ]);
            ids.push(id);
            offset += member.length;
        }
        let into =
            "artifact_row (id, sha256, size_bytes, run_id, run_offset, run_length, created_at)";
        insert_rows(self.driver, into, &rows)?;
        Ok(ids)
    }

    /// Makes an artifact a member of a run.
    pub fn move_to_run(&mut self, artifact: i64, run: i64, offset: u64, length: u64) -> Result<()> {
        let came_in = came_in(self.driver.dialect());
        let sql = format!(
            "UPDATE artifact_row SET created_at = {came_in}, run_id = ?, run_offset = ?,
               run_length = ? WHERE id = ?"
        );
        self.driver.execute(&sql, &[run.into(), offset.into(), length.into(), artifact.into()])?;
        Ok(())
    }

    /// Takes a run out of which no artifact is a member any more.
    pub fn remove_run(&mut self, run: i64) -> Result<()> {
        let unused = "NOT EXISTS (SELECT 1 FROM artifact_row WHERE run_id = ?)";
        let sql = format!("DELETE FROM run_piece WHERE run_id = ? AND {unused}");
        self.driver.execute(&sql, &[run.into(), run.into()])?;
        let sql = format!("DELETE FROM run WHERE id = ? AND {unused}");
        self.driver.execute(&sql, &[run.into(), run.into()]).map(|_| ())
    }

    /// The members of a run, in the order in which they stand in it.
    pub fn members_of(&mut self, run: i64) -> Result<Vec<Member>> {
        let sql = "SELECT id, sha256, size_bytes, run_offset, run_length FROM artifact_row
                   WHERE run_id = ? ORDER BY run_offset, id";
        let member = |row: &super::Row| {
            Ok(Member {
                artifact: row.int(0)?,
                sha256: digest_of(row, 1)?,
                size_bytes: row.unsigned(2)?,
                offset: row.unsigned(3)?,
                length: row.unsigned(4)?,
            })
        };
        self.driver.query(sql, &[run.into()])?.iter().map(member).collect()
    }

    /// Takes an artifact out, unless an item speaks of it; whether it did. Its run stays.
    pub fn remove_unused(&mut self, artifact: i64) -> Result<bool> {
        let sql = "DELETE FROM artifact_row WHERE id = ?
                   AND NOT EXISTS (SELECT 1 FROM item_row WHERE artifact_id = ?)";
        Ok(self.driver.execute(sql, &[artifact.into(), artifact.into()])? == 1)
    }

    /// Says again which content an artifact is, because its row was damaged. A row that claims the
    /// same content, and cannot hold it, loses its claim until it is mended too.
    pub fn set_content(&mut self, artifact: i64, sha256: &Digest, size_bytes: u64) -> Result<()> {
        let nobodys = Digest::of(DeedId::random().as_bytes());
        let (key, whole) = (self.sha256_key(), sha256.as_bytes().as_slice());
        self.driver.execute(
            &format!(
                "UPDATE artifact_row SET sha256 = ? WHERE {key} = ? AND sha256 = ? AND id <> ?"
            ),
            &[
                nobodys.as_bytes().as_slice().into(),
                self.key_of(whole),
                whole.into(),
                artifact.into(),
            ],
        )?;
        self.driver.execute(
            "UPDATE artifact_row SET sha256 = ?, size_bytes = ? WHERE id = ?",
            &[sha256.as_bytes().as_slice().into(), size_bytes.into(), artifact.into()],
        )?;
        Ok(())
    }

    /// The run that an artifact is a member of; `None` when it was purged.
    pub fn run_of(&mut self, artifact: i64) -> Result<Option<i64>> {
        let sql = "SELECT run_id FROM artifact_row WHERE id = ?";
        let rows = self.driver.query(sql, &[artifact.into()])?;
        Ok(rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten())
    }

    /// Where the stored bytes of an artifact are; `None` when it was purged.
    pub fn place(&mut self, artifact: i64) -> Result<Option<Place>> {
        let rows = self.driver.query(
            "SELECT a.run_id, r.pieces, r.members, a.run_offset, a.run_length, a.purged_at
             FROM artifact_row a LEFT JOIN run r ON r.id = a.run_id WHERE a.id = ?",
            &[artifact.into()],
        )?;
        let damaged = |why: &str| Error::damaged("artifact", format!("row {artifact}"), why);
        let row = rows.first().ok_or_else(|| damaged("its row is gone"))?;
        if !row.is_null(5) {
            return Ok(None);
        }
        if row.is_null(0) || row.is_null(1) {
            return Err(damaged("its run is gone"));
        }
        let place = Place {
            run: row.int(0)?,
            pieces: row.unsigned(1)?,
            members: row.unsigned(2)?,
            offset: row.unsigned(3)?,
            length: row.unsigned(4)?,
        };
        if place.members == 0 || (place.members > 1 && place.pieces != 1) {
            return Err(damaged("its run does not say what it holds"));
        }
        Ok(Some(place))
    }

    /// The bytes of a run's piece, counted from 0.
    pub fn piece(&mut self, run: i64, n: u64) -> Result<Vec<u8>> {
        let rows = if n == 0 {
            self.driver.query("SELECT bytes FROM run WHERE id = ?", &[run.into()])?
        } else {
            let sql = "SELECT bytes FROM run_piece WHERE run_id = ? AND n = ?";
            self.driver.query(sql, &[run.into(), n.into()])?
        };
        let gone = || Error::damaged("run", format!("row {run}"), "a piece of it is gone");
        rows.into_iter().next().ok_or_else(gone)?.into_bytes(0)
    }

    /// The digest that a run's stored bytes should have.
    pub fn stored_sha256(&mut self, run: i64) -> Result<Digest> {
        let rows =
            self.driver.query("SELECT stored_sha256 FROM run WHERE id = ?", &[run.into()])?;
        let gone = || Error::damaged("run", format!("row {run}"), "it is gone");
        digest_of(rows.first().ok_or_else(gone)?, 0)
    }

    /// The artifacts after the row `after`, each with its place; `None` where it was purged, an error
    /// where its run is gone. At most `limit`.
    pub fn members_after(
        &mut self,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(Member, Option<Place>)>> {
        let sql = "SELECT a.id, a.sha256, a.size_bytes, a.run_offset, a.run_length, a.purged_at,
               a.run_id, r.pieces, r.members
             FROM artifact_row a LEFT JOIN run r ON r.id = a.run_id
             WHERE a.id > ? ORDER BY a.id LIMIT ?";
        let member = |row: &super::Row| {
            let member = Member {
                artifact: row.int(0)?,
                sha256: digest_of(row, 1)?,
                size_bytes: row.unsigned(2)?,
                offset: row.unsigned(3)?,
                length: row.unsigned(4)?,
            };
            if !row.is_null(5) {
                return Ok((member, None));
            }
            let place = Place {
                // A row that is gone has no pieces.
                run: row.int_or_null(6)?.unwrap_or(0),
                pieces: row.int_or_null(7)?.and_then(|it| u64::try_from(it).ok()).unwrap_or(0),
                members: row.int_or_null(8)?.and_then(|it| u64::try_from(it).ok()).unwrap_or(0),
                offset: member.offset,
                length: member.length,
            };
            Ok((member, Some(place)))
        };
        self.driver.query(sql, &[after.into(), limit.into()])?.iter().map(member).collect()
    }

    /// All artifacts after the row `after`: row, digest, size, whether purged; at most `limit`.
    pub fn artifacts(&mut self, after: i64, limit: u64) -> Result<Vec<(i64, Digest, u64, bool)>> {
        let sql = "SELECT id, sha256, size_bytes, purged_at FROM artifact_row
                   WHERE id > ? ORDER BY id LIMIT ?";
        let rows = self.driver.query(sql, &[after.into(), limit.into()])?;
        rows.iter()
            .map(|row| Ok((row.int(0)?, digest_of(row, 1)?, row.unsigned(2)?, !row.is_null(3))))
            .collect()
    }
}
