//! `backup`: data folders go to another place, proven, and come back.

mod report;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::archive::Depth;
use crate::backup::{
    CreateOptions, DrillKind, DrillOptions, Key, Passphrase, PruneOptions, RestoreBackupOptions,
    Sealing, Suffix, VARIABLE, VerifyOptions, create, drill, list, prune, restore, verify,
};
use crate::cli::context::Context;
use crate::error::{Error, Result};

const EXAMPLES: &str = "Examples:
  git codex-archive backup create --dest /mnt/backups --mount-check
  git codex-archive backup create --dest /mnt/backups --encrypt --keep 7 --prune
  git codex-archive backup create --dest /mnt/backups --recipient ops.asc
  git codex-archive backup create --dest /mnt/backups --source .codex-api
  git codex-archive backup list --dest /mnt/backups
  git codex-archive backup verify /mnt/backups/2026/11-21/codex-1a2b3c4d-20261121T092810Z.tar.gz
  git codex-archive backup restore /mnt/backups/2026/11-21/codex-1a2b3c4d-20261121T092810Z.tar.gz
  git codex-archive backup drill --spot --dest /mnt/backups
  git codex-archive backup drill --full --dest /mnt/backups --checklist docs/drills.md
  git codex-archive backup verify --key ops-secret.asc FILE.tar.gz.gpg
  gpg -d codex-1a2b3c4d-20261121T092810Z.tar.gz.gpg | git codex-archive backup restore -

A backup is `YYYY/MM-DD/NAME[-SUFFIX]-YYYYMMDDTHHMMSSZ.tar.gz[.gpg]` below the destination, with its
SHA-256 in a file beside it. The passphrase is in the environment: CODEX_BACKUP_GPG_KEY.";

