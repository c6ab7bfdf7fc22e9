//! The archive that stands here, and where it is kept.

use std::fs;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, Workspace};
use crate::backend::Access;
use crate::error::{Error, Result};
use crate::fs as files;

use super::ReinstateReport;

/// What SQLite may keep beside an archive; the second holds content that is not in the archive yet.
const SIDES: [&str; 3] = ["", "-wal", "-shm"];

/// Opens the archive that stands at `place`, if there is one that can be read; why not is reported.
pub(super) fn open_live(
    workspace: &Workspace,
    place: &Path,
    report: &mut ReinstateReport,
) -> Result<Option<Archive>> {
    workspace.mend_links()?;
    if !place.exists() {
        return Ok(None);
    }
    let opened = Archive::connect(workspace, Access::Write).and_then(|mut archive| {
        archive.schema = archive.schema_version()?;
        let complaints = archive.integrity()?;
        match complaints.into_iter().next() {
            Some(first) => Err(Error::damaged("archive", place.display().to_string(), first)),
            None => Ok(archive),
        }
    });
    match opened {
        Ok(archive) if archive.schema == 0 => Ok(None),
        Ok(archive) => Ok(Some(archive)),
        Err(error @ (Error::Damaged { .. } | Error::Backend { .. })) => {
            report.unreadable = Some(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Brings everything into the archive's own file, as far as others let us: what they keep back is
/// in the write-ahead log, which is kept too.
pub(super) fn settle(live: Option<Archive>) -> Result<()> {
    match live {
        Some(mut live) => live.driver().scrub().map(|_| ()),
        None => Ok(()),
    }
}

/// The folder that the archive at `place` goes to.
pub(super) fn name(workspace: &Workspace, place: &Path) -> PathBuf {
    let stamp: String =
        workspace.now().to_string()[..19].chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let name = format!("before-restore-{stamp}Z");
    let at = |number: u32| match number {
        1 => files::folder_of(place).join(&name),
        _ => files::folder_of(place).join(format!("{name}-{number}")),
    };
    (1..).map(at).find(|folder| !folder.exists()).unwrap_or_else(|| at(1))
}

/// Gives the archive at `place`, and the journal, second names in the folder `kept`; the log that
/// stands beside the archive would be taken for the new one's, and loses its first name.
pub(super) fn keep(workspace: &Workspace, place: &Path, kept: &Path) -> Result<Option<String>> {
    let journal = workspace.journal_file()?;
    let sides = SIDES.map(|side| beside(place, side));
    let stands: Vec<&PathBuf> = sides
        .iter()
        .chain([&journal])
        .filter(|file| fs::metadata(file).is_ok_and(|meta| meta.len() > 0))
        .collect();
    if !stands.is_empty() {
        files::create_folders(kept)?;
        for file in &stands {
            if !file.as_os_str().to_string_lossy().ends_with("-shm") {
                files::second_name(file, &kept.join(file.file_name().unwrap_or_default()))?;
            }
        }
        files::sync_folder(kept)?;
    }
    for side in &sides[1..] {
        files::remove_file(side)?;
    }
    Ok((!stands.is_empty()).then(|| kept.display().to_string()))
}

fn beside(place: &Path, side: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(side);
    PathBuf::from(name)
}
