//! `undo`: takes back the last deed of this work tree that is not committed.
//!
//! The record of the deed stays, since a log is only added to; a further record says that it was
//! taken back. Its segment leaves the index, for it speaks of a tree that never was.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event, Record, SEGMENT_FOLDER, Segment};
use crate::fs::{Executable, There};
use crate::git::{AttributeSource, IndexScope};
use crate::logging::About;
use crate::model::{Actor, DeedId, Digest, GitOid, Item, RepoPath};

use super::detach::{self, CONVERSIONS, Change, Detached};
use super::explain::only_says;
use super::find;
use super::intent::{Intent, IntentStep, Source};
use super::lookup::{self, executable, sidecar_path};
use super::recovery;
use super::recovery::take_steps;
use super::tree::{self, After, Step};
use super::{Archive, Content, Workspace, segments};

const ACTION: &str = "undo";

/// What was taken back.
#[derive(Debug, Serialize)]
pub struct UndoReport {
    /// The deed.
    pub deed: String,
    /// Its action.
    pub action: String,
    /// The paths that are as before.
    pub paths: Vec<String>,
    /// Digest of the last record about it.
    pub evidence: String,
}

/// Takes back the last deed of this work tree whose segment is not committed.
pub fn undo(workspace: &Workspace, actor: &Actor) -> Result<UndoReport> {
    let log = workspace.use_case("STORE_ABORT", Some(actor.as_str()));
    log.end(undo_last(workspace, actor), |report| About {
        evidence: Some(report.evidence.clone()),
        ..About::many(report.paths.len())
    })
}

fn undo_last(workspace: &Workspace, actor: &Actor) -> Result<UndoReport> {
    let repository = workspace.repository(ACTION)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    tree::check_index_free(repository)?;
    let segment = last_uncommitted(workspace, &mut archive)?.ok_or_else(|| Error::NotFound {
        action: ACTION,
        object: "the last deed".to_owned(),
        why: "every deed of this work tree is committed".to_owned(),
    })?;
    let report = take_back(workspace, &mut archive, &segment, actor)?;
    drop(lock);
    Ok(report)
}

/// The newest segment in the index that HEAD lacks and this archive wrote.
fn last_uncommitted(workspace: &Workspace, archive: &mut Archive) -> Result<Option<Segment>> {
    let repository = workspace.repository(ACTION)?;
    let (staged, _) = segments::in_index(repository)?;
    // Also committed: what a merge brings in, and what a later commit took out again.
    let mut committed: BTreeSet<RepoPath> =
        repository.deleted_in_history(SEGMENT_FOLDER)?.into_iter().map(|(path, _)| path).collect();
    for commit in repository.head()?.into_iter().chain(repository.merge_heads()?) {
        let entries = repository.list_tree(&commit, Some(SEGMENT_FOLDER))?;
        committed.extend(entries.into_iter().map(|entry| entry.path));
    }
    let mut mine = Vec::new();
    for segment in staged {
        let (last, digest) = &segment.lines[segment.lines.len() - 1];
        let known = archive.ledger().digest_at(&last.log, last.seq)?;
        if let Some((row, found)) = known
            && found == *digest
            && !committed.contains(&segment.path)
        {
            mine.push((row, segment));
        }
    }
    Ok(mine.into_iter().max_by_key(|(row, _)| *row).map(|(_, segment)| segment))
}

fn take_back(
    workspace: &Workspace,
    archive: &mut Archive,
    segment: &Segment,
    actor: &Actor,
) -> Result<UndoReport> {
    let first = &segment.lines[0].0;
    let of = first.deed;
    let mut steps = Vec::new();
    let mut items = Vec::new();
    let mut covered = Vec::new();
    let whose = first.event.tombstone.ok_or_else(|| cannot(first))?;
    let (changes, freed) = attributes_back(workspace, archive, segment)?;
    for change in &changes {
        steps.push(change.step());
        items.push(whose);
    }
    // That a batch ended is about no path.
    let about_paths = segment.lines.iter().filter(|it| it.0.event.action != Action::BatchStore);
    for (record, _) in about_paths {
        let Some(id) = record.event.tombstone else { return Err(cannot(record)) };
        let stub = covered_stub(workspace, archive, record)?;
        covered.extend(stub.map(|(path, oid)| (path, Some((0o100_644, oid)))));
        for step in steps_back(workspace, archive, record, &freed)? {
            steps.push(step);
            items.push(id);
        }
    }
    for (path, _) in segment.files()? {
        let before = tree::digest_on_disk(&workspace.top, &path)?;
        let file = workspace.top.join(path.as_path());
        let missing = || Error::io("read", file)(io::ErrorKind::NotFound.into());
        let before = Some(before.ok_or_else(missing)?);
        let gone = Step { path, before, stamp: None, after: After::Absent };
        steps.push((gone, Source::Absent));
        items.push(whose);
    }
    let deed = DeedId::random();
    let meant = steps.iter().zip(&items).map(|((step, from), id)| IntentStep::of(step, *from, *id));
    let intent = Intent::new(workspace, ACTION, deed, meant);
    check_untouched(workspace, &steps)?;
    intent.write(workspace)?;
    let digest = record_undo(archive, segment, deed, actor)
        .inspect_err(|error| intent.remove_if_unsigned(workspace, error))?;
    let paths = steps.iter().map(|(step, _)| step.path.to_string()).collect();
    let steps: Vec<Step> = steps.into_iter().map(|(step, _)| step).collect();
    take_steps(ACTION, workspace, archive, &intent, &steps, None, None)?;
    if !covered.is_empty() {
        workspace.repository(ACTION)?.stage_entries(&covered)?;
    }
    let action = first.event.action.as_str().to_owned();
    Ok(UndoReport { deed: of.to_string(), action, paths, evidence: digest.to_string() })
}

