//! What stands in a repository: work tree, index, hooks, settings. Not segments and the archive's
//! own files, which differ from one run to the next.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{TestRepo, sha256};

const SEGMENTS: &str = ".codex/evidence/segments";

/// Everything a command may change, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    things: BTreeMap<String, String>,
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
        this.things.retain(|name, _| {
            let name = name.strip_prefix("index:").unwrap_or(name);
            let own = name.strip_prefix(".git/codex-archive/").unwrap_or_default();
            let differs = own.starts_with("archive.sqlite")
                || ["archive_ops.jsonl", "lock"].contains(&own)
                || ["intents/", "before-restore-"].iter().any(|it| own.starts_with(it));
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
