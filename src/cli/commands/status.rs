//! `status`: one screen of what is going on.

use serde::Serialize;

use super::hooks;
use crate::archive::{StatusReport, status};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{BAD, FAINT, ODD, PLAIN, Text, count, counted};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive status
  git codex-archive status --json";

/// The options of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// What is going on.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    report: StatusReport,
    hooks: Option<hooks::Standing>,
}

/// Looks at repository, archive and hooks.
pub fn run(context: &Context<'_>, _args: &Args) -> Result<Shown> {
    let report = status(&context.workspace)?;
    let hooks = match &context.workspace.repository {
        Some(_) => Some(hooks::standing(context)?),
        None => None,
    };
    Ok(Shown { report, hooks })
}

impl Report for Shown {
    fn write_human(&self, out: &mut Text) {
        let report = &self.report;
        out.field("repo label", report.label.as_deref().unwrap_or("none yet"));
        let archive = if report.archive.is_empty() { "not usable" } else { &report.archive };
        out.field("archive", archive);
        match &report.trouble {
            Some(trouble) => out.parts(&[(BAD, "              "), (BAD, trouble)]),
            None => {
                out.field(
                    "content",
                    format!(
                        "{} of {}: {} bytes, {} stored",
                        counted(report.items, "item"),
                        counted(report.artifacts, "artifact"),
                        count(report.content_bytes),
                        count(report.stored_bytes)
                    ),
                );
                out.field("evidence", counted(report.records, "record"));
            }
        }
        if let Some(last) = &report.last_record {
            out.field("last", format!("{} {} by {}", last.ts, last.action, last.actor));
        }
        if let Some(it) = &report.maintenance {
            out.parts(&[(ODD, "maintenance   "), (PLAIN, &it.to_string())]);
        }
        if let Some(hooks) = &self.hooks {
            out.field("hooks", hooks.summary());
        }
        for deed in &report.waiting {
            out.parts(&[
                (ODD, "interrupted   "),
                (PLAIN, &format!("deed {deed}; the next changing command settles it")),
            ]);
        }
        if report.uncommitted.is_empty() {
            return;
        }
        out.line("Staged and not committed:");
        for deed in &report.uncommitted {
            let records = counted(deed.records as u64, "record");
            let line = format!("  {} {records}  ", deed.action);
            out.parts(&[(PLAIN, &line), (FAINT, &deed.segment)]);
        }
        out.line("Next: git commit (or git codex-archive undo)");
    }
}
