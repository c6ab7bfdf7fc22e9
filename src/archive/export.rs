//! `export`: what an archive says of its items, as JSON; read page by page, whatever their number.

use std::io::Write;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::escape_json;

use super::root::logical_root;
use super::{Archive, Content, Workspace};

/// Rows that are read at once.
const PAGE: u64 = 500;

/// What was exported.
#[derive(Debug, Serialize)]
pub struct ExportReport {
    /// The archive, redacted.
    pub archive: String,
    /// Items in it.
    pub items: u64,
    /// The document.
    #[serde(skip)]
    pub document: Content,
}

/// Every item that is not hidden, oldest first, with the archive's id and logical root.
pub fn export(workspace: &Workspace) -> Result<ExportReport> {
    let mut archive = Archive::open(workspace)?;
    archive.at_one_moment(|archive| {
        let id = archive.catalog().meta("archive")?.unwrap_or_default();
        let root = logical_root(&mut archive.catalog())?;
        let head = format!("{{\n  \"archive\": \"{id}\",\n  \"root\": \"{root}\",\n  \"items\": [");
        document(workspace, archive, &head, "\n  ]\n}\n", |archive, after| {
            let page = archive.catalog().item_rows(after, PAGE)?;
            let last = page.last().map(|(row, _)| *row);
            let mut lines = Vec::new();
            for (_, row) in page {
                let row = row?;
                if !row.hidden {
                    lines.push(format!("\n    {}", as_json(&row.item)?));
                }
            }
            Ok((last, lines))
        })
    })
}

/// The metadata of every item, as one array: what the runbook's query gives on SQLite.
pub fn export_metadata(workspace: &Workspace) -> Result<ExportReport> {
    let mut archive = Archive::open(workspace)?;
    archive.at_one_moment(|archive| {
        document(workspace, archive, "[", "]\n", |archive, after| {
            let (last, page) = match archive.catalog().metadata_texts(after, PAGE)? {
                Some(page) => (Some(page.last), page.texts),
                None => (None, Vec::new()),
            };
            let compact = |(row, text): (i64, String)| {
                // Servers put spaces into it.
                let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
                    Error::damaged("metadata", format!("row {row}"), error.to_string())
                })?;
                as_json(&value)
            };
            Ok((last, page.into_iter().map(compact).collect::<Result<_>>()?))
        })
    })
}

fn as_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map(|json| escape_json(&json))
        .map_err(|error| Error::damaged("item", "its JSON", error.to_string()))
}

/// Writes `head`, the lines of each page with commas between, and `tail`.
fn document(
    workspace: &Workspace,
    archive: &mut Archive,
    head: &str,
    tail: &str,
    mut page: impl FnMut(&mut Archive, i64) -> Result<(Option<i64>, Vec<String>)>,
) -> Result<ExportReport> {
    let place = archive.driver().place().to_owned();
    let failed = || Error::io("write", "the export");
    let (document, items) = Content::put(workspace.spool(), |out: &mut dyn Write| {
        out.write_all(head.as_bytes()).map_err(failed())?;
        let (mut after, mut items) = (0, 0);
        while let (Some(last), lines) = page(archive, after)? {
            for line in lines {
                let comma = if items > 0 { "," } else { "" };
                write!(out, "{comma}{line}").map_err(failed())?;
                items += 1;
            }
            after = last;
        }
        out.write_all(tail.as_bytes()).map_err(failed())?;
        Ok(items)
    })?;
    Ok(ExportReport { archive: place, items, document })
}
