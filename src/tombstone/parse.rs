//! Reading a stub: the magic rule that says what is one, and the strict parser.
//!
//! Promises never to panic, and that `parse(s)` renders to exactly `s`. Refuses whatever is not
//! the one valid encoding, and says which line is wrong and what belongs there.

use std::str::{FromStr, Split};

use super::{MAX_STUB_BYTES, RESTORE_COMMAND, Tombstone, VERSION, Wrapping};
use crate::model::{RepoPath, TombstoneId};

/// Why bytes are not a valid stub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StubFault {
    /// The first line is not that of a stub.
    #[error("it is not a stub")]
    NotAStub,
    /// It begins like a stub and is longer than one may be.
    #[error("it has {size_bytes} bytes; a stub has at most {MAX_STUB_BYTES}")]
    TooLong {
        /// Its length in bytes.
        size_bytes: usize,
    },
    /// It begins like a stub and is not text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A newer program wrote it.
    #[error("unknown version {version}; this program knows version {VERSION}")]
    UnknownVersion {
        /// The version it names.
        version: u32,
    },
    /// A line is not what belongs in its place.
    #[error("line {line} ({field}): {why}")]
    WrongLine {
        /// Its number, from 1.
        line: usize,
        /// What belongs there: a key of the format, `version`, `opening` or `closing`.
        field: &'static str,
        /// What is wrong, as a clause.
        why: &'static str,
    },
    /// It ends before its last line.
    #[error("line {line} ({field}) is missing")]
    MissingLine {
        /// The number that the line would have, from 1.
        line: usize,
        /// What belongs there.
        field: &'static str,
    },
    /// It goes on after its last line.
    #[error("line {line} is one too many")]
    ExtraLine {
        /// The number of the first such line, from 1.
        line: usize,
    },
    /// The last line has no line feed.
    #[error("the last line does not end in a line feed")]
    NoFinalLineFeed,
    /// It says a tombstone, in other bytes than the canonical ones.
    #[error("it is not canonical")]
    NotCanonical,
}

/// Whether a blob counts as a stub, well formed or not: at most [`MAX_STUB_BYTES`] bytes, and a
/// first line that is a wrapping and `codex-tombstone v` (docs/formats.md). A block begins with
/// its opening line and then that line; JSON with its opening line.
pub fn looks_like_stub(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_STUB_BYTES && wrapping_of(bytes).is_some()
}

/// The tombstone that a stub says, and the wrapping it is in. Any of the nine wrappings is taken,
/// whatever the file's name, since files are renamed.
pub fn parse(bytes: &[u8]) -> Result<(Tombstone, Wrapping), StubFault> {
    let wrapping = wrapping_of(bytes).ok_or(StubFault::NotAStub)?;
    if bytes.len() > MAX_STUB_BYTES {
        return Err(StubFault::TooLong { size_bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| StubFault::NotUtf8)?;
    let tombstone = read(text, wrapping)?;
    // The reader takes only canonical lines; this keeps the promise even if it should not.
    match tombstone.render(wrapping) {
        Ok(canonical) if canonical == bytes => Ok((tombstone, wrapping)),
        _ => Err(StubFault::NotCanonical),
    }
}

/// The wrapping whose magic the bytes begin with; the nine exclude one another.
fn wrapping_of(bytes: &[u8]) -> Option<Wrapping> {
    // What is beyond the limit cannot matter, and may be a gigabyte without a line feed.
    let head = &bytes[..bytes.len().min(MAX_STUB_BYTES)];
    let (first, rest) = match head.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&head[..at], &head[at + 1..]),
        None => (head, [].as_slice()),
    };
    let is_magic = |wrapping: &Wrapping| match (wrapping, wrapping.opening()) {
        (Wrapping::Json, Some(opening)) => first == opening.as_bytes(),
        (_, Some(opening)) => {
            first == opening.as_bytes() && rest.starts_with(wrapping.around_version().0.as_bytes())
        }
        (_, None) => first.starts_with(wrapping.around_version().0.as_bytes()),
    };
    Wrapping::ALL.into_iter().find(is_magic)
}

