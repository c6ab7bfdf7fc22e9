//! What moving a whole archive asks of the tables: rows as they are, in the order of their numbers.

use crate::error::{Error, Result};
use crate::model::{CloneId, DeedId, Digest, LogId};

use super::artifacts::came_in;
use super::catalog::{digest_of, reserve};
use super::ledger::{LogHead, head_of};
use super::{Catalog, Dialect, Ledger};

/// An artifact without its bytes.
#[derive(Debug, Clone)]
pub struct ArtifactRow {
    /// Its row.
    pub row_id: i64,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// When its bytes came in.
    pub created_at: String,
    /// When they were destroyed.
    pub purged_at: Option<String>,
}

/// What the items of one deed share, as it stands.
#[derive(Debug, Clone)]
pub struct BatchRow {
    /// Its row.
    pub row_id: i64,
    /// The deed.
    pub deed: DeedId,
    /// The repo label.
    pub repo: String,
    /// The commit.
    pub commit: String,
    /// Who archived, as claimed.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: String,
}

/// The metadata of some rows.
#[derive(Debug)]
pub struct MetadataPage {
    /// The last row of the page, shown or hidden.
    pub last: i64,
    /// The rows that are shown, and their metadata as JSON.
    pub texts: Vec<(i64, String)>,
}

impl Catalog<'_> {
    /// The artifacts behind the row `after`, at most `limit`.
    pub fn artifact_rows(&mut self, after: i64, limit: u64) -> Result<Vec<ArtifactRow>> {
        let came_in = if self.is_slim { came_in(Dialect::Sqlite) } else { "created_at" };
        let sql = format!(
            "SELECT id, sha256, size_bytes, {came_in}, purged_at FROM artifact_row
             WHERE id > ? ORDER BY id LIMIT ?"
        );
        let rows = self.driver.query(&sql, &[after.into(), limit.into()])?;
        let artifact = |row: &super::Row| {
            Ok(ArtifactRow {
                row_id: row.int(0)?,
                sha256: digest_of(row, 1)?,
                size_bytes: row.unsigned(2)?,
                created_at: row.text(3)?.to_owned(),
                purged_at: row.text_or_null(4)?.map(str::to_owned),
            })
        };
        rows.iter().map(artifact).collect()
    }

    /// The artifacts behind `after` in the order of their digests, at most `limit`.
    pub fn artifacts_by_digest(
        &mut self,
        after: Option<&Digest>,
        limit: u64,
    ) -> Result<Vec<(Digest, u64, bool)>> {
        let key = self.sha256_key();
        let sql = format!(
            "SELECT sha256, size_bytes, purged_at FROM artifact_row
             WHERE {key} >= ? AND sha256 > ? ORDER BY {key}, sha256 LIMIT ?"
        );
        let after = after.map_or(Vec::new(), |digest| digest.as_bytes().to_vec());
        let rows = self.driver.query(&sql, &[self.key_of(&after), after.into(), limit.into()])?;
        let artifact =
            |row: &super::Row| Ok((digest_of(row, 0)?, row.unsigned(1)?, !row.is_null(2)));
        rows.iter().map(artifact).collect()
    }

    /// Notes an artifact whose bytes were destroyed; its row.
    pub fn add_purged(&mut self, artifact: &ArtifactRow) -> Result<i64> {
        let id = self.new_row("artifact_row")?;
        self.driver.execute(
            "INSERT INTO artifact_row
               (id, sha256, size_bytes, run_id, run_offset, run_length, created_at, purged_at)
             VALUES (?, ?, ?, NULL, 0, 0, ?, ?)",
            &[
                id.into(),
                artifact.sha256.as_bytes().as_slice().into(),
                artifact.size_bytes.into(),
                artifact.created_at.as_str().into(),
                artifact.purged_at.as_deref().into(),
            ],
        )?;
        Ok(id)
    }

    /// The batches behind the row `after`, at most `limit`.
    pub fn batch_rows(&mut self, after: i64, limit: u64) -> Result<Vec<BatchRow>> {
        let sql = "SELECT id, deed, repo, commit_sha, actor, reason, at FROM batch
                   WHERE id > ? ORDER BY id LIMIT ?";
        let rows = self.driver.query(sql, &[after.into(), limit.into()])?;
        let batch = |row: &super::Row| {
            let damaged =
                |id: i64| Error::damaged("batch", format!("row {id}"), "its deed is no id");
            let row_id = row.int(0)?;
            Ok(BatchRow {
                row_id,
                deed: DeedId::from_slice(row.bytes(1)?).ok_or_else(|| damaged(row_id))?,
                repo: row.text(2)?.to_owned(),
                commit: row.text(3)?.to_owned(),
                actor: row.text(4)?.to_owned(),
                reason: row.text(5)?.to_owned(),
                at: row.text(6)?.to_owned(),
            })
        };
        rows.iter().map(batch).collect()
    }

    /// The row of what the items share that a deed archived for `reason`.
    pub fn batch_of(&mut self, deed: &DeedId, reason: &str) -> Result<Option<i64>> {
        let sql = "SELECT id FROM batch WHERE deed = ? AND reason = ?";
        let values = [deed.as_bytes().as_slice().into(), reason.into()];
        let rows = self.driver.query(sql, &values)?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// Restricts an item.
    pub fn restrict(&mut self, item: i64) -> Result<()> {
        let sql = "UPDATE item_row SET restricted = 1 WHERE id = ?";
        self.driver.execute(sql, &[item.into()]).map(|_| ())
    }

    /// The number of items, hidden ones too.
    pub fn item_count(&mut self) -> Result<u64> {
        self.driver.query("SELECT COUNT(*) FROM item_row", &[])?[0].unsigned(0)
    }

    /// The metadata of the items that are not hidden, as the view has it, of the `limit` rows behind
    /// `after`, and the last of these rows; `None` where there are no more.
    pub fn metadata_texts(&mut self, after: i64, limit: u64) -> Result<Option<MetadataPage>> {
        let sql = "SELECT id FROM item_row WHERE id > ? ORDER BY id LIMIT ?";
        let page = self.driver.query(sql, &[after.into(), limit.into()])?;
        let Some(last) = page.last().map(|row| row.int(0)).transpose()? else { return Ok(None) };
        let sql = "SELECT id, metadata FROM item WHERE id > ? AND id <= ? ORDER BY id";
        let rows = self.driver.query(sql, &[after.into(), last.into()])?;
        let text = |row: &super::Row| Ok((row.int(0)?, row.text(1)?.to_owned()));
        Ok(Some(MetadataPage { last, texts: rows.iter().map(text).collect::<Result<_>>()? }))
    }
}

