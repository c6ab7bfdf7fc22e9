//! `fsck`: proves every byte of the archive, and heals what git still has.

use serde::Serialize;

use crate::backend::{Member, OddRun};
use crate::blob::Encoded;
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::git::Bytes as _;
use crate::logging::{About, Timer};
use crate::model::{Actor, DeedId, Digest, Item, ItemState, escape_line};
use crate::progress::Progress;

use super::chains::check_evidence;
use super::entry::check_entries;
use super::intake::large::LARGE_BYTES;
use super::maintenance::Deeds;
use super::sound::check_all;
use super::{Archive, Content, Workspace, agree, intent, lookup, pending, recovery, runs, upload};

/// Runs are read in portions of this many.
const PORTION: u64 = 500;

/// The schema from which on runs have several members.
const UPLOADS_SINCE: i64 = 5;

/// Beyond this many complaints runs are no longer told of one by one.
const MOST: usize = 1000;

/// What to check, and whether to mend it.
#[derive(Debug, Clone)]
pub struct FsckOptions {
    /// Who mends; `None` only looks.
    pub repair: Option<Actor>,
}

/// An artifact that does not decode to what it should.
#[derive(Debug, Serialize)]
pub struct DamagedArtifact {
    /// SHA-256 its content should have.
    pub sha256: String,
    /// What was seen.
    pub why: String,
    /// The items that hold it.
    pub items: Vec<DamagedItem>,
    /// Whether it was healed out of git's objects.
    pub healed: bool,
}

/// An item whose bytes are damaged.
#[derive(Debug, Serialize)]
pub struct DamagedItem {
    /// Its id.
    pub tombstone: String,
    /// Where it was.
    pub path: String,
}

/// What `fsck` saw.
#[derive(Debug, Default, Serialize)]
pub struct FsckReport {
    /// Whether nothing is wrong (any more).
    pub ok: bool,
    /// Artifacts whose every byte was read.
    pub artifacts: u64,
    /// Bytes of content that were hashed.
    pub content_bytes: u64,
    /// Records whose digests were computed again.
    pub records: u64,
    /// Whether all of them were what their digests say, and stood in their places.
    #[serde(skip)]
    pub records_are_sound: bool,
    /// Entries of memory whose digests were.
    pub entries: u64,
    /// Damaged artifacts.
    pub damaged: Vec<DamagedArtifact>,
    /// Complaints of the database and the evidence.
    pub complaints: Vec<String>,
    /// Deeds that wait for the next changing command, of all work trees.
    pub waiting: Vec<String>,
    /// Whether there are damaged intents, which stop every changing command.
    #[serde(skip)]
    pub damaged_intents: bool,
    /// Damaged intents that were set aside.
    pub set_aside: Vec<SetAside>,
}

/// A damaged intent that no command looks at any more.
#[derive(Debug, Serialize)]
pub struct SetAside {
    /// Where it is now.
    pub file: String,
    /// What its deed was about; empty when that was never recorded. Each path stands as before the
    /// deed or as after it.
    pub paths: Vec<String>,
}

/// Checks every byte of the archive of `workspace`.
pub fn fsck(
    workspace: &Workspace,
    options: &FsckOptions,
    progress: &dyn Progress,
) -> Result<FsckReport> {
    let repairer = options.repair.as_ref();
    let action = if repairer.is_some() { "REPAIR" } else { "FSCK" };
    let log = workspace.use_case(action, repairer.map(Actor::as_str));
    log.end(check(workspace, options, progress), |report| About {
        is_odd: !report.ok,
        ..About::many(report.artifacts as usize)
    })
}

