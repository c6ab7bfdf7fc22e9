//! `trust --show`: the places that this repository's tracked configuration names, and whether this
//! clone uses them.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::Text;
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive trust --show
  git codex-archive init --trust";

/// The options of `trust`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show the places; `init --trust` accepts them
    #[arg(long, required = true)]
    show: bool,
}

/// The places.
#[derive(Debug, Serialize)]
pub struct Trust {
    accepted: bool,
    places: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    key: String,
    place: String,
    origin: String,
}

/// Lists them; `args` can only say so.
pub fn run(context: &Context<'_>, _args: &Args) -> Result<Trust> {
    let workspace = &context.workspace;
    let line = |place: &crate::policy::trust::Place| Line {
        key: place.key().to_owned(),
        place: place.to_string(),
        origin: place.origin().to_owned(),
    };
    let places = workspace.foreign_places().iter().map(line).collect();
    Ok(Trust { accepted: workspace.trusts_places()?, places })
}

impl Report for Trust {
    fn write_human(&self, out: &mut Text) {
        if self.places.is_empty() {
            out.line("The tracked configuration names no place outside the repository.");
            return;
        }
        let row = |line: &Line| vec![line.key.clone(), line.place.clone(), line.origin.clone()];
        let rows: Vec<Vec<String>> = self.places.iter().map(row).collect();
        out.table(&["key", "place", "named by"], &rows);
        out.line(if self.accepted {
            "This clone accepted them."
        } else {
            "This clone has not accepted them: git codex-archive init --trust"
        });
    }
}
