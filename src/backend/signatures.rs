//! Signatures over records, and checkpoints, as they stand in the tables.

use crate::error::{Error, Result};
use crate::model::LogId;

use super::Ledger;
use super::migrate::{MIGRATIONS, schema_version};

/// The name of the step that brought signatures and checkpoints.
const STEP: &str = "governance";

/// A signature and the record it is over.
#[derive(Debug, Clone)]
pub struct StoredSignature {
    /// The record's log.
    pub log: LogId,
    /// The record's number.
    pub seq: u64,
    /// The signature, as `ssh-keygen -Y sign` writes it.
    pub armored: String,
}

impl Ledger<'_> {
    /// Adds the signature of a record; one that is there already stays.
    pub fn add_signature(&mut self, log: &LogId, seq: u64, armored: &str) -> Result<()> {
        if self.signature_of(log, seq)?.is_some() {
            return Ok(());
        }
        let unknown = || Error::damaged("log", log.to_string(), "it is not in this archive");
        let head = self.log(log)?.ok_or_else(unknown)?;
        let sql = "INSERT INTO evidence_signature (log_id, seq, armored) VALUES (?, ?, ?)";
        let values = [head.row_id.into(), seq.into(), armored.into()];
        self.driver.execute(sql, &values).map(|_| ())
    }

    /// Sets the signature of a record, in place of one that was there.
    pub fn put_signature(&mut self, log: &LogId, seq: u64, armored: &str) -> Result<()> {
        let unknown = || Error::damaged("log", log.to_string(), "it is not in this archive");
        let head = self.log(log)?.ok_or_else(unknown)?;
        // Writers on a server may not delete, and need not.
        if self.signature_of(log, seq)?.is_some() {
            let sql = "DELETE FROM evidence_signature WHERE log_id = ? AND seq = ?";
            self.driver.execute(sql, &[head.row_id.into(), seq.into()])?;
        }
        self.add_signature(log, seq, armored)
    }

    /// The signature of a record, if it has one.
    pub fn signature_of(&mut self, log: &LogId, seq: u64) -> Result<Option<String>> {
        if !self.has_signatures()? {
            return Ok(None);
        }
        let sql = "SELECT s.armored FROM evidence_signature s JOIN log l ON l.id = s.log_id
                   WHERE l.uuid = ? AND s.seq = ?";
        let rows = self.driver.query(sql, &[log.as_bytes().as_slice().into(), seq.into()])?;
        rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()
    }

    /// The signatures in a log behind the record `after`, at most `limit`, in order.
    pub fn signatures_in(
        &mut self,
        log: &LogId,
        after: u64,
        limit: u64,
    ) -> Result<Vec<StoredSignature>> {
        if !self.has_signatures()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT s.seq, s.armored FROM evidence_signature s JOIN log l ON l.id = s.log_id
                   WHERE l.uuid = ? AND s.seq > ? ORDER BY s.seq LIMIT ?";
        let values = [log.as_bytes().as_slice().into(), after.into(), limit.into()];
        let rows = self.driver.query(sql, &values)?;
        let signature = |row: &super::Row| {
            Ok(StoredSignature {
                log: *log,
                seq: row.unsigned(0)?,
                armored: row.text(1)?.to_owned(),
            })
        };
        rows.iter().map(signature).collect()
    }

    /// Keeps a checkpoint over the first `size` records; of two over the same the first stays.
    pub fn keep_checkpoint(&mut self, size: u64, note: &str) -> Result<()> {
        let sql = "SELECT COUNT(*) FROM evidence_checkpoint WHERE tree_size = ?";
        if self.driver.query(sql, &[size.into()])?[0].int(0)? > 0 {
            return Ok(());
        }
        let sql = "INSERT INTO evidence_checkpoint (tree_size, note) VALUES (?, ?)";
        self.driver.execute(sql, &[size.into(), note.into()]).map(|_| ())
    }

    /// The smallest checkpoint over at least `size` records: how many it covers, and its note.
    pub fn checkpoint_from(&mut self, size: u64) -> Result<Option<(u64, String)>> {
        let order = "WHERE tree_size >= ? ORDER BY tree_size LIMIT 1";
        self.checkpoint(order, &[size.into()])
    }

    /// The largest checkpoint.
    pub fn last_checkpoint(&mut self) -> Result<Option<(u64, String)>> {
        self.checkpoint("ORDER BY tree_size DESC LIMIT 1", &[])
    }

    fn checkpoint(
        &mut self,
        which: &str,
        values: &[super::Value],
    ) -> Result<Option<(u64, String)>> {
        if !self.has_signatures()? {
            return Ok(None);
        }
        let sql = format!("SELECT tree_size, note FROM evidence_checkpoint {which}");
        let rows = self.driver.query(&sql, values)?;
        rows.first().map(|row| Ok((row.unsigned(0)?, row.text(1)?.to_owned()))).transpose()
    }

    /// An archive that is only read may have the schema of an older version.
    fn has_signatures(&mut self) -> Result<bool> {
        let step = MIGRATIONS.iter().find(|step| step.name == STEP);
        let since = step.map_or(i64::MAX, |step| step.version);
        Ok(schema_version(self.driver)? >= since)
    }
}
