//! Damage to a stub: every line of it, in the tree and in the index.

use crate::score::{Score, whole};

use super::rows::Harm;
use super::scene::{SMALL, Scene};

/// Every byte of a stub (in the short form some of each line), and lines of another stub.
pub fn every_line(scene: &Scene, score: &mut Score) {
    let item = scene.item(SMALL);
    let good = scene.repo.bytes(SMALL);
    let other = scene.repo.read("bin/run.sh");
    let mut bad: Vec<(String, Vec<u8>)> = Vec::new();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut start = 0;
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let step = if whole() { 1 } else { line.len() / 2 + 1 };
        for at in (start..start + line.len()).step_by(step) {
            for harm in Harm::ALL {
                bad.push((format!("line {}, {harm:?} at {at}", n + 1), harm.to(&good, at)));
            }
        }
        start += line.len();
        let theirs = other.lines().nth(n).unwrap();
        let swapped = text.replace(line.trim_end(), theirs);
        bad.push((format!("line {} of another stub", n + 1), swapped.into_bytes()));
        bad.push((format!("line {} left out", n + 1), text.replace(line, "").into_bytes()));
    }
    bad.push(("mode 100755".into(), text.replace("mode: 100644", "mode: 100755").into_bytes()));
    for (name, bytes) in bad {
        if bytes == good {
            continue;
        }
        scene.repo.file(SMALL, &bytes).git(["add", SMALL]).ok();
        let verify = scene.program(&["verify", "--all"]);
        let hook = scene.program(&["verify", "--staged"]);
        let restore = scene.program(&["restore", SMALL, "out.py", "--force"]);
        let written = std::fs::read(scene.repo.top.join("out.py")).ok();
        let _ = std::fs::remove_file(scene.repo.top.join("out.py"));
        // What no longer begins like a stub is an ordinary file: its going is seen in the change.
        let begins = bytes.starts_with(b"# codex-tombstone v1\n");
        let held = if hook.code != 4 || !hook.said(SMALL) {
            Err(format!("the hook's check did not see it:\n{hook}"))
        } else if begins && (verify.code != 4 || !verify.said(SMALL)) {
            Err(format!("verify --all did not see it:\n{verify}"))
        } else {
            match (restore.code, written) {
                (0, Some(bytes)) if bytes == item.content => Ok(()),
                (1..=8, None) => Ok(()),
                _ => Err(format!("neither restored nor refused:\n{restore}")),
            }
        };
        score.note(name, held);
    }
    scene.repo.file(SMALL, &good).git(["add", SMALL]).ok();
    score.note("as it was", is_well(scene));
}

fn is_well(scene: &Scene) -> Result<(), String> {
    let told = scene.program(&["verify", "--all", "--deep"]);
    if told.code == 0 { Ok(()) } else { Err(told.to_string()) }
}
