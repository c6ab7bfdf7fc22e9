//! What a transfer brings of memory: entries with their projects, and the runs of retention.
//!
//! Promises: an entry goes in only if its digest is that of its content, and is read back; a page
//! of them goes in together, so that little memory does and an interrupted transfer goes on; what is
//! there keeps its title and loses nothing.

use crate::backend::Memory;
use crate::error::{Error, Result};
use crate::evidence::Action;
use crate::model::Entry;

use super::Archive;
use super::transfer::{Moved, TransferReport};

/// Entries that are read, and written by one transaction: each may have a mebibyte of text.
const ENTRIES: u64 = 32;

/// Projects that are.
const PROJECTS: u64 = 500;

/// Runs that are: each names up to a thousand ids.
const RUNS: u64 = 100;

/// The first schema with memory.
const MEMORY_SINCE: i64 = 4;

/// When an entry counts as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// When one has its id: all others come as they stand.
    ById,
    /// When one has its id, or its content under another.
    ByContent,
}

impl Merge {
    /// A copy has everything as it stands; what is imported becomes part of what there is.
    pub fn of(action: &Action) -> Self {
        if *action == Action::Import { Self::ByContent } else { Self::ById }
    }
}

/// Brings the entries of `from` into `to`.
pub fn move_memory(
    from: &mut Archive,
    to: &mut Archive,
    merge: Merge,
    report: &mut TransferReport,
) -> Result<()> {
    if from.schema_version()? < MEMORY_SINCE {
        return Ok(());
    }
    move_projects(from, to)?;
    let (mut after, mut seen) = (0, 0);
    loop {
        let page = from.memory().whole_entries(after, ENTRIES)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        seen += page.len() as u64;
        let entries: Vec<Entry> = page.into_iter().map(|(_, entry)| entry).collect();
        if let Some(odd) = entries.iter().find(|entry| !entry.is_whole()) {
            let why = "its text is not what was saved";
            return Err(Error::damaged("entry", odd.id.to_string(), why));
        }
        let rows = to.add_artifacts_with(|transaction| {
            let mut memory = transaction.memory();
            entries.iter().map(|entry| put(&mut memory, entry, merge)).collect::<Result<Vec<_>>>()
        })?;
        check(to, &entries, &rows)?;
        rows.iter().for_each(|row| report.entries.count(row.is_some()));
    }
    if seen != from.memory().total_entries()? {
        let why = "some of its entries of memory name no project";
        return Err(Error::damaged("archive", report.from.clone(), why));
    }
    Ok(())
}

fn move_projects(from: &mut Archive, to: &mut Archive) -> Result<()> {
    let mut after = 0;
    loop {
        let page = from.memory().projects(after, PROJECTS)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.row_id;
        to.add_artifacts_with(|transaction| {
            let mut memory = transaction.memory();
            page.iter().try_for_each(|it| memory.project(&it.name, &it.created_at).map(drop))
        })?;
    }
}

/// Writes an entry unless it is there, and adds what the one that is there lacks; the row of a new
/// one.
fn put(memory: &mut Memory<'_>, entry: &Entry, merge: Merge) -> Result<Option<i64>> {
    let known = match (memory.entry(&entry.id)?, merge) {
        (None, Merge::ByContent) => memory.entry_of_content(&entry.content_sha256)?,
        (known, _) => known,
    };
    let Some((row, there)) = known else { return memory.add_entry(entry).map(Some) };
    if there.content_sha256 != entry.content_sha256 {
        let why = "two archives have different texts under this id";
        return Err(Error::damaged("entry", entry.id.to_string(), why));
    }
    let mut merged = there.clone();
    merged.tags.extend(entry.tags.iter().cloned());
    for (key, value) in &entry.metadata {
        merged.metadata.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if merged != there {
        merged.updated_at = there.updated_at.clone().max(entry.updated_at.clone());
        memory.annotate(row, &there, &merged)?;
    }
    Ok(None)
}

/// Reads the new entries back: their rows follow one another.
fn check(to: &mut Archive, entries: &[Entry], rows: &[Option<i64>]) -> Result<()> {
    let written: Vec<(i64, &Entry)> =
        rows.iter().zip(entries).filter_map(|(row, entry)| Some(((*row)?, entry))).collect();
    let Some((first, _)) = written.first() else { return Ok(()) };
    let back = to.memory().whole_entries(first - 1, written.len() as u64)?;
    let is_same = |(row, entry): &(i64, &Entry)| {
        // One with the same content may have added to its tags meanwhile.
        back.iter().any(|(at, it)| {
            (*at, it.id, &it.title) == (*row, entry.id, &entry.title)
                && it.content_sha256 == entry.content_sha256
                && it.is_whole()
        })
    };
    match written.iter().find(|it| !is_same(it)) {
        None => Ok(()),
        Some((_, entry)) => {
            let why = "it was not read back as it was written";
            Err(Error::damaged("entry", entry.id.to_string(), why))
        }
    }
}

/// Brings the runs of retention of `from` into `to`.
pub fn move_runs(from: &mut Archive, to: &mut Archive, moved: &mut Moved) -> Result<()> {
    if from.schema_version()? < MEMORY_SINCE {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let page = from.register().audit_rows(after, RUNS)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let new = to.add_artifacts_with(|transaction| {
            let mut register = transaction.register();
            let put = |(_, run): &(i64, _)| {
                let is_new = !register.has_audit(run)?;
                if is_new {
                    register.add_audit(run)?;
                }
                Ok(is_new)
            };
            page.iter().map(put).collect::<Result<Vec<bool>>>()
        })?;
        new.into_iter().for_each(|is_new| moved.count(is_new));
    }
}
