//! Every record of the tables, its digest computed again on all cores, and every chain followed to its
//! head.

use std::collections::BTreeMap;

use crate::backend::StoredRecord;
use crate::error::Result;
use crate::evidence::{ChainFault, Head, verify};
use crate::logging::Timer;
use crate::model::{Digest, LogId, escape_line};

use super::Archive;
use super::cores::{Cores, on_all_cores};
use super::fsck::FsckReport;
use super::journaled::record_of;

/// Records are read in portions of this many.
const PORTION: u64 = 500;

/// Beyond this many complaints records are no longer told of one by one.
const MOST: usize = 1000;

/// A record, and the one that it stands behind.
type Link = (Head, StoredRecord);

/// Computes every record's digest again and follows every chain to its head.
pub(super) fn check_evidence(archive: &mut Archive, report: &mut FsckReport) -> Result<()> {
    let _timer = Timer::phase("evidence");
    archive.at_one_moment(|archive| follow_chains(archive, report))
}

fn follow_chains(archive: &mut Archive, report: &mut FsckReport) -> Result<()> {
    let (mut heads, mut odd) = (BTreeMap::new(), Vec::new());
    on_all_cores(
        || Ok(()),
        |(), links: Vec<Link>| -> Vec<Link> {
            links.into_iter().filter(|(head, stored)| !is_sound(*head, stored)).collect()
        },
        |cores| read_all(archive, cores, &mut heads, &mut odd, report),
    )?;
    report.records_are_sound = odd.is_empty();
    odd.sort_by_key(|(_, stored)| stored.row_id);
    for (head, stored) in odd {
        if report.complaints.len() < MOST
            && let Some(fault) = fault_of(archive, head, &stored)?
        {
            let words = escape_line(&fault);
            report.complaints.push(format!("log {}: {words}", stored.log));
        }
    }
    check_heads(archive, &heads, report)
}

/// Hands out all records; those that are not sound come to be in `odd`, and the last of each log in
/// `heads`.
fn read_all(
    archive: &mut Archive,
    cores: &mut Cores<Vec<Link>, Vec<Link>>,
    heads: &mut BTreeMap<LogId, Head>,
    odd: &mut Vec<Link>,
    report: &mut FsckReport,
) -> Result<()> {
    let mut take = |links: Vec<Link>| {
        odd.extend(links);
        // One cause may break every record behind it.
        if odd.len() > 4 * MOST {
            odd.sort_by_key(|(_, stored)| stored.row_id);
            odd.truncate(MOST);
        }
    };
    let mut after = 0;
    loop {
        let portion = archive.ledger().records_after(after, PORTION)?;
        let Some(last) = portion.last() else { break };
        after = last.row_id;
        report.records += portion.len() as u64;
        let bytes = portion.iter().map(|it| it.body.len() + size_of::<Link>()).sum();
        let link = |stored: StoredRecord| {
            let head = heads.entry(stored.log).or_insert_with(|| Head::empty(stored.log));
            let behind = Head { log: stored.log, seq: stored.seq, digest: stored.digest };
            (std::mem::replace(head, behind), stored)
        };
        let links = portion.into_iter().map(link).collect();
        cores.give(links, bytes, &mut take);
    }
    cores.finish(&mut take);
    Ok(())
}

/// Complains of logs whose head is not their last record.
fn check_heads(
    archive: &mut Archive,
    heads: &BTreeMap<LogId, Head>,
    report: &mut FsckReport,
) -> Result<()> {
    for log in archive.ledger().logs()? {
        let last = heads.get(&log.log);
        let (seq, digest) = last.map_or((0, Digest::ZERO), |head| (head.seq, head.digest));
        if (seq, digest) == (log.seq, log.digest) {
            continue;
        }
        let what = if seq < log.seq {
            format!(
                "it ends at record {seq}, but its head says {}: its tail was truncated",
                log.seq
            )
        } else if seq > log.seq {
            format!("it ends at record {seq}, but its head says {}: its tail was added", log.seq)
        } else {
            format!("its head is not record {seq}: one of the two was edited")
        };
        report.complaints.push(format!("log {}: {what}", log.log));
    }
    Ok(())
}

/// Whether a record is what its digest says, and stands behind `head`.
fn is_sound(head: Head, stored: &StoredRecord) -> bool {
    Some(stored.seq) == head.seq.checked_add(1)
        && record_of(stored)
            .is_ok_and(|record| record.log == head.log && record.prev == head.digest)
}

/// What is wrong with a record that stands behind `head`: its place, by its number and what stands
/// elsewhere, or what it says.
fn fault_of(archive: &mut Archive, head: Head, stored: &StoredRecord) -> Result<Option<String>> {
    let (seq, after) = (stored.seq, head.seq);
    let (log, mut ledger) = (stored.log, archive.ledger());
    let fault = if seq > after + 1 {
        Some(match ledger.digest_at(&log, after + 1)? {
            Some(_) => ChainFault::Reordered { seq, after },
            None => ChainFault::Gap { after, found: seq },
        })
    } else if seq == after && seq > 0 {
        Some(ChainFault::Fork { seq })
    } else if seq <= after {
        Some(ChainFault::Reordered { seq, after })
    } else {
        None
    };
    let words = match (fault, record_of(stored)) {
        (Some(fault), _) => Some(fault.to_string()),
        (None, Ok(record)) => {
            verify([(record, stored.digest)].iter(), Some(head)).err().map(|it| it.to_string())
        }
        (None, Err(error)) => Some(error.to_string()),
    };
    // Looked for only where something is wrong: it reads the whole table.
    Ok(match words {
        Some(_) if ledger.count_of(&stored.digest)? > 1 => {
            Some(ChainFault::Duplicate { seq }.to_string())
        }
        words => words,
    })
}
