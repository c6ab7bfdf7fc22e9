//! `drop`: a tombstone goes for good; the item stays archived.

use std::ffi::OsString;

use crate::archive::{DropOptions, DropReport, drop_stub};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive drop src/legacy/zendesk_v1.py --reason 'the folder goes'
  git codex-archive drop 8f0c3f0a --reason 'new code has the path'";

/// The options of `drop`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A tombstone's path, an archive id, or the first digits of one
    #[arg(value_name = "PATH|ID")]
    target: OsString,
    /// Why it goes, in a few words
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Drops what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<DropReport> {
    let options = DropOptions {
        target: args.target.clone(),
        reason: args.reason.clone(),
        actor: context.actor(args.by.as_deref())?,
    };
    drop_stub(&context.workspace, &options)
}

impl Report for DropReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = match self.replaced {
            true => "Gave the path to other content",
            false => "Dropped the tombstone",
        };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {}", self.path))]);
        out.field("stays archived", &self.tombstone);
        out.field("record", &self.evidence);
        out.field("segment", &self.evidence_segment);
        out.line("Next: git commit (the change and its segment are staged)");
    }
}
