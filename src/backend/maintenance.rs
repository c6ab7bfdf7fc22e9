//! The marks of maintenance: in `meta`, so that everybody who opens the archive sees them.
//!
//! Promises: a mark is added and never changed, for a writer's role may do no more than that; the
//! newest one counts.

use crate::error::{Error, Result};

use super::Catalog;

/// What the keys of the marks begin with; their number stands behind it.
const PREFIX: &str = "maintenance.";

/// The first key behind all of theirs.
const BEHIND: &str = "maintenance/";

/// Digits of a number: keys stand in the order of the numbers.
const DIGITS: usize = 10;

impl Catalog<'_> {
    /// The newest mark: its number and its text. `None` where the archive was never in maintenance.
    pub fn newest_mark(&mut self) -> Result<Option<(u64, String)>> {
        let sql = "SELECT k, v FROM meta WHERE k >= ? AND k < ? ORDER BY k DESC LIMIT 1";
        let rows = self.driver.query(sql, &[PREFIX.into(), BEHIND.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let key = row.text(0)?;
        let number = key.strip_prefix(PREFIX).and_then(|it| it.parse().ok());
        let number = number.ok_or_else(|| {
            let key = crate::model::escape_line(key);
            Error::damaged("mark of maintenance", key, "its key has no number")
        })?;
        Ok(Some((number, row.text(1)?.to_owned())))
    }

    /// Adds the mark `number`.
    pub fn add_mark(&mut self, number: u64, text: &str) -> Result<()> {
        let key = format!("{PREFIX}{number:0DIGITS$}");
        let sql = "INSERT INTO meta (k, v) VALUES (?, ?)";
        self.driver.execute(sql, &[key.as_str().into(), text.into()]).map(|_| ())
    }
}
