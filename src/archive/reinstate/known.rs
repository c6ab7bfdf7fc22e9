//! What this clone knows beside the backup: its archive, its journal, and the segments that git
//! reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::archive::journaled::record_of;
use crate::archive::{Archive, Maintenance, Workspace};
use crate::backend::LedgerRow;
use crate::error::Result;
use crate::evidence::{Action, Record, SEGMENT_FOLDER, Segment, is_segment_path};
use crate::model::{Digest, LogId, escape_line};

use super::ReinstateReport;

/// Records that are read at once.
const PAGE: u64 = 1000;

/// How many of the records that the backup lacks are told.
const TOLD: usize = 20;

/// A record that the backup lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// When.
    pub ts: String,
    /// What was done.
    pub action: String,
    /// On what, where it was one path.
    pub path: Option<String>,
    /// The record's digest.
    pub digest: String,
    /// What knows of it: `archive`, `journal` or `segment`.
    pub known_by: &'static str,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", escape_line(&self.action))?;
        self.path.iter().try_for_each(|path| write!(f, " of {}", escape_line(path)))?;
        write!(f, " at {}", self.ts)
    }
}

/// Where a purge is known from.
pub(super) type Source = &'static str;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What was purged, by digest, item and time.
    pub purges: BTreeMap<(Digest, [u8; 16], String), (LedgerRow, Source)>,
    /// When content was let in again.
    readmitted: BTreeMap<Digest, String>,
    lost: BTreeMap<(String, Digest), Lost>,
    /// Up to which record each log is known that the backup breaks off.
    pub broken_off: BTreeMap<LogId, u64>,
    /// The maintenance that the archive here is in: by its own mark, or where it is lost by the
    /// journal.
    pub maintenance: Option<Maintenance>,
}

impl Known {
    /// Gathers what `live`, the journal and the segments know that `archive` may not.
    pub fn gather(
        workspace: &Workspace,
        live: Option<&mut Archive>,
        archive: &mut Archive,
    ) -> Result<Self> {
        let mut known = Self::default();
        for entry in archive.register().ledger()? {
            known.add_purge(entry, "backup");
        }
        let is_lost = live.is_none();
        if let Some(live) = live {
            known.maintenance = live.maintenance()?;
            known.add_archive(live, archive)?;
        }
        for line in archive.journal().lines()? {
            // What is no record is for `evidence verify` to tell.
            if let Ok((record, digest)) = line?.record() {
                known.add_record(&record, digest, "journal", archive)?;
                if let Some(after) = Maintenance::after(&record).filter(|_| is_lost) {
                    known.maintenance = after;
                }
            }
        }
        known.add_segments(workspace, archive)?;
        known.lift();
        Ok(known)
    }

    fn add_archive(&mut self, live: &mut Archive, archive: &mut Archive) -> Result<()> {
        if live.check_governed().is_ok() {
            for entry in live.register().ledger()? {
                self.add_purge(entry, "archive");
            }
        }
        let mut after = 0;
        loop {
            let page = live.ledger().records_after(after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.row_id;
            for stored in &page {
                if let Ok(record) = record_of(stored) {
                    self.add_record(&record, stored.digest, "archive", archive)?;
                }
            }
        }
    }

    /// Every version of every segment that any ref, tracking branch, stash or work tree reaches.
    fn add_segments(&mut self, workspace: &Workspace, archive: &mut Archive) -> Result<()> {
        let Some(repository) = &workspace.repository else { return Ok(()) };
        let own: BTreeSet<LogId> = archive
            .ledger()
            .logs()?
            .into_iter()
            .filter(|head| head.home.is_some())
            .map(|head| head.log)
            .collect();
        let mut files = repository.files_ever_in(SEGMENT_FOLDER)?;
        let index = repository.index(crate::git::IndexScope::Folder(SEGMENT_FOLDER))?;
        files.extend(index.into_iter().map(|entry| (entry.path, entry.oid)));
        for (path, oid) in files {
            if !is_segment_path(&path) {
                continue;
            }
            let Some(bytes) = repository.blob(&oid)? else { continue };
            let Ok(segment) = Segment::parse(&path, &bytes) else { continue };
            for (record, digest) in &segment.lines {
                // Other clones' archives have logs of their own, which were never in this one.
                if own.contains(&record.log) {
                    self.add_record(record, *digest, "segment", archive)?;
                } else {
                    self.add_governance(record, "segment");
                }
            }
        }
        Ok(())
    }

    fn add_record(
        &mut self,
        record: &Record,
        digest: Digest,
        source: Source,
        archive: &mut Archive,
    ) -> Result<()> {
        self.add_governance(record, source);
        let is_there = archive.ledger().digest_at(&record.log, record.seq)?;
        if is_there.is_some_and(|(_, known)| known == digest) || is_about_backups(record) {
            return Ok(());
        }
        let ts = record.ts.to_string();
        let lost = Lost {
            ts: ts.clone(),
            action: record.event.action.as_str().to_owned(),
            path: record.event.path.as_ref().map(ToString::to_string),
            digest: digest.to_string(),
            known_by: source,
        };
        self.lost.entry((ts, digest)).or_insert(lost);
        let last = self.broken_off.entry(record.log).or_default();
        *last = record.seq.max(*last);
        Ok(())
    }

    fn add_governance(&mut self, record: &Record, source: Source) {
        let event = &record.event;
        let at = record.ts.to_string();
        match (&event.action, event.sha256, event.tombstone) {
            (Action::Purge, Some(sha256), Some(tombstone)) => {
                let entry = LedgerRow {
                    sha256,
                    size_bytes: event.size.unwrap_or(u64::MAX >> 1),
                    tombstone,
                    reason: event.reason.clone().unwrap_or_default(),
                    at,
                    readmitted_at: None,
                };
                self.add_purge(entry, source);
            }
            (Action::Approve, Some(sha256), _) => {
                let detail = event.detail.as_ref();
                if detail.is_some_and(|it| it.contains_key("readmitted")) {
                    let known = self.readmitted.entry(sha256).or_default();
                    *known = at.max(known.clone());
                }
            }
            _ => {}
        }
    }

    fn add_purge(&mut self, entry: LedgerRow, source: Source) {
        let key = (entry.sha256, *entry.tombstone.as_bytes(), entry.at.clone());
        match self.purges.get_mut(&key) {
            Some((known, _)) if known.readmitted_at.is_none() => {
                known.readmitted_at = entry.readmitted_at;
            }
            Some(_) => {}
            None => drop(self.purges.insert(key, (entry, source))),
        }
    }

    /// Lets in what was let in again after it was purged.
    fn lift(&mut self) {
        for (entry, _) in self.purges.values_mut() {
            let later = self.readmitted.get(&entry.sha256).filter(|at| **at > entry.at);
            if entry.readmitted_at.is_none() {
                entry.readmitted_at = later.cloned();
            }
        }
    }

    /// Says what the backup lacks.
    pub fn tell(&self, report: &mut ReinstateReport) {
        report.lost_records = self.lost.len() as u64;
        let first = self.lost.len().saturating_sub(TOLD);
        report.lost = self.lost.values().skip(first).cloned().collect();
    }
}

/// Whether a record only tells of backups, of which the newest always lacks its own, or of maintenance,
/// which comes before a restore and is taken over.
fn is_about_backups(record: &Record) -> bool {
    matches!(
        record.event.action,
        Action::Backup
            | Action::BackupRestore
            | Action::Drill
            | Action::LogStart
            | Action::Maintenance
    )
}