/// The index entry of a dropped stub whose path other code has in the work tree by now: the code
/// stays, and the index says again what it said before the drop.
fn covered_stub(
    workspace: &Workspace,
    archive: &mut Archive,
    record: &Record,
) -> Result<Option<(RepoPath, GitOid)>> {
    let (Some(id), Some(path)) = (record.event.tombstone, record.event.path.clone()) else {
        return Ok(None);
    };
    let stands = tree::digest_on_disk(&workspace.top, &path)?.is_some();
    if record.event.action != Action::StubDrop || !stands {
        return Ok(None);
    }
    let item = find::by_id(workspace, Some(archive), &id)?;
    let oid = workspace.repository(ACTION)?.write_blob(&lookup::stub_for(&item, &path)?)?;
    Ok(Some((path, oid)))
}

/// What becomes of files with attributes, and the paths whose lines are taken out of them again:
/// those that the deed freed. Where it took lines out, they come back.
fn attributes_back(
    workspace: &Workspace,
    archive: &mut Archive,
    segment: &Segment,
) -> Result<(Vec<Change>, Vec<RepoPath>)> {
    let (mut freed, mut bound) = (Vec::new(), Vec::new());
    for (record, _) in &segment.lines {
        let (Some(id), Some(path)) = (record.event.tombstone, record.event.path.clone()) else {
            continue;
        };
        if record.event.action == Action::Archive {
            freed.extend(Detached::in_event(&record.event).map(|_| path));
            continue;
        }
        let item = find::by_id(workspace, Some(&mut *archive), &id)?;
        if detach::of_item(workspace, archive, &item)?.is_some() {
            bound.push(path);
        }
    }
    let repository = workspace.repository(ACTION)?;
    let values = repository.attributes(&bound, &CONVERSIONS, AttributeSource::WorkTree)?;
    let mut values = values.iter();
    bound.retain(|_| values.next().is_some_and(|it| !detach::conversions(it).is_empty()));
    let changes = match freed.is_empty() {
        true => detach::free(workspace, repository, &bound)?,
        false => detach::bind(workspace, &freed)?,
    };
    Ok((changes, freed))
}

fn cannot(record: &Record) -> Error {
    let why = "it is not a deed about the tree".to_owned();
    let object = record.event.action.as_str().to_owned();
    Error::refused(ACTION, object, Refusal::Policy { why })
}

fn check_untouched(workspace: &Workspace, steps: &[(Step, Source)]) -> Result<()> {
    for (step, _) in steps {
        let now = tree::digest_on_disk(&workspace.top, &step.path)?;
        if now != step.before && now != step.after_digest() {
            return Err(Error::refused(ACTION, step.path.to_string(), Refusal::Dirty));
        }
    }
    Ok(())
}

