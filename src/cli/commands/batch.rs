//! What both kinds of batches take, and how their results are told.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::archive::{BatchOptions, BatchResults, ItemResult, OnError, Status};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, GOOD, ODD, PLAIN, Text};
use crate::error::{Error, Result};
use crate::manifest::MAX_BYTES;
use crate::model::Digest;

/// The options of every batch.
#[derive(Debug, clap::Args)]
pub struct Shared {
    /// The manifest: JSON, a bare array, JSON Lines or CSV; `-` is standard input
    #[arg(value_name = "MANIFEST")]
    manifest: OsString,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, visible_alias = "actor", value_name = "ACTOR")]
    by: Option<String>,
    /// Check every item, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Go on with the rest when an item fails (default: batch.continue_on_error)
    #[arg(long)]
    continue_on_error: bool,
    /// The results file (default: batch.results_path, else a new one in the current directory)
    #[arg(long, value_name = "FILE")]
    results: Option<OsString>,
    /// Go on after a run that was stopped: what is done is skipped, and keeps its evidence
    #[arg(long)]
    resume: bool,
}

impl Shared {
    /// The manifest's name, for people, and its bytes.
    pub fn read(&self) -> Result<(String, Vec<u8>)> {
        let name = self.manifest.to_string_lossy().into_owned();
        let path = Path::new(&self.manifest);
        let mut bytes = Vec::new();
        let read = |from: &mut dyn Read, bytes: &mut Vec<u8>| {
            // One byte more says that there is too much.
            from.take(MAX_BYTES as u64 + 1).read_to_end(bytes).map_err(Error::io("read", path))
        };
        if self.manifest == OsStr::new("-") {
            read(&mut std::io::stdin().lock(), &mut bytes)?;
        } else {
            read(&mut File::open(path).map_err(Error::io("read", path))?, &mut bytes)?;
        }
        Ok((name, bytes))
    }

    /// The options that they make with the configuration.
    pub fn options(
        &self,
        context: &Context<'_>,
        manifest: &str,
        bytes: &[u8],
        force: bool,
    ) -> Result<BatchOptions> {
        let goes_on = self.continue_on_error || context.workspace.config.batch_continues();
        Ok(BatchOptions {
            manifest: manifest.to_owned(),
            manifest_sha256: Digest::of(bytes),
            actor: context.actor(self.by.as_deref())?,
            on_error: if goes_on { OnError::GoOn } else { OnError::Stop },
            dry_run: self.dry_run,
            resume: self.resume,
            force,
            results: self.results.clone(),
        })
    }
}

impl Report for BatchResults {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn exit_code(&self) -> u8 {
        Self::exit_code(self)
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.command == "batch-store" { "Batch Store" } else { "Batch Restore" };
        let ending = match (self.dry_run, self.interrupted) {
            (true, _) => "Dry Run",
            (_, true) => "Interrupted",
            _ => "Complete",
        };
        let summary = &self.summary;
        out.line(format!("{what} {ending}:"));
        if self.dry_run {
            out.parts(&[(GOOD, "  ✓ "), (PLAIN, &format!("Ready: {}", summary.ready))]);
        } else {
            out.parts(&[(GOOD, "  ✓ "), (PLAIN, &format!("Succeeded: {}", summary.succeeded))]);
        }
        out.parts(&[(BAD, "  ✗ "), (PLAIN, &format!("Failed: {}", summary.failed))]);
        if summary.skipped > 0 {
            out.parts(&[(ODD, "  - "), (PLAIN, &format!("Skipped: {}", summary.skipped))]);
        }
        out.line(format!("  Total Time: {}ms", summary.total_duration_ms));
        for (n, item) in self.items.iter().enumerate() {
            write_failure(out, n + 1, item);
        }
        if let Some(trouble) = &self.trouble {
            out.parts(&[(BAD, "error: "), (PLAIN, &trouble.words)]);
        }
        if self.dry_run {
            out.line("This was a dry run: nothing was changed.");
        }
        if let Some(file) = &self.saved_to {
            out.gap();
            out.line(format!("Results saved to: {file}"));
        }
        if self.evidence_segment.is_some() {
            out.line("Next: git commit (tombstones and segment are staged)");
        }
    }
}

fn write_failure(out: &mut Text, number: usize, item: &ItemResult) {
    if item.status != Status::Failed {
        return;
    }
    let words = item.error.as_deref().unwrap_or_default();
    out.parts(&[(BAD, "failed: "), (PLAIN, &format!("item {number}: {words}"))]);
}
