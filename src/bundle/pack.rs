//! Packing: a commit's files out of git's objects, archived content out of the archive.
//!
//! Promises: bounded memory, however large a file is; every blob has the bytes of its id; archived
//! content passed the gate; the compressor gets its input in pieces of one size, so that its output
//! does not depend on how git handed it over.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::archive::{Archive, Finder, Workspace, verified_content};
use crate::error::{Error, Result};
use crate::git::{BlobHasher, Bytes as _, Repository};
use crate::model::{Digest, Digester, GitOid};
use crate::progress::Progress;
use crate::tombstone::Tombstone;

use super::contents::{Contents, Member, Source};
use super::record::open_archive;
use super::tar_writer::TarWriter;

/// A larger blob is read in parts.
const IN_MEMORY: u64 = 4 << 20;

/// The longest target of a link, in bytes: what Linux takes.
const LONGEST_TARGET: u64 = 4095;

/// How much the compressor gets at once.
const PIECE: usize = 64 << 10;

/// The level of compression. Another one would be another tarball.
const LEVEL: u32 = 6;

/// The tar that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    /// Its SHA-256.
    pub sha256: Digest,
    /// Bytes of it.
    pub size_bytes: u64,
}

/// Where contents come from.
pub(super) struct Packer<'a> {
    workspace: &'a Workspace,
    repository: &'a Repository,
    /// Opened when it is first needed.
    archive: Option<Option<Archive>>,
    finder: Finder<'a>,
}

impl<'a> Packer<'a> {
    /// Takes objects out of `repository`, and archived content out of the archive of `workspace`.
    pub fn new(workspace: &'a Workspace, repository: &'a Repository) -> Self {
        Self { workspace, repository, archive: None, finder: Finder::for_many(workspace) }
    }

