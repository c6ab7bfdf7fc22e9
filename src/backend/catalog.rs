//! Items in the tables: what was archived, when, why and by whom.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::model::{
    DeedId, Digest, FileMode, GitOid, Item, ItemKind, ItemState, Reason, RepoPath, TombstoneId,
};

use super::driver::insert_rows;
use super::filter::{ItemFilter, Page};
use super::{Driver, LATEST_VERSION, Row, Value};

/// What all items of one deed share.
#[derive(Debug, Clone)]
pub struct NewBatch<'a> {
    /// The deed.
    pub deed: DeedId,
    /// The repo label.
    pub repo: &'a str,
    /// The commit.
    pub commit: &'a str,
    /// Who archives, as claimed.
    pub actor: &'a str,
    /// Why.
    pub reason: Reason,
    /// When, RFC 3339.
    pub at: &'a str,
}

/// An item to be written.
#[derive(Debug, Clone)]
pub struct NewItem<'a> {
    /// Its id.
    pub tombstone: TombstoneId,
    /// The batch's row.
    pub batch_id: i64,
    /// The artifact's row.
    pub artifact_id: i64,
    /// Where it was archived.
    pub path: &'a RepoPath,
    /// The content's object id in git.
    pub git_blob: GitOid,
    /// Its mode.
    pub mode: FileMode,
    /// Code, doc or asset.
    pub kind: ItemKind,
    /// The programming language, where known.
    pub language: Option<&'a str>,
    /// Whether reading it takes two.
    pub restricted: bool,
    /// Not to be kept beyond this date.
    pub delete_after: Option<&'a str>,
}

/// The columns of an item, in the order that `item_of` takes them, before there was governance.
const ITEM_BEFORE: &str =
    "SELECT i.id, i.tombstone, b.repo, i.path, a.sha256, a.size_bytes, a.run_length,
  i.mode, i.git_blob, b.reason, b.commit_sha, i.kind, i.language, b.actor, b.at, a.purged_at,
  i.restored_at, i.restricted, i.delete_after, a.id, i.hidden, b.deed, i.path_hash
FROM item_row i JOIN batch b ON b.id = i.batch_id JOIN artifact_row a ON a.id = i.artifact_id";

/// When an item was purged, since it was archived last.
const PURGED_AT: &str = "(SELECT p.at FROM item_purge p WHERE p.item_id = i.id AND p.at >= b.at)";

/// The first schema with holds, requests and purges.
const GOVERNED: i64 = 4;

