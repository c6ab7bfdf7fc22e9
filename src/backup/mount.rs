//! Whether a destination is the mounted file system that it was.
//!
//! A mount point without its mount is an ordinary folder, and another disk may come to stand there:
//! so the destination carries an id of its own, and this clone remembers which.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::archive::Workspace;
use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, Executable};
use crate::model::DeedId;

/// The file at the destination that holds its id.
const MARK: &str = ".codex-backup-destination";

/// The file in which this clone remembers the ids, by destination.
const MEMORY: &str = "backup-destinations.json";

const ACTION: &str = "back up to";

/// Whether anything may be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// An id that is not known yet is noted.
    New,
    /// Nothing is written.
    Nothing,
}

/// Refuses `dest` unless it is the destination that this clone remembers, or is used for the first
/// time and is on a mounted file system.
pub(super) fn check(workspace: &Workspace, dest: &Path, note: Note) -> Result<()> {
    let memory = workspace.store_folder().join(MEMORY);
    let mut known = remembered(&memory)?;
    let shown = dest.display().to_string();
    let refused = |why: String| Error::refused(ACTION, &*shown, Refusal::OtherMount { why });
    let mark = mark_of(dest)?;
    if let Some(id) = known.get(&shown) {
        return match mark {
            Some(found) if found == *id => Ok(()),
            Some(_) => Err(refused("another destination is mounted there than before".to_owned())),
            None => {
                Err(refused(format!("it has no {MARK}: it is not mounted, or not what it was")))
            }
        };
    }
    if let Some(place) = mount_point(dest).filter(|place| place == Path::new("/")) {
        let place = place.display();
        return Err(refused(format!("it is not on a mounted file system, but on that of {place}")));
    }
    if note == Note::Nothing {
        return Ok(());
    }
    files::create_folders(dest)?;
    let id = match mark {
        Some(id) => id,
        None => {
            let id = DeedId::random().to_string();
            let text = format!("{id}\n");
            files::write_atomic(&dest.join(MARK), text.as_bytes(), Executable::No)?;
            id
        }
    };
    known.insert(shown.clone(), id);
    files::create_folders(&workspace.store_folder())?;
    let text = serde_json::to_vec_pretty(&known)
        .map_err(|error| Error::io("write", &memory)(error.into()))?;
    files::write_atomic(&memory, &text, Executable::No)
}

fn remembered(memory: &Path) -> Result<BTreeMap<String, String>> {
    match fs::read(memory) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            Error::damaged("file", memory.display().to_string(), error.to_string())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(Error::io("read", memory)(error)),
    }
}

fn mark_of(dest: &Path) -> Result<Option<String>> {
    let path = dest.join(MARK);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// The highest folder on the file system on which `dest` is, or would be made.
fn mount_point(dest: &Path) -> Option<PathBuf> {
    let there = dest.ancestors().find(|it| it.exists())?.canonicalize().ok()?;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let own = device(&there)?;
    there.ancestors().take_while(|it| device(it) == Some(own)).last().map(Path::to_path_buf)
}
