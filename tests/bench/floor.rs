//! The least that archiving files can cost: read, SHA-256, zstd, one durable file, a stub in the place of
//! each. No git, no database, no records, no second look. Whatever `store` takes beyond this is its own.
//!
//!     cargo run --release --example floor -- FOLDER OUT
//!
//! replaces every file below FOLDER by a stub and writes their content to OUT.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

type Failure = Box<dyn Error + Send + Sync>;

/// As many bytes as a run of the archive has, and its level.
const RUN_BYTES: u64 = 4 << 20;
const LEVEL: i32 = 3;

fn main() -> Result<(), Failure> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out] = given.as_slice() else { return Err("usage: floor FOLDER OUT".into()) };
    let mut files = Vec::new();
    list(Path::new(folder), &mut files)?;
    files.sort_by(|a, b| (a.0.extension(), &a.0).cmp(&(b.0.extension(), &b.0)));
    let runs = cut(&files);
    let mut sink = File::create(out)?;
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism()?.get();
    let (sender, receiver) = sync_channel::<Vec<u8>>(workers);
    // Each has its own, so that the writer ends with the last of them.
    let senders = vec![sender; workers];
    thread::scope(|scope| -> Result<(), Failure> {
        let (runs, next) = (&runs, &next);
        let start = |sender: SyncSender<Vec<u8>>| scope.spawn(move || work(runs, next, &sender));
        let threads: Vec<_> = senders.into_iter().map(start).collect();
        let writing = scope.spawn(move || -> Result<(), Failure> {
            receiver.iter().try_for_each(|run| sink.write_all(&run))?;
            Ok(sink.sync_all()?)
        });
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        writing.join().map_err(|_| "the writer panicked")?
    })?;
    let top = File::open(folder)?;
    rustix::fs::syncfs(&top)?;
    files.iter().try_for_each(|(file, _)| fs::rename(temporary(file), file))?;
    rustix::fs::syncfs(&top)?;
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_dir() {
            list(&entry.path(), files)?;
        } else if meta.is_file() {
            files.push((entry.path(), meta.len()));
        }
    }
    Ok(())
}

fn cut(files: &[(PathBuf, u64)]) -> Vec<Vec<&Path>> {
    let (mut runs, mut room): (Vec<Vec<&Path>>, _) = (Vec::new(), 0);
    for (file, bytes) in files {
        match runs.last_mut() {
            Some(run) if *bytes <= room => run.push(file),
            _ => {
                runs.push(vec![file]);
                room = RUN_BYTES;
            }
        }
        room = room.saturating_sub(*bytes);
    }
    runs
}

fn work(
    runs: &[Vec<&Path>],
    next: &AtomicUsize,
    sender: &SyncSender<Vec<u8>>,
) -> Result<(), Failure> {
    let mut compressor = Compressor::new(LEVEL)?;
    let mut content = Vec::new();
    while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
        content.clear();
        for file in run {
            let bytes = fs::read(file)?;
            let digest = Sha256::digest(&bytes);
            content.extend_from_slice(&bytes);
            fs::write(temporary(file), format!("{digest:x?}\n{}\n", file.display()))?;
        }
        sender.send(compressor.compress(&content)?)?;
    }
    Ok(())
}

fn temporary(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}
