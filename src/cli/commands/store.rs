//! `store`: archives files and leaves tombstones.

use std::ffi::OsString;

use serde::Serialize;

use super::store_flags::StoreFlags;
use super::words;
use crate::archive::{StoreOptions, StoreReport, StubPlace, store};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, ODD, PLAIN, Text, count, counted};
use crate::error::Result;
use crate::model::{Reason, RepoLabel};

const EXAMPLES: &str = "Examples:
  git codex-archive store _codex_ src/legacy/zendesk_v1.py --reason pruned
  git codex-archive store _codex_ src/legacy 'docs/*.old.md' --by marc --reason dead \\
      --tag legacy --metadata ticket=OPS-1234
  git codex-archive store _codex_ schema.xml --reason replaced --sidecar --dry-run
  git codex-archive store _codex_ assets/logo.psd --reason dead --detach-attributes

All paths are archived in one deed: all of them or none. Content with credentials is refused; [policy]
in .codex/archive.toml says otherwise (docs/content-policy.md). Where standard output is no terminal, the
answer is JSON.";

/// The options of `store`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The repo label under which the files are archived
    #[arg(value_name = "REPO")]
    repo: String,
    /// Files, folders or pathspecs
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
    /// Why they go
    #[arg(long, value_parser = words(Reason::ALL, Reason::as_str))]
    reason: Reason,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    #[command(flatten)]
    flags: StoreFlags,
    /// Say what would be archived, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What was archived, and why.
#[derive(Debug, Serialize)]
pub struct Stored {
    #[serde(flatten)]
    report: StoreReport,
    #[serde(skip)]
    reason: Reason,
    #[serde(skip)]
    stub: StubPlace,
}

/// Archives what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Stored> {
    let (label, actor) = (RepoLabel::new(&args.repo)?, context.actor(args.by.as_deref())?);
    let options = StoreOptions {
        paths: args.paths.clone(),
        dry_run: args.dry_run,
        ..args.flags.options(label, actor, args.reason)
    };
    let report = store(&context.workspace, &options, &context.ui.progress())?;
    Ok(Stored { report, reason: args.reason, stub: args.flags.stub() })
}

impl Report for Stored {
    fn form(&self) -> Form {
        Form::JsonToPrograms
    }

    fn write_human(&self, out: &mut Text) {
        let report = &self.report;
        for deed in &report.recovered.completed {
            out.parts(&[(ODD, "completed first: "), (PLAIN, &format!("deed {deed}"))]);
        }
        for deed in &report.recovered.aborted {
            out.parts(&[(ODD, "taken back first: "), (PLAIN, &format!("deed {deed}"))]);
        }
        for path in &report.recovered.left_alone {
            out.parts(&[(ODD, "edited since, left alone: "), (PLAIN, path)]);
        }
        for skipped in &report.skipped {
            out.parts(&[(ODD, "skipped "), (PLAIN, &format!("{}: {}", skipped.path, skipped.why))]);
        }
        for path in &report.already {
            let again = if report.staged_again.contains(path) { "; staged it again" } else { "" };
            out.line(format!("{path} holds its tombstone already{again}"));
        }
        if report.items.is_empty() {
            out.line("Nothing was archived.");
            return;
        }
        self.write_items(out);
        for freed in &report.detached {
            out.field("detached", format!("{} ({})", freed.path, freed.attributes.join(", ")));
        }
        if report.dry_run {
            out.line("This was a dry run: nothing was changed.");
            return;
        }
        if let Some(segment) = &report.evidence_segment {
            out.field("segment", segment);
        }
        for file in &report.attributes_files {
            out.field("staged", file);
        }
        for file in &report.initialised {
            out.field("staged", file);
        }
        if self.stub != StubPlace::None && report.evidence_segment.is_some() {
            out.line("Next: git commit (tombstones and segment are staged)");
        }
    }
}

impl Stored {
    fn write_items(&self, out: &mut Text) {
        let items = &self.report.items;
        let (verb, style) =
            if self.report.dry_run { ("Would archive", PLAIN) } else { ("Archived", GOOD) };
        let size: u64 = items.iter().map(|item| item.size_bytes).sum();
        let stored: u64 =
            items.iter().filter(|item| !item.deduplicated).map(|item| item.compressed_size).sum();
        let what = counted(items.len() as u64, "file");
        out.parts(&[
            (style, verb),
            (
                PLAIN,
                &format!(
                    " {what} as {}, {}: {} bytes, {} new in the archive",
                    items[0].repo,
                    self.reason,
                    count(size),
                    count(stored)
                ),
            ),
        ]);
        let row = |item: &crate::archive::StoredItem| {
            let stored = match item.deduplicated {
                true => "known".to_owned(),
                false => count(item.compressed_size),
            };
            let size = format!("{} → {stored}", count(item.size_bytes));
            vec![item.tombstone.clone(), size, item.sha256[..16].to_owned(), item.path.clone()]
        };
        let rows: Vec<Vec<String>> = items.iter().map(row).collect();
        out.table(&["archive id", "bytes → stored", "sha256", "path"], &rows);
        if let Some(last) = items.last().filter(|item| !item.evidence.is_empty()) {
            out.field("last record", &last.evidence);
        }
    }
}
