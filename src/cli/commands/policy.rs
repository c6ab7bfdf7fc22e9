//! `policy`: the rules of governance.

use clap::Subcommand;

use crate::archive::governance::{
    AdoptOptions, AdoptReport, PolicyDiff, PolicyReport, adopt_policy, diff_policy, show_policy,
};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, GOOD, ODD, PLAIN, Text};
use crate::error::Result;
use crate::model::Actor;

const EXAMPLES: &str = "Examples:
  git codex-archive policy show
  git codex-archive policy diff
  git codex-archive policy adopt --by ann@example.com --reason 'the first policy'
  git codex-archive policy adopt --by ann@example.com --second bob@example.com --reason 'carol signs too'";

/// The options of `policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the policy in force
    Show,
    /// Show what adopting the files would change
    Diff,
    /// Adopt [governance] and .codex/allowed_signers as they stand
    Adopt {
        /// Who adopts it, and approves (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
        /// Who else approves; where keys sign, they must have run `approve`
        #[arg(long, value_name = "ACTOR")]
        second: Option<String>,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Does what `args` say; the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let workspace = &context.workspace;
    Ok(match &args.command {
        Command::Show => context.ui.show(&show_policy(workspace)?),
        Command::Diff => context.ui.show(&diff_policy(workspace)?),
        Command::Adopt { by, second, reason } => {
            let options = AdoptOptions {
                actor: context.actor(by.as_deref())?,
                second: second.as_deref().map(Actor::new).transpose()?,
                reason: reason.clone(),
            };
            context.ui.show(&adopt_policy(workspace, &options)?)
        }
    })
}

impl Report for PolicyReport {
    fn write_human(&self, out: &mut Text) {
        match self.version {
            0 => out.line("No policy was adopted: these are the rules that hold without one."),
            version => out.line(format!("Version {version} of the policy")),
        }
        out.block(&self.rules);
        for signer in &self.signers {
            out.field("signer", signer);
        }
        if let Some(at) = &self.at {
            let unwitnessed = if self.unwitnessed { " (unwitnessed)" } else { "" };
            out.field("approved by", format!("{}{unwitnessed}, {at}", self.approved_by.join(", ")));
        }
    }
}

impl Report for PolicyDiff {
    fn write_human(&self, out: &mut Text) {
        if self.removed.is_empty() && self.added.is_empty() {
            out.line("The files say what is in force.");
        }
        for line in &self.removed {
            out.parts(&[(BAD, &format!("-{line}"))]);
        }
        for line in &self.added {
            out.parts(&[(GOOD, &format!("+{line}"))]);
        }
    }
}

impl Report for AdoptReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let (style, what) = match (self.already, self.adopted) {
            (true, _) => (GOOD, "In force already"),
            (false, true) => (GOOD, "Adopted"),
            (false, false) => (ODD, "Waits for approvals"),
        };
        out.parts(&[(style, what), (PLAIN, &format!(": version {} of the policy", self.version))]);
        let is_alone = self.adopted && self.unwitnessed;
        let unwitnessed = if is_alone { " (unwitnessed)" } else { "" };
        out.field("approved by", format!("{}{unwitnessed}", self.approved_by.join(", ")));
        out.field("sha256", &self.sha256);
        if !self.request.is_empty() {
            out.field("request", &self.request);
        }
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
    }

    /// Done in part while it waits.
    fn exit_code(&self) -> u8 {
        if self.adopted { 0 } else { 3 }
    }
}
