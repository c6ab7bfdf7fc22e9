//! Content as stored: one zstd frame, known by the SHA-256 of what it decodes to.
//!
//! Promises: what [`Encoder::encode`] returns has been decoded again and compared; what
//! [`decode`] returns has the declared size and digest. A frame that would decode to more than
//! its declared size stops there, and a large one costs memory only once it was found to be true.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::model::Digest;

/// Level of compression: the archive's cost is writing many small source files, where 3 leaves
/// most time and comes within a tenth of the best.
const LEVEL: i32 = 3;

/// Larger content is hashed in passing before memory is given to it.
const LARGE_BYTES: u64 = 32 << 20;

/// Content that was compressed and compared.
#[derive(Debug)]
pub struct Encoded {
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// The zstd frame.
    pub frame: Vec<u8>,
    /// SHA-256 of the frame, which lets a quick check work without decoding.
    pub frame_sha256: Digest,
}

/// Compresses content; keeps its working memory from one file to the next.
pub struct Encoder {
    compressor: zstd::bulk::Compressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Encoder {
    /// A new encoder, for one thread.
    pub fn new() -> Result<Self> {
        let failed = |e| Error::io("prepare compression for", "content")(e);
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(LEVEL).map_err(failed)?,
            decompressor: zstd::bulk::Decompressor::new().map_err(failed)?,
        })
    }

    /// Compresses `content`, decodes the result again and compares.
    pub fn encode(&mut self, content: &[u8]) -> Result<Encoded> {
        let failed = |e| Error::io("compress", "content")(e);
        let frame = self.compressor.compress(content).map_err(failed)?;
        let back = self.decompressor.decompress(&frame, content.len()).map_err(failed)?;
        if back != content {
            return Err(Error::damaged("artifact", "content", "it decodes to other bytes"));
        }
        Ok(Encoded {
            sha256: Digest::of(content),
            size_bytes: content.len() as u64,
            frame_sha256: Digest::of(&frame),
            frame,
        })
    }
}

/// Compresses what `feed` writes, content of `size_bytes` bytes with the digest `sha256`, in parts;
/// decodes the result again and checks that it is that content.
pub fn encode_parts(
    size_bytes: u64,
    sha256: &Digest,
    feed: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Encoded> {
    let encode = || {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
        encoder.set_pledged_src_size(Some(size_bytes))?;
        feed(&mut encoder)?;
        encoder.finish()
    };
    let frame = encode().map_err(Error::io("compress", "content"))?;
    check(&frame, size_bytes, sha256)?;
    Ok(Encoded { sha256: *sha256, size_bytes, frame_sha256: Digest::of(&frame), frame })
}

/// Decodes `frame` and checks that it holds exactly `size_bytes` bytes with the digest `sha256`.
pub fn decode(frame: &[u8], size_bytes: u64, sha256: &Digest) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    // The size is only a claim: it may not reserve memory.
    let known = if size_bytes > LARGE_BYTES {
        check(frame, size_bytes, sha256)?;
        size_bytes
    } else {
        size_bytes.min(1 << 20)
    };
    content.reserve(usize::try_from(known).unwrap_or(0));
    decode_to(frame, size_bytes, sha256, &mut content)?;
    Ok(content)
}

/// The same in little memory: decodes to `out`, which may have had false bytes when this fails.
///
/// [`Error::Io`] is what `out` said, and nothing else.
pub fn decode_to(
    frame: &[u8],
    size_bytes: u64,
    sha256: &Digest,
    out: &mut dyn Write,
) -> Result<()> {
    walk(frame, size_bytes, sha256, |part| out.write_all(part))
}

/// Checks the same and keeps nothing of it.
pub fn check(frame: &[u8], size_bytes: u64, sha256: &Digest) -> Result<()> {
    walk(frame, size_bytes, sha256, |_| Ok(()))
}

fn walk(
    frame: &[u8],
    size_bytes: u64,
    sha256: &Digest,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<()> {
    let damaged = |why: String| Error::damaged("artifact", sha256.to_string(), why);
    let words = |error: io::Error| damaged(format!("it does not decode: {error}").to_lowercase());
    let wrong_size = || damaged(format!("it does not decode to {size_bytes} bytes"));
    let mut decoder = zstd::stream::Decoder::with_buffer(frame).map_err(words)?.single_frame();
    let mut buffer = vec![0; 128 << 10];
    let mut hasher = Sha256::new();
    let mut seen = 0;
    loop {
        let part = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => &buffer[..len],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(words(error)),
        };
        seen += part.len() as u64;
        // Nothing beyond the declared size is handed on, or even decoded.
        if seen > size_bytes {
            return Err(wrong_size());
        }
        hasher.update(part);
        each(part).map_err(Error::io("write", "content"))?;
    }
    if seen != size_bytes {
        return Err(wrong_size());
    }
    let found = Digest::from_bytes(hasher.finalize().into());
    if found != *sha256 {
        return Err(damaged(format!("its content has SHA-256 {found}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Encoded {
        Encoder::new().unwrap().encode(b"some content, some content, some content\n").unwrap()
    }

    #[test]
    fn round_trip() {
        for content in [b"".as_slice(), b"x", &[7; 5_000_000]] {
            let encoded = Encoder::new().unwrap().encode(content).unwrap();
            let back = decode(&encoded.frame, content.len() as u64, &encoded.sha256).unwrap();
            assert_eq!(back, content);
            let size_bytes = content.len() as u64;
            let feed =
                |out: &mut dyn Write| content.chunks(999).try_for_each(|it| out.write_all(it));
            let parts = encode_parts(size_bytes, &encoded.sha256, feed).unwrap();
            assert_eq!(decode(&parts.frame, size_bytes, &parts.sha256).unwrap(), content);
            assert!(encode_parts(size_bytes + 1, &encoded.sha256, feed).is_err());
            assert!(encode_parts(size_bytes, &Digest::ZERO, feed).is_err());
        }
    }

    #[test]
    fn any_flipped_bit_is_refused_or_harmless() {
        let encoded = sample();
        let whole = decode(&encoded.frame, encoded.size_bytes, &encoded.sha256).unwrap();
        for at in 0..encoded.frame.len() * 8 {
            let mut frame = encoded.frame.clone();
            frame[at / 8] ^= 1 << (at % 8);
            if let Ok(content) = decode(&frame, encoded.size_bytes, &encoded.sha256) {
                assert_eq!(content, whole);
            }
        }
    }

    #[test]
    fn a_false_size_and_a_bomb_are_refused() {
        let encoded = sample();
        for size in [0, encoded.size_bytes - 1, encoded.size_bytes + 1, u64::MAX] {
            assert!(decode(&encoded.frame, size, &encoded.sha256).is_err(), "{size}");
            assert!(check(&encoded.frame, size, &encoded.sha256).is_err(), "{size}");
        }
        assert!(check(&encoded.frame, encoded.size_bytes, &encoded.sha256).is_ok());
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(decode(&bomb, 1000, &encoded.sha256).is_err());
    }
}
