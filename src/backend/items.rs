//! Items written: new ones, and what changes of those that are there.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::model::{DeedId, Digest, FileMode, GitOid, ItemKind, Reason, RepoPath, TombstoneId};

use super::driver::insert_rows;
use super::folders::parts;
use super::{Catalog, Value};

/// So many rows are asked for at once.
const ASKED_AT_ONCE: usize = 200;

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

impl Catalog<'_> {
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
            new.push((id, item));
            rows.push(id);
        }
        self.add_rows(&new)?;
        Ok(rows)
    }

    fn add_rows(&mut self, new: &[(i64, &NewItem<'_>)]) -> Result<()> {
        let columns = "id, tombstone, batch_id, artifact_id, path, path_hash, git_blob, mode,
           kind, language, restricted, delete_after, hidden";
        let paths: Vec<String> = new.iter().map(|(_, item)| item.path.to_string()).collect();
        if !self.is_slim {
            let row = |((id, item), path): (&(i64, &NewItem<'_>), &String)| {
                values_of(*id, item, path, path_hash(item.path))
            };
            let rows: Vec<_> = new.iter().zip(&paths).map(row).collect();
            return insert_rows(self.driver, &format!("item_row ({columns})"), &rows);
        }
        let folders = self.folders_of(&paths)?;
        let row = |((id, item), path): (&(i64, &NewItem<'_>), &String)| {
            let (folder, name) = parts(path);
            let mut values = [const { Value::Null }; 14];
            // An index finds the folder and the name: no number stands for the path.
            for (slot, value) in values.iter_mut().zip(values_of(*id, item, name, 0)) {
                *slot = value;
            }
            values[13] = folders.get(folder).copied().into();
            values
        };
        let rows: Vec<_> = new.iter().zip(&paths).map(row).collect();
        insert_rows(self.driver, &format!("item_row ({columns}, folder_id)"), &rows)
    }

    /// The rows of those of the items that are there.
    fn rows_of(&mut self, items: &[NewItem<'_>]) -> Result<BTreeMap<TombstoneId, i64>> {
        let mut known = BTreeMap::new();
        let damaged = || Error::damaged("item", "a row", "its id is none");
        for some in items.chunks(ASKED_AT_ONCE) {
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
    /// of the id: the file may have become executable since. Content has one object id for each of
    /// git's ways to hash; the first that was seen stays, for its records are read with it.
    fn move_item(&mut self, id: i64, item: &NewItem<'_>) -> Result<()> {
        self.driver.execute(
            "UPDATE item_row SET batch_id = ?, artifact_id = ?, mode = ?,
               kind = ?, language = ?, hidden = 0, restored_at = NULL,
               restricted = CASE WHEN restricted = 1 THEN 1 ELSE ? END,
               delete_after = COALESCE(?, delete_after) WHERE id = ?",
            &[
                item.batch_id.into(),
                item.artifact_id.into(),
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
}

/// Eight bytes of a path's SHA-256 as a number: an index on it serves paths of any length, which a
/// server's own cannot.
pub(super) fn path_hash(path: &RepoPath) -> i64 {
    let digest = Digest::of(path.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    i64::from_be_bytes(first)
}

/// What the columns of a new item hold that every archive has, but for who knows its path how.
fn values_of(id: i64, item: &NewItem<'_>, path: &str, path_hash: i64) -> [Value; 13] {
    [
        id.into(),
        item.tombstone.as_bytes().as_slice().into(),
        item.batch_id.into(),
        item.artifact_id.into(),
        path.into(),
        path_hash.into(),
        item.git_blob.as_bytes().into(),
        mode_number(item.mode).into(),
        item.kind.as_str().into(),
        item.language.into(),
        i64::from(item.restricted).into(),
        item.delete_after.into(),
        0_i64.into(),
    ]
}

fn mode_number(mode: FileMode) -> i64 {
    match mode {
        FileMode::Regular => 0o100_644,
        FileMode::Executable => 0o100_755,
    }
}
