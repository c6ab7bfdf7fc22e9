//! Repositories as they are in the wild: of every shape a file is archived rightly and put back, or
//! refused with a reason and nothing changed.

mod contents;
mod judge;
mod kinds;
mod large;
mod names;
mod repositories;
mod shape;
mod state;
mod states;

use crate::score::{Score, whole};
use judge::{Case, judge_all};

/// Judges all `cases`, or in a short run one of `part`.
fn family(name: &'static str, cases: &[Case], part: usize, least: u64) {
    let mut score = Score::of(name);
    if whole() {
        judge_all(&mut score, cases.iter());
        score.finish(least);
    } else {
        judge_all(&mut score, cases.iter().step_by(part));
        score.finish(1);
    }
}

#[test]
fn shapes_of_repositories() {
    family("shapes: repositories", repositories::CASES, 2, 45);
}

#[test]
fn shapes_of_content() {
    family("shapes: content and filters", contents::CASES, 2, 35);
}

#[test]
fn shapes_of_files() {
    family("shapes: kinds of files", kinds::CASES, 4, 18);
    family("shapes: names", names::CASES, 4, 35);
}

#[test]
fn shapes_of_states() {
    family("shapes: states", states::CASES, 3, 25);
    if whole() {
        family("shapes: large", large::CASES, 1, 3);
    }
}
