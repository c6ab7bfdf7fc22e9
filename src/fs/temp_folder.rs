//! A folder beside its target that becomes the target, whole, or goes away.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Folder, TEMP_PREFIX, create_folders, folder_of, remove_tree, rename, sync_folder};
use crate::error::{Error, Result};

/// How many names are tried.
const ATTEMPTS: u32 = 100;

/// What their names begin with: not as those of temporary files, which go with the next changing
/// command, used or not.
fn prefix(tag: &str) -> String {
    format!(".codex-{tag}-")
}

/// A folder that is being filled.
#[derive(Debug)]
pub struct TempFolder {
    path: PathBuf,
    /// Keeps others from taking it for one that a killed process left.
    _lock: Option<File>,
}

impl TempFolder {
    /// An empty folder beside `target`, for its owner alone, in place of what a killed process left.
    pub fn beside(target: &Path) -> Result<Self> {
        let parent = folder_of(target);
        create_folders(parent)?;
        let mut name = OsString::from(TEMP_PREFIX);
        name.push(target.file_name().unwrap_or_default());
        let path = parent.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            remove_tree(&path)?;
        }
        let made = rustix::fs::mkdir(&path, rustix::fs::Mode::RWXU);
        made.map_err(|errno| Error::io("create", &path)(errno.into()))?;
        Ok(Self { path, _lock: None })
    }

    /// An empty folder in `parent`, for its owner alone, that no other process uses. Those with the
    /// same `tag` that killed processes left go.
    pub fn alone_in(parent: &Path, tag: &str) -> Result<Self> {
        create_folders(parent)?;
        Self::remove_left(parent, tag);
        let prefix = prefix(tag);
        for number in 1..=ATTEMPTS {
            let path = parent.join(format!("{prefix}{}-{number}", std::process::id()));
            match rustix::fs::mkdir(&path, rustix::fs::Mode::RWXU) {
                Err(rustix::io::Errno::EXIST) => continue,
                made => made.map_err(|errno| Error::io("create", &path)(errno.into()))?,
            }
            // Before it is locked somebody may take it for one that was left.
            let Ok(folder) = File::open(&path) else { continue };
            match folder.try_lock() {
                Ok(()) if path.is_dir() => return Ok(Self { path, _lock: Some(folder) }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => return Ok(Self { path, _lock: None }),
            }
        }
        let source = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(Error::io("create a folder in", parent)(source))
    }

    /// Removes those with this `tag` in `parent` that killed processes left.
    pub fn remove_left(parent: &Path, tag: &str) {
        let prefix = prefix(tag);
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                continue;
            }
            let Ok(left) = File::open(entry.path()) else { continue };
            // Where folders cannot be locked, nobody knows whether it is in use.
            if left.try_lock().is_ok() {
                // Others may be at it too; what cannot be removed stays.
                let _ = remove_tree(&entry.path());
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder `path` in it.
    pub fn make(&self, path: &Path) -> Result<()> {
        Folder::make_below("write", &self.path, path).map(|_| ())
    }

    /// Writes the file `path` in it, with these permissions, and makes it durable.
    pub fn write(&self, path: &Path, mode: u32, bytes: &mut dyn Read) -> Result<()> {
        let inner = path.parent().unwrap_or(Path::new(""));
        let folder = Arc::new(Folder::make_below("write", &self.path, inner)?);
        let mut temp = folder.private_temp("")?;
        temp.fill(|mut out| io::copy(bytes, &mut out).map(|_| ()))?;
        let permissions = fs::Permissions::from_mode(mode & 0o777);
        temp.file()?.set_permissions(permissions).map_err(Error::io("chmod", path))?;
        temp.sync()?;
        temp.publish_new(Path::new(path.file_name().unwrap_or_default()))?;
        folder.sync()
    }

    /// Gives it the name `target`; what stands there gets the name `aside`. Whether there was any.
    pub fn replace(self, target: &Path, aside: &Path) -> Result<bool> {
        let there = fs::symlink_metadata(target).is_ok();
        if !there {
            rename(&self.path, target)?;
        } else if exchange(&self.path, target) {
            // The target is the new folder by now, and this the old one.
            rename(&self.path, aside)?;
        } else {
            rename(target, aside)?;
            rename(&self.path, target)?;
        }
        sync_folder(folder_of(target))?;
        std::mem::forget(self);
        Ok(there)
    }
}

/// Exchanges two names in one step, where system and file system know how.
fn exchange(one: &Path, other: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (one, other);
        false
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = remove_tree(&self.path);
    }
}