    /// Writes the tar of `contents` to `out`.
    pub fn pack(
        &mut self,
        contents: &Contents,
        commit: &GitOid,
        mtime: u64,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<Packed> {
        let mut both = Both { out, digester: Digester::default() };
        let mut tar = TarWriter::begin(&mut both, &commit.to_string(), mtime).map_err(failed())?;
        let total = contents.members.len();
        for (done, member) in contents.members.iter().enumerate() {
            self.add(&mut tar, member)?;
            progress.step(done + 1, total);
        }
        tar.finish().map_err(failed())?;
        let (sha256, size_bytes) = both.digester.finish();
        Ok(Packed { sha256, size_bytes })
    }

    fn add<W: Write>(&mut self, tar: &mut TarWriter<W>, member: &Member) -> Result<()> {
        let (path, size_bytes) = (member.path.as_bytes(), member.size_bytes);
        let wrap = |done: std::result::Result<(), Failure>| done.map_err(Failure::into_error);
        match &member.source {
            Source::Link(oid) => {
                let target = self.target(member, oid)?;
                tar.link(path, &target).map_err(failed())
            }
            Source::File(oid) => {
                let repository = self.repository;
                let fill = |out: &mut dyn Write| Ok(copy_blob(repository, oid, size_bytes, out)?);
                wrap(tar.file(path, member.is_executable, size_bytes, fill))
            }
            Source::Archived(stub) => {
                let content = self.archived(member, stub)?;
                let fill = |out: &mut dyn Write| Ok(content.write_to(out)?);
                wrap(tar.file(path, member.is_executable, size_bytes, fill))
            }
        }
    }

    /// Where a link leads.
    fn target(&self, member: &Member, oid: &GitOid) -> Result<Vec<u8>> {
        let wrong = |why| Error::damaged("link", member.path.to_string(), why);
        if member.size_bytes == 0 || member.size_bytes > LONGEST_TARGET {
            return Err(wrong(format!("its target has {} bytes", member.size_bytes)));
        }
        let target = self.repository.blob(oid)?.unwrap_or_default();
        if target.contains(&0) || target.len() as u64 != member.size_bytes {
            return Err(wrong("its target is none".to_owned()));
        }
        Ok(target)
    }

    /// What a tombstone stands for.
    fn archived(&mut self, member: &Member, stub: &Tombstone) -> Result<crate::archive::Content> {
        let archive = match &mut self.archive {
            Some(known) => known,
            unknown => unknown.insert(open_archive(self.workspace)?),
        };
        let item = self.finder.item(archive.as_mut(), &stub.id)?;
        if item.sha256 != stub.sha256 || item.size_bytes != stub.size_bytes {
            let why = "it says another content than was archived under its id";
            return Err(Error::damaged("tombstone", member.path.to_string(), why));
        }
        Ok(verified_content(self.workspace, archive.as_mut(), &item)?.0)
    }
}

/// Writes a blob to `out`, and holds it against its id.
fn copy_blob(
    repository: &Repository,
    oid: &GitOid,
    size_bytes: u64,
    out: &mut dyn Write,
) -> Result<()> {
    let missing = || Error::damaged("blob", oid.to_string(), "it is missing, or not what it was");
    if size_bytes <= IN_MEMORY {
        let bytes = repository.blob(oid)?.ok_or_else(missing)?;
        return out.write_all(&bytes).map_err(failed());
    }
    let mut hashing = HashedBlob { out, hasher: repository.blob_hasher(size_bytes) };
    let is_there = repository.stream_blob(oid, &mut hashing)?;
    if is_there && hashing.hasher.finish() == *oid { Ok(()) } else { Err(missing()) }
}

fn failed() -> impl FnOnce(io::Error) -> Error {
    Error::io("write", "tarball")
}

/// What may go wrong while a file is written into a tar.
struct Failure(Error);

impl Failure {
    fn into_error(self) -> Error {
        self.0
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(failed()(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// Hashes a blob that is handed on.
struct HashedBlob<'a> {
    out: &'a mut dyn Write,
    hasher: BlobHasher,
}

impl Write for HashedBlob<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.hasher.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hashes what is written.
struct Both<W> {
    out: W,
    digester: Digester,
}

impl<W: Write> Write for Both<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.digester.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Compresses what is written, and hashes what comes of it.
pub(super) struct Gzip<W: Write> {
    encoder: GzEncoder<Both<W>>,
    piece: Vec<u8>,
}

impl<W: Write> Gzip<W> {
    /// Begins a gzip file whose header tells neither time nor name nor system.
    pub fn begin(out: W) -> Self {
        let both = Both { out, digester: Digester::default() };
        let builder = GzBuilder::new().mtime(0).operating_system(255);
        let encoder = builder.write(both, Compression::new(LEVEL));
        Self { encoder, piece: Vec::with_capacity(PIECE) }
    }

    /// Ends the file; its SHA-256, and how many bytes it has.
    pub fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.encoder.write_all(&self.piece)?;
        let mut both = self.encoder.finish()?;
        both.flush()?;
        Ok(both.digester.finish())
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..len]);
        if self.piece.len() == PIECE {
            self.encoder.write_all(&self.piece)?;
            self.piece.clear();
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_do_not_depend_on_how_they_come() {
        let bytes: Vec<u8> = (0..500_000_u32).map(|n| (n.wrapping_mul(n) >> 9) as u8).collect();
        let of = |size: usize| {
            let mut out = Vec::new();
            let mut gzip = Gzip::begin(&mut out);
            bytes.chunks(size).for_each(|part| gzip.write_all(part).unwrap());
            let (sha256, size_bytes) = gzip.finish().unwrap();
            assert_eq!((sha256, size_bytes), (Digest::of(&out), out.len() as u64));
            out
        };
        let whole = of(bytes.len());
        assert_eq!(whole[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        for size in [1, 7, 512, PIECE - 1, PIECE, PIECE + 1] {
            assert!(of(size) == whole, "{size}");
        }
    }
}
