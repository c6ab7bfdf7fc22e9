//! Batches: what a manifest lists, done in one go, with a document that says what came of each item.
//!
//! Promises: whatever can be found wrong beforehand is found before anything is written; every item
//! of the manifest is in the results, in its order; what was done is recorded whatever happens to
//! the rest.

mod admission;
mod choice;
mod crew;
mod cut;
mod filing;
mod ground;
mod kept;
mod lead;
mod load;
mod plan;
mod real;
mod restore;
mod results;
mod room;
mod source;
mod store;

use std::ffi::OsString;

use serde_json::{Map, json};

use crate::clock::Stopwatch;
use crate::evidence::{Action, Event};
use crate::model::{Actor, Digest};

use filing::Filing;
pub use restore::{BatchRestoreOptions, batch_restore};
pub use results::{BatchResults, ItemResult, Status};
pub use store::{BatchStoreOptions, batch_store};

/// What becomes of a batch when one of its items fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// What is in hand is finished, the rest left.
    Stop,
    /// The rest is done all the same.
    GoOn,
}

/// What both kinds of batches need to know.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// The manifest's name, for people.
    pub manifest: String,
    /// SHA-256 of the manifest.
    pub manifest_sha256: Digest,
    /// Who does it, where the manifest does not say.
    pub actor: Actor,
    /// What becomes of the rest when an item fails.
    pub on_error: OnError,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
    /// Whether an earlier run's results count.
    pub resume: bool,
    /// Whether files that are there may be replaced.
    pub force: bool,
    /// The results file, relative to the current directory; `None` where the configuration or a
    /// name with the time decides.
    pub results: Option<OsString>,
}

/// The batch that a deed is, as its last record tells of it.
#[derive(Debug, Clone)]
pub struct BatchMark {
    /// SHA-256 of the manifest.
    pub manifest: Digest,
    /// Items of the manifest.
    pub total: usize,
    /// Those that were refused.
    pub failed: usize,
    /// Whether durations are recorded.
    pub measures: bool,
    /// Runs since the batch began.
    pub watch: Stopwatch,
}

impl BatchMark {
    /// A duration, if durations are recorded.
    pub(super) fn measured(&self, duration_ms: u64) -> Option<u64> {
        self.measures.then_some(duration_ms)
    }

    /// The record that the store of `succeeded` items with `bytes` bytes ended.
    pub(super) fn event(&self, actor: &str, repo: &str, succeeded: usize, bytes: u64) -> Event {
        let mut event = self.ended(Action::BatchStore, actor, repo, succeeded);
        event.detail.get_or_insert_default().insert("archived_bytes".to_owned(), bytes.into());
        event
    }

    fn ended(&self, action: Action, actor: &str, repo: &str, succeeded: usize) -> Event {
        let mut detail = Map::new();
        detail.insert("manifest".to_owned(), json!(self.manifest.to_string()));
        detail.insert("items".to_owned(), json!(self.total));
        detail.insert("succeeded".to_owned(), json!(succeeded));
        detail.insert("failed".to_owned(), json!(self.failed));
        detail.insert("skipped".to_owned(), json!(self.total - succeeded - self.failed));
        let mut event = Event::new(action, actor);
        event.repo = (!repo.is_empty()).then(|| repo.to_owned());
        event.detail = Some(detail);
        event.duration_ms = self.measured(self.watch.elapsed_whole_ms());
        event
    }
}
