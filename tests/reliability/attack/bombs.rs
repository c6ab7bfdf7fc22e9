//! Compressed content that is larger than it says, or as large as it says.

use std::io::Read;

use rusqlite::params;

use super::harness::{Tried, archived, portion, some, tables, tries, tries_with};
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

/// Compares in parts what came out with what should.
fn is_content(mut found: impl Read, content: &[u8]) -> Result<(), String> {
    let mut at = 0;
    let mut part = vec![0; 1 << 20];
    loop {
        let len = found.read(&mut part).map_err(|error| error.to_string())?;
        if len == 0 && at == content.len() {
            return Ok(());
        }
        if len == 0 || content.get(at..at + len) != Some(&part[..len]) {
            return Err(format!("other bytes than {} from {at} on", content.len()));
        }
        at += len;
    }
}

/// Bytes that do not compress.
fn noise(bytes: u64) -> Vec<u8> {
    let words = (1..=bytes / 8).map(|n| {
        let word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()
    });
    words.flatten().collect()
}

/// An archived file, and what it held.
struct Large {
    repo: TestRepo,
    id: String,
    content: Vec<u8>,
}

impl Large {
    /// Commits the file `big`.
    fn new(content: Vec<u8>) -> Self {
        let repo = TestRepo::ready();
        repo.file("big", &content).commit("big");
        Self { repo, id: String::new(), content }
    }

    /// Archives it, which may take all the memory there is.
    fn store(&mut self) {
        self.id = self.repo.store_one("big");
    }

    fn gave(&self, tried: &Tried) -> Result<(), String> {
        tried.exits(0)?;
        is_content(&tried.outcome.bytes[..], &self.content)
    }

    fn wrote(&self, tried: &Tried, name: &str) -> Result<(), String> {
        tried.exits(0)?;
        let file = std::fs::File::open(self.repo.top.join(name)).map_err(|it| it.to_string())?;
        is_content(file, &self.content)
    }

    /// All ways out of the archive, or in a short run those that differ most. `name` is for the
    /// score.
    fn comes_out(&self, name: &str, score: &mut Score) {
        let (repo, id) = (&self.repo, self.id.as_str());
        let mut note = |what: &str, held| score.note(format!("{name}, {what}"), held);
        note("cat", self.gave(&tries(repo, ["cat", id])));
        note("cat --json", tries(repo, ["cat", id, "--json"]).exits(6));
        if whole() {
            note("restore -", self.gave(&tries(repo, ["restore", id, "-"])));
            note("restore", self.wrote(&tries(repo, ["restore", id, "out"]), "out"));
            note("restore again", tries(repo, ["restore", id, "out"]).exits(0));
            repo.append("out", "x");
            note("in the way", tries(repo, ["restore", id, "out"]).exits(6));
            repo.remove("out");
        }
        let staged = tries(repo, ["restore", id, "--stage"]);
        note("restore --stage", self.wrote(&staged, "big"));
        if whole() {
            note("staged again", tries(repo, ["restore", id, "--stage"]).exits(0));
        }
        note("undo of the restore", tries(repo, ["undo"]).exits(0));
    }

    /// git fails when it is to stage, and the next command finds the file in place.
    fn is_completed(&self, name: &str, score: &mut Score) {
        let (repo, id) = (&self.repo, self.id.as_str());
        let git = "#!/bin/sh\ncase \" $* \" in *' update-index '*) exit 1;; esac\n\
            PATH=${PATH#*:} exec git \"$@\"\n";
        repo.script("../bad/git", git);
        let bad = repo.world.path("bad");
        let usual = repo.types("printf %s \"$PATH\"").ok().stdout;
        let path = format!("{}:{usual}", bad.display());
        let typed = ["restore", id, "--stage"].map(Into::into);
        let stopped = tries_with(repo, &typed, &[("PATH", &path)], b"");
        score.note(format!("{name}, stopped"), stopped.exits(1));
        let waits = repo.archive(["status", "--json"]).json();
        assert_ne!(waits["waiting"], serde_json::json!([]), "{waits}");
        let again = tries(repo, ["restore", id, "--stage"]);
        score.note(format!("{name}, completed"), self.wrote(&again, "big"));
        score.note(format!("{name}, and undone"), tries(repo, ["undo"]).exits(0));
    }
}

#[test]
fn an_honest_bomb_costs_little_memory() {
    let mut score = Score::of("attack: honest bombs");
    let mut zeros = Large::new(vec![0; 320 << 20]);
    zeros.store();
    let undone = tries(&zeros.repo, ["undo"]);
    score.note("zeros, undo", zeros.wrote(&undone, "big"));
    zeros.store();
    zeros.repo.try_commit("retire").ok();
    zeros.comes_out("zeros", &mut score);
    // A frame that is too large to stay in memory as well.
    let mut noises = Large::new(noise(24 << 20));
    noises.store();
    noises.repo.try_commit("retire").ok();
    noises.comes_out("noise", &mut score);
    if whole() {
        zeros.is_completed("zeros", &mut score);
        // The archive lacks it: git's own object is as large.
        tables(&zeros.repo).execute("UPDATE run SET bytes = x'00'", []).unwrap();
        score.note("zeros of git, cat", zeros.gave(&tries(&zeros.repo, ["cat", &zeros.id])));
        score.note("zeros of git, heal", tries(&zeros.repo, ["fsck", "--repair"]).exits(0));
        score.note("zeros, healed", zeros.gave(&tries(&zeros.repo, ["cat", &zeros.id])));
    }
    noises.is_completed("noise", &mut score);
    for large in [&zeros.repo, &noises.repo] {
        let litter = large.litter();
        let held = if litter.is_empty() { Ok(()) } else { Err(format!("{litter:?}")) };
        score.note("nothing is left lying about", held);
    }
    score.finish(12);
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
