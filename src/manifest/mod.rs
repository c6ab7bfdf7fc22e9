//! Manifests: what a batch is to do, as JSON, a bare array, JSON Lines or CSV.
//!
//! Promises: what is accepted is whole and unambiguous (no unknown key, no key twice, no file named
//! twice), and reading costs memory and time in proportion to the manifest. Refuses everything else
//! with the place where it stands.

mod form;
mod path;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::model::{Reason, escape_line};

pub use path::{Clash, clash, lexical};
use value::{RawRestore, RawStore};

/// The most bytes of a manifest.
pub const MAX_BYTES: usize = 32 << 20;

/// The most items of a manifest.
pub const MAX_ITEMS: usize = 100_000;

/// The longest explanation of what is wrong: a manifest may quote itself in it.
const LONGEST_WHY: usize = 240;

/// One item to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreEntry {
    /// An id, a stub's path, or a prefix.
    pub tombstone: String,
    /// The file to write, relative to the current directory.
    pub output: String,
    /// Who does it, if the manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// One file to be archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreEntry {
    /// The file, relative to the current directory.
    pub path: String,
    /// Why it goes, if the manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Tags.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What is wrong with a manifest, and where, as a clause.
type Fault = String;

/// An item as it stands in a manifest.
trait Raw: DeserializeOwned {
    /// What it means.
    type Entry;
    /// The columns of its table; those that must be there first.
    const COLUMNS: &'static [&'static str];
    /// How many of them must be there.
    const NEEDED: usize;

    /// The item of these cells of a table, by column; an empty cell says nothing.
    fn of_cells(cells: [Option<&str>; 4]) -> Self;
    /// Checks each value.
    fn checked(self) -> std::result::Result<Self::Entry, Fault>;
    /// The file that it names.
    fn file(entry: &Self::Entry) -> &str;
}

/// The items of the restore manifest `bytes`, which is called `name` in errors.
pub fn restores(name: &str, bytes: &[u8]) -> Result<Vec<RestoreEntry>> {
    read::<RawRestore>(name, bytes)
}

/// The items of the store manifest `bytes`, which is called `name` in errors.
pub fn stores(name: &str, bytes: &[u8]) -> Result<Vec<StoreEntry>> {
    read::<RawStore>(name, bytes)
}

fn read<R: Raw>(name: &str, bytes: &[u8]) -> Result<Vec<R::Entry>> {
    let entries = form::entries::<R>(bytes).and_then(|entries| {
        distinct::<R>(&entries)?;
        Ok(entries)
    });
    entries.map_err(|why| Error::invalid("manifest", escape_line(name), shortened(&why)))
}

/// Refuses a file that two items name, or that lies in what another one names.
fn distinct<R: Raw>(entries: &[R::Entry]) -> std::result::Result<(), Fault> {
    let paths: Vec<PathBuf> = entries.iter().map(|entry| lexical(R::file(entry))).collect();
    match clash(&paths) {
        Some(clash) => Err(clash.to_string()),
        None => Ok(()),
    }
}

/// A fault on one line, without what could steer a terminal.
fn shortened(why: &str) -> String {
    if why.len() <= LONGEST_WHY {
        return escape_line(why);
    }
    // Parsers say at the end where it was.
    let head: String = why.chars().take(LONGEST_WHY * 2 / 3).collect();
    let tail: Vec<char> = why.chars().rev().take(LONGEST_WHY / 3).collect();
    let tail: String = tail.into_iter().rev().collect();
    escape_line(&format!("{head}…{tail}"))
}
