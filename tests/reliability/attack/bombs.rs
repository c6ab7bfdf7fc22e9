//! Compressed content that is larger than it says, or as large as it says.

use std::io::Read;

use rusqlite::params;

use super::harness::{archived, portion, some, tables, tries};
use crate::common::{TestRepo, sha256};
use crate::score::{Score, whole};

fn compressed(content: impl Read, window_log: Option<u32>) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    if let Some(log) = window_log {
        encoder.long_distance_matching(true).unwrap();
        encoder.window_log(log).unwrap();
    }
    let mut content = content;
    std::io::copy(&mut content, &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn zeros(bytes: u64) -> impl Read {
    std::io::repeat(0).take(bytes)
}

fn digest_of_zeros(bytes: u64) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    let part = vec![0; 1 << 20];
    (0..bytes >> 20).for_each(|_| hasher.update(&part));
    hasher.finalize().to_vec()
}

fn raw(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Puts a frame with a claim in the place of the one artifact.
fn plant(repo: &TestRepo, frame: &[u8], size: i64, digest: &[u8]) {
    let tables = tables(repo);
    let first = &frame[..frame.len().min(4 << 20)];
    let stored = raw(&sha256(frame));
    tables.execute("UPDATE run SET bytes = ?, stored_sha256 = ?", params![first, stored]).unwrap();
    tables
        .execute("UPDATE artifact_row SET size_bytes = ?, sha256 = ?", params![size, digest])
        .unwrap();
}

const COMMANDS: &[&[&str]] = &[
    &["cat", "ID"],
    &["restore", "ID", "out.bin"],
    &["restore", "ID", "-"],
    &["restore", "ID", "--stage"],
    &["verify", "--all", "--deep"],
    &["fsck"],
    &["fsck", "--repair"],
    &["health-check"],
    &["show", "ID"],
    &["list", "--json"],
    &["store", "_codex_", "src/live.py", "--reason", "dead", "--dry-run"],
];

/// All of them, or in a short run `cat`, `fsck` and some others.
fn lines(n: usize) -> Vec<&'static [&'static str]> {
    let mut lines = portion(COMMANDS.to_vec(), n);
    if !whole() {
        lines.extend([COMMANDS[0], COMMANDS[5]]);
    }
    lines
}

fn with_id<'a>(line: &[&'a str], id: &'a str) -> Vec<&'a str> {
    line.iter().map(|word| if *word == "ID" { id } else { word }).collect()
}

#[test]
fn a_bomb_stops_at_its_declared_size() {
    let mut score = Score::of("attack: bombs");
    let (repo, id) = archived();
    let wrong = vec![7; 32];
    // More than a command may take.
    let big = 320 << 20;
    let bomb = compressed(zeros(big), None);
    let wide = compressed(zeros(big), Some(27));
    let small = compressed(&b"print('old')\n"[..], None);
    let doubled = [small.clone(), bomb.clone()].concat();
    let cases: [(&str, &[u8], i64); 12] = [
        ("declared small", &bomb, 13),
        ("declared empty", &bomb, 0),
        ("declared negative", &bomb, -1),
        ("declared one byte less", &bomb, big as i64 - 1),
        ("as large as declared, other bytes", &bomb, big as i64),
        ("declared too large", &small, 1 << 40),
        ("declared as the largest number", &small, i64::MAX),
        ("a wide window", &wide, 13),
        ("two frames", &doubled, big as i64 + 13),
        ("cut off", &bomb[..bomb.len() / 2], big as i64),
        ("nothing", b"", 13),
        ("no frame", b"hello", 13),
    ];
    for (n, (name, frame, size)) in some(cases) {
        plant(&repo, frame, size, &wrong);
        for line in lines(n) {
            let tried = tries(&repo, with_id(line, &id));
            let heals = line.contains(&"--repair");
            let gives = matches!(line[0], "cat" | "restore" | "fsck" | "verify") && !heals;
            let held = if gives { tried.is_refused() } else { tried.is_civil() };
            score.note(format!("{name}, {line:?}"), held);
            if heals {
                plant(&repo, frame, size, &wrong);
            }
        }
        let held = if repo.has("out.bin") { Err("wrote a file".to_owned()) } else { Ok(()) };
        score.note(format!("{name}, output"), held);
    }
    // True to its word: what only checks it takes little memory all the same.
    plant(&repo, &bomb, big as i64, &digest_of_zeros(big));
    for (_, line) in some([&["fsck"][..], &["health-check"]]) {
        score.note(format!("honest, {line:?}"), tries(&repo, line).is_civil());
    }
    let (repo, _) = archived();
    repo.file("zeros.bin", vec![0; 64 << 20]).commit("zeros");
    repo.archive(["store", "_codex_", "zeros.bin", "--reason", "dead"]).ok();
    for line in [&["cat", "zeros.bin"][..], &["restore", "zeros.bin", "out.bin"], &["fsck"]] {
        score.note(format!("honest and smaller, {line:?}"), tries(&repo, line).exits(0));
    }
    score.finish(20);
}

#[test]
fn a_bomb_in_the_evidence_stops_too() {
    let mut score = Score::of("attack: bombs in evidence");
    let (repo, id) = archived();
    for (name, bytes) in [
        ("zeros", compressed(zeros(64 << 20), None)),
        ("lines", compressed(std::io::repeat(b'\n').take(64 << 20), None)),
        ("a wide window", compressed(zeros(160 << 20), Some(27))),
        ("no frame", b"hello".to_vec()),
        ("nothing", Vec::new()),
    ] {
        tables(&repo).execute("UPDATE evidence_block SET bytes = ?", params![bytes]).unwrap();
        for (_, line) in some([
            &["log"][..],
            &["show", &id],
            &["evidence", "verify"],
            &["evidence", "log"],
            &["fsck"],
            &["verify", "--all"],
            &["status"],
            &["restore", &id, "x.py"],
        ]) {
            score.note(format!("{name}, {line:?}"), tries(&repo, line).is_civil());
        }
    }
    score.finish(15);
}
