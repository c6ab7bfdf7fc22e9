//! One attempt: how the program ended, and what it took of time and memory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{BINARY, Outcome, TestRepo, World, sha256};
use crate::score::whole;

/// The most memory that a hostile input may cost.
const MOST_KIB: u64 = 256 << 10;

/// The longest that it may take.
const LONGEST: Duration = Duration::from_secs(10);

/// What came of one attempt.
#[derive(Debug)]
pub struct Tried {
    /// Exit code and words.
    pub outcome: Outcome,
    /// Standard error, raw.
    errors: Vec<u8>,
    /// The most memory that the program itself had at any moment.
    peak_kib: u64,
    /// Whether it had to be stopped.
    too_long: bool,
    /// Whether standard output is somebody's content.
    gives_content: bool,
}

/// Runs the program in `repo`.
pub fn tries<A: AsRef<OsStr>>(repo: &TestRepo, arguments: impl IntoIterator<Item = A>) -> Tried {
    let arguments: Vec<OsString> = arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
    tries_with(repo, &arguments, &[], b"")
}

/// The same with more environment and with something on standard input.
pub fn tries_with(
    repo: &TestRepo,
    arguments: &[OsString],
    environment: &[(&str, &str)],
    input: &[u8],
) -> Tried {
    let mut command = repo.world.command(BINARY, &repo.top);
    command.args(arguments).envs(environment.iter().copied());
    let first = arguments.first().map(|it| it.to_string_lossy().into_owned());
    let gives_content =
        first.as_deref() == Some("cat") || arguments.last().is_some_and(|it| it == "-");
    attempt(command, input, gives_content)
}

fn attempt(mut command: Command, input: &[u8], gives_content: bool) -> Tried {
    let typed: Vec<String> =
        command.get_args().map(|it| it.to_string_lossy().chars().take(60).collect()).collect();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut peak_kib, mut too_long) = (0, false);
    let (output, errors) = std::thread::scope(|scope| {
        scope.spawn(move || stdin.unwrap().write_all(input));
        let output = scope.spawn(move || read(stdout.unwrap()));
        let errors = scope.spawn(move || read(stderr.unwrap()));
        (peak_kib, too_long) = watch(&mut child, began);
        (output.join().unwrap(), errors.join().unwrap())
    });
    let status = child.wait().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let outcome = Outcome {
        command: format!("codex-archive {}", typed.join(" ")),
        stdout: text(&output),
        stderr: text(&errors),
        bytes: output,
        code: status.code().unwrap_or(-1),
    };
    Tried { outcome, errors, peak_kib, too_long, gives_content }
}

fn read(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Looks at the child's high-water mark until it ends; stops one that takes too long.
fn watch(child: &mut Child, began: Instant) -> (u64, bool) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        // Before it becomes the program, a child has the memory of these tests.
        let is_ours = text.starts_with("Name:\tgit-codex");
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).filter(|_| is_ours);
        let kib = mark.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        if child.try_wait().unwrap().is_some() {
            return (peak, false);
        }
        if began.elapsed() > LONGEST {
            let _ = child.kill();
            return (peak, true);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

impl Tried {
    /// It ended in one of the ways that a command may end, within bounds, and said nothing that
    /// steers a terminal.
    pub fn is_civil(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{why}:\n{}", shortened(&self.outcome)));
        if self.too_long {
            return wrong("took more than 10 s");
        }
        if !(0..=9).contains(&self.outcome.code) {
            return wrong("ended with another code than 0 to 9");
        }
        if self.outcome.said("panicked at") {
            return wrong("panicked");
        }
        if self.peak_kib > MOST_KIB {
            return wrong(&format!("took {} MiB", self.peak_kib >> 10));
        }
        if self.outcome.code != 0 && self.outcome.stdout.is_empty() && self.errors.is_empty() {
            return wrong("failed without a word");
        }
        if steers(&self.errors) || (!self.gives_content && steers(&self.outcome.bytes)) {
            return wrong("sent a control character");
        }
        Ok(())
    }

    /// The same, and it refused.
    pub fn is_refused(&self) -> Result<(), String> {
        self.is_civil()?;
        if self.outcome.code == 0 {
            return Err(format!("was not refused:\n{}", shortened(&self.outcome)));
        }
        Ok(())
    }

    /// The same, with this code.
    pub fn exits(&self, code: i32) -> Result<(), String> {
        self.is_civil()?;
        if self.outcome.code != code {
            return Err(format!("expected exit {code}:\n{}", shortened(&self.outcome)));
        }
        Ok(())
    }
}

fn shortened(outcome: &Outcome) -> String {
    let text = outcome.to_string();
    text.chars()
        .take(1500)
        .flat_map(|c| if c == '\n' { vec![c] } else { c.escape_debug().collect() })
        .collect()
}

/// Whether bytes meant for people hold what a terminal obeys, or what is no text at all.
fn steers(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return true };
    let bidi = |c: char| {
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
    };
    text.chars().any(|c| (c.is_control() && c != '\n') || bidi(c))
}

