//! The one event that a use case ends with.

use std::error::Error as _;

use crate::clock::Stopwatch;
use crate::error::{Error, Result};

/// What was done, for the log.
#[derive(Debug, Default)]
pub struct About {
    /// The item, where there is one.
    pub tombstone: Option<String>,
    /// How many items, records or findings it was about.
    pub count: Option<u64>,
    /// The record's digest, where one was written.
    pub evidence: Option<String>,
    /// Something was found that should be looked at.
    pub is_odd: bool,
    /// Nothing had to be done: told only to whoever looks closely.
    pub is_nothing: bool,
}

impl About {
    /// One item.
    pub fn item(tombstone: &str, evidence: &str) -> Self {
        let text = |it: &str| (!it.is_empty()).then(|| it.to_owned());
        Self { tombstone: text(tombstone), evidence: text(evidence), ..Self::default() }
    }

    /// So many things.
    pub fn many(count: usize) -> Self {
        Self { count: Some(count as u64), ..Self::default() }
    }

    /// The same, if `done`; else that nothing had to be done.
    pub fn if_done(self, done: bool) -> Self {
        Self { is_nothing: !done, ..self }
    }
}

/// A use case at work: what it is called, who does it, where, and since when.
#[derive(Debug)]
pub struct UseCase<'a> {
    action: &'static str,
    actor: Option<&'a str>,
    backend: &'static str,
    since: Stopwatch,
}

impl<'a> UseCase<'a> {
    /// Begins: `action` is the record's action where it leaves one.
    pub fn begin(action: &'static str, actor: Option<&'a str>, backend: &'static str) -> Self {
        Self { action, actor, backend, since: Stopwatch::start() }
    }

    /// Tells how it ended, and hands `done` on.
    pub fn end<T>(self, done: Result<T>, about: impl FnOnce(&T) -> About) -> Result<T> {
        match &done {
            Ok(value) => self.succeeded(&about(value)),
            Err(error) => self.failed(error),
        }
        done
    }

    fn succeeded(&self, about: &About) {
        let Self { action, actor, backend, .. } = *self;
        let duration_ms = self.since.elapsed_ms();
        let About { tombstone, count, evidence, .. } = about;
        let (tombstone, evidence) = (tombstone.as_deref(), evidence.as_deref());
        let count = *count;
        // The level of an event is part of its place in the code.
        if about.is_odd {
            tracing::warn!(action, tombstone, actor, duration_ms, backend, count, evidence);
        } else if about.is_nothing {
            let message = "nothing was done";
            tracing::debug!(action, tombstone, actor, duration_ms, backend, message);
        } else {
            tracing::info!(action, tombstone, actor, duration_ms, backend, count, evidence);
        }
    }

    fn failed(&self, error: &Error) {
        let Self { actor, backend, .. } = *self;
        let (action, duration_ms) = (on_failure(self.action), self.since.elapsed_ms());
        let (kind, causes, message) = (error.kind().word(), causes(error), error.to_string());
        let causes = causes.as_deref();
        tracing::error!(action, actor, duration_ms, backend, kind, causes, message);
    }
}

/// What evidence calls a failure.
fn on_failure(action: &'static str) -> &'static str {
    match action {
        "ARCHIVE" => "STORE_FAIL",
        "RESTORE" => "RESTORE_FAIL",
        other => other,
    }
}

/// What lower parts said, outermost first.
fn causes(error: &Error) -> Option<String> {
    let first: Option<&dyn std::error::Error> = error.source();
    let all = std::iter::successors(first, |cause: &&dyn std::error::Error| (*cause).source());
    let words: Vec<String> = all.map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(": "))
}
