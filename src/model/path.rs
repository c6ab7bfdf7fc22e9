//! Paths inside a repository, and their one spelling as text.
//!
//! The bytes are git's. The text (in stubs, records, JSON, tables) is UTF-8 with `%XX` where a
//! byte could break a line, a comment or a terminal; docs/formats.md has the rule.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};

/// A path relative to the work tree's top: no empty part, no `.` or `..`, not absolute, no NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// A path out of git's bytes.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let path = Self(bytes.to_vec());
        let bad_part = |part: &[u8]| matches!(part, b"" | b"." | b"..");
        if bytes.contains(&0) || bytes.split(|b| *b == b'/').any(bad_part) {
            return Err(Error::invalid(
                "path",
                path.to_string(),
                "it must be relative to the top of the work tree, without `.`, `..` or empty parts",
            ));
        }
        Ok(path)
    }

    /// A path out of its text; `None` unless the text is the one spelling of a valid path.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            if first == b'%' {
                let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &tail[2..];
            } else {
                bytes.push(first);
                rest = tail;
            }
        }
        let path = Self::new(&bytes).ok()?;
        (path.to_string() == text).then_some(path)
    }

    /// The path as text, if nothing in it can need an escape, as in nearly all paths.
    fn plain(&self) -> Option<&str> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
        let is_easy = self.0.iter().all(is_plain) && !self.0.windows(2).any(|two| two == b"--");
        if is_easy { std::str::from_utf8(&self.0).ok() } else { None }
    }

    /// git's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path for the file system, still relative to the work tree's top.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The last part.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or(&self.0)
    }

    /// The bytes after the last dot of the file name, if a dot stands after its first byte.
    pub fn extension(&self) -> Option<&[u8]> {
        let name = self.file_name();
        let dot = name.iter().rposition(|b| *b == b'.')?;
        (dot > 0).then(|| &name[dot + 1..])
    }

    /// Whether the path lies in the folder `prefix` (no slash at its end).
    pub fn is_in(&self, prefix: &str) -> bool {
        self.0.strip_prefix(prefix.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
    }
}

/// Whether a character turns the direction of the text around it.
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a part of `path` is `.git` in a spelling that some file system takes for it: small and
/// capital letters, characters that HFS+ ignores, the short names, trailing dots and streams of
/// NTFS, and its other slash.
pub fn names_git_folder(path: &[u8]) -> bool {
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(is_git_folder)
}

fn is_git_folder(part: &[u8]) -> bool {
    // Most parts are decided by their first letters, and every path of a large tree comes here.
    if !part.first().is_some_and(|byte| matches!(byte, b'.' | b'g' | b'G' | 0x80..)) {
        return false;
    }
    let ignored = |c: &char| {
        matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}')
            || *c == '\u{feff}'
    };
    let text = String::from_utf8_lossy(part);
    let plain: String = text.chars().filter(|c| !ignored(c)).flat_map(char::to_lowercase).collect();
    let name = plain.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    name == ".git" || name.starts_with("git~")
}

fn must_escape(c: char) -> bool {
    // U+2028 and U+2029 end a line, and with it a `//` comment, in JavaScript and its relatives.
    c < '\u{21}'
        || matches!(c, '\u{7f}'..='\u{9f}' | '%' | '"' | '\\' | '\u{2028}' | '\u{2029}')
        || is_bidi_control(c)
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "%{byte:02X}"))
        };
        if let Some(plain) = self.plain() {
            return f.write_str(plain);
        }
        // A `--` would end an XML comment and `*/` a C one: the last byte of each is escaped.
        let mut before = '\0';
        for chunk in self.0.utf8_chunks() {
            let text = chunk.valid();
            let mut plain = 0;
            for (at, c) in text.char_indices() {
                let closes = matches!((before, c), ('-', '-') | ('*', '/'));
                if closes || must_escape(c) {
                    f.write_str(&text[plain..at])?;
                    escape(f, c.encode_utf8(&mut [0; 4]).as_bytes())?;
                    plain = at + c.len_utf8();
                }
                before = c;
            }
            f.write_str(&text[plain..])?;
            escape(f, chunk.invalid())?;
            if !chunk.invalid().is_empty() {
                before = '\0';
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoPath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (raw, text) in [
            (b"src/a.py".as_slice(), "src/a.py"),
            (b"a b", "a%20b"),
            (b"a\nb\x7f", "a%0Ab%7F"),
            (b"50%\"\\", "50%25%22%5C"),
            (b"\xff\xfe", "%FF%FE"),
            ("\u{85}\u{202e}é".as_bytes(), "%C2%85%E2%80%AEé"),
            (b"a--b---c", "a-%2Db-%2D%2Dc"),
            (b"x*/y", "x*%2Fy"),
        ] {
            let path = RepoPath::new(raw).unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(RepoPath::parse(text), Some(path), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in
            ["%61", "a%2fb", "a%", "a%0", "a b", "a--b", "", "/a", "a//b", "a/../b", "./a", "a/"]
        {
            assert_eq!(RepoPath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn git_folders_in_every_spelling() {
        for bad in [
            ".git",
            ".git/config",
            "a/.GIT/x",
            ".giT",
            "git~1/config",
            "GIT~12",
            ".git.",
            ".git ",
            ".git . ./x",
            ".git::$INDEX_ALLOCATION/config",
            "a\\.git\\config",
            ".g\u{200c}it/hooks",
            "\u{feff}.git",
            ".gi\u{202e}t/x",
            "\u{200d}git~1",
        ] {
            assert!(names_git_folder(bad.as_bytes()), "{bad}");
        }
        for good in [
            ".gitignore",
            ".github/x",
            "git",
            "src/git.rs",
            "gita~1",
            ".git-x",
            "a.git/config",
            ".gitx.",
            "x:.git",
        ] {
            assert!(!names_git_folder(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn extension_needs_a_name_before_the_dot() {
        let ext = |raw: &[u8]| RepoPath::new(raw).unwrap().extension().map(<[u8]>::to_vec);
        assert_eq!(ext(b"a/b.tar.gz"), Some(b"gz".to_vec()));
        assert_eq!(ext(b"a.b/c"), None);
        assert_eq!(ext(b".bashrc"), None);
    }
}
