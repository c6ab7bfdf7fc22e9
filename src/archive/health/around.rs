//! What is around an archive: checked also where it cannot be opened.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::workspace::ArchivePlace;
use super::super::{Workspace, pending};
use super::{HealthReport, Seen, none_of};
use crate::error::{Error, Result};
use crate::fs as files;

/// Less free space than this is worth a warning, in bytes.
const LOW_BYTES: u64 = 256 << 20;

/// Fewer free files than this are worth a warning.
const LOW_FILES: u64 = 1024;

/// Another command that holds the lock for longer than this is worth a warning.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Checks what is around the archive: deeds that wait, the lock, the place and its room.
pub fn check(workspace: &Workspace, report: &mut HealthReport) {
    report.check("interrupted-deeds", || {
        let waiting = pending(workspace)?;
        let mut deeds = waiting.deeds();
        deeds.extend(waiting.first_damage().map(|error| error.to_string()));
        Ok(none_of(&deeds, "none"))
    });
    report.check("lock", || check_lock(workspace));
    // Where no place is known `connection` has said why.
    if let Ok(place) = workspace.archive_place() {
        report.add("place", place_of(workspace, &place));
        report.check("disk-space", || check_room(workspace, &place));
    }
}

/// Whether the lock of our changing commands is free, or becomes free soon.
fn check_lock(workspace: &Workspace) -> Result<Seen> {
    let path = workspace.store_folder().join("lock");
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Seen::Fine("free".to_owned()));
        }
        opened => opened.map_err(Error::io("open", &path))?,
    };
    let pause = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(Seen::Fine("free".to_owned())),
            Err(fs::TryLockError::Error(source)) => {
                return Err(Error::Io { action: "lock", path, source });
            }
            Err(fs::TryLockError::WouldBlock) if waited < LOCK_PATIENCE => {
                std::thread::sleep(pause);
                waited += pause;
            }
            Err(fs::TryLockError::WouldBlock) => {
                let seconds = LOCK_PATIENCE.as_secs();
                return Ok(Seen::Odd(format!("held by another command for over {seconds} s")));
            }
        }
    }
}

fn place_of(workspace: &Workspace, place: &ArchivePlace) -> Seen {
    match place {
        ArchivePlace::Server(_) => Seen::Fine("on a server".to_owned()),
        ArchivePlace::File(_) if workspace.is_embedded() => {
            let outside_git = workspace.repository.is_none();
            let words = if outside_git { "in .codex" } else { "in git's own folder" };
            Seen::Fine(words.to_owned())
        }
        ArchivePlace::File(file) if file.starts_with(&workspace.top) => Seen::Odd(format!(
            "{} is in the work tree, where `git clean -x` deletes it",
            file.display()
        )),
        ArchivePlace::File(_) => Seen::Fine("outside the work tree".to_owned()),
    }
}

/// Free space where this machine writes: archive, journal and work tree.
fn check_room(workspace: &Workspace, place: &ArchivePlace) -> Result<Seen> {
    let mut folders: Vec<PathBuf> = vec![workspace.top.clone(), workspace.store_folder()];
    if let ArchivePlace::File(file) = place {
        folders.push(files::folder_of(file).to_path_buf());
    }
    let rooms = folders.iter().filter(|folder| folder.exists());
    let rooms = rooms.map(|folder| files::room(folder)).collect::<Result<Vec<_>>>()?;
    let least = |of: fn(&files::Room) -> u64| rooms.iter().map(of).min().unwrap_or(u64::MAX);
    Ok(judge_room(least(|room| room.bytes), least(|room| room.files), &workspace.top))
}

fn judge_room(bytes: u64, free_files: u64, top: &Path) -> Seen {
    let mebibytes = bytes >> 20;
    let place = top.display();
    if bytes < LOW_BYTES {
        Seen::Odd(format!("{mebibytes} MiB free at {place}, less than {}", LOW_BYTES >> 20))
    } else if free_files < LOW_FILES {
        Seen::Odd(format!("room for {free_files} more files at {place}"))
    } else {
        Seen::Fine(format!("{mebibytes} MiB free"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_odd_and_stops_nothing() {
        let judge = |bytes, files| judge_room(bytes, files, Path::new("/r"));
        assert!(matches!(judge(LOW_BYTES, LOW_FILES), Seen::Fine(_)));
        assert!(matches!(judge(LOW_BYTES - 1, LOW_FILES), Seen::Odd(_)));
        assert!(matches!(judge(LOW_BYTES, LOW_FILES - 1), Seen::Odd(_)));
        assert!(matches!(judge(0, 0), Seen::Odd(_)));
    }
}
