//! Which files a command line means, and whether each may be archived.
//!
//! Named files are refused with a reason; what a folder or pattern brings along that is no
//! regular file is skipped and listed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Refusal, Result};
use crate::fs::{check_contained, inner_folder_of};
use crate::git::{AttributeSource, CommitTree, IndexEntry, IndexFlag, IndexScope, Repository};
use crate::model::{GitOid, RepoPath, TombstoneId, escape_line, names_git_folder};
use crate::tombstone;

use super::Workspace;
use super::detach::{self, CONVERSIONS, Detached};

const ACTION: &str = "archive";

/// A stub is told by so many bytes at its front.
const FRONT_BYTES: u64 = 256;

/// A longer file holds no stub, with whatever line ends.
const STUB_BYTES: u64 = 2 * tombstone::MAX_STUB_BYTES as u64;

/// A file that may be archived, as far as git's index and the commit know.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it is.
    pub path: RepoPath,
    /// Its blob in the index and in the commit.
    pub oid: GitOid,
    /// Whether it is executable.
    pub executable: bool,
    /// Its size when it was looked at, in bytes.
    pub size_bytes: u64,
    /// What it is to be freed of.
    pub detached: Option<Detached>,
}

/// A file that a folder brought along and that is not archived.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Where it is.
    pub path: String,
    /// Why it is not archived, as a clause.
    pub why: String,
}

/// What a command line means.
#[derive(Debug, Default)]
pub struct Selection {
    /// Files to archive, in bytewise order.
    pub candidates: Vec<Candidate>,
    /// Paths that hold their own stub already.
    pub already: Vec<RepoPath>,
    /// Of these, the ones whose stub stands in the work tree alone, with its item: something took
    /// it out of the index again.
    pub unstaged: Vec<(RepoPath, TombstoneId)>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// The folder that was last seen to be reached through real folders.
    contained: Option<PathBuf>,
}

/// The path `given` (relative to `cwd`) as a path below `top`, without asking the file system;
/// `None` for `top` itself.
pub fn repo_path(
    action: &'static str,
    top: &Path,
    cwd: &Path,
    given: &OsStr,
) -> Result<Option<RepoPath>> {
    let mut absolute = PathBuf::new();
    for part in cwd.join(given).components() {
        match part {
            Component::ParentDir => {
                absolute.pop();
            }
            Component::CurDir => {}
            other => absolute.push(other),
        }
    }
    let object = escape_line(&given.to_string_lossy());
    let Ok(inside) = absolute.strip_prefix(top) else {
        return Err(Error::refused(action, object, Refusal::Outside));
    };
    if inside.as_os_str().is_empty() {
        return Ok(None);
    }
    RepoPath::new(inside.as_os_str().as_bytes()).map(Some)
}

/// Finds and judges the files that `paths` mean at `commit`, which the user called `revision`.
pub fn select(
    workspace: &Workspace,
    repository: &Repository,
    paths: &[OsString],
    commit: &GitOid,
    revision: &str,
    detach: bool,
) -> Result<Selection> {
    let tree = repository.commit_tree(commit)?;
    let mut found: BTreeMap<RepoPath, (IndexEntry, bool)> = BTreeMap::new();
    for given in paths {
        for (entry, named) in matches(workspace, repository, &tree, given, revision)? {
            let known = found.entry(entry.path.clone()).or_insert((entry, named));
            known.1 |= named;
        }
    }
    let mut selection = Selection::default();
    for (path, (entry, named)) in found {
        judge(workspace, repository, &tree, &mut selection, &path, &entry, named, revision)?;
    }
    check_attributes(repository, &mut selection, detach)?;
    Ok(selection)
}

/// The index entries that one argument means, and whether it names each of them.
fn matches(
    workspace: &Workspace,
    repository: &Repository,
    tree: &CommitTree<'_>,
    given: &OsString,
    revision: &str,
) -> Result<Vec<(IndexEntry, bool)>> {
    let cwd = workspace.cwd.as_path();
    let shown = escape_line(&given.to_string_lossy());
    if given.is_empty() {
        return Err(Error::invalid("path", "", "it is empty"));
    }
    let literal = fs::symlink_metadata(cwd.join(given)).is_ok();
    let magic = given.as_bytes().first() == Some(&b':')
        || given.as_bytes().iter().any(|byte| b"*?[".contains(byte));
    if magic && !literal {
        let specs = [given.clone()];
        let entries = repository.index(IndexScope::Pathspecs { cwd, specs: &specs })?;
        if entries.is_empty() {
            let why = "it matches no tracked file".to_owned();
            return Err(Error::NotFound { action: ACTION, object: shown, why });
        }
        return Ok(entries.into_iter().map(|entry| (entry, false)).collect());
    }
    let Some(path) = repo_path(ACTION, &workspace.top, cwd, given)? else {
        let entries = repository.index(IndexScope::All)?;
        return Ok(entries.into_iter().map(|entry| (entry, false)).collect());
    };
    let mut spec = OsString::from(":(top,literal)").into_vec();
    spec.extend_from_slice(path.as_bytes());
    let specs = [OsString::from_vec(spec)];
    let entries = repository.index(IndexScope::Pathspecs { cwd, specs: &specs })?;
    if entries.is_empty() {
        return Err(why_not(workspace, tree, &path, revision)?);
    }
    Ok(entries
        .into_iter()
        .map(|entry| {
            let named = entry.path == path;
            (entry, named)
        })
        .collect())
}

