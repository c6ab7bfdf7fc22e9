//! `evidence verify`: the three places where records live, held against one another.
//!
//! The table is the authority. Its chains must reach their heads; each line of the journal must be
//! a record of the table, in order and without a gap; each record of a log that this archive
//! writes must be in it when a segment of the tree has it. Only reads.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::evidence::{JournalLine, Record};
use crate::model::{Digest, Finding, LogId, Rule, Severity};

use super::fsck::{FsckReport, check_evidence};
use super::{Archive, Workspace, segments};

const fn rule(id: &'static str, severity: Severity, meaning: &'static str) -> Rule {
    Rule { id, severity, key: None, meaning }
}

const TABLE_CHAIN: Rule = rule(
    "table-chain",
    Severity::Error,
    "A record of the table is not what it was, or the chain does not reach its head.",
);
const TABLE_SHORT: Rule = rule(
    "table-short",
    Severity::Error,
    "The journal or the tree has a record of this archive's log that the table lacks.",
);
const JOURNAL_TORN: Rule =
    rule("journal-torn", Severity::Note, "A crash tore the last line of the journal.");
const JOURNAL_SHORT: Rule = rule(
    "journal-short",
    Severity::Warning,
    "The journal lacks the table's last records; the next changing command appends them.",
);
const JOURNAL_GAP: Rule = rule(
    "journal-gap",
    Severity::Error,
    "Records of the table are missing in the middle of the journal, or stand in another order.",
);
const JOURNAL_EDITED: Rule =
    rule("journal-edited", Severity::Error, "A line of the journal is not what was written.");
const SEGMENT_INVALID: Rule =
    rule("segment-invalid", Severity::Error, "A file among the segments is no valid segment.");
const SEGMENT_DIFFERS: Rule = rule(
    "segment-differs",
    Severity::Error,
    "A record of a segment is not the one that the table has under its number.",
);
const TWO_WRITERS: Rule = rule(
    "two-writers",
    Severity::Error,
    "Two different records follow the same one: two copies of the archive wrote one log.",
);

/// The rules of `evidence verify`.
pub const RULES: &[&Rule] = &[
    &TABLE_CHAIN,
    &TABLE_SHORT,
    &JOURNAL_TORN,
    &JOURNAL_SHORT,
    &JOURNAL_GAP,
    &JOURNAL_EDITED,
    &SEGMENT_INVALID,
    &SEGMENT_DIFFERS,
    &TWO_WRITERS,
];

