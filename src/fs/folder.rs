//! Folders opened part by part, and what is done in them.
//!
//! Promises: no symbolic link is followed on the way, and everything happens in the folder that
//! was opened. Whoever puts a link in its place meanwhile leads no write elsewhere, since there is
//! no moment between looking and writing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Executable, Stamp, TEMP_PREFIX, TempFile};
use crate::error::{Error, Refusal, Result};
use crate::model::{DeedId, Digest, Digester, escape_line};

/// How a folder is opened that files are written in: syncing it needs the right to read.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How a folder on the way is opened: passing through needs no right to read.
#[cfg(target_os = "linux")]
const PASSING: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASSING: OFlags = FOLDER;

/// The longest path that the system takes, a file's name in the folder not counted.
const LONGEST_PATH: usize = 4096 - 256;

/// A file that is larger than this holds no stub and no segment, and is only hashed.
const SHORT_BYTES: u64 = 64 << 10;

/// How much of a larger one is read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// What stands under a name.
#[derive(Debug, PartialEq, Eq)]
pub enum There<T = Vec<u8>> {
    /// Nothing.
    Nothing,
    /// A regular file with these bytes.
    File(T),
    /// Something else: `a symbolic link`, `a folder`, `a special file`.
    Other(&'static str),
}

/// A regular file, however large, as it was seen in little memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its bytes, if they are few.
    pub short: Option<Vec<u8>>,
}

pub(super) fn failed(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::io(action, path)(errno.into())
}

/// What is done where a folder on the way is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// Nothing.
    Nothing,
    /// It is made, and its name is durable at once.
    Synced,
    /// It is made; the caller makes its name durable with all that is in it.
    Later,
}

/// A way into a folder.
pub(super) struct Way<'a> {
    /// What is to be done there, for messages.
    pub action: &'static str,
    /// All of the way, for messages.
    pub relative: &'a Path,
    /// What is done where a part of it is missing.
    pub making: Making,
}

/// Part by part one gets deeper than any program that goes by paths could follow.
pub(super) fn check_length(full: &Path) -> Result<()> {
    if full.as_os_str().len() >= LONGEST_PATH {
        return Err(failed("open", full)(Errno::NAMETOOLONG));
    }
    Ok(())
}

