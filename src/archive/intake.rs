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
use crate::policy::ContentPolicy;
use crate::policy::content::Match;

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
    /// The credentials in it.
    pub credentials: Vec<Match>,
    /// How long that took, in milliseconds.
    pub duration_ms: u64,
}

impl Intake {
    fn of(encoded: Encoded, oid: GitOid, on_disk: Digest, differs: bool) -> Self {
        Self { encoded, oid, on_disk, differs, credentials: Vec::new(), duration_ms: 0 }
    }
}

/// Reads all candidates, holds them against `policy`, and hands them over one by one.
pub fn read_all(
    top: &Path,
    repository: &Repository,
    candidates: &[Candidate],
    policy: Option<&ContentPolicy>,
    each: impl FnMut(usize, Intake) -> Result<()>,
) -> Result<()> {
    let read = |repository: &Repository, encoder: &mut Encoder, candidate: &Candidate| {
        read(top, repository, encoder, policy, candidate)
    };
    on_all_cores(repository, candidates, Encoder::new, read, each)
}

/// Holds all candidates against `policy`, and does nothing else with them.
pub fn scan_all(
    top: &Path,
    repository: &Repository,
    candidates: &[Candidate],
    policy: &ContentPolicy,
    each: impl FnMut(usize, Vec<Match>) -> Result<()>,
) -> Result<()> {
    let scan = |repository: &Repository, (): &mut (), candidate: &Candidate| {
        let content = blob(repository, candidate)?;
        let is_pointer = candidate.detached.is_some() && detach::is_pointer(&content);
        let content = if is_pointer { on_disk(top, candidate)? } else { content };
        Ok(policy.scan(Some(&candidate.path.to_string()), &content))
    };
    on_all_cores(repository, candidates, || Ok(()), scan, each)
}

/// Does `work` for each candidate, a bounded number ahead of `each`; `begin` makes what a thread keeps
/// from one to the next.
fn on_all_cores<S, T: Send>(
    repository: &Repository,
    candidates: &[Candidate],
    begin: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&Repository, &mut S, &Candidate) -> Result<T> + Sync,
    mut each: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(candidates.len());
    if workers < 2 || candidates.len() < 8 {
        let mut state = begin()?;
        for (at, candidate) in candidates.iter().enumerate() {
            each(at, work(repository, &mut state, candidate)?)?;
        }
        return Ok(());
    }
    let handles = (0..workers).map(|_| repository.reopen()).collect::<Result<Vec<_>>>()?;
    let next = AtomicUsize::new(0);
    // Bounded, so that what is read but not stored yet stays small.
    let (sender, receiver) = mpsc::sync_channel::<(usize, Result<T>)>(workers * 4);
    thread::scope(|scope| {
        for handle in handles {
            let (sender, next, begin, work) = (sender.clone(), &next, &begin, &work);
            scope.spawn(move || {
                let mut state = match begin() {
                    Ok(state) => state,
                    Err(error) => {
                        let _ = sender.send((usize::MAX, Err(error)));
                        return;
                    }
                };
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(candidate) = candidates.get(at) else { return };
                    let done = work(&handle, &mut state, candidate);
                    // The receiver is gone once something failed: then nobody needs the rest.
                    if sender.send((at, done)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let received = receiver.iter().try_for_each(|(at, done)| each(at, done?));
        drop(receiver);
        received
    })
}

fn blob(repository: &Repository, candidate: &Candidate) -> Result<Vec<u8>> {
    repository.blob(&candidate.oid)?.ok_or_else(|| Error::NotFound {
        action: "read",
        object: candidate.oid.to_string(),
        why: format!("git has no such object for `{}`", candidate.path),
    })
}

fn on_disk(top: &Path, candidate: &Candidate) -> Result<Vec<u8>> {
    let file = top.join(candidate.path.as_path());
    fs::read(&file).map_err(Error::io("read", &file))
}

fn read(
    top: &Path,
    repository: &Repository,
    encoder: &mut Encoder,
    policy: Option<&ContentPolicy>,
    candidate: &Candidate,
) -> Result<Intake> {
    let watch = Stopwatch::start();
    let (content, on_disk) = (blob(repository, candidate)?, on_disk(top, candidate)?);
    let scan = |content| policy.map(|it| it.scan(Some(&candidate.path.to_string()), content));
    let (intake, credentials) = if candidate.detached.is_some() && detach::is_pointer(&content) {
        (read_large(repository, encoder, candidate, &content, &on_disk)?, scan(&on_disk))
    } else {
        (read_one(encoder, candidate, &content, &on_disk)?, scan(&content))
    };
    let credentials = credentials.unwrap_or_default();
    Ok(Intake { duration_ms: watch.elapsed_whole_ms(), credentials, ..intake })
}

fn read_one(
    encoder: &mut Encoder,
    candidate: &Candidate,
    content: &[u8],
    on_disk: &[u8],
) -> Result<Intake> {
    // A filter that would make something else of the file now could not give it back later.
    let differs = on_disk != content || candidate.detached.is_some();
    let encoded = encoder.encode(content)?;
    let on_disk = if differs { Digest::of(on_disk) } else { encoded.sha256 };
    Ok(Intake::of(encoded, candidate.oid, on_disk, differs))
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
    Ok(Intake::of(encoded, oid, on_disk, false))
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
