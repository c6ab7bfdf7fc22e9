//! Finding an entry of memory by what a person types: a whole id, or its first digits.

use crate::error::{Error, Result};
use crate::model::{Entry, EntryId, escape_line};

use super::Archive;

/// The fewest digits of an id that stand for it.
const FEWEST_DIGITS: usize = 4;

/// Ids that are told of where one fits several.
const TOLD: u64 = 10;

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
