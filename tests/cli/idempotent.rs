//! Done twice changes nothing and says so; and hooks come and go without a trace.

use std::fs;

use crate::common::{TestRepo, run};

#[test]
fn init_twice() {
    let repo = TestRepo::with_history();
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.unchanged(|repo| {
        repo.archive(["init"]).ok().says("Nothing had to be changed");
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    });
    let told = repo.archive(["init", "--json"]).ok().json();
    assert_eq!(told["written"], serde_json::json!([]));
    assert_eq!(told["archive_created"], false);
}

#[test]
fn init_keeps_what_is_there() {
    let repo = TestRepo::with_history();
    repo.file(".codex/.gitignore", "/mine\n").commit("mine");
    repo.archive(["init"]).ok();
    let text = repo.read(".codex/.gitignore");
    assert!(text.starts_with("/mine\n"), "{text}");
    assert!(text.contains("archive.sqlite"), "{text}");
}

#[test]
fn store_twice() {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    let again = ["store", "_codex_", "src/old.py", "--reason", "pruned"];
    repo.unchanged(|repo| {
        let told = repo.archive(again).ok().json();
        assert_eq!(told["items"], serde_json::json!([]));
        assert_eq!(told["already"], serde_json::json!(["src/old.py"]));
    });
    repo.try_commit("retire old").ok();
    repo.unchanged(|repo| {
        repo.archive(again).ok().says("src/old.py");
        // Asked before the dirty guard, and for a folder too.
        repo.archive(["store", "_codex_", "src/old.py", "src/old.py", "--reason", "dead"]).ok();
    });
    // A folder's other files are archived, its stubs are not.
    let told = repo.store(&["src"]);
    assert_eq!(told["items"].as_array().unwrap().len(), 1);
    assert_eq!(told["items"][0]["path"], "src/live.py");
    assert_eq!(told["already"], serde_json::json!(["src/old.py"]));
}

#[test]
fn tags_and_metadata_are_a_union() {
    let repo = TestRepo::ready();
    let store = |line: &str| repo.types(&format!("git codex-archive store _codex_ {line}")).ok();
    store("src/old.py --reason dead --tag a --metadata k=1 --metadata old=x");
    repo.git(["reset", "-q", "--hard"]).ok();
    let told = store("src/old.py --reason dead --tag b --metadata k=2").json();
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    let shown = repo.archive(["show", id, "--json"]).ok().json();
    let item = if shown["tombstone"].is_string() { &shown } else { &shown["item"] };
    assert_eq!(item["tags"], serde_json::json!(["a", "b"]), "{shown}");
    assert_eq!(item["metadata"], serde_json::json!({"k": "2", "old": "x"}), "{shown}");
}

#[test]
fn store_after_a_reset_stages_again() {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    let staged = repo.git(["ls-files", "-s"]).ok().stdout.clone();
    repo.git(["reset", "-q"]).ok();
    let again = repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok().json();
    assert_eq!(again["staged_again"], serde_json::json!(["src/old.py"]));
    assert_eq!(again["items"], serde_json::json!([]));
    // What the first `store` initialised is not its business any more; the deed is.
    let now = repo.git(["ls-files", "-s"]).ok().stdout.clone();
    for line in staged.lines().filter(|line| line.contains("src/") || line.contains("segments/")) {
        assert!(now.contains(line), "{line}\n{now}");
    }
    repo.try_commit("retire").ok();
}

