//! Two deeds about one thing at the same moment: one wins, and both agree about it.

use std::sync::Barrier;

use crate::common::{Outcome, TestRepo};

use super::crowd::{all_is_well, program, refused_cleanly};

const CONTENT: &str = "print('old')\n";

/// Runs the command lines at the same moment.
fn at_once(repo: &TestRepo, lines: &[&[&str]]) -> Vec<Outcome> {
    let start = Barrier::new(lines.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = lines
            .iter()
            .map(|line| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    program(repo, line)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn with_stub() -> TestRepo {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo
}

fn agreed(repo: &TestRepo) -> Result<(), String> {
    let told = repo.git(["diff", "--name-only"]);
    if !told.stdout.is_empty() {
        return Err(format!("index and work tree differ:\n{told}"));
    }
    let told = repo.archive(["verify", "--staged"]);
    if told.code != 0 {
        return Err(format!("what is staged is not in order:\n{told}"));
    }
    all_is_well(repo)
}

/// A refusal is one for a lock, or for what the rival did to the path before.
fn done_or_refused(told: &[Outcome]) -> Result<(), String> {
    for told in told {
        if !matches!(told.code, 5 | 6) {
            refused_cleanly(told)?;
        }
    }
    Ok(())
}

/// `restore --stage` and `store` of one path: it ends as the one or the other left it.
pub fn restore_and_store(round: usize) -> Result<(), String> {
    let repo = with_stub();
    let restore: &[&str] = &["restore", "src/old.py", "--stage"];
    let store: &[&str] = &["store", "_codex_", "src/old.py", "--reason", "dead"];
    let lines = if round.is_multiple_of(2) { [restore, store] } else { [store, restore] };
    done_or_refused(&at_once(&repo, &lines))?;
    let now = repo.read("src/old.py");
    if now != CONTENT && !now.starts_with("# codex-tombstone v1\n") {
        return Err(format!("neither stub nor content: {now}"));
    }
    agreed(&repo)
}

/// Two `restore --stage` of one stub: one does it, the other finds it done.
pub fn two_restores() -> Result<(), String> {
    let repo = with_stub();
    let line: &[&str] = &["restore", "src/old.py", "--stage"];
    let told = at_once(&repo, &[line, line, line]);
    done_or_refused(&told)?;
    if told.iter().all(|told| told.code != 0) || repo.read("src/old.py") != CONTENT {
        return Err(format!("nobody restored it:\n{}", told[0]));
    }
    agreed(&repo)
}

/// `drop` and `restore --stage` of one stub.
pub fn drop_and_restore() -> Result<(), String> {
    let repo = with_stub();
    let told = at_once(
        &repo,
        &[&["drop", "src/old.py", "--reason", "gone"], &["restore", "src/old.py", "--stage"]],
    );
    done_or_refused(&told)?;
    if repo.has("src/old.py") && repo.read("src/old.py") != CONTENT {
        return Err("neither dropped nor restored".to_owned());
    }
    agreed(&repo)
}

/// Several `init` in a repository without an archive.
pub fn inits(count: usize) -> Result<(), String> {
    let repo = TestRepo::with_history();
    let line: &[&str] = &["init", "--hooks", "--repo", "_codex_"];
    for told in at_once(&repo, &vec![line; count]) {
        refused_cleanly(&told)?;
    }
    let archives = repo.sql("SELECT COUNT(*) FROM meta WHERE k = 'archive'");
    if archives.trim() != "1" {
        return Err(format!("{archives} archives were made"));
    }
    repo.commit("archive");
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    all_is_well(&repo)
}

/// Several `hooks install`, beside hooks that were there before.
pub fn hook_installs(count: usize) -> Result<(), String> {
    let repo = TestRepo::ready();
    repo.archive(["hooks", "uninstall"]).ok();
    repo.script(".git/hooks/pre-commit", "#!/bin/sh\necho theirs >&2\n");
    let line: &[&str] = &["hooks", "install"];
    let told = at_once(&repo, &vec![line; count]);
    for told in &told {
        refused_cleanly(told)?;
    }
    let status = repo.archive(["hooks", "status", "--strict"]);
    if status.code != 0 {
        return Err(format!("the hooks are not in order:\n{status}\nafter\n{}", told[0]));
    }
    repo.append("src/live.py", "x\n").git(["add", "-A"]).ok();
    let told = repo.try_commit("more");
    if told.code != 0 || told.stderr.matches("theirs").count() != 1 {
        return Err(format!("the hook that was there before runs once, and not so:\n{told}"));
    }
    Ok(())
}

/// The first `store` of a repository, several times at once, of different files.
pub fn first_stores(count: usize) -> Result<(), String> {
    let repo = TestRepo::with_history();
    let paths: Vec<String> = (0..count).map(|n| format!("old/{n}.py")).collect();
    for path in &paths {
        repo.file(path, path);
    }
    repo.commit("files");
    let lines: Vec<[&str; 5]> =
        paths.iter().map(|path| ["store", "_codex_", path, "--reason", "pruned"]).collect();
    let lines: Vec<&[&str]> = lines.iter().map(|line| &line[..]).collect();
    for told in at_once(&repo, &lines) {
        refused_cleanly(&told)?;
    }
    agreed(&repo)
}
