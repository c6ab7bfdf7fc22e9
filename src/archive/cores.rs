//! Work that one thread hands out, out of the archive, and that all cores do.
//!
//! Promises: what is handed out and not done yet stays below a number of bytes, unless one task has
//! more by itself.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::error::Result;

/// So many bytes are with the workers at once.
const MOST_BYTES: usize = 32 << 20;

/// Tasks for the workers, and what comes of them.
pub(super) struct Cores<T, R> {
    tasks: Sender<(T, usize)>,
    results: Receiver<(R, usize)>,
    held_bytes: usize,
    tasks_left: usize,
}

/// Runs `lead` on this thread, and `work` on all cores for each task that it gives. Each worker has
/// what `start` makes.
pub(super) fn on_all_cores<T: Send, R: Send, W: Send, V>(
    start: impl Fn() -> Result<W>,
    work: impl Fn(&mut W, T) -> R + Sync,
    lead: impl FnOnce(&mut Cores<T, R>) -> Result<V>,
) -> Result<V> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let workers = (0..workers).map(|_| start()).collect::<Result<Vec<W>>>()?;
    let (tasks, queue) = mpsc::channel();
    let queue = Mutex::new(queue);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for worker in workers {
            let (queue, sender, work) = (&queue, sender.clone(), &work);
            scope.spawn(move || labour(worker, queue, &sender, work));
        }
        // Without a sender of its own the lead ends even if all workers are gone.
        drop(sender);
        lead(&mut Cores { tasks, results, held_bytes: 0, tasks_left: 0 })
    })
}

fn labour<T, R, W>(
    mut worker: W,
    queue: &Mutex<Receiver<(T, usize)>>,
    results: &Sender<(R, usize)>,
    work: &impl Fn(&mut W, T) -> R,
) {
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok((task, bytes))) = next else { return };
        if results.send((work(&mut worker, task), bytes)).is_err() {
            return;
        }
    }
}

impl<T, R> Cores<T, R> {
    /// Gives a task of so many bytes to the workers; `take` gets what came of others meanwhile.
    pub fn give(&mut self, task: T, bytes: usize, take: &mut dyn FnMut(R)) {
        while self.held_bytes > 0 && self.held_bytes + bytes > MOST_BYTES && self.wait(take) {}
        if self.tasks.send((task, bytes)).is_ok() {
            self.held_bytes += bytes;
            self.tasks_left += 1;
        }
    }

    /// Waits for all that was given.
    pub fn finish(&mut self, take: &mut dyn FnMut(R)) {
        while self.tasks_left > 0 && self.wait(take) {}
    }

    fn wait(&mut self, take: &mut dyn FnMut(R)) -> bool {
        let Ok((result, bytes)) = self.results.recv() else { return false };
        self.held_bytes -= bytes;
        self.tasks_left -= 1;
        take(result);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_and_little_is_held() {
        let mut sum = 0;
        let mut most = 0;
        on_all_cores(
            || Ok(()),
            |(), n: usize| n,
            |cores| {
                for n in 0..1000 {
                    cores.give(n, MOST_BYTES / 3, &mut |n| sum += n);
                    most = most.max(cores.held_bytes);
                }
                // Larger than all that may be held: alone.
                cores.give(1000, MOST_BYTES * 2, &mut |n| sum += n);
                assert_eq!(cores.held_bytes, MOST_BYTES * 2);
                cores.finish(&mut |n| sum += n);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(sum, 1000 * 1001 / 2);
        assert!(most <= MOST_BYTES);
    }
}
