//! A world of its own for commands: a home, a configuration of git, and the program on the PATH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A home without anybody's configuration, in which git finds the program that was built.
pub struct World {
    home: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    /// A new one, with an empty folder to work in.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        fs::create_dir(home.join("work")).unwrap();
        fs::create_dir(home.join("bin")).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_git-codex-archive"));
        std::os::unix::fs::symlink(program, home.join("bin/git-codex-archive")).unwrap();
        let config = "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n";
        fs::write(home.join("gitconfig"), config).unwrap();
        Self { home, _folder: folder }
    }

    /// The folder to work in.
    pub fn work(&self) -> PathBuf {
        self.home.join("work")
    }

    /// Types `command` in `folder`, which a `cd` moves; gives the exit code and all output.
    pub fn type_in(&self, folder: &mut PathBuf, command: &str) -> (i32, String) {
        let place = self.home.join("place");
        let script = format!("exec 2>&1\n{command}\ncode=$?\npwd -P >\"$PLACE\"\nexit $code\n");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&*folder)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.home.join("bin").display()))
            .env("HOME", &self.home)
            .env("GIT_CONFIG_GLOBAL", self.home.join("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("PLACE", &place)
            .output()
            .unwrap();
        if let Ok(text) = fs::read_to_string(&place) {
            *folder = PathBuf::from(text.trim_end());
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), said)
    }
}
