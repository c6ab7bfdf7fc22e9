//! Segments as they stand in the index or a commit; never as they stand in the work tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::evidence::{
    Action, Record, SEGMENT_FOLDER, Segment, is_segment_path, segment_signed_by, statement_of_last,
};
use crate::git::{IndexScope, Repository};
use crate::model::{GitOid, RepoPath, TombstoneId};
use crate::policy::NAMESPACE;
use crate::policy::signature::made_by;

/// The largest file that is read as a signature, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 << 10;

/// A file in the folder of segments that is not a valid segment.
#[derive(Debug)]
pub struct BadSegment {
    /// Where it is.
    pub path: RepoPath,
    /// What is wrong with it.
    pub why: String,
}

/// The segments among `files`, and those that are none.
pub fn load(
    repository: &Repository,
    files: impl IntoIterator<Item = (RepoPath, GitOid)>,
) -> Result<(Vec<Segment>, Vec<BadSegment>)> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut signatures: BTreeMap<RepoPath, Vec<(RepoPath, GitOid)>> = BTreeMap::new();
    for (path, oid) in files {
        if let Some(segment) = segment_signed_by(&path) {
            signatures.entry(segment).or_default().push((path, oid));
            continue;
        }
        if !is_segment_path(&path) {
            bad.push(BadSegment { path, why: "its name is not one of a segment".to_owned() });
            continue;
        }
        let parsed = match repository.blob(&oid)? {
            Some(bytes) => Segment::parse(&path, &bytes).map_err(|fault| fault.to_string()),
            None => Err(format!("git has no object {oid}")),
        };
        match parsed {
            Ok(segment) => good.push(segment),
            Err(why) => {
                signatures.remove(&path);
                bad.push(BadSegment { path, why });
            }
        }
    }
    for segment in &mut good {
        let versions = signatures.remove(&segment.path).unwrap_or_default();
        segment.signature = signature_among(repository, segment, &versions)?;
    }
    for (path, _) in signatures.into_values().flatten() {
        let why = "it is a signature, and the segment that it is of is not there".to_owned();
        bad.push(BadSegment { path, why });
    }
    Ok((good, bad))
}

/// The signature of `segment` among several versions of its file: the one that is over its last
/// record, else any.
fn signature_among(
    repository: &Repository,
    segment: &Segment,
    versions: &[(RepoPath, GitOid)],
) -> Result<Option<String>> {
    let mut found = None;
    for (_, oid) in versions {
        // What is larger is no signature, and is not held in memory to find that out.
        let is_small = repository.blob_size(oid)?.is_some_and(|size| size <= MAX_SIGNATURE_BYTES);
        let bytes = if is_small { repository.blob(oid)?.unwrap_or_default() } else { Vec::new() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let statement = statement_of_last(&segment.lines).unwrap_or_default();
        if made_by(statement.as_bytes(), &text, NAMESPACE).is_ok() {
            return Ok(Some(text));
        }
        found = Some(text);
    }
    Ok(found)
}

/// The segments in the index whose bytes `wanted` takes. What is passed over is not parsed: a segment
/// may hold the records of a hundred thousand items.
pub fn in_index_where(
    repository: &Repository,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in repository.index(IndexScope::Folder(SEGMENT_FOLDER))? {
        if !is_segment_path(&entry.path) {
            continue;
        }
        let bytes = repository.blob(&entry.oid)?.filter(|bytes| wanted(bytes));
        segments.extend(bytes.and_then(|bytes| Segment::parse(&entry.path, &bytes).ok()));
    }
    Ok(segments)
}

/// The segments in the index.
pub fn in_index(repository: &Repository) -> Result<(Vec<Segment>, Vec<BadSegment>)> {
    let entries = repository.index(IndexScope::Folder(SEGMENT_FOLDER))?;
    load(repository, entries.into_iter().map(|entry| (entry.path, entry.oid)))
}

/// What a pull request has to cite: the segments in the index that the merge base with the
/// upstream lacks; without an upstream, that HEAD lacks.
pub fn unpublished(repository: &Repository) -> Result<Vec<Segment>> {
    let head = repository.head()?;
    let bases = match (repository.resolve_commit("@{upstream}"), &head) {
        (Ok(upstream), Some(head)) => repository.merge_bases(&upstream, head)?,
        (Err(Error::NotFound { .. }), _) => head.into_iter().collect(),
        (Err(error), _) => return Err(error),
        (Ok(_), None) => Vec::new(),
    };
    let mut known = BTreeSet::new();
    for base in bases {
        let entries = repository.list_tree(&base, Some(SEGMENT_FOLDER))?;
        known.extend(entries.into_iter().map(|entry| entry.path));
    }
    let entries = repository.index(IndexScope::Folder(SEGMENT_FOLDER))?;
    let new = entries.into_iter().filter(|entry| !known.contains(&entry.path));
    let (mut segments, bad) = load(repository, new.map(|entry| (entry.path, entry.oid)))?;
    if let Some(bad) = bad.first() {
        return Err(Error::damaged("segment", bad.path.to_string(), &*bad.why));
    }
    segments.sort_by_key(|segment| {
        segment.lines.first().map(|(record, _)| (record.ts, record.log, record.seq))
    });
    Ok(segments)
}

/// What the tree's evidence says last of each item: by time, and by number within one log.
pub fn last_records(segments: &[Segment]) -> BTreeMap<TombstoneId, Record> {
    let mut last: BTreeMap<TombstoneId, Record> = BTreeMap::new();
    let order = |record: &Record| -> (Timestamp, u64) { (record.ts, record.seq) };
    for (record, _) in segments.iter().flat_map(|segment| &segment.lines) {
        let Some(id) = record.event.tombstone else { continue };
        let about_tree =
            matches!(record.event.action, Action::Archive | Action::Restore | Action::StubDrop);
        let newer = last.get(&id).is_none_or(|known| {
            if known.log == record.log {
                known.seq < record.seq
            } else {
                order(known) < order(record)
            }
        });
        if about_tree && newer {
            last.insert(id, record.clone());
        }
    }
    last
}
