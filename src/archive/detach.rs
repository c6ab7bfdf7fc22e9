//! `store --detach-attributes`: frees a path of the attributes by which git converts its content, so
//! that the stub stands as it is, and gives them back when the content comes back.
//!
//! Promises: what a change of attributes does is looked at before anything is written; a line is
//! only ever added at the end of a file, and only that line is taken out again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Map, Value, json};

use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs::{self as files, Executable};
use crate::git::{AsIf, IndexFlag, IndexScope, Repository};
use crate::model::{Digest, GitOid, Item, RepoPath, escape_line};

use super::intent::Source;
use super::journaled::{Archive, record_of};
use super::tree::{After, Step};
use super::{Workspace, lookup, segments};

const ACTION: &str = "archive";

/// Attributes by which git changes content on its way to the work tree.
pub const CONVERSIONS: [&str; 3] = ["filter", "working-tree-encoding", "ident"];

/// What a line says of the path that it frees.
const FREED: &str = " -filter -diff -merge text=auto !eol -working-tree-encoding -ident";

/// The name of a file with attributes.
const FILE: &str = ".gitattributes";

/// The key in the detail of a record.
const KEY: &str = "detached";

/// What a path was freed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// The attributes and their values, such as `filter=lfs`.
    pub attributes: Vec<String>,
    /// What the index had there: the content's blob, or git-lfs' pointer to it.
    pub blob: GitOid,
}

impl Detached {
    /// Notes it in an event.
    pub fn note_in(&self, detail: &mut Map<String, Value>) {
        let blob = self.blob.to_string();
        detail.insert(KEY.to_owned(), json!({"attributes": self.attributes, "blob": blob}));
    }

    /// What an event notes.
    pub fn in_event(event: &Event) -> Option<Self> {
        let noted = event.detail.as_ref()?.get(KEY)?;
        let attributes = noted.get("attributes")?.as_array()?;
        Some(Self {
            attributes: attributes.iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect(),
            blob: noted.get("blob")?.as_str()?.parse().ok()?,
        })
    }
}

/// The attributes of a path that convert it, each with its value.
pub fn conversions(values: &[String]) -> Vec<String> {
    let converts = |value: &str| !matches!(value, "unspecified" | "unset" | "");
    let named = CONVERSIONS.iter().zip(values).filter(|(_, value)| converts(value));
    named.map(|(name, value)| format!("{name}={}", escape_line(value))).collect()
}

/// What an item was freed of when it was archived last; `None` if it was not.
pub fn of_item(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
) -> Result<Option<Detached>> {
    let is_archive = |action: &Action| *action == Action::Archive;
    if item.row_id != 0 {
        let stored = archive.ledger().records_about(item.row_id)?;
        let records = stored.iter().map(record_of).collect::<Result<Vec<_>>>()?;
        let last = records.iter().rev().find(|record| is_archive(&record.event.action));
        return Ok(last.and_then(|record| Detached::in_event(&record.event)));
    }
    let (segments, _) = segments::in_index(workspace.repository(ACTION)?)?;
    let records = segments.iter().flat_map(|it| &it.lines).map(|(record, _)| record);
    let about = records.filter(|record| record.event.tombstone == Some(item.tombstone));
    let last = about.filter(|it| is_archive(&it.event.action)).max_by_key(|it| (it.ts, it.seq));
    Ok(last.and_then(|record| Detached::in_event(&record.event)))
}

/// git-lfs' pointer to content of this digest and size.
pub fn pointer(sha256: &Digest, size_bytes: u64) -> Vec<u8> {
    format!("{POINTER_START}1\noid sha256:{sha256}\nsize {size_bytes}\n").into_bytes()
}

const POINTER_START: &str = "version https://git-lfs.github.com/spec/v";

/// Whether a blob is git-lfs' pointer to the content.
pub fn is_pointer(blob: &[u8]) -> bool {
    blob.len() <= 1024 && blob.starts_with(POINTER_START.as_bytes())
}

