//! `restore`: verified bytes to a file, to standard output, or back in the stub's place.
//!
//! Promises: nothing comes out that was not hashed; the record is durable before the file has its
//! name; nothing is overwritten but the item's own unmodified stub, unless forced; no way through
//! a symbolic link.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event, Segment};
use crate::fs::Seen;
use crate::git::{Bytes as _, IndexScope, Repository};
use crate::logging::{About, Timer};
use crate::model::{Actor, DeedId, Digest, Item, RepoPath, escape_line, names_git_folder};

use super::detach::{self, Change, Detached};
use super::find::{Found, find};
use super::governance::ApprovedRestore;
use super::intent::{Intent, Source};
use super::lookup::{self, Origin, executable, is_stub_of, sidecar_path, standing_stubs};
use super::output::{Outside, Target, contained, read_again};
use super::recovery::{self, take_steps};
use super::tree::{self, After, Step};
use super::{Archive, Content, Workspace};

const ACTION: &str = "restore";

/// Where the bytes go.
#[derive(Debug, Clone)]
pub enum Output {
    /// To the path at which the content was archived.
    OriginalPath,
    /// To this file.
    File(OsString),
    /// To whoever called.
    Caller,
    /// Back into the stub's place, and staged.
    Stage,
}

/// What to restore, and how.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// An id, a stub's path, or a prefix.
    pub id: OsString,
    /// Where the bytes go.
    pub output: Output,
    /// Who does it.
    pub actor: Actor,
    /// Whether an existing file may be replaced.
    pub force: bool,
    /// Whether the file may be outside the repository and the current directory.
    pub allow_outside: bool,
}

/// What was restored.
#[derive(Debug, Serialize)]
pub struct RestoreReport {
    /// The item.
    pub tombstone: String,
    /// Where its content was archived.
    pub path: String,
    /// The file written; `-` for the caller.
    pub output: String,
    /// SHA-256 of what was written, as checked.
    pub sha256: String,
    /// Bytes written.
    pub restored_bytes: u64,
    /// The file's mode.
    pub mode: String,
    /// `archive` or `git history`.
    pub from: &'static str,
    /// Whether the file was staged.
    pub staged: bool,
    /// Whether the file was there already, whole.
    pub already: bool,
    /// Digest of the record; empty when nothing was done.
    pub evidence: String,
    /// The segment that was staged, if any.
    pub evidence_segment: Option<String>,
    /// The bytes, when they go to the caller.
    #[serde(skip)]
    pub bytes: Option<Content>,
}

/// Restores what `options` say.
pub fn restore(workspace: &Workspace, options: &RestoreOptions) -> Result<RestoreReport> {
    let log = workspace.use_case("RESTORE", Some(options.actor.as_str()));
    let done = restore_one(workspace, options);
    log.end(done, |report| {
        let about = About::item(&report.tombstone, &report.evidence);
        about.if_done(!report.evidence.is_empty())
    })
}

fn restore_one(workspace: &Workspace, options: &RestoreOptions) -> Result<RestoreReport> {
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let done = find(workspace, Some(&mut archive), &options.id)
        .and_then(|found| restore_found(workspace, options, &mut archive, &found));
    if let Err(error) = &done {
        record_failure(workspace, options, &mut archive, error);
    }
    drop(lock);
    done
}

/// A failure is evidence too; failing to record it must not hide it.
fn record_failure(
    workspace: &Workspace,
    options: &RestoreOptions,
    archive: &mut Archive,
    error: &Error,
) {
    // Without its signature nothing was done.
    if matches!(error, Error::Signing { .. } | Error::CannotSign { .. }) {
        return;
    }
    let label = workspace.label().map_or("", |label| label.as_str());
    let event = failure(&options.actor, label, &options.id.to_string_lossy(), &error.to_string());
    let deed = DeedId::random();
    // The next deed's signature covers it.
    let _ = archive.unsigned(|archive| {
        archive.journaled(label, deed, |_| Ok(((), vec![(event.clone(), None)])))
    });
}

/// The RESTORE_FAIL of what was given as `id`.
pub(super) fn failure(actor: &Actor, label: &str, id: &str, words: &str) -> Event {
    let mut event = Event::new(Action::RestoreFail, actor.as_str());
    event.repo = (!label.is_empty()).then(|| label.to_owned());
    event.reason = Some(escape_line(words).chars().take(1000).collect());
    let mut detail = serde_json::Map::new();
    let id: String = escape_line(id).chars().take(200).collect();
    detail.insert("given".to_owned(), id.into());
    event.detail = Some(detail);
    event
}

/// The content of an item, checked; for reading only.
pub fn verified_content(
    workspace: &Workspace,
    archive: Option<&mut Archive>,
    item: &Item,
) -> Result<(Content, Origin)> {
    lookup::content(workspace, archive, item)
}

