//! What commits removed or altered.

use std::collections::HashSet;

use super::Repository;
use super::plumbing;
use crate::error::Result;
use crate::model::{GitOid, RepoPath};

const ACTION: &str = "read the history";

impl Repository {
    /// The files below `folder` that some commit reachable from HEAD, or from a merge under way,
    /// removed or altered, each with the blob it had; newest change first, each pair once.
    pub fn deleted_in_history(&self, folder: &str) -> Result<Vec<(RepoPath, GitOid)>> {
        // A slash at its end would fit git's pathspec and none of the answers.
        RepoPath::new(folder.as_bytes())?;
        let mut tips = self.merge_heads()?;
        tips.extend(self.head()?);
        if tips.is_empty() {
            return Ok(Vec::new());
        }
        // `log` heeds the user's configuration where plumbing would not: it may check signatures,
        // follow renames or show merges in another way.
        let mut command = self.reading(["-c", "log.showSignature=false"]);
        command.args([
            "-c",
            "log.diffMerges=separate",
            "log",
            "--format=",
            "--diff-filter=DM",
            "-m",
        ]);
        command.args([
            "--raw",
            "-z",
            "--no-abbrev",
            "--no-renames",
            "--no-follow",
            "--no-relative",
        ]);
        command.args(["--full-history", "--no-notes", "--no-color", "--ignore-submodules=none"]);
        command.args(tips.iter().map(GitOid::to_string)).arg("--").arg(folder);
        let answer = plumbing::run_checked(ACTION, command, &[])?;

        let mut seen = HashSet::new();
        let mut deleted = Vec::new();
        for change in super::diff::parse_raw(ACTION, &without_gaps(&answer)?, self.oid_len)? {
            if let Some(old) = change.old
                && change.path.is_in(folder)
                && seen.insert((change.path.clone(), old.oid))
            {
                deleted.push((change.path, old.oid));
            }
        }
        Ok(deleted)
    }

    /// Every file below `folder` in the tree of any commit that a ref, a reflog or a work tree's HEAD
    /// reaches, each pair of path and blob once.
    pub fn files_ever_in(&self, folder: &str) -> Result<Vec<(RepoPath, GitOid)>> {
        RepoPath::new(folder.as_bytes())?;
        let mut command = self.reading(["-c", "log.showSignature=false"]);
        command.args(["-c", "log.diffMerges=separate", "log", "--all", "--reflog", "--format="]);
        command.args(["--diff-filter=AMDT", "-m", "--root", "--raw", "-z", "--no-abbrev"]);
        command.args(["--no-renames", "--no-follow", "--no-relative", "--full-history"]);
        command.args(["--no-notes", "--no-color", "--ignore-submodules=none", "--"]);
        command.arg(folder);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        for change in super::diff::parse_raw(ACTION, &without_gaps(&answer)?, self.oid_len)? {
            for side in [change.old, change.new].into_iter().flatten() {
                if change.path.is_in(folder) && seen.insert((change.path.clone(), side.oid)) {
                    files.push((change.path.clone(), side.oid));
                }
            }
        }
        Ok(files)
    }
}

/// The changes without the empty fields that part the commits.
fn without_gaps(answer: &[u8]) -> Result<Vec<u8>> {
    let fields = plumbing::fields(ACTION, answer)?;
    let mut raw = Vec::with_capacity(answer.len());
    for field in fields.into_iter().filter(|field| !field.is_empty()) {
        raw.extend_from_slice(field);
        raw.push(0);
    }
    Ok(raw)
}
