//! Finding the repository.
//!
//! libgit2 answers where its answer cannot differ from git's: at the top of a work tree. Anywhere
//! else, and whenever libgit2 fails, the git executable decides; "not a repository" is said only
//! when both say so.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, RepositoryOpenFlags};

use super::plumbing::{self, Git, READING};
use crate::error::{Error, Result};

const ACTION: &str = "find the repository";

/// What discovery found; every path is absolute and without links.
pub(super) struct Found {
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    pub(super) work_tree: Option<PathBuf>,
    pub(super) oid_len: usize,
    pub(super) library: Option<git2::Repository>,
}

/// The repository of `start`.
pub(super) fn find(git: &Git, start: &Path) -> Result<Option<Found>> {
    let start = canonical(start)?;
    // Only in our own folder do libgit2 and a child read GIT_DIR and its like the same way.
    let is_here = fs::canonicalize(".").is_ok_and(|here| here == start);
    let mut refused = None;
    if is_here && git.environment.is_empty() {
        match git2::Repository::open_from_env() {
            Ok(library) => {
                if let Some(found) = accept(library, &start) {
                    return Ok(Some(found));
                }
            }
            Err(error) => refused = Some(error),
        }
    }
    match ask_git(git, &start)? {
        Answer::Found(found) => Ok(Some(found)),
        Answer::Refused(error) => {
            let refused = refused.or_else(|| open(&start, RepositoryOpenFlags::FROM_ENV).err());
            match refused.map(|error| error.code()) {
                Some(ErrorCode::NotFound) => Ok(None),
                Some(ErrorCode::Owner) => Err(Error::UnsafeOwner { path: top_of(&start) }),
                _ => Err(error),
            }
        }
    }
}

/// Opens libgit2's handle on a git folder that is known; `None` when libgit2 cannot.
pub(super) fn open_library(git_dir: &Path) -> Option<git2::Repository> {
    let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
    // With the environment, for the object folders of a push that is not accepted yet.
    open(git_dir, flags | RepositoryOpenFlags::FROM_ENV).or_else(|_| open(git_dir, flags)).ok()
}

fn open(
    path: &Path,
    flags: RepositoryOpenFlags,
) -> std::result::Result<git2::Repository, git2::Error> {
    git2::Repository::open_ext(path, flags, [] as [&Path; 0])
}

/// libgit2's answer, if git's is the same for sure. Below the top it need not be: with GIT_DIR
/// alone git takes the current folder for the work tree, libgit2 the parent of the git folder.
pub(super) fn accept(library: git2::Repository, start: &Path) -> Option<Found> {
    let work_tree = fs::canonicalize(library.workdir()?).ok()?;
    let git_dir = fs::canonicalize(library.path()).ok()?;
    let common_dir = fs::canonicalize(library.commondir()).ok()?;
    if work_tree != start || start.starts_with(&git_dir) {
        return None;
    }
    Some(Found {
        git_dir,
        common_dir,
        work_tree: Some(work_tree),
        // This libgit2 opens no SHA-256 repository.
        oid_len: super::SHA1_LEN,
        library: Some(library),
    })
}

enum Answer {
    Found(Found),
    Refused(Error),
}

fn ask_git(git: &Git, start: &Path) -> Result<Answer> {
    // One question a child, since a path may hold a line feed; the format is asked with the
    // work tree, whose path comes last and so may hold anything.
    let ask = |what: &[&str]| {
        let mut command = git.command(start);
        command.args(READING).env("LC_ALL", "C");
        command.args(["rev-parse", "--path-format=absolute"]).args(what);
        plumbing::run(ACTION, command, &[])
    };
    let output = ask(&["--git-dir"])?;
    if !output.status.success() {
        return Ok(Answer::Refused(plumbing::failure(ACTION, &output)));
    }
    let git_dir = canonical(&plumbing::path_line(output.stdout))?;
    let output = ask(&["--git-common-dir"])?;
    if !output.status.success() {
        return Err(plumbing::failure(ACTION, &output));
    }
    let common_dir = canonical(&plumbing::path_line(output.stdout))?;

    // Without a work tree this ends with an error, after the format.
    let output = ask(&["--show-object-format", "--show-toplevel"])?;
    let Some(end) = output.stdout.iter().position(|byte| *byte == b'\n') else {
        return Err(plumbing::failure(ACTION, &output));
    };
    let oid_len = match &output.stdout[..end] {
        b"sha1" => super::SHA1_LEN,
        b"sha256" => 32,
        other => return Err(plumbing::odd_answer(ACTION, other)),
    };
    let top = output.stdout[end + 1..].to_vec();
    let work_tree = if output.status.success() && !top.is_empty() {
        // A hook of a push runs in the git folder with GIT_DIR=., and git then calls that folder
        // the work tree.
        Some(canonical(&plumbing::path_line(top))?).filter(|top| !top.starts_with(&git_dir))
    } else {
        None
    };
    Ok(Answer::Found(Found { git_dir, common_dir, work_tree, oid_len, library: None }))
}

fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(Error::io("look at", path))
}

/// The folder to name in `safe.directory`.
fn top_of(start: &Path) -> PathBuf {
    let has_git = |folder: &&Path| {
        !folder.as_os_str().as_bytes().is_empty() && folder.join(".git").symlink_metadata().is_ok()
    };
    start.ancestors().find(has_git).unwrap_or(start).to_path_buf()
}
