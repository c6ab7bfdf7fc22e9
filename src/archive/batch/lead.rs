//! Many jobs at once: one thread has the archive, and others decode and write.
//!
//! Promises: the jobs are done in the order in which their content is stored, so that each run is
//! fetched and decoded once or, where very many jobs need it, a few times; so many descriptors and bytes
//! are in use as the limits below say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use super::crew::{Crew, Done, Group, Settle, begin, bytes_of};
use super::cut::{Cut, cut};
use super::load::{Layout, Load, RunLoad, Worker};
use super::plan::Job;
use crate::archive::Archive;
use crate::error::Result;
use crate::fs::{self as files, Folders, Spool};
use crate::git::Repository;

/// So many stored bytes are on their way at once.
const ON_THE_WAY: usize = 16 << 20;

/// So many files are recorded, synced and named together; as many again are written meanwhile.
const GROUP: usize = 512;

/// So much content is recorded, synced and named together.
const GROUP_BYTES: u64 = 64 << 20;

/// Descriptors that are not for the folders of a batch: the archive's, git's, the caller's.
const OTHER_DESCRIPTORS: usize = 48;

/// What a worker hands back.
struct Handed<'a> {
    done: Vec<Done<'a>>,
    /// Stored bytes that it held for that.
    held_bytes: usize,
    /// Folders that are open now.
    folders: usize,
}

/// Writes the files of `jobs` with so many workers, and hands them to `settle` as they are done.
pub fn together<'a>(
    crew: &Crew<'_>,
    archive: &mut Archive,
    jobs: &'a [Job],
    workers: usize,
    settle: &mut dyn Settle<'a>,
) -> Result<()> {
    let reopen = || crew.repository.map(Repository::reopen).transpose();
    let hands = (0..workers).map(|_| Worker::new(reopen()?, crew.limit));
    let hands = hands.collect::<Result<Vec<_>>>()?;
    let stopped = AtomicBool::new(false);
    let (tasks, queue) = mpsc::channel();
    let queue = Mutex::new(queue);
    let (sender, results) = mpsc::channel();
    let taken = OTHER_DESCRIPTORS + workers * Folders::DESCRIPTORS;
    let most_folders = (files::descriptors().saturating_sub(taken) / 2).max(8);
    let cuts = cut(archive, jobs, most_folders / 2);
    thread::scope(|scope| {
        for hand in hands {
            let (sender, queue, stopped) = (sender.clone(), &queue, &stopped);
            scope.spawn(move || labour(hand, queue, &sender, stopped));
        }
        // Without a sender of its own the lead ends even if all workers are gone.
        drop(sender);
        let (spool, fetched, hand) = (crew.spool, None, Hand::default());
        Lead { tasks, results, stopped: &stopped, spool, settle, fetched, hand, most_folders }
            .run(archive, cuts);
    });
    Ok(())
}

/// One worker: takes loads until there are none.
fn labour<'a>(
    mut worker: Worker,
    queue: &Mutex<Receiver<Load<'a>>>,
    results: &Sender<Handed<'a>>,
    stopped: &AtomicBool,
) {
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok(load)) = next else { return };
        let (held_bytes, folders) = (load.held_bytes(), load.folders());
        let done = worker.work(load, &|| stopped.load(Ordering::Relaxed));
        if results.send(Handed { done, held_bytes, folders }).is_err() {
            return;
        }
    }
}

/// What is on its way or waits to be named.
#[derive(Default)]
struct Hand<'a> {
    /// Loads that workers have, and their stored bytes.
    loads: usize,
    held_bytes: usize,
    /// Jobs of these, and those that wait.
    jobs: usize,
    /// Folders of these.
    folders: usize,
    waiting: Vec<Done<'a>>,
    waiting_folders: usize,
}

/// The run that was fetched last.
struct Fetched {
    run: i64,
    stored: Arc<Vec<u8>>,
    layout: Arc<Layout>,
}

