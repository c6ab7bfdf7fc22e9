//! The only file writes of this program: atomic, synced, and never through a symbolic link.
//!
//! In a work tree, where anybody may swap a folder for a link at any moment, files are written in
//! folders that [`Folder`] opened.

mod folder;
mod folders;
mod spool;
mod stamp;
mod temp_file;
mod temp_folder;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Refusal, Result};

pub use folder::{Folder, Seen, There, remove_empty_below};
pub use folders::Folders;
pub use spool::{Part, Spool, nameless_file_in, nameless_file_with};
pub use stamp::Stamp;
pub use temp_file::TempFile;
pub use temp_folder::TempFolder;

/// Whether a created file is executable; the umask decides the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executable {
    /// 0666 less the umask.
    No,
    /// 0777 less the umask.
    Yes,
}

/// What the names of our temporary files begin with.
pub const TEMP_PREFIX: &str = ".codex-tmp-";

/// So many folders may be open at once without a look at how many may.
pub const FEW_FOLDERS: usize = 32;

/// From so many files on, one sync of the whole file system is cheaper than one for each.
pub const MANY_FILES: usize = 64;

/// Makes what was written to all of `temps` durable.
pub fn sync_all<'a>(temps: impl Iterator<Item = &'a TempFile>) -> Result<()> {
    sync_many(temps, |temp| temp.folder(), |temp| temp.sync())
}

/// Makes the names in all of `folders` durable.
pub fn sync_folders<'a>(folders: impl Iterator<Item = &'a Folder>) -> Result<()> {
    sync_many(folders, |folder| folder, |folder| folder.sync())
}

/// Syncs each of `all`, or the file system that they are on, where they are many.
fn sync_many<T: Copy>(
    all: impl Iterator<Item = T>,
    folder_of: impl Fn(&T) -> &Folder,
    sync: impl Fn(&T) -> Result<()>,
) -> Result<()> {
    let mut by_device: BTreeMap<u64, Vec<T>> = BTreeMap::new();
    for one in all {
        by_device.entry(folder_of(&one).device()?).or_default().push(one);
    }
    by_device.values().try_for_each(|all| match all.first() {
        // Other systems have no such call.
        #[cfg(target_os = "linux")]
        Some(first) if all.len() >= MANY_FILES => folder_of(first).sync_file_system(),
        _ => all.iter().try_for_each(&sync),
    })
}

/// Makes what was written to all of `temps` durable, and the names of the folders that [`Folders`] made
/// for them.
pub fn sync_new<'a>(temps: impl Iterator<Item = &'a TempFile>) -> Result<()> {
    let mut by_device: BTreeMap<u64, Vec<&TempFile>> = BTreeMap::new();
    for temp in temps {
        by_device.entry(temp.folder().device()?).or_default().push(temp);
    }
    by_device.values().try_for_each(|temps| sync_file_system(temps[0], temps))
}

#[cfg(target_os = "linux")]
fn sync_file_system(first: &TempFile, _all: &[&TempFile]) -> Result<()> {
    first.folder().sync_file_system()
}

/// Other systems have no such call.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_first: &TempFile, all: &[&TempFile]) -> Result<()> {
    all.iter().try_for_each(|temp| temp.sync())
}

/// Replaces `target` by `bytes`: a temporary file in the same folder, synced, renamed, and the
/// folder synced. After a crash the old or the new content is there, never a part.
pub fn write_atomic(target: &Path, bytes: &[u8], executable: Executable) -> Result<()> {
    let folder = folder_of(target);
    let mut temp = TempFile::create(folder, executable)?;
    temp.write_synced(bytes)?;
    temp.publish(target)?;
    sync_folder(folder)
}

/// Appends `bytes` to `path` in one write and makes them durable; creates the file.
pub fn append_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let existed = path.exists();
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(NO_FOLLOW)
        .open(path)
        .map_err(Error::io("open", path))?;
    file.write_all(bytes).and_then(|()| file.sync_data()).map_err(Error::io("append to", path))?;
    if existed { Ok(()) } else { sync_folder(folder_of(path)) }
}

