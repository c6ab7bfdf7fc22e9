//! Files with attributes, and the line in them that frees one path.
//!
//! Promises: a line is only ever added at the end of a file, and only that line is taken out again;
//! what has no line is the same again, byte for byte.

use std::collections::BTreeMap;
use std::fs;

use crate::error::{Error, Result};
use crate::fs::Executable;
use crate::git::{AsIf, Repository};
use crate::model::{Digest, RepoPath};

use super::intent::Source;
use super::tree::{After, Step};
use super::{Content, Workspace};

/// The name of a file with attributes.
pub const FILE: &str = ".gitattributes";

/// What a line says of the path that it frees.
const FREED: &str = " -filter -diff -merge text=auto !eol -working-tree-encoding -ident";

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

    /// Whether the file stands now.
    pub fn stands(&self) -> bool {
        self.before.is_some()
    }

    /// The change as a step of a deed.
    pub fn step(&self) -> (Step, Source) {
        let (after, source) = match &self.after {
            Some(bytes) => {
                let (bytes, executable) = (Content::of(bytes.clone()), Executable::No);
                (After::Converted { bytes, executable, staged: None }, Source::Given)
            }
            None => (After::Absent, Source::Absent),
        };
        let before = self.before.as_deref().map(Digest::of);
        (Step { path: self.path.clone(), before, stamp: None, after }, source)
    }
}

/// The files with attributes that count for some paths, as they stand and as they shall stand.
pub struct Files(BTreeMap<RepoPath, Change>);

impl Files {
    /// The files that may speak of `paths`, as they stand.
    pub fn of(workspace: &Workspace, paths: &[RepoPath]) -> Result<Self> {
        let mut found = BTreeMap::new();
        for name in paths.iter().map(files_for).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            if found.contains_key(&name) {
                continue;
            }
            let file = workspace.top.join(name.as_path());
            let bytes = match fs::symlink_metadata(&file) {
                Ok(meta) if meta.is_file() => {
                    Some(fs::read(&file).map_err(Error::io("read", file))?)
                }
                // git takes no attributes out of a link.
                _ => None,
            };
            let (path, before) = (name.clone(), bytes.clone());
            found.insert(name, Change { path, before, after: bytes });
        }
        Ok(Self(found))
    }

    /// Adds the line of `path` to the file `name`.
    pub fn add(&mut self, name: &RepoPath, path: &RepoPath) {
        let Some(change) = self.0.get_mut(name) else { return };
        let text = change.after.get_or_insert_default();
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
    pub fn take_out(&mut self, path: &RepoPath) {
        for (name, change) in &mut self.0 {
            let Some(text) = &change.after else { continue };
            let line = line(name, path);
            let kept = text.split_inclusive(|byte| *byte == b'\n').filter(|it| !is_line(it, &line));
            let mut kept: Vec<u8> = kept.flatten().copied().collect();
            if !text.ends_with(b"\n") && kept.ends_with(b"\n") {
                kept.pop();
            }
            if kept.len() != text.len() {
                // A file with nothing else in it was made for the line.
                change.after = (!kept.is_empty()).then_some(kept);
            }
        }
    }

    /// Takes back what was added to the file `name`.
    pub fn restore(&mut self, name: &RepoPath) {
        if let Some(change) = self.0.get_mut(name) {
            change.after.clone_from(&change.before);
        }
    }

    /// The repository as it would be with these files.
    pub fn as_if<'a>(&self, workspace: &Workspace, repository: &'a Repository) -> Result<AsIf<'a>> {
        let standing = self.0.values().filter(|it| it.before.is_some() || it.after.is_some());
        let bytes = standing.map(|it| (&it.path, it.after.as_deref().unwrap_or_default()));
        repository.as_if(&workspace.store_folder(), bytes)
    }

    /// The file nearest to `path`, else the one at the top.
    pub fn nearest(&self, path: &RepoPath) -> Result<RepoPath> {
        let names = files_for(path)?;
        let stands = |name: &&RepoPath| self.0.get(name).is_some_and(|it| it.before.is_some());
        Ok(names.iter().rev().find(stands).unwrap_or(&names[0]).clone())
    }

    /// What changes.
    pub fn changes(self) -> Vec<Change> {
        self.0.into_values().filter(|change| change.before != change.after).collect()
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

    fn files(name: &RepoPath, before: Option<&[u8]>) -> Files {
        let before = before.map(<[u8]>::to_vec);
        let change = Change { path: name.clone(), before: before.clone(), after: before };
        Files([(name.clone(), change)].into())
    }

    #[test]
    fn only_the_line_goes() {
        let path = RepoPath::new(b"a").unwrap();
        let name = RepoPath::new(FILE.as_bytes()).unwrap();
        for before in [Some(&b"* text\n/b -filter\n"[..]), Some(b"* text"), None] {
            let before = before.map(<[u8]>::to_vec);
            let mut files = files(&name, before.as_deref());
            files.add(&name, &path);
            assert!(files.0[&name].after.as_ref().unwrap().windows(6).any(|it| it == b"-ident"));
            files.take_out(&path);
            assert_eq!(files.0[&name].after, before);
            assert!(files.changes().is_empty());
        }
    }
}
