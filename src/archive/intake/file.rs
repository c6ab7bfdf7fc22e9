//! Reading one file and judging whether it is what git has.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, Refusal, Result};
use crate::fs::Stamp;
use crate::git::Repository;
use crate::model::{Digest, GitOid};

use super::super::detach;
use super::super::selection::Candidate;

/// A file's content.
pub struct Content {
    /// Where in the buffer the bytes stand that are archived.
    pub range: Range<usize>,
    /// Their object id.
    pub oid: GitOid,
    /// SHA-256 of what stands in the work tree, where that is something else.
    pub on_disk: Option<Digest>,
    /// How that looked before it was read, where that tells of every change since.
    pub stamp: Option<Stamp>,
    /// Whether git must say if the path is clean.
    pub differs: bool,
}

/// Reads the content of `candidate` behind what is in `buffer`.
pub fn read(
    top: &Path,
    repository: &Repository,
    candidate: &Candidate,
    buffer: &mut Vec<u8>,
) -> Result<Content> {
    let start = buffer.len();
    let file = top.join(candidate.path.as_path());
    // With one byte more, its end is seen without another look for room.
    buffer.reserve(usize::try_from(candidate.size_bytes).unwrap_or(0) + 1);
    let mut read = || {
        let mut file = File::open(&file)?;
        let stamp = Stamp::before_reading(&file.metadata()?, SystemClock.now().unix_ms());
        file.read_to_end(buffer).map(|_| stamp)
    };
    let stamp = read().map_err(Error::io("read", &file))?;
    let on_disk = &buffer[start..];
    // A filter that would make something else of the file now could not give it back later.
    let is_detached = candidate.detached.is_some();
    if repository.known_blob_id(on_disk) == candidate.oid && !is_pointer(candidate, on_disk) {
        let (range, oid, differs) = (start..buffer.len(), candidate.oid, is_detached);
        return Ok(Content { range, oid, on_disk: None, stamp, differs });
    }
    let blob = repository.blob(&candidate.oid)?.ok_or_else(|| Error::NotFound {
        action: "read",
        object: candidate.oid.to_string(),
        why: format!("git has no such object for `{}`", candidate.path),
    })?;
    if is_pointer(candidate, &blob) {
        let oid = of_pointer(repository, candidate, &blob, on_disk)?;
        let range = start..buffer.len();
        return Ok(Content { range, oid, on_disk: None, stamp, differs: false });
    }
    let (oid, digest) = (candidate.oid, Digest::of(on_disk));
    buffer.truncate(start);
    buffer.extend_from_slice(&blob);
    Ok(Content { range: start..buffer.len(), oid, on_disk: Some(digest), stamp, differs: true })
}

fn is_pointer(candidate: &Candidate, blob: &[u8]) -> bool {
    candidate.detached.is_some() && detach::is_pointer(blob)
}

/// A file under git-lfs: the blob is a pointer, which says what the content in the work tree must be.
/// The id that the content has.
fn of_pointer(
    repository: &Repository,
    candidate: &Candidate,
    pointer: &[u8],
    content: &[u8],
) -> Result<GitOid> {
    let refused = |refusal| Err(Error::refused("archive", candidate.path.to_string(), refusal));
    if content == pointer {
        return refused(Refusal::PointerOnly);
    }
    if detach::pointer(&Digest::of(content), content.len() as u64) != pointer {
        return refused(Refusal::Dirty);
    }
    repository.hash_blob(content)
}