impl Ledger<'_> {
    /// A log and where it ends, whoever writes it.
    pub fn log(&mut self, log: &LogId) -> Result<Option<LogHead>> {
        let sql = "SELECT id, uuid, repo, head_seq, head_digest, home FROM log WHERE uuid = ?";
        let rows = self.driver.query(sql, &[log.as_bytes().as_slice().into()])?;
        rows.first().map(head_of).transpose()
    }

    /// The newest log of `repo`, whoever writes it.
    pub fn newest_log(&mut self, repo: &str) -> Result<Option<LogHead>> {
        let sql = "SELECT id, uuid, repo, head_seq, head_digest, home FROM log
                   WHERE repo = ? ORDER BY id DESC LIMIT 1";
        self.driver.query(sql, &[repo.into()])?.first().map(head_of).transpose()
    }

    /// Makes room for a log that is only read here.
    pub fn add_foreign_log(&mut self, log: LogId, repo: &str) -> Result<LogHead> {
        let row_id = reserve(self.driver, "log", 1)?;
        self.driver.execute(
            "INSERT INTO log (id, uuid, repo, head_seq, head_digest, home)
             VALUES (?, ?, ?, 0, ?, NULL)",
            &[
                row_id.into(),
                log.as_bytes().as_slice().into(),
                repo.into(),
                Digest::ZERO.as_bytes().as_slice().into(),
            ],
        )?;
        Ok(LogHead { row_id, log, repo: repo.to_owned(), seq: 0, digest: Digest::ZERO, home: None })
    }

    /// How many records of a deed a log has.
    pub fn count_in(&mut self, log_row: i64, deed: &DeedId) -> Result<u64> {
        let sql = "SELECT records FROM evidence_block WHERE log_id = ? AND deed = ?";
        let rows = self.driver.query(sql, &[log_row.into(), deed.as_bytes().as_slice().into()])?;
        rows.iter().map(|row| row.unsigned(0)).sum()
    }

    /// Which clone wrote a record, where that was noted.
    pub fn writer_of(&mut self, record_row: i64) -> Result<Option<CloneId>> {
        let sql =
            "SELECT w.writer FROM evidence e JOIN evidence_writer w ON w.block_id = e.block_id
                   WHERE e.id = ?";
        let rows = self.driver.query(sql, &[record_row.into()])?;
        let writer = rows.first().map(|row| row.bytes(0)).transpose()?;
        Ok(writer.and_then(CloneId::from_slice))
    }
}
