//! What must hold after a fault, at once and after the next command.

use std::fs;
use std::path::PathBuf;

use crate::common::{Outcome, TestRepo, id_of};

use super::deeds::Deed;
use super::fault::{Fault, Point};
use super::image::Image;

type Held = Result<(), String>;

/// Files whose bytes nothing may lose.
pub const PRECIOUS: [(&str, &str); 2] =
    [("src/old.py", "print('old')\n"), ("src/live.py", "print('live')\n")];

/// What a deed starts from and leads to.
#[derive(Debug)]
pub struct Case<'a> {
    /// The deed.
    pub deed: &'a Deed,
    /// What stood before it.
    pub before: Image,
    /// What stands after it.
    pub after: Image,
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(why()) }
}

fn succeeds(told: &Outcome) -> Held {
    check(told.code == 0, || format!("this should have worked:\n{told}"))
}

/// Files that wait for the next command.
pub fn intents(repo: &TestRepo) -> Vec<PathBuf> {
    let folder = repo.common_dir().join("codex-archive/intents");
    fs::read_dir(folder).map(|dir| dir.flatten().map(|it| it.path()).collect()).unwrap_or_default()
}

/// At any moment: each precious file's bytes are in the work tree or come out of the archive.
pub fn nothing_is_lost(repo: &TestRepo) -> Held {
    for (path, content) in PRECIOUS {
        if repo.has(path) && repo.read(path) == content {
            continue;
        }
        let told = repo.archive(["cat", &id_of("_codex_", path, content.as_bytes())]);
        check(told.stdout == content, || format!("{path} is lost:\n{told}"))?;
    }
    Ok(())
}

/// Once settled: git, stubs, evidence and archive agree, and nothing is left lying about.
pub fn all_is_well(repo: &TestRepo) -> Held {
    let left = [intents(repo), repo.litter()].concat();
    check(left.is_empty(), || format!("left lying about: {left:?}"))?;
    succeeds(&repo.git(["fsck", "--strict", "--no-dangling", "--no-progress"]))?;
    for line in [&["verify", "--all", "--deep"][..], &["fsck"], &["evidence", "verify"]] {
        succeeds(&repo.archive(line))?;
    }
    Ok(())
}

impl Case<'_> {
    /// Whether all held after `point` had struck the deed with this outcome.
    pub fn holds(&self, repo: &TestRepo, point: &Point, outcome: &Outcome) -> Held {
        let now = Image::of(repo);
        let odd = now.neither(&self.before, &self.after);
        check(odd.is_empty(), || format!("neither as before nor as after: {odd:?}\n{outcome}"))?;
        nothing_is_lost(repo).map_err(|why| format!("{why}\nafter\n{outcome}"))?;
        if outcome.code == 0 {
            check(now == self.after, || format!("undone, and yet:\n{outcome}"))?;
        } else {
            self.settles(repo, point).map_err(|why| format!("{why}\nafter\n{outcome}"))?;
        }
        all_is_well(repo).map_err(|why| format!("{why}\nafter\n{outcome}"))
    }

    fn settles(&self, repo: &TestRepo, point: &Point) -> Held {
        if point.child.is_some() && matches!(point.fault, Fault::Kill | Fault::KillAll) {
            take_away_locks(repo, self.deed.line)?;
        }
        if self.deed.is_atomic && point.nth.is_multiple_of(2) {
            succeeds(&repo.archive(["fsck", "--repair"]))?;
            let now = Image::of(repo);
            let whole = now == self.before || now == self.after;
            check(whole, || "the next command left it half done".to_owned())?;
        }
        let again = repo.archive(self.deed.line);
        let done = again.code == 0 || self.deed.again.contains(&again.code);
        check(done, || format!("the same command again does not work:\n{again}"))?;
        let odd = Image::of(repo).neither(&self.after, &self.after);
        check(odd.is_empty(), || format!("not done after all: {odd:?}:\n{again}"))
    }
}

/// A git that was killed leaves its lock, and git itself asks a person to take it away: nobody can
/// tell whose it is. Until then the next command must say so.
fn take_away_locks(repo: &TestRepo, line: &[&str]) -> Held {
    for name in ["index.lock", "config.lock"] {
        let lock = repo.common_dir().join(name);
        if lock.exists() {
            let told = repo.archive(line);
            let named = told.code == 1 && told.said(name);
            check(named, || format!("{name} is not named:\n{told}"))?;
            fs::remove_file(lock).unwrap();
        }
    }
    Ok(())
}
