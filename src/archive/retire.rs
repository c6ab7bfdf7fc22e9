//! The second half of `store`: files whose bytes are safe are recorded, and give way to their stubs.

use std::collections::BTreeMap;

use crate::backend::{NewBatch, NewItem};
use crate::error::Result;
use crate::evidence::{Action, Segment};
use crate::fs::Executable;
use crate::logging::Timer;
use crate::model::{DeedId, Digest, Item, Reason, TombstoneId};
use crate::tombstone::{Tombstone, Wrapping};

use super::detach::Change;
use super::governance::hold_new;
use super::intent::{Intent, IntentStep, Source};
use super::journaled::{Archive, Deed, Transaction};
use super::lookup::{plain_stub, sidecar_path, stub_for};
use super::ready::{Ready, read_back};
use super::recovery::take_steps;
use super::store::{StoreOptions, StoredItem, StubPlace};
use super::tree::After;
use super::{Content, Workspace, language, tree};

const ACTION: &str = "archive";

/// A deed that is done.
pub struct Finished {
    /// Its items.
    pub items: Vec<StoredItem>,
    /// Its segment, if one was staged.
    pub segment: Option<String>,
    /// Its id.
    pub id: String,
    /// Digest of the record that the batch ended; empty where the deed is none.
    pub batch_evidence: String,
}

/// Every byte read back first; then intent, record, tree: in this order.
pub fn finish(
    workspace: &Workspace,
    options: &StoreOptions,
    archive: &mut Archive,
    ready: &[Ready],
    freed: &[Change],
    commit: &str,
) -> Result<Finished> {
    let read_back_timer = Timer::phase("readback");
    read_back(archive, ready)?;
    drop(read_back_timer);
    let deed = DeedId::random();
    let intent = intent(workspace, options, ready, freed, deed)?;
    let has_tree = options.stub != StubPlace::None;
    if has_tree {
        intent.write(workspace)?;
    }
    let label = options.label.as_str();
    let duration_ms = archive.measured_ms();
    let transaction_timer = Timer::phase("transaction");
    let journaled = archive.journaled(label, deed, |transaction| {
        let (items, mut deeds) = record(transaction, options, ready, deed, commit)?;
        let events = deeds.iter_mut().map(|(event, _)| event);
        // The items of a batch have been measured one by one.
        events.for_each(|event| event.duration_ms = event.duration_ms.or(duration_ms));
        Ok((items, deeds))
    });
    drop(transaction_timer);
    // On failure the record may or may not have become durable: the next command finds out.
    let (items, records) =
        journaled.inspect_err(|error| intent.remove_if_unsigned(workspace, error))?;
    let mut segment = None;
    if has_tree {
        let made = archive.segment_of(records.clone())?;
        segment = workspace.repository.is_some().then(|| made.path.to_string());
        change_tree(workspace, archive, &intent, &items, &made)?;
    }
    let batch = records.get(ready.len()).map(|(_, digest)| digest.to_string());
    let items = ready.iter().zip(&records).map(|(file, (_, digest))| file.report(label, *digest));
    let (items, batch_evidence) = (items.collect(), batch.unwrap_or_default());
    Ok(Finished { items, segment, id: deed.to_string(), batch_evidence })
}

fn change_tree(
    workspace: &Workspace,
    archive: &mut Archive,
    intent: &Intent,
    items: &[Item],
    segment: &Segment,
) -> Result<()> {
    let by_id: BTreeMap<TombstoneId, &Item> =
        items.iter().map(|item| (item.tombstone, item)).collect();
    let executable = Executable::No;
    let file = |bytes| After::File { bytes: Content::of(bytes), executable };
    let mut steps = Vec::with_capacity(intent.steps.len());
    for step in &intent.steps {
        let item = by_id[&step.tombstone];
        let after = match (step.source, &step.given) {
            (Source::Sidecar, _) => file(plain_stub(item)?),
            (Source::Stub, _) => file(stub_for(item, &step.path)?),
            (Source::Given, Some(bytes)) => {
                After::Converted { bytes: Content::of(bytes.clone()), executable, staged: None }
            }
            _ => After::Absent,
        };
        steps.push(tree::Step { path: step.path.clone(), before: step.before, after });
    }
    let segment = workspace.repository.as_ref().map(|_| segment);
    take_steps(ACTION, workspace, archive, intent, &steps, segment)
}

