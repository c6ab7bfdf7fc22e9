//! `backup prune`: older backups go, the newest stay.
//!
//! Promises: only whole pairs of one name and suffix are counted and removed, by the time in their
//! names; nothing goes while the newest of them cannot be relied on.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::fs as files;
use crate::logging::About;
use crate::progress::Progress;

use super::create::Source;
use super::destination::{Checksum, Found, backups, checksum_of, read_checksum};
use super::name::{Suffix, stem};
use super::seal::Passphrase;
use super::verify::is_whole;

/// Which backups, and how many stay.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// The data folder that they are of; `None`: this repository's own data.
    pub source: Option<PathBuf>,
    /// Where they are.
    pub dest: PathBuf,
    /// What stands behind their name.
    pub suffix: Option<Suffix>,
    /// How many stay.
    pub keep: usize,
    /// Whether nothing is removed.
    pub dry_run: bool,
    /// What opens the newest.
    pub passphrase: Option<Passphrase>,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub struct PruneReport {
    /// The name and suffix.
    pub name: String,
    /// How many stay.
    pub kept: u64,
    /// The backups that were removed, or would be.
    pub pruned: Vec<String>,
    /// Whether nothing was removed.
    pub dry_run: bool,
}

/// Removes older backups.
pub fn prune(
    workspace: &Workspace,
    options: &PruneOptions,
    progress: &dyn Progress,
) -> Result<PruneReport> {
    let log = workspace.use_case("BACKUP_PRUNE", None);
    log.end(prune_one(workspace, options, progress), |report| {
        About::many(report.pruned.len()).if_done(!report.dry_run && !report.pruned.is_empty())
    })
}

fn prune_one(
    workspace: &Workspace,
    options: &PruneOptions,
    progress: &dyn Progress,
) -> Result<PruneReport> {
    let named: Vec<PathBuf> = options.source.iter().cloned().collect();
    let source = Source::all(workspace, &named)?.remove(0);
    let name = stem(&source.name(workspace)?, options.suffix.as_ref());
    let all = pairs(&options.dest, &name)?.len();
    let superfluous = superfluous(&options.dest, &name, options.keep)?;
    let mut pruned: Vec<String> =
        superfluous.iter().map(|found| found.path.display().to_string()).collect();
    let kept = (all - superfluous.len()) as u64;
    if !options.dry_run && !superfluous.is_empty() {
        let newest = pairs(&options.dest, &name)?.pop();
        if let Some(newest) = newest
            && let Some(why) =
                is_whole(workspace, &newest.path, options.passphrase.clone(), progress)?
        {
            return Err(Error::damaged("backup", newest.path.display().to_string(), why));
        }
        pruned = remove_superfluous(&options.dest, &name, options.keep)?;
    }
    Ok(PruneReport { name, kept, pruned, dry_run: options.dry_run })
}

/// The backups of this name that have their checksum, the oldest first.
pub(super) fn pairs(dest: &Path, stem: &str) -> Result<Vec<Found>> {
    let mut pairs = Vec::new();
    for found in backups(dest)? {
        if found.name.stem == stem && matches!(read_checksum(&found.path)?, Checksum::Says(_)) {
            pairs.push(found);
        }
    }
    Ok(pairs)
}

/// The backups of this name beyond the `keep` newest, the oldest first.
pub(super) fn superfluous(dest: &Path, stem: &str, keep: usize) -> Result<Vec<Found>> {
    let mut pairs = pairs(dest, stem)?;
    pairs.truncate(pairs.len().saturating_sub(keep));
    Ok(pairs)
}

/// Removes them, and the folders of days that are empty then. The backup goes before its checksum:
/// one without the other is no backup.
pub(super) fn remove_superfluous(dest: &Path, stem: &str, keep: usize) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for found in superfluous(dest, stem, keep)? {
        files::remove_file(&found.path)?;
        files::remove_file(&checksum_of(&found.path))?;
        let folder = files::folder_of(&found.path);
        files::sync_folder(folder)?;
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()) {
            files::remove_empty_folders(dest, folder);
        }
        removed.push(found.path.display().to_string());
    }
    Ok(removed)
}
