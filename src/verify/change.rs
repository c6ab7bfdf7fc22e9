//! What a tree changes against all of its bases: stubs that come, change or go, and segments.
//!
//! With several bases (a merge, a criss-cross) only what differs from all of them is judged:
//! what one side has, that side was judged for.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::evidence::SEGMENT_FOLDER;
use crate::git::{AttributeSource, Change, Repository, Side};
use crate::model::{GitOid, RepoPath};
use crate::tombstone::Tombstone;

use super::tree::{MaybeStub, stub_of};

/// The attribute that exempts a path, so that fixtures and documents may show stubs.
const ATTRIBUTE: &str = "codex-tombstone";

/// A path that differs from every base.
#[derive(Debug)]
pub struct Changed {
    /// The path.
    pub path: RepoPath,
    /// What stood there, base by base.
    pub old: Vec<Option<Side>>,
    /// What stands there now.
    pub new: Option<Side>,
}

/// A path where a stub comes, changes or goes.
#[derive(Debug)]
pub struct StubChange {
    /// The path.
    pub path: RepoPath,
    /// The stubs that stood there, each once, with their objects.
    pub old: Vec<(Tombstone, GitOid)>,
    /// The objects that stood there, stub or not.
    pub was: Vec<GitOid>,
    /// What stands there now.
    pub new: Option<Side>,
    /// The same as a stub, if it begins like one.
    pub stub: Option<MaybeStub>,
}

/// Everything that matters of what a tree changes.
#[derive(Debug, Default)]
pub struct Changes {
    /// Paths of stubs.
    pub stubs: Vec<StubChange>,
    /// Segments that some base lacks, with their objects.
    pub added_segments: BTreeMap<RepoPath, GitOid>,
    /// Of these, the ones that no base has.
    pub new_segments: BTreeSet<RepoPath>,
    /// Segments of a base that are gone.
    pub missing_segments: Vec<Changed>,
    /// Segments of a base that have other bytes.
    pub changed_segments: Vec<Changed>,
    /// Other paths below `.codex`.
    pub own_files: Vec<Changed>,
}

impl Changes {
    /// Whether nothing here concerns stubs or evidence.
    pub fn is_empty(&self) -> bool {
        self.stubs.is_empty()
            && self.added_segments.is_empty()
            && self.missing_segments.is_empty()
            && self.changed_segments.is_empty()
            && self.own_files.is_empty()
    }
}

/// Sorts out what `by_base` (the differences to each base) means.
pub fn sort_out(
    repository: &Repository,
    by_base: Vec<Vec<Change>>,
    attributes: &[AttributeSource<'_>],
) -> Result<Changes> {
    let mut out = Changes::default();
    for change in by_base.iter().flatten().filter(|change| change.path.is_in(SEGMENT_FOLDER)) {
        if let (None, Some(new)) = (change.old, change.new) {
            out.added_segments.insert(change.path.clone(), new.oid);
        }
    }
    for changed in differing_from_all(by_base) {
        if changed.path.is_in(SEGMENT_FOLDER) {
            segment(&mut out, changed);
        } else if changed.path.is_in(".codex") && !changed.path.is_in(".codex/tombstones") {
            out.own_files.push(changed);
        } else if let Some(stub) = stub_change(repository, changed)? {
            out.stubs.push(stub);
        }
    }
    drop_exempt(repository, &mut out.stubs, attributes)?;
    Ok(out)
}

fn differing_from_all(by_base: Vec<Vec<Change>>) -> Vec<Changed> {
    let bases = by_base.len();
    let mut paths: BTreeMap<RepoPath, Changed> = BTreeMap::new();
    for change in by_base.into_iter().flatten() {
        // An unmerged path has neither side: git itself will not commit it.
        if change.old.is_none() && change.new.is_none() {
            continue;
        }
        let path = change.path.clone();
        let entry =
            paths.entry(change.path).or_insert(Changed { path, old: Vec::new(), new: change.new });
        entry.old.push(change.old);
    }
    paths.into_values().filter(|changed| changed.old.len() == bases).collect()
}

fn segment(out: &mut Changes, changed: Changed) {
    let existed = changed.old.iter().any(Option::is_some);
    match (existed, changed.new) {
        (false, _) => {
            out.new_segments.insert(changed.path);
        }
        (true, None) => out.missing_segments.push(changed),
        (true, Some(_)) => out.changed_segments.push(changed),
    }
}

fn stub_change(repository: &Repository, changed: Changed) -> Result<Option<StubChange>> {
    let stub = match &changed.new {
        Some(side) => stub_of(repository, side.mode, &side.oid)?,
        None => None,
    };
    let mut old: Vec<(Tombstone, GitOid)> = Vec::new();
    for side in changed.old.iter().flatten() {
        if let Some(Ok(stub)) = stub_of(repository, side.mode, &side.oid)?
            && !old.iter().any(|(_, oid)| *oid == side.oid)
        {
            old.push((stub, side.oid));
        }
    }
    if stub.is_none() && old.is_empty() {
        return Ok(None);
    }
    let was = changed.old.iter().flatten().map(|side| side.oid).collect();
    Ok(Some(StubChange { path: changed.path, old, was, new: changed.new, stub }))
}

/// Takes out the paths that an attribute exempts in one of `sources`; those are the bases, so that
/// a change cannot exempt itself.
fn drop_exempt(
    repository: &Repository,
    stubs: &mut Vec<StubChange>,
    sources: &[AttributeSource<'_>],
) -> Result<()> {
    for source in sources {
        if stubs.is_empty() {
            break;
        }
        let paths: Vec<RepoPath> = stubs.iter().map(|stub| stub.path.clone()).collect();
        let values = repository.attributes(&paths, &[ATTRIBUTE], *source)?;
        let exempt: BTreeSet<&RepoPath> = paths
            .iter()
            .zip(&values)
            .filter(|(_, values)| values.first().is_some_and(|value| value == "unset"))
            .map(|(path, _)| path)
            .collect();
        stubs.retain(|stub| !exempt.contains(&stub.path));
    }
    Ok(())
}
