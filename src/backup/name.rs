//! What backups are called, and where they stand below their destination.
//!
//! `YYYY/MM-DD/<name>[-suffix]-<YYYYMMDDTHHMMSSZ>.tar.gz[.gpg]`, with `.sha256` behind that beside it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// What a plain backup ends with.
const PLAIN: &str = ".tar.gz";

/// What an encrypted one ends with beside that.
const SEALED: &str = ".gpg";

/// What the file with a backup's digest ends with beside that.
pub(super) const CHECKSUM: &str = ".sha256";

/// Characters of a stamp: `20261121T092810Z`.
const STAMP_LEN: usize = 16;

/// What stands behind a backup's name: 1 to 64 letters, digits, `.` and `_`. A dash would make it
/// part of another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suffix(String);

impl FromStr for Suffix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        if text.is_empty() || text.len() > 64 || !text.chars().all(is_fine) {
            let why = "it must be of 1 to 64 letters, digits, `.` and `_`";
            return Err(Error::invalid("suffix", crate::model::escape_line(text), why));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The moment of a backup, to the second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(String);

impl Stamp {
    /// The stamp of a time.
    pub fn of(time: Timestamp) -> Self {
        let text = time.to_string();
        let digits: String = text[..19].chars().filter(|c| !matches!(c, '-' | ':')).collect();
        Self(format!("{digits}Z"))
    }

    fn parse(text: &str) -> Option<Self> {
        let shape = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        let fits = text.len() == STAMP_LEN && text.bytes().enumerate().all(shape);
        fits.then(|| Self(text.to_owned()))
    }

    /// `2026-11-21T09:28:10Z`.
    pub fn time(&self) -> String {
        let it = &self.0;
        format!(
            "{}-{}-{}T{}:{}:{}Z",
            &it[..4],
            &it[4..6],
            &it[6..8],
            &it[9..11],
            &it[11..13],
            &it[13..15]
        )
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a backup's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackupName {
    /// The name of what is backed up and, behind a dash, the suffix.
    pub stem: String,
    /// When.
    pub stamp: Stamp,
    /// Whether it is encrypted.
    pub is_sealed: bool,
}

impl BackupName {
    /// The backup that a file of this name is; `None` for any other file.
    pub fn parse(file: &str) -> Option<Self> {
        let is_sealed = file.ends_with(SEALED);
        let plain = file.strip_suffix(SEALED).unwrap_or(file).strip_suffix(PLAIN)?;
        let (stem, stamp) = plain.rsplit_once('-')?;
        let stamp = Stamp::parse(stamp)?;
        (!stem.is_empty()).then(|| Self { stem: stem.to_owned(), stamp, is_sealed })
    }

    /// Its folder below the destination.
    pub fn folder(&self) -> PathBuf {
        let it = &self.stamp.0;
        PathBuf::from(&it[..4]).join(format!("{}-{}", &it[4..6], &it[6..8]))
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed = if self.is_sealed { SEALED } else { "" };
        write!(f, "{}-{}{PLAIN}{sealed}", self.stem, self.stamp.0)
    }
}

/// The name of what is backed up, with its suffix.
pub(super) fn stem(name: &str, suffix: Option<&Suffix>) -> String {
    suffix.map_or_else(|| name.to_owned(), |suffix| format!("{name}-{suffix}"))
}

/// A folder's name as part of a file's name: without the dot before it, and nothing unusual in it.
pub(super) fn plain_name(folder: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = folder.trim_start_matches('.');
    let name: String = name.chars().map(|c| if is_fine(c) { c } else { '_' }).take(100).collect();
    if name.is_empty() { "data".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let stamp = Stamp::of(Timestamp::from_unix_ms(1_795_253_290_123));
        for (stem, is_sealed) in [("codex-1a2b3c4d", false), ("codex-api-prod", true), ("a", true)]
        {
            let name = BackupName { stem: stem.to_owned(), stamp: stamp.clone(), is_sealed };
            assert_eq!(BackupName::parse(&name.to_string()), Some(name.clone()));
            assert_eq!(name.folder(), PathBuf::from("2026/11-21"));
        }
        assert_eq!(stamp.time(), "2026-11-21T09:28:10Z");
    }

    #[test]
    fn other_files_are_no_backups() {
        for name in [
            "my-photos.tar.gz",
            "codex-20261121T092810Z.tar",
            "codex-20261121T092810Z.tar.gz.sha256",
            "-20261121T092810Z.tar.gz",
            "codex-20261121T092810.tar.gz",
            "codex-2026112-T092810Z.tar.gz",
            "codex-20261121T092810Z.tar.gz.gpg.gpg",
            ".codex-tmp-codex-20261121T092810Z.tar.gz.1",
        ] {
            assert_eq!(BackupName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_suffix_stays_one() {
        for bad in ["", "a/b", "../x", "a-b", "a b", "é", "a\n"] {
            assert!(bad.parse::<Suffix>().is_err(), "{bad:?}");
        }
        assert!("prod.1_x".parse::<Suffix>().is_ok());
    }

    #[test]
    fn folders_give_plain_names() {
        assert_eq!(plain_name(".codex"), "codex");
        assert_eq!(plain_name(".codex-api"), "codex-api");
        assert_eq!(plain_name("a b/é"), "a_b__");
        assert_eq!(plain_name(".."), "data");
    }
}
