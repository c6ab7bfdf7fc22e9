//! `backup restore`: a backup comes back, checked before anything is replaced.
//!
//! Promises: nothing changes while anything of the backup is not what was put in; what stood there is
//! kept aside.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive::{
    ArchivePlace, Depth, HealthOptions, HealthReport, ReinstateOptions, ReinstateReport, Workspace,
    health, reinstate, write_archive,
};
use crate::backend::Access;
use crate::error::{Error, Result};
use crate::fs as files;
use crate::logging::About;
use crate::model::{Actor, RepoPath};
use crate::progress::Progress;

use super::container::{Contents, Taker};
use super::destination::{Checksum, digest_of, read_checksum};
use super::manifest::Manifest;
use super::name::Stamp;
use super::open::{ArchiveTaker, look_into, read};
use super::room;
use super::seal::Key;

/// Which backup, and where to.
#[derive(Debug, Clone)]
pub struct RestoreBackupOptions {
    /// Its file; `None`: standard input.
    pub file: Option<PathBuf>,
    /// Where its archive is written to as a file, or its data folder; `None`: where it was.
    pub output: Option<PathBuf>,
    /// Whether it may be older than what this clone knows.
    pub allow_older: bool,
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// Who does it.
    pub actor: Actor,
    /// What opens it.
    pub key: Key,
}

/// What was restored.
#[derive(Debug, Default, Serialize)]
pub struct RestoreBackupReport {
    /// The backup.
    pub file: String,
    /// When it was made.
    pub created_at: String,
    /// Its files.
    pub files: u64,
    /// What became of its archive.
    pub archive: Option<ReinstateReport>,
    /// Where its data folder was written to, of a backup without an archive.
    pub output: Option<String>,
    /// Where the folder is that stood there.
    pub kept_aside: Option<String>,
    /// Whether the archive is well now: `ok`, `warning` or `failed`; `null` where it was not asked.
    pub health: Option<String>,
    /// What is not well.
    pub health_failed: Vec<String>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// Restores a backup.
pub fn restore(
    workspace: &Workspace,
    options: &RestoreBackupOptions,
    progress: &dyn Progress,
) -> Result<RestoreBackupReport> {
    let log = workspace.use_case("BACKUP_RESTORE", Some(options.actor.as_str()));
    log.end(restore_one(workspace, options, progress), |report| {
        About::many(report.files as usize).if_done(!report.dry_run)
    })
}

fn restore_one(
    workspace: &Workspace,
    options: &RestoreBackupOptions,
    progress: &dyn Progress,
) -> Result<RestoreBackupReport> {
    let mut taker = Both::new(workspace, options);
    let (object, sha256, contents) = open(workspace, options, &mut taker)?;
    if let Some(first) = contents.faults.first() {
        return Err(Error::damaged("backup", object, first.clone()));
    }
    let manifest = &contents.manifest;
    let mut report = RestoreBackupReport {
        file: object.clone(),
        created_at: manifest.created_at.clone(),
        files: manifest.files.len() as u64,
        dry_run: options.dry_run,
        ..RestoreBackupReport::default()
    };
    let Some(entry) = &manifest.archive else {
        taker.publish(workspace, options, &mut report)?;
        return Ok(report);
    };
    let missing = || Error::damaged("backup", &*object, "its archive is missing");
    let scratch = taker.archive.finish().ok_or_else(missing)?;
    let depth = Depth::Sample;
    let seen = look_into(workspace, scratch, entry, Access::Write, depth, progress)?;
    if let Some(first) = seen.faults.first() {
        return Err(Error::damaged("backup", object, first.clone()));
    }
    let name = Path::new(&object).file_name().map(|it| it.to_string_lossy().into_owned());
    let how = ReinstateOptions {
        actor: options.actor.clone(),
        file: name.unwrap_or(object),
        sha256,
        created_at: manifest.created_at.clone(),
        allow_older: options.allow_older,
        dry_run: options.dry_run,
    };
    if let Some(output) = &options.output {
        let output = workspace.cwd.join(output);
        let written = write_archive(workspace, seen.archive, seen.file, &how, &output)?;
        report.archive = Some(written);
        return Ok(report);
    }
    report.archive = Some(reinstate(workspace, seen.archive, seen.file, &how)?);
    if !options.dry_run {
        // Its drills were recorded since it was made: that they are due is no fault of the restore.
        let options = HealthOptions { smoke: true, drills: false };
        judge(&health(workspace, options)?, &mut report);
    }
    Ok(report)
}

fn judge(health: &HealthReport, report: &mut RestoreBackupReport) {
    report.health = Some(format!("{:?}", health.status).to_lowercase());
    let failed = health.checks.iter().filter(|check| !check.ok);
    report.health_failed =
        failed.map(|check| format!("{}: {}", check.name, check.detail)).collect();
}

/// Reads the backup to its end.
fn open(
    workspace: &Workspace,
    options: &RestoreBackupOptions,
    taker: &mut Both,
) -> Result<(String, Option<String>, Contents)> {
    let key = &options.key;
    let Some(file) = &options.file else {
        let contents = read("-", std::io::stdin(), key, taker)?;
        return Ok(("-".to_owned(), None, contents));
    };
    let file = workspace.cwd.join(file);
    let object = file.display().to_string();
    let (sha256, _) = digest_of(&file)?;
    match read_checksum(&file)? {
        Checksum::Says(digest) if digest != sha256 => {
            let why = format!("its SHA-256 is {sha256}, and the file beside it says {digest}");
            return Err(Error::damaged("backup", object, why));
        }
        Checksum::Unreadable => {
            let why = "the file beside it is no checksum of it";
            return Err(Error::damaged("backup", object, why));
        }
        _ => {}
    }
    let source = File::open(&file).map_err(Error::io("read", &file))?;
    let contents = read(&object, source, key, taker)?;
    Ok((object, Some(sha256.to_string()), contents))
}

/// Takes an archive out of a backup that has one, and else every file.
struct Both {
    archive: ArchiveTaker,
    /// Where the folder is to stand; `None`: under its own name.
    target: Option<PathBuf>,
    top: PathBuf,
    /// Where it is unpacked meanwhile.
    unpacked: Option<files::TempFolder>,
    is_folder: bool,
    dry_run: bool,
    /// Where the archive will stand once it was taken out, if it will.
    place: Option<PathBuf>,
}

impl Both {
    fn new(workspace: &Workspace, options: &RestoreBackupOptions) -> Self {
        Self {
            archive: ArchiveTaker::new(&workspace.scratch_folder()),
            place: match (&options.output, workspace.archive_place()) {
                (Some(output), _) => Some(workspace.cwd.join(output)),
                (None, Ok(ArchivePlace::File(file))) => Some(file),
                (None, _) => None,
            },
            target: options.output.as_ref().map(|it| workspace.cwd.join(it)),
            top: workspace.top.clone(),
            unpacked: None,
            is_folder: false,
            dry_run: options.dry_run,
        }
    }

