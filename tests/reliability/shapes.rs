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

fn family(name: &'static str, cases: &[Case], least: u64) {
    let mut score = Score::of(name);
    judge_all(&mut score, cases);
    score.finish(least);
}

#[test]
fn shapes_of_repositories() {
    family("shapes: repositories", repositories::CASES, 35);
}

#[test]
fn shapes_of_content() {
    family("shapes: content and filters", contents::CASES, 25);
}

#[test]
fn shapes_of_files() {
    family("shapes: kinds of files", kinds::CASES, 15);
    family("shapes: names", names::CASES, 20);
}

#[test]
fn shapes_of_states() {
    family("shapes: states", states::CASES, 20);
    if whole() {
        family("shapes: large", large::CASES, 3);
    }
}
