//! The keys of a line as they were read, and what can be wrong with a line.
//!
//! Each key is taken once, with its type; what is left at the end is unknown here.

use std::borrow::Cow;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::canonical::{Json, MAX_INTEGER};
use super::record::MAX_LINE_BYTES;
use crate::model::{RepoPath, escape_line};

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// Longer than 64 KiB.
    #[error("the line is longer than 64 KiB")]
    TooLong,
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Not JSON, or no object, or nested without end.
    #[error("the line is not a JSON object: {why}")]
    NotJson {
        /// What the reader said.
        why: String,
    },
    /// A valid record, but for a carriage return at its end.
    #[error("the line ends with CR LF: something converted the line ends, and the record is sound")]
    CrLf,
    /// The same values in another spelling.
    #[error(
        "the line is a record in another spelling (spaces, order of keys or escapes), so its \
         digest is not the record's"
    )]
    OtherSpelling,
    /// A key that version 1 does not have.
    #[error("the line has the unknown key `{key}`")]
    UnknownKey {
        /// The key, escaped and cut.
        key: String,
    },
    /// A key that every record has.
    #[error("the line has no key `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// An object has a key twice.
    #[error("the line has the key `{key}` twice in one object")]
    DuplicateKey {
        /// The key, escaped and cut.
        key: String,
    },
    /// A value of another type or form.
    #[error("the value of `{key}` is not {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A value in `detail` that canonical JSON does not have.
    #[error("the value of `detail` has no place in a record: {why}")]
    Detail {
        /// Why not, as a clause.
        why: &'static str,
    },
    /// A version that is unknown here.
    #[error("the record has version {version}; this program knows version 1")]
    UnknownVersion {
        /// The version.
        version: u64,
    },
}

impl RecordFault {
    /// The fault's name, for findings and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::NotUtf8 => "not-utf8",
            Self::NotJson { .. } => "not-json",
            Self::CrLf => "crlf",
            Self::OtherSpelling => "other-spelling",
            Self::UnknownKey { .. } => "unknown-key",
            Self::MissingKey { .. } => "missing-key",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::WrongType { .. } | Self::Detail { .. } => "wrong-type",
            Self::UnknownVersion { .. } => "unknown-version",
        }
    }
}

/// The keys of one object that were not taken yet.
pub(super) struct Fields<'a> {
    pairs: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Fields<'a> {
    /// The keys of the object that `line` is.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, RecordFault> {
        if line.len() > MAX_LINE_BYTES {
            return Err(RecordFault::TooLong);
        }
        let text = std::str::from_utf8(line).map_err(|_| RecordFault::NotUtf8)?;
        let json =
            Json::read(text).map_err(|error| RecordFault::NotJson { why: error.to_string() })?;
        if let Some(key) = json.duplicate_key() {
            return Err(RecordFault::DuplicateKey { key: shown(key) });
        }
        match json {
            Json::Object(pairs) => Ok(Self { pairs }),
            _ => Err(RecordFault::NotJson { why: "it is another JSON value".to_owned() }),
        }
    }

    fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let at = self.pairs.iter().position(|(it, _)| it == key)?;
        Some(self.pairs.swap_remove(at).1)
    }

    fn take_text(&mut self, key: &'static str) -> Result<Option<Cow<'a, str>>, RecordFault> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(RecordFault::WrongType { key, expected: "a string" }),
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, RecordFault> {
        Ok(self.take_text(key)?.map(Cow::into_owned))
    }

    pub(super) fn integer(&mut self, key: &'static str) -> Result<Option<u64>, RecordFault> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Integer(value)) if value <= MAX_INTEGER => Ok(Some(value)),
            Some(_) => Err(RecordFault::WrongType { key, expected: "an integer from 0 to 2^53-1" }),
        }
    }

    /// A string in the one form that `T` takes, which `expected` describes.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, RecordFault> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| RecordFault::WrongType { key, expected })
    }

    /// The same for a key that every record has.
    pub(super) fn required<T: FromStr>(
        &mut self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<T, RecordFault> {
        self.parsed(key, expected)?.ok_or(RecordFault::MissingKey { key })
    }

    pub(super) fn path(&mut self, key: &'static str) -> Result<Option<RepoPath>, RecordFault> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        let fault = RecordFault::WrongType { key, expected: "the text of a path" };
        RepoPath::parse(&text).map(Some).ok_or(fault)
    }

    /// An array of strings; an empty one is left out of a line, so it is refused here.
    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<String>, RecordFault> {
        let fault = RecordFault::WrongType { key, expected: "an array of one or more strings" };
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Json::Array(values)) if !values.is_empty() => {
                let text = |value| match value {
                    Json::Text(text) => Ok(text.into_owned()),
                    _ => Err(fault.clone()),
                };
                values.into_iter().map(text).collect()
            }
            Some(_) => Err(fault),
        }
    }

    pub(super) fn object(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Map<String, Value>>, RecordFault> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Object(pairs)) => {
                Json::into_map(pairs, 1).map(Some).map_err(|why| RecordFault::Detail { why })
            }
            Some(_) => Err(RecordFault::WrongType { key, expected: "an object" }),
        }
    }

    /// Refuses when a key was not taken.
    pub(super) fn finish(self) -> Result<(), RecordFault> {
        match self.pairs.iter().map(|(key, _)| key).min() {
            Some(key) => Err(RecordFault::UnknownKey { key: shown(key) }),
            None => Ok(()),
        }
    }
}

/// A stranger's key, harmless and short enough for a message.
fn shown(key: &str) -> String {
    escape_line(&key.chars().take(64).collect::<String>())
}
