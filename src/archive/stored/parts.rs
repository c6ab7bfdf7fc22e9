//! Large content out of the archive: fetched by one thread, decoded on all cores, and hashed in another.
//!
//! It came in as parts, each a frame by itself (see the intake of large files), so that several are
//! decoded at once. What is written into a file is hashed as the file gives it back: one digest shows
//! both that it was decoded to the right bytes and that they stand there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use zstd::zstd_safe::{find_frame_compressed_size, get_frame_content_size};

use crate::backend::{Catalog, Place};
use crate::error::{Error, Result};
use crate::model::{Digest, Digester};

/// Parts that are fetched ahead of the one that is needed next.
const AHEAD: usize = 6;

/// A part that decodes to more is none of ours, and would take too much memory.
const MOST_BYTES: u64 = 8 << 20;

/// How much of a file is read back at once.
const BUFFER_BYTES: usize = 128 << 10;

/// An artifact that is stored in parts.
pub(super) struct Large<'c, 'd> {
    pub catalog: &'c mut Catalog<'d>,
    pub place: Place,
    pub size_bytes: u64,
    pub sha256: &'c Digest,
}

/// Whether `first`, the first piece of a run, is a part.
pub(super) fn is_part(first: &[u8]) -> bool {
    part_bytes(first).is_some()
}

/// What a piece decodes to, in bytes, if it is a whole frame that says so.
fn part_bytes(piece: &[u8]) -> Option<usize> {
    let is_whole = find_frame_compressed_size(piece) == Ok(piece.len());
    let bytes = get_frame_content_size(piece).ok().flatten();
    bytes.filter(|bytes| is_whole && *bytes <= MOST_BYTES)?.try_into().ok()
}

impl Large<'_, '_> {
    /// Decodes and hashes it.
    pub fn check(self) -> Result<()> {
        let (sha256, size_bytes) = (*self.sha256, self.size_bytes);
        let (to_hasher, parts) = mpsc::sync_channel::<Vec<u8>>(1);
        let found = thread::scope(|scope| {
            let hashing = scope.spawn(move || {
                let mut digester = Digester::default();
                parts.iter().for_each(|part| digester.update(&part));
                digester.finish()
            });
            // A hasher that is gone fails in the end.
            self.decode(&mut |part| {
                let _ = to_hasher.send(part);
                Ok(())
            })?;
            drop(to_hasher);
            hashing.join().map_err(|_| thread_ended(&sha256))
        })?;
        compare(found, (sha256, size_bytes))
    }

    /// Writes it into `file`, from `start` on, and hashes what the file has then.
    pub fn write_into(self, file: &File, start: u64) -> Result<()> {
        let (sha256, size_bytes) = (*self.sha256, self.size_bytes);
        let (to_hasher, ends) = mpsc::channel::<u64>();
        let found = thread::scope(|scope| {
            let hashing = scope.spawn(move || hash_back(file, start, &ends));
            let mut at = start;
            self.decode(&mut |part| {
                file.write_all_at(&part, at)?;
                at += part.len() as u64;
                let _ = to_hasher.send(at);
                Ok(())
            })?;
            drop(to_hasher);
            let found = hashing.join().map_err(|_| thread_ended(&sha256))?;
            found.map_err(Error::io("read", "content"))
        })?;
        compare(found, (sha256, size_bytes))
    }

    /// Hands on the parts, decoded, in their order; no more than the declared bytes.
    fn decode(self, each: &mut dyn FnMut(Vec<u8>) -> io::Result<()>) -> Result<()> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let (tasks, queue) = mpsc::channel();
            let (results_in, results) = mpsc::channel();
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..workers {
                let (queue, results_in) = (queue.clone(), results_in.clone());
                scope.spawn(move || decode_all(&queue, &results_in));
            }
            drop(results_in);
            self.lead(&tasks, &results, each)
        })
    }

    fn lead(
        self,
        tasks: &Sender<(u64, Vec<u8>)>,
        results: &Receiver<(u64, Option<Vec<u8>>)>,
        each: &mut dyn FnMut(Vec<u8>) -> io::Result<()>,
    ) -> Result<()> {
        let damaged = |why: &str| Error::damaged("artifact", self.sha256.to_string(), why);
        let mut done: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let (mut fetched, mut given, mut seen) = (0, 0, 0);
        let (mut in_hand, mut stored) = (0_usize, 0);
        while given < self.place.pieces {
            while fetched < self.place.pieces && in_hand + done.len() < AHEAD {
                let piece = self.catalog.piece(self.place.run, fetched)?;
                stored += piece.len() as u64;
                tasks.send((fetched, piece)).map_err(|_| thread_ended(self.sha256))?;
                (fetched, in_hand) = (fetched + 1, in_hand + 1);
            }
            let (n, part) = results.recv().map_err(|_| thread_ended(self.sha256))?;
            in_hand -= 1;
            done.insert(n, part.ok_or_else(|| damaged("a part of it does not decode"))?);
            while let Some(part) = done.remove(&given) {
                seen += part.len() as u64;
                if seen > self.size_bytes {
                    return Err(wrong_size(&(*self.sha256, self.size_bytes)));
                }
                each(part).map_err(Error::io("write", "content"))?;
                given += 1;
            }
        }
        if stored != self.place.length {
            return Err(damaged("it does not say where in its run it stands"));
        }
        Ok(())
    }
}

fn decode_all(queue: &Mutex<Receiver<(u64, Vec<u8>)>>, results: &Sender<(u64, Option<Vec<u8>>)>) {
    let Ok(mut decompressor) = zstd::bulk::Decompressor::new() else { return };
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok((n, piece))) = next else { return };
        let part = part_bytes(&piece).and_then(|it| decompressor.decompress(&piece, it).ok());
        if results.send((n, part)).is_err() {
            return;
        }
    }
}

/// Hashes what stands in `file` up to each end that comes.
fn hash_back(file: &File, start: u64, ends: &Receiver<u64>) -> io::Result<(Digest, u64)> {
    let mut digester = Digester::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = start;
    for end in ends {
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
            file.read_exact_at(&mut buffer[..len], at)?;
            digester.update(&buffer[..len]);
            at += len as u64;
        }
    }
    Ok(digester.finish())
}

fn compare(found: (Digest, u64), wanted: (Digest, u64)) -> Result<()> {
    if found.1 != wanted.1 {
        return Err(wrong_size(&wanted));
    }
    if found.0 != wanted.0 {
        let why = format!("its content has SHA-256 {}", found.0);
        return Err(Error::damaged("artifact", wanted.0.to_string(), why));
    }
    Ok(())
}

fn wrong_size((sha256, size_bytes): &(Digest, u64)) -> Error {
    let why = format!("it does not decode to {size_bytes} bytes");
    Error::damaged("artifact", sha256.to_string(), why)
}

fn thread_ended(sha256: &Digest) -> Error {
    Error::damaged("artifact", sha256.to_string(), "a thread that decoded it ended")
}