fn check(
    workspace: &Workspace,
    options: &FsckOptions,
    progress: &dyn Progress,
) -> Result<FsckReport> {
    let lock = options.repair.as_ref().map(|_| workspace.lock()).transpose()?;
    let mut set_aside = Vec::new();
    let mut archive = match &lock {
        Some(_) => {
            // Opened for reading first: what is not there is not made here.
            let mut archive = Archive::open(workspace)?;
            set_aside = set_damaged_aside(workspace, &mut archive)?;
            drop(archive);
            recovery::recover_for_upkeep(workspace)?;
            Archive::create_for(workspace, Deeds::Upkeep)?
        }
        None => Archive::open(workspace)?,
    };
    let mut report = FsckReport { set_aside, ..FsckReport::default() };
    let rows = check_artifacts(workspace, options, &mut archive, &mut report, progress)?;
    check_runs(options, &mut archive, &mut report)?;
    if report.damaged.iter().any(|artifact| artifact.healed) {
        report.complaints = archive.integrity()?;
    }
    let rows = match rows {
        Some(rows) => rows,
        None => check_rows(&mut archive)?,
    };
    report.records = rows.records;
    report.complaints.extend(rows.complaints);
    let (entries, odd) = check_entries(&mut archive)?;
    report.entries = entries;
    report.complaints.extend(odd);
    let waiting = pending(workspace)?;
    report.waiting = waiting.deeds();
    report.damaged_intents = !waiting.damaged.is_empty();
    report.complaints.extend(waiting.damaged.iter().map(|path| intent::damaged(path).to_string()));
    report.ok = report.complaints.is_empty() && report.damaged.iter().all(|it| it.healed);
    Ok(report)
}

/// A damaged intent stops every changing command. Its deed's paths stand as before or as after, and
/// both are sound; what the tree still lacks can be done again.
fn set_damaged_aside(workspace: &Workspace, archive: &mut Archive) -> Result<Vec<SetAside>> {
    let mut done = Vec::new();
    for path in pending(workspace)?.damaged {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let records = match name.parse() {
            Ok(deed) => recovery::records_of(archive, &deed)?,
            Err(_) => Vec::new(),
        };
        let paths = || records.iter().filter_map(|(record, _)| record.event.path.as_ref());
        for path in paths() {
            recovery::remove_litter_beside(workspace, path.as_path());
        }
        let paths = paths().map(ToString::to_string).collect();
        let file = intent::set_aside(workspace, &path)?.display().to_string();
        done.push(SetAside { file, paths });
    }
    Ok(done)
}

/// What the evidence says, of itself and of the items.
fn check_rows(archive: &mut Archive) -> Result<FsckReport> {
    let mut rows = FsckReport::default();
    check_evidence(archive, &mut rows)?;
    agree::check_items(archive, &mut rows)?;
    Ok(rows)
}

/// Checks every byte, and what the database says of itself. What the evidence says is looked at
/// meanwhile, unless mending may change it.
fn check_artifacts(
    workspace: &Workspace,
    options: &FsckOptions,
    archive: &mut Archive,
    report: &mut FsckReport,
    progress: &dyn Progress,
) -> Result<Option<FsckReport>> {
    let _timer = Timer::phase("artifacts");
    let total = archive.catalog().totals()?[1] as usize;
    let step = |sound: u64| progress.step(sound as usize, total);
    let mut rows = None;
    let known = check_all(archive, &step, |archive| {
        report.complaints = archive.integrity()?;
        if options.repair.is_none() {
            rows = Some(check_rows(archive)?);
        }
        Ok(())
    })?;
    for artifact in known.purged {
        complain_of_kept(archive, artifact, report)?;
    }
    (report.artifacts, report.content_bytes) = (known.sound, known.content_bytes);
    for Member { artifact, sha256, size_bytes, .. } in known.doubtful {
        report.artifacts += 1;
        step(report.artifacts);
        let checked = archive.check_artifact(artifact, size_bytes, &sha256);
        let why = match checked.and_then(|_| archive.check_run(artifact, &sha256)) {
            Ok(_) => {
                report.content_bytes = report.content_bytes.saturating_add(size_bytes);
                continue;
            }
            Err(error @ Error::Damaged { .. }) => error.to_string(),
            Err(error) => return Err(error),
        };
        report.damaged.push(examine(workspace, options, archive, artifact, sha256, why)?);
    }
    Ok(rows)
}

/// Complains of runs that hold more, or fewer, than the artifacts that name them; or writes them anew.
fn check_runs(options: &FsckOptions, archive: &mut Archive, report: &mut FsckReport) -> Result<()> {
    if archive.schema < UPLOADS_SINCE {
        return Ok(());
    }
    let mut after = 0;
    while let Some((last, odd)) = archive.catalog().odd_runs(after, PORTION)? {
        after = last;
        for OddRun { run, why } in odd {
            if options.repair.is_some() {
                archive.add_artifacts(|catalog, _| runs::renew(catalog, run))?;
            } else if report.complaints.len() < MOST {
                complain_of_run(archive, run, &why, report)?;
            }
        }
    }
    Ok(())
}

