//! Evidence in the tables: logs, their heads, and the bodies of their records.
//!
//! A line is not kept twice. What distinguishes it (log, sequence, digest) stands in columns; the
//! rest of the lines of one deed stand together, compressed, and without what their items' rows say
//! too; the line is rendered again from all. Whoever reads compares the digest.

use crate::error::{Error, Result};
use crate::model::{CloneId, DeedId, Digest, LogId};

use super::catalog::reserve;
use super::driver::insert_rows;
use super::holes::{Filling, fillings, has_holes};
use super::{Driver, Row, Value};

/// Records in one compressed block: enough to compress well, few enough to read one quickly.
const BLOCK_RECORDS: usize = 256;

/// A block never decodes to more: records are at most 64 KiB each.
const BLOCK_BYTES: usize = BLOCK_RECORDS * (65_536 + 1);

/// A log and where it ends.
#[derive(Debug, Clone)]
pub struct LogHead {
    /// The log's row.
    pub row_id: i64,
    /// The log.
    pub log: LogId,
    /// The repo label, empty for deeds without a repository.
    pub repo: String,
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Digest of the last record.
    pub digest: Digest,
    /// Where the archive stood when this log was begun; `None` for a log that is only read here.
    pub home: Option<String>,
}

/// A record as it stands in the tables.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Its row: the order in which this archive came to know its records.
    pub row_id: i64,
    /// Its log.
    pub log: LogId,
    /// Its number.
    pub seq: u64,
    /// Digest of the record before, or zeros.
    pub prev: Digest,
    /// Its deed.
    pub deed: DeedId,
    /// The digest it should have.
    pub digest: Digest,
    /// The item it is about, where it is in this archive.
    pub item_id: Option<i64>,
    /// Its action, as the column has it.
    pub action: String,
    /// The canonical JSON of the rest; empty where its block is gone or does not decode.
    pub body: Vec<u8>,
}

/// A record to be written.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its digest.
    pub digest: Digest,
    /// The item it is about.
    pub item_id: Option<i64>,
    /// Its action.
    pub action: String,
    /// The canonical JSON without what stands in columns.
    pub body: String,
}

/// What the blocks of one deed share, and where among them one stands.
struct BlockPlace {
    log_row: i64,
    deed: DeedId,
    n: usize,
    writer: Option<CloneId>,
}

/// The tables of evidence.
pub struct Ledger<'a> {
    pub(super) driver: &'a mut dyn Driver,
}

const RECORD: &str =
    "SELECT e.id, l.uuid, e.seq, p.digest, k.deed, e.digest, e.item_id, k.first_seq,
  e.block_id, e.action, i.tombstone, a.sha256, i.git_blob, a.size_bytes
FROM evidence e JOIN log l ON l.id = e.log_id JOIN evidence_block k ON k.id = e.block_id
LEFT JOIN evidence p ON p.log_id = e.log_id AND p.seq = e.seq - 1
LEFT JOIN item_row i ON i.id = e.item_id LEFT JOIN artifact_row a ON a.id = i.artifact_id";

/// Where the columns that fill holes begin in [`RECORD`].
const FILLING_AT: usize = 10;

/// The records of a page of rows. The page is named first, with its number of rows as a literal, and
/// joined then: else servers begin with another table, and read that to its end for every page.
fn records_in(page: &str) -> String {
    RECORD.replace("FROM evidence e", &format!("FROM ({page}) e"))
}

impl<'a> Ledger<'a> {
    /// The ledger behind `driver`.
    pub fn new(driver: &'a mut dyn Driver) -> Self {
        Self { driver }
    }

    /// All logs, the newest last.
    pub fn logs(&mut self) -> Result<Vec<LogHead>> {
        let sql = "SELECT id, uuid, repo, head_seq, head_digest, home FROM log ORDER BY id";
        self.driver.query(sql, &[])?.iter().map(head_of).collect()
    }

