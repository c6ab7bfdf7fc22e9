//! An item's bytes, wherever they are, and its stub.
//!
//! Promises: bytes have the item's size and SHA-256, and the gate was asked before they are
//! handed out.

use crate::error::{Error, Result};
use crate::evidence::{Action, Record};
use crate::fs::Executable;
use crate::git::{Bytes, Repository};
use crate::model::{FileMode, Item, ItemKind, ItemState, RepoLabel, RepoPath, TombstoneId};
use crate::policy::{Door, may_release};
use crate::tombstone::{self, Tombstone, Wrapping};

use super::{Archive, Content, Workspace};

/// The folder of stubs that do not stand in their file's place.
pub const SIDECAR_FOLDER: &str = ".codex/tombstones";

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The archive.
    Archive,
    /// git's own object.
    GitHistory,
}

/// The path of the stub of a file whose stub stands beside the tree.
pub fn sidecar_path(path: &RepoPath) -> Result<RepoPath> {
    let mut bytes = format!("{SIDECAR_FOLDER}/").into_bytes();
    bytes.extend_from_slice(path.as_bytes());
    bytes.extend_from_slice(b".stub");
    RepoPath::new(&bytes)
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
    content_through(workspace, archive, item, Door::Read)
}

/// The same through another door than that of reading.
pub(super) fn content_through(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    item: &Item,
    door: Door,
) -> Result<(Content, Origin)> {
    check_released(item, door)?;
    ungated(workspace, archive, item)
}

/// Asks the gate.
pub(super) fn check_released(item: &Item, door: Door) -> Result<()> {
    may_release(item, door)
        .map_err(|refusal| Error::refused("restore", item.tombstone.to_string(), refusal))
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
    Err(failure.unwrap_or_else(|| elsewhere(item)))
}

/// The error of bytes that this clone has nowhere.
pub(super) fn elsewhere(item: &Item) -> Error {
    let why = "its bytes are in another clone's archive, and git's history has not got them here";
    Error::NotFound { action: "restore", object: item.tombstone.to_string(), why: why.to_owned() }
}

/// An item's id is made of its label, its path and its content: what came to another id, by damage
/// or by somebody's hand, is not handed out under it.
pub(super) fn check_belongs(item: &Item) -> Result<()> {
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
