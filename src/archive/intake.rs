//! Reads the files to be archived out of git, on all cores, and compresses them.
//!
//! The bytes are git's blob; the work tree must hold the same, as they are or as git's own
//! conversion of line ends makes them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::blob::{Encoded, Encoder};
use crate::clock::Stopwatch;
use crate::error::{Error, Refusal, Result};
use crate::git::Repository;
use crate::model::{Digest, GitOid};

use super::detach;
use super::selection::Candidate;

/// A file that was read, compressed and compared.
#[derive(Debug)]
pub struct Intake {
    /// Its content as it will be stored.
    pub encoded: Encoded,
    /// The content's object id, which is not the index's where that has git-lfs' pointer.
    pub oid: GitOid,
    /// SHA-256 of what stands in the work tree, to see whether it changes meanwhile.
    pub on_disk: Digest,
    /// Whether the work tree holds other bytes than the blob, so that git must say if the path
    /// is clean.
    pub differs: bool,
    /// How long that took, in milliseconds.
    pub duration_ms: u64,
}

/// Reads all candidates and hands them over one by one, in order.
pub fn read_all(
    top: &Path,
    repository: &Repository,
    candidates: &[Candidate],
    mut each: impl FnMut(usize, Intake) -> Result<()>,
) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(candidates.len());
    if workers < 2 || candidates.len() < 8 {
        let mut encoder = Encoder::new()?;
        for (at, candidate) in candidates.iter().enumerate() {
            each(at, read(top, repository, &mut encoder, candidate)?)?;
        }
        return Ok(());
    }
    let handles = (0..workers).map(|_| repository.reopen()).collect::<Result<Vec<_>>>()?;
    let next = AtomicUsize::new(0);
    // Bounded, so that what is read but not stored yet stays small.
    let (sender, receiver) = mpsc::sync_channel::<(usize, Result<Intake>)>(workers * 4);
    thread::scope(|scope| {
        for handle in handles {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                let mut encoder = match Encoder::new() {
                    Ok(encoder) => encoder,
                    Err(error) => {
                        let _ = sender.send((usize::MAX, Err(error)));
                        return;
                    }
                };
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(candidate) = candidates.get(at) else { return };
                    let intake = read(top, &handle, &mut encoder, candidate);
                    // The receiver is gone once something failed: then nobody needs the rest.
                    if sender.send((at, intake)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let received = receiver.iter().try_for_each(|(at, intake)| each(at, intake?));
        drop(receiver);
        received
    })
}

fn read(
    top: &Path,
    repository: &Repository,
    encoder: &mut Encoder,
    candidate: &Candidate,
) -> Result<Intake> {
    let watch = Stopwatch::start();
    let intake = read_one(top, repository, encoder, candidate)?;
    Ok(Intake { duration_ms: watch.elapsed_whole_ms(), ..intake })
}

fn read_one(
    top: &Path,
    repository: &Repository,
    encoder: &mut Encoder,
    candidate: &Candidate,
) -> Result<Intake> {
    let path = &candidate.path;
    let content = repository.blob(&candidate.oid)?.ok_or_else(|| Error::NotFound {
        action: "read",
        object: candidate.oid.to_string(),
        why: format!("git has no such object for `{path}`"),
    })?;
    let file = top.join(path.as_path());
    let on_disk = fs::read(&file).map_err(Error::io("read", &file))?;
    if candidate.detached.is_some() && detach::is_pointer(&content) {
        return read_large(repository, encoder, candidate, &content, &on_disk);
    }
    // A filter that would make something else of the file now could not give it back later.
    let differs = on_disk != content || candidate.detached.is_some();
    let encoded = encoder.encode(&content)?;
    let on_disk = if differs { Digest::of(&on_disk) } else { encoded.sha256 };
    Ok(Intake { encoded, oid: candidate.oid, on_disk, differs, duration_ms: 0 })
}

/// A file under git-lfs: the blob is a pointer, which says what the content in the work tree must be.
fn read_large(
    repository: &Repository,
    encoder: &mut Encoder,
    candidate: &Candidate,
    pointer: &[u8],
    content: &[u8],
) -> Result<Intake> {
    let refused = |refusal| Err(Error::refused("archive", candidate.path.to_string(), refusal));
    if content == pointer {
        return refused(Refusal::PointerOnly);
    }
    if detach::pointer(&Digest::of(content), content.len() as u64) != pointer {
        return refused(Refusal::Dirty);
    }
    let encoded = encoder.encode(content)?;
    let (oid, on_disk) = (repository.hash_blob(content)?, encoded.sha256);
    Ok(Intake { encoded, oid, on_disk, differs: false, duration_ms: 0 })
}

/// Refuses the first of `candidates` that git itself does not call clean.
pub fn check_clean(repository: &Repository, candidates: &[&Candidate]) -> Result<()> {
    let paths: Vec<_> = candidates.iter().map(|candidate| candidate.path.clone()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let hashes = repository.clean_hashes(&paths)?;
    match candidates.iter().zip(hashes).find(|(candidate, hash)| candidate.oid != *hash) {
        Some((dirty, _)) => Err(Error::refused("archive", dirty.path.to_string(), Refusal::Dirty)),
        None => Ok(()),
    }
}