impl Folder {
    /// The folder `path`; links in it are followed. For places that are our own or that the user
    /// chose.
    pub fn at(path: &Path) -> Result<Self> {
        let fd = rustix::fs::open(path, FOLDER, Mode::empty()).map_err(failed("open", path))?;
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// The folder `relative` below `top`; `None` where a part of it is missing. A part that is a
    /// link, or no folder, is refused.
    pub fn below(action: &'static str, top: &Path, relative: &Path) -> Result<Option<Self>> {
        Self::walk(action, top, relative, false)
    }

    /// The same, made where it is missing.
    pub fn make_below(action: &'static str, top: &Path, relative: &Path) -> Result<Self> {
        Self::walk(action, top, relative, true)?
            .ok_or_else(|| failed("create", top.join(relative))(Errno::NOENT))
    }

    fn walk(action: &'static str, top: &Path, relative: &Path, make: bool) -> Result<Option<Self>> {
        check_length(&top.join(relative))?;
        let making = if make { Making::Synced } else { Making::Nothing };
        let mut parts = relative.components().peekable();
        let mut at = Self::open_top(top, parts.peek().is_none())?;
        while let Some(part) = parts.next() {
            let way = Way { action, relative, making };
            match at.enter(&way, part, parts.peek().is_none())? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The folder `path`, from which a way goes on; or in which files are written, if it `is_last`.
    pub(super) fn open_top(path: &Path, is_last: bool) -> Result<Self> {
        let flags = if is_last { FOLDER } else { PASSING };
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open", path))?;
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// The next folder on a way; `None` where it is missing and not made.
    pub(super) fn enter(
        &self,
        way: &Way<'_>,
        part: Component<'_>,
        is_last: bool,
    ) -> Result<Option<Self>> {
        let object = || escape_line(&way.relative.display().to_string());
        let Component::Normal(name) = part else {
            return Err(Error::refused(way.action, object(), Refusal::Outside));
        };
        let flags = if is_last { FOLDER } else { PASSING };
        let enter = || rustix::fs::openat(&self.fd, name, flags | OFlags::NOFOLLOW, Mode::empty());
        let path = self.path.join(name);
        let mut entered = enter();
        if way.making != Making::Nothing && entered.as_ref().is_err_and(|it| *it == Errno::NOENT) {
            match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o777)) {
                // A file in a folder that a power cut takes away would go with it.
                Ok(()) if way.making == Making::Synced => self.sync_names()?,
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed("create", path)(errno)),
            }
            entered = enter();
        }
        match entered {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let link = escape_line(&path.display().to_string());
                Err(Error::refused(way.action, object(), Refusal::ThroughLink { link }))
            }
            Err(errno) => Err(failed("open", path)(errno)),
        }
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands under `name`; a regular file is read, nothing else is even opened.
    pub fn look(&self, name: &OsStr) -> Result<There> {
        self.look_with(name, |mut file, size_bytes| {
            let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// The same in little memory: a large file is only hashed.
    pub fn see(&self, name: &OsStr) -> Result<There<Seen>> {
        self.look_with(name, |mut file, size_bytes| {
            if size_bytes > SHORT_BYTES {
                return Ok(Seen { sha256: digest_of(&mut file)?, short: None });
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            Ok(Seen { sha256: Digest::of(&bytes), short: Some(bytes) })
        })
    }

    /// What a look at `name` tells; `None` where nothing stands.
    pub fn stamp(&self, name: &OsStr) -> Result<Option<Stamp>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed("look at", self.path.join(name))(errno)),
        }
    }

    fn look_with<T>(
        &self,
        name: &OsStr,
        read: impl FnOnce(File, u64) -> io::Result<T>,
    ) -> Result<There<T>> {
        let path = || self.path.join(name);
        let stat = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(errno) => return Err(failed("look at", path())(errno)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Ok(There::Other("a symbolic link")),
            FileType::Directory => return Ok(There::Other("a folder")),
            _ => return Ok(There::Other("a special file")),
        }
        // It may be something else by now: no link is followed, and no FIFO waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(Errno::LOOP) => return Ok(There::Other("a symbolic link")),
            Err(errno) => return Err(failed("read", path())(errno)),
        };
        let meta = file.metadata().map_err(Error::io("read", path()))?;
        if !meta.is_file() {
            return Ok(There::Other("a special file"));
        }
        read(file, meta.len()).map(There::File).map_err(Error::io("read", path()))
    }

    /// Creates an empty file that nobody else has; its name is short, since the name that it gets
    /// later may already be as long as the file system allows.
    pub fn temp(self: &Arc<Self>, executable: Executable) -> Result<TempFile> {
        let name = format!("{TEMP_PREFIX}{}", &DeedId::random().to_string()[..13]);
        self.temp_with(name, if executable == Executable::Yes { 0o777 } else { 0o666 })
    }

    /// The same for its owner alone, whatever the umask; `tag` tells in its name whose it is.
    pub fn private_temp(self: &Arc<Self>, tag: &str) -> Result<TempFile> {
        let random = &DeedId::random().to_string()[..13];
        self.temp_with(format!("{TEMP_PREFIX}{tag}{random}"), 0o600)
    }

    fn temp_with(self: &Arc<Self>, name: String, mode: u32) -> Result<TempFile> {
        let path = self.path.join(&name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, &name, flags, Mode::from_raw_mode(mode))
            .map_err(failed("create", &path))?;
        let file = Some(File::from(fd));
        Ok(TempFile { folder: self.clone(), name, path, file, is_published: false })
    }

    /// Replaces the file `name` by `bytes`; after a crash the old or the new content is there.
    pub fn write_atomic(
        self: &Arc<Self>,
        name: &OsStr,
        bytes: &[u8],
        executable: Executable,
    ) -> Result<()> {
        let mut temp = self.temp(executable)?;
        temp.write_synced(bytes)?;
        temp.publish(Path::new(name))?;
        self.sync()
    }

    /// Removes a file; one that is gone already is fine.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("remove", self.path.join(name))(errno)),
        }
    }

    /// Makes `name` a symbolic link to `target`, in place of whatever link is there.
    pub fn replace_link(&self, target: &Path, name: &OsStr) -> Result<()> {
        self.remove(name)?;
        rustix::fs::symlinkat(target, &self.fd, name).map_err(failed("link", self.path.join(name)))
    }

    /// Removes the temporary files that a killed process left here.
    pub fn remove_temps(&self) {
        let Ok(entries) = Dir::read_from(&self.fd) else { return };
        for entry in entries.flatten() {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name.as_bytes().starts_with(TEMP_PREFIX.as_bytes()) {
                let _ = self.remove(name);
            }
        }
    }

    /// The same for a folder that was only passed through.
    fn sync_names(&self) -> Result<()> {
        rustix::fs::openat(&self.fd, c".", FOLDER, Mode::empty())
            .and_then(rustix::fs::fsync)
            .map_err(failed("sync", &self.path))
    }

    /// Makes the names in the folder durable.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(failed("sync", &self.path))
    }

    /// The file system that the folder lies on.
    pub(super) fn device(&self) -> Result<u64> {
        let seen = rustix::fs::fstat(&self.fd).map_err(failed("look at", &self.path))?;
        Ok(seen.st_dev)
    }

    /// Makes durable what was written to the whole file system that the folder lies on.
    #[cfg(target_os = "linux")]
    pub(super) fn sync_file_system(&self) -> Result<()> {
        rustix::fs::syncfs(&self.fd).map_err(failed("sync", &self.path))
    }
}

