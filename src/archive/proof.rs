//! `evidence verify`: the three places where records live, held against one another.
//!
//! The table is the authority. Its chains must reach their heads; each line of the journal must be
//! a record of the table, in order and without a gap; each record of a log that this archive
//! writes must be in it when a segment of the tree has it. Only reads.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::evidence::Record;
use crate::model::{Digest, Finding, LogId, Rule, Severity};

mod journal;
mod signatures;

use super::chains::check_evidence;
use super::checkpoint::checkpoint_faults;
use super::fsck::FsckReport;
use super::reinstate::RolledBack;
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
const JOURNAL_CUT: Rule = rule(
    "journal-cut",
    Severity::Error,
    "The journal was truncated: it lacks records of several commands at its end, and a crash loses \
     only the last one's.",
);
const JOURNAL_GAP: Rule = rule(
    "journal-gap",
    Severity::Error,
    "Records of the table are missing in the middle of the journal: lines were deleted.",
);
const JOURNAL_ORDER: Rule = rule(
    "journal-order",
    Severity::Error,
    "Lines of the journal stand in another order than they were written: they were reordered.",
);
const JOURNAL_TWICE: Rule =
    rule("journal-twice", Severity::Error, "A line of the journal is a duplicate of another.");
const JOURNAL_CONVERTED: Rule = rule(
    "journal-converted",
    Severity::Warning,
    "Lines of the journal have other line ends or another spelling; what they say is the table's.",
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
const ROLLED_BACK: Rule = rule(
    "rolled-back",
    Severity::Warning,
    "The tree has a record that a restored backup of this archive was too old to have.",
);
const TWO_WRITERS: Rule = rule(
    "two-writers",
    Severity::Error,
    "Two different records follow the same one: two copies of the archive wrote one log.",
);

const UNSIGNED: Rule = rule(
    "unsigned",
    Severity::Error,
    "Evidence is to be signed (`[evidence] sign`), and no signature covers the last records of this \
     clone's log.",
);
const BAD_SIGNATURE: Rule = rule(
    "bad-signature",
    Severity::Error,
    "A signature is not one over its record, by a key that HEAD's `.codex/allowed_signers` had in \
     force then.",
);

const CHECKPOINT_BROKEN: Rule = rule(
    "checkpoint-broken",
    Severity::Error,
    "The archive's records are not the ones that a checkpoint of it was made of.",
);

/// The rules of `evidence verify`.
pub const RULES: &[&Rule] = &[
    &TABLE_CHAIN,
    &TABLE_SHORT,
    &JOURNAL_TORN,
    &JOURNAL_SHORT,
    &JOURNAL_CUT,
    &JOURNAL_GAP,
    &JOURNAL_ORDER,
    &JOURNAL_TWICE,
    &JOURNAL_CONVERTED,
    &JOURNAL_EDITED,
    &SEGMENT_INVALID,
    &SEGMENT_DIFFERS,
    &ROLLED_BACK,
    &TWO_WRITERS,
    &UNSIGNED,
    &BAD_SIGNATURE,
    &CHECKPOINT_BROKEN,
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
    /// Signatures of the table that were verified.
    pub signatures: u64,
    /// Checkpoints whose root was computed again.
    pub checkpoints: u64,
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
    let place = workspace.archive_place()?.to_string();
    for complaint in table.complaints.iter().take(MOST) {
        let hint = "git codex-archive evidence log";
        report.findings.push(Finding::new(&TABLE_CHAIN, &*place, complaint).hint(hint));
    }
    // On a file that several clones share the rows between ours are theirs.
    journal::walk(&mut archive, workspace.is_embedded(), &mut report)?;
    tree(workspace, &mut archive, table.complaints.is_empty(), &mut report)?;
    signatures::judge(workspace, &mut archive, &mut report)?;
    // A damaged record was told of above, and has no line to hash.
    if table.complaints.is_empty() {
        let (checkpoints, faults) = checkpoint_faults(&mut archive)?;
        report.checkpoints = checkpoints;
        let broken = faults.iter().map(|it| Finding::new(&CHECKPOINT_BROKEN, &*place, it));
        let hint = "git codex-archive evidence log";
        report.findings.extend(broken.map(|finding| finding.hint(hint)));
    }
    report.ok = report.findings.iter().all(|finding| finding.severity < Severity::Error);
    Ok(report)
}

/// What the table says of a record's place.
enum Known {
    /// It is there, in this row.
    Same(i64),
    /// Another record has its number, in this row, and both follow the same one.
    Forked(i64),
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
        Some((row, _)) => {
            let before = match record.seq {
                1 => Some(Digest::ZERO),
                seq => ledger.digest_at(&record.log, seq - 1)?.map(|(_, digest)| digest),
            };
            let forked = before == Some(record.prev);
            Ok(if forked { Known::Forked(row) } else { Known::Other })
        }
        None => {
            let ours = archive.own_logs()?.contains(&record.log);
            Ok(if ours { Known::Lost } else { Known::Foreign })
        }
    }
}

