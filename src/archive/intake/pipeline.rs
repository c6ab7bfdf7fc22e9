//! The workers: each takes in a run at a time, a bounded number ahead of whoever writes.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::blob::Encoder;
use crate::clock::Stopwatch;
use crate::error::Result;
use crate::git::Repository;
use crate::model::Digest;
use crate::policy::ContentPolicy;
use crate::policy::content::Match;

use super::super::selection::Candidate;
use super::{Pace, Place, Taken, TakenRun, cut, file};

/// What the archive has of some content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    /// Its bytes, decoded and hashed just now.
    Whole,
    /// A row, whose bytes are damaged or were purged.
    Broken,
}

/// Files that are taken in.
#[derive(Clone, Copy)]
pub struct Intake<'a> {
    /// The work tree.
    pub top: &'a Path,
    /// The files.
    pub candidates: &'a [Candidate],
    /// What they are held against.
    pub policy: Option<&'a ContentPolicy>,
    /// How they are worked through.
    pub pace: Pace,
}

/// Whoever the files are taken in for.
pub trait Taker {
    /// What the archive has of contents with these digests and sizes; nothing of those not named.
    fn known(&mut self, contents: &[(Digest, u64)]) -> Result<HashMap<Digest, Archived>>;

    /// Gets files that were taken in.
    fn take(&mut self, run: TakenRun) -> Result<()>;

    /// Takes in the large file at this place of the list.
    fn take_large(&mut self, intake: Intake<'_>, repository: &Repository, at: usize) -> Result<()>;
}

/// How a worker asks that.
type Ask<'a> = dyn FnMut(&[(Digest, u64)]) -> Result<HashMap<Digest, Archived>> + 'a;

/// What a worker says.
enum Message {
    /// It wants to know what the archive has of these contents.
    Question(Vec<(Digest, u64)>, SyncSender<HashMap<Digest, Archived>>),
    /// It has taken in a run.
    Run(Result<TakenRun>),
}

/// What a worker keeps from one run to the next.
struct Worker<'a> {
    intake: Intake<'a>,
    repository: &'a Repository,
    encoder: Encoder,
    /// The contents of the run in hand, one behind the other.
    buffer: Vec<u8>,
    /// The contents that are on their way into the archive.
    claimed: &'a Mutex<HashSet<Digest>>,
}

impl Intake<'_> {
    /// Takes all files in, run by run.
    pub fn run(self, repository: &Repository, taker: &mut dyn Taker) -> Result<()> {
        let cut = cut::cut(self.candidates);
        self.take_runs(repository, &cut.runs, taker)?;
        cut.large.iter().try_for_each(|at| taker.take_large(self, repository, *at))
    }

    fn take_runs(
        self,
        repository: &Repository,
        runs: &[Vec<usize>],
        taker: &mut dyn Taker,
    ) -> Result<()> {
        let claimed = Mutex::new(HashSet::new());
        let workers = self.pace.workers.min(runs.len());
        if workers < 2 {
            let mut worker = Worker::new(self, repository, &claimed)?;
            return runs.iter().try_for_each(|run| {
                let taken = worker.take(run, &mut |contents| taker.known(contents))?;
                taker.take(taken)
            });
        }
        let handles = (0..workers).map(|_| repository.reopen()).collect::<Result<Vec<_>>>()?;
        let next = AtomicUsize::new(0);
        // Bounded, so that what is read but not stored yet stays small.
        let (sender, receiver) = mpsc::sync_channel::<Message>(workers);
        thread::scope(|scope| {
            for handle in handles {
                let (sender, next, claimed) = (sender.clone(), &next, &claimed);
                scope.spawn(move || {
                    let worker = Worker::new(self, &handle, claimed);
                    work(worker, runs, next, &sender);
                });
            }
            drop(sender);
            let done = receiver.iter().try_for_each(|message| match message {
                Message::Question(contents, answer) => {
                    let known = taker.known(&contents)?;
                    // A worker that has gone needs no answer.
                    let _ = answer.send(known);
                    Ok(())
                }
                Message::Run(run) => taker.take(run?),
            });
            drop(receiver);
            done
        })
    }
}

/// Takes in one run after the other until none is left, or nobody wants them any more.
fn work(
    worker: Result<Worker<'_>>,
    runs: &[Vec<usize>],
    next: &AtomicUsize,
    sender: &SyncSender<Message>,
) {
    let mut worker = match worker {
        Ok(worker) => worker,
        Err(error) => {
            let _ = sender.send(Message::Run(Err(error)));
            return;
        }
    };
    let mut ask = |contents: &[(Digest, u64)]| {
        let (answer, answered) = mpsc::sync_channel(1);
        let _ = sender.send(Message::Question(contents.to_vec(), answer));
        // Without an answer something failed, and what is taken in now is thrown away.
        Ok(answered.recv().unwrap_or_default())
    };
    while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
        let taken = worker.take(run, &mut ask);
        // The receiver is gone once something failed: then nobody needs the rest.
        if sender.send(Message::Run(taken)).is_err() {
            return;
        }
    }
}