/// What stood in the tree before this record's deed.
fn steps_back(
    workspace: &Workspace,
    archive: &mut Archive,
    record: &Record,
    freed: &[RepoPath],
) -> Result<Vec<(Step, Source)>> {
    let (Some(id), Some(path)) = (record.event.tombstone, record.event.path.clone()) else {
        return Err(cannot(record));
    };
    if only_says(record) {
        return Ok(Vec::new());
    }
    let item = find::by_id(workspace, Some(&mut *archive), &id)?;
    let stub = lookup::stub_for(&item, &path)?;
    let on_disk = tree::digest_on_disk(&workspace.top, &path)?;
    let stub_back = |path, before| {
        let after = After::File { bytes: Content::of(stub.clone()), executable: Executable::No };
        (Step { path, before, stamp: None, after }, Source::Stub)
    };
    match record.event.action {
        Action::Archive => {
            // git's own object first: a restricted item's bytes are the user's own as long as
            // the deed is not committed.
            let content = match lookup::from_git(workspace, &item)? {
                Some(content) => content,
                None => lookup::ungated(workspace, Some(archive), &item)?.0,
            };
            let beside = sidecar_path(&path)?;
            let has_sidecar = workspace.top.join(beside.as_path()).exists() && on_disk.is_none();
            let before =
                if has_sidecar { None } else { Some(stub_on_disk(workspace, &path, &stub)?) };
            let (after, source) = match Detached::in_event(&record.event) {
                Some(was) => {
                    let after = detach::converted(workspace, &item, &path, freed, content, &was)?;
                    (after, Source::Converted)
                }
                None => {
                    let executable = executable(&item);
                    (After::File { bytes: content, executable }, Source::Content)
                }
            };
            let mut steps = vec![(Step { path, before, stamp: None, after }, source)];
            if has_sidecar {
                let before = tree::digest_on_disk(&workspace.top, &beside)?;
                let gone = Step { path: beside, before, stamp: None, after: After::Absent };
                steps.push((gone, Source::Absent));
            }
            Ok(steps)
        }
        Action::Restore => {
            let before = restored_on_disk(workspace, archive, &item, &path)?;
            Ok(vec![stub_back(path, before)])
        }
        // Other code may have the path by now, and keeps it.
        Action::StubDrop if on_disk.is_none() => Ok(vec![stub_back(path, None)]),
        Action::StubDrop => Ok(Vec::new()),
        _ => Err(cannot(record)),
    }
}

/// The digest of the untouched content at `path`: git may have converted it.
fn restored_on_disk(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
    path: &RepoPath,
) -> Result<Option<Digest>> {
    let repository = workspace.repository(ACTION)?;
    let paths = std::slice::from_ref(path);
    if detach::of_item(workspace, archive, item)?.is_some()
        && let Some(entry) = repository.index(IndexScope::Paths(paths))?.into_iter().next()
        && workspace.top.join(path.as_path()).is_file()
        && repository.clean_hashes(paths)?.first() == Some(&entry.oid)
    {
        return tree::digest_on_disk(&workspace.top, path);
    }
    Ok(Some(item.sha256))
}

/// The digest of the untouched stub at `path`: git may have turned its line ends.
fn stub_on_disk(workspace: &Workspace, path: &RepoPath, stub: &[u8]) -> Result<Digest> {
    let seen = match tree::seen_on_disk(&workspace.top, path)? {
        There::File(seen) => seen,
        There::Other(_) => return Ok(Digest::of(stub)),
        There::Nothing => {
            let file = workspace.top.join(path.as_path());
            return Err(Error::io("read", file)(io::ErrorKind::NotFound.into()));
        }
    };
    let is_text = |found: &Vec<u8>| found.iter().filter(|byte| **byte != b'\r').eq(stub);
    Ok(if seen.short.as_ref().is_some_and(is_text) { seen.sha256 } else { Digest::of(stub) })
}

/// STORE_ABORT for what was archived, REPAIR for the rest, each naming the deed.
fn record_undo(
    archive: &mut Archive,
    segment: &Segment,
    deed: DeedId,
    actor: &Actor,
) -> Result<Digest> {
    let first = &segment.lines[0].0;
    let repo = first.event.repo.clone().unwrap_or_default();
    let of = first.deed;
    let mut rows = Vec::new();
    for (record, _) in &segment.lines {
        let Some(id) = record.event.tombstone else { continue };
        let item = archive.catalog().item(&id, true)?;
        let older = match &item {
            Some(item) => recovery::older_deed(archive, item.row_id, &of)?,
            None => None,
        };
        rows.push((record.clone(), item, older));
    }
    let ((), records) = archive.journaled(&repo, deed, |transaction| {
        let mut deeds = Vec::new();
        for (record, item, older) in &rows {
            let archived = record.event.action == Action::Archive;
            if let (true, Some(item)) = (archived, item) {
                let (mut event, row) =
                    recovery::abort_item(transaction, item, &of, older.as_ref())?;
                event.actor = actor.to_string();
                event.reason = Some(ACTION.to_owned());
                deeds.push((event, row));
                continue;
            }
            if let (Action::Restore, Some(item)) = (&record.event.action, item) {
                transaction.catalog().set_restored(item.row_id, None)?;
            }
            let mut event = Event::new(Action::Repair, actor.as_str());
            event.repo = record.event.repo.clone();
            event.path = record.event.path.clone();
            event.tombstone = record.event.tombstone;
            event.of = Some(of);
            event.reason = Some(ACTION.to_owned());
            deeds.push((event, item.as_ref().map(|item| item.row_id)));
        }
        Ok(((), deeds))
    })?;
    Ok(records[records.len() - 1].1)
}
