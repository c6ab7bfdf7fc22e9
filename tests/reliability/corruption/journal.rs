//! Damage to the journal: every kind of line. The archive is untouched by it, and says so.

use std::fs;

use crate::score::{Score, whole};

use super::rows::Harm;
use super::scene::{Dice, SMALL, Scene};

/// Places of every line; each is named, content comes out all the same.
pub fn every_line(scene: &Scene, score: &mut Score) {
    let good = fs::read(scene.journal_file()).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut dice = Dice(3);
    let places = if whole() { 40 } else { 2 };
    let mut start = 0;
    let count = text.lines().count();
    for (n, line) in text.split_inclusive('\n').enumerate() {
        for place in 0..places {
            let at = start + if place == 0 { line.len() - 1 } else { dice.below(line.len()) };
            for harm in Harm::ALL {
                let bytes = harm.to(&good, at);
                if bytes == good {
                    continue;
                }
                // Whatever a crash in the middle of the last line can leave is no tampering.
                let is_tail = n + 1 == count && !bytes.ends_with(b"\n");
                fs::write(scene.journal_file(), &bytes).unwrap();
                let name = format!("line {}, {harm:?} at {at}", n + 1);
                score.note(name, is_named(scene, is_tail));
            }
        }
        start += line.len();
    }
    fs::write(scene.journal_file(), &good).unwrap();
}

fn is_named(scene: &Scene, is_tail: bool) -> Result<(), String> {
    let told = scene.program(&["evidence", "verify"]);
    let names: &[&str] = if is_tail {
        &["journal-torn", "journal-short"]
    } else {
        &["journal-edited", "journal-gap", "journal-cut", "table-short", "two-writers"]
    };
    if told.code != if is_tail { 0 } else { 4 } || !names.iter().any(|name| told.said(name)) {
        return Err(format!("it is not named:\n{told}"));
    }
    let read = scene.program(&["list"]);
    if read.code != 0 || scene.comes_out(scene.item(SMALL)) != Ok(true) {
        return Err(format!("the archive is not touched by it, and failed:\n{read}"));
    }
    Ok(())
}