/// At most this many findings about one place: one cause can break every line behind it.
const MOST: usize = 20;

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct ProofReport {
    /// Whether there is no finding of severity error.
    pub ok: bool,
    /// Records of the table whose digests were computed again.
    pub records: u64,
    /// Lines of the journal.
    pub journal_lines: u64,
    /// Segments of the index.
    pub segments: u64,
    /// Records of those segments that are of other archives' logs.
    pub foreign_records: u64,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// Holds table, journal and segments of `workspace` against one another.
pub fn prove(workspace: &Workspace) -> Result<ProofReport> {
    let mut archive = Archive::open(workspace)?;
    let mut report = ProofReport::default();
    let mut table = FsckReport::default();
    check_evidence(&mut archive, &mut table)?;
    report.records = table.records;
    let place = workspace.archive_file()?.display().to_string();
    for complaint in table.complaints.iter().take(MOST) {
        let hint = "git codex-archive evidence log";
        report.findings.push(Finding::new(&TABLE_CHAIN, &*place, complaint).hint(hint));
    }
    // On a file that several clones share the rows between ours are theirs.
    journal(&mut archive, workspace.is_embedded(), &mut report)?;
    tree(workspace, &mut archive, &mut report)?;
    report.ok = report.findings.iter().all(|finding| finding.severity < Severity::Error);
    Ok(report)
}

/// What the table says of a record's place.
enum Known {
    /// It is there, in this row.
    Same(i64),
    /// Another record has its number, and both follow the same one.
    Forked,
    /// Another record has its number.
    Other,
    /// The log is this archive's, and has no record of that number.
    Lost,
    /// The log is unknown.
    Foreign,
}

fn look_up(archive: &mut Archive, record: &Record, digest: Digest) -> Result<Known> {
    let mut ledger = archive.ledger();
    match ledger.digest_at(&record.log, record.seq)? {
        Some((row, known)) if known == digest => Ok(Known::Same(row)),
        Some(_) => {
            let before = match record.seq {
                1 => Some(Digest::ZERO),
                seq => ledger.digest_at(&record.log, seq - 1)?.map(|(_, digest)| digest),
            };
            Ok(if before == Some(record.prev) { Known::Forked } else { Known::Other })
        }
        None => {
            let ours = ledger.logs()?.iter().any(|head| head.log == record.log);
            Ok(if ours { Known::Lost } else { Known::Foreign })
        }
    }
}

fn journal(archive: &mut Archive, alone: bool, report: &mut ProofReport) -> Result<()> {
    let place = archive.journal().path().display().to_string();
    let mut findings = Vec::new();
    let mut last_row = None;
    for line in archive.journal().lines()? {
        let line = line?;
        if line.is_torn {
            let message = format!("line {} is torn; the next command cuts it off", line.number);
            findings.push(Finding::new(&JOURNAL_TORN, &*place, message));
            continue;
        }
        report.journal_lines += 1;
        if let Some(finding) = journal_line(archive, alone, &place, &line, &mut last_row)?
            && findings.len() < MOST
        {
            findings.push(finding.hint("git codex-archive evidence log"));
        }
    }
    let after = last_row.unwrap_or(0);
    let mut missing = archive.ledger().records_after(after, 1000)?.len();
    if !alone {
        missing = 0;
    }
    if missing > 0 {
        let more = if missing == 1000 { "at least " } else { "" };
        let message = format!("the last {more}{missing} records of the table are missing");
        findings.push(Finding::new(&JOURNAL_SHORT, &*place, message));
    }
    report.findings.extend(findings);
    Ok(())
}

fn journal_line(
    archive: &mut Archive,
    alone: bool,
    place: &str,
    line: &JournalLine,
    last_row: &mut Option<i64>,
) -> Result<Option<Finding>> {
    let number = line.number;
    let found = |rule, message: String| Ok(Some(Finding::new(rule, place, message)));
    let (record, digest) = match line.record() {
        Ok(record) => record,
        Err(fault) => return found(&JOURNAL_EDITED, format!("line {number}: {fault}")),
    };
    let name = format!("line {number}, record {} of log {}", record.seq, record.log);
    match look_up(archive, &record, digest)? {
        Known::Same(row) => {
            let expected = last_row.map_or(1, |last| last + 1);
            *last_row = Some(row);
            if alone && row != expected {
                let what = if row > expected {
                    "records before it are missing"
                } else {
                    "it stands behind a later one"
                };
                return found(&JOURNAL_GAP, format!("{name}: {what}"));
            }
            Ok(None)
        }
        Known::Forked => found(&TWO_WRITERS, format!("{name}: the table has another successor")),
        Known::Other => found(&JOURNAL_EDITED, format!("{name}: the table has another record")),
        Known::Lost | Known::Foreign => {
            found(&TABLE_SHORT, format!("{name}: the table lacks this record"))
        }
    }
}

fn tree(workspace: &Workspace, archive: &mut Archive, report: &mut ProofReport) -> Result<()> {
    let Some(repository) = &workspace.repository else { return Ok(()) };
    let (segments, bad) = segments::in_index(repository)?;
    for segment in bad.iter().take(MOST) {
        let finding = Finding::new(&SEGMENT_INVALID, segment.path.to_string(), &segment.why);
        report.findings.push(finding.hint("git codex-archive reconcile"));
    }
    report.segments = segments.len() as u64;
    let mut foreign: BTreeMap<LogId, u64> = BTreeMap::new();
    for segment in &segments {
        // One finding a segment says enough.
        let mut finding = None;
        for (record, digest) in &segment.lines {
            let (rule, what) = match look_up(archive, record, *digest)? {
                Known::Same(_) => continue,
                Known::Foreign => {
                    *foreign.entry(record.log).or_default() += 1;
                    continue;
                }
                Known::Forked => (&TWO_WRITERS, "the table has another successor"),
                Known::Other => (&SEGMENT_DIFFERS, "the table has another record"),
                Known::Lost => (&TABLE_SHORT, "the table lacks this record"),
            };
            let message = format!("record {} of log {}: {what}", record.seq, record.log);
            let hint = format!("git log --oneline -- ':/{}'", segment.path);
            finding =
                finding.or(Some(Finding::new(rule, segment.path.to_string(), message).hint(hint)));
        }
        report.findings.extend(finding);
    }
    report.foreign_records = foreign.values().sum();
    Ok(())
}
