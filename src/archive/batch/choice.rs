//! Which files a store manifest means, and which of them can be archived.
//!
//! Promises: nothing is written. Asks of each file what `store` asks of a file that is named to it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::OnError;
use super::filing::Filing;
use super::kept::{Kept, beside};
use super::store::BatchStoreOptions;
use crate::archive::credentials::Screen;
use crate::archive::detach::{self, CONVERSIONS, Detached};
use crate::archive::selection::{Selection, judge, repo_path, why_not};
use crate::archive::store::check_stub_length;
use crate::archive::{StoreOptions, StubPlace, Workspace};
use crate::error::{Error, Refusal, Result};
use crate::git::{AttributeSource, CommitTree, IndexEntry, IndexScope, Repository};
use crate::manifest::{StoreEntry, clash};
use crate::model::{GitOid, RepoPath, escape_line};

pub(super) const ACTION: &str = "archive";

/// The files of a manifest, and what was found out about each.
#[derive(Default)]
pub struct Chosen {
    /// The path of each item, in the manifest's order.
    pub paths: Vec<Option<RepoPath>>,
    /// What can be archived, and what is already.
    pub selection: Selection,
    /// What cannot, by its place in the manifest.
    pub refused: BTreeMap<usize, Error>,
}

impl Chosen {
    /// Takes a file out that cannot be archived.
    pub fn refuse(&mut self, path: &RepoPath, error: Error) {
        self.selection.candidates.retain(|candidate| candidate.path != *path);
        if let Some(at) = self.place_of(path) {
            self.refused.insert(at, error);
        }
    }

    fn refuse_all(&mut self, refused: BTreeMap<RepoPath, Refusal>) {
        self.selection.candidates.retain(|candidate| !refused.contains_key(&candidate.path));
        let places: BTreeMap<&RepoPath, usize> =
            self.paths.iter().enumerate().filter_map(|(at, it)| Some((it.as_ref()?, at))).collect();
        for (path, refusal) in refused {
            if let Some(at) = places.get(&path) {
                let error = Error::refused(ACTION, path.to_string(), refusal);
                self.refused.insert(*at, error);
            }
        }
    }

    /// Where a file stands in the manifest, from 0.
    pub fn place_of(&self, path: &RepoPath) -> Option<usize> {
        self.paths.iter().position(|it| it.as_ref() == Some(path))
    }

    /// The file that alone stands in the way, if `error` names one.
    pub fn culprit(&self, workspace: &Workspace, error: &Error) -> Option<RepoPath> {
        let is_named = |path: &RepoPath| match error {
            Error::TooSlow { path: named, .. } | Error::Refused { object: named, .. } => {
                *named == path.to_string()
            }
            Error::Io { path: file, .. } => *file == workspace.top.join(path.as_path()),
            _ => false,
        };
        let paths = self.selection.candidates.iter().map(|candidate| &candidate.path);
        paths.into_iter().find(|path| is_named(path)).cloned()
    }
}

/// Whoever chooses.
pub struct Chooser<'a> {
    /// Where.
    pub workspace: &'a Workspace,
    /// Its repository.
    pub repository: &'a Repository,
    /// What was asked for.
    pub options: &'a BatchStoreOptions,
    /// The same, as `store` takes it.
    pub store: &'a StoreOptions,
    /// The commit whose content is archived.
    pub commit: &'a GitOid,
    /// What an earlier run did.
    pub filing: &'a Filing,
}

