//! After a crash: completes what was begun, or undoes it cleanly.
//!
//! A deed of which at least one file is in place rolls forward; one of which none is in place is
//! aborted, with a record of that. A path that was edited since is left alone.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::evidence::{Action, Event, Record, Segment};
use crate::fs as files;
use crate::model::{DeedId, Digest, Item, TombstoneId};

use super::intent::{Intent, IntentStep, Source, intent_folder};
use super::journaled::{Archive, Deed, Transaction, record_of};
use super::tree::{self, After, Standing, Step};
use super::{Workspace, lookup, pending};

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

/// Settles the intents of this work tree. The caller holds the lock.
pub fn recover(workspace: &Workspace) -> Result<RecoveryReport> {
    let mut report = RecoveryReport::default();
    remove_own_litter(workspace);
    let intents: Vec<Intent> =
        pending(workspace)?.into_iter().filter(|it| it.work_tree == workspace.top).collect();
    if intents.is_empty() {
        return Ok(report);
    }
    let mut archive = Archive::create(workspace)?;
    for intent in intents {
        settle(workspace, &mut archive, &intent, &mut report)?;
    }
    Ok(report)
}

/// Completes or aborts one deed.
pub(super) fn settle(
    workspace: &Workspace,
    archive: &mut Archive,
    intent: &Intent,
    report: &mut RecoveryReport,
) -> Result<()> {
    for step in &intent.steps {
        remove_litter_beside(workspace, step.path.as_path());
    }
    let records = records_of(archive, &intent.deed)?;
    if records.is_empty() {
        // The deed was never recorded, so nothing of it can be in the tree. (A restore to a file
        // is recorded under another deed: nothing waits but its temporary file.)
        return intent.remove(workspace);
    }
    let mut steps = Vec::new();
    let mut lost = Vec::new();
    let mut in_place = 0;
    for step in &intent.steps {
        match tree::standing(&workspace.top, &step.path, step.before, step.after)? {
            Standing::Other => lost.push(step),
            Standing::After => {
                in_place += 1;
                steps.push(step);
            }
            Standing::Before => steps.push(step),
        }
    }
    report.left_alone.extend(lost.iter().map(|step| step.path.to_string()));
    let repo = records[0].0.event.repo.clone().unwrap_or_default();
    if in_place == 0 && intent.action == Action::Archive.as_str() {
        abort(archive, &repo, &intent.deed, &intent.steps)?;
        report.aborted.push(intent.deed.to_string());
        return intent.remove(workspace);
    }
    abort(archive, &repo, &intent.deed, lost)?;
    let steps = plan(workspace, archive, steps)?;
    let repository = workspace.repository.as_ref();
    let segment = match repository {
        Some(_) if records[0].0.event.belongs_in_segment() => Some(Segment::new(records)?),
        _ => None,
    };
    if let Some(segment) = &segment {
        remove_litter_beside(workspace, segment.path.as_path());
    }
    tree::apply("complete", &workspace.top, repository, &steps, segment.as_ref())?;
    report.completed.push(intent.deed.to_string());
    intent.remove(workspace)
}

/// The records of a deed, checked.
pub(super) fn records_of(archive: &mut Archive, deed: &DeedId) -> Result<Vec<(Record, Digest)>> {
    let stored = archive.ledger().records_of(deed)?;
    stored.iter().map(|stored| Ok((record_of(stored)?, stored.digest))).collect()
}

/// The segment of the deed that archived an item last; `None` where the archive knows of none.
pub fn segment_of_last_archive(archive: &mut Archive, id: &TombstoneId) -> Result<Option<Segment>> {
    let Some(item) = archive.catalog().item(id, true)? else { return Ok(None) };
    let stored = archive.ledger().records_about(item.row_id)?;
    let records = stored.iter().map(record_of).collect::<Result<Vec<_>>>()?;
    let last = records.iter().rev().find(|record| record.event.action == Action::Archive);
    match last {
        Some(record) => Segment::new(records_of(archive, &record.deed)?).map(Some),
        None => Ok(None),
    }
}

