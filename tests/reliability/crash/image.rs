//! What stands in a repository: work tree, index, hooks, settings, and what it remembers. Not
//! segments and the archive's own files, which differ from one run to the next.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{TestRepo, sha256};

const SEGMENTS: &str = ".codex/evidence/segments";

/// Everything a command may change, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    things: BTreeMap<String, String>,
}

/// The entries of memory, and how many records there are of them: one never without the other. Read
/// out of a copy, since looking must not settle anything.
fn remembered(repo: &TestRepo) -> String {
    let copy = looked_at(repo);
    let sql = "SELECT (SELECT COALESCE(group_concat(line, char(10)), '') FROM (
                 SELECT e.body || ' '
                   || (SELECT COALESCE(group_concat(tag), '') FROM entry_tag WHERE entry_id = e.id)
                   || (SELECT COALESCE(group_concat(k || '=' || v), '') FROM entry_metadata
                       WHERE entry_id = e.id) AS line
                 FROM entry e ORDER BY e.body))
               || (SELECT COUNT(*) FROM evidence WHERE action IN ('MEMORY_SAVE', 'MEMORY_FORGET'))";
    let found = rusqlite::Connection::open(copy)
        .and_then(|db| db.query_row(sql, [], |row| row.get::<_, String>(0)));
    // Before there is an archive, and in an old one, nothing is remembered.
    found.unwrap_or_else(|_| "0".to_owned())
}

/// A copy of the repository's archive as it stands.
pub fn looked_at(repo: &TestRepo) -> PathBuf {
    let copy = repo.world.path("looked-at.sqlite");
    for end in ["", "-wal"] {
        let from = repo.common_dir().join(format!("codex-archive/archive.sqlite{end}"));
        let to = repo.world.path(&format!("looked-at.sqlite{end}"));
        let _ = fs::remove_file(&to);
        if from.exists() {
            fs::copy(from, to).unwrap();
        }
    }
    copy
}

impl Image {
    /// What stands in `repo` now.
    pub fn of(repo: &TestRepo) -> Self {
        let mut this = Self { things: BTreeMap::new() };
        this.walk(&repo.top, &repo.top);
        let git = repo.top.join(".git");
        for name in ["hooks", "codex-archive"] {
            this.walk(&git.join(name), &repo.top);
        }
        this.look(&git.join("config"), &repo.top);
        for line in repo.git(["ls-files", "-s"]).ok().stdout.lines() {
            let (entry, path) = line.split_once('\t').unwrap();
            this.things.insert(format!("index:{path}"), entry.to_owned());
        }
        this.things.insert("memory".to_owned(), remembered(repo));
        this.things.retain(|name, _| {
            let name = name.strip_prefix("index:").unwrap_or(name);
            let own = name.strip_prefix(".git/codex-archive/").unwrap_or_default();
            let differs = own.starts_with("archive.sqlite")
                || ["archive_ops.jsonl", "lock"].contains(&own)
                || ["intents/", "before-restore-", ".codex-drill-"]
                    .iter()
                    .any(|it| own.starts_with(it));
            !differs && !name.starts_with(SEGMENTS) && !name.contains(".codex-tmp-")
        });
        this
    }

    fn walk(&mut self, folder: &Path, top: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                if path != top.join(".git") {
                    self.walk(&path, top);
                }
            } else {
                self.look(&path, top);
            }
        }
    }

    fn look(&mut self, path: &Path, top: &Path) {
        let Ok(meta) = fs::symlink_metadata(path) else { return };
        let what = if meta.is_symlink() {
            format!("link to {}", fs::read_link(path).unwrap().display())
        } else {
            let mode = meta.permissions().mode() & 0o777;
            format!("file {mode:o} {}", sha256(&fs::read(path).unwrap()))
        };
        self.things.insert(path.strip_prefix(top).unwrap().display().to_string(), what);
    }

    /// What stands here and in neither of the two others, so that it was lost or half done.
    pub fn neither(&self, before: &Self, after: &Self) -> Vec<String> {
        let names = self.things.keys().chain(before.things.keys()).chain(after.things.keys());
        let mut odd: Vec<String> = names
            .filter(|name| {
                let now = self.things.get(*name);
                now != before.things.get(*name) && now != after.things.get(*name)
            })
            .cloned()
            .collect();
        odd.sort();
        odd.dedup();
        odd
    }
}
