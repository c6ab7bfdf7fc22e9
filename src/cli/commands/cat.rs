//! `cat`: an item's bytes on standard output.

use std::ffi::OsString;

use serde::Serialize;

use crate::archive::{Content, Origin, find, verified_content};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::Text;
use crate::error::{Error, Refusal, Result};
use crate::git::Bytes as _;
use crate::model::hex;

const EXAMPLES: &str = "Examples:
  git codex-archive cat src/legacy/zendesk_v1.py | less
  git codex-archive cat 8f0c3f0a > old.py";

/// More is not given in JSON, where each byte may take six characters, all of them in memory.
const MOST_IN_JSON: u64 = 8 << 20;

/// The options of `cat`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An archive id, a tombstone's path, or the first digits of an id
    #[arg(value_name = "ID")]
    id: OsString,
}

/// An item's bytes. In JSON as text, or as hex digits where they are no UTF-8.
#[derive(Debug, Serialize)]
pub struct CatReport {
    tombstone: String,
    path: String,
    sha256: String,
    size_bytes: u64,
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hex: Option<String>,
    #[serde(skip)]
    raw: Option<Content>,
}

/// Reads and checks the bytes.
pub fn run(context: &Context<'_>, args: &Args) -> Result<CatReport> {
    let mut archive = context.archive()?;
    let item = find(&context.workspace, archive.as_mut(), &args.id)?.item;
    if context.ui.is_json() && item.size_bytes > MOST_IN_JSON {
        let refusal = Refusal::TooLargeForJson { size_bytes: item.size_bytes, limit: MOST_IN_JSON };
        return Err(Error::refused("show", item.path.to_string(), refusal));
    }
    let (content, origin) = verified_content(&context.workspace, archive.as_mut(), &item)?;
    let mut report = CatReport {
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
        sha256: item.sha256.to_string(),
        size_bytes: item.size_bytes,
        from: if origin == Origin::Archive { "archive" } else { "git history" },
        content: None,
        content_hex: None,
        raw: None,
    };
    if !context.ui.is_json() {
        report.raw = Some(content);
        return Ok(report);
    }
    let bytes = content.in_memory().unwrap_or_default();
    match str::from_utf8(bytes) {
        Ok(text) => report.content = Some(text.to_owned()),
        Err(_) => report.content_hex = Some(hex(bytes)),
    }
    Ok(report)
}

impl Report for CatReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn content(&self) -> Option<&Content> {
        self.raw.as_ref()
    }

    fn write_human(&self, out: &mut Text) {
        // The bytes went out already; that the archive could not give them is worth a word.
        if self.from != "archive" {
            out.line(format!("{} came from {}", self.path, self.from));
        }
    }
}
