//! How a family of tests did: how many cases were tried, and how many held.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

/// Where each family leaves its line, for `tests/scoreboard`.
const FILE: &str = "CODEX_ARCHIVE_SCOREBOARD";

/// Failures that are shown one by one; the rest is counted.
const SHOWN: usize = 20;

/// Whether every case is to be tried, and not the part that a short run has time for.
pub fn whole() -> bool {
    std::env::var_os(FILE).is_some()
}

/// The cases of one family.
#[derive(Debug)]
pub struct Score {
    family: &'static str,
    tried: u64,
    failures: Vec<String>,
    began: Instant,
}

impl Score {
    /// Nothing tried yet.
    pub fn of(family: &'static str) -> Self {
        Self { family, tried: 0, failures: Vec::new(), began: Instant::now() }
    }

    /// Notes a case; `Err` says what did not hold.
    pub fn note(&mut self, case: impl Display, held: Result<(), String>) {
        self.tried += 1;
        if let Err(why) = held {
            self.failures.push(format!("{case}: {why}"));
        }
    }

    /// Notes `tried` cases at once, with what did not hold.
    pub fn note_all(&mut self, tried: u64, failures: impl IntoIterator<Item = String>) {
        self.tried += tried;
        self.failures.extend(failures);
    }

    /// How many cases were tried so far.
    pub fn tried(&self) -> u64 {
        self.tried
    }

    /// Prints the family's line and fails if a case did not hold, or if there were fewer cases than
    /// `least` (a family that tries nothing holds always).
    #[track_caller]
    pub fn finish(self, least: u64) {
        let held = self.tried - self.failures.len() as u64;
        let seconds = self.began.elapsed().as_secs_f64();
        let line = format!(
            "{:<36} tried {:>6}   held {held:>6} {seconds:>8.1} s\n",
            self.family, self.tried
        );
        eprint!("{line}");
        if let Some(path) = std::env::var_os(FILE) {
            let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        for failure in self.failures.iter().take(SHOWN) {
            eprintln!("  {}: {failure}", self.family);
        }
        assert!(self.failures.is_empty(), "{}: {} did not hold", self.family, self.failures.len());
        assert!(self.tried >= least, "{}: only {} cases, not {least}", self.family, self.tried);
    }
}
