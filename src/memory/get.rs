//! `memory get`: whole entries, in the order in which they were asked for.

use serde::Serialize;

use crate::archive::{Archive, Workspace, find_entry};
use crate::error::{Error, Result};
use crate::logging::About;
use crate::model::Entry;

/// The most entries that are given at once.
pub const MAX_IDS: usize = 200;

/// Whole entries.
#[derive(Debug, Serialize)]
pub struct GetReport {
    /// The entries, in the order of the request.
    pub items: Vec<Entry>,
}

/// The entries with these ids, each whole or its first digits: all of them, or an error.
pub fn get(workspace: &Workspace, ids: &[String]) -> Result<GetReport> {
    let log = workspace.use_case("MEMORY_GET", None);
    log.end(get_all(workspace, ids), |report| About::many(report.items.len()))
}

fn get_all(workspace: &Workspace, ids: &[String]) -> Result<GetReport> {
    if ids.len() > MAX_IDS {
        let why = format!("at most {MAX_IDS} entries are given at once");
        return Err(Error::invalid("number of ids", ids.len().to_string(), why));
    }
    let mut archive = Archive::open(workspace)?;
    archive.check_governed()?;
    let mut items = Vec::with_capacity(ids.len());
    for text in ids {
        items.push(find_entry(&mut archive, text)?);
    }
    Ok(GetReport { items })
}
