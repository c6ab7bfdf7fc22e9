//! Items as they are read: what was archived, when, why and by whom.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::model::{
    DeedId, Digest, FileMode, GitOid, Item, ItemKind, ItemState, RepoPath, TombstoneId,
};

use super::filter::{ItemFilter, Page};
use super::folders::{AT_PATH, at_path};
use super::items::path_hash;
use super::{Dialect, Driver, LATEST_VERSION, Row, Value};

/// The columns of an item, in the order that `item_of` takes them, before there was governance, and
/// where no folder stands apart.
const ITEM_BEFORE: &str =
    "SELECT i.id, i.tombstone, b.repo, i.path, a.sha256, a.size_bytes, a.run_length,
  i.mode, i.git_blob, b.reason, b.commit_sha, i.kind, i.language, b.actor, b.at, a.purged_at,
  i.restored_at, i.restricted, i.delete_after, a.id, i.hidden, b.deed, ''
FROM item_row i JOIN batch b ON b.id = i.batch_id JOIN artifact_row a ON a.id = i.artifact_id";

/// When an item was purged, since it was archived last.
const PURGED_AT: &str = "(SELECT p.at FROM item_purge p WHERE p.item_id = i.id AND p.at >= b.at)";

/// The folder of an item, whose path is behind it; NULL where it should be there and is not.
const FOLDER: &str = "CASE WHEN i.folder_id IS NULL THEN '' ELSE f.path END";

/// The first schema with holds, requests and purges.
const GOVERNED: i64 = 4;

/// The first schema of an embedded archive that says once what many rows share.
const SLIM: i64 = 6;

/// The tables of items and artifacts.
pub struct Catalog<'a> {
    pub(super) driver: &'a mut dyn Driver,
    /// Whether the schema has holds, requests and purges.
    pub(super) is_governed: bool,
    /// Whether folders, and when bytes came in, are said once for many rows: in an embedded archive,
    /// whose size somebody's disk bears.
    pub(super) is_slim: bool,
    reserved: BTreeMap<&'static str, Reserved>,
}

/// Row numbers that were taken of a counter and are not used yet.
#[derive(Debug, Default)]
struct Reserved {
    next: i64,
    left: u64,
    /// How many were taken last.
    taken: u64,
}

/// At most this many row numbers are taken at once.
const MOST_RESERVED: u64 = 1024;

impl<'a> Catalog<'a> {
    /// The catalog behind `driver`, whose schema is the newest.
    pub fn new(driver: &'a mut dyn Driver) -> Self {
        Self::of_schema(driver, LATEST_VERSION)
    }

    /// The catalog behind `driver`, whose schema is of this version.
    pub fn of_schema(driver: &'a mut dyn Driver, version: i64) -> Self {
        let is_slim = version >= SLIM && driver.dialect() == Dialect::Sqlite;
        Self { driver, is_governed: version >= GOVERNED, is_slim, reserved: BTreeMap::new() }
    }

    /// The query for items, without its conditions.
    pub(super) fn query_of_items(&self) -> String {
        let mut query = ITEM_BEFORE.to_owned();
        if self.is_governed {
            query = query.replace("a.purged_at", PURGED_AT);
        }
        if self.is_slim {
            query = query.replace("b.deed, ''", &format!("b.deed, {FOLDER}"));
            query.push_str(" LEFT JOIN folder f ON f.id = i.folder_id");
        }
        query
    }

    /// The items of a page of rows. The page is named first, with its number of rows as a literal,
    /// and joined then: else servers begin with another table, and read that to its end for every
    /// page.
    pub(super) fn items_in(&self, page: &str) -> String {
        self.query_of_items().replace("FROM item_row i", &format!("FROM ({page}) i"))
    }

    /// The value under `key` of what the archive says of itself.
    pub fn meta(&mut self, key: &str) -> Result<Option<String>> {
        let rows = self.driver.query("SELECT v FROM meta WHERE k = ?", &[key.into()])?;
        rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()
    }

    /// The number of a new row of `table`. Whoever asks again and again is given more at once: to
    /// count up one by one costs a server the square of their number, since it keeps every version
    /// of a counter until the transaction ends. What is not used is lost.
    pub(super) fn new_row(&mut self, table: &'static str) -> Result<i64> {
        let reserved = self.reserved.entry(table).or_default();
        if reserved.left == 0 {
            let count = (reserved.taken * 2).clamp(1, MOST_RESERVED);
            let next = reserve(self.driver, table, count)?;
            *reserved = Reserved { next, left: count, taken: count };
        }
        let row = reserved.next;
        (reserved.next, reserved.left) = (row + 1, reserved.left - 1);
        Ok(row)
    }

