//! Many small blobs in one pack: an object file for each costs git a dozen calls of the file system.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::process::Child;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{Repository, SHA1_LEN};
use crate::error::{Error, Result};
use crate::fs::nameless_file_with;

/// The type of an object in a pack that is a blob.
const BLOB: u8 = 3;

/// Blobs of at most so many bytes are not compressed: to begin that costs more than they have, and git
/// writes one as the difference from another when it packs them again.
const SMALL_BYTES: usize = 4096;

/// A git that is writing a pack.
pub struct Packing(Child);

impl Packing {
    /// Waits until it is written; whether it was.
    pub fn finish(self) -> bool {
        self.0.wait_with_output().is_ok_and(|output| output.status.success())
    }
}

impl Repository {
    /// Begins to write `blobs` into the repository as one pack, as durable as git is set to make packs.
    /// git itself computes their ids and writes the pack's index.
    pub fn begin_pack(&self, blobs: &[&[u8]]) -> Result<Packing> {
        let pack =
            pack(blobs, self.oid_len == SHA1_LEN).map_err(Error::io("compress", "a pack"))?;
        // Out of a file git reads it in the same parts each time, and nobody has to feed it.
        let file = nameless_file_with(&self.common_dir, |out| out.write_all(&pack))?;
        let mut command = self.writing(["index-pack", "--stdin", "--threads=1"]);
        command.stdin(file);
        command.spawn().map(Packing).map_err(Error::io("run", "git"))
    }
}

/// A pack of version 2: `PACK`, the version, how many objects; of each its type and size, and its
/// bytes deflated; the hash of all that (gitformat-pack).
fn pack(blobs: &[&[u8]], is_sha1: bool) -> io::Result<Vec<u8>> {
    let mut seen = HashSet::new();
    let blobs: Vec<&[u8]> = blobs.iter().copied().filter(|bytes| seen.insert(*bytes)).collect();
    let count = u32::try_from(blobs.len()).map_err(io::Error::other)?;
    let mut pack = Vec::new();
    pack.extend_from_slice(b"PACK");
    pack.extend_from_slice(&2_u32.to_be_bytes());
    pack.extend_from_slice(&count.to_be_bytes());
    for bytes in blobs {
        head(bytes.len(), &mut pack);
        match u16::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= SMALL_BYTES => stored(len, bytes, &mut pack),
            _ => {
                let mut deflating = ZlibEncoder::new(pack, Compression::fast());
                deflating.write_all(bytes)?;
                pack = deflating.finish()?;
            }
        }
    }
    if is_sha1 {
        let hash = Sha1::digest(&pack);
        pack.extend_from_slice(&hash);
    } else {
        let hash = Sha256::digest(&pack);
        pack.extend_from_slice(&hash);
    }
    Ok(pack)
}

/// A zlib stream of one block that is stored as it is: the header of the least effort, the last block
/// with its length and the complement of that, the bytes, their Adler-32 (RFC 1950, RFC 1951).
fn stored(len: u16, bytes: &[u8], pack: &mut Vec<u8>) {
    pack.extend_from_slice(&[0x78, 0x01, 0x01]);
    pack.extend_from_slice(&len.to_le_bytes());
    pack.extend_from_slice(&(!len).to_le_bytes());
    pack.extend_from_slice(bytes);
    pack.extend_from_slice(&adler32(bytes).to_be_bytes());
}

fn adler32(bytes: &[u8]) -> u32 {
    // No sum of so few bytes overflows, so that the remainder is taken once.
    debug_assert!(bytes.len() <= SMALL_BYTES);
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = a + u32::from(*byte);
        (a, b + a)
    });
    ((b % 65_521) << 16) | (a % 65_521)
}

/// The type and, seven bits at a time behind the first four, the size.
fn head(size: usize, pack: &mut Vec<u8>) {
    let mut byte = (BLOB << 4) | (size & 0x0f) as u8;
    let mut rest = size >> 4;
    while rest > 0 {
        pack.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    pack.push(byte);
}
