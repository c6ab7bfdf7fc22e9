//! Items held against the records about them: what a row says, its evidence says too.
//!
//! What no record holds (kind, language, restriction, date of deletion) has no witness and is not
//! judged.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::backend::{ItemRow, StoredRecord};
use crate::error::Result;
use crate::evidence::{Action, Record};
use crate::logging::Timer;
use crate::model::{DeedId, Item, ItemState, escape_line};

use super::Archive;
use super::cores::on_all_cores;
use super::fsck::FsckReport;
use super::journaled::record_of;
use super::lookup::belongs;

/// Items are read in portions of this many.
const PORTION: u64 = 500;

/// Items with the records about them.
struct Task {
    /// Where they stand among all.
    at: usize,
    rows: Vec<(i64, Result<ItemRow>)>,
    records: Vec<StoredRecord>,
    /// Whether every record was found to be sound just now.
    are_sound: bool,
}

/// Complains of every item whose row and records do not agree. Whoever checked the records before says so
/// in `report`.
pub fn check_items(archive: &mut Archive, report: &mut FsckReport) -> Result<()> {
    let _timer = Timer::phase("items");
    let are_sound = report.records_are_sound;
    let mut complaints: Vec<(usize, Vec<String>)> = Vec::new();
    let take = &mut |some| complaints.push(some);
    archive.at_one_moment(|archive| {
        on_all_cores(
            || Ok(()),
            |(), task| judge(task),
            |cores| {
                let mut after = 0;
                for at in 0.. {
                    let rows = archive.catalog().item_rows(after, PORTION)?;
                    let Some((last, _)) = rows.last() else { break };
                    let (first, last) = (after + 1, *last);
                    let records = archive.ledger().records_about_rows(first, last)?;
                    let bytes = rows.len() * size_of::<ItemRow>()
                        + records.iter().map(|it| it.body.len()).sum::<usize>();
                    cores.give(Task { at, rows, records, are_sound }, bytes, take);
                    after = last;
                }
                cores.finish(take);
                Ok(())
            },
        )
    })?;
    complaints.sort_by_key(|(at, _)| *at);
    report.complaints.extend(complaints.into_iter().flat_map(|(_, words)| words));
    Ok(())
}

/// What is wrong with the items of `task`.
fn judge(task: Task) -> (usize, Vec<String>) {
    // What is no record was complained of with the chain.
    let read = |it: &StoredRecord| match task.are_sound {
        true => Record::read_row(it.log, it.seq, it.prev, it.deed, &it.body).ok(),
        false => record_of(it).ok(),
    };
    let record = |stored: &StoredRecord| Some((stored.item_id?, read(stored)?));
    let mut records: Vec<(i64, Record)> = task.records.iter().filter_map(record).collect();
    records.sort_by_key(|(row, _)| *row);
    let wrong = |(id, row): (i64, Result<ItemRow>)| {
        let from = records.partition_point(|(row, _)| *row < id);
        let until = records.partition_point(|(row, _)| *row <= id);
        let about: Vec<&Record> = records[from..until].iter().map(|(_, it)| it).collect();
        match row {
            Ok(row) => complaint(&row, &about),
            Err(error) => Some(error.to_string()),
        }
    };
    (task.at, task.rows.into_iter().filter_map(wrong).collect())
}

fn complaint(row: &ItemRow, records: &[&Record]) -> Option<String> {
    let item = &row.item;
    let mut wrong = Vec::new();
    if !belongs(item) {
        wrong.push("its id does not follow from its label, path and SHA-256");
    }
    if records.iter().any(|record| record.event.tombstone != Some(item.tombstone)) {
        wrong.push("a record about another item names its row");
    }
    wrong.extend(disagreements(row, records));
    if wrong.is_empty() {
        return None;
    }
    let words = format!("item {} {}: {}", item.tombstone, item.path, wrong.join("; "));
    Some(escape_line(&words))
}

fn disagreements(row: &ItemRow, records: &[&Record]) -> Vec<&'static str> {
    let item = &row.item;
    let archives: Vec<&&Record> =
        records.iter().filter(|record| record.event.action == Action::Archive).collect();
    let aborted: BTreeSet<DeedId> = records
        .iter()
        .filter(|record| record.event.action == Action::StoreAbort)
        .filter_map(|record| record.event.of)
        .collect();
    let mut wrong = Vec::new();
    if !archives.iter().any(|record| record.deed == row.deed && says(record, item)) {
        wrong.push("no ARCHIVE record says the same of label, path, content, commit, actor, reason and time");
    }
    // A deed that was aborted leaves the mode that it found.
    if !archives.iter().any(|record| record.event.mode == Some(item.mode)) {
        wrong.push("no ARCHIVE record says the same of mode");
    }
    if !archives.iter().any(|record| record.event.git_blob == Some(item.git_blob)) {
        wrong.push("no ARCHIVE record says the same of git blob");
    }
    if row.hidden != aborted.contains(&row.deed) {
        wrong.push(if row.hidden {
            "it is hidden, and no record takes it back"
        } else {
            "a record takes it back, and it is not hidden"
        });
    }
    if row.restored_at.as_ref().is_some_and(|at| {
        !records.iter().any(|record| record.event.is_staged() && record.ts.to_string() == *at)
    }) {
        wrong.push("no RESTORE record says when it was restored");
    }
    let purged = item.state == ItemState::Purged;
    if purged && !records.iter().any(|record| record.event.action == Action::Purge) {
        wrong.push("its content counts as purged, and no PURGE record says so");
    }
    if !same_words(item, &archives) {
        wrong.push("its tags or metadata are not those of its records");
    }
    wrong
}

/// Whether an ARCHIVE record says the same of an item as its row and its batch.
fn says(record: &Record, item: &Item) -> bool {
    let event = &record.event;
    event.repo.as_ref() == Some(&item.repo)
        && event.path.as_ref() == Some(&item.path)
        && event.sha256 == Some(item.sha256)
        && event.size == Some(item.size_bytes)
        && event.commit.as_deref().unwrap_or_default() == item.commit_sha
        && event.reason.as_deref() == Some(item.reason.as_str())
        && event.actor == item.archived_by
        && record.ts.to_string() == item.archived_at
}

/// Whether an item has the tags of all its records and no other, and of each key of metadata a
/// value that one of them gave.
fn same_words(item: &Item, archives: &[&&Record]) -> bool {
    let details: Vec<&Map<String, Value>> =
        archives.iter().filter_map(|record| record.event.detail.as_ref()).collect();
    let tags: BTreeSet<&str> = details
        .iter()
        .filter_map(|detail| detail.get("tags")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let pairs: BTreeSet<(&str, &str)> = details
        .iter()
        .filter_map(|detail| detail.get("metadata")?.as_object())
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect();
    let keys: BTreeSet<&str> = pairs.iter().map(|(key, _)| *key).collect();
    tags == item.tags.iter().map(String::as_str).collect()
        && keys == item.metadata.keys().map(String::as_str).collect()
        && item.metadata.iter().all(|(key, value)| pairs.contains(&(key.as_str(), value.as_str())))
}
