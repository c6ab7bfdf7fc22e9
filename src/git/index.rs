//! The index, as git lists it.
//!
//! GIT_INDEX_FILE counts. A sparse index is listed in full.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::Repository;
use super::diff::{RAW, STAGED, parse_raw};
use super::plumbing::{self, READING};
use crate::error::Result;
use crate::model::{GitOid, RepoPath};

const ACTION: &str = "read the index";

/// Bytes of paths in one command line, well below what the system allows.
const PATHS_BYTES: usize = 64 * 1024;
/// Paths in one command line: git compares every entry with each of them.
const PATHS_COUNT: usize = 200;

/// Which entries of the index.
#[derive(Debug, Clone, Copy)]
pub enum IndexScope<'a> {
    /// All of them.
    All,
    /// Those that a user's pathspecs mean in `cwd`, a folder of the work tree; without any, those
    /// below `cwd`.
    Pathspecs {
        /// Where the user stands.
        cwd: &'a Path,
        /// What they typed.
        specs: &'a [OsString],
    },
    /// Those with exactly these paths, any number of them.
    Paths(&'a [RepoPath]),
    /// Those below this folder.
    Folder(&'a str),
}

/// What hides the state of an entry from git's other commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexFlag {
    /// Nothing.
    Plain,
    /// `update-index --assume-unchanged`.
    AssumeUnchanged,
    /// `update-index --skip-worktree`, or outside a sparse checkout.
    SkipWorktree,
    /// `add --intent-to-add`: the entry has no content yet.
    IntentToAdd,
}

impl IndexFlag {
    /// Its name, as `git update-index` and `git add` have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::AssumeUnchanged => "assume-unchanged",
            Self::SkipWorktree => "skip-worktree",
            Self::IntentToAdd => "intent-to-add",
        }
    }
}

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The path.
    pub path: RepoPath,
    /// git's mode.
    pub mode: u32,
    /// The object.
    pub oid: GitOid,
    /// 0, or 1 to 3 for the sides of an unresolved merge.
    pub stage: u8,
    /// What hides its state.
    pub flag: IndexFlag,
}

impl Repository {
    /// The entries of the index in `scope`, in git's order.
    pub fn index(&self, scope: IndexScope<'_>) -> Result<Vec<IndexEntry>> {
        let mut entries = match scope {
            IndexScope::All => self.list_index(&[])?,
            IndexScope::Folder(folder) => {
                let mut entries = self.list_index(&[RepoPath::new(folder.as_bytes())?])?;
                entries.retain(|entry| entry.path.is_in(folder));
                entries
            }
            IndexScope::Paths(paths) => {
                if paths.is_empty() {
                    return Ok(Vec::new());
                }
                // A literal pathspec means a folder's files too.
                let wanted: HashSet<&RepoPath> = paths.iter().collect();
                let mut entries = self.list_index(narrow(paths))?;
                entries.retain(|entry| wanted.contains(&entry.path));
                entries
            }
            IndexScope::Pathspecs { cwd, specs } => {
                let mut command = self.command(cwd, READING);
                command.env("LC_ALL", "C");
                self.list(command, specs)?
            }
        };
        self.mark_intents(&mut entries)?;
        Ok(entries)
    }

    /// The paths, without an open merge, at which one of `oids` stands; other entries are passed over
    /// unread, since there may be hundreds of thousands.
    pub fn paths_of(&self, oids: &[GitOid]) -> Result<Vec<RepoPath>> {
        let wanted: HashSet<String> = oids.iter().map(|oid| format!(" {oid} 0")).collect();
        let mut command = self.reading([""; 0]);
        command.args(["ls-files", "-s", "-z", "--full-name"]);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let mut paths = Vec::new();
        for field in plumbing::fields(ACTION, &answer)? {
            // `<mode> <oid> <stage>` TAB `<path>`; a mode has six digits.
            let tab = MODE_LEN + 2 * self.oid_len + " 0 ".len();
            let found = field.get(MODE_LEN..tab).and_then(|part| std::str::from_utf8(part).ok());
            if found.is_some_and(|part| wanted.contains(part)) {
                paths.push(RepoPath::new(field.get(tab + 1..).unwrap_or_default())?);
            }
        }
        Ok(paths)
    }

