//! Content as stored: a piece of a run, known by the SHA-256 of what it decodes to.
//!
//! A run is one or more zstd frames, flushed after each member, so that each member is a piece of
//! it. A member is decoded behind all that stand before it: they are its dictionary.
//!
//! Promises: what [`Encoder`] returns has been decoded again and compared; what [`decode`] returns has
//! the declared size and digest. A frame that would decode to more than its declared size stops
//! there, and a large one costs memory only once it was found to be true.

mod decoder;
mod encoder;
mod reader;
mod whole;

use std::io::{self, Write};

use crate::error::Result;
use crate::model::Digest;

pub use decoder::Decoder;
pub use encoder::{Encoded, Encoder, Run, encode_parts};
pub use reader::RunReader;
pub use whole::RunDecoder;

/// Larger content is hashed in passing before memory is given to it.
const LARGE_BYTES: u64 = 32 << 20;

/// An artifact's stored bytes: those of its run up to its own end.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The bytes of the members before it, and its own.
    bytes: Vec<u8>,
    /// How many of them are not its own.
    before: usize,
}

impl Frame {
    /// A frame that is a run by itself.
    pub fn alone(bytes: Vec<u8>) -> Self {
        Self { bytes, before: 0 }
    }

    /// The member of `run` with `length` bytes behind `offset`; `None` where the run has none there.
    pub fn of_run(mut run: Vec<u8>, offset: u64, length: u64) -> Option<Self> {
        let end = usize::try_from(offset.checked_add(length)?).ok()?;
        if run.len() < end {
            return None;
        }
        run.truncate(end);
        Some(Self { bytes: run, before: usize::try_from(offset).ok()? })
    }

    /// Its own stored bytes.
    pub fn own(&self) -> &[u8] {
        &self.bytes[self.before..]
    }

