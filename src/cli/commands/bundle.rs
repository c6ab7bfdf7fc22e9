//! `bundle`: a commit becomes a release that anybody can check and make again.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};

use crate::bundle::{
    BundleOptions, BundleReport, Compared, ListReport, Listed, PruneOptions, PruneReport,
    RebuildOptions, RebuildReport, SetUrlReport, StampFrom, StubPolicy, VerifiedBundle,
    VerifyReport, create, list, prune, rebuild, set_url, verify,
};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text, count, counted};
use crate::config::SOURCE_DATE_EPOCH;
use crate::error::{Error, Result};

const EXAMPLES: &str = "Examples:
  git codex-archive bundle create --dry-run
  git codex-archive bundle create --keep 5 --prune
  git codex-archive bundle create v1.0.1 --exclude docs/internal --sign
  git codex-archive bundle create --docker-image app:latest --docker-tag-prefix ghcr.io/acme/app
  git codex-archive bundle list
  git codex-archive bundle verify
  git codex-archive bundle set-url releases/app-v1.0.1-2026-11-21T092810Z.lock.json https://example.org/v1.0.1
  git codex-archive bundle rebuild releases/app-v1.0.1-2026-11-21T092810Z.lock.json

A bundle is `NAME-VERSION-YYYY-MM-DDTHHMMSSZ.tar.gz` with the tracked files of a commit, a `.lock.json` of
the same name, and a line in SHA256SUMS. `tar -xzf` unpacks it; `sha256sum --check SHA256SUMS` checks it.";

