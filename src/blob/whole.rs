//! Decoding all of a run in one piece, for whoever reads most of its members.

use zstd::bulk::Decompressor;

use super::decoder::BEFORE_BYTES;
use crate::error::{Error, Result};

/// Decodes one run after the other, in the same memory.
pub struct RunDecoder {
    zstd: Decompressor<'static>,
    content: Vec<u8>,
}

impl RunDecoder {
    /// A decoder.
    pub fn new() -> Result<Self> {
        let zstd = Decompressor::new().map_err(Error::io("prepare to decode", "content"))?;
        Ok(Self { zstd, content: Vec::new() })
    }

    /// The content of all members of a run, one behind the other, if that is exactly `size_bytes`
    /// bytes. Nothing of it is hashed yet. `None` of a run that is damaged, which [`super::RunReader`]
    /// reads as far as it goes.
    pub fn decode(&mut self, stored: &[u8], size_bytes: u64) -> Option<&[u8]> {
        let size = usize::try_from(size_bytes).ok().filter(|_| size_bytes <= BEFORE_BYTES)?;
        self.content.clear();
        self.content.reserve(size);
        let decoded = self.zstd.decompress_to_buffer(stored, &mut self.content).ok()?;
        (decoded == size).then_some(self.content.as_slice())
    }
}
