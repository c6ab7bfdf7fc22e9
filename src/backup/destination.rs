//! The folder that backups go to, and what stands in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fs::Folder;
use crate::model::{Digest, Digester};

use super::name::{BackupName, CHECKSUM};

/// A backup at a destination.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its name.
    pub name: BackupName,
    /// Its file.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size_bytes: u64,
}

/// The backups below `dest`, the oldest first; nothing where there is no such folder. What is not
/// where a backup of its name would be is none.
pub(super) fn backups(dest: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for year in folders_in(dest, |name| is_digits(name, 4))? {
        let is_day = |name: &str| name.len() == 5 && name.split('-').all(|it| is_digits(it, 2));
        for day in folders_in(&year, is_day)? {
            for (file, path) in names_in(&day)? {
                let Some(name) = BackupName::parse(&file) else { continue };
                let meta = fs::symlink_metadata(&path).map_err(Error::io("look at", &path))?;
                if meta.is_file() && day == dest.join(name.folder()) {
                    found.push(Found { name, path, size_bytes: meta.len() });
                }
            }
        }
    }
    found.sort_by(|a, b| (&a.name.stamp, &a.name.stem).cmp(&(&b.name.stamp, &b.name.stem)));
    Ok(found)
}

/// The folders in which backups of any day stand.
pub(super) fn day_folders(dest: &Path) -> Result<Vec<PathBuf>> {
    let mut days = Vec::new();
    for year in folders_in(dest, |name| is_digits(name, 4))? {
        days.extend(folders_in(&year, |name| {
            name.len() == 5 && name.split('-').all(|it| is_digits(it, 2))
        })?);
    }
    Ok(days)
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn folders_in(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let all = names_in(folder)?.into_iter();
    let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    Ok(all.filter(|(name, _)| wanted(name)).map(|(_, path)| path).filter(is_folder).collect())
}

/// What is in a folder, by name; names that are not UTF-8 are none of ours.
pub(super) fn names_in(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("read", folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.path()));
        }
    }
    names.sort();
    Ok(names)
}

/// The file with the digest of the backup `path`.
pub(super) fn checksum_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(CHECKSUM);
    PathBuf::from(name)
}

/// Writes the file with the digest of the backup `path`, which is in `folder`, as `sha256sum` does,
/// for its owner alone; `tag` tells whose a file is that is left when the program is killed.
pub(super) fn write_checksum(
    folder: &Arc<Folder>,
    tag: &str,
    path: &Path,
    sha256: &Digest,
) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut temp = folder.private_temp(tag)?;
    temp.write_synced(format!("{sha256}  {name}\n").as_bytes())?;
    temp.publish(&checksum_of(path))?;
    folder.sync()
}

/// What a checksum file says of the backup `path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    /// There is no such file.
    Absent,
    /// The digest.
    Says(Digest),
    /// It is not one line with a digest and this backup's name.
    Unreadable,
}

/// Reads the file with the digest of the backup `path`.
pub(super) fn read_checksum(path: &Path) -> Result<Checksum> {
    let file = checksum_of(path);
    let text = match fs::read(&file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Checksum::Absent),
        Err(error) => return Err(Error::io("read", file)(error)),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let digest = line.split_once("  ").filter(|(_, named)| *named == name);
    Ok(match digest.and_then(|(digest, _)| digest.parse().ok()) {
        Some(digest) => Checksum::Says(digest),
        None => Checksum::Unreadable,
    })
}

/// SHA-256 of a file's bytes, and how many they are.
pub(super) fn digest_of(path: &Path) -> Result<(Digest, u64)> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut digester = Digester::default();
    io::copy(&mut file, &mut digester).map_err(Error::io("read", path))?;
    Ok(digester.finish())
}
