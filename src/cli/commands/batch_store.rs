//! `batch-store`: archives the files of a manifest and leaves tombstones.

use super::store_flags::StoreFlags;
use super::{batch, words};
use crate::archive::{BatchResults, BatchStoreOptions, Pace, StoreOptions, batch_store};
use crate::cli::context::Context;
use crate::cli::interrupt;
use crate::error::{Error, Result};
use crate::manifest;
use crate::model::{Reason, RepoLabel};

const EXAMPLES: &str = "Examples:
  git codex-archive batch-store manifest.json --by ops --dry-run
  git codex-archive batch-store manifest.csv --repo _codex_ --reason dead --continue-on-error
  git codex-archive batch-store manifest.jsonl --reason legacy --tag q3 --sidecar --concurrent 4

A manifest is {\"items\":[{\"path\":FILE,\"reason\":WHY,\"tags\":[…],\"metadata\":{…}}…]}, a bare array, one
item a line, or CSV under the header path,reason,tags,metadata (tags as a;b, metadata as k=v;l=w).

Options say what is so of all files; of tags and metadata the manifest says more, of a reason else. All
files are archived in one deed: all of them or none, with --continue-on-error all but those that are
refused or cannot be read (exit 3).";

/// The options of `batch-store`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    batch: batch::Shared,
    /// The repo label under which the files are archived (default: this repository's)
    #[arg(long, value_name = "REPO")]
    repo: Option<String>,
    /// Why they go, where the manifest does not say
    #[arg(long, value_parser = words(Reason::ALL, Reason::as_str))]
    reason: Option<Reason>,
    #[command(flatten)]
    flags: StoreFlags,
    /// How many files are worked on at once (default: batch.concurrent, else one for each core)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrent: Option<u8>,
    /// Replace a results file that is no results
    #[arg(long, short = 'f')]
    force: bool,
}

/// Archives what the manifest lists.
pub fn run(context: &Context<'_>, args: &Args) -> Result<BatchResults> {
    let (name, bytes) = args.batch.read()?;
    let entries = manifest::stores(&name, &bytes)?;
    let label = match (&args.repo, context.workspace.label()) {
        (Some(given), _) => RepoLabel::new(given)?,
        (None, Some(label)) => label.clone(),
        (None, None) => return Err(Error::Missing { what: "the repo label (`--repo`)" }),
    };
    let config = &context.workspace.config;
    let batch = args.batch.options(context, &name, &bytes, args.force)?;
    // Every item has a reason of its own; this one is never asked for.
    let reason = args.reason.unwrap_or(Reason::Dead);
    let store = args.flags.options(label, batch.actor.clone(), reason);
    let workers = args.concurrent.map(usize::from).or_else(|| config.batch_concurrent_given());
    let limit = Some(config.batch_timeout());
    let pace = Pace { workers: workers.unwrap_or(store.pace.workers), limit };
    let options =
        BatchStoreOptions { batch, store: StoreOptions { pace, ..store }, reason: args.reason };
    let meter = context.ui.batch(entries.len(), interrupt::watched()?);
    batch_store(&context.workspace, &options, &entries, &meter)
}
