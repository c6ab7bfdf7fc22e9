//! What a restore manifest means here: which item goes where, and whether it may.
//!
//! Promises: nothing is written. Asks of each item what `restore` asks, and of the disks whether
//! there is room for all.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::ground::Ground;
use super::restore::BatchRestoreOptions;
use super::results::{ItemResult, Status, Why};
use super::{Filing, OnError};
use crate::archive::find::{Finder, Found};
use crate::archive::lookup::{check_belongs, check_released, elsewhere};
use crate::archive::output::{Outside, Target, normal};
use crate::archive::restore::is_stub;
use crate::archive::{Archive, Workspace};
use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, Seen};
use crate::manifest::{RestoreEntry, clash};
use crate::model::{Actor, Item};
use crate::policy::Door;
use crate::progress::Progress;

const ACTION: &str = "restore";

/// An item that may be written.
pub struct Job {
    /// Where it stands in the manifest, from 0.
    pub at: usize,
    /// Who does it.
    pub actor: Actor,
    /// The item.
    pub found: Found,
    /// The file.
    pub target: Target,
    /// What stood there.
    pub there: Option<Seen>,
}

/// What a manifest means.
#[derive(Default)]
pub struct Plan {
    /// Items that may be written, in the manifest's order.
    pub jobs: Vec<Job>,
    /// Every item of the manifest.
    pub items: Vec<ItemResult>,
}

/// Refuses outputs of which two are one file, or one lies below another: no order could write both.
pub fn check_outputs(
    workspace: &Workspace,
    manifest: &str,
    entries: &[RestoreEntry],
    results: Option<&Path>,
) -> Result<()> {
    let outputs = entries.iter().map(|entry| normal(&workspace.cwd.join(&entry.output)));
    let outputs: Vec<PathBuf> = outputs.collect();
    let why = match (clash(&outputs), outputs.iter().position(|it| Some(it.as_path()) == results)) {
        (Some(clash), _) => clash.to_string(),
        (None, Some(at)) => format!("item {} names the results file", at + 1),
        (None, None) => return Ok(()),
    };
    Err(Error::invalid("manifest", crate::model::escape_line(manifest), why))
}

/// Judges every item. Unless the batch goes on after errors (or is dry), the first one ends it.
pub fn plan(
    workspace: &Workspace,
    archive: &mut Option<Archive>,
    options: &BatchRestoreOptions,
    entries: &[RestoreEntry],
    filing: Option<&Filing>,
    progress: &dyn Progress,
) -> Result<Plan> {
    let stops = options.batch.on_error == OnError::Stop && !options.batch.dry_run;
    let mut finder = Finder::for_many(workspace);
    if let Some(archive) = archive.as_mut() {
        let ids = entries.iter().map(|entry| entry.tombstone.as_str());
        // Where this fails, each item is asked for by itself, and says why it cannot be read.
        let _ = archive.at_one_moment(|archive| finder.look_ahead(archive, ids));
    }
    let outside = if options.allow_outside { Outside::Allowed } else { Outside::Refused };
    let mut ground = Ground::new(ACTION, workspace, outside);
    let mut plan = Plan::default();
    for (at, entry) in entries.iter().enumerate() {
        let mut item = ItemResult::new(&entry.tombstone, "", Some(&entry.output));
        if progress.is_stopped() {
            item.is_skipped(Why::Interrupted);
            plan.items.push(item);
            continue;
        }
        match judge(workspace, &finder, &mut ground, archive.as_mut(), options, (at, entry)) {
            Ok(job) => {
                describe(&mut item, &job);
                if job.there.as_ref().is_some_and(|it| it.sha256 == job.found.item.sha256) {
                    item.is_skipped(Why::Already);
                    item.evidence = known_evidence(filing, &item).unwrap_or_default();
                } else {
                    plan.jobs.push(job);
                }
            }
            Err(error) if stops => {
                let source = Box::new(error);
                return Err(Error::Item { number: at + 1, done: "restored", source });
            }
            Err(error) => item.fails(super::results::Failure::of(&error)),
        }
        plan.items.push(item);
    }
    check_room(&plan.jobs, &ground)?;
    if options.batch.dry_run {
        plan.jobs.iter().for_each(|job| plan.items[job.at].becomes(Status::Ready));
    }
    Ok(plan)
}

fn describe(item: &mut ItemResult, job: &Job) {
    let found = &job.found.item;
    item.tombstone = found.tombstone.to_string();
    item.path = found.path.to_string();
    item.output = Some(job.target.shown.clone());
    item.sha256 = found.sha256.to_string();
    item.bytes = found.size_bytes;
}

/// The record that an earlier run made of the same content in the same file.
fn known_evidence(filing: Option<&Filing>, item: &ItemResult) -> Option<String> {
    let known = filing?.earlier.get(item.output.as_ref()?)?;
    (known.sha256 == item.sha256).then(|| known.evidence.clone())
}

fn judge(
    workspace: &Workspace,
    finder: &Finder<'_>,
    ground: &mut Ground<'_>,
    archive: Option<&mut Archive>,
    options: &BatchRestoreOptions,
    (at, entry): (usize, &RestoreEntry),
) -> Result<Job> {
    let actor = match &entry.actor {
        Some(name) => Actor::new(name)?,
        None => options.batch.actor.clone(),
    };
    let target = ground.target(&workspace.cwd.join(&entry.output))?;
    let found = finder.find(archive, OsStr::new(&entry.tombstone))?;
    check_released(&found.item, Door::Read)?;
    check_belongs(&found.item)?;
    if !has_bytes(workspace, &found.item)? {
        return Err(elsewhere(&found.item));
    }
    let there = ground.seen(&target)?;
    if let Some(seen) = &there {
        let same = seen.sha256 == found.item.sha256;
        if !same && !options.batch.force && !is_stub(seen, &found.item) {
            return Err(Error::refused(ACTION, target.shown, Refusal::Exists));
        }
    }
    ground.check_writable(&target)?;
    Ok(Job { at, actor, found, target, there })
}

/// Whether the archive or git claims to have an item's bytes.
fn has_bytes(workspace: &Workspace, item: &Item) -> Result<bool> {
    if item.artifact_row_id != 0 {
        return Ok(true);
    }
    match &workspace.repository {
        Some(repository) => Ok(repository.blob_size(&item.git_blob)? == Some(item.size_bytes)),
        None => Ok(false),
    }
}

/// Refuses what the disks have no room for.
fn check_room(jobs: &[Job], ground: &Ground<'_>) -> Result<()> {
    let mut wanted: BTreeMap<&OsStr, u64> = BTreeMap::new();
    for job in jobs {
        let bytes = wanted.entry(ground.standing(&job.target)).or_default();
        *bytes = bytes.saturating_add(job.found.item.size_bytes);
    }
    let mut by_disk: BTreeMap<u64, (u64, u64, &Path)> = BTreeMap::new();
    for (folder, bytes) in wanted {
        let folder = Path::new(folder);
        let Some(disk) = files::disk_of(folder) else { continue };
        let entry = by_disk.entry(disk.id).or_insert((disk.free_bytes, 0, folder));
        entry.1 = entry.1.saturating_add(bytes);
    }
    match by_disk.into_values().find(|(free, needed, _)| needed > free) {
        Some((free, needed, folder)) => {
            let why = format!("the batch needs {needed} bytes, and {free} are free");
            let full = std::io::Error::new(std::io::ErrorKind::StorageFull, why);
            Err(Error::io("write in", folder)(full))
        }
        None => Ok(()),
    }
}
