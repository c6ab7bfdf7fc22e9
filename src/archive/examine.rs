//! Whether an archive that was copied, or is about to be used, is whole.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::progress::Progress;

use super::chains::check_evidence;
use super::fsck::FsckReport;
use super::root::logical_root;
use super::{Archive, agree};

/// Artifacts of a sample.
const SAMPLE: u64 = 64;

/// Artifacts that are read at once.
const PORTION: u64 = 500;

/// How much of the content is decoded and hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Some of it, spread over the archive.
    Sample,
    /// Every byte.
    All,
}

/// What an archive holds: two copies of one have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Items that are shown.
    pub items: u64,
    /// Artifacts that have their bytes.
    pub artifacts: u64,
    /// Bytes of their content.
    pub content_bytes: u64,
    /// Records of evidence.
    pub records: u64,
    /// The logical root.
    pub root: String,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Examined {
    /// Artifacts that were decoded and hashed.
    pub artifacts: u64,
    /// Records whose digests were computed again.
    pub records: u64,
    /// What is wrong.
    pub complaints: Vec<String>,
}

impl Counts {
    /// Counts what `archive` holds.
    pub fn of(archive: &mut Archive) -> Result<Self> {
        let [items, artifacts, content_bytes, _] = archive.catalog().totals()?;
        let records = archive.ledger().count()?;
        let root = logical_root(&mut archive.catalog())?.to_string();
        Ok(Self { items, artifacts, content_bytes, records, root })
    }
}

/// Asks the database whether it is whole, follows every chain of the evidence, holds every row
/// against its record, and decodes content.
pub fn examine(archive: &mut Archive, depth: Depth, progress: &dyn Progress) -> Result<Examined> {
    let mut report = FsckReport { complaints: archive.integrity()?, ..FsckReport::default() };
    check_evidence(archive, &mut report)?;
    agree::check_items(archive, &mut report)?;
    let mut seen =
        Examined { artifacts: 0, records: report.records, complaints: report.complaints };
    decode(archive, depth, &mut seen, progress)?;
    Ok(seen)
}

fn decode(
    archive: &mut Archive,
    depth: Depth,
    seen: &mut Examined,
    progress: &dyn Progress,
) -> Result<()> {
    let total = archive.catalog().totals()?[1];
    let step = match depth {
        Depth::All => 1,
        Depth::Sample => total.div_ceil(SAMPLE).max(1),
    };
    let (mut after, mut nth) = (0, 0);
    let mut told = BTreeSet::new();
    loop {
        let portion = archive.catalog().artifacts(after, PORTION)?;
        let Some(last) = portion.last() else { return Ok(()) };
        after = last.0;
        for (row, sha256, size_bytes, purged) in portion {
            if purged {
                continue;
            }
            nth += 1;
            if (nth - 1) % step != 0 {
                continue;
            }
            match archive.check_artifact(row, size_bytes, &sha256) {
                Ok(_) => seen.artifacts += 1,
                Err(error @ Error::Damaged { .. }) => {
                    if told.insert(sha256) {
                        seen.complaints.push(error.to_string());
                    }
                }
                Err(error) => return Err(error),
            }
            progress.step(nth as usize, total as usize);
        }
    }
}
