//! Artifacts in the tables: deduplicated content, as runs and their pieces.

use crate::error::{Error, Result};
use crate::model::{DeedId, Digest};

use super::Catalog;
use super::catalog::digest_of;

/// Stored bytes beyond this go into further pieces, so that no value is too large for a server.
const PIECE_BYTES: usize = 4 << 20;

impl Catalog<'_> {
    /// The row of the artifact with this content, if the archive has it.
    pub fn artifact(&mut self, sha256: &Digest) -> Result<Option<i64>> {
        let sql = "SELECT id FROM artifact_row WHERE sha256 = ?";
        let rows = self.driver.query(sql, &[sha256.as_bytes().as_slice().into()])?;
        rows.first().map(|row| row.int(0)).transpose()
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
        let run = self.new_row("run")?;
        self.add_run(run, frame, frame_sha256)?;
        let id = self.new_row("artifact_row")?;
        self.driver.execute(
            "INSERT INTO artifact_row
               (id, sha256, size_bytes, run_id, run_offset, run_length, created_at)
             VALUES (?, ?, ?, ?, 0, ?, ?)",
            &[
                id.into(),
                sha256.as_bytes().as_slice().into(),
                size_bytes.into(),
                run.into(),
                (frame.len() as u64).into(),
                at.into(),
            ],
        )?;
        Ok(id)
    }

    fn add_run(&mut self, run: i64, frame: &[u8], frame_sha256: &Digest) -> Result<()> {
        let (first, rest) = frame.split_at(frame.len().min(PIECE_BYTES));
        let pieces = rest.chunks(PIECE_BYTES);
        self.driver.execute(
            "INSERT INTO run (id, members, stored_sha256, bytes, pieces) VALUES (?, 1, ?, ?, ?)",
            &[
                run.into(),
                frame_sha256.as_bytes().as_slice().into(),
                first.into(),
                (pieces.len() as u64 + 1).into(),
            ],
        )?;
        for (n, piece) in pieces.enumerate() {
            self.driver.execute(
                "INSERT INTO run_piece (run_id, n, bytes) VALUES (?, ?, ?)",
                &[run.into(), (n as u64 + 1).into(), piece.into()],
            )?;
        }
        Ok(())
    }

    /// Puts `frame` in the place of an artifact's damaged bytes.
    pub fn replace_run(
        &mut self,
        artifact: i64,
        frame: &[u8],
        frame_sha256: &Digest,
    ) -> Result<()> {
        let run = self.new_row("run")?;
        let sql = "SELECT run_id FROM artifact_row WHERE id = ?";
        let rows = self.driver.query(sql, &[artifact.into()])?;
        let old = rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten();
        self.add_run(run, frame, frame_sha256)?;
        self.driver.execute(
            "UPDATE artifact_row SET run_id = ?, run_offset = 0, run_length = ? WHERE id = ?",
            &[run.into(), (frame.len() as u64).into(), artifact.into()],
        )?;
        if let Some(old) = old {
            self.driver.execute("DELETE FROM run_piece WHERE run_id = ?", &[old.into()])?;
            self.driver.execute("DELETE FROM run WHERE id = ?", &[old.into()])?;
        }
        Ok(())
    }

    /// Takes an artifact and its bytes out, unless an item speaks of it.
    pub fn remove_unused(&mut self, artifact: i64) -> Result<()> {
        let sql = "SELECT run_id FROM artifact_row WHERE id = ?
                   AND NOT EXISTS (SELECT 1 FROM item_row WHERE artifact_id = ?)";
        let rows = self.driver.query(sql, &[artifact.into(), artifact.into()])?;
        let Some(row) = rows.first() else { return Ok(()) };
        self.driver.execute("DELETE FROM artifact_row WHERE id = ?", &[artifact.into()])?;
        if let Some(run) = row.int_or_null(0)? {
            self.driver.execute("DELETE FROM run_piece WHERE run_id = ?", &[run.into()])?;
            self.driver.execute("DELETE FROM run WHERE id = ?", &[run.into()])?;
        }
        Ok(())
    }

    /// Says again which content an artifact is, because its row was damaged. A row that claims the
    /// same content, and cannot hold it, loses its claim until it is mended too.
    pub fn set_content(&mut self, artifact: i64, sha256: &Digest, size_bytes: u64) -> Result<()> {
        let nobodys = Digest::of(DeedId::random().as_bytes());
        self.driver.execute(
            "UPDATE artifact_row SET sha256 = ? WHERE sha256 = ? AND id <> ?",
            &[
                nobodys.as_bytes().as_slice().into(),
                sha256.as_bytes().as_slice().into(),
                artifact.into(),
            ],
        )?;
        self.driver.execute(
            "UPDATE artifact_row SET sha256 = ?, size_bytes = ? WHERE id = ?",
            &[sha256.as_bytes().as_slice().into(), size_bytes.into(), artifact.into()],
        )?;
        Ok(())
    }

    /// The stored bytes of an artifact, and the digest they should have; `None` when purged.
    pub fn frame(&mut self, artifact: i64) -> Result<Option<(Vec<u8>, Digest)>> {
        let rows = self.driver.query(
            "SELECT r.id, r.bytes, r.pieces, r.stored_sha256, a.purged_at, r.members,
               a.run_offset, a.run_length
             FROM artifact_row a LEFT JOIN run r ON r.id = a.run_id WHERE a.id = ?",
            &[artifact.into()],
        )?;
        let damaged = |why: &str| Error::damaged("artifact", format!("row {artifact}"), why);
        let row = rows.first().ok_or_else(|| damaged("its row is gone"))?;
        if !row.is_null(4) {
            return Ok(None);
        }
        let run = row.int_or_null(0)?.ok_or_else(|| damaged("its run is gone"))?;
        let mut frame = row.bytes(1)?.to_vec();
        let digest = digest_of(row, 3)?;
        for n in 1..row.int(2)? {
            let sql = "SELECT bytes FROM run_piece WHERE run_id = ? AND n = ?";
            let pieces = self.driver.query(sql, &[run.into(), n.into()])?;
            let piece = pieces.first().ok_or_else(|| damaged("a piece of it is gone"))?;
            frame.extend_from_slice(piece.bytes(0)?);
        }
        if (row.int(5)?, row.int(6)?, row.unsigned(7)?) != (1, 0, frame.len() as u64) {
            return Err(damaged("it does not say where in its run it stands"));
        }
        Ok(Some((frame, digest)))
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
