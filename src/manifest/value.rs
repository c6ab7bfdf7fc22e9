//! The values of an item, as they stand in a manifest and as they are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Fault, Raw, RestoreEntry, StoreEntry};
use crate::model::{Reason, check_words, escape_line, is_bidi_control};

/// The longest id and the longest path.
const TEXT_BYTES: usize = 4096;
/// The most tags, and the most keys of metadata, of an item.
const MOST_WORDS: usize = 256;

/// An item to be restored, as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRestore {
    tombstone: Option<String>,
    output: Option<String>,
    actor: Option<String>,
}

/// A file to be archived, as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStore {
    path: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    metadata: Pairs,
}

/// Tags; none twice.
#[derive(Default)]
struct Tags(Vec<String>);

/// Keys and values; no key twice.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl Raw for RawRestore {
    type Entry = RestoreEntry;
    const COLUMNS: &'static [&'static str] = &["tombstone", "output", "actor"];
    const NEEDED: usize = 2;

    fn of_cells([tombstone, output, actor, _]: [Option<&str>; 4]) -> Self {
        let own = |cell: Option<&str>| cell.map(str::to_owned);
        Self { tombstone: own(tombstone), output: own(output), actor: own(actor) }
    }

    fn checked(self) -> Result<RestoreEntry, Fault> {
        let tombstone = text("tombstone", self.tombstone)?;
        let output = text("output", self.output)?;
        if output == "-" {
            return Err("output `-`: a batch writes files, not to standard output".to_owned());
        }
        if output.ends_with('/') {
            return Err(format!("output `{}` names a folder", shown(&output)));
        }
        let actor = self.actor.map(|actor| text("actor", Some(actor))).transpose()?;
        Ok(RestoreEntry { tombstone, output, actor })
    }

    fn file(entry: &RestoreEntry) -> &str {
        &entry.output
    }
}

impl Raw for RawStore {
    type Entry = StoreEntry;
    const COLUMNS: &'static [&'static str] = &["path", "reason", "tags", "metadata"];
    const NEEDED: usize = 1;

    fn of_cells([path, reason, tags, metadata]: [Option<&str>; 4]) -> Self {
        let words = |cell: Option<&str>| -> Vec<String> {
            cell.iter().flat_map(|it| it.split(';')).map(|it| it.trim().to_owned()).collect()
        };
        // A pair without `=` has no value; whether it may be a key is asked of all alike.
        let pair = |word: String| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (String::new(), word),
        };
        Self {
            path: path.map(str::to_owned),
            reason: reason.map(str::to_owned),
            tags: Tags(words(tags)),
            metadata: Pairs(words(metadata).into_iter().map(pair).collect()),
        }
    }

    fn checked(self) -> Result<StoreEntry, Fault> {
        let path = text("path", self.path)?;
        let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let reason = |given: String| {
            let all = words.join(", ");
            let known = Reason::ALL.iter().copied().find(|it| it.as_str() == given);
            known.ok_or_else(|| format!("reason `{}` is none of {all}", shown(&given)))
        };
        let reason = self.reason.map(reason).transpose()?;
        let (mut tags, mut metadata) = (BTreeSet::new(), BTreeMap::new());
        for tag in self.tags.0 {
            bounded(tags.len(), "tags")?;
            if let Some(twice) = tags.replace(tag) {
                return Err(format!("tag `{}` stands there twice", shown(&twice)));
            }
        }
        for (key, value) in self.metadata.0 {
            bounded(metadata.len(), "keys of metadata")?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(format!("metadata `{}` stands there twice", shown(&key)));
            }
        }
        check_words(&tags, &metadata).map_err(|error| error.to_string())?;
        Ok(StoreEntry { path, reason, tags, metadata })
    }

    fn file(entry: &StoreEntry) -> &str {
        &entry.path
    }
}

fn bounded(count: usize, what: &str) -> Result<(), Fault> {
    match count < MOST_WORDS {
        true => Ok(()),
        false => Err(format!("it has more than {MOST_WORDS} {what}")),
    }
}

fn shown(text: &str) -> String {
    escape_line(&text.chars().take(64).collect::<String>())
}

/// A text that must be there, for people and for the file system.
fn text(name: &str, value: Option<String>) -> Result<String, Fault> {
    let Some(value) = value else { return Err(format!("`{name}` is missing")) };
    let shown = shown(&value);
    if value.is_empty() {
        return Err(format!("{name} is empty"));
    }
    if value.len() > TEXT_BYTES {
        return Err(format!("{name} `{shown}…` has more than {TEXT_BYTES} bytes"));
    }
    if value.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        return Err(format!("{name} `{shown}` has a control character"));
    }
    Ok(value)
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tags")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Tags, A::Error> {
        let mut tags = Vec::new();
        while let Some(word) = words.next_element()? {
            // Before they cost memory.
            bounded(tags.len(), "tags").map_err(A::Error::custom)?;
            tags.push(word);
        }
        Ok(Tags(tags))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = entries.next_entry()? {
            bounded(pairs.len(), "keys of metadata").map_err(A::Error::custom)?;
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
