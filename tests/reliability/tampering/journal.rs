//! The journal: the table is its anchor.

use std::fs;

use crate::score::{Score, whole};

use super::chain::{Kind, text};
use super::scene::Scene;

const VERIFY: [&str; 2] = ["evidence", "verify"];

/// The rule, and the word that names the kind, which `evidence verify` says of each.
fn names(kind: Kind) -> [&'static str; 2] {
    match kind {
        Kind::Edit | Kind::EditLast | Kind::RewriteToTheEnd => ["journal-edited", "edited"],
        Kind::Delete => ["journal-gap", "deleted"],
        Kind::Reorder => ["journal-order", "reordered"],
        Kind::Insert => ["journal-edited", "inserted"],
        Kind::Duplicate => ["journal-twice", "duplicate"],
        Kind::Fork => ["two-writers", "fork"],
        Kind::TruncateTail => ["journal-cut", "truncated"],
        Kind::DropFile => ["journal-short", "there is no file"],
    }
}

/// The ten kinds, at each place of the journal.
pub fn ten(score: &mut Score) {
    let scene = Scene::new();
    let count = scene.lines.len();
    for kind in Kind::ALL {
        let places: Vec<usize> = match kind {
            Kind::EditLast | Kind::DropFile => vec![0],
            // A crash may lose the records of the last command.
            Kind::TruncateTail => (0..count - 2).collect(),
            _ => (1..count - 1).collect(),
        };
        let places = if whole() { places } else { places.into_iter().take(2).collect() };
        for at in places {
            scene.reset();
            match kind.to(&scene.lines, at) {
                Some(lines) => scene.write_journal(&lines),
                None => fs::remove_file(&scene.journal).unwrap(),
            }
            // An absent journal is what `git clean` leaves: it is said, and written again.
            let code = if kind == Kind::DropFile { 0 } else { 4 };
            let seen = scene.says(&VERIFY, code, &names(kind)).and_then(|()| mended(&scene, kind));
            score.note(format!("{kind:?} at line {}", at + 1), seen);
        }
    }
}

/// What the hint says mends it: the next change writes the journal again, line for line.
fn mended(scene: &Scene, kind: Kind) -> Result<(), String> {
    if kind == Kind::Fork {
        // Two writers are no damage: a new log is begun.
        return Ok(());
    }
    if kind != Kind::DropFile {
        let told = scene.program(&VERIFY);
        let hint = told.hints().into_iter().find(|hint| hint.starts_with("mv "));
        let hint = hint.ok_or_else(|| format!("no hint mends it:\n{told}"))?;
        scene.repo.types(&hint).ok();
    }
    scene.repo.archive(["init"]).ok();
    if scene.repo.journal() != scene.lines {
        return Err("the journal was not written again as it was".to_owned());
    }
    scene.says(&VERIFY, 0, &[])
}

/// Torn tails and conversions.
pub fn no_alarm(score: &mut Score) {
    let scene = Scene::new();
    let good = text(&scene.lines);
    let last = scene.lines.last().unwrap().len() + 1;
    let step = if whole() { 1 } else { last / 12 };
    for cut in (1..last).step_by(step) {
        fs::write(&scene.journal, &good[..good.len() - cut]).unwrap();
        let told = scene.says(&VERIFY, 0, &["journal-torn"]);
        let mended = scene.repo.archive(["init"]);
        let same = scene.repo.journal() == scene.lines;
        let held = told.and_then(|()| match same {
            true => scene.says(&VERIFY, 0, &[]),
            false => Err(format!("not mended:\n{mended}")),
        });
        score.note(format!("torn {cut} bytes before its end"), held);
    }
    scene.reset();
    let spaced = |line: &String| line.replace("\":", "\": ").replace(",\"", ", \"");
    let spaced: Vec<String> = scene.lines.iter().map(spaced).collect();
    let conversions = [
        ("CR LF", good.replace('\n', "\r\n"), "CR LF"),
        ("other spacing", text(&spaced), "another spelling"),
        ("both", text(&spaced).replace('\n', "\r\n"), "another spelling"),
    ];
    for (name, text, words) in conversions {
        fs::write(&scene.journal, text).unwrap();
        let held = scene.says(&VERIFY, 0, &["journal-converted", words]);
        score.note(name, held);
        // And a converted journal hides no edit.
        let edited = fs::read_to_string(&scene.journal).unwrap().replacen("pruned", "legacy", 1);
        fs::write(&scene.journal, edited).unwrap();
        score.note(
            format!("{name}, and an edit"),
            scene.says(&VERIFY, 4, &["journal-edited", "edited"]),
        );
    }
    scene.reset();
    score.note("as it was", scene.is_well());
}
