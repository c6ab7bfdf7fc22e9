//! Ten ways to edit history, and those that only look like one.
//!
//! Each is done to the journal, to the table and to segments in git; each is seen by a command that
//! people run, under a name. What a crash, a conversion or a merge leaves is no alarm.

mod chain;
mod journal;
mod scene;
mod segments;
mod table;

use crate::score::Score;

#[test]
fn tampering_with_the_journal() {
    let mut score = Score::of("tampering: the journal");
    journal::ten(&mut score);
    score.finish(11);
}

#[test]
fn tampering_with_the_table() {
    let mut score = Score::of("tampering: the table");
    table::ten(&mut score);
    score.finish(14);
}

#[test]
fn tampering_with_segments() {
    let mut score = Score::of("tampering: segments in git");
    segments::ten(&mut score);
    score.finish(20);
}

#[test]
fn tampering_with_everything_at_hand() {
    let mut score = Score::of("tampering: all copies at once");
    segments::all_copies(&mut score);
    score.finish(3);
}

#[test]
fn tampering_false_alarms() {
    let mut score = Score::of("tampering: false alarms");
    journal::no_alarm(&mut score);
    segments::no_alarm(&mut score);
    score.finish(20);
}
