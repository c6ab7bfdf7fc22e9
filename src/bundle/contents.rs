//! What goes into a bundle: the files of a commit, less what is left out.
//!
//! Refuses trees that no work tree could have: a path twice, a file that is a folder as well, git's
//! own folder. Nothing is read from the work tree.

use std::collections::HashSet;

use crate::archive::sidecar_path;
use crate::error::{Error, Refusal, Result};
use crate::git::{AttributeSource, Entry, Repository};
use crate::model::{GitOid, RepoPath, names_git_folder};
use crate::tombstone::{self, MAX_STUB_BYTES, Tombstone};

use super::exclude::Exclusion;
use super::lock::{StubPolicy, Submodule};

/// The attribute that exempts a path: what stands there only looks like a tombstone.
const ATTRIBUTE: &str = "codex-tombstone";

/// A file or link in the bundle.
#[derive(Debug)]
pub(super) struct Member {
    /// Where it stands.
    pub path: RepoPath,
    /// Whether it is executable.
    pub is_executable: bool,
    /// Bytes of it.
    pub size_bytes: u64,
    /// What it is.
    pub source: Source,
}

/// What a member is.
#[derive(Debug)]
pub(super) enum Source {
    /// A regular file: this blob.
    File(GitOid),
    /// A symbolic link: its target is this blob.
    Link(GitOid),
    /// The content that this tombstone stands for.
    Archived(Box<Tombstone>),
}

/// What goes into a bundle.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Files and links, sorted by the bytes of their paths.
    pub members: Vec<Member>,
    /// Submodules, whose files are not in it.
    pub submodules: Vec<Submodule>,
    /// How many files patterns leave out.
    pub excluded: u64,
    /// How many tombstones stand among the rest.
    pub stub_count: u64,
}

/// What of `commit` goes into a bundle.
pub(super) fn contents(
    repository: &Repository,
    commit: &GitOid,
    exclusion: &Exclusion,
    policy: StubPolicy,
) -> Result<Contents> {
    let entries = repository.list_tree(commit, None)?;
    check_tree(commit, &entries)?;
    let taken: HashSet<RepoPath> = entries.iter().map(|entry| entry.path.clone()).collect();
    let mut contents = Contents::default();
    let mut maybe_stubs = Vec::new();
    for Entry { path, mode, oid } in entries {
        if exclusion.fits(&path) {
            contents.excluded += 1;
            continue;
        }
        let is_executable = mode & 0o100 != 0;
        let source = match mode & 0o170_000 {
            0o100_000 => Source::File(oid),
            0o120_000 => Source::Link(oid),
            0o160_000 => {
                let (path, commit) = (path.to_string(), oid.to_string());
                contents.submodules.push(Submodule { path, commit });
                continue;
            }
            _ => return Err(damaged(commit, &path, &format!("has the mode {mode:o}"))),
        };
        let Some(size_bytes) = repository.blob_size(&oid)? else {
            return Err(damaged(commit, &path, &format!("is the blob {oid}, which is missing")));
        };
        if matches!(source, Source::File(_)) && begins_as_stub(repository, &oid, size_bytes)? {
            maybe_stubs.push((path, is_executable, size_bytes, oid));
        } else {
            contents.members.push(Member { path, is_executable, size_bytes, source });
        }
    }
    let paths: Vec<RepoPath> = maybe_stubs.iter().map(|(path, ..)| path.clone()).collect();
    let values = repository.attributes(&paths, &[ATTRIBUTE], AttributeSource::Commit(commit))?;
    for ((path, is_executable, size_bytes, oid), values) in maybe_stubs.into_iter().zip(values) {
        let is_exempt = values.first().is_some_and(|value| value == "unset");
        contents.stub_count += u64::from(!is_exempt);
        if is_exempt || policy == StubPolicy::Leave {
            let source = Source::File(oid);
            contents.members.push(Member { path, is_executable, size_bytes, source });
            continue;
        }
        let stub = stub_of(repository, &path, &oid)?;
        if policy == StubPolicy::Fill {
            contents.fill_in(path, stub, &taken, exclusion)?;
        }
    }
    contents.members.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(contents)
}

impl Contents {
    /// Takes in what `stub`, which stands at `path`, stands for: in its place or, where the stub
    /// stands beside the tree, in that of the file.
    fn fill_in(
        &mut self,
        path: RepoPath,
        stub: Tombstone,
        taken: &HashSet<RepoPath>,
        exclusion: &Exclusion,
    ) -> Result<()> {
        let is_beside = sidecar_path(&stub.path)? == path;
        let place = if is_beside { stub.path.clone() } else { path };
        if is_beside && exclusion.fits(&place) {
            self.excluded += 1;
            return Ok(());
        }
        let folders = ancestors(&place).any(|above| taken.contains(&above));
        if is_beside && (taken.contains(&place) || folders) {
            return Err(Error::refused("fill in", place.to_string(), Refusal::Exists));
        }
        let is_executable = stub.mode == crate::model::FileMode::Executable;
        let size_bytes = stub.size_bytes;
        let source = Source::Archived(Box::new(stub));
        self.members.push(Member { path: place, is_executable, size_bytes, source });
        Ok(())
    }
}

fn begins_as_stub(repository: &Repository, oid: &GitOid, size_bytes: u64) -> Result<bool> {
    if size_bytes > MAX_STUB_BYTES as u64 {
        return Ok(false);
    }
    Ok(repository.blob(oid)?.is_some_and(|bytes| tombstone::looks_like_stub(&bytes)))
}

fn stub_of(repository: &Repository, path: &RepoPath, oid: &GitOid) -> Result<Tombstone> {
    let bytes = repository.blob(oid)?.unwrap_or_default();
    let fault = |fault| Error::damaged("tombstone", path.to_string(), format!("{fault}"));
    tombstone::parse(&bytes).map(|(stub, _)| stub).map_err(fault)
}

fn damaged(commit: &GitOid, path: &RepoPath, why: &str) -> Error {
    Error::damaged("commit", commit.to_string(), format!("`{path}` {why}"))
}

/// The folders above a path.
fn ancestors(path: &RepoPath) -> impl Iterator<Item = RepoPath> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(at, _)| RepoPath::new(&bytes[..at]).ok())
}

/// Refuses what git itself would not check out.
fn check_tree(commit: &GitOid, entries: &[Entry]) -> Result<()> {
    let mut seen = HashSet::new();
    for entry in entries {
        if names_git_folder(entry.path.as_bytes()) {
            let why = "it is in git's own folder";
            let refusal = Refusal::Forbidden { why };
            return Err(Error::refused("bundle", entry.path.to_string(), refusal));
        }
        if !seen.insert(entry.path.as_bytes()) {
            return Err(damaged(commit, &entry.path, "is there twice"));
        }
    }
    let is_file = |path: &RepoPath| seen.contains(path.as_bytes());
    for entry in entries {
        if let Some(above) = ancestors(&entry.path).find(is_file) {
            return Err(damaged(commit, &above, "is a file and a folder"));
        }
    }
    Ok(())
}
