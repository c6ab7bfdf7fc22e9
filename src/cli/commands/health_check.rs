//! `health-check`: whether the archive is well.

use super::hooks;
use crate::archive::{HealthOptions, HealthReport, Level, Seen, health};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text, counted};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive health-check
  git codex-archive health-check --json
  git codex-archive health-check --smoke

Only reads; --smoke writes something made up, and takes it out again. Exit codes: 0 well (warnings
among it), 1 a check failed, 7 the server cannot be reached, 8 no archive or wrong configuration.";

/// The options of `health-check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Store, show, restore and purge something made up, where the archive is
    #[arg(long)]
    smoke: bool,
}

/// Checks connection, schema, a sample of bytes, evidence, and what is around; shows it.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let mut report = health(&context.workspace, HealthOptions { smoke: args.smoke, drills: true })?;
    let is_in_tree =
        context.workspace.repository.as_ref().is_some_and(|it| it.work_tree().is_some());
    if is_in_tree {
        report.check("hooks", || {
            let standing = hooks::standing(context)?;
            let words = standing.summary();
            Ok(if standing.live() { Seen::Fine(words) } else { Seen::Odd(words) })
        });
    }
    let code = context.ui.show(&report);
    report.trouble.map_or(Ok(code), Err)
}

impl Report for HealthReport {
    fn exit_code(&self) -> u8 {
        match &self.trouble {
            Some(error) => error.kind().exit_code(),
            None if self.ok => 0,
            None => 1,
        }
    }

    fn write_human(&self, out: &mut Text) {
        out.line("=== Archive Health Check ===");
        out.line(format!("Backend: {}", self.backend));
        out.line(format!("URL: {} (credentials redacted)", self.url));
        let (style, status) = if self.ok { (GOOD, "✓ OK") } else { (BAD, "✗ FAILED") };
        let warnings = self.count(Level::Warning) as u64;
        let behind = match warnings {
            0 => String::new(),
            n => format!(" ({})", counted(n, "warning")),
        };
        out.parts(&[(PLAIN, "Status: "), (style, status), (ODD, &behind)]);
        out.line(format!("Items Retrievable: {}", self.items_retrievable));
        for check in &self.checks {
            let (style, mark) = match check.level {
                Level::Ok => (GOOD, "✓"),
                Level::Warning => (ODD, "!"),
                Level::Failed => (BAD, "✗"),
            };
            let said = format!(" {}: {}", check.name, check.detail);
            let took = check.duration_ms.map_or_else(String::new, |ms| format!(" ({ms} ms)"));
            out.parts(&[(PLAIN, "  "), (style, mark), (PLAIN, &said), (FAINT, &took)]);
        }
    }
}
