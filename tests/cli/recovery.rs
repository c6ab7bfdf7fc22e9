//! The program is killed, or the disk fails, at one system call after another: the bytes are
//! always somewhere, and the next command completes what was begun or undoes it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Outcome, TestRepo, have, run, skipped};

/// System calls that change something lasting, and how far apart the points are that are tried.
const CALLS: [(&str, usize); 14] = [
    ("rename", 1),
    ("renameat", 1),
    ("unlinkat", 1),
    ("linkat", 1),
    ("symlinkat", 1),
    ("mkdirat", 1),
    ("fsync", 1),
    ("fdatasync", 1),
    ("unlink", 1),
    ("link", 1),
    ("symlink", 1),
    ("mkdir", 1),
    ("ftruncate", 1),
    ("pwrite64", 7),
];

fn can_trace() -> bool {
    if !have("strace") {
        return false;
    }
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let allowed = traced.is_ok_and(|output| output.status.success());
    if !allowed {
        skipped("crashes at every system call (strace is not allowed here)");
    }
    allowed
}

/// Runs the program itself (not git's alias for it) with `fault` at its `n`-th `call`.
fn with_fault(repo: &TestRepo, call: &str, n: usize, fault: &str, line: &[&str]) -> Outcome {
    let mut strace = repo.world.command("strace", &repo.top);
    strace
        .args(["-o", "/dev/null", "-e", &format!("trace=?{call}")])
        .args(["-e", &format!("inject=?{call}:{fault}:when={n}")])
        .arg("git-codex-archive")
        .args(line);
    run(strace, None)
}

fn intents(repo: &TestRepo) -> Vec<PathBuf> {
    let folder = repo.common_dir().join("codex-archive/intents");
    fs::read_dir(folder).map(|dir| dir.flatten().map(|it| it.path()).collect()).unwrap_or_default()
}

/// What must hold at any moment, however a deed was stopped.
#[track_caller]
fn nothing_is_lost(repo: &TestRepo, at: &str) {
    for (path, content) in [("src/old.py", "print('old')\n"), ("src/live.py", "print('live')\n")] {
        let there = repo.has(path) && repo.read(path) == content;
        if !there {
            let id = crate::common::id_of("_codex_", path, content.as_bytes());
            let told = repo.archive(["cat", &id]);
            assert_eq!(told.stdout, content, "{at}: {path} is lost\n{told}");
        }
        if repo.has(path) {
            let found = repo.read(path);
            let whole = found == content || found.starts_with("# codex-tombstone v1\n");
            assert!(whole, "{at}: {path} is half written: {found}");
        }
    }
}

/// After recovery: stubs, index, evidence and archive agree, and nothing is left lying about.
#[track_caller]
fn all_agrees(repo: &TestRepo, at: &str) {
    assert_eq!(intents(repo), Vec::<PathBuf>::new(), "{at}");
    assert_eq!(repo.litter(), Vec::<PathBuf>::new(), "{at}");
    let told = repo.archive(["verify", "--staged"]);
    assert_eq!(told.code, 0, "{at}: what is staged is not in order\n{told}");
    let told = repo.git(["diff", "--name-only"]).ok();
    assert_eq!(told.stdout, "", "{at}: work tree and index differ");
}

/// Stops `line` at every point, in a state that `prepare` makes anew; then `next` must settle it.
fn stopped_everywhere(
    fault: &str,
    repo: &TestRepo,
    line: &[&str],
    prepare: impl Fn(&TestRepo),
    next: impl Fn(&TestRepo, usize),
) -> usize {
    let mut points = 0;
    for (call, stride) in CALLS {
        for n in (1..).step_by(stride) {
            prepare(repo);
            let outcome = with_fault(repo, call, n, fault, line);
            let at = format!("{fault} at {call} {n} of `{}`", line.join(" "));
            nothing_is_lost(repo, &at);
            if outcome.code == 0 {
                break;
            }
            assert!(n < 400, "{at} never ends:\n{outcome}");
            points += 1;
            next(repo, n);
            all_agrees(repo, &at);
        }
    }
    assert!(points > 0, "nothing was ever stopped");
    repo.git(["reset", "-q", "--hard"]).ok();
    repo.is_well();
    let evidence = repo.archive(["evidence", "verify"]);
    assert_eq!(evidence.code, 0, "{evidence}");
    points
}

fn reset(repo: &TestRepo) {
    repo.git(["reset", "-q", "--hard"]).ok();
    repo.git(["clean", "-qfd"]).ok();
}