impl<'a> Worker<'a> {
    fn new(
        intake: Intake<'a>,
        repository: &'a Repository,
        claimed: &'a Mutex<HashSet<Digest>>,
    ) -> Result<Self> {
        Ok(Self { intake, repository, encoder: Encoder::new()?, buffer: Vec::new(), claimed })
    }

    fn take(&mut self, run: &[usize], ask: &mut Ask<'_>) -> Result<TakenRun> {
        self.buffer.clear();
        let read = run.iter().map(|at| self.read(*at)).collect::<Result<Vec<_>>>()?;
        let (mut files, ranges): (Vec<Taken>, Vec<Range<usize>>) = read.into_iter().unzip();
        let named: Vec<_> = files.iter().map(|file| (file.sha256, file.size_bytes)).collect();
        let known = ask(&named)?;
        let mut members: Vec<&[u8]> = Vec::new();
        for (file, range) in files.iter_mut().zip(ranges) {
            let content = &self.buffer[range];
            let archived = known.get(&file.sha256);
            if archived == Some(&Archived::Whole) || !self.claim(file.sha256) {
                continue;
            }
            file.place = match archived {
                None => {
                    members.push(content);
                    Place::Member(members.len() - 1)
                }
                Some(_) => Place::Alone(self.encoder.encode(content)?),
            };
        }
        let run = match members.is_empty() {
            true => None,
            false => Some(self.encoder.encode_run(&members)?),
        };
        Ok(TakenRun { files, run })
    }

    /// Whether nobody has claimed this content before.
    fn claim(&self, sha256: Digest) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256)
    }

    fn read(&mut self, at: usize) -> Result<(Taken, Range<usize>)> {
        let watch = Stopwatch::start();
        let candidate = &self.intake.candidates[at];
        let content = file::read(self.intake.top, self.repository, candidate, &mut self.buffer)?;
        let bytes = &self.buffer[content.range.clone()];
        let policy = self.intake.policy;
        let scan = |it: &ContentPolicy| it.scan(Some(&candidate.path.to_string()), bytes);
        let sha256 = Digest::of(bytes);
        let taken = Taken {
            at,
            sha256,
            size_bytes: bytes.len() as u64,
            oid: content.oid,
            on_disk: content.on_disk.unwrap_or(sha256),
            stamp: content.stamp,
            differs: content.differs,
            credentials: policy.map(scan).unwrap_or_default(),
            place: Place::Elsewhere,
            duration_ms: watch.elapsed_whole_ms(),
        };
        self.intake.pace.check(&watch, &candidate.path)?;
        Ok((taken, content.range))
    }
}

/// Holds the candidates against `policy`, and does nothing else with them; the places of those that
/// are too large for that.
pub fn scan_all(
    top: &Path,
    repository: &Repository,
    candidates: &[Candidate],
    policy: &ContentPolicy,
    pace: Pace,
    mut each: impl FnMut(usize, Vec<Match>) -> Result<()>,
) -> Result<Vec<usize>> {
    let cut = cut::cut(candidates);
    let scan = |repository: &Repository, at: usize| {
        let (watch, candidate) = (Stopwatch::start(), &candidates[at]);
        let mut bytes = Vec::new();
        let content = file::read(top, repository, candidate, &mut bytes)?;
        let found = policy.scan(Some(&candidate.path.to_string()), &bytes[content.range]);
        pace.check(&watch, &candidate.path).map(|()| (at, found))
    };
    let workers = pace.workers.min(cut.runs.len());
    if workers < 2 {
        for at in cut.runs.into_iter().flatten() {
            let (at, found) = scan(repository, at)?;
            each(at, found)?;
        }
        return Ok(cut.large);
    }
    let handles = (0..workers).map(|_| repository.reopen()).collect::<Result<Vec<_>>>()?;
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel::<Result<(usize, Vec<Match>)>>(workers * 16);
    thread::scope(|scope| {
        for handle in handles {
            let (sender, next, scan, runs) = (sender.clone(), &next, &scan, &cut.runs);
            scope.spawn(move || {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The receiver is gone once something failed: then nobody needs the rest.
                    if run.iter().any(|at| sender.send(scan(&handle, *at)).is_err()) {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let done = receiver.iter().try_for_each(|it| it.and_then(|(at, found)| each(at, found)));
        drop(receiver);
        done
    })?;
    Ok(cut.large)
}
