//! `store`: archives files, leaves stubs, stages both, and records it; all paths or none.
//!
//! The order is what makes it safe: bytes first, read back and hashed; then the intent; then the
//! record; only then the tree. See docs/architecture.md, "The store protocol".

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs as files;
use crate::git::Repository;
use crate::logging::{About, Timer};
use crate::model::{
    Actor, DeedId, Digest, FileMode, GitOid, ItemKind, Notes, RepoLabel, RepoPath, TombstoneId,
    escape_line, is_word,
};
use crate::progress::Progress;
use crate::tombstone::{MAX_STUB_BYTES, Tombstone, Wrapping};

use super::batch::BatchMark;
use super::credentials::{CredentialSeen, Screen, record_block};
use super::desk::take_in;
use super::detach::{self, Change};
use super::intake::Pace;
use super::journaled::Archive;
use super::loose::store_from_disk;
use super::recovery::{self, RecoveryReport};
use super::retire::finish;
use super::selection::{Candidate, Selection, Skipped, select};
use super::trial::preview;
use super::{Workspace, init, tree};

const ACTION: &str = "archive";

/// What is in a stub beside its path has fewer bytes than this.
const STUB_BESIDE_PATH: usize = 1536;

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
    /// Why, and what is remembered of each item.
    pub notes: Notes,
    /// The same of single paths, where it differs.
    pub own_notes: BTreeMap<RepoPath, Notes>,
    /// The commit, as the user named it; `None` means HEAD.
    pub commit: Option<String>,
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
    /// Whether a path that git converts is freed of that.
    pub detach: bool,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
    /// The batch that this deed is, if it is one.
    pub batch: Option<BatchMark>,
    /// How the files are worked through.
    pub pace: Pace,
}

impl StoreOptions {
    /// What is remembered of the item at `path`.
    pub(super) fn notes_of(&self, path: &RepoPath) -> &Notes {
        self.own_notes.get(path).unwrap_or(&self.notes)
    }
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
    /// How long it took to read and compress, in milliseconds.
    #[serde(skip)]
    pub duration_ms: u64,
}

impl StoredItem {
    /// What would be archived, for a dry run.
    pub(super) fn preview(
        options: &StoreOptions,
        path: &RepoPath,
        (sha256, size_bytes): (Digest, u64),
        compressed_size: u64,
    ) -> Self {
        Self {
            tombstone: TombstoneId::derive(&options.label, path, &sha256).to_string(),
            sha256: sha256.to_string(),
            size_bytes,
            compressed_size,
            repo: options.label.to_string(),
            path: path.to_string(),
            evidence: String::new(),
            deduplicated: false,
            duration_ms: 0,
        }
    }
}

/// A path that git converted.
#[derive(Debug, Serialize)]
pub struct Freed {
    /// The path.
    pub path: String,
    /// The attributes and their values, such as `filter=lfs`.
    pub attributes: Vec<String>,
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
    /// Digest of the record that the batch ended; empty where the deed is none.
    #[serde(skip)]
    pub batch_evidence: String,
    /// Paths that hold their stub already.
    pub already: Vec<String>,
    /// Of these, the ones whose stub had to be staged again.
    pub staged_again: Vec<String>,
    /// What folders brought along and is not archived.
    pub skipped: Vec<Skipped>,
    /// Paths that git converted, and by what.
    pub detached: Vec<Freed>,
    /// The files whose lines free them, staged too.
    pub attributes_files: Vec<String>,
    /// Credentials in what was archived, where the policy only warns of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialSeen>,
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
    let log = workspace.use_case("ARCHIVE", Some(options.actor.as_str()));
    log.end(store_all(workspace, options, progress), |report| {
        let about = match report.items.as_slice() {
            [item] => About::item(&item.tombstone, &item.evidence),
            items => About::many(items.len()),
        };
        about.if_done(!report.deed.is_empty())
    })
}

