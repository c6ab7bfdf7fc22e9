//! The files of a deed: all written beside their targets, synced, and only then given their names.
//!
//! Interleaving these costs a journal commit a file on some file systems. Where there are many, each
//! core takes a part of them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, Folder, TempFile};
use crate::git::Bytes as _;
use crate::model::names_git_folder;

use super::{After, Standing, Step, digest_in, how};

/// From so many files on they are shared out among the cores.
const MANY_STEPS: usize = 512;

/// A step on its way: the folder of its path, where that is there, and the file that waits in it.
pub struct Prepared<'a> {
    step: &'a Step,
    folder: Option<Arc<Folder>>,
    temp: Option<TempFile>,
}

/// Whether the files of these steps may be written before the deed is recorded: they are many, and
/// all of them stay.
pub fn is_worth_preparing(steps: &[Step]) -> bool {
    part_len(steps) < steps.len() && batch_len(steps) == steps.len()
}

/// Writes the files of the steps beside their targets, and nothing else.
pub fn prepare_files<'a>(
    action: &'static str,
    top: &Path,
    steps: &'a [Step],
) -> Result<Vec<Prepared<'a>>> {
    check_places(action, steps)?;
    prepare(action, top, steps)
}

/// Takes the steps in the work tree.
pub fn write_files(action: &'static str, top: &Path, steps: &[Step]) -> Result<()> {
    check_places(action, steps)?;
    let mut rest = steps;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(batch_len(rest));
        write_batch(action, top, batch)?;
        rest = later;
    }
    Ok(())
}

fn check_places(action: &'static str, steps: &[Step]) -> Result<()> {
    match steps.iter().find(|step| names_git_folder(step.path.as_bytes())) {
        Some(step) => {
            let why = "it is inside git's own folder";
            Err(Error::refused(action, step.path.to_string(), Refusal::Forbidden { why }))
        }
        None => Ok(()),
    }
}

/// How many of `steps` lie in no more folders than may be open at once.
fn batch_len(steps: &[Step]) -> usize {
    let mut folders = HashMap::new();
    let mut most = files::FEW_FOLDERS;
    let within = steps.iter().take_while(|step| {
        folders.insert(folder_of(step).as_os_str(), ());
        if folders.len() > most {
            // Each has a file in it for a moment, and others need some.
            most = (files::descriptors() / 2).max(files::FEW_FOLDERS);
        }
        folders.len() <= most
    });
    within.count()
}

fn folder_of(step: &Step) -> &Path {
    files::inner_folder_of(step.path.as_path())
}

fn write_batch(action: &'static str, top: &Path, steps: &[Step]) -> Result<()> {
    let parts: Vec<&[Step]> = steps.chunks(part_len(steps)).collect();
    let prepared = on_all_cores(parts, |steps| prepare(action, top, steps))?;
    let folders = place_durably(action, prepared)?;
    for step in steps.iter().filter(|step| matches!(step.after, After::Absent)) {
        files::remove_empty_below(top, folder_of(step));
    }
    files::sync_folders(folders.iter().map(|folder| &**folder))
}

/// Gives the files that [`prepare_files`] wrote their names.
pub fn place_files(action: &'static str, mut prepared: Vec<Prepared<'_>>) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let part = prepared.len().div_ceil(cores);
    let mut parts = Vec::new();
    while prepared.len() > part {
        parts.push(prepared.split_off(prepared.len() - part));
    }
    parts.push(prepared);
    let folders = place_durably(action, parts)?;
    files::sync_folders(folders.iter().map(|folder| &**folder))
}

/// The folders, whose names are still to be synced.
fn place_durably(
    action: &'static str,
    prepared: Vec<Vec<Prepared<'_>>>,
) -> Result<Vec<Arc<Folder>>> {
    files::sync_all(prepared.iter().flatten().filter_map(|it| it.temp.as_ref()))?;
    let folders = on_all_cores(prepared, |steps| place_all(action, steps))?;
    Ok(folders.into_iter().flatten().collect())
}

