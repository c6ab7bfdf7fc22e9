//! Who did it, as claimed.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::path::is_bidi_control;
use crate::error::{Error, Result};

/// A name of 1 to 256 bytes, trimmed, in NFC, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(String);

impl Actor {
    /// The actor called `name`.
    pub fn new(name: &str) -> Result<Self> {
        let why = |why: &str| Error::invalid("actor", escape_line(name), why);
        let actor: String = name.trim().nfc().collect();
        if actor.is_empty() {
            return Err(why("it is empty"));
        }
        if actor.len() > 256 {
            return Err(why("it is longer than 256 bytes"));
        }
        if actor.chars().any(|c| c.is_control() || is_bidi_control(c)) {
            return Err(why("it has a control character"));
        }
        Ok(Self(actor))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` on one line and harmless on a terminal: control and bidi characters become `\u{…}`.
pub fn escape_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_bidi_control(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_and_bounded() {
        assert_eq!(Actor::new("  marc ").unwrap().as_str(), "marc");
        for bad in ["", "  ", "a\u{1b}[31m", "a\nb", &"x".repeat(257)] {
            assert!(Actor::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn escapes_what_moves_a_cursor() {
        assert_eq!(escape_line("a\u{1b}[2Jb\u{202e}\u{9b}é"), "a\\u{1b}[2Jb\\u{202e}\\u{9b}é");
    }
}
