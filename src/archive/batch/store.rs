//! `batch-store`: the files of a manifest in one deed, each with what the manifest says of it.
//!
//! Promises: all of them or none, as `store` does it; with [`OnError::GoOn`] all but those that are
//! refused beforehand. One ARCHIVE for each, and a BATCH_STORE as the deed's last record.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::filing::Filing;
use super::results::{BatchResults, Failure, ItemResult, Status, Why};
use super::{BatchMark, BatchOptions, OnError};
use crate::archive::credentials::{Screen, record_block_if_there};
use crate::archive::detach::{self, CONVERSIONS};
use crate::archive::selection::{Candidate, Selection, judge, repo_path, why_not};
use crate::archive::store::{check_label, check_stub_length, store_selected};
use crate::archive::{StoreOptions, StoreReport, StubPlace, Workspace, recovery};
use crate::clock::Stopwatch;
use crate::error::{Credential, Error, Refusal, Result};
use crate::git::{AttributeSource, IndexEntry, IndexScope, Repository};
use crate::manifest::{StoreEntry, clash};
use crate::model::{GitOid, Notes, Reason, RepoLabel, RepoPath, escape_line};
use crate::progress::Progress;

const COMMAND: &str = "batch-store";
const ACTION: &str = "archive";

/// What to archive, and how.
#[derive(Debug, Clone)]
pub struct BatchStoreOptions {
    /// What every batch needs.
    pub batch: BatchOptions,
    /// The repo label.
    pub label: RepoLabel,
    /// Why, where the manifest does not say.
    pub reason: Option<Reason>,
}

/// The files of a manifest, and what was found out about each.
struct Chosen {
    /// The path of each item, in the manifest's order.
    paths: Vec<Option<RepoPath>>,
    selection: Selection,
    refused: BTreeMap<usize, Error>,
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
    let mut store = store_options(options);
    check_label(workspace, &store)?;
    let lock = workspace.lock()?;
    if !batch.dry_run {
        recovery::recover(workspace)?;
    }
    let filing = match batch.dry_run {
        true => None,
        false => Some(Filing::claim(workspace, COMMAND, batch, now)?),
    };
    let commit = repository.resolve_commit("HEAD")?;
    let mut screen = Screen::new(workspace)?;
    let chosen = choose(workspace, repository, options, &store, entries, &commit, &mut screen)?;
    if !batch.dry_run {
        record_refused(workspace, &store, &chosen);
    }
    store.own_notes = own_notes(&chosen, notes);
    store.batch = Some(BatchMark {
        manifest: batch.manifest_sha256,
        total: entries.len(),
        failed: chosen.refused.len(),
        measures: workspace.config.measures(),
        watch,
    });
    let before = entries.len() - chosen.selection.candidates.len();
    let rest = Rest { before, progress };
    let stored = match progress.is_stopped() {
        true => Err(Error::Interrupted),
        false => store_selected(workspace, &store, &chosen.selection, &commit, &mut screen, &rest),
    };
    let report = match stored {
        Err(Error::Interrupted) => None,
        other => Some(other?),
    };
    let mut results = BatchResults::new(COMMAND, batch, now);
    results.interrupted = report.is_none();
    results.items = tell(entries, &chosen, report.as_ref(), filing.as_ref());
    if let Some(report) = report {
        results.deed = report.deed;
        results.evidence = report.batch_evidence;
        results.evidence_segment = report.evidence_segment;
    }
    results.count(watch.elapsed_whole_ms());
    results.summary.archived_bytes = Some(results.bytes_done());
    if let Some(filing) = filing {
        filing.keep(&mut results);
    }
    drop(lock);
    Ok(results)
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
        Ok(Notes { reason, tags: entry.tags.clone(), metadata: entry.metadata.clone() })
    });
    notes.collect()
}

fn store_options(options: &BatchStoreOptions) -> StoreOptions {
    // Every item has notes of its own; these are never asked for.
    let reason = options.reason.unwrap_or(Reason::Dead);
    StoreOptions {
        label: options.label.clone(),
        paths: Vec::new(),
        actor: options.batch.actor.clone(),
        notes: Notes { reason, tags: Default::default(), metadata: BTreeMap::new() },
        own_notes: BTreeMap::new(),
        commit: None,
        kind: None,
        language: None,
        restricted: false,
        delete_after: None,
        stub: StubPlace::InPlace,
        detach: false,
        dry_run: options.batch.dry_run,
        batch: None,
    }
}

/// Finds and judges every file. Unless the batch goes on after errors (or is dry), the first one
/// that is refused ends it.
fn choose(
    workspace: &Workspace,
    repository: &Repository,
    options: &BatchStoreOptions,
    store: &StoreOptions,
    entries: &[StoreEntry],
    commit: &GitOid,
    screen: &mut Screen,
) -> Result<Chosen> {
    let mut chosen =
        Chosen { paths: Vec::new(), selection: Selection::default(), refused: BTreeMap::new() };
    for (at, entry) in entries.iter().enumerate() {
        let given = OsStr::new(&entry.path);
        let found = repo_path(ACTION, &workspace.top, &workspace.cwd, given).and_then(|path| {
            let what = "a folder";
            path.ok_or_else(|| Error::refused(ACTION, ".", Refusal::NotRegular { what }))
        });
        chosen.paths.push(found.map_err(|error| chosen.refused.insert(at, error)).ok());
    }
    check_distinct(options, &chosen)?;
    judge_all(workspace, repository, commit, &mut chosen)?;
    let stops = options.batch.on_error == OnError::Stop && !options.batch.dry_run;
    if !stops {
        leave_out(repository, store, &mut chosen)?;
        screen.look_ahead(workspace, repository, &chosen.selection.candidates)?;
        leave_out_credentials(&mut chosen, screen);
    }
    match chosen.refused.pop_first() {
        Some((at, error)) if stops => {
            let source = Box::new(error);
            Err(Error::Item { number: at + 1, done: "archived", source })
        }
        Some((at, error)) => {
            chosen.refused.insert(at, error);
            Ok(chosen)
        }
        None => {
            let all = &chosen.selection.candidates;
            all.iter().try_for_each(|candidate| check_stub_length(store, candidate))?;
            Ok(chosen)
        }
    }
}

