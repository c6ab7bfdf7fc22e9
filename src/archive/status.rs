//! `status`: what is going on. Only reads.

use serde::Serialize;

use crate::error::Result;
use crate::evidence::SEGMENT_FOLDER;

use super::journaled::record_of;
use super::maintenance::Maintenance;
use super::{Archive, Workspace, pending, segments};

/// One screen of what is going on.
#[derive(Debug, Default, Serialize)]
pub struct StatusReport {
    /// The repo label.
    pub label: Option<String>,
    /// Where the archive stands.
    pub archive: String,
    /// What stands in the way of using it, if anything.
    pub trouble: Option<String>,
    /// Items, artifacts, bytes of content, bytes stored.
    pub items: u64,
    /// Distinct contents.
    pub artifacts: u64,
    /// Bytes of content.
    pub content_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Records of evidence.
    pub records: u64,
    /// The maintenance that the archive is in.
    pub maintenance: Option<Maintenance>,
    /// The last record: time, action, actor, digest.
    pub last_record: Option<LastRecord>,
    /// Deeds whose segment is staged and not committed.
    pub uncommitted: Vec<Uncommitted>,
    /// Deeds that an interrupted command left; the next changing command settles them.
    pub waiting: Vec<String>,
}

/// The newest record.
#[derive(Debug, Serialize)]
pub struct LastRecord {
    /// When.
    pub ts: String,
    /// What.
    pub action: String,
    /// Who.
    pub actor: String,
    /// Its digest.
    pub digest: String,
}

/// A deed that is staged and not committed.
#[derive(Debug, Serialize)]
pub struct Uncommitted {
    /// Its action.
    pub action: String,
    /// The number of its records.
    pub records: usize,
    /// Its segment.
    pub segment: String,
}

/// What is going on in `workspace`.
pub fn status(workspace: &Workspace) -> Result<StatusReport> {
    let waiting = pending(workspace)?;
    let mut report = StatusReport {
        label: workspace.label().map(ToString::to_string),
        waiting: waiting.deeds(),
        trouble: waiting.first_damage().map(|error| error.to_string()),
        ..StatusReport::default()
    };
    if let Some(repository) = &workspace.repository {
        let (staged, _) = segments::in_index(repository)?;
        let committed = match repository.head()? {
            Some(head) => repository.list_tree(&head, Some(SEGMENT_FOLDER))?,
            None => Vec::new(),
        };
        report.uncommitted = staged
            .iter()
            .filter(|segment| committed.iter().all(|entry| entry.path != segment.path))
            .map(|segment| Uncommitted {
                action: segment.lines[0].0.event.action.as_str().to_owned(),
                records: segment.lines.len(),
                segment: segment.path.to_string(),
            })
            .collect();
    }
    match workspace.archive_place().and_then(|place| {
        report.archive = place.to_string();
        Archive::open(workspace)
    }) {
        Ok(mut archive) => fill(&mut archive, &mut report)?,
        Err(error) => report.trouble = Some(error.to_string()),
    }
    Ok(report)
}

fn fill(archive: &mut Archive, report: &mut StatusReport) -> Result<()> {
    [report.items, report.artifacts, report.content_bytes, report.stored_bytes] =
        archive.catalog().totals()?;
    report.maintenance = archive.maintenance()?;
    report.records = archive.ledger().count()?;
    if let Some(stored) = archive.ledger().newest(1)?.first() {
        let record = record_of(stored)?;
        report.last_record = Some(LastRecord {
            ts: record.ts.to_string(),
            action: record.event.action.as_str().to_owned(),
            actor: record.event.actor,
            digest: stored.digest.to_string(),
        });
    }
    Ok(())
}
