//! A tree to be judged: the index or a commit, with its label, segments and stubs.

use crate::archive::segments::{self, BadSegment};
use crate::config;
use crate::error::Result;
use crate::evidence::{SEGMENT_FOLDER, Segment};
use crate::git::{Change, IndexScope, Repository};
use crate::model::{GitOid, RepoLabel, RepoPath};
use crate::tombstone::{self, MAX_STUB_BYTES, StubFault, Tombstone};

/// Where the label stands.
pub const LABEL_FILE: &str = ".codex/archive.toml";

/// The tree that is judged.
#[derive(Debug, Clone, Copy)]
pub enum Tree {
    /// What is staged; GIT_INDEX_FILE counts.
    Index,
    /// A commit.
    Commit(GitOid),
}

/// A file that begins like a stub.
pub type MaybeStub = std::result::Result<Tombstone, StubFault>;

impl Tree {
    /// What this tree has other than `base`.
    pub fn changes(&self, repository: &Repository, base: Option<&GitOid>) -> Result<Vec<Change>> {
        match self {
            Self::Index => repository.staged_changes(base),
            Self::Commit(tip) => repository.tree_changes(base, tip),
        }
    }

    /// The object at `path`.
    pub fn oid_at(&self, repository: &Repository, path: &RepoPath) -> Result<Option<GitOid>> {
        Ok(match self {
            Self::Index => repository
                .index(IndexScope::Paths(std::slice::from_ref(path)))?
                .first()
                .map(|entry| entry.oid),
            Self::Commit(tip) => repository.commit_tree(tip)?.entry(path)?.map(|entry| entry.oid),
        })
    }

    /// All files: path, mode, object.
    pub fn files(&self, repository: &Repository) -> Result<Vec<(RepoPath, u32, GitOid)>> {
        Ok(match self {
            Self::Index => repository
                .index(IndexScope::All)?
                .into_iter()
                .filter(|entry| entry.stage == 0)
                .map(|entry| (entry.path, entry.mode, entry.oid))
                .collect(),
            Self::Commit(tip) => repository
                .list_tree(tip, None)?
                .into_iter()
                .map(|entry| (entry.path, entry.mode, entry.oid))
                .collect(),
        })
    }

    /// The repo label, where the tree has one.
    pub fn label(&self, repository: &Repository) -> Result<Option<RepoLabel>> {
        let Some(oid) = self.oid_at(repository, &RepoPath::new(LABEL_FILE.as_bytes())?)? else {
            return Ok(None);
        };
        Ok(repository.blob(&oid)?.and_then(|text| config::label_of(&text)))
    }

    /// All segments, and what stands among them without being one.
    pub fn segments(&self, repository: &Repository) -> Result<(Vec<Segment>, Vec<BadSegment>)> {
        match self {
            Self::Index => segments::in_index(repository),
            Self::Commit(tip) => {
                let entries = repository.list_tree(tip, Some(SEGMENT_FOLDER))?;
                segments::load(repository, entries.into_iter().map(|entry| (entry.path, entry.oid)))
            }
        }
    }
}

/// The blob as a stub, if it begins like one; `None` for any other content.
pub fn stub_of(repository: &Repository, mode: u32, oid: &GitOid) -> Result<Option<MaybeStub>> {
    if !matches!(mode, 0o100_644 | 0o100_755) {
        return Ok(None);
    }
    if repository.blob_size(oid)?.is_none_or(|size| size > MAX_STUB_BYTES as u64) {
        return Ok(None);
    }
    let Some(bytes) = repository.blob(oid)? else { return Ok(None) };
    if !tombstone::looks_like_stub(&bytes) {
        return Ok(None);
    }
    Ok(Some(tombstone::parse(&bytes).map(|(stub, _)| stub)))
}
