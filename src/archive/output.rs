//! Where a restored file may be written, and what stands there.

use std::fs;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, TempFile};
use crate::model::{Digest, Item, escape_line};

use super::Workspace;
use super::restore::RestoreOptions;

const ACTION: &str = "restore";

/// What was written is read once more before it gets its name.
pub fn read_again(temp: &mut TempFile, item: &Item) -> Result<()> {
    let path = temp.path().to_path_buf();
    let mut bytes = Vec::new();
    let file = temp.file();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(Error::io("read", &path))?;
    if Digest::of(&bytes) == item.sha256 {
        return Ok(());
    }
    Err(Error::damaged("file", path.display().to_string(), "it did not read back as written"))
}

/// Where a file may be written, and how it is shown.
pub fn contained(
    workspace: &Workspace,
    options: &RestoreOptions,
    target: &Path,
) -> Result<(PathBuf, String)> {
    let target = normal(target);
    let shown = |path: &Path| match path.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => escape_line(&path.display().to_string()),
    };
    // Wherever they stand: a bare repository, or the current directory, may be git's own folder.
    let git_folders = workspace.repository.iter().flat_map(|it| [it.git_dir(), it.common_dir()]);
    if git_folders.into_iter().any(|folder| target.starts_with(folder)) {
        let why = "it is inside git's own folder";
        return Err(Error::refused(ACTION, shown(&target), Refusal::Forbidden { why }));
    }
    for base in [&workspace.top, &workspace.cwd] {
        let Ok(inside) = target.strip_prefix(base) else { continue };
        let refuse_git = inside.as_os_str().as_bytes().split(|byte| *byte == b'/').any(|part| {
            part.eq_ignore_ascii_case(b".git") || part.to_ascii_lowercase().starts_with(b"git~")
        });
        if refuse_git {
            let why = "it is inside git's own folder";
            return Err(Error::refused(ACTION, shown(inside), Refusal::Forbidden { why }));
        }
        files::check_contained(ACTION, base, inside)?;
        return Ok((target.clone(), shown(inside)));
    }
    if !options.allow_outside {
        return Err(Error::refused(ACTION, shown(&target), Refusal::Outside));
    }
    let shown = shown(&target);
    Ok((target, shown))
}

/// The path without `.` and `..`, by its words alone.
fn normal(path: &Path) -> PathBuf {
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

/// The content of the regular file at `target`; `None` where nothing is. Anything else is refused.
pub fn what_is_there(target: &Path, shown: &str) -> Result<Option<Vec<u8>>> {
    let refused = |what| Err(Error::refused(ACTION, shown, Refusal::NotRegular { what }));
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("look at", target)(error)),
        Ok(meta) if meta.is_file() => fs::read(target).map(Some).map_err(Error::io("read", target)),
        Ok(meta) if meta.is_symlink() => refused("a symbolic link"),
        Ok(meta) if meta.is_dir() => refused("a folder"),
        Ok(_) => refused("a special file"),
    }
}
