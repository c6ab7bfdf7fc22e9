//! Where git still has a blob: in which commits, on which refs, in which stashes and work trees.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Repository;
use super::plumbing;
use crate::error::Result;
use crate::model::{GitOid, RepoPath};

const ACTION: &str = "look for the content in git";

/// Where git still has a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Residue {
    /// Whether its object is there at all, packed or loose.
    pub exists: bool,
    /// The commits that a ref, a reflog or a work tree's HEAD reaches and whose tree gained or lost
    /// it, the oldest first; those of a stash excepted.
    pub commits: Vec<String>,
    /// The refs from which one of those is reached, or which name the blob itself: branches, tags,
    /// remote-tracking ones.
    pub refs: Vec<String>,
    /// Commits that only a reflog reaches.
    pub reflog_only: Vec<String>,
    /// The numbers of the stashes that brought it in, the highest first.
    pub stashes: Vec<usize>,
    /// Work trees whose index has it, and at which paths.
    pub indexes: Vec<(PathBuf, Vec<RepoPath>)>,
}

impl Repository {
    /// Where the blob `oid` is. Walks the whole history that any ref or reflog reaches.
    pub fn residue(&self, oid: &GitOid) -> Result<Residue> {
        let mut residue = Residue { exists: self.blob_size(oid)?.is_some(), ..Residue::default() };
        if !residue.exists {
            return Ok(residue);
        }
        let (stashes, stashed) = self.stashes_with(oid)?;
        residue.stashes = stashes;
        let mut commits = self.commits_with(oid, &["--all", "--reflog"])?;
        commits.retain(|it| !stashed.contains(it));
        let by_refs: BTreeSet<String> = self.commits_with(oid, &["--all"])?.into_iter().collect();
        residue.reflog_only = commits.iter().filter(|it| !by_refs.contains(*it)).cloned().collect();
        let by_refs = commits.iter().filter(|it| by_refs.contains(*it));
        residue.refs = self.refs_with(oid, by_refs)?;
        residue.commits = commits;
        residue.indexes = self.indexes_with(oid)?;
        Ok(residue)
    }

    fn commits_with(&self, oid: &GitOid, from: &[&str]) -> Result<Vec<String>> {
        // `log` heeds the user's configuration, which may hide the first commit of all.
        let settings =
            ["-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "log.follow=false"];
        let mut command = self.reading(settings);
        command.arg("log").args(from);
        command.args(["--format=%H", "--reverse", "--no-renames", "--no-notes", "-m"]);
        command.args(["--no-color", "--no-patch", "--date-order"]);
        command.arg(format!("--find-object={oid}"));
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut seen = BTreeSet::new();
        let text = String::from_utf8_lossy(&answer);
        let lines = text.lines().filter(|line| !line.is_empty());
        Ok(lines.filter(|line| seen.insert((*line).to_owned())).map(str::to_owned).collect())
    }

    /// The refs that reach one of `commits` or name the blob; the stash's is told by its stashes.
    fn refs_with<'a>(
        &self,
        oid: &GitOid,
        commits: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<String>> {
        let mut refs = BTreeSet::new();
        let mut ask = |how: &str, what: &str| -> Result<()> {
            let mut command = self.reading(["for-each-ref", "--format=%(refname)", how]);
            command.arg(what);
            let answer = plumbing::run_checked(ACTION, command, &[])?;
            refs.extend(String::from_utf8_lossy(&answer).lines().map(str::to_owned));
            Ok(())
        };
        for commit in commits {
            ask("--contains", commit)?;
        }
        ask("--points-at", &oid.to_string())?;
        refs.remove("refs/stash");
        Ok(refs.into_iter().collect())
    }

    /// The stashes that have the blob where the commit below them has it not, and the commits of
    /// which they are made.
    fn stashes_with(&self, oid: &GitOid) -> Result<(Vec<usize>, BTreeSet<String>)> {
        let settings = ["-c", "log.showSignature=false"];
        let mut command = self.reading(settings);
        command.args(["stash", "list", "--format=%H %P", "--no-color", "--no-patch"]);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let (mut numbers, mut commits) = (Vec::new(), BTreeSet::new());
        for (number, line) in String::from_utf8_lossy(&answer).lines().enumerate() {
            // The stash itself, the commit it stands on, its index, and untracked files.
            let parts: Vec<&str> = line.split(' ').collect();
            let Some(base) = parts.get(1) else { continue };
            if self.tree_has(base, oid)? {
                continue;
            }
            for part in parts.iter().filter(|it| *it != base) {
                if self.tree_has(part, oid)? {
                    commits
                        .extend(parts.iter().filter(|it| *it != base).map(|it| (*it).to_owned()));
                    numbers.push(number);
                    break;
                }
            }
        }
        numbers.reverse();
        Ok((numbers, commits))
    }

    /// Whether the tree of a commit has the blob anywhere.
    fn tree_has(&self, commit: &str, oid: &GitOid) -> Result<bool> {
        let mut command = self.reading(["ls-tree", "-r", "-z", "--full-tree"]);
        command.arg(commit);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let wanted = oid.to_string();
        // `mode kind oid`, a tab, and the path.
        let of = |entry: &[u8]| {
            entry.split(|byte| b" \t".contains(byte)).nth(2) == Some(wanted.as_bytes())
        };
        Ok(answer.split(|byte| *byte == 0).any(of))
    }

    /// The work trees of this repository whose index has the blob, and where.
    fn indexes_with(&self, oid: &GitOid) -> Result<Vec<(PathBuf, Vec<RepoPath>)>> {
        let command = self.reading(["worktree", "list", "--porcelain", "-z"]);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut found = Vec::new();
        for line in answer.split(|byte| *byte == 0) {
            let Some(place) = line.strip_prefix(b"worktree ") else { continue };
            let place = OsStr::from_bytes(place);
            let words = ["-C".as_ref(), place, "ls-files".as_ref(), "--stage".as_ref()];
            let mut command = self.reading(words);
            command.arg("-z");
            command.env_remove("GIT_INDEX_FILE").env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
            // A work tree that is gone has no index to look at.
            let output = plumbing::run(ACTION, command, &[])?;
            if !output.status.success() {
                continue;
            }
            let wanted = oid.to_string();
            let mut paths = Vec::new();
            for entry in output.stdout.split(|byte| *byte == 0) {
                let tab = entry.iter().position(|byte| *byte == b'\t').unwrap_or(entry.len());
                let (meta, path) = entry.split_at(tab);
                if meta.split(|byte| *byte == b' ').nth(1) == Some(wanted.as_bytes()) {
                    paths.push(RepoPath::new(&path[1..])?);
                }
            }
            if !paths.is_empty() {
                found.push((PathBuf::from(place), paths));
            }
        }
        Ok(found)
    }
}
