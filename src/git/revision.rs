//! Commits: by name, HEAD, and what is being merged.

use std::fs;
use std::io;

use git2::ErrorCode;

use super::Repository;
use super::plumbing;
use crate::error::{Error, Result};
use crate::model::{GitOid, escape_line};

const RESOLVE: &str = "resolve a revision";
const READ_HEAD: &str = "read HEAD";

impl Repository {
    /// The commit that `revision` names; a tag is followed to its commit.
    ///
    /// [`Error::NotFound`] when there is none, or when `revision` looks like an option.
    pub fn resolve_commit(&self, revision: &str) -> Result<GitOid> {
        let not_found = |why: &str| Error::NotFound {
            action: "resolve",
            object: escape_line(revision),
            why: why.to_owned(),
        };
        if revision.starts_with('-') {
            return Err(not_found("a revision does not start with `-`"));
        }
        if revision.contains('\0') {
            return Err(not_found("no revision has this name"));
        }
        if let Some(oid) = self.without_search(revision)? {
            return self.peel(&oid)?.ok_or_else(|| not_found("it is not a commit"));
        }
        // In two steps, since `:/text^{commit}` would be searched for as it is.
        let Some(oid) = self.verify_revision(revision)? else {
            if matches!(revision, "HEAD" | "@") && self.head()?.is_none() {
                return Err(not_found("HEAD has no commit yet"));
            }
            return Err(not_found("no revision has this name"));
        };
        self.peel(&oid)?.ok_or_else(|| not_found("it is not a commit"))
    }

    /// The object of a revision that needs no search: HEAD, or a whole id.
    fn without_search(&self, revision: &str) -> Result<Option<GitOid>> {
        if matches!(revision, "HEAD" | "@") {
            return self.head();
        }
        Ok(plumbing::parse_oid(revision.as_bytes(), self.oid_len))
    }

    /// The commit of HEAD; `None` before the first one.
    pub fn head(&self) -> Result<Option<GitOid>> {
        let said = self.library().map(|library| match library.head() {
            Ok(head) => Ok(head.target().and_then(|oid| GitOid::from_slice(oid.as_bytes()))),
            Err(error) => Err(error),
        });
        match said {
            Some(Ok(Some(oid))) => return Ok(Some(oid)),
            Some(Err(error)) if error.code() == ErrorCode::UnbornBranch => return Ok(None),
            _ => {}
        }
        match (self.verify_revision("HEAD")?, said) {
            (Some(oid), _) => Ok(Some(oid)),
            // A branch file that a crash left empty is no branch without a commit.
            (None, Some(Err(error))) => {
                Err(Error::Git { action: READ_HEAD, detail: escape_line(error.message()) })
            }
            (None, _) => Ok(None),
        }
    }

    /// The commits that a merge under way brings in; empty when there is none.
    pub fn merge_heads(&self) -> Result<Vec<GitOid>> {
        // A file in every repository: git keeps MERGE_HEAD out of the reftable too.
        let path = self.git_dir.join("MERGE_HEAD");
        match fs::read(&path) {
            Ok(lines) => plumbing::oid_lines("read MERGE_HEAD", &lines, self.oid_len),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// The commit that `oid` is or, as a tag, points at; `None` when it is absent or no commit.
    pub(super) fn peel(&self, oid: &GitOid) -> Result<Option<GitOid>> {
        let mut oid = *oid;
        // A chain of tags cannot be a circle, since each holds the id of the next.
        loop {
            match self.header(&oid)? {
                Some(("commit", _)) => return Ok(Some(oid)),
                Some(("tag", _)) => {}
                _ => return Ok(None),
            }
            let Some((_, bytes)) = self.object(&oid)? else { return Ok(None) };
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let hex = line.strip_prefix(b"object ").unwrap_or_default();
            let Some(next) = plumbing::parse_oid(hex, self.oid_len) else { return Ok(None) };
            oid = next;
        }
    }

    fn verify_revision(&self, revision: &str) -> Result<Option<GitOid>> {
        let command = self.reading(["rev-parse", "--verify", "--quiet", revision]);
        let output = plumbing::run(RESOLVE, command, &[])?;
        if !output.status.success() {
            return Ok(None);
        }
        let line = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
        // Not an id: `^main` is a revision to git, but names no commit.
        Ok(plumbing::parse_oid(line, self.oid_len))
    }
}
