//! `backup create`: a data folder goes to a destination, is read back, opened and checked.
//!
//! Promises: a file that has a backup's name is a whole backup; its digest was taken before it was
//! copied; nothing older goes before the new one was opened.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::archive::{Archive, Depth, Workspace, recover_for_upkeep};
use crate::backend::Access;
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::fs::{self as files, Folder, Spool, TEMP_PREFIX, TempFile};
use crate::logging::About;
use crate::model::{Actor, DeedId, Digest, Digester, escape_line};
use crate::progress::Progress;

use super::gather::{self, Data, LeftOut};
use super::manifest::Manifest;
use super::name::{BackupName, Stamp, Suffix, stem};
use super::open::{ArchiveTaker, look_into, read};
use super::seal::{Key, Sealing, seal};
use super::{container, destination, mount, prune, room};

/// What to back up, and how.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// Data folders; none: this repository's own data.
    pub sources: Vec<PathBuf>,
    /// Where to.
    pub dest: PathBuf,
    /// What stands behind the name.
    pub suffix: Option<Suffix>,
    /// How many are kept; `None`: all.
    pub keep: Option<usize>,
    /// Whether the destination must be the mount that it was.
    pub mount_check: bool,
    /// How it is encrypted.
    pub sealing: Sealing,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Who does it; a record of this repository's own data needs one.
    pub actor: Option<Actor>,
}

/// A backup that was made, or would be.
#[derive(Debug, Serialize)]
pub struct Created {
    /// Its file.
    pub file: String,
    /// SHA-256 of the file; empty where it was not written.
    pub sha256: String,
    /// Bytes of the file; 0 where it was not written.
    pub size_bytes: u64,
    /// The data folder.
    pub source: String,
    /// How many files are in it.
    pub files: u64,
    /// Bytes of those.
    pub data_bytes: u64,
    /// Items of its archive.
    pub items: Option<u64>,
    /// Records of its archive.
    pub records: Option<u64>,
    /// The logical root of its archive.
    pub root: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// What is in the folder and not in the backup.
    pub left_out: Vec<LeftOut>,
    /// Files that changed again and again while they were read.
    pub unsettled: Vec<String>,
    /// Older backups that were removed, or would be.
    pub pruned: Vec<String>,
    /// Digest of the record; empty where there is none.
    pub evidence: String,
}

/// What was backed up.
#[derive(Debug, Serialize)]
pub struct CreateReport {
    /// The backups, one a data folder.
    pub items: Vec<Created>,
    /// Whether nothing was written.
    pub dry_run: bool,
}

/// Backs up what `options` say.
pub fn create(
    workspace: &Workspace,
    options: &CreateOptions,
    progress: &dyn Progress,
) -> Result<CreateReport> {
    let log = workspace.use_case("BACKUP", options.actor.as_ref().map(Actor::as_str));
    let done = create_all(workspace, options, progress);
    log.end(done, |report| About::many(report.items.len()).if_done(!report.dry_run))
}

fn create_all(
    workspace: &Workspace,
    options: &CreateOptions,
    progress: &dyn Progress,
) -> Result<CreateReport> {
    if options.mount_check {
        let note = if options.dry_run { mount::Note::Nothing } else { mount::Note::New };
        mount::check(workspace, &options.dest, note)?;
    }
    let sources = Source::all(workspace, &options.sources)?;
    let mut items = Vec::with_capacity(sources.len());
    for source in &sources {
        items.push(create_one(workspace, source, options, progress)?);
    }
    Ok(CreateReport { items, dry_run: options.dry_run })
}

/// A data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// This repository's own: `.codex`, the archive and the journal.
    Own,
    /// Any other folder.
    Folder(PathBuf),
}

impl Source {
    /// The folders that were named; none: the own one.
    pub fn all(workspace: &Workspace, named: &[PathBuf]) -> Result<Vec<Self>> {
        if named.is_empty() {
            return Ok(vec![Self::Own]);
        }
        let own = workspace.top.join(".codex");
        let source = |path: &PathBuf| {
            let path = workspace.cwd.join(path);
            let real = path.canonicalize().map_err(Error::io("read", &path))?;
            Ok(if real == own { Self::Own } else { Self::Folder(real) })
        };
        named.iter().map(source).collect()
    }

    /// What its backups are called, without a suffix.
    pub fn name(&self, workspace: &Workspace) -> Result<String> {
        match self {
            Self::Own => {
                let id = Archive::open(workspace)?.catalog().meta("archive")?.unwrap_or_default();
                Ok(gather::own_name(&id))
            }
            Self::Folder(path) => Ok(gather::folder_name(path)),
        }
    }

