//! The index compared with a tree in this process, for the hook that every commit waits for.
//!
//! The index remembers the id of the tree that each of its folders would be written as (the
//! cache-tree extension of gitformat-index). Where that is the id in the other tree, nothing below
//! differs and nothing below is looked at, so the cost is that of what was staged. git's own
//! `diff-index --cached` goes the same way; this spares its process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use gix_index::decode;
use gix_index::entry::Flags;
use gix_index::extension::Tree;

use super::diff::{Change, Side};
use super::tree::{FOLDER, TreeEntry, canonical_mode};
use super::{Repository, SHA1_LEN};
use crate::error::Result;
use crate::model::{GitOid, RepoPath};

impl Repository {
    /// What a commit would change now, by path. `index_file` is the value of GIT_INDEX_FILE, which
    /// like git's own is relative to the top of the work tree.
    pub fn staged_since_head(&self, index_file: Option<&Path>) -> Result<Vec<Change>> {
        let head = self.head()?;
        let file = match index_file {
            Some(file) => self.home().join(file),
            None => self.git_dir.join("index"),
        };
        match self.compare_cached_trees(&file, head.as_ref()) {
            Ok(Some(changes)) => Ok(changes),
            // Whatever is odd here, git's answer counts.
            Ok(None) | Err(_) => self.staged_changes(head.as_ref()),
        }
    }

    /// What the index in `file` has other than the commit `base`, or than nothing at all, by path.
    ///
    /// `None` where git must be asked: an index that is absent, sparse, unreadable or in the midst
    /// of a merge, and objects that are not SHA-1.
    pub(super) fn compare_cached_trees(
        &self,
        file: &Path,
        base: Option<&GitOid>,
    ) -> Result<Option<Vec<Change>>> {
        if self.oid_len != SHA1_LEN {
            return Ok(None);
        }
        // Like git, which leaves the checksum of the whole file to `git fsck`.
        let skip_hash = true;
        let options = decode::Options::default();
        let Ok(index) = gix_index::File::at(file, gix_index::hash::Kind::Sha1, skip_hash, options)
        else {
            return Ok(None);
        };
        let merging = |entry: &gix_index::Entry| entry.stage_raw() != 0;
        if index.is_sparse() || index.entries().iter().any(merging) {
            return Ok(None);
        }
        let root = base.map(|commit| self.root_of(commit)).transpose()?;
        let mut comparison = Comparison { repository: self, index: &index, changes: Vec::new() };
        let all = 0..index.entries().len();
        comparison.folder(&mut Vec::new(), root.as_ref(), all, index.tree())?;
        let mut changes = comparison.changes;
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Some(changes))
    }
}

struct Comparison<'a> {
    repository: &'a Repository,
    index: &'a gix_index::State,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    /// Compares the entries in `range`, all of them below `prefix` (empty, or with a slash at its
    /// end), with the tree `base`.
    fn folder(
        &mut self,
        prefix: &mut Vec<u8>,
        base: Option<&GitOid>,
        range: Range<usize>,
        cached: Option<&Tree>,
    ) -> Result<()> {
        // An id is worth something only where it is up to date: then the entries are counted.
        if let (Some(base), Some(Tree { id, num_entries: Some(_), .. })) = (base, cached)
            && base.as_bytes() == id.as_bytes()
        {
            return Ok(());
        }
        let index = self.index;
        let (mut files, mut folders) = self.read(base)?;
        let children: HashMap<&[u8], &Tree> = cached
            .map(|tree| tree.children.iter().map(|child| (child.name.as_slice(), child)).collect())
            .unwrap_or_default();
        let depth = prefix.len();
        let mut at = range.start;
        while at < range.end {
            let entry = &index.entries()[at];
            let path: &[u8] = entry.path(index);
            let Some(slash) = path[depth..].iter().position(|byte| *byte == b'/') else {
                let old = files.remove(&path[depth..]);
                self.file(path, old, entry)?;
                at += 1;
                continue;
            };
            let name = &path[depth..depth + slash];
            prefix.extend_from_slice(&path[depth..=depth + slash]);
            let below = index.entries()[at..range.end]
                .partition_point(|entry| entry.path(index).starts_with(prefix));
            let inner = at..at + below.max(1);
            let child = children.get(name).copied();
            self.folder(prefix, folders.remove(name).as_ref(), inner.clone(), child)?;
            prefix.truncate(depth);
            at = inner.end;
        }
        self.gone(prefix, files, folders)
    }

    /// The files and the folders of a tree, by name.
    #[expect(clippy::type_complexity, reason = "two maps, for one caller")]
    fn read(
        &self,
        tree: Option<&GitOid>,
    ) -> Result<(BTreeMap<Vec<u8>, Side>, BTreeMap<Vec<u8>, GitOid>)> {
        let (mut files, mut folders) = (BTreeMap::new(), BTreeMap::new());
        let entries = tree.map(|tree| self.repository.folder(tree)).transpose()?;
        for (name, TreeEntry { mode, oid }) in entries.unwrap_or_default() {
            match canonical_mode(mode) {
                FOLDER => {
                    folders.insert(name, oid);
                }
                mode => {
                    files.insert(name, Side { mode, oid });
                }
            }
        }
        Ok((files, folders))
    }

    fn file(&mut self, path: &[u8], old: Option<Side>, entry: &gix_index::Entry) -> Result<()> {
        // What is only meant to be added is not part of a commit.
        let new = if entry.flags.contains(Flags::INTENT_TO_ADD) {
            None
        } else {
            GitOid::from_slice(entry.id.as_bytes()).map(|oid| Side { mode: entry.mode.bits(), oid })
        };
        if old != new {
            self.changes.push(Change { path: RepoPath::new(path)?, old, new });
        }
        Ok(())
    }

    /// What the tree has below `prefix` and the index has not.
    fn gone(
        &mut self,
        prefix: &mut Vec<u8>,
        files: BTreeMap<Vec<u8>, Side>,
        folders: BTreeMap<Vec<u8>, GitOid>,
    ) -> Result<()> {
        for (name, side) in files {
            let path = RepoPath::new(&[prefix.as_slice(), &name].concat())?;
            self.changes.push(Change { path, old: Some(side), new: None });
        }
        let depth = prefix.len();
        for (name, tree) in folders {
            prefix.extend_from_slice(&name);
            prefix.push(b'/');
            self.folder(prefix, Some(&tree), 0..0, None)?;
            prefix.truncate(depth);
        }
        Ok(())
    }
}
