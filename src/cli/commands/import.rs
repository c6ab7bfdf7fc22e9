//! `import`: takes another archive's file into this clone's archive.

use std::path::PathBuf;

use crate::archive::{Archive, ArchivePlace, TransferReport, transfer};
use crate::cli::context::Context;
use crate::error::{Error, Result};
use crate::evidence::Action;
use crate::model::Actor;

const EXAMPLES: &str = "Examples:
  git codex-archive import /srv/archives/project.sqlite
  git codex-archive import --adopt .codex/archive.sqlite

Everything in the file is checked, and added to the archive: bytes, items and evidence. With --adopt a
file that stands where the link to the archive belongs (a backup was unpacked over the work tree) is
put aside as archive.sqlite-adopted once all of it is in.";

/// The options of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file: an archive of SQLite
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Put the file aside afterwards, where it stands in the archive's place
    #[arg(long)]
    adopt: bool,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Takes the file in.
pub fn run(context: &Context<'_>, args: &Args) -> Result<TransferReport> {
    let actor = context.actor(args.by.as_deref())?;
    let log = context.workspace.use_case("IMPORT", Some(actor.as_str()));
    log.end(import(context, args, &actor), TransferReport::about)
}

fn import(context: &Context<'_>, args: &Args, actor: &Actor) -> Result<TransferReport> {
    let file = context.workspace.cwd.join(&args.file);
    let file = file.canonicalize().map_err(Error::io("read", &args.file))?;
    if context.workspace.archive_place()? == ArchivePlace::File(file.clone()) {
        let why = "it is this clone's own archive";
        return Err(Error::invalid("file", file.to_string_lossy(), why));
    }
    let lock = context.workspace.lock()?;
    let mut source = Archive::open_file(&context.workspace, &file)?;
    let adopted = args.adopt.then_some(file.as_path());
    let mut target = Archive::create_beside(&context.workspace, adopted)?;
    let report = transfer(&mut source, &mut target, actor, Action::Import, &context.ui.progress())?;
    drop(source);
    if let Some(file) = adopted {
        context.workspace.put_aside(file)?;
    }
    drop(lock);
    Ok(report)
}
