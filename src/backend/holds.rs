//! Holds in the tables, and the erasing that they forbid.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::{DeedId, Digest, Hold, HoldScope, Item, TombstoneId};

use super::artifacts::came_in;
use super::catalog::{digest_of, reserve};
use super::{Catalog, Register, Row, Value};

const HOLD: &str = "SELECT id, deed, repo, scope, pattern, case_id, reason, set_by, set_at,
  released_at FROM hold";

/// An entry of the ledger of what was purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// The item.
    pub tombstone: TombstoneId,
    /// Why.
    pub reason: String,
    /// When, RFC 3339.
    pub at: String,
    /// When it was let in again.
    pub readmitted_at: Option<String>,
}

impl Register<'_> {
    /// Writes a hold; its row.
    pub fn add_hold(&mut self, hold: &Hold) -> Result<i64> {
        let id = reserve(self.driver, "hold", 1)?;
        self.driver.execute(
            "INSERT INTO hold (id, deed, repo, scope, pattern, case_id, reason, set_by, set_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                id.into(),
                hold.deed.as_bytes().as_slice().into(),
                hold.repo.as_str().into(),
                hold.scope.as_str().into(),
                hold.pattern.as_str().into(),
                hold.case_id.as_str().into(),
                hold.reason.as_str().into(),
                hold.set_by.as_str().into(),
                hold.set_at.as_str().into(),
            ],
        )?;
        Ok(id)
    }

    /// Every hold, the oldest first; only those in force unless `all`.
    pub fn holds(&mut self, all: bool) -> Result<Vec<Hold>> {
        let condition = if all { "" } else { " WHERE released_at IS NULL" };
        let sql = format!("{HOLD}{condition} ORDER BY id");
        self.driver.query(&sql, &[])?.iter().map(hold_of).collect()
    }

    /// Ends a hold; whether it was in force.
    pub fn release_hold(&mut self, row: i64, at: &str) -> Result<bool> {
        let sql = "UPDATE hold SET released_at = ? WHERE id = ? AND released_at IS NULL";
        Ok(self.driver.execute(sql, &[at.into(), row.into()])? == 1)
    }

    /// Notes that a hold holds an item, if it does not already.
    pub fn hold_item(&mut self, hold: i64, item: i64) -> Result<bool> {
        let at = [Value::from(hold), item.into()];
        let sql = "SELECT COUNT(*) FROM hold_item WHERE hold_id = ? AND item_id = ?";
        if self.driver.query(sql, &at)?[0].int(0)? != 0 {
            return Ok(false);
        }
        self.driver.execute("INSERT INTO hold_item (hold_id, item_id) VALUES (?, ?)", &at)?;
        Ok(true)
    }

    /// The hold with this id.
    pub fn hold(&mut self, deed: &DeedId) -> Result<Option<Hold>> {
        let sql = format!("{HOLD} WHERE deed = ?");
        let rows = self.driver.query(&sql, &[deed.as_bytes().as_slice().into()])?;
        rows.first().map(hold_of).transpose()
    }

    /// The rows of the items that a hold holds.
    pub fn items_of_hold(&mut self, hold: i64) -> Result<Vec<i64>> {
        let sql = "SELECT item_id FROM hold_item WHERE hold_id = ? ORDER BY item_id";
        self.driver.query(sql, &[hold.into()])?.iter().map(|row| row.int(0)).collect()
    }

    /// The number of items that a hold holds.
    pub fn held_items(&mut self, hold: i64) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM hold_item WHERE hold_id = ?";
        self.driver.query(sql, &[hold.into()])?[0].unsigned(0)
    }

    /// Destroys the bytes of artifacts that no hold holds; whether it did. The items that have them
    /// are marked in the same transaction, and their digests go into the ledger. Nobody else's bytes
    /// may stand in their runs.
    pub fn erase(&mut self, artifacts: &[(i64, &[Item])], reason: &str, at: &str) -> Result<bool> {
        let mut runs = BTreeSet::new();
        for (artifact, items) in artifacts {
            let sql = "SELECT run_id FROM artifact_row WHERE id = ?";
            let rows = self.driver.query(sql, &[(*artifact).into()])?;
            runs.extend(rows.first().map(|row| row.int_or_null(0)).transpose()?.flatten());
            if !self.empty(*artifact, at)? {
                return Ok(false);
            }
            for item in *items {
                self.mark_purged(item.row_id, at)?;
                self.add_to_ledger(&item.sha256, item.size_bytes, &item.tombstone, reason, at)?;
            }
        }
        runs.into_iter().try_for_each(|run| self.remove_emptied(run)).map(|()| true)
    }

    /// Takes an artifact out of its run; whether no hold forbids it. A second wall, should the first
    /// be passed by.
    fn empty(&mut self, artifact: i64, at: &str) -> Result<bool> {
        let came_in = came_in(self.driver.dialect());
        let sql = format!(
            "UPDATE artifact_row SET created_at = {came_in}, purged_at = ?, run_id = NULL
             WHERE id = ? AND NOT EXISTS (
               SELECT 1 FROM item_row i JOIN hold_item m ON m.item_id = i.id
               JOIN hold h ON h.id = m.hold_id
               WHERE i.artifact_id = ? AND h.released_at IS NULL)"
        );
        let emptied = self.driver.execute(&sql, &[at.into(), artifact.into(), artifact.into()])?;
        Ok(emptied == 1)
    }

    fn remove_emptied(&mut self, run: i64) -> Result<()> {
        let sql = "SELECT COUNT(*) FROM artifact_row WHERE run_id = ?";
        if self.driver.query(sql, &[run.into()])?[0].int(0)? != 0 {
            let why = "it has bytes of other artifacts";
            return Err(Error::damaged("run", format!("row {run}"), why));
        }
        self.driver.execute("DELETE FROM run_piece WHERE run_id = ?", &[run.into()])?;
        self.driver.execute("DELETE FROM run WHERE id = ?", &[run.into()]).map(|_| ())
    }

    fn mark_purged(&mut self, item: i64, at: &str) -> Result<()> {
        let sql = "UPDATE item_purge SET at = ? WHERE item_id = ?";
        if self.driver.execute(sql, &[at.into(), item.into()])? == 0 {
            let sql = "INSERT INTO item_purge (item_id, at) VALUES (?, ?)";
            self.driver.execute(sql, &[item.into(), at.into()])?;
        }
        Ok(())
    }

    fn add_to_ledger(
        &mut self,
        sha256: &Digest,
        size_bytes: u64,
        tombstone: &TombstoneId,
        reason: &str,
        at: &str,
    ) -> Result<()> {
        let id = reserve(self.driver, "purge_ledger", 1)?;
        self.driver.execute(
            "INSERT INTO purge_ledger (id, sha256, size_bytes, tombstone, reason, at)
             VALUES (?, ?, ?, ?, ?, ?)",
            &[
                id.into(),
                sha256.as_bytes().as_slice().into(),
                size_bytes.into(),
                tombstone.as_bytes().as_slice().into(),
                reason.into(),
                at.into(),
            ],
        )?;
        Ok(())
    }

    /// Every entry of the ledger, the oldest first.
    pub fn ledger(&mut self) -> Result<Vec<LedgerRow>> {
        let sql = "SELECT sha256, size_bytes, tombstone, reason, at, readmitted_at
                   FROM purge_ledger ORDER BY id";
        let rows = self.driver.query(sql, &[])?;
        let damaged = || Error::damaged("ledger", "a row", "its id is none");
        let entry = |row: &Row| {
            Ok(LedgerRow {
                sha256: digest_of(row, 0)?,
                size_bytes: row.unsigned(1)?,
                tombstone: TombstoneId::from_slice(row.bytes(2)?).ok_or_else(damaged)?,
                reason: row.text(3)?.to_owned(),
                at: row.text(4)?.to_owned(),
                readmitted_at: row.text_or_null(5)?.map(str::to_owned),
            })
        };
        rows.iter().map(entry).collect()
    }

    /// Writes an entry of another archive's ledger.
    pub fn add_ledger_row(&mut self, entry: &LedgerRow) -> Result<()> {
        let id = reserve(self.driver, "purge_ledger", 1)?;
        self.driver.execute(
            "INSERT INTO purge_ledger (id, sha256, size_bytes, tombstone, reason, at, readmitted_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            &[
                id.into(),
                entry.sha256.as_bytes().as_slice().into(),
                entry.size_bytes.into(),
                entry.tombstone.as_bytes().as_slice().into(),
                entry.reason.as_str().into(),
                entry.at.as_str().into(),
                entry.readmitted_at.as_deref().into(),
            ],
        )?;
        Ok(())
    }

    /// Marks those of the items whose artifact has no bytes.
    pub fn mark_those_purged(&mut self, items: &[i64]) -> Result<()> {
        for some in items.chunks(200) {
            let marks = vec!["?"; some.len()].join(", ");
            let sql = format!(
                "SELECT i.id, a.purged_at FROM item_row i JOIN artifact_row a ON a.id = i.artifact_id
                 WHERE i.id IN ({marks}) AND a.purged_at IS NOT NULL"
            );
            let values: Vec<Value> = some.iter().map(|row| (*row).into()).collect();
            for row in self.driver.query(&sql, &values)? {
                self.mark_purged(row.int(0)?, row.text(1)?)?;
            }
        }
        Ok(())
    }

    /// Lets content in again; the number of entries that were lifted.
    pub fn readmit(&mut self, sha256: &Digest, at: &str) -> Result<u64> {
        let sql =
            "UPDATE purge_ledger SET readmitted_at = ? WHERE sha256 = ? AND readmitted_at IS NULL";
        self.driver.execute(sql, &[at.into(), sha256.as_bytes().as_slice().into()])
    }
}

