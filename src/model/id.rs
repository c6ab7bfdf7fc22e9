//! Ids and digests: parsed once, compared as bytes, written one way.

use std::fmt;
use std::io;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::label::RepoLabel;
use super::path::RepoPath;

/// A SHA-256 digest; 64 small hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest that stands before the first record of a log.
    pub const ZERO: Self = Self([0; 32]);

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest out of its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A digest out of a database column; `None` when it is not 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 hex digits, which name a segment.
    pub fn short(&self) -> String {
        hex(&self.0[..8])
    }
}

/// A [`Digest`] of bytes that come in parts.
#[derive(Debug, Default)]
pub struct Digester {
    hasher: Sha256,
    size_bytes: u64,
}

impl Digester {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// The digest of all that came, and how many bytes that was.
    pub fn finish(self) -> (Digest, u64) {
        (Digest(self.hasher.finalize().into()), self.size_bytes)
    }
}

impl io::Write for Digester {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        unhex(text).and_then(|bytes| Self::from_slice(&bytes)).ok_or(())
    }
}

/// A git object id: 20 bytes (SHA-1 repositories) or 32 (SHA-256 ones).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitOid {
    bytes: [u8; 32],
    len: u8,
}

impl GitOid {
    /// An object id out of its bytes; `None` unless there are 20 or 32.
    pub fn from_slice(slice: &[u8]) -> Option<Self> {
        if slice.len() != 20 && slice.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..slice.len()].copy_from_slice(slice);
        Some(Self { bytes, len: slice.len() as u8 })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }

    /// Whether it is all zeros, git's way to say "none".
    pub fn is_zero(&self) -> bool {
        self.bytes == [0; 32]
    }
}

impl fmt::Display for GitOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.as_bytes()))
    }
}

impl fmt::Debug for GitOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitOid({self})")
    }
}

impl FromStr for GitOid {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        unhex(text).and_then(|bytes| Self::from_slice(&bytes)).ok_or(())
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// An id out of a database column; `None` when it is not 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ();
            /// Takes the hyphenated form in small letters only.
            fn from_str(text: &str) -> Result<Self, ()> {
                let id = Self(Uuid::try_parse(text).map_err(|_| ())?);
                if id.to_string() == text { Ok(id) } else { Err(()) }
            }
        }
    };
}

uuid_id!(
    /// The id of an item, and of the tombstone that stands for it.
    TombstoneId
);
uuid_id!(
    /// The id of one command's work.
    DeedId
);
uuid_id!(
    /// The id of an evidence log.
    LogId
);
uuid_id!(
    /// The id of an archive.
    ArchiveId
);

uuid_id!(
    /// The id of one clone among those that share an archive.
    CloneId
);

uuid_id!(
    /// The id of an entry of memory.
    EntryId
);

impl TombstoneId {
    /// The id of `path` with the content `sha256` in the repository `label`: a pure function, so
    /// that two clones that archive the same file agree. A UUID of version 8 (RFC 9562) over
    /// SHA-256 of `codex-archive/item/v1` 00 label 00 path 00 digest.
    pub fn derive(label: &RepoLabel, path: &RepoPath, sha256: &Digest) -> Self {
        let mut hasher = Sha256::new();
        for part in
            [b"codex-archive/item/v1".as_slice(), label.as_str().as_bytes(), path.as_bytes()]
        {
            hasher.update(part);
            hasher.update([0]);
        }
        hasher.update(sha256.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(Uuid::from_bytes(bytes))
    }
}

impl DeedId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl EntryId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The first and the last id that begin with `text`; `None` where none does.
    pub fn range_of(text: &str) -> Option<(Self, Self)> {
        const FIRST: &str = "00000000-0000-0000-0000-000000000000";
        let rest = FIRST.get(text.len()..)?;
        let last = rest.replace('0', "f");
        Some((format!("{text}{rest}").parse().ok()?, format!("{text}{last}").parse().ok()?))
    }
}

impl CloneId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl LogId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl ArchiveId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// `bytes` as small hex digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[(byte >> 4) as usize] as char);
        text.push(DIGITS[(byte & 15) as usize] as char);
    }
    text
}

/// The bytes of small hex digits; `None` on anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tombstone_id_is_a_pure_function_of_version_8() {
        let label = RepoLabel::new("_codex_").unwrap();
        let path = RepoPath::new(b"src/a.py").unwrap();
        let id = TombstoneId::derive(&label, &path, &Digest::of(b"x\n"));
        assert_eq!(id, TombstoneId::derive(&label, &path, &Digest::of(b"x\n")));
        assert_ne!(id, TombstoneId::derive(&label, &path, &Digest::of(b"y\n")));
        let text = id.to_string();
        assert_eq!(text.as_bytes()[14], b'8', "{text}");
        assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse::<TombstoneId>(), Err(()));
    }

    #[test]
    fn hex_takes_small_digits_only() {
        assert_eq!(unhex("00ff"), Some(vec![0, 255]));
        for bad in ["0", "0G", "FF", " 0"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
