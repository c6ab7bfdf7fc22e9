//! Differences between trees, and between a tree and the index, as git's raw lines tell them.
//!
//! A rename is a deletion and an addition; symbolic links and submodules come with their modes.

use super::Repository;
use super::plumbing;
use crate::error::Result;
use crate::model::{GitOid, RepoPath};

/// One path that differs. Both sides are absent for a path that a merge left unresolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: RepoPath,
    /// What was there; `None` when the path is new.
    pub old: Option<Side>,
    /// What is there; `None` when the path is gone.
    pub new: Option<Side>,
}

/// One side of a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// git's mode: 0o100644, 0o100755, 0o120000 (symbolic link), 0o160000 (submodule).
    pub mode: u32,
    /// The object.
    pub oid: GitOid,
}

pub(super) const RAW: &[&str] =
    &["--raw", "-z", "--no-renames", "--no-abbrev", "--ignore-submodules=none"];
/// Of the index, what a commit would take: an intent to add is not part of it.
pub(super) const STAGED: &[&str] = &["diff-index", "--cached", "--ita-invisible-in-index"];
const READ_STAGED: &str = "compare the index";
const READ_TREES: &str = "compare two trees";

impl Repository {
    /// What the index (GIT_INDEX_FILE counts) has other than the commit or tree `base`, or than
    /// nothing at all.
    pub fn staged_changes(&self, base: Option<&GitOid>) -> Result<Vec<Change>> {
        let mut command = self.reading(STAGED);
        command.args(RAW).arg(self.tree_or_empty(base)).arg("--");
        parse_raw(READ_STAGED, &plumbing::run_checked(READ_STAGED, command, &[])?, self.oid_len)
    }

    /// What the commit or tree `tip` has other than `base`, or than nothing at all, by path.
    pub fn tree_changes(&self, base: Option<&GitOid>, tip: &GitOid) -> Result<Vec<Change>> {
        match self.compare_trees(base, tip) {
            Some(changes) => Ok(changes),
            None => self.tree_changes_by_git(base, tip),
        }
    }

    pub(super) fn tree_changes_by_git(
        &self,
        base: Option<&GitOid>,
        tip: &GitOid,
    ) -> Result<Vec<Change>> {
        let mut command = self.reading(["diff-tree", "-r"]);
        command.args(RAW).arg(self.tree_or_empty(base)).arg(tip.to_string()).arg("--");
        parse_raw(READ_TREES, &plumbing::run_checked(READ_TREES, command, &[])?, self.oid_len)
    }

    fn tree_or_empty(&self, base: Option<&GitOid>) -> String {
        base.map_or_else(|| self.hash_object("tree", &[]).to_string(), GitOid::to_string)
    }
}

/// Parses `:<mode> <mode> <oid> <oid> <status>` NUL `<path>` NUL, repeated.
pub(super) fn parse_raw(
    action: &'static str,
    answer: &[u8],
    oid_len: usize,
) -> Result<Vec<Change>> {
    let fields = plumbing::fields(action, answer)?;
    let mut changes = Vec::with_capacity(fields.len() / 2);
    for pair in fields.chunks(2) {
        let [line, path] = pair else { return Err(plumbing::odd_answer(action, pair[0])) };
        let Some((old, new)) = parse_line(line, oid_len) else {
            return Err(plumbing::odd_answer(action, line));
        };
        changes.push(Change { path: RepoPath::new(path)?, old, new });
    }
    Ok(changes)
}

fn parse_line(line: &[u8], oid_len: usize) -> Option<(Option<Side>, Option<Side>)> {
    let mut parts = line.strip_prefix(b":")?.split(|byte| *byte == b' ');
    let (old_mode, new_mode) = (parts.next()?, parts.next()?);
    let (old_oid, new_oid) = (parts.next()?, parts.next()?);
    let status = parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    let old = parse_side(old_mode, old_oid, oid_len)?;
    let new = parse_side(new_mode, new_oid, oid_len)?;
    match (status, &old, &new) {
        (b"A", None, Some(_)) | (b"D", Some(_), None) | (b"M" | b"T", Some(_), Some(_)) => {
            Some((old, new))
        }
        (b"U", ..) => Some((None, None)),
        _ => None,
    }
}

/// `Some(None)` for the side of a path that is not there.
fn parse_side(mode: &[u8], oid: &[u8], oid_len: usize) -> Option<Option<Side>> {
    let (mode, oid) = (plumbing::parse_mode(mode)?, plumbing::parse_oid(oid, oid_len)?);
    Some((mode != 0).then_some(Side { mode, oid }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn parse(text: &str) -> Result<Vec<Change>> {
        parse_raw("test", text.as_bytes(), 20)
    }

    #[test]
    fn only_gits_own_form_is_taken() {
        let good = format!(":000000 100644 {ZERO} {A} A\0x\0");
        assert_eq!(parse(&good).unwrap().len(), 1);
        assert_eq!(parse("").unwrap(), vec![]);
        for bad in [
            good.trim_end_matches('\0').to_owned(),
            good.replace(" A\0", " D\0"),
            good.replace(" A\0", " R100\0"),
            good.replace(" A\0", " A x\0"),
            good.replace("100644", "100844"),
            good.replace(A, "aa"),
            good.replace("\0x\0", "\0"),
            good.replace("\0x\0", "\0../x\0"),
            good.replace(':', ""),
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_else_is_an_error_and_no_panic(bytes: Vec<u8>) {
            let parsed = parse_raw("test", &bytes, 20);
            prop_assert!(bytes.is_empty() || parsed.is_err());
        }
    }
}
