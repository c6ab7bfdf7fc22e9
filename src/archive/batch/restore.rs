//! `batch-restore`: the files of a manifest, each as `restore ID OUTPUT` writes it.
//!
//! Promises: a RESTORE for each item, durable before its file has its name, and a BATCH_RESTORE
//! when it ends; a failure touches no other item.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::crew::{Crew, Done, Group, Settle, Written};
use super::filing::Filing;
use super::plan::{Job, Plan, check_outputs, plan};
use super::results::{BatchResults, Failure, ItemResult, Status, Why};
use super::{BatchMark, BatchOptions, OnError};
use crate::archive::intent::{Intent, IntentStep, Source};
use crate::archive::restore::{event, failure};
use crate::archive::{Archive, Origin, Transaction, Workspace, recovery};
use crate::clock::Stopwatch;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs::{Folder, TempFile, There, folder_of, sync_all, sync_folders, sync_new};
use crate::manifest::RestoreEntry;
use crate::model::{Actor, DeedId, Digest, RepoPath};
use crate::progress::Progress;

const COMMAND: &str = "batch-restore";

/// So many failures are recorded in one transaction.
const AT_ONCE: usize = 256;

/// What to restore, and how.
#[derive(Debug, Clone)]
pub struct BatchRestoreOptions {
    /// What every batch needs.
    pub batch: BatchOptions,
    /// Whether files may be outside the repository and the current directory.
    pub allow_outside: bool,
    /// How many items are worked on at once.
    pub concurrent: usize,
    /// How long each may take.
    pub timeout: Duration,
}

