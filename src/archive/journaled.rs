//! An open archive, and the one door to changing it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};

use crate::backend::{
    Catalog, Driver, Ledger, LogHead, Memory, NewRecord, Register, StoredRecord, schema_version,
};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::{Error, Result};
use crate::evidence::{Action, Event, Head, Journal, LastLine, Linked, Record, link_rendered};
use crate::logging::Timer;
use crate::model::{CloneId, DeedId, Digest, LogId, escape_line};
use crate::retry::Retry;

use super::maintenance::Deeds;
use super::pen::Pen;
use super::runs;
use super::stored::OpenRun;

/// An open archive.
pub struct Archive {
    pub(super) driver: Box<dyn Driver>,
    pub(super) journal: Journal,
    /// An append failed: the journal lacks records that the table has.
    pub(super) journal_lags: bool,
    pub(super) home: String,
    /// Whether it is on a server, where other clones write too.
    pub(super) shared: bool,
    /// This clone, once it writes to a server.
    pub(super) writer: Option<CloneId>,
    pub(super) now: Timestamp,
    pub(super) retry: Retry,
    /// Whether it is another archive than this clone's own, which the journal tells nothing of.
    pub(super) apart: bool,
    /// Since when the deed at hand is measured, if durations are.
    pub(super) measured: Option<Stopwatch>,
    pub(super) measures: bool,
    /// The version of its schema; whoever may write has brought it up to date.
    pub(super) schema: i64,
    /// What signs the evidence, where it is signed.
    pub(super) pen: Option<Pen>,
    /// Whether it is changed during maintenance too.
    pub(super) deeds: Deeds,
    /// The run of several artifacts that was read last.
    pub(super) open_run: Option<OpenRun>,
}

/// Who begins logs and changes schemas by itself.
pub(super) const PROGRAM: &str = "git-codex-archive";

/// The first schema with governance.
const GOVERNED: i64 = 4;

/// An event and the row of the item it is about.
pub type Deed = (Event, Option<i64>);

/// A write transaction; what is done in it is durable together with its records.
pub struct Transaction<'a> {
    driver: &'a mut dyn Driver,
    /// The time of the deed.
    pub now: Timestamp,
}

impl Transaction<'_> {
    /// Requests, approvals, holds and policies.
    pub fn register(&mut self) -> Register<'_> {
        Register::new(self.driver)
    }

    /// Items and artifacts.
    pub fn catalog(&mut self) -> Catalog<'_> {
        Catalog::new(self.driver)
    }

    /// What stands beside the records.
    pub fn ledger(&mut self) -> Ledger<'_> {
        Ledger::new(self.driver)
    }

    /// Entries of memory.
    pub fn memory(&mut self) -> Memory<'_> {
        Memory::new(self.driver)
    }
}

impl Archive {
    pub(super) fn driver(&mut self) -> &mut dyn Driver {
        self.driver.as_mut()
    }

    pub(super) fn retry(&self) -> Retry {
        self.retry
    }

    /// Begins to measure a deed; without this it is measured since the archive was opened.
    pub(super) fn measure(&mut self) {
        self.measured = self.measures.then(Stopwatch::start);
    }

    /// How long the deed has taken so far, for its record; `None` where durations are not measured.
    pub(super) fn measured_ms(&self) -> Option<u64> {
        self.measured.map(|since| since.elapsed_whole_ms())
    }