#[test]
fn restore_twice() {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    repo.archive(["restore", &id, "out.py"]).ok();
    repo.unchanged(|repo| {
        repo.archive(["restore", &id, "out.py"]).ok().says("there already");
    });
    repo.remove("out.py");
    repo.archive(["restore", &id, "--stage"]).ok();
    repo.unchanged(|repo| {
        repo.archive(["restore", &id, "--stage"]).ok().says("there already");
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    let repo = TestRepo::with_history();
    let told = repo.unchanged(|repo| {
        repo.archive(["store", "_codex_", "src", "--reason", "dead", "--dry-run"]).ok().json()
    });
    assert_eq!(told["dry_run"], true);
    let id = crate::common::id_of("_codex_", "src/old.py", b"print('old')\n");
    assert!(told["items"].as_array().unwrap().iter().any(|item| item["tombstone"] == id.as_str()));
}

// Hooks.

const HOOKS: [&str; 4] = ["pre-commit", "pre-merge-commit", "pre-applypatch", "pre-push"];

#[test]
fn hooks_come_and_go_without_a_trace() {
    let repo = TestRepo::with_history();
    let before = repo.snapshot();
    repo.archive(["hooks", "install"]).ok();
    for name in HOOKS {
        let hook = repo.common_dir().join("hooks").join(name);
        let text = fs::read_to_string(&hook).unwrap();
        assert!(text.starts_with("#!/bin/sh\n"), "{text}");
        let mode = fs::metadata(&hook).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o755);
    }
    repo.archive(["hooks", "status"]).ok().says("pre-commit");
    repo.unchanged(|repo| repo.archive(["hooks", "install"]).ok());
    repo.archive(["hooks", "uninstall"]).ok();
    assert_eq!(before.difference(&repo.snapshot()), [""; 0]);
    repo.unchanged(|repo| repo.archive(["hooks", "uninstall"]).ok());
}

#[test]
fn hooks_chain_with_what_was_there() {
    let repo = TestRepo::with_history();
    let hook = |name: &str| format!(".git/hooks/{name}");
    repo.script(&hook("pre-commit"), "#!/bin/sh\necho mine >> ran\n[ ! -e stop ] || exit 3\n");
    repo.script(&hook("pre-push"), "#!/bin/sh\necho \"$@\" > pushed\ncat >> pushed\n");
    let before = repo.snapshot();
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    assert!(repo.has(".git/hooks/pre-commit.pre-codex-archive"));
    repo.try_commit("archive").ok();
    assert_eq!(repo.read("ran"), "mine\n");
    // Theirs is asked first, and its failure is the answer.
    repo.store(&["src/old.py"]);
    repo.file("stop", "");
    repo.try_commit("stopped").fails(1);
    repo.remove("stop");
    // Ours is asked too.
    repo.append("src/old.py", "# more\n").git(["add", "src/old.py"]).ok();
    repo.try_commit("tampered").fails(1).says("src/old.py");
    repo.git(["checkout", "-q", "HEAD", "src/old.py"]).ok();
    repo.git(["reset", "-q", "--hard"]).ok();
    // pre-push: the same arguments and standard input for both.
    repo.publish();
    let head = repo.head();
    let pushed = repo.read("pushed");
    assert!(pushed.starts_with("origin file://"), "{pushed}");
    assert!(pushed.contains(&format!("refs/heads/main {head} refs/heads/main")), "{pushed}");
    repo.append("src/live.py", "x\n");
    repo.git(["commit", "-qam", "x", "--no-verify"]).ok();
    // Away again, each where it was.
    repo.archive(["hooks", "uninstall"]).ok();
    let after = repo.snapshot();
    let changed = before.difference(&after);
    assert!(changed.iter().all(|name| !name.contains("hooks")), "{changed:?}");
}

#[test]
fn a_chained_hook_does_not_hide_ours() {
    let repo = TestRepo::with_history();
    repo.script(".git/hooks/pre-push", "#!/bin/sh\ncat > /dev/null\n");
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.try_commit("archive").ok();
    repo.publish();
    repo.store(&["src/old.py"]);
    repo.append("src/old.py", "# more\n");
    repo.git(["commit", "-qanm", "sneaked in"]).ok();
    repo.git(["push", "-q", "origin", "main"]).fails(1).says("src/old.py");
}

#[test]
fn hooks_follow_core_hooks_path() {
    let repo = TestRepo::with_history();
    let folder = repo.world.path("hooks");
    fs::create_dir(&folder).unwrap();
    repo.git(["config", "core.hooksPath", folder.to_str().unwrap()]).ok();
    repo.archive(["hooks", "install"]).ok();
    assert!(folder.join("pre-commit").is_file());
    assert!(!repo.has(".git/hooks/pre-commit"));
}

#[test]
fn a_managers_folder_is_left_alone() {
    let repo = TestRepo::with_history();
    fs::create_dir_all(repo.top.join(".husky/_")).unwrap();
    repo.git(["config", "core.hooksPath", ".husky/_"]).ok();
    repo.unchanged(|repo| {
        repo.archive(["hooks", "install"]).says("husky").says("git codex-archive hook pre-commit");
    });
}

#[test]
fn hooks_of_linked_worktrees_are_one() {
    let repo = TestRepo::ready();
    let tree = repo.worktree("linked");
    tree.store(&["src/old.py"]);
    tree.append("src/old.py", "# more\n").git(["add", "src/old.py"]).ok();
    tree.try_commit("tampered").fails(1).says("src/old.py");
    repo.unchanged(|_| tree.archive(["hooks", "install"]).ok());
}

#[test]
fn a_hook_whose_program_is_gone_says_what_to_do() {
    let repo = TestRepo::ready();
    let hook = repo.common_dir().join("hooks/pre-commit");
    let text = fs::read_to_string(&hook).unwrap();
    let line = text.lines().find(|line| line.starts_with("binary='")).unwrap().to_owned();
    fs::write(&hook, text.replace(&line, "binary='/nowhere/git-codex-archive'")).unwrap();
    repo.append("src/live.py", "x\n").git(["add", "-A"]).ok();
    // PATH is the fallback.
    repo.try_commit("by PATH").ok();
    fs::remove_file(repo.world.path("bin/git-codex-archive")).unwrap();
    repo.append("src/live.py", "y\n").git(["add", "-A"]).ok();
    repo.try_commit("gone").fails(1).says("git-codex-archive is gone").says("hint:");
    repo.env("CODEX_ARCHIVE_SKIP", "1").try_commit("skipped").ok().says("did not check");
}

#[test]
fn a_push_of_ordinary_commits_starts_no_git() {
    let repo = TestRepo::ready();
    repo.publish();
    let had = repo.head();
    for n in 0..3 {
        repo.append("src/live.py", &format!("# {n}\n")).commit("more");
    }
    let line = format!("refs/heads/main {} refs/heads/main {had}\n", repo.head());
    let hook = || {
        let mut hook = repo.command("git-codex-archive");
        // Nothing is found here but the program itself.
        hook.env("PATH", repo.world.path("bin")).args(["hook", "pre-push", "origin", "file:///x"]);
        hook
    };
    run(hook(), Some(line.as_bytes())).ok();
    // A stub's attributes are git's to tell.
    repo.store(&["src/old.py"]);
    repo.commit("a stub");
    let line = format!("refs/heads/main {} refs/heads/main {had}\n", repo.head());
    let told = run(hook(), Some(line.as_bytes()));
    told.fails(1).says("the `git` program does not run");
}
