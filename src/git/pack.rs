//! Many small blobs in one pack: an object file for each costs git a dozen calls of the file system.

use std::collections::HashSet;
use std::io;
use std::process::Child;

use flate2::{Compress, Compression, FlushCompress, Status};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{Repository, SHA1_LEN};
use crate::error::{Error, Result};
use crate::fs::nameless_file_with;

/// The type of an object in a pack that is a blob.
const BLOB: u8 = 3;

/// No blob gets longer by more than an eighth and so many bytes when it is deflated.
const DEFLATED_MORE: usize = 64;

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
    // One for all: a new one clears more memory than a stub has bytes.
    let mut deflating = Compress::new(Compression::fast(), true);
    for bytes in blobs {
        head(bytes.len(), &mut pack);
        deflating.reset();
        let most = bytes.len() + bytes.len() / 8 + DEFLATED_MORE;
        pack.reserve(most);
        let status = deflating.compress_vec(bytes, &mut pack, FlushCompress::Finish)?;
        if status != Status::StreamEnd {
            return Err(io::Error::other("a blob does not deflate"));
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
