//! Entries of memory, found by what a person types (a whole id, or its first digits), and checked.

use crate::error::{Error, Result};
use crate::model::{Entry, EntryId, escape_line};

use super::Archive;

/// The fewest digits of an id that stand for it.
const FEWEST_DIGITS: usize = 4;

/// Ids that are told of where one fits several.
const TOLD: u64 = 10;

/// Entries that are read at once: each may have a mebibyte of text.
const PAGE: u64 = 32;

/// Beyond this many complaints entries are no longer told of one by one.
const MOST: usize = 1000;

/// The first schema with memory.
const MEMORY_SINCE: i64 = 4;

/// Computes the digest of every entry again; how many there are, and what is wrong with them.
pub(super) fn check_entries(archive: &mut Archive) -> Result<(u64, Vec<String>)> {
    let (mut after, mut seen, mut odd) = (0, 0, Vec::new());
    if archive.schema_version()? < MEMORY_SINCE {
        return Ok((seen, odd));
    }
    loop {
        let page = match archive.memory().whole_entries(after, PAGE) {
            Err(error @ Error::Damaged { .. }) => {
                odd.push(format!("memory: behind row {after} {error}"));
                return Ok((seen, odd));
            }
            page => page?,
        };
        let Some((last, _)) = page.last() else { break };
        after = *last;
        seen += page.len() as u64;
        for (_, entry) in page.iter().filter(|(_, entry)| !entry.is_whole()) {
            if odd.len() < MOST {
                odd.push(format!("entry {}: its text is not what was saved", entry.id));
            }
        }
    }
    let all = archive.memory().total_entries()?;
    if seen != all {
        let lost = all.saturating_sub(seen);
        odd.push(format!("memory: {lost} of {all} entries name no project"));
    }
    Ok((seen, odd))
}

/// The entry that `text` means: a whole id, or a unique beginning of one. A text that is not what
/// was saved is an error.
pub fn find_entry(archive: &mut Archive, text: &str) -> Result<Entry> {
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
