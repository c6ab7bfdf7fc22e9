//! The bytes of an item or a file, however many: in memory, as their frame, or in the spool.
//!
//! Promises: their SHA-256 is known before anybody gets one of them, and what does not fit into a
//! command's share of memory is decoded or read again whenever it is needed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::blob::{self, Encoded, Encoder, Frame};
use crate::error::{Error, Result};
use crate::fs::{Part, Spool, TempFile};
use crate::git::{Bytes, Repository};
use crate::model::{Digest, Digester, GitOid};

/// Bytes, and their SHA-256. A clone shares them.
#[derive(Debug, Clone)]
pub struct Content {
    sha256: Digest,
    size_bytes: u64,
    held: Held,
    /// Whether the digest is of what a file gave back.
    is_read_back: bool,
}

#[derive(Debug, Clone)]
enum Held {
    Memory(Arc<Vec<u8>>),
    /// A frame that was decoded once and found to be true. A few kilobytes may stand for more bytes
    /// than a disk has room for.
    Frame(Arc<Frame>),
    Spool(Part),
}

impl Content {
    /// These bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        let (sha256, size_bytes) = (Digest::of(&bytes), bytes.len() as u64);
        Self { sha256, size_bytes, held: Held::Memory(Arc::new(bytes)), is_read_back: false }
    }

    /// These bytes, of which this digest was computed.
    pub(super) fn of_verified(bytes: Vec<u8>, sha256: Digest) -> Self {
        let size_bytes = bytes.len() as u64;
        Self { sha256, size_bytes, held: Held::Memory(Arc::new(bytes)), is_read_back: false }
    }

    /// What `frame` decodes to, if that has this size and digest.
    pub(super) fn of_frame(
        spool: &Spool,
        frame: Frame,
        size_bytes: u64,
        sha256: Digest,
    ) -> Result<Self> {
        let held = if spool.gives_memory(size_bytes) {
            Held::Memory(Arc::new(blob::decode(&frame, size_bytes, &sha256)?))
        } else if spool.gives_memory(frame.held_bytes() as u64) {
            blob::check(&frame, size_bytes, &sha256)?;
            Held::Frame(Arc::new(frame))
        } else {
            let decoded = spool.put(|out| blob::decode_to(&frame, size_bytes, &sha256, out))?;
            Held::Spool(decoded.0)
        };
        Ok(Self { sha256, size_bytes, held, is_read_back: false })
    }

    /// The blob `oid`, which has `size_bytes` bytes; `None` where git does not have it.
    pub(super) fn of_blob(
        spool: &Spool,
        repository: &Repository,
        oid: &GitOid,
        size_bytes: u64,
    ) -> Result<Option<Self>> {
        if spool.gives_memory(size_bytes) {
            return Ok(repository.blob(oid)?.map(Self::of));
        }
        let (content, there) = Self::put(spool, |out| repository.stream_blob(oid, out))?;
        Ok(there.then_some(content))
    }

    /// What the file at `path` holds.
    pub(super) fn of_file(spool: &Spool, path: &Path) -> Result<Self> {
        let failed = || Error::io("read", path);
        let mut file = File::open(path).map_err(failed())?;
        let size_bytes = file.metadata().map_err(failed())?.len();
        if spool.gives_memory(size_bytes) {
            let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
            // One that grows meanwhile is another file than was planned with.
            file.take(size_bytes).read_to_end(&mut bytes).map_err(failed())?;
            return Ok(Self::of(bytes));
        }
        let copy = |out: &mut dyn Write| io::copy(&mut file, out).map_err(failed());
        Ok(Self::put(spool, copy)?.0)
    }

    /// What `fill` writes into the spool.
    pub(super) fn put<T>(
        spool: &Spool,
        fill: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<(Self, T)> {
        let (part, (value, (sha256, size_bytes))) = spool.put(|out| {
            let mut both = Both { out, digester: Digester::default() };
            let value = fill(&mut both)?;
            Ok((value, both.digester.finish()))
        })?;
        let held = Held::Spool(part);
        Ok((Self { sha256, size_bytes, held, is_read_back: false }, value))
    }

    /// A part of a spool, which was read back and has this digest.
    pub(super) fn read_back(part: Part, sha256: Digest) -> Self {
        let size_bytes = part.size_bytes();
        Self { sha256, size_bytes, held: Held::Spool(part), is_read_back: true }
    }

    /// Makes `temp` hold the bytes; whether they were read back out of it. What is alone in `spool` is
    /// not written twice: its file becomes the temporary file.
    pub(super) fn fill(&self, spool: &Spool, temp: &mut TempFile) -> Result<bool> {
        if let Held::Spool(part) = &self.held
            && let Some(file) = spool.give_away(part)
            && temp.adopt(&file)?
        {
            return Ok(self.is_read_back);
        }
        temp.fill(|out| self.write_to(out)).map(|()| false)
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// Fills `buffer` with the bytes from `offset` on.
    pub(super) fn read_part(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.held {
            Held::Spool(part) => part.read_at(offset, buffer),
            Held::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.get(start..).and_then(|it| it.get(..buffer.len()));
                buffer.copy_from_slice(rest.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Held::Frame(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The bytes, compressed as the archive stores them.
    pub(super) fn encode(&self) -> Result<Encoded> {
        match self.in_memory() {
            Some(bytes) => Encoder::new()?.encode(bytes),
            None => blob::encode_parts(self.size_bytes, &self.sha256, |out| self.write_to(out)),
        }
    }
}

impl Bytes for Content {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn in_memory(&self) -> Option<&[u8]> {
        match &self.held {
            Held::Memory(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.held {
            Held::Memory(bytes) => out.write_all(bytes),
            Held::Spool(part) => part.write_to(out),
            Held::Frame(frame) => {
                match blob::decode_to(frame, self.size_bytes, &self.sha256, out) {
                    Err(Error::Io { source, .. }) => Err(source),
                    other => other.map_err(io::Error::other),
                }
            }
        }
    }
}

/// Hashes what it hands on.
struct Both<'a> {
    out: &'a mut dyn Write,
    digester: Digester,
}

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digester.write_all(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spool that gives no memory any more.
    fn full(folder: &Path) -> Spool {
        let spool = Spool::new(vec![folder.to_path_buf()]);
        while spool.gives_memory(1 << 20) {}
        spool
    }

    fn bytes_of(content: &Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        content.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn wherever_it_is_held_it_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 7) as u8).collect();
        let file = dir.path().join("file");
        std::fs::write(&file, &bytes).unwrap();
        let encoded = Encoder::new().unwrap().encode(&bytes).unwrap();
        let (size, sha256) = (encoded.size_bytes, encoded.sha256);
        let of_frame = |spool: &Spool| {
            Content::of_frame(spool, Frame::alone(encoded.frame.clone()), size, sha256).unwrap()
        };
        let roomy = Spool::new(Vec::new());
        let narrow = Spool::new(vec![dir.path().to_path_buf()]);
        while narrow.gives_memory(2 << 20) {}
        assert!(narrow.gives_memory(0) && encoded.frame.len() < 1 << 20);
        let narrow_left = |spool: &Spool| of_frame(spool);
        for (content, is_in_memory) in [
            (of_frame(&roomy), true),
            (narrow_left(&narrow), false),
            (of_frame(&full(dir.path())), false),
            (Content::of_file(&roomy, &file).unwrap(), true),
            (Content::of_file(&full(dir.path()), &file).unwrap(), false),
            (Content::of(bytes.clone()), true),
        ] {
            assert_eq!((content.sha256(), content.size_bytes()), (sha256, size));
            assert_eq!(content.in_memory().is_some(), is_in_memory);
            assert_eq!(bytes_of(&content), bytes);
            let again = content.encode().unwrap();
            assert_eq!(blob::decode(&Frame::alone(again.frame), size, &sha256).unwrap(), bytes);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_true_is_not_held() {
        let dir = tempfile::tempdir().unwrap();
        let encoded = Encoder::new().unwrap().encode(&vec![7; 3_000_000]).unwrap();
        for spool in [Spool::new(Vec::new()), full(dir.path())] {
            for (size, sha256) in [
                (encoded.size_bytes + 1, encoded.sha256),
                (encoded.size_bytes, Digest::ZERO),
                (1 << 40, encoded.sha256),
            ] {
                let frame = Frame::alone(encoded.frame.clone());
                assert!(Content::of_frame(&spool, frame, size, sha256).is_err(), "{size}");
            }
        }
    }
}
