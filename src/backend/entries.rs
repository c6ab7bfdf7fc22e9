//! Whole entries of memory: written, found by id or content, and read page by page.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::{Digest, Entry, EntryId};

use super::catalog::{digest_of, reserve};
use super::{Memory, Row, Value};

const ENTRY: &str = "SELECT e.id, e.uuid, p.name, e.type, e.title, e.body, e.source, e.session,
  e.content_sha256, e.created_at, e.updated_at
FROM entry e JOIN project p ON p.id = e.project_id";

/// What entries belong to.
#[derive(Debug, Clone)]
pub struct ProjectRow {
    /// Its row.
    pub row_id: i64,
    /// Its name.
    pub name: String,
    /// When the first entry came, RFC 3339.
    pub created_at: String,
}

impl Memory<'_> {
    /// Writes an entry, and its project where that is new; its row.
    pub fn add_entry(&mut self, entry: &Entry) -> Result<i64> {
        let project = self.project(&entry.project, &entry.created_at)?;
        let row = reserve(self.driver, "entry", 1)?;
        self.driver.execute(
            "INSERT INTO entry (id, uuid, project_id, type, title, body, source, session,
               content_sha256, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                row.into(),
                entry.id.as_bytes().as_slice().into(),
                project.into(),
                entry.entry_type.as_str().into(),
                entry.title.as_str().into(),
                entry.body.as_str().into(),
                entry.source_ref.as_deref().into(),
                entry.session_id.as_deref().into(),
                entry.content_sha256.as_bytes().as_slice().into(),
                entry.created_at.as_str().into(),
                entry.updated_at.as_str().into(),
            ],
        )?;
        for tag in &entry.tags {
            self.driver.execute(ADD_TAG, &[row.into(), tag.as_str().into()])?;
        }
        for (key, value) in &entry.metadata {
            let values = [value.as_str().into(), row.into(), key.as_str().into()];
            self.driver.execute(ADD_METADATA, &values)?;
        }
        Ok(row)
    }

    /// The projects behind the row `after`, at most `limit`.
    pub fn projects(&mut self, after: i64, limit: u64) -> Result<Vec<ProjectRow>> {
        let sql = "SELECT id, name, created_at FROM project WHERE id > ? ORDER BY id LIMIT ?";
        let rows = self.driver.query(sql, &[after.into(), limit.into()])?;
        let project = |row: &Row| {
            let (name, created_at) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
            Ok(ProjectRow { row_id: row.int(0)?, name, created_at })
        };
        rows.iter().map(project).collect()
    }

    /// The row of a project, which is made where it is missing.
    pub fn project(&mut self, name: &str, at: &str) -> Result<i64> {
        let sql = "SELECT id FROM project WHERE name = ?";
        if let Some(row) = self.driver.query(sql, &[name.into()])?.first() {
            return row.int(0);
        }
        let row = reserve(self.driver, "project", 1)?;
        let sql = "INSERT INTO project (id, name, created_at) VALUES (?, ?, ?)";
        self.driver.execute(sql, &[row.into(), name.into(), at.into()])?;
        Ok(row)
    }

    /// Brings the title, tags and metadata of the entry in `row` to those of `now`, which has all
    /// tags and keys of `before`.
    pub fn annotate(&mut self, row: i64, before: &Entry, now: &Entry) -> Result<()> {
        let sql = "UPDATE entry SET title = ?, updated_at = ? WHERE id = ?";
        let values = [now.title.as_str().into(), now.updated_at.as_str().into(), row.into()];
        self.driver.execute(sql, &values)?;
        for tag in now.tags.difference(&before.tags) {
            self.driver.execute(ADD_TAG, &[row.into(), tag.as_str().into()])?;
        }
        let is_new = |it: &(&String, &String)| before.metadata.get(it.0) != Some(it.1);
        for (key, value) in now.metadata.iter().filter(is_new) {
            let known = before.metadata.contains_key(key);
            let sql = if known { SET_METADATA } else { ADD_METADATA };
            self.driver.execute(sql, &[value.as_str().into(), row.into(), key.as_str().into()])?;
        }
        Ok(())
    }

    /// The entry with this id, and its row.
    pub fn entry(&mut self, id: &EntryId) -> Result<Option<(i64, Entry)>> {
        let sql = format!("{ENTRY} WHERE e.uuid = ?");
        let found = self.whole(&sql, &[id.as_bytes().as_slice().into()])?;
        Ok(found.into_iter().next())
    }

    /// The oldest entry with this content, and its row.
    pub fn entry_of_content(&mut self, content: &Digest) -> Result<Option<(i64, Entry)>> {
        let sql = format!("{ENTRY} WHERE e.content_sha256 = ? ORDER BY e.id LIMIT 1");
        let found = self.whole(&sql, &[content.as_bytes().as_slice().into()])?;
        Ok(found.into_iter().next())
    }

    /// The entries behind the row `after`, at most `limit`, each with its row.
    pub fn whole_entries(&mut self, after: i64, limit: u64) -> Result<Vec<(i64, Entry)>> {
        let sql = format!("{ENTRY} WHERE e.id > ? ORDER BY e.id LIMIT {limit}");
        self.whole(&sql, &[after.into()])
    }

    /// The ids from `first` to `last`, at most `limit`.
    pub fn ids_between(
        &mut self,
        first: &EntryId,
        last: &EntryId,
        limit: u64,
    ) -> Result<Vec<EntryId>> {
        let sql = format!(
            "SELECT uuid FROM entry WHERE uuid >= ? AND uuid <= ? ORDER BY uuid LIMIT {limit}"
        );
        let values = [first, last].map(|id| id.as_bytes().as_slice().into());
        self.driver.query(&sql, &values)?.iter().map(|row| id_of(row, 0)).collect()
    }

    /// The number of all entries.
    pub fn total_entries(&mut self) -> Result<u64> {
        self.driver.query("SELECT COUNT(*) FROM entry", &[])?[0].unsigned(0)
    }

    /// The entries of a query, in the order of their rows, with tags and metadata.
    fn whole(&mut self, sql: &str, values: &[Value]) -> Result<Vec<(i64, Entry)>> {
        let rows = self.driver.query(sql, values)?;
        let mut found = rows.iter().map(entry_of).collect::<Result<BTreeMap<i64, Entry>>>()?;
        let (Some((&first, _)), Some((&last, _))) =
            (found.first_key_value(), found.last_key_value())
        else {
            return Ok(Vec::new());
        };
        let range = [first.into(), last.into()];
        let sql = "SELECT entry_id, tag FROM entry_tag WHERE entry_id >= ? AND entry_id <= ?";
        for row in &self.driver.query(sql, &range)? {
            if let Some(entry) = found.get_mut(&row.int(0)?) {
                entry.tags.insert(row.text(1)?.to_owned());
            }
        }
        if self.has_metadata {
            let sql =
                "SELECT entry_id, k, v FROM entry_metadata WHERE entry_id >= ? AND entry_id <= ?";
            for row in &self.driver.query(sql, &range)? {
                if let Some(entry) = found.get_mut(&row.int(0)?) {
                    entry.metadata.insert(row.text(1)?.to_owned(), row.text(2)?.to_owned());
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}

const ADD_TAG: &str = "INSERT INTO entry_tag (entry_id, tag) VALUES (?, ?)";

const ADD_METADATA: &str = "INSERT INTO entry_metadata (v, entry_id, k) VALUES (?, ?, ?)";

const SET_METADATA: &str = "UPDATE entry_metadata SET v = ? WHERE entry_id = ? AND k = ?";

fn id_of(row: &Row, column: usize) -> Result<EntryId> {
    let damaged = || Error::damaged("entry", "a row", "its id is none");
    EntryId::from_slice(row.bytes(column)?).ok_or_else(damaged)
}

fn entry_of(row: &Row) -> Result<(i64, Entry)> {
    let entry = Entry {
        id: id_of(row, 1)?,
        project: row.text(2)?.to_owned(),
        entry_type: row.text(3)?.to_owned(),
        title: row.text(4)?.to_owned(),
        body: row.text(5)?.to_owned(),
        source_ref: row.text_or_null(6)?.map(str::to_owned),
        session_id: row.text_or_null(7)?.map(str::to_owned),
        tags: BTreeSet::new(),
        metadata: BTreeMap::new(),
        content_sha256: digest_of(row, 8)?,
        created_at: row.text(9)?.to_owned(),
        updated_at: row.text(10)?.to_owned(),
    };
    Ok((row.int(0)?, entry))
}
