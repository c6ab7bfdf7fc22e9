//! `maintenance`: nobody changes the archive until it is over.

use clap::Subcommand;

use crate::archive::{Maintenance, MaintenanceOptions, MaintenanceReport, Switch, maintain};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, ODD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive maintenance on --reason 'fsck found damage' --by ann
  git codex-archive maintenance off --reason 'restored from the backup of Monday' --by ann
  git codex-archive status

The mark stands in the archive itself: every clone and every backend sees it. Reading, verify, fsck with
and without --repair, backup and migrate work on; whatever else would change the archive is refused
(exit code 6). Whoever is in the middle of a deed finishes it or fails cleanly.";

/// The options of `maintenance`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let nobody change the archive
    On {
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who does it (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
    },
    /// Let it be changed again
    Off {
        /// What was done, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Who does it (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
    },
}

/// Switches what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<MaintenanceReport> {
    let (switch, reason, by) = match &args.command {
        Command::On { reason, by } => (Switch::On, Some(reason.clone()), by),
        Command::Off { reason, by } => (Switch::Off, reason.clone(), by),
    };
    let actor = context.actor(by.as_deref())?;
    maintain(&context.workspace, &MaintenanceOptions { switch, actor, reason })
}

impl Report for MaintenanceReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let (style, what) = match (self.on, self.changed) {
            (true, true) => (ODD, "Maintenance is on"),
            (true, false) => (ODD, "Maintenance is on already"),
            (false, true) => (GOOD, "Maintenance is over"),
            (false, false) => (GOOD, "Maintenance is not on"),
        };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.archive))]);
        if let Some(Maintenance { since, by, reason }) = &self.maintenance {
            out.field("since", since);
            out.field("by", by);
            out.field("reason", reason);
        }
        if self.changed {
            out.field("record", &self.evidence);
        }
    }
}
