//! Leftovers: where pieces of destroyed content still stand in the files of an archive.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, ArchivePlace, Workspace};
use crate::error::Result;
use crate::model::shell_word;

use super::Spot;
use super::probe::{Probes, files_below};

/// Looks for `probes`, which are pieces of `whose`, in every file of the archive's folder: what was
/// looked through, and where some were found.
pub(super) fn in_files(
    workspace: &Workspace,
    archive: &mut Archive,
    probes: &Probes,
    whose: &str,
) -> Result<[Vec<Spot>; 2]> {
    let files = archive_files(workspace)?;
    let mut probes = probes.clone();
    let mut is_found = false;
    for file in &files {
        is_found = is_found || probes.found_in(file)? > 0;
    }
    if is_found {
        // Files have headers in common: what another artifact has too says nothing.
        forget_shared(archive, &mut probes)?;
    }
    let mut still_present = Vec::new();
    let mut clean = 0;
    for file in &files {
        let found = probes.found_in(file)?;
        if found == 0 {
            clean += 1;
            continue;
        }
        let what = format!("{found} of {} pieces of {whose} stand in it", probes.len());
        still_present.push(in_file(workspace, file, what)?);
    }
    let what = match probes.len() {
        0 => format!(
            "not looked into: {whose} is too short, too even, too usual or too damaged for that"
        ),
        count => {
            let pieces = if count == 1 { "piece" } else { "pieces" };
            format!("{count} {pieces} of {whose} looked for in {clean} files: not found")
        }
    };
    let place = "files of the archive".to_owned();
    Ok([vec![Spot { place, what, command: None }], still_present])
}

/// Forgets the pieces that stand in what other artifacts have stored.
fn forget_shared(archive: &mut Archive, probes: &mut Probes) -> Result<()> {
    let (mut after, mut seen) = (0, None);
    loop {
        let rows = archive.catalog().artifact_rows(after, 200)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.row_id;
        for row in &rows {
            let mut catalog = archive.catalog();
            // A damaged one is for `fsck` to tell of.
            let Ok(Some(place)) = catalog.place(row.row_id) else { continue };
            // Members of one run follow one another: each run is looked through once.
            if seen.replace(place.run) == Some(place.run) {
                continue;
            }
            for n in 0..place.pieces {
                let Ok(stored) = catalog.piece(place.run, n) else { break };
                probes.forget_found_in(&stored);
            }
        }
    }
}

/// What stands in `file`. What the archive itself needs is tidied up, and not taken away.
pub(super) fn in_file(workspace: &Workspace, file: &Path, what: String) -> Result<Spot> {
    let word = shell_word(file.as_os_str().as_bytes());
    let command = (!is_live(workspace, file)?).then(|| format!("rm -- {word}"));
    Ok(Spot { place: file.display().to_string(), what, command })
}

/// Whether `file` is the archive's database, or a file that SQLite keeps beside it.
pub(super) fn is_live(workspace: &Workspace, file: &Path) -> Result<bool> {
    let ArchivePlace::File(live) = workspace.archive_place()? else { return Ok(false) };
    let live = live.display().to_string();
    let shown = file.display().to_string();
    Ok(["", "-wal", "-shm", "-journal"].iter().any(|end| shown == format!("{live}{end}")))
}

/// The files of an archive that is a file.
fn archive_files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    match workspace.archive_place()? {
        ArchivePlace::File(file) => {
            let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_ours = |path: &PathBuf| {
                folder == workspace.store_folder()
                    || path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(&name))
            };
            Ok(files_below(&folder)?.into_iter().filter(is_ours).collect())
        }
        ArchivePlace::Server(_) => Ok(Vec::new()),
    }
}
