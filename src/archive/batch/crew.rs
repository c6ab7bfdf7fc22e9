//! Many items at once: one thread reads and records, others decode, write and sync.
//!
//! Promises: a file gets its name only once its record is durable; what is in hand when the batch
//! stops is finished; of stored bytes only a bounded part is in memory at a time, an item that is
//! larger by itself alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::plan::Job;
use super::source::{Deadline, Source};
use crate::archive::output::read_again;
use crate::archive::{Archive, Origin};
use crate::clock::Stopwatch;
use crate::error::Result;
use crate::fs::{Folder, Spool, TempFile};
use crate::git::Repository;

/// So many stored bytes are on their way at once.
const ON_THE_WAY: usize = 16 << 20;

/// So many items are in hand at once: each takes a descriptor.
const IN_HAND: usize = 128;

/// So many files are recorded, synced and named together.
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

/// A job with the bytes that it needs.
struct Task<'a> {
    job: &'a Job,
    source: Source,
    watch: Stopwatch,
    /// How long it took to read; while it waits for a worker its time stands still.
    read: Duration,
}

impl<'a> Task<'a> {
    fn done(self, repository: Option<&Repository>, limit: Duration) -> Done<'a> {
        let Self { job, source, watch, .. } = self;
        let deadline = Deadline { watch, limit };
        Done { job, watch, written: write(job, source, repository, deadline).map(Some) }
    }
}

fn write(
    job: &Job,
    source: Source,
    repository: Option<&Repository>,
    deadline: Deadline,
) -> Result<Written> {
    let item = &job.found.item;
    let folder = job.target.make_folder()?;
    let (mut temp, origin) = source.write(item, repository, &folder, deadline)?;
    read_again(&mut temp, item)?;
    // Of many that wait to be synced together.
    temp.close();
    Ok(Written { temp, folder, origin })
}

/// Takes what is done, in groups, and says whether to go on.
pub trait Settle<'a> {
    /// Records and names the files of `group`; `false` ends the batch.
    fn settle(&mut self, archive: &mut Archive, group: Vec<Done<'a>>) -> bool;
    /// Whether the batch goes on, asked before each item.
    fn goes_on(&self) -> bool;
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
        let workers = self.concurrent.min(jobs.len());
        if workers > 1 {
            return self.together(archive, jobs, workers, settle);
        }
        for job in jobs {
            if !settle.goes_on() {
                break;
            }
            let done = match begin(archive, job, self.spool) {
                Ok(task) => task.done(self.repository, self.limit),
                Err(done) => *done,
            };
            if !settle.settle(archive, vec![done]) {
                break;
            }
        }
        Ok(())
    }

    fn together<'a>(
        &self,
        archive: &mut Archive,
        jobs: &'a [Job],
        workers: usize,
        settle: &mut dyn Settle<'a>,
    ) -> Result<()> {
        let reopen = || self.repository.map(Repository::reopen).transpose();
        let handles = (0..workers).map(|_| reopen()).collect::<Result<Vec<_>>>()?;
        let (stopped, limit) = (AtomicBool::new(false), self.limit);
        let (tasks, queue) = mpsc::channel();
        let queue = Mutex::new(queue);
        let (sender, results) = mpsc::channel();
        thread::scope(|scope| {
            for handle in handles {
                let (sender, queue, stopped) = (sender.clone(), &queue, &stopped);
                scope.spawn(move || labour(handle.as_ref(), queue, &sender, stopped, limit));
            }
            // Without a sender of its own the loop below ends even if all workers are gone.
            drop(sender);
            let lead = Lead { tasks, results, stopped: &stopped, spool: self.spool };
            lead.run(archive, jobs, settle);
        });
        Ok(())
    }
}

fn begin<'a>(
    archive: &mut Archive,
    job: &'a Job,
    spool: &Spool,
) -> std::result::Result<Task<'a>, Box<Done<'a>>> {
    let watch = Stopwatch::start();
    match Source::of(archive, &job.found.item, job.approved.door(), spool) {
        Ok(source) => Ok(Task { job, source, watch, read: watch.elapsed() }),
        Err(error) => Err(Box::new(Done { job, watch, written: Err(error) })),
    }
}

/// One worker: takes tasks until there are none.
fn labour<'a>(
    repository: Option<&Repository>,
    queue: &Mutex<Receiver<Task<'a>>>,
    results: &Sender<(usize, Done<'a>)>,
    stopped: &AtomicBool,
    limit: Duration,
) {
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok(mut task)) = next else { return };
        task.watch = Stopwatch::resumed(task.read);
        let held = task.source.held_bytes();
        let done = match stopped.load(Ordering::Relaxed) {
            true => Done { job: task.job, watch: task.watch, written: Ok(None) },
            false => task.done(repository, limit),
        };
        if results.send((held, done)).is_err() {
            return;
        }
    }
}

/// The one that has the archive.
struct Lead<'a, 's> {
    tasks: Sender<Task<'a>>,
    results: Receiver<(usize, Done<'a>)>,
    stopped: &'s AtomicBool,
    spool: &'s Spool,
}

impl<'a> Lead<'a, '_> {
    fn run(self, archive: &mut Archive, jobs: &'a [Job], settle: &mut dyn Settle<'a>) {
        let mut jobs = jobs.iter();
        let (mut in_hand, mut held) = (0, 0);
        let mut waiting: Vec<Done<'a>> = Vec::new();
        loop {
            while in_hand + waiting.len() < IN_HAND && (held < ON_THE_WAY || in_hand == 0) {
                if !settle.goes_on() {
                    self.stopped.store(true, Ordering::Relaxed);
                }
                let is_stopped = self.stopped.load(Ordering::Relaxed);
                let Some(job) = jobs.next().filter(|_| !is_stopped) else { break };
                match begin(archive, job, self.spool) {
                    Ok(task) => {
                        in_hand += 1;
                        held += task.source.held_bytes();
                        if self.tasks.send(task).is_err() {
                            return;
                        }
                    }
                    Err(done) => self.settled(archive, vec![*done], settle),
                }
            }
            if in_hand == 0 {
                return;
            }
            // One is waited for; what else is done by then goes into the same transaction.
            let Ok(first) = self.results.recv() else { return };
            for (bytes, done) in [first].into_iter().chain(self.results.try_iter()) {
                in_hand -= 1;
                held -= bytes;
                waiting.push(done);
            }
            if in_hand == 0 || waiting.len() >= GROUP {
                self.settled(archive, std::mem::take(&mut waiting), settle);
            }
        }
    }

    fn settled(&self, archive: &mut Archive, group: Vec<Done<'a>>, settle: &mut dyn Settle<'a>) {
        if !settle.settle(archive, group) {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }
}
