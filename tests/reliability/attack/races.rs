//! Folders that are swapped for links while the program writes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::harness::{Fence, tries};
use crate::common::TestRepo;
use crate::score::{Score, whole};

/// Keeps putting a link to `outside` in the place of `folder` until `done`, and puts it back.
fn swap(folder: &Path, outside: &Path, done: &AtomicBool, pause: &Mutex<()>) {
    let aside = folder.with_file_name("aside");
    let mut n: u64 = 1;
    while !done.load(Ordering::Relaxed) {
        let turn = pause.lock().unwrap();
        if fs::rename(folder, &aside).is_err() {
            continue;
        }
        // The program may have made a folder there in that moment.
        let _ = symlink(outside, folder);
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(n >> 56));
        // Whatever was made there meanwhile is inside, and goes.
        while fs::rename(&aside, folder).is_err() {
            if fs::remove_file(folder).is_err() {
                let _ = fs::remove_dir_all(folder);
            }
        }
        drop(turn);
        std::thread::sleep(Duration::from_micros((n >> 48) & 0xff));
    }
}

#[test]
fn nothing_lands_outside_while_folders_are_swapped() {
    let mut score = Score::of("attack: swapped folders");
    let repo = TestRepo::with_history();
    repo.file("d/sub/a.txt", "a\n").file("d/sub/b.txt", "b\n").file("d/c.txt", "c\n").commit("d");
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    let id = repo.store_one("d/sub/a.txt");
    repo.try_commit("retire a").ok();
    let outside = repo.world.path("outside");
    fs::create_dir_all(outside.join("sub/empty")).unwrap();
    // What a restored file, a stub or a removal could be led to.
    let stub = repo.bytes("d/sub/a.txt");
    fs::write(outside.join("sub/a.txt"), &stub).unwrap();
    fs::write(outside.join("sub/b.txt"), "b\n").unwrap();
    fs::write(outside.join("c.txt"), "c\n").unwrap();
    let fence = Fence::around(&repo.world, &["repo"]);
    let rounds = if whole() { 400 } else { 7 };
    let (done, pause) = (AtomicBool::new(false), Mutex::new(()));
    let mut succeeded = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&repo.top.join("d"), &outside, &done, &pause));
        for round in 0..rounds {
            let fresh = format!("d/sub/new-{round}.txt");
            for line in [
                &["restore", &id, &fresh][..],
                &["restore", &id, "d/sub/out.txt", "--force"],
                &["restore", &id],
                &["restore", &id, "--stage", "--force"],
                &["undo"],
                &["store", "_codex_", "d/sub/b.txt", "d/c.txt", "--reason", "dead"],
                &["undo"],
                &["store", "_codex_", "d/c.txt", "--reason", "dead", "--sidecar"],
                &["undo"],
                &["drop", &id, "--reason", "x"],
                &["undo"],
            ] {
                let tried = tries(&repo, line);
                succeeded += i32::from(tried.outcome.code == 0);
                let held = tried.is_civil().and_then(|()| fence.holds());
                score.note(format!("round {round}, {line:?}"), held);
            }
            // The tree is made good again in peace: git itself follows a link that is swapped in.
            let _peace = pause.lock().unwrap();
            let _ = repo.git(["reset", "-q"]);
            let _ = repo.types("git checkout -q -- . 2>/dev/null; git clean -fdq src .codex");
        }
        done.store(true, Ordering::Relaxed);
    });
    let held = if succeeded > 0 { Ok(()) } else { Err("nothing ever succeeded".to_owned()) };
    score.note("some of it works", held);
    score.note("in the end", fence.holds());
    score.finish(70);
}

#[test]
fn our_own_folder_may_be_swapped_too() {
    let mut score = Score::of("attack: swapped .codex");
    let repo = TestRepo::with_history();
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    let outside = repo.world.path("outside");
    fs::create_dir_all(outside.join("evidence/segments")).unwrap();
    fs::write(outside.join(".gitignore"), "theirs\n").unwrap();
    let fence = Fence::around(&repo.world, &["repo"]);
    let (done, pause) = (AtomicBool::new(false), Mutex::new(()));
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&repo.top.join(".codex"), &outside, &done, &pause));
        for round in 0..if whole() { 300 } else { 15 } {
            for line in [
                &["init"][..],
                &["store", "_codex_", "src/old.py", "--reason", "dead"],
                &["status"],
                &["undo"],
            ] {
                let held = tries(&repo, line).is_civil().and_then(|()| fence.holds());
                score.note(format!("round {round}, {line:?}"), held);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    score.finish(60);
}
