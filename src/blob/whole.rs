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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Encoder;

    #[test]
    fn a_run_decodes_to_its_size_or_not_at_all() {
        let members: [&[u8]; 3] = [b"one, one, one", b"", b"two, two, one"];
        let content = members.concat();
        let run = Encoder::new().unwrap().encode_run(&members).unwrap();
        let mut decoder = RunDecoder::new().unwrap();
        let size = content.len() as u64;
        for _ in 0..2 {
            assert_eq!(decoder.decode(&run.bytes, size), Some(content.as_slice()));
            assert_eq!(decoder.decode(&run.bytes, size - 1), None);
            assert_eq!(decoder.decode(&run.bytes, size + 1), None);
            assert_eq!(decoder.decode(&run.bytes, u64::MAX), None);
            let torn = &run.bytes[..run.bytes.len() - 1];
            assert_eq!(decoder.decode(torn, size), None);
            assert_eq!(decoder.decode(b"no frame", size), None);
        }
    }
}