/// The tables of items and artifacts.
pub struct Catalog<'a> {
    pub(super) driver: &'a mut dyn Driver,
    /// Whether the schema has holds, requests and purges.
    pub(super) is_governed: bool,
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
        Self { driver, is_governed: version >= GOVERNED, reserved: BTreeMap::new() }
    }

    /// The query for items, without its conditions.
    pub(super) fn query_of_items(&self) -> String {
        match self.is_governed {
            true => ITEM_BEFORE.replace("a.purged_at", PURGED_AT),
            false => ITEM_BEFORE.to_owned(),
        }
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

    /// Writes what the items of a deed share; returns its row.
    pub fn add_batch(&mut self, batch: &NewBatch<'_>) -> Result<i64> {
        let id = self.new_row("batch")?;
        self.driver.execute(
            "INSERT INTO batch (id, deed, repo, commit_sha, actor, reason, at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            &[
                id.into(),
                batch.deed.as_bytes().as_slice().into(),
                batch.repo.into(),
                batch.commit.into(),
                batch.actor.into(),
                batch.reason.as_str().into(),
                batch.at.into(),
            ],
        )?;
        Ok(id)
    }

    /// Writes an item, or moves the one that is there to this batch; returns its row.
    pub fn put_item(&mut self, item: &NewItem<'_>) -> Result<i64> {
        self.put_items(std::slice::from_ref(item)).map(|rows| rows[0])
    }

    /// The same of many.
    pub fn put_items(&mut self, items: &[NewItem<'_>]) -> Result<Vec<i64>> {
        let known = self.rows_of(items)?;
        let (mut rows, mut new) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            if let Some(id) = known.get(&item.tombstone) {
                self.move_item(*id, item)?;
                rows.push(*id);
                continue;
            }
            let id = self.new_row("item_row")?;
            new.push([
                id.into(),
                item.tombstone.as_bytes().as_slice().into(),
                item.batch_id.into(),
                item.artifact_id.into(),
                item.path.to_string().into(),
                path_hash(item.path).into(),
                item.git_blob.as_bytes().into(),
                mode_number(item.mode).into(),
                item.kind.as_str().into(),
                item.language.into(),
                i64::from(item.restricted).into(),
                item.delete_after.into(),
                0_i64.into(),
            ]);
            rows.push(id);
        }
        let into =
            "item_row (id, tombstone, batch_id, artifact_id, path, path_hash, git_blob, mode,
           kind, language, restricted, delete_after, hidden)";
        insert_rows(self.driver, into, &new)?;
        Ok(rows)
    }

    /// The rows of those of the items that are there.
    fn rows_of(&mut self, items: &[NewItem<'_>]) -> Result<BTreeMap<TombstoneId, i64>> {
        let mut known = BTreeMap::new();
        let damaged = || Error::damaged("item", "a row", "its id is none");
        for some in items.chunks(COMPLETED_AT_ONCE) {
            let marks = vec!["?"; some.len()].join(", ");
            let sql = format!("SELECT tombstone, id FROM item_row WHERE tombstone IN ({marks})");
            let ids: Vec<Value> =
                some.iter().map(|item| item.tombstone.as_bytes().as_slice().into()).collect();
            for row in self.driver.query(&sql, &ids)? {
                let id = TombstoneId::from_slice(row.bytes(0)?).ok_or_else(damaged)?;
                known.insert(id, row.int(1)?);
            }
        }
        Ok(known)
    }

    /// Restriction only ever tightens here; loosening is a matter of governance. The mode is no part
    /// of the id: the file may have become executable since.
    fn move_item(&mut self, id: i64, item: &NewItem<'_>) -> Result<()> {
        self.driver.execute(
            "UPDATE item_row SET batch_id = ?, artifact_id = ?, git_blob = ?, mode = ?,
               kind = ?, language = ?, hidden = 0, restored_at = NULL,
               restricted = CASE WHEN restricted = 1 THEN 1 ELSE ? END,
               delete_after = COALESCE(?, delete_after) WHERE id = ?",
            &[
                item.batch_id.into(),
                item.artifact_id.into(),
                item.git_blob.as_bytes().into(),
                mode_number(item.mode).into(),
                item.kind.as_str().into(),
                item.language.into(),
                i64::from(item.restricted).into(),
                item.delete_after.into(),
                id.into(),
            ],
        )?;
        Ok(())
    }

    /// Adds a tag to an item, if it has not got it.
    pub fn add_tag(&mut self, item: i64, tag: &str) -> Result<()> {
        let at = [Value::from(item), tag.into()];
        let sql = "SELECT COUNT(*) FROM tag WHERE item_id = ? AND tag = ?";
        if self.driver.query(sql, &at)?[0].int(0)? == 0 {
            self.driver.execute("INSERT INTO tag (item_id, tag) VALUES (?, ?)", &at)?;
        }
        Ok(())
    }

    /// Sets a key of an item's metadata.
    pub fn set_metadata(&mut self, item: i64, key: &str, value: &str) -> Result<()> {
        let sql = "UPDATE metadata SET v = ? WHERE item_id = ? AND k = ?";
        if self.driver.execute(sql, &[value.into(), item.into(), key.into()])? == 0 {
            let sql = "INSERT INTO metadata (item_id, k, v) VALUES (?, ?, ?)";
            self.driver.execute(sql, &[item.into(), key.into(), value.into()])?;
        }
        Ok(())
    }

    /// Notes that an item was put back into a tree, or (`None`) that it was archived again.
    pub fn set_restored(&mut self, item: i64, at: Option<&str>) -> Result<()> {
        let sql = "UPDATE item_row SET restored_at = ? WHERE id = ?";
        self.driver.execute(sql, &[at.into(), item.into()]).map(|_| ())
    }

    /// Moves an item back to the batch of an older deed.
    pub fn set_deed(&mut self, item: i64, deed: &DeedId, reason: &str) -> Result<()> {
        let sql =
            "UPDATE item_row SET batch_id = (SELECT id FROM batch WHERE deed = ? AND reason = ?)
             WHERE id = ? AND EXISTS (SELECT 1 FROM batch WHERE deed = ? AND reason = ?)";
        let deed = Value::from(deed.as_bytes().as_slice());
        let values = [deed.clone(), reason.into(), item.into(), deed, reason.into()];
        self.driver.execute(sql, &values).map(|_| ())
    }

    /// Hides an item whose deed came to nothing, or shows it again.
    pub fn set_hidden(&mut self, item: i64, hidden: bool) -> Result<()> {
        let sql = "UPDATE item_row SET hidden = ? WHERE id = ?";
        self.driver.execute(sql, &[i64::from(hidden).into(), item.into()]).map(|_| ())
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
        let sql = format!(
            "{} WHERE i.path_hash = ? AND i.path = ? AND b.repo = ? AND i.hidden = 0
             ORDER BY i.batch_id DESC, i.id DESC",
            self.query_of_items()
        );
        let at = [path_hash(path).into(), path.to_string().into(), repo.into()];
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
        let (mut clauses, mut values) = filter.clauses(self.driver.dialect(), self.is_governed);
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

/// Eight bytes of a path's SHA-256 as a number: an index on it serves paths of any length.
pub(super) fn path_hash(path: &RepoPath) -> i64 {
    let digest = Digest::of(path.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    i64::from_be_bytes(first)
}

fn mode_number(mode: FileMode) -> i64 {
    match mode {
        FileMode::Regular => 0o100_644,
        FileMode::Executable => 0o100_755,
    }
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
        path: RepoPath::parse(row.text(3)?).ok_or_else(|| damaged("path"))?,
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
