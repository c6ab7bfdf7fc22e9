//! After a crash: completes what was begun, or undoes it cleanly.
//!
//! A deed of which at least one file is in place rolls forward; one of which none is in place is
//! aborted, with a record of that. A path that was edited since is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use serde::Serialize;

use crate::error::Result;
use crate::evidence::{Action, Event, Record, Segment};
use crate::fs::{self as files, Executable, Folder, TempFolder};
use crate::git::Repository;
use crate::logging::{About, Timer};
use crate::model::{DeedId, Digest, Item, TombstoneId};

use super::intent::{Intent, IntentStep, Source, intent_folder};
use super::journaled::{Archive, Deed, Transaction, record_of};
use super::maintenance::Deeds;
use super::selection::is_executable;
use super::tree::{self, After, Ahead, Standing, Step};
use super::{Content, Workspace, detach, find, lookup, pending, try_out};

/// What recovery did.
#[derive(Debug, Default, Serialize)]
pub struct RecoveryReport {
    /// Deeds that were completed.
    pub completed: Vec<String>,
    /// Deeds that were aborted.
    pub aborted: Vec<String>,
    /// Paths that were edited since and left alone.
    pub left_alone: Vec<String>,
}

/// Settles the intents of this work tree, and those whose work tree is gone. The caller holds the
/// lock.
pub fn recover(workspace: &Workspace) -> Result<RecoveryReport> {
    recover_for(workspace, Deeds::Ordinary)
}

/// The same ahead of a deed of upkeep: during maintenance too.
pub fn recover_for_upkeep(workspace: &Workspace) -> Result<RecoveryReport> {
    recover_for(workspace, Deeds::Upkeep)
}

fn recover_for(workspace: &Workspace, deeds: Deeds) -> Result<RecoveryReport> {
    let _timer = Timer::phase("recover");
    let log = workspace.use_case("RECOVER", None);
    log.end(settle_all(workspace, deeds), |report| About {
        is_odd: !report.left_alone.is_empty(),
        is_nothing: report.completed.is_empty() && report.aborted.is_empty(),
        ..About::many(report.completed.len() + report.aborted.len())
    })
}

fn settle_all(workspace: &Workspace, deeds: Deeds) -> Result<RecoveryReport> {
    let mut report = RecoveryReport::default();
    remove_own_litter(workspace);
    let waiting = pending(workspace)?;
    if let Some(error) = waiting.first_damage() {
        return Err(error);
    }
    let (own, others): (Vec<_>, Vec<_>) =
        waiting.intents.into_iter().partition(|it| it.is_of(workspace));
    let orphans: Vec<Intent> = others.into_iter().filter(|it| it.is_orphan(workspace)).collect();
    if own.is_empty() && orphans.is_empty() {
        return Ok(report);
    }
    let mut archive = Archive::create_for(workspace, deeds)?;
    for intent in own {
        settle(workspace, &mut archive, &intent, &mut report)?;
    }
    for intent in orphans {
        settle_without_tree(workspace, &mut archive, &intent, &mut report)?;
    }
    Ok(report)
}

/// Settles a deed whose work tree was removed, and its files with it. What was staged there once may
/// be committed; what was not came to nothing.
fn settle_without_tree(
    workspace: &Workspace,
    archive: &mut Archive,
    intent: &Intent,
    report: &mut RecoveryReport,
) -> Result<()> {
    let records = records_of(archive, &intent.deed)?;
    let was_staged = match (&workspace.repository, records.first()) {
        (Some(repository), Some((record, _))) if record.event.belongs_in_segment() => {
            is_in_git(repository, &archive.segment_of(records.clone())?)?
        }
        _ => false,
    };
    if !records.is_empty() && !was_staged && can_be_aborted(intent, &records) {
        abort(archive, &records, &intent.steps)?;
        report.aborted.push(intent.deed.to_string());
    } else if !records.is_empty() {
        report.completed.push(intent.deed.to_string());
    }
    intent.remove(workspace)
}

