//! The journal held against the table: each line a record of it, in order, none missing.

use std::collections::BTreeSet;

use crate::archive::Archive;
use crate::error::Result;
use crate::evidence::{Action, JournalLine, LastLine, Record, RecordFault};
use crate::model::{DeedId, Digest, Finding, Rule};

use super::{
    JOURNAL_CONVERTED, JOURNAL_CUT, JOURNAL_EDITED, JOURNAL_GAP, JOURNAL_ORDER, JOURNAL_SHORT,
    JOURNAL_TORN, JOURNAL_TWICE, Known, MOST, ProofReport, TABLE_SHORT, TWO_WRITERS, look_up,
};

const ANOTHER: &str = "the table has another record: it was edited or inserted";

/// At most this many rows of one gap are looked for further on.
const MOST_SKIPPED: usize = 100_000;

/// How far the walk through the journal has come.
struct Walk {
    place: String,
    /// Whether this archive's file is nobody else's: rows of the table are then lines here.
    alone: bool,
    last_row: i64,
    /// Lines since then that may be those of the rows that follow it.
    unread: i64,
    /// Rows whose lines were not where they should be, and may come yet.
    skipped: BTreeSet<i64>,
    /// How many lines were converted, and what the first of them is.
    converted: Option<(u64, String)>,
    /// The first and the last row of each gap, and the line behind it.
    gaps: Vec<(i64, i64, String)>,
    /// A line that may be edited, or of a second writer: the next one tells.
    doubtful: Option<(u64, Record, Digest)>,
    findings: Vec<Finding>,
}

impl Walk {
    fn found(&mut self, rule: &'static Rule, message: String) {
        if self.findings.len() < MOST {
            let finding = Finding::new(rule, &*self.place, message);
            self.findings.push(finding.hint(self.hint(rule)));
        }
    }

    fn hint(&self, rule: &Rule) -> String {
        match rule.id {
            // The table has every line: put aside, the journal is written anew by the next change.
            "journal-edited" | "journal-gap" | "journal-order" | "journal-twice"
            | "journal-cut" | "journal-converted" => {
                let place = self.place.replace('\'', "'\\''");
                format!("mv '{place}' '{place}.edited'")
            }
            // The next change mends it, whatever it is.
            "journal-short" => String::new(),
            "two-writers" => "git codex-archive evidence new-log".to_owned(),
            _ => "git codex-archive evidence log".to_owned(),
        }
    }

    fn line(&mut self, archive: &mut Archive, line: &JournalLine) -> Result<()> {
        let number = line.number;
        let (record, digest) = match line.record() {
            Ok(record) => record,
            Err(fault) => {
                self.settle(None);
                return self.respelled(archive, line, &fault);
            }
        };
        self.settle(Some(&record));
        let name = name(number, &record);
        match look_up(archive, &record, digest)? {
            Known::Same(row) => {
                self.in_order(row, &name);
            }
            // The table's own record stood here before: the log had two successors.
            Known::Forked(row) if row <= self.last_row => self.forked(&name),
            Known::Forked(_) => {
                self.unread += 1;
                self.doubtful = Some((number, record, digest));
            }
            Known::Other => {
                self.unread += 1;
                self.found(&JOURNAL_EDITED, format!("{name}: {ANOTHER}"));
            }
            Known::Lost | Known::Foreign => {
                let words = "the table lacks this record: it was inserted, or lost there";
                self.found(&TABLE_SHORT, format!("{name}: {words}"));
            }
        }
        Ok(())
    }

    /// A line that is no record, unless it is one of the table in another spelling.
    fn respelled(
        &mut self,
        archive: &mut Archive,
        line: &JournalLine,
        fault: &RecordFault,
    ) -> Result<()> {
        let number = line.number;
        if let Ok(record) = Record::parse_respelled(&line.bytes)
            && let Known::Same(row) = look_up(archive, &record, record.digest()?)?
        {
            self.in_order(row, &name(number, &record));
            self.converted.get_or_insert_with(|| (0, format!("line {number}: {fault}"))).0 += 1;
            return Ok(());
        }
        self.unread += 1;
        self.found(&JOURNAL_EDITED, format!("line {number}: {fault}"));
        Ok(())
    }

