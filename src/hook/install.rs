//! Puts the hook files where git looks for them, and takes them away again.
//!
//! Promises: nobody's hook is displaced: it is kept beside ours under `NAME.pre-codex-archive` and
//! runs first. Doing it twice changes nothing. Taking ours away leaves what stood there before,
//! with its bytes and mode. Refuses to write into a folder that is tracked or a hook manager's,
//! unless forced: there a person adds the line that the report holds.
//!
//! The caller holds the repository's lock: two at once could take each other's file for foreign.

mod file;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

pub use file::HookName;
use file::{Found, VERSION, chained, is_edited, look, render};

use crate::error::{Error, Result};
use crate::fs::{self, Executable, TempFile};

/// How far an installation may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallMode {
    /// Write where the folder is git's own or a person's.
    Normal,
    /// Write nothing; report the lines to add.
    Manual,
    /// Write into any folder, and over hooks of ours that were changed or are newer.
    Force,
}

/// What became of one hook in an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Installed {
    /// It is there now.
    Installed,
    /// It is there now, and runs what stood there before.
    Chained {
        /// Where that is kept.
        #[serde(serialize_with = "as_text")]
        kept: PathBuf,
    },
    /// It was there in another version, for another binary or not executable.
    Updated,
    /// Nothing was to be done.
    Current,
    /// A person has to add a line.
    Manual {
        /// The file to add it to.
        #[serde(serialize_with = "as_text")]
        file: PathBuf,
        /// The line.
        line: String,
    },
    /// Nothing was changed.
    Left {
        /// Why, as a clause.
        why: String,
    },
}

/// What an installation did.
#[derive(Debug, Clone, Serialize)]
pub struct InstallReport {
    /// The hooks folder.
    #[serde(serialize_with = "as_text")]
    pub folder: PathBuf,
    /// Why nothing was written, as a clause.
    pub by_hand: Option<&'static str>,
    /// What became of each hook.
    pub hooks: Vec<(HookName, Installed)>,
}

/// What became of one hook when the hooks were taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Uninstalled {
    /// Ours is gone.
    Removed,
    /// Ours is gone, and what stood there before is back.
    PutBack,
    /// Ours was not there.
    Absent,
    /// Nothing was changed.
    Left {
        /// Why, as a clause.
        why: String,
    },
}

/// What taking the hooks away did.
#[derive(Debug, Clone, Serialize)]
pub struct UninstallReport {
    /// The hooks folder.
    #[serde(serialize_with = "as_text")]
    pub folder: PathBuf,
    /// What became of each hook.
    pub hooks: Vec<(HookName, Uninstalled)>,
}

/// Whether git runs our check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// Our file is there.
    Live,
    /// Somebody else's file runs it.
    Called,
    /// No file is there.
    Absent,
    /// Somebody else's file is there and does not run it.
    Displaced,
    /// The file is there, and git ignores it.
    NotExecutable,
    /// Our file is there, and an older version wrote it.
    Older,
}

/// How one hook stands.
#[derive(Debug, Clone, Serialize)]
pub struct HookStatus {
    /// The hook.
    pub name: HookName,
    /// Whether git runs our check.
    pub state: HookState,
    /// Whether another hook is kept beside it and runs first.
    pub chained: bool,
}

/// Installs the hooks `names`, which run `binary` (an absolute path), in `folder`: the answer of
/// `git rev-parse --git-path hooks`. `work_tree` is the work tree's top, if there is one.
pub fn install(
    folder: &Path,
    work_tree: Option<&Path>,
    binary: &Path,
    names: &[HookName],
    mode: InstallMode,
) -> Result<InstallReport> {
    if !binary.is_absolute() {
        let given = binary.display().to_string();
        return Err(Error::invalid("binary", given, "a hook needs its absolute path"));
    }
    let by_hand = match mode {
        InstallMode::Force => None,
        InstallMode::Manual => Some("it was asked for"),
        InstallMode::Normal => owner_of(folder, work_tree),
    };
    if by_hand.is_none() {
        fs::remove_litter(folder);
    }
    let mut hooks = Vec::with_capacity(names.len());
    for &name in names {
        let done = match by_hand {
            Some(_) => by_hand_one(folder, name)?,
            None => install_one(folder, name, binary, mode)?,
        };
        hooks.push((name, done));
    }
    Ok(InstallReport { folder: folder.to_owned(), by_hand, hooks })
}