    /// Sets the time that the next deeds are recorded with, where one command does many.
    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Items and artifacts, for reading.
    pub fn catalog(&mut self) -> Catalog<'_> {
        Catalog::of_schema(self.driver.as_mut(), self.schema)
    }

    /// Requests, approvals, holds and policies, for reading.
    pub fn register(&mut self) -> Register<'_> {
        Register::new(self.driver.as_mut())
    }

    /// Entries of memory, for reading.
    pub fn memory(&mut self) -> Memory<'_> {
        Memory::of_schema(self.driver.as_mut(), self.schema)
    }

    /// Logs and records, for reading.
    pub fn ledger(&mut self) -> Ledger<'_> {
        Ledger::new(self.driver.as_mut())
    }

    /// An archive of an older schema has no governance: [`Error::OlderSchema`].
    pub fn check_governed(&self) -> Result<()> {
        let place = self.driver.place().to_owned();
        let (found, known) = (self.schema, Self::LATEST_SCHEMA);
        if found < GOVERNED { Err(Error::OlderSchema { place, found, known }) } else { Ok(()) }
    }

    /// The schema's version.
    pub fn schema_version(&mut self) -> Result<i64> {
        schema_version(self.driver.as_mut())
    }

    /// What the database itself complains of.
    pub fn integrity(&mut self) -> Result<Vec<String>> {
        self.driver.integrity()
    }

    /// Runs `work`, which only reads, on the archive as it is at one moment: what others write
    /// meanwhile is not seen in part.
    pub fn at_one_moment<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.driver.begin_reading()?;
        let done = work(self);
        self.driver.rollback();
        done
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The logs that nobody but this archive writes: of each label the newest, unless this file is
    /// a copy of the one in which it was begun. An older one may go on in another copy.
    pub fn own_logs(&mut self) -> Result<BTreeSet<LogId>> {
        let mut newest = BTreeMap::new();
        for head in self.ledger().logs()? {
            if let Some(home) = head.home {
                newest.insert(head.repo, (head.log, home));
            }
        }
        let own = newest.into_values().filter(|(_, home)| !is_copy(home, &self.home));
        Ok(own.map(|(log, _)| log).collect())
    }

    /// Writes artifacts outside any deed: bytes come first, and bytes alone mean nothing yet.
    pub fn add_artifacts<T>(
        &mut self,
        mut work: impl FnMut(&mut Catalog<'_>, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let now = self.now;
        self.transact(None, |archive| work(&mut archive.catalog(), now))
    }

    /// The same with all that a transaction offers.
    pub(super) fn add_artifacts_with<T>(
        &mut self,
        mut work: impl FnMut(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let now = self.now;
        self.transact(None, |archive| {
            let driver = archive.driver.as_mut();
            work(&mut Transaction { driver, now })
        })
    }

    /// Takes artifacts out again that no item speaks of.
    pub fn remove_artifacts(&mut self, artifacts: &[i64]) -> Result<()> {
        if artifacts.is_empty() {
            return Ok(());
        }
        self.add_artifacts(|catalog, _| runs::remove_unused(catalog, artifacts))
    }

    /// Runs `work` in a transaction, together with the records of the events it returns, and
    /// appends those to the journal. Nothing else changes what the archive says.
    pub fn journaled<T>(
        &mut self,
        repo: &str,
        deed: DeedId,
        mut work: impl FnMut(&mut Transaction<'_>) -> Result<(T, Vec<Deed>)>,
    ) -> Result<(T, Vec<(Record, Digest)>)> {
        let start = (LogId::random(), DeedId::random());
        let ((value, lines), records) = self.recorded(deed, |archive| {
            let (value, records, lines) = archive.in_transaction(repo, deed, start, &mut work)?;
            Ok(((value, lines), records))
        })?;
        self.append_to_journal(&lines)?;
        Ok((value, records))
    }

    /// Says that records came into the table that the journal lacks: the next deed appends them.
    pub(super) fn note_new_records(&mut self) {
        self.journal_lags = true;
    }

    /// Appends the lines of a deed that is recorded; behind an append that failed also what that
    /// one lacks, for the order of the journal is that of the table.
    fn append_to_journal(&mut self, lines: &[String]) -> Result<()> {
        if self.apart {
            return Ok(());
        }
        let _timer = Timer::phase("journal");
        let lagged = std::mem::replace(&mut self.journal_lags, true);
        if lagged {
            self.catch_up()?;
        } else {
            self.journal.append(lines)?;
        }
        self.journal_lags = false;
        Ok(())
    }

    #[expect(clippy::type_complexity, reason = "the parts of a deed, used once")]
    fn in_transaction<T>(
        &mut self,
        repo: &str,
        deed: DeedId,
        start: (LogId, DeedId),
        work: &mut impl FnMut(&mut Transaction<'_>) -> Result<(T, Vec<Deed>)>,
    ) -> Result<(T, Vec<(Record, Digest)>, Vec<String>)> {
        let now = self.now;
        let driver = self.driver.as_mut();
        let (value, deeds) = work(&mut Transaction { driver, now })?;
        let (events, items): (Vec<_>, Vec<_>) = deeds.into_iter().unzip();
        let mut lines = Vec::new();
        let head = self.current_head(repo, start, &mut lines)?;
        let records = self.append(&head, deed, now, events, &items, &mut lines)?;
        Ok((value, records, lines))
    }

    /// The head of the log to append to; begins a log where there is none, or where this file is
    /// a copy of the one the log was begun in.
    fn current_head(
        &mut self,
        repo: &str,
        start: (LogId, DeedId),
        lines: &mut Vec<String>,
    ) -> Result<LogHead> {
        let home = self.home.clone();
        let before = self.ledger().current_log(repo)?;
        if let Some(head) = &before {
            let known = head.home.as_deref().unwrap_or_default();
            if known == home {
                return Ok(head.clone());
            }
            if !is_copy(known, &home) {
                self.ledger().set_home(head.row_id, &home)?;
                return Ok(head.clone());
            }
        }
        // Records that came from another archive are continued, not begun anew.
        let before = match before {
            Some(head) => Some(head),
            None => self.ledger().newest_log(repo)?,
        };
        Ok(self.begin_log(repo, start, before.as_ref(), lines)?.0)
    }

    fn begin_log(
        &mut self,
        repo: &str,
        (log, deed): (LogId, DeedId),
        after: Option<&LogHead>,
        lines: &mut Vec<String>,
    ) -> Result<(LogHead, Vec<(Record, Digest)>)> {
        let archive = self.catalog().meta("archive")?.unwrap_or_default();
        let mut detail = Map::new();
        detail.insert("archive".to_owned(), json!(archive));
        if let Some(head) = after {
            let (log, seq, digest) = (head.log.to_string(), head.seq, head.digest.to_string());
            detail.insert("after".to_owned(), json!({"log": log, "seq": seq, "digest": digest}));
        }
        let mut event = Event::new(Action::LogStart, PROGRAM);
        event.repo = (!repo.is_empty()).then(|| repo.to_owned());
        event.detail = Some(detail);
        let home = self.home.clone();
        let empty = self.ledger().add_log(log, repo, &home)?;
        let now = self.now;
        let records = self.append(&empty, deed, now, vec![event], &[None], lines)?;
        let (record, digest) = &records[0];
        Ok((LogHead { seq: record.seq, digest: *digest, ..empty }, records))
    }

    fn append(
        &mut self,
        head: &LogHead,
        deed: DeedId,
        now: Timestamp,
        events: Vec<Event>,
        items: &[Option<i64>],
        lines: &mut Vec<String>,
    ) -> Result<Vec<(Record, Digest)>> {
        let at = Head { log: head.log, seq: head.seq, digest: head.digest };
        let linked = link_rendered(at, deed, now, events)?;
        let (mut records, mut rows) = (Vec::with_capacity(linked.len()), Vec::new());
        for (Linked { record, digest, rendered }, item_id) in linked.into_iter().zip(items) {
            lines.push(rendered.line);
            rows.push(NewRecord {
                digest,
                item_id: *item_id,
                action: record.event.action.as_str().to_owned(),
                body: rendered.body,
            });
            records.push((record, digest));
        }
        let writer = self.writer;
        self.ledger().append(head, deed, writer, &rows)?;
        Ok(records)
    }

    /// Begins a new log for `repo`, because the old one has a second writer.
    pub fn new_log(&mut self, repo: &str) -> Result<LogId> {
        let start = (LogId::random(), DeedId::random());
        let ((head, lines), _) = self.recorded(start.1, |archive| {
            let mut lines = Vec::new();
            let before = archive.ledger().current_log(repo)?;
            let (head, records) = archive.begin_log(repo, start, before.as_ref(), &mut lines)?;
            Ok(((head, lines), records))
        })?;
        self.append_to_journal(&lines).map(|()| head.log)
    }

    /// Appends to the journal what the table has and the journal, after a crash or a
    /// `git clean`, has not. A journal whose end the table does not know is left alone:
    /// `evidence verify` tells.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        if self.apart {
            return Ok(());
        }
        let mut after = match self.journal.tail()?.last {
            LastLine::Absent | LastLine::Empty => 0,
            LastLine::Line { record: Ok(record), digest } => {
                match self.ledger().digest_at(&record.log, record.seq)? {
                    Some((row, known)) if known == digest => row,
                    _ => return Ok(()),
                }
            }
            LastLine::Line { record: Err(_), .. } => return Ok(()),
        };
        loop {
            let records = match self.writer {
                // The rows between ours are other clones'.
                Some(writer) => self.ledger().records_by(&writer, after, 1000)?,
                None => self.ledger().records_after(after, 1000)?,
            };
            let Some(last) = records.last() else { return Ok(()) };
            after = last.row_id;
            let lines = records
                .iter()
                .map(|stored| record_of(stored)?.render())
                .collect::<Result<Vec<_>>>()?;
            self.journal.append(&lines)?;
        }
    }
}

/// The record that stands in the tables, rendered again and checked against its digest.
pub fn record_of(stored: &StoredRecord) -> Result<Record> {
    let name = || format!("{} of log {}", stored.seq, stored.log);
    let damaged = |why: String| Error::damaged("record", name(), why);
    if stored.body.is_empty() {
        return Err(damaged("its body is gone, or does not decode".to_owned()));
    }
    let (record, digest) =
        Record::from_row(stored.log, stored.seq, stored.prev, stored.deed, &stored.body)
            .map_err(|fault| damaged(escape_line(&fault.to_string())))?;
    if digest != stored.digest {
        let why =
            format!("it was edited: its digest is {digest}, the table says {}", stored.digest);
        return Err(damaged(why));
    }
    if stored.action != record.event.action.as_str() {
        let why = format!("its row calls it {}, and it is {}", stored.action, record.event.action);
        return Err(damaged(escape_line(&why)));
    }
    Ok(record)
}

/// Whether a file at `now` is a copy of the one at `then`: a moved file keeps its inode, one put
/// back from a backup keeps its path, a copied clone keeps neither.
fn is_copy(then: &str, now: &str) -> bool {
    if then == now {
        return false;
    }
    match (then.split_once(' '), now.split_once(' ')) {
        (Some((inode, path)), Some((inode_now, path_now))) => {
            inode != inode_now && path != path_now
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_copy_changes_both() {
        assert!(is_copy("1 /a", "2 /b"));
        assert!(!is_copy("1 /a", "1 /b"));
        assert!(!is_copy("1 /a", "2 /a"));
    }
}
