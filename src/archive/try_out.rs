//! An archive out of a backup, brought up beside the one that is in use, and worked with.
//!
//! Promises: the archive in use is only read; everything is written below one folder, which its owner
//! removes; no content is written that may not be given out.

use std::fs::File;
use std::path::Path;

use crate::backend::{ItemFilter, Page};
use crate::error::{Error, Result};
use crate::fs::TempFile;
use crate::model::Item;

use super::health::{HealthReport, Level};
use super::lookup::{Origin, content, executable, from_git};
use super::output::read_again;
use super::smoke::smoke_in;
use super::{Archive, ReinstateOptions, ReinstateReport, Workspace, write_archive};

/// The tag of the folders in which that is done: a drill that was killed leaves its own.
pub const TAG: &str = "drill";

/// Items that are looked at in one query.
const PAGE: u64 = 500;

/// What came of restoring items.
#[derive(Debug, Default)]
pub struct TriedItems {
    /// Items that were written out and read again.
    pub restored: u64,
    /// Those of which git's own object was there and is the same.
    pub same_as_git: u64,
    /// Items that nobody may be given without approvals, or that were purged.
    pub withheld: u64,
    /// What was wrong, item by item.
    pub faults: Vec<String>,
}

/// Writes `archive`, which stands in `file` without a name, to the new file `output` as a restore
/// would, and leaves the rest of this clone alone.
pub fn bring_up(
    workspace: &Workspace,
    mut archive: Archive,
    file: File,
    options: &ReinstateOptions,
    output: &Path,
) -> Result<ReinstateReport> {
    // Nobody will rely on what is recorded in it.
    archive.pen = None;
    write_archive(workspace, archive, file, options, output)
}

/// Stores, shows, restores and purges something made up in the archive `file`; what failed.
pub fn smoke_test(workspace: &Workspace, file: &Path) -> Vec<String> {
    let mut report = HealthReport::new(workspace);
    smoke_in(workspace, file, &mut report);
    let failed = report.checks.iter().filter(|check| check.level == Level::Failed);
    failed.map(|check| format!("{}: {}", check.name, check.detail)).collect()
}

/// Restores at most `sample` items of the archive `file`, spread over it, to files in `folder`.
pub fn restore_sample(
    workspace: &Workspace,
    file: &Path,
    folder: &Path,
    sample: u64,
) -> Result<TriedItems> {
    let mut archive = Archive::open_file(workspace, file)?;
    let mut tried = TriedItems::default();
    let total = archive.catalog().totals()?[0];
    let step = total.div_ceil(sample.max(1)).max(1);
    let (mut after, mut nth) = (None, 0);
    loop {
        let items = archive.catalog().list(&ItemFilter::default(), Page { limit: PAGE, after })?;
        let Some(last) = items.last() else { return Ok(tried) };
        after = Some(last.row_id);
        for item in &items {
            let is_due = nth % step == 0;
            nth += 1;
            if is_due {
                restore_one(workspace, &mut archive, item, folder, &mut tried)?;
            }
        }
    }
}

fn restore_one(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
    folder: &Path,
    tried: &mut TriedItems,
) -> Result<()> {
    let mut fault = |why: String| tried.faults.push(format!("{}: {why}", item.path));
    let bytes = match content(workspace, Some(archive), item) {
        Ok((bytes, Origin::Archive)) => bytes,
        // The gate says so, or there are no bytes any more.
        Err(Error::Refused { .. }) => {
            tried.withheld += 1;
            return Ok(());
        }
        Ok((_, Origin::GitHistory)) => {
            fault("the archive has not got its bytes, only git has".to_owned());
            return Ok(());
        }
        Err(error @ (Error::Damaged { .. } | Error::NotFound { .. })) => {
            fault(error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let mut temp = TempFile::create(folder, executable(item))?;
    bytes.fill(workspace.spool(), &mut temp)?;
    if let Err(error) = read_again(&mut temp, item) {
        fault(error.to_string());
        return Ok(());
    }
    temp.publish_new(&folder.join(item.tombstone.to_string()))?;
    tried.restored += 1;
    tried.same_as_git += u64::from(from_git(workspace, item)?.is_some());
    Ok(())
}
