//! What `reconcile` has to say of stubs that stand without a record, and of records whose stub is
//! gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::evidence::{Action, Event, Record};
use crate::git::{Bytes as _, IndexScope, Repository};
use crate::model::{Actor, GitOid, Item, Reason, RepoLabel, RepoPath};
use crate::tombstone::{self, Tombstone};

use super::intake::large::LARGE_BYTES;
use super::journaled::Archive;
use super::reconcile::{Evidence, Plan, Planned, ReconcileReport, Stubs};
use super::{Content, Workspace, language, lookup, runs, upload};

const ACTION: &str = "reconcile";

/// The key in a record's detail that says why `reconcile` wrote it.
const MARK: &str = "why";

/// A stub of which nothing says, or not last, that it was archived gets an ARCHIVE record, if the
/// archive or git has its bytes.
pub fn explain_stubs(
    workspace: &Workspace,
    archive: &mut Archive,
    stubs: &Stubs,
    evidence: &Evidence,
    plan: &mut Plan<'_>,
    report: &mut ReconcileReport,
) -> Result<()> {
    let Some(label) = plan.label.clone() else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for (path, stub) in &stubs.standing {
        let explained = evidence.stands(&stub.id) && evidence.vouched.contains(&stub.id);
        if explained || !seen.insert(stub.id) {
            continue;
        }
        match take_in(workspace, archive, &label, stub)? {
            Some((artifact, stored_bytes)) => {
                let event = archive_event(workspace, &label, stub, plan.actor, stored_bytes)?;
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
        && archive
            .check_artifact(item.artifact_row_id, item.size_bytes, &item.sha256)
            .is_ok_and(|there| there)
    {
        return Ok(Some((item.artifact_row_id, item.compressed_size)));
    }
    let item = item_of(stub, label);
    let Some(content) = lookup::from_git(workspace, &item)? else { return Ok(None) };
    put_in(archive, &content).map(Some)
}

/// Writes content of which the archive has nothing true; its row, and how many bytes it stores.
fn put_in(archive: &mut Archive, content: &Content) -> Result<(i64, u64)> {
    let (sha256, size_bytes) = (content.sha256(), content.size_bytes());
    if size_bytes > LARGE_BYTES {
        let stored = upload::send(archive, content)?.finish(archive, sha256, size_bytes, None)?;
        return Ok((stored.row, stored.length));
    }
    let encoded = content.encode()?;
    archive.add_artifacts(|catalog, now| {
        let (frame, frame_sha256) = (&encoded.frame, &encoded.frame_sha256);
        let row = match catalog.artifact(&sha256)? {
            Some(row) => {
                runs::replace(catalog, row, frame, frame_sha256)?;
                row
            }
            None => {
                let at = now.to_string();
                catalog.add_artifact(&sha256, size_bytes, frame, frame_sha256, &at)?
            }
        };
        Ok((row, frame.len() as u64))
    })
}

/// As much of an item as its stub tells.
pub(super) fn item_of(stub: &Tombstone, label: &RepoLabel) -> Item {
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
    mark(&mut event, "reconcile: a stub stood without a record");
    Ok(event)
}

/// Says in the record that the tree was so before: `undo` must leave it so.
fn mark(event: &mut Event, why: &str) {
    event.detail.get_or_insert_default().insert(MARK.to_owned(), why.into());
}

/// Whether a record only says what had happened to the tree already.
pub(super) fn only_says(record: &Record) -> bool {
    let why = record.event.detail.as_ref().and_then(|detail| detail.get(MARK)?.as_str());
    why.is_some_and(|why| why.starts_with("reconcile:"))
}

/// An item whose stub stands nowhere, though the evidence says last that it was archived, was
/// restored (its own content stands) or dropped (anything else, or nothing).
pub fn explain_absent(
    repository: &Repository,
    archive: &mut Archive,
    stubs: &Stubs,
    evidence: &Evidence,
    plan: &mut Plan<'_>,
) -> Result<()> {
    let mut present = stubs.undecided.clone();
    present.extend(stubs.standing.iter().map(|(_, stub)| stub.id));
    let paths: Vec<RepoPath> =
        evidence.last.values().filter_map(|record| record.event.path.clone()).collect();
    let staged: BTreeMap<RepoPath, GitOid> = repository
        .index(IndexScope::Paths(&paths))?
        .into_iter()
        .map(|entry| (entry.path, entry.oid))
        .collect();
    for (id, record) in &evidence.last {
        // Clocks of two clones may differ: as often taken out as archived is out, too.
        let out = evidence.balance.get(id).is_some_and(|balance| *balance <= 0);
        if present.contains(id) || !evidence.stands(id) || out {
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
        mark(&mut event, "reconcile: a stub had gone without a record");
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
