//! What is remembered of an item: why it goes, tags, and metadata.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reason, escape_line};
use crate::error::{Error, Result};

/// The most bytes of a tag, and of a key of metadata.
const WORD_BYTES: usize = 128;
/// The most bytes of a value of metadata.
const VALUE_BYTES: usize = 4096;
/// The most bytes of all tags and metadata of an item: they stand in one record.
const ALL_BYTES: usize = 32_768;

/// Why an item goes, and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes {
    /// Why.
    pub reason: Reason,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Notes {
    /// Refuses what is too long, and control characters.
    pub fn check(&self) -> Result<()> {
        check_words(&self.tags, &self.metadata)
    }
}

/// Whether a text may be a tag, a key of metadata or a language.
pub fn is_word(text: &str) -> bool {
    (1..=WORD_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Refuses tags and metadata that are too long or have control characters.
pub fn check_words(tags: &BTreeSet<String>, metadata: &BTreeMap<String, String>) -> Result<()> {
    let shown = |text: &str| escape_line(text).chars().take(WORD_BYTES).collect::<String>();
    if let Some(tag) = tags.iter().find(|tag| !is_word(tag)) {
        let why = "it must have 1 to 128 bytes without control characters";
        return Err(Error::invalid("tag", shown(tag), why));
    }
    let fits = |value: &str| value.len() <= VALUE_BYTES && !value.chars().any(char::is_control);
    if let Some((key, _)) = metadata.iter().find(|(key, value)| !is_word(key) || !fits(value)) {
        let why = "a key has 1 to 128 bytes, a value at most 4096, neither a control character";
        return Err(Error::invalid("metadata", shown(key), why));
    }
    let tags: usize = tags.iter().map(String::len).sum();
    let metadata: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if tags + metadata > ALL_BYTES {
        let why = "tags and metadata of one item may have 32,768 bytes together";
        return Err(Error::invalid("metadata", format!("{} bytes", tags + metadata), why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let check = |tag: &str, key: &str, value: &str| {
            let (tags, metadata) = ([tag.to_owned()].into(), [(key.to_owned(), value.to_owned())]);
            Notes { reason: Reason::Dead, tags, metadata: metadata.into() }.check()
        };
        assert!(check("é", "k", "").is_ok());
        let long = "x".repeat(VALUE_BYTES + 1);
        for (tag, key, value) in
            [("", "k", ""), ("a\n", "k", ""), (&long, "k", ""), ("a", "", ""), ("a", "k", &long)]
        {
            assert!(check(tag, key, value).is_err(), "{tag:?} {key:?}");
        }
        let tags = (0..2000).map(|n| format!("{n:020}")).collect();
        assert!(check_words(&tags, &BTreeMap::new()).is_err());
    }
}
