//! All that a deed on one path must leave alone: the index with its flags and extensions, files,
//! refs, configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{TestRepo, sha256};

/// Extensions of the index that a rewrite could lose.
const EXTENSIONS: [&[u8]; 4] = [b"UNTR", b"FSMN", b"link", b"sdir"];

/// An entry of the index: flag letter, mode, object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// git's letter for its flags.
    pub flag: String,
    /// git's mode, in octal.
    pub mode: String,
    /// The object.
    pub oid: String,
}

/// A repository, taken down.
#[derive(Debug)]
pub struct State {
    /// The index, by path and stage.
    pub index: BTreeMap<(OsString, String), Entry>,
    /// Files of the work tree, by path: mode and SHA-256, or what else it is.
    pub files: BTreeMap<OsString, String>,
    /// Folders that a sparse index keeps collapsed.
    collapsed: BTreeSet<Vec<u8>>,
    /// Lines of `git status`.
    status: BTreeSet<Vec<u8>>,
    /// Refs, HEAD, configuration, the form of the index: by name.
    others: BTreeMap<&'static str, String>,
}

impl State {
    /// Takes down `repo`, as git sees it under `settings`.
    pub fn of(repo: &TestRepo, settings: &[&str]) -> Self {
        let top = &repo.at(".");
        let bytes = |line: &[&str]| top.git(settings.iter().chain(line)).ok().bytes;
        let index = fields(&bytes(&["ls-files", "-s", "-v", "-z"]));
        let index = index.iter().map(|it| entry(it)).collect();
        let sparse = fields(&bytes(&["ls-files", "--sparse", "-z"]));
        let collapsed = sparse.into_iter().filter(|path| path.ends_with(b"/")).collect();
        let line = ["--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=all"];
        let mut files = BTreeMap::new();
        walk(&repo.top, &repo.top, &mut files);
        let mut others = BTreeMap::new();
        others.insert("refs", top.git(["for-each-ref"]).ok().stdout);
        others.insert("HEAD", top.git(["symbolic-ref", "-q", "HEAD"]).stdout);
        others.insert("commit", top.git(["rev-parse", "HEAD"]).stdout);
        others.insert("configuration", top.git(["config", "--list"]).ok().stdout);
        others.insert("form of the index", form_of_the_index(top));
        Self {
            index,
            files,
            collapsed,
            status: fields(&bytes(&line)).into_iter().collect(),
            others,
        }
    }

    /// The entry of `path`.
    #[track_caller]
    pub fn entry(&self, path: &OsStr) -> Entry {
        let entry = self.index.get(&(path.to_owned(), "0".to_owned()));
        entry.unwrap_or_else(|| panic!("{path:?} is not in the index")).clone()
    }

    /// Holds what differs from `self` in `now` against what a deed may change: the paths that
    /// `is_own` accepts, which it must have staged.
    #[track_caller]
    pub fn is_kept_by(&self, now: &Self, is_own: &dyn Fn(&OsStr) -> bool) {
        let others = |state: &Self| -> Vec<((OsString, String), Entry)> {
            let foreign = state.index.iter().filter(|((path, _), _)| !is_own(path));
            foreign.map(|(key, entry)| (key.clone(), entry.clone())).collect()
        };
        same("index entries", &others(self), &others(now));
        let files = |state: &Self| -> Vec<(OsString, String)> {
            let foreign = state.files.iter().filter(|(path, _)| !is_own(path));
            foreign.map(|(path, what)| (path.clone(), what.clone())).collect()
        };
        same("files", &files(self), &files(now));
        assert_eq!(self.others, now.others);
        // What a deed writes into is opened.
        let opened: Vec<_> = self.collapsed.difference(&now.collapsed).collect();
        let is_opened = |folder: &&Vec<u8>| is_own(OsStr::from_bytes(&folder[..folder.len() - 1]));
        assert!(opened.iter().all(is_opened), "no longer collapsed: {opened:?}");
        let foreign =
            |line: &&Vec<u8>| !line.get(3..).is_some_and(|it| is_own(OsStr::from_bytes(it)));
        let lost: Vec<_> = self.status.difference(&now.status).filter(foreign).collect();
        assert!(lost.is_empty(), "gone from git status: {}", shown(&lost));
        let new: Vec<_> = now.status.difference(&self.status).collect();
        let staged = |line: &&Vec<u8>| line.get(1) == Some(&b' ') && line.first() != Some(&b' ');
        assert!(new.iter().all(staged), "new in git status: {}", shown(&new));
    }
}

fn shown(lines: &[&Vec<u8>]) -> String {
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect::<Vec<_>>()
        .join("; ")
}

/// Says what differs, not all that is there: an index may have many entries.
#[track_caller]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, before: &[T], after: &[T]) {
    if before == after {
        return;
    }
    let lost: Vec<_> = before.iter().filter(|it| !after.contains(it)).take(5).collect();
    let new: Vec<_> = after.iter().filter(|it| !before.contains(it)).take(5).collect();
    panic!("other {what}: {lost:?} became {new:?}");
}

fn fields(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split(|it| *it == 0).filter(|it| !it.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Parses `<flag> <mode> <oid> <stage>` TAB `<path>`.
fn entry(field: &[u8]) -> ((OsString, String), Entry) {
    let tab = field.iter().position(|it| *it == b'\t').unwrap();
    let words = String::from_utf8(field[..tab].to_vec()).unwrap();
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let path = OsString::from_vec(field[tab + 1..].to_vec());
    let [flag, mode, oid, stage] = words.try_into().unwrap();
    ((path, stage), Entry { flag, mode, oid })
}

/// The index file's version and extensions, and what stands where a split index keeps its base.
fn form_of_the_index(repo: &TestRepo) -> String {
    let file = repo.git(["rev-parse", "--path-format=absolute", "--git-path", "index"]).ok();
    let Ok(bytes) = fs::read(PathBuf::from(file.stdout.trim_end())) else { return String::new() };
    let has = |word: &[u8]| bytes.windows(word.len()).any(|it| it == word);
    let found =
        EXTENSIONS.iter().filter(|word| has(word)).map(|word| String::from_utf8_lossy(word));
    let found: Vec<_> = found.collect();
    format!("version {} {}", bytes.get(7).copied().unwrap_or_default(), found.join(" "))
}

fn walk(folder: &Path, top: &Path, files: &mut BTreeMap<OsString, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let name = path.strip_prefix(top).unwrap().as_os_str().to_owned();
        if entry.file_name() == ".git" {
            continue;
        }
        if meta.is_dir() {
            walk(&path, top, files);
            continue;
        }
        let mode = meta.permissions().mode() & 0o777;
        let what = if meta.is_symlink() {
            format!("link to {}", fs::read_link(&path).unwrap().display())
        } else if meta.is_file() {
            fs::read(&path)
                .map_or("unreadable".to_owned(), |it| format!("{mode:o} {}", sha256(&it)))
        } else {
            "special".to_owned()
        };
        files.insert(name, what);
    }
}
