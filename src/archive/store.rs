//! `store`: archives files, leaves stubs, stages both, and records it; all paths or none.
//!
//! The order is what makes it safe: bytes first, read back and hashed; then the intent; then the
//! record; only then the tree. See docs/architecture.md, "The store protocol".

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use serde::Serialize;

use crate::backend::{NewBatch, NewItem};
use crate::blob::Encoded;
use crate::error::{Error, ErrorKind, Refusal, Result};
use crate::evidence::{Action, Event, Segment};
use crate::fs::Executable;
use crate::git::Repository;
use crate::model::{
    Actor, DeedId, Digest, FileMode, Item, ItemKind, Reason, RepoLabel, RepoPath, TombstoneId,
    escape_line,
};
use crate::progress::Progress;
use crate::tombstone::{Tombstone, Wrapping};

use super::intent::{Intent, IntentStep, Source};
use super::journaled::{Archive, Deed, Transaction};
use super::lookup::{plain_stub, sidecar_path, stub_for};
use super::loose::store_from_disk;
use super::ready::{Ready, read_back, take_in};
use super::recovery::{self, RecoveryReport};
use super::selection::{Selection, Skipped, select};
use super::{Workspace, init, intake, language, tree};

const ACTION: &str = "archive";

/// Where the stub goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StubPlace {
    /// In the file's place.
    InPlace,
    /// Under `.codex/tombstones`; the file goes.
    Sidecar,
    /// Nowhere; the file stays.
    None,
}

/// What to archive, and what to say of it.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The repo label.
    pub label: RepoLabel,
    /// Files, folders and pathspecs, relative to the current directory.
    pub paths: Vec<OsString>,
    /// Who does it.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The commit, as the user named it; `None` means HEAD.
    pub commit: Option<String>,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Code, doc or asset, unless it shall be guessed.
    pub kind: Option<ItemKind>,
    /// The programming language, unless it shall be guessed.
    pub language: Option<String>,
    /// Whether reading it shall take two.
    pub restricted: bool,
    /// A date after which it shall not be kept.
    pub delete_after: Option<String>,
    /// Where the stub goes.
    pub stub: StubPlace,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
}

/// An item that was archived.
#[derive(Debug, Clone, Serialize)]
pub struct StoredItem {
    /// Its id.
    pub tombstone: String,
    /// SHA-256 of the content.
    pub sha256: String,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// Bytes as stored.
    pub compressed_size: u64,
    /// The repo label.
    pub repo: String,
    /// Where it was.
    pub path: String,
    /// Digest of its record; empty in a dry run.
    pub evidence: String,
    /// Whether the archive had these bytes before.
    pub deduplicated: bool,
}

impl StoredItem {
    /// What would be archived, for a dry run.
    pub(super) fn preview(options: &StoreOptions, path: &RepoPath, encoded: &Encoded) -> Self {
        Self {
            tombstone: TombstoneId::derive(&options.label, path, &encoded.sha256).to_string(),
            sha256: encoded.sha256.to_string(),
            size_bytes: encoded.size_bytes,
            compressed_size: encoded.frame.len() as u64,
            repo: options.label.to_string(),
            path: path.to_string(),
            evidence: String::new(),
            deduplicated: false,
        }
    }
}

/// What `store` did.
#[derive(Debug, Default, Serialize)]
pub struct StoreReport {
    /// The items, by path.
    pub items: Vec<StoredItem>,
    /// The segment that was staged, if any.
    pub evidence_segment: Option<String>,
    /// The deed; empty in a dry run or when nothing was to be done.
    pub deed: String,
    /// Paths that hold their stub already.
    pub already: Vec<String>,
    /// What folders brought along and is not archived.
    pub skipped: Vec<Skipped>,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// Files that were made because the repository had no archive yet.
    pub initialised: Vec<String>,
    /// What an earlier, interrupted command left and was settled first.
    pub recovered: RecoveryReport,
}

