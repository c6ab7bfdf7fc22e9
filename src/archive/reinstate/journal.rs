//! The journal after a restore: written anew, since it tells of what the archive knows no more.
//!
//! The record of the restore names the last line that the journal had. Whoever opens the archive for
//! changing and finds that line at the journal's end replaces it, so a crash in between costs nothing.

use crate::archive::Archive;
use crate::archive::journaled::record_of;
use crate::error::Result;
use crate::evidence::{Action, LastLine};
use crate::model::Digest;

/// The key in the record's detail that names the journal's last line.
pub(super) const REPLACED: &str = "journal";

/// How many records there may be behind that of a restore before anybody opened the archive: none,
/// but the logs that begin with it.
const NEWEST: u64 = 64;

/// How many records are rendered at once.
const PAGE: u64 = 1000;

/// The digest of the journal's last whole line.
pub(super) fn last_line(archive: &Archive) -> Result<Option<Digest>> {
    Ok(match archive.journal.tail()?.last {
        LastLine::Line { digest, .. } => Some(digest),
        LastLine::Absent | LastLine::Empty => None,
    })
}

impl Archive {
    /// Writes the journal anew where it ends with the line that a restore found there.
    pub(in crate::archive) fn replace_journal(&mut self) -> Result<()> {
        if self.apart || self.shared {
            return Ok(());
        }
        let LastLine::Line { digest, record } = self.journal.tail()?.last else { return Ok(()) };
        let known = match &record {
            Ok(record) => self.ledger().digest_at(&record.log, record.seq)?,
            Err(_) => None,
        };
        if known.is_some_and(|(_, known)| known == digest) || !self.is_replaced(&digest)? {
            return Ok(());
        }
        let journal = self.journal.clone();
        let mut after = 0;
        let pages = std::iter::from_fn(|| {
            let lines = self.lines_after(&mut after);
            lines.map(|lines| (!lines.is_empty()).then_some(lines)).transpose()
        });
        journal.rewrite(pages.flat_map(|page| match page {
            Ok(lines) => lines.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }))
    }

    fn lines_after(&mut self, after: &mut i64) -> Result<Vec<String>> {
        let page = self.ledger().records_after(*after, PAGE)?;
        *after = page.last().map_or(*after, |last| last.row_id);
        page.iter().map(|stored| record_of(stored)?.render()).collect()
    }

    fn is_replaced(&mut self, last: &Digest) -> Result<bool> {
        for stored in self.ledger().newest(NEWEST)? {
            if stored.action == Action::BackupRestore.as_str() {
                let detail = record_of(&stored)?.event.detail.unwrap_or_default();
                let named = detail.get(REPLACED).and_then(|it| it.as_str());
                return Ok(named == Some(last.to_string().as_str()));
            }
        }
        Ok(false)
    }
}