fn intent(
    workspace: &Workspace,
    options: &StoreOptions,
    ready: &[Ready],
    freed: &[Change],
    deed: DeedId,
) -> Result<Intent> {
    let mut steps = Vec::new();
    // First, so that no stub ever stands where git would convert it.
    for (change, file) in freed.iter().zip(ready.iter().cycle()) {
        let (step, source) = change.step();
        steps.push(IntentStep::of(&step, source, file.tombstone));
    }
    for file in ready {
        let stub = Tombstone {
            id: file.tombstone,
            sha256: file.sha256,
            size_bytes: file.size_bytes,
            mode: file.mode(),
            git_blob: file.candidate.oid,
            path: file.candidate.path.clone(),
        };
        let (path, tombstone, before) =
            (file.candidate.path.clone(), file.tombstone, Some(file.on_disk));
        if options.stub == StubPlace::Sidecar {
            let stub = stub.render(Wrapping::Plain)?;
            let beside = sidecar_path(&path)?;
            let there = tree::digest_on_disk(&workspace.top, &beside)?;
            steps.push(IntentStep {
                path: beside,
                tombstone,
                before: there,
                after: Some(Digest::of(&stub)),
                source: Source::Sidecar,
                given: None,
            });
            steps.push(IntentStep {
                path,
                tombstone,
                before,
                after: None,
                source: Source::Absent,
                given: None,
            });
        } else {
            let stub = stub.render(Wrapping::for_path(&path))?;
            let after = Some(Digest::of(&stub));
            steps.push(IntentStep {
                path,
                tombstone,
                before,
                after,
                source: Source::Stub,
                given: None,
            });
        }
    }
    Ok(Intent::new(workspace, Action::Archive.as_str(), deed, steps))
}

/// Writes batch, items, tags and metadata; returns the items and their events.
fn record(
    transaction: &mut Transaction<'_>,
    options: &StoreOptions,
    ready: &[Ready],
    deed: DeedId,
    commit: &str,
) -> Result<(Vec<Item>, Vec<Deed>)> {
    let at = transaction.now.to_string();
    let mut batches: BTreeMap<Reason, i64> = BTreeMap::new();
    let mut items = Vec::with_capacity(ready.len());
    let mut deeds = Vec::with_capacity(ready.len() + 1);
    let mut catalog = transaction.catalog();
    for file in ready {
        let notes = options.notes_of(&file.candidate.path);
        let batch_id = match batches.get(&notes.reason) {
            Some(id) => *id,
            None => {
                let id = catalog.add_batch(&NewBatch {
                    deed,
                    repo: options.label.as_str(),
                    commit,
                    actor: options.actor.as_str(),
                    reason: notes.reason,
                    at: &at,
                })?;
                batches.insert(notes.reason, id);
                id
            }
        };
        let (kind, language) = language::guess(&file.candidate.path);
        items.push(NewItem {
            tombstone: file.tombstone,
            batch_id,
            artifact_id: file.artifact_id,
            path: &file.candidate.path,
            git_blob: file.candidate.oid,
            mode: file.mode(),
            kind: options.kind.unwrap_or(kind),
            language: options.language.as_deref().or(language),
            restricted: options.restricted,
            delete_after: options.delete_after.as_deref(),
        });
    }
    for (file, row) in ready.iter().zip(catalog.put_items(&items)?) {
        let notes = options.notes_of(&file.candidate.path);
        for tag in &notes.tags {
            catalog.add_tag(row, tag)?;
        }
        for (key, value) in &notes.metadata {
            catalog.set_metadata(row, key, value)?;
        }
        deeds.push((file.event(options, commit), Some(row)));
    }
    if let Some(batch) = &options.batch {
        let bytes = ready.iter().map(|file| file.size_bytes).sum();
        let event = batch.event(options.actor.as_str(), options.label.as_str(), ready.len(), bytes);
        deeds.push((event, None));
    }
    hold_new(transaction, &deed)?;
    let items = transaction.catalog().items_of(&deed)?;
    Ok((items, deeds))
}
