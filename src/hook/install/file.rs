//! One hook file: its name, its text, and what stands where it belongs.
//!
//! Promises: what is embedded here is byte for byte what stands in hooks/, but for the path of the
//! binary. A file is ours only when its second line says so.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::escape_line;

/// A hook of git that we have a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookName {
    /// Before a commit.
    PreCommit,
    /// Before the commit of a merge without conflicts.
    PreMergeCommit,
    /// Before the commit of an applied patch.
    PreApplypatch,
    /// Before a push, on the side that pushes.
    PrePush,
    /// Before the refs of a push change, on the side that receives.
    PreReceive,
    /// Before any ref changes, whatever changes it.
    ReferenceTransaction,
}

impl HookName {
    /// Every hook.
    pub const ALL: [Self; 6] = [
        Self::PreCommit,
        Self::PreMergeCommit,
        Self::PreApplypatch,
        Self::PrePush,
        Self::PreReceive,
        Self::ReferenceTransaction,
    ];

    /// The hooks of a clone in which people work.
    pub const CLIENT: [Self; 4] =
        [Self::PreCommit, Self::PreMergeCommit, Self::PreApplypatch, Self::PrePush];

    /// Those, and the one that nothing gets past.
    pub const STRICT: [Self; 5] = [
        Self::PreCommit,
        Self::PreMergeCommit,
        Self::PreApplypatch,
        Self::PrePush,
        Self::ReferenceTransaction,
    ];

    /// git's name for it, which is its file's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PreMergeCommit => "pre-merge-commit",
            Self::PreApplypatch => "pre-applypatch",
            Self::PrePush => "pre-push",
            Self::PreReceive => "pre-receive",
            Self::ReferenceTransaction => "reference-transaction",
        }
    }

    /// The line that runs the check out of somebody else's hook file.
    pub fn line(self) -> String {
        format!("git codex-archive hook {self} \"$@\"")
    }

    fn template(self) -> &'static str {
        match self {
            Self::PreCommit => include_str!("../../../hooks/pre-commit"),
            Self::PreMergeCommit => include_str!("../../../hooks/pre-merge-commit"),
            Self::PreApplypatch => include_str!("../../../hooks/pre-applypatch"),
            Self::PrePush => include_str!("../../../hooks/pre-push"),
            Self::PreReceive => include_str!("../../../hooks/pre-receive"),
            Self::ReferenceTransaction => include_str!("../../../hooks/reference-transaction"),
        }
    }
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HookName {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid("hook", escape_line(text), format!("it is none of {all}"))
        })
    }
}

/// The version in the marker line of the files that this version installs.
pub const VERSION: u32 = 1;

/// How the marker line, the second of a file, begins; the version and the name follow.
const MARKER: &str = "# git-codex-archive hook v";

/// Stands in the files of hooks/ for the path of the binary.
const BINARY: &str = "@BINARY@";

/// No hook of ours is larger; in bytes.
const MAX_HOOK_BYTES: u64 = 64 * 1024;

/// The bytes of the hook `name` that runs `binary`.
pub fn render(name: HookName, binary: &Path) -> Vec<u8> {
    let (before, after) = split(name);
    let mut bytes = before.as_bytes().to_vec();
    // Between single quotes the shell takes every byte as it is, except the quote.
    for byte in binary.as_os_str().as_bytes() {
        match byte {
            b'\'' => bytes.extend_from_slice(b"'\\''"),
            other => bytes.push(*other),
        }
    }
    bytes.extend_from_slice(after.as_bytes());
    bytes
}

fn split(name: HookName) -> (&'static str, &'static str) {
    name.template().split_once(BINARY).unwrap_or((name.template(), ""))
}

/// What stands at a path where a hook belongs.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A hook of ours.
    Ours {
        /// The version of its marker line.
        version: u32,
        /// All of it.
        bytes: Vec<u8>,
        /// Whether git will run it.
        executable: bool,
    },
    /// Somebody else's hook.
    Foreign {
        /// Whether it has a line that runs our check.
        calls_us: bool,
        /// Whether git will run it.
        executable: bool,
    },
    /// A folder, or something else that git does not run.
    Odd,
}

/// Looks at the file `path`, where the hook `name` belongs.
pub fn look(path: &Path, name: HookName) -> Result<Found> {
    let absent = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    match path.symlink_metadata() {
        Err(error) if absent(error.kind()) => return Ok(Found::Absent),
        Err(error) => return Err(Error::io("look at", path)(error)),
        Ok(_) => {}
    }
    // A link that leads nowhere is somebody's all the same.
    let Ok(meta) = path.metadata() else {
        return Ok(Found::Foreign { calls_us: false, executable: false });
    };
    if !meta.is_file() {
        return Ok(Found::Odd);
    }
    let executable = meta.permissions().mode() & 0o111 != 0;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_HOOK_BYTES).read_to_end(&mut bytes))
        .map_err(Error::io("read", path))?;
    Ok(match version_of(&bytes) {
        Some(version) => Found::Ours { version, bytes, executable },
        None => Found::Foreign { calls_us: calls(&bytes, name), executable },
    })
}

/// Whether `bytes`, a hook of ours of the version [`VERSION`], differ from it by more than the
/// binary.
pub fn is_edited(bytes: &[u8], name: HookName) -> bool {
    let (before, after) = split(name);
    version_of(bytes) == Some(VERSION)
        && !(bytes.starts_with(before.as_bytes()) && bytes.ends_with(after.as_bytes()))
}

/// The version of a hook of ours; `None` for any other file.
fn version_of(bytes: &[u8]) -> Option<u32> {
    let line = bytes.split(|byte| *byte == b'\n').nth(1)?;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix(MARKER)?;
    rest.split(' ').next()?.parse().ok()
}

/// Whether a line that is no comment runs our check.
fn calls(bytes: &[u8], name: HookName) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim_start).filter(|line| !line.starts_with('#')).any(|line| {
        let call = line.split_once("codex-archive hook ").map(|(_, rest)| rest);
        call.and_then(|rest| rest.split([' ', ';']).next()) == Some(name.as_str())
    })
}

/// Where the hook that stood there before ours is kept.
pub fn chained(folder: &Path, name: HookName) -> PathBuf {
    folder.join(format!("{name}.pre-codex-archive"))
}
