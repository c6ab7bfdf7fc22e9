//! A crowd: as many `store` processes at once as asked for, with git and readers around them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};

use crate::common::{Outcome, TestRepo, id_of, run};
use crate::score::Score;

/// What each process archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A file of its own.
    Own,
    /// One file for all.
    Shared,
}

/// What git does meanwhile, in every work tree.
///
/// One process of git at a time in each work tree: `git commit` reads the index before it takes the
/// lock, so it loses what another `git add` stages in that moment, with or without us. For the same
/// reason it can lose what we have staged; the stub stands then, and the next `store` stages it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Git {
    /// Nothing.
    Rests,
    /// `git add` of one new file after another.
    Adds,
    /// The same, with a `git commit` behind each.
    Commits,
}

/// Processes that archive at once.
pub struct Crowd {
    size: usize,
    target: Target,
    trees: usize,
    git: Git,
    readers: bool,
}

/// Runs the program itself, without git's process around it.
pub fn program(repo: &TestRepo, arguments: &[&str]) -> Outcome {
    let mut command: Command = repo.world.command("git-codex-archive", &repo.top);
    command.args(arguments);
    run(command, None)
}

/// Whether a refusal is one: an error that names the lock that was held, and nothing worse.
pub fn refused_cleanly(told: &Outcome) -> Result<(), String> {
    let worse = ["panicked", "database is locked", "database is busy", "damaged"];
    if let Some(word) = worse.iter().find(|word| told.said(word)) {
        return Err(format!("says `{word}`:\n{told}"));
    }
    match told.code {
        0 => Ok(()),
        1 if told.said("index.lock") || told.said("lock") => Ok(()),
        _ => Err(format!("neither done nor refused for a lock:\n{told}")),
    }
}

/// With git at rest nothing is refused.
fn settled(told: &Outcome) -> Result<(), String> {
    if told.code == 0 { Ok(()) } else { Err(told.to_string()) }
}

/// What holds when all is quiet again, whatever ran before.
pub fn all_is_well(repo: &TestRepo) -> Result<(), String> {
    let expect = |told: Outcome| if told.code == 0 { Ok(()) } else { Err(told.to_string()) };
    // What a refusal in the middle left is settled by the next deed.
    expect(repo.archive(["init"]))?;
    let intents = repo.common_dir().join("codex-archive/intents");
    let left = std::fs::read_dir(intents).map_or(0, Iterator::count);
    if left > 0 {
        return Err(format!("{left} intents were left"));
    }
    let litter = repo.litter();
    if !litter.is_empty() {
        return Err(format!("litter: {litter:?}"));
    }
    expect(repo.git(["fsck", "--strict", "--no-dangling"]))?;
    expect(repo.archive(["evidence", "verify"]))?;
    expect(repo.archive(["fsck"]))?;
    expect(repo.archive(["verify", "--all", "--deep"]))?;
    let numbers: Vec<u64> = repo.journal().iter().map(|line| seq(line)).collect();
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    if numbers != expected {
        return Err(format!("the journal's numbers are {numbers:?}"));
    }
    Ok(())
}

fn seq(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()
}

impl Crowd {
    /// `size` processes in one work tree, with nobody else around.
    pub fn new(size: usize, target: Target) -> Self {
        Self { size, target, trees: 1, git: Git::Rests, readers: false }
    }

    /// Beside a loop of git's commands in every work tree.
    pub fn beside(self, git: Git) -> Self {
        Self { git, ..self }
    }

    /// Beside loops of commands that only read.
    pub fn with_readers(self) -> Self {
        Self { readers: true, ..self }
    }

    /// Spread over this many linked work trees.
    pub fn in_worktrees(self, trees: usize) -> Self {
        Self { trees, ..self }
    }

    fn path(&self, n: usize) -> String {
        match self.target {
            Target::Own => format!("old/file{n}.py"),
            Target::Shared => "old/file0.py".to_owned(),
        }
    }

    fn content(path: &str) -> String {
        format!("# {path}\nprint('{path}')\n")
    }

    fn prepare(&self) -> Vec<TestRepo> {
        let repo = TestRepo::ready();
        for n in 0..self.size {
            let path = self.path(n);
            repo.file(&path, Self::content(&path));
        }
        repo.commit("files");
        let mut trees: Vec<TestRepo> =
            (1..self.trees).map(|n| repo.worktree(&format!("tree{n}"))).collect();
        trees.insert(0, repo);
        trees
    }

