//! Strikes one deed at every changing system call.

use std::fs;
use std::process::Command;

use crate::common::strace::{can_trace, fault_was_met};
use crate::common::{TestRepo, in_memory};
use crate::score::{Score, whole};

use super::deeds::{self, Deed};
use super::fault::{Fault, Point, points};
use super::image::Image;
use super::judge::{self, Case};
use super::trace::Trace;

/// Points of each deed that a short run tries.
const SHORT: usize = 12;

/// A deed, and the repository in which it is done again and again.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The repository, as the deed finds it after [`Stage::reset`].
    pub repo: TestRepo,
    /// Before and after.
    pub case: Case<'a>,
    /// What the deed does.
    pub trace: Trace,
}

impl<'a> Stage<'a> {
    /// Prepares the repository, does the deed once, and takes down what it did.
    pub fn of(deed: &'a Deed) -> Self {
        let repo = in_memory(deed.prepare);
        copy(&repo.top, &repo.world.path("template"));
        reset(&repo);
        let before = Image::of(&repo);
        let is_damaged = judge::nothing_is_lost(&repo).is_err();
        let trace = Trace::of(&repo, deed.line);
        let after = Image::of(&repo);
        Self { repo, case: Case { deed, before, after, is_damaged }, trace }
    }

    /// The repository as it was: in the same place, for a copy elsewhere begins a new log.
    pub fn reset(&self) {
        reset(&self.repo);
    }

    /// Strikes at `point` and judges.
    pub fn strike(&self, point: &Point) -> Result<(), String> {
        // Ids and with them the names of git's objects differ each time, so that a folder which git
        // makes the one time is there the other time.
        for _ in 0..6 {
            self.reset();
            let outcome = point.strike(&self.repo, self.case.deed.line);
            if fault_was_met(&self.repo) {
                return self.case.holds(&self.repo, point, &outcome);
            }
        }
        Err("never got there".to_owned())
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Fills the repository's folder, which may be a disk of its own, with what the template has.
pub fn fill(repo: &TestRepo) {
    for entry in fs::read_dir(&repo.top).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    copy(&repo.world.path("template/."), &repo.top);
}

fn reset(repo: &TestRepo) {
    fs::remove_dir_all(&repo.top).unwrap();
    copy(&repo.world.path("template"), &repo.top);
    // An archive elsewhere, if the deed makes one.
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(repo.world.path(&format!("{}{end}", deeds::ELSEWHERE)));
    }
    let _ = fs::remove_file(repo.world.path(deeds::RESULTS));
    let _ = fs::remove_dir_all(repo.world.path(deeds::BACKUPS));
}

/// Strikes `deed` at every point, or at a part of them in a short run.
pub fn sweep(deed: &Deed) {
    if !can_trace() {
        return;
    }
    let mut score = Score::of(deed.name);
    let stage = Stage::of(deed);
    let all = points(&stage.repo, &stage.trace);
    let tried = if whole() { all.len() } else { SHORT.min(all.len()) };
    for n in 0..tried {
        // Spread over the whole command and all faults; the same ones every time.
        let point = &all[if whole() { n } else { (n * all.len() / tried + n) % all.len() }];
        score.note(point, stage.strike(point));
    }
    eprintln!("  {}: {} of {} points", deed.name, score.tried(), all.len());
    score.finish(tried as u64);
}

/// The sweep sees a fault: steps that were not done, though the program was told that they were.
#[test]
fn crash_sweep_notices_what_was_not_done() {
    if !can_trace() {
        return;
    }
    let mut score = Score::of("crash: a step left out is noticed");
    for deed in [&deeds::STORE_TWO, &deeds::RESTORE_STAGE, &deeds::DROP] {
        let stage = Stage::of(deed);
        let own = stage.trace.changing(&stage.repo.top).filter(|it| it.pid == stage.trace.main);
        let steps = own.filter(|it| {
            let of_database = it.text.contains("archive.sqlite");
            ["rename", "unlink"].contains(&it.kind()) && !of_database
        });
        for call in steps {
            let (child, fault) = (None, Fault::Skipped);
            let point = Point { child, call: call.name.clone(), nth: call.nth, fault };
            let noticed = stage.strike(&point).is_err();
            let held = if noticed { Ok(()) } else { Err("nobody notices".to_owned()) };
            score.note(format!("{}: {point} {}", deed.name, call.text), held);
        }
    }
    score.finish(8);
}

/// The sweep sees a loss, though git still has the bytes.
#[test]
fn crash_sweep_notices_a_loss() {
    let stage = Stage::of(&deeds::STORE_TWO);
    let repo = &stage.repo;
    judge::nothing_is_lost(repo).unwrap();
    let archive = repo.common_dir().join("codex-archive/archive.sqlite");
    let spoil = "UPDATE run SET bytes = X'00'";
    rusqlite::Connection::open(archive).unwrap().execute(spoil, []).unwrap();
    judge::nothing_is_lost(repo).unwrap_err();
    judge::all_is_well(repo).unwrap_err();
}