    /// Bytes that it takes in memory.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Decodes `frame` and checks that it holds exactly `size_bytes` bytes with the digest `sha256`.
pub fn decode(frame: &Frame, size_bytes: u64, sha256: &Digest) -> Result<Vec<u8>> {
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
    frame: &Frame,
    size_bytes: u64,
    sha256: &Digest,
    out: &mut dyn Write,
) -> Result<()> {
    walk(frame, size_bytes, sha256, &mut |part| out.write_all(part))
}

/// Checks the same and keeps nothing of it.
pub fn check(frame: &Frame, size_bytes: u64, sha256: &Digest) -> Result<()> {
    walk(frame, size_bytes, sha256, &mut |_| Ok(()))
}

fn walk(
    frame: &Frame,
    size_bytes: u64,
    sha256: &Digest,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<()> {
    let mut decoder = Decoder::new(frame.before as u64, size_bytes, *sha256)?;
    decoder.feed(&frame.bytes, each)?;
    decoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Encoded {
        Encoder::new().unwrap().encode(b"some content, some content, some content\n").unwrap()
    }

    fn alone(encoded: &Encoded) -> Frame {
        Frame::alone(encoded.frame.clone())
    }

    /// A run of these members, and each as a frame of it.
    fn run(members: &[&[u8]]) -> (Run, Vec<Frame>) {
        let run = Encoder::new().unwrap().encode_run(members).unwrap();
        let mut offset = 0;
        let frames = run.lengths.iter().map(|length| {
            let frame = Frame::of_run(run.bytes.clone(), offset, *length).unwrap();
            offset += length;
            frame
        });
        let frames = frames.collect();
        assert_eq!(offset, run.bytes.len() as u64);
        (run, frames)
    }

    #[test]
    fn every_member_of_a_run_is_read_by_itself_and_in_any_order() {
        let large: Vec<u8> = (0..700_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
        let members: [&[u8]; 6] = [b"", b"one", &large, b"", b"one and two", &large[7..90_000]];
        for members in [&members[..], &members[..1], &members[3..4], &members[1..3]] {
            let (run, frames) = run(members);
            for (frame, content) in frames.iter().zip(members) {
                let (size, sha256) = (content.len() as u64, Digest::of(content));
                assert_eq!(decode(frame, size, &sha256).unwrap(), **content);
                assert!(check(frame, size + 1, &sha256).is_err());
                assert!(check(frame, size, &Digest::of(b"other")).is_err());
            }
            let mut reader = RunReader::new(run.bytes.clone()).unwrap();
            let mut places: Vec<usize> = (0..members.len()).collect();
            for _ in 0..places.len() {
                places.rotate_left(1);
                for at in &places {
                    let before = run.lengths[..*at].iter().sum::<u64>();
                    let place = (before, run.lengths[*at]);
                    let (size, sha256) = (members[*at].len() as u64, Digest::of(members[*at]));
                    assert_eq!(reader.member(place, size, &sha256).unwrap(), members[*at]);
                    assert!(reader.member(place, size, &Digest::of(b"other")).is_err());
                }
            }
            let end = run.bytes.len() as u64;
            assert!(reader.member((end, 1), 1, &Digest::of(b"x")).is_err());
            assert!(reader.member((u64::MAX, 2), 1, &Digest::of(b"x")).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_costs_members_from_there_on_and_none_before() {
        let text: Vec<String> = (0..9).map(|n| format!("member {n} ").repeat(50 + n)).collect();
        let members: Vec<&[u8]> = text.iter().map(String::as_bytes).collect();
        let (run, _) = run(&members);
        for at in 0..run.bytes.len() {
            let mut bytes = run.bytes.clone();
            bytes[at] ^= 0x10;
            let mut reader = RunReader::new(bytes).unwrap();
            let mut offset = 0;
            for (content, length) in members.iter().zip(&run.lengths) {
                let (size, sha256) = (content.len() as u64, Digest::of(content));
                match reader.member((offset, *length), size, &sha256) {
                    Ok(read) => assert_eq!(read, *content),
                    // The frame's head says how much it holds, for all of them.
                    Err(_) => assert!(offset + length > at as u64),
                }
                offset += length;
            }
        }
    }

    #[test]
    fn a_run_that_holds_too_much_is_left() {
        let bomb = zstd::bulk::compress(&vec![0; 80 << 20], 3).unwrap();
        let length = bomb.len() as u64;
        let (bytes, sha256) = (bomb.clone(), Digest::of(b"x"));
        assert!(RunReader::new(bytes).unwrap().member((0, length), 1, &sha256).is_err());
        let behind = Frame::of_run(bomb, length - 1, 1).unwrap();
        assert!(check(&behind, 1, &sha256).is_err());
    }

    #[test]
    fn round_trip() {
        for content in [b"".as_slice(), b"x", &[7; 5_000_000]] {
            let encoded = Encoder::new().unwrap().encode(content).unwrap();
            let back = decode(&alone(&encoded), content.len() as u64, &encoded.sha256).unwrap();
            assert_eq!(back, content);
            let size_bytes = content.len() as u64;
            let feed =
                |out: &mut dyn Write| content.chunks(999).try_for_each(|it| out.write_all(it));
            let parts = encode_parts(size_bytes, &encoded.sha256, feed).unwrap();
            assert_eq!(decode(&alone(&parts), size_bytes, &parts.sha256).unwrap(), content);
            assert!(encode_parts(size_bytes + 1, &encoded.sha256, feed).is_err());
            assert!(encode_parts(size_bytes, &Digest::ZERO, feed).is_err());
        }
    }

    #[test]
    fn any_flipped_bit_is_refused_or_harmless() {
        let encoded = sample();
        let whole = decode(&alone(&encoded), encoded.size_bytes, &encoded.sha256).unwrap();
        for at in 0..encoded.frame.len() * 8 {
            let mut frame = encoded.frame.clone();
            frame[at / 8] ^= 1 << (at % 8);
            if let Ok(content) = decode(&Frame::alone(frame), encoded.size_bytes, &encoded.sha256) {
                assert_eq!(content, whole);
            }
        }
    }

    #[test]
    fn a_false_size_and_a_bomb_are_refused() {
        let encoded = sample();
        for size in [0, encoded.size_bytes - 1, encoded.size_bytes + 1, u64::MAX] {
            assert!(decode(&alone(&encoded), size, &encoded.sha256).is_err(), "{size}");
            assert!(check(&alone(&encoded), size, &encoded.sha256).is_err(), "{size}");
        }
        assert!(check(&alone(&encoded), encoded.size_bytes, &encoded.sha256).is_ok());
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(decode(&Frame::alone(bomb), 1000, &encoded.sha256).is_err());
    }
}
