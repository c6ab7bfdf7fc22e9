//! Two trees compared in this process, for the hook that every push waits for.
//!
//! Folders of one id are passed over, so the cost is that of what differs. git's own `diff-tree` goes
//! the same way; this spares its process. Replaced objects do not count, as in every reading child,
//! and grafts and shallow histories say nothing of trees.

use std::cmp::Ordering;

use super::Repository;
use super::diff::{Change, Side};
use super::tree::{FOLDER, TreeEntry, canonical_mode, join, parse_tree};
use crate::model::{GitOid, RepoPath};

/// What stands directly in one tree, in git's order, with canonical modes.
type Entries = Vec<(Vec<u8>, TreeEntry)>;

/// Two folders at one path that are yet to be compared.
struct Pair {
    path: Vec<u8>,
    old: Option<GitOid>,
    new: Option<GitOid>,
}

impl Repository {
    /// What the commit or tree `tip` has other than `base`, or than nothing at all, by path.
    ///
    /// `None` where git must be asked: a repository that libgit2 cannot open, an object that it
    /// cannot read (one that a partial clone lacks), an id that is a tag's, a tree that git would
    /// not write.
    pub(super) fn compare_trees(&self, base: Option<&GitOid>, tip: &GitOid) -> Option<Vec<Change>> {
        let old = match base {
            Some(base) => Some(self.root_at_hand(base)?),
            None => None,
        };
        let new = Some(self.root_at_hand(tip)?);
        let mut changes = Vec::new();
        // No recursion: how deep folders lie in each other is up to whoever made the commit.
        let mut waiting = vec![Pair { path: Vec::new(), old, new }];
        while let Some(pair) = waiting.pop() {
            if pair.old != pair.new {
                self.compare_folders(&pair, &mut waiting, &mut changes)?;
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Some(changes)
    }

    /// The tree that `oid` is, or has as a commit.
    fn root_at_hand(&self, oid: &GitOid) -> Option<GitOid> {
        match self.object_at_hand(oid)? {
            ("tree", _) => Some(*oid),
            ("commit", bytes) => {
                let hex = bytes.split(|byte| *byte == b'\n').next()?.strip_prefix(b"tree ")?;
                super::plumbing::parse_oid(hex, self.oid_len)
            }
            _ => None,
        }
    }

    fn compare_folders(
        &self,
        pair: &Pair,
        waiting: &mut Vec<Pair>,
        changes: &mut Vec<Change>,
    ) -> Option<()> {
        let (old, new) = (self.entries(pair.old.as_ref())?, self.entries(pair.new.as_ref())?);
        let (mut old, mut new) = (old.as_slice(), new.as_slice());
        loop {
            let order = match (old.first(), new.first()) {
                (None, None) => return Some(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => in_order(old, new),
            };
            let was = if order.is_le() { take(&mut old) } else { None };
            let is = if order.is_ge() { take(&mut new) } else { None };
            let (name, entry) = was.or(is)?;
            if was == is {
                continue;
            }
            let path = join(&pair.path, name);
            let [was, is] = [was, is].map(|it| it.map(|(_, entry)| *entry));
            if entry.mode == FOLDER {
                let [old, new] = [was, is].map(|entry| entry.map(|entry| entry.oid));
                waiting.push(Pair { path, old, new });
            } else {
                let [old, new] = [was, is].map(|entry| entry.map(side));
                changes.push(Change { path: RepoPath::new(&path).ok()?, old, new });
            }
        }
    }

    /// What stands in the tree `oid`, nothing where there is none.
    fn entries(&self, oid: Option<&GitOid>) -> Option<Entries> {
        let Some(oid) = oid else { return Some(Vec::new()) };
        let ("tree", bytes) = self.object_at_hand(oid)? else { return None };
        let mut entries = parse_tree(&bytes, self.oid_len)?;
        for (_, entry) in &mut entries {
            entry.mode = canonical_mode(entry.mode);
        }
        // Names in another order, or twice, would be paired in another way than git pairs them.
        entries.windows(2).all(|two| in_order(&two[0], &two[1]).is_lt()).then_some(entries)
    }
}

fn take<'a, T>(rest: &mut &'a [T]) -> Option<&'a T> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(first)
}

fn side(entry: TreeEntry) -> Side {
    Side { mode: entry.mode, oid: entry.oid }
}

/// git's order of the entries of a tree: by name, the name of a folder with a slash after it.
fn in_order(a: &(Vec<u8>, TreeEntry), b: &(Vec<u8>, TreeEntry)) -> Ordering {
    fn key((name, entry): &(Vec<u8>, TreeEntry)) -> impl Iterator<Item = u8> {
        name.iter().copied().chain((entry.mode == FOLDER).then_some(b'/'))
    }
    key(a).cmp(key(b))
}
