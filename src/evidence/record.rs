//! The evidence record, version 1: one canonical JSON object on one line.
//!
//! Promises: `parse` takes exactly what `render` writes, so a record has one digest; it says in
//! plain words why a line is none. The format is that of docs/formats.md.

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

impl Record {
    /// The line, without its line feed. Fails when it would be longer than 64 KiB or a value has
    /// no canonical form.
    pub fn render(&self) -> Result<String> {
        self.render_part(Part::Line)
    }

    /// Canonical JSON of everything but `v`, `log`, `seq`, `prev` and `deed`, which are columns of
    /// a table. Fails as [`Self::render`] does.
    pub fn render_body(&self) -> Result<String> {
        self.render_part(Part::Body)
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
        if !(1..=MAX_INTEGER).contains(&seq) {
            return Err(RecordFault::WrongType { key: "seq", expected: SEQ });
        }
        let mut fields = Fields::read(body)?;
        let (ts, event) = read_body(&mut fields)?;
        fields.finish()?;
        let record = Self { log, seq, prev, deed, ts, event };
        record.check_spelling(Part::Body, body)
    }

    fn parse_line(line: &[u8]) -> std::result::Result<Self, RecordFault> {
        Self::read_line(line)?.check_spelling(Part::Line, line)
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

    fn check_spelling(self, part: Part, bytes: &[u8]) -> std::result::Result<Self, RecordFault> {
        match self.render_part(part) {
            Ok(text) if text.as_bytes() == bytes => Ok(self),
            _ => Err(RecordFault::OtherSpelling),
        }
    }

    fn render_part(&self, part: Part) -> Result<String> {
        self.check()?;
        let mut line = String::with_capacity(768);
        self.write(part, &mut line).map_err(|why| self.invalid(why))?;
        if line.len() > MAX_LINE_BYTES {
            return Err(self.invalid("its line would be longer than 64 KiB"));
        }
        Ok(line)
    }

    /// Writes the keys in bytewise order.
    fn write(&self, part: Part, line: &mut String) -> std::result::Result<(), &'static str> {
        let is_line = part == Part::Line;
        let event = &self.event;
        let mut object = ObjectWriter::begin(line);
        object.text("action", event.action.as_str());
        object.text("actor", &event.actor);
        if !event.approvers.is_empty() {
            object.texts("approvers", &event.approvers);
        }
        text(&mut object, "assurance", &event.assurance);
        text(&mut object, "commit", &event.commit);
        if is_line {
            object.plain("deed", self.deed);
        }
        if let Some(detail) = &event.detail {
            object.object("detail", detail)?;
        }
        integer(&mut object, "duration_ms", event.duration_ms)?;
        plain(&mut object, "git_blob", &event.git_blob);
        if is_line {
            object.plain("log", self.log);
        }
        plain(&mut object, "mode", &event.mode);
        plain(&mut object, "of", &event.of);
        plain(&mut object, "path", &event.path);
        if is_line {
            object.plain("prev", self.prev);
        }
        text(&mut object, "reason", &event.reason);
        text(&mut object, "repo", &event.repo);
        if is_line {
            object.integer("seq", self.seq)?;
        }
        plain(&mut object, "sha256", &event.sha256);
        integer(&mut object, "size", event.size)?;
        integer(&mut object, "stored_size", event.stored_size)?;
        plain(&mut object, "tombstone", &event.tombstone);
        object.plain("ts", self.ts);
        if is_line {
            object.integer("v", VERSION)?;
        }
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

fn plain(object: &mut ObjectWriter<'_>, key: &str, value: &Option<impl std::fmt::Display>) {
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
