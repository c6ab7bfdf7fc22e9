//! A file that is written beside its target, and becomes it in one step or goes away.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::folder::{Folder, digest_of, failed};
use super::{Executable, TEMP_PREFIX};
use crate::error::{Error, Result};
use crate::model::{DeedId, Digest};

/// A file beside its target that becomes the target by [`TempFile::publish`], or goes away.
#[derive(Debug)]
pub struct TempFile {
    pub(super) folder: Arc<Folder>,
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// `None` once [`TempFile::close`] was called.
    pub(super) file: Option<File>,
    pub(super) is_published: bool,
}

impl TempFile {
    /// Creates an empty file in the folder `folder`, on the way to which links are followed.
    pub fn create(folder: &Path, executable: Executable) -> Result<Self> {
        Arc::new(Folder::at(folder)?).temp(executable)
    }

    /// The same for its owner alone.
    pub fn create_private(folder: &Path) -> Result<Self> {
        Arc::new(Folder::at(folder)?).private_temp("")
    }

    /// The folder that it is in.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The open file.
    pub fn file(&mut self) -> Result<&mut File> {
        let closed = || failed("open", &self.path)(Errno::BADF);
        self.file.as_mut().ok_or_else(closed)
    }

    /// Closes the file, of many that would be open at once otherwise.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes`; [`super::sync_all`] makes them durable.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file()?.write_all(bytes);
        written.map_err(Error::io("write", &self.path))
    }

    /// Writes what `fill` writes; [`super::sync_all`] makes it durable.
    pub fn fill(&mut self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let filled = fill(self.file()?);
        filled.map_err(Error::io("write", &self.path))
    }

    /// How many bytes the file has.
    pub fn size_bytes(&mut self) -> Result<u64> {
        let meta = self.file()?.metadata();
        meta.map(|meta| meta.len()).map_err(Error::io("look at", &self.path))
    }

    /// Takes the nameless `file` of the same file system in the place of its own, which is empty;
    /// `false`, and nothing done, where the system does not know how or would make another file of it.
    #[cfg(target_os = "linux")]
    pub fn adopt(&mut self, file: &File) -> Result<bool> {
        use std::os::fd::AsRawFd as _;
        let failed = |errno| failed("create", &self.path)(errno);
        let own = self.file.as_ref().ok_or(Errno::BADF).map_err(failed)?;
        let (ours, theirs) = (rustix::fs::fstat(own), rustix::fs::fstat(file));
        let (ours, theirs) = (ours.map_err(failed)?, theirs.map_err(failed)?);
        // What the folder gives to each new file must be given to this one: its group, its list of
        // access. The mode is that which the umask left.
        let is_like = (ours.st_dev, ours.st_uid, ours.st_gid)
            == (theirs.st_dev, theirs.st_uid, theirs.st_gid)
            && rustix::fs::fgetxattr(own, c"system.posix_acl_access", &mut [0_u8; 0]).is_err();
        let name = format!("{TEMP_PREFIX}{}", &DeedId::random().to_string()[..13]);
        let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (root, follow) = (rustix::fs::CWD, AtFlags::SYMLINK_FOLLOW);
        if !is_like
            || rustix::fs::fchmod(file, Mode::from_raw_mode(ours.st_mode & 0o777)).is_err()
            || rustix::fs::linkat(root, opened, &self.folder.fd, &name, follow).is_err()
        {
            return Ok(false);
        }
        let old = std::mem::replace(&mut self.name, name);
        self.path = self.folder.path.join(&self.name);
        self.file = Some(file.try_clone().map_err(Error::io("create", &self.path))?);
        self.folder.remove(OsStr::new(&old)).map(|()| true)
    }

    /// Other systems know no nameless files.
    #[cfg(not(target_os = "linux"))]
    pub fn adopt(&mut self, _file: &File) -> Result<bool> {
        Ok(false)
    }

    /// SHA-256 of what was written, read back.
    pub fn digest(&mut self) -> Result<Digest> {
        let file = self.file()?;
        let digest = file.rewind().and_then(|()| digest_of(file));
        digest.map_err(Error::io("read", &self.path))
    }

    /// Writes `bytes` and makes them durable.
    pub fn write_synced(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.file()?;
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        written.map_err(Error::io("write", &self.path))
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<()> {
        let synced = match &self.file {
            Some(file) => rustix::fs::fdatasync(file),
            None => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&self.folder.fd, &self.name, flags, Mode::empty())
                    .and_then(rustix::fs::fdatasync)
            }
        };
        synced.map_err(failed("sync", &self.path))
    }

    /// Asks the system to forget what it has in memory of the file, so that it is read from where it
    /// is; what does not know how keeps it.
    pub fn forget_cached(&self) {
        #[cfg(target_os = "linux")]
        if let Some(file) = &self.file {
            let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }

    /// Gives the file the last name of `target`, which is in the same folder, and replaces what is
    /// there. The folder is not synced.
    pub fn publish(mut self, target: &Path) -> Result<()> {
        let (fd, name) = (&self.folder.fd, target.file_name().unwrap_or_default());
        rustix::fs::renameat(fd, &self.name, fd, name).map_err(failed("rename to", target))?;
        self.is_published = true;
        Ok(())
    }

    /// The same unless something is there already.
    pub fn publish_new(mut self, target: &Path) -> Result<()> {
        let (fd, name) = (&self.folder.fd, target.file_name().unwrap_or_default());
        rename_new(fd, &self.name, name).map_err(failed("create", target))?;
        self.is_published = true;
        Ok(())
    }
}

/// Renames a file unless something has the name already: in one step where system and file system
/// know how.
fn rename_new(folder: &OwnedFd, from: &str, to: &OsStr) -> rustix::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            done => return done,
        }
    }
    rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
    rustix::fs::unlinkat(folder, from, AtFlags::empty())
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = self.folder.remove(OsStr::new(&self.name));
        }
    }
}
