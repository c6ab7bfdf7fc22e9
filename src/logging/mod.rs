//! Structured logs: one line for each event, in JSON or as text, to a file or to standard error.
//!
//! Promises: a line is written whole, in one write, so that many processes can share a file; only
//! this program's own events are written, so no library can log what it was given; control
//! characters are escaped; a log that cannot be written stops no work.

mod line;
mod timer;
mod use_case;

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::clock::Clock;
use line::Line;

pub use timer::Timer;
pub use use_case::{About, UseCase};

/// The least weight of what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// What failed.
    Error,
    /// What should be looked at.
    Warning,
    /// What was done.
    Info,
    /// How it was done.
    Debug,
}

impl Weight {
    /// The weight that configuration calls `word`.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "error" => Self::Error,
            "warning" => Self::Warning,
            "info" => Self::Info,
            "debug" => Self::Debug,
            _ => return None,
        })
    }

    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warning => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Words and `key=value`.
    Text,
}

/// Where lines go.
pub struct Sink {
    /// What is too light is left out.
    pub least: Weight,
    /// How they are written.
    pub format: Format,
    /// The file or stream; each line is one write.
    pub to: Box<dyn Write + Send>,
}

/// What becomes of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durations {
    /// They are told, and phases with them.
    Told,
    /// They are left out, and phases with them.
    LeftOut,
}

/// What is known of a log that was started.
#[derive(Debug, Default)]
struct State {
    last_error: String,
    trouble: Option<String>,
}

/// A log that was started.
#[derive(Debug, Clone)]
pub struct Log(Arc<Mutex<State>>);

impl Log {
    /// Whether the last failure that was logged has this message.
    pub fn has_told(&self, message: &str) -> bool {
        self.0.lock().is_ok_and(|state| state.last_error == message)
    }

    /// What stood in the way of writing a line, if anything did.
    pub fn trouble(&self) -> Option<String> {
        self.0.lock().ok().and_then(|state| state.trouble.clone())
    }
}

/// Begins to write the events of this process to `sinks`; `None` where a log was started already.
pub fn start(sinks: Vec<Sink>, durations: Durations, clock: Arc<dyn Clock>) -> Option<Log> {
    let (layer, log) = lines(sinks, durations, clock);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).ok().map(|()| log)
}

fn lines(sinks: Vec<Sink>, durations: Durations, clock: Arc<dyn Clock>) -> (Lines, Log) {
    let most = sinks.iter().map(|sink| sink.least.level()).max().unwrap_or(Level::ERROR);
    let log = Log(Arc::default());
    (Lines { sinks: Mutex::new(sinks), most, durations, clock, log: log.clone() }, log)
}

/// What turns events into lines.
struct Lines {
    sinks: Mutex<Vec<Sink>>,
    most: Level,
    durations: Durations,
    clock: Arc<dyn Clock>,
    log: Log,
}

impl Lines {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("codex_archive") && *metadata.level() <= self.most
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most.into())
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        let Some(line) = Line::of(event, self.clock.now(), self.durations) else { return };
        let Ok(mut sinks) = self.sinks.lock() else { return };
        for sink in sinks.iter_mut().filter(|sink| level <= sink.least.level()) {
            let text = line.render(sink.format);
            let written = sink.to.write_all(text.as_bytes()).and_then(|()| sink.to.flush());
            if let (Err(error), Ok(mut state)) = (written, self.log.0.lock()) {
                state.trouble.get_or_insert_with(|| error.to_string());
            }
        }
        if level == Level::ERROR
            && let Ok(mut state) = self.log.0.lock()
        {
            state.last_error = line.message().to_owned();
        }
    }
}

#[cfg(test)]
mod tests;
