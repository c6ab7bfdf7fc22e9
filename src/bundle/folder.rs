//! The folder of bundles: what stands in it, and who writes in it.
//!
//! Promises: below the work tree no link leads the way; one process writes at a time; what a killed
//! one left goes.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::archive::Workspace;
use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, Executable, Folder, Seen, There};
use crate::model::{escape_line, names_git_folder};

use super::lock::{self, Lock};
use super::name::{LOCK, SIGNATURE, TARBALL};
use super::sums::{self, SUMS, Sums};

/// A folder of bundles, for reading.
#[derive(Debug, Clone)]
pub(super) struct BundleFolder {
    path: PathBuf,
}

/// The same, while nobody else writes in it.
#[derive(Debug)]
pub(super) struct Writing {
    /// The folder.
    pub folder: Arc<Folder>,
    /// Held until the value goes.
    _lock: Option<File>,
}

/// What stands beside a lock, as far as a look tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tarball {
    /// None was made.
    None,
    /// It is there, with so many bytes.
    There(u64),
    /// The lock names one, and it is not there.
    Missing,
}

/// A lock in a folder.
#[derive(Debug)]
pub(super) struct Found {
    /// The lock's file name.
    pub file: String,
    /// The lock, or why it is none.
    pub lock: Result<Lock>,
}

impl BundleFolder {
    /// The folder `path`.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether there is such a folder.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Opens it for writing; makes it where it is missing.
    pub fn write(&self, workspace: &Workspace) -> Result<Writing> {
        let folder = match self.below(&workspace.top)? {
            Some(inner) => Folder::make_below("write", &workspace.top, inner)?,
            None => {
                files::create_folders(&self.path)?;
                Folder::at(&self.path)?
            }
        };
        let opened = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        let lock = match opened.try_lock() {
            Ok(()) => Some(opened),
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: self.path.clone() }),
            // A file system that locks no folders.
            Err(TryLockError::Error(_)) => None,
        };
        folder.remove_temps();
        Ok(Writing { folder: Arc::new(folder), _lock: lock })
    }

    /// Its way from `top`, if it is below that; git's own folder is refused.
    fn below(&self, top: &Path) -> Result<Option<&Path>> {
        let Ok(inner) = self.path.strip_prefix(top) else { return Ok(None) };
        let plain = inner.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || inner.as_os_str().is_empty() {
            return Ok(None);
        }
        if names_git_folder(inner.as_os_str().as_encoded_bytes()) {
            let object = escape_line(&inner.to_string_lossy());
            let why = "it is in git's own folder";
            return Err(Error::refused("write in", object, Refusal::Forbidden { why }));
        }
        Ok(Some(inner))
    }

    /// The locks in it, by name; nothing where there is no such folder.
    pub fn locks(&self) -> Result<Vec<Found>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &self.path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.path))?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if name.ends_with(LOCK) && !name.starts_with(files::TEMP_PREFIX) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names.into_iter().map(|file| Found { lock: self.lock(&file), file }).collect())
    }

    /// The lock in the file `name`.
    pub fn lock(&self, name: &str) -> Result<Lock> {
        let path = self.join(name);
        let text = read_small(&path, lock::MAX_BYTES)?
            .ok_or_else(|| Error::io("read", &path)(io::ErrorKind::NotFound.into()))?;
        let lock = Lock::parse(&path.display().to_string(), &text)?;
        if name != format!("{}{LOCK}", lock.stem()) {
            let why = format!("it is the lock of `{}`", lock.stem());
            return Err(Error::damaged("lock", path.display().to_string(), why));
        }
        Ok(lock)
    }

    /// The lock with this stem, if there is one.
    pub fn lock_of(&self, stem: &str) -> Result<Option<Lock>> {
        let name = format!("{stem}{LOCK}");
        match fs::symlink_metadata(self.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => self.lock(&name).map(Some),
        }
    }

    /// What stands beside a lock.
    pub fn tarball(&self, lock: &Lock) -> Tarball {
        let Some(name) = &lock.tarball else { return Tarball::None };
        match fs::symlink_metadata(self.join(name)) {
            Ok(meta) if meta.is_file() => Tarball::There(meta.len()),
            _ => Tarball::Missing,
        }
    }

    /// `SHA256SUMS`; no lines where there is none.
    pub fn sums(&self) -> Result<Sums> {
        let text = read_small(&self.join(SUMS), sums::MAX_BYTES)?;
        Ok(text.map_or_else(Sums::default, |text| Sums::parse(&text)))
    }

    /// The signature that a lock names.
    pub fn signature(&self, name: &str) -> Result<Option<String>> {
        let text = read_small(&self.join(name), 64 << 10)?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }
}

impl Writing {
    /// SHA-256 of the file `name`; `None` where there is none.
    pub fn digest(&self, name: &str) -> Result<Option<String>> {
        match self.folder.see(OsStr::new(name))? {
            There::Nothing => Ok(None),
            There::File(Seen { sha256, .. }) => Ok(Some(sha256.to_string())),
            There::Other(what) => {
                let object = self.folder.path().join(name).display().to_string();
                Err(Error::refused("write", object, Refusal::NotRegular { what }))
            }
        }
    }

    /// Replaces the file `name`.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.folder.write_atomic(OsStr::new(name), bytes, Executable::No)
    }

    /// Removes the file `name`, durably.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.folder.remove(OsStr::new(name))?;
        self.folder.sync()
    }
}

/// A regular file of at most `most` bytes; `None` where there is nothing.
fn read_small(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("look at", path)(error)),
    };
    let object = || path.display().to_string();
    if !meta.is_file() {
        let what = "a link, a folder or a special file";
        return Err(Error::refused("read", object(), Refusal::NotRegular { what }));
    }
    if meta.len() > most {
        return Err(Error::damaged("file", object(), format!("it has {} bytes", meta.len())));
    }
    fs::read(path).map(Some).map_err(Error::io("read", path))
}

/// The folder and the lock's file name that `path` means: a lock, or the tarball beside it.
pub(super) fn lock_at(workspace: &Workspace, path: &Path) -> Result<(BundleFolder, String)> {
    let path = workspace.cwd.join(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = [LOCK, SIGNATURE, TARBALL].iter().find_map(|end| name.strip_suffix(end));
    let Some(stem) = stem.filter(|stem| !stem.is_empty()) else {
        let why = format!("it is no `…{LOCK}`, and no `…{TARBALL}` beside one");
        return Err(Error::invalid("bundle", escape_line(&path.to_string_lossy()), why));
    };
    let folder = BundleFolder::at(files::folder_of(&path));
    let lock = format!("{stem}{LOCK}");
    if fs::symlink_metadata(folder.join(&lock)).is_err() {
        let object = folder.join(&lock).display().to_string();
        let why = "there is no such lock".to_owned();
        return Err(Error::NotFound { action: "read", object, why });
    }
    Ok((folder, lock))
}