/// A file with attributes that changes.
#[derive(Debug, Clone)]
pub struct Change {
    path: RepoPath,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

impl Change {
    /// Where the file is.
    pub fn path(&self) -> &RepoPath {
        &self.path
    }

    /// The change as a step of a deed.
    pub fn step(&self) -> (Step, Source) {
        let (after, source) = match &self.after {
            Some(bytes) => {
                let (bytes, executable) = (bytes.clone(), Executable::No);
                (After::Converted { bytes, executable, staged: None }, Source::Given)
            }
            None => (After::Absent, Source::Absent),
        };
        let before = self.before.as_deref().map(Digest::of);
        (Step { path: self.path.clone(), before, after }, source)
    }
}

/// The files with attributes that count for some paths, as they stand and as they shall stand.
struct Files(BTreeMap<RepoPath, (Option<Vec<u8>>, Option<Vec<u8>>)>);

impl Files {
    fn of(workspace: &Workspace, paths: &[RepoPath]) -> Result<Self> {
        let mut found = BTreeMap::new();
        for name in paths.iter().map(files_for).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            if found.contains_key(&name) {
                continue;
            }
            let file = workspace.top.join(name.as_path());
            let bytes = match fs::symlink_metadata(&file) {
                Ok(meta) if meta.is_file() => Some(fs::read(&file).map_err(Error::io("read", file))?),
                // git takes no attributes out of a link.
                _ => None,
            };
            found.insert(name, (bytes.clone(), bytes));
        }
        Ok(Self(found))
    }

    fn add(&mut self, name: &RepoPath, path: &RepoPath) {
        let Some((_, after)) = self.0.get_mut(name) else { return };
        let text = after.get_or_insert_default();
        let has_end = text.is_empty() || text.ends_with(b"\n");
        let mut line = line(name, path);
        if !has_end {
            // As the file was, so that it is the same again without the line.
            text.push(b'\n');
            line.pop();
        }
        text.extend_from_slice(&line);
    }

    /// Takes the line of `path` out, wherever it stands.
    fn take_out(&mut self, path: &RepoPath) {
        for (name, (_, after)) in &mut self.0 {
            let Some(text) = after else { continue };
            let line = line(name, path);
            let kept = text.split_inclusive(|byte| *byte == b'\n').filter(|it| !is_line(it, &line));
            let mut kept: Vec<u8> = kept.flatten().copied().collect();
            if !text.ends_with(b"\n") && kept.ends_with(b"\n") {
                kept.pop();
            }
            if kept.len() != text.len() {
                // A file with nothing else in it was made for the line.
                *after = (!kept.is_empty()).then_some(kept);
            }
        }
    }

    fn restore(&mut self, name: &RepoPath) {
        if let Some((before, after)) = self.0.get_mut(name) {
            after.clone_from(before);
        }
    }

    fn as_if<'a>(&self, workspace: &Workspace, repository: &'a Repository) -> Result<AsIf<'a>> {
        let standing = self.0.iter().filter(|(_, (before, after))| before.is_some() || after.is_some());
        let bytes = standing.map(|(name, (_, after))| (name, after.as_deref().unwrap_or_default()));
        repository.as_if(&workspace.store_folder(), bytes)
    }

    fn changes(self) -> Vec<Change> {
        let changed = self.0.into_iter().filter(|(_, (before, after))| before != after);
        changed.map(|(path, (before, after))| Change { path, before, after }).collect()
    }
}

fn is_line(found: &[u8], line: &[u8]) -> bool {
    found.trim_ascii_end() == line.trim_ascii_end()
}

/// The files with attributes that may speak of `path`, from the top down.
fn files_for(path: &RepoPath) -> Result<Vec<RepoPath>> {
    let bytes = path.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
    let folders = std::iter::once(0).chain(ends).map(|end| &bytes[..end]);
    folders.map(|folder| RepoPath::new(&[folder, FILE.as_bytes()].concat())).collect()
}

