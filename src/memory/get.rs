//! `memory get`: whole entries, in the order in which they were asked for.

use serde::Serialize;

use crate::archive::{Archive, Workspace};
use crate::error::{Error, Result};
use crate::logging::About;
use crate::model::{Entry, EntryId, escape_line};

/// The most entries that are given at once.
pub const MAX_IDS: usize = 200;

/// The fewest digits of an id that stand for it.
const FEWEST_DIGITS: usize = 4;

/// Ids that are told of where one fits several.
const TOLD: u64 = 10;

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
        items.push(find(&mut archive, text)?);
    }
    Ok(GetReport { items })
}

/// The entry that `text` means: a whole id, or a unique beginning of one.
pub(super) fn find(archive: &mut Archive, text: &str) -> Result<Entry> {
    let shown = escape_line(text);
    let missing = |why: &str| Error::NotFound {
        action: "find the entry",
        object: shown.clone(),
        why: why.to_owned(),
    };
    let Some((first, last)) = EntryId::range_of(text).filter(|_| text.len() >= FEWEST_DIGITS)
    else {
        return Err(missing("it is no id, nor the first four digits of one"));
    };
    let ids = archive.memory().ids_between(&first, &last, TOLD)?;
    let id = match ids.as_slice() {
        [] => return Err(missing("no entry has this id")),
        [id] => *id,
        _ => {
            let candidates = ids.iter().map(EntryId::to_string).collect();
            return Err(Error::Ambiguous { id: shown, count: ids.len(), candidates });
        }
    };
    let found = archive.memory().entry(&id)?.map(|(_, entry)| entry);
    let entry = found.ok_or_else(|| missing("no entry has this id"))?;
    if !entry.is_whole() {
        let why = "its text is not what was saved";
        return Err(Error::damaged("entry", id.to_string(), why));
    }
    Ok(entry)
}
