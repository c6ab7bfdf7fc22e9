//! The sealed world of the tests: real git and the real program, nothing of the machine around.
//!
//! Promises: own HOME, no system or global git configuration, one identity, dates that only this
//! world's clock moves, and a PATH on which `git codex-archive` is the program under test. Nothing
//! stays behind when the world is dropped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test binary uses the part that it needs")]

pub mod leaks;
mod outcome;
mod repo;
pub mod server;
mod snapshot;
pub mod strace;
mod stub;

pub use outcome::Outcome;
pub use repo::{TestRepo, run};
pub use snapshot::Snapshot;
#[allow(unused_imports, reason = "each test binary uses the part that it needs")]
pub use stub::{id_of, stub_of};

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// The program under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_git-codex-archive");

/// When the first commit of every world is made, in seconds.
const FIRST_COMMIT: u64 = 1_767_225_600;

/// A folder in which everything of one test happens.
#[derive(Debug)]
pub struct World {
    folder: tempfile::TempDir,
    commits: AtomicU64,
    /// The archive of all repositories here, where the tests are run on a server.
    url: Option<String>,
}

thread_local! {
    /// Where this thread's worlds are made, if not where temporary files usually are.
    static PLACE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// Makes what `make` makes on a file system in memory, where there is one with room: for tests that
/// need a small world so often that syncing a disk would take most of their time.
pub fn in_memory<T>(make: impl FnOnce() -> T) -> T {
    const ROOM_BYTES: u64 = 512 << 20;
    let place = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(place).map_or(0, |it| it.f_bavail * it.f_frsize);
    PLACE.set((room >= ROOM_BYTES).then(|| place.to_owned()));
    let made = make();
    PLACE.set(None);
    made
}

impl World {
    /// A new world with nothing in it.
    pub fn new() -> Self {
        let place = PLACE.with_borrow(Clone::clone).unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::tempdir_in(place).unwrap();
        let url = server::chosen().map(|server| server.url(&server.database()));
        let world = Self { folder, commits: AtomicU64::new(0), url };
        std::fs::create_dir(world.path("home")).unwrap();
        std::fs::create_dir(world.path("bin")).unwrap();
        std::os::unix::fs::symlink(BINARY, world.path("bin/git-codex-archive")).unwrap();
        world
    }

    /// A path in this world, without links in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// `program` with this world around it, and nothing else.
    pub fn command(&self, program: &str, cwd: &Path) -> Command {
        let outside = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let seconds = FIRST_COMMIT + 60 * self.commits.load(Ordering::Relaxed);
        let date = format!("{seconds} +0000");
        let mut command = Command::new(program);
        command
            .current_dir(cwd)
            .env_clear()
            .env("PATH", format!("{}:{outside}", self.path("bin").display()))
            .env("HOME", self.path("home"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", "true")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .envs(self.url.iter().map(|url| ("CODEX_ARCHIVE_URL", url)));
        command
    }

    /// Lets a minute pass for git.
    pub fn tick(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether `program` is there. Says what is skipped without it, and fails for that under CI=true
/// (strace excepted, which may be forbidden where the rest is not).
pub fn have(program: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", &format!("command -v {program} >/dev/null 2>&1")])
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        skipped(&format!("{name} ({program} is missing)"));
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci || program == "strace", "{program} is missing");
    }
    there
}

/// Whether the archives of these tests are files of their repositories, and not on a server: what
/// looks into the file, or needs two archives, is tried there alone.
pub fn is_embedded() -> bool {
    server::chosen().is_none()
}

/// Says what is skipped, past the harness, which hides what a test that passes prints.
pub fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

/// SHA-256 as another program computes it.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
