//! `migrate`: brings an archive's schema up to date, or shows where it stands.

use crate::archive::{MigrateReport, migrate, migration_status};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{FAINT, GOOD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive migrate --status
  git codex-archive migrate

An embedded archive is copied first, and brought up to date by every command that changes it. An
archive on a server is changed by this command alone; it needs the rights to make tables.";

/// The options of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show the steps, and change nothing
    #[arg(long)]
    status: bool,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR", conflicts_with = "status")]
    by: Option<String>,
}

/// Takes the steps that wait, or shows them.
pub fn run(context: &Context<'_>, args: &Args) -> Result<MigrateReport> {
    if args.status {
        return migration_status(&context.workspace);
    }
    migrate(&context.workspace, &context.actor(args.by.as_deref())?)
}

impl Report for MigrateReport {
    fn form(&self) -> Form {
        if self.from == self.to { Form::Answer } else { Form::Deed }
    }

    fn write_human(&self, out: &mut Text) {
        let state = match self.to {
            to if to == self.latest => "up to date".to_owned(),
            to => format!("{} steps wait", self.latest - to),
        };
        out.parts(&[
            (PLAIN, "schema "),
            (GOOD, &self.to.to_string()),
            (FAINT, &format!(", {state}")),
        ]);
        let row = |step: &crate::archive::MigrationStep| {
            let when = step.applied_at.clone().unwrap_or_else(|| "waits".to_owned());
            vec![format!("{:04}", step.version), step.name.to_owned(), when]
        };
        let rows: Vec<Vec<String>> = self.steps.iter().map(row).collect();
        out.table(&["step", "name", "taken"], &rows);
        if let Some(copy) = &self.copy {
            out.field("copy of before", copy);
        }
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
    }
}