/// Turns the steps of an intent into bytes again.
pub(super) fn plan<'a>(
    workspace: &Workspace,
    archive: &mut Archive,
    steps: impl IntoIterator<Item = &'a IntentStep>,
) -> Result<Vec<Step>> {
    let mut out = Vec::new();
    for step in steps {
        let after = match step.source {
            Source::Absent => After::Absent,
            source => {
                let item = lookup::by_id(workspace, Some(&mut *archive), &step.tombstone)?;
                after(workspace, archive, &item, source, step)?
            }
        };
        out.push(Step { path: step.path.clone(), before: step.before, after });
    }
    Ok(out)
}

fn after(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
    source: Source,
    step: &IntentStep,
) -> Result<After> {
    if source == Source::Content {
        let bytes = lookup::bytes(workspace, Some(archive), item)?.0;
        return Ok(After::File { bytes, executable: lookup::executable(item) });
    }
    let bytes = match source {
        Source::Sidecar => lookup::plain_stub(item)?,
        _ => lookup::stub_for(item, &step.path)?,
    };
    Ok(After::File { bytes, executable: files::Executable::No })
}

/// Records that (a part of) a deed came to nothing, and hides its items unless an older deed
/// archived them too.
pub(super) fn abort<'a>(
    archive: &mut Archive,
    repo: &str,
    deed: &DeedId,
    steps: impl IntoIterator<Item = &'a IntentStep>,
) -> Result<()> {
    let mut items = Vec::new();
    for step in steps {
        let item = archive.catalog().item(&step.tombstone, true)?;
        // A sidecar deed has two paths for one item.
        if let Some(item) = item
            && !items.iter().any(|(known, _): &(Item, _)| known.row_id == item.row_id)
        {
            let older = older_deed(archive, item.row_id, deed)?;
            items.push((item, older));
        }
    }
    if items.is_empty() {
        return Ok(());
    }
    archive.journaled(repo, DeedId::random(), |transaction| {
        let deeds = items.iter().map(|(item, older)| abort_item(transaction, item, deed, *older));
        Ok(((), deeds.collect::<Result<Vec<_>>>()?))
    })?;
    Ok(())
}

pub(super) fn abort_item(
    transaction: &mut Transaction<'_>,
    item: &Item,
    deed: &DeedId,
    older: Option<DeedId>,
) -> Result<Deed> {
    match older {
        Some(older) => transaction.catalog().set_deed(item.row_id, &older)?,
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

/// The newest other deed that archived an item and was not aborted.
pub(super) fn older_deed(
    archive: &mut Archive,
    item: i64,
    deed: &DeedId,
) -> Result<Option<DeedId>> {
    let stored = archive.ledger().records_about(item)?;
    let records = stored.iter().map(record_of).collect::<Result<Vec<_>>>()?;
    let aborted: Vec<DeedId> = records
        .iter()
        .filter(|record| record.event.action == Action::StoreAbort)
        .filter_map(|record| record.event.of)
        .collect();
    Ok(records
        .iter()
        .rev()
        .filter(|record| record.event.action == Action::Archive)
        .map(|record| record.deed)
        .find(|other| other != deed && !aborted.contains(other)))
}

/// Takes away temporary files that a killed process left in our own folders. The lock is ours, so
/// they are nobody's.
fn remove_own_litter(workspace: &Workspace) {
    remove_litter_in(&intent_folder(workspace));
    let now = workspace.now().to_string();
    // Segments that `reconcile` puts back have no intent; new ones stand in this month's folder.
    let month = format!(".codex/evidence/segments/{}/{}", &now[..4], &now[5..7]);
    for folder in [".codex", ".codex/evidence", &month] {
        remove_litter_beside(workspace, &Path::new(folder).join("x"));
    }
}

/// Takes away temporary files that a killed process left beside `path`, unless a link leads there.
fn remove_litter_beside(workspace: &Workspace, path: &Path) {
    if files::check_contained("recover", &workspace.top, path).is_ok() {
        remove_litter_in(files::folder_of(&workspace.top.join(path)));
    }
}

fn remove_litter_in(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(files::TEMP_PREFIX.as_bytes()) {
            let _ = files::remove_file(&entry.path());
        }
    }
}
