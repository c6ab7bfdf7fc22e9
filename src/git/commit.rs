//! What a commit is called and when it was made, and whether the work tree is clean.

use super::Repository;
use super::plumbing;
use crate::error::{Error, Result};
use crate::model::GitOid;

const TAGS: &str = "list the tags";
const STATUS: &str = "look at the work tree";

impl Repository {
    /// The tree of `commit`; replaced objects do not count.
    pub fn tree_of(&self, commit: &GitOid) -> Result<GitOid> {
        self.root_of(commit)
    }

    /// Whether `commit` is here, with its tree.
    pub fn has_commit(&self, commit: &GitOid) -> Result<bool> {
        let is = |oid: &GitOid, wanted: &str| {
            Ok::<_, Error>(self.header(oid)?.is_some_and(|(kind, _)| kind == wanted))
        };
        Ok(is(commit, "commit")? && is(&self.root_of(commit)?, "tree")?)
    }

    /// When `commit` was committed, in seconds after 1970-01-01T00:00:00Z.
    pub fn commit_time(&self, commit: &GitOid) -> Result<i64> {
        let damaged = |why: &str| Error::damaged("commit", commit.to_string(), why);
        let Some(("commit", bytes)) = self.object(commit)? else {
            return Err(damaged("it is missing"));
        };
        // The message, behind an empty line, may hold anything.
        let head = bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
        let line = head.into_iter().find_map(|line| line.strip_prefix(b"committer "));
        let words = line.and_then(|line| line.rsplit(|byte| *byte == b' ').nth(1));
        words
            .and_then(|seconds| std::str::from_utf8(seconds).ok()?.parse().ok())
            .ok_or_else(|| damaged("it does not say when it was committed"))
    }

    /// The names of the tags that mean `commit`, sorted; a name that is not UTF-8 is none.
    pub fn tags_at(&self, commit: &GitOid) -> Result<Vec<String>> {
        let at = format!("--points-at={commit}");
        let command =
            self.reading(["for-each-ref", &at, "--format=%(refname:strip=2)", "refs/tags/"]);
        let answer = plumbing::run_checked(TAGS, command, &[])?;
        let names = answer.split(|byte| *byte == b'\n').filter(|name| !name.is_empty());
        Ok(names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect())
    }

    /// Whether a tracked file of the work tree differs from HEAD, staged or not. Submodules count by
    /// their commit.
    pub fn is_dirty(&self) -> Result<bool> {
        let command = self.reading([
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=dirty",
        ]);
        Ok(!plumbing::run_checked(STATUS, command, &[])?.is_empty())
    }
}