    /// The log this archive appends to for `repo`: the newest that has a home.
    pub fn current_log(&mut self, repo: &str) -> Result<Option<LogHead>> {
        let sql = "SELECT id, uuid, repo, head_seq, head_digest, home FROM log
                   WHERE repo = ? AND home IS NOT NULL ORDER BY id DESC LIMIT 1";
        self.driver.query(sql, &[repo.into()])?.first().map(head_of).transpose()
    }

    /// Begins a log.
    pub fn add_log(&mut self, log: LogId, repo: &str, home: &str) -> Result<LogHead> {
        let row_id = reserve(self.driver, "log", 1)?;
        self.driver.execute(
            "INSERT INTO log (id, uuid, repo, head_seq, head_digest, home) VALUES (?, ?, ?, 0, ?, ?)",
            &[
                row_id.into(),
                log.as_bytes().as_slice().into(),
                repo.into(),
                Digest::ZERO.as_bytes().as_slice().into(),
                home.into(),
            ],
        )?;
        let (repo, home) = (repo.to_owned(), Some(home.to_owned()));
        Ok(LogHead { row_id, log, repo, seq: 0, digest: Digest::ZERO, home })
    }

    /// Notes that the file of a log's archive has moved.
    pub fn set_home(&mut self, log_row: i64, home: &str) -> Result<()> {
        let sql = "UPDATE log SET home = ? WHERE id = ?";
        self.driver.execute(sql, &[home.into(), log_row.into()]).map(|_| ())
    }

    /// Appends the records of one deed to a log and moves its head, if the head is still there.
    pub fn append(
        &mut self,
        head: &LogHead,
        deed: DeedId,
        writer: Option<CloneId>,
        records: &[NewRecord],
    ) -> Result<()> {
        self.append_behind(0, head, deed, writer, records)
    }

    /// The same, behind `before` records of the same deed.
    pub fn append_behind(
        &mut self,
        before: usize,
        head: &LogHead,
        deed: DeedId,
        writer: Option<CloneId>,
        records: &[NewRecord],
    ) -> Result<()> {
        let Some(last) = records.last() else { return Ok(()) };
        let moved = self.driver.execute(
            "UPDATE log SET head_seq = ?, head_digest = ? WHERE id = ? AND head_seq = ?",
            &[
                (head.seq + records.len() as u64).into(),
                last.digest.as_bytes().as_slice().into(),
                head.row_id.into(),
                head.seq.into(),
            ],
        )?;
        if moved != 1 {
            return Err(Error::damaged("log", head.log.to_string(), "its head moved meanwhile"));
        }
        let mut seq = head.seq + 1;
        for (block, part) in records.chunks(BLOCK_RECORDS).enumerate() {
            let n = before + block * BLOCK_RECORDS;
            let at = BlockPlace { log_row: head.row_id, deed, n, writer };
            self.append_block(&at, seq, part)?;
            seq += part.len() as u64;
        }
        Ok(())
    }