fn store_all(
    workspace: &Workspace,
    options: &StoreOptions,
    progress: &dyn Progress,
) -> Result<StoreReport> {
    check_words(options)?;
    check_label(workspace, options)?;
    let lock = workspace.lock()?;
    let recovered =
        if options.dry_run { RecoveryReport::default() } else { recovery::recover(workspace)? };
    let report = match &workspace.repository {
        Some(_) => store_from_git(workspace, options, progress)?,
        None => store_from_disk(workspace, options, progress)?,
    };
    drop(lock);
    Ok(StoreReport { recovered, dry_run: options.dry_run, ..report })
}

/// Refuses stubs under another label than the tree's.
pub(super) fn check_label(workspace: &Workspace, options: &StoreOptions) -> Result<()> {
    match workspace.label() {
        Some(label) if *label != options.label && options.stub != StubPlace::None => {
            let label = label.to_string();
            let given = escape_line(options.label.as_str());
            Err(Error::refused(ACTION, given, Refusal::OtherLabel { label }))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_words(options: &StoreOptions) -> Result<()> {
    options.notes.check()?;
    match &options.language {
        Some(language) if !is_word(language) => {
            let why = "it must have 1 to 128 bytes without control characters";
            Err(Error::invalid("language", escape_line(language), why))
        }
        _ => Ok(()),
    }
}

fn store_from_git(
    workspace: &Workspace,
    options: &StoreOptions,
    progress: &dyn Progress,
) -> Result<StoreReport> {
    let repository = workspace.repository(ACTION)?;
    let revision = options.commit.as_deref().unwrap_or("HEAD");
    let commit = repository.resolve_commit(revision)?;
    let detach = options.detach;
    let guards = Timer::phase("guards");
    let selection = select(workspace, repository, &options.paths, &commit, revision, detach)?;
    for candidate in &selection.candidates {
        check_stub_length(options, candidate)?;
    }
    drop(guards);
    let mut screen = Screen::new(workspace)?;
    store_selected(workspace, options, &selection, &commit, &mut screen, progress)
}

/// The same of files that were found and judged.
pub(super) fn store_selected(
    workspace: &Workspace,
    options: &StoreOptions,
    selection: &Selection,
    commit: &GitOid,
    screen: &mut Screen,
    progress: &dyn Progress,
) -> Result<StoreReport> {
    let repository = workspace.repository(ACTION)?;
    let mut report = StoreReport {
        already: selection.already.iter().map(RepoPath::to_string).collect(),
        skipped: selection.skipped.clone(),
        ..StoreReport::default()
    };
    report.staged_again = selection.unstaged.iter().map(|(path, _)| path.to_string()).collect();
    if !selection.unstaged.is_empty() && !options.dry_run {
        stage_again(workspace, repository, &selection.unstaged)?;
    }
    if selection.candidates.is_empty() {
        return Ok(report);
    }
    if options.stub != StubPlace::None {
        tree::check_index_free(repository)?;
        check_folders(workspace, selection)?;
    }
    let freed = free(workspace, repository, options, selection, &mut report)?;
    if options.dry_run {
        report.items = preview(workspace, repository, options, selection, screen)?;
        report.credentials = screen.tell(progress);
        return Ok(report);
    }
    if workspace.label().is_none() || workspace.lacks_file()? {
        // What is refused must not leave an archive behind.
        screen.look_ahead(workspace, repository, &selection.candidates, options.pace)?;
        screen.check()?;
    }
    report.initialised = init::ensure(workspace, &options.label)?;
    let mut archive = Archive::create(workspace)?;
    let done = take_in(workspace, repository, options, &mut archive, selection, screen, progress)
        // A git that the same Ctrl-C hit says something else.
        .map_err(|error| if progress.is_stopped() { Error::Interrupted } else { error })
        .and_then(|ready| {
            finish(workspace, options, &mut archive, &ready, &freed, &commit.to_string())
        });
    let deed = recorded(&mut archive, options, done)?;
    report.credentials = screen.tell(progress);
    let (evidence_segment, batch_evidence) = (deed.segment, deed.batch_evidence);
    Ok(StoreReport { items: deed.items, evidence_segment, batch_evidence, deed: deed.id, ..report })
}

/// What frees the paths at which a stub shall stand of what git would do to it.
fn free(
    workspace: &Workspace,
    repository: &Repository,
    options: &StoreOptions,
    selection: &Selection,
    report: &mut StoreReport,
) -> Result<Vec<Change>> {
    let detached =
        selection.candidates.iter().filter_map(|it| Some((&it.path, it.detached.as_ref()?)));
    let detached: Vec<_> = detached.collect();
    let changes = match options.stub {
        StubPlace::InPlace => {
            let paths: Vec<RepoPath> = detached.iter().map(|(path, _)| (*path).clone()).collect();
            detach::free(workspace, repository, &paths)?
        }
        // Nothing stands at the path then.
        StubPlace::Sidecar | StubPlace::None => Vec::new(),
    };
    report.detached = detached
        .into_iter()
        .map(|(path, it)| Freed { path: path.to_string(), attributes: it.attributes.clone() })
        .collect();
    report.attributes_files = changes.iter().map(|change| change.path().to_string()).collect();
    Ok(changes)
}

/// A folder that takes no stub is found before anything is written.
fn check_folders(workspace: &Workspace, selection: &Selection) -> Result<()> {
    let paths = selection.candidates.iter().map(|candidate| candidate.path.as_path());
    let folders: BTreeSet<_> = paths.map(files::folder_of).collect();
    folders.into_iter().try_for_each(|folder| files::check_writable(&workspace.top.join(folder)))
}

/// Stages stubs that stand in the work tree alone, with the segments of their deeds: after a
/// `git reset` the files are archived and recorded already.
fn stage_again(
    workspace: &Workspace,
    repository: &Repository,
    stubs: &[(RepoPath, TombstoneId)],
) -> Result<()> {
    let mut archive = Archive::create(workspace)?;
    let mut paths = Vec::new();
    for (path, id) in stubs {
        let Some(segment) = recovery::segment_of_last(&mut archive, id, &Action::Archive)? else {
            return Err(Error::refused(ACTION, path.to_string(), Refusal::Dirty));
        };
        tree::write_segment(&workspace.top, &segment)?;
        paths.push(path.clone());
        paths.extend(segment.files()?.into_iter().map(|(path, _)| path));
        paths.extend(detach::holders(workspace, std::slice::from_ref(path))?);
    }
    repository.stage(&paths)
}

/// What failed is evidence too, and what the content policy refused; any other refusal is none, since
/// nothing was tried.
pub(super) fn recorded<T>(
    archive: &mut Archive,
    options: &StoreOptions,
    done: Result<T>,
) -> Result<T> {
    if let Err(Error::Credentials { found, .. }) = &done {
        record_block(archive, options, found);
    }
    if let Err(error) = &done
        && error.kind() == ErrorKind::Failed
        // Without its signature nothing was done.
        && !matches!(error, Error::Signing { .. })
    {
        let mut event = Event::new(Action::StoreFail, options.actor.as_str());
        event.repo = Some(options.label.to_string());
        event.reason = Some(escape_line(&error.to_string()).chars().take(1000).collect());
        let (label, deed) = (options.label.as_str(), DeedId::random());
        // Failing to record a failure must not hide it. The next deed's signature covers it.
        let _ = archive.unsigned(|archive| {
            archive.journaled(label, deed, |_| Ok(((), vec![(event.clone(), None)])))
        });
    }
    done
}

/// A path too long for a stub is found before anything is read.
pub(super) fn check_stub_length(options: &StoreOptions, candidate: &Candidate) -> Result<()> {
    // No byte of a path takes more than eight in a stub.
    let is_short = 8 * candidate.path.as_bytes().len() + STUB_BESIDE_PATH <= MAX_STUB_BYTES;
    if options.stub == StubPlace::None || is_short {
        return Ok(());
    }
    let stub = Tombstone {
        id: TombstoneId::derive(&options.label, &candidate.path, &Digest::ZERO),
        sha256: Digest::ZERO,
        size_bytes: u64::MAX,
        mode: FileMode::Executable,
        git_blob: candidate.oid,
        path: candidate.path.clone(),
    };
    stub.render(Wrapping::for_path(&candidate.path)).map(|_| ())
}
