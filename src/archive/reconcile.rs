//! `reconcile`: brings the tree's stubs and its evidence together again, after a revert, a merge
//! or a rebase that knew nothing of them.
//!
//! Three things may be missing: a segment (it is put back), the record of what happened to a stub
//! (it is written), and the record of how a stub came (its deed is found, or the file is archived
//! now out of git's own object). A tree that is in order is left as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::backend::{NewBatch, NewItem};
use crate::blob::Encoder;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::evidence::{Action, Event, Record, SEGMENT_FOLDER, Segment};
use crate::git::{IndexScope, Repository};
use crate::model::{Actor, DeedId, GitOid, Item, Reason, RepoLabel, RepoPath, TombstoneId};
use crate::tombstone::{self, MAX_STUB_BYTES, Tombstone};

use super::journaled::{Archive, Deed};
use super::recovery::segment_of_last_archive;
use super::{Workspace, language, lookup, recovery, segments, tree};

const ACTION: &str = "reconcile";

/// A record that was written.
#[derive(Debug, Serialize)]
pub struct Reconciled {
    /// The path.
    pub path: String,
    /// ARCHIVE, RESTORE or STUB_DROP.
    pub action: String,
    /// The item.
    pub tombstone: String,
}

/// What was mended.
#[derive(Debug, Default, Serialize)]
pub struct ReconcileReport {
    /// Segments that were put back.
    pub segments_put_back: Vec<String>,
    /// Records that were written.
    pub recorded: Vec<Reconciled>,
    /// The segment that holds them, staged.
    pub evidence_segment: Option<String>,
    /// Stubs without a record whose content is not here either.
    pub helpless: Vec<String>,
}

/// Mends the index of `workspace`; stages what it adds.
pub fn reconcile(
    workspace: &Workspace,
    actor: &Actor,
    reason: Option<&str>,
) -> Result<ReconcileReport> {
    let repository = workspace.repository(ACTION)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    tree::check_index_free(repository)?;
    let mut report = ReconcileReport::default();
    put_back_segments(workspace, repository, &mut report)?;
    let stubs = stubs_in_index(repository)?;
    put_back_own(workspace, repository, &mut archive, &stubs, &mut report)?;
    let (segments, _) = segments::in_index(repository)?;
    let last = last_records(&segments);
    let mut plan = Plan { actor, reason: reason.unwrap_or(ACTION), events: Vec::new() };
    explain_stubs(workspace, &mut archive, &stubs, &last, &mut plan, &mut report)?;
    explain_absent(repository, &mut archive, &stubs, &last, &mut plan)?;
    write(workspace, repository, &mut archive, plan, &mut report)?;
    drop(lock);
    Ok(report)
}

struct Plan<'a> {
    actor: &'a Actor,
    reason: &'a str,
    events: Vec<Planned>,
}

struct Planned {
    event: Event,
    archive: Option<(Tombstone, i64)>,
    row: Option<i64>,
}

/// Puts back segments that this history, HEAD or a commit being merged had and the index lacks
/// or has altered.
fn put_back_segments(
    workspace: &Workspace,
    repository: &Repository,
    report: &mut ReconcileReport,
) -> Result<()> {
    let staged: BTreeMap<RepoPath, GitOid> = repository
        .index(IndexScope::Folder(SEGMENT_FOLDER))?
        .into_iter()
        .map(|entry| (entry.path, entry.oid))
        .collect();
    let mut wanted: BTreeMap<RepoPath, GitOid> = BTreeMap::new();
    wanted.extend(repository.deleted_in_history(SEGMENT_FOLDER)?);
    for commit in repository.head()?.into_iter().chain(repository.merge_heads()?) {
        let entries = repository.list_tree(&commit, Some(SEGMENT_FOLDER))?;
        wanted.extend(entries.into_iter().map(|entry| (entry.path, entry.oid)));
    }
    let missing = wanted.into_iter().filter(|(path, oid)| staged.get(path) != Some(oid));
    let (segments, _) = segments::load(repository, missing)?;
    put_back(workspace, repository, &segments, report)
}

fn put_back(
    workspace: &Workspace,
    repository: &Repository,
    segments: &[Segment],
    report: &mut ReconcileReport,
) -> Result<()> {
    for segment in segments {
        tree::write_segment(&workspace.top, segment)?;
        report.segments_put_back.push(segment.path.to_string());
    }
    let paths: Vec<RepoPath> = segments.iter().map(|segment| segment.path.clone()).collect();
    if paths.is_empty() { Ok(()) } else { repository.stage(&paths) }
}