impl Chooser<'_> {
    /// Whether the first file that is refused ends the batch.
    pub fn stops(&self) -> bool {
        self.options.batch.on_error == OnError::Stop && !self.options.batch.dry_run
    }

    /// Finds and judges every file. Unless the batch goes on after errors (or is dry), the first one
    /// that is refused ends it.
    pub fn choose(&self, entries: &[StoreEntry], screen: &mut Screen) -> Result<Chosen> {
        let mut chosen = Chosen::default();
        for (at, entry) in entries.iter().enumerate() {
            let given = OsStr::new(&entry.path);
            let (top, cwd) = (&self.workspace.top, &self.workspace.cwd);
            let found = repo_path(ACTION, top, cwd, given).and_then(|path| {
                let what = "a folder";
                path.ok_or_else(|| Error::refused(ACTION, ".", Refusal::NotRegular { what }))
            });
            chosen.paths.push(found.map_err(|error| chosen.refused.insert(at, error)).ok());
        }
        self.check_distinct(&chosen)?;
        self.judge_all(&mut chosen)?;
        if self.stops() {
            if let Some((at, error)) = chosen.refused.pop_first() {
                return Err(stopped_at(at, error));
            }
        } else {
            self.leave_out(&mut chosen)?;
            self.leave_out_bound(&mut chosen)?;
            self.look_ahead(&mut chosen, screen)?;
        }
        let all = &chosen.selection.candidates;
        all.iter().try_for_each(|candidate| check_stub_length(self.store, candidate))?;
        Ok(chosen)
    }

    fn check_distinct(&self, chosen: &Chosen) -> Result<()> {
        let path = |path: &Option<RepoPath>| path.as_ref().map(|it| it.as_path().to_path_buf());
        let all = chosen.paths.iter().enumerate();
        let (numbers, paths): (Vec<usize>, Vec<PathBuf>) =
            all.filter_map(|(at, it)| Some((at + 1, path(it)?))).unzip();
        match clash(&paths) {
            Some(mut clash) => {
                (clash.first, clash.second) = (numbers[clash.first - 1], numbers[clash.second - 1]);
                let manifest = escape_line(&self.options.batch.manifest);
                Err(Error::invalid("manifest", manifest, clash.to_string()))
            }
            None => Ok(()),
        }
    }

    fn judge_all(&self, chosen: &mut Chosen) -> Result<()> {
        let tree = self.repository.commit_tree(self.commit)?;
        let named: Vec<RepoPath> = chosen.paths.iter().flatten().cloned().collect();
        let mut entries: BTreeMap<RepoPath, IndexEntry> = BTreeMap::new();
        for entry in self.repository.index(IndexScope::Paths(&named))? {
            entries.entry(entry.path.clone()).or_insert(entry);
        }
        let mut kept = Kept::of(self.workspace, self.store, self.filing)?;
        let Chosen { paths, selection, refused } = chosen;
        let unknown: Vec<&RepoPath> =
            paths.iter().flatten().filter(|path| !entries.contains_key(path)).collect();
        let beside = beside(self.workspace, self.repository, &unknown)?;
        for (at, path) in paths.iter().enumerate() {
            let Some(path) = path else { continue };
            if beside.contains(path) {
                selection.already.push(path.clone());
                continue;
            }
            let judged = self.judge_one(&tree, selection, path, entries.get(path));
            judged.or_else(|error| refused.insert(at, error).map_or(Ok(()), Err))?;
            if let Some(kept) = &mut kept
                && selection.candidates.last().is_some_and(|last| last.path == *path)
                && kept.has(path, &selection.candidates[selection.candidates.len() - 1].oid)?
            {
                selection.candidates.pop();
                selection.already.push(path.clone());
            }
        }
        selection.candidates.sort_by(|a, b| a.path.cmp(&b.path));
        self.judge_attributes(chosen)
    }

    fn judge_one(
        &self,
        tree: &CommitTree<'_>,
        selection: &mut Selection,
        path: &RepoPath,
        entry: Option<&IndexEntry>,
    ) -> Result<()> {
        let (workspace, repository) = (self.workspace, self.repository);
        let revision = self.store.commit.as_deref().unwrap_or("HEAD");
        let Some(entry) = entry else {
            if is_folder(workspace, path) {
                let what = "a folder";
                return Err(Error::refused(ACTION, path.to_string(), Refusal::NotRegular { what }));
            }
            return Err(why_not(workspace, tree, path, revision)?);
        };
        judge(workspace, repository, tree, selection, path, entry, true, revision)
    }

    /// Refuses what git converts, or notes what it is to be freed of.
    fn judge_attributes(&self, chosen: &mut Chosen) -> Result<()> {
        let candidates = &mut chosen.selection.candidates;
        let paths: Vec<RepoPath> = candidates.iter().map(|it| it.path.clone()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        let values = self.repository.attributes(&paths, &CONVERSIONS, AttributeSource::WorkTree)?;
        let mut refused = BTreeMap::new();
        for (candidate, values) in candidates.iter_mut().zip(values) {
            let attributes = detach::conversions(&values);
            let Some(attribute) = attributes.first().cloned() else { continue };
            if self.store.detach {
                candidate.detached = Some(Detached { attributes, blob: candidate.oid });
            } else {
                refused.insert(candidate.path.clone(), Refusal::Filtered { attribute });
            }
        }
        chosen.refuse_all(refused);
        Ok(())
    }

    /// Takes what would be refused later out of the deed: what git does not call clean, and paths
    /// that are too long for a stub.
    fn leave_out(&self, chosen: &mut Chosen) -> Result<()> {
        let candidates = &chosen.selection.candidates;
        let paths: Vec<RepoPath> = candidates.iter().map(|it| it.path.clone()).collect();
        let mut refused = BTreeMap::new();
        for (candidate, clean) in candidates.iter().zip(self.repository.clean_hashes(&paths)?) {
            if clean != candidate.oid {
                refused.insert(candidate.path.clone(), Refusal::Dirty);
            } else if let Err(Error::Refused { refusal, .. }) =
                check_stub_length(self.store, candidate)
            {
                refused.insert(candidate.path.clone(), refusal);
            }
        }
        chosen.refuse_all(refused);
        Ok(())
    }

    /// Takes files out that no line of attributes would free.
    fn leave_out_bound(&self, chosen: &mut Chosen) -> Result<()> {
        if self.store.stub != StubPlace::InPlace {
            return Ok(());
        }
        loop {
            let candidates = chosen.selection.candidates.iter();
            let bound = candidates.filter(|it| it.detached.is_some()).map(|it| it.path.clone());
            let bound: Vec<RepoPath> = bound.collect();
            let Err(error) = detach::free(self.workspace, self.repository, &bound) else {
                return Ok(());
            };
            match chosen.culprit(self.workspace, &error) {
                Some(path) => chosen.refuse(&path, error),
                None => return Err(error),
            }
        }
    }

    /// Reads every file, and takes those out that cannot be read or whose content the policy refuses.
    fn look_ahead(&self, chosen: &mut Chosen, screen: &mut Screen) -> Result<()> {
        let (workspace, pace) = (self.workspace, self.store.pace);
        loop {
            let candidates = &chosen.selection.candidates;
            let Err(error) = screen.look_ahead(workspace, self.repository, candidates, pace) else {
                break;
            };
            match chosen.culprit(workspace, &error) {
                Some(path) => chosen.refuse(&path, error),
                None => return Err(error),
            }
        }
        for (path, error) in screen.take_refused() {
            chosen.refuse(&path, error);
        }
        Ok(())
    }
}

/// The error of a batch that the item at `at` stands in the way of.
pub fn stopped_at(at: usize, error: Error) -> Error {
    Error::Item { number: at + 1, done: "archived", source: Box::new(error) }
}

fn is_folder(workspace: &Workspace, path: &RepoPath) -> bool {
    fs::symlink_metadata(workspace.top.join(path.as_path())).is_ok_and(|meta| meta.is_dir())
}
