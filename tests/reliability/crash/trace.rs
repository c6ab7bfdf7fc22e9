//! What a command and its children changed, read out of an strace log.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{TestRepo, run};

/// System calls that may change something that lasts.
const CHANGING: &[&str] = &[
    "open",
    "openat",
    "creat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "sync_file_range",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "ftruncate",
    "truncate",
    "fallocate",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utimensat",
    "copy_file_range",
    "sendfile",
    "setxattr",
    "fsetxattr",
    "msync",
];

/// One system call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who made it.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Its arguments and its result, as strace writes them.
    pub text: String,
    /// How many calls of this name the process had made, this one included.
    pub nth: usize,
}

/// A git that the program started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// What it was told to do, such as `update-index`.
    pub word: String,
    /// Which one of those it was, from 1.
    pub occurrence: usize,
}

/// All calls of a command and its children, in order.
#[derive(Debug)]
pub struct Trace {
    /// The calls.
    pub calls: Vec<Call>,
    /// The program itself.
    pub main: u32,
    /// The gits it started.
    pub children: BTreeMap<u32, Child>,
}

impl Trace {
    /// Runs `line` to its end and takes down what it changes; the command must succeed.
    pub fn of(repo: &TestRepo, line: &[&str]) -> Self {
        let log = repo.world.path("trace-log");
        let calls: Vec<String> = CHANGING.iter().map(|name| format!("?{name}")).collect();
        let mut strace = repo.world.command("strace", &repo.top);
        strace.args(["-f", "-y", "-s", "4096", "-e", "signal=none", "-o"]).arg(&log);
        strace.args(["-e", &format!("trace=execve,{}", calls.join(","))]);
        strace.arg("git-codex-archive").args(line);
        run(strace, None).ok();
        Self::parse(&String::from_utf8_lossy(&std::fs::read(log).unwrap()))
    }

    /// Reads a log of `strace -f -y`.
    pub fn parse(log: &str) -> Self {
        let mut this = Self { calls: Vec::new(), main: 0, children: BTreeMap::new() };
        let mut counts: BTreeMap<(u32, String), usize> = BTreeMap::new();
        for line in log.lines() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let Ok(pid) = pid.parse::<u32>() else { continue };
            let rest = rest.trim_start();
            if this.main == 0 {
                this.main = pid;
            }
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let begun = this.calls.iter_mut().rev().find(|call| call.pid == pid);
                let Some(call) = begun else { continue };
                call.text.push_str(resumed.split_once('>').map_or("", |(_, end)| end));
                continue;
            }
            let Some((name, text)) = rest.split_once('(') else { continue };
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            let nth = counts.entry((pid, name.to_owned())).or_default();
            *nth += 1;
            let (name, text) = (name.to_owned(), text.replace("<unfinished ...>", ""));
            this.calls.push(Call { pid, name, text, nth: *nth });
        }
        this.name_children();
        this
    }

    fn name_children(&mut self) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.calls.iter().filter(|call| call.name == "execve" && call.succeeded()) {
            let Some(word) = git_command(&call.text) else { continue };
            let occurrence = counts.entry(word.clone()).or_default();
            *occurrence += 1;
            self.children.insert(call.pid, Child { word, occurrence: *occurrence });
        }
    }

    /// The calls that changed something in or below `folder`.
    pub fn changing<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(|call| call.changes(folder))
    }
}

impl Call {
    fn succeeded(&self) -> bool {
        !self.text.contains(") = -1 ")
    }

    /// The file behind the descriptor that is the first argument.
    pub fn file(&self) -> &str {
        let inside = self.text.split_once('<').map_or("", |(_, rest)| rest);
        inside.split_once('>').map_or("", |(file, _)| file)
    }

    /// The names among its arguments; one that is relative to a descriptor is told in full.
    pub fn names(&self) -> Vec<String> {
        let parts: Vec<&str> = self.text.split('"').collect();
        let pairs = parts.chunks_exact(2);
        pairs
            .map(|pair| {
                let (before, name) = (pair[0], pair[1]);
                let folder = before.strip_suffix(">, ").and_then(|text| text.rsplit_once('<'));
                match folder {
                    Some((_, folder)) => Path::new(folder).join(name).display().to_string(),
                    None => name.to_owned(),
                }
            })
            .collect()
    }

    /// What it does, by the oldest name of that.
    pub fn kind(&self) -> &str {
        match self.name.as_str() {
            "renameat" | "renameat2" => "rename",
            "unlinkat" if self.text.contains("AT_REMOVEDIR") => "rmdir",
            "unlinkat" => "unlink",
            "mkdirat" => "mkdir",
            "linkat" => "link",
            "symlinkat" => "symlink",
            name => name,
        }
    }

    /// Whether something that lasts was changed by it.
    fn changes(&self, folder: &Path) -> bool {
        if !self.succeeded() || self.name == "execve" {
            return false;
        }
        match self.name.as_str() {
            "open" | "openat" => self.text.contains("O_CREAT") || self.text.contains("O_TRUNC"),
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "sendfile" => {
                Path::new(self.file()).starts_with(folder)
            }
            _ => true,
        }
    }
}

/// What a git was told to do: the first of its arguments that is no option.
fn git_command(execve: &str) -> Option<String> {
    let list = execve.split_once(", [\"git\", ")?.1;
    let mut words = list.split(", ").map(|word| word.trim_matches(['"', ']']));
    while let Some(word) = words.next() {
        match word {
            "-c" | "-C" => drop(words.next()),
            option if option.starts_with('-') => {}
            command => return Some(command.to_owned()),
        }
    }
    None
}