/// The line of the file `name` that frees `path`.
fn line(name: &RepoPath, path: &RepoPath) -> Vec<u8> {
    let folder = name.as_bytes().len() - FILE.len();
    let mut line = quoted(&path.as_bytes()[folder..]);
    line.extend_from_slice(FREED.as_bytes());
    line.push(b'\n');
    line
}

/// `path` as a pattern that means it alone: `/`, what a pattern would read as a wildcard behind a
/// backslash, and all of it in C quotes where a byte needs them.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut pattern = vec![b'/'];
    for byte in path {
        if b"*?[\\".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    if pattern.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"') {
        return pattern;
    }
    let mut out = vec![b'"'];
    for byte in pattern {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    out.push(b'"');
    out
}

/// The changes that free `paths`: a line in the top's file, or where a file further down overrules
/// that, in the one nearest to the path. Refuses where neither helps, and where such a file is
/// itself changed or unknown to git.
pub fn free(
    workspace: &Workspace,
    repository: &Repository,
    paths: &[RepoPath],
) -> Result<Vec<Change>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let mut files = Files::of(workspace, paths)?;
    let top = RepoPath::new(FILE.as_bytes())?;
    for path in paths {
        files.add(&top, path);
    }
    let bound = still_bound(workspace, repository, &files, paths)?;
    if !bound.is_empty() {
        let bound: BTreeSet<&RepoPath> = bound.iter().map(|(path, _)| path).collect();
        files.restore(&top);
        for path in paths {
            let name = match bound.contains(path) {
                true => nearest(&files, path)?,
                false => top.clone(),
            };
            files.add(&name, path);
        }
        if let Some((path, attribute)) =
            still_bound(workspace, repository, &files, paths)?.into_iter().next()
        {
            let refusal = Refusal::NotFreed { attribute };
            return Err(Error::refused(ACTION, path.to_string(), refusal));
        }
    }
    let changes = files.changes();
    check_files(repository, &changes)?;
    Ok(changes)
}

fn nearest(files: &Files, path: &RepoPath) -> Result<RepoPath> {
    let names = files_for(path)?;
    let standing = names.iter().rev().find(|name| files.0.get(name).is_some_and(|it| it.0.is_some()));
    Ok(standing.unwrap_or(&names[0]).clone())
}

/// The paths that would be converted all the same, each with the first attribute that does it.
fn still_bound(
    workspace: &Workspace,
    repository: &Repository,
    files: &Files,
    paths: &[RepoPath],
) -> Result<Vec<(RepoPath, String)>> {
    let values = files.as_if(workspace, repository)?.attributes(paths, &CONVERSIONS)?;
    let bound = paths.iter().zip(values).filter_map(|(path, values)| {
        Some((path.clone(), conversions(&values).into_iter().next()?))
    });
    Ok(bound.collect())
}

/// What is staged must be the line and nothing else: a file that somebody is editing is left alone.
fn check_files(repository: &Repository, changes: &[Change]) -> Result<()> {
    for change in changes {
        let refused = |refusal| Err(Error::refused(ACTION, change.path.to_string(), refusal));
        let paths = std::slice::from_ref(&change.path);
        let entry = repository.index(IndexScope::Paths(paths))?.into_iter().next();
        match (entry, &change.before) {
            (None, None) => {}
            (None, Some(_)) => {
                let why = "git does not track it, and it must be committed with the stub";
                return refused(Refusal::Forbidden { why });
            }
            (Some(_), None) => return refused(Refusal::Missing),
            (Some(entry), Some(_)) if entry.stage != 0 => return refused(Refusal::Unmerged),
            (Some(entry), Some(_)) if entry.flag != IndexFlag::Plain => {
                return refused(Refusal::Flagged { flag: "skip-worktree" });
            }
            (Some(entry), Some(_)) => {
                if repository.clean_hashes(paths)?[0] != entry.oid {
                    return refused(Refusal::Dirty);
                }
            }
        }
    }
    Ok(())
}

