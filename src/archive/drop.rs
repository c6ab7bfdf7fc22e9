//! `drop`: a stub goes for good, or gives its path to other code; the item stays archived.

use std::ffi::OsString;
use std::fs;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::evidence::{Action, Event, Record};
use crate::fs::{Folder, Seen, There};
use crate::git::{IndexScope, Repository};
use crate::logging::About;
use crate::model::{Actor, DeedId, Item, RepoPath, escape_line};
use crate::tombstone;

use super::explain::item_of;
use super::find::{Found, find, stub_at};
use super::intent::{Intent, Source};
use super::lookup::{is_stub_of, standing_stubs};
use super::recovery;
use super::recovery::take_steps;
use super::selection::repo_path;
use super::tree::{self, After, Step};
use super::{Archive, Workspace, detach, segments};

const ACTION: &str = "drop";

/// What to drop, and why.
#[derive(Debug, Clone)]
pub struct DropOptions {
    /// A path or an id.
    pub target: OsString,
    /// Why.
    pub reason: String,
    /// Who does it.
    pub actor: Actor,
}

/// What was dropped.
#[derive(Debug, Serialize)]
pub struct DropReport {
    /// The item, which stays archived.
    pub tombstone: String,
    /// Where its stub stood.
    pub path: String,
    /// Whether other content stands at the path now.
    pub replaced: bool,
    /// Digest of the record.
    pub evidence: String,
    /// The segment that was staged.
    pub evidence_segment: String,
}

/// Drops what `options` say.
pub fn drop_stub(workspace: &Workspace, options: &DropOptions) -> Result<DropReport> {
    let log = workspace.use_case("STUB_DROP", Some(options.actor.as_str()));
    let done = drop_one(workspace, options);
    log.end(done, |report| About::item(&report.tombstone, &report.evidence))
}

