//! `backup verify`: whether a backup is what was written, opened and looked into.

use std::fs::File;
use std::path::PathBuf;

use serde::Serialize;

use crate::archive::{Depth, Workspace};
use crate::backend::Access;
use crate::error::{Error, Result};
use crate::logging::About;
use crate::progress::Progress;

use super::destination::{Checksum, digest_of, read_checksum};
use super::name::BackupName;
use super::open::{ArchiveTaker, look_into, read};
use super::seal::{Key, Passphrase};

/// Which backup, and how closely.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Its file; `None`: standard input.
    pub file: Option<PathBuf>,
    /// How much of the content is decoded.
    pub depth: Depth,
    /// What opens it.
    pub key: Key,
}

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct VerifyReport {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The backup.
    pub file: String,
    /// SHA-256 of the file; `null` of standard input.
    pub sha256: Option<String>,
    /// Bytes of the file.
    pub size_bytes: Option<u64>,
    /// What the file beside it says: `agrees`, `differs`, `unreadable` or `absent`.
    pub checksum: &'static str,
    /// When the backup was made.
    pub created_at: Option<String>,
    /// The data folder's name.
    pub folder: Option<String>,
    /// How many files are in it.
    pub files: u64,
    /// Items of its archive.
    pub items: Option<u64>,
    /// Records of its archive, whose chains were followed.
    pub records: Option<u64>,
    /// The logical root of its archive.
    pub root: Option<String>,
    /// Artifacts that were decoded and hashed.
    pub artifacts_decoded: u64,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// Opens a backup and looks into it.
pub fn verify(
    workspace: &Workspace,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    let log = workspace.use_case("BACKUP_VERIFY", None);
    log.end(look(workspace, options, progress), |report| About {
        is_odd: !report.ok,
        ..About::many(report.files as usize)
    })
}

fn look(
    workspace: &Workspace,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    let mut report = VerifyReport { checksum: "absent", ..VerifyReport::default() };
    let mut taker = ArchiveTaker::new(&workspace.scratch_folder());
    let contents = match &options.file {
        Some(file) => {
            let file = workspace.cwd.join(file);
            report.file = file.display().to_string();
            let (sha256, size_bytes) = digest_of(&file)?;
            (report.sha256, report.size_bytes) = (Some(sha256.to_string()), Some(size_bytes));
            report.checksum = match read_checksum(&file)? {
                Checksum::Absent => "absent",
                Checksum::Unreadable => "unreadable",
                Checksum::Says(digest) if digest == sha256 => "agrees",
                Checksum::Says(_) => "differs",
            };
            let source = File::open(&file).map_err(Error::io("read", &file))?;
            read(&report.file, source, &options.key, &mut taker)
        }
        None => {
            report.file = "-".to_owned();
            read("-", std::io::stdin(), &options.key, &mut taker)
        }
    };
    match report.checksum {
        "differs" => report.faults.push("it is not what the file beside it says".to_owned()),
        "unreadable" => report.faults.push("the file beside it is no checksum of it".to_owned()),
        _ => {}
    }
    match contents {
        Ok(contents) => {
            let manifest = contents.manifest;
            report.faults.extend(contents.faults);
            report.created_at = Some(manifest.created_at.clone());
            report.folder = Some(manifest.folder.clone());
            report.files = manifest.files.len() as u64;
            if let Some(entry) = &manifest.archive {
                look_at_archive(workspace, taker, entry, options.depth, &mut report, progress)?;
            }
        }
        Err(Error::Damaged { why, .. }) => report.faults.push(why),
        Err(error) => return Err(error),
    }
    report.ok = report.faults.is_empty();
    Ok(report)
}

fn look_at_archive(
    workspace: &Workspace,
    taker: ArchiveTaker,
    entry: &super::manifest::ArchiveEntry,
    depth: Depth,
    report: &mut VerifyReport,
    progress: &dyn Progress,
) -> Result<()> {
    let counts = &entry.counts;
    (report.items, report.records) = (Some(counts.items), Some(counts.records));
    report.root = Some(counts.root.clone());
    // What is missing was told of with the files.
    let Some(scratch) = taker.finish() else { return Ok(()) };
    match look_into(workspace, scratch, entry, Access::Read, depth, progress) {
        Ok(seen) => {
            report.artifacts_decoded = seen.artifacts;
            report.faults.extend(seen.faults);
        }
        Err(error @ (Error::Damaged { .. } | Error::Backend { .. })) => {
            report.faults.push(error.to_string());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Whether the backup `file`, which is about to be relied on, is whole as far as can be seen without
/// what would open it.
pub(super) fn is_whole(
    workspace: &Workspace,
    file: &std::path::Path,
    passphrase: Option<Passphrase>,
    progress: &dyn Progress,
) -> Result<Option<String>> {
    let sealed = file.file_name().and_then(|name| BackupName::parse(&name.to_string_lossy()));
    if sealed.is_some_and(|name| name.is_sealed) && passphrase.is_none() {
        return Ok(match read_checksum(file)? {
            Checksum::Says(digest) if digest == digest_of(file)?.0 => None,
            _ => Some("it is not what the file beside it says".to_owned()),
        });
    }
    let key = passphrase.map_or(Key::None, Key::Passphrase);
    let options = VerifyOptions { file: Some(file.to_path_buf()), depth: Depth::Sample, key };
    Ok(look(workspace, &options, progress)?.faults.into_iter().next())
}
