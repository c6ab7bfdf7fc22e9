//! Reading one file and judging whether it is what git has.

use std::fs;
use std::path::Path;

use crate::error::{Error, Refusal, Result};
use crate::git::Repository;
use crate::model::{Digest, GitOid};

use super::super::detach;
use super::super::selection::Candidate;

/// A file's content.
pub struct Content {
    /// The bytes that are archived.
    pub bytes: Vec<u8>,
    /// Their object id.
    pub oid: GitOid,
    /// SHA-256 of what stands in the work tree, where that is something else.
    pub on_disk: Option<Digest>,
    /// Whether git must say if the path is clean.
    pub differs: bool,
}

/// Reads the content of `candidate`.
pub fn read(top: &Path, repository: &Repository, candidate: &Candidate) -> Result<Content> {
    let file = top.join(candidate.path.as_path());
    let on_disk = fs::read(&file).map_err(Error::io("read", &file))?;
    // A filter that would make something else of the file now could not give it back later.
    let is_detached = candidate.detached.is_some();
    if repository.known_blob_id(&on_disk) == candidate.oid && !is_pointer(candidate, &on_disk) {
        let (oid, differs) = (candidate.oid, is_detached);
        return Ok(Content { bytes: on_disk, oid, on_disk: None, differs });
    }
    let blob = repository.blob(&candidate.oid)?.ok_or_else(|| Error::NotFound {
        action: "read",
        object: candidate.oid.to_string(),
        why: format!("git has no such object for `{}`", candidate.path),
    })?;
    if is_pointer(candidate, &blob) {
        return of_pointer(repository, candidate, &blob, on_disk);
    }
    let (oid, digest) = (candidate.oid, Digest::of(&on_disk));
    Ok(Content { bytes: blob, oid, on_disk: Some(digest), differs: true })
}

fn is_pointer(candidate: &Candidate, blob: &[u8]) -> bool {
    candidate.detached.is_some() && detach::is_pointer(blob)
}

/// A file under git-lfs: the blob is a pointer, which says what the content in the work tree must be.
fn of_pointer(
    repository: &Repository,
    candidate: &Candidate,
    pointer: &[u8],
    content: Vec<u8>,
) -> Result<Content> {
    let refused = |refusal| Err(Error::refused("archive", candidate.path.to_string(), refusal));
    if content == pointer {
        return refused(Refusal::PointerOnly);
    }
    if detach::pointer(&Digest::of(&content), content.len() as u64) != pointer {
        return refused(Refusal::Dirty);
    }
    let oid = repository.hash_blob(&content)?;
    Ok(Content { bytes: content, oid, on_disk: None, differs: false })
}
