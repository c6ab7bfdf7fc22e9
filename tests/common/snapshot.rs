//! All that a command may change, taken down: files, index, refs, configuration, hooks, evidence.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::TestRepo;

/// Everything in a repository that must not change unasked.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    things: BTreeMap<String, String>,
}

impl Snapshot {
    /// Everything in `repo` now.
    pub fn of(repo: &TestRepo) -> Self {
        let mut things = BTreeMap::new();
        walk(&repo.top, &repo.top, &mut things);
        things.remove(".git");
        let common = repo.common_dir();
        for name in ["config", "hooks", "info", "codex-archive"] {
            let path = common.join(name);
            if let Some(kind) = describe(&path) {
                things.insert(format!(".git/{name}"), kind);
                walk(&path, &common, &mut things);
            }
        }
        // SQLite's own files and the lock come and go with readers.
        things.retain(|name, _| {
            !(name.ends_with("-wal") || name.ends_with("-shm") || name.ends_with("/lock"))
                && name != ".git/codex-archive/intents"
        });
        let index = repo.git(["ls-files", "-s", "-v", "-z"]).stdout;
        things.insert("(index)".to_owned(), index);
        things.insert("(refs)".to_owned(), repo.git(["for-each-ref"]).stdout);
        things.insert("(HEAD)".to_owned(), repo.git(["rev-parse", "HEAD"]).stdout);
        Self { things }
    }

    /// The same without the archive's file and the journal: for deeds that are recorded even
    /// though they came to nothing.
    pub fn without_records(mut self) -> Self {
        self.things.retain(|name, _| {
            !name.ends_with("archive.sqlite") && !name.ends_with("archive_ops.jsonl")
        });
        self
    }

    /// What differs, by name.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let names = self.things.keys().chain(other.things.keys());
        let mut names: Vec<String> = names
            .filter(|name| self.things.get(*name) != other.things.get(*name))
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn walk(folder: &Path, top: &Path, things: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = String::from_utf8_lossy(path.strip_prefix(top).unwrap().as_os_str().as_bytes())
            .into_owned();
        let name = if top.ends_with(".git") { format!(".git/{name}") } else { name };
        if let Some(kind) = describe(&path) {
            things.insert(name.clone(), kind);
        }
        if path.is_dir() && !path.is_symlink() && name != ".git" {
            walk(&path, top, things);
        }
    }
}

fn describe(path: &Path) -> Option<String> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let mode = meta.permissions().mode() & 0o777;
    Some(if meta.is_symlink() {
        format!("link to {}", std::fs::read_link(path).unwrap().display())
    } else if meta.is_dir() {
        format!("folder {mode:o}")
    } else if meta.is_file() {
        match std::fs::read(path) {
            Ok(bytes) => format!("file {mode:o} {}", super::sha256(&bytes)),
            Err(_) => format!("file {mode:o} that cannot be read"),
        }
    } else {
        format!("special file {mode:o}")
    })
}
