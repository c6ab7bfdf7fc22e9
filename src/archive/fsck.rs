//! `fsck`: proves every byte of the archive, and heals what git still has.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::blob::Encoder;
use crate::error::{Error, Result};
use crate::evidence::{Action, Event, Head, verify};
use crate::model::{Actor, DeedId, Digest, Item, LogId, escape_line};
use crate::progress::Progress;

use super::journaled::record_of;
use super::{Archive, Workspace, intent, lookup, pending, recovery};

/// Artifacts and records are read in portions of this many.
const PORTION: u64 = 500;

/// What to check, and whether to mend it.
#[derive(Debug, Clone)]
pub struct FsckOptions {
    /// Who mends; `None` only looks.
    pub repair: Option<Actor>,
}

/// An artifact that does not decode to what it should.
#[derive(Debug, Serialize)]
pub struct DamagedArtifact {
    /// SHA-256 its content should have.
    pub sha256: String,
    /// What was seen.
    pub why: String,
    /// The items that hold it.
    pub items: Vec<DamagedItem>,
    /// Whether it was healed out of git's objects.
    pub healed: bool,
}

/// An item whose bytes are damaged.
#[derive(Debug, Serialize)]
pub struct DamagedItem {
    /// Its id.
    pub tombstone: String,
    /// Where it was.
    pub path: String,
}

/// What `fsck` saw.
#[derive(Debug, Default, Serialize)]
pub struct FsckReport {
    /// Whether nothing is wrong (any more).
    pub ok: bool,
    /// Artifacts whose every byte was read.
    pub artifacts: u64,
    /// Bytes of content that were hashed.
    pub content_bytes: u64,
    /// Records whose digests were computed again.
    pub records: u64,
    /// Damaged artifacts.
    pub damaged: Vec<DamagedArtifact>,
    /// Complaints of the database and the evidence.
    pub complaints: Vec<String>,
    /// Deeds that wait for the next changing command, of all work trees.
    pub waiting: Vec<String>,
    /// Whether there are damaged intents, which stop every changing command.
    #[serde(skip)]
    pub damaged_intents: bool,
    /// Damaged intents that were set aside.
    pub set_aside: Vec<SetAside>,
}

/// A damaged intent that no command looks at any more.
#[derive(Debug, Serialize)]
pub struct SetAside {
    /// Where it is now.
    pub file: String,
    /// What its deed was about; empty when that was never recorded. Each path stands as before the
    /// deed or as after it.
    pub paths: Vec<String>,
}

/// Checks every byte of the archive of `workspace`.
pub fn fsck(
    workspace: &Workspace,
    options: &FsckOptions,
    progress: &dyn Progress,
) -> Result<FsckReport> {
    let lock = options.repair.as_ref().map(|_| workspace.lock()).transpose()?;
    let mut set_aside = Vec::new();
    let mut archive = match &lock {
        Some(_) => {
            // Opened for reading first: what is not there is not made here.
            let mut archive = Archive::open(workspace)?;
            set_aside = set_damaged_aside(workspace, &mut archive)?;
            drop(archive);
            recovery::recover(workspace)?;
            Archive::create(workspace)?
        }
        None => Archive::open(workspace)?,
    };
    let complaints = archive.integrity()?;
    let mut report = FsckReport { complaints, set_aside, ..FsckReport::default() };
    check_artifacts(workspace, options, &mut archive, &mut report, progress)?;
    check_evidence(&mut archive, &mut report)?;
    let waiting = pending(workspace)?;
    report.waiting = waiting.deeds();
    report.damaged_intents = !waiting.damaged.is_empty();
    report.complaints.extend(waiting.damaged.iter().map(|path| intent::damaged(path).to_string()));
    report.ok = report.complaints.is_empty() && report.damaged.iter().all(|it| it.healed);
    Ok(report)
}

/// A damaged intent stops every changing command. Its deed's paths stand as before or as after, and
/// both are sound; what the tree still lacks can be done again.
fn set_damaged_aside(workspace: &Workspace, archive: &mut Archive) -> Result<Vec<SetAside>> {
    let mut done = Vec::new();
    for path in pending(workspace)?.damaged {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let records = match name.parse() {
            Ok(deed) => recovery::records_of(archive, &deed)?,
            Err(_) => Vec::new(),
        };
        let paths = || records.iter().filter_map(|(record, _)| record.event.path.as_ref());
        for path in paths() {
            recovery::remove_litter_beside(workspace, path.as_path());
        }
        let paths = paths().map(ToString::to_string).collect();
        let file = intent::set_aside(workspace, &path)?.display().to_string();
        done.push(SetAside { file, paths });
    }
    Ok(done)
}