    fn path(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Own => workspace.top.join(".codex"),
            Self::Folder(path) => path.clone(),
        }
    }

    /// One backup of a folder at a time. `None` where the file system locks no folders, or there is
    /// none.
    fn lock(&self, workspace: &Workspace) -> Result<Option<File>> {
        let path = self.path(workspace);
        let Ok(folder) = File::open(&path) else { return Ok(None) };
        match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path }),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

fn create_one(
    workspace: &Workspace,
    source: &Source,
    options: &CreateOptions,
    progress: &dyn Progress,
) -> Result<Created> {
    let from = source.path(workspace);
    check_apart(&from, &options.dest)?;
    let lock = source.lock(workspace)?;
    let scratch = workspace.scratch_folder();
    let spool = Spool::only_in(scratch.clone());
    if *source == Source::Own && !options.dry_run {
        let _lock = workspace.lock()?;
        recover_for_upkeep(workspace)?;
    }
    let name = stem(&source.name(workspace)?, options.suffix.as_ref());
    let target = Target::choose(workspace, &options.dest, name, options.sealing.is_sealed());
    let data = match source {
        Source::Own => gather::own(workspace, &scratch, &spool, progress)?,
        Source::Folder(path) => gather::folder(path, &scratch, &spool)?,
    };
    let mut report = report_of(&data, &from, &target);
    if options.dry_run {
        if let Some(keep) = options.keep {
            // The new one would be among those that stay.
            report.pruned = prune::superfluous(&options.dest, &target.name.stem, keep - 1)?
                .iter()
                .map(|found| found.path.display().to_string())
                .collect();
        }
        return Ok(report);
    }
    let sha256 = write_out(workspace, &data, &target, options, &mut report, progress)?;
    drop(data);
    report.sha256 = sha256.to_string();
    if *source == Source::Own {
        report.evidence = record(workspace, options, &report)?;
    }
    if let Some(keep) = options.keep {
        report.pruned = prune::remove_superfluous(&options.dest, &target.name.stem, keep)?;
    }
    drop(lock);
    Ok(report)
}

/// A backup in its own source would be in the next one too.
fn check_apart(source: &Path, dest: &Path) -> Result<()> {
    let there = dest.ancestors().find_map(|it| it.canonicalize().ok());
    let real = source.canonicalize();
    match (there, real) {
        (Some(there), Ok(source)) if there.starts_with(&source) => {
            let why = "it is in the folder that is backed up";
            Err(Error::invalid("destination", escape_line(&dest.to_string_lossy()), why))
        }
        _ => Ok(()),
    }
}

/// Where a backup goes.
#[derive(Debug)]
struct Target {
    name: BackupName,
    created_at: String,
    path: PathBuf,
}

