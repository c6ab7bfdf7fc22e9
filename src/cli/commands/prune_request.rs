//! `prune-request`: asks that an item's content be destroyed.

use std::ffi::OsString;

use crate::archive::governance::{RequestOptions, RequestReport, prune_request};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive prune-request 8f0c3f0a --reason 'erasure asked for in OPS-1234'
  git codex-archive prune-request src/legacy/zendesk_v1.py --by ann@example.com --reason 'GDPR 17'";

/// The options of `prune-request`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An archive id, the first digits of one, or a tombstone's path
    #[arg(value_name = "ID")]
    id: OsString,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who asks (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Asks what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<RequestReport> {
    let options = RequestOptions {
        id: args.id.clone(),
        actor: context.actor(args.by.as_deref())?,
        reason: args.reason.clone(),
    };
    prune_request(&context.workspace, &options)
}

impl Report for RequestReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = match self.already {
            true => "Requested already",
            false => "Recorded the prune request",
        };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {}", self.path))]);
        out.field("item", &self.tombstone);
        out.field("request", &self.request);
        out.field("by", &self.requested_by);
        out.field("until", &self.expires_at);
        if !self.holds.is_empty() {
            out.field("held by", self.holds.join(", "));
        }
        out.field("record", &self.evidence);
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
        out.line(format!(
            "Next: two people approve: git codex-archive approve {} --action purge",
            self.tombstone
        ));
    }
}