impl Catalog<'_> {
    /// Whether content was purged and is not let in again.
    pub fn is_in_ledger(&mut self, sha256: &Digest) -> Result<bool> {
        if !self.is_governed {
            return Ok(false);
        }
        let sql = "SELECT COUNT(*) FROM purge_ledger WHERE sha256 = ? AND readmitted_at IS NULL";
        let rows = self.driver.query(sql, &[sha256.as_bytes().as_slice().into()])?;
        Ok(rows[0].int(0)? != 0)
    }

    /// Notes that the bytes of a purged artifact, whose content is let in again, are back.
    pub fn set_unpurged(&mut self, artifact: i64) -> Result<()> {
        let sql = "UPDATE artifact_row SET purged_at = NULL WHERE id = ?";
        self.driver.execute(sql, &[artifact.into()]).map(|_| ())
    }

    /// Adds the cases that hold the items, and whether somebody asked to destroy them.
    pub(super) fn complete_governed(
        &mut self,
        items: &mut [Item],
        at: &BTreeMap<i64, usize>,
        rows: &[Value],
        marks: &str,
    ) -> Result<()> {
        let sql = format!(
            "SELECT m.item_id, h.case_id FROM hold_item m JOIN hold h ON h.id = m.hold_id
             WHERE m.item_id IN ({marks}) AND h.released_at IS NULL ORDER BY h.case_id"
        );
        for row in self.driver.query(&sql, rows)? {
            if let Some(at) = at.get(&row.int(0)?) {
                let case = row.text(1)?.to_owned();
                let holds = &mut items[*at].holds;
                if holds.last() != Some(&case) {
                    holds.push(case);
                }
            }
        }
        let sql = format!(
            "SELECT item_id FROM request
             WHERE item_id IN ({marks}) AND action = 'purge' AND state = 'open'"
        );
        for row in self.driver.query(&sql, rows)? {
            if let Some(at) = row.int_or_null(0)?.and_then(|item| at.get(&item)) {
                items[*at].prune_requested = true;
            }
        }
        Ok(())
    }
}

fn hold_of(row: &Row) -> Result<Hold> {
    let damaged = || Error::damaged("hold", "a row", "its id is none");
    Ok(Hold {
        row_id: row.int(0)?,
        deed: DeedId::from_slice(row.bytes(1)?).ok_or_else(damaged)?,
        repo: row.text(2)?.to_owned(),
        scope: row.text(3)?.parse::<HoldScope>()?,
        pattern: row.text(4)?.to_owned(),
        case_id: row.text(5)?.to_owned(),
        reason: row.text(6)?.to_owned(),
        set_by: row.text(7)?.to_owned(),
        set_at: row.text(8)?.to_owned(),
        released_at: row.text_or_null(9)?.map(str::to_owned),
    })
}
