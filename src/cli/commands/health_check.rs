//! `health-check`: whether the archive is well.

use crate::archive::{HealthReport, health};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{BAD, GOOD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive health-check
  git codex-archive health-check --json

An archive that is not well ends with exit code 1.";

/// The options of `health-check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Checks connection, schema, a sample of bytes, evidence and journal.
pub fn run(context: &Context<'_>, _args: &Args) -> Result<HealthReport> {
    health(&context.workspace)
}

impl Report for HealthReport {
    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 1 }
    }

    fn write_human(&self, out: &mut Text) {
        out.line("=== Archive Health Check ===");
        out.line(format!("Backend: {}", self.backend));
        out.line(format!("URL: {} (credentials redacted)", self.url));
        let (style, status) = if self.ok { (GOOD, "✓ OK") } else { (BAD, "✗ FAILED") };
        out.parts(&[(PLAIN, "Status: "), (style, status)]);
        out.line(format!("Items Retrievable: {}", self.items_retrievable));
        for check in &self.checks {
            let (style, mark) = if check.ok { (GOOD, "✓") } else { (BAD, "✗") };
            out.parts(&[
                (PLAIN, "  "),
                (style, mark),
                (PLAIN, &format!(" {}: {}", check.name, check.detail)),
            ]);
        }
    }
}
