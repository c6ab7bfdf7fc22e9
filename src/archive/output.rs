//! Where a restored file may be written, and what stands there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, Executable, Folder, Seen, TempFile, There};
use crate::model::{Item, escape_line, names_git_folder};

use super::Workspace;

const ACTION: &str = "restore";

/// Whether a file may be outside the repository and the current directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// What was written is read once more before it gets its name.
pub fn read_again(temp: &mut TempFile, item: &Item) -> Result<()> {
    if temp.digest()? == item.sha256 {
        return Ok(());
    }
    let path = temp.path().display().to_string();
    Err(Error::damaged("file", path, "it did not read back as written"))
}

/// Where a file may be written.
pub struct Target {
    /// The file, absolute and without `.` and `..`.
    pub file: PathBuf,
    /// How it is shown.
    pub shown: String,
    /// The folder below which no link is followed, if it is in one; else the user chose the way.
    base: Option<PathBuf>,
}

impl Target {
    /// The target at `inside`, below the folder `base`.
    pub fn below(base: &Path, inside: &Path) -> Self {
        let file = base.join(inside);
        Self { file, shown: shown(inside), base: Some(base.to_path_buf()) }
    }

    fn name(&self) -> &OsStr {
        self.file.file_name().unwrap_or_default()
    }

    /// The folder that holds it, opened; `None` where it is missing.
    pub fn folder(&self) -> Result<Option<Folder>> {
        let above = files::folder_of(&self.file);
        match &self.base {
            Some(base) => Folder::below(ACTION, base, self.inside(base)),
            None if above.exists() => Folder::at(above).map(Some),
            None => Ok(None),
        }
    }

    /// The same, made where it is missing.
    pub fn make_folder(&self) -> Result<Arc<Folder>> {
        let above = files::folder_of(&self.file);
        let folder = match &self.base {
            Some(base) => Folder::make_below(ACTION, base, self.inside(base))?,
            None => {
                files::create_folders(above)?;
                Folder::at(above)?
            }
        };
        Ok(Arc::new(folder))
    }

    /// The folder below which no link is followed, and the way from there to the folder that holds it;
    /// `None` where the user chose the way.
    pub fn way(&self) -> Option<(&Path, &Path)> {
        self.base.as_deref().map(|base| (base, self.inside(base)))
    }

    fn inside(&self, base: &Path) -> &Path {
        let inside = self.file.strip_prefix(base).unwrap_or(Path::new(""));
        files::inner_folder_of(inside)
    }

    /// The regular file that stands there; `None` where nothing does. Anything else is refused.
    pub fn seen(&self) -> Result<Option<Seen>> {
        self.seen_in(self.folder()?.as_ref())
    }

    /// The same where `folder` is the one that holds it, or `None` because that is missing.
    pub fn seen_in(&self, folder: Option<&Folder>) -> Result<Option<Seen>> {
        let there = match folder {
            Some(_) if self.file.file_name().is_none() => There::Other("a folder"),
            Some(_) if self.base.as_ref() == Some(&self.file) => There::Other("a folder"),
            Some(folder) => folder.see(self.name())?,
            None => There::Nothing,
        };
        match there {
            There::Nothing => Ok(None),
            There::File(seen) => Ok(Some(seen)),
            There::Other(what) => {
                Err(Error::refused(ACTION, &*self.shown, Refusal::NotRegular { what }))
            }
        }
    }
}

/// A file that is not there yet, for a document.
pub struct NewFile {
    action: &'static str,
    target: Target,
}

impl NewFile {
    /// The place of `given`, as seen from the current directory; something there is refused.
    pub fn at(
        action: &'static str,
        workspace: &Workspace,
        outside: Outside,
        given: &Path,
    ) -> Result<Self> {
        let target = contained(action, workspace, outside, &workspace.cwd.join(given))?;
        match target.seen()? {
            None => Ok(Self { action, target }),
            Some(_) => Err(Error::refused(action, target.shown, Refusal::Exists)),
        }
    }

