//! Many folders below one top, made and opened one after the other.
//!
//! Promises what [`Folder`] promises. What two of them in a row have in common is opened once.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::folder::{Folder, Making, Way, check_length};
use crate::error::Result;

/// So many folders on the way are kept open.
const KEPT: usize = 8;

/// Folders below one top.
#[derive(Debug)]
pub struct Folders {
    action: &'static str,
    top: PathBuf,
    /// The top, once it was opened.
    start: Option<Folder>,
    /// The folders on the way to the last one, each in the one before.
    passed: Vec<(OsString, Folder)>,
    last: Option<(PathBuf, Arc<Folder>)>,
}

impl Folders {
    /// Descriptors that one of these needs, beside those of the folders that it gives out.
    pub const DESCRIPTORS: usize = KEPT + 3;

    /// The folders below `top`; `action` is what is to be done in them, for messages.
    pub fn below(action: &'static str, top: &Path) -> Self {
        let (top, passed) = (top.to_path_buf(), Vec::new());
        Self { action, top, start: None, passed, last: None }
    }

    /// The folder below which they are.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The folder `relative`, made where it is missing. Its name may not be durable before
    /// [`super::sync_new`] was called for a file in it.
    pub fn make(&mut self, relative: &Path) -> Result<Arc<Folder>> {
        if let Some((known, folder)) = &self.last
            && known == relative
        {
            return Ok(folder.clone());
        }
        check_length(&self.top.join(relative))?;
        let made = Arc::new(self.walk(relative)?);
        self.last = Some((relative.to_path_buf(), made.clone()));
        Ok(made)
    }

    fn walk(&mut self, relative: &Path) -> Result<Folder> {
        let Some(name) = relative.components().next_back() else {
            return Folder::open_top(&self.top, true);
        };
        // Where no call makes all of a file system durable, the names are made durable one by one.
        let making = if cfg!(target_os = "linux") { Making::Later } else { Making::Synced };
        let way = Way { action: self.action, relative, making };
        let start = match self.start.take() {
            Some(start) => start,
            None => Folder::open_top(&self.top, false)?,
        };
        let start = self.start.insert(start);
        let above: Vec<Component<'_>> = super::inner_folder_of(relative).components().collect();
        let is_same = |(part, (name, _)): &(&Component<'_>, &(OsString, Folder))| {
            part.as_os_str() == name.as_os_str()
        };
        let common = above.iter().zip(&self.passed).take_while(is_same).count();
        self.passed.truncate(common.min(KEPT));
        // Deeper than what is kept open.
        let mut beyond: Option<Folder> = None;
        for part in &above[self.passed.len()..] {
            let at = beyond.as_ref().or(self.passed.last().map(|(_, it)| it)).unwrap_or(start);
            let next = at.enter(&way, *part, false)?.ok_or_else(|| gone(at, part.as_os_str()))?;
            if beyond.is_none() && self.passed.len() < KEPT {
                self.passed.push((part.as_os_str().to_owned(), next));
            } else {
                beyond = Some(next);
            }
        }
        let at = beyond.as_ref().or(self.passed.last().map(|(_, it)| it)).unwrap_or(start);
        at.enter(&way, name, true)?.ok_or_else(|| gone(at, name.as_os_str()))
    }
}

fn gone(above: &Folder, name: &OsStr) -> crate::error::Error {
    crate::error::Error::io("create", above.path().join(name))(std::io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_are_made_wherever_the_one_before_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut folders = Folders::below("write", dir.path());
        let deep = vec!["d"; KEPT + 9].join("/");
        let deeper = format!("{deep}/x/y");
        for way in ["a/b/c", "a/b", "", "a/b/d", "e", "a/b/c", &deep, &deeper, &deep, "a"] {
            let folder = folders.make(Path::new(way)).unwrap();
            drop(folder.temp(crate::fs::Executable::No).unwrap());
            fs::write(folder.path().join("file"), way).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join(way).join("file")).unwrap(), way);
        }
        assert!(folders.passed.len() <= KEPT);
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_made_behind_one() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        fs::create_dir_all(top.join("real/inner")).unwrap();
        symlink("real", top.join("link")).unwrap();
        fs::write(top.join("file"), "x").unwrap();
        let mut folders = Folders::below("write", top);
        for bad in ["link", "link/new", "real/../link", "file/x", "..", "/"] {
            folders.make(Path::new("real/inner")).unwrap();
            assert!(folders.make(Path::new(bad)).is_err(), "{bad}");
        }
        // One that comes to be where a folder was is not followed either.
        folders.make(Path::new("real/inner")).unwrap();
        fs::rename(top.join("real/inner"), top.join("inner")).unwrap();
        symlink("../inner", top.join("real/inner")).unwrap();
        assert!(folders.make(Path::new("real/inner/new")).is_err());
        assert_eq!(fs::read_dir(top.join("inner")).unwrap().count(), 0);
    }
}
