//! How long a phase of the work takes.

use tracing::Level;

use crate::clock::Stopwatch;

/// Tells, when it goes out of scope, how long its phase took. Costs nothing where nobody listens.
#[derive(Debug)]
#[must_use = "it measures until it goes out of scope"]
pub struct Timer {
    phase: &'static str,
    since: Option<Stopwatch>,
}

impl Timer {
    /// Begins to measure a phase: `lock`, `recover`, `guards`, …
    pub fn phase(phase: &'static str) -> Self {
        Self { phase, since: tracing::enabled!(Level::DEBUG).then(Stopwatch::start) }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            tracing::debug!(phase = self.phase, duration_ms = since.elapsed_ms());
        }
    }
}
