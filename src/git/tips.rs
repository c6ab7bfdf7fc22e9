//! What stands at the tips: the files of all branches, tracking branches and work trees.

use std::collections::{BTreeSet, HashSet};

use super::Repository;
use super::plumbing;
use super::tree::{FOLDER, TreeEntry, canonical_mode};
use crate::error::Result;
use crate::model::GitOid;

const ACTION: &str = "list the branches";

impl Repository {
    /// The commits at the tips of local and remote-tracking branches and at the HEAD of every work
    /// tree, each once.
    pub fn tips(&self) -> Result<BTreeSet<GitOid>> {
        let format = "--format=%(objecttype) %(objectname)";
        let command = self.reading(["for-each-ref", format, "refs/heads/", "refs/remotes/"]);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut tips = BTreeSet::new();
        // What is no commit has no tree that anybody checks out.
        for line in answer.split(|byte| *byte == b'\n') {
            if let Some(hex) = line.strip_prefix(b"commit ") {
                tips.extend(plumbing::oid_lines(ACTION, hex, self.oid_len)?);
            }
        }
        let command = self.reading(["worktree", "list", "--porcelain", "-z"]);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        for line in answer.split(|byte| *byte == 0) {
            if let Some(hex) = line.strip_prefix(b"HEAD ") {
                tips.extend(plumbing::oid_lines(ACTION, hex, self.oid_len)?);
            }
        }
        // A branch without a commit has zeros there.
        tips.retain(|oid| !oid.is_zero());
        Ok(tips)
    }

    /// The objects of all regular files in the trees of `commits`, each once. A folder that many of
    /// them share is read once: the work is that of what differs.
    pub fn files_at(&self, commits: &BTreeSet<GitOid>) -> Result<BTreeSet<GitOid>> {
        let mut files = BTreeSet::new();
        let mut seen = HashSet::new();
        for commit in commits {
            let mut waiting = vec![self.root_of(commit)?];
            while let Some(tree) = waiting.pop() {
                if !seen.insert(tree) {
                    continue;
                }
                for (_, TreeEntry { mode, oid }) in self.folder(&tree)? {
                    match canonical_mode(mode) {
                        FOLDER => waiting.push(oid),
                        0o100_644 | 0o100_755 => drop(files.insert(oid)),
                        _ => {}
                    }
                }
            }
        }
        Ok(files)
    }
}
