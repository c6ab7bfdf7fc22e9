//! `batch-restore`: gives the bytes of many items back.

use super::batch;
use crate::archive::{BatchRestoreOptions, BatchResults, batch_restore};
use crate::cli::context::Context;
use crate::cli::interrupt;
use crate::error::Result;
use crate::manifest;

const EXAMPLES: &str = "Examples:
  git codex-archive batch-restore manifest.json --by ops --dry-run
  git codex-archive batch-restore manifest.csv --by ops --continue-on-error --results results.json
  git codex-archive batch-restore manifest.json --resume

A manifest is {\"items\":[{\"tombstone\":ID,\"output\":FILE,\"actor\":WHO}…]}, a bare array, one item a
line, or CSV under the header tombstone,output. Each item is written as `restore ID OUTPUT` writes it.

Exit codes: 3 when a part failed; when nothing was restored, that of the first failure; 130 after
Ctrl-C, which finishes what is in hand and writes the results.";

/// The options of `batch-restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    batch: batch::Shared,
    /// How many items are worked on at once (default: batch.concurrent)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrent: Option<u8>,
    /// Replace files that are there, the results file too
    #[arg(long, short = 'f')]
    force: bool,
    /// Write outside the repository and the current directory
    #[arg(long)]
    allow_outside: bool,
}

/// Restores what the manifest lists.
pub fn run(context: &Context<'_>, args: &Args) -> Result<BatchResults> {
    let (name, bytes) = args.batch.read()?;
    let entries = manifest::restores(&name, &bytes)?;
    let config = &context.workspace.config;
    let options = BatchRestoreOptions {
        batch: args.batch.options(context, &name, &bytes, args.force)?,
        allow_outside: args.allow_outside,
        concurrent: args.concurrent.map_or_else(|| config.batch_concurrent(), usize::from),
        timeout: config.batch_timeout(),
    };
    drop(bytes);
    let meter = context.ui.batch(entries.len(), interrupt::watched()?);
    batch_restore(&context.workspace, &options, &entries, &meter)
}
