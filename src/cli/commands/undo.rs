//! `undo`: takes back the last deed that is not committed.

use crate::archive::{UndoReport, undo};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text};
use crate::error::Result;
use crate::evidence::SEGMENT_FOLDER;

const EXAMPLES: &str = "Examples:
  git codex-archive undo";

/// The options of `undo`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Takes the last deed back.
pub fn run(context: &Context<'_>, args: &Args) -> Result<UndoReport> {
    undo(&context.workspace, &context.actor(args.by.as_deref())?)
}

impl Report for UndoReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = format!(" {} (deed {})", self.action, self.deed);
        out.parts(&[(GOOD, "Took back"), (PLAIN, &what)]);
        for path in &self.paths {
            let is_segment = path.starts_with(SEGMENT_FOLDER);
            out.field(if is_segment { "taken out" } else { "as before" }, path);
        }
        out.field("record", &self.evidence);
    }
}