fn drop_one(workspace: &Workspace, options: &DropOptions) -> Result<DropReport> {
    let repository = workspace.repository(ACTION)?;
    let bad = options.reason.chars().any(char::is_control);
    if options.reason.trim().is_empty() || options.reason.len() > 1024 || bad {
        let why = "it must have 1 to 1024 bytes without control characters";
        return Err(Error::invalid("reason", escape_line(&options.reason), why));
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let found = match find(workspace, Some(&mut archive), &options.target) {
        Err(error @ Error::NotFound { .. }) => {
            unexplained(workspace, repository, &options.target)?.ok_or(error)?
        }
        found => found?,
    };
    let item = &found.item;
    let path = match &found.stub_path {
        Some(path) => path.clone(),
        None => place_of(repository, item)?,
    };
    if let Some(report) = dropped_already(repository, item, &path)? {
        return Ok(report);
    }
    tree::check_index_free(repository)?;
    let report =
        drop_at(workspace, repository, options, &mut archive, &found.item, path, found.in_archive)?;
    drop(lock);
    Ok(report)
}

/// A stub that no record stands behind is known by itself alone: enough to take it away.
fn unexplained(
    workspace: &Workspace,
    repository: &Repository,
    target: &OsString,
) -> Result<Option<Found>> {
    let path = repo_path(ACTION, &workspace.top, &workspace.cwd, target)?;
    let (Some(path), Some(label)) = (path, workspace.label()) else { return Ok(None) };
    let stub = stub_at(repository, &path)?.filter(|stub| tombstone::check_id(stub, label));
    Ok(stub.map(|stub| Found {
        item: item_of(&stub, label),
        in_archive: false,
        stub_path: Some(path),
    }))
}

/// What an earlier `drop` reported, if its record is staged and nothing of the stub stands there any
/// more.
fn dropped_already(
    repository: &Repository,
    item: &Item,
    path: &RepoPath,
) -> Result<Option<DropReport>> {
    if standing_stubs(repository, item)?.contains(path) {
        return Ok(None);
    }
    let (segments, _) = segments::in_index(repository)?;
    let is_last = |record: &Record| {
        record.event.action == Action::StubDrop && record.event.tombstone == Some(item.tombstone)
    };
    let last = segments::last_records(&segments).remove(&item.tombstone);
    if !last.is_some_and(|record| is_last(&record)) {
        return Ok(None);
    }
    let found = segments.iter().rev().find_map(|segment| {
        let line = segment.lines.iter().find(|(record, _)| is_last(record))?;
        Some((segment, line.1))
    });
    Ok(found.map(|(segment, digest)| DropReport {
        tombstone: item.tombstone.to_string(),
        path: path.to_string(),
        replaced: false,
        evidence: digest.to_string(),
        evidence_segment: segment.path.to_string(),
    }))
}

/// Where the stub stands, or stood at HEAD.
fn place_of(repository: &Repository, item: &Item) -> Result<RepoPath> {
    if let Some(path) = standing_stubs(repository, item)?.into_iter().next() {
        return Ok(path);
    }
    let stub = stub_at(repository, &item.path)?;
    if stub.is_some_and(|stub| stub.id == item.tombstone) {
        return Ok(item.path.clone());
    }
    // A commit took the stub away without a record: that record can still be made.
    let (segments, _) = segments::in_index(repository)?;
    let last = segments::last_records(&segments);
    if last.get(&item.tombstone).is_some_and(|record| record.event.action == Action::Archive) {
        return Ok(item.path.clone());
    }
    Err(Error::NotFound {
        action: ACTION,
        object: item.tombstone.to_string(),
        why: "its stub stands nowhere in this tree".to_owned(),
    })
}

fn drop_at(
    workspace: &Workspace,
    repository: &Repository,
    options: &DropOptions,
    archive: &mut Archive,
    item: &Item,
    path: RepoPath,
    in_archive: bool,
) -> Result<DropReport> {
    let on_disk = file_at(workspace, &path)?;
    let short = on_disk.as_ref().and_then(|seen| seen.short.as_deref());
    let stub_stands = short.is_some_and(|bytes| is_stub_of(bytes, item));
    let deed = DeedId::random();
    let mut steps = Vec::new();
    // Other code at the path was written for it as it is: that keeps the line.
    if on_disk.is_none() || stub_stands {
        steps.extend(lines_of(workspace, archive, item)?);
    }
    if stub_stands {
        let before = on_disk.as_ref().map(|seen| seen.sha256);
        let step = Step { path: path.clone(), before, stamp: None, after: After::Absent };
        steps.push((step, Source::Absent));
    }
    let intent = Intent::about(workspace, Action::StubDrop.as_str(), deed, item, &steps);
    intent.write(workspace)?;
    let row = in_archive.then_some(item.row_id);
    let event = event(options, item, &path);
    let ((), records) = archive
        .journaled(&item.repo, deed, |_| Ok(((), vec![(event.clone(), row)])))
        .inspect_err(|error| intent.remove_if_unsigned(workspace, error))?;
    let evidence = records[0].1.to_string();
    let segment = archive.segment_of(records)?;
    let steps: Vec<Step> = steps.into_iter().map(|(step, _)| step).collect();
    take_steps(ACTION, workspace, archive, &intent, &steps, Some(&segment), None)?;
    let replaced = !stub_stands && fs::symlink_metadata(workspace.top.join(path.as_path())).is_ok();
    if !stub_stands && is_tracked(repository, &path)? {
        // The path belongs to other code now (or to nothing): the commit must say the same.
        // git refuses to look behind a link for it; then it can only be gone.
        match crate::fs::check_contained(ACTION, &workspace.top, path.as_path()) {
            Ok(()) => repository.stage(std::slice::from_ref(&path))?,
            Err(_) => repository.stage_entries(&[(path.clone(), None)])?,
        }
    }
    Ok(DropReport {
        tombstone: item.tombstone.to_string(),
        path: path.to_string(),
        replaced,
        evidence,
        evidence_segment: segment.path.to_string(),
    })
}

/// What takes out the line that freed the item's path of its attributes.
fn lines_of(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
) -> Result<Vec<(Step, Source)>> {
    if detach::of_item(workspace, archive, item)?.is_none() {
        return Ok(Vec::new());
    }
    let changes = detach::bind(workspace, std::slice::from_ref(&item.path))?;
    Ok(changes.iter().map(detach::Change::step).collect())
}

/// The regular file at `path`; `None` where a folder or a link has taken the path, or a part of the
/// way to it: the stub is gone then too.
fn file_at(workspace: &Workspace, path: &RepoPath) -> Result<Option<Seen>> {
    let path = path.as_path();
    let folder = Folder::below(ACTION, &workspace.top, crate::fs::inner_folder_of(path));
    let Ok(Some(folder)) = folder else { return Ok(None) };
    match folder.see(path.file_name().unwrap_or_default())? {
        There::File(seen) => Ok(Some(seen)),
        _ => Ok(None),
    }
}

fn is_tracked(repository: &Repository, path: &RepoPath) -> Result<bool> {
    Ok(!repository.index(IndexScope::Paths(std::slice::from_ref(path)))?.is_empty())
}

/// The STUB_DROP event of `item`'s stub at `path`.
fn event(options: &DropOptions, item: &Item, path: &RepoPath) -> Event {
    let mut event = Event::new(Action::StubDrop, options.actor.as_str());
    event.repo = Some(item.repo.clone());
    event.path = Some(path.clone());
    event.sha256 = Some(item.sha256);
    event.size = Some(item.size_bytes);
    event.tombstone = Some(item.tombstone);
    event.reason = Some(options.reason.clone());
    event
}
