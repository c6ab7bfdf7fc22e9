//! The results file: where it goes, whether it may, and what an earlier run left there.
//!
//! Refuses: links, files that git tracks, and whatever is there and is not a batch's results,
//! unless forced. Found out before the batch begins.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::BatchOptions;
use super::results::{BatchResults, EarlierItem, Failure, earlier, is_results};
use crate::archive::Workspace;
use crate::archive::output::{Outside, Target, contained};
use crate::clock::Timestamp;
use crate::error::{Error, Refusal, Result};
use crate::fs::{self as files, Executable};
use crate::git::IndexScope;
use crate::model::RepoPath;

const ACTION: &str = "save the results to";

/// More than that is no results file: a hundred thousand items take half of it.
const MOST_BYTES: u64 = 128 << 20;

/// Where the results go, and what an earlier run says.
pub struct Filing {
    target: Target,
    replaces: bool,
    /// What an earlier run did, by file; empty unless that was asked for.
    pub earlier: BTreeMap<String, EarlierItem>,
}

impl Filing {
    /// The place for the results of `command`; nothing is written yet.
    pub fn claim(
        workspace: &Workspace,
        command: &'static str,
        options: &BatchOptions,
        now: Timestamp,
    ) -> Result<Self> {
        let chosen = match &options.results {
            Some(given) => Some(workspace.cwd.join(given)),
            None => workspace.results_file()?,
        };
        let Some(chosen) = chosen else { return Self::by_time(workspace, command, options, now) };
        let target = contained(ACTION, workspace, Outside::Allowed, &chosen)?;
        check_untracked(workspace, &target)?;
        files::check_writable(files::folder_of(&target.file))?;
        if target.seen()?.is_none() {
            return Ok(Self { target, replaces: false, earlier: BTreeMap::new() });
        }
        let bytes = read(&target.file)?;
        if !is_results(&bytes) && !options.force {
            return Err(Error::refused(ACTION, target.shown, Refusal::Exists));
        }
        let found = if options.resume { earlier(command, &bytes) } else { None };
        Ok(Self { target, replaces: true, earlier: found.unwrap_or_default() })
    }

    /// A new file in the current directory, named by the time; the newest of its kind is the
    /// earlier run's.
    fn by_time(
        workspace: &Workspace,
        command: &'static str,
        options: &BatchOptions,
        now: Timestamp,
    ) -> Result<Self> {
        let kind = command.replace('-', "_");
        let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
        let stem = format!("{kind}_{}_{}", &digits[..8], &digits[8..14]);
        let found = match options.resume {
            true => newest(&workspace.cwd, &kind).and_then(|file| read(&file).ok()),
            false => None,
        };
        let found = found.and_then(|bytes| earlier(command, &bytes)).unwrap_or_default();
        let mut name = format!("{stem}.json");
        for n in 2.. {
            let file = workspace.cwd.join(&name);
            if file.symlink_metadata().is_err() {
                break;
            }
            name = format!("{stem}_{n}.json");
        }
        let target = contained(ACTION, workspace, Outside::Allowed, &workspace.cwd.join(name))?;
        files::check_writable(&workspace.cwd)?;
        Ok(Self { target, replaces: false, earlier: found })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.target.file
    }

    /// Writes the results, and says in them where they are or why they could not be written.
    pub fn keep(self, results: &mut BatchResults) {
        match self.save(results) {
            Ok(shown) => results.saved_to = Some(shown),
            Err(error) => results.trouble = Some(Failure::of(&error)),
        }
    }

    /// Writes the results whole, or not at all; gives the file as it is shown.
    fn save(self, results: &BatchResults) -> Result<String> {
        let folder = self.target.make_folder()?;
        let mut temp = folder.temp(Executable::No)?;
        temp.fill(|out| {
            let mut out = BufWriter::new(out);
            serde_json::to_writer_pretty(&mut out, results)?;
            out.write_all(b"\n")?;
            out.flush()
        })?;
        temp.sync()?;
        match self.replaces {
            true => temp.publish(&self.target.file)?,
            // A name that nobody had must still be nobody's.
            false => temp.publish_new(&self.target.file)?,
        }
        folder.sync()?;
        Ok(self.target.shown)
    }
}

/// Refuses a file that git tracks, there or not.
fn check_untracked(workspace: &Workspace, target: &Target) -> Result<()> {
    let (Some(repository), Ok(inside)) =
        (&workspace.repository, target.file.strip_prefix(&workspace.top))
    else {
        return Ok(());
    };
    let Ok(path) = RepoPath::new(inside.as_os_str().as_bytes()) else { return Ok(()) };
    if repository.work_tree().is_none()
        || repository.index(IndexScope::Paths(std::slice::from_ref(&path)))?.is_empty()
    {
        return Ok(());
    }
    let why = "git tracks it";
    Err(Error::refused(ACTION, target.shown.clone(), Refusal::Forbidden { why }))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = || Error::io("read", file);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed())?;
    opened.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed())?;
    Ok(bytes)
}

/// The last of the results files of this kind in `folder`, by name.
fn newest(folder: &Path, kind: &str) -> Option<PathBuf> {
    let is_one = |name: &OsStr| {
        let stamp = name.to_str()?.strip_prefix(kind)?.strip_prefix('_')?.strip_suffix(".json")?;
        let digits = |c: char| c.is_ascii_digit() || c == '_';
        (stamp.len() >= 15 && stamp.chars().all(digits)).then_some(())
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let named = entries.filter(|entry| is_one(&entry.file_name()).is_some());
    // `…_2` is younger than the file without it, though `.` comes before `_`.
    named.map(|entry| entry.path()).filter(is_file).max_by_key(|path| path.with_extension(""))
}
