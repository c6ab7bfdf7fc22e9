//! The evidence record, version 1: one canonical JSON object on one line.
//!
//! Promises: `parse` takes exactly what `render` writes, so a record has one digest; it says in
//! plain words why a line is none. The format is that of docs/formats.md.

use std::fmt::Display;
use std::ops::Range;

use super::action::Action;
use super::canonical::{MAX_INTEGER, ObjectWriter};
use super::event::Event;
use super::fields::{Fields, RecordFault};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{DeedId, Digest, LogId, escape_line};

/// The version of the records that are written.
pub const VERSION: u64 = 1;

/// The most bytes of a record's line, line feed not counted.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

const UUID: &str = "a UUID in small digits";
const DIGEST: &str = "64 small hex digits";
const SEQ: &str = "an integer from 1 to 2^53-1";

/// The last moment that has a time with a four-digit year, 9999-12-30T22:00:00Z.
const MAX_UNIX_MS: i64 = 253_402_207_200_000;

/// An event at its place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The log.
    pub log: LogId,
    /// Its number in the log, from 1.
    pub seq: u64,
    /// The digest of the record before, or [`Digest::ZERO`] in the first.
    pub prev: Digest,
    /// The command's work that it is part of.
    pub deed: DeedId,
    /// When.
    pub ts: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Which keys are written: all, or those that a table has no column for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Line,
    Body,
}

/// Why something has no canonical form, where it has none.
type Written = std::result::Result<(), &'static str>;

/// The value of a key that only a line has.
enum Own<'a> {
    Plain(&'a dyn Display),
    Integer(u64),
}

/// A record's line and what of it a table has no column for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// As [`Record::render`] writes it.
    pub line: String,
    /// As [`Record::render_body`] writes it.
    pub body: String,
}

impl Record {
    /// The line, without its line feed. Fails when it would be longer than 64 KiB or a value has
    /// no canonical form.
    pub fn render(&self) -> Result<String> {
        self.render_part(Part::Line).map(|(line, _)| line)
    }

    /// Canonical JSON of everything but `v`, `log`, `seq`, `prev` and `deed`, which are columns of
    /// a table. Fails as [`Self::render`] does.
    pub fn render_body(&self) -> Result<String> {
        self.render_part(Part::Body).map(|(body, _)| body)
    }

    /// The line and its body at once. Fails as [`Self::render`] does.
    pub fn render_both(&self) -> Result<Rendered> {
        let (line, own) = self.render_part(Part::Line)?;
        let mut body = String::with_capacity(line.len());
        let mut from = 0;
        for key in own {
            body.push_str(&line[from..key.start]);
            from = key.end;
        }
        body.push_str(&line[from..]);
        Ok(Rendered { line, body })
    }

    /// SHA-256 of the line without its line feed. Fails as [`Self::render`] does.
    pub fn digest(&self) -> Result<Digest> {
        Ok(Digest::of(self.render()?.as_bytes()))
    }

    /// The record of a line (without its line feed); takes the canonical form only.
    pub fn parse(line: &[u8]) -> std::result::Result<Self, RecordFault> {
        let Some(unix_line) = line.strip_suffix(b"\r") else { return Self::parse_line(line) };
        // Named as a conversion only if nothing else is wrong with the line.
        Self::parse_line(unix_line).and(Err(RecordFault::CrLf))
    }

