//! How many files are taken in at once, and how long each may take.

use std::thread;
use std::time::Duration;

use super::large::Parts;
use crate::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::model::RepoPath;

/// How files are worked through.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many runs of files are taken in at once.
    pub workers: usize,
    /// How long each file may take, if that is bounded.
    pub limit: Option<Duration>,
}

impl Default for Pace {
    /// As the machine is, and as long as it takes.
    fn default() -> Self {
        Self { workers: thread::available_parallelism().map_or(1, usize::from), limit: None }
    }
}

impl Pace {
    /// Refuses the file at `path` if it took too long since `watch` was started.
    pub fn check(&self, watch: &Stopwatch, path: &RepoPath) -> Result<()> {
        match self.limit {
            Some(limit) if watch.elapsed() > limit => {
                Err(Error::TooSlow { path: path.to_string(), limit_s: limit.as_secs() })
            }
            _ => Ok(()),
        }
    }

    /// The large `content` of the file at `path`, whose time is looked at before each part.
    pub fn of<'a>(&self, content: &'a dyn Parts, path: &'a RepoPath) -> Paced<'a> {
        Paced { content, path, watch: Stopwatch::start(), pace: *self }
    }
}

/// Large content that may not take for ever.
pub struct Paced<'a> {
    content: &'a dyn Parts,
    path: &'a RepoPath,
    watch: Stopwatch,
    pace: Pace,
}

impl Parts for Paced<'_> {
    fn size_bytes(&self) -> u64 {
        self.content.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.pace.check(&self.watch, self.path)?;
        self.content.read_at(offset, buffer)
    }
}