fn check_distinct(options: &BatchStoreOptions, chosen: &Chosen) -> Result<()> {
    let path = |path: &Option<RepoPath>| path.as_ref().map(|it| it.as_path().to_path_buf());
    let (numbers, paths): (Vec<usize>, Vec<PathBuf>) =
        chosen.paths.iter().enumerate().filter_map(|(at, it)| Some((at + 1, path(it)?))).unzip();
    match clash(&paths) {
        Some(mut clash) => {
            (clash.first, clash.second) = (numbers[clash.first - 1], numbers[clash.second - 1]);
            let manifest = escape_line(&options.batch.manifest);
            Err(Error::invalid("manifest", manifest, clash.to_string()))
        }
        None => Ok(()),
    }
}

fn judge_all(
    workspace: &Workspace,
    repository: &Repository,
    commit: &GitOid,
    chosen: &mut Chosen,
) -> Result<()> {
    let tree = repository.commit_tree(commit)?;
    let named: Vec<RepoPath> = chosen.paths.iter().flatten().cloned().collect();
    let mut entries: BTreeMap<RepoPath, IndexEntry> = BTreeMap::new();
    for entry in repository.index(IndexScope::Paths(&named))? {
        entries.entry(entry.path.clone()).or_insert(entry);
    }
    let Chosen { paths, selection, refused } = chosen;
    for (at, path) in paths.iter().enumerate() {
        let Some(path) = path else { continue };
        let judged = match entries.get(path) {
            Some(entry) => {
                judge(workspace, repository, &tree, selection, path, entry, true, "HEAD")
            }
            None if is_folder(workspace, path) => {
                let what = "a folder";
                Err(Error::refused(ACTION, path.to_string(), Refusal::NotRegular { what }))
            }
            None => Err(why_not(workspace, &tree, path, "HEAD")?),
        };
        judged.or_else(|error| refused.insert(at, error).map_or(Ok(()), Err))?;
    }
    selection.candidates.sort_by(|a, b| a.path.cmp(&b.path));
    refuse(chosen, &converted(repository, &chosen.selection.candidates)?);
    Ok(())
}

fn is_folder(workspace: &Workspace, path: &RepoPath) -> bool {
    fs::symlink_metadata(workspace.top.join(path.as_path())).is_ok_and(|meta| meta.is_dir())
}

/// The candidates that git converts.
fn converted(
    repository: &Repository,
    candidates: &[Candidate],
) -> Result<BTreeMap<RepoPath, Refusal>> {
    let paths: Vec<RepoPath> = candidates.iter().map(|it| it.path.clone()).collect();
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let values = repository.attributes(&paths, &CONVERSIONS, AttributeSource::WorkTree)?;
    let refusal = |(path, values): (RepoPath, Vec<String>)| {
        let attribute = detach::conversions(&values).into_iter().next()?;
        Some((path, Refusal::Filtered { attribute }))
    };
    Ok(paths.into_iter().zip(values).filter_map(refusal).collect())
}

/// Takes what would be refused later out of the deed: what git does not call clean, and paths that
/// are too long for a stub.
fn leave_out(repository: &Repository, store: &StoreOptions, chosen: &mut Chosen) -> Result<()> {
    let candidates = &chosen.selection.candidates;
    let paths: Vec<RepoPath> = candidates.iter().map(|it| it.path.clone()).collect();
    let mut refused = BTreeMap::new();
    for (candidate, clean) in candidates.iter().zip(repository.clean_hashes(&paths)?) {
        if clean != candidate.oid {
            refused.insert(candidate.path.clone(), Refusal::Dirty);
        } else if let Err(Error::Refused { refusal, .. }) = check_stub_length(store, candidate) {
            refused.insert(candidate.path.clone(), refusal);
        }
    }
    refuse(chosen, &refused);
    Ok(())
}

/// Takes the files whose content the policy refuses out of the deed.
fn leave_out_credentials(chosen: &mut Chosen, screen: &mut Screen) {
    for (path, error) in screen.take_refused() {
        chosen.selection.candidates.retain(|candidate| candidate.path != path);
        if let Some(at) = chosen.paths.iter().position(|it| it.as_ref() == Some(&path)) {
            chosen.refused.insert(at, error);
        }
    }
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

fn refuse(chosen: &mut Chosen, refused: &BTreeMap<RepoPath, Refusal>) {
    chosen.selection.candidates.retain(|candidate| !refused.contains_key(&candidate.path));
    for (at, path) in chosen.paths.iter().enumerate() {
        if let Some((path, refusal)) = path.as_ref().and_then(|path| refused.get_key_value(path)) {
            let error = Error::refused(ACTION, path.to_string(), refusal.clone());
            chosen.refused.insert(at, error);
        }
    }
}

/// What came of each item; of a batch that was interrupted there is no report.
fn tell(
    entries: &[StoreEntry],
    chosen: &Chosen,
    report: Option<&StoreReport>,
    filing: Option<&Filing>,
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
            if let Some(known) = filing.and_then(|filing| filing.earlier.get(&shown)) {
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
