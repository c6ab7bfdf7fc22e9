//! Objects: hashing, reading and writing blobs.

use std::io::{self, Read, Write};
use std::process::Stdio;

use git2::{ObjectType, Oid};
use sha2::{Digest as _, Sha256};

use super::cat_file::Kind;
use super::plumbing;
use super::{Repository, SHA1_LEN};
use crate::error::{Error, Result};
use crate::fs::nameless_file_with;
use crate::model::GitOid;

const READ: &str = "read an object";
const WRITE: &str = "write a blob";

/// From so many bytes on git reads a blob in parts, too.
const IN_PARTS: &str = "core.bigFileThreshold=16m";

/// Bytes that may be too many for memory.
pub trait Bytes {
    /// How many they are.
    fn size_bytes(&self) -> u64;

    /// All of them, where they are in memory.
    fn in_memory(&self) -> Option<&[u8]>;

    /// Writes them to `out`.
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// A hash in the making.
struct Hashing<H, F: FnMut(&mut H, &[u8])> {
    hasher: H,
    add: F,
}

impl<H, F: FnMut(&mut H, &[u8])> Write for Hashing<H, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.add)(&mut self.hasher, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The object id of `bytes` as a blob of a SHA-1 repository.
pub fn sha1_blob(bytes: &[u8]) -> GitOid {
    hash_sha1("blob", bytes)
}

fn hash_sha1(kind: Kind, bytes: &[u8]) -> GitOid {
    let kind = ObjectType::from_str(kind).unwrap_or(ObjectType::Any);
    let oid = Oid::hash_object(kind, bytes).expect("hashing in memory needs nothing that can fail");
    from_library(oid)
}

fn hash_sha256(kind: Kind, bytes: &[u8]) -> GitOid {
    let mut hasher = Sha256::new();
    hasher.update(format!("{kind} {}\0", bytes.len()));
    hasher.update(bytes);
    GitOid::from_slice(&hasher.finalize()).expect("SHA-256 has 32 bytes")
}

fn from_library(oid: Oid) -> GitOid {
    GitOid::from_slice(oid.as_bytes()).expect("libgit2 has ids of 20 bytes")
}

impl Repository {
    /// The object id that `bytes` have as a blob of this repository; nothing is written.
    pub fn hash_blob(&self, bytes: &[u8]) -> Result<GitOid> {
        Ok(self.hash_object("blob", bytes))
    }

    /// The same of bytes that may be many.
    pub fn hash_bytes(&self, source: &dyn Bytes) -> Result<GitOid> {
        if let Some(bytes) = source.in_memory() {
            return self.hash_blob(bytes);
        }
        let head = format!("blob {}\0", source.size_bytes());
        let failed = || Error::io("hash", "content");
        if self.oid_len != SHA1_LEN {
            let mut hashing = Hashing {
                hasher: Sha256::new_with_prefix(head),
                add: |it, bytes| it.update(bytes),
            };
            source.write_to(&mut hashing).map_err(failed())?;
            let oid = hashing.hasher.finalize();
            return Ok(GitOid::from_slice(&oid).expect("SHA-256 has 32 bytes"));
        }
        let mut hasher = gix_index::hash::hasher(gix_index::hash::Kind::Sha1);
        hasher.update(head.as_bytes());
        let mut hashing = Hashing { hasher, add: |it, bytes| it.update(bytes) };
        source.write_to(&mut hashing).map_err(failed())?;
        let attacked = |_| Error::damaged("content", "blob", "it is made to attack SHA-1");
        let oid = hashing.hasher.try_finalize().map_err(attacked)?;
        Ok(GitOid::from_slice(oid.as_bytes()).expect("SHA-1 has 20 bytes"))
    }

    pub(super) fn hash_object(&self, kind: Kind, bytes: &[u8]) -> GitOid {
        if self.oid_len == SHA1_LEN { hash_sha1(kind, bytes) } else { hash_sha256(kind, bytes) }
    }

    /// The bytes of a blob; `None` when the object is absent or no blob.
    ///
    /// The whole blob is held in memory; [`Repository::stream_blob`] does not do that.
    pub fn blob(&self, oid: &GitOid) -> Result<Option<Vec<u8>>> {
        Ok(self.object(oid)?.and_then(|(kind, data)| (kind == "blob").then_some(data)))
    }

    /// The bytes of a blob, counted; `None` when the object is absent or no blob.
    pub fn blob_size(&self, oid: &GitOid) -> Result<Option<u64>> {
        Ok(self.header(oid)?.and_then(|(kind, size)| (kind == "blob").then_some(size)))
    }

    /// Writes a blob to `out` in bounded memory; `false`, and nothing written, when the object is
    /// absent or no blob. The bytes are not compared with the id: that is left to the receiver.
    pub fn stream_blob(&self, oid: &GitOid, out: &mut dyn Write) -> Result<bool> {
        let Some(size) = self.blob_size(oid)? else { return Ok(false) };
        let mut command = self.reading(["-c", IN_PARTS, "cat-file", "blob", &oid.to_string()]);
        // Nobody reads its messages until it ends, and a full pipe would block it.
        command.stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| plumbing::cannot_run(READ, &error))?;
        let copied = match child.stdout.take() {
            Some(mut from) => copy(&mut from, out),
            None => Ok(0),
        };
        if copied.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| plumbing::cannot_run(READ, &error))?;
        let copied = copied?;
        if !status.success() || copied != size {
            let detail =
                format!("{oid}: {copied} of {size} bytes came, and git ended with {status}");
            return Err(Error::Git { action: READ, detail });
        }
        Ok(true)
    }

    /// Writes `bytes` as a blob, as they are, into the object database.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<GitOid> {
        let command = self.writing(["hash-object", "-w", "--no-filters", "--stdin"]);
        let answer = plumbing::run_checked(WRITE, command, bytes)?;
        self.expect_oid(&answer, self.hash_object("blob", bytes))
    }

    /// The same of bytes that may be many.
    pub fn write_bytes(&self, source: &dyn Bytes) -> Result<GitOid> {
        if let Some(bytes) = source.in_memory() {
            return self.write_blob(bytes);
        }
        // Out of a file git reads them in parts; a pipe it would take into memory first.
        let file = nameless_file_with(&self.common_dir, |out| source.write_to(out))?;
        let line = ["-c", IN_PARTS, "hash-object", "-w", "--no-filters", "--stdin"];
        let mut command = self.writing(line);
        command.stdin(file);
        let answer = plumbing::run_checked(WRITE, command, &[])?;
        self.expect_oid(&answer, self.hash_bytes(source)?)
    }

    fn expect_oid(&self, answer: &[u8], expected: GitOid) -> Result<GitOid> {
        match plumbing::oid_lines(WRITE, answer, self.oid_len)?.as_slice() {
            [oid] if *oid == expected => Ok(expected),
            _ => Err(plumbing::odd_answer(WRITE, answer)),
        }
    }

    /// Kind and bytes of any object; `None` when it is absent.
    pub(super) fn object(&self, oid: &GitOid) -> Result<Option<(Kind, Vec<u8>)>> {
        // An id of the other format would be taken for the beginning of an id.
        if oid.as_bytes().len() != self.oid_len {
            return Ok(None);
        }
        if let Some(found) = self.object_at_hand(oid) {
            return Ok(Some(found));
        }
        self.cat_object(oid)
    }

    /// Kind and size in bytes of any object; `None` when it is absent.
    pub(super) fn header(&self, oid: &GitOid) -> Result<Option<(Kind, u64)>> {
        if oid.as_bytes().len() != self.oid_len {
            return Ok(None);
        }
        let read = || {
            let odb = self.library()?.odb().ok()?;
            let (size, kind) = odb.read_header(Oid::from_bytes(oid.as_bytes()).ok()?).ok()?;
            Some((word(kind)?, size as u64))
        };
        match read() {
            Some(found) => Ok(Some(found)),
            None => self.cat_header(oid),
        }
    }

    /// What libgit2 reads, which checks the id; `None` leaves the answer to git. No process is
    /// started, and nothing fetched.
    pub(super) fn object_at_hand(&self, oid: &GitOid) -> Option<(Kind, Vec<u8>)> {
        let odb = self.library()?.odb().ok()?;
        let object = odb.read(Oid::from_bytes(oid.as_bytes()).ok()?).ok()?;
        Some((word(object.kind())?, object.data().to_vec()))
    }
}

fn word(kind: ObjectType) -> Option<Kind> {
    match kind {
        ObjectType::Blob => Some("blob"),
        ObjectType::Tree => Some("tree"),
        ObjectType::Commit => Some("commit"),
        ObjectType::Tag => Some("tag"),
        ObjectType::Any => None,
    }
}

pub(super) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<u64> {
    let mut buffer = vec![0; 128 * 1024];
    let mut copied_bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied_bytes),
            Ok(n) => {
                to.write_all(&buffer[..n]).map_err(Error::io("write", "output"))?;
                copied_bytes += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(plumbing::cannot_run(READ, &error)),
        }
    }
}
