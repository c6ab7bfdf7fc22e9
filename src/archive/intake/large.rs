//! Content that is too large for memory: read, judged, hashed and compressed in parts, on all cores.
//!
//! Each part is a frame by itself, so that several are compressed at once and an upload that was
//! interrupted goes on where it stopped.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::blob::Encoder;
use crate::error::{Error, Result};
use crate::git::BlobHasher;
use crate::model::{Digest, Digester, GitOid};
use crate::policy::ContentPolicy;
use crate::policy::content::{Match, Stream};

/// Content of more bytes than this is taken in by itself, in parts.
pub const LARGE_BYTES: u64 = 8 << 20;

/// Bytes of content in a part; its stored bytes fit into a piece, whatever they are.
pub const PART_BYTES: u64 = 2 << 20;

/// Parts that are read ahead of the one that is written next.
const AHEAD: usize = 4;

/// Bytes that are read from any place.
pub trait Parts {
    /// How many there are.
    fn size_bytes(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;
}

/// Where the compressed parts go.
pub trait Upload {
    /// Whether part `n` came in earlier, and is this content.
    fn has(&mut self, n: u64, content: &[u8]) -> Result<bool>;

    /// Takes the stored bytes of part `n`; they come in their order.
    fn put(&mut self, n: u64, stored: Vec<u8>) -> Result<()>;
}

/// What was seen of large content.
#[derive(Debug)]
pub struct Streamed {
    /// SHA-256 of it.
    pub sha256: Digest,
    /// Its id as a blob, where that was asked for.
    pub oid: Option<GitOid>,
    /// The credentials in it.
    pub credentials: Vec<Match>,
}

/// How many parts content of so many bytes has.
pub fn parts_of(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(PART_BYTES).max(1)
}

/// Takes in `content`, which stands at `path`.
pub fn take_in(
    content: &dyn Parts,
    hasher: Option<BlobHasher>,
    policy: Option<&ContentPolicy>,
    path: &str,
    upload: &mut dyn Upload,
) -> Result<Streamed> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (to_hasher, hashed) = mpsc::sync_channel::<Arc<Vec<u8>>>(1);
        let hashing = scope.spawn(move || hash(hasher, &hashed));
        let (to_scanner, scanned) = mpsc::sync_channel::<(Arc<Vec<u8>>, bool)>(1);
        let scanning = scope.spawn(move || scan(policy, path, &scanned));
        let (tasks, queue) = mpsc::channel();
        let (results_in, results) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..workers {
            let (queue, results_in) = (queue.clone(), results_in.clone());
            scope.spawn(move || compress(&queue, &results_in));
        }
        drop(results_in);
        let lead = Lead { content, to_hasher, to_scanner, tasks, results, upload };
        lead.run()?;
        let gone = || Error::damaged("content", path, "a thread that hashed it ended");
        let (sha256, oid) = hashing.join().map_err(|_| gone())?;
        let credentials = scanning.join().map_err(|_| gone())?;
        Ok(Streamed { sha256, oid, credentials })
    })
}

/// A part on its way to a worker, and back as it is stored.
type Task = (u64, Arc<Vec<u8>>);
type Stored = (u64, Result<Vec<u8>>);

/// The one that reads and writes.
struct Lead<'a> {
    content: &'a dyn Parts,
    to_hasher: SyncSender<Arc<Vec<u8>>>,
    to_scanner: SyncSender<(Arc<Vec<u8>>, bool)>,
    tasks: Sender<Task>,
    results: Receiver<Stored>,
    upload: &'a mut dyn Upload,
}

impl Lead<'_> {
    fn run(self) -> Result<()> {
        let parts = parts_of(self.content.size_bytes());
        let mut done: BTreeMap<u64, Option<Vec<u8>>> = BTreeMap::new();
        let (mut read, mut written, mut in_hand) = (0, 0, 0_usize);
        while written < parts {
            while read < parts && in_hand + done.len() < AHEAD {
                let part = Arc::new(self.read(read)?);
                // One that is gone fails in the end, with its own words.
                let _ = self.to_hasher.send(part.clone());
                let _ = self.to_scanner.send((part.clone(), read + 1 == parts));
                if self.upload.has(read, &part)? {
                    done.insert(read, None);
                } else if self.tasks.send((read, part)).is_ok() {
                    in_hand += 1;
                }
                read += 1;
            }
            if in_hand > 0 {
                let ended = || Error::damaged("content", "a part", "its thread ended");
                let (n, stored) = self.results.recv().map_err(|_| ended())?;
                in_hand -= 1;
                done.insert(n, Some(stored?));
            }
            while let Some(stored) = done.remove(&written) {
                if let Some(stored) = stored {
                    self.upload.put(written, stored)?;
                }
                written += 1;
            }
        }
        Ok(())
    }

    fn read(&self, n: u64) -> Result<Vec<u8>> {
        let start = n * PART_BYTES;
        let len = (self.content.size_bytes() - start).min(PART_BYTES);
        let mut part = vec![0; usize::try_from(len).unwrap_or(0)];
        self.content.read_at(start, &mut part)?;
        Ok(part)
    }
}

fn hash(
    mut hasher: Option<BlobHasher>,
    parts: &Receiver<Arc<Vec<u8>>>,
) -> (Digest, Option<GitOid>) {
    let mut digester = Digester::default();
    for part in parts {
        digester.update(&part);
        if let Some(hasher) = &mut hasher {
            hasher.update(&part);
        }
    }
    (digester.finish().0, hasher.map(BlobHasher::finish))
}

fn scan(
    policy: Option<&ContentPolicy>,
    path: &str,
    parts: &Receiver<(Arc<Vec<u8>>, bool)>,
) -> Vec<Match> {
    let mut stream = policy.map(|policy| Stream::new(policy, path));
    let mut found = Vec::new();
    for (part, is_last) in parts {
        if let Some(stream) = &mut stream {
            found.extend(stream.feed(&part, is_last));
        }
    }
    found
}

fn compress(queue: &Mutex<Receiver<Task>>, results: &Sender<Stored>) {
    let mut encoder = None;
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok((n, part))) = next else { return };
        let stored = encoder
            .take()
            .map_or_else(Encoder::new, Ok)
            .and_then(|it| encoder.insert(it).encode_run(&[part.as_slice()]))
            .map(|run| run.bytes);
        if results.send((n, stored)).is_err() {
            return;
        }
    }
}
