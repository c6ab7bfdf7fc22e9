//! `evidence`: the record, its proof, and what to put in a pull request.

use std::ffi::OsString;

use clap::Subcommand;
use serde::Serialize;

use super::checkpoint::{self, CheckArgs, CheckpointArgs, ProveArgs};
use super::verify::{ends, is_nothing, write_findings};
use crate::archive::history::{Entry, history, last_deed};
use crate::archive::proof::{ProofReport, prove};
use crate::archive::{Archive, SignReport, record_of, segments, sign_segments};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{BAD, GOOD, PLAIN, Text, counted};
use crate::error::Result;
use crate::evidence::{Segment, render_citation};
use crate::verify::added_segments;

const EXAMPLES: &str = "Examples:
  git codex-archive evidence log --limit 5
  git codex-archive evidence verify
  git codex-archive evidence digest src/legacy/zendesk_v1.py
  git codex-archive evidence new-log
  git codex-archive evidence cite --range origin/main..HEAD >> body.md";

/// The options of `evidence`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What to do with the evidence.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show the archive's records, newest first
    #[command(after_help = EXAMPLES)]
    Log {
        /// How many records at most
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        limit: u64,
    },
    /// Hold table, journal and segments against one another
    #[command(after_help = EXAMPLES)]
    Verify,
    /// Print the digests of an item's records, or of the last deed's
    #[command(after_help = EXAMPLES)]
    Digest {
        /// An archive id, a path, or the first digits of an id
        #[arg(value_name = "ID|PATH")]
        target: Option<OsString>,
    },
    /// Begin a new log, after two writers of one (a copied clone, a restored backup) were found
    #[command(after_help = EXAMPLES)]
    NewLog,
    /// Sign the segments in the index (and, under `[evidence] sign`, the ends of the logs) that have
    /// no signature, with the SSH key that git signs with
    #[command(after_help = EXAMPLES)]
    Sign,
    /// Make a checkpoint over all records, to be kept outside
    Checkpoint(CheckpointArgs),
    /// Prove that a checkpoint covers a record, in a file that speaks for itself
    Prove(ProveArgs),
    /// Judge such a proof, without archive or repository
    Check(CheckArgs),
    /// Print what a pull request has to cite
    #[command(after_help = EXAMPLES)]
    Cite {
        /// The segments that B adds to its merge base with A (default: what the index has and the
        /// upstream lacks)
        #[arg(long, value_name = "A..B")]
        range: Option<String>,
    },
}

/// Does what `args` say and shows it; returns the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let ui = context.ui;
    Ok(match &args.command {
        Command::Log { limit } => ui.show(&log(context, *limit)?),
        Command::Verify => ui.show(&prove(&context.workspace)?),
        Command::Digest { target } => ui.show(&digests(context, target.as_ref())?),
        Command::NewLog => ui.show(&new_log(context)?),
        Command::Sign => ui.show(&sign_segments(&context.workspace)?),
        Command::Checkpoint(args) => checkpoint::make(context, args)?,
        Command::Prove(args) => checkpoint::prove(context, args)?,
        Command::Check(args) => checkpoint::judge(context, args)?,
        Command::Cite { range } => ui.show(&cite(context, range.as_deref())?),
    })
}

/// A log that was begun.
#[derive(Debug, Serialize)]
struct NewLog {
    log: String,
    repo: String,
}

fn new_log(context: &Context<'_>) -> Result<NewLog> {
    let workspace = &context.workspace;
    let _lock = workspace.lock()?;
    Archive::open(workspace)?;
    let repo = workspace.label().map_or_else(String::new, ToString::to_string);
    let log = Archive::create(workspace)?.new_log(&repo)?.to_string();
    Ok(NewLog { log, repo })
}

impl Report for NewLog {
    fn write_human(&self, out: &mut Text) {
        out.line(format!("Began log {} for `{}`", self.log, self.repo));
    }
}

/// Records of the table.
#[derive(Debug, Serialize)]
struct Records {
    items: Vec<Entry>,
}

