//! An entry of memory: one text, what it is about, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{Digest, EntryId};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: EntryId,
    /// Its project.
    pub project: String,
    /// What sort of entry it is: `note`, `decision`, whatever its project calls it.
    pub entry_type: String,
    /// Its title, on one line.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where the text comes from.
    pub source_ref: Option<String>,
    /// The session in which it was saved.
    pub session_id: Option<String>,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// What else is known of it.
    pub metadata: BTreeMap<String, String>,
    /// The digest by which another one with the same content is told; see [`Entry::digest_of`].
    #[serde(serialize_with = "as_text")]
    pub content_sha256: Digest,
    /// When it was saved, RFC 3339.
    pub created_at: String,
    /// When its title, tags or metadata changed last, RFC 3339.
    pub updated_at: String,
}

impl Entry {
    /// The digest of a content: SHA-256 of `codex-archive/entry/v1` 00 project 00 type 00 source 00
    /// text, all in UTF-8, the source empty where there is none.
    pub fn digest_of(project: &str, entry_type: &str, source: Option<&str>, text: &str) -> Digest {
        let source = source.unwrap_or_default();
        let parts = ["codex-archive/entry/v1", project, entry_type, source, text];
        Digest::of(parts.join("\0").as_bytes())
    }

    /// Whether its digest is that of its content.
    pub fn is_whole(&self) -> bool {
        let source = self.source_ref.as_deref();
        let own = Self::digest_of(&self.project, &self.entry_type, source, &self.body);
        own == self.content_sha256
    }
}

fn as_text<T: fmt::Display, S: serde::Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of docs/formats.md, as `sha256sum` says it.
    #[test]
    fn the_digest_is_that_of_the_page() {
        let digest = Entry::digest_of("default", "note", None, "hello");
        let line = "codex-archive/entry/v1\0default\0note\0\0hello";
        assert_eq!(digest, Digest::of(line.as_bytes()));
        assert_ne!(digest, Entry::digest_of("default", "note", Some("x"), "hello"));
        assert_ne!(digest, Entry::digest_of("other", "note", None, "hello"));
    }
}