const STORE: [&str; 7] =
    ["store", "_codex_", "src/old.py", "src/live.py", "--reason", "dead", "--quiet"];

#[test]
fn store_killed() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    repo.file("src/other.py", "other\n").commit("other");
    stopped_everywhere("signal=KILL", &repo, &STORE, reset, |repo, n| {
        if n % 2 == 0 {
            // The same deed again: afterwards both are archived.
            repo.archive(STORE).ok();
            for path in ["src/old.py", "src/live.py"] {
                assert!(repo.read(path).starts_with("# codex-tombstone v1\n"));
            }
        } else {
            // Another deed settles it either way.
            repo.archive(["store", "_codex_", "src/other.py", "--reason", "dead"]).ok();
            let stub = |path: &str| repo.read(path).starts_with("# codex-tombstone v1\n");
            assert_eq!(stub("src/old.py"), stub("src/live.py"), "all paths or none");
        }
    });
}

/// Files that git converts, though not these bytes of theirs.
fn converted() -> TestRepo {
    let repo = TestRepo::ready();
    repo.file(".gitattributes", "*.py ident\n").commit("ident");
    repo
}

#[test]
fn store_that_frees_its_paths_killed() {
    if !can_trace() {
        return;
    }
    let line = [&STORE[..], &["--detach-attributes"]].concat();
    stopped_everywhere("signal=KILL", &converted(), &line, reset, |repo, _| {
        repo.archive(&line).ok();
        assert_eq!(repo.read(".gitattributes").lines().count(), 3);
        assert!(repo.read("src/live.py").starts_with("# codex-tombstone v1\n"));
    });
}

#[test]
fn restore_of_a_freed_path_killed() {
    if !can_trace() {
        return;
    }
    let repo = converted();
    repo.archive([&STORE[..], &["--detach-attributes"]].concat()).ok();
    repo.try_commit("archive").ok();
    let line = ["restore", "src/old.py", "--stage", "--quiet"];
    stopped_everywhere("signal=KILL", &repo, &line, reset, |repo, _| {
        repo.archive(line).ok();
        assert_eq!(repo.read("src/old.py"), "print('old')\n");
        assert_eq!(repo.read(".gitattributes").lines().count(), 2);
    });
}

#[test]
fn the_first_store_of_a_repository_killed() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::with_history();
    let forget = |repo: &TestRepo| {
        reset(repo);
        let _ = fs::remove_dir_all(repo.common_dir().join("codex-archive"));
        let _ = fs::remove_dir_all(repo.top.join(".codex"));
    };
    stopped_everywhere("signal=KILL", &repo, &STORE, forget, |repo, _| {
        repo.archive(STORE).ok();
    });
}

fn with_stub() -> TestRepo {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo
}

#[test]
fn restore_in_place_killed() {
    if !can_trace() {
        return;
    }
    let repo = with_stub();
    let line = ["restore", "src/old.py", "--stage", "--quiet"];
    stopped_everywhere("signal=KILL", &repo, &line, reset, |repo, _| {
        repo.archive(line).ok();
        assert_eq!(repo.read("src/old.py"), "print('old')\n");
    });
}

#[test]
fn restore_to_a_file_killed() {
    if !can_trace() {
        return;
    }
    let repo = with_stub();
    repo.file(".gitignore", "out.py\n").commit("ignore");
    let line = ["restore", "src/old.py", "out.py", "--quiet"];
    let prepare = |repo: &TestRepo| {
        reset(repo);
        let _ = fs::remove_file(repo.top.join("out.py"));
    };
    stopped_everywhere("signal=KILL", &repo, &line, prepare, |repo, _| {
        if repo.has("out.py") {
            assert_eq!(repo.read("out.py"), "print('old')\n", "whole or not at all");
        }
        repo.archive(line).ok();
        assert_eq!(repo.read("out.py"), "print('old')\n");
    });
}

#[test]
fn drop_killed() {
    if !can_trace() {
        return;
    }
    let repo = with_stub();
    let line = ["drop", "src/old.py", "--reason", "gone", "--quiet"];
    stopped_everywhere("signal=KILL", &repo, &line, reset, |repo, _| {
        if repo.has("src/old.py") {
            repo.archive(line).ok();
        } else {
            repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).ok();
        }
        assert!(!repo.has("src/old.py"));
    });
}