/// The changes that take the lines of `paths` out again.
pub fn bind(workspace: &Workspace, paths: &[RepoPath]) -> Result<Vec<Change>> {
    let mut files = Files::of(workspace, paths)?;
    for path in paths {
        files.take_out(path);
    }
    Ok(files.changes())
}

/// The files that hold the line of a path in `paths`.
pub fn holders(workspace: &Workspace, paths: &[RepoPath]) -> Result<Vec<RepoPath>> {
    Ok(bind(workspace, paths)?.into_iter().map(|change| change.path).collect())
}

/// An item's content as it shall stand at `target` once the lines of `paths` are gone: converted for
/// the work tree, and for the index what was there before.
pub fn converted(
    workspace: &Workspace,
    item: &Item,
    target: &RepoPath,
    paths: &[RepoPath],
    content: Vec<u8>,
    detached: &Detached,
) -> Result<After> {
    let repository = workspace.repository("restore")?;
    let mut attached = Files::of(workspace, &[paths, std::slice::from_ref(target)].concat())?;
    for path in paths {
        attached.take_out(path);
    }
    let as_if = attached.as_if(workspace, repository)?;
    let values = as_if.attributes(std::slice::from_ref(target), &CONVERSIONS)?;
    let executable = lookup::executable(item);
    let Some(attribute) = conversions(&values[0]).into_iter().next() else {
        return Ok(After::File { bytes: content, executable });
    };
    let (bytes, staged) = if detached.blob == item.git_blob {
        let oid = repository.write_blob(&content)?;
        (as_if.smudged(target, &oid)?, content)
    } else {
        (content, pointer(&item.sha256, item.size_bytes))
    };
    // A filter that is not set up here would leave another file than there was.
    if as_if.cleaned(target, &bytes)? != repository.hash_blob(&staged)? {
        let refusal = Refusal::NotConverted { attribute };
        return Err(Error::refused("restore", target.to_string(), refusal));
    }
    Ok(After::Converted { bytes, executable, staged: Some(staged) })
}

/// Removes folders that a killed process left where attributes were tried out. The lock is ours.
pub fn remove_litter(workspace: &Workspace) {
    let Ok(entries) = fs::read_dir(workspace.store_folder()) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(files::TEMP_PREFIX);
        if ours && entry.file_type().is_ok_and(|it| it.is_dir()) {
            let _ = files::remove_tree(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(name: &str, path: &[u8]) -> String {
        let name = RepoPath::new(name.as_bytes()).unwrap();
        let line = line(&name, &RepoPath::new(path).unwrap());
        String::from_utf8(line).unwrap().split(" -filter").next().unwrap().to_owned()
    }

    #[test]
    fn a_line_means_one_path() {
        assert_eq!(line_of(FILE, b"a/b.py"), "/a/b.py");
        assert_eq!(line_of("a/.gitattributes", b"a/b.py"), "/b.py");
        assert_eq!(line_of(FILE, b"!a"), "/!a");
        assert_eq!(line_of(FILE, b"[a]*?.py"), "/\\[a]\\*\\?.py");
        assert_eq!(line_of(FILE, b"a b"), "\"/a b\"");
        assert_eq!(line_of(FILE, b"a\\ \"b\n\xff"), r#""/a\\\\ \"b\012\377""#);
    }

    #[test]
    fn only_the_line_goes() {
        let path = RepoPath::new(b"a").unwrap();
        let name = RepoPath::new(FILE.as_bytes()).unwrap();
        for before in [Some(&b"* text\n/b -filter\n"[..]), Some(b"* text"), None] {
            let before = before.map(<[u8]>::to_vec);
            let mut files = Files([(name.clone(), (before.clone(), before.clone()))].into());
            files.add(&name, &path);
            assert!(files.0[&name].1.as_ref().unwrap().windows(6).any(|it| it == b"-ident"));
            files.take_out(&path);
            assert_eq!(files.0[&name].1, before);
            assert!(files.changes().is_empty());
        }
    }
}