/// The one that has the archive.
struct Lead<'a, 's> {
    tasks: Sender<Load<'a>>,
    results: Receiver<Handed<'a>>,
    stopped: &'s AtomicBool,
    spool: &'s Spool,
    settle: &'s mut dyn Settle<'a>,
    fetched: Option<Fetched>,
    hand: Hand<'a>,
    /// So many folders are open at once, of loads and of what waits.
    most_folders: usize,
}

impl<'a> Lead<'a, '_> {
    fn run(mut self, archive: &mut Archive, cuts: Vec<Cut<'a>>) {
        let mut cuts = cuts.into_iter().peekable();
        loop {
            while let Some(cut) = cuts.next_if(|cut| self.has_room(cut)) {
                if !self.settle.goes_on() {
                    self.stop();
                }
                if self.is_stopped() {
                    break;
                }
                if self.issue(archive, cut).is_none() {
                    return;
                }
            }
            if self.hand.loads == 0 && self.hand.waiting.is_empty() {
                return;
            }
            if self.hand.loads > 0 {
                let Ok(first) = self.results.recv() else { return };
                self.take(first);
                while let Ok(next) = self.results.try_recv() {
                    self.take(next);
                }
            }
            let waiting = &self.hand.waiting;
            let is_full = waiting.len() >= GROUP
                || bytes_of(waiting) >= GROUP_BYTES
                || self.hand.waiting_folders >= self.most_folders / 2;
            if self.hand.loads == 0 || is_full {
                self.name(archive);
            }
        }
    }

    /// Whether `cut` may go on its way with all that is there.
    fn has_room(&self, cut: &Cut<'_>) -> bool {
        let hand = &self.hand;
        hand.jobs == 0
            || hand.held_bytes < ON_THE_WAY
                && hand.jobs + cut.jobs.len() <= 2 * GROUP
                && hand.folders + cut.folders <= self.most_folders
    }

    /// Gives the jobs of `cut` to the workers; `None` when they are gone.
    fn issue(&mut self, archive: &mut Archive, cut: Cut<'a>) -> Option<()> {
        self.hand.jobs += cut.jobs.len();
        let run = cut.run.filter(|run| self.fetch(archive, *run).is_ok());
        if let (Some(_), Some(fetched)) = (run, &self.fetched) {
            let (stored, layout) = (fetched.stored.clone(), fetched.layout.clone());
            return self.send(Load::Run(RunLoad { stored, layout, jobs: cut.jobs }));
        }
        // What is wrong with the run each of its jobs is told by itself.
        for (job, _) in cut.jobs {
            let load = begin(archive, job, self.spool);
            self.send(load)?;
        }
        Some(())
    }

    fn send(&mut self, load: Load<'a>) -> Option<()> {
        self.hand.loads += 1;
        self.hand.held_bytes += load.held_bytes();
        self.hand.folders += load.folders();
        self.tasks.send(load).ok()
    }

    /// Fetches a run and what is known of its members.
    fn fetch(&mut self, archive: &mut Archive, run: i64) -> Result<()> {
        if self.fetched.as_ref().is_some_and(|it| it.run == run) {
            return Ok(());
        }
        let mut catalog = archive.catalog();
        let stored = Arc::new(catalog.piece(run, 0)?);
        let layout = Arc::new(Layout::of(&catalog.members_of(run)?));
        self.fetched = Some(Fetched { run, stored, layout });
        Ok(())
    }

    fn take(&mut self, handed: Handed<'a>) {
        let Handed { done, held_bytes, folders } = handed;
        self.hand.loads -= 1;
        self.hand.held_bytes -= held_bytes;
        self.hand.waiting_folders += folders;
        if self.settle.ends_at_failure() && done.iter().any(|it| it.written.is_err()) {
            self.stop();
        }
        self.hand.waiting.extend(done);
    }

    /// Lets the files that wait have their names.
    fn name(&mut self, archive: &mut Archive) {
        let done = std::mem::take(&mut self.hand.waiting);
        self.hand.jobs -= done.len();
        self.hand.folders -= std::mem::take(&mut self.hand.waiting_folders);
        if !self.settle.settle(archive, Group { done, has_new_folders: true }) {
            self.stop();
        }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
