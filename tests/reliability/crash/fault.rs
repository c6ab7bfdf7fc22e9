//! One point of a sweep: a system call of the program or of a git that it starts, and what becomes
//! of it there.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::common::strace::{at_call, with_fault};
use crate::common::{Outcome, TestRepo, run};
use crate::score::whole;

use super::trace::{Child, Trace};

/// What happens at a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before it.
    Kill,
    /// A git is killed before it, and then the program too.
    KillAll,
    /// The call fails with this error and does nothing.
    Error(&'static str),
    /// The call does nothing and reports success: what no sound disk does.
    Skipped,
}

impl Fault {
    fn injected(self) -> String {
        match self {
            Self::Kill | Self::KillAll => "signal=KILL".to_owned(),
            Self::Error(name) => format!("error={name}"),
            Self::Skipped => "retval=0".to_owned(),
        }
    }
}

/// Where a command is stopped, and how.
#[derive(Debug, Clone)]
pub struct Point {
    /// The git that is struck; the program itself where there is none.
    pub child: Option<Child>,
    /// The system call.
    pub call: String,
    /// Which of the process's calls of that name.
    pub nth: usize,
    /// What happens there.
    pub fault: Fault,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} {}", self.fault, self.call, self.nth)?;
        match &self.child {
            Some(child) => write!(f, " of git {} {}", child.word, child.occurrence),
            None => Ok(()),
        }
    }
}

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EDQUOT", "EINTR"];

/// Every point of a command: each changing call, killed there and failing in every way.
pub fn points(repo: &TestRepo, trace: &Trace) -> Vec<Point> {
    let folder = repo.world.path(".");
    let mut points = Vec::new();
    for call in trace.changing(&folder) {
        let child = match trace.children.get(&call.pid) {
            Some(child) => Some(child.clone()),
            None if call.pid == trace.main => None,
            None => panic!("a thread of its own changes something: {call:?}"),
        };
        let mut faults = vec![Fault::Kill];
        faults.extend(child.is_some().then_some(Fault::KillAll));
        // The database writes page after page, all in one way: in a short run they take turns with
        // the errors.
        let pages = call.name == "pwrite64" && !whole();
        let errors = ERRORS.iter().enumerate().filter(|(n, _)| !pages || call.nth % 4 == *n);
        faults.extend(errors.map(|(_, name)| Fault::Error(name)));
        points.extend(faults.into_iter().map(|fault| Point {
            child: child.clone(),
            call: call.name.clone(),
            nth: call.nth,
            fault,
        }));
    }
    points
}

impl Point {
    /// Runs `line` with the fault.
    pub fn strike(&self, repo: &TestRepo, line: &[&str]) -> Outcome {
        let fault = self.fault.injected();
        let Some(child) = &self.child else {
            return with_fault(repo, &self.call, self.nth, &fault, line);
        };
        let (trace, inject) = at_call(&self.call, self.nth, &fault);
        let wrapper = wrapper(repo);
        let mut program = repo.world.command("timeout", &repo.top);
        program.args(["-s", "KILL", "120", "git-codex-archive"]).args(line);
        let outside = std::env::var("PATH").unwrap();
        let folders =
            [wrapper.as_path(), &repo.world.path("bin")].map(|it| it.display().to_string());
        program.env("PATH", format!("{}:{outside}", folders.join(":"))).env("OUTSIDE", &outside);
        program.env("COUNT", repo.world.path("wrapper/count")).env("WORD", &child.word);
        program.env("LOG", repo.world.path("strace-log"));
        program.env("OCCURRENCE", child.occurrence.to_string());
        program.env("TRACE", trace).env("INJECT", inject);
        program.env("KILL_ALL", if self.fault == Fault::KillAll { "yes" } else { "" });
        run(program, None)
    }
}

/// A git that runs the git it is told under strace, and all others as they are.
const WRAPPER: &str = r#"#!/bin/sh
export PATH="$OUTSIDE"
case " $* " in
*" $WORD "*)
    echo >>"$COUNT"
    if [ "$(wc -l <"$COUNT")" -eq "$OCCURRENCE" ]; then
        [ "$KILL_ALL" ] || exec strace -o "$LOG" -e "$TRACE" -e "$INJECT" git "$@"
        strace -o "$LOG" -e "$TRACE" -e "$INJECT" git "$@"
        code=$?
        [ $code -ne 137 ] || kill -9 $PPID
        exit $code
    fi
    ;;
esac
exec git "$@"
"#;

fn wrapper(repo: &TestRepo) -> PathBuf {
    let folder = repo.world.path("wrapper");
    let git = folder.join("git");
    if !git.exists() {
        fs::create_dir(&folder).unwrap();
        fs::write(&git, WRAPPER).unwrap();
        fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(folder.join("count"), "").unwrap();
    let _ = fs::remove_file(repo.world.path("strace-log"));
    folder
}
