//! Looking through content that comes in parts, for credentials.
//!
//! Promises: what is found, and where, does not depend on how the content is cut, as long as nothing
//! reaches further than [`REACH_BYTES`].

use super::{ContentPolicy, Match, OnCredential, Places, REACH_BYTES, is_binary};

/// Content that is looked through as it comes in.
pub struct Stream<'a> {
    policy: &'a ContentPolicy,
    path: &'a str,
    /// How a UTF-16 unit is read, where the front says that it is one.
    unit: Option<fn([u8; 2]) -> u16>,
    /// Known once the front was seen.
    is_binary: Option<bool>,
    /// What is looked at together.
    window: Vec<u8>,
    /// What begins before this place of the window was told.
    told: usize,
    /// Lines that end before the window.
    lines: u64,
    /// Bytes of the window's first line that stand before it.
    column: u64,
}

impl<'a> Stream<'a> {
    /// Nothing has come in yet of what stands at `path`.
    pub fn new(policy: &'a ContentPolicy, path: &'a str) -> Self {
        let (unit, is_binary, window) = (None, None, Vec::new());
        Self { policy, path, unit, is_binary, window, told: 0, lines: 0, column: 0 }
    }

    /// Takes the next part, of an even number of bytes unless it is the last; what is found by now.
    pub fn feed(&mut self, part: &[u8], is_last: bool) -> Vec<Match> {
        if self.policy.on_credential == OnCredential::Ignore {
            return Vec::new();
        }
        self.append(part);
        let until = match is_last {
            true => self.window.len(),
            // What stands at the end is looked at with what comes behind it.
            false => self.window.len().saturating_sub(REACH_BYTES),
        };
        let is_binary = *self.is_binary.get_or_insert_with(|| is_binary(&self.window));
        let found = self.policy.search(&self.window, is_binary);
        let mut places = Places::of(&self.window, self.policy.marker.as_bytes());
        let mut matches = Vec::new();
        for it in found.iter().filter(|it| (self.told..until).contains(&it.range.start)) {
            let (line, column, is_marked) = places.at(it.range.start);
            let before = if line == 1 { self.column } else { 0 };
            let is_allowed = is_marked || self.policy.excepts(self.path, it.rule.id);
            let (line, column) = (self.lines + line, before + column);
            matches.push(Match { rule: it.rule.id, line, column, is_allowed });
        }
        self.forget(until);
        matches
    }

    fn append(&mut self, part: &[u8]) {
        let mut part = part;
        if self.is_binary.is_none() {
            self.unit = match part {
                [0xFF, 0xFE, ..] => Some(u16::from_le_bytes),
                [0xFE, 0xFF, ..] => Some(u16::from_be_bytes),
                _ => None,
            };
            part = if self.unit.is_some() { &part[2..] } else { part };
        }
        match self.unit {
            None => self.window.extend_from_slice(part),
            Some(unit) => {
                let units = part.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
                let text = char::decode_utf16(units);
                let text: String = text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
                self.window.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Keeps of the window what stands around the place up to which all was told.
    fn forget(&mut self, told: usize) {
        let gone = told.saturating_sub(REACH_BYTES);
        let passed = &self.window[..gone];
        self.lines += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.column = match memchr::memrchr(b'\n', passed) {
            Some(at) => (gone - at - 1) as u64,
            None => self.column + gone as u64,
        };
        self.window.drain(..gone);
        self.told = told - gone;
    }
}