/// One restore: what was asked for, what was found, and who approved it.
struct Job<'a> {
    options: &'a RestoreOptions,
    found: &'a Found,
    approved: ApprovedRestore,
}

fn restore_found(
    workspace: &Workspace,
    options: &RestoreOptions,
    archive: &mut Archive,
    found: &Found,
) -> Result<RestoreReport> {
    archive.measure();
    let item = &found.item;
    let read = Timer::phase("read");
    let approved = ApprovedRestore::of(workspace, archive, found)?;
    let (content, origin) =
        lookup::content_through(workspace, Some(archive), item, approved.door())?;
    let job = Job { options, found, approved };
    drop(read);
    let mut report = RestoreReport {
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
        output: item.path.to_string(),
        sha256: item.sha256.to_string(),
        restored_bytes: content.size_bytes(),
        mode: item.mode.to_string(),
        from: if origin == Origin::Archive { "archive" } else { "git history" },
        staged: false,
        already: false,
        evidence: String::new(),
        evidence_segment: None,
        bytes: None,
    };
    match &options.output {
        Output::Stage => stage(workspace, &job, archive, content, &mut report)?,
        Output::Caller => {
            "-".clone_into(&mut report.output);
            report.evidence = record(archive, &job, None)?.1;
            report.bytes = Some(content);
        }
        Output::OriginalPath => {
            let target = workspace.top.join(item.path.as_path());
            to_file(workspace, &job, archive, &content, &target, &mut report)?;
        }
        Output::File(given) => {
            let target = workspace.cwd.join(given);
            to_file(workspace, &job, archive, &content, &target, &mut report)?;
        }
    }
    Ok(report)
}

/// Records RESTORE; returns the records' segment form and the digest.
fn record(
    archive: &mut Archive,
    job: &Job<'_>,
    staged: Option<(DeedId, &RepoPath)>,
) -> Result<(Option<Segment>, String)> {
    let (found, item) = (job.found, &job.found.item);
    let mut event = event(&job.options.actor, item);
    job.approved.note_in(&mut event);
    if let Some((_, path)) = staged {
        event.path = Some(path.clone());
        event = event.staged();
    }
    event.duration_ms = archive.measured_ms();
    let row = found.in_archive.then_some(item.row_id);
    let _timer = Timer::phase("transaction");
    let deed = staged.map_or_else(DeedId::random, |(deed, _)| deed);
    let ((), records) = archive.journaled(&item.repo, deed, |transaction| {
        if let (Some(row), Some(_)) = (row, staged) {
            let now = transaction.now.to_string();
            transaction.catalog().set_restored(row, Some(&now))?;
        }
        job.approved.use_up(transaction)?;
        Ok(((), vec![(event.clone(), row)]))
    })?;
    let digest = records[0].1.to_string();
    let segment = if staged.is_some() { Some(archive.segment_of(records)?) } else { None };
    Ok((segment, digest))
}

/// The RESTORE of an item at its own path.
pub(super) fn event(actor: &Actor, item: &Item) -> Event {
    let mut event = Event::new(Action::Restore, actor.as_str());
    event.repo = Some(item.repo.clone());
    event.path = Some(item.path.clone());
    event.sha256 = Some(item.sha256);
    event.size = Some(item.size_bytes);
    event.git_blob = Some(item.git_blob);
    event.mode = Some(item.mode);
    event.tombstone = Some(item.tombstone);
    event
}

fn to_file(
    workspace: &Workspace,
    job: &Job<'_>,
    archive: &mut Archive,
    content: &Content,
    target: &Path,
    report: &mut RestoreReport,
) -> Result<()> {
    let (options, found) = (job.options, job.found);
    let outside = if options.allow_outside { Outside::Allowed } else { Outside::Refused };
    let target = contained(ACTION, workspace, outside, target)?;
    report.output.clone_from(&target.shown);
    let there = target.seen()?;
    let free = match &there {
        None => true,
        Some(seen) if seen.sha256 == content.sha256() => {
            report.already = true;
            return Ok(());
        }
        Some(seen) => options.force || is_stub(seen, &found.item),
    };
    if !free {
        return Err(Error::refused(ACTION, target.shown, Refusal::Exists));
    }
    let intent = intent_to_write(workspace, &found.item, &target.file, there.as_ref(), content);
    if let Some(intent) = &intent {
        intent.write(workspace)?;
    }
    let written = (|| {
        let folder = target.make_folder()?;
        let mut temp = folder.temp(executable(&found.item))?;
        let is_read_back = content.fill(workspace.spool(), &mut temp)?;
        temp.sync()?;
        if !is_read_back {
            read_again(&mut temp, &found.item)?;
        }
        report.evidence = record(archive, job, None)?.1;
        match there {
            // A name that nobody had must still be nobody's.
            None => temp.publish_new(&target.file)?,
            Some(_) => temp.publish(&target.file)?,
        }
        folder.sync()
    })();
    match &intent {
        Some(intent) => written.and(intent.remove(workspace)),
        None => written,
    }
}

