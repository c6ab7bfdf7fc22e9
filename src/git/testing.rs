//! Real repositories in temporary folders, sealed off from the user's configuration.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Repository;
use super::plumbing::Git;
use crate::model::{GitOid, RepoPath};

/// A repository to be tried out.
pub(super) struct TestRepo {
    pub(super) dir: tempfile::TempDir,
    /// Where the setup's commands run.
    pub(super) top: PathBuf,
}

fn seal(home: &Path) -> Vec<(&'static str, String)> {
    let home = home.display().to_string();
    let mut pairs = vec![("HOME", home.clone()), ("XDG_CONFIG_HOME", home)];
    for (key, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@example.org"),
        ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
        ("GIT_COMMITTER_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@example.org"),
        ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
    ] {
        pairs.push((key, value.to_owned()));
    }
    pairs
}

impl TestRepo {
    pub(super) fn new() -> Self {
        Self::init(&[])
    }

    pub(super) fn init(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(dir.path()).unwrap().join("top");
        fs::create_dir(&top).unwrap();
        let repo = Self { dir, top };
        repo.git(&[&["init", "-q", "-b", "main"], options].concat());
        repo
    }

    /// Runs git in the top folder; it must work. Returns what it says, trimmed.
    pub(super) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.top, args)
    }

    pub(super) fn git_in(&self, folder: &Path, args: &[&str]) -> String {
        let (worked, said) = self.try_git(folder, args);
        assert!(worked, "git {args:?}: {said}");
        said
    }

    pub(super) fn try_git(&self, folder: &Path, args: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        command.args(args).current_dir(folder).envs(seal(self.dir.path())).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
    }

    pub(super) fn file(&self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> &Self {
        let full = self.top.join(OsStr::from_bytes(path.as_ref()));
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, bytes).unwrap();
        self
    }

    pub(super) fn commit(&self, message: &str) -> GitOid {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.oid("HEAD")
    }

    pub(super) fn oid(&self, revision: &str) -> GitOid {
        self.git(&["rev-parse", revision]).parse().unwrap()
    }

    pub(super) fn open(&self) -> Repository {
        self.open_in(&self.top, &[]).unwrap().unwrap()
    }

    /// Discovers from `start`, with more in the environment.
    pub(super) fn open_in(
        &self,
        start: &Path,
        more: &[(&str, &str)],
    ) -> crate::error::Result<Option<Repository>> {
        self.open_by("git", start, more)
    }

    pub(super) fn open_by(
        &self,
        program: &str,
        start: &Path,
        more: &[(&str, &str)],
    ) -> crate::error::Result<Option<Repository>> {
        let mut environment: Vec<_> = seal(self.dir.path())
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        environment.extend(more.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        Repository::discover_by(Git { program: program.into(), environment }, start)
    }
}

pub(super) fn path(bytes: impl AsRef<[u8]>) -> RepoPath {
    RepoPath::new(bytes.as_ref()).unwrap()
}

/// Names that are hard on everything that handles names.
pub(super) const ODD_NAMES: &[&[u8]] = &[
    b"a\nb",
    b"q\"uote",
    b"\"front",
    b"back\\slash",
    b"\xff\xfe",
    b"-dash",
    b"gl*b[a]?",
    b":(top)x",
    b":!no",
    b"cr\r",
    b" space ",
    b"t\tab",
    "d\u{e9}j\u{e0}".as_bytes(),
    b"in/-a\n\"b",
];
