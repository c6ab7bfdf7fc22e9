//! The only part of the program that writes to the terminal.
//!
//! Promises: what was asked for goes to standard output, everything about it to standard error; a
//! pipe that was closed at its other end is a clean end, not a failure.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::report::{Failure, Form, Report};
use super::text::{FAINT, ODD, PLAIN, Text};
use crate::clock::{Clock, Stopwatch, SystemClock, Timestamp};
use crate::git::Bytes as _;
use crate::logging::Log;
use crate::model::escape_json;
use crate::progress::Progress;

/// How long work goes on before anything is said of it.
const PATIENCE: Duration = Duration::from_millis(700);

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    /// Answers and failures.
    Quiet,
    /// What a person wants to know.
    Normal,
    /// Where things are as well.
    Verbose,
    /// All that helps to find a mistake.
    Debug,
}

/// How things are said.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether in one JSON document.
    pub json: bool,
    /// Whether in text even where a program reads.
    pub text: bool,
    /// How much.
    pub volume: Volume,
    /// Whether to tell how far long work has come.
    pub progress: bool,
    /// Whether in colour.
    pub color: ColorChoice,
}

/// Where something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

/// The mouth.
#[derive(Debug)]
pub struct Ui {
    manner: Manner,
    begun: Stopwatch,
    command: String,
    log: OnceLock<Log>,
}

impl Ui {
    /// A mouth with these manners, for `command`.
    pub fn new(manner: Manner, command: &str) -> Self {
        let (begun, log) = (Stopwatch::start(), OnceLock::new());
        Self { manner, begun, command: command.to_owned(), log }
    }

    /// From now on failures are logged too.
    pub fn keep_log(&self, log: Log) {
        // A command begins its log once.
        let _ = self.log.set(log);
    }

    /// Standard error, for lines of a log.
    pub fn log_stream(&self) -> Box<dyn Write + Send> {
        Box::new(io::stderr())
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.manner.json
    }

    /// Whether everything is wanted that helps to find a mistake.
    pub fn is_debug(&self) -> bool {
        self.manner.volume == Volume::Debug
    }

    /// Shows a report and gives its exit code.
    pub fn show(&self, report: &impl Report) -> u8 {
        let written = match report.content() {
            // The report must not get into the bytes.
            Some(content) => clean(content.write_to(&mut io::stdout().lock()))
                .and_then(|()| self.write(report, Stream::Error)),
            None if report.form() == Form::Aside && !self.is_json() => {
                self.write(report, Stream::Error)
            }
            None => self.write(report, Stream::Output),
        };
        self.end(report.exit_code());
        match written {
            Ok(()) => report.exit_code(),
            Err(error) => {
                self.note("error", &format!("cannot write the answer: {error}"));
                1
            }
        }
    }

    fn write(&self, report: &impl Report, to: Stream) -> io::Result<()> {
        let for_programs = match report.form() {
            Form::JsonToPrograms => {
                to == Stream::Output && !self.manner.text && !io::stdout().is_terminal()
            }
            Form::Json => true,
            _ => false,
        };
        if self.is_json() || for_programs {
            return self.json(report, to);
        }
        let is_asked_for = matches!(report.form(), Form::Answer | Form::Aside);
        if self.manner.volume == Volume::Quiet && !is_asked_for {
            return Ok(());
        }
        let mut text = Text::default();
        report.write_human(&mut text);
        self.text(&text, to)
    }

    fn json(&self, report: &impl Serialize, to: Stream) -> io::Result<()> {
        let mut line = escape_json(&serde_json::to_string_pretty(report)?);
        line.push('\n');
        clean(match to {
            Stream::Output => io::stdout().lock().write_all(line.as_bytes()),
            Stream::Error => io::stderr().lock().write_all(line.as_bytes()),
        })
    }

