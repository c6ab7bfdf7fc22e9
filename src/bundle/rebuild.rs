//! `bundle rebuild`: a bundle is made again from its lock, and compared.
//!
//! Promises: commit, patterns and times come from the lock alone, whatever is set here; nothing is
//! written unless the tar is the same, byte by byte.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Refusal, Result};
use crate::fs::Executable;
use crate::logging::About;
use crate::progress::Progress;

use super::contents::contents;
use super::folder::{BundleFolder, lock_at};
use super::name::TARBALL;
use super::pack::{Gzip, Packer};

/// Which bundle, and where to.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// Its lock, or the tarball beside it.
    pub file: PathBuf,
    /// The folder that the tarball is written to; `None`: it is compared and not written.
    pub output_dir: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct RebuildReport {
    /// The lock's file.
    pub file: String,
    /// The commit.
    pub git_sha: String,
    /// Whether the tar is the same: the promise that holds on every machine.
    pub same_tar: bool,
    /// Whether the tarball is the same, too; `None` where the lock names none. Another version may
    /// compress otherwise.
    pub same_tarball: Option<bool>,
    /// SHA-256 of the tar that was made.
    pub tar_sha256: String,
    /// SHA-256 of the tarball that was made.
    pub tarball_sha256: String,
    /// How many files and links are in it.
    pub file_count: u64,
    /// The version of the program that made the bundle.
    pub made_by: String,
    /// The version of this one.
    pub tool_version: String,
    /// The file that was written.
    pub written: Option<String>,
}

/// Makes the bundle again that `options` name.
pub fn rebuild(
    workspace: &Workspace,
    options: &RebuildOptions,
    progress: &dyn Progress,
) -> Result<RebuildReport> {
    let log = workspace.use_case("BUNDLE_REBUILD", None);
    log.end(rebuild_one(workspace, options, progress), |report| About {
        is_odd: !report.same_tar,
        ..About::many(1)
    })
}

fn rebuild_one(
    workspace: &Workspace,
    options: &RebuildOptions,
    progress: &dyn Progress,
) -> Result<RebuildReport> {
    let (folder, name) = lock_at(workspace, &options.file)?;
    let lock = folder.lock(&name)?;
    let no_repository =
        || Error::NoRepository { action: "rebuild the bundle", path: workspace.cwd.clone() };
    let repository = workspace.repository.as_ref().ok_or_else(no_repository)?;
    let commit = repository.resolve_commit(&lock.git_sha)?;
    let contents = contents(repository, &commit, &lock.exclusion()?, lock.stubs)?;
    let mut packer = Packer::new(workspace, repository);
    let output = options.output_dir.as_ref().map(|path| BundleFolder::at(path));
    let writing = output.as_ref().map(|it| it.write(workspace)).transpose()?;
    let mut temp = writing.as_ref().map(|it| it.folder.temp(Executable::No)).transpose()?;
    let (packed, (sha256, _)) = {
        let out: Box<dyn io::Write + '_> = match &mut temp {
            Some(temp) => Box::new(io::BufWriter::new(temp.file()?)),
            None => Box::new(io::sink()),
        };
        let mut gzip = Gzip::begin(out);
        let packed = packer.pack(&contents, &commit, lock.mtime, &mut gzip, progress)?;
        (packed, gzip.finish().map_err(Error::io("write", "tarball"))?)
    };
    let mut report = RebuildReport {
        file: folder.join(&name).display().to_string(),
        git_sha: lock.git_sha.clone(),
        same_tar: packed.sha256.to_string() == lock.tar_sha256,
        same_tarball: lock.tarball_sha256.as_ref().map(|it| *it == sha256.to_string()),
        tar_sha256: packed.sha256.to_string(),
        tarball_sha256: sha256.to_string(),
        file_count: contents.members.len() as u64,
        made_by: lock.tool_version.clone(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        written: None,
    };
    if let (Some(mut temp), Some(writing), true) = (temp, &writing, report.same_tar) {
        let name = format!("{}{TARBALL}", lock.stem());
        let target = writing.folder.path().join(&name);
        temp.file()?.flush().map_err(Error::io("write", &target))?;
        temp.sync()?;
        match writing.digest(&name)? {
            None => {
                temp.publish_new(Path::new(&name))?;
                writing.folder.sync()?;
                report.written = Some(target.display().to_string());
            }
            Some(there) if there == report.tarball_sha256 => {
                report.written = Some(target.display().to_string());
            }
            Some(_) => {
                let object = target.display().to_string();
                return Err(Error::refused("write", object, Refusal::Exists));
            }
        }
    }
    Ok(report)
}