/// What leads recovery to the temporary file of a killed restore; `None` outside the work tree.
fn intent_to_write(
    workspace: &Workspace,
    item: &Item,
    target: &Path,
    there: Option<&Seen>,
    content: &Content,
) -> Option<Intent> {
    let inside = target.strip_prefix(&workspace.top).ok()?;
    let path = RepoPath::new(inside.as_os_str().as_bytes()).ok()?;
    let after = After::File { bytes: content.clone(), executable: executable(item) };
    let step = Step { path, before: there.map(|seen| seen.sha256), stamp: None, after };
    let action = Action::Restore.as_str();
    // The record has a deed of its own: there is nothing to complete here.
    Some(Intent::about(workspace, action, DeedId::random(), item, &[(step, Source::Content)]))
}

fn stage(
    workspace: &Workspace,
    job: &Job<'_>,
    archive: &mut Archive,
    content: Content,
    report: &mut RestoreReport,
) -> Result<()> {
    let repository = workspace.repository("stage a restored file")?;
    let (options, found) = (job.options, job.found);
    let item = &found.item;
    let stub = match &found.stub_path {
        Some(path) => Some(path.clone()),
        None => standing_stubs(repository, item)?.into_iter().next(),
    };
    let sidecar = sidecar_path(&item.path)?;
    let target = match &stub {
        Some(path) if *path != sidecar => path.clone(),
        _ => item.path.clone(),
    };
    report.output = target.to_string();
    if names_git_folder(target.as_bytes()) {
        let why = "it is inside git's own folder";
        return Err(Error::refused(ACTION, target.to_string(), Refusal::Forbidden { why }));
    }
    let on_disk = Target::below(&workspace.top, target.as_path()).seen()?;
    let was_freed = detach::of_item(workspace, archive, item)?;
    let (changes, after) = match &was_freed {
        Some(freed) => back_as_it_was(workspace, item, &target, content, freed)?,
        None => (Vec::new(), After::File { bytes: content, executable: executable(item) }),
    };
    let before = on_disk.as_ref().map(|seen| seen.sha256);
    if changes.is_empty() && stands(repository, &target, before, &after)? {
        (report.already, report.staged) = (true, true);
        return Ok(());
    }
    let free = on_disk
        .as_ref()
        .is_none_or(|seen| before == after.digest() || is_stub(seen, item) || options.force);
    if !free {
        return Err(Error::refused(ACTION, target.to_string(), Refusal::Exists));
    }
    tree::check_index_free(repository)?;
    let source = match &after {
        After::Converted { .. } => Source::Converted,
        _ => Source::Content,
    };
    let mut steps: Vec<_> = changes.iter().map(Change::step).collect();
    steps.push((Step { path: target.clone(), before, stamp: None, after }, source));
    if stub.as_ref() == Some(&sidecar) {
        let before = tree::digest_on_disk(&workspace.top, &sidecar)?;
        let step = Step { path: sidecar, before, stamp: None, after: After::Absent };
        steps.push((step, Source::Absent));
    }
    let deed = DeedId::random();
    let intent = Intent::about(workspace, Action::Restore.as_str(), deed, item, &steps);
    intent.write(workspace)?;
    let (segment, digest) = record(archive, job, Some((deed, &target)))
        .inspect_err(|error| intent.remove_if_unsigned(workspace, error))?;
    let steps: Vec<Step> = steps.into_iter().map(|(step, _)| step).collect();
    take_steps(ACTION, workspace, archive, &intent, &steps, segment.as_ref(), None)?;
    report.staged = true;
    report.evidence = digest;
    report.evidence_segment = segment.map(|segment| segment.path.to_string());
    Ok(())
}

/// What an item that was freed of attributes comes back as: the line goes, and git converts the
/// content again.
fn back_as_it_was(
    workspace: &Workspace,
    item: &Item,
    target: &RepoPath,
    content: Content,
    freed: &Detached,
) -> Result<(Vec<Change>, After)> {
    let paths = std::slice::from_ref(&item.path);
    let after = detach::converted(workspace, item, target, paths, content, freed)?;
    Ok((detach::bind(workspace, paths)?, after))
}

/// Whether work tree and index have it already.
fn stands(
    repository: &Repository,
    target: &RepoPath,
    on_disk: Option<Digest>,
    after: &After,
) -> Result<bool> {
    let Some(staged) = after.staged().filter(|_| on_disk == after.digest()) else {
        return Ok(false);
    };
    let oid = repository.hash_bytes(staged)?;
    let entries = repository.index(IndexScope::Paths(std::slice::from_ref(target)))?;
    Ok(entries.iter().any(|it| it.oid == oid))
}

pub(super) fn is_stub(seen: &Seen, item: &Item) -> bool {
    seen.short.as_deref().is_some_and(|bytes| is_stub_of(bytes, item))
}