/// Opens a log for adding lines that other processes add to as well; makes it for its owner alone
/// where it is missing. A link, or anything but a regular file, is refused.
pub fn open_log(path: &Path) -> Result<File> {
    let not_blocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        // Nobody may be reading where a FIFO stands.
        .custom_flags(NO_FOLLOW | not_blocking)
        .open(path)
        .map_err(Error::io("open", path))?;
    if file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(file);
    }
    let what = "a special file";
    Err(Error::refused("write", path.display().to_string(), Refusal::NotRegular { what }))
}

/// Opens a lock file for locking; makes it where it is missing.
pub fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(NO_FOLLOW)
        .open(path)
        .map_err(Error::io("open", path))
}

/// Cuts `path` to its first `len` bytes and makes that durable.
pub fn truncate_synced(path: &Path, len: u64) -> Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(NO_FOLLOW).open(path);
    file.and_then(|file| file.set_len(len).and_then(|()| file.sync_data()))
        .map_err(Error::io("truncate", path))
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io("sync", folder))
}

/// Fails unless files can be made in `folder`; one that is missing is fine.
pub fn check_writable(folder: &Path) -> Result<()> {
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
        Err(errno) if errno != rustix::io::Errno::NOENT => {
            Err(Error::io("write in", folder)(errno.into()))
        }
        _ => Ok(()),
    }
}

/// Creates `folder` and its parents, and makes the names of those that were missing durable: a file
/// in a folder that a power cut takes away would go with it.
pub fn create_folders(folder: &Path) -> Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|it| !it.as_os_str().is_empty() && fs::symlink_metadata(it).is_err())
        .collect();
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    missing.iter().rev().try_for_each(|it| sync_folder(folder_of(it)))
}

/// Removes a file; one that is gone already is fine.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// A file system, and the room on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Tells it from others.
    pub id: u64,
    /// Bytes that we may still write.
    pub free_bytes: u64,
}

/// The file system that `folder` lies on; `None` where the system does not tell.
pub fn disk_of(folder: &Path) -> Option<Disk> {
    let room = rustix::fs::statvfs(folder).ok()?;
    let id = fs::metadata(folder).ok()?.dev();
    Some(Disk { id, free_bytes: room.f_bavail.saturating_mul(room.f_frsize) })
}

/// How many files and folders this process may have open, after asking for as many as it may ask for.
pub fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(MOST_DESCRIPTORS);
    let mut now = limit.current.unwrap_or(u64::MAX);
    if now < most && setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }).is_ok() {
        now = most;
    }
    usize::try_from(now.min(MOST_DESCRIPTORS)).unwrap_or(usize::MAX)
}

/// More than that are not asked for.
const MOST_DESCRIPTORS: u64 = 8192;

/// Whether `path` stands on a file system that may only be read.
pub fn is_read_only(path: &Path) -> bool {
    let read_only = rustix::fs::StatVfsMountFlags::RDONLY;
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_flag.contains(read_only))
}

/// What a file system has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may still be written by this user.
    pub bytes: u64,
    /// Files that may still be made; the most there are where a file system does not count them.
    pub files: u64,
}

/// What the file system of `path` has left.
pub fn room(path: &Path) -> Result<Room> {
    let disk =
        rustix::fs::statvfs(path).map_err(|errno| Error::io("look at", path)(errno.into()))?;
    let files = if disk.f_files == 0 { u64::MAX } else { disk.f_favail };
    Ok(Room { bytes: disk.f_bavail.saturating_mul(disk.f_frsize), files })
}

/// Removes our temporary files in `folder`, which a killed process left there. The caller holds the
/// lock, so they are nobody's; one that cannot be removed stays.
pub fn remove_litter(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(TEMP_PREFIX.as_bytes()) {
            let _ = remove_file(&entry.path());
        }
    }
}

