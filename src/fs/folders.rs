//! Many folders below one top, made and opened one after the other.
//!
//! Promises what [`Folder`] promises. What two of them in a row have in common is opened once.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::folder::{Folder, Making, Way, check_length};
use crate::error::Result;

/// So many folders on the way are kept open.
const KEPT: usize = 24;

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