    fn text(&self, text: &Text, to: Stream) -> io::Result<()> {
        let (bytes, color) = (text.as_str().as_bytes(), self.manner.color);
        clean(match to {
            Stream::Output => {
                let mut out = AutoStream::new(io::stdout(), color);
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Stream::Error => AutoStream::new(io::stderr(), color).write_all(bytes),
        })
    }

    /// Writes text to standard output.
    pub fn answer(&self, text: &Text) -> io::Result<()> {
        self.text(text, Stream::Output)
    }

    /// Writes text that has its styles already, such as the parser's help, to standard output.
    pub fn help(&self, text: &str) {
        let mut out = AutoStream::new(io::stdout(), self.manner.color);
        // Nothing can be done where not even this gets through.
        let _ = clean(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Shows a failure and gives its exit code.
    pub fn fail(&self, failure: &Failure) -> u8 {
        // Nothing can be done where not even this gets through.
        let _ = if self.is_json() {
            self.json(failure, Stream::Error)
        } else {
            let mut text = Text::default();
            failure.write_human(&mut text);
            if self.is_debug() {
                failure.write_layers(&mut text);
            }
            self.text(&text, Stream::Error)
        };
        if self.log.get().is_some_and(|log| !log.has_told(&failure.message())) {
            failure.log(&self.command);
        }
        self.end(failure.exit_code());
        failure.exit_code()
    }

    /// The last words of a command in its log.
    fn end(&self, exit: u8) {
        let Some(log) = self.log.get() else { return };
        let (command, duration_ms) = (self.command.as_str(), self.begun.elapsed_ms());
        tracing::debug!(duration_ms, command, exit);
        if let Some(why) = log.trouble() {
            self.warn(&format!("the log lacks lines: {why}"));
        }
    }

    fn note(&self, label: &str, message: &str) {
        let mut text = Text::default();
        text.parts(&[(ODD, &format!("{label}: ")), (PLAIN, message)]);
        let _ = self.text(&text, Stream::Error);
    }

    /// Says what a person may want to know beside the answer.
    pub fn warn(&self, message: &str) {
        if self.manner.volume > Volume::Quiet {
            self.note("warning", message);
        }
    }

    /// Says where things are, if that is wanted.
    pub fn verbose(&self, message: impl FnOnce() -> String) {
        if self.manner.volume >= Volume::Verbose {
            let mut text = Text::default();
            text.parts(&[(FAINT, &message())]);
            let _ = self.text(&text, Stream::Error);
        }
    }

    /// Tells on standard error how far long work has come, where a person looks at it.
    pub fn progress(&self) -> Meter<'_> {
        let watched = io::stderr().is_terminal() && self.manner.volume > Volume::Quiet;
        let shown = self.manner.progress && watched && !self.is_json();
        Meter { ui: self, shown, state: Mutex::new(Shown { since: SystemClock.now(), percent: 0 }) }
    }

    /// Tells how far a batch of `total` items has come: a bar where a person looks at standard
    /// error, else a line for each item. `stop` is set by whoever wants no more of it.
    pub fn batch(&self, total: usize, stop: Arc<AtomicBool>) -> BatchMeter<'_> {
        let speaks = self.manner.progress && self.manner.volume > Volume::Quiet && !self.is_json();
        let items = if total == 1 { "item" } else { "items" };
        let begun = format!("Processing {total} {items} from manifest...");
        let bar = (speaks && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(total as u64);
            let style = ProgressStyle::with_template("Progress: {bar:40} {pos}/{len} ({percent}%)");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        // A terminal that cannot go back gets lines.
        let bar = bar.filter(|bar| !bar.is_hidden());
        if speaks {
            self.aside(&begun);
        }
        let (percent, has_spoken) = (AtomicUsize::new(0), AtomicBool::new(false));
        BatchMeter { ui: self, speaks, bar, stop, percent, has_spoken }
    }

    fn aside(&self, line: &str) {
        let mut text = Text::default();
        text.line(line);
        let _ = self.text(&text, Stream::Error);
    }
}

/// A closed pipe is a clean end: whoever read has read enough.
fn clean(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// How far long work has come, on one line that is written over.
#[derive(Debug)]
pub struct Meter<'a> {
    ui: &'a Ui,
    shown: bool,
    state: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    since: Timestamp,
    percent: usize,
}

impl Progress for Meter<'_> {
    fn step(&self, done: usize, total: usize) {
        let Ok(mut state) = self.state.lock() else { return };
        let waited = SystemClock.now().unix_ms() - state.since.unix_ms();
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        let news = percent != state.percent || done == total;
        if !self.shown || waited < PATIENCE.as_millis() as i64 || !news {
            return;
        }
        state.percent = percent;
        let end = if done == total { "\n" } else { "" };
        let _ = write!(io::stderr(), "\rProgress: {done}/{total} ({percent}%){end}");
    }

    fn warn(&self, message: &str) {
        self.ui.warn(message);
    }
}

/// Of more items than this only whole percents are told.
const MOST_LINES: usize = 100;

/// How far a batch has come.
#[derive(Debug)]
pub struct BatchMeter<'a> {
    ui: &'a Ui,
    speaks: bool,
    bar: Option<ProgressBar>,
    stop: Arc<AtomicBool>,
    percent: AtomicUsize,
    has_spoken: AtomicBool,
}

impl Progress for BatchMeter<'_> {
    fn step(&self, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            self.has_spoken.store(true, Ordering::Relaxed);
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            return;
        }
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        let before = self.percent.swap(percent, Ordering::Relaxed);
        if self.speaks && (total <= MOST_LINES || percent != before) {
            self.has_spoken.store(true, Ordering::Relaxed);
            self.ui.aside(&format!("Progress: {done}/{total} ({percent}%)"));
        }
    }

    fn warn(&self, message: &str) {
        self.ui.warn(message);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for BatchMeter<'_> {
    /// What follows stands apart.
    fn drop(&mut self) {
        if !self.has_spoken.load(Ordering::Relaxed) {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.abandon();
            // The bar's own line has no end yet.
            self.ui.aside("");
        }
        self.ui.aside("");
    }
}
