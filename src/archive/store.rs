//! `store`: archives files, leaves stubs, stages both, and records it; all paths or none.
//!
//! The order is what makes it safe: bytes first, read back and hashed; then the intent; then the
//! record; only then the tree. See docs/architecture.md, "The store protocol".

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::backend::{Catalog, NewBatch, NewItem};
use crate::blob::{Encoded, Encoder};
use crate::clock::Timestamp;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event, Segment};
use crate::fs::Executable;
use crate::git::{Repository, sha1_blob};
use crate::model::{
    Actor, DeedId, Digest, FileMode, Item, ItemKind, Reason, RepoLabel, RepoPath, TombstoneId,
    escape_line,
};
use crate::progress::Progress;
use crate::tombstone::{Tombstone, Wrapping};

use super::intake;
use super::intent::{Intent, IntentStep, Source};
use super::journaled::{Archive, Deed, Transaction, content_of};
use super::language;
use super::lookup::{plain_stub, sidecar_path, stub_for};
use super::recovery::{self, RecoveryReport};
use super::selection::{Candidate, Selection, Skipped, repo_path, select};
use super::tree;
use super::{Workspace, init};

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

/// A file on its way into the archive.
struct Ready {
    candidate: Candidate,
    artifact_id: i64,
    sha256: Digest,
    size_bytes: u64,
    stored_bytes: u64,
    deduplicated: bool,
    on_disk: Digest,
    tombstone: TombstoneId,
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
    let ready = take_in(workspace, repository, options, &mut archive, &selection, progress)?;
    read_back(&mut archive, &ready)?;
    let deed = finish(workspace, options, &mut archive, &ready, &commit.to_string())?;
    Ok(StoreReport { items: deed.items, evidence_segment: deed.segment, deed: deed.id, ..report })
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
        let encoded = &intake.encoded;
        let id = TombstoneId::derive(&options.label, &candidate.path, &encoded.sha256);
        items.push(StoredItem {
            tombstone: id.to_string(),
            sha256: encoded.sha256.to_string(),
            size_bytes: encoded.size_bytes,
            compressed_size: encoded.frame.len() as u64,
            repo: options.label.to_string(),
            path: candidate.path.to_string(),
            evidence: String::new(),
            deduplicated: false,
        });
        Ok(())
    })?;
    intake::check_clean(repository, &suspects)?;
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// Reads, compresses and writes the artifacts in one transaction of their own.
fn take_in(
    workspace: &Workspace,
    repository: &Repository,
    options: &StoreOptions,
    archive: &mut Archive,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Vec<Ready>> {
    let candidates = &selection.candidates;
    let mut ready: Vec<Option<Ready>> = candidates.iter().map(|_| None).collect();
    archive.add_artifacts(|catalog, now| {
        let mut suspects = Vec::new();
        let mut done = 0;
        intake::read_all(&workspace.top, repository, candidates, |at, intake| {
            let candidate = &candidates[at];
            if intake.differs {
                suspects.push(candidate);
            }
            ready[at] =
                Some(add(catalog, options, candidate, intake.encoded, intake.on_disk, now)?);
            done += 1;
            progress.step(done, candidates.len());
            Ok(())
        })?;
        intake::check_clean(repository, &suspects)
    })?;
    Ok(ready.into_iter().flatten().collect())
}

/// Writes an artifact unless the archive has it whole.
fn add(
    catalog: &mut Catalog<'_>,
    options: &StoreOptions,
    candidate: &Candidate,
    encoded: Encoded,
    on_disk: Digest,
    now: Timestamp,
) -> Result<Ready> {
    let Encoded { sha256, size_bytes, frame, frame_sha256 } = encoded;
    let known = catalog.artifact(&sha256)?;
    let artifact_id = match known {
        None => {
            catalog.add_artifact(&sha256, size_bytes, &frame, &frame_sha256, &now.to_string())?
        }
        Some(row) => {
            match content_of(catalog, row, size_bytes, &sha256) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let path = candidate.path.to_string();
                    return Err(Error::refused(ACTION, path, Refusal::Purged));
                }
                // The true bytes are at hand: they take the place of the damaged ones.
                Err(Error::Damaged { .. }) => catalog.replace_run(row, &frame, &frame_sha256)?,
                Err(error) => return Err(error),
            }
            row
        }
    };
    Ok(Ready {
        candidate: candidate.clone(),
        artifact_id,
        sha256,
        size_bytes,
        stored_bytes: frame.len() as u64,
        deduplicated: known.is_some(),
        on_disk,
        tombstone: TombstoneId::derive(&options.label, &candidate.path, &sha256),
    })
}

/// Reads every artifact back out of the archive and hashes it: nothing in the tree is touched
/// before that.
fn read_back(archive: &mut Archive, ready: &[Ready]) -> Result<()> {
    for file in ready {
        if archive.artifact_content(file.artifact_id, file.size_bytes, &file.sha256)?.is_none() {
            let path = file.candidate.path.to_string();
            return Err(Error::damaged("artifact", path, "it is not in the archive"));
        }
    }
    Ok(())
}

struct Finished {
    items: Vec<StoredItem>,
    segment: Option<String>,
    id: String,
}