    /// The item with this id, hidden ones too when `hidden` is set.
    pub fn item(&mut self, id: &TombstoneId, hidden: bool) -> Result<Option<Item>> {
        let found = self.bare_item(id, hidden)?;
        self.complete(found.into_iter().collect()).map(|mut items| items.pop())
    }

    /// The same without tags, metadata, holds and requests: one query.
    pub fn bare_item(&mut self, id: &TombstoneId, hidden: bool) -> Result<Option<Item>> {
        let sql = format!("{} WHERE i.tombstone = ?", self.query_of_items());
        let rows = self.driver.query(&sql, &[id.as_bytes().as_slice().into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        if row.int(20)? != 0 && !hidden {
            return Ok(None);
        }
        item_of(row).map(Some)
    }

    /// Items whose ids lie between `low` and `high`; at most `limit`.
    pub fn items_between(
        &mut self,
        low: [u8; 16],
        high: [u8; 16],
        limit: u64,
    ) -> Result<Vec<Item>> {
        let sql = format!(
            "{} WHERE i.tombstone >= ? AND i.tombstone <= ? AND i.hidden = 0
             ORDER BY i.tombstone LIMIT ?",
            self.query_of_items()
        );
        let bounds = [low.as_slice().into(), high.as_slice().into(), limit.into()];
        let rows = self.driver.query(&sql, &bounds)?;
        rows.iter().map(item_of).collect()
    }

    /// The items that were archived at `path` in `repo`, newest first.
    pub fn items_at(&mut self, repo: &str, path: &RepoPath) -> Result<Vec<Item>> {
        let (condition, mut at) = match self.is_slim {
            true => (format!("i.id IN ({AT_PATH})"), at_path(path).to_vec()),
            false => (
                "i.path_hash = ? AND i.path = ?".to_owned(),
                vec![path_hash(path).into(), path.to_string().into()],
            ),
        };
        let sql = format!(
            "{} WHERE {condition} AND b.repo = ? AND i.hidden = 0
             ORDER BY i.batch_id DESC, i.id DESC",
            self.query_of_items()
        );
        at.push(repo.into());
        let rows = self.driver.query(&sql, &at)?;
        rows.iter().map(item_of).collect()
    }

    /// The items of one deed, in the order of their paths' rows.
    pub fn items_of(&mut self, deed: &DeedId) -> Result<Vec<Item>> {
        let sql = format!("{} WHERE b.deed = ? ORDER BY i.id", self.query_of_items());
        let rows = self.driver.query(&sql, &[deed.as_bytes().as_slice().into()])?;
        rows.iter().map(item_of).collect()
    }

    /// The items that hold an artifact.
    pub fn items_with(&mut self, artifact: i64) -> Result<Vec<Item>> {
        let sql = format!("{} WHERE i.artifact_id = ? ORDER BY i.id", self.query_of_items());
        let rows = self.driver.query(&sql, &[artifact.into()])?;
        rows.iter().map(item_of).collect()
    }

    /// One page of items, newest first, with tags and metadata.
    pub fn list(&mut self, filter: &ItemFilter, page: Page) -> Result<Vec<Item>> {
        let (mut clauses, mut values) = filter.clauses(self);
        if let Some(after) = page.after {
            clauses.push_str(" AND i.id < ?");
            values.push(after.into());
        }
        let limit = page.limit;
        let sql = if filter.is_wide() {
            // Nearly every item fits: the newest are taken first, and joined with the rest then.
            let newest = format!(
                "SELECT i.* FROM item_row i WHERE i.hidden = 0{clauses} ORDER BY i.id DESC LIMIT {limit}"
            );
            format!("{} ORDER BY i.id DESC", self.items_in(&newest))
        } else {
            // With a sign before it, no database walks through all items for the sake of their order.
            let query = self.query_of_items();
            format!("{query} WHERE i.hidden = 0{clauses} ORDER BY +i.id DESC LIMIT {limit}")
        };
        let rows = self.driver.query(&sql, &values)?;
        let items = rows.iter().map(item_of).collect::<Result<Vec<_>>>()?;
        self.complete(items)
    }

    /// Numbers of items, artifacts, bytes of content and bytes stored.
    pub fn totals(&mut self) -> Result<[u64; 4]> {
        let items = self.driver.query("SELECT COUNT(*) FROM item_row WHERE hidden = 0", &[])?;
        let dialect = self.driver.dialect();
        let sum = |column| dialect.integer(&format!("COALESCE(SUM({column}), 0)"));
        let (size, stored) = (sum("size_bytes"), sum("run_length"));
        let artifacts = self.driver.query(
            &format!("SELECT COUNT(*), {size}, {stored} FROM artifact_row WHERE purged_at IS NULL"),
            &[],
        )?;
        let of = |n| artifacts[0].unsigned(n);
        Ok([items[0].unsigned(0)?, of(0)?, of(1)?, of(2)?])
    }

    /// The items with their tags, metadata, holds, and whether somebody asked to destroy them.
    pub fn complete(&mut self, mut items: Vec<Item>) -> Result<Vec<Item>> {
        for items in items.chunks_mut(COMPLETED_AT_ONCE) {
            let rows: Vec<Value> = items.iter().map(|item| item.row_id.into()).collect();
            let marks = vec!["?"; rows.len()].join(", ");
            let at: BTreeMap<i64, usize> =
                items.iter().enumerate().map(|(at, item)| (item.row_id, at)).collect();
            let sql =
                format!("SELECT item_id, tag FROM tag WHERE item_id IN ({marks}) ORDER BY tag");
            for row in self.driver.query(&sql, &rows)? {
                let item = at.get(&row.int(0)?).map(|at| &mut items[*at]);
                item.into_iter()
                    .try_for_each(|item| row.text(1).map(|tag| item.tags.push(tag.to_owned())))?;
            }
            let sql = format!("SELECT item_id, k, v FROM metadata WHERE item_id IN ({marks})");
            for row in self.driver.query(&sql, &rows)? {
                if let Some(at) = at.get(&row.int(0)?) {
                    let (key, value) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
                    items[*at].metadata.insert(key, value);
                }
            }
            if self.is_governed {
                self.complete_governed(items, &at, &rows, &marks)?;
            }
        }
        Ok(items)
    }
}

/// Items whose tags and metadata are asked for in one query, and the like.
const COMPLETED_AT_ONCE: usize = 200;

/// Takes `count` row numbers of `table`; returns the first.
pub(super) fn reserve(driver: &mut dyn Driver, table: &str, count: u64) -> Result<i64> {
    let sql = "UPDATE counter SET next = next + ? WHERE name = ?";
    if driver.execute(sql, &[count.into(), table.into()])? == 0 {
        let sql = "INSERT INTO counter (name, next) VALUES (?, ?)";
        driver.execute(sql, &[table.into(), (count + 1).into()])?;
        return Ok(1);
    }
    let rows = driver.query("SELECT next FROM counter WHERE name = ?", &[table.into()])?;
    let next = rows.first().map(|row| row.unsigned(0)).transpose()?.unwrap_or(0);
    // A number beyond this was not counted up to.
    let first = next.checked_sub(count).filter(|first| (1..1 << 62).contains(first));
    first
        .map(|first| first as i64)
        .ok_or_else(|| Error::damaged("counter", table, format!("it stands at {next}")))
}

pub(super) fn digest_of(row: &Row, column: usize) -> Result<Digest> {
    Digest::from_slice(row.bytes(column)?)
        .ok_or_else(|| Error::damaged("row", format!("column {column}"), "it is not a digest"))
}

pub(super) fn item_of(row: &Row) -> Result<Item> {
    let damaged =
        |what: &str| Error::damaged("item", format!("row {what}"), "a column is not valid");
    let state = match (row.is_null(15), row.is_null(16)) {
        (false, _) => ItemState::Purged,
        (true, false) => ItemState::Restored,
        (true, true) => ItemState::Archived,
    };
    Ok(Item {
        row_id: row.int(0)?,
        artifact_row_id: row.int(19)?,
        tombstone: TombstoneId::from_slice(row.bytes(1)?).ok_or_else(|| damaged("tombstone"))?,
        repo: row.text(2)?.to_owned(),
        path: RepoPath::parse(&format!("{}{}", row.text(22)?, row.text(3)?))
            .ok_or_else(|| damaged("path"))?,
        sha256: digest_of(row, 4)?,
        size_bytes: row.unsigned(5)?,
        compressed_size: row.unsigned(6)?,
        mode: match row.int(7)? {
            0o100_644 => FileMode::Regular,
            0o100_755 => FileMode::Executable,
            _ => return Err(damaged("mode")),
        },
        git_blob: GitOid::from_slice(row.bytes(8)?).ok_or_else(|| damaged("git_blob"))?,
        reason: row.text(9)?.parse()?,
        commit_sha: row.text(10)?.to_owned(),
        kind: row.text(11)?.parse::<ItemKind>()?,
        language: row.text_or_null(12)?.map(str::to_owned),
        archived_by: row.text(13)?.to_owned(),
        archived_at: row.text(14)?.to_owned(),
        state,
        restricted: row.int(17)? != 0,
        delete_after: row.text_or_null(18)?.map(str::to_owned),
        prune_requested: false,
        holds: Vec::new(),
        tags: Vec::new(),
        metadata: BTreeMap::new(),
    })
}
