//! Decoding one member of a run, as its stored bytes come in.

use std::io;

use sha2::{Digest as _, Sha256};
use zstd::stream::raw::{self, Operation as _};
use zstd::zstd_safe::{InBuffer, OutBuffer};

use crate::error::{Error, Result};
use crate::model::Digest;

/// What is decoded at once.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// What may stand before a member, decoded: a run that was made to keep us busy has more.
pub(super) const BEFORE_BYTES: u64 = 64 << 20;

/// Decodes a member of a run and hashes it.
pub struct Decoder {
    raw: raw::Decoder<'static>,
    buffer: Vec<u8>,
    hasher: Sha256,
    /// Stored bytes of other members that are still to come.
    before: u64,
    /// Decoded bytes of other members.
    passed: u64,
    seen: u64,
    size_bytes: u64,
    sha256: Digest,
}

impl Decoder {
    /// For a member of `size_bytes` bytes with the digest `sha256`, behind `before` stored bytes of
    /// other members.
    pub fn new(before: u64, size_bytes: u64, sha256: Digest) -> Result<Self> {
        Ok(Self {
            raw: raw::Decoder::new().map_err(Error::io("prepare to decode", "content"))?,
            buffer: vec![0; BUFFER_BYTES],
            hasher: Sha256::new(),
            before,
            passed: 0,
            seen: 0,
            size_bytes,
            sha256,
        })
    }

    /// Takes the next stored bytes; `each` gets what they decode to. [`Error::Io`] is what `each`
    /// said, and nothing else.
    pub fn feed(
        &mut self,
        stored: &[u8],
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        let others = stored.len().min(usize::try_from(self.before).unwrap_or(usize::MAX));
        let (others, own) = stored.split_at(others);
        self.before -= others.len() as u64;
        self.decode(others, true, &mut |_| Ok(()))?;
        self.decode(own, false, each)
    }

    fn decode(
        &mut self,
        stored: &[u8],
        is_passed: bool,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        let mut input = InBuffer::around(stored);
        // What is left inside comes out although nothing goes in.
        let mut is_full = false;
        while input.pos() < stored.len() || is_full {
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            let decoded = self.raw.run(&mut input, &mut output);
            let len = output.pos();
            if let Err(error) = decoded {
                return Err(self.damaged(format!("it does not decode: {error}").to_lowercase()));
            }
            is_full = len == BUFFER_BYTES;
            if is_passed {
                self.pass(len as u64)?;
            } else {
                self.take(len, each)?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, len: u64) -> Result<()> {
        self.passed += len;
        if self.passed > BEFORE_BYTES {
            return Err(self.damaged("its run holds more than a run may".to_owned()));
        }
        Ok(())
    }

    fn take(&mut self, len: usize, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<()> {
        let part = &self.buffer[..len];
        self.seen += part.len() as u64;
        // Nothing beyond the declared size is handed on, or even decoded.
        if self.seen > self.size_bytes {
            return Err(self.wrong_size());
        }
        self.hasher.update(part);
        each(part).map_err(Error::io("write", "content"))
    }

    /// Checks that it was all, and the declared content.
    pub fn finish(self) -> Result<()> {
        if self.seen != self.size_bytes {
            return Err(self.wrong_size());
        }
        let found = Digest::from_bytes(self.hasher.clone().finalize().into());
        if found != self.sha256 {
            return Err(self.damaged(format!("its content has SHA-256 {found}")));
        }
        Ok(())
    }

    fn wrong_size(&self) -> Error {
        self.damaged(format!("it does not decode to {} bytes", self.size_bytes))
    }

    fn damaged(&self, why: String) -> Error {
        Error::damaged("artifact", self.sha256.to_string(), why)
    }
}
