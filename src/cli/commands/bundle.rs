//! `bundle`: a commit becomes a release that anybody can check and make again.

mod report;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use crate::bundle::{
    BundleOptions, PruneOptions, RebuildOptions, StampFrom, StubPolicy, create, list, prune,
    rebuild, set_url, verify,
};
use crate::cli::context::Context;
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