    /// Runs all of them and notes what came of each.
    pub fn run(&self, score: &mut Score) {
        let trees = self.prepare();
        let over = AtomicBool::new(false);
        let added: Mutex<BTreeMap<(usize, String), String>> = Mutex::default();
        let alarms: Mutex<Vec<String>> = Mutex::default();
        let start = Barrier::new(self.size);
        let told: Vec<Outcome> = std::thread::scope(|scope| {
            for (n, tree) in trees.iter().enumerate().filter(|_| self.git != Git::Rests) {
                let (over, added) = (&over, &added);
                scope.spawn(move || work(tree, n, self.git, over, added));
            }
            if self.readers {
                let (over, alarms, tree) = (&over, &alarms, &trees[0]);
                for line in [&["evidence", "verify"][..], &["fsck"], &["list"], &["status"]] {
                    scope.spawn(move || read(tree, line, over, alarms));
                }
            }
            let store = |n: usize| {
                let (start, tree) = (&start, &trees[n % trees.len()]);
                let path = self.path(n);
                move || {
                    start.wait();
                    program(tree, &["store", "_codex_", &path, "--reason", "pruned"])
                }
            };
            let all: Vec<_> = (0..self.size).map(|n| scope.spawn(store(n))).collect();
            let told = all.into_iter().map(|thread| thread.join().unwrap()).collect();
            over.store(true, Ordering::Relaxed);
            told
        });
        if self.git == Git::Commits {
            for n in 0..self.size {
                let tree = &trees[n % trees.len()];
                let told = program(tree, &["store", "_codex_", &self.path(n), "--reason", "dead"]);
                score.note(format!("again {} of {}", n + 1, self.size), settled(&told));
            }
        }
        for (n, told) in told.iter().enumerate() {
            let tree = &trees[n % trees.len()];
            let held = refused_cleanly(told).and_then(|()| self.is_whole(tree, n, told.code == 0));
            score.note(format!("{} of {}", n + 1, self.size), held);
        }
        let alarms = alarms.into_inner().unwrap();
        score.note_all(u64::from(self.readers), alarms.into_iter().take(1));
        let end = self.nothing_lost(&trees, &added.into_inner().unwrap());
        score.note(format!("the end of {}", self.size), end);
    }

    /// The file of process `n` is what its outcome says.
    fn is_whole(&self, tree: &TestRepo, n: usize, done: bool) -> Result<(), String> {
        let path = self.path(n);
        let content = Self::content(&path);
        let now = tree.read(&path);
        let is_stub = now.starts_with("# codex-tombstone v1\n");
        if done && !is_stub {
            return Err(format!("{path}: said to be archived, but no stub stands there: {now}"));
        }
        if !is_stub && now != content {
            return Err(format!("{path}: neither stub nor content: {now}"));
        }
        if is_stub {
            let id = id_of("_codex_", &path, content.as_bytes());
            let told = program(tree, &["cat", &id]);
            if told.stdout != content {
                return Err(format!("{path}: its bytes are lost\n{told}"));
            }
        }
        Ok(())
    }

    fn nothing_lost(
        &self,
        trees: &[TestRepo],
        added: &BTreeMap<(usize, String), String>,
    ) -> Result<(), String> {
        for ((tree, path), oid) in added {
            let told = trees[*tree].git(["ls-files", "-s", "--", path.as_str()]).stdout;
            if told.split_whitespace().nth(1) != Some(oid) {
                return Err(format!("the staged `{path}` of somebody else is lost: `{told}`"));
            }
        }
        if self.git != Git::Rests && added.is_empty() {
            return Err("git never staged anything: nothing was tried".to_owned());
        }
        for tree in trees {
            let told = tree.git(["diff", "--name-only"]);
            let changed: Vec<&str> =
                told.stdout.lines().filter(|line| !line.starts_with("mine/")).collect();
            if told.code != 0 || !changed.is_empty() {
                return Err(format!("index and work tree differ: {changed:?}\n{told}"));
            }
            let told = tree.archive(["verify", "--staged"]);
            if told.code != 0 {
                return Err(format!("what is staged is not in order:\n{told}"));
            }
        }
        if self.target == Target::Shared {
            let count = trees[0].actions().iter().filter(|action| *action == "ARCHIVE").count();
            let aborted =
                trees[0].actions().iter().filter(|action| *action == "STORE_ABORT").count();
            if count - aborted > trees.len() {
                return Err(format!("one file was archived {count} times, {aborted} aborted"));
            }
        }
        all_is_well(&trees[0])
    }
}

/// Stages one new file after another, and commits if asked to, as somebody at work in this tree.
fn work(
    tree: &TestRepo,
    number: usize,
    git: Git,
    over: &AtomicBool,
    added: &Mutex<BTreeMap<(usize, String), String>>,
) {
    for n in 0.. {
        let path = format!("mine/{n}.txt");
        tree.file(&path, format!("{number} {n}\n"));
        let oid = tree.git(["hash-object", "--", &path]).ok().stdout.trim().to_owned();
        if tree.git(["add", "--", &path]).code == 0 {
            added.lock().unwrap().insert((number, path), oid);
        }
        if git == Git::Commits {
            let _ = tree.git(["commit", "-q", "-m", "somebody's"]);
        }
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Runs a command that only reads, again and again; notes when it fails.
fn read(tree: &TestRepo, line: &[&str], over: &AtomicBool, alarms: &Mutex<Vec<String>>) {
    while !over.load(Ordering::Relaxed) {
        let told = program(tree, line);
        if told.code != 0 {
            alarms.lock().unwrap().push(format!("a reader's false alarm:\n{told}"));
        }
    }
}
