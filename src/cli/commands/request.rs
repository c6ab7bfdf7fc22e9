//! `request`: what two people are asked to agree to.

use std::ffi::OsString;

use clap::Subcommand;

use crate::archive::governance::{CancelReport, RequestList, cancel, requests};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{FAINT, GOOD, PLAIN, Text};
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive request list
  git codex-archive request list --all --json
  git codex-archive request cancel 8f0c3f0a --reason 'asked for by mistake'";

/// The options of `request`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List open requests
    List {
        /// Those that are done or cancelled too
        #[arg(long)]
        all: bool,
    },
    /// Take back an open request
    Cancel {
        /// A request's id, or what it is about
        #[arg(value_name = "ID")]
        id: OsString,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who does it (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
    },
}

/// Does what `args` say; the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let workspace = &context.workspace;
    Ok(match &args.command {
        Command::List { all } => context.ui.show(&requests(workspace, *all)?),
        Command::Cancel { id, reason, by } => {
            let actor = context.actor(by.as_deref())?;
            context.ui.show(&cancel(workspace, id, &actor, reason)?)
        }
    })
}

impl Report for RequestList {
    fn write_human(&self, out: &mut Text) {
        if self.requests.is_empty() {
            out.line("Nobody has asked for anything.");
        }
        for request in &self.requests {
            let about = request.path.as_deref().unwrap_or(&request.subject);
            out.parts(&[
                (GOOD, &format!("{} {}", request.action, request.state)),
                (PLAIN, &format!("  {about}")),
                (FAINT, &format!("  {}", request.request)),
            ]);
            out.field("item", &request.subject);
            out.field("by", format!("{}, {}", request.requested_by, request.at));
            out.field("reason", &request.reason);
            out.field("until", &request.expires_at);
            let mut approved = request.approved_by.join(", ");
            if approved.is_empty() {
                approved = "nobody".to_owned();
            }
            if request.one_keyboard {
                approved.push_str(" (one keyboard)");
            }
            out.field("approved by", &approved);
            if !request.holds.is_empty() {
                out.field("held by", request.holds.join(", "));
            }
        }
    }
}

impl Report for CancelReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        out.parts(&[(GOOD, "Cancelled the request"), (PLAIN, &format!(": {}", self.subject))]);
        out.field("request", &self.request);
        out.field("record", &self.evidence);
    }
}
