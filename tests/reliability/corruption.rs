//! Damaged bytes: in the archive's rows and file, in stubs, in the journal.
//!
//! Of each damage: what comes out is what went in, or nothing comes out; `fsck` (or `verify`, or
//! `evidence verify`) sees it, unless it stands where nothing is kept; and what git still has is
//! healed.

mod file;
mod journal;
mod rows;
mod scene;
mod stubs;

use crate::common::have;
use crate::score::Score;
use scene::Scene;

#[test]
fn corruption_every_byte_of_a_blob() {
    let mut score = Score::of("corruption: every byte of a blob");
    rows::every_byte(&Scene::new(), &mut score);
    score.finish(30);
}

#[test]
fn corruption_large_blobs() {
    let mut score = Score::of("corruption: places of large blobs");
    file::large_blobs(&Scene::new(), &mut score);
    score.finish(6);
}

#[test]
fn corruption_database_file() {
    let mut score = Score::of("corruption: places of the file");
    file::database(&Scene::new(), &mut score);
    score.finish(25);
}

#[test]
fn corruption_swapped_rows() {
    if !have("sqlite3") {
        return;
    }
    let mut score = Score::of("corruption: swapped and edited rows");
    rows::swapped(&Scene::new(), &mut score);
    score.finish(60);
}

#[test]
fn corruption_healed() {
    let mut score = Score::of("corruption: healed out of git");
    rows::healed(&Scene::new(), &mut score);
    score.finish(10);
}

#[test]
fn corruption_stubs() {
    let mut score = Score::of("corruption: stubs");
    stubs::every_line(&Scene::new(), &mut score);
    score.finish(24);
}

#[test]
fn corruption_journal() {
    let mut score = Score::of("corruption: journal");
    journal::every_line(&Scene::new(), &mut score);
    score.finish(40);
}