    /// Gives the folder its name, in place of what stands there.
    fn publish(
        self,
        workspace: &Workspace,
        options: &RestoreBackupOptions,
        report: &mut RestoreBackupReport,
    ) -> Result<()> {
        let Some(target) = self.target else { return Ok(()) };
        report.output = Some(target.display().to_string());
        if options.dry_run {
            return Ok(());
        }
        let Some(unpacked) = self.unpacked else { return Ok(()) };
        let stamp = Stamp::of(workspace.now());
        let mut aside = target.as_os_str().to_owned();
        aside.push(format!("-before-restore-{stamp}"));
        let aside = PathBuf::from(aside);
        if unpacked.replace(&target, &aside)? {
            report.kept_aside = Some(aside.display().to_string());
        }
        Ok(())
    }
}

impl Taker for Both {
    fn begin(&mut self, manifest: &Manifest) -> Result<()> {
        self.is_folder = manifest.archive.is_none();
        if self.is_folder {
            let target = self.target.clone().unwrap_or_else(|| self.top.join(&manifest.folder));
            if !self.dry_run {
                room::check(files::folder_of(&target), manifest.size_bytes())?;
                self.unpacked = Some(files::TempFolder::beside(&target)?);
            }
            self.target = Some(target);
        }
        self.archive.begin(manifest)?;
        match &self.place {
            // It is taken out, and then copied to where it belongs.
            Some(place) if !self.is_folder && !self.dry_run => {
                let bytes = manifest.archive_bytes();
                let (scratch, place) = (self.archive.scratch_folder(), files::folder_of(place));
                room::check_two((scratch, bytes), (place, bytes))
            }
            _ => Ok(()),
        }
    }

    fn folder(&mut self, path: &RepoPath) -> Result<()> {
        match &self.unpacked {
            Some(unpacked) => unpacked.make(path.as_path()),
            None => Ok(()),
        }
    }

    fn file(&mut self, path: &RepoPath, mode: u32, bytes: &mut dyn Read) -> Result<()> {
        match &self.unpacked {
            Some(unpacked) => unpacked.write(path.as_path(), mode, bytes),
            None => self.archive.file(path, mode, bytes),
        }
    }
}
