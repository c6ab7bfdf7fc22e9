//! `hold`: what nobody may destroy.

use std::ffi::OsString;

use clap::Subcommand;

use crate::archive::governance::{
    HoldList, HoldOptions, HoldReport, HoldTarget, ReleaseOptions, ReleaseReport, list_holds,
    release_hold, set_hold,
};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{FAINT, GOOD, ODD, PLAIN, Text, counted};
use crate::error::{Error, Result};
use crate::model::{Actor, Hold};

const EXAMPLES: &str = "Examples:
  git codex-archive hold set 8f0c3f0a --case LIT-7 --reason 'litigation'
  git codex-archive hold set --path 'src/billing/**' --case LIT-7 --reason 'litigation'
  git codex-archive hold release --case LIT-7 --by ann@example.com --second bob@example.com --reason 'settled'
  git codex-archive hold list";

/// The options of `hold`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a hold
    Set {
        #[command(flatten)]
        target: Target,
        /// The case it is for
        #[arg(long, value_name = "CASE")]
        case: String,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who sets it (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
    },
    /// Release the holds of a case, or one of them; takes two people
    Release {
        #[command(flatten)]
        target: Target,
        /// The case
        #[arg(long, value_name = "CASE")]
        case: String,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who releases it, and approves (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
        /// Who else approves; where keys sign, they must have run `approve`
        #[arg(long, value_name = "ACTOR")]
        second: Option<String>,
    },
    /// List the holds in force
    List {
        /// Those that were released too
        #[arg(long)]
        all: bool,
    },
}

/// What a hold names.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Target {
    /// An item: its id, the first digits of it, or its tombstone's path
    #[arg(value_name = "ID")]
    id: Option<OsString>,
    /// Content, wherever it was or will be archived
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
    /// Paths, future ones too; `*` stays within a folder, `**` does not
    #[arg(long, value_name = "GLOB")]
    path: Option<String>,
    /// Items with this tag, future ones too
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

impl Target {
    fn named(&self) -> Option<HoldTarget> {
        let named = self.id.clone().map(HoldTarget::Item);
        named
            .or_else(|| self.sha256.clone().map(HoldTarget::Sha256))
            .or_else(|| self.path.clone().map(HoldTarget::Path))
            .or_else(|| self.tag.clone().map(HoldTarget::Tag))
    }
}

/// Does what `args` say; the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let workspace = &context.workspace;
    Ok(match &args.command {
        Command::Set { target, case, reason, by } => {
            let missing = Error::Missing { what: "what to hold (ID, --sha256, --path or --tag)" };
            let options = HoldOptions {
                target: target.named().ok_or(missing)?,
                case_id: case.clone(),
                reason: reason.clone(),
                actor: context.actor(by.as_deref())?,
            };
            context.ui.show(&set_hold(workspace, &options)?)
        }
        Command::Release { target, case, reason, by, second } => {
            let options = ReleaseOptions {
                target: target.named(),
                case_id: case.clone(),
                reason: reason.clone(),
                actor: context.actor(by.as_deref())?,
                second: second.as_deref().map(Actor::new).transpose()?,
            };
            context.ui.show(&release_hold(workspace, &options)?)
        }
        Command::List { all } => context.ui.show(&list_holds(workspace, *all)?),
    })
}

fn name(hold: &Hold) -> String {
    format!("{} {}", hold.scope, hold.pattern)
}

impl Report for HoldReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.already { "Held already" } else { "Held" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {}", name(&self.hold)))]);
        out.field("case", &self.hold.case_id);
        out.field("items", counted(self.items, "item"));
        out.field("hold", self.hold.deed.to_string());
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
    }
}

impl Report for ReleaseReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        for it in &self.holds {
            let (style, what) = match it.released {
                true => (GOOD, "Released"),
                false => (ODD, "Waits for approvals"),
            };
            out.parts(&[(style, what), (PLAIN, &format!(": {}", name(&it.hold)))]);
            out.field("case", &it.hold.case_id);
            out.field("approved by", it.approved_by.join(", "));
            out.field("request", &it.request);
            if it.released {
                out.field("record", &it.evidence);
            }
            if let Some(segment) = &it.evidence_segment {
                out.field("segment", segment);
            }
        }
    }

    /// Done in part while a hold waits.
    fn exit_code(&self) -> u8 {
        if self.holds.iter().all(|it| it.released) { 0 } else { 3 }
    }
}

impl Report for HoldList {
    fn write_human(&self, out: &mut Text) {
        if self.holds.is_empty() {
            out.line("Nothing is held.");
        }
        for shown in &self.holds {
            let hold = &shown.hold;
            out.parts(&[
                (GOOD, &hold.case_id),
                (PLAIN, &format!("  {}", name(hold))),
                (FAINT, &format!("  {}", hold.deed)),
            ]);
            out.field("items", counted(shown.items, "item"));
            out.field("by", format!("{}, {}", hold.set_by, hold.set_at));
            out.field("reason", &hold.reason);
            if let Some(at) = &hold.released_at {
                out.field("released", at);
            }
        }
    }
}
