//! The second half of `store`: files whose bytes are safe are recorded, and give way to their stubs.

use std::collections::BTreeMap;
use std::thread::{self, ScopedJoinHandle};

use crate::backend::{NewBatch, NewItem};
use crate::error::Result;
use crate::evidence::{Action, Record};
use crate::fs::Executable;
use crate::git::Repository;
use crate::logging::Timer;
use crate::model::{DeedId, Digest, Reason, TombstoneId};
use crate::tombstone::{Tombstone, Wrapping};

use super::detach::Change;
use super::governance::hold_new;
use super::intent::{Intent, IntentStep, Source};
use super::journaled::{Archive, Deed, Transaction};
use super::lookup::sidecar_path;
use super::ready::{Ready, read_back};
use super::recovery::take_steps;
use super::store::{StoreOptions, StoredItem, StubPlace};
use super::tree::{After, Step};
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

/// A change to the work tree that the deed means, and what it comes from.
struct Planned {
    step: Step,
    source: Source,
    tombstone: TombstoneId,
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
    let has_tree = options.stub != StubPlace::None;
    let planned = if has_tree { plan(workspace, options, ready, freed)? } else { Vec::new() };
    let intents = planned.iter().map(|it| IntentStep::of(&it.step, it.source, it.tombstone));
    let intent = Intent::new(workspace, Action::Archive.as_str(), deed, intents);
    if has_tree {
        intent.write(workspace)?;
    }
    let steps: Vec<Step> = planned.into_iter().map(|it| it.step).collect();
    let transaction_timer = Timer::phase("transaction");
    let (journaled, ahead) = thread::scope(|scope| {
        let (top, repository) = (&workspace.top, &workspace.repository);
        // From here on a crash leaves nothing that the intent does not name.
        let ahead = tree::is_worth_preparing(&steps).then(|| {
            let reopened = repository.as_ref().map(Repository::reopen).transpose();
            let steps = &steps;
            scope.spawn(move || {
                reopened.and_then(|it| tree::prepare(ACTION, top, it.as_ref(), steps))
            })
        });
        let journaled = journal(options, archive, ready, deed, commit);
        let join = |it: ScopedJoinHandle<'_, _>| {
            it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (journaled, ahead.map(join))
    });
    drop(transaction_timer);
    // On failure the record may or may not have become durable: the next command finds out.
    let records = journaled.inspect_err(|error| intent.remove_if_unsigned(workspace, error))?;
    let mut segment = None;
    if has_tree {
        let made = archive.segment_of(records.clone())?;
        let made = workspace.repository.is_some().then_some(made);
        segment = made.as_ref().map(|made| made.path.to_string());
        // What could not be written ahead is tried again, and told of then.
        let ahead = ahead.and_then(Result::ok);
        take_steps(ACTION, workspace, archive, &intent, &steps, made.as_ref(), ahead)?;
    }
    let batch = records.get(ready.len()).map(|(_, digest)| digest.to_string());
    let label = options.label.as_str();
    let items = ready.iter().zip(&records).map(|(file, (_, digest))| file.report(label, *digest));
    let (items, batch_evidence) = (items.collect(), batch.unwrap_or_default());
    Ok(Finished { items, segment, id: deed.to_string(), batch_evidence })
}

/// Records the deed.
fn journal(
    options: &StoreOptions,
    archive: &mut Archive,
    ready: &[Ready],
    deed: DeedId,
    commit: &str,
) -> Result<Vec<(Record, Digest)>> {
    let duration_ms = archive.measured_ms();
    let journaled = archive.journaled(options.label.as_str(), deed, |transaction| {
        let mut deeds = record(transaction, options, ready, deed, commit)?;
        let events = deeds.iter_mut().map(|(event, _)| event);
        // The items of a batch have been measured one by one.
        events.for_each(|event| event.duration_ms = event.duration_ms.or(duration_ms));
        Ok(((), deeds))
    });
    journaled.map(|((), records)| records)
}

/// What shall become of the work tree.
fn plan(
    workspace: &Workspace,
    options: &StoreOptions,
    ready: &[Ready],
    freed: &[Change],
) -> Result<Vec<Planned>> {
    let mut planned = Vec::with_capacity(freed.len() + ready.len());
    // First, so that no stub ever stands where git would convert it.
    for (change, file) in freed.iter().zip(ready.iter().cycle()) {
        let (step, source) = change.step();
        planned.push(Planned { step, source, tombstone: file.tombstone });
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
        let (path, tombstone) = (file.candidate.path.clone(), file.tombstone);
        let before = Some(file.on_disk);
        let as_file = |bytes| After::File { bytes: Content::of(bytes), executable: Executable::No };
        if options.stub == StubPlace::Sidecar {
            let beside = sidecar_path(&path)?;
            let there = tree::digest_on_disk(&workspace.top, &beside)?;
            let after = as_file(stub.render(Wrapping::Plain)?);
            let step = Step { path: beside, before: there, stamp: None, after };
            planned.push(Planned { step, source: Source::Sidecar, tombstone });
            let step = Step { path, before, stamp: file.stamp, after: After::Absent };
            planned.push(Planned { step, source: Source::Absent, tombstone });
        } else {
            let after = as_file(stub.render(Wrapping::for_path(&path))?);
            let step = Step { path, before, stamp: file.stamp, after };
            planned.push(Planned { step, source: Source::Stub, tombstone });
        }
    }
    Ok(planned)
}

/// Writes batch, items, tags and metadata; returns their events.
fn record(
    transaction: &mut Transaction<'_>,
    options: &StoreOptions,
    ready: &[Ready],
    deed: DeedId,
    commit: &str,
) -> Result<Vec<Deed>> {
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
    Ok(deeds)
}
