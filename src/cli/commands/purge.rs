//! `purge`: destroys content, with two approvals, and shows that it is gone.

use std::ffi::OsString;

use crate::archive::governance::{PurgeOptions, PurgeReport, Spot, Stage, purge, purge_report};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text};
use crate::error::{Error, Result};
use crate::model::Actor;

const EXAMPLES: &str = "Examples:
  git codex-archive purge 8f0c3f0a --by ann@example.com --second bob@example.com --reason 'GDPR 17'
  git codex-archive purge 8f0c3f0a --by ann@example.com --second bob@example.com --reason 'GDPR 17' --apply
  git codex-archive purge 8f0c3f0a --report";

/// The options of `purge`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An archive id, the first digits of one, or a tombstone's path
    #[arg(value_name = "ID")]
    id: OsString,
    /// Who does it, and approves (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    /// Who else approves; where keys sign, they must have run `approve`
    #[arg(long, value_name = "ACTOR")]
    second: Option<String>,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT", required_unless_present = "report")]
    reason: Option<String>,
    /// Destroy the bytes; without it approvals are recorded and the bytes kept
    #[arg(long)]
    apply: bool,
    /// Other items with the same content too
    #[arg(long)]
    all_items: bool,
    /// Only look what became of content that was purged, and tidy up what was in use then
    #[arg(long, conflicts_with_all = ["second", "apply", "all_items", "reason"])]
    report: bool,
}

/// Destroys what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<PurgeReport> {
    if args.report {
        return purge_report(&context.workspace, &args.id);
    }
    let options = PurgeOptions {
        id: args.id.clone(),
        actor: context.actor(args.by.as_deref())?,
        second: args.second.as_deref().map(Actor::new).transpose()?,
        reason: args.reason.clone().ok_or(Error::Missing { what: "`--reason`" })?,
        apply: args.apply,
        all_items: args.all_items,
    };
    purge(&context.workspace, &options)
}

impl Report for PurgeReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = match (self.state, self.already) {
            (Stage::Waiting, _) => "Recorded the approvals; the bytes are kept",
            (Stage::Purged, true) => "Purged already",
            (Stage::Purged, false) => "Purged",
        };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {}", self.path))]);
        out.field("item", &self.tombstone);
        out.field("sha256", &self.sha256);
        out.field("request", &self.request);
        let keyboard = if self.one_keyboard { " (one keyboard)" } else { "" };
        let names = self.approved_by.join(", ");
        out.field("approved by", format!("{names}{keyboard}, {}", self.assurance));
        if let Some(at) = &self.purged_at {
            out.field("purged at", at);
        }
        for item in self.items.iter().filter(|it| it.tombstone != self.tombstone) {
            out.field("also", format!("{} ({})", item.tombstone, item.path));
        }
        spots(out, "Erased", &self.erased, GOOD);
        spots(out, "Out of reach here", &self.outside_reach, ODD);
        spots(out, "Still there", &self.still_present, BAD);
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
        if !self.evidence_report.is_empty() {
            out.field("report", &self.evidence_report);
        }
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
        if self.state == Stage::Waiting {
            out.line("Next: the same command with --apply, once two people have approved");
        }
    }

    /// What is still there is a finding.
    fn exit_code(&self) -> u8 {
        if self.still_present.is_empty() { 0 } else { 4 }
    }
}

/// Writes what was found of one kind.
pub(super) fn spots(out: &mut Text, title: &str, spots: &[Spot], style: anstyle::Style) {
    if spots.is_empty() {
        return;
    }
    out.parts(&[(style, title)]);
    for spot in spots {
        out.line(format!("  {}: {}", spot.place, spot.what));
        if let Some(command) = &spot.command {
            out.parts(&[(FAINT, &format!("    {command}"))]);
        }
    }
}