fn check_artifacts(
    workspace: &Workspace,
    options: &FsckOptions,
    archive: &mut Archive,
    report: &mut FsckReport,
    progress: &dyn Progress,
) -> Result<()> {
    let total = archive.catalog().totals()?[1] as usize;
    let mut after = 0;
    loop {
        let portion = archive.catalog().artifacts(after, PORTION)?;
        let Some(last) = portion.last() else { return Ok(()) };
        after = last.0;
        for (row, sha256, size_bytes, purged) in portion {
            if purged {
                continue;
            }
            report.artifacts += 1;
            report.content_bytes += size_bytes;
            progress.step(report.artifacts as usize, total);
            let why = match archive.artifact_content(row, size_bytes, &sha256) {
                Ok(_) => continue,
                Err(error @ Error::Damaged { .. }) => error.to_string(),
                Err(error) => return Err(error),
            };
            report.damaged.push(examine(workspace, options, archive, row, sha256, why)?);
        }
    }
}

fn examine(
    workspace: &Workspace,
    options: &FsckOptions,
    archive: &mut Archive,
    row: i64,
    sha256: Digest,
    why: String,
) -> Result<DamagedArtifact> {
    let items = archive.catalog().items_with(row)?;
    let healed = match &options.repair {
        Some(actor) => heal(workspace, archive, row, &items, actor)?,
        None => false,
    };
    let items = items.iter().map(|item| DamagedItem {
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
    });
    Ok(DamagedArtifact { sha256: sha256.to_string(), why, items: items.collect(), healed })
}

/// Puts git's own bytes, if they are the same, in the place of damaged ones.
fn heal(
    workspace: &Workspace,
    archive: &mut Archive,
    row: i64,
    items: &[Item],
    actor: &Actor,
) -> Result<bool> {
    for item in items {
        let Some(bytes) = lookup::from_git(workspace, item)? else { continue };
        let encoded = Encoder::new()?.encode(&bytes)?;
        let mut event = Event::new(Action::Repair, actor.as_str());
        event.repo = Some(item.repo.clone());
        event.path = Some(item.path.clone());
        event.sha256 = Some(item.sha256);
        event.size = Some(item.size_bytes);
        event.git_blob = Some(item.git_blob);
        event.tombstone = Some(item.tombstone);
        event.reason = Some("stored bytes were damaged, healed from git".to_owned());
        archive.journaled(&item.repo, DeedId::random(), |transaction| {
            transaction.catalog().replace_run(row, &encoded.frame, &encoded.frame_sha256)?;
            Ok(((), vec![(event, Some(item.row_id))]))
        })?;
        return Ok(archive.artifact_content(row, item.size_bytes, &item.sha256).is_ok());
    }
    Ok(false)
}

/// Computes every record's digest again and follows every chain to its head.
pub(super) fn check_evidence(archive: &mut Archive, report: &mut FsckReport) -> Result<()> {
    let mut heads: BTreeMap<LogId, Option<Head>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let portion = archive.ledger().records_after(after, PORTION)?;
        let Some(last) = portion.last() else { break };
        after = last.row_id;
        for stored in portion {
            report.records += 1;
            let record = match record_of(&stored) {
                Ok(record) => record,
                Err(error) => {
                    report.complaints.push(error.to_string());
                    continue;
                }
            };
            let head = heads.entry(stored.log).or_default();
            let line = [(record, stored.digest)];
            match verify(line.iter(), *head) {
                Ok(next) => *head = next,
                Err(fault) => {
                    let fault = escape_line(&fault.to_string());
                    report.complaints.push(format!("log {}: {fault}", stored.log));
                    let (record, digest) = &line[0];
                    *head = Some(Head { log: record.log, seq: record.seq, digest: *digest });
                }
            }
        }
    }
    for log in archive.ledger().logs()? {
        let last = heads.get(&log.log).and_then(Option::as_ref);
        let (seq, digest) = last.map_or((0, Digest::ZERO), |head| (head.seq, head.digest));
        if (seq, digest) != (log.seq, log.digest) {
            report.complaints.push(format!(
                "log {} ends at record {seq}, but its head says {}: records are missing",
                log.log, log.seq
            ));
        }
    }
    Ok(())
}