/// The options of `bundle`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bundle the tracked files of a commit
    Create(Box<CreateArgs>),
    /// Hold bundles against their locks and against the commits that they are of
    Verify {
        /// A lock, or the tarball beside it (default: all in the folder)
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The folder of bundles (default: bundle.output_dir)
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// List the bundles in a folder
    List {
        /// The folder of bundles (default: bundle.output_dir)
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Remove all but the newest bundles of each name and environment
    Prune {
        /// The folder of bundles (default: bundle.output_dir)
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
        /// Only bundles of this name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Only bundles for this environment
        #[arg(long, value_name = "ENV")]
        env: Option<String>,
        /// How many stay (default: bundle.keep)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
        keep: Option<u64>,
        /// Say what would go, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Write into a lock where the bundle was published
    SetUrl {
        /// A lock, or the tarball beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The address of the release
        #[arg(value_name = "URL")]
        url: String,
    },
    /// Make a bundle again from its lock, and compare
    Rebuild {
        /// A lock, or the tarball beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write the tarball to this folder, if it is the same
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stamp {
    /// The commit's time, or SOURCE_DATE_EPOCH
    Commit,
    /// The time now
    Now,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stubs {
    /// Tombstones stay as they are
    Leave,
    /// Tombstones are left out
    Drop,
    /// The archived content takes their place
    Fill,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// The commit, or a tag or branch that means one
    #[arg(value_name = "COMMIT", default_value = "HEAD")]
    commit: String,
    /// The version (default: the commit's tag, else that of its package's file)
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// What is bundled (default: bundle.name, else what the package's file says)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is meant for (default: bundle.env)
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// The folder of bundles (default: bundle.output_dir)
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Leave out what fits this pattern, as in .gitignore; may be given several times, on top of
    /// bundle.exclude
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// What becomes of tombstones (default: bundle.stubs)
    #[arg(long, value_name = "WHAT")]
    stubs: Option<Stubs>,
    /// Remove older bundles of the same name and environment, once the new one is made
    #[arg(long)]
    prune: bool,
    /// How many stay where older ones are removed (default: bundle.keep)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    keep: Option<u64>,
    /// Write the lock alone
    #[arg(long)]
    no_tarball: bool,
    /// Sign the tarball, with the SSH key that git signs with
    #[arg(long, conflicts_with = "no_tarball")]
    sign: bool,
    /// Whose time stands in its name
    #[arg(long, value_name = "WHOSE", default_value = "commit")]
    stamp: Stamp,
    /// Give docker's image a tag: PREFIX:ENV-YYYYMMDD-HHMMSSZ
    #[arg(long, value_name = "IMAGE")]
    docker_image: Option<String>,
    /// What that tag begins with (default: bundle.docker_tag_prefix, else the name)
    #[arg(long, value_name = "PREFIX", requires = "docker_image")]
    docker_tag_prefix: Option<String>,
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
    let folder = |given: &Option<PathBuf>| match given {
        Some(given) => Ok(workspace.cwd.join(given)),
        None => workspace.bundle_folder(),
    };
    Ok(match &args.command {
        Command::Create(args) => {
            let options = create_options(context, args, folder(&args.output_dir)?)?;
            ui.show(&create(workspace, &options, &ui.progress())?)
        }
        Command::Verify { files, output_dir } => {
            ui.show(&verify(workspace, files, &folder(output_dir)?)?)
        }
        Command::List { output_dir } => ui.show(&list(&folder(output_dir)?)?),
        Command::Prune { output_dir, name, env, keep, dry_run } => {
            let options = PruneOptions {
                output_dir: folder(output_dir)?,
                name: name.clone(),
                env: env.clone(),
                keep: keep.unwrap_or(workspace.config.bundle_keep()),
                dry_run: *dry_run,
            };
            ui.show(&prune(workspace, &options)?)
        }
        Command::SetUrl { file, url } => ui.show(&set_url(workspace, file, url)?),
        Command::Rebuild { file, output_dir } => {
            let output_dir = output_dir.as_ref().map(|given| workspace.cwd.join(given));
            let options = RebuildOptions { file: file.clone(), output_dir };
            ui.show(&rebuild(workspace, &options, &ui.progress())?)
        }
    })
}

fn create_options(
    context: &Context<'_>,
    args: &CreateArgs,
    output_dir: PathBuf,
) -> Result<BundleOptions> {
    let config = &context.workspace.config;
    let stubs = match args.stubs {
        Some(Stubs::Leave) => StubPolicy::Leave,
        Some(Stubs::Drop) => StubPolicy::Drop,
        Some(Stubs::Fill) => StubPolicy::Fill,
        None => StubPolicy::of_word(config.bundle_stubs()).unwrap_or(StubPolicy::Leave),
    };
    let text =
        |given: &Option<String>, set: Option<&str>| given.as_deref().or(set).map(str::to_owned);
    Ok(BundleOptions {
        revision: args.commit.clone(),
        name: text(&args.name, config.bundle_name()),
        version: args.version.clone(),
        env: args.env.clone().unwrap_or_else(|| config.bundle_env().to_owned()),
        exclude: config.list("bundle.exclude").iter().chain(&args.exclude).cloned().collect(),
        stubs,
        output_dir,
        tarball: !args.no_tarball,
        sign: args.sign || (config.bundle_signs() && !args.no_tarball),
        stamp: match args.stamp {
            Stamp::Commit => StampFrom::Commit,
            Stamp::Now => StampFrom::Now,
        },
        epoch: epoch(context)?,
        docker_image: args.docker_image.clone(),
        docker_tag_prefix: text(&args.docker_tag_prefix, config.bundle_docker_tag_prefix()),
        keep: args.keep.unwrap_or(config.bundle_keep()),
        prune: args.prune || config.bundle_prunes(),
        dry_run: args.dry_run,
        // Only what is recorded needs somebody who did it.
        actor: match args.by {
            Some(_) => Some(context.actor(args.by.as_deref())?),
            None => context.actor(None).ok(),
        },
    })
}

/// The seconds that SOURCE_DATE_EPOCH says.
fn epoch(context: &Context<'_>) -> Result<Option<i64>> {
    let Some(text) = context.variable(SOURCE_DATE_EPOCH)? else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits);
    let why = "it is no whole number of seconds";
    seconds.map(Some).ok_or_else(|| Error::invalid(SOURCE_DATE_EPOCH, text.as_str(), why))
}

impl Report for BundleReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let lock = &self.lock;
        let what = match (self.already, self.dry_run) {
            (true, _) => "There already, the same",
            (_, true) => "Would bundle",
            _ => "Bundled",
        };
        let file = self.file.strip_suffix(".lock.json").unwrap_or(&self.file);
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {file}"))]);
        out.field("commit", format!("{} for {}", lock.git_sha, lock.env));
        out.field("version", format!("{} (from {})", lock.version, self.version_from));
        let excluded = match self.excluded {
            0 => String::new(),
            n => format!(", {} left out", count(n)),
        };
        let size = format!("{} bytes", count(self.tar_bytes));
        out.field("files", format!("{}{excluded}, {size}", counted(lock.file_count, "file")));
        if lock.stub_count > 0 {
            let became = match lock.stubs {
                StubPolicy::Leave => "as they are",
                StubPolicy::Drop => "left out",
                StubPolicy::Fill => "filled in",
            };
            out.field("tombstones", format!("{} {became}", count(lock.stub_count)));
        }
        out.field("tar sha256", &lock.tar_sha256);
        if let Some(sha256) = &lock.tarball_sha256 {
            out.field("sha256", sha256);
        }
        if let Some(signature) = &lock.signature {
            out.field("signature", signature);
        }
        if let Some(tag) = &lock.docker_tag {
            out.field("docker tag", tag);
        }
        self.write_odd(out);
        for file in &self.pruned {
            out.field(if self.dry_run { "would go" } else { "removed" }, file);
        }
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        } else if !self.already && !self.dry_run {
            out.field("record", "none: there is no archive here that this clone trusts");
        }
    }

    /// Done in part where a submodule's files are not in it.
    fn exit_code(&self) -> u8 {
        if self.lock.submodules.is_empty() { 0 } else { 3 }
    }
}

impl BundleReport {
    /// What somebody should know who relies on it.
    fn write_odd(&self, out: &mut Text) {
        for it in &self.lock.submodules {
            let said = format!("{}: a submodule at {}", it.path, it.commit);
            out.parts(&[(ODD, "left out: "), (PLAIN, &said)]);
        }
        if self.lock.dirty {
            let said = "the work tree has changes that are not in it";
            out.parts(&[(ODD, "dirty: "), (PLAIN, said)]);
        }
        if let Some(version) = &self.package_version {
            let said = format!("the package's file says version {version}");
            out.parts(&[(ODD, "version: "), (PLAIN, &said)]);
        }
    }
}

impl Report for VerifyReport {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line("No bundles.");
        }
        self.items.iter().for_each(|seen| write_verified(out, seen));
    }

    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }
}

