//! Credentials in content: which are found, where, and what is to be done about them.
//!
//! Promises: what was found is told by rule, line and column; no value here holds, shows or keeps a
//! credential's text. Whether bytes are one is decided by what stands within [`REACH_BYTES`] of them.

mod assignment;
mod guess;
mod private_key;
mod rules;
mod search;
mod signed;
mod stream;
#[cfg(test)]
mod tests;
mod token;
mod url;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

pub use rules::{RULES, Rule, rule};
use search::find;
pub use stream::Stream;

/// How far around a credential anything is looked at, in bytes.
pub const REACH_BYTES: usize = 16 << 10;

/// A NUL within so many bytes at the front makes content binary, as git sees it.
const BINARY_BYTES: usize = 8 << 10;

/// What is done about a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCredential {
    /// It is refused.
    Block,
    /// It is taken out of text; content that cannot be altered is refused.
    Redact,
    /// It is told.
    Warn,
    /// Nothing is looked for.
    Ignore,
}

impl OnCredential {
    /// What the word in the configuration says.
    pub fn of_word(word: &str) -> Self {
        match word {
            "redact" => Self::Redact,
            "warn" => Self::Warn,
            "off" => Self::Ignore,
            _ => Self::Block,
        }
    }
}

/// What is looked for, and what is excepted.
#[derive(Debug, Clone)]
pub struct ContentPolicy {
    /// What is done about a credential.
    pub on_credential: OnCredential,
    allow: BTreeSet<&'static str>,
    exceptions: Vec<Exception>,
    marker: String,
}

/// Paths in which one rule, or all of them, are passed over.
#[derive(Debug, Clone)]
struct Exception {
    rule: Option<&'static str>,
    paths: GlobMatcher,
}

/// A setting that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its key.
    pub key: &'static str,
    /// Why, as a clause.
    pub why: String,
}

/// A credential that was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Match {
    /// By which rule.
    pub rule: &'static str,
    /// In which line, from 1.
    pub line: u64,
    /// From which byte of the line on, from 1.
    pub column: u64,
    /// Whether a marker or the path excepts it.
    pub is_allowed: bool,
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = if self.is_allowed { " (allowed)" } else { "" };
        write!(f, "{}:{} {}{allowed}", self.line, self.column, self.rule)
    }
}

impl ContentPolicy {
    /// A policy without these rules, in which a line that holds `marker` is excepted, and so are
    /// `paths`: each a glob (`*` within a folder, `**` across folders, `/` at its end for all below)
    /// of whole paths, behind `RULE:` for one rule alone.
    pub fn new(
        on_credential: OnCredential,
        allow: &[String],
        paths: &[String],
        marker: &str,
    ) -> Result<Self, Unusable> {
        let allow = allow.iter().map(|id| match rule(id) {
            Some(rule) => Ok(rule.id),
            None => Err(Unusable { key: "policy.allow", why: format!("there is no rule `{id}`") }),
        });
        let exceptions = paths.iter().map(|text| Exception::new(text));
        Ok(Self {
            on_credential,
            allow: allow.collect::<Result<_, _>>()?,
            exceptions: exceptions.collect::<Result<_, _>>()?,
            marker: marker.to_owned(),
        })
    }

    /// Whether a credential keeps content out of the archive, which takes it as it is or not at all.
    pub fn refuses_content(&self) -> bool {
        matches!(self.on_credential, OnCredential::Block | OnCredential::Redact)
    }

    /// The credentials in `content`, in its order. Of binary content those alone that are known by
    /// their own form. `path` is where it stands, from the top, in the spelling of all messages.
    pub fn scan(&self, path: Option<&str>, content: &[u8]) -> Vec<Match> {
        if self.on_credential == OnCredential::Ignore {
            return Vec::new();
        }
        let text = readable(content);
        let found = self.search(&text, is_binary(&text));
        let mut places = Places::of(&text, self.marker.as_bytes());
        let matches = found.iter().map(|it| {
            let (line, column, is_marked) = places.at(it.range.start);
            let is_allowed = is_marked || path.is_some_and(|path| self.excepts(path, it.rule.id));
            Match { rule: it.rule.id, line, column, is_allowed }
        });
        matches.collect()
    }