/// Why a path that the index does not know cannot be archived.
pub(super) fn why_not(
    workspace: &Workspace,
    tree: &CommitTree<'_>,
    path: &RepoPath,
    revision: &str,
) -> Result<Error> {
    if names_git_folder(path.as_bytes()) {
        let why = "it is inside git's own folder";
        return Ok(Error::refused(ACTION, path.to_string(), Refusal::Forbidden { why }));
    }
    check_contained(ACTION, &workspace.top, path.as_path())?;
    if let Some(folder) = other_repository(&workspace.top, path) {
        let why = format!("it belongs to another repository, at `{folder}`");
        return Ok(Error::NotFound { action: ACTION, object: path.to_string(), why });
    }
    if tree.entry(path)?.is_some() {
        let commit = escape_line(revision);
        return Ok(Error::refused(ACTION, path.to_string(), Refusal::Staged { commit }));
    }
    Ok(not_in_commit(path, revision))
}

/// The folder of another repository below `top` that has `path`: a submodule, or a clone that stands
/// there.
fn other_repository(top: &Path, path: &RepoPath) -> Option<String> {
    let folders = path.as_path().ancestors().skip(1).filter(|it| !it.as_os_str().is_empty());
    let mut repositories =
        folders.filter(|it| top.join(it).join(".git").symlink_metadata().is_ok());
    repositories.next().map(|folder| escape_line(&folder.to_string_lossy()))
}

fn not_in_commit(path: &RepoPath, revision: &str) -> Error {
    let why = format!("it is not in commit {}", escape_line(revision));
    Error::NotFound { action: ACTION, object: path.to_string(), why }
}

/// Files that steer git or this program; archiving one would change what others mean.
pub(super) fn forbidden(path: &RepoPath) -> Option<&'static str> {
    if names_git_folder(path.as_bytes()) {
        return Some("it is inside git's own folder");
    }
    if path.is_in(".codex") {
        return Some("it belongs to the archive itself");
    }
    let steers = [b".gitattributes".as_slice(), b".gitignore", b".gitmodules"];
    steers.contains(&path.file_name()).then_some("it steers git")
}

#[expect(clippy::too_many_arguments, reason = "one call; the parts have no other life")]
pub(super) fn judge(
    workspace: &Workspace,
    repository: &Repository,
    tree: &CommitTree<'_>,
    selection: &mut Selection,
    path: &RepoPath,
    entry: &IndexEntry,
    named: bool,
    revision: &str,
) -> Result<()> {
    let refused = |refusal| Err(Error::refused(ACTION, path.to_string(), refusal));
    if let Some(refusal) = unfit(path, entry) {
        if named {
            return refused(refusal);
        }
        let (path, why) = (path.to_string(), refusal.to_string());
        selection.skipped.push(Skipped { path, why });
        return Ok(());
    }
    if entry.stage != 0 {
        return refused(Refusal::Unmerged);
    }
    let file = workspace.top.join(path.as_path());
    let seen = fs::symlink_metadata(&file);
    let small = seen.as_ref().is_ok_and(|meta| meta.is_file() && meta.len() <= STUB_BYTES);
    let own_stub = if small { own_stub(&file, repository, entry)? } else { OwnStub::None };
    match own_stub {
        OwnStub::None => {}
        OwnStub::Staged => {
            selection.already.push(path.clone());
            return Ok(());
        }
        OwnStub::Unstaged(id) => {
            selection.already.push(path.clone());
            selection.unstaged.push((path.clone(), id));
            return Ok(());
        }
    }
    if entry.flag != IndexFlag::Plain {
        return refused(Refusal::Flagged { flag: entry.flag.word() });
    }
    match tree.entry(path)? {
        None => return Err(not_in_commit(path, revision)),
        Some(at) if (at.oid, at.mode) != (entry.oid, entry.mode) => {
            return refused(Refusal::Staged { commit: escape_line(revision) });
        }
        Some(_) => {}
    }
    let folder = inner_folder_of(path.as_path());
    if selection.contained.as_deref() != Some(folder) {
        check_contained(ACTION, &workspace.top, path.as_path())?;
        selection.contained = Some(folder.to_path_buf());
    }
    let meta = match seen {
        Ok(meta) if meta.is_file() => meta,
        Ok(meta) if meta.is_symlink() => {
            return refused(Refusal::NotRegular { what: "a symbolic link" });
        }
        Ok(_) => return refused(Refusal::NotRegular { what: "a special file" }),
        Err(_) => return refused(Refusal::Missing),
    };
    let executable = entry.mode == 0o100_755;
    // A change of mode alone is a change, where git looks at modes.
    if is_executable_by(&meta) != executable && !repository.setting_is_false("core.fileMode")? {
        return refused(Refusal::Dirty);
    }
    selection.candidates.push(Candidate {
        path: path.clone(),
        oid: entry.oid,
        executable,
        size_bytes: meta.len(),
        detached: None,
    });
    Ok(())
}

