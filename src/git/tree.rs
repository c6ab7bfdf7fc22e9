//! Trees of commits: one path at a time, or all of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Repository;
use crate::error::{Error, Result};
use crate::model::{GitOid, RepoPath};

pub(super) const FOLDER: u32 = 0o040_000;

/// What stands at a path of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeEntry {
    /// git's mode; 0o040000 for a folder.
    pub mode: u32,
    /// The object.
    pub oid: GitOid,
}

/// A path of a tree that is no folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path.
    pub path: RepoPath,
    /// git's mode.
    pub mode: u32,
    /// The object.
    pub oid: GitOid,
}

type Folder = Rc<HashMap<Vec<u8>, TreeEntry>>;

/// The tree of one commit, which remembers the folders it has read.
pub struct CommitTree<'a> {
    repository: &'a Repository,
    root: GitOid,
    /// By path; `None` where there is no folder.
    folders: RefCell<HashMap<Vec<u8>, Option<Folder>>>,
}

impl Repository {
    /// The tree of `commit`; replaced objects do not count.
    pub fn commit_tree(&self, commit: &GitOid) -> Result<CommitTree<'_>> {
        let root = self.root_of(commit)?;
        Ok(CommitTree { repository: self, root, folders: RefCell::default() })
    }

    /// Everything in the tree of `commit` that is no folder, sorted by path as bytes; with a
    /// `prefix` what is at or below it.
    pub fn list_tree(&self, commit: &GitOid, prefix: Option<&str>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut waiting = Vec::new();
        match prefix {
            None => waiting.push((Vec::new(), self.root_of(commit)?)),
            Some(prefix) => {
                let path = RepoPath::new(prefix.as_bytes())?;
                match self.commit_tree(commit)?.entry(&path)? {
                    Some(TreeEntry { mode: FOLDER, oid }) => {
                        waiting.push((path.as_bytes().to_vec(), oid));
                    }
                    Some(TreeEntry { mode, oid }) => entries.push(Entry { path, mode, oid }),
                    None => {}
                }
            }
        }
        while let Some((folder, oid)) = waiting.pop() {
            for (name, entry) in self.folder(&oid)? {
                let path = join(&folder, &name);
                if entry.mode == FOLDER {
                    waiting.push((path, entry.oid));
                } else {
                    let (path, mode, oid) = (RepoPath::new(&path)?, entry.mode, entry.oid);
                    entries.push(Entry { path, mode, oid });
                }
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    pub(super) fn root_of(&self, commit: &GitOid) -> Result<GitOid> {
        let bytes = self.existing("commit", commit)?;
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let hex = line.strip_prefix(b"tree ").unwrap_or_default();
        super::plumbing::parse_oid(hex, self.oid_len)
            .ok_or_else(|| Error::damaged("commit", commit.to_string(), "it names no tree"))
    }

    /// What stands directly in the tree `oid`.
    pub(super) fn folder(&self, oid: &GitOid) -> Result<Vec<(Vec<u8>, TreeEntry)>> {
        let bytes = self.existing("tree", oid)?;
        parse_tree(&bytes, self.oid_len)
            .ok_or_else(|| Error::damaged("tree", oid.to_string(), "it is not in git's form"))
    }

    /// The bytes of an object that must be there.
    fn existing(&self, kind: &'static str, oid: &GitOid) -> Result<Vec<u8>> {
        match self.object(oid)? {
            Some((found, bytes)) if found == kind => Ok(bytes),
            Some((found, _)) => {
                let detail = format!("{oid} is a {found}, not a {kind}");
                Err(Error::Git { action: "read an object", detail })
            }
            None => Err(Error::Git {
                action: "read an object",
                detail: format!("the {kind} {oid} is missing"),
            }),
        }
    }
}

impl CommitTree<'_> {
    /// What stands at `path`; `None` when nothing does.
    pub fn entry(&self, path: &RepoPath) -> Result<Option<TreeEntry>> {
        self.lookup(path.as_bytes())
    }

    fn lookup(&self, path: &[u8]) -> Result<Option<TreeEntry>> {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path),
        };
        Ok(self.folder(parent)?.and_then(|folder| folder.get(name).copied()))
    }

    fn folder(&self, path: &[u8]) -> Result<Option<Folder>> {
        if let Some(known) = self.folders.borrow().get(path) {
            return Ok(known.clone());
        }
        let oid = if path.is_empty() {
            Some(self.root)
        } else {
            self.lookup(path)?.filter(|entry| entry.mode == FOLDER).map(|entry| entry.oid)
        };
        let folder = match oid {
            Some(oid) => Some(Rc::new(self.repository.folder(&oid)?.into_iter().collect())),
            None => None,
        };
        self.folders.borrow_mut().insert(path.to_vec(), folder.clone());
        Ok(folder)
    }
}

/// Parses `<mode> <name>` NUL `<raw id>`, repeated; `None` on anything else.
pub(super) fn parse_tree(mut bytes: &[u8], oid_len: usize) -> Option<Vec<(Vec<u8>, TreeEntry)>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let nul = bytes.iter().position(|byte| *byte == 0)?;
        let space = bytes[..nul].iter().position(|byte| *byte == b' ')?;
        let mode = super::plumbing::parse_mode(&bytes[..space])?;
        let name = &bytes[space + 1..nul];
        let oid = GitOid::from_slice(bytes.get(nul + 1..nul + 1 + oid_len)?)?;
        if name.is_empty() || name.contains(&b'/') {
            return None;
        }
        entries.push((name.to_vec(), TreeEntry { mode, oid }));
        bytes = &bytes[nul + 1 + oid_len..];
    }
    Some(entries)
}

/// The mode as git takes it: old trees hold others, of which only these parts count.
pub(super) fn canonical_mode(mode: u32) -> u32 {
    match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        0o120_000 => 0o120_000,
        FOLDER => FOLDER,
        _ => 0o160_000,
    }
}

pub(super) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tree_that_is_cut_or_holds_a_slash_is_refused() {
        let good = [b"100644 a\0".as_slice(), &[7; 20]].concat();
        assert_eq!(parse_tree(&good, 20).unwrap()[0].0, b"a");
        for bad in [&good[..28], &good[..5], b"100644 \0aaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(parse_tree(bad, 20), None);
        }
        assert_eq!(parse_tree(&[b"100644 a/b\0".as_slice(), &[7; 20]].concat(), 20), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse_tree(&bytes, 20);
        }
    }
}