/// Everything in a world but some of its folders, as it was.
#[derive(Debug)]
pub struct Fence {
    root: PathBuf,
    open: Vec<String>,
    things: BTreeMap<PathBuf, String>,
}

impl Fence {
    /// Around the folders `open` of `world`.
    pub fn around(world: &World, open: &[&str]) -> Self {
        let open = open.iter().map(|it| (*it).to_owned()).collect();
        let mut this = Self { root: world.path("."), open, things: BTreeMap::new() };
        this.things = this.look();
        this
    }

    fn look(&self) -> BTreeMap<PathBuf, String> {
        let mut things = BTreeMap::new();
        for entry in std::fs::read_dir(&self.root).unwrap().flatten() {
            if !self.open.iter().any(|it| entry.file_name() == it.as_str()) {
                take_down(&entry.path(), &mut things);
            }
        }
        things
    }

    /// Nothing outside has changed.
    pub fn holds(&self) -> Result<(), String> {
        let now = self.look();
        let names = now.keys().chain(self.things.keys());
        match names.into_iter().find(|name| now.get(*name) != self.things.get(*name)) {
            None => Ok(()),
            Some(name) => Err(format!("`{}` changed outside", name.display())),
        }
    }
}

fn take_down(path: &Path, things: &mut BTreeMap<PathBuf, String>) {
    let Ok(meta) = path.symlink_metadata() else { return };
    let what = if meta.is_symlink() {
        format!("link {:?}", std::fs::read_link(path).unwrap())
    } else if meta.is_file() {
        let bytes = std::fs::read(path).unwrap_or_default();
        format!("file {:o} {}", meta.permissions().mode(), sha256(&bytes))
    } else {
        format!("{:?}", meta.file_type())
    };
    things.insert(path.to_path_buf(), what);
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).unwrap().flatten() {
            take_down(&entry.path(), things);
        }
    }
}

/// A repository with `src/old.py` archived and committed, and the archive id.
pub fn archived() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    (repo, id)
}

/// The archive's file.
pub fn archive_file(repo: &TestRepo) -> PathBuf {
    repo.common_dir().join("codex-archive/archive.sqlite")
}

/// The archive's tables, opened without any of the program's care.
pub fn tables(repo: &TestRepo) -> rusqlite::Connection {
    rusqlite::Connection::open(archive_file(repo)).unwrap()
}

/// Every command that only reads, in text and in JSON.
pub fn readers(id: &str) -> Vec<Vec<String>> {
    let lines = [
        "list",
        "show ID",
        "cat ID",
        "log",
        "log src/old.py",
        "status",
        "verify --all --deep",
        "verify --staged",
        "verify --all --format github",
        "verify --range HEAD~1..HEAD",
        "fsck",
        "health-check",
        "hooks status",
        "evidence log",
        "evidence verify",
        "evidence digest",
        "evidence cite --range HEAD~1..HEAD",
        "config-show --origin",
        "store _codex_ src/live.py --reason dead --dry-run",
        "hook pre-commit",
    ];
    let words = |line: &str| -> Vec<String> {
        line.split(' ').map(|word| word.replace("ID", id)).collect()
    };
    let json = |line: &&str| words(&format!("{line} --json"));
    lines.iter().map(|line| words(line)).chain(lines.iter().map(json)).collect()
}

/// All of `cases`, or in a short run a third of them: for those that take a repository each.
pub fn some<T>(cases: impl IntoIterator<Item = T>) -> Vec<(usize, T)> {
    let cases = cases.into_iter().enumerate();
    cases.filter(|(n, _)| whole() || n.is_multiple_of(3)).collect()
}

/// All of `lines`, or in a short run a sixth of them: another one for each `n`.
pub fn portion<T>(lines: Vec<T>, n: usize) -> Vec<T> {
    let chosen = |(at, line): (usize, T)| (whole() || (at + n).is_multiple_of(6)).then_some(line);
    lines.into_iter().enumerate().filter_map(chosen).collect()
}
