//! Files that were archived before and have no tombstone in their place.

use std::collections::{BTreeMap, BTreeSet};

use super::filing::Filing;
use crate::archive::lookup::sidecar_path;
use crate::archive::{Archive, StoreOptions, StubPlace, Workspace};
use crate::error::{Error, Result};
use crate::git::{IndexScope, Repository};
use crate::model::{GitOid, ItemState, RepoPath};
use crate::tombstone;

/// Of `paths`, which git does not track, those whose tombstones stand beside the tree. One look at the
/// index for all of them.
pub fn beside(
    workspace: &Workspace,
    repository: &Repository,
    paths: &[&RepoPath],
) -> Result<BTreeSet<RepoPath>> {
    // What is too long for a place beside the tree has none there.
    let places = paths.iter().filter_map(|path| Some((sidecar_path(path).ok()?, *path)));
    let places: BTreeMap<RepoPath, &RepoPath> = places.collect();
    let mut standing = BTreeSet::new();
    if places.is_empty() {
        return Ok(standing);
    }
    let named: Vec<RepoPath> = places.keys().cloned().collect();
    for entry in repository.index(IndexScope::Paths(&named))? {
        let Some(path) = places.get(&entry.path) else { continue };
        if workspace.top.join(path.as_path()).symlink_metadata().is_ok() {
            continue;
        }
        let bytes = repository.blob(&entry.oid)?.unwrap_or_default();
        if tombstone::parse(&bytes).is_ok_and(|(stub, _)| stub.path == **path) {
            standing.insert((*path).clone());
        }
    }
    Ok(standing)
}

/// Files that an earlier run archived and left where they are: its results and the archive must agree.
pub struct Kept<'a> {
    archive: Archive,
    label: &'a str,
    filing: &'a Filing,
}

impl<'a> Kept<'a> {
    /// `None` where no results of an earlier run count, or none could say such a thing.
    pub fn of(
        workspace: &Workspace,
        store: &'a StoreOptions,
        filing: &'a Filing,
    ) -> Result<Option<Self>> {
        if store.stub != StubPlace::None || filing.earlier.is_empty() {
            return Ok(None);
        }
        match Archive::open(workspace) {
            Err(Error::NoArchive { .. }) => Ok(None),
            Err(error) => Err(error),
            Ok(archive) => Ok(Some(Self { archive, label: store.label.as_str(), filing })),
        }
    }

    /// Whether the file at `path`, whose blob is `oid`, is archived as the results say.
    pub fn has(&mut self, path: &RepoPath, oid: &GitOid) -> Result<bool> {
        let Some(known) = self.filing.earlier.get(&path.to_string()) else { return Ok(false) };
        let items = self.archive.catalog().items_at(self.label, path)?;
        Ok(items.iter().any(|item| {
            item.sha256.to_string() == known.sha256
                && item.git_blob == *oid
                && item.state != ItemState::Purged
        }))
    }
}