/// Archives what `options` say.
pub fn store(
    workspace: &Workspace,
    options: &StoreOptions,
    progress: &dyn Progress,
) -> Result<StoreReport> {
    check_words(options)?;
    if let Some(label) = workspace.label()
        && *label != options.label
        && options.stub != StubPlace::None
    {
        let label = label.to_string();
        let given = escape_line(options.label.as_str());
        return Err(Error::refused(ACTION, given, Refusal::OtherLabel { label }));
    }
    let lock = workspace.lock()?;
    let recovered =
        if options.dry_run { RecoveryReport::default() } else { recovery::recover(workspace)? };
    let report = match &workspace.repository {
        Some(_) => store_from_git(workspace, options, progress)?,
        None => store_from_disk(workspace, options)?,
    };
    drop(lock);
    Ok(StoreReport { recovered, dry_run: options.dry_run, ..report })
}

fn check_words(options: &StoreOptions) -> Result<()> {
    let bad = |text: &str| text.chars().any(char::is_control);
    for tag in &options.tags {
        if tag.is_empty() || tag.len() > 128 || bad(tag) {
            let why = "it must have 1 to 128 bytes without control characters";
            return Err(Error::invalid("tag", escape_line(tag), why));
        }
    }
    for (key, value) in &options.metadata {
        if key.is_empty() || key.len() > 128 || value.len() > 4096 || bad(key) || bad(value) {
            let why = "a key has 1 to 128 bytes, a value at most 4096, neither a control character";
            return Err(Error::invalid("metadata", escape_line(key), why));
        }
    }
    let tags: usize = options.tags.iter().map(String::len).sum();
    let metadata: usize = options.metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
    if tags + metadata > 32_768 {
        let why = "tags and metadata of one item may have 32,768 bytes together";
        return Err(Error::invalid("metadata", format!("{} bytes", tags + metadata), why));
    }
    Ok(())
}

fn store_from_git(
    workspace: &Workspace,
    options: &StoreOptions,
    progress: &dyn Progress,
) -> Result<StoreReport> {
    let repository = workspace.repository(ACTION)?;
    let revision = options.commit.as_deref().unwrap_or("HEAD");
    let commit = repository.resolve_commit(revision)?;
    let selection = select(workspace, repository, &options.paths, &commit, revision)?;
    check_stub_lengths(options, &selection)?;
    let mut report = StoreReport {
        already: selection.already.iter().map(RepoPath::to_string).collect(),
        skipped: selection.skipped.clone(),
        ..StoreReport::default()
    };
    if selection.candidates.is_empty() {
        return Ok(report);
    }
    if options.stub != StubPlace::None {
        tree::check_index_free(repository)?;
    }
    if options.dry_run {
        report.items = preview(workspace, repository, options, &selection)?;
        return Ok(report);
    }
    report.initialised = init::ensure(workspace, &options.label)?;
    let mut archive = Archive::create(workspace)?;
    let done = take_in(workspace, repository, options, &mut archive, &selection, progress)
        .and_then(|ready| finish(workspace, options, &mut archive, &ready, &commit.to_string()));
    let deed = recorded(&mut archive, options, done)?;
    Ok(StoreReport { items: deed.items, evidence_segment: deed.segment, deed: deed.id, ..report })
}

/// What failed is evidence too; a refusal is none, since nothing was tried.
pub(super) fn recorded<T>(
    archive: &mut Archive,
    options: &StoreOptions,
    done: Result<T>,
) -> Result<T> {
    if let Err(error) = &done
        && error.kind() == ErrorKind::Failed
    {
        let mut event = Event::new(Action::StoreFail, options.actor.as_str());
        event.repo = Some(options.label.to_string());
        event.reason = Some(escape_line(&error.to_string()).chars().take(1000).collect());
        // Failing to record a failure must not hide it.
        let label = options.label.as_str();
        let _ = archive.journaled(label, DeedId::random(), |_| Ok(((), vec![(event, None)])));
    }
    done
}

/// A path too long for a stub is found before anything is read.
fn check_stub_lengths(options: &StoreOptions, selection: &Selection) -> Result<()> {
    for candidate in &selection.candidates {
        let stub = Tombstone {
            id: TombstoneId::derive(&options.label, &candidate.path, &Digest::ZERO),
            sha256: Digest::ZERO,
            size_bytes: u64::MAX,
            mode: FileMode::Executable,
            git_blob: candidate.oid,
            path: candidate.path.clone(),
        };
        if options.stub != StubPlace::None {
            stub.render(Wrapping::for_path(&candidate.path))?;
        }
    }
    Ok(())
}

