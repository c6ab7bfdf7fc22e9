//! `fsck`: proves every byte of the archive.

use crate::archive::{FsckOptions, FsckReport, fsck};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{BAD, GOOD, ODD, PLAIN, Text, count, counted};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive fsck
  git codex-archive fsck --repair --by marc

Damage that was not mended ends with exit code 4.";

/// The options of `fsck`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Put git's own bytes in the place of damaged ones, where they are the same; set damaged
    /// intents aside
    #[arg(long)]
    repair: bool,
    /// Who repairs (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR", requires = "repair")]
    by: Option<String>,
}

/// Checks, and with `--repair` mends.
pub fn run(context: &Context<'_>, args: &Args) -> Result<FsckReport> {
    let repair = if args.repair { Some(context.actor(args.by.as_deref())?) } else { None };
    fsck(&context.workspace, &FsckOptions { repair }, &context.ui.progress())
}

impl Report for FsckReport {
    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }

    fn write_human(&self, out: &mut Text) {
        for artifact in &self.damaged {
            let (style, word) =
                if artifact.healed { (GOOD, "healed: ") } else { (BAD, "damaged: ") };
            out.parts(&[(style, word), (PLAIN, &artifact.why)]);
            for item in &artifact.items {
                out.line(format!("    {} {}", item.tombstone, item.path));
            }
        }
        for complaint in &self.complaints {
            out.parts(&[(BAD, "error: "), (PLAIN, complaint)]);
        }
        for intent in &self.set_aside {
            out.parts(&[(ODD, "set aside: "), (PLAIN, &intent.file)]);
            for path in &intent.paths {
                out.line(format!("    {path}: look whether the deed was done here"));
            }
        }
        for deed in &self.waiting {
            out.parts(&[
                (ODD, "interrupted: "),
                (PLAIN, &format!("deed {deed}; the next changing command settles it")),
            ]);
        }
        let (style, verdict) = if self.ok { (GOOD, "ok") } else { (BAD, "not ok") };
        let entries = match self.entries {
            0 => String::new(),
            1 => " and 1 entry".to_owned(),
            n => format!(" and {} entries", count(n)),
        };
        let looked = format!(
            ": {} ({} bytes) decoded and hashed, {}{entries} checked",
            counted(self.artifacts, "artifact"),
            count(self.content_bytes),
            counted(self.records, "record")
        );
        out.parts(&[(style, verdict), (PLAIN, &looked)]);
        if self.damaged.iter().any(|artifact| !artifact.healed) {
            out.line(
                "Next: git codex-archive fsck --repair (in a clone whose history has the files)",
            );
        } else if self.damaged_intents {
            out.line("Next: git codex-archive fsck --repair (sets the damaged intent aside)");
        }
    }
}