    fn list_index(&self, paths: &[RepoPath]) -> Result<Vec<IndexEntry>> {
        self.list(self.reading([""; 0]), paths.iter().map(RepoPath::as_path))
    }

    fn list<S: AsRef<std::ffi::OsStr>>(
        &self,
        mut command: Command,
        paths: impl IntoIterator<Item = S>,
    ) -> Result<Vec<IndexEntry>> {
        command.args(["ls-files", "-s", "-v", "-z", "--full-name", "--"]).args(paths);
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let fields = plumbing::fields(ACTION, &answer)?;
        fields.into_iter().map(|field| parse_entry(field, self.oid_len)).collect()
    }

    /// `ls-files` shows an intent to add as an empty file. Only a comparison with nothing tells:
    /// that one leaves intents out.
    fn mark_intents(&self, entries: &mut [IndexEntry]) -> Result<()> {
        let empty = self.hash_object("blob", &[]);
        let suspect = |entry: &&mut IndexEntry| entry.oid == empty && entry.stage == 0;
        let suspects: Vec<RepoPath> =
            entries.iter_mut().filter(suspect).map(|entry| entry.path.clone()).collect();
        if suspects.is_empty() {
            return Ok(());
        }
        let mut command = self.reading(STAGED);
        command.args(RAW).arg(self.hash_object("tree", &[]).to_string()).arg("--");
        command.args(narrow(&suspects).iter().map(RepoPath::as_path));
        let answer = plumbing::run_checked(ACTION, command, &[])?;
        let changes = parse_raw(ACTION, &answer, self.oid_len)?;
        let real: HashSet<RepoPath> = changes.into_iter().map(|change| change.path).collect();
        for entry in entries.iter_mut().filter(suspect) {
            if !real.contains(&entry.path) {
                entry.flag = IndexFlag::IntentToAdd;
            }
        }
        Ok(())
    }
}

/// Digits of a mode.
const MODE_LEN: usize = 6;

/// `paths`, or none (which git takes for all) when they are too many for a command line.
fn narrow(paths: &[RepoPath]) -> &[RepoPath] {
    let bytes: usize = paths.iter().map(|path| path.as_bytes().len()).sum();
    if paths.len() > PATHS_COUNT || bytes > PATHS_BYTES { &[] } else { paths }
}

/// Parses `<tag> <mode> <oid> <stage>` TAB `<path>`.
fn parse_entry(field: &[u8], oid_len: usize) -> Result<IndexEntry> {
    let odd = || plumbing::odd_answer(ACTION, field);
    let tab = field.iter().position(|byte| *byte == b'\t').ok_or_else(odd)?;
    let words: Vec<&[u8]> = field[..tab].split(|byte| *byte == b' ').collect();
    let [tag, mode, oid, stage] = words.as_slice() else { return Err(odd()) };
    let flag = match *tag {
        b"H" | b"M" => IndexFlag::Plain,
        b"h" | b"m" => IndexFlag::AssumeUnchanged,
        b"S" | b"s" => IndexFlag::SkipWorktree,
        _ => return Err(odd()),
    };
    let stage = match *stage {
        [digit @ b'0'..=b'3'] => digit - b'0',
        _ => return Err(odd()),
    };
    Ok(IndexEntry {
        path: RepoPath::new(&field[tab + 1..])?,
        mode: plumbing::parse_mode(mode).ok_or_else(odd)?,
        oid: plumbing::parse_oid(oid, oid_len).ok_or_else(odd)?,
        stage,
        flag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_form() {
        let oid = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let parse = |text: &str| parse_entry(text.as_bytes(), 20);
        let entry = parse(&format!("s 100755 {oid} 0\ta\tb")).unwrap();
        assert_eq!((entry.mode, entry.flag), (0o100_755, IndexFlag::SkipWorktree));
        assert_eq!(entry.path.as_bytes(), b"a\tb");
        for bad in [
            format!("X 100644 {oid} 0\ta"),
            format!("H 100644 {oid} 4\ta"),
            format!("H 100644 {oid} 0 a"),
            format!("H 100644 {oid}0 0\ta"),
            format!("H 9 {oid} 0\ta"),
            format!("H 100644 {oid} 0\t/a"),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
