//! `approve`: agrees to a request.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;

use crate::archive::governance::{ApproveOptions, ApproveReport, approve};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive approve 8f0c3f0a --action purge
  git codex-archive approve 8f0c3f0a --action restore --by bob@example.com --reason 'audit 7'
  git codex-archive approve 9f86d081…0f00a08 --action readmit --reason 'purged by mistake'";

/// The options of `approve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An item, or the id of a request; for `readmit` a digest too
    #[arg(value_name = "ID")]
    id: OsString,
    /// What is approved
    #[arg(long, value_name = "ACTION", value_parser = PossibleValuesParser::new(
        ["purge", "restore", "release-hold", "readmit", "policy", "retention", "forget"]
    ))]
    action: String,
    /// Who approves (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    /// Why, where nobody has asked for it before
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Approves what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<ApproveReport> {
    let options = ApproveOptions {
        id: args.id.clone(),
        action: args.action.parse()?,
        actor: context.actor(args.by.as_deref())?,
        reason: args.reason.clone(),
    };
    approve(&context.workspace, &options)
}

impl Report for ApproveReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.already { "Approved already" } else { "Approved" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} of {}", self.action, self.subject))]);
        out.field("request", &self.request);
        let (have, needed) = (self.approved_by.len(), self.needed);
        let keyboard = if self.one_keyboard { " (one keyboard)" } else { "" };
        let names = self.approved_by.join(", ");
        out.field("approvals", format!("{have} of {needed}: {names}{keyboard}"));
        out.field("assurance", self.assurance.as_str());
        out.field("until", &self.expires_at);
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
        if !self.approved_by.contains(&self.actor) {
            out.line("Who asks for it is not counted, as the policy has it: others approve.");
        }
        if self.done {
            out.line("The content may be archived again.");
        }
    }
}
