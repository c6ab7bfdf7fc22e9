//! `status` and `health-check`: what is going on, and whether it is well. Both only read.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::evidence::{LastLine, SEGMENT_FOLDER};

use super::fsck::{FsckReport, check_evidence};
use super::journaled::record_of;
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

/// One check of health.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

/// Whether the archive is well.
#[derive(Debug, Serialize)]
pub struct HealthReport {
    /// Whether every check passed.
    pub ok: bool,
    /// The backend.
    pub backend: String,
    /// Its URL, redacted.
    pub url: String,
    /// Items that can be retrieved.
    pub items_retrievable: u64,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Items of which a sample is decoded and hashed.
const SAMPLE: u64 = 16;

/// Checks connection, schema, integrity, a sample of artifacts, evidence and journal.
pub fn health(workspace: &Workspace) -> Result<HealthReport> {
    let mut report = HealthReport {
        ok: true,
        backend: workspace.config.backend().to_string(),
        url: workspace.config.url().to_string(),
        items_retrievable: 0,
        checks: Vec::new(),
    };
    let mut archive = Archive::open(workspace)?;
    report.items_retrievable = archive.catalog().totals()?[0];
    let version = archive.schema_version()?;
    report.add("schema", Ok(format!("version {version}")));
    let complaints = archive.integrity()?;
    report.add("integrity", none_of(&complaints, "the database is whole"));
    let sample = check_sample(&mut archive);
    report.add("sample", sample.map_err(|error| error.to_string()));
    let mut evidence = FsckReport::default();
    check_evidence(&mut archive, &mut evidence)?;
    let words = format!("{} records, every chain reaches its head", evidence.records);
    report.add("evidence", none_of(&evidence.complaints, &words));
    let journal = check_journal(&mut archive);
    report.add("journal", journal);
    let waiting = pending(workspace)?;
    let mut deeds = waiting.deeds();
    deeds.extend(waiting.first_damage().map(|error| error.to_string()));
    report.add("interrupted deeds", none_of(&deeds, "none"));
    Ok(report)
}

impl HealthReport {
    fn add(&mut self, name: &'static str, seen: std::result::Result<String, String>) {
        let ok = seen.is_ok();
        self.ok &= ok;
        let detail = seen.unwrap_or_else(|why| why);
        self.checks.push(Check { name, ok, detail });
    }
}

fn none_of(complaints: &[String], well: &str) -> std::result::Result<String, String> {
    match complaints.first() {
        None => Ok(well.to_owned()),
        Some(first) => Err(format!("{first} ({} in all)", complaints.len())),
    }
}

fn check_sample(archive: &mut Archive) -> Result<String> {
    let artifacts = archive.catalog().artifacts(0, SAMPLE)?;
    let mut count = 0;
    for (row, sha256, size_bytes, purged) in artifacts {
        if !purged {
            archive.check_artifact(row, size_bytes, &sha256)?;
            count += 1;
        }
    }
    Ok(format!("{count} artifacts decoded and hashed"))
}

fn check_journal(archive: &mut Archive) -> std::result::Result<String, String> {
    let words = |error: Error| error.to_string();
    match archive.journal().tail().map_err(words)?.last {
        LastLine::Absent => Ok("absent; the next change writes it again".to_owned()),
        LastLine::Empty => Ok("empty".to_owned()),
        LastLine::Line { record: Err(fault), .. } => {
            Err(format!("its last line is no record: {fault}"))
        }
        LastLine::Line { record: Ok(record), digest } => {
            match archive.ledger().digest_at(&record.log, record.seq).map_err(words)? {
                Some((_, known)) if known == digest => {
                    Ok(format!("ends with record {} of its log", record.seq))
                }
                _ => Err("its last line is not in the archive".to_owned()),
            }
        }
    }
}