    /// Says whether the line of this row stands behind that of the row before.
    fn in_order(&mut self, row: i64, name: &str) {
        if self.skipped.remove(&row) {
            self.found(&JOURNAL_ORDER, format!("{name}: it was reordered, behind a later one"));
            return;
        }
        if row <= self.last_row {
            self.found(&JOURNAL_TWICE, format!("{name}: it is a duplicate of an earlier line"));
            return;
        }
        let first = self.last_row + 1 + std::mem::take(&mut self.unread);
        if self.alone && first < row {
            self.skipped.extend((first..row).take(MOST_SKIPPED));
            self.gaps.push((first, row - 1, name.to_owned()));
        }
        self.last_row = row;
    }

    /// Says which rows' lines were nowhere.
    fn end(&mut self) {
        if let Some((count, first)) = self.converted.take() {
            self.found(&JOURNAL_CONVERTED, format!("{first} ({count} such lines)"));
        }
        for (first, last, name) in std::mem::take(&mut self.gaps) {
            let lost = (first..=last).filter(|row| self.skipped.contains(row)).count();
            if lost > 0 {
                let message = match lost {
                    1 => format!("{name}: the record before it is missing: its line was deleted"),
                    _ => format!("{name}: {lost} records before it are missing: deleted lines"),
                };
                self.found(&JOURNAL_GAP, message);
            }
        }
    }

    fn forked(&mut self, name: &str) {
        self.found(&TWO_WRITERS, format!("{name}: a fork, the table has another successor"));
    }

    /// Names what a doubtful line is: where the journal goes on from it, or has the table's record
    /// too, there were two writers; an edited line stands alone.
    fn settle(&mut self, next: Option<&Record>) {
        let Some((number, record, digest)) = self.doubtful.take() else { return };
        let name = name(number, &record);
        let goes_on = next.is_some_and(|next| {
            next.log == record.log && (next.prev == digest || next.seq == record.seq)
        });
        if goes_on {
            self.forked(&name);
        } else {
            self.found(&JOURNAL_EDITED, format!("{name}: {ANOTHER}"));
        }
    }
}

fn name(number: u64, record: &Record) -> String {
    format!("line {number}, record {} of log {}", record.seq, record.log)
}

/// Walks through the journal; `alone` says whether the archive's file is nobody else's.
pub fn walk(archive: &mut Archive, alone: bool, report: &mut ProofReport) -> Result<()> {
    let place = archive.journal().path().display().to_string();
    // What is recorded from here on may stand in the journal in a moment.
    let newest = archive.ledger().newest(1)?.first().map_or(0, |record| record.row_id);
    let mut walk = Walk {
        place,
        alone,
        last_row: 0,
        unread: 0,
        skipped: BTreeSet::new(),
        converted: None,
        gaps: Vec::new(),
        doubtful: None,
        findings: Vec::new(),
    };
    for line in archive.journal().lines()? {
        let line = line?;
        if line.is_torn {
            let message = format!("line {} is torn; the next command cuts it off", line.number);
            walk.findings.push(Finding::new(&JOURNAL_TORN, &*walk.place, message));
            continue;
        }
        report.journal_lines += 1;
        walk.line(archive, &line)?;
    }
    walk.settle(None);
    walk.end();
    if alone {
        missing_at_end(archive, &mut walk, newest)?;
    }
    report.findings.append(&mut walk.findings);
    Ok(())
}

/// Says what the journal lacks of the table's records up to the row `newest`.
fn missing_at_end(archive: &mut Archive, walk: &mut Walk, newest: i64) -> Result<()> {
    let mut missing = archive.ledger().records_after(walk.last_row + walk.unread, 1000)?;
    let more = if missing.len() == 1000 { "at least " } else { "" };
    missing.retain(|record| record.row_id <= newest);
    if missing.is_empty() {
        return Ok(());
    }
    // A log begins in the transaction of its first deed.
    let begins = Action::LogStart.as_str();
    let deeds: BTreeSet<DeedId> =
        missing.iter().filter(|record| record.action != begins).map(|record| record.deed).collect();
    let count = missing.len();
    let absent = archive.journal().tail()?.last == LastLine::Absent;
    let (rule, words) = match deeds.len() {
        0 | 1 => (&JOURNAL_SHORT, ""),
        _ if absent => (&JOURNAL_SHORT, ": there is no file"),
        _ => (&JOURNAL_CUT, ", of several commands: its tail was truncated"),
    };
    let message = format!("it lacks {more}{count} of the table's records at its end{words}");
    walk.findings.push(Finding::new(rule, &*walk.place, message).hint(walk.hint(rule)));
    Ok(())
}
