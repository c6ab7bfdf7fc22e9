//! `export`: what the archive says of its items, as JSON for other tools.

use crate::archive::{Content, ExportReport, export, export_metadata};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::Text;
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive export > items.json
  git codex-archive export --metadata > artifacts.json

Names, reasons, tags and digests, no content. `copy --to` moves a whole archive with its bytes.";

/// The options of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The items' metadata alone, as one array
    #[arg(long)]
    metadata: bool,
}

/// Gathers the document.
pub fn run(context: &Context<'_>, args: &Args) -> Result<ExportReport> {
    if args.metadata {
        return export_metadata(&context.workspace);
    }
    export(&context.workspace)
}

impl Report for ExportReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn content(&self) -> Option<&Content> {
        Some(&self.document)
    }

    fn write_human(&self, out: &mut Text) {
        out.line(format!("{} items of {}", self.items, self.archive));
    }
}
