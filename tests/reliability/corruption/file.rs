//! Damage at places of the archive's file, whatever stands there.

use rusqlite::Connection;

use crate::score::{Score, whole};

use super::rows::frame;
use super::scene::{Dice, Scene};

/// Places inside the stored bytes of large files, which go over many pages.
pub fn large_blobs(scene: &Scene, score: &mut Score) {
    let item = scene.large();
    let good = frame(&Connection::open(scene.file()).unwrap(), &item.content);
    let mut dice = Dice(1);
    let places = if whole() { 500 } else { 8 };
    for _ in 0..places {
        let at = dice.below(good.len());
        // Pages part the blob: its bytes stand in the file in pieces.
        let piece = &good[at..good.len().min(at + 24)];
        let Some(place) = scene.whole.windows(piece.len()).position(|it| it == piece) else {
            continue;
        };
        let mut file = scene.whole.clone();
        file[place] ^= 1 << dice.below(8);
        scene.put(&file);
        scene.forget_in_git();
        let verdict = scene.judge();
        scene.remember_in_git();
        let repair = scene.program(&["fsck", "--repair"]);
        let held = match verdict.wrong {
            Some(wrong) => Err(wrong),
            None if verdict.all_came => Err("it came out all the same".to_owned()),
            None if verdict.fsck.code != 4 || !verdict.fsck.said(&item.id) => {
                Err(format!("fsck did not name it:\n{}", verdict.fsck))
            }
            None if repair.code != 0 || scene.comes_out(item) != Ok(true) => {
                Err(format!("not healed:\n{repair}"))
            }
            None => Ok(()),
        };
        score.note(format!("byte {at} of the blob"), held);
    }
}

/// Places anywhere in the file: turned, zeroed, a sector lost, cut off, a page swapped.
pub fn database(scene: &Scene, score: &mut Score) {
    scene.forget_in_git();
    let mut dice = Dice(2);
    let places = if whole() { 2000 } else { 40 };
    let facts = Scene::facts(&scene.whole, false);
    let all = Scene::facts(&scene.whole, true);
    let (mut seen, mut no_effect, mut no_witness) = (0, 0, 0);
    for n in 0..places {
        let (name, bytes) = harmed(scene, n, &mut dice);
        if bytes == scene.whole {
            continue;
        }
        scene.put(&bytes);
        let verdict = scene.judge();
        let held = match verdict.wrong {
            Some(wrong) => Err(wrong),
            None if verdict.fsck.code != 0 => {
                seen += 1;
                Ok(())
            }
            None if !verdict.all_came => Err("fsck is content, and an item is lost".to_owned()),
            None if Scene::facts(&bytes, true) == all => {
                no_effect += 1;
                Ok(())
            }
            None if Scene::facts(&bytes, false) == facts => {
                no_witness += 1;
                Ok(())
            }
            None => Err(format!("fsck saw nothing: {:?}", difference(&bytes, &facts))),
        };
        score.note(name, held);
    }
    scene.remember_in_git();
    eprintln!(
        "corruption: of {places} places of the file {} were tried: {seen} seen by fsck, {no_effect} \
         in nothing that is kept, {no_witness} in a column that nothing bears witness to",
        score.tried()
    );
}

fn harmed(scene: &Scene, n: usize, dice: &mut Dice) -> (String, Vec<u8>) {
    let mut bytes = scene.whole.clone();
    let at = match n % 2 {
        0 => dice.below(bytes.len()),
        // The blob that does not compress is most of the file: the other half of the places is
        // among the tables.
        _ => small_page(scene, dice) * 4096 + dice.below(4096),
    };
    let name = match n % 10 {
        0..=4 => {
            bytes[at] ^= 1 << dice.below(8);
            "turned"
        }
        5 | 6 => {
            bytes[at] = 0;
            "zeroed"
        }
        7 => {
            let sector = at / 512 * 512;
            bytes[sector..sector + 512].fill(0);
            "its sector zeroed"
        }
        8 => {
            bytes.truncate(at);
            "cut off"
        }
        _ => {
            let (a, b) = (at / 4096 * 4096, dice.below(bytes.len() / 4096) * 4096);
            let page = bytes[a..a + 4096].to_vec();
            bytes.copy_within(b..b + 4096, a);
            bytes[b..b + 4096].copy_from_slice(&page);
            "its page swapped with another"
        }
    };
    (format!("byte {at} {name}"), bytes)
}

/// A page that is no overflow of a blob: one of the first that SQLite made, or among the last.
fn small_page(scene: &Scene, dice: &mut Dice) -> usize {
    let pages = scene.whole.len() / 4096;
    let kinds = [0x02, 0x05, 0x0a, 0x0d];
    let small: Vec<usize> =
        (0..pages).filter(|n| *n == 0 || kinds.contains(&scene.whole[n * 4096])).collect();
    small[dice.below(small.len())]
}

fn difference(bytes: &[u8], facts: &Option<Vec<String>>) -> Vec<String> {
    let (Some(now), Some(before)) = (Scene::facts(bytes, false), facts) else {
        return vec!["the tables cannot be read".to_owned()];
    };
    let gone = before.iter().filter(|fact| !now.contains(fact)).map(|fact| format!("- {fact}"));
    let new = now.iter().filter(|fact| !before.contains(fact)).map(|fact| format!("+ {fact}"));
    gone.chain(new).take(4).map(|fact| fact.chars().take(300).collect()).collect()
}