fn tree(
    workspace: &Workspace,
    archive: &mut Archive,
    whole: bool,
    report: &mut ProofReport,
) -> Result<()> {
    let Some(repository) = &workspace.repository else { return Ok(()) };
    let (segments, bad) = segments::in_index(repository)?;
    for segment in bad.iter().take(MOST) {
        let finding = Finding::new(&SEGMENT_INVALID, segment.path.to_string(), &segment.why);
        report.findings.push(finding.hint("git codex-archive reconcile"));
    }
    report.segments = segments.len() as u64;
    let mut foreign: BTreeMap<LogId, u64> = BTreeMap::new();
    let rolled_back = RolledBack::of(archive)?;
    for segment in &segments {
        // One finding a segment says enough.
        let mut finding = None;
        for (record, digest) in &segment.lines {
            let (rule, what) = match look_up(archive, record, *digest)? {
                Known::Same(_) => continue,
                Known::Lost | Known::Foreign if rolled_back.has(record) => {
                    (&ROLLED_BACK, "a restored backup did not have it")
                }
                Known::Foreign => {
                    *foreign.entry(record.log).or_default() += 1;
                    continue;
                }
                // Two valid chains are two writers; a broken one is damage.
                Known::Forked(_) if whole => (&TWO_WRITERS, "the table has another successor"),
                Known::Forked(_) | Known::Other => {
                    (&SEGMENT_DIFFERS, "the table has another record")
                }
                Known::Lost => (&TABLE_SHORT, "the table lacks this record"),
            };
            let message = format!("record {} of log {}: {what}", record.seq, record.log);
            let hint = match rolled_back.remedy(record).filter(|_| rule.id == ROLLED_BACK.id) {
                Some(remedy) => remedy,
                None => format!("git log --oneline -- ':/{}'", segment.path),
            };
            finding =
                finding.or(Some(Finding::new(rule, segment.path.to_string(), message).hint(hint)));
        }
        report.findings.extend(finding);
    }
    report.foreign_records = foreign.values().sum();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive::Opening;
    use crate::config::Environment;
    use crate::evidence::{Action, Event};
    use crate::model::DeedId;

    /// An archive in a plain folder with a log of five records, and its journal's lines.
    fn sealed() -> (tempfile::TempDir, Workspace, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        let opening = Opening { cwd: dir.path(), file: None, flags: &[], environment };
        let workspace = Workspace::open(opening).unwrap();
        let mut archive = Archive::create(&workspace).unwrap();
        for _ in 0..4 {
            let event = Event::new(Action::Drill, "marc");
            archive
                .journaled("", DeedId::random(), |_| Ok(((), vec![(event.clone(), None)])))
                .unwrap();
        }
        let text = fs::read_to_string(workspace.journal_file().unwrap()).unwrap();
        (dir, workspace, text.lines().map(str::to_owned).collect())
    }

    fn rules(workspace: &Workspace, lines: &[&str]) -> Vec<&'static str> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(workspace.journal_file().unwrap(), text).unwrap();
        let report = prove(workspace).unwrap();
        report.findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn damage_to_the_journal_has_names() {
        let (_dir, workspace, lines) = sealed();
        let all: Vec<&str> = lines.iter().map(String::as_str).collect();
        let [a, b, c, d, e] = all[..] else { panic!("{} lines", all.len()) };
        assert_eq!(rules(&workspace, &all), [""; 0]);
        assert_eq!(rules(&workspace, &[a, b, c, d]), ["journal-short"]);
        assert_eq!(rules(&workspace, &[a, b, c]), ["journal-cut"]);
        assert_eq!(rules(&workspace, &[]), ["journal-cut"]);
        assert_eq!(rules(&workspace, &[a, c, d, e]), ["journal-gap"]);
        assert_eq!(rules(&workspace, &[a, b, d, c, e]), ["journal-order"]);
        assert_eq!(rules(&workspace, &[a, b, b, c, d, e]), ["journal-twice"]);
        assert_eq!(rules(&workspace, &[a, "{}", c, d, e]), ["journal-edited"]);
        assert_eq!(rules(&workspace, &[a, b, "{}", c, d, e]), ["journal-edited"]);
        assert_eq!(rules(&workspace, &[a, c, d, b]), ["journal-order", "journal-short"]);
        let edited = b.replace("marc", "mark");
        assert_eq!(rules(&workspace, &[a, &edited, b, c, d, e])[..1], ["two-writers"]);
        assert_eq!(rules(&workspace, &[a, &edited, c, d, e]), ["journal-edited"]);
        let edited = e.replace("marc", "mark");
        assert_eq!(rules(&workspace, &[a, b, c, d, &edited]), ["journal-edited"]);
    }

    #[test]
    fn a_second_writer_is_told_from_tampering() {
        let (_dir, workspace, lines) = sealed();
        let all: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut second = Record::parse(all[3].as_bytes()).unwrap();
        "luna".clone_into(&mut second.event.actor);
        let mut third = second.clone();
        (third.seq, third.prev) = (second.seq + 1, second.digest().unwrap());
        let (second, third) = (second.render().unwrap(), third.render().unwrap());
        // One lost record of an archive that was put back from a backup, then two.
        let lines = [all[0], all[1], all[2], &*second, all[3], all[4]];
        assert_eq!(rules(&workspace, &lines)[0], "two-writers");
        let lines = [all[0], all[1], all[2], &*second, &*third, all[3], all[4]];
        assert_eq!(rules(&workspace, &lines)[0], "two-writers");
    }

    #[test]
    fn a_torn_line_is_a_note_and_a_lost_record_is_not() {
        let (_dir, workspace, lines) = sealed();
        let journal = workspace.journal_file().unwrap();
        fs::write(&journal, format!("{}\n{}", lines.join("\n"), "{\"action\"")).unwrap();
        let report = prove(&workspace).unwrap();
        assert!(report.ok && report.findings[0].rule == "journal-torn");
        let mut next = Record::parse(lines[4].as_bytes()).unwrap();
        (next.seq, next.prev) = (6, next.digest().unwrap());
        let next = next.render().unwrap();
        let mut all: Vec<&str> = lines.iter().map(String::as_str).collect();
        all.push(&next);
        assert_eq!(rules(&workspace, &all), ["table-short"]);
    }
}
