//! Looks for credentials in every file below some folders: how many, by which rule, how fast.
//!
//!     cargo run --release --example credentials -- [--list] FOLDER…

#![allow(clippy::print_stdout, reason = "a measuring program prints what it measured")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use codex_archive::policy::ContentPolicy;

#[derive(Default)]
struct Seen {
    files: u64,
    bytes: u64,
    spent: Duration,
    rules: BTreeMap<&'static str, (u64, u64)>,
}

fn main() {
    let list = env::args().any(|word| word == "--list");
    let policy = ContentPolicy::default();
    // The first search builds the automaton, which a long-lived program does once.
    policy.scan(None, b"");
    let mut seen = Seen::default();
    for folder in env::args().skip(1).filter(|word| word != "--list") {
        walk(Path::new(&folder), &mut |file| look(&policy, file, list, &mut seen));
    }
    let megabytes = seen.bytes as f64 / 1e6;
    let seconds = seen.spent.as_secs_f64();
    println!("{} files, {megabytes:.1} MB, {:.0} MB/s", seen.files, megabytes / seconds);
    for (rule, (found, files)) in &seen.rules {
        println!("{found:6} in {files:5} files  {rule}");
    }
}

fn look(policy: &ContentPolicy, file: &Path, list: bool, seen: &mut Seen) {
    let Ok(bytes) = fs::read(file) else { return };
    let begun = Instant::now();
    let found = policy.scan(None, &bytes);
    seen.spent += begun.elapsed();
    seen.files += 1;
    seen.bytes += bytes.len() as u64;
    let mut last = "";
    for it in found {
        let entry = seen.rules.entry(it.rule).or_default();
        *entry = (entry.0 + 1, entry.1 + u64::from(last != it.rule));
        last = it.rule;
        if list {
            println!("{}:{}:{}: {}", file.display(), it.line, it.column, it.rule);
        }
    }
}

fn walk(path: &Path, each: &mut impl FnMut(&Path)) {
    let Ok(meta) = path.symlink_metadata() else { return };
    if meta.is_file() {
        return each(path);
    }
    let Ok(entries) = fs::read_dir(path).map(Iterator::flatten) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().for_each(|path| walk(path, each));
}
