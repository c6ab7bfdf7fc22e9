//! The jobs of a batch, done in groups: written, recorded, named.
//!
//! Promises: a file gets its name only once its record is durable; what is in hand when the batch
//! stops is finished; of stored bytes only a bounded part is in memory at a time, an item that is
//! larger by itself alone. Few small items are done by the calling thread, in the manifest's order.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::lead::together;
use super::load::{Load, Worker};
use super::plan::Job;
use super::source::Source;
use crate::archive::{Archive, Origin};
use crate::clock::Stopwatch;
use crate::error::Result;
use crate::fs::{Folder, Spool, TempFile};
use crate::git::Repository;

/// From so many items on several threads write files, and in the order in which content is stored.
const MANY_ITEMS: usize = 256;

/// The same for bytes of content.
const MANY_BYTES: u64 = 64 << 20;

/// So many items of a few are recorded, synced and named together.
const GROUP: usize = 96;

/// A file that was written and has no name yet.
pub struct Written {
    /// The file.
    pub temp: TempFile,
    /// Its folder.
    pub folder: Arc<Folder>,
    /// Where the bytes came from.
    pub origin: Origin,
}

/// What came of a job so far.
pub struct Done<'a> {
    /// The job.
    pub job: &'a Job,
    /// Runs since it was begun.
    pub watch: Stopwatch,
    /// The file, unless the batch was stopped before it was begun.
    pub written: Result<Option<Written>>,
}

/// Jobs that are recorded and named together.
pub struct Group<'a> {
    /// What came of each.
    pub done: Vec<Done<'a>>,
    /// Whether the names of folders that were made for them may not be durable yet.
    pub has_new_folders: bool,
}

/// Takes what is done, in groups, and says whether to go on.
pub trait Settle<'a> {
    /// Records and names the files of `group`; `false` ends the batch.
    fn settle(&mut self, archive: &mut Archive, group: Group<'a>) -> bool;
    /// Whether the batch goes on, asked before each item.
    fn goes_on(&self) -> bool;
    /// Whether it ends with the first item that fails.
    fn ends_at_failure(&self) -> bool;
}

/// How the work is done.
pub struct Crew<'r> {
    /// Where git's own objects are.
    pub repository: Option<&'r Repository>,
    /// Where bytes are put that are too many for memory.
    pub spool: &'r Spool,
    /// How many items are worked on at once.
    pub concurrent: usize,
    /// How long each may take.
    pub limit: Duration,
}

impl Crew<'_> {
    /// Writes the files of `jobs` and hands them to `settle` as they are done.
    pub fn work<'a>(
        &self,
        archive: &mut Archive,
        jobs: &'a [Job],
        settle: &mut dyn Settle<'a>,
    ) -> Result<()> {
        let bytes = jobs.iter().map(|job| job.found.item.size_bytes).fold(0, u64::saturating_add);
        if jobs.len() < MANY_ITEMS && bytes < MANY_BYTES {
            return self.alone(archive, jobs, settle);
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = self.concurrent.min(jobs.len()).min(cores);
        together(self, archive, jobs, workers, settle)
    }

    fn alone<'a>(
        &self,
        archive: &mut Archive,
        jobs: &'a [Job],
        settle: &mut dyn Settle<'a>,
    ) -> Result<()> {
        let repository = self.repository.map(Repository::reopen).transpose()?;
        let mut worker = Worker::new(repository, self.limit)?;
        let mut group = Vec::new();
        let group_of = |done| Group { done, has_new_folders: false };
        for job in jobs {
            if !settle.goes_on() {
                break;
            }
            let load = begin(archive, job, self.spool);
            let done = worker.work(load, &|| false);
            let is_last = settle.ends_at_failure() && done.iter().any(|it| it.written.is_err());
            group.extend(done);
            if is_last {
                break;
            }
            if group.len() >= GROUP || bytes_of(&group) >= MANY_BYTES {
                settle.settle(archive, group_of(std::mem::take(&mut group)));
            }
        }
        if !group.is_empty() {
            settle.settle(archive, group_of(group));
        }
        Ok(())
    }
}

/// A job by itself, with what the archive has of it.
pub fn begin<'a>(archive: &mut Archive, job: &'a Job, spool: &Spool) -> Load<'a> {
    let watch = Stopwatch::start();
    let source = Source::of(archive, &job.found.item, job.approved.door(), spool);
    // While it waits for a worker its time stands still.
    Load::Single(job, watch.elapsed(), source)
}

/// Bytes of content of a group.
pub fn bytes_of(group: &[Done<'_>]) -> u64 {
    group.iter().map(|done| done.job.found.item.size_bytes).fold(0, u64::saturating_add)
}