/// Intent, record, tree: in this order.
fn finish(
    workspace: &Workspace,
    options: &StoreOptions,
    archive: &mut Archive,
    ready: &[Ready],
    commit: &str,
) -> Result<Finished> {
    let deed = DeedId::random();
    let intent = intent(workspace, options, ready, deed)?;
    let has_tree = options.stub != StubPlace::None;
    if has_tree {
        intent.write(workspace)?;
    }
    let label = options.label.as_str();
    let journaled = archive
        .journaled(label, deed, |transaction| record(transaction, options, ready, deed, commit));
    let (items, records) = match journaled {
        Ok(done) => done,
        Err(error) => {
            // The record may or may not have become durable: the next command finds out.
            return Err(error);
        }
    };
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

impl Ready {
    fn mode(&self) -> FileMode {
        if self.candidate.executable { FileMode::Executable } else { FileMode::Regular }
    }

    fn event(&self, options: &StoreOptions, commit: &str) -> Event {
        let mut event = Event::new(Action::Archive, options.actor.as_str());
        event.repo = Some(options.label.to_string());
        event.path = Some(self.candidate.path.clone());
        event.commit = Some(commit.to_owned());
        event.sha256 = Some(self.sha256);
        event.size = Some(self.size_bytes);
        event.stored_size = Some(self.stored_bytes);
        event.git_blob = Some(self.candidate.oid);
        event.mode = Some(self.mode());
        event.reason = Some(options.reason.to_string());
        event.tombstone = Some(self.tombstone);
        event.detail = detail(options);
        event
    }

    fn report(&self, label: &str, digest: Digest) -> StoredItem {
        StoredItem {
            tombstone: self.tombstone.to_string(),
            sha256: self.sha256.to_string(),
            size_bytes: self.size_bytes,
            compressed_size: self.stored_bytes,
            repo: label.to_owned(),
            path: self.candidate.path.to_string(),
            evidence: digest.to_string(),
            deduplicated: self.deduplicated,
        }
    }
}

fn detail(options: &StoreOptions) -> Option<Map<String, Value>> {
    let mut detail = Map::new();
    if !options.tags.is_empty() {
        detail.insert("tags".to_owned(), json!(options.tags));
    }
    if !options.metadata.is_empty() {
        detail.insert("metadata".to_owned(), json!(options.metadata));
    }
    (!detail.is_empty()).then_some(detail)
}

/// Outside a repository the bytes are the file's, and the commit is what the caller says.
fn store_from_disk(workspace: &Workspace, options: &StoreOptions) -> Result<StoreReport> {
    let commit = match options.commit.as_deref() {
        None | Some("HEAD") => {
            return Err(Error::NoRepository { action: ACTION, path: workspace.cwd.clone() });
        }
        Some(commit) if commit.len() <= 128 && commit.bytes().all(|b| b.is_ascii_graphic()) => {
            commit
        }
        Some(commit) => {
            let why = "it must be 1 to 128 visible ASCII characters";
            return Err(Error::invalid("commit", escape_line(commit), why));
        }
    };
    let mut selection = BTreeMap::new();
    let mut report = StoreReport::default();
    for given in &options.paths {
        let (path, bytes) = read_from_disk(workspace, given)?;
        if crate::tombstone::parse(&bytes).is_ok() {
            report.already.push(path.to_string());
        } else {
            selection.insert(path, bytes);
        }
    }
    if selection.is_empty() || options.dry_run {
        return Ok(report);
    }
    let mut archive = Archive::create(workspace)?;
    let ready = archive.add_artifacts(|catalog, now| {
        let mut encoder = Encoder::new()?;
        let files = selection.iter().map(|(path, bytes)| {
            let candidate = Candidate {
                path: path.clone(),
                oid: sha1_blob(bytes),
                executable: is_executable(workspace, path)?,
            };
            let encoded = encoder.encode(bytes)?;
            let on_disk = encoded.sha256;
            add(catalog, options, &candidate, encoded, on_disk, now)
        });
        files.collect::<Result<Vec<_>>>()
    })?;
    read_back(&mut archive, &ready)?;
    let deed = finish(workspace, options, &mut archive, &ready, commit)?;
    Ok(StoreReport { items: deed.items, deed: deed.id, ..report })
}

fn read_from_disk(workspace: &Workspace, given: &OsString) -> Result<(RepoPath, Vec<u8>)> {
    let shown = escape_line(&given.to_string_lossy());
    let refused = |what| Error::refused(ACTION, shown.clone(), Refusal::NotRegular { what });
    let path = repo_path(ACTION, &workspace.top, &workspace.cwd, given)?
        .ok_or_else(|| refused("a folder"))?;
    crate::fs::check_contained(ACTION, &workspace.top, path.as_path())?;
    let file = workspace.top.join(path.as_path());
    let meta = fs::symlink_metadata(&file).map_err(|_| Error::NotFound {
        action: ACTION,
        object: shown.clone(),
        why: "there is no such file".to_owned(),
    })?;
    if meta.is_symlink() {
        return Err(refused("a symbolic link"));
    }
    if !meta.is_file() {
        return Err(refused("a folder or special file"));
    }
    let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
    Ok((path, bytes))
}

fn is_executable(workspace: &Workspace, path: &RepoPath) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let file = workspace.top.join(path.as_path());
    let meta = fs::metadata(&file).map_err(Error::io("look at", &file))?;
    Ok(meta.permissions().mode() & 0o100 != 0)
}