fn log(context: &Context<'_>, limit: u64) -> Result<Records> {
    let mut archive = Archive::open(&context.workspace)?;
    let stored = archive.ledger().newest(limit)?;
    let entry = |stored| {
        let record = record_of(stored)?;
        Ok(Entry { record, digest: stored.digest, in_archive: true })
    };
    Ok(Records { items: stored.iter().map(entry).collect::<Result<_>>()? })
}

impl Report for Records {
    fn write_human(&self, out: &mut Text) {
        let row = |entry: &Entry| {
            let event = &entry.record.event;
            vec![
                entry.record.seq.to_string(),
                entry.record.ts.to_string(),
                event.action.to_string(),
                event.actor.clone(),
                entry.digest.short(),
                event.path.as_ref().map(ToString::to_string).unwrap_or_default(),
            ]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        out.table(&["seq", "time", "action", "actor", "digest", "path"], &rows);
    }
}

impl Report for ProofReport {
    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }

    fn write_human(&self, out: &mut Text) {
        write_findings(out, &self.findings);
        let (style, verdict) = if self.ok { (GOOD, "ok") } else { (BAD, "not ok") };
        let looked = format!(
            ": {}, {} of the journal, {} of the tree ({} of other archives)",
            counted(self.records, "record"),
            counted(self.journal_lines, "line"),
            counted(self.segments, "segment"),
            counted(self.foreign_records, "record")
        );
        out.parts(&[(style, verdict), (PLAIN, &looked)]);
    }
}

/// Digests of records, oldest first.
#[derive(Debug, Serialize)]
struct Digests {
    items: Vec<Entry>,
}

fn digests(context: &Context<'_>, target: Option<&OsString>) -> Result<Digests> {
    let items = match target {
        Some(target) => {
            let mut archive = context.archive()?;
            let mut items = history(&context.workspace, archive.as_mut(), target)?;
            items.reverse();
            items
        }
        None => last_deed(&mut Archive::open(&context.workspace)?)?,
    };
    Ok(Digests { items })
}

impl Report for Digests {
    fn write_human(&self, out: &mut Text) {
        for entry in &self.items {
            let event = &entry.record.event;
            let path = event.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
            out.line(format!("{}  {} {}{path}", entry.digest, entry.record.seq, event.action));
        }
    }
}

impl Report for SignReport {
    fn write_human(&self, out: &mut Text) {
        for path in &self.signed {
            out.line(format!("Signed {path}"));
        }
        for path in &self.put_back {
            out.line(format!("Put back the signature of {path}"));
        }
        for path in &self.of_others {
            out.line(format!("Left {path}: another archive wrote it"));
        }
        for log in &self.logs {
            out.line(format!("Signed log {log} to its end"));
        }
        let none = [&self.signed, &self.put_back, &self.of_others, &self.logs];
        if none.iter().all(|list| list.is_empty()) {
            out.line("Nothing to sign: every segment has its signature");
        }
    }
}

/// What a pull request has to cite.
#[derive(Debug, Serialize)]
struct Citation {
    segments: Vec<Cited>,
    markdown: String,
}

#[derive(Debug, Serialize)]
struct Cited {
    segment: String,
    digest: String,
    records: usize,
}

fn cite(context: &Context<'_>, range: Option<&str>) -> Result<Citation> {
    let workspace = &context.workspace;
    let segments = match range {
        Some(range) => {
            let (base, tip) = ends(range)?;
            added_segments(workspace, Some(&*base).filter(|base| !is_nothing(base)), &tip)?
        }
        None => segments::unpublished(workspace.repository("cite")?)?,
    };
    if segments.is_empty() {
        context.ui.warn("there is nothing to cite: no segment was added");
    }
    let cited = |segment: &Segment| Cited {
        segment: segment.path.to_string(),
        digest: segment.last_digest().to_string(),
        records: segment.lines.len(),
    };
    let markdown = render_citation(&segments);
    Ok(Citation { segments: segments.iter().map(cited).collect(), markdown })
}

impl Report for Citation {
    fn write_human(&self, out: &mut Text) {
        out.block(&self.markdown);
    }
}
