//! `bundle prune`: older bundles go, the newest stay.
//!
//! Promises: only bundles of one name and environment are counted and removed, by the time in their
//! locks; tarball, lock, signature and line go together; nothing goes while the newest is damaged.

use std::path::PathBuf;

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::logging::About;

use super::folder::{BundleFolder, Tarball, Writing};
use super::lock::Lock;
use super::name::LOCK;
use super::sums::SUMS;

/// Which bundles, and how many stay.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// The folder of bundles.
    pub output_dir: PathBuf,
    /// Only bundles of this name.
    pub name: Option<String>,
    /// Only bundles for this.
    pub env: Option<String>,
    /// How many stay of each name and environment.
    pub keep: u64,
    /// Whether nothing is removed.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Serialize)]
pub struct PruneReport {
    /// The folder.
    pub folder: String,
    /// How many stay.
    pub kept: u64,
    /// The locks of the bundles that were removed, or would be.
    pub pruned: Vec<String>,
    /// Whether nothing was removed.
    pub dry_run: bool,
}

/// Removes older bundles.
pub fn prune(workspace: &Workspace, options: &PruneOptions) -> Result<PruneReport> {
    let log = workspace.use_case("BUNDLE_PRUNE", None);
    log.end(prune_all(workspace, options), |report| {
        About::many(report.pruned.len()).if_done(!report.dry_run && !report.pruned.is_empty())
    })
}

fn prune_all(workspace: &Workspace, options: &PruneOptions) -> Result<PruneReport> {
    let folder = BundleFolder::at(&options.output_dir);
    let shown = folder.path().display().to_string();
    let mut report =
        PruneReport { folder: shown, kept: 0, pruned: Vec::new(), dry_run: options.dry_run };
    if !folder.exists() {
        return Ok(report);
    }
    let is_meant = |said: &Option<String>, is: &str| said.as_ref().is_none_or(|it| it == is);
    let mut kinds: Vec<(String, String)> = Vec::new();
    for lock in locks(&folder)? {
        let kind = (lock.name, lock.env);
        let meant = is_meant(&options.name, &kind.0) && is_meant(&options.env, &kind.1);
        if meant && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let writing = if options.dry_run { None } else { Some(folder.write(workspace)?) };
    for (name, env) in kinds {
        let (kept, going) = judge(&folder, &name, &env, options.keep, None)?;
        report.kept += kept.len() as u64;
        if let Some(writing) = &writing
            && !going.is_empty()
        {
            check_newest(&folder, writing, &kept)?;
            remove_these(&folder, writing, &going)?;
        }
        report.pruned.extend(shown_of(&folder, &going));
    }
    Ok(report)
}

/// What would go once the bundle of `new` is made.
pub(super) fn would_remove(folder: &BundleFolder, new: &Lock, keep: u64) -> Result<Vec<String>> {
    let (_, going) = judge(folder, &new.name, &new.env, keep, Some(new))?;
    Ok(shown_of(folder, &going))
}

/// Removes what is older than the newest, among which `new`, which was made just now, always is.
pub(super) fn remove(
    folder: &BundleFolder,
    writing: &Writing,
    new: &Lock,
    keep: u64,
) -> Result<Vec<String>> {
    let (_, going) = judge(folder, &new.name, &new.env, keep, Some(new))?;
    remove_these(folder, writing, &going)?;
    Ok(shown_of(folder, &going))
}

fn shown_of(folder: &BundleFolder, locks: &[Lock]) -> Vec<String> {
    let file = |lock: &Lock| folder.join(&format!("{}{LOCK}", lock.stem()));
    locks.iter().map(|lock| file(lock).display().to_string()).collect()
}

/// The locks that can be read.
fn locks(folder: &BundleFolder) -> Result<Vec<Lock>> {
    Ok(folder.locks()?.into_iter().filter_map(|found| found.lock.ok()).collect())
}

/// Which bundles stay and which go, the newest first. What lacks its tarball does not count: it goes
/// with those that are older than all that stay.
fn judge(
    folder: &BundleFolder,
    name: &str,
    env: &str,
    keep: u64,
    new: Option<&Lock>,
) -> Result<(Vec<Lock>, Vec<Lock>)> {
    let is_new = |lock: &Lock| new.is_some_and(|new| new.stem() == lock.stem());
    let mut all = locks(folder)?;
    all.retain(|lock| lock.name == name && lock.env == env && !is_new(lock));
    all.sort_by_key(|lock| (lock.stamp(), lock.version.clone()));
    all.reverse();
    let mut left = keep.saturating_sub(u64::from(new.is_some()));
    let (mut kept, mut going) = (Vec::new(), Vec::new());
    for lock in all {
        if left == 0 {
            going.push(lock);
        } else if folder.tarball(&lock) != Tarball::Missing {
            left -= 1;
            kept.push(lock);
        }
    }
    Ok((kept, going))
}

/// Fails unless the newest of those that stay is what its lock says.
fn check_newest(folder: &BundleFolder, writing: &Writing, kept: &[Lock]) -> Result<()> {
    let Some(newest) = kept.first() else { return Ok(()) };
    let Some(tarball) = &newest.tarball else { return Ok(()) };
    if writing.digest(tarball)? == newest.tarball_sha256 {
        return Ok(());
    }
    let path = folder.join(tarball).display().to_string();
    Err(Error::damaged("tarball", path, "it is not what its lock says, and nothing was removed"))
}

/// Removes bundles: first the lines, so that no line tells of what is gone, and the locks last, so
/// that whoever finds one knows what else was there.
fn remove_these(folder: &BundleFolder, writing: &Writing, going: &[Lock]) -> Result<()> {
    if going.is_empty() {
        return Ok(());
    }
    let before = folder.sums()?;
    let mut sums = before.clone();
    for tarball in going.iter().filter_map(|lock| lock.tarball.as_ref()) {
        sums.remove(tarball);
    }
    match (sums == before, sums.is_empty()) {
        (true, _) => {}
        (false, true) => writing.remove(SUMS)?,
        (false, false) => writing.put(SUMS, &sums.render())?,
    }
    for lock in going {
        for name in [&lock.tarball, &lock.signature].into_iter().flatten() {
            writing.remove(name)?;
        }
        writing.remove(&format!("{}{LOCK}", lock.stem()))?;
    }
    Ok(())
}
