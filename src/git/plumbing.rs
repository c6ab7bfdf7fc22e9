//! Running the git executable.
//!
//! A child learns from GIT_DIR and GIT_WORK_TREE what discovery found, so that relative values in
//! the environment mean the same wherever it runs; all else in the environment (GIT_INDEX_FILE,
//! `git -c` settings, a quarantine's object folders) is inherited. Reading children take no
//! locks, run no file system monitor and see no replaced objects.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;

use super::Repository;
use super::objects::copy;
use crate::error::{Error, Result};
use crate::model::{GitOid, escape_line};

/// Options of every child that only reads.
pub(super) const READING: &[&str] =
    &["--no-optional-locks", "--no-pager", "--no-replace-objects", "-c", "core.fsmonitor=false"];

/// Options of every child that writes the index. A sparse index is read as a full one: git has
/// lost entries when told to write into a folder that it kept collapsed.
pub(super) const WRITING: &[&str] = &[
    "--no-pager",
    "--no-replace-objects",
    "-c",
    "index.sparse=false",
    "-c",
    "advice.sparseIndexExpanded=false",
];

/// The exit code of git for an option that it does not know.
pub(super) const UNKNOWN_OPTION: i32 = 129;

/// Which git, and what its environment holds beyond our own.
#[derive(Debug, Clone)]
pub(super) struct Git {
    pub(super) program: OsString,
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Default for Git {
    fn default() -> Self {
        Self { program: "git".into(), environment: Vec::new() }
    }
}

impl Git {
    /// git in `folder`, before a repository is known.
    pub(super) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Repository {
    /// A reading child in [`Repository::home`], with literal pathspecs and messages in English.
    pub(super) fn reading<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.literal(READING);
        command.env("LC_ALL", "C").args(args);
        command
    }

    /// A child that may write, or run filters: those see the user's own locale.
    pub(super) fn writing<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.literal(WRITING);
        command.args(args);
        command
    }

    fn literal(&self, options: &[&str]) -> Command {
        let mut command = self.command(self.home(), options);
        // git dies when one of these meets literal pathspecs.
        for other in ["GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"] {
            command.env_remove(other);
        }
        command.env("GIT_LITERAL_PATHSPECS", "1");
        command
    }

    /// git with `options` in `folder`, its pathspecs as the user's environment has them.
    pub(super) fn command(&self, folder: &Path, options: &[&str]) -> Command {
        let mut command = self.git.command(folder);
        command.env("GIT_DIR", &self.git_dir);
        match &self.work_tree {
            Some(top) => {
                command.env("GIT_WORK_TREE", top);
            }
            // Otherwise git takes the folder it runs in for the work tree.
            None => {
                command.env_remove("GIT_WORK_TREE").arg("--bare");
            }
        }
        command.args(options);
        command
    }
}

/// Runs `command` with `input` on its standard input and collects what it says. A thread feeds
/// the input: a child that answers while it reads would block a writer that sends all first.
pub(super) fn run(action: &'static str, mut command: Command, input: &[u8]) -> Result<Output> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| cannot_run(action, &error))?;
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            // A child that ends early says why by its exit code, not by the broken pipe.
            scope.spawn(move || stdin.write_all(input));
        }
        child.wait_with_output()
    })
    .map_err(|error| cannot_run(action, &error))
}

/// [`run`], and an error unless the child ends with 0.
pub(super) fn run_checked(action: &'static str, command: Command, input: &[u8]) -> Result<Vec<u8>> {
    let output = run(action, command, input)?;
    if output.status.success() { Ok(output.stdout) } else { Err(failure(action, &output)) }
}

/// Runs `command` and hands on to `out` what it says, in parts.
pub(super) fn run_into(
    action: &'static str,
    mut command: Command,
    out: &mut dyn Write,
) -> Result<()> {
    let mut child = command.spawn().map_err(|error| cannot_run(action, &error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (copied, messages) = thread::scope(|scope| {
        let messages = scope.spawn(move || {
            let mut bytes = Vec::new();
            // As much as anybody would read; the rest goes by, so that the child is not blocked.
            if let Some(mut stderr) = stderr {
                let _ = stderr.by_ref().take(64 << 10).read_to_end(&mut bytes);
                let _ = io::copy(&mut stderr, &mut io::sink());
            }
            bytes
        });
        let copied = stdout.map_or(Ok(0), |mut from| copy(&mut from, out));
        if copied.is_err() {
            let _ = child.kill();
        }
        (copied, messages.join().unwrap_or_default())
    });
    let status = child.wait().map_err(|error| cannot_run(action, &error))?;
    copied?;
    if status.success() { Ok(()) } else { Err(failure_of(action, status, &messages)) }
}

/// The error of a child that failed, in git's own words.
pub(super) fn failure(action: &'static str, output: &Output) -> Error {
    failure_of(action, output.status, &output.stderr)
}

fn failure_of(action: &'static str, status: ExitStatus, stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let serious = |line: &&str| line.starts_with("fatal:") || line.starts_with("error:");
    let line = lines.clone().find(serious).or_else(|| lines.next());
    let detail = line.map_or_else(|| format!("git ended with {status}"), escape_line);
    Error::Git { action, detail }
}

/// The error of a git that does not start.
pub(super) fn cannot_run(action: &'static str, error: &io::Error) -> Error {
    Error::Git { action, detail: format!("the `git` program does not run: {error}") }
}

/// The error of an answer that has another form than it should.
pub(super) fn odd_answer(action: &'static str, answer: &[u8]) -> Error {
    let shown = &answer[..answer.len().min(200)];
    let shown = escape_line(&String::from_utf8_lossy(shown));
    Error::Git { action, detail: format!("git's answer makes no sense: `{shown}`") }
}

/// The fields of an answer in which each is ended by NUL.
pub(super) fn fields<'a>(action: &'static str, answer: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    match answer.split_last() {
        None => Ok(Vec::new()),
        Some((0, body)) => Ok(body.split(|byte| *byte == 0).collect()),
        Some(_) => Err(odd_answer(action, answer)),
    }
}

/// An object id in hex; `None` unless it has this repository's length.
pub(super) fn parse_oid(hex: &[u8], oid_len: usize) -> Option<GitOid> {
    if hex.len() != oid_len * 2 {
        return None;
    }
    std::str::from_utf8(hex).ok()?.parse().ok()
}

/// A mode in octal digits.
pub(super) fn parse_mode(octal: &[u8]) -> Option<u32> {
    if octal.len() > 6 || !octal.iter().all(|byte| (b'0'..=b'7').contains(byte)) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok()
}

/// The object ids of an answer with one on each line.
pub(super) fn oid_lines(
    action: &'static str,
    answer: &[u8],
    oid_len: usize,
) -> Result<Vec<GitOid>> {
    let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| parse_oid(line, oid_len).ok_or_else(|| odd_answer(action, line))).collect()
}

/// A path that git printed with one line feed after it.
pub(super) fn path_line(mut answer: Vec<u8>) -> PathBuf {
    if answer.last() == Some(&b'\n') {
        answer.pop();
    }
    PathBuf::from(OsString::from_vec(answer))
}
