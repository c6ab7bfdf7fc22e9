//! A backup takes the archive's place.
//!
//! Promises: what this clone knows and the backup lacks is not lost unasked; what was purged does not
//! come back, for it is erased before the bytes of the backup get a name; the archive that stood here
//! is kept aside; whatever kills it, one of the two archives stands in the place, whole.

mod aside;
mod journal;
mod known;
mod purges;
mod rollback;

use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::backend::{LATEST_VERSION, apply};
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs::{self as files, Executable, TempFile};
use crate::model::{Actor, DeedId};

use super::maintenance::{Deeds, Maintenance, TAKEN_OVER};
use super::{Archive, ArchivePlace, Workspace, recovery};
use known::Known;
pub use known::Lost;
pub use purges::PurgedAgain;
pub use rollback::RolledBack;

const ACTION: &str = "restore the backup";

/// Which backup, and what may be lost by it.
#[derive(Debug, Clone)]
pub struct ReinstateOptions {
    /// Who restores it.
    pub actor: Actor,
    /// The backup's name.
    pub file: String,
    /// SHA-256 of the backup's file, where it was one.
    pub sha256: Option<String>,
    /// When the backup was made.
    pub created_at: String,
    /// Whether it may be older than what this clone knows.
    pub allow_older: bool,
    /// Whether nothing is changed.
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct ReinstateReport {
    /// The archive.
    pub archive: String,
    /// Where the archive that stood here is now.
    pub kept_aside: Option<String>,
    /// Why the archive that stood here could not be read.
    pub unreadable: Option<String>,
    /// How many records this clone knows that the backup lacks.
    pub lost_records: u64,
    /// The last of them.
    pub lost: Vec<Lost>,
    /// Content that was purged, and was in the backup.
    pub purged_again: Vec<PurgedAgain>,
    /// The maintenance that the archive stays in.
    pub maintenance: Option<Maintenance>,
    /// Digest of the record.
    pub evidence: String,
}

/// Puts `archive`, which stands in `file` without a name and may be written to, in the place of the
/// archive of `workspace`.
pub fn reinstate(
    workspace: &Workspace,
    mut archive: Archive,
    mut file: File,
    options: &ReinstateOptions,
) -> Result<ReinstateReport> {
    let ArchivePlace::File(place) = workspace.archive_place()? else {
        let object = workspace.config.url().to_string();
        let why = "the archive is on a server; write the backup's archive to a file with `--output` \
                   and bring it there with `copy --from`";
        return Err(Error::refused(ACTION, object, Refusal::Policy { why: why.to_owned() }));
    };
    let lock = workspace.lock()?;
    let mut report =
        ReinstateReport { archive: place.display().to_string(), ..ReinstateReport::default() };
    let mut live = aside::open_live(workspace, &place, &mut report)?;
    if live.is_some() {
        recovery::recover_for_upkeep(workspace)?;
    }
    apply(archive.driver(), workspace.now())?;
    archive.schema = LATEST_VERSION;
    let known = Known::gather(workspace, live.as_mut(), &mut archive)?;
    known.tell(&mut report);
    if report.lost_records > 0 && !options.allow_older {
        return Err(older(&report, options));
    }
    archive.take_over_maintenance(known.maintenance.as_ref(), &options.actor)?;
    report.maintenance = known.maintenance.clone();
    report.purged_again = purges::apply(&mut archive, &known)?;
    if options.dry_run {
        return Ok(report);
    }
    aside::settle(live.take())?;
    files::create_folders(files::folder_of(&place))?;
    let mut temp = TempFile::create(files::folder_of(&place), Executable::No)?;
    begin_logs(&mut archive, &mut temp, &place)?;
    let kept = aside::name(workspace, &place);
    let aside = place.exists().then_some(kept.as_path());
    record(workspace, &mut archive, options, aside, &known, &mut report)?;
    drop(archive);
    copy_to(&mut file, &mut temp)?;
    report.kept_aside = aside::keep(workspace, &place, &kept)?;
    temp.publish(&place)?;
    files::sync_folder(files::folder_of(&place))?;
    // The journal is written anew, and the links are mended.
    Archive::create_for(workspace, Deeds::Upkeep)?;
    drop(lock);
    Ok(report)
}

/// Writes `archive`, as [`reinstate`] would put it in place, to the new file `output`; this clone's
/// archive stays as it is.
pub fn write_archive(
    workspace: &Workspace,
    mut archive: Archive,
    mut file: File,
    options: &ReinstateOptions,
    output: &Path,
) -> Result<ReinstateReport> {
    let mut report =
        ReinstateReport { archive: output.display().to_string(), ..ReinstateReport::default() };
    let mut live = match Archive::open(workspace) {
        Ok(live) => Some(live),
        Err(Error::NoArchive { .. }) => None,
        Err(error) => return Err(error),
    };
    apply(archive.driver(), workspace.now())?;
    archive.schema = LATEST_VERSION;
    let known = Known::gather(workspace, live.as_mut(), &mut archive)?;
    known.tell(&mut report);
    if report.lost_records > 0 && !options.allow_older {
        return Err(older(&report, options));
    }
    // Another file: nobody is at work on it.
    archive.take_over_maintenance(None, &options.actor)?;
    report.purged_again = purges::apply(&mut archive, &known)?;
    if options.dry_run {
        return Ok(report);
    }
    let folder = files::folder_of(output);
    let mut temp = TempFile::create_private(folder)?;
    begin_logs(&mut archive, &mut temp, output)?;
    record(workspace, &mut archive, options, None, &known, &mut report)?;
    drop(archive);
    copy_to(&mut file, &mut temp)?;
    temp.publish_new(output)?;
    files::sync_folder(folder)?;
    Ok(report)
}

fn older(report: &ReinstateReport, options: &ReinstateOptions) -> Error {
    let last = report.lost.last();
    let last = last.map_or(String::new(), |it| format!(", the last is {it}"));
    let count = report.lost_records;
    let records = if count == 1 { "record is" } else { "records are" };
    let why = format!("it is older than what this clone knows: {count} {records} not in it{last}");
    Error::refused(ACTION, options.file.clone(), Refusal::Older { why })
}

/// Begins a log behind each that the backup's archive wrote: whoever wrote on since then wrote the
/// same numbers.
fn begin_logs(archive: &mut Archive, temp: &mut TempFile, place: &Path) -> Result<()> {
    let inode = temp.file()?.metadata().map_err(Error::io("look at", place))?.ino();
    archive.home = format!("{inode} {}", place.display());
    let logs = archive.ledger().logs()?;
    let own = logs.into_iter().filter(|head| head.home.is_some()).map(|head| head.repo);
    let labels: std::collections::BTreeSet<String> = own.collect();
    labels.iter().try_for_each(|repo| archive.new_log(repo).map(|_| ()))
}

fn record(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &ReinstateOptions,
    aside: Option<&Path>,
    known: &Known,
    report: &mut ReinstateReport,
) -> Result<()> {
    let rolled_back = rollback::tell(archive, known)?;
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    let mut event = Event::new(Action::BackupRestore, options.actor.as_str());
    event.repo = (!label.is_empty()).then(|| label.clone());
    let mut detail = Map::new();
    let mut add = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
    add("backup", json!(options.file));
    add("made", json!(options.created_at));
    if let Some(sha256) = &options.sha256 {
        add("sha256", json!(sha256));
    }
    add("lost", json!(report.lost_records));
    if !rolled_back.is_empty() {
        add(rollback::ROLLED_BACK, json!(rolled_back));
    }
    let purged: Vec<&String> = report.purged_again.iter().map(|it| &it.sha256).take(100).collect();
    add("purged", json!(purged));
    if let Some(name) = aside.and_then(Path::file_name) {
        add(rollback::ASIDE, json!(name.to_string_lossy()));
    }
    if let Some(maintenance) = &report.maintenance {
        add(TAKEN_OVER, json!(maintenance));
    }
    if let Some(last) = journal::last_line(archive)? {
        add(journal::REPLACED, json!(last.to_string()));
    }
    event.detail = Some(detail);
    let mut events: Vec<_> = report.purged_again.iter().flat_map(|it| it.events(options)).collect();
    events.push((event, None));
    let deed = DeedId::random();
    let ((), records) = archive.journaled(&label, deed, |_| Ok(((), events.clone())))?;
    report.evidence = records[records.len() - 1].1.to_string();
    Ok(())
}

fn copy_to(file: &mut File, temp: &mut TempFile) -> Result<()> {
    file.rewind().map_err(Error::io("read", "backup"))?;
    temp.fill(|mut out| io::copy(file, &mut out).map(|_| ()))?;
    temp.sync()
}