fn read(text: &str, wrapping: Wrapping) -> Result<Tombstone, StubFault> {
    let mut lines = Lines::new(text, wrapping);
    if let Some(opening) = wrapping.opening() {
        lines.exactly("opening", opening)?;
    }
    lines.version()?;
    // After the version, since another version may have another rule.
    if !text.ends_with('\n') {
        return Err(StubFault::NoFinalLineFeed);
    }
    let id: TombstoneId = lines.parsed("archive-id", "it must be a UUID in small letters")?;
    if !is_version_8(&id) {
        return Err(lines.wrong("archive-id", "it must be a UUID of version 8"));
    }
    let tombstone = Tombstone {
        id,
        sha256: lines.parsed("sha256", "it must be 64 small hex digits")?,
        size_bytes: lines.size()?,
        mode: lines.parsed("mode", "it must be 100644 or 100755")?,
        git_blob: lines.parsed("git-blob", "it must be 40 or 64 small hex digits")?,
        path: lines.path()?,
    };
    if lines.value("restore")?.strip_prefix(RESTORE_COMMAND) != Some(&id.to_string()) {
        return Err(lines.wrong("restore", "it must be the restore command with the id above"));
    }
    if let Some(closing) = wrapping.closing() {
        lines.exactly("closing", closing)?;
    }
    lines.end()?;
    Ok(tombstone)
}

/// Whether version and variant are those of [`TombstoneId::derive`]; any other id is of no item.
fn is_version_8(id: &TombstoneId) -> bool {
    let bytes = id.as_bytes();
    bytes[6] >> 4 == 8 && bytes[8] >> 6 == 0b10
}

/// The lines of a stub, read in order.
struct Lines<'a> {
    rest: Split<'a, char>,
    /// The number of the line read last.
    number: usize,
    wrapping: Wrapping,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, wrapping: Wrapping) -> Self {
        let rest = text.strip_suffix('\n').unwrap_or(text).split('\n');
        Self { rest, number: 0, wrapping }
    }

    fn wrong(&self, field: &'static str, why: &'static str) -> StubFault {
        StubFault::WrongLine { line: self.number, field, why }
    }

    fn next(&mut self, field: &'static str) -> Result<&'a str, StubFault> {
        self.number += 1;
        let line = self.rest.next().ok_or(StubFault::MissingLine { line: self.number, field })?;
        // By far the likeliest damage (an editor, autocrlf), so it gets words of its own.
        if line.ends_with('\r') {
            return Err(self.wrong(field, "it ends in a carriage return"));
        }
        Ok(line)
    }

    fn exactly(&mut self, field: &'static str, expected: &str) -> Result<(), StubFault> {
        if self.next(field)? == expected {
            Ok(())
        } else {
            Err(self.wrong(field, "this wrapping has another line here"))
        }
    }

    fn between(
        &mut self,
        field: &'static str,
        (before, after): (String, &str),
    ) -> Result<&'a str, StubFault> {
        let line = self.next(field)?;
        line.strip_prefix(&before)
            .and_then(|rest| rest.strip_suffix(after))
            .ok_or_else(|| self.wrong(field, "another line stands here, or it is wrapped wrongly"))
    }

    fn version(&mut self) -> Result<(), StubFault> {
        let given = self.between("version", self.wrapping.around_version())?;
        match canonical_number::<u32>(given) {
            Some(VERSION) => Ok(()),
            Some(version) => Err(StubFault::UnknownVersion { version }),
            None => Err(self.wrong("version", "it must be a number without sign or leading zeros")),
        }
    }

    fn value(&mut self, key: &'static str) -> Result<&'a str, StubFault> {
        self.between(key, self.wrapping.around_field(key))
    }

    fn parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        rule: &'static str,
    ) -> Result<T, StubFault> {
        self.value(key)?.parse().map_err(|_| self.wrong(key, rule))
    }

    fn size(&mut self) -> Result<u64, StubFault> {
        canonical_number(self.value("size")?)
            .ok_or_else(|| self.wrong("size", "it must be a number without sign or leading zeros"))
    }

    fn path(&mut self) -> Result<RepoPath, StubFault> {
        RepoPath::parse(self.value("path")?)
            .ok_or_else(|| self.wrong("path", "it must be a path in its one spelling"))
    }

    fn end(&mut self) -> Result<(), StubFault> {
        match self.rest.next() {
            None => Ok(()),
            Some(_) => Err(StubFault::ExtraLine { line: self.number + 1 }),
        }
    }
}

/// A number in the one spelling that it prints as: no sign, no leading zeros.
fn canonical_number<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}
