//! Finding an item by what a person types: a whole id, the path of a stub, or the first digits of
//! an id.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::evidence::Action;
use crate::git::{IndexScope, Repository};
use crate::model::{GitOid, Item, ItemState, RepoPath, TombstoneId, escape_line, unhex};
use crate::tombstone::{self, Tombstone};

use super::lookup::{item_of_record, sidecar_path};
use super::selection::repo_path;
use super::{Archive, Workspace, segments};

/// An item, and whether this archive has it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The item.
    pub item: Item,
    /// Whether it is in this archive; if not, what is known comes from the tree's segments.
    pub in_archive: bool,
    /// Where its stub stands, if a path was given and a stub stands there.
    pub stub_path: Option<RepoPath>,
}

/// The item that `text` means: a whole id, else the path of a stub, else a unique prefix of at
/// least four hex digits.
pub fn find(workspace: &Workspace, archive: Option<&mut Archive>, text: &OsStr) -> Result<Found> {
    Finder::for_one(workspace).find(archive, text)
}

/// The item with this id.
pub fn by_id(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    id: &TombstoneId,
) -> Result<Item> {
    Finder::for_one(workspace).item(archive, id)
}

/// The stub at `path` in the index, else in HEAD.
pub fn stub_at(repository: &Repository, path: &RepoPath) -> Result<Option<Tombstone>> {
    let paths = std::slice::from_ref(path);
    let staged = repository.index(IndexScope::Paths(paths))?.into_iter().next().map(|e| e.oid);
    stub_in(repository, path, staged)
}

fn stub_in(
    repository: &Repository,
    path: &RepoPath,
    staged: Option<GitOid>,
) -> Result<Option<Tombstone>> {
    let committed = || -> Result<_> {
        let Some(head) = repository.head()? else { return Ok(None) };
        Ok(repository.commit_tree(&head)?.entry(path)?.map(|entry| entry.oid))
    };
    for oid in [staged, committed()?].into_iter().flatten() {
        if repository.blob_size(&oid)?.is_some_and(|size| size <= tombstone::MAX_STUB_BYTES as u64)
            && let Some(bytes) = repository.blob(&oid)?
            && let Ok((stub, _)) = tombstone::parse(&bytes)
        {
            return Ok(Some(stub));
        }
    }
    Ok(None)
}

/// Finds one item after the other; what it read of the tree for one it keeps for the next.
pub struct Finder<'a> {
    workspace: &'a Workspace,
    is_for_many: bool,
    /// Items of the archive that were asked for all at once.
    ahead: BTreeMap<TombstoneId, Item>,
    /// Every entry of the index.
    staged: OnceCell<BTreeMap<RepoPath, GitOid>>,
    /// The items that the tree's segments archived.
    in_segments: OnceCell<BTreeMap<TombstoneId, Item>>,
}

impl<'a> Finder<'a> {
    /// For a single item: of the index only its path is read.
    pub fn for_one(workspace: &'a Workspace) -> Self {
        let (staged, in_segments) = (OnceCell::new(), OnceCell::new());
        let ahead = BTreeMap::new();
        Self { workspace, is_for_many: false, ahead, staged, in_segments }
    }

    /// For many items: the index is read once.
    pub fn for_many(workspace: &'a Workspace) -> Self {
        Self { is_for_many: true, ..Self::for_one(workspace) }
    }

