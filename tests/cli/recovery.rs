//! What a command that was stopped leaves, and who settles it. tests/reliability/crash stops every
//! command at every system call; here stand the stories that need somebody else in them.

use std::fs;
use std::path::PathBuf;

use crate::common::TestRepo;
use crate::common::strace::{can_trace, with_fault};

fn intents(repo: &TestRepo) -> Vec<PathBuf> {
    let folder = repo.common_dir().join("codex-archive/intents");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path());
    entries.filter(|path| !path.to_string_lossy().contains("codex-tmp")).collect()
}

fn reset(repo: &TestRepo) {
    repo.git(["reset", "-q", "--hard"]).ok();
    repo.git(["clean", "-qfd"]).ok();
}

fn is_stub(repo: &TestRepo, path: &str) -> bool {
    repo.read(path).starts_with("# codex-tombstone v1\n")
}

const STORE: [&str; 7] =
    ["store", "_codex_", "src/old.py", "src/live.py", "--reason", "dead", "--quiet"];

/// Kills STORE at one rename after another, until `stopped` says that it is where it shall be.
fn killed_when(repo: &TestRepo, stopped: impl Fn(&TestRepo) -> bool) {
    for n in 1.. {
        reset(repo);
        let outcome = with_fault(repo, "renameat", n, "signal=KILL", &STORE);
        assert_ne!(outcome.code, 0, "it was never stopped there");
        if stopped(repo) {
            return;
        }
    }
}

/// Killed between the first stub and the second.
fn killed_half_way(repo: &TestRepo) {
    killed_when(repo, |repo| is_stub(repo, "src/live.py") && !is_stub(repo, "src/old.py"));
}

/// Killed when all is recorded and nothing of it is in the tree.
fn killed_before_the_tree(repo: &TestRepo) {
    killed_when(repo, |repo| {
        !is_stub(repo, "src/live.py") && repo.actions().last().is_some_and(|it| it == "ARCHIVE")
    });
}

#[test]
fn a_path_edited_after_the_crash_is_left_alone() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    killed_half_way(&repo);
    repo.file("src/old.py", "print('edited since')\n");
    let told = repo.archive(["init", "--json"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('edited since')\n", "{told}");
    assert!(is_stub(&repo, "src/live.py"));
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
    killed_when(&repo, |repo| !intents(repo).is_empty());
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
fn a_repository_that_was_moved_is_settled_where_it_stands() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    killed_half_way(&repo);
    fs::rename(&repo.top, repo.world.path("moved")).unwrap();
    let repo = repo.beside("moved");
    repo.archive(["init"]).ok();
    assert!(is_stub(&repo, "src/live.py") && is_stub(&repo, "src/old.py"));
    assert_eq!(intents(&repo), Vec::<PathBuf>::new());
    repo.try_commit("retire both").ok();
    repo.is_well();
}

#[test]
fn a_linked_worktree_that_was_moved_is_settled_where_it_stands() {
    if !can_trace() {
        return;
    }
    let main = TestRepo::ready();
    let linked = main.worktree("linked");
    killed_half_way(&linked);
    main.git(["worktree", "move", "../linked", "../moved"]).ok();
    // Nobody else settles it.
    main.archive(["init"]).ok();
    assert_eq!(intents(&main).len(), 1);
    let moved = main.beside("moved");
    moved.archive(["init"]).ok();
    assert!(is_stub(&moved, "src/live.py") && is_stub(&moved, "src/old.py"));
    assert_eq!(intents(&main), Vec::<PathBuf>::new());
    moved.is_well();
}

#[test]
fn a_linked_worktree_that_was_removed_is_settled_from_anywhere() {
    if !can_trace() {
        return;
    }
    for stop in [killed_half_way, killed_before_the_tree] {
        let main = TestRepo::ready();
        let linked = main.worktree("linked");
        stop(&linked);
        let aborted = |repo: &TestRepo| {
            repo.actions().iter().filter(|action| *action == "STORE_ABORT").count()
        };
        let before = aborted(&main);
        main.git(["worktree", "remove", "--force", "../linked"]).ok();
        main.archive(["status"]).ok().says("interrupted");
        main.archive(["init"]).ok();
        assert_eq!(intents(&main), Vec::<PathBuf>::new());
        assert_eq!(aborted(&main), before + 2, "{:?}", main.actions());
        main.archive(["list"]).ok().says_not("src/old.py");
        main.is_well();
        main.archive(STORE).ok();
        main.try_commit("retire both").ok();
        main.is_well();
    }
}

#[test]
fn a_damaged_intent_is_named_and_set_aside() {
    if !can_trace() {
        return;
    }
    let repo = TestRepo::ready();
    killed_half_way(&repo);
    let intent = intents(&repo).remove(0);
    fs::write(&intent, "").unwrap();
    let name = intent.file_name().unwrap().to_str().unwrap();
    repo.unchanged_but_recorded(|repo| {
        let refused = repo.archive(STORE).fails(1);
        refused.says(name).says("git codex-archive fsck --repair");
        repo.archive(["status"]).ok().says(name);
        repo.archive(["list"]).ok();
        repo.archive(["fsck"]).fails(4).says(name).says("git codex-archive fsck --repair");
        repo.archive(["health-check"]).fails(1).says(name);
    });
    let repaired = repo.archive(["fsck", "--repair", "--json"]).ok().json();
    let aside = &repaired["set_aside"][0];
    assert_eq!(aside["paths"], serde_json::json!(["src/live.py", "src/old.py"]));
    assert_eq!(fs::read(aside["file"].as_str().unwrap()).unwrap(), b"");
    assert_eq!(intents(&repo), Vec::<PathBuf>::new());
    // One path stands as after the deed, one as before: the same again does what is lacking.
    assert!(is_stub(&repo, "src/live.py") && !is_stub(&repo, "src/old.py"));
    repo.archive(STORE).ok();
    assert!(is_stub(&repo, "src/live.py") && is_stub(&repo, "src/old.py"));
    repo.try_commit("retire both").ok();
    repo.is_well();
    repo.archive(["evidence", "verify"]).ok();
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

/// A backup that was put back is a valid archive, and not what this clone knows.
#[test]
fn an_older_archive_that_was_put_back_is_seen() {
    if !crate::common::is_embedded() {
        return;
    }
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    let folder = repo.common_dir().join("codex-archive");
    let (file, journal) = (folder.join("archive.sqlite"), folder.join("archive_ops.jsonl"));
    let before = [fs::read(&file).unwrap(), fs::read(&journal).unwrap()];
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    fs::write(&file, &before[0]).unwrap();
    repo.archive(["evidence", "verify"]).fails(4).says("table-short");
    // The journal put back with it: the tree's segments know better.
    fs::write(&journal, &before[1]).unwrap();
    repo.archive(["evidence", "verify"]).fails(4).says("table-short");
}
