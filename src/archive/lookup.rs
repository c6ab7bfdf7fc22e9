//! Finding an item by what a person types, and its bytes wherever they are.
//!
//! Promises: bytes have the item's size and SHA-256, and the gate was asked before they are
//! handed out.

use std::ffi::OsStr;
use std::fs;

use crate::error::{Error, Result};
use crate::evidence::{Action, Record};
use crate::fs::Executable;
use crate::git::{Bytes, IndexScope, Repository};
use crate::model::{
    FileMode, Item, ItemKind, ItemState, RepoLabel, RepoPath, TombstoneId, escape_line, unhex,
};
use crate::policy::may_release;
use crate::tombstone::{self, Tombstone, Wrapping};

use super::selection::repo_path;
use super::{Archive, Content, Workspace, segments};

/// The folder of stubs that do not stand in their file's place.
pub const SIDECAR_FOLDER: &str = ".codex/tombstones";

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

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The archive.
    Archive,
    /// git's own object.
    GitHistory,
}

/// The item that `text` means: a whole id, else the path of a stub, else a unique prefix of at
/// least four hex digits.
pub fn find(workspace: &Workspace, archive: Option<&mut Archive>, text: &OsStr) -> Result<Found> {
    let mut archive = archive;
    let shown = escape_line(&text.to_string_lossy());
    if let Some(id) = text.to_str().and_then(|text| text.parse::<TombstoneId>().ok()) {
        return found(workspace, archive, &id, None);
    }
    if let Some(known) = at_path(workspace, archive.as_deref_mut(), text)? {
        return Ok(known);
    }
    if let Some(found) = by_prefix(workspace, archive, &shown)? {
        return Ok(found);
    }
    let why = "no item has this id, and no stub stands at this path".to_owned();
    Err(Error::NotFound { action: "find", object: shown, why })
}

/// The item with this id.
pub fn by_id(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    id: &TombstoneId,
) -> Result<Item> {
    found(workspace, archive, id, None).map(|found| found.item)
}

fn found(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    id: &TombstoneId,
    stub_path: Option<RepoPath>,
) -> Result<Found> {
    if let Some(archive) = archive
        && let Some(item) = archive.catalog().item(id, false)?
    {
        return Ok(Found { item, in_archive: true, stub_path });
    }
    let item = match &workspace.repository {
        Some(repository) => from_segments(repository, |known| known == id)?.pop(),
        None => None,
    };
    match item {
        Some(item) => Ok(Found { item, in_archive: false, stub_path }),
        None => Err(Error::NotFound {
            action: "find",
            object: id.to_string(),
            why: "neither the archive nor the tree's evidence knows it".to_owned(),
        }),
    }
}

