//! What one worker does at a time: jobs whose bytes stand in one run, or a single large one.
//!
//! Promises: a run is decoded once for all of a load's jobs; what is damaged in it fails, or comes
//! out of git, by itself; nothing is written that was not hashed.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::crew::{Done, Written};
use super::plan::Job;
use super::source::{Deadline, Source, check, or_out_of_git, write_whole};
use crate::archive::output::Target;
use crate::backend::{Member, Place};
use crate::blob::{RunDecoder, RunReader};
use crate::clock::Stopwatch;
use crate::error::Result;
use crate::fs::{Folder, Folders, TempFile, folder_of};
use crate::git::Repository;
use crate::model::Digest;

/// Jobs that are done one after the other.
pub enum Load<'a> {
    /// Members of a run.
    Run(RunLoad<'a>),
    /// One that has a run of its own, or none in the archive, and how long it took to read; or why it
    /// cannot be done.
    Single(&'a Job, Duration, Result<Source>),
}

/// Members of a run.
pub struct RunLoad<'a> {
    /// The run's stored bytes.
    pub stored: Arc<Vec<u8>>,
    /// Where its members stand in its content.
    pub layout: Arc<Layout>,
    /// The jobs, and where their bytes stand.
    pub jobs: Vec<(&'a Job, Place)>,
}

/// Where members stand in the content of their run.
#[derive(Default)]
pub struct Layout {
    size_bytes: u64,
    members: HashMap<i64, Range<usize>>,
}

impl Layout {
    /// Of a run with these members, in their order.
    pub fn of(members: &[Member]) -> Self {
        let mut layout = Self::default();
        for member in members {
            let from = layout.size_bytes;
            layout.size_bytes = from.saturating_add(member.size_bytes);
            if let (Ok(from), Ok(to)) = (from.try_into(), layout.size_bytes.try_into()) {
                layout.members.insert(member.artifact, from..to);
            }
        }
        layout
    }
}

impl Load<'_> {
    /// Folders that are open when it is done.
    pub fn folders(&self) -> usize {
        match self {
            Self::Run(run) => {
                let folders = run.jobs.iter().map(|(job, _)| folder_of(&job.target.file));
                let folders: Vec<_> = folders.collect();
                folders.chunk_by(|a, b| a == b).count()
            }
            Self::Single(..) => 1,
        }
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Run(run) => run.stored.len(),
            Self::Single(_, _, source) => source.as_ref().map_or(0, Source::held_bytes),
        }
    }
}

/// What a worker has at hand.
pub struct Worker {
    decoder: RunDecoder,
    repository: Option<Repository>,
    limit: Duration,
}

impl Worker {
    /// A worker that may give each job so much time.
    pub fn new(repository: Option<Repository>, limit: Duration) -> Result<Self> {
        Ok(Self { decoder: RunDecoder::new()?, repository, limit })
    }

    /// Writes the files of `load`, those that are begun before `is_stopped` says so.
    pub fn work<'a>(&mut self, load: Load<'a>, is_stopped: &dyn Fn() -> bool) -> Vec<Done<'a>> {
        match load {
            Load::Run(run) => self.run(&run, is_stopped),
            Load::Single(job, read, _) if is_stopped() => {
                vec![Done { job, watch: Stopwatch::resumed(read), written: Ok(None) }]
            }
            Load::Single(job, read, source) => {
                let watch = Stopwatch::resumed(read);
                let deadline = Deadline { watch, limit: self.limit };
                let written = source.and_then(|source| self.single(job, source, deadline));
                vec![Done { job, watch, written: written.map(Some) }]
            }
        }
    }

    fn single(&self, job: &Job, source: Source, deadline: Deadline) -> Result<Written> {
        let folder = job.target.make_folder()?;
        let (temp, origin) =
            source.write(&job.found.item, self.repository.as_ref(), &folder, deadline)?;
        Ok(closed(Written { temp, folder, origin }))
    }

    fn run<'a>(&mut self, run: &RunLoad<'a>, is_stopped: &dyn Fn() -> bool) -> Vec<Done<'a>> {
        let Self { decoder, repository, limit } = self;
        let whole = decoder.decode(&run.stored, run.layout.size_bytes);
        let mut content = Content { run, whole, reader: None };
        let mut folders = Vec::new();
        let mut all = Vec::with_capacity(run.jobs.len());
        for (job, place) in &run.jobs {
            let watch = Stopwatch::start();
            if is_stopped() {
                all.push(Done { job, watch, written: Ok(None) });
                continue;
            }
            let deadline = Deadline { watch, limit: *limit };
            let item = &job.found.item;
            let written = check(item, job.approved.door()).and_then(|()| {
                let folder = made(&mut folders, &job.target)?;
                let written = content.write(job, *place, &folder, deadline);
                let repository = repository.as_ref();
                let (temp, origin) = or_out_of_git(written, item, repository, &folder, deadline)?;
                Ok(Some(closed(Written { temp, folder, origin })))
            });
            all.push(Done { job, watch, written });
        }
        all
    }
}

/// One of many that wait to be named together.
fn closed(mut written: Written) -> Written {
    written.temp.close();
    written
}

/// The folder of `target`, made where it is missing.
fn made(ways: &mut Vec<Folders>, target: &Target) -> Result<Arc<Folder>> {
    let Some((base, inside)) = target.way() else { return target.make_folder() };
    let at = match ways.iter().position(|it| it.top() == base) {
        Some(at) => at,
        None => {
            ways.push(Folders::below("restore", base));
            ways.len() - 1
        }
    };
    ways[at].make(inside)
}

/// The content of a run.
struct Content<'c, 'a> {
    run: &'c RunLoad<'a>,
    /// All of it, unless something is wrong with it.
    whole: Option<&'c [u8]>,
    /// Reads it member by member, as far as it is sound.
    reader: Option<RunReader>,
}

impl Content<'_, '_> {
    fn write(
        &mut self,
        job: &Job,
        place: Place,
        folder: &Arc<Folder>,
        deadline: Deadline,
    ) -> Result<TempFile> {
        let item = &job.found.item;
        let range = self.run.layout.members.get(&item.artifact_row_id).cloned();
        let whole = range.and_then(|range| self.whole?.get(range));
        if let Some(bytes) = whole
            && bytes.len() as u64 == item.size_bytes
            && Digest::of(bytes) == item.sha256
        {
            return write_whole(bytes, item, folder, deadline);
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => RunReader::new(self.run.stored.to_vec())?,
        };
        let reader = self.reader.insert(reader);
        let bytes = reader.member((place.offset, place.length), item.size_bytes, &item.sha256)?;
        write_whole(bytes, item, folder, deadline)
    }
}
