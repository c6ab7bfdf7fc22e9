//! `batch-store`: the files of a manifest in one deed, each with what the manifest says of it.
//!
//! Promises: all of them or none, as `store` does it; where the batch goes on after errors, all but those
//! that are refused or cannot be read.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{Chooser, Chosen, stopped_at};
use super::filing::Filing;
use super::results::{BatchResults, Failure, ItemResult, Status, Why};
use super::room::check_room;
use super::{BatchMark, BatchOptions};
use crate::archive::credentials::{Screen, record_block_if_there};
use crate::archive::intent::pending;
use crate::archive::store::{check_label, check_words, store_selected};
use crate::archive::{StoreOptions, StoreReport, StubPlace, Workspace, recovery};
use crate::clock::Stopwatch;
use crate::error::{Credential, Error, Result};
use crate::git::Repository;
use crate::manifest::StoreEntry;
use crate::model::{GitOid, Notes, Reason, RepoPath, escape_line};
use crate::progress::Progress;
use crate::tombstone::MAX_STUB_BYTES;

const COMMAND: &str = "batch-store";

/// What to archive, and how.
#[derive(Debug, Clone)]
pub struct BatchStoreOptions {
    /// What every batch needs.
    pub batch: BatchOptions,
    /// The rest as `store` takes it: paths are those of the manifest; tags and metadata are added to
    /// what the manifest says, which wins.
    pub store: StoreOptions,
    /// Why, where the manifest does not say.
    pub reason: Option<Reason>,
}

/// Archives `entries`. An error means that nothing was archived.
pub fn batch_store(
    workspace: &Workspace,
    options: &BatchStoreOptions,
    entries: &[StoreEntry],
    progress: &dyn Progress,
) -> Result<BatchResults> {
    let watch = Stopwatch::start();
    let (now, batch) = (workspace.now(), &options.batch);
    let notes = notes_of(options, entries)?;
    let repository = workspace.repository("archive a batch")?;
    let mut store = StoreOptions { dry_run: batch.dry_run, ..options.store.clone() };
    check_words(&store)?;
    check_label(workspace, &store)?;
    let lock = workspace.lock()?;
    if !batch.dry_run {
        recovery::recover(workspace)?;
    }
    let filing = Filing::claim(workspace, COMMAND, batch, now)?;
    let commit = repository.resolve_commit(store.commit.as_deref().unwrap_or("HEAD"))?;
    let mut screen = Screen::new(workspace)?;
    let chooser =
        Chooser { workspace, repository, options, store: &store, commit: &commit, filing: &filing };
    let stops = chooser.stops();
    let mut chosen = chooser.choose(entries, &mut screen)?;
    if !batch.dry_run {
        record_refused(workspace, &store, &chosen);
    }
    store.own_notes = own_notes(&chosen, notes);
    store.batch = Some(BatchMark {
        manifest: batch.manifest_sha256,
        total: entries.len(),
        failed: 0,
        measures: workspace.config.measures(),
        watch,
    });
    let mut deed = StoreDeed { workspace, store: &mut store, commit: &commit, stops, progress };
    let report = deed.done(&mut chosen, &mut screen)?;
    if let Some(report) = report.as_ref().filter(|_| batch.dry_run) {
        check_rooms(workspace, repository, &store, report)?;
    }
    let mut results = BatchResults::new(COMMAND, batch, now);
    results.interrupted = report.is_none();
    results.items = tell(entries, &chosen, report.as_ref(), &filing);
    if let Some(report) = report {
        results.deed = report.deed;
        results.evidence = report.batch_evidence;
        results.evidence_segment = report.evidence_segment;
    }
    results.count(watch.elapsed_whole_ms());
    results.summary.archived_bytes = Some(results.bytes_done());
    if !batch.dry_run {
        filing.keep(&mut results);
    }
    drop(lock);
    Ok(results)
}

/// The deed that a batch is.
struct StoreDeed<'a> {
    workspace: &'a Workspace,
    store: &'a mut StoreOptions,
    commit: &'a GitOid,
    /// Whether the first file that fails ends the batch.
    stops: bool,
    progress: &'a dyn Progress,
}

impl StoreDeed<'_> {
    /// Archives what was chosen, without what turns out to be in the way; `None` if it was
    /// interrupted, with nothing archived.
    fn done(&mut self, chosen: &mut Chosen, screen: &mut Screen) -> Result<Option<StoreReport>> {
        loop {
            if self.progress.is_stopped() {
                return Ok(None);
            }
            if let Some(mark) = &mut self.store.batch {
                mark.failed = chosen.refused.len();
            }
            let before = chosen.paths.len() - chosen.selection.candidates.len();
            let rest = Rest { before, progress: self.progress };
            let (selection, commit) = (&chosen.selection, self.commit);
            match store_selected(self.workspace, self.store, selection, commit, screen, &rest) {
                Ok(report) => return Ok(Some(report)),
                Err(Error::Interrupted) => return Ok(None),
                Err(error) => self.leave_out(chosen, screen, error)?,
            }
        }
    }

    /// Takes the file out that `error` is about, so that the rest can be tried again. Without such a
    /// file, or where the first failure ends the batch, that is the end.
    fn leave_out(&self, chosen: &mut Chosen, screen: &mut Screen, error: Error) -> Result<()> {
        let Some(path) = chosen.culprit(self.workspace, &error) else { return Err(error) };
        // From the intent on the deed may be recorded, and is for recovery to settle.
        let intents = pending(self.workspace)?.intents;
        if !self.store.dry_run && intents.iter().any(|intent| intent.is_of(self.workspace)) {
            return Err(error);
        }
        if self.stops {
            let at = chosen.place_of(&path).unwrap_or_default();
            return Err(stopped_at(at, error));
        }
        screen.forget(&path);
        chosen.refuse(&path, error);
        Ok(())
    }
}