    fn append_block(
        &mut self,
        at: &BlockPlace,
        first_seq: u64,
        records: &[NewRecord],
    ) -> Result<()> {
        let fillings = fillings(self.driver, records.iter().filter_map(|it| it.item_id))?;
        let body = |record: &NewRecord| -> String {
            let filling = record.item_id.and_then(|item| fillings.get(&item));
            filling.map_or_else(|| record.body.clone(), |it| it.pierce(&record.body))
        };
        let bodies: Vec<String> = records.iter().map(body).collect();
        let bytes = zstd::bulk::compress(bodies.join("\n").as_bytes(), 3)
            .map_err(Error::io("compress", "evidence"))?;
        let block = reserve(self.driver, "evidence_block", 1)?;
        self.driver.execute(
            "INSERT INTO evidence_block (id, log_id, deed, n, first_seq, records, bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            &[
                block.into(),
                at.log_row.into(),
                at.deed.as_bytes().as_slice().into(),
                (at.n as u64).into(),
                first_seq.into(),
                (records.len() as u64).into(),
                bytes.into(),
            ],
        )?;
        if let Some(writer) = &at.writer {
            let sql = "INSERT INTO evidence_writer (block_id, writer) VALUES (?, ?)";
            self.driver.execute(sql, &[block.into(), writer.as_bytes().as_slice().into()])?;
        }
        let first = reserve(self.driver, "evidence", records.len() as u64)?;
        let rows: Vec<_> = records
            .iter()
            .enumerate()
            .map(|(n, record)| {
                [
                    (first + n as i64).into(),
                    at.log_row.into(),
                    (first_seq + n as u64).into(),
                    record.digest.as_bytes().as_slice().into(),
                    block.into(),
                    record.item_id.into(),
                    record.action.as_str().into(),
                ]
            })
            .collect();
        let into = "evidence (id, log_id, seq, digest, block_id, item_id, action)";
        insert_rows(self.driver, into, &rows)
    }

    /// The row and digest of a log's record, without its body.
    pub fn digest_at(&mut self, log: &LogId, seq: u64) -> Result<Option<(i64, Digest)>> {
        let sql = "SELECT e.id, e.digest FROM evidence e JOIN log l ON l.id = e.log_id
                   WHERE l.uuid = ? AND e.seq = ?";
        let rows = self.driver.query(sql, &[log.as_bytes().as_slice().into(), seq.into()])?;
        rows.first().map(|row| Ok((row.int(0)?, digest_in(row, 1)?))).transpose()
    }

    /// Whether a deed has records.
    pub fn has_deed(&mut self, deed: &DeedId) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM evidence_block WHERE deed = ?";
        let rows = self.driver.query(sql, &[deed.as_bytes().as_slice().into()])?;
        Ok(rows[0].int(0)? > 0)
    }

    /// The records of a deed, in order; empty when the deed is not known.
    pub fn records_of(&mut self, deed: &DeedId) -> Result<Vec<StoredRecord>> {
        // By the numbers that its blocks hold: there is no index of records by block.
        let sql = format!(
            "{RECORD} WHERE k.deed = ? AND e.log_id = k.log_id AND e.seq >= k.first_seq
             AND e.seq < k.first_seq + k.records ORDER BY +e.id"
        );
        self.read(&sql, &[deed.as_bytes().as_slice().into()])
    }

    /// The records about an item, oldest first.
    pub fn records_about(&mut self, item: i64) -> Result<Vec<StoredRecord>> {
        let sql = format!("{RECORD} WHERE e.item_id = ? ORDER BY e.id");
        self.read(&sql, &[item.into()])
    }

    /// The records about the items in the rows from `first` to `last`, oldest first.
    pub fn records_about_rows(&mut self, first: i64, last: i64) -> Result<Vec<StoredRecord>> {
        let sql = format!("{RECORD} WHERE e.item_id >= ? AND e.item_id <= ? ORDER BY e.id");
        self.read(&sql, &[first.into(), last.into()])
    }

    /// Records after the row `after`, oldest first, at most `limit`.
    pub fn records_after(&mut self, after: i64, limit: u64) -> Result<Vec<StoredRecord>> {
        let page = format!("SELECT * FROM evidence WHERE id > ? ORDER BY id LIMIT {limit}");
        let sql = format!("{} ORDER BY e.id", records_in(&page));
        self.read(&sql, &[after.into()])
    }

    /// Records after the row `after` that the clone `writer` wrote, oldest first, at most `limit`.
    pub fn records_by(
        &mut self,
        writer: &CloneId,
        after: i64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>> {
        let sql = format!(
            "{RECORD} JOIN evidence_writer w ON w.block_id = e.block_id
             WHERE e.id > ? AND w.writer = ? ORDER BY e.id LIMIT ?"
        );
        self.read(&sql, &[after.into(), writer.as_bytes().as_slice().into(), limit.into()])
    }

    /// The newest records, newest first, at most `limit`.
    pub fn newest(&mut self, limit: u64) -> Result<Vec<StoredRecord>> {
        let page = format!("SELECT * FROM evidence ORDER BY id DESC LIMIT {limit}");
        let sql = format!("{} ORDER BY e.id DESC", records_in(&page));
        self.read(&sql, &[])
    }

    /// The records of one action, oldest first.
    pub fn records_with(&mut self, action: &str) -> Result<Vec<StoredRecord>> {
        let sql = format!("{RECORD} WHERE e.action = ? ORDER BY e.id");
        self.read(&sql, &[action.into()])
    }

    /// The number of records.
    pub fn count(&mut self) -> Result<u64> {
        self.driver.query("SELECT COUNT(*) FROM evidence", &[])?[0].unsigned(0)
    }

    fn read(&mut self, sql: &str, values: &[Value]) -> Result<Vec<StoredRecord>> {
        let rows = self.driver.query(sql, values)?;
        let mut out = Vec::with_capacity(rows.len());
        let mut block: Option<(i64, Vec<Vec<u8>>)> = None;
        for row in &rows {
            let id = row.int(8)?;
            if block.as_ref().is_none_or(|(known, _)| *known != id) {
                block = Some((id, self.bodies(id)?));
            }
            let at = row.unsigned(2)?.checked_sub(row.unsigned(7)?);
            let body = at.zip(block.as_ref()).and_then(|(at, (_, bodies))| bodies.get(at as usize));
            let body = body.map(|body| match has_holes(body) {
                true => {
                    Filling::of(row, FILLING_AT).map_or_else(|| body.clone(), |it| it.fill(body))
                }
                false => body.clone(),
            });
            let damaged =
                || Error::damaged("record", format!("row {id}"), "its columns are damaged");
            out.push(StoredRecord {
                row_id: row.int(0)?,
                log: LogId::from_slice(row.bytes(1)?).ok_or_else(damaged)?,
                seq: row.unsigned(2)?,
                prev: if row.is_null(3) { Digest::ZERO } else { digest_in(row, 3)? },
                deed: DeedId::from_slice(row.bytes(4)?).ok_or_else(damaged)?,
                digest: digest_in(row, 5)?,
                item_id: row.int_or_null(6)?,
                action: row.text(9)?.to_owned(),
                body: body.unwrap_or_default(),
            });
        }
        Ok(out)
    }

    /// The bodies in a block; none where it is damaged, so that every record of it is named.
    fn bodies(&mut self, block: i64) -> Result<Vec<Vec<u8>>> {
        let sql = "SELECT bytes FROM evidence_block WHERE id = ?";
        let rows = self.driver.query(sql, &[block.into()])?;
        let bytes = rows.first().and_then(|row| row.bytes(0).ok()).unwrap_or_default();
        let Ok(text) = zstd::bulk::decompress(bytes, BLOCK_BYTES) else { return Ok(Vec::new()) };
        Ok(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
    }

    /// How many records have this digest.
    pub fn count_of(&mut self, digest: &Digest) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM evidence WHERE digest = ?";
        self.driver.query(sql, &[digest.as_bytes().as_slice().into()])?[0].unsigned(0)
    }
}

fn digest_in(row: &Row, column: usize) -> Result<Digest> {
    Digest::from_slice(row.bytes(column)?)
        .ok_or_else(|| Error::damaged("record", format!("column {column}"), "it is not a digest"))
}

pub(super) fn head_of(row: &Row) -> Result<LogHead> {
    let damaged = || Error::damaged("log", "row", "its id is not valid");
    Ok(LogHead {
        row_id: row.int(0)?,
        log: LogId::from_slice(row.bytes(1)?).ok_or_else(damaged)?,
        repo: row.text(2)?.to_owned(),
        seq: row.unsigned(3)?,
        digest: digest_in(row, 4)?,
        home: row.text_or_null(5)?.map(str::to_owned),
    })
}
