//! Where a secret came out: in what was said, in files, or in what others see of our processes.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Outcome, TestRepo};

/// Looks for a secret everywhere.
pub struct Leaks {
    secrets: Vec<String>,
    found: Vec<String>,
}

impl Leaks {
    /// Looks for these spellings of a secret.
    pub fn of(secrets: &[&str]) -> Self {
        Self { secrets: secrets.iter().map(|it| (*it).to_owned()).collect(), found: Vec::new() }
    }

    fn note(&mut self, place: &str, bytes: &[u8]) {
        for secret in &self.secrets {
            if bytes.windows(secret.len()).any(|part| part == secret.as_bytes()) {
                let text = String::from_utf8_lossy(bytes);
                let line = text.lines().find(|line| line.contains(secret)).unwrap_or_default();
                self.found.push(format!("{place}: {line}"));
            }
        }
    }

    /// Looks at what a command said.
    pub fn in_outcome(&mut self, outcome: &Outcome) {
        self.note(&outcome.command, outcome.stdout.as_bytes());
        self.note(&outcome.command, outcome.stderr.as_bytes());
    }

    /// Looks at everything below a file or folder; how many files that were.
    pub fn in_files(&mut self, place: &Path) -> usize {
        if place.is_dir() && !place.is_symlink() {
            let entries = fs::read_dir(place).unwrap().flatten();
            return entries.map(|entry| self.in_files(&entry.path())).sum();
        }
        let Ok(bytes) = fs::read(place) else { return 0 };
        self.note(&place.display().to_string(), &bytes);
        1
    }

    /// Looks at what a repository keeps: our folders, settings and hooks.
    pub fn in_repository(&mut self, repo: &TestRepo) {
        let common = repo.common_dir();
        for place in ["codex-archive", "config", "hooks", "index"] {
            self.in_files(&common.join(place));
        }
        self.in_files(&repo.top.join(".codex"));
    }

    /// Nothing was found.
    #[track_caller]
    pub fn none(self) {
        assert!(self.found.is_empty(), "{:#?}", self.found);
    }
}

/// Puts a `git` before the real one that notes its own arguments and what `ps` shows of all
/// processes; returns the file that it notes this in.
pub fn watch_processes(repo: &TestRepo) -> PathBuf {
    let log = repo.world.path("processes");
    let wrapper = repo.world.path("bin/git");
    let real = std::env::var("PATH").unwrap_or_default();
    let real = std::env::split_paths(&real).map(|it| it.join("git")).find(|it| it.exists());
    let real = real.unwrap();
    let script = format!(
        "#!/bin/sh\n{{ echo \"git $*\"; cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'; }} \
         >>'{}' 2>/dev/null\nexec '{}' \"$@\"\n",
        log.display(),
        real.display()
    );
    fs::write(&wrapper, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&wrapper, mode).unwrap();
    log
}