/// The stub at `path` in the index, else in HEAD.
pub fn stub_at(repository: &Repository, path: &RepoPath) -> Result<Option<Tombstone>> {
    let paths = std::slice::from_ref(path);
    let staged = repository.index(IndexScope::Paths(paths))?.into_iter().next().map(|e| e.oid);
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

/// The path of the stub of a file whose stub stands beside the tree.
pub fn sidecar_path(path: &RepoPath) -> Result<RepoPath> {
    let mut bytes = format!("{SIDECAR_FOLDER}/").into_bytes();
    bytes.extend_from_slice(path.as_bytes());
    bytes.extend_from_slice(b".stub");
    RepoPath::new(&bytes)
}

fn at_path(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    text: &OsStr,
) -> Result<Option<Found>> {
    let Ok(Some(path)) = repo_path("find", &workspace.top, &workspace.cwd, text) else {
        return Ok(None);
    };
    for path in [path.clone(), sidecar_path(&path)?] {
        let stub = match &workspace.repository {
            Some(repository) => stub_at(repository, &path)?,
            None => fs::read(workspace.top.join(path.as_path()))
                .ok()
                .and_then(|bytes| tombstone::parse(&bytes).ok())
                .map(|(stub, _)| stub),
        };
        if let Some(stub) = stub {
            let mut known = found(workspace, archive, &stub.id, Some(path))?;
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

fn by_prefix(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    text: &str,
) -> Result<Option<Found>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let Some((low, high)) = prefix_bounds(&digits) else { return Ok(None) };
    let mut items: Vec<(Item, bool)> = Vec::new();
    if let Some(archive) = archive {
        let known = archive.catalog().items_between(low, high, 20)?;
        let known = archive.catalog().complete(known)?;
        items.extend(known.into_iter().map(|item| (item, true)));
    }
    if let Some(repository) = &workspace.repository {
        let fits = |id: &TombstoneId| (low..=high).contains(id.as_bytes());
        for item in from_segments(repository, fits)? {
            if !items.iter().any(|(known, _)| known.tombstone == item.tombstone) {
                items.push((item, false));
            }
        }
    }
    if items.len() > 1 {
        let candidates = items.iter().map(|(item, _)| item.tombstone.to_string()).collect();
        return Err(Error::Ambiguous { id: text.to_owned(), count: items.len(), candidates });
    }
    Ok(items.pop().map(|(item, in_archive)| Found { item, in_archive, stub_path: None }))
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

/// The items that the tree's segments archived and whose ids `fits` accepts; each once.
fn from_segments(
    repository: &Repository,
    fits: impl Fn(&TombstoneId) -> bool,
) -> Result<Vec<Item>> {
    let (segments, _) = segments::in_index(repository)?;
    let mut items: Vec<Item> = Vec::new();
    for (record, _) in segments.iter().flat_map(|segment| &segment.lines) {
        let Some(item) = item_of_record(record) else { continue };
        if fits(&item.tombstone) && !items.iter().any(|known| known.tombstone == item.tombstone) {
            items.push(item);
        }
    }
    Ok(items)
}

/// The item that an ARCHIVE record describes; `None` for other records.
pub fn item_of_record(record: &Record) -> Option<Item> {
    let event = &record.event;
    if event.action != Action::Archive {
        return None;
    }
    Some(Item {
        row_id: 0,
        artifact_row_id: 0,
        tombstone: event.tombstone?,
        repo: event.repo.clone()?,
        path: event.path.clone()?,
        sha256: event.sha256?,
        size_bytes: event.size?,
        compressed_size: event.stored_size.unwrap_or(0),
        mode: event.mode?,
        git_blob: event.git_blob?,
        reason: event.reason.as_deref()?.parse().ok()?,
        commit_sha: event.commit.clone().unwrap_or_default(),
        kind: ItemKind::Code,
        language: None,
        archived_by: event.actor.clone(),
        archived_at: record.ts.to_string(),
        state: ItemState::Archived,
        restricted: false,
        delete_after: None,
        prune_requested: false,
        holds: Vec::new(),
        tags: Vec::new(),
        metadata: std::collections::BTreeMap::new(),
    })
}

/// The bytes of an item, checked, from the archive or, where that lacks them or has them damaged,
/// from git's own object.
pub fn content(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    item: &Item,
) -> Result<(Content, Origin)> {
    may_release(item)
        .map_err(|refusal| Error::refused("restore", item.tombstone.to_string(), refusal))?;
    ungated(workspace, archive, item)
}

/// The same for a deed that passed the gate already and is only completed or taken back.
pub(super) fn ungated(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    item: &Item,
) -> Result<(Content, Origin)> {
    check_belongs(item)?;
    let failure = match archive {
        Some(archive) if item.artifact_row_id != 0 => {
            match archive.content(item, workspace.spool()) {
                Ok(content) => return Ok((content, Origin::Archive)),
                Err(error @ Error::Damaged { .. }) => Some(error),
                Err(error) => return Err(error),
            }
        }
        _ => None,
    };
    if let Some(content) = from_git(workspace, item)? {
        return Ok((content, Origin::GitHistory));
    }
    Err(failure.unwrap_or_else(|| Error::NotFound {
        action: "restore",
        object: item.tombstone.to_string(),
        why: "its bytes are in another clone's archive, and git's history has not got them here"
            .to_owned(),
    }))
}

/// An item's id is made of its label, its path and its content: what came to another id, by damage
/// or by somebody's hand, is not handed out under it.
fn check_belongs(item: &Item) -> Result<()> {
    if belongs(item) {
        return Ok(());
    }
    let why = "label, path or content of its row are not those that its id is made of";
    Err(Error::damaged("item", item.tombstone.to_string(), why))
}

/// Whether an item's id follows from its label, its path and its content.
pub(super) fn belongs(item: &Item) -> bool {
    RepoLabel::new(&item.repo)
        .is_ok_and(|label| TombstoneId::derive(&label, &item.path, &item.sha256) == item.tombstone)
}

/// The bytes of an item out of git's own object, if it is there, whole, and the same.
pub fn from_git(workspace: &Workspace, item: &Item) -> Result<Option<Content>> {
    let Some(repository) = &workspace.repository else { return Ok(None) };
    if repository.blob_size(&item.git_blob)? != Some(item.size_bytes) {
        return Ok(None);
    }
    let spool = workspace.spool();
    let content = Content::of_blob(spool, repository, &item.git_blob, item.size_bytes)?;
    Ok(content.filter(|it| it.size_bytes() == item.size_bytes && it.sha256() == item.sha256))
}

/// The tombstone that stands for an item.
pub fn tombstone_of(item: &Item) -> Tombstone {
    Tombstone {
        id: item.tombstone,
        sha256: item.sha256,
        size_bytes: item.size_bytes,
        mode: item.mode,
        git_blob: item.git_blob,
        path: item.path.clone(),
    }
}

/// An item's stub as it stands at `path`.
pub fn stub_for(item: &Item, path: &RepoPath) -> Result<Vec<u8>> {
    tombstone_of(item).render(Wrapping::for_path(path))
}

/// An item's stub as plain lines.
pub fn plain_stub(item: &Item) -> Result<Vec<u8>> {
    tombstone_of(item).render(Wrapping::Plain)
}

/// Whether these bytes are a stub of the item, untouched but for line ends that git may have turned.
///
/// The mode is no part of the id: an older stub of the same item may name another one.
pub fn is_stub_of(bytes: &[u8], item: &Item) -> bool {
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    tombstone::parse(&text).is_ok_and(|(stub, _)| {
        let meant = Tombstone { mode: stub.mode, ..tombstone_of(item) };
        stub == meant
    })
}

/// Whether an item's file is executable.
pub fn executable(item: &Item) -> Executable {
    match item.mode {
        FileMode::Executable => Executable::Yes,
        FileMode::Regular => Executable::No,
    }
}

/// Where the stub of an item stands in the index: at its own path, beside the tree, or wherever
/// it was moved.
pub fn standing_stubs(repository: &Repository, item: &Item) -> Result<Vec<RepoPath>> {
    let mut oids = Vec::new();
    for mode in [FileMode::Regular, FileMode::Executable] {
        let stub = Tombstone { mode, ..tombstone_of(item) };
        for wrapping in Wrapping::ALL {
            oids.push(repository.hash_blob(&stub.render(wrapping)?)?);
        }
    }
    let mut paths = repository.paths_of(&oids)?;
    // Its own path first: that is where it is put back.
    paths.sort_by_key(|path| *path != item.path);
    Ok(paths)
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
