//! `list`: the items of the archive, page by page.

use std::ffi::OsString;

use jiff::civil::Date;
use serde::Serialize;

use super::words;
use crate::archive::{Archive, repo_path};
use crate::backend::{ItemFilter, Page};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{FAINT, Text, count};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::{Item, ItemState, Reason};

const EXAMPLES: &str = "Examples:
  git codex-archive list
  git codex-archive list --path src/legacy --reason dead --since 2026-01-01
  git codex-archive list --tag zendesk --json";

/// The options of `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only items of this repo label
    #[arg(long, value_name = "LABEL")]
    repo: Option<String>,
    /// Only items archived at this path, or below this folder
    #[arg(long, value_name = "PATH")]
    path: Option<OsString>,
    /// Only items with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only items archived for this reason
    #[arg(long, value_parser = words(Reason::ALL, Reason::as_str))]
    reason: Option<Reason>,
    /// Only items archived on or after this day or time (UTC)
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only items archived by this actor
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    /// Only items in this state
    #[arg(long, value_parser = words(ItemState::ALL, ItemState::as_str))]
    state: Option<ItemState>,
    /// How many items at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// Go on after this cursor, which the page before ended with
    #[arg(long, value_name = "CURSOR")]
    after: Option<i64>,
}

fn time(text: &str) -> std::result::Result<Timestamp, String> {
    let no_time = |_| "it is no time such as 2026-11-21 or 2026-11-21T09:28:10Z".to_owned();
    let time: jiff::Timestamp = match text.parse::<Date>() {
        Ok(day) if !text.contains(':') => format!("{day}T00:00:00Z").parse().map_err(no_time)?,
        _ => text.parse().map_err(no_time)?,
    };
    Ok(Timestamp::from_unix_ms(time.as_millisecond()))
}

/// One page of items.
#[derive(Debug, Serialize)]
pub struct Listed {
    items: Vec<Item>,
    next: Option<String>,
}

/// Lists what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Listed> {
    let workspace = &context.workspace;
    let path = match &args.path {
        Some(path) => repo_path("list", &workspace.top, &workspace.cwd, path)?,
        None => None,
    };
    let filter = ItemFilter {
        repo: args.repo.clone(),
        path,
        tag: args.tag.clone(),
        reason: args.reason,
        since: args.since.map(|time| time.to_string()),
        by: args.by.clone(),
        state: args.state,
    };
    let page = Page { limit: args.limit + 1, after: args.after };
    let mut items = Archive::open(workspace)?.catalog().list(&filter, page)?;
    let is_more = items.len() as u64 > args.limit;
    items.truncate(args.limit as usize);
    let next = items.last().filter(|_| is_more).map(|item| item.row_id.to_string());
    Ok(Listed { items, next })
}

impl Report for Listed {
    fn write_human(&self, out: &mut Text) {
        if self.items.is_empty() {
            out.line("No items.");
            return;
        }
        let row = |item: &Item| {
            vec![
                item.tombstone.to_string(),
                item.archived_at.get(..10).unwrap_or_default().to_owned(),
                item.reason.to_string(),
                item.state.to_string(),
                count(item.size_bytes),
                item.path.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        out.table(&["archive id", "archived", "reason", "state", "bytes", "path"], &rows);
        if let Some(next) = &self.next {
            out.parts(&[(FAINT, &format!("There are more: --after {next}"))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let text = |given: &str| time(given).map(|time| time.to_string()).ok();
        assert_eq!(text("2026-01-02").as_deref(), Some("2026-01-02T00:00:00.000Z"));
        assert_eq!(text("2026-01-02T03:04:05+01:00").as_deref(), Some("2026-01-02T02:04:05.000Z"));
        for bad in ["", "yesterday", "2026-13-01", "2026-01-02T03:04"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }
}