    /// `text` with `[redacted: RULE]` for each credential that is not excepted, and what was found.
    pub fn redact(&self, text: &str) -> (String, Vec<Match>) {
        if self.on_credential == OnCredential::Ignore {
            return (text.to_owned(), Vec::new());
        }
        let bytes = text.as_bytes();
        let mut places = Places::of(bytes, self.marker.as_bytes());
        let (mut out, mut matches, mut done) = (String::new(), Vec::new(), 0);
        for it in self.search(bytes, is_binary(bytes)) {
            let (line, column, is_allowed) = places.at(it.range.start);
            matches.push(Match { rule: it.rule.id, line, column, is_allowed });
            // What a longer one took out is gone already.
            if is_allowed || it.range.start < done {
                continue;
            }
            out.push_str(&text[done..it.range.start]);
            out.push_str(&format!("[redacted: {}]", it.rule.id));
            done = it.extent(bytes);
        }
        out.push_str(&text[done..]);
        (out, matches)
    }

    fn search(&self, text: &[u8], is_binary: bool) -> Vec<search::Found> {
        let mut found = find(text, is_binary);
        found.retain(|it| !self.allow.contains(it.rule.id));
        found
    }

    fn excepts(&self, path: &str, rule: &str) -> bool {
        let holds = |it: &Exception| it.rule.is_none_or(|id| id == rule) && it.paths.is_match(path);
        self.exceptions.iter().any(holds)
    }
}

impl Default for ContentPolicy {
    /// Everything is looked for and refused.
    fn default() -> Self {
        let (allow, exceptions, marker) = (BTreeSet::new(), Vec::new(), String::new());
        Self { on_credential: OnCredential::Block, allow, exceptions, marker }
    }
}

impl Exception {
    fn new(text: &str) -> Result<Self, Unusable> {
        let (rule, glob) = match text.split_once(':').map(|(id, glob)| (rule(id), glob)) {
            Some((Some(rule), glob)) => (Some(rule.id), glob),
            _ => (None, text),
        };
        let below = if glob.ends_with('/') { "**" } else { "" };
        let glob = GlobBuilder::new(&format!("{glob}{below}"))
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| Unusable { key: "policy.allow_paths", why: error.to_string() })?;
        Ok(Self { rule, paths: glob.compile_matcher() })
    }
}

/// The exception that lets `rule` pass at `path`, as the configuration has it.
pub fn exception(rule: &str, path: &str) -> String {
    format!("{rule}:{}", globset::escape(path))
}

/// The bytes as text is searched: UTF-16, which a mark at its front tells of, as UTF-8.
fn readable(content: &[u8]) -> Cow<'_, [u8]> {
    let unit: fn([u8; 2]) -> u16 = match content {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return Cow::Borrowed(content),
    };
    let units = content[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String =
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Cow::Owned(text.into_bytes())
}

fn is_binary(text: &[u8]) -> bool {
    memchr::memchr(0, &text[..text.len().min(BINARY_BYTES)]).is_some()
}

/// Lines and columns of offsets, which are asked for in ascending order.
struct Places<'a> {
    text: &'a [u8],
    marker: &'a [u8],
    line: u64,
    start: usize,
    /// Where the line ends, and whether the marker is in it; known once it was asked for.
    seen: Option<(usize, bool)>,
}

impl<'a> Places<'a> {
    fn of(text: &'a [u8], marker: &'a [u8]) -> Self {
        Self { text, marker, line: 1, start: 0, seen: None }
    }

    /// Line, column, and whether the line is marked.
    fn at(&mut self, offset: usize) -> (u64, u64, bool) {
        if self.seen.is_none_or(|(end, _)| offset > end) {
            let passed = &self.text[self.start..offset];
            self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
            self.start += memchr::memrchr(b'\n', passed).map_or(0, |at| at + 1);
            let rest = &self.text[offset..];
            let end = offset + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = &self.text[self.start..end];
            let is_marked =
                !self.marker.is_empty() && memchr::memmem::find(line, self.marker).is_some();
            self.seen = Some((end, is_marked));
        }
        let is_marked = self.seen.is_some_and(|(_, is_marked)| is_marked);
        (self.line, (offset - self.start) as u64 + 1, is_marked)
    }
}