/// Takes the steps of a recorded deed and removes its intent. Whatever stops it, the tree must not
/// stay between two states: what can be settled is settled at once, the rest by the next command.
pub(super) fn take_steps(
    action: &'static str,
    workspace: &Workspace,
    archive: &mut Archive,
    intent: &Intent,
    steps: &[Step],
    segment: Option<&Segment>,
    ahead: Option<Ahead<'_>>,
) -> Result<()> {
    let repository = workspace.repository.as_ref();
    let is_large = ahead.is_some();
    let apply = || tree::apply(action, &workspace.top, repository, steps, segment, ahead);
    let applied = match is_large {
        // The record is durable already: what comes of this is only how soon the command ends.
        true => thread::scope(|scope| {
            let archive = &mut *archive;
            scope.spawn(|| archive.driver.settle());
            apply()
        }),
        false => apply(),
    };
    match applied {
        Ok(()) => intent.remove(workspace),
        Err(error) => {
            let mut report = RecoveryReport::default();
            // What is recorded is finished, though maintenance was switched on since.
            let deeds = std::mem::replace(&mut archive.deeds, Deeds::Upkeep);
            let settled = settle(workspace, archive, intent, &mut report);
            archive.deeds = deeds;
            // A passing trouble, such as a git that a Ctrl-C hit: all stands as was meant by now.
            let whole = report.aborted.is_empty() && report.left_alone.is_empty();
            if settled.is_ok() && whole { Ok(()) } else { Err(error) }
        }
    }
}

/// Completes or aborts one deed.
pub(super) fn settle(
    workspace: &Workspace,
    archive: &mut Archive,
    intent: &Intent,
    report: &mut RecoveryReport,
) -> Result<()> {
    let records = records_of(archive, &intent.deed)?;
    let repository = workspace.repository.as_ref();
    let segment = match (repository, records.first()) {
        (Some(_), Some((record, _))) if record.event.belongs_in_segment() => {
            Some(archive.segment_of(records.clone())?)
        }
        _ => None,
    };
    remove_litter(workspace, intent, segment.as_ref());
    if records.is_empty() {
        // The deed was never recorded, so nothing of it can be in the tree. (A restore to a file
        // is recorded under another deed: nothing waits but its temporary file.)
        return intent.remove(workspace);
    }
    let mut steps = Vec::new();
    let mut untaken = Vec::new();
    let mut lost = Vec::new();
    for step in &intent.steps {
        match tree::standing(&workspace.top, &step.path, step.before, step.after)? {
            Standing::Other => lost.push(step),
            Standing::After => steps.push((step, as_it_stands(workspace, archive, step)?)),
            Standing::Before => untaken.push(step),
        }
    }
    report.left_alone.extend(lost.iter().map(|step| step.path.to_string()));
    let was_staged = match (repository, &segment) {
        (Some(repository), Some(segment)) => is_in_git(repository, segment)?,
        _ => false,
    };
    if was_staged {
        // Everything was in place then. What stands as before was taken back since, or this is
        // another branch: neither is ours to change.
        lost.clear();
        if steps.is_empty() && !intent.steps.is_empty() {
            report.completed.push(intent.deed.to_string());
            return intent.remove(workspace);
        }
    } else if steps.is_empty() && can_be_aborted(intent, &records) {
        abort(archive, &records, &intent.steps)?;
        report.aborted.push(intent.deed.to_string());
        return intent.remove(workspace);
    } else {
        for step in untaken {
            steps.push((step, plan(workspace, archive, step)?));
        }
        // Of a sidecar's two paths one may be edited: the item is archived all the same.
        lost.retain(|step| !steps.iter().any(|(other, _)| other.tombstone == step.tombstone));
    }
    abort(archive, &records, lost)?;
    let step = |(step, after): (&IntentStep, After)| Step {
        path: step.path.clone(),
        before: step.before,
        stamp: None,
        after,
    };
    let steps: Vec<Step> = steps.into_iter().map(step).collect();
    tree::apply("complete", &workspace.top, repository, &steps, segment.as_ref(), None)?;
    report.completed.push(intent.deed.to_string());
    intent.remove(workspace)
}

/// Whether a deed of which nothing is in place came to nothing. What `undo` takes back is hidden
/// already, and a drop of a stub that was gone has no steps: those go on. So does what used up
/// approvals, which nobody would give twice for one thing.
fn can_be_aborted(intent: &Intent, records: &[(Record, Digest)]) -> bool {
    let actions = [Action::Archive, Action::Restore, Action::StubDrop];
    !intent.steps.is_empty()
        && actions.iter().any(|action| action.as_str() == intent.action)
        && records.iter().all(|(record, _)| record.event.approvers.is_empty())
}