/// Refuses in a dry run what the disks of archive and work tree have no room for.
fn check_rooms(
    workspace: &Workspace,
    repository: &Repository,
    store: &StoreOptions,
    report: &StoreReport,
) -> Result<()> {
    let mut seen = BTreeSet::new();
    let new = report.items.iter().filter(|item| seen.insert(&item.sha256));
    let stored = new.map(|item| item.compressed_size).sum();
    let stubs = match store.stub {
        StubPlace::None => 0,
        _ => (report.items.len() * MAX_STUB_BYTES) as u64,
    };
    let archive = workspace.archive_folder()?;
    let top = repository.work_tree().unwrap_or(&workspace.top).to_path_buf();
    check_room(archive.map(|folder| (folder, stored)).into_iter().chain([(top, stubs)]))
}

fn own_notes(chosen: &Chosen, notes: Vec<Notes>) -> BTreeMap<RepoPath, Notes> {
    let pairs = chosen.paths.iter().zip(notes);
    pairs.filter_map(|(path, notes)| Some((path.clone()?, notes))).collect()
}

/// How far a batch has come of which a part was settled beforehand.
struct Rest<'a> {
    before: usize,
    progress: &'a dyn Progress,
}

impl Progress for Rest<'_> {
    fn step(&self, done: usize, total: usize) {
        self.progress.step(self.before + done, self.before + total);
    }

    fn warn(&self, message: &str) {
        self.progress.warn(message);
    }

    fn is_stopped(&self) -> bool {
        self.progress.is_stopped()
    }
}

/// What is remembered of each item; every one has a reason.
fn notes_of(options: &BatchStoreOptions, entries: &[StoreEntry]) -> Result<Vec<Notes>> {
    let notes = entries.iter().enumerate().map(|(at, entry)| {
        let reason = entry.reason.or(options.reason).ok_or_else(|| {
            let why = format!("item {} has no reason, and there is no `--reason`", at + 1);
            Error::invalid("manifest", escape_line(&options.batch.manifest), why)
        })?;
        let mut notes = Notes { reason, ..options.store.notes.clone() };
        notes.tags.extend(entry.tags.iter().cloned());
        notes
            .metadata
            .extend(entry.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(notes)
    });
    notes.collect()
}

/// Records which files the content policy kept out, where there is an archive.
fn record_refused(workspace: &Workspace, store: &StoreOptions, chosen: &Chosen) {
    let found = chosen.refused.values().flat_map(|error| match error {
        Error::Credentials { found, .. } => found.as_slice(),
        _ => &[],
    });
    let found: Vec<Credential> = found.cloned().collect();
    record_block_if_there(workspace, store, &found);
}

/// What came of each item; of a batch that was interrupted there is no report.
fn tell(
    entries: &[StoreEntry],
    chosen: &Chosen,
    report: Option<&StoreReport>,
    filing: &Filing,
) -> Vec<ItemResult> {
    let stored = report.into_iter().flat_map(|report| &report.items);
    let stored: BTreeMap<&str, _> = stored.map(|item| (item.path.as_str(), item)).collect();
    let already = |path: &RepoPath| chosen.selection.already.contains(path);
    let one = |(at, (entry, path)): (usize, (&StoreEntry, &Option<RepoPath>))| {
        let shown = path.as_ref().map_or_else(|| escape_line(&entry.path), RepoPath::to_string);
        let mut item = ItemResult::new("", &shown, None);
        if let Some(error) = chosen.refused.get(&at) {
            item.fails(Failure::of(error));
        } else if let Some(stored) = stored.get(shown.as_str()) {
            let dry = report.is_some_and(|report| report.batch_evidence.is_empty());
            item.becomes(if dry { Status::Ready } else { Status::Succeeded });
            item.tombstone.clone_from(&stored.tombstone);
            item.sha256.clone_from(&stored.sha256);
            item.evidence.clone_from(&stored.evidence);
            (item.bytes, item.duration_ms) = (stored.size_bytes, stored.duration_ms);
        } else if path.as_ref().is_some_and(already) {
            item.is_skipped(Why::Already);
            if let Some(known) = filing.earlier.get(&shown) {
                item.sha256.clone_from(&known.sha256);
                item.evidence.clone_from(&known.evidence);
            }
        } else {
            item.is_skipped(Why::Interrupted);
        }
        item
    };
    entries.iter().zip(&chosen.paths).enumerate().map(one).collect()
}
