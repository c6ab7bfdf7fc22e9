//! What git would do if some attributes files stood otherwise: a folder of our own with those files
//! is taken for the work tree.
//!
//! Promises: neither work tree nor index is touched, and the folder goes away again. (Filters that
//! are run may write what they like, as at any checkout.)

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Repository;
use super::attributes::parse;
use super::{Bytes, plumbing};
use crate::error::Result;
use crate::fs::{self as files, Executable, TEMP_PREFIX};
use crate::model::{DeedId, GitOid, RepoPath};

const READ: &str = "read the attributes";
const SMUDGE: &str = "convert a blob for the work tree";
const CLEAN: &str = "convert a file for the index";

/// A repository whose attributes files stand otherwise.
pub struct AsIf<'a> {
    repository: &'a Repository,
    folder: PathBuf,
}

impl Repository {
    /// The repository as it would be with `attributes`, files and their bytes; where one is left
    /// out, the index has it. The folder is made in `scratch`.
    pub fn as_if<'a>(
        &self,
        scratch: &Path,
        attributes: impl IntoIterator<Item = (&'a RepoPath, &'a [u8])>,
    ) -> Result<AsIf<'_>> {
        let folder = scratch.join(format!("{TEMP_PREFIX}{}", &DeedId::random().to_string()[..13]));
        files::create_folders(&folder)?;
        // From here on the folder goes away whatever happens.
        let this = AsIf { repository: self, folder: fs::canonicalize(&folder).unwrap_or(folder) };
        for (path, bytes) in attributes {
            let file = this.folder.join(path.as_path());
            files::create_folders(files::folder_of(&file))?;
            files::write_atomic(&file, bytes, Executable::No)?;
        }
        Ok(this)
    }
}

impl AsIf<'_> {
    fn command(&self, mut command: Command) -> Command {
        command.current_dir(&self.folder).env("GIT_WORK_TREE", &self.folder);
        command
    }

    /// For each of `paths` one value for each of `names`, as [`Repository::attributes`].
    pub fn attributes(&self, paths: &[RepoPath], names: &[&str]) -> Result<Vec<Vec<String>>> {
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let command = self.command(self.repository.check_attr(names, &[]));
        parse(&plumbing::run_checked(READ, command, &input)?, paths, names)
    }

    /// Writes to `out` the bytes that a checkout of the blob `oid` would write at `path`.
    pub fn smudged(&self, path: &RepoPath, oid: &GitOid, out: &mut dyn Write) -> Result<()> {
        let command = self.repository.writing([
            OsString::from("cat-file"),
            "--filters".into(),
            path_option(path),
            oid.to_string().into(),
        ]);
        plumbing::run_into(SMUDGE, self.command(command), out)
    }

    /// The object id that git would stage for `source` at `path`. The object is written, since git is
    /// strict about encodings only then.
    pub fn cleaned(&self, path: &RepoPath, source: &dyn Bytes) -> Result<GitOid> {
        let line =
            [OsString::from("hash-object"), "-w".into(), path_option(path), "--stdin".into()];
        let mut command = self.command(self.repository.writing(line));
        let bytes = source.in_memory();
        if bytes.is_none() {
            let folder = &self.repository.common_dir;
            command.stdin(files::nameless_file_with(folder, |out| source.write_to(out))?);
        }
        let answer = plumbing::run_checked(CLEAN, command, bytes.unwrap_or_default())?;
        match plumbing::oid_lines(CLEAN, &answer, self.repository.oid_len)?.as_slice() {
            [oid] => Ok(*oid),
            _ => Err(plumbing::odd_answer(CLEAN, &answer)),
        }
    }
}

fn path_option(path: &RepoPath) -> OsString {
    let mut option = OsStr::new("--path=").as_bytes().to_vec();
    option.extend_from_slice(path.as_bytes());
    OsString::from_vec(option)
}

impl Drop for AsIf<'_> {
    fn drop(&mut self) {
        let _ = files::remove_tree(&self.folder);
    }
}