/// Whether the segment was staged once: git has its object then, since staging is the last step.
fn is_in_git(repository: &Repository, segment: &Segment) -> Result<bool> {
    let oid = repository.hash_blob(&segment.render()?)?;
    Ok(repository.blob_size(&oid)?.is_some())
}

/// The records of a deed, checked.
pub(super) fn records_of(archive: &mut Archive, deed: &DeedId) -> Result<Vec<(Record, Digest)>> {
    let stored = archive.ledger().records_of(deed)?;
    stored.iter().map(|stored| Ok((record_of(stored)?, stored.digest))).collect()
}

/// The segment of the deed that did `action` with an item last; `None` where the archive knows of
/// none.
pub fn segment_of_last(
    archive: &mut Archive,
    id: &TombstoneId,
    action: &Action,
) -> Result<Option<Segment>> {
    let Some(item) = archive.catalog().item(id, true)? else { return Ok(None) };
    let stored = archive.ledger().records_about(item.row_id)?;
    let records = stored.iter().map(record_of).collect::<Result<Vec<_>>>()?;
    match records.iter().rev().find(|record| record.event.action == *action) {
        Some(record) => {
            let records = records_of(archive, &record.deed)?;
            archive.segment_of(records).map(Some)
        }
        None => Ok(None),
    }
}

/// What a step that was taken left: it is read where it stands, for another branch's evidence may
/// not know the item.
fn as_it_stands(workspace: &Workspace, archive: &mut Archive, step: &IntentStep) -> Result<After> {
    if step.after.is_none() {
        return Ok(After::Absent);
    }
    let file = workspace.top.join(step.path.as_path());
    let executable = match step.source {
        Source::Content | Source::Converted if is_executable(&file)? => Executable::Yes,
        _ => Executable::No,
    };
    let bytes = Content::of_file(workspace.spool(), &file)?;
    Ok(match step.source {
        Source::Given => After::Converted { bytes, executable, staged: None },
        Source::Converted => {
            let meant = plan(workspace, archive, step)?;
            let staged = meant.staged().cloned();
            After::Converted { bytes, executable, staged }
        }
        _ => After::File { bytes, executable },
    })
}

/// Turns a step that was not taken into bytes again.
fn plan(workspace: &Workspace, archive: &mut Archive, step: &IntentStep) -> Result<After> {
    if step.source == Source::Absent {
        return Ok(After::Absent);
    }
    // What `undo` took back is hidden by now.
    let item = match archive.catalog().item(&step.tombstone, true)? {
        Some(item) => item,
        None => find::by_id(workspace, Some(&mut *archive), &step.tombstone)?,
    };
    after(workspace, archive, &item, step.source, step)
}

fn after(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
    source: Source,
    step: &IntentStep,
) -> Result<After> {
    if matches!(source, Source::Content | Source::Converted) {
        let bytes = lookup::ungated(workspace, Some(&mut *archive), item)?.0;
        let freed = detach::of_item(workspace, archive, item)?;
        if let (Source::Converted, Some(freed)) = (source, freed) {
            let paths = std::slice::from_ref(&item.path);
            return detach::converted(workspace, item, &step.path, paths, bytes, &freed);
        }
        return Ok(After::File { bytes, executable: lookup::executable(item) });
    }
    let bytes = match source {
        Source::Given => {
            let bytes = Content::of(step.given.clone().unwrap_or_default());
            return Ok(After::Converted { bytes, executable: Executable::No, staged: None });
        }
        Source::Sidecar => lookup::plain_stub(item)?,
        _ => lookup::stub_for(item, &step.path)?,
    };
    Ok(After::File { bytes: Content::of(bytes), executable: Executable::No })
}

/// Records that (a part of) a deed came to nothing. Items that it archived are hidden unless an
/// older deed archived them too.
fn abort<'a>(
    archive: &mut Archive,
    records: &[(Record, Digest)],
    steps: impl IntoIterator<Item = &'a IntentStep>,
) -> Result<()> {
    let ids: BTreeSet<TombstoneId> = steps.into_iter().map(|step| step.tombstone).collect();
    let mut aborted = Vec::new();
    for (record, _) in records {
        let Some(id) = record.event.tombstone.filter(|id| ids.contains(id)) else { continue };
        let item = archive.catalog().item(&id, true)?;
        let older = match &item {
            Some(item) => older_deed(archive, item.row_id, &record.deed)?,
            None => None,
        };
        aborted.push((record, item, older));
    }
    let Some((first, ..)) = aborted.first() else { return Ok(()) };
    let repo = first.event.repo.clone().unwrap_or_default();
    archive.journaled(&repo, DeedId::random(), |transaction| {
        let mut deeds = Vec::new();
        for (record, item, older) in &aborted {
            let of = &record.deed;
            deeds.push(match (&record.event.action, item) {
                (Action::Archive, Some(item)) => abort_item(transaction, item, of, older.as_ref())?,
                (action, item) => {
                    if let (Action::Restore, Some(item)) = (action, item) {
                        transaction.catalog().set_restored(item.row_id, None)?;
                    }
                    (abort_event(record), item.as_ref().map(|item| item.row_id))
                }
            });
        }
        Ok(((), deeds))
    })?;
    Ok(())
}

