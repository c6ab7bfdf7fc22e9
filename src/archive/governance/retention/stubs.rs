//! The stubs that stand: at the tip of any branch, in any work tree's HEAD, in the index.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::git::{IndexScope, Repository};
use crate::model::{GitOid, TombstoneId};
use crate::tombstone::{MAX_STUB_BYTES, looks_like_stub};

/// The items whose stub stands somewhere. A stub that somebody edited counts, and so does one that an
/// attribute exempts: who put it there may mean the item.
pub fn standing(repository: &Repository) -> Result<BTreeSet<TombstoneId>> {
    let mut files = repository.files_at(&repository.tips()?)?;
    // What is staged may be committed the next moment.
    files.extend(repository.index(IndexScope::All)?.into_iter().map(|entry| entry.oid));
    let mut standing = BTreeSet::new();
    for oid in files {
        standing.extend(ids_in(repository, &oid)?);
    }
    Ok(standing)
}

/// Every id in a file that begins like a stub.
fn ids_in(repository: &Repository, oid: &GitOid) -> Result<Vec<TombstoneId>> {
    if repository.blob_size(oid)?.is_none_or(|size| size > MAX_STUB_BYTES as u64) {
        return Ok(Vec::new());
    }
    let bytes = repository.blob(oid)?.unwrap_or_default();
    if !looks_like_stub(&bytes) {
        return Ok(Vec::new());
    }
    let text = String::from_utf8_lossy(&bytes);
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
    Ok(words.filter_map(|word| word.parse().ok()).collect())
}
