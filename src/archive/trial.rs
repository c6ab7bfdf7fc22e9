//! `store --dry-run`: files are taken in to see what would become of them, and nothing is written.

use std::collections::HashMap;

use crate::error::Result;
use crate::git::Repository;
use crate::model::Digest;

use super::Workspace;
use super::credentials::Screen;
use super::intake::large;
use super::intake::{self, Archived, Intake, Place, TakenRun, Taker};
use super::selection::{Candidate, Selection};
use super::store::{StoreOptions, StoredItem};
use super::upload::{self, Measured};

/// What would be archived of `selection`.
pub fn preview(
    workspace: &Workspace,
    repository: &Repository,
    options: &StoreOptions,
    selection: &Selection,
    screen: &mut Screen,
) -> Result<Vec<StoredItem>> {
    let (policy, candidates) = (screen.policy(), &selection.candidates);
    let (top, policy) = (workspace.top.as_path(), policy.as_ref());
    let mut trial = Trial {
        workspace,
        options,
        candidates,
        screen,
        items: Vec::new(),
        suspects: Vec::new(),
        lengths: HashMap::new(),
    };
    Intake { top, candidates, policy, pace: options.pace }.run(repository, &mut trial)?;
    intake::check_clean(repository, &trial.suspects)?;
    let (mut items, lengths) = (trial.items, trial.lengths);
    for item in &mut items {
        item.compressed_size = lengths.get(&item.sha256).copied().unwrap_or_default();
    }
    screen.check()?;
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// Files that are taken in to see what would become of them.
struct Trial<'a> {
    workspace: &'a Workspace,
    options: &'a StoreOptions,
    candidates: &'a [Candidate],
    screen: &'a mut Screen,
    items: Vec<StoredItem>,
    /// Files of which git must say if they are clean.
    suspects: Vec<&'a Candidate>,
    /// How long each content would be as stored.
    lengths: HashMap<String, u64>,
}

impl Taker for Trial<'_> {
    fn known(&mut self, _: &[(Digest, u64)]) -> Result<HashMap<Digest, Archived>> {
        Ok(HashMap::new())
    }

    fn take(&mut self, taken: TakenRun) -> Result<()> {
        let lengths = taken.run.map(|run| run.lengths).unwrap_or_default();
        for file in taken.files {
            let candidate = &self.candidates[file.at];
            if file.differs {
                self.suspects.push(candidate);
            }
            if let Place::Member(n) = file.place {
                self.lengths.insert(file.sha256.to_string(), lengths[n]);
            }
            let content = (file.sha256, file.size_bytes);
            self.items.push(StoredItem::preview(self.options, &candidate.path, content, 0));
            self.screen.note(&candidate.path, file.credentials);
        }
        Ok(())
    }

    fn take_large(&mut self, intake: Intake<'_>, repository: &Repository, at: usize) -> Result<()> {
        let candidate = &self.candidates[at];
        let path = candidate.path.to_string();
        let mut length = 0;
        let seen = upload::judge(self.workspace, repository, candidate, &mut |content| {
            let hasher = repository.blob_hasher(content.size_bytes());
            let mut measured = Measured { compresses: true, length: 0 };
            let content = &intake.pace.of(content, &candidate.path);
            let streamed =
                large::take_in(content, Some(hasher), intake.policy, &path, &mut measured);
            length = measured.length;
            streamed
        })?;
        if seen.differs {
            self.suspects.push(candidate);
        }
        self.lengths.insert(seen.sha256.to_string(), length);
        let content = (seen.sha256, seen.size_bytes);
        self.items.push(StoredItem::preview(self.options, &candidate.path, content, 0));
        self.screen.note(&candidate.path, seen.credentials);
        Ok(())
    }
}
