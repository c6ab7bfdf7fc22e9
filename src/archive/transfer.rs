//! Brings everything that one archive holds into another: artifacts, items, evidence, memory.
//!
//! Promises: every artifact is decoded and hashed before it goes in, and read back after; what is
//! there already is checked and kept, so an interrupted transfer is simply run again; restrictions
//! travel with the bytes, and nothing is given out to anybody.

mod artifacts;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, json};

use crate::backend::{ItemRow, NewBatch, NewItem, NewRecord, StoredRecord};
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{Actor, CloneId, DeedId};
use crate::progress::Progress;

use super::Archive;
use super::governance::move_governance;
use super::journaled::record_of;
use super::remembered::{Merge, move_memory, move_runs};
use super::root::logical_root;
use artifacts::move_artifacts;

/// Rows that are read, and written by one transaction.
const PAGE: u64 = 500;

/// The schema from which on it is noted which clone wrote a record.
const WRITERS_SINCE: i64 = 2;

/// What a transfer moved of one kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// New in the target.
    pub copied: u64,
    /// In the target before, and checked.
    pub there: u64,
}

impl Moved {
    /// Counts one more.
    pub(super) fn count(&mut self, is_new: bool) {
        *(if is_new { &mut self.copied } else { &mut self.there }) += 1;
    }
}

/// What a transfer did.
#[derive(Debug, Default, Serialize)]
pub struct TransferReport {
    /// Where everything came from, redacted.
    pub from: String,
    /// Where it went, redacted.
    pub to: String,
    /// Distinct contents.
    pub artifacts: Moved,
    /// Items.
    pub items: Moved,
    /// Records of evidence.
    pub records: Moved,
    /// Entries of memory.
    pub entries: Moved,
    /// Runs of retention that were written down.
    pub retention_runs: Moved,
    /// Bytes of content that were copied.
    pub copied_bytes: u64,
    /// The logical root of the source.
    pub source_root: String,
    /// The logical root of the target, as it is now.
    pub target_root: String,
    /// Digest of the record in the target; empty when there was nothing to do.
    pub evidence: String,
}