    /// Writes `bytes`, durably, unless something came to stand there; returns the name.
    pub fn write(self, bytes: &[u8]) -> Result<String> {
        let folder = self.target.make_folder()?;
        let mut temp = folder.temp(Executable::No)?;
        temp.write_synced(bytes)?;
        match temp.publish_new(&self.target.file) {
            Err(_) if self.target.seen()?.is_some() => {
                return Err(Error::refused(self.action, self.target.shown, Refusal::Exists));
            }
            done => done?,
        }
        folder.sync()?;
        Ok(self.target.shown)
    }
}

/// A document that others may have begun, and that grows at its end.
pub struct GrowingFile {
    action: &'static str,
    target: Target,
}

/// The largest document that something is added to, in bytes.
const MAX_BYTES: u64 = 64 << 20;

impl GrowingFile {
    /// The document at `given`, as seen from the current directory; it may be missing.
    pub fn at(action: &'static str, workspace: &Workspace, given: &Path) -> Result<Self> {
        let file = workspace.cwd.join(given);
        let target = contained(action, workspace, Outside::Allowed, &file)?;
        let this = Self { action, target };
        this.read()?;
        Ok(this)
    }

    /// What stands in it.
    fn read(&self) -> Result<Vec<u8>> {
        if self.target.seen()?.is_none() {
            return Ok(Vec::new());
        }
        let file = File::open(&self.target.file).map_err(Error::io("read", &self.target.file))?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(Error::io("read", &self.target.file))?;
        if bytes.len() as u64 > MAX_BYTES {
            let why = "it is too large for anything to be added to it";
            return Err(Error::refused(
                self.action,
                self.target.shown.clone(),
                Refusal::Forbidden { why },
            ));
        }
        Ok(bytes)
    }

    /// Puts `text` behind what stands there, or behind `head` where nothing does; returns the name.
    pub fn append(self, head: &str, text: &str) -> Result<String> {
        let mut bytes = self.read()?;
        if bytes.is_empty() {
            bytes.extend_from_slice(head.as_bytes());
        }
        bytes.extend_from_slice(text.as_bytes());
        let folder = self.target.make_folder()?;
        let mut temp = folder.temp(Executable::No)?;
        temp.write_synced(&bytes)?;
        temp.publish(&self.target.file)?;
        folder.sync()?;
        Ok(self.target.shown)
    }
}

fn shown(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => escape_line(&path.display().to_string()),
    }
}

/// Where a file may be written.
pub fn contained(
    action: &'static str,
    workspace: &Workspace,
    outside: Outside,
    target: &Path,
) -> Result<Target> {
    let check = |base: &Path, inside: &Path| files::check_contained(action, base, inside);
    contained_by(action, workspace, outside, target, check)
}

/// The same where `check` sees to it that no link is on the way from the one folder to the file.
pub fn contained_by(
    action: &'static str,
    workspace: &Workspace,
    outside: Outside,
    target: &Path,
    check: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<Target> {
    let target = normal(target);
    let in_git = |path: &Path| {
        let why = "it is inside git's own folder";
        Err(Error::refused(action, shown(path), Refusal::Forbidden { why }))
    };
    // Wherever they stand: a bare repository, or the current directory, may be git's own folder.
    let git_folders = workspace.repository.iter().flat_map(|it| [it.git_dir(), it.common_dir()]);
    if git_folders.into_iter().any(|folder| target.starts_with(folder)) {
        return in_git(&target);
    }
    for base in [&workspace.top, &workspace.cwd] {
        let Ok(inside) = target.strip_prefix(base) else { continue };
        if names_git_folder(inside.as_os_str().as_bytes()) {
            return in_git(inside);
        }
        check(base, inside)?;
        return Ok(Target::below(base, inside));
    }
    if outside == Outside::Refused {
        return Err(Error::refused(action, shown(&target), Refusal::Outside));
    }
    let shown = shown(&target);
    Ok(Target { file: target, shown, base: None })
}

/// The path without `.` and `..`, by its words alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