fn by_hand_one(folder: &Path, name: HookName) -> Result<Installed> {
    if matches!(state_of(folder, name)?, HookState::Live | HookState::Called) {
        return Ok(Installed::Current);
    }
    Ok(Installed::Manual { file: file_for_people(folder, name), line: name.line() })
}

fn install_one(
    folder: &Path,
    name: HookName,
    binary: &Path,
    mode: InstallMode,
) -> Result<Installed> {
    let path = folder.join(name.as_str());
    let kept = chained(folder, name);
    let left = |why: String| Ok(Installed::Left { why });
    let kept_found = look(&kept, name)?;
    // It would run itself for ever.
    if matches!(kept_found, Found::Ours { .. }) {
        return left(format!("`{}` is this hook itself, and would call itself", kept.display()));
    }
    let bytes = render(name, binary);
    match look(&path, name)? {
        Found::Absent => {
            write(folder, &bytes)?.publish(&path)?;
            fs::sync_folder(folder)?;
            Ok(match kept_found {
                Found::Absent => Installed::Installed,
                _ => Installed::Chained { kept },
            })
        }
        Found::Ours { bytes: found, executable: true, .. } if found == bytes => {
            Ok(Installed::Current)
        }
        Found::Ours { version, .. } if version > VERSION && mode != InstallMode::Force => {
            left(format!("a newer version wrote it (hook version {version})"))
        }
        Found::Ours { bytes: found, .. }
            if is_edited(&found, name) && mode != InstallMode::Force =>
        {
            left("it was changed by hand; `--force` writes it anew".to_owned())
        }
        Found::Ours { .. } => {
            write(folder, &bytes)?.publish(&path)?;
            fs::sync_folder(folder)?;
            Ok(Installed::Updated)
        }
        Found::Foreign { .. } if state_of(folder, name)? == HookState::Called => {
            Ok(Installed::Current)
        }
        Found::Foreign { .. }
            if !matches!(kept_found, Found::Absent) && !fs::is_same_file(&path, &kept) =>
        {
            left(format!(
                "`{}` and `{}` are both somebody else's; add the line `{}` to the first",
                path.display(),
                kept.display(),
                name.line()
            ))
        }
        Found::Foreign { .. } => {
            chain(folder, &path, &kept, &bytes)?;
            Ok(Installed::Chained { kept })
        }
        Found::Odd => left(format!("`{}` is not a file", path.display())),
    }
}

/// Puts ours in the place of somebody else's hook, which gets the name `kept` first: at no moment
/// does git find none there. Killed in between, it has both names, and the next time goes on.
fn chain(folder: &Path, path: &Path, kept: &Path, bytes: &[u8]) -> Result<()> {
    let ours = write(folder, bytes)?;
    if !fs::is_same_file(path, kept) {
        fs::keep_as(path, kept)?;
    }
    if let Err(error) = ours.publish(path) {
        match path.symlink_metadata() {
            Ok(_) => fs::remove_file(kept)?,
            Err(_) => fs::rename(kept, path)?,
        }
        return Err(error);
    }
    fs::sync_folder(folder)
}

/// A complete hook file in `folder` that has yet to get its name.
fn write(folder: &Path, bytes: &[u8]) -> Result<TempFile> {
    fs::create_folders(folder)?;
    let mut temp = TempFile::create(folder, Executable::Yes)?;
    // The umask may have taken a bit, and git ignores what it may not execute.
    fs::set_executable(temp.path())?;
    temp.write_synced(bytes)?;
    Ok(temp)
}

/// Takes the hooks `names` out of `folder`.
pub fn uninstall(folder: &Path, names: &[HookName]) -> Result<UninstallReport> {
    fs::remove_litter(folder);
    let mut hooks = Vec::with_capacity(names.len());
    for &name in names {
        hooks.push((name, uninstall_one(folder, name)?));
    }
    if folder.is_dir() {
        fs::sync_folder(folder)?;
    }
    // git makes do without the folder, and we may have made it.
    if let Some(parent) = folder.parent().filter(|parent| is_git_folder(parent)) {
        fs::remove_empty_folders(parent, folder);
    }
    Ok(UninstallReport { folder: folder.to_owned(), hooks })
}

