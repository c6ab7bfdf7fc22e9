//! What the evidence says of an item, a path or the last deed: records out of the archive and out
//! of the tree's segments, each once.

use std::collections::HashSet;
use std::ffi::OsStr;

use memchr::memmem;
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::evidence::Record;
use crate::model::{Digest, RepoPath, TombstoneId};

use super::{Archive, Workspace, find, record_of, repo_path, segments};

/// A record, and where it was read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// Its digest.
    pub digest: Digest,
    /// Whether it is in this archive; if not, a segment of the tree holds it.
    pub in_archive: bool,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let line = self.record.render().map_err(serde::ser::Error::custom)?;
        let mut value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line).map_err(serde::ser::Error::custom)?;
        value.insert("digest".to_owned(), self.digest.to_string().into());
        value.insert("in_archive".to_owned(), self.in_archive.into());
        value.serialize(serializer)
    }
}

/// What a history is about.
struct Subject {
    id: Option<TombstoneId>,
    /// Everything that was archived at this path, whatever its content.
    path: Option<RepoPath>,
}

impl Subject {
    /// What stands in every line about it.
    fn needles(&self) -> Vec<String> {
        let id = self.id.map(|id| id.to_string());
        let path = self.path.as_ref().map(|path| format!("\"{path}\""));
        id.into_iter().chain(path).collect()
    }

    fn fits(&self, record: &Record) -> bool {
        let event = &record.event;
        (self.id.is_some() && event.tombstone == self.id)
            || (self.path.is_some() && event.path == self.path)
    }
}

/// The records about `target` (an id, a path, or the first digits of an id), newest first.
pub fn history(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    target: &OsStr,
) -> Result<Vec<Entry>> {
    let mut archive = archive;
    let subject = subject(workspace, archive.as_deref_mut(), target)?;
    let mut entries = Vec::new();
    if let Some(archive) = archive {
        let mut rows = Vec::new();
        if let Some(id) = &subject.id {
            rows.extend(archive.catalog().item(id, true)?.map(|item| item.row_id));
        }
        if let (Some(path), Some(label)) = (&subject.path, workspace.label()) {
            let items = archive.catalog().items_at(label.as_str(), path)?;
            rows.extend(items.iter().map(|item| item.row_id));
        }
        rows.sort_unstable();
        rows.dedup();
        for row in rows {
            for stored in archive.ledger().records_about(row)? {
                let (record, digest) = (record_of(&stored)?, stored.digest);
                entries.push(Entry { record, digest, in_archive: true });
            }
        }
    }
    let needles = subject.needles();
    let holds_news = |bytes: &[u8], known: &HashSet<Digest>| {
        let has =
            |line: &[u8]| needles.iter().any(|it| memmem::find(line, it.as_bytes()).is_some());
        has(bytes)
            && bytes
                .split(|byte| *byte == b'\n')
                .any(|line| has(line) && !known.contains(&Digest::of(line)))
    };
    add_segments(workspace, &mut entries, holds_news, |record| subject.fits(record))?;
    if entries.is_empty() {
        let object = crate::model::escape_line(&target.to_string_lossy());
        let why = "neither the archive nor the tree's evidence knows it".to_owned();
        return Err(Error::NotFound { action: "find", object, why });
    }
    Ok(sorted(entries))
}

fn subject(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    target: &OsStr,
) -> Result<Subject> {
    let here = repo_path("find", &workspace.top, &workspace.cwd, target).ok().flatten();
    match find(workspace, archive, target) {
        Ok(found) => {
            let (id, path) = (Some(found.item.tombstone), found.item.path);
            let named = found.stub_path.is_some() || here.as_ref() == Some(&path);
            Ok(Subject { id, path: named.then_some(path) })
        }
        // A path may be known to the tree's evidence alone.
        Err(Error::NotFound { .. }) if here.is_some() => Ok(Subject { id: None, path: here }),
        Err(error) => Err(error),
    }
}

/// The newest records, newest first, at most `limit`.
pub fn newest(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    limit: usize,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut known = HashSet::new();
    if let Some(archive) = archive {
        for stored in archive.ledger().newest(limit as u64)? {
            let (record, digest) = (record_of(&stored)?, stored.digest);
            entries.push(Entry { record, digest, in_archive: true });
        }
        let logs = archive.ledger().logs()?;
        known.extend(logs.into_iter().map(|log| log.log));
    }
    // What a log of this archive says is in the archive already, or older than what was asked for.
    let holds_news = |bytes: &[u8], _: &HashSet<Digest>| {
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // All records of a segment are of one log.
        Record::parse(first).map_or(true, |record| !known.contains(&record.log))
    };
    add_segments(workspace, &mut entries, holds_news, |record| !known.contains(&record.log))?;
    let mut entries = sorted(entries);
    entries.truncate(limit);
    Ok(entries)
}

/// The records of the last deed of this archive, in order.
pub fn last_deed(archive: &mut Archive) -> Result<Vec<Entry>> {
    let Some(last) = archive.ledger().newest(1)?.pop() else { return Ok(Vec::new()) };
    let stored = archive.ledger().records_of(&last.deed)?;
    let entry = |stored| {
        let record = record_of(stored)?;
        Ok(Entry { record, digest: stored.digest, in_archive: true })
    };
    stored.iter().map(entry).collect()
}

/// Adds the records of the index's segments that `fits` takes and that are not there yet; segments
/// of which `holds_news` says no are not parsed.
fn add_segments(
    workspace: &Workspace,
    entries: &mut Vec<Entry>,
    holds_news: impl Fn(&[u8], &HashSet<Digest>) -> bool,
    fits: impl Fn(&Record) -> bool,
) -> Result<()> {
    let Some(repository) = &workspace.repository else { return Ok(()) };
    let mut known: HashSet<Digest> = entries.iter().map(|entry| entry.digest).collect();
    let segments = segments::in_index_where(repository, |bytes| holds_news(bytes, &known))?;
    for (record, digest) in segments.into_iter().flat_map(|segment| segment.lines) {
        if fits(&record) && known.insert(digest) {
            entries.push(Entry { record, digest, in_archive: false });
        }
    }
    Ok(())
}

/// Newest first: by time, and by number within one moment.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| {
        let order = |entry: &Entry| (entry.record.ts, entry.record.seq);
        order(b).cmp(&order(a))
    });
    entries
}