/// Restores `entries`. An error means that nothing was written; what failed later is in the results.
pub fn batch_restore(
    workspace: &Workspace,
    options: &BatchRestoreOptions,
    entries: &[RestoreEntry],
    progress: &dyn Progress,
) -> Result<BatchResults> {
    let watch = Stopwatch::start();
    let now = workspace.now();
    let mut results = BatchResults::new(COMMAND, &options.batch, now);
    if options.batch.dry_run {
        let filing = Filing::claim(workspace, COMMAND, &options.batch, now)?;
        check_outputs(workspace, &options.batch.manifest, entries, filing.file())?;
        let mut archive = for_reading(workspace)?;
        results.items = plan(workspace, &mut archive, options, entries, &filing, progress)?.items;
        finish(&mut results, progress, watch);
        return Ok(results);
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let filing = Filing::claim(workspace, COMMAND, &options.batch, now)?;
    check_outputs(workspace, &options.batch.manifest, entries, filing.file())?;
    let mut archive = for_reading(workspace)?;
    let planned = plan(workspace, &mut archive, options, entries, &filing, progress)?;
    drop(archive);
    run(workspace, options, planned, &mut results, progress, watch)?;
    filing.keep(&mut results);
    drop(lock);
    Ok(results)
}

fn for_reading(workspace: &Workspace) -> Result<Option<Archive>> {
    match Archive::open(workspace) {
        Err(Error::NoArchive { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn finish(results: &mut BatchResults, progress: &dyn Progress, watch: Stopwatch) {
    results.interrupted = progress.is_stopped();
    results.count(watch.elapsed_whole_ms());
    results.summary.restored_bytes = Some(results.bytes_done());
}

fn run(
    workspace: &Workspace,
    options: &BatchRestoreOptions,
    planned: Plan,
    results: &mut BatchResults,
    progress: &dyn Progress,
    watch: Stopwatch,
) -> Result<()> {
    let Plan { jobs, items } = planned;
    let tried = !jobs.is_empty() || items.iter().any(|item| item.status == Status::Failed);
    if !tried {
        results.items = items;
        finish(results, progress, watch);
        return Ok(());
    }
    let mut archive = Archive::create(workspace)?;
    let intent = intent(workspace, &jobs);
    if let Some(intent) = &intent {
        intent.write(workspace)?;
    }
    let deed = DeedId::random();
    let done = items.len() - jobs.len();
    if done > 0 {
        progress.step(done, items.len());
    }
    let mut clerk = Clerk { workspace, options, deed, items, progress, done, goes_on: true };
    clerk.record_refused(&mut archive);
    let crew = Crew {
        repository: workspace.repository.as_ref(),
        spool: workspace.spool(),
        concurrent: options.concurrent,
        limit: options.timeout,
    };
    let worked = crew.work(&mut archive, &jobs, &mut clerk);
    let removed = intent.map_or(Ok(()), |intent| intent.remove(workspace));
    results.items = clerk.items;
    if progress.is_stopped() {
        let left = |item: &&mut ItemResult| item.why == Some(Why::NotReached);
        results.items.iter_mut().filter(left).for_each(|item| item.is_skipped(Why::Interrupted));
    }
    results.deed = deed.to_string();
    finish(results, progress, watch);
    let recorded = record_end(workspace, options, &mut archive, results, deed, watch);
    match worked.and(removed).and(recorded) {
        Ok(digest) => results.evidence = digest.to_string(),
        Err(error) => results.trouble = Some(Failure::of(&error)),
    }
    Ok(())
}

/// What leads recovery to the temporary files of a killed batch: one file of each folder. `None` if
/// all are outside the work tree.
fn intent(workspace: &Workspace, jobs: &[Job]) -> Option<Intent> {
    let step = |job: &Job| {
        let inside = job.target.file.strip_prefix(&workspace.top).ok()?;
        Some(IntentStep {
            path: RepoPath::new(inside.as_os_str().as_bytes()).ok()?,
            tombstone: job.found.item.tombstone,
            before: job.there.as_ref().map(|seen| seen.sha256),
            after: Some(job.found.item.sha256),
            source: Source::Content,
            given: None,
        })
    };
    let mut folders = HashSet::new();
    let first = jobs.iter().filter(|job| folders.insert(folder_of(&job.target.file).as_os_str()));
    let steps: Vec<IntentStep> = first.filter_map(step).collect();
    // The records have deeds of their own: there is nothing to complete here.
    let deed = DeedId::random();
    (!steps.is_empty()).then(|| Intent::new(workspace, Action::Restore.as_str(), deed, steps))
}

fn record_end(
    workspace: &Workspace,
    options: &BatchRestoreOptions,
    archive: &mut Archive,
    results: &BatchResults,
    deed: DeedId,
    watch: Stopwatch,
) -> Result<Digest> {
    let mark = BatchMark {
        manifest: options.batch.manifest_sha256,
        total: results.summary.total,
        failed: results.summary.failed,
        measures: workspace.config.measures(),
        watch,
    };
    let label = label_of(workspace);
    let actor = options.batch.actor.as_str();
    let mut event = mark.ended(Action::BatchRestore, actor, label, results.summary.succeeded);
    let bytes = results.bytes_done();
    event.detail.get_or_insert_default().insert("restored_bytes".to_owned(), bytes.into());
    archive.set_now(workspace.now());
    let ((), records) =
        archive.journaled(label, deed, |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(records[0].1)
}

fn label_of(workspace: &Workspace) -> &str {
    workspace.label().map_or("", |label| label.as_str())
}

/// Records what the crew wrote, gives the files their names, and keeps the results.
struct Clerk<'w> {
    workspace: &'w Workspace,
    options: &'w BatchRestoreOptions,
    deed: DeedId,
    items: Vec<ItemResult>,
    progress: &'w dyn Progress,
    /// Items that nothing is to be done with any more.
    done: usize,
    goes_on: bool,
}

/// A file with its record.
struct Recorded<'a> {
    job: &'a Job,
    watch: Stopwatch,
    written: Written,
    digest: Digest,
}

impl<'a> Settle<'a> for Clerk<'_> {
    fn settle(&mut self, archive: &mut Archive, group: Group<'a>) -> bool {
        archive.set_now(self.workspace.now());
        let mut failures = Vec::new();
        // What uses up approvals is recorded by itself, so that it fails alone if they are used by now.
        let alone = |job: &Job| job.approved.takes_approvals().then_some(job.at);
        let mut by_repo: BTreeMap<_, Vec<(&Job, Stopwatch, Written)>> = BTreeMap::new();
        let has_new_folders = group.has_new_folders;
        for Done { job, watch, written } in group.done {
            match written {
                Ok(Some(written)) => {
                    let repo = job.found.item.repo.as_str();
                    by_repo.entry((repo, alone(job))).or_default().push((job, watch, written));
                }
                Ok(None) => {}
                Err(error) => failures.push((job, watch, Failure::of(&error))),
            }
        }
        let mut folders: HashMap<OsString, Arc<Folder>> = HashMap::new();
        let mut named = Vec::new();
        for ((repo, _), files) in by_repo {
            let temps = files.iter().map(|(_, _, written)| &written.temp);
            let synced = if has_new_folders { sync_new(temps) } else { sync_all(temps) };
            let files = match self.record(archive, repo, files, synced) {
                Ok(recorded) => recorded,
                Err(lost) => {
                    failures.extend(lost);
                    continue;
                }
            };
            for Recorded { job, watch, written, digest } in files {
                let Written { temp, folder, origin } = written;
                match name(job, temp, &folder) {
                    Ok(()) => {
                        keep(&mut folders, folder);
                        named.push((job, watch, origin, digest));
                    }
                    Err(error) => failures.push((job, watch, Failure::of(&error))),
                }
            }
        }
        let synced = sync_folders(folders.values().map(Arc::as_ref));
        for (job, watch, origin, digest) in named {
            match &synced {
                Ok(()) => self.succeeded(job, watch, origin, digest),
                Err(error) => failures.push((job, watch, Failure::of(error))),
            }
        }
        self.failed(archive, failures);
        self.goes_on()
    }

    fn goes_on(&self) -> bool {
        self.goes_on && !self.progress.is_stopped()
    }

    fn ends_at_failure(&self) -> bool {
        self.options.batch.on_error == OnError::Stop
    }
}

fn keep(folders: &mut HashMap<OsString, Arc<Folder>>, folder: Arc<Folder>) {
    let path = folder.path().as_os_str();
    if !folders.contains_key(path) {
        folders.insert(path.to_owned(), folder);
    }
}

/// A job whose record could not be written, or whose file could not.
type Lost<'a> = (&'a Job, Stopwatch, Failure);

impl Clerk<'_> {
    /// Records the RESTORE of files of one repository; all of them are lost where that fails.
    fn record<'a>(
        &self,
        archive: &mut Archive,
        repo: &str,
        files: Vec<(&'a Job, Stopwatch, Written)>,
        synced: Result<()>,
    ) -> std::result::Result<Vec<Recorded<'a>>, Vec<Lost<'a>>> {
        let lost = |failure: &Failure, files: Vec<(&'a Job, Stopwatch, Written)>| {
            files.into_iter().map(|(job, watch, _)| (job, watch, failure.clone())).collect()
        };
        if let Err(error) = synced {
            return Err(lost(&Failure::of(&error), files));
        }
        let measures = self.workspace.config.measures();
        let event_of = |(job, watch, _): &(&Job, Stopwatch, Written)| {
            let mut event = event(&job.actor, &job.found.item);
            let detail = event.detail.get_or_insert_default();
            detail.insert("batch".to_owned(), json!(self.deed.to_string()));
            job.approved.note_in(&mut event);
            event.duration_ms = measures.then(|| watch.elapsed_whole_ms());
            (event, job.found.in_archive.then_some(job.found.item.row_id))
        };
        // The record that ends the batch is signed, and with it all before it.
        let deed = DeedId::random();
        let events = |transaction: &mut Transaction<'_>| {
            files.iter().try_for_each(|(job, _, _)| job.approved.use_up(transaction))?;
            Ok(((), files.iter().map(event_of).collect()))
        };
        let recorded = archive.unsigned(|archive| archive.journaled(repo, deed, events));
        match recorded {
            Ok(((), records)) => {
                let digests = records.into_iter().map(|(_, digest)| digest);
                let recorded = files.into_iter().zip(digests);
                let one =
                    |((job, watch, written), digest)| Recorded { job, watch, written, digest };
                Ok(recorded.map(one).collect())
            }
            Err(error) => Err(lost(&Failure::of(&error), files)),
        }
    }

    fn succeeded(&mut self, job: &Job, watch: Stopwatch, origin: Origin, digest: Digest) {
        let item = &mut self.items[job.at];
        item.becomes(Status::Succeeded);
        item.duration_ms = watch.elapsed_whole_ms();
        item.from = Some(if origin == Origin::Archive { "archive" } else { "git history" });
        item.evidence = digest.to_string();
        self.step();
    }

    fn failed(&mut self, archive: &mut Archive, failures: Vec<Lost<'_>>) {
        let label = label_of(self.workspace);
        let mut events = Vec::new();
        for (job, watch, failed) in failures {
            let item = &mut self.items[job.at];
            let mut event = failure(&job.actor, label, &item.tombstone, &failed.words);
            let detail = event.detail.get_or_insert_default();
            detail.insert("batch".to_owned(), json!(self.deed.to_string()));
            events.push((event, None));
            item.duration_ms = watch.elapsed_whole_ms();
            item.fails(failed);
            self.goes_on &= self.options.batch.on_error == OnError::GoOn;
            self.step();
        }
        self.record_failures(archive, events);
    }

    /// The RESTORE_FAIL of what was refused before anything was written.
    fn record_refused(&self, archive: &mut Archive) {
        let label = label_of(self.workspace);
        let refused = self.items.iter().filter(|item| item.status == Status::Failed);
        let refused: Vec<&ItemResult> = refused.collect();
        let event_of = |item: &ItemResult| {
            let words = item.error.as_deref().unwrap_or_default();
            // A name that is none was refused; then it was whoever began the batch.
            let named = item.actor.as_deref().and_then(|name| Actor::new(name).ok());
            let actor = named.as_ref().unwrap_or(&self.options.batch.actor);
            let mut event = failure(actor, label, &item.tombstone, words);
            let detail = event.detail.get_or_insert_default();
            detail.insert("batch".to_owned(), json!(self.deed.to_string()));
            (event, None)
        };
        for part in refused.chunks(AT_ONCE) {
            self.record_failures(archive, part.iter().copied().map(event_of).collect());
        }
    }

    /// A failure is evidence too; failing to record it must not hide it.
    fn record_failures(&self, archive: &mut Archive, events: Vec<(Event, Option<i64>)>) {
        if !events.is_empty() {
            let label = label_of(self.workspace);
            let deed = DeedId::random();
            let _ = archive
                .unsigned(|archive| archive.journaled(label, deed, |_| Ok(((), events.clone()))));
        }
    }

    fn step(&mut self) {
        self.done += 1;
        self.progress.step(self.done, self.items.len());
    }
}

/// Gives a file its name, unless something else stands there by now.
fn name(job: &Job, temp: TempFile, folder: &Folder) -> Result<()> {
    let exists = || Error::refused("restore", job.target.shown.clone(), Refusal::Exists);
    match &job.there {
        // A name that nobody had must still be nobody's.
        None => temp.publish_new(&job.target.file),
        Some(seen) => {
            let name = job.target.file.file_name().unwrap_or_default();
            match folder.see(name)? {
                There::File(now) if now == *seen => temp.publish(&job.target.file),
                _ => Err(exists()),
            }
        }
    }
}
