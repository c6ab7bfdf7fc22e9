//! One digest over everything that an archive holds, the same on every backend.
//!
//! SHA-256 of lines in a fixed order: a JSON array for each artifact, by digest, then one for each
//! item, by id (docs/formats.md, "Logical root"). Row numbers, compression and evidence are no part
//! of it.

use std::io::Write;

use serde_json::{Value, json};

use crate::backend::{Catalog, ItemRow};
use crate::error::Result;
use crate::model::{Digest, Digester};

/// Rows that are read at once.
const PAGE: u64 = 500;

/// The logical root of an archive.
pub fn logical_root(catalog: &mut Catalog<'_>) -> Result<Digest> {
    let mut digester = Digester::default();
    let mut line = |fields: &Value| {
        let _ = writeln!(digester, "{fields}");
    };
    let mut last = None;
    loop {
        let page = catalog.artifacts_by_digest(last.as_ref(), PAGE)?;
        for (sha256, size_bytes, purged) in &page {
            let state = if *purged { "purged" } else { "kept" };
            line(&json!(["artifact", sha256.to_string(), size_bytes, state]));
        }
        match page.last() {
            Some((sha256, ..)) => last = Some(*sha256),
            None => break,
        }
    }
    let mut last = None;
    loop {
        let page = catalog.item_rows_by_id(last.as_ref(), PAGE)?;
        page.iter().for_each(|row| line(&fields(row)));
        match page.last() {
            Some(row) => last = Some(row.item.tombstone),
            None => return Ok(digester.finish().0),
        }
    }
}

/// What an item's line holds.
fn fields(row: &ItemRow) -> Value {
    let item = &row.item;
    json!([
        "item",
        item.tombstone.to_string(),
        item.repo,
        item.path.to_string(),
        item.sha256.to_string(),
        item.mode.as_str(),
        item.git_blob.to_string(),
        item.commit_sha,
        item.reason.as_str(),
        item.kind.as_str(),
        item.language,
        item.archived_by,
        item.archived_at,
        row.deed.to_string(),
        item.restricted,
        item.delete_after,
        row.restored_at,
        row.hidden,
        item.tags,
        item.metadata.iter().collect::<Vec<_>>(),
    ])
}
