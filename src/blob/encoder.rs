//! Compressing content, alone or in a run of several.

use std::io::{self, Write};

use zstd::stream::raw::{self, Operation as _};
use zstd::zstd_safe::{CParameter, InBuffer, OutBuffer, compress_bound};

use super::{Frame, check};
use crate::error::{Error, Result};
use crate::model::Digest;

/// Level of compression: see docs/decisions/0036-runs.md.
const LEVEL: i32 = 3;

/// The last member of a run of 4 MiB still sees the first; the level alone would look back 2 MiB.
const WINDOW_LOG: u32 = 22;

/// What a flush may add to the stored bytes, at most.
const FLUSH_BYTES: usize = 64;

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

/// Several contents that were compressed together and compared.
#[derive(Debug)]
pub struct Run {
    /// One zstd frame, flushed after each member.
    pub bytes: Vec<u8>,
    /// SHA-256 of these bytes, which lets a quick check work without decoding.
    pub sha256: Digest,
    /// How many of the bytes are each member's, in their order.
    pub lengths: Vec<u64>,
}

/// Compresses content; keeps its working memory from one run to the next.
pub struct Encoder {
    raw: raw::Encoder<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
    back: Vec<u8>,
}

impl Encoder {
    /// A new encoder, for one thread.
    pub fn new() -> Result<Self> {
        let failed = |e| Error::io("prepare compression for", "content")(e);
        let mut raw = raw::Encoder::new(LEVEL).map_err(failed)?;
        raw.set_parameter(CParameter::WindowLog(WINDOW_LOG)).map_err(failed)?;
        Ok(Self {
            raw,
            decompressor: zstd::bulk::Decompressor::new().map_err(failed)?,
            back: Vec::new(),
        })
    }

    /// Compresses `content`, decodes the result again and compares.
    pub fn encode(&mut self, content: &[u8]) -> Result<Encoded> {
        let run = self.encode_run(&[content])?;
        Ok(Encoded {
            sha256: Digest::of(content),
            size_bytes: content.len() as u64,
            frame: run.bytes,
            frame_sha256: run.sha256,
        })
    }

    /// Compresses `members` into one run, decodes it again and compares.
    pub fn encode_run<M: AsRef<[u8]>>(&mut self, members: &[M]) -> Result<Run> {
        let total = members.iter().map(|it| it.as_ref().len()).sum();
        let (bytes, lengths) =
            self.compress(members, total).map_err(Error::io("compress", "content"))?;
        self.back.clear();
        self.back.reserve(total);
        let decoded = self.decompressor.decompress_to_buffer(&bytes, &mut self.back);
        decoded.map_err(Error::io("compress", "content"))?;
        let mut back = self.back.as_slice();
        for member in members.iter().map(AsRef::as_ref) {
            match back.split_at_checked(member.len()) {
                Some((same, rest)) if same == member => back = rest,
                _ => return Err(other_bytes()),
            }
        }
        if !back.is_empty() {
            return Err(other_bytes());
        }
        Ok(Run { sha256: Digest::of(&bytes), bytes, lengths })
    }

    fn compress<M: AsRef<[u8]>>(
        &mut self,
        members: &[M],
        total: usize,
    ) -> io::Result<(Vec<u8>, Vec<u64>)> {
        self.raw.reinit()?;
        self.raw.set_pledged_src_size(Some(total as u64))?;
        let mut bytes = Vec::with_capacity(compress_bound(total) + FLUSH_BYTES * members.len());
        let mut lengths = Vec::with_capacity(members.len());
        for (n, member) in members.iter().enumerate() {
            let before = bytes.len();
            let mut input = InBuffer::around(member.as_ref());
            while input.pos() < member.as_ref().len() {
                self.raw.run(&mut input, &mut room_behind(&mut bytes))?;
            }
            let is_last = n + 1 == members.len();
            loop {
                let mut output = room_behind(&mut bytes);
                let left = match is_last {
                    true => self.raw.finish(&mut output, true)?,
                    false => self.raw.flush(&mut output)?,
                };
                if left == 0 {
                    break;
                }
            }
            lengths.push((bytes.len() - before) as u64);
        }
        Ok((bytes, lengths))
    }
}

fn other_bytes() -> Error {
    Error::damaged("artifact", "content", "it decodes to other bytes")
}

/// The room behind what is in `bytes`, and some more where that has none left.
fn room_behind(bytes: &mut Vec<u8>) -> OutBuffer<'_, Vec<u8>> {
    if bytes.capacity() == bytes.len() {
        bytes.reserve(FLUSH_BYTES << 10);
    }
    let len = bytes.len();
    OutBuffer::around_pos(bytes, len)
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
    let frame = Frame::alone(encode().map_err(Error::io("compress", "content"))?);
    check(&frame, size_bytes, sha256)?;
    let frame = frame.bytes;
    Ok(Encoded { sha256: *sha256, size_bytes, frame_sha256: Digest::of(&frame), frame })
}
