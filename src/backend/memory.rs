//! Entries of memory in the tables, as far as retention asks for them; whole ones are in
//! `entries.rs`.

use crate::error::{Error, Result};
use crate::model::EntryId;

use super::{Driver, LATEST_VERSION, Row, Value};

/// The first schema with metadata of entries.
const METADATA: i64 = 5;

/// The tables of memory.
pub struct Memory<'a> {
    pub(super) driver: &'a mut dyn Driver,
    /// Whether the schema has metadata of entries.
    pub(super) has_metadata: bool,
}

/// What retention looks at of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Row number; of no meaning outside its archive.
    pub row_id: i64,
    /// Its id.
    pub id: EntryId,
    /// The row of its project.
    pub project_row: i64,
    /// Its project.
    pub project: String,
    /// When it was saved, RFC 3339.
    pub created_at: String,
}

/// Which entries are looked through: of one project, or of all, up to a time.
#[derive(Debug, Clone)]
pub struct EntrySeek<'a> {
    /// The project.
    pub project: Option<&'a str>,
    /// The last time of saving that counts, RFC 3339.
    pub until: &'a str,
}

impl<'a> Memory<'a> {
    /// The memory behind `driver`, whose schema is the newest.
    pub fn new(driver: &'a mut dyn Driver) -> Self {
        Self::of_schema(driver, LATEST_VERSION)
    }

    /// The memory behind `driver`, whose schema is of this version.
    pub fn of_schema(driver: &'a mut dyn Driver, version: i64) -> Self {
        Self { driver, has_metadata: version >= METADATA }
    }

    /// The entries behind `after`, at most `limit`: project by project, the newest first.
    pub fn entries(
        &mut self,
        seek: &EntrySeek<'_>,
        after: Option<&EntryRow>,
        limit: u64,
    ) -> Result<Vec<EntryRow>> {
        let mut sql = "SELECT e.id, e.uuid, e.project_id, p.name, e.created_at
             FROM entry e JOIN project p ON p.id = e.project_id WHERE e.created_at <= ?"
            .to_owned();
        let mut values: Vec<Value> = vec![seek.until.into()];
        if let Some(project) = seek.project {
            sql.push_str(" AND p.name = ?");
            values.push(project.into());
        }
        if let Some(last) = after {
            sql.push_str(
                " AND (e.project_id > ? OR (e.project_id = ? AND (e.created_at < ?
                   OR (e.created_at = ? AND e.id < ?))))",
            );
            let at = Value::from(last.created_at.as_str());
            let project = Value::from(last.project_row);
            values.extend([project.clone(), project, at.clone(), at, last.row_id.into()]);
        }
        sql.push_str(&format!(
            " ORDER BY e.project_id, e.created_at DESC, e.id DESC LIMIT {limit}"
        ));
        self.driver.query(&sql, &values)?.iter().map(entry_of).collect()
    }

    /// The number of entries, of one project or of all, that were saved up to a time.
    pub fn entry_count(&mut self, seek: &EntrySeek<'_>) -> Result<u64> {
        let mut sql = "SELECT COUNT(*) FROM entry e JOIN project p ON p.id = e.project_id
             WHERE e.created_at <= ?"
            .to_owned();
        let mut values: Vec<Value> = vec![seek.until.into()];
        if let Some(project) = seek.project {
            sql.push_str(" AND p.name = ?");
            values.push(project.into());
        }
        self.driver.query(&sql, &values)?[0].unsigned(0)
    }

    /// Deletes an entry with its tags and metadata; whether it was there.
    pub fn forget(&mut self, id: &EntryId) -> Result<bool> {
        let key = Value::from(id.as_bytes().as_slice());
        for table in ["entry_tag", "entry_metadata"] {
            let own = "SELECT id FROM entry WHERE uuid = ?";
            let sql = format!("DELETE FROM {table} WHERE entry_id IN ({own})");
            self.driver.execute(&sql, std::slice::from_ref(&key))?;
        }
        Ok(self.driver.execute("DELETE FROM entry WHERE uuid = ?", &[key])? == 1)
    }
}

fn entry_of(row: &Row) -> Result<EntryRow> {
    let damaged = || Error::damaged("entry", "a row", "its id is none");
    Ok(EntryRow {
        row_id: row.int(0)?,
        id: EntryId::from_slice(row.bytes(1)?).ok_or_else(damaged)?,
        project_row: row.int(2)?,
        project: row.text(3)?.to_owned(),
        created_at: row.text(4)?.to_owned(),
    })
}
