//! A smoke test: store, show, restore and purge where the archive is, of content that is made up.
//!
//! Promises: nothing of it stays, no record either. On a server it is one transaction that is
//! rolled back; beside an embedded archive it is a scratch file, which a test that was killed
//! leaves and the next one removes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::{
    Access, Catalog, Driver, LATEST_VERSION, NewBatch, NewItem, Sqlite, apply, connect,
    schema_version,
};
use crate::blob::{self, Encoded, Encoder};
use crate::error::{Error, Result};
use crate::fs as files;
use crate::git::sha1_blob;
use crate::model::{DeedId, Digest, FileMode, ItemKind, Reason, RepoLabel, RepoPath, TombstoneId};

use super::Workspace;
use super::health::{HealthReport, Seen};
use super::stored::frame_of;
use super::workspace::ArchivePlace;

/// The label of what a smoke test archives.
const LABEL: &str = "codex-archive smoke test";

/// What is behind the archive's name in that of a scratch file.
const SCRATCH: &str = "-smoke-";

/// Bytes of content: more than one block of the compressor, and nothing that it could shorten.
const CONTENT_BYTES: usize = 256 << 10;

/// How long to wait for another smoke test at the same place.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the test where the archive of `workspace` is; each step is a check of `report`.
pub(super) fn smoke(workspace: &Workspace, report: &mut HealthReport) {
    match workspace.archive_place() {
        Ok(ArchivePlace::Server(url)) => {
            let mut driver = None;
            report.check("smoke-connect", || {
                let mut opened = connect(&url, Access::Write, workspace.patience)?;
                let found = schema_version(opened.as_mut())?;
                if found != LATEST_VERSION {
                    let place = url.to_string();
                    return Err(Error::OlderSchema { place, found, known: LATEST_VERSION });
                }
                opened.begin()?;
                driver = Some(opened);
                Ok(Seen::Fine("may write".to_owned()))
            });
            if let Some(mut driver) = driver {
                within(workspace, driver.as_mut(), report);
            }
        }
        Ok(ArchivePlace::File(file)) => beside(workspace, &file, report),
        Err(error) => report.add("smoke-connect", Seen::Bad(error.to_string())),
    }
}

fn within(workspace: &Workspace, driver: &mut dyn Driver, report: &mut HealthReport) {
    let Some(probe) = probe(report) else { return };
    let stored = probe.store(workspace, driver, report);
    if let Some(item) = stored {
        probe.show(driver, report);
        probe.restore(driver, report);
        probe.purge(driver, item, report);
    }
    driver.rollback();
    report.check("smoke-clean", || {
        probe.is_absent(driver).map(|()| Seen::Fine("rolled back, nothing stays".to_owned()))
    });
}

/// The same within the archive `file`, in a transaction that is rolled back.
pub(super) fn smoke_in(workspace: &Workspace, file: &Path, report: &mut HealthReport) {
    let mut driver = None;
    report.check("smoke-connect", || {
        let mut opened = Sqlite::open(file, Access::Write)?;
        opened.begin()?;
        driver = Some(opened);
        Ok(Seen::Fine("may write".to_owned()))
    });
    if let Some(mut driver) = driver {
        within(workspace, &mut driver, report);
    }
}

/// The same in a file of its own in the archive's folder, where space and rights are the archive's.
fn beside(workspace: &Workspace, archive: &Path, report: &mut HealthReport) {
    let mut scratch = None;
    report.check("smoke-connect", || {
        let made = Scratch::make(archive)?;
        let mut driver = Sqlite::open(&made.file, Access::Create)?;
        apply(&mut driver, workspace.now())?;
        driver.begin()?;
        scratch = Some((made, driver));
        Ok(Seen::Fine("a scratch file beside the archive".to_owned()))
    });
    let Some((made, mut driver)) = scratch else { return };
    let probe = probe(report);
    if let Some(probe) = &probe
        && let Some(item) = probe.store(workspace, &mut driver, report)
        && report
            .check("smoke-commit", || driver.commit().map(|()| Seen::Fine("durable".to_owned())))
    {
        probe.show(&mut driver, report);
        probe.restore(&mut driver, report);
        probe.purge(&mut driver, item, report);
    }
    drop(driver);
    report.check("smoke-clean", || {
        made.remove().map(|()| Seen::Fine("the scratch file is gone".to_owned()))
    });
}

/// A scratch archive; its folder is locked against other smoke tests.
struct Scratch {
    file: PathBuf,
    archive: PathBuf,
    _lock: Option<File>,
}

impl Scratch {
    fn make(archive: &Path) -> Result<Self> {
        let folder = files::folder_of(archive);
        let lock = lock(folder)?;
        let this = Self {
            file: beside_name(archive, &format!("{SCRATCH}{}", DeedId::random())),
            archive: archive.to_path_buf(),
            _lock: lock,
        };
        this.remove()?;
        Ok(this)
    }

