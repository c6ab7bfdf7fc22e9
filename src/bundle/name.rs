//! What bundles are called: `<name>-<version>-<YYYY-MM-DDTHHMMSSZ>`.
//!
//! Refuses what could lead elsewhere or mean something to a shell, a terminal or `sha256sum`.

use std::fmt;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::escape_line;

/// What a tarball ends with.
pub(super) const TARBALL: &str = ".tar.gz";

/// What a lock ends with.
pub(super) const LOCK: &str = ".lock.json";

/// What a signature ends with.
pub(super) const SIGNATURE: &str = ".tar.gz.sig";

/// The longest name of an application and the longest version, in bytes.
const LONGEST: usize = 100;

/// The latest second that a stamp can tell: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// Refuses `text`, which is a `what`, unless it is one word of a file's name: letters, digits, `.`,
/// `_`, `-`, `+`, the first one a letter, a digit or `_`, and never two dots in a row.
pub(super) fn check_word(what: &'static str, text: &str) -> Result<()> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if begins && text.len() <= LONGEST && text.chars().all(is_fine) && !text.contains("..") {
        return Ok(());
    }
    let why = format!(
        "it must be of 1 to {LONGEST} letters, digits, `.`, `_`, `-` and `+`, begin with a letter, a \
         digit or `_`, and have no two dots in a row"
    );
    Err(Error::invalid(what, escape_line(text), why))
}

/// Refuses what is no environment: small letters, digits, `_` and `-`, as in a tag of docker's.
pub(super) fn check_env(text: &str) -> Result<()> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && text.len() <= 32 && text.chars().all(is_fine) {
        return Ok(());
    }
    let why = "it must be of 1 to 32 small letters, digits, `_` and `-`";
    Err(Error::invalid("environment", escape_line(text), why))
}

/// A moment, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    seconds: i64,
}

impl Stamp {
    /// The stamp of a second after 1970-01-01T00:00:00Z.
    pub fn of_seconds(seconds: i64) -> Result<Self> {
        if (0..=LAST_SECOND).contains(&seconds) {
            return Ok(Self { seconds });
        }
        let why = "it must be in the years 1970 to 9999";
        Err(Error::invalid("time", seconds.to_string(), why))
    }

    /// The stamp of a time.
    pub fn of(time: Timestamp) -> Result<Self> {
        Self::of_seconds(time.unix_ms().div_euclid(1000))
    }

    /// What [`Stamp::time`] wrote.
    pub fn parse_time(text: &str) -> Option<Self> {
        let time: Timestamp = format!("{}.000Z", text.strip_suffix('Z')?).parse().ok()?;
        Self::of(time).ok()
    }

    /// `2026-11-21T09:28:10Z`.
    pub fn time(self) -> String {
        let text = Timestamp::from_unix_ms(self.seconds * 1000).to_string();
        format!("{}Z", &text[..19])
    }

    /// `20261121-092810Z`, as in a tag of docker's.
    pub fn for_docker(self) -> String {
        let digits = |it: &str| it.chars().filter(char::is_ascii_digit).collect::<String>();
        let time = self.time();
        format!("{}-{}Z", digits(&time[..10]), digits(&time[10..]))
    }
}

impl fmt::Display for Stamp {
    /// `2026-11-21T092810Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.time().replace(':', ""))
    }
}

/// What the files of a bundle begin with.
pub(super) fn stem(name: &str, version: &str, stamp: Stamp) -> String {
    format!("{name}-{version}-{stamp}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_leads_nowhere() {
        for bad in
            ["", "../x", "a/b", "-a", ".a", "a..b", "a b", "a\n", "a\\b", "é", "a;b", "$a", "*"]
        {
            assert!(check_word("version", bad).is_err(), "{bad:?}");
        }
        assert!(check_word("version", &"a".repeat(101)).is_err());
        for good in ["v1.0.1", "git-0123abc", "1", "_codex_", "v1.0.0-rc.1+build_5"] {
            assert!(check_word("version", good).is_ok(), "{good}");
        }
        for bad in ["", "Prod", "-a", "a.b", "a/b", "a:b"] {
            assert!(check_env(bad).is_err(), "{bad:?}");
        }
        assert!(check_env("prod").is_ok() && check_env("dev-2").is_ok());
    }

    #[test]
    fn stamps() {
        let stamp = Stamp::of_seconds(1_795_253_290).unwrap();
        assert_eq!(stamp.to_string(), "2026-11-21T092810Z");
        assert_eq!(stamp.time(), "2026-11-21T09:28:10Z");
        assert_eq!(stamp.for_docker(), "20261121-092810Z");
        assert_eq!(Stamp::parse_time(&stamp.time()), Some(stamp));
        for bad in ["2026-11-21T092810Z", "2026-11-21T09:28:10", "2026-13-21T09:28:10Z", "", "Z"] {
            assert_eq!(Stamp::parse_time(bad), None, "{bad}");
        }
        assert!(Stamp::of_seconds(-1).is_err() && Stamp::of_seconds(LAST_SECOND + 1).is_err());
        assert_eq!(stem("a", "v1", stamp), "a-v1-2026-11-21T092810Z");
    }
}
