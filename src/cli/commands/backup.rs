//! `backup`: data folders go to another place, proven, and come back.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::archive::Depth;
use crate::backup::{
    CreateOptions, CreateReport, Created, Key, ListReport, Passphrase, PruneOptions, PruneReport,
    RestoreBackupOptions, RestoreBackupReport, Sealing, Suffix, VARIABLE, VerifyOptions,
    VerifyReport, create, list, prune, restore, verify,
};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text, count, counted};
use crate::error::{Error, Result};

const EXAMPLES: &str = "Examples:
  git codex-archive backup create --dest /mnt/backups --mount-check
  git codex-archive backup create --dest /mnt/backups --encrypt --keep 7 --prune
  git codex-archive backup create --dest /mnt/backups --recipient ops.asc
  git codex-archive backup create --dest /mnt/backups --source .codex-api
  git codex-archive backup list --dest /mnt/backups
  git codex-archive backup verify /mnt/backups/2026/11-21/codex-1a2b3c4d-20261121T092810Z.tar.gz
  git codex-archive backup restore /mnt/backups/2026/11-21/codex-1a2b3c4d-20261121T092810Z.tar.gz
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

impl Report for CreateReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        for made in &self.items {
            write_created(out, made, self.dry_run);
        }
    }

    /// Done in part where something in a folder is not in its backup.
    fn exit_code(&self) -> u8 {
        if self.items.iter().all(|made| made.left_out.is_empty()) { 0 } else { 3 }
    }
}

fn write_created(out: &mut Text, made: &Created, dry_run: bool) {
    let what = if dry_run { "Would back up" } else { "Backed up" };
    out.parts(&[(GOOD, what), (PLAIN, &format!(" {} to {}", made.source, made.file))]);
    let data = format!("{}, {} bytes", counted(made.files, "file"), count(made.data_bytes));
    out.field("data", data);
    if let (Some(items), Some(records)) = (made.items, made.records) {
        out.field("archive", format!("{}, {}", counted(items, "item"), counted(records, "record")));
    }
    if !dry_run {
        let sealed = if made.encrypted { ", encrypted" } else { "" };
        out.field(
            "backup",
            format!("{} bytes{sealed}, read back and opened", count(made.size_bytes)),
        );
        out.field("sha256", &made.sha256);
    }
    for left in &made.left_out {
        out.parts(&[(ODD, "left out: "), (PLAIN, &format!("{}: {}", left.path, left.why))]);
    }
    for path in &made.unsettled {
        out.parts(&[(ODD, "changed while it was read: "), (PLAIN, path)]);
    }
    for file in &made.pruned {
        out.field(if dry_run { "would go" } else { "removed" }, file);
    }
    if !made.evidence.is_empty() {
        out.field("record", &made.evidence);
    }
}

impl Report for ListReport {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line(format!("No backups in {}.", self.dest));
            return;
        }
        let row = |it: &crate::backup::Listed| {
            let mut notes = Vec::new();
            notes.extend(it.own.then_some("own"));
            notes.extend(it.encrypted.then_some("encrypted"));
            notes.extend((!it.has_checksum).then_some("no checksum: not counted"));
            vec![it.created_at.clone(), it.name.clone(), count(it.size_bytes), notes.join(", ")]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        out.table(&["made", "name", "bytes", ""], &rows);
    }
}

impl Report for VerifyReport {
    fn write_human(&self, out: &mut Text) {
        let (style, what) = if self.ok { (GOOD, "Whole") } else { (BAD, "Not whole") };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.file))]);
        if let (Some(at), Some(folder)) = (&self.created_at, &self.folder) {
            out.field("made", at);
            out.field("data", format!("{folder}, {}", counted(self.files, "file")));
        }
        if let (Some(items), Some(records)) = (self.items, self.records) {
            let decoded = counted(self.artifacts_decoded, "artifact");
            let (items, records) = (counted(items, "item"), counted(records, "record"));
            out.field("archive", format!("{items}, {records}, {decoded} decoded"));
        }
        if let Some(sha256) = &self.sha256 {
            out.field("sha256", format!("{sha256} (the file beside it: {})", self.checksum));
        }
        for fault in &self.faults {
            out.parts(&[(BAD, "fault: "), (PLAIN, fault)]);
        }
    }

    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }
}

impl Report for RestoreBackupReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.dry_run { "Would restore" } else { "Restored" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} ({})", self.file, self.created_at))]);
        if let Some(output) = &self.output {
            out.field("to", output);
        }
        if let Some(aside) = &self.kept_aside {
            out.field("kept aside", aside);
        }
        if let Some(archive) = &self.archive {
            write_archive(out, archive);
        }
        if let Some(health) = &self.health {
            out.field("health", health);
        }
        for failed in &self.health_failed {
            out.parts(&[(BAD, "failed: "), (PLAIN, failed)]);
        }
    }

    /// Something found where the archive is not well afterwards.
    fn exit_code(&self) -> u8 {
        if self.health_failed.is_empty() { 0 } else { 4 }
    }
}

fn write_archive(out: &mut Text, report: &crate::archive::ReinstateReport) {
    out.field("to", &report.archive);
    if let Some(aside) = &report.kept_aside {
        out.field("kept aside", aside);
    }
    if let Some(why) = &report.unreadable {
        out.parts(&[(ODD, "what stood there could not be read: "), (PLAIN, why)]);
    }
    for lost in &report.lost {
        let digest = format!("  {}", lost.digest);
        out.parts(&[(ODD, "lost: "), (PLAIN, &lost.to_string()), (FAINT, &digest)]);
    }
    for again in &report.purged_again {
        write_purged(out, again);
    }
    if !report.evidence.is_empty() {
        out.field("record", &report.evidence);
    }
}

fn write_purged(out: &mut Text, again: &crate::archive::PurgedAgain) {
    let paths = again.paths.join(", ");
    let said = format!("{paths} ({}, said by the {})", again.sha256, again.known_by);
    out.parts(&[(ODD, "purged again: "), (PLAIN, &said)]);
}

impl Report for PruneReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let kept = counted(self.kept, "backup");
        let what = match (self.pruned.is_empty(), self.dry_run) {
            (true, _) => "Nothing to remove",
            (false, true) => "Would remove",
            (false, false) => "Removed",
        };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} keeps {kept}", self.name))]);
        for file in &self.pruned {
            out.line(format!("  {file}"));
        }
    }
}