#[test]
fn undo_killed() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    let prepare = |repo: &TestRepo| {
        reset(repo);
        repo.store(&["src/old.py"]);
    };
    stopped_everywhere("signal=KILL", &repo, &["undo", "--quiet"], prepare, |repo, _| {
        // Settled by the next deed, whichever way; and then the file can be had again.
        repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).ok();
        if repo.read("src/old.py") != "print('old')\n" {
            repo.archive(["restore", "src/old.py", "--stage"]).ok();
        }
        assert_eq!(repo.read("src/old.py"), "print('old')\n");
    });
}

#[test]
fn store_on_a_failing_disk() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    for fault in ["error=ENOSPC", "error=EIO"] {
        stopped_everywhere(fault, &repo, &STORE, reset, |repo, n| {
            if n % 2 == 0 {
                repo.archive(STORE).ok();
            } else {
                repo.archive(["init"]).ok();
            }
        });
    }
}

#[test]
fn a_path_edited_after_the_crash_is_left_alone() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    // Killed between the first stub and the second.
    let mut n = 1;
    loop {
        reset(&repo);
        let outcome = with_fault(&repo, "renameat", n, "signal=KILL", &STORE);
        assert_ne!(outcome.code, 0, "never stopped between the two");
        let stub = |path: &str| repo.read(path).starts_with("# codex-tombstone v1\n");
        if stub("src/live.py") && !stub("src/old.py") {
            break;
        }
        n += 1;
    }
    repo.file("src/old.py", "print('edited since')\n");
    let told = repo.archive(["init", "--json"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('edited since')\n", "{told}");
    assert!(repo.read("src/live.py").starts_with("# codex-tombstone v1\n"));
    assert_eq!(intents(&repo), Vec::<PathBuf>::new());
    assert!(repo.actions().contains(&"STORE_ABORT".to_owned()), "{:?}", repo.actions());
    repo.archive(["verify", "--staged"]).ok();
    repo.commit("live is retired, old is edited");
    repo.is_well();
}

#[test]
fn a_path_edited_while_it_is_archived_is_left_alone() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    let edited = "print('edited meanwhile')\n";
    // The intent gets its name a second late; by then the content has been read.
    std::thread::scope(|scope| {
        let store = scope.spawn(|| with_fault(&repo, "renameat", 1, "delay_enter=1000000", &STORE));
        let begun = || repo.common_dir().join("codex-archive/intents").exists();
        while !begun() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        repo.file("src/old.py", edited);
        store.join().unwrap().fails(6).says("src/old.py");
    });
    assert_eq!(repo.read("src/old.py"), edited);
    repo.archive(["init"]).ok();
    assert_eq!(repo.read("src/old.py"), edited);
    assert_eq!(intents(&repo), Vec::<PathBuf>::new());
    repo.archive(["verify", "--staged"]).ok();
    repo.commit("edited");
    repo.is_well();
}

#[test]
fn readers_and_hooks_mend_nothing_and_say_what_waits() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    let mut n = 1;
    let waits = |repo: &TestRepo| {
        intents(repo).iter().any(|path| !path.to_string_lossy().contains("codex-tmp"))
    };
    while !waits(&repo) {
        reset(&repo);
        let outcome = with_fault(&repo, "renameat", n, "signal=KILL", &STORE);
        assert_ne!(outcome.code, 0, "never stopped with an intent");
        n += 1;
    }
    let (journal, archived) = (repo.journal(), repo.archive(["list"]).stdout);
    repo.unchanged_but_recorded(|repo| {
        let waiting = repo.archive(["status", "--json"]).ok().json();
        assert_eq!(waiting["waiting"].as_array().unwrap().len(), 1, "{waiting}");
        for line in [&["list"][..], &["verify", "--all"], &["fsck"], &["hook", "pre-commit"]] {
            let outcome = repo.archive(line);
            assert!([0, 4].contains(&outcome.code), "{outcome}");
        }
    });
    assert_eq!((repo.journal(), repo.archive(["list"]).stdout), (journal, archived));
    repo.archive(["init"]).ok();
    assert_eq!(intents(&repo), Vec::<PathBuf>::new());
}

#[test]
fn many_writers_at_once() {
    let repo = TestRepo::ready();
    for n in 0..12 {
        repo.file(format!("many/{n}.py"), format!("print({n})\n"));
    }
    repo.commit("many");
    std::thread::scope(|scope| {
        for n in 0..12 {
            let repo = &repo;
            scope.spawn(move || repo.store(&[&format!("many/{n}.py")]));
        }
    });
    assert_eq!(repo.segments().len(), 12);
    repo.try_commit("retire all").ok();
    assert_eq!(repo.status(), "");
    repo.is_well();
    repo.archive(["evidence", "verify"]).ok();
}