/// How many steps one core takes. Where files also go, their folders may go with them, under the hands
/// of whoever writes into those.
fn part_len(steps: &[Step]) -> usize {
    let stays = |step: &Step| matches!(step.after, After::File { .. });
    if steps.len() < MANY_STEPS || !steps.iter().all(stays) {
        return steps.len();
    }
    steps.len().div_ceil(thread::available_parallelism().map_or(1, usize::from))
}

/// Does `work` for each part, all at once.
fn on_all_cores<T: Send, R: Send>(
    parts: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    if parts.len() < 2 {
        return parts.into_iter().map(work).collect();
    }
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            parts.into_iter().map(|part| scope.spawn(move || work(part))).collect();
        // All are waited for, whatever becomes of the first.
        let done: Vec<Result<R>> = threads
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        done.into_iter().collect()
    })
}

/// Opens the folders and writes the files, under names of their own.
fn prepare<'a>(action: &'static str, top: &Path, steps: &'a [Step]) -> Result<Vec<Prepared<'a>>> {
    let mut folders: HashMap<&OsStr, Option<Arc<Folder>>> = HashMap::new();
    let mut prepared = Vec::with_capacity(steps.len());
    for step in steps {
        let at = folder_of(step);
        let known = folders.get(at.as_os_str()).cloned().flatten();
        let folder = match (&step.after, known) {
            (_, Some(folder)) => Some(folder),
            (After::Absent, None) => Folder::below(action, top, at)?.map(Arc::new),
            (_, None) => Some(Arc::new(Folder::make_below(action, top, at)?)),
        };
        let temp = match (step.after.file(), &folder) {
            (Some((bytes, executable)), Some(folder)) => {
                let mut temp = folder.temp(executable)?;
                temp.fill(|out| bytes.write_to(out))?;
                if steps.len() >= files::MANY_FILES {
                    temp.close();
                }
                Some(temp)
            }
            _ => None,
        };
        folders.insert(at.as_os_str(), folder.clone());
        prepared.push(Prepared { step, folder, temp });
    }
    Ok(prepared)
}

/// Gives all their names; the folders, which are still to be synced.
fn place_all(action: &'static str, steps: Vec<Prepared<'_>>) -> Result<Vec<Arc<Folder>>> {
    let mut folders: Vec<Arc<Folder>> = Vec::new();
    for Prepared { step, folder, temp } in steps {
        place(action, step, folder.as_deref(), temp)?;
        match (folder, folders.last()) {
            (Some(folder), Some(last)) if Arc::ptr_eq(&folder, last) => {}
            (Some(folder), _) => folders.push(folder),
            (None, _) => {}
        }
    }
    Ok(folders)
}

/// Whether the file of a step has not changed since it was read, by a look at it.
fn is_as_read(folder: &Folder, step: &Step) -> Result<bool> {
    let name = step.path.as_path().file_name().unwrap_or_default();
    Ok(step.stamp.is_some() && folder.stamp(name)? == step.stamp)
}

/// Gives `temp` its name in the folder that was opened for it, or takes the file there away.
fn place(
    action: &'static str,
    step: &Step,
    folder: Option<&Folder>,
    temp: Option<TempFile>,
) -> Result<()> {
    let path = step.path.as_path();
    let now = match folder {
        Some(folder) if is_as_read(folder, step)? => step.before,
        Some(folder) => digest_in(folder, path)?,
        None => None,
    };
    match how(now, step.before, step.after_digest()) {
        Standing::After => return Ok(()),
        Standing::Before => {}
        Standing::Other => {
            return Err(Error::refused(action, step.path.to_string(), Refusal::ChangedMeanwhile));
        }
    }
    match (temp, folder) {
        (Some(temp), _) => temp.publish(path),
        (None, Some(folder)) => folder.remove(path.file_name().unwrap_or_default()),
        (None, None) => Ok(()),
    }
}
