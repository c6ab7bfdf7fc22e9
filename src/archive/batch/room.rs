//! Whether the disks have room for what a batch will write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::fs as files;

/// Refuses what the disks have no room for: bytes by the folder in which they will stand.
pub fn check_room(wanted: impl IntoIterator<Item = (PathBuf, u64)>) -> Result<()> {
    let mut by_folder: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for (folder, bytes) in wanted {
        let sum = by_folder.entry(folder).or_default();
        *sum = sum.saturating_add(bytes);
    }
    let mut by_disk: BTreeMap<u64, (u64, u64, PathBuf)> = BTreeMap::new();
    for (folder, bytes) in by_folder {
        let Some(disk) = files::disk_of(&folder) else { continue };
        let entry = by_disk.entry(disk.id).or_insert((disk.free_bytes, 0, folder));
        entry.1 = entry.1.saturating_add(bytes);
    }
    match by_disk.into_values().find(|(free, needed, _)| needed > free) {
        Some((free, needed, folder)) => {
            let why = format!("the batch needs {needed} bytes, and {free} are free");
            let full = std::io::Error::new(std::io::ErrorKind::StorageFull, why);
            Err(Error::io("write in", folder)(full))
        }
        None => Ok(()),
    }
}
