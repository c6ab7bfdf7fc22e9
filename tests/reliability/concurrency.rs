//! Many writers at once, of ours and of git's: each succeeds or refuses cleanly, nobody's staged
//! file is lost, no reader raises a false alarm, and the evidence holds.

mod crowd;
mod rivals;

use crate::score::{Score, whole};
use crowd::{Crowd, Git, Target};

/// How many `store` processes run at once.
fn sizes() -> &'static [usize] {
    if whole() { &[2, 8, 32, 64] } else { &[2, 8] }
}

/// Every process is a case, and what holds at the end is one more.
fn try_all(family: &'static str, least: u64, crowd: impl Fn(usize) -> Crowd) {
    let mut score = Score::of(family);
    for &size in sizes() {
        let crowd = crowd(size);
        crowd.run(&mut score);
    }
    score.finish(least);
}

#[test]
fn concurrency_different_files() {
    try_all("concurrency: different files", 12, |size| Crowd::new(size, Target::Own));
}

#[test]
fn concurrency_the_same_file() {
    try_all("concurrency: the same file", 12, |size| Crowd::new(size, Target::Shared));
}

#[test]
fn concurrency_beside_git_add() {
    try_all("concurrency: beside git add", 12, |size| {
        Crowd::new(size, Target::Own).beside(Git::Adds)
    });
}

#[test]
fn concurrency_beside_git_commit() {
    try_all("concurrency: beside git commit", 22, |size| {
        Crowd::new(size, Target::Own).beside(Git::Commits)
    });
}

#[test]
fn concurrency_four_worktrees() {
    try_all("concurrency: four linked worktrees", 12, |size| {
        Crowd::new(size, Target::Own).in_worktrees(4)
    });
}

#[test]
fn concurrency_the_same_file_in_four_worktrees_beside_git() {
    try_all("concurrency: all of it together", 12, |size| {
        Crowd::new(size, Target::Shared).in_worktrees(4).beside(Git::Commits)
    });
}

#[test]
fn concurrency_readers() {
    try_all("concurrency: beside readers", 14, |size| Crowd::new(size, Target::Own).with_readers());
}

#[test]
fn concurrency_rivals() {
    let mut score = Score::of("concurrency: two deeds on one thing");
    let rounds = if whole() { 40 } else { 4 };
    for round in 0..rounds {
        score.note(format!("restore and store {round}"), rivals::restore_and_store(round));
        score.note(format!("two restores {round}"), rivals::two_restores());
        score.note(format!("drop and restore {round}"), rivals::drop_and_restore());
        score.note(format!("inits {round}"), rivals::inits(2 + round % 7));
        score.note(format!("hook installs {round}"), rivals::hook_installs(2 + round % 7));
        score.note(format!("first stores {round}"), rivals::first_stores(2 + round % 7));
    }
    score.finish(24);
}
