//! The repo label: the name under which a repository's items are archived.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Error, Result};

/// A repository's name in the archive: 1 to 128 bytes of UTF-8 in NFC, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoLabel(String);

impl RepoLabel {
    /// The label `text`, brought into NFC.
    pub fn new(text: &str) -> Result<Self> {
        let why = |why: &str| Error::invalid("repo label", text.escape_debug().to_string(), why);
        let label = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        if label.is_empty() {
            return Err(why("it is empty"));
        }
        if label.len() > 128 {
            return Err(why("it is longer than 128 bytes"));
        }
        if label.chars().any(|c| c.is_control() || super::path::is_bidi_control(c)) {
            return Err(why("it has a control character"));
        }
        Ok(Self(label))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert!(RepoLabel::new("_codex_").is_ok());
        assert_eq!(RepoLabel::new("e\u{301}").unwrap().as_str(), "\u{e9}");
        for bad in ["", "a\nb", "a\u{202e}b", &"x".repeat(129)] {
            assert!(RepoLabel::new(bad).is_err(), "{bad:?}");
        }
    }
}
