//! `backup drill`: a backup is tried out, and what came of it is written down.
//!
//! Promises: the data in use are only read; what is unpacked stands beside the archive, and is gone when
//! the program ends; a drill that found something is recorded like one that did not.

mod checklist;
mod run;
mod staging;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::archive::Workspace;
use crate::error::Result;
use crate::logging::About;
use crate::model::Actor;
use crate::progress::Progress;

use super::name::Suffix;
use super::seal::Key;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillKind {
    /// Checksums, unpacking, and a sample.
    Spot,
    /// A working archive is brought up from it, and items are restored.
    Full,
}

/// Which backup, and how it is tried.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// The backup's file; `None`: the newest of this repository's own data.
    pub file: Option<PathBuf>,
    /// Where the newest one is looked for; needed where no file is named.
    pub dest: Option<PathBuf>,
    /// What stands behind the name of the newest one.
    pub suffix: Option<Suffix>,
    /// How much is tried.
    pub kind: DrillKind,
    /// How many files are read again and how many items are restored, at most.
    pub sample: u64,
    /// The file that the list of results is added to, if any.
    pub checklist: Option<PathBuf>,
    /// What opens it.
    pub key: Key,
    /// Who does it.
    pub actor: Actor,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct DrillCheck {
    /// What: one word.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

/// What came of a drill.
#[derive(Debug, Serialize)]
pub struct DrillReport {
    /// Whether all is as it should be.
    pub ok: bool,
    /// How much was tried.
    pub kind: DrillKind,
    /// The backup.
    pub file: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// When the backup was made; `null` where that cannot be read.
    pub created_at: Option<String>,
    /// When it was tried.
    pub at: String,
    /// Everything that was tried, in order; nothing comes behind what makes it impossible.
    pub checks: Vec<DrillCheck>,
    /// The file that the list was added to.
    pub checklist: Option<String>,
    /// Digest of the record; empty where there is no archive to record it in.
    pub evidence: String,
}

impl DrillKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Full => "full",
        }
    }
}

impl DrillReport {
    fn add(&mut self, name: &'static str, seen: Seen) {
        let (ok, detail) = match seen {
            Seen::Good(detail) => (true, detail),
            Seen::Bad(faults) => (false, told(&faults)),
        };
        self.ok &= ok;
        self.checks.push(DrillCheck { name, ok, detail });
    }
}

/// What a check saw.
enum Seen {
    /// All as it should be.
    Good(String),
    /// What is not.
    Bad(Vec<String>),
}

impl Seen {
    /// Good with the words `well` unless there are faults.
    fn of(faults: Vec<String>, well: String) -> Self {
        if faults.is_empty() { Self::Good(well) } else { Self::Bad(faults) }
    }
}

/// The first fault, and how many there are.
fn told(faults: &[String]) -> String {
    match faults {
        [] => String::new(),
        [one] => one.clone(),
        [first, ..] => format!("{first} ({} in all)", faults.len()),
    }
}

/// Tries a backup out, records what came of it, and writes the list of results.
pub fn drill(
    workspace: &Workspace,
    options: &DrillOptions,
    progress: &dyn Progress,
) -> Result<DrillReport> {
    let log = workspace.use_case("DRILL", Some(options.actor.as_str()));
    log.end(run::drill_one(workspace, options, progress), |report| About {
        is_odd: !report.ok,
        ..About::many(report.checks.len())
    })
}