/// Gives the file `from` the second name `to`; where the file system knows no second names, only
/// that one.
pub fn keep_as(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::io("keep as", to)(error))
        }
        Err(_) => rename(from, to),
        Ok(()) => Ok(()),
    }
}

/// Gives the file `from` the second name `to`, or copies it where the file system knows none: the
/// first stays in any case.
pub fn second_name(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut temp = TempFile::create(folder_of(to), Executable::No)?;
    let mut source = File::open(from).map_err(Error::io("read", from))?;
    temp.fill(|mut out| io::copy(&mut source, &mut out).map(|_| ()))?;
    temp.sync()?;
    temp.publish_new(to)
}

/// Whether two names are of one file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::symlink_metadata(one), fs::symlink_metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Removes `folder` and everything in it; links in it are removed, not followed.
pub fn remove_tree(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(Error::io("remove", folder))
}

/// Removes `folder` and its parents below `top`, as long as they are empty.
pub fn remove_empty_folders(top: &Path, folder: &Path) {
    let mut folder = folder;
    while folder != top && folder.starts_with(top) && fs::remove_dir(folder).is_ok() {
        let Some(parent) = folder.parent() else { return };
        folder = parent;
    }
}

/// Makes `link` a symbolic link to `target`, in place of whatever link is there.
pub fn replace_link(target: &Path, link: &Path) -> Result<()> {
    remove_file(link)?;
    std::os::unix::fs::symlink(target, link).map_err(Error::io("link", link))
}

/// Makes a file executable (0755 less nothing): for hook files.
pub fn set_executable(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(Error::io("chmod", path))
}

/// Renames a file.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("rename to", to))
}

/// Refuses when a folder on the way from `top` to `top`/`relative` is a symbolic link or no folder.
/// Missing folders are fine.
pub fn check_contained(action: &'static str, top: &Path, relative: &Path) -> Result<()> {
    let mut at = top.to_path_buf();
    let Some(parent) = relative.parent() else { return Ok(()) };
    for part in parent.components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                let link = at.display().to_string();
                let object = relative.display().to_string();
                return Err(Error::refused(action, object, Refusal::ThroughLink { link }));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("look at", at)(error)),
        }
    }
    Ok(())
}

/// The folder that holds `path`, a path below some top; empty for the top itself.
pub fn inner_folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The folder that holds `path`.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `O_NOFOLLOW` on this platform: opening a symbolic link fails.
#[cfg(target_os = "linux")]
const NO_FOLLOW: i32 =
    if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o100_000 } else { 0o400_000 };
#[cfg(not(target_os = "linux"))]
const NO_FOLLOW: i32 = 0x100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_and_cutting_do_not_follow_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("t"), dir.path().join("l"));
        fs::write(&target, "x").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(append_synced(&link, b"y").is_err());
        assert!(truncate_synced(&link, 0).is_err());
        assert_eq!(fs::read(&target).unwrap(), b"x");
        truncate_synced(&target, 0).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
    }

    #[test]
    fn a_log_is_a_regular_file_of_ones_own() {
        let dir = tempfile::tempdir().unwrap();
        let (log, link, fifo) =
            (dir.path().join("log"), dir.path().join("link"), dir.path().join("fifo"));
        for _ in 0..2 {
            open_log(&log).unwrap().write_all(b"x\n").unwrap();
        }
        assert_eq!(fs::read(&log).unwrap(), b"x\nx\n");
        assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink(&log, &link).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for other in [&link, &fifo, &dir.path().to_path_buf()] {
            assert!(open_log(other).is_err(), "{}", other.display());
        }
    }

    #[test]
    fn a_linked_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        assert!(check_contained("archive", dir.path(), Path::new("real/x")).is_ok());
        assert!(check_contained("archive", dir.path(), Path::new("none/x")).is_ok());
        assert!(check_contained("archive", dir.path(), Path::new("link/x")).is_err());
    }
}