/// All stubs in the index.
fn stubs_in_index(repository: &Repository) -> Result<Vec<(RepoPath, Tombstone)>> {
    let mut stubs = Vec::new();
    for entry in repository.index(IndexScope::All)? {
        let regular = entry.stage == 0 && matches!(entry.mode, 0o100_644 | 0o100_755);
        if !regular
            || repository.blob_size(&entry.oid)?.is_none_or(|size| size > MAX_STUB_BYTES as u64)
        {
            continue;
        }
        let Some(bytes) = repository.blob(&entry.oid)? else { continue };
        if let Ok((stub, _)) = tombstone::parse(&bytes) {
            stubs.push((entry.path, stub));
        }
    }
    Ok(stubs)
}

/// Puts back the segments of our own deeds that no commit has, for stubs that nothing explains:
/// after a `git reset --hard`, or a commit that forgot the segment.
fn put_back_own(
    workspace: &Workspace,
    repository: &Repository,
    archive: &mut Archive,
    stubs: &[(RepoPath, Tombstone)],
    report: &mut ReconcileReport,
) -> Result<()> {
    let (segments, _) = segments::in_index(repository)?;
    let explained: BTreeSet<TombstoneId> = segments
        .iter()
        .flat_map(|segment| &segment.lines)
        .filter(|(record, _)| record.event.action == Action::Archive)
        .filter_map(|(record, _)| record.event.tombstone)
        .collect();
    let mut found: BTreeMap<RepoPath, Segment> = BTreeMap::new();
    for (_, stub) in stubs.iter().filter(|(_, stub)| !explained.contains(&stub.id)) {
        if let Some(segment) = segment_of_last_archive(archive, &stub.id)? {
            found.insert(segment.path.clone(), segment);
        }
    }
    let found: Vec<Segment> = found.into_values().collect();
    put_back(workspace, repository, &found, report)
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

/// A stub of which nothing says, or not last, that it was archived gets an ARCHIVE record, if the
/// archive or git has its bytes.
fn explain_stubs(
    workspace: &Workspace,
    archive: &mut Archive,
    stubs: &[(RepoPath, Tombstone)],
    last: &BTreeMap<TombstoneId, Record>,
    plan: &mut Plan<'_>,
    report: &mut ReconcileReport,
) -> Result<()> {
    let Some(label) = workspace.label() else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for (path, stub) in stubs {
        let explained = last.get(&stub.id).is_some_and(|it| it.event.action == Action::Archive);
        if explained || !seen.insert(stub.id) {
            continue;
        }
        match take_in(workspace, archive, label, stub)? {
            Some((artifact, stored_bytes)) => {
                let event = archive_event(workspace, label, stub, plan.actor, stored_bytes)?;
                let archive = Some((stub.clone(), artifact));
                plan.events.push(Planned { event, archive, row: None });
            }
            None => report.helpless.push(path.to_string()),
        }
    }
    Ok(())
}

/// Makes sure the archive has a stub's bytes; `None` where they are nowhere here, or the stub is
/// not this repository's.
fn take_in(
    workspace: &Workspace,
    archive: &mut Archive,
    label: &RepoLabel,
    stub: &Tombstone,
) -> Result<Option<(i64, u64)>> {
    if !tombstone::check_id(stub, label) {
        return Ok(None);
    }
    if let Some(item) = archive.catalog().item(&stub.id, true)?
        && archive.content(&item).is_ok()
    {
        return Ok(Some((item.artifact_row_id, item.compressed_size)));
    }
    let item = item_of(stub, label);
    let Some(bytes) = lookup::from_git(workspace, &item)? else { return Ok(None) };
    let encoded = Encoder::new()?.encode(&bytes)?;
    let stored_bytes = encoded.frame.len() as u64;
    archive.add_artifacts(|catalog, now| {
        let row = match catalog.artifact(&stub.sha256)? {
            Some(row) => {
                catalog.replace_run(row, &encoded.frame, &encoded.frame_sha256)?;
                row
            }
            None => catalog.add_artifact(
                &stub.sha256,
                encoded.size_bytes,
                &encoded.frame,
                &encoded.frame_sha256,
                &now.to_string(),
            )?,
        };
        Ok(Some((row, stored_bytes)))
    })
}

/// As much of an item as its stub tells.
fn item_of(stub: &Tombstone, label: &RepoLabel) -> Item {
    Item {
        row_id: 0,
        artifact_row_id: 0,
        tombstone: stub.id,
        repo: label.to_string(),
        path: stub.path.clone(),
        sha256: stub.sha256,
        size_bytes: stub.size_bytes,
        compressed_size: 0,
        mode: stub.mode,
        git_blob: stub.git_blob,
        reason: Reason::Legacy,
        commit_sha: String::new(),
        kind: language::guess(&stub.path).0,
        language: None,
        archived_by: String::new(),
        archived_at: String::new(),
        state: crate::model::ItemState::Archived,
        restricted: false,
        delete_after: None,
        prune_requested: false,
        holds: Vec::new(),
        tags: Vec::new(),
        metadata: BTreeMap::new(),
    }
}

fn archive_event(
    workspace: &Workspace,
    label: &RepoLabel,
    stub: &Tombstone,
    actor: &Actor,
    stored_bytes: u64,
) -> Result<Event> {
    let head = workspace.repository(ACTION)?.head()?;
    let mut event = Event::new(Action::Archive, actor.as_str());
    event.repo = Some(label.to_string());
    event.path = Some(stub.path.clone());
    event.commit = head.map(|commit| commit.to_string());
    event.sha256 = Some(stub.sha256);
    event.size = Some(stub.size_bytes);
    event.stored_size = Some(stored_bytes);
    event.git_blob = Some(stub.git_blob);
    event.mode = Some(stub.mode);
    event.reason = Some(Reason::Legacy.to_string());
    event.tombstone = Some(stub.id);
    let mut detail = serde_json::Map::new();
    detail.insert("why".to_owned(), "reconcile: a stub stood without a record".into());
    event.detail = Some(detail);
    Ok(event)
}

/// An item whose stub stands nowhere, though the evidence says last that it was archived, was
/// restored (its own content stands) or dropped (anything else, or nothing).
fn explain_absent(
    repository: &Repository,
    archive: &mut Archive,
    stubs: &[(RepoPath, Tombstone)],
    last: &BTreeMap<TombstoneId, Record>,
    plan: &mut Plan<'_>,
) -> Result<()> {
    let standing: BTreeSet<TombstoneId> = stubs.iter().map(|(_, stub)| stub.id).collect();
    let paths: Vec<RepoPath> =
        last.values().filter_map(|record| record.event.path.clone()).collect();
    let staged: BTreeMap<RepoPath, GitOid> = repository
        .index(IndexScope::Paths(&paths))?
        .into_iter()
        .map(|entry| (entry.path, entry.oid))
        .collect();
    for (id, record) in last {
        if standing.contains(id) || record.event.action != Action::Archive {
            continue;
        }
        let Some(path) = &record.event.path else { continue };
        let restored =
            record.event.git_blob.is_some() && staged.get(path).copied() == record.event.git_blob;
        let action = if restored { Action::Restore } else { Action::StubDrop };
        let mut event = Event::new(action, plan.actor.as_str());
        event.repo = record.event.repo.clone();
        event.path = Some(path.clone());
        event.sha256 = record.event.sha256;
        event.size = record.event.size;
        event.tombstone = Some(*id);
        event.reason = Some(plan.reason.to_owned());
        if restored {
            event.git_blob = record.event.git_blob;
            event.mode = record.event.mode;
            event = event.staged();
        }
        let row = archive.catalog().item(id, true)?.map(|item| item.row_id);
        plan.events.push(Planned { event, archive: None, row });
    }
    Ok(())
}

fn write(
    workspace: &Workspace,
    repository: &Repository,
    archive: &mut Archive,
    plan: Plan<'_>,
    report: &mut ReconcileReport,
) -> Result<()> {
    let Some(label) = workspace.label().filter(|_| !plan.events.is_empty()) else {
        return Ok(());
    };
    let deed = DeedId::random();
    let head = repository.head()?.map(|commit| commit.to_string()).unwrap_or_default();
    let actor = plan.actor.to_string();
    for planned in &plan.events {
        let event = &planned.event;
        report.recorded.push(Reconciled {
            path: event.path.as_ref().map(RepoPath::to_string).unwrap_or_default(),
            action: event.action.as_str().to_owned(),
            tombstone: event.tombstone.map(|id| id.to_string()).unwrap_or_default(),
        });
    }
    let ((), records) = archive.journaled(label.as_str(), deed, |transaction| {
        let at = transaction.now.to_string();
        let mut catalog = transaction.catalog();
        let batch_id = catalog.add_batch(&NewBatch {
            deed,
            repo: label.as_str(),
            commit: &head,
            actor: &actor,
            reason: Reason::Legacy,
            at: &at,
        })?;
        let mut deeds: Vec<Deed> = Vec::new();
        for planned in plan.events {
            let row = match &planned.archive {
                Some((stub, artifact_id)) => {
                    Some(catalog.put_item(&new_item(stub, batch_id, *artifact_id))?)
                }
                None => planned.row,
            };
            if let (Some(row), Action::Restore) = (row, &planned.event.action) {
                catalog.set_restored(row, Some(&at))?;
            }
            deeds.push((planned.event, row));
        }
        Ok(((), deeds))
    })?;
    let segment = Segment::new(records)?;
    tree::apply(ACTION, &workspace.top, Some(repository), &[], Some(&segment))?;
    report.evidence_segment = Some(segment.path.to_string());
    Ok(())
}

fn new_item(stub: &Tombstone, batch_id: i64, artifact_id: i64) -> NewItem<'_> {
    let (kind, language) = language::guess(&stub.path);
    NewItem {
        tombstone: stub.id,
        batch_id,
        artifact_id,
        path: &stub.path,
        git_blob: stub.git_blob,
        mode: stub.mode,
        kind,
        language,
        restricted: false,
        delete_after: None,
    }
}
