//! `show`: one item, and all that happened to it.

use std::ffi::OsString;

use serde::Serialize;

use super::log::write_entries;
use crate::archive::history::{Entry, history};
use crate::archive::{find, standing_stubs};
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::{Text, count};
use crate::error::Result;
use crate::model::Item;

const EXAMPLES: &str = "Examples:
  git codex-archive show src/legacy/zendesk_v1.py
  git codex-archive show 8f0c3f0a --json";

/// The options of `show`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An archive id, a tombstone's path, or the first digits of an id
    #[arg(value_name = "ID")]
    id: OsString,
}

/// One item.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    item: Item,
    in_archive: bool,
    stands_at: Vec<String>,
    records: Vec<Entry>,
}

/// Looks an item up.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Shown> {
    let workspace = &context.workspace;
    let mut archive = context.archive()?;
    let found = find(workspace, archive.as_mut(), &args.id)?;
    let stands_at = match &workspace.repository {
        Some(repository) => standing_stubs(repository, &found.item)?,
        None => Vec::new(),
    };
    let id = OsString::from(found.item.tombstone.to_string());
    let mut records = history(workspace, archive.as_mut(), &id)?;
    records.reverse();
    Ok(Shown {
        item: found.item,
        in_archive: found.in_archive,
        stands_at: stands_at.iter().map(ToString::to_string).collect(),
        records,
    })
}

impl Report for Shown {
    fn write_human(&self, out: &mut Text) {
        let item = &self.item;
        out.field("archive id", item.tombstone.to_string());
        out.field("repo", &item.repo);
        out.field("path", item.path.to_string());
        out.field("state", item.state.to_string());
        let size = match item.compressed_size {
            0 => format!("{} bytes", count(item.size_bytes)),
            stored => format!("{} bytes, {} stored", count(item.size_bytes), count(stored)),
        };
        out.field("size", size);
        out.field("sha256", item.sha256.to_string());
        out.field("git blob", format!("{} (mode {})", item.git_blob, item.mode));
        out.field("commit", &item.commit_sha);
        out.field("reason", item.reason.to_string());
        out.field("archived", format!("{} by {}", item.archived_at, item.archived_by));
        if self.in_archive {
            let language = item.language.as_deref().map(|it| format!(" ({it})"));
            out.field("kind", format!("{}{}", item.kind, language.unwrap_or_default()));
        } else {
            out.field("bytes", "not in this archive; the tree's evidence knows the item");
        }
        if item.restricted {
            out.field("restricted", "two approvals are needed to read it");
        }
        if let Some(day) = &item.delete_after {
            out.field("delete after", day);
        }
        if !item.tags.is_empty() {
            out.field("tags", item.tags.join(", "));
        }
        for (key, value) in &item.metadata {
            out.field("metadata", format!("{key}={value}"));
        }
        let stands = self.stands_at.join(", ");
        out.field("tombstone at", if stands.is_empty() { "nowhere in this tree" } else { &stands });
        out.gap();
        write_entries(out, &self.records);
    }
}