    /// Removes the scratch file, what SQLite keeps beside it, and those of tests that were killed.
    fn remove(&self) -> Result<()> {
        let folder = files::folder_of(&self.archive);
        let prefix = beside_name(&self.archive, SCRATCH);
        let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
        let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
        for entry in entries {
            let entry = entry.map_err(Error::io("read", folder))?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix) {
                files::remove_file(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    /// Also after a failure; what cannot be removed was told by then.
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

fn beside_name(archive: &Path, suffix: &str) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// One smoke test at a time in a folder, so that none takes another's file for a dead one's. `None`
/// where the file system locks no folders.
fn lock(folder: &Path) -> Result<Option<File>> {
    let file = File::open(folder).map_err(Error::io("open", folder))?;
    let pause = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::Error(_)) => return Ok(None),
            Err(fs::TryLockError::WouldBlock) if waited < PATIENCE => {
                std::thread::sleep(pause);
                waited += pause;
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: folder.to_path_buf() });
            }
        }
    }
}

/// Content that no archive has, and what it is called.
struct Probe {
    content: Vec<u8>,
    encoded: Encoded,
    label: RepoLabel,
    path: RepoPath,
    id: TombstoneId,
}

fn probe(report: &mut HealthReport) -> Option<Probe> {
    match Probe::new() {
        Ok(probe) => Some(probe),
        Err(error) => {
            report.add("smoke-store", Seen::Bad(error.to_string()));
            None
        }
    }
}

impl Probe {
    fn new() -> Result<Self> {
        let name = DeedId::random();
        let mut content = Vec::with_capacity(CONTENT_BYTES);
        let mut block = Digest::of(name.as_bytes());
        while content.len() < CONTENT_BYTES {
            content.extend_from_slice(block.as_bytes());
            block = Digest::of(block.as_bytes());
        }
        let encoded = Encoder::new()?.encode(&content)?;
        let label = RepoLabel::new(LABEL)?;
        let path = RepoPath::new(format!("smoke/{name}").as_bytes())?;
        let id = TombstoneId::derive(&label, &path, &encoded.sha256);
        Ok(Self { content, encoded, label, path, id })
    }

    /// Writes artifact and item; the item's row.
    fn store(
        &self,
        workspace: &Workspace,
        driver: &mut dyn Driver,
        report: &mut HealthReport,
    ) -> Option<i64> {
        let mut row = None;
        report.check("smoke-store", || {
            row = Some(self.insert(driver, &workspace.now().to_string())?);
            Ok(Seen::Fine(format!("{} bytes", self.content.len())))
        });
        row
    }

    fn insert(&self, driver: &mut dyn Driver, at: &str) -> Result<i64> {
        let Encoded { sha256, size_bytes, frame, frame_sha256 } = &self.encoded;
        let mut catalog = Catalog::new(driver);
        let artifact_id = catalog.add_artifact(sha256, *size_bytes, frame, frame_sha256, at)?;
        let batch = NewBatch {
            deed: DeedId::random(),
            repo: self.label.as_str(),
            commit: "smoke",
            actor: "git-codex-archive",
            reason: Reason::Dead,
            at,
        };
        let batch_id = catalog.add_batch(&batch)?;
        catalog.put_item(&NewItem {
            tombstone: self.id,
            batch_id,
            artifact_id,
            path: &self.path,
            git_blob: sha1_blob(&self.content),
            mode: FileMode::Regular,
            kind: ItemKind::Asset,
            language: None,
            restricted: false,
            delete_after: None,
        })
    }

    fn show(&self, driver: &mut dyn Driver, report: &mut HealthReport) {
        report.check("smoke-show", || {
            let Some(item) = Catalog::new(driver).item(&self.id, false)? else {
                return Ok(Seen::Bad("the item that was stored is not found".to_owned()));
            };
            let same = item.path == self.path && item.sha256 == self.encoded.sha256;
            Ok(if same {
                Seen::Fine("the item is found".to_owned())
            } else {
                Seen::Bad("the item is not what was stored".to_owned())
            })
        });
    }

    fn restore(&self, driver: &mut dyn Driver, report: &mut HealthReport) {
        report.check("smoke-restore", || {
            let mut catalog = Catalog::new(driver);
            let row = catalog.artifact(&self.encoded.sha256)?;
            let Encoded { sha256, size_bytes, frame_sha256, .. } = &self.encoded;
            let frame = row.map(|row| frame_of(&mut catalog, row, sha256)).transpose()?.flatten();
            let Some(frame) = frame else {
                return Ok(Seen::Bad("the bytes that were stored are not found".to_owned()));
            };
            let back = blob::decode(&frame, *size_bytes, sha256)?;
            let same = back == self.content && Digest::of(frame.own()) == *frame_sha256;
            Ok(if same {
                Seen::Fine("the same bytes, decoded and hashed".to_owned())
            } else {
                Seen::Bad("other bytes came back".to_owned())
            })
        });
    }

    fn purge(&self, driver: &mut dyn Driver, item: i64, report: &mut HealthReport) {
        report.check("smoke-purge", || {
            Catalog::new(driver).remove_scratch(item)?;
            self.is_absent(driver).map(|()| Seen::Fine("the bytes are gone".to_owned()))
        });
    }

    fn is_absent(&self, driver: &mut dyn Driver) -> Result<()> {
        let mut catalog = Catalog::new(driver);
        let left = catalog.item(&self.id, true)?.is_some();
        if left || catalog.artifact(&self.encoded.sha256)?.is_some() {
            let why = "what a smoke test stored is still there";
            return Err(Error::damaged("item", self.id.to_string(), why));
        }
        Ok(())
    }
}
