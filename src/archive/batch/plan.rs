//! What a restore manifest means here: which item goes where, and whether it may.
//!
//! Promises: nothing is written. Asks of each item what `restore` asks, and of the disks whether
//! there is room for all.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::admission::Admission;
use super::ground::Ground;
use super::real::RealFolders;
use super::restore::BatchRestoreOptions;
use super::results::{ItemResult, Status, Why};
use super::room::check_room;
use super::{Filing, OnError};
use crate::archive::find::{Finder, Found};
use crate::archive::governance::ApprovedRestore;
use crate::archive::lookup::{check_belongs, elsewhere};
use crate::archive::output::{Outside, Target, normal};
use crate::archive::restore::is_stub;
use crate::archive::{Archive, Workspace};
use crate::error::{Error, Refusal, Result};
use crate::fs::Seen;
use crate::manifest::{RestoreEntry, clash};
use crate::model::{Actor, Item};
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
    /// Who approved it, if it takes approvals.
    pub approved: ApprovedRestore,
}

impl Job {
    /// Whether the file is there already, whole.
    fn is_done(&self) -> bool {
        self.there.as_ref().is_some_and(|seen| seen.sha256 == self.found.item.sha256)
    }
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
    results: &Path,
) -> Result<()> {
    let mut folders = RealFolders::default();
    let outputs = entries.iter().map(|entry| normal(&workspace.cwd.join(&entry.output)));
    let outputs: Vec<PathBuf> = outputs.map(|file| folders.of(&file)).collect();
    let results = folders.of(results);
    let why = match (clash(&outputs), outputs.iter().position(|it| *it == results)) {
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
    filing: &Filing,
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
    let mut admission = Admission::new(workspace);
    let mut plan = Plan::default();
    for (at, entry) in entries.iter().enumerate() {
        let mut item = ItemResult::new(&entry.tombstone, "", Some(&entry.output));
        item.actor.clone_from(&entry.actor);
        if progress.is_stopped() {
            item.is_skipped(Why::Interrupted);
            plan.items.push(item);
            continue;
        }
        let ways = (&mut ground, &admission);
        match judge(workspace, &finder, ways, archive.as_mut(), options, (at, entry)) {
            Ok(job) => {
                describe(&mut item, &job);
                if job.is_done() {
                    item.is_skipped(Why::Already);
                    item.evidence = known_evidence(filing, &item).unwrap_or_default();
                } else {
                    admission.claim(&job.found, &job.approved);
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
    let wanted = plan
        .jobs
        .iter()
        .map(|job| (PathBuf::from(ground.standing(&job.target)), job.found.item.size_bytes));
    check_room(wanted)?;
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
fn known_evidence(filing: &Filing, item: &ItemResult) -> Option<String> {
    let known = filing.earlier.get(item.output.as_ref()?)?;
    (known.sha256 == item.sha256).then(|| known.evidence.clone())
}

fn judge(
    workspace: &Workspace,
    finder: &Finder<'_>,
    (ground, admission): (&mut Ground<'_>, &Admission<'_>),
    mut archive: Option<&mut Archive>,
    options: &BatchRestoreOptions,
    (at, entry): (usize, &RestoreEntry),
) -> Result<Job> {
    let actor = match &entry.actor {
        Some(name) => Actor::new(name)?,
        None => options.batch.actor.clone(),
    };
    let target = ground.target(&workspace.cwd.join(&entry.output))?;
    let found = finder.find(archive.as_deref_mut(), OsStr::new(&entry.tombstone))?;
    let there = ground.seen(&target)?;
    if there.as_ref().is_some_and(|seen| seen.sha256 == found.item.sha256) {
        let approved = Admission::of_done(&found)?;
        return Ok(Job { at, actor, found, target, there, approved });
    }
    let approved = admission.ask(archive, &found)?;
    check_belongs(&found.item)?;
    if !has_bytes(workspace, &found.item)? {
        return Err(elsewhere(&found.item));
    }
    if let Some(seen) = &there
        && !options.batch.force
        && !is_stub(seen, &found.item)
    {
        return Err(Error::refused(ACTION, target.shown, Refusal::Exists));
    }
    ground.check_writable(&target)?;
    Ok(Job { at, actor, found, target, there, approved })
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