impl Target {
    /// The next second of which there is no backup yet.
    fn choose(workspace: &Workspace, dest: &Path, stem: String, is_sealed: bool) -> Self {
        loop {
            let now = workspace.now();
            let name = BackupName { stem: stem.clone(), stamp: Stamp::of(now), is_sealed };
            let path = dest.join(name.folder()).join(name.to_string());
            if fs::symlink_metadata(&path).is_err() {
                return Self { name, created_at: now.to_string(), path };
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

fn report_of(data: &Data, from: &Path, target: &Target) -> Created {
    let counts = data.archive.as_ref().map(|archive| &archive.counts);
    Created {
        file: target.path.display().to_string(),
        sha256: String::new(),
        size_bytes: 0,
        source: from.display().to_string(),
        files: data.files.len() as u64,
        data_bytes: data.size_bytes(),
        items: counts.map(|it| it.items),
        records: counts.map(|it| it.records),
        root: counts.map(|it| it.root.clone()),
        encrypted: target.name.is_sealed,
        left_out: data.left_out.clone(),
        unsettled: data.unsettled.clone(),
        pruned: Vec::new(),
        evidence: String::new(),
    }
}

/// Writes the container, reads it back, opens it, and gives it its name.
fn write_out(
    workspace: &Workspace,
    data: &Data,
    target: &Target,
    options: &CreateOptions,
    report: &mut Created,
    progress: &dyn Progress,
) -> Result<Digest> {
    let scratch = workspace.scratch_folder();
    let entries = data.files.iter().map(|file| file.entry.clone()).collect();
    let created_at = target.created_at.clone();
    let manifest = Manifest::new(created_at, data.folder.clone(), entries, data.archive.clone());
    let mut plain = files::nameless_file_in(&scratch)?;
    container::write(data, &manifest, &mut plain)?;
    let dest = &options.dest;
    files::create_folders(dest)?;
    let needed = plain.metadata().map_err(Error::io("read", "backup"))?.len();
    // Encryption and the checksum add little.
    room::check(dest, needed + needed / 64)?;
    remove_litter(dest, &target.name.stem)?;
    let folder = Arc::new(Folder::make_below("write", dest, &target.name.folder())?);
    let tag = litter_tag(&target.name.stem);
    let mut temp = folder.private_temp(&tag)?;
    let (key, sha256, size_bytes) = copy_out(&mut plain, &mut temp, target, &options.sealing)?;
    drop(plain);
    temp.sync()?;
    temp.forget_cached();
    read_back(workspace, &temp, &key, (sha256, size_bytes), &manifest, progress)?;
    destination::write_checksum(&folder, &tag, &target.path, &sha256)?;
    temp.publish_new(&target.path)?;
    folder.sync()?;
    report.size_bytes = size_bytes;
    Ok(sha256)
}

/// What behind the prefix of temporary files tells whose they are; no name has a plus in it.
fn litter_tag(stem: &str) -> String {
    format!("{stem}+")
}

/// Removes what killed backups of this name left; there is no other one at work.
fn remove_litter(dest: &Path, stem: &str) -> Result<()> {
    let prefix = format!("{TEMP_PREFIX}{}", litter_tag(stem));
    for day in destination::day_folders(dest)? {
        for (name, path) in destination::names_in(&day)? {
            if name.starts_with(&prefix) {
                files::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

/// Copies the container to its destination, encrypted where it is to be: the digest is of what was
/// written, not of what came to stand there.
fn copy_out(
    plain: &mut File,
    temp: &mut TempFile,
    target: &Target,
    sealing: &Sealing,
) -> Result<(Key, Digest, u64)> {
    let object = target.path.display().to_string();
    let mut out = Hashing { out: io::BufWriter::new(temp.file()?), digester: Digester::default() };
    let key = if sealing.is_sealed() {
        seal(&object, plain, &mut out, sealing)?
    } else {
        io::copy(plain, &mut out).map_err(Error::io("write", &target.path))?;
        Key::None
    };
    out.flush().map_err(Error::io("write", &target.path))?;
    let (sha256, size_bytes) = out.digester.finish();
    Ok((key, sha256, size_bytes))
}

/// Hashes what is written.
struct Hashing<W> {
    out: W,
    digester: Digester,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.digester.write_all(&bytes[..len])?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads what stands at the destination: its digest, and everything in it.
fn read_back(
    workspace: &Workspace,
    temp: &TempFile,
    key: &Key,
    written: (Digest, u64),
    manifest: &Manifest,
    progress: &dyn Progress,
) -> Result<()> {
    let object = temp.path().display().to_string();
    let wrong = |why: String| Error::damaged("backup", &*object, why);
    if destination::digest_of(temp.path())? != written {
        return Err(wrong("what stands at the destination is not what was written".to_owned()));
    }
    let source = File::open(temp.path()).map_err(Error::io("read", temp.path()))?;
    let mut taker = ArchiveTaker::new(&workspace.scratch_folder());
    let contents = read(&object, source, key, &mut taker)?;
    let mut faults = contents.faults;
    if contents.manifest != *manifest {
        faults.push("its manifest is not the one that was written".to_owned());
    }
    if let (Some(scratch), Some(entry)) = (taker.finish(), &manifest.archive) {
        let depth = Depth::Sample;
        let seen = look_into(workspace, scratch, entry, Access::Read, depth, progress)?;
        faults.extend(seen.faults);
    }
    match faults.into_iter().next() {
        Some(first) => Err(wrong(first)),
        None => Ok(()),
    }
}

/// Records the backup; the digest of the record.
fn record(workspace: &Workspace, options: &CreateOptions, report: &Created) -> Result<String> {
    let actor = options.actor.as_ref().ok_or(Error::Missing { what: "the actor (`--by`)" })?;
    let _lock = workspace.lock()?;
    recover_for_upkeep(workspace)?;
    let mut archive = Archive::open_for_upkeep(workspace)?;
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    let mut event = Event::new(Action::Backup, actor.as_str());
    event.repo = (!label.is_empty()).then(|| label.clone());
    let mut detail = Map::new();
    let mut add = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
    let file = Path::new(&report.file).file_name().unwrap_or_default().to_string_lossy();
    add("backup", json!(file));
    add("sha256", json!(report.sha256));
    add("size", json!(report.size_bytes));
    add("items", json!(report.items));
    add("root", json!(report.root));
    if report.encrypted {
        // A record has no true or false.
        add("encrypted", json!(1));
    }
    event.detail = Some(detail);
    let deed = DeedId::random();
    let ((), records) =
        archive.journaled(&label, deed, |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(records[records.len() - 1].1.to_string())
}
