//! Which artifacts are whole: decoded and hashed on all cores.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::backend::{Member, Place};
use crate::blob::RunReader;
use crate::error::Result;
use crate::model::Digest;

use super::Archive;

/// A run's stored bytes, the digest they should have, and those of its members that are to be checked.
type Task = (Vec<u8>, Digest, Vec<Member>);

/// The rows of those of `artifacts` whose every byte is true. What is wrong with another one, or too
/// large for this, is for [`Archive::check_artifact`] to say.
pub(super) fn sound(
    archive: &mut Archive,
    artifacts: &[(Member, Option<Place>)],
) -> Result<HashSet<i64>> {
    let runs = artifacts.chunk_by(|(_, a), (_, b)| a.map(|it| it.run) == b.map(|it| it.run));
    let in_memory = |place: Option<Place>| place.filter(|it| it.pieces == 1 && it.members > 0);
    let runs = runs.filter_map(|run| Some((in_memory(run[0].1)?.run, run)));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (tasks, queue) = mpsc::sync_channel::<Task>(workers);
    let queue = Mutex::new(queue);
    let (found, rows) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, found) = (&queue, found.clone());
            scope.spawn(move || check(queue, &found));
        }
        drop(found);
        for (run, members) in runs {
            let mut catalog = archive.catalog();
            let stored = catalog.piece(run, 0).and_then(|it| Ok((it, catalog.stored_sha256(run)?)));
            // One that is gone has nothing whole.
            let Ok((stored, sha256)) = stored else { continue };
            let members = members.iter().map(|(member, _)| *member).collect();
            if tasks.send((stored, sha256, members)).is_err() {
                break;
            }
        }
        drop(tasks);
        Ok(rows.iter().collect())
    })
}

fn check(queue: &Mutex<Receiver<Task>>, found: &Sender<i64>) {
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok((stored, sha256, members))) = next else { return };
        if Digest::of(&stored) != sha256 {
            continue;
        }
        let Ok(mut run) = RunReader::new(stored) else { continue };
        for member in members {
            let place = (member.offset, member.length);
            if run.member(place, member.size_bytes, &member.sha256).is_ok() {
                let _ = found.send(member.artifact);
            }
        }
    }
}
