//! `SHA256SUMS`: the digests of the tarballs in a folder, as `sha256sum` writes and checks them.
//!
//! Promises: lines of other files stay as they are.

use crate::model::Digest;

/// The file's name.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The longest file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// The line of a tarball: what `sha256sum TARBALL` prints.
pub(super) fn line(digest: &str, tarball: &str) -> String {
    format!("{digest}  {tarball}\n")
}

/// The lines of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums {
    lines: Vec<Vec<u8>>,
}

impl Sums {
    /// The lines of `text`.
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = match text {
            b"" => Vec::new(),
            text => text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
        };
        Self { lines }
    }

    /// The text of the file.
    pub fn render(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| [line, b"\n".as_slice()]).flatten().copied().collect()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What the file says of `tarball`; `None` where it says nothing, or two things.
    pub fn digest_of(&self, tarball: &str) -> Option<Digest> {
        let mut said = self.lines.iter().filter_map(|line| about(line, tarball));
        let digest = said.next()?.parse().ok()?;
        said.next().is_none().then_some(digest)
    }

    /// Gives `tarball` this digest, and no other.
    pub fn set(&mut self, tarball: &str, digest: &str) {
        let new = line(digest, tarball).trim_end().as_bytes().to_vec();
        let own = |line: &Vec<u8>| about(line, tarball).is_some();
        match self.lines.iter().position(own) {
            Some(at) => {
                self.lines[at] = new;
                let mut n = 0;
                self.lines.retain(|line| {
                    n += 1;
                    n == at + 1 || !own(line)
                });
            }
            None => self.lines.push(new),
        }
    }

    /// Takes `tarball` out.
    pub fn remove(&mut self, tarball: &str) {
        self.lines.retain(|line| about(line, tarball).is_none());
    }
}

/// The digest in a line, if it is about `tarball`: behind two spaces, or a space and `*`.
fn about<'a>(line: &'a [u8], tarball: &str) -> Option<&'a str> {
    let line = std::str::from_utf8(line).ok()?;
    let (digest, rest) = line.split_once(' ')?;
    let name = rest.strip_prefix(' ').or_else(|| rest.strip_prefix('*'))?;
    (name == tarball).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others_stay() {
        let a = "a".repeat(64);
        let b = "b".repeat(64);
        let text = format!("{a}  one\n# a remark\n{b} *two\n\n{a}  one");
        let mut sums = Sums::parse(text.as_bytes());
        assert_eq!(sums.digest_of("one"), None, "it is there twice");
        assert_eq!(sums.digest_of("two").unwrap().to_string(), b);
        sums.set("one", &b);
        assert_eq!(sums.digest_of("one").unwrap().to_string(), b);
        sums.set("three", &a);
        sums.remove("two");
        let expected = format!("{b}  one\n# a remark\n\n{a}  three\n");
        assert_eq!(String::from_utf8(sums.render()).unwrap(), expected);
        assert_eq!(Sums::parse(&sums.render()), sums);
        assert!(Sums::parse(b"").is_empty() && Sums::default().render().is_empty());
    }
}
