//! One drill, from the checksum to the record.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::archive::{
    Archive, Depth, GrowingFile, ReinstateOptions, Workspace, bring_up, recover_for_upkeep,
    restore_sample, smoke_test,
};
use crate::backend::Access;
use crate::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::fs as files;
use crate::model::DeedId;
use crate::progress::Progress;

use super::super::create::Source;
use super::super::destination::{Checksum, digest_of, read_checksum};
use super::super::manifest::{ArchiveEntry, Manifest};
use super::super::name::stem;
use super::super::open::{Seen as Opened, look_into, read};
use super::super::prune::pairs;
use super::checklist::{HEAD, section};
use super::staging::Staging;
use super::{DrillKind, DrillOptions, DrillReport, Seen};

/// What messages call the deed.
const ACTION: &str = "drill";

pub(super) fn drill_one(
    workspace: &Workspace,
    options: &DrillOptions,
    progress: &dyn Progress,
) -> Result<DrillReport> {
    let watch = Stopwatch::start();
    let file = chosen(workspace, options)?;
    // What it would be added to is looked at before anything is done.
    let checklist = options.checklist.as_deref();
    let checklist = checklist.map(|it| GrowingFile::at(ACTION, workspace, it)).transpose()?;
    let (sha256, _) = digest_of(&file)?;
    let mut report = DrillReport {
        ok: true,
        kind: options.kind,
        file: file.display().to_string(),
        sha256: sha256.to_string(),
        created_at: None,
        at: workspace.now().to_string(),
        checks: Vec::new(),
        checklist: None,
        evidence: String::new(),
    };
    report.add(
        "checksum",
        match read_checksum(&file)? {
            Checksum::Says(digest) if digest == sha256 => {
                Seen::Good("the file beside it agrees".to_owned())
            }
            Checksum::Says(_) => {
                Seen::Bad(vec!["it is not what the file beside it says".to_owned()])
            }
            Checksum::Unreadable => {
                Seen::Bad(vec!["the file beside it is no checksum of it".to_owned()])
            }
            Checksum::Absent => Seen::Bad(vec!["there is no file beside it".to_owned()]),
        },
    );
    let archive = try_out(workspace, options, &file, &mut report, progress)?;
    let lock = workspace.lock()?;
    report.evidence = record(workspace, options, &report, archive.as_deref(), &watch)?;
    if let Some(checklist) = checklist {
        let text = section(&report, options.actor.as_str());
        report.checklist = Some(checklist.append(HEAD, &text)?);
    }
    drop(lock);
    Ok(report)
}

/// The backup that is meant.
fn chosen(workspace: &Workspace, options: &DrillOptions) -> Result<PathBuf> {
    if let Some(file) = &options.file {
        return Ok(workspace.cwd.join(file));
    }
    let missing = Error::Missing { what: "the backup, or the destination (`--dest`)" };
    let dest = options.dest.as_deref().ok_or(missing)?;
    let name = stem(&Source::Own.name(workspace)?, options.suffix.as_ref());
    match pairs(dest, &name)?.pop() {
        Some(newest) => Ok(newest.path),
        None => {
            let why = format!("no backup `{name}` with its checksum is there");
            let object = dest.display().to_string();
            Err(Error::NotFound { action: "drill with the newest of", object, why })
        }
    }
}

