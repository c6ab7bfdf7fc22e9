//! The bytes of artifacts, read out of the runs in which they are stored.
//!
//! Promises: nothing is given out that was not hashed; a run whose members are read one after the
//! other is fetched and decoded once; a large artifact is never whole in memory.

mod parts;

use std::fs::File;
use std::io::{self, Write};

use crate::backend::{Catalog, Place};
use crate::blob::{self, Decoder, Frame, RunReader};
use crate::error::{Error, Refusal, Result};
use crate::fs::Spool;
use crate::model::{Digest, Digester, Item};

use super::{Archive, Content};
use parts::Large;

/// A run of several artifacts that was read last.
pub(super) struct OpenRun {
    run: i64,
    reader: RunReader,
}

/// An item's bytes, as far as they were decoded.
pub(super) enum Bytes {
    /// Still to be decoded, on any thread.
    Frame(Frame),
    /// Decoded and hashed.
    Whole(Vec<u8>),
    /// The same, too many for memory.
    Spooled(Content),
}

impl Bytes {
    /// Bytes of memory that it takes.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.held_bytes(),
            Self::Whole(bytes) => bytes.len(),
            Self::Spooled(_) => 0,
        }
    }
}

impl Archive {
    /// The bytes of an item, checked against its size and SHA-256.
    pub fn content(&mut self, item: &Item, spool: &Spool) -> Result<Content> {
        let place = self.catalog().place(item.artifact_row_id)?.ok_or_else(|| purged(item))?;
        let (size_bytes, sha256) = (item.size_bytes, item.sha256);
        if place.members > 1 {
            let content = self.member(place, size_bytes, &sha256)?;
            if spool.gives_memory(size_bytes) {
                return Ok(Content::of_verified(content.to_vec(), sha256));
            }
            let write =
                |out: &mut dyn Write| out.write_all(content).map_err(Error::io("write", "spool"));
            return Ok(Content::put(spool, write)?.0);
        }
        if place.pieces == 1 {
            let frame = frame_at(&mut self.catalog(), place, &sha256)?;
            return Content::of_frame(spool, frame, size_bytes, sha256);
        }
        let content = self.large_content(item.artifact_row_id, size_bytes, &sha256, spool)?;
        content.ok_or_else(|| purged(item))
    }

    /// The bytes of an item for whoever decodes them elsewhere, where that is worth it.
    pub(super) fn bytes(&mut self, item: &Item, spool: &Spool) -> Result<Bytes> {
        let place = self.catalog().place(item.artifact_row_id)?.ok_or_else(|| purged(item))?;
        if place.members > 1 {
            let content = self.member(place, item.size_bytes, &item.sha256)?;
            return Ok(Bytes::Whole(content.to_vec()));
        }
        if place.pieces > 1 {
            return self.content(item, spool).map(Bytes::Spooled);
        }
        frame_at(&mut self.catalog(), place, &item.sha256).map(Bytes::Frame)
    }

    /// Decodes and hashes an artifact, in little memory; `false` when it was purged.
    pub fn check_artifact(
        &mut self,
        artifact: i64,
        size_bytes: u64,
        sha256: &Digest,
    ) -> Result<bool> {
        let Some(place) = self.catalog().place(artifact)? else { return Ok(false) };
        if place.members > 1 {
            return self.member(place, size_bytes, sha256).map(|_| true);
        }
        let catalog = &mut self.catalog();
        check_pieces(catalog, place, size_bytes, sha256).map(|()| true)
    }

    /// The content of an artifact that is small enough for memory, hashed; `None` when it was purged.
    pub(super) fn artifact_content(
        &mut self,
        artifact: i64,
        size_bytes: u64,
        sha256: &Digest,
    ) -> Result<Option<Vec<u8>>> {
        let Some(place) = self.catalog().place(artifact)? else { return Ok(None) };
        if place.members > 1 {
            return Ok(Some(self.member(place, size_bytes, sha256)?.to_vec()));
        }
        let frame = frame_at(&mut self.catalog(), place, sha256)?;
        blob::decode(&frame, size_bytes, sha256).map(Some)
    }

    /// The content of an artifact that is too large for memory, hashed; `None` when it was purged.
    pub(super) fn large_content(
        &mut self,
        artifact: i64,
        size_bytes: u64,
        sha256: &Digest,
        spool: &Spool,
    ) -> Result<Option<Content>> {
        let catalog = &mut self.catalog();
        let Some(place) = catalog.place(artifact)? else { return Ok(None) };
        if is_in_parts(catalog, place)? {
            let large = Large { catalog, place, size_bytes, sha256 };
            let write = |file: &File, start| large.write_into(file, start).map(|()| size_bytes);
            return Ok(Some(Content::read_back(spool.put_at(write)?, *sha256)));
        }
        let stream = |out: &mut dyn Write| {
            decode_pieces(catalog, place, size_bytes, sha256, &mut |part| out.write_all(part))
        };
        Ok(Some(Content::put(spool, stream)?.0))
    }