fn write_verified(out: &mut Text, seen: &VerifiedBundle) {
    let (style, what) = if seen.faults.is_empty() { (GOOD, "Whole") } else { (BAD, "Not whole") };
    out.parts(&[(style, what), (PLAIN, &format!(": {}", seen.file))]);
    let compared = match seen.compared {
        Compared::Tree => "each the one of the commit",
        Compared::NoRepository => "not compared with the commit: no repository here",
        Compared::NoCommit => "not compared with the commit, which is not here",
        Compared::Nothing => "",
    };
    if !compared.is_empty() {
        out.field("files", format!("{}, {compared}", counted(seen.file_count, "file")));
        out.field("commit", &seen.git_sha);
    } else if seen.tarball.is_none() && seen.faults.is_empty() {
        out.field("tarball", "none was made");
    }
    if let Some(sha256) = &seen.tarball_sha256 {
        out.field("sha256", sha256);
    }
    if let Some(key) = &seen.signed_by {
        let whose = match seen.principals.as_slice() {
            [] => "nobody here says whose".to_owned(),
            names => names.join(", "),
        };
        out.field("signed by", format!("{key} ({whose})"));
    }
    for fault in &seen.faults {
        out.parts(&[(BAD, "fault: "), (PLAIN, fault)]);
    }
}

impl Report for ListReport {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line(format!("No bundles in {}.", self.folder));
            return;
        }
        let row = |it: &Listed| {
            let size = it.size_bytes.map_or_else(|| "-".to_owned(), count);
            let mut notes = Vec::new();
            notes.extend(it.signed.then(|| "signed".to_owned()));
            notes.extend(it.release_url.clone());
            notes.extend(it.fault.as_ref().map(|why| format!("does not count: {why}")));
            let name = match it.name.is_empty() {
                true => {
                    Path::new(&it.file).file_name().unwrap_or_default().to_string_lossy().into()
                }
                false => it.name.clone(),
            };
            vec![
                it.created_at.clone(),
                name,
                it.version.clone(),
                it.env.clone(),
                size,
                notes.join(", "),
            ]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        out.table(&["made", "name", "version", "for", "bytes", ""], &rows);
    }
}

impl Report for PruneReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = match (self.pruned.is_empty(), self.dry_run) {
            (true, _) => "Nothing to remove",
            (false, true) => "Would remove",
            (false, false) => "Removed",
        };
        let kept = counted(self.kept, "bundle");
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} keeps {kept}", self.folder))]);
        for file in &self.pruned {
            out.line(format!("  {file}"));
        }
    }
}

impl Report for SetUrlReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = if self.already { "Said already" } else { "Wrote" };
        out.parts(&[(GOOD, what), (PLAIN, &format!(": {} in {}", self.release_url, self.file))]);
        if let Some(before) = self.before.as_ref().filter(|_| !self.already) {
            out.parts(&[(FAINT, "before: "), (PLAIN, before)]);
        }
    }
}

impl Report for RebuildReport {
    fn write_human(&self, out: &mut Text) {
        let (style, what) = match (self.same_tar, self.same_tarball) {
            (false, _) => (BAD, "Another tar"),
            (true, Some(false)) => (ODD, "The same tar, compressed otherwise"),
            (true, _) => (GOOD, "The same"),
        };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.file))]);
        out.field("commit", &self.git_sha);
        out.field("files", counted(self.file_count, "file"));
        out.field("tar sha256", &self.tar_sha256);
        out.field("sha256", &self.tarball_sha256);
        if self.made_by != self.tool_version {
            out.field("made by", format!("{}, again by {}", self.made_by, self.tool_version));
        }
        if let Some(file) = &self.written {
            out.field("written", file);
        }
    }

    fn exit_code(&self) -> u8 {
        if self.same_tar { 0 } else { 4 }
    }
}