fn abort_event(record: &Record) -> Event {
    let mut event = Event::new(Action::StoreAbort, "git-codex-archive");
    event.repo = record.event.repo.clone();
    event.path = record.event.path.clone();
    event.sha256 = record.event.sha256;
    event.tombstone = record.event.tombstone;
    event.of = Some(record.deed);
    event
}

pub(super) fn abort_item(
    transaction: &mut Transaction<'_>,
    item: &Item,
    deed: &DeedId,
    older: Option<&Older>,
) -> Result<Deed> {
    match older {
        Some(older) => transaction.catalog().set_deed(item.row_id, &older.deed, &older.reason)?,
        None => transaction.catalog().set_hidden(item.row_id, true)?,
    }
    let mut event = Event::new(Action::StoreAbort, "git-codex-archive");
    event.repo = Some(item.repo.clone());
    event.path = Some(item.path.clone());
    event.sha256 = Some(item.sha256);
    event.tombstone = Some(item.tombstone);
    event.of = Some(*deed);
    Ok((event, Some(item.row_id)))
}

/// A deed that archived an item, and its reason for it.
pub(super) struct Older {
    deed: DeedId,
    reason: String,
}

/// The newest other deed that archived an item and was not aborted.
pub(super) fn older_deed(archive: &mut Archive, item: i64, deed: &DeedId) -> Result<Option<Older>> {
    let stored = archive.ledger().records_about(item)?;
    let records = stored.iter().map(record_of).collect::<Result<Vec<_>>>()?;
    let aborted: Vec<DeedId> = records
        .iter()
        .filter(|record| record.event.action == Action::StoreAbort)
        .filter_map(|record| record.event.of)
        .collect();
    let stands = |record: &&Record| {
        let archived = record.event.action == Action::Archive;
        archived && record.deed != *deed && !aborted.contains(&record.deed)
    };
    Ok(records.iter().rev().find(stands).map(|record| Older {
        deed: record.deed,
        reason: record.event.reason.clone().unwrap_or_default(),
    }))
}

/// Takes away temporary files that a killed process left in our own folders. The lock is ours, so
/// they are nobody's.
fn remove_own_litter(workspace: &Workspace) {
    if let Ok(folder) = Folder::at(&intent_folder(workspace)) {
        folder.remove_temps();
    }
    detach::remove_litter(workspace);
    TempFolder::remove_left(&workspace.store_folder(), try_out::TAG);
    let now = workspace.now().to_string();
    // Segments that `reconcile` puts back have no intent; new ones stand in this month's folder.
    let month = format!(".codex/evidence/segments/{}/{}", &now[..4], &now[5..7]);
    for folder in [".codex", ".codex/evidence", &month] {
        remove_litter_beside(workspace, &Path::new(folder).join("x"));
    }
}

/// The same beside the paths of one deed, each folder once.
fn remove_litter(workspace: &Workspace, intent: &Intent, segment: Option<&Segment>) {
    let paths = intent.steps.iter().map(|step| &step.path).chain(segment.map(|it| &it.path));
    let beside: BTreeMap<&Path, &Path> =
        paths.map(|path| (files::inner_folder_of(path.as_path()), path.as_path())).collect();
    for path in beside.into_values() {
        remove_litter_beside(workspace, path);
    }
}

/// Takes away temporary files that a killed process left beside `path`, unless a link leads there.
pub(super) fn remove_litter_beside(workspace: &Workspace, path: &Path) {
    let folder = Folder::below("recover", &workspace.top, files::inner_folder_of(path));
    if let Ok(Some(folder)) = folder {
        folder.remove_temps();
    }
}