    /// Whether the stored bytes of an artifact's run are those that were written. It may decode to the
    /// right content all the same.
    pub(super) fn check_run(&mut self, artifact: i64, sha256: &Digest) -> Result<()> {
        let mut catalog = self.catalog();
        let Some(place) = catalog.place(artifact)? else { return Ok(()) };
        let first = catalog.piece(place.run, 0)?;
        let written = catalog.stored_sha256(place.run)?;
        if Digest::of(&first) == written {
            return Ok(());
        }
        let mut all = Digester::default();
        all.update(&first);
        for n in 1..place.pieces {
            all.update(&catalog.piece(place.run, n)?);
        }
        // Of a run in pieces an older version kept the digest of all of them.
        if place.pieces > 1 && all.finish().0 == written {
            return Ok(());
        }
        let why = "its stored bytes are not what was written";
        Err(Error::damaged("artifact", sha256.to_string(), why))
    }

    /// A member of a run of several, out of the run that is open, or is opened now.
    fn member(&mut self, place: Place, size_bytes: u64, sha256: &Digest) -> Result<&[u8]> {
        if self.open_run.as_ref().is_none_or(|it| it.run != place.run) {
            let reader = RunReader::new(self.catalog().piece(place.run, 0)?)?;
            self.open_run = Some(OpenRun { run: place.run, reader });
        }
        let open = self.open_run.as_mut().expect("it was opened above");
        open.reader.member((place.offset, place.length), size_bytes, sha256)
    }
}

pub(super) fn purged(item: &Item) -> Error {
    Error::refused("restore", item.tombstone.to_string(), Refusal::Purged)
}

/// The stored bytes of an artifact up to its own end; `None` when it was purged.
pub(super) fn frame_of(
    catalog: &mut Catalog<'_>,
    artifact: i64,
    sha256: &Digest,
) -> Result<Option<Frame>> {
    let Some(place) = catalog.place(artifact)? else { return Ok(None) };
    frame_at(catalog, place, sha256).map(Some)
}

fn frame_at(catalog: &mut Catalog<'_>, place: Place, sha256: &Digest) -> Result<Frame> {
    let mut stored = catalog.piece(place.run, 0)?;
    for n in 1..place.pieces {
        stored.extend_from_slice(&catalog.piece(place.run, n)?);
    }
    let outside = || {
        let why = "it does not say where in its run it stands";
        Error::damaged("artifact", sha256.to_string(), why)
    };
    Frame::of_run(stored, place.offset, place.length).ok_or_else(outside)
}

/// Decodes and hashes an artifact inside a transaction, in little memory; `false` when it was purged.
pub(super) fn check_stored(
    catalog: &mut Catalog<'_>,
    artifact: i64,
    size_bytes: u64,
    sha256: &Digest,
) -> Result<bool> {
    let Some(place) = catalog.place(artifact)? else { return Ok(false) };
    check_pieces(catalog, place, size_bytes, sha256).map(|()| true)
}

/// Decodes and hashes an artifact, piece by piece.
fn check_pieces(
    catalog: &mut Catalog<'_>,
    place: Place,
    size_bytes: u64,
    sha256: &Digest,
) -> Result<()> {
    if is_in_parts(catalog, place)? {
        return Large { catalog, place, size_bytes, sha256 }.check();
    }
    let mut sink = |_: &[u8]| Ok(());
    decode_pieces(catalog, place, size_bytes, sha256, &mut sink)
}

/// Whether an artifact came in as a large file, part by part.
fn is_in_parts(catalog: &mut Catalog<'_>, place: Place) -> Result<bool> {
    let may_be = place.pieces > 1 && place.members == 1 && place.offset == 0;
    Ok(may_be && parts::is_part(&catalog.piece(place.run, 0)?))
}

/// Hands on what an artifact decodes to, piece by piece.
fn decode_pieces(
    catalog: &mut Catalog<'_>,
    place: Place,
    size_bytes: u64,
    sha256: &Digest,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<()> {
    let mut decoder = Decoder::new(place.offset, size_bytes, *sha256)?;
    let mut left = place.offset.saturating_add(place.length);
    for n in 0..place.pieces {
        let piece = catalog.piece(place.run, n)?;
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        decoder.feed(&piece[..len], each)?;
        left -= len as u64;
    }
    decoder.finish()
}
