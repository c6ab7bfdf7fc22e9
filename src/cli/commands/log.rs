//! `log`: history out of evidence, newest first.

use std::ffi::OsString;

use serde::Serialize;

use crate::archive::history::{Entry, history, newest};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{FAINT, PLAIN, STRONG, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive log
  git codex-archive log src/legacy/zendesk_v1.py
  git codex-archive log 8f0c3f0a --json";

/// The options of `log`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An archive id, a path, or the first digits of an id (default: everything)
    #[arg(value_name = "ID|PATH")]
    target: Option<OsString>,
    /// How many records at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
}

/// Records, newest first.
#[derive(Debug, Serialize)]
pub struct Logged {
    items: Vec<Entry>,
}

/// Reads the evidence.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Logged> {
    let mut archive = context.archive()?;
    let limit = args.limit as usize;
    let items = match &args.target {
        Some(target) => {
            let mut entries = history(&context.workspace, archive.as_mut(), target)?;
            entries.truncate(limit);
            entries
        }
        None => newest(&context.workspace, archive.as_mut(), limit)?,
    };
    Ok(Logged { items })
}

impl Report for Logged {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line("No records.");
        }
        write_entries(out, &self.items);
    }
}

/// Two lines a record.
pub fn write_entries(out: &mut Text, entries: &[Entry]) {
    for entry in entries {
        let event = &entry.record.event;
        let path = event.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        let reason = event.reason.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        out.parts(&[
            (FAINT, &format!("{} ", entry.record.ts)),
            (STRONG, event.action.as_str()),
            (PLAIN, &format!("{path} by {}{reason}", event.actor)),
        ]);
        let id = event.tombstone.map(|id| format!("{id} ")).unwrap_or_default();
        let place = if entry.in_archive { "" } else { " (out of the tree)" };
        out.parts(&[(FAINT, &format!("    {id}record {}{place}", entry.digest))]);
    }
}