/// Whether the owner may execute the file.
pub fn is_executable(file: &Path) -> Result<bool> {
    let meta = fs::symlink_metadata(file).map_err(Error::io("look at", file))?;
    Ok(is_executable_by(&meta))
}

fn is_executable_by(meta: &fs::Metadata) -> bool {
    meta.permissions().mode() & 0o100 != 0
}

/// Why a path can never be archived, whatever its state.
fn unfit(path: &RepoPath, entry: &IndexEntry) -> Option<Refusal> {
    match entry.mode {
        0o120_000 => return Some(Refusal::NotRegular { what: "a symbolic link" }),
        0o160_000 => return Some(Refusal::NotRegular { what: "a submodule" }),
        _ => {}
    }
    forbidden(path).map(|why| Refusal::Forbidden { why })
}

/// Whether a path holds a tombstone.
enum OwnStub {
    None,
    /// In the index and in the work tree alike.
    Staged,
    /// In the work tree alone: the stub of what the index has.
    Unstaged(TombstoneId),
}

/// Whether the path holds a tombstone. Asked before anything else, since a stub that is not
/// committed yet differs from the commit.
fn own_stub(file: &Path, repository: &Repository, entry: &IndexEntry) -> Result<OwnStub> {
    let mut open = File::open(file).map_err(Error::io("read", file))?;
    let mut on_disk = Vec::with_capacity(FRONT_BYTES as usize);
    let mut read = |most: u64, into: &mut Vec<u8>| {
        (&mut open).take(most).read_to_end(into).map_err(Error::io("read", file))
    };
    read(FRONT_BYTES, &mut on_disk)?;
    let front: Vec<u8> = on_disk.iter().copied().filter(|byte| *byte != b'\r').collect();
    if !tombstone::looks_like_stub(&front) {
        return Ok(OwnStub::None);
    }
    read(STUB_BYTES, &mut on_disk)?;
    // Under autocrlf the stub may stand with CRLF in the work tree.
    let text: Vec<u8> = on_disk.iter().copied().filter(|byte| *byte != b'\r').collect();
    if !tombstone::looks_like_stub(&text) {
        return Ok(OwnStub::None);
    }
    let Ok((stub, _)) = tombstone::parse(&text) else { return Ok(OwnStub::None) };
    let pointer = || repository.hash_blob(&detach::pointer(&stub.sha256, stub.size_bytes));
    let is_content = stub.git_blob == entry.oid || pointer()? == entry.oid;
    if is_content && stub.path == entry.path {
        return Ok(OwnStub::Unstaged(stub.id));
    }
    let staged = repository.blob(&entry.oid)?.unwrap_or_default();
    let same = staged == on_disk || staged == text;
    Ok(if same { OwnStub::Staged } else { OwnStub::None })
}

/// Refuses what git converts, or notes what it is to be freed of.
fn check_attributes(
    repository: &Repository,
    selection: &mut Selection,
    detach: bool,
) -> Result<()> {
    let paths: Vec<RepoPath> = selection.candidates.iter().map(|c| c.path.clone()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let values = repository.attributes(&paths, &CONVERSIONS, AttributeSource::WorkTree)?;
    for (candidate, values) in selection.candidates.iter_mut().zip(values) {
        let attributes = detach::conversions(&values);
        let Some(attribute) = attributes.first().cloned() else { continue };
        if !detach {
            let refusal = Refusal::Filtered { attribute };
            return Err(Error::refused(ACTION, candidate.path.to_string(), refusal));
        }
        candidate.detached = Some(Detached { attributes, blob: candidate.oid });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_current_folder_and_stay_inside() {
        let at = |given: &str| {
            repo_path("archive", Path::new("/r"), Path::new("/r/sub"), OsStr::new(given))
        };
        assert_eq!(at("a").unwrap().unwrap().as_bytes(), b"sub/a");
        assert_eq!(at("../a").unwrap().unwrap().as_bytes(), b"a");
        assert_eq!(at("/r/x/./y").unwrap().unwrap().as_bytes(), b"x/y");
        assert_eq!(at("..").unwrap(), None);
        assert!(at("../../etc/passwd").is_err());
    }

    #[test]
    fn what_steers_git_is_forbidden() {
        for bad in
            [".git/config", "a/.GIT/x", "GIT~1/config", "sub/.gitignore", ".codex/archive.toml"]
        {
            assert!(forbidden(&RepoPath::new(bad.as_bytes()).unwrap()).is_some(), "{bad}");
        }
        assert!(forbidden(&RepoPath::new(b"src/git.rs").unwrap()).is_none());
    }
}