/// Complains of every item whose bytes are in `run`.
fn complain_of_run(
    archive: &mut Archive,
    run: i64,
    why: &str,
    report: &mut FsckReport,
) -> Result<()> {
    let mut catalog = archive.catalog();
    report.complaints.push(format!("run {run}: {why}"));
    for member in catalog.members_of(run)? {
        for item in catalog.items_with(member.artifact)? {
            let words =
                format!("item {} {}: its bytes are in run {run}", item.tombstone, item.path);
            report.complaints.push(escape_line(&words));
        }
    }
    Ok(())
}

fn examine(
    workspace: &Workspace,
    options: &FsckOptions,
    archive: &mut Archive,
    row: i64,
    sha256: Digest,
    why: String,
) -> Result<DamagedArtifact> {
    let items = archive.catalog().items_with(row)?;
    let healed = match &options.repair {
        Some(actor) => heal(workspace, archive, row, &items, actor)?,
        None => false,
    };
    let items = items.iter().map(|item| DamagedItem {
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
    });
    Ok(DamagedArtifact { sha256: sha256.to_string(), why, items: items.collect(), healed })
}

/// Complains of items that were not purged and whose artifact says that its bytes were.
fn complain_of_kept(archive: &mut Archive, artifact: i64, report: &mut FsckReport) -> Result<()> {
    for item in archive.catalog().items_with(artifact)? {
        if item.state != ItemState::Purged {
            let why = "its bytes count as destroyed, and it was not purged";
            let words = format!("item {} {}: {why}", item.tombstone, item.path);
            report.complaints.push(escape_line(&words));
        }
    }
    Ok(())
}

/// Puts git's own bytes, if they are the same, in the place of damaged ones.
fn heal(
    workspace: &Workspace,
    archive: &mut Archive,
    row: i64,
    items: &[Item],
    actor: &Actor,
) -> Result<bool> {
    for item in items {
        let Some(content) = true_content(workspace, item)? else { continue };
        let (size_bytes, sha256) = (content.size_bytes(), content.sha256());
        let new = match size_bytes > LARGE_BYTES {
            true => NewBytes::Run(upload::send(archive, &content)?.run(archive)?),
            false => NewBytes::Frame(content.encode()?),
        };
        let mut event = Event::new(Action::Repair, actor.as_str());
        event.repo = Some(item.repo.clone());
        event.path = Some(item.path.clone());
        event.sha256 = Some(sha256);
        event.size = Some(size_bytes);
        event.git_blob = Some(item.git_blob);
        event.tombstone = Some(item.tombstone);
        event.reason = Some("stored bytes were damaged, healed from git".to_owned());
        archive.journaled(&item.repo, DeedId::random(), |transaction| {
            transaction.catalog().set_content(row, &sha256, size_bytes)?;
            let catalog = &mut transaction.catalog();
            match &new {
                NewBytes::Frame(it) => runs::replace(catalog, row, &it.frame, &it.frame_sha256)?,
                NewBytes::Run((run, length)) => {
                    runs::take_over(catalog, row, *run, *length)?;
                    catalog.end_upload(*run)?;
                }
            }
            Ok(((), vec![(event.clone(), Some(item.row_id))]))
        })?;
        return Ok(archive.check_artifact(row, size_bytes, &sha256).is_ok());
    }
    Ok(false)
}

/// True bytes that take the place of damaged ones.
enum NewBytes {
    Frame(Encoded),
    /// A run that came in by itself, and how many bytes it stores.
    Run((i64, u64)),
}

/// git's bytes of an item, if its id is made of them: the digest in a damaged row proves nothing.
fn true_content(workspace: &Workspace, item: &Item) -> Result<Option<Content>> {
    let Some(repository) = &workspace.repository else { return Ok(None) };
    let Some(size_bytes) = repository.blob_size(&item.git_blob)? else { return Ok(None) };
    let spool = workspace.spool();
    let content = Content::of_blob(spool, repository, &item.git_blob, size_bytes)?;
    let is_named = |it: &Content| lookup::belongs(&Item { sha256: it.sha256(), ..item.clone() });
    Ok(content.filter(is_named))
}
