//! `copy`: brings a whole archive into another one, on whatever backend, and proves it.

use crate::archive::{Archive, Moved, TransferReport, transfer};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text};
use crate::error::{Error, Result};
use crate::evidence::Action;
use crate::model::Actor;

const EXAMPLES: &str = "Examples:
  git codex-archive copy --to env:NEW_ARCHIVE_URL
  git codex-archive copy --from sqlite:///./.codex/archive.sqlite --to postgres://codex@db/archive
  git codex-archive copy --to sqlite:////srv/archives/project.sqlite

A URL that holds a password belongs in the environment: `env:NAME` reads it there. What the target has
already is checked and kept, so a copy that was interrupted is simply run again, and several archives
can be brought into one. Nothing is taken out of the source.";

/// The options of `copy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The archive to copy (default: the configured one)
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Where to (default: the configured one); made where it is missing
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Copies the archive.
pub fn run(context: &Context<'_>, args: &Args) -> Result<TransferReport> {
    let actor = context.actor(args.by.as_deref())?;
    let log = context.workspace.use_case("COPY", Some(actor.as_str()));
    log.end(copy(context, args, &actor), TransferReport::about)
}

fn copy(context: &Context<'_>, args: &Args, actor: &Actor) -> Result<TransferReport> {
    let other = |url: &Option<String>| url.as_deref().map(|url| context.at(url)).transpose();
    let (source, target) = (other(&args.from)?, other(&args.to)?);
    let own = context.workspace.archive_place()?;
    let place = |it: &Option<Context<'_>>| match it {
        Some(context) => context.workspace.archive_place(),
        None => Ok(own.clone()),
    };
    let (from, to) = (place(&source)?, place(&target)?);
    if from == to {
        let why = "it is the archive that is copied; give another one by `--to`";
        return Err(Error::invalid("target", to.to_string(), why));
    }
    let lock = context.workspace.lock()?;
    let mut source = match &source {
        Some(context) if from != own => Archive::open_apart(&context.workspace)?,
        _ => Archive::open(&context.workspace)?,
    };
    let mut target = match &target {
        Some(context) if to != own => Archive::create_apart(&context.workspace)?,
        _ => Archive::create(&context.workspace)?,
    };
    let done = transfer(&mut source, &mut target, actor, Action::Copy, &context.ui.progress());
    drop(lock);
    done
}

impl Report for TransferReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.evidence.is_empty() { "Nothing new in" } else { "Copied" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(" {} to {}", self.from, self.to))]);
        let always = [("artifacts", self.artifacts), ("items", self.items)];
        let moved = [("entries", self.entries), ("retention", self.retention_runs)];
        let moved = moved.into_iter().filter(|(_, it)| it.copied + it.there > 0);
        for (name, moved) in always.into_iter().chain([("records", self.records)]).chain(moved) {
            let Moved { copied, there } = moved;
            out.field(name, format!("{copied} copied, {there} there before"));
        }
        out.field("root of the source", &self.source_root);
        out.field("root of the target", &self.target_root);
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
    }
}
