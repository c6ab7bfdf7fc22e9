//! A disk that is full, and one that may only be read.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::common::{Outcome, TestRepo, skipped};
use crate::score::{Score, whole};

use super::deeds::{self, Deed};
use super::image::Image;
use super::judge::all_is_well;
use super::sweep::{Stage, fill};

/// What `mount` was told; taken back when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(options: &[&str], at: &'a Path) -> Option<Self> {
        let done = Command::new("mount").args(options).arg(at).output();
        done.is_ok_and(|it| it.status.success()).then_some(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Room on the small disk, in KiB; the repository takes a tenth of it.
const DISK_KIB: u64 = 8192;

/// Leaves `kib` free, by a file that nobody looks at.
fn leave_free(repo: &TestRepo, kib: u64) {
    let disk = rustix::fs::statvfs(&repo.top).unwrap();
    let free = disk.f_bavail * disk.f_frsize;
    let ballast = vec![0; free.saturating_sub(kib << 10) as usize];
    let mut file = fs::File::create(repo.top.join(".git/ballast")).unwrap();
    file.write_all(&ballast).unwrap();
}

fn on_a_full_disk(deed: &Deed, score: &mut Score, step_kib: u64) -> bool {
    let stage = Stage::of(deed);
    let size = format!("size={DISK_KIB}k");
    let options = ["-t", "tmpfs", "-o", &size, "tmpfs"];
    let Some(_disk) = Mounted::new(&options, &stage.repo.top) else {
        skipped("a full disk (nothing may be mounted here)");
        return false;
    };
    let repo = &stage.repo;
    let mut failed = 0;
    for kib in (0..1024).step_by(step_kib as usize) {
        fill(repo);
        leave_free(repo, kib);
        let outcome = repo.archive(deed.line);
        let mut held = stage.case.holds_at_once(repo, &outcome);
        if std::ptr::eq(deed, &deeds::RESTORE_STAGE) && outcome.code != 0 {
            held = held.and_then(|()| can_be_read(repo, &["fsck"]));
        }
        fs::remove_file(repo.top.join(".git/ballast")).unwrap();
        let another = (kib / step_kib).is_multiple_of(2);
        let held = held.and_then(|()| stage.case.holds_afterwards(repo, another, &outcome));
        score.note(format!("{} with {kib} KiB free", deed.name), held);
        failed += u64::from(outcome.code != 0);
        if outcome.code == 0 {
            assert!(failed > 0, "there was room from the beginning");
            return true;
        }
    }
    panic!("{}: there is never room enough", deed.name);
}

#[test]
fn crash_full_disk() {
    let mut score = Score::of("crash: full disk");
    let step_kib = if whole() { 4 } else { 48 };
    for deed in [&deeds::STORE_TWO, &deeds::STORE_FIRST, &deeds::RESTORE_STAGE, &deeds::UNDO] {
        if !on_a_full_disk(deed, &mut score, step_kib) {
            return;
        }
    }
    score.finish(if whole() { 100 } else { 8 });
}

/// Commands that change nothing work all the same, hooks among them.
const READERS: &[&[&str]] = &[
    &["list"],
    &["status"],
    &["show", "src/old.py"],
    &["cat", "src/old.py"],
    &["log"],
    &["verify", "--all", "--deep"],
    &["fsck"],
    &["evidence", "verify"],
    &["hook", "pre-commit"],
];

fn can_be_read(repo: &TestRepo, line: &[&str]) -> Result<(), String> {
    let told = repo.archive(line);
    if told.code == 0 { Ok(()) } else { Err(format!("this should have worked:\n{told}")) }
}

fn refuses(repo: &TestRepo, before: &Image, told: &Outcome) -> Result<(), String> {
    let clear = told.code == 1 && told.stderr.starts_with("error: ");
    if !clear {
        return Err(format!("this is no clear refusal:\n{told}"));
    }
    if Image::of(repo) != *before {
        return Err(format!("something changed:\n{told}"));
    }
    Ok(())
}

#[test]
fn crash_read_only_disk() {
    let mut score = Score::of("crash: read-only disk");
    for deed in deeds::ALL {
        let stage = Stage::of(deed);
        stage.reset();
        let repo = &stage.repo;
        let top = repo.top.to_str().unwrap();
        let Some(_disk) = Mounted::new(&["--bind", top], &repo.top) else {
            skipped("a read-only disk (nothing may be mounted here)");
            return;
        };
        let before = Image::of(repo);
        let again = |how| Mounted::new(&["-o", how], &repo.top).map(std::mem::forget);
        again("remount,bind,ro").unwrap();
        score.note(deed.name, refuses(repo, &before, &repo.archive(deed.line)));
        if std::ptr::eq(deed, &deeds::DROP) {
            for line in READERS {
                score.note(line.join(" "), can_be_read(repo, line));
            }
        }
        again("remount,bind,rw").unwrap();
        let told = repo.archive(deed.line);
        let done = if told.code == 0 { all_is_well(repo) } else { Err(told.to_string()) };
        score.note(format!("{}, writable again", deed.name), done);
    }
    score.finish(20);
}