    /// Fetches those items that `texts` give the whole ids of, all at once.
    pub fn look_ahead<'t>(
        &mut self,
        archive: &mut Archive,
        texts: impl Iterator<Item = &'t str>,
    ) -> Result<()> {
        let ids: BTreeSet<TombstoneId> = texts.filter_map(|text| text.parse().ok()).collect();
        let ids: Vec<TombstoneId> = ids.into_iter().collect();
        let items = archive.catalog().items_with_ids(&ids)?;
        self.ahead = items.into_iter().map(|item| (item.tombstone, item)).collect();
        Ok(())
    }

    /// The item that `text` means; see [`find`].
    pub fn find(&self, archive: Option<&mut Archive>, text: &OsStr) -> Result<Found> {
        let mut archive = archive;
        let shown = escape_line(&text.to_string_lossy());
        if let Some(id) = text.to_str().and_then(|text| text.parse::<TombstoneId>().ok()) {
            return self.with_id(archive, &id, None);
        }
        if let Some(known) = self.at_path(archive.as_deref_mut(), text)? {
            return Ok(known);
        }
        if let Some(found) = self.by_prefix(archive, &shown)? {
            return Ok(found);
        }
        let why = "no item has this id, and no stub stands at this path".to_owned();
        Err(Error::NotFound { action: "find", object: shown, why })
    }

    /// The item with this id.
    pub fn item(&self, archive: Option<&mut Archive>, id: &TombstoneId) -> Result<Item> {
        self.with_id(archive, id, None).map(|found| found.item)
    }

    fn with_id(
        &self,
        archive: Option<&mut Archive>,
        id: &TombstoneId,
        stub_path: Option<RepoPath>,
    ) -> Result<Found> {
        let item = match (self.ahead.get(id), archive) {
            (Some(item), _) => Some(item.clone()),
            (None, Some(archive)) => archive.catalog().item(id, false)?,
            (None, None) => None,
        };
        if let Some(item) = item {
            return Ok(Found { item, in_archive: true, stub_path });
        }
        match self.in_segments()?.get(id) {
            Some(item) => Ok(Found { item: item.clone(), in_archive: false, stub_path }),
            None => Err(Error::NotFound {
                action: "find",
                object: id.to_string(),
                why: "neither the archive nor the tree's evidence knows it".to_owned(),
            }),
        }
    }

    fn at_path(&self, archive: Option<&mut Archive>, text: &OsStr) -> Result<Option<Found>> {
        let workspace = self.workspace;
        let Ok(Some(path)) = repo_path("find", &workspace.top, &workspace.cwd, text) else {
            return Ok(None);
        };
        for path in [path.clone(), sidecar_path(&path)?] {
            if let Some(stub) = self.stub_at(&path)? {
                let mut known = self.with_id(archive, &stub.id, Some(path))?;
                // What stands there decides: the item may have been archived with another mode since.
                known.item.mode = stub.mode;
                return Ok(Some(known));
            }
        }
        // No stub stands there: what was archived at this path last is meant.
        let (Some(archive), Some(label)) = (archive, workspace.label()) else { return Ok(None) };
        let mut items = archive.catalog().items_at(label.as_str(), &path)?;
        items.truncate(1);
        let item = archive.catalog().complete(items)?.pop();
        Ok(item.map(|item| Found { item, in_archive: true, stub_path: None }))
    }

    fn by_prefix(&self, archive: Option<&mut Archive>, text: &str) -> Result<Option<Found>> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let Some((low, high)) = prefix_bounds(&digits) else { return Ok(None) };
        let mut items: Vec<(Item, bool)> = Vec::new();
        if let Some(archive) = archive {
            let known = archive.catalog().items_between(low, high, 20)?;
            let known = archive.catalog().complete(known)?;
            items.extend(known.into_iter().map(|item| (item, true)));
        }
        for (id, item) in self.in_segments()? {
            let fits = (low..=high).contains(id.as_bytes());
            if fits && !items.iter().any(|(known, _)| known.tombstone == *id) {
                items.push((item.clone(), false));
            }
        }
        if items.len() > 1 {
            let candidates = items.iter().map(|(item, _)| item.tombstone.to_string()).collect();
            return Err(Error::Ambiguous { id: text.to_owned(), count: items.len(), candidates });
        }
        Ok(items.pop().map(|(item, in_archive)| Found { item, in_archive, stub_path: None }))
    }

    fn stub_at(&self, path: &RepoPath) -> Result<Option<Tombstone>> {
        let Some(repository) = &self.workspace.repository else {
            let bytes = fs::read(self.workspace.top.join(path.as_path())).unwrap_or_default();
            return Ok(tombstone::parse(&bytes).ok().map(|(stub, _)| stub));
        };
        if !self.is_for_many {
            return stub_at(repository, path);
        }
        let staged = kept(&self.staged, || {
            let entries = repository.index(IndexScope::All)?;
            Ok(entries.into_iter().map(|entry| (entry.path, entry.oid)).collect())
        })?;
        stub_in(repository, path, staged.get(path).copied())
    }

    /// The items that the tree's segments archived; of each the first record counts.
    fn in_segments(&self) -> Result<&BTreeMap<TombstoneId, Item>> {
        kept(&self.in_segments, || {
            let mut items = BTreeMap::new();
            let Some(repository) = &self.workspace.repository else { return Ok(items) };
            let (segments, _) = segments::in_index(repository)?;
            let mut lives = BTreeMap::new();
            for (record, _) in segments.iter().flat_map(|segment| &segment.lines) {
                let Some(id) = record.event.tombstone else { continue };
                let life: &mut Life = lives.entry(id).or_default();
                match record.event.action {
                    Action::Archive => life.archived = life.archived.max(Some(record.ts)),
                    Action::Purge => life.purged = life.purged.max(Some(record.ts)),
                    _ => {}
                }
                if let Some(item) = item_of_record(record) {
                    items.entry(id).or_insert(item);
                }
            }
            for (id, item) in &mut items {
                if lives.get(id).is_some_and(|life| life.purged > life.archived) {
                    item.state = ItemState::Purged;
                }
            }
            Ok(items)
        })
    }
}

/// When an item was archived and purged last.
#[derive(Debug, Default)]
struct Life {
    archived: Option<Timestamp>,
    purged: Option<Timestamp>,
}

/// What `cell` holds, made by `make` when it is first asked for.
fn kept<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(known) = cell.get() {
        return Ok(known);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// The lowest and highest id that begin with these hex digits; `None` for fewer than four or for
/// anything else.
fn prefix_bounds(digits: &str) -> Option<([u8; 16], [u8; 16])> {
    if !(4..=32).contains(&digits.len()) {
        return None;
    }
    let fill = |c: &str| unhex(&format!("{digits}{}", c.repeat(32 - digits.len())));
    Some((fill("0")?.try_into().ok()?, fill("f")?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert!(prefix_bounds("8f0").is_none());
        assert!(prefix_bounds("8f0x").is_none());
        let (low, high) = prefix_bounds("8f0c3").unwrap();
        assert_eq!((low[2], high[2]), (0x30, 0x3f));
    }
}