/// Everything behind the checksum; the id of the backup's archive.
fn try_out(
    workspace: &Workspace,
    options: &DrillOptions,
    file: &Path,
    report: &mut DrillReport,
    progress: &dyn Progress,
) -> Result<Option<String>> {
    let mut staging = Staging::new(&workspace.scratch_folder(), options.kind)?;
    let source = File::open(file).map_err(Error::io("read", file))?;
    let contents = match read(&report.file, source, &options.key, &mut staging) {
        Ok(contents) => contents,
        Err(Error::Damaged { why, .. }) => {
            report.add("unpack", Seen::Bad(vec![why]));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let manifest = contents.manifest;
    report.created_at = Some(manifest.created_at.clone());
    let well = format!("{} files, {} bytes", manifest.files.len(), manifest.size_bytes());
    let is_whole = contents.faults.is_empty();
    report.add("unpack", Seen::of(contents.faults, well));
    if !is_whole {
        return Ok(None);
    }
    report.add("files", staging.read_again(&manifest, options.sample)?);
    let Some(entry) = &manifest.archive else { return Ok(None) };
    let opened = open(workspace, options, &mut staging, entry, report, progress)?;
    if let (Some(opened), DrillKind::Full) = (opened, options.kind) {
        work_with(workspace, options, &staging, (&manifest, opened), report)?;
    }
    Ok(Some(entry.id.clone()))
}

/// Opens the archive of the backup, and holds it against the manifest; `None` where it is not what was
/// put in.
fn open(
    workspace: &Workspace,
    options: &DrillOptions,
    staging: &mut Staging,
    entry: &ArchiveEntry,
    report: &mut DrillReport,
    progress: &dyn Progress,
) -> Result<Option<Opened>> {
    let Some(scratch) = staging.take_archive() else { return Ok(None) };
    let (access, depth) = match options.kind {
        DrillKind::Spot => (Access::Read, Depth::Sample),
        DrillKind::Full => (Access::Write, Depth::All),
    };
    match look_into(workspace, scratch, entry, access, depth, progress) {
        Ok(opened) if opened.faults.is_empty() => {
            let (counts, decoded) = (&entry.counts, opened.artifacts);
            let all = counts.artifacts;
            let (items, records) = (counts.items, counts.records);
            let well = format!(
                "schema {}, {items} items, {records} records in whole chains, {decoded} of {all} \
                 artifacts decoded",
                entry.schema
            );
            report.add("archive", Seen::Good(well));
            Ok(Some(opened))
        }
        Ok(opened) => {
            report.add("archive", Seen::Bad(opened.faults));
            Ok(None)
        }
        Err(error @ (Error::Damaged { .. } | Error::Backend { .. })) => {
            report.add("archive", Seen::Bad(vec![error.to_string()]));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Brings up a working archive from the backup, and works with it.
fn work_with(
    workspace: &Workspace,
    options: &DrillOptions,
    staging: &Staging,
    (manifest, opened): (&Manifest, Opened),
    report: &mut DrillReport,
) -> Result<()> {
    let name = Path::new(&report.file).file_name().unwrap_or_default();
    let how = ReinstateOptions {
        actor: options.actor.clone(),
        file: name.to_string_lossy().into_owned(),
        sha256: Some(report.sha256.clone()),
        created_at: manifest.created_at.clone(),
        // It takes nothing's place.
        allow_older: true,
        dry_run: false,
    };
    let place = staging.folder().join("archive.sqlite");
    let up = bring_up(workspace, opened.archive, opened.file, &how, &place)?;
    let (behind, purged) = (up.lost_records, up.purged_again.len());
    let well =
        format!("a new log begun, {purged} purges applied, {behind} records made since the backup");
    report.add("bring-up", Seen::Good(well));
    let failed = smoke_test(workspace, &place);
    let well = "stored, shown, restored and purged in it".to_owned();
    report.add("smoke", Seen::of(failed, well));
    let folder = staging.folder().join("restored");
    files::create_folders(&folder)?;
    let tried = restore_sample(workspace, &place, &folder, options.sample)?;
    let well = format!(
        "{} items restored, {} of them as git has them, {} withheld",
        tried.restored, tried.same_as_git, tried.withheld
    );
    report.add("restore", Seen::of(tried.faults, well));
    Ok(())
}

/// Records the drill; the digest of the record, or nothing where there is no archive for it.
fn record(
    workspace: &Workspace,
    options: &DrillOptions,
    report: &DrillReport,
    archive_id: Option<&str>,
    watch: &Stopwatch,
) -> Result<String> {
    if workspace.lacks_file()? {
        return Ok(String::new());
    }
    recover_for_upkeep(workspace)?;
    let mut archive = match Archive::open_for_upkeep(workspace) {
        Err(Error::NoArchive { .. }) => return Ok(String::new()),
        opened => opened?,
    };
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    let mut event = Event::new(Action::Drill, options.actor.as_str());
    event.repo = (!label.is_empty()).then(|| label.clone());
    event.duration_ms = workspace.config.measures().then(|| watch.elapsed_whole_ms());
    event.detail = Some(detail(report, archive_id));
    let deed = DeedId::random();
    let ((), records) =
        archive.journaled(&label, deed, |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(records[records.len() - 1].1.to_string())
}

fn detail(report: &DrillReport, archive_id: Option<&str>) -> Map<String, Value> {
    let mut detail = Map::new();
    let mut add = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
    let file = Path::new(&report.file).file_name().unwrap_or_default().to_string_lossy();
    add("backup", json!(file));
    add("sha256", json!(report.sha256));
    add("kind", json!(report.kind));
    // A record has no true or false.
    add("ok", json!(u64::from(report.ok)));
    add("checks", json!(report.checks.len()));
    let failed = report.checks.iter().filter(|check| !check.ok);
    add("failed", json!(failed.map(|check| check.name).collect::<Vec<_>>()));
    if let Some(made) = &report.created_at {
        add("made", json!(made));
    }
    if let Some(id) = archive_id {
        add("archive", json!(id));
    }
    detail
}