    /// The record of a line that something converted: other line ends, spaces, order of keys or
    /// escapes. Its digest is the one of its canonical form, not of these bytes.
    pub fn parse_respelled(line: &[u8]) -> std::result::Result<Self, RecordFault> {
        Self::read_line(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The record of a row: the columns, and the body as [`Self::render_body`] wrote it.
    pub fn from_body(
        log: LogId,
        seq: u64,
        prev: Digest,
        deed: DeedId,
        body: &[u8],
    ) -> std::result::Result<Self, RecordFault> {
        Self::from_row(log, seq, prev, deed, body).map(|(record, _)| record)
    }

    /// The same with the record's digest.
    pub fn from_row(
        log: LogId,
        seq: u64,
        prev: Digest,
        deed: DeedId,
        body: &[u8],
    ) -> std::result::Result<(Self, Digest), RecordFault> {
        let record = Self::read_row(log, seq, prev, deed, body)?;
        match record.render_both() {
            Ok(both) if both.body.as_bytes() == body => {
                let digest = Digest::of(both.line.as_bytes());
                Ok((record, digest))
            }
            _ => Err(RecordFault::OtherSpelling),
        }
    }

    /// What the row of a record says that was checked already: neither its spelling is judged here nor
    /// its digest known.
    pub fn read_row(
        log: LogId,
        seq: u64,
        prev: Digest,
        deed: DeedId,
        body: &[u8],
    ) -> std::result::Result<Self, RecordFault> {
        if !(1..=MAX_INTEGER).contains(&seq) {
            return Err(RecordFault::WrongType { key: "seq", expected: SEQ });
        }
        let mut fields = Fields::read(body)?;
        let (ts, event) = read_body(&mut fields)?;
        fields.finish()?;
        Ok(Self { log, seq, prev, deed, ts, event })
    }

    fn parse_line(line: &[u8]) -> std::result::Result<Self, RecordFault> {
        Self::read_line(line)?.check_spelling(line)
    }

    fn read_line(line: &[u8]) -> std::result::Result<Self, RecordFault> {
        let mut fields = Fields::read(line)?;
        // First, since a later version may have keys and types that are unknown here.
        match fields.integer("v")? {
            Some(VERSION) => {}
            Some(version) => return Err(RecordFault::UnknownVersion { version }),
            None => return Err(RecordFault::MissingKey { key: "v" }),
        }
        let log = fields.required("log", UUID)?;
        let seq = fields.integer("seq")?.ok_or(RecordFault::MissingKey { key: "seq" })?;
        if seq == 0 {
            return Err(RecordFault::WrongType { key: "seq", expected: SEQ });
        }
        let prev = fields.required("prev", DIGEST)?;
        let deed = fields.required("deed", UUID)?;
        let (ts, event) = read_body(&mut fields)?;
        fields.finish()?;
        Ok(Self { log, seq, prev, deed, ts, event })
    }

    fn check_spelling(self, bytes: &[u8]) -> std::result::Result<Self, RecordFault> {
        match self.render() {
            Ok(text) if text.as_bytes() == bytes => Ok(self),
            _ => Err(RecordFault::OtherSpelling),
        }
    }

    /// The text, and where in it the keys stand that a body has not got, each with the comma before it.
    fn render_part(&self, part: Part) -> Result<(String, Vec<Range<usize>>)> {
        self.check()?;
        let (mut line, mut own) = (String::with_capacity(768), Vec::new());
        self.write(part, &mut line, &mut own).map_err(|why| self.invalid(why))?;
        if line.len() > MAX_LINE_BYTES {
            return Err(self.invalid("its line would be longer than 64 KiB"));
        }
        Ok((line, own))
    }

    /// Writes the keys in bytewise order.
    fn write(&self, part: Part, line: &mut String, own: &mut Vec<Range<usize>>) -> Written {
        let event = &self.event;
        let mut object = ObjectWriter::begin(line);
        let mut own = |object: &mut ObjectWriter<'_>, key: &str, value: Own<'_>| -> Written {
            if part == Part::Body {
                return Ok(());
            }
            let start = object.len();
            match value {
                Own::Plain(value) => object.plain(key, value),
                Own::Integer(value) => object.integer(key, value)?,
            }
            own.push(start..object.len());
            Ok(())
        };
        object.text("action", event.action.as_str());
        object.text("actor", &event.actor);
        if !event.approvers.is_empty() {
            object.texts("approvers", &event.approvers);
        }
        text(&mut object, "assurance", &event.assurance);
        text(&mut object, "commit", &event.commit);
        own(&mut object, "deed", Own::Plain(&self.deed))?;
        if let Some(detail) = &event.detail {
            object.object("detail", detail)?;
        }
        integer(&mut object, "duration_ms", event.duration_ms)?;
        plain(&mut object, "git_blob", &event.git_blob);
        own(&mut object, "log", Own::Plain(&self.log))?;
        plain(&mut object, "mode", &event.mode);
        plain(&mut object, "of", &event.of);
        plain(&mut object, "path", &event.path);
        own(&mut object, "prev", Own::Plain(&self.prev))?;
        text(&mut object, "reason", &event.reason);
        text(&mut object, "repo", &event.repo);
        own(&mut object, "seq", Own::Integer(self.seq))?;
        plain(&mut object, "sha256", &event.sha256);
        integer(&mut object, "size", event.size)?;
        integer(&mut object, "stored_size", event.stored_size)?;
        plain(&mut object, "tombstone", &event.tombstone);
        object.plain("ts", self.ts);
        own(&mut object, "v", Own::Integer(VERSION))?;
        object.end();
        Ok(())
    }

    /// What the types let through and `parse` would refuse.
    fn check(&self) -> Result<()> {
        let event = &self.event;
        if event.actor.trim().is_empty() {
            return Err(self.invalid("its actor is empty"));
        }
        if !event.action.is_valid() {
            return Err(self.invalid("its action is no word of A-Z, 0-9 and _"));
        }
        if self.seq == 0 {
            return Err(self.invalid("its number is 0"));
        }
        if !is_in_range(self.ts) {
            return Err(self.invalid("its time is out of range"));
        }
        Ok(())
    }

    fn invalid(&self, why: &str) -> Error {
        let given = format!("{} {}", escape_line(self.event.action.as_str()), self.seq);
        Error::invalid("record", given, why)
    }
}

fn text(object: &mut ObjectWriter<'_>, key: &str, value: &Option<String>) {
    if let Some(value) = value {
        object.text(key, value);
    }
}

fn plain(object: &mut ObjectWriter<'_>, key: &str, value: &Option<impl Display>) {
    if let Some(value) = value {
        object.plain(key, value);
    }
}

fn integer(
    object: &mut ObjectWriter<'_>,
    key: &str,
    value: Option<u64>,
) -> std::result::Result<(), &'static str> {
    value.map_or(Ok(()), |value| object.integer(key, value))
}

fn is_in_range(ts: Timestamp) -> bool {
    (0..=MAX_UNIX_MS).contains(&ts.unix_ms())
}

/// The keys that a line and a row's body have in common.
fn read_body(fields: &mut Fields<'_>) -> std::result::Result<(Timestamp, Event), RecordFault> {
    const TS: &str = "a time such as 2026-11-21T09:28:10.123Z";
    let ts = fields.required("ts", TS)?;
    if !is_in_range(ts) {
        return Err(RecordFault::WrongType { key: "ts", expected: TS });
    }
    let action = fields.text("action")?.ok_or(RecordFault::MissingKey { key: "action" })?;
    let actor = fields.text("actor")?.ok_or(RecordFault::MissingKey { key: "actor" })?;
    if actor.trim().is_empty() {
        return Err(RecordFault::WrongType { key: "actor", expected: "a name" });
    }
    let Some(action) = Action::parse(&action) else {
        return Err(RecordFault::WrongType { key: "action", expected: "a word of A-Z, 0-9 and _" });
    };
    let event = Event {
        action,
        actor,
        repo: fields.text("repo")?,
        path: fields.path("path")?,
        commit: fields.text("commit")?,
        sha256: fields.parsed("sha256", DIGEST)?,
        size: fields.integer("size")?,
        stored_size: fields.integer("stored_size")?,
        git_blob: fields.parsed("git_blob", "40 or 64 small hex digits")?,
        mode: fields.parsed("mode", "100644 or 100755")?,
        reason: fields.text("reason")?,
        tombstone: fields.parsed("tombstone", UUID)?,
        of: fields.parsed("of", UUID)?,
        approvers: fields.texts("approvers")?,
        assurance: fields.text("assurance")?,
        detail: fields.object("detail")?,
        duration_ms: fields.integer("duration_ms")?,
    };
    Ok((ts, event))
}
