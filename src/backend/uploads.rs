//! Uploads: large content on its way in, piece by piece, until its digest is known.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::Digest;

use super::Catalog;

/// A run that is not what its artifacts say.
#[derive(Debug, Clone)]
pub struct OddRun {
    /// Its row.
    pub run: i64,
    /// What is wrong.
    pub why: String,
}

impl Catalog<'_> {
    /// The upload of this name, if one was begun and not ended.
    pub fn upload(&mut self, name: &Digest) -> Result<Option<i64>> {
        let sql = "SELECT run_id FROM upload WHERE name = ?";
        let rows = self.driver.query(sql, &[name.as_bytes().as_slice().into()])?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// The runs of all uploads.
    pub fn uploads(&mut self) -> Result<Vec<i64>> {
        let rows = self.driver.query("SELECT run_id FROM upload ORDER BY run_id", &[])?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// Of the runs after the row `after`, at most `limit`: the last, and those whose bytes are not what
    /// their artifacts say, each with why. What is uploaded is none of them.
    pub fn odd_runs(&mut self, after: i64, limit: u64) -> Result<Option<(i64, Vec<OddRun>)>> {
        let runs = self.driver.query(
            "SELECT r.id, r.members, r.pieces, LENGTH(r.bytes), u.run_id FROM run r
             LEFT JOIN upload u ON u.run_id = r.id WHERE r.id > ? ORDER BY r.id LIMIT ?",
            &[after.into(), limit.into()],
        )?;
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(None) };
        let (first, last) = (first.int(0)?, last.int(0)?);
        let places = self.driver.query(
            "SELECT run_id, run_offset, run_length FROM artifact_row
             WHERE run_id >= ? AND run_id <= ? ORDER BY run_id, run_offset, run_length, id",
            &[first.into(), last.into()],
        )?;
        let mut found: BTreeMap<i64, (u64, u64, bool)> = BTreeMap::new();
        for place in &places {
            let (members, end, in_order) = found.entry(place.int(0)?).or_insert((0, 0, true));
            let (offset, length) = (place.unsigned(1)?, place.unsigned(2)?);
            *in_order &= offset == *end;
            *members += 1;
            *end = offset.saturating_add(length);
        }
        let mut odd = Vec::new();
        for run in runs.iter().filter(|run| run.is_null(4)) {
            let id = run.int(0)?;
            let (members, end, in_order) = found.get(&id).copied().unwrap_or((0, 0, true));
            let said = run.unsigned(1)?;
            // What a run in pieces holds is only known when it is read.
            let is_whole = run.unsigned(2)? > 1 || run.is_null(3) || run.unsigned(3)? == end;
            if members != said {
                let why = format!("written with {said} artifacts, and {members} name it");
                odd.push(OddRun { run: id, why });
            } else if !in_order || !is_whole {
                let why = "its artifacts are not one behind the other in it".to_owned();
                odd.push(OddRun { run: id, why });
            }
        }
        Ok(Some((last, odd)))
    }

    /// Begins an upload of so many pieces with the first of them; the row of its run.
    pub fn begin_upload(
        &mut self,
        name: &Digest,
        pieces: u64,
        first: &[u8],
        at: &str,
    ) -> Result<i64> {
        let run = self.new_row("run")?;
        // The digest of stored bytes that are still to come is not known: it is that of the first.
        self.driver.execute(
            "INSERT INTO run (id, members, stored_sha256, bytes, pieces) VALUES (?, 1, ?, ?, ?)",
            &[
                run.into(),
                Digest::of(first).as_bytes().as_slice().into(),
                first.into(),
                pieces.into(),
            ],
        )?;
        self.driver.execute(
            "INSERT INTO upload (run_id, name, at) VALUES (?, ?, ?)",
            &[run.into(), name.as_bytes().as_slice().into(), at.into()],
        )?;
        Ok(run)
    }

    /// Adds a piece, counted from 0, to a run that is uploaded.
    pub fn add_piece(&mut self, run: i64, n: u64, bytes: &[u8]) -> Result<()> {
        let sql = "INSERT INTO run_piece (run_id, n, bytes) VALUES (?, ?, ?)";
        self.driver.execute(sql, &[run.into(), n.into(), bytes.into()]).map(|_| ())
    }

    /// How many pieces of a run there are.
    pub fn pieces_there(&mut self, run: i64) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM run_piece WHERE run_id = ?";
        Ok(self.driver.query(sql, &[run.into()])?[0].unsigned(0)? + 1)
    }

    /// Ends an upload: its run is an artifact's by now, or is given up.
    pub fn end_upload(&mut self, run: i64) -> Result<()> {
        self.driver.execute("DELETE FROM upload WHERE run_id = ?", &[run.into()]).map(|_| ())
    }
}