pub(super) fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut digester = Digester::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(digester.finish().0),
            Ok(len) => digester.write_all(&buffer[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes the folder `relative` below `top` and its parents, as long as they are empty.
pub fn remove_empty_below(top: &Path, relative: &Path) {
    let mut folder = relative;
    while let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) {
        let Ok(Some(above)) = Folder::below("remove", top, parent) else { return };
        if rustix::fs::unlinkat(&above.fd, name, AtFlags::REMOVEDIR).is_err() {
            return;
        }
        folder = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_unpublished_file_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let temp = TempFile::create(dir.path(), Executable::No).unwrap();
        drop(temp);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_link_is_followed_wherever_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        fs::create_dir_all(top.join("real/inner")).unwrap();
        symlink("real", top.join("link")).unwrap();
        symlink("../real", top.join("real/back")).unwrap();
        fs::write(top.join("file"), "x").unwrap();
        let open = |folder: &str| Folder::below("write", top, Path::new(folder));
        assert!(open("").unwrap().is_some());
        assert!(open("real/inner").unwrap().is_some());
        assert!(open("real/none/x").unwrap().is_none());
        for bad in ["link", "link/inner", "real/back", "file", "file/x", "..", "real/../real", "/"]
        {
            let error = open(bad).unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{bad}: {error}");
            assert!(Folder::make_below("write", top, Path::new(bad)).is_err(), "{bad}");
        }
        Folder::make_below("write", top, Path::new("new/folders")).unwrap();
        assert!(top.join("new/folders").is_dir());
    }

    #[test]
    fn a_folder_that_is_swapped_meanwhile_leads_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let (top, outside) = (dir.path().join("top"), dir.path().join("outside"));
        fs::create_dir_all(top.join("a")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("gone"), "x").unwrap();
        let folder = Arc::new(Folder::below("write", &top, Path::new("a")).unwrap().unwrap());
        let mut temp = folder.temp(Executable::No).unwrap();
        temp.write(b"content").unwrap();
        fs::rename(top.join("a"), top.join("b")).unwrap();
        symlink(&outside, top.join("a")).unwrap();
        temp.publish(Path::new("file")).unwrap();
        folder.remove(OsStr::new("gone")).unwrap();
        folder.replace_link(Path::new("x"), OsStr::new("link")).unwrap();
        drop(folder.temp(Executable::Yes).unwrap());
        assert_eq!(fs::read(top.join("b/file")).unwrap(), b"content");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(folder.look(OsStr::new("gone")).unwrap(), There::Nothing);
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let folder = Folder::at(dir.path()).unwrap();
        let look = |name: &str| folder.look(OsStr::new(name)).unwrap();
        assert_eq!(look("none"), There::Nothing);
        assert_eq!(look("file"), There::File(b"x".to_vec()));
        assert_eq!(look("link"), There::Other("a symbolic link"));
        assert_eq!(look("folder"), There::Other("a folder"));
    }

    #[test]
    fn a_large_file_is_seen_by_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path()).unwrap();
        for (size, is_short) in [(0, true), (SHORT_BYTES, true), (SHORT_BYTES + 1, false)] {
            let bytes = vec![7; usize::try_from(size).unwrap()];
            fs::write(dir.path().join("file"), &bytes).unwrap();
            let There::File(seen) = folder.see(OsStr::new("file")).unwrap() else { panic!() };
            assert_eq!(seen.sha256, Digest::of(&bytes));
            assert_eq!(seen.short, is_short.then_some(bytes));
        }
        assert_eq!(folder.see(OsStr::new("none")).unwrap(), There::Nothing);
    }

    #[test]
    fn empty_folders_go_and_links_stay() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        fs::create_dir_all(top.join("a/b/c")).unwrap();
        fs::create_dir_all(top.join("real/empty")).unwrap();
        symlink("real", top.join("link")).unwrap();
        remove_empty_below(top, Path::new("link/empty"));
        assert!(top.join("real/empty").is_dir());
        fs::write(top.join("a/keep"), "").unwrap();
        remove_empty_below(top, Path::new("a/b/c"));
        assert!(top.join("a").is_dir() && !top.join("a/b").exists());
    }
}
