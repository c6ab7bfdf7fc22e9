//! `restore`: gives an item's bytes back.

use std::ffi::OsString;

use crate::archive::{Content, Output, RestoreOptions, RestoreReport, restore};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text, count};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive restore src/legacy/zendesk_v1.py
  git codex-archive restore 8f0c3f0a out.py --by marc
  git codex-archive restore --stage 8f0c3f0a-6f4e-8b1d-9c1e-2f1f6b1f6a10
  git codex-archive restore 8f0c3f0a - | less";

/// The options of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An archive id, a tombstone's path, or the first digits of an id
    #[arg(value_name = "ID")]
    id: OsString,
    /// The file to write; `-` is standard output (default: the original path)
    #[arg(value_name = "OUTPUT")]
    output: Option<OsString>,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    /// Put the file back in its tombstone's place, and stage it
    #[arg(long, conflicts_with = "output")]
    stage: bool,
    /// Replace a file that is there
    #[arg(long, short = 'f')]
    force: bool,
    /// Write outside the repository and the current directory
    #[arg(long)]
    allow_outside: bool,
}

/// Restores what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<RestoreReport> {
    let output = match &args.output {
        _ if args.stage => Output::Stage,
        None => Output::OriginalPath,
        Some(file) if file == "-" => Output::Caller,
        Some(file) => Output::File(file.clone()),
    };
    let options = RestoreOptions {
        id: args.id.clone(),
        output,
        actor: context.actor(args.by.as_deref())?,
        force: args.force,
        allow_outside: args.allow_outside,
    };
    restore(&context.workspace, &options)
}

impl Report for RestoreReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn content(&self) -> Option<&Content> {
        self.bytes.as_ref()
    }

    fn write_human(&self, out: &mut Text) {
        if self.already {
            let staged = if self.staged { " and staged" } else { "" };
            out.line(format!("{} is there already, whole{staged}", self.output));
            return;
        }
        let size = count(self.restored_bytes);
        let what = format!(" {} ({size} bytes, mode {}) from {}", self.path, self.mode, self.from);
        out.parts(&[(GOOD, "Restored"), (PLAIN, &what)]);
        out.field("to", if self.output == "-" { "standard output" } else { &self.output });
        out.field("sha256", &self.sha256);
        out.field("record", &self.evidence);
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
            out.line("Next: git commit (file and segment are staged)");
        }
    }
}
