//! `cat`: an item's bytes on standard output.

use std::ffi::OsString;

use serde::Serialize;

use crate::archive::{Origin, find, verified_bytes};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::Text;
use crate::error::Result;
use crate::model::hex;

const EXAMPLES: &str = "Examples:
  git codex-archive cat src/legacy/zendesk_v1.py | less
  git codex-archive cat 8f0c3f0a > old.py";

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
pub struct Content {
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
    raw: Option<Vec<u8>>,
}

/// Reads and checks the bytes.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Content> {
    let mut archive = context.archive()?;
    let item = find(&context.workspace, archive.as_mut(), &args.id)?.item;
    let (bytes, origin) = verified_bytes(&context.workspace, archive.as_mut(), &item)?;
    let mut content = Content {
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
        content.raw = Some(bytes);
        return Ok(content);
    }
    match String::from_utf8(bytes) {
        Ok(text) => content.content = Some(text),
        Err(error) => content.content_hex = Some(hex(error.as_bytes())),
    }
    Ok(content)
}

impl Report for Content {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn bytes(&self) -> Option<&[u8]> {
        self.raw.as_deref()
    }

    fn write_human(&self, out: &mut Text) {
        // The bytes went out already; that the archive could not give them is worth a word.
        if self.from != "archive" {
            out.line(format!("{} came from {}", self.path, self.from));
        }
    }
}
