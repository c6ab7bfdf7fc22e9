//! Where git still has a blob: in which commits, on which refs, in which stashes and work trees.

use std::collections::BTreeSet;

use super::Repository;
use super::plumbing;
use crate::error::Result;
use crate::model::GitOid;

const ACTION: &str = "look for the content in git";

/// Where git still has a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Residue {
    /// Whether its object is there at all, packed or loose.
    pub exists: bool,
    /// The commits that a ref, a reflog or a stash reaches and whose tree gained or lost it, the
    /// oldest first.
    pub commits: Vec<String>,
    /// The refs from which one of those is reached: branches, tags, remote-tracking ones, stashes.
    pub refs: Vec<String>,
    /// Commits that only a reflog reaches.
    pub reflog_only: Vec<String>,
    /// Work trees whose index has it.
    pub indexes: Vec<String>,
}

impl Repository {
    /// Where the blob `oid` is. Walks the whole history that any ref or reflog reaches.
    pub fn residue(&self, oid: &GitOid) -> Result<Residue> {
        let mut residue = Residue { exists: self.blob_size(oid)?.is_some(), ..Residue::default() };
        if !residue.exists {
            return Ok(residue);
        }
        residue.commits = self.commits_with(oid, &["--all", "--reflog"])?;
        let by_refs: BTreeSet<String> = self.commits_with(oid, &["--all"])?.into_iter().collect();
        residue.reflog_only =
            residue.commits.iter().filter(|it| !by_refs.contains(*it)).cloned().collect();
        residue.refs = self.refs_with(&by_refs)?;
        residue.indexes = self.indexes_with(oid)?;
        Ok(residue)
    }

    fn commits_with(&self, oid: &GitOid, from: &[&str]) -> Result<Vec<String>> {
        let mut command = self.reading(["-c", "log.showSignature=false", "log"]);
        command.args(from).args(["--format=%H", "--reverse", "--no-renames", "--no-notes", "-m"]);
        command.args(["--no-color", "--no-patch", "--date-order"]);
        command.arg(format!("--find-object={oid}"));
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut seen = BTreeSet::new();
        let text = String::from_utf8_lossy(&answer);
        let lines = text.lines().filter(|line| !line.is_empty());
        Ok(lines.filter(|line| seen.insert((*line).to_owned())).map(str::to_owned).collect())
    }

    /// The refs that reach one of `commits`.
    fn refs_with(&self, commits: &BTreeSet<String>) -> Result<Vec<String>> {
        let mut refs = BTreeSet::new();
        for commit in commits {
            let mut command = self.reading(["for-each-ref", "--format=%(refname)", "--contains"]);
            command.arg(commit);
            let answer = plumbing::run_checked(ACTION, command, &[])?;
            refs.extend(String::from_utf8_lossy(&answer).lines().map(str::to_owned));
        }
        Ok(refs.into_iter().collect())
    }

    /// The work trees of this repository whose index has the blob.
    fn indexes_with(&self, oid: &GitOid) -> Result<Vec<String>> {
        let command = self.reading(["worktree", "list", "--porcelain", "-z"]);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut found = Vec::new();
        for line in answer.split(|byte| *byte == 0) {
            let Some(place) = line.strip_prefix(b"worktree ") else { continue };
            let place = String::from_utf8_lossy(place).into_owned();
            let mut command = self.reading(["-C", place.as_str(), "ls-files", "--stage", "-z"]);
            command.env_remove("GIT_INDEX_FILE").env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
            // A work tree that is gone has no index to look at.
            let output = plumbing::run(ACTION, command, &[])?;
            let has = output.stdout.split(|byte| *byte == 0).any(|entry| {
                entry.split(|byte| *byte == b' ').nth(1) == Some(oid.to_string().as_bytes())
            });
            if output.status.success() && has {
                found.push(place);
            }
        }
        Ok(found)
    }
}
