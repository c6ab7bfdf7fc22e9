//! What must hold after a fault, at once and after the next command.

use std::fs;
use std::path::PathBuf;

use crate::common::{Outcome, TestRepo, sha256};

use super::deeds::{BACKUPS, Deed};
use super::fault::{Fault, Point};
use super::image::{Image, looked_at};

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
    /// Whether the archive is damaged from the beginning, so that git has to have the bytes.
    pub is_damaged: bool,
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

/// At any moment: each precious file's bytes are in the work tree or in the archive itself (git's
/// own objects, from which commands give them too, do not count here).
pub fn nothing_is_lost(repo: &TestRepo) -> Held {
    for (path, content) in PRECIOUS {
        if repo.has(path) && repo.read(path) == content {
            continue;
        }
        let found = archived(repo, content.as_bytes());
        check(found.as_deref() == Ok(content.as_bytes()), || format!("{path} is lost: {found:?}"))?;
    }
    Ok(())
}

/// Content as the archive holds it, read out of a copy: looking must not settle anything.
fn archived(repo: &TestRepo, content: &[u8]) -> Result<Vec<u8>, String> {
    let copy = looked_at(repo);
    let sql = "SELECT v.blob_bytes, (SELECT COALESCE(SUM(o.size_bytes), 0) FROM artifact_row o
                 WHERE o.run_id = a.run_id AND o.run_offset < a.run_offset)
               FROM artifact v JOIN artifact_row a ON a.id = v.id WHERE v.content_sha256 = ?";
    let (run, before): (Vec<u8>, u32) = rusqlite::Connection::open(copy)
        .and_then(|db| db.query_row(sql, [sha256(content)], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(|error| error.to_string())?;
    let all = zstd::stream::decode_all(run.as_slice()).map_err(|error| error.to_string())?;
    let before = before as usize;
    let found = all.get(before..before + content.len()).ok_or("its run is too short")?;
    Ok(found.to_vec())
}

/// Every file that is called a backup is a whole one, with its checksum beside it.
fn backups_are_whole(repo: &TestRepo) -> Held {
    for name in backups(repo, ".tar.gz") {
        let sum = sha256(&fs::read(&name).unwrap());
        let beside = name.with_extension("gz.sha256");
        let told = fs::read_to_string(&beside).unwrap_or_default();
        check(told.starts_with(&sum), || format!("{} is no whole backup", name.display()))?;
        succeeds(&repo.archive(["backup", "verify", name.to_str().unwrap()]))?;
    }
    Ok(())
}

/// The files below the destination of backups whose names have `part`.
fn backups(repo: &TestRepo, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repo.world.path(BACKUPS)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if name.ends_with(part) || name.starts_with(part) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// What drills unpacked and left.
fn drills(repo: &TestRepo) -> Vec<PathBuf> {
    let entries = fs::read_dir(repo.common_dir().join("codex-archive")).into_iter().flatten();
    let mut left: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    left.retain(|path| path.to_string_lossy().contains(".codex-drill-"));
    left
}

/// Once settled: git, stubs, evidence and archive agree, and nothing is left lying about.
pub fn all_is_well(repo: &TestRepo) -> Held {
    let left = [intents(repo), repo.litter(), backups(repo, ".codex-tmp-"), drills(repo)].concat();
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
        self.holds_at_once(repo, outcome)?;
        let kills_git = matches!(point.fault, Fault::Kill | Fault::KillAll);
        if point.child.is_some() && kills_git && outcome.code != 0 {
            take_away_locks(repo, self.deed.line)?;
        }
        self.holds_afterwards(repo, point.nth.is_multiple_of(2), outcome)
    }

    /// What holds before anybody does anything about it.
    pub fn holds_at_once(&self, repo: &TestRepo, outcome: &Outcome) -> Held {
        backups_are_whole(repo)?;
        let now = Image::of(repo);
        let mut odd = now.neither(&self.before, &self.after);
        odd.retain(|name| !self.deed.on_its_way.contains(&name.as_str()));
        check(odd.is_empty(), || format!("neither as before nor as after: {odd:?}\n{outcome}"))?;
        if self.is_damaged {
            succeeds(&repo.archive(["cat", "src/old.py"]))?;
        } else {
            nothing_is_lost(repo).map_err(|why| format!("{why}\nafter\n{outcome}"))?;
        }
        let whole = outcome.code != 0 || now == self.after;
        check(whole, || format!("undone, and yet:\n{outcome}"))
    }

    /// The next command (another one, or at once the same again) settles it, and all is well.
    pub fn holds_afterwards(&self, repo: &TestRepo, another: bool, outcome: &Outcome) -> Held {
        let after = |why| format!("{why}\nafter\n{outcome}");
        if outcome.code != 0 {
            self.settles(repo, another).map_err(after)?;
        }
        all_is_well(repo).map_err(after)
    }

    fn settles(&self, repo: &TestRepo, another: bool) -> Held {
        if self.deed.is_atomic && another {
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
    for (name, words) in [("index.lock", "index.lock"), ("config.lock", "lock config file")] {
        let lock = repo.common_dir().join(name);
        if lock.exists() {
            let told = repo.archive(line);
            let named = told.code == 1 && told.said(words);
            check(named, || format!("{name} is not named:\n{told}"))?;
            fs::remove_file(lock).unwrap();
        }
    }
    Ok(())
}
