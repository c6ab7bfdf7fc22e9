//! `reconcile`: brings tombstones and evidence together again.

use crate::archive::{ReconcileReport, reconcile};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, ODD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git revert HEAD~2 && git codex-archive reconcile --reason 'the feature is back'
  git codex-archive reconcile";

/// The options of `reconcile`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Mends the tree.
pub fn run(context: &Context<'_>, args: &Args) -> Result<ReconcileReport> {
    let actor = context.actor(args.by.as_deref())?;
    reconcile(&context.workspace, &actor, args.reason.as_deref())
}

impl Report for ReconcileReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn exit_code(&self) -> u8 {
        if self.helpless.is_empty() { 0 } else { 3 }
    }

    fn write_human(&self, out: &mut Text) {
        for path in self.segments_put_back.iter().chain(&self.files_put_back) {
            out.parts(&[(GOOD, "put back "), (PLAIN, path)]);
        }
        for record in &self.recorded {
            let what = format!("{} ({})", record.path, record.tombstone);
            out.parts(&[(GOOD, &format!("recorded {} ", record.action)), (PLAIN, &what)]);
        }
        for path in &self.helpless {
            let what =
                format!("{path}: nothing explains this tombstone, and its bytes are not here");
            out.parts(&[(ODD, "left alone "), (PLAIN, &what)]);
        }
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
        let put_back = self.segments_put_back.len() + self.files_put_back.len();
        if put_back == 0 && self.recorded.is_empty() {
            out.line("Nothing had to be mended.");
        } else {
            out.line("Next: git commit (what was mended is staged)");
        }
    }
}
