//! Takes the files to be archived in, on all cores: read, judged, hashed and compressed, a run at a time.
//!
//! The bytes are git's blob; the work tree must hold the same, as they are or as git's own
//! conversion of line ends makes them. A file whose bytes have the blob's id is that blob, so git's
//! own copy of it is not read.

mod cut;
mod file;
pub mod large;
mod pace;
mod pipeline;

use crate::blob::{Encoded, Run};
use crate::error::{Error, Refusal, Result};
use crate::fs::Stamp;
use crate::git::Repository;
use crate::model::{Digest, GitOid};
use crate::policy::content::Match;

use super::selection::Candidate;

pub use cut::{MEMBER_BYTES, RUN_BYTES};
pub use pace::Pace;
pub use pipeline::{Archived, Intake, Taker, scan_all};

/// A file that was read and hashed.
#[derive(Debug)]
pub struct Taken {
    /// Which of the candidates it is.
    pub at: usize,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Bytes of its content.
    pub size_bytes: u64,
    /// The content's object id, which is not the index's where that has git-lfs' pointer.
    pub oid: GitOid,
    /// SHA-256 of what stands in the work tree, to see whether it changes meanwhile.
    pub on_disk: Digest,
    /// How that looked before it was read, where that tells of every change since.
    pub stamp: Option<Stamp>,
    /// Whether the work tree holds other bytes than the blob, so that git must say if the path
    /// is clean.
    pub differs: bool,
    /// The credentials in it.
    pub credentials: Vec<Match>,
    /// Where its content is.
    pub place: Place,
    /// How long that took, in milliseconds.
    pub duration_ms: u64,
}

/// Where the content of a file is to be found.
#[derive(Debug)]
pub enum Place {
    /// It is this member of the run it came with.
    Member(usize),
    /// Compressed by itself: it takes the place of bytes that are damaged or were purged.
    Alone(Encoded),
    /// In the archive, or in another file of the same deed.
    Elsewhere,
}

/// Files that were taken in together.
#[derive(Debug)]
pub struct TakenRun {
    /// The files.
    pub files: Vec<Taken>,
    /// What those of them share that are new.
    pub run: Option<Run>,
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