fn preview(
    workspace: &Workspace,
    repository: &Repository,
    options: &StoreOptions,
    selection: &Selection,
) -> Result<Vec<StoredItem>> {
    let mut items = Vec::new();
    let mut suspects = Vec::new();
    intake::read_all(&workspace.top, repository, &selection.candidates, |at, intake| {
        let candidate = &selection.candidates[at];
        if intake.differs {
            suspects.push(candidate);
        }
        items.push(StoredItem::preview(options, &candidate.path, &intake.encoded));
        Ok(())
    })?;
    intake::check_clean(repository, &suspects)?;
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// A deed that is done.
pub(super) struct Finished {
    /// Its items.
    pub items: Vec<StoredItem>,
    /// Its segment, if one was staged.
    pub segment: Option<String>,
    /// Its id.
    pub id: String,
}

/// Every byte read back first; then intent, record, tree: in this order.
pub(super) fn finish(
    workspace: &Workspace,
    options: &StoreOptions,
    archive: &mut Archive,
    ready: &[Ready],
    commit: &str,
) -> Result<Finished> {
    read_back(archive, ready)?;
    let deed = DeedId::random();
    let intent = intent(workspace, options, ready, deed)?;
    let has_tree = options.stub != StubPlace::None;
    if has_tree {
        intent.write(workspace)?;
    }
    let label = options.label.as_str();
    let journaled = archive
        .journaled(label, deed, |transaction| record(transaction, options, ready, deed, commit));
    // On failure the record may or may not have become durable: the next command finds out.
    let (items, records) = journaled?;
    let mut segment = None;
    if has_tree {
        let made = Segment::new(records.clone())?;
        segment = workspace.repository.is_some().then(|| made.path.to_string());
        change_tree(workspace, archive, &intent, &items, &made)?;
    }
    let items = ready.iter().zip(&records).map(|(file, (_, digest))| file.report(label, *digest));
    Ok(Finished { items: items.collect(), segment, id: deed.to_string() })
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
    let mut steps = Vec::with_capacity(intent.steps.len());
    for step in &intent.steps {
        let item = by_id[&step.tombstone];
        let bytes = match step.source {
            Source::Sidecar => Some(plain_stub(item)?),
            Source::Stub => Some(stub_for(item, &step.path)?),
            Source::Content | Source::Absent => None,
        };
        let after = bytes.map_or(tree::After::Absent, |bytes| tree::After::File {
            bytes,
            executable: Executable::No,
        });
        steps.push(tree::Step { path: step.path.clone(), before: step.before, after });
    }
    let repository = workspace.repository.as_ref();
    let segment = repository.map(|_| segment);
    match tree::apply(ACTION, &workspace.top, repository, &steps, segment) {
        Ok(()) => intent.remove(workspace),
        Err(error) => {
            // Whatever stopped it, the tree must not stay between two states.
            let mut report = RecoveryReport::default();
            let _ = recovery::settle(workspace, archive, intent, &mut report);
            Err(error)
        }
    }
}

fn intent(
    workspace: &Workspace,
    options: &StoreOptions,
    ready: &[Ready],
    deed: DeedId,
) -> Result<Intent> {
    let mut steps = Vec::new();
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
            });
            steps.push(IntentStep { path, tombstone, before, after: None, source: Source::Absent });
        } else {
            let stub = stub.render(Wrapping::for_path(&path))?;
            let after = Some(Digest::of(&stub));
            steps.push(IntentStep { path, tombstone, before, after, source: Source::Stub });
        }
    }
    let action = Action::Archive.as_str().to_owned();
    Ok(Intent { deed, action, work_tree: workspace.top.clone(), steps })
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
    let batch_id = transaction.catalog().add_batch(&NewBatch {
        deed,
        repo: options.label.as_str(),
        commit,
        actor: options.actor.as_str(),
        reason: options.reason,
        at: &at,
    })?;
    let mut deeds = Vec::with_capacity(ready.len());
    for file in ready {
        let (kind, language) = language::guess(&file.candidate.path);
        let mut catalog = transaction.catalog();
        let row = catalog.put_item(&NewItem {
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
        })?;
        for tag in &options.tags {
            catalog.add_tag(row, tag)?;
        }
        for (key, value) in &options.metadata {
            catalog.set_metadata(row, key, value)?;
        }
        deeds.push((file.event(options, commit), Some(row)));
    }
    let items = transaction.catalog().items_of(&deed)?;
    Ok((items, deeds))
}