/// The options of `backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Back up this repository's data, or other data folders
    Create(CreateArgs),
    /// List the backups at a destination
    List {
        /// The destination (default: backup.dest)
        #[arg(long, value_name = "DIR")]
        dest: Option<PathBuf>,
        /// What stands behind the name of one's own (default: backup.suffix)
        #[arg(long, value_name = "LABEL")]
        suffix: Option<String>,
    },
    /// Open a backup, and hold everything in it against its manifest
    Verify {
        /// The backup; `-`: standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Decode and hash all content, not only a sample
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Put a backup back
    Restore {
        /// The backup; `-`: standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write the archive to this file, or the data folder to this folder
        #[arg(long, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Restore a backup though it is older than what this clone knows
        #[arg(long)]
        allow_older: bool,
        /// Say what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Who does it (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Try a backup out, record what came of it, and write the list of results
    Drill(DrillArgs),
    /// Remove all but the newest backups of one name and suffix
    Prune {
        /// The destination (default: backup.dest)
        #[arg(long, value_name = "DIR")]
        dest: Option<PathBuf>,
        /// The data folder that they are of (default: this repository's own data)
        #[arg(long, value_name = "DIR")]
        source: Option<PathBuf>,
        /// What stands behind their name (default: backup.suffix)
        #[arg(long, value_name = "LABEL")]
        suffix: Option<String>,
        /// How many stay (default: backup.keep)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Say what would go, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("kind").required(true).args(["spot", "full"]))]
struct DrillArgs {
    /// The backup (default: the newest of this repository's own data at the destination)
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Check sums, unpack it, open its archive, and read a sample
    #[arg(long)]
    spot: bool,
    /// The same of everything; bring up a working archive from it, and restore items
    #[arg(long)]
    full: bool,
    /// The destination (default: backup.dest)
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    dest: Option<PathBuf>,
    /// What stands behind the name of the newest one (default: backup.suffix)
    #[arg(long, value_name = "LABEL", conflicts_with = "file")]
    suffix: Option<String>,
    /// How many files are read again in a spot drill, and how many items restored in a full one
    #[arg(long, value_name = "N", default_value = "16",
          value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// The file that the list of results is added to (default: backup.drill_checklist)
    #[arg(long, value_name = "FILE")]
    checklist: Option<PathBuf>,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    #[command(flatten)]
    key: KeyArgs,
}

/// What opens an encrypted backup, beside the passphrase in the environment.
#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// Open it with the OpenPGP secret key in this file; the key's own passphrase, where it has one,
    /// is in CODEX_BACKUP_GPG_KEY
    #[arg(long, value_name = "FILE", conflicts_with = "gpg")]
    key: Option<PathBuf>,
    /// Let gpg open it, with the keys and the agent that it has
    #[arg(long)]
    gpg: bool,
}

impl KeyArgs {
    fn opener(&self, context: &Context<'_>) -> Result<Key> {
        if self.gpg {
            return Ok(Key::Gpg);
        }
        let passphrase = passphrase(context)?;
        Ok(match &self.key {
            Some(file) => Key::Secret { file: context.workspace.cwd.join(file), passphrase },
            None => passphrase.map_or(Key::None, Key::Passphrase),
        })
    }
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Where to (default: backup.dest)
    #[arg(long, value_name = "DIR")]
    dest: Option<PathBuf>,
    /// A data folder; may be given several times (default: this repository's own data)
    #[arg(long, value_name = "DIR")]
    source: Vec<PathBuf>,
    /// What stands behind the name (default: backup.suffix)
    #[arg(long, value_name = "LABEL")]
    suffix: Option<String>,
    /// Encrypt with the passphrase in CODEX_BACKUP_GPG_KEY
    #[arg(long, conflicts_with = "recipient")]
    encrypt: bool,
    /// Encrypt for the OpenPGP public key in this file; may be given several times
    #[arg(long, value_name = "FILE")]
    recipient: Vec<PathBuf>,
    /// Remove older backups of the same name and suffix, once the new one is proven
    #[arg(long)]
    prune: bool,
    /// How many stay where older ones are removed (default: backup.keep)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Refuse a destination that is not the mounted file system that it was
    #[arg(long)]
    mount_check: bool,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// Does what `args` say; the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let (ui, workspace) = (context.ui, &context.workspace);
    let progress = ui.progress();
    Ok(match &args.command {
        Command::Create(args) => {
            ui.show(&create(workspace, &create_options(context, args)?, &progress)?)
        }
        Command::List { dest, suffix } => {
            let suffix = suffix_of(context, suffix.as_deref())?;
            let dest = destination(context, dest.as_deref())?;
            ui.show(&list(workspace, &dest, suffix.as_ref())?)
        }
        Command::Verify { file, deep, key } => {
            let options = VerifyOptions {
                file: input(file),
                depth: if *deep { Depth::All } else { Depth::Sample },
                key: key.opener(context)?,
            };
            ui.show(&verify(workspace, &options, &progress)?)
        }
        Command::Restore { file, output, allow_older, dry_run, by, key } => {
            let options = RestoreBackupOptions {
                file: input(file),
                output: output.clone(),
                allow_older: *allow_older,
                dry_run: *dry_run,
                actor: context.actor(by.as_deref())?,
                key: key.opener(context)?,
            };
            ui.show(&restore(workspace, &options, &progress)?)
        }
        Command::Drill(args) => {
            ui.show(&drill(workspace, &drill_options(context, args)?, &progress)?)
        }
        Command::Prune { dest, source, suffix, keep, dry_run } => {
            let options = PruneOptions {
                source: source.clone(),
                dest: destination(context, dest.as_deref())?,
                suffix: suffix_of(context, suffix.as_deref())?,
                keep: kept(context, *keep),
                dry_run: *dry_run,
                passphrase: passphrase(context)?,
            };
            ui.show(&prune(workspace, &options, &progress)?)
        }
    })
}

fn create_options(context: &Context<'_>, args: &CreateArgs) -> Result<CreateOptions> {
    let config = &context.workspace.config;
    let sealing = if !args.recipient.is_empty() {
        let files = args.recipient.iter().map(|file| context.workspace.cwd.join(file));
        Sealing::Recipients(files.collect())
    } else if args.encrypt || config.backup_encrypts() {
        let missing = Error::Missing { what: "the passphrase (CODEX_BACKUP_GPG_KEY)" };
        Sealing::Passphrase(passphrase(context)?.ok_or(missing)?)
    } else {
        Sealing::Plain
    };
    // Only what is recorded needs somebody who did it.
    let actor = match args.source.is_empty() {
        true => Some(context.actor(args.by.as_deref())?),
        false => context.actor(args.by.as_deref()).ok(),
    };
    Ok(CreateOptions {
        sources: args.source.clone(),
        dest: destination(context, args.dest.as_deref())?,
        suffix: suffix_of(context, args.suffix.as_deref())?,
        keep: (args.prune || config.backup_prunes()).then(|| kept(context, args.keep)),
        mount_check: args.mount_check || config.backup_checks_mount(),
        sealing,
        dry_run: args.dry_run,
        actor,
    })
}

fn drill_options(context: &Context<'_>, args: &DrillArgs) -> Result<DrillOptions> {
    let dest = match &args.file {
        Some(_) => None,
        None => Some(destination(context, args.dest.as_deref())?),
    };
    Ok(DrillOptions {
        file: args.file.clone(),
        dest,
        suffix: suffix_of(context, args.suffix.as_deref())?,
        kind: if args.full { DrillKind::Full } else { DrillKind::Spot },
        sample: args.sample.into(),
        checklist: match &args.checklist {
            Some(given) => Some(given.clone()),
            None => context.workspace.drill_checklist()?,
        },
        key: args.key.opener(context)?,
        actor: context.actor(args.by.as_deref())?,
    })
}

/// The file, or nothing for standard input.
fn input(file: &Path) -> Option<PathBuf> {
    (file != Path::new("-")).then(|| file.to_path_buf())
}

fn destination(context: &Context<'_>, given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(given) => Ok(context.workspace.cwd.join(given)),
        None => {
            let missing = Error::Missing { what: "the destination (`--dest` or `backup.dest`)" };
            context.workspace.backup_folder()?.ok_or(missing)
        }
    }
}

fn suffix_of(context: &Context<'_>, given: Option<&str>) -> Result<Option<Suffix>> {
    given.or(context.workspace.config.backup_suffix()).map(str::parse).transpose()
}

fn kept(context: &Context<'_>, given: Option<u32>) -> usize {
    given.map_or(context.workspace.config.backup_keep(), |keep| keep as usize)
}

fn passphrase(context: &Context<'_>) -> Result<Option<Passphrase>> {
    context.variable(VARIABLE)?.map(|text| Passphrase::new(&text)).transpose()
}
