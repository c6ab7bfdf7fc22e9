//! The nine wrappings: how a stub's lines become a comment, or an object, of the file's language.
//!
//! Promises that writing and reading share one description of each line, so that they cannot
//! drift apart. Which wrapping a path gets is decided by the frozen table in `table.rs`.

/// How a stub is dressed, so that it is a comment in the language of the file it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrapping {
    /// `# ` before each line.
    Hash,
    /// `// ` before each line.
    Slashes,
    /// `-- ` before each line.
    Dashes,
    /// `; ` before each line.
    Semicolon,
    /// `% ` before each line.
    Percent,
    /// Plain lines between `<!--` and `-->`.
    Xml,
    /// Plain lines between `/*` and `*/`.
    CStyle,
    /// One JSON object with the single key `$codex-tombstone`.
    Json,
    /// The lines as they are.
    Plain,
}

impl Wrapping {
    /// Every wrapping, in the order of docs/formats.md.
    pub const ALL: [Self; 9] = [
        Self::Hash,
        Self::Slashes,
        Self::Dashes,
        Self::Semicolon,
        Self::Percent,
        Self::Xml,
        Self::CStyle,
        Self::Json,
        Self::Plain,
    ];

    /// What stands before each line; empty for blocks, JSON and plain lines.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Hash => "# ",
            Self::Slashes => "// ",
            Self::Dashes => "-- ",
            Self::Semicolon => "; ",
            Self::Percent => "% ",
            Self::Xml | Self::CStyle | Self::Json | Self::Plain => "",
        }
    }

    /// The line before all others, if this wrapping has one.
    pub fn opening(self) -> Option<&'static str> {
        match self {
            Self::Xml => Some("<!--"),
            Self::CStyle => Some("/*"),
            Self::Json => Some(r#"{"$codex-tombstone":{"#),
            _ => None,
        }
    }

    /// The line after all others, if this wrapping has one.
    pub fn closing(self) -> Option<&'static str> {
        match self {
            Self::Xml => Some("-->"),
            Self::CStyle => Some("*/"),
            Self::Json => Some("}}"),
            _ => None,
        }
    }

    /// What stands before and after the version's number on its line.
    pub(super) fn around_version(self) -> (String, &'static str) {
        match self {
            Self::Json => ("  \"v\": ".to_owned(), ","),
            _ => (format!("{}codex-tombstone v", self.prefix()), ""),
        }
    }

    /// What stands before and after the value of `key` on its line. No value can hold a quote or
    /// a backslash, so JSON needs no escapes of its own.
    pub(super) fn around_field(self, key: &str) -> (String, &'static str) {
        match (self, key) {
            (Self::Json, "size") => (format!("  \"{key}\": "), ","),
            (Self::Json, "restore") => (format!("  \"{key}\": \""), "\""),
            (Self::Json, _) => (format!("  \"{key}\": \""), "\","),
            _ => (format!("{}{key}: ", self.prefix()), ""),
        }
    }
}