fn uninstall_one(folder: &Path, name: HookName) -> Result<Uninstalled> {
    let kept = chained(folder, name);
    let path = folder.join(name.as_str());
    let mut done = Uninstalled::Absent;
    for place in [path.clone(), moved(folder, name, "legacy"), moved(folder, name, "old")] {
        let Found::Ours { bytes, .. } = look(&place, name)? else { continue };
        if is_edited(&bytes, name) {
            let why = format!("`{}` was changed by hand; remove it by hand", place.display());
            return Ok(Uninstalled::Left { why });
        }
        // What stood there before goes wherever ours was moved to: a manager that keeps old hooks
        // would have moved it just so.
        if kept.symlink_metadata().is_ok() {
            fs::rename(&kept, &place)?;
            done = Uninstalled::PutBack;
        } else {
            fs::remove_file(&place)?;
            if done == Uninstalled::Absent {
                done = Uninstalled::Removed;
            }
        }
    }
    if kept.symlink_metadata().is_err() {
        return Ok(done);
    }
    if fs::is_same_file(&path, &kept) {
        // An installation was killed before ours got its name.
        fs::remove_file(&kept)?;
        return Ok(done);
    }
    if path.symlink_metadata().is_ok() {
        let why = format!("`{}` is somebody else's, and `{}` too", path.display(), kept.display());
        return Ok(Uninstalled::Left { why });
    }
    fs::rename(&kept, &path)?;
    Ok(Uninstalled::PutBack)
}

/// How each of the hooks `names` stands in `folder`.
pub fn status(folder: &Path, names: &[HookName]) -> Result<Vec<HookStatus>> {
    let one = |&name: &HookName| {
        let chained = chained(folder, name).symlink_metadata().is_ok();
        Ok(HookStatus { name, state: state_of(folder, name)?, chained })
    };
    names.iter().map(one).collect()
}

fn state_of(folder: &Path, name: HookName) -> Result<HookState> {
    let called_by_person = || match look(&file_for_people(folder, name), name) {
        Ok(Found::Foreign { calls_us, .. }) => calls_us,
        _ => false,
    };
    Ok(match look(&folder.join(name.as_str()), name)? {
        Found::Absent => HookState::Absent,
        Found::Ours { executable: false, .. } | Found::Foreign { executable: false, .. } => {
            HookState::NotExecutable
        }
        Found::Ours { version, .. } if version < VERSION => HookState::Older,
        Found::Ours { .. } => HookState::Live,
        Found::Foreign { calls_us: true, .. } => HookState::Called,
        Found::Foreign { .. } if runs_legacy(folder, name)? => HookState::Called,
        Found::Foreign { .. } if is_husky(folder) && called_by_person() => HookState::Called,
        Found::Foreign { .. } | Found::Odd => HookState::Displaced,
    })
}

/// Whether the pre-commit framework has moved our hook aside and still runs it.
fn runs_legacy(folder: &Path, name: HookName) -> Result<bool> {
    let legacy = look(&moved(folder, name, "legacy"), name)?;
    Ok(matches!(legacy, Found::Ours { executable: true, .. }))
}

fn moved(folder: &Path, name: HookName, suffix: &str) -> PathBuf {
    folder.join(format!("{name}.{suffix}"))
}

/// Whose `folder` is, when we should not write into it.
fn owner_of(folder: &Path, work_tree: Option<&Path>) -> Option<&'static str> {
    if is_husky(folder) {
        return Some("the hooks folder belongs to husky");
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let inside = work_tree.is_some_and(|top| real(folder).starts_with(real(top)));
    if inside && !folder.parent().is_some_and(is_git_folder) {
        return Some("the hooks folder is part of the work tree");
    }
    None
}

fn is_husky(folder: &Path) -> bool {
    folder.ends_with(".husky/_")
}

/// The file that a person edits to have the hook `name` do more.
fn file_for_people(folder: &Path, name: HookName) -> PathBuf {
    let parent = folder.parent().filter(|_| is_husky(folder));
    parent.unwrap_or(folder).join(name.as_str())
}

/// Whether `path` is a folder that git keeps a repository in.
fn is_git_folder(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir()
}

fn as_text<S: Serializer>(path: &Path, s: S) -> std::result::Result<S::Ok, S::Error> {
    s.collect_str(&path.display())
}
