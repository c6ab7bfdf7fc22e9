//! What stands where the files of a batch are to go, looked at once for each folder.
//!
//! Promises: only reads. Whether a way leads through a link is asked again when a file is written.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::symlink_metadata;
use std::path::Path;

use crate::archive::Workspace;
use crate::archive::output::{Outside, Target, contained_by};
use crate::error::Result;
use crate::fs::{self as files, Folder, Seen};

/// The folders of a batch, as far as they were looked at.
pub struct Ground<'w> {
    action: &'static str,
    workspace: &'w Workspace,
    outside: Outside,
    /// Folders below the one from which the way to them goes: whether they are there. To none of them a
    /// link leads.
    below: HashMap<OsString, bool>,
    /// The nearest folder that is there, of each that holds a target, and whether files can be made in
    /// it.
    standing: HashMap<OsString, OsString>,
    /// The folder that was seen last.
    open: Option<(OsString, Folder)>,
}

impl<'w> Ground<'w> {
    /// Nothing is known of it yet.
    pub fn new(action: &'static str, workspace: &'w Workspace, outside: Outside) -> Self {
        let (below, standing) = (HashMap::new(), HashMap::new());
        Self { action, workspace, outside, below, standing, open: None }
    }

    /// Where the file `path` may be written.
    pub fn target(&mut self, path: &Path) -> Result<Target> {
        let (action, below) = (self.action, &mut self.below);
        contained_by(action, self.workspace, self.outside, path, |base, inside| {
            match is_free(below, base, files::inner_folder_of(inside)) {
                Some(_) => Ok(()),
                // It says what is in the way.
                None => files::check_contained(action, base, inside),
            }
        })
    }

    /// What stands at `target`; see [`Target::seen`].
    pub fn seen(&mut self, target: &Target) -> Result<Option<Seen>> {
        let folder = files::folder_of(&target.file).as_os_str();
        if target.way().is_some() && self.below.get(folder) == Some(&false) {
            return target.seen_in(None);
        }
        if self.open.as_ref().is_none_or(|(known, _)| known != folder) {
            self.open = target.folder()?.map(|opened| (folder.to_owned(), opened));
        }
        target.seen_in(self.open.as_ref().map(|(_, folder)| folder))
    }

    /// Fails unless files can be made where `target` is to be.
    pub fn check_writable(&mut self, target: &Target) -> Result<()> {
        let folder = key(target);
        if self.standing.contains_key(folder) {
            return Ok(());
        }
        let standing = self.look_for_standing(target);
        // One that is there already was asked when it was found first.
        if self.standing.get(standing).is_none_or(|it| it != standing) {
            files::check_writable(Path::new(standing))?;
            self.standing.insert(standing.to_owned(), standing.to_owned());
        }
        self.standing.insert(folder.to_owned(), standing.to_owned());
        Ok(())
    }

    /// The nearest folder above `target` that is there.
    pub fn standing<'t>(&'t self, target: &'t Target) -> &'t OsStr {
        let known = self.standing.get(key(target)).map(OsString::as_os_str);
        known.unwrap_or_else(|| self.look_for_standing(target))
    }

    fn look_for_standing<'t>(&self, target: &'t Target) -> &'t OsStr {
        let is_there = |folder: &&Path| match self.below.get(folder.as_os_str()) {
            Some(is_there) => *is_there,
            None => folder.is_dir(),
        };
        let found = target.file.ancestors().skip(1).find(is_there);
        found.unwrap_or(Path::new("/")).as_os_str()
    }
}

fn key(target: &Target) -> &OsStr {
    target.file.parent().unwrap_or(Path::new("")).as_os_str()
}

/// Whether the folder `inside` is there, below `base`; `None` where a link or a file is in the way, or
/// that cannot be told.
fn is_free(below: &mut HashMap<OsString, bool>, base: &Path, inside: &Path) -> Option<bool> {
    let Some(above) = inside.parent() else { return Some(true) };
    let full = base.join(inside);
    if let Some(known) = below.get(full.as_os_str()) {
        return Some(*known);
    }
    let is_there = is_free(below, base, above)?
        && match symlink_metadata(&full) {
            Ok(meta) if meta.is_dir() => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            _ => return None,
        };
    below.insert(full.into_os_string(), is_there);
    Some(is_there)
}