impl TransferReport {
    fn moved(&self) -> [(&'static str, Moved); 5] {
        [
            ("artifacts", self.artifacts),
            ("items", self.items),
            ("records", self.records),
            ("entries", self.entries),
            ("retention_runs", self.retention_runs),
        ]
    }

    /// What a log says of it.
    pub fn about(&self) -> About {
        About::many(usize::try_from(self.items.copied).unwrap_or(usize::MAX))
            .if_done(!self.evidence.is_empty())
    }
}

/// Brings what `from` holds into `to`, and proves that it is there.
pub fn transfer(
    from: &mut Archive,
    to: &mut Archive,
    actor: &Actor,
    action: Action,
    progress: &dyn Progress,
) -> Result<TransferReport> {
    let mut report = fill(from, to, Merge::of(&action), progress)?;
    if report.moved().iter().any(|(_, it)| it.copied > 0) {
        to.note_new_records();
        report.evidence = record(from, to, actor, action, &report)?;
    }
    Ok(report)
}

/// The same without a record of it: for a copy that goes on as the archive it was taken of.
pub(super) fn fill(
    from: &mut Archive,
    to: &mut Archive,
    merge: Merge,
    progress: &dyn Progress,
) -> Result<TransferReport> {
    let place = |archive: &mut Archive| archive.driver().place().to_owned();
    let mut report =
        TransferReport { from: place(from), to: place(to), ..TransferReport::default() };
    let was_empty = to.catalog().item_count()? == 0;
    let must_be_equal = from
        .at_one_moment(|from| {
            let rows = move_artifacts(from, to, &mut report, progress)?;
            let items = move_items(from, to, &rows, &mut report)?;
            move_records(from, to, &items, &mut report)?;
            move_signatures(from, to)?;
            move_governance(from, to, &items)?;
            move_memory(from, to, merge, &mut report)?;
            move_runs(from, to, &mut report.retention_runs)?;
            report.source_root = logical_root(&mut from.catalog())?.to_string();
            from.catalog().totals()
        })
        .and_then(|[_, brought, ..]| {
            report.target_root = logical_root(&mut to.catalog())?.to_string();
            // Bytes that nothing speaks of may have stood in the target: a refused store leaves some.
            let [_, there, ..] = to.catalog().totals()?;
            Ok(was_empty && there <= brought)
        })?;
    if must_be_equal && report.target_root != report.source_root {
        let why = "it does not hold what it was copied from";
        return Err(Error::damaged("archive", report.to.clone(), why));
    }
    Ok(report)
}

/// Moves batches and items; returns the rows of the items in the target by those in the source.
fn move_items(
    from: &mut Archive,
    to: &mut Archive,
    artifacts: &BTreeMap<i64, i64>,
    report: &mut TransferReport,
) -> Result<BTreeMap<i64, i64>> {
    let mut after = 0;
    loop {
        let batches = from.catalog().batch_rows(after, PAGE)?;
        let Some(last) = batches.last() else { break };
        after = last.row_id;
        to.add_artifacts(|catalog, _| {
            for batch in &batches {
                if catalog.batch_of(&batch.deed, &batch.reason)?.is_none() {
                    catalog.add_batch(&NewBatch {
                        deed: batch.deed,
                        repo: &batch.repo,
                        commit: &batch.commit,
                        actor: &batch.actor,
                        reason: batch.reason.parse()?,
                        at: &batch.at,
                    })?;
                }
            }
            Ok(())
        })?;
    }
    let mut rows = BTreeMap::new();
    let (mut after, mut seen) = (0, 0);
    loop {
        let page = from.catalog().item_rows(after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let page = page.into_iter().map(|(_, row)| row).collect::<Result<Vec<_>>>()?;
        seen += page.len() as u64;
        let written = to.add_artifacts(|catalog, _| {
            page.iter().map(|row| put_item(catalog, row, artifacts)).collect::<Result<Vec<_>>>()
        })?;
        for (source, (row, is_new)) in page.iter().zip(written) {
            rows.insert(source.item.row_id, row);
            report.items.count(is_new);
        }
    }
    if seen != from.catalog().item_count()? {
        let why = "some of its items name no artifact or no deed; `fsck` says which";
        return Err(Error::damaged("archive", report.from.clone(), why));
    }
    Ok(rows)
}

/// Writes an item unless it is there; adds what the one that is there lacks.
fn put_item(
    catalog: &mut crate::backend::Catalog<'_>,
    row: &ItemRow,
    artifacts: &BTreeMap<i64, i64>,
) -> Result<(i64, bool)> {
    let item = &row.item;
    let damaged = |why: &str| Error::damaged("item", item.tombstone.to_string(), why);
    let known = catalog.item(&item.tombstone, true)?;
    let known_row = known.as_ref().map(|known| known.row_id);
    let is_shown = catalog.item(&item.tombstone, false)?.is_some();
    let id = match known_row {
        Some(id) if is_shown || row.hidden => id,
        _ => {
            let reason = item.reason.as_str();
            let batch =
                catalog.batch_of(&row.deed, reason)?.ok_or_else(|| damaged("its deed is gone"))?;
            let artifact = artifacts.get(&item.artifact_row_id).copied();
            let id = catalog.put_item(&NewItem {
                tombstone: item.tombstone,
                batch_id: batch,
                artifact_id: artifact.ok_or_else(|| damaged("its artifact is gone"))?,
                path: &item.path,
                git_blob: item.git_blob,
                mode: item.mode,
                kind: item.kind,
                language: item.language.as_deref(),
                restricted: item.restricted,
                delete_after: item.delete_after.as_deref(),
            })?;
            catalog.set_restored(id, row.restored_at.as_deref())?;
            if row.hidden {
                catalog.set_hidden(id, true)?;
            }
            id
        }
    };
    if item.restricted && known.as_ref().is_some_and(|known| !known.restricted) {
        catalog.restrict(id)?;
    }
    for tag in &item.tags {
        catalog.add_tag(id, tag)?;
    }
    for (key, value) in &item.metadata {
        if known.as_ref().is_none_or(|known| !known.metadata.contains_key(key)) {
            catalog.set_metadata(id, key, value)?;
        }
    }
    Ok((id, known_row.is_none()))
}

/// Records of one deed that follow one another.
struct Run<'a> {
    records: &'a [StoredRecord],
    writer: Option<CloneId>,
}

fn move_records(
    from: &mut Archive,
    to: &mut Archive,
    items: &BTreeMap<i64, i64>,
    report: &mut TransferReport,
) -> Result<()> {
    let notes_writers = from.schema_version()? >= WRITERS_SINCE;
    let labels: BTreeMap<_, _> =
        from.ledger().logs()?.into_iter().map(|head| (head.log, head.repo)).collect();
    let mut after = 0;
    loop {
        let page = from.ledger().records_after(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.row_id;
        for stored in &page {
            // Its digest is computed again.
            record_of(stored)?;
        }
        let mut runs = Vec::new();
        for records in page.chunk_by(|a, b| (a.log, a.deed) == (b.log, b.deed)) {
            let writer =
                if notes_writers { from.ledger().writer_of(records[0].row_id)? } else { None };
            runs.push(Run { records, writer });
        }
        let moved = to.transact(None, |to| {
            let mut moved = Moved::default();
            for run in &runs {
                let label = labels.get(&run.records[0].log).map_or("", String::as_str);
                append(to, label, run, items, &mut moved)?;
            }
            Ok(moved)
        })?;
        report.records.copied += moved.copied;
        report.records.there += moved.there;
    }
}

/// Adds the signatures that the target lacks of records it has by now.
fn move_signatures(from: &mut Archive, to: &mut Archive) -> Result<()> {
    for head in from.ledger().logs()? {
        let mut after = 0;
        loop {
            let page = from.ledger().signatures_in(&head.log, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            to.transact(None, |to| {
                let mut ledger = to.ledger();
                page.iter().try_for_each(|it| ledger.add_signature(&it.log, it.seq, &it.armored))
            })?;
        }
    }
    Ok(())
}

/// Appends what the target lacks of `run`; what it has must be the same.
fn append(
    to: &mut Archive,
    label: &str,
    run: &Run<'_>,
    items: &BTreeMap<i64, i64>,
    moved: &mut Moved,
) -> Result<()> {
    let first = &run.records[0];
    let head = match to.ledger().log(&first.log)? {
        Some(head) => head,
        None => to.ledger().add_foreign_log(first.log, label)?,
    };
    let two = |seq: u64| {
        let why = format!("two archives wrote its record {seq}; neither goes on from the other");
        Error::damaged("log", first.log.to_string(), why)
    };
    let mut new = Vec::new();
    for stored in run.records {
        if stored.seq > head.seq {
            new.push(stored);
            continue;
        }
        match to.ledger().digest_at(&stored.log, stored.seq)? {
            Some((_, digest)) if digest == stored.digest => moved.there += 1,
            _ => return Err(two(stored.seq)),
        }
    }
    let Some(next) = new.first() else { return Ok(()) };
    if next.seq != head.seq + 1 || next.prev != head.digest {
        return Err(two(next.seq));
    }
    let rows = new.iter().map(|stored| {
        let body = String::from_utf8(stored.body.clone()).map_err(|_| two(stored.seq))?;
        let item_id = stored.item_id.and_then(|row| items.get(&row).copied());
        Ok(NewRecord { digest: stored.digest, item_id, action: stored.action.clone(), body })
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let before = to.ledger().count_in(head.row_id, &first.deed)? as usize;
    to.ledger().append_behind(before, &head, first.deed, run.writer, &rows)?;
    moved.copied += rows.len() as u64;
    Ok(())
}

/// Records the transfer in a log of the target for each label that came along.
fn record(
    from: &mut Archive,
    to: &mut Archive,
    actor: &Actor,
    action: Action,
    report: &TransferReport,
) -> Result<String> {
    let archive = from.catalog().meta("archive")?.unwrap_or_default();
    let mut labels: BTreeSet<String> =
        from.ledger().logs()?.into_iter().map(|head| head.repo).collect();
    if labels.is_empty() {
        labels.insert(String::new());
    }
    let mut detail = Map::new();
    detail.insert("archive".to_owned(), json!(archive));
    detail.insert("root".to_owned(), json!(report.source_root));
    for (name, moved) in report.moved() {
        detail.insert(name.to_owned(), json!(moved.copied));
    }
    let mut digest = String::new();
    for label in labels {
        let mut event = Event::new(action.clone(), actor.as_str());
        event.repo = (!label.is_empty()).then(|| label.clone());
        event.detail = Some(detail.clone());
        let deed = DeedId::random();
        let ((), records) =
            to.journaled(&label, deed, |_| Ok(((), vec![(event.clone(), None)])))?;
        digest = records[records.len() - 1].1.to_string();
    }
    Ok(digest)
}
