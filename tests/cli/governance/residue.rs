//! What git still has of purged content, and that the commands which are printed take it away.

use serde_json::Value;

use crate::common::{TestRepo, is_embedded};

use super::{is_verifiable, noise, purge, retired_with};

/// What is out of reach at `place`, as the report tells it.
fn spots(report: &Value, place: &str) -> Vec<Value> {
    let all = report["outside_reach"].as_array().unwrap();
    all.iter().filter(|it| it["place"] == place).cloned().collect()
}

fn report(repo: &TestRepo, id: &str) -> Value {
    repo.archive(["purge", id, "--report", "--json"]).ok().json()
}

fn git(repo: &TestRepo, line: &[&str]) -> String {
    repo.git(line).ok().stdout.trim().to_owned()
}

/// A file that only one branch had, is archived there, purged, and whose branch is gone: main never
/// knew it.
fn on_a_branch(content: &[u8]) -> (TestRepo, String) {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "topic"]).ok();
    repo.file("src/secret.bin", content).commit("secret");
    let id = repo.store_one("src/secret.bin");
    repo.try_commit("retire").ok();
    purge(&repo, &id, &[]).ok();
    repo.try_commit("purged").ok();
    (repo, id)
}

#[test]
fn history_is_named_with_its_first_commit_and_all_refs() {
    let (repo, id) = retired_with("src/secret.bin", &noise(500));
    let first = git(&repo, &["rev-parse", "HEAD^"]);
    repo.git(["tag", "v1", &first]).ok();
    repo.git(["branch", "side", &first]).ok();
    repo.publish();
    repo.git(["tag", "before", &format!("{first}^")]).ok();
    // However the user's git shows history, and packed or not.
    repo.git(["config", "log.showRoot", "false"]).ok();
    repo.git(["config", "log.follow", "true"]).ok();
    let told = purge(&repo, &id, &["--json"]).ok().json();
    repo.git(["gc", "-q"]).ok();
    for told in [told, report(&repo, &id)] {
        let found = &spots(&told, "git history")[0];
        let what = found["what"].as_str().unwrap();
        for words in [&format!("the first is {first}"), "refs/heads/main", "refs/heads/side"] {
            assert!(what.contains(words), "{words}: {what}");
        }
        for words in ["refs/tags/v1", "refs/remotes/origin/main"] {
            assert!(what.contains(words), "{words}: {what}");
        }
        assert!(!what.contains("refs/tags/before"), "{what}");
        let command = found["command"].as_str().unwrap();
        assert!(command.contains("git filter-repo --strip-blobs-with-ids"), "{command}");
    }
    is_verifiable(&repo);
}

#[test]
fn a_first_commit_of_all_is_found() {
    let repo = TestRepo::new();
    repo.git(["config", "log.showRoot", "false"]).ok();
    repo.file("secret.bin", noise(500)).commit("one");
    let first = repo.head();
    repo.archive(["init", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    let id = repo.store_one("secret.bin");
    repo.try_commit("retire").ok();
    purge(&repo, &id, &[]).ok().says(&format!("the first is {first}"));
}

#[test]
fn what_a_reflog_alone_reaches_goes_by_the_command_and_stashes_stay() {
    if !is_embedded() {
        return;
    }
    for packed in [false, true] {
        let (repo, id) = on_a_branch(&noise(500));
        // Two stashes of other work, the older of which only a reflog holds.
        repo.git(["switch", "-q", "main"]).ok();
        for word in ["one", "two"] {
            repo.file("src/live.py", word);
            repo.git(["stash", "-q"]).ok();
        }
        repo.git(["branch", "-qD", "topic"]).ok();
        if packed {
            repo.git(["-c", "gc.reflogExpireUnreachable=never", "repack", "-adq"]).ok();
        }
        let told = report(&repo, &id);
        let reflog = &spots(&told, "git reflog")[0];
        let command = reflog["command"].as_str().unwrap();
        repo.types(command).ok();
        let told = report(&repo, &id);
        assert_eq!(spots(&told, "git reflog"), [Value::Null; 0], "{told}");
        assert_eq!(spots(&told, "git history"), [Value::Null; 0], "{told}");
        assert!(told["erased"].to_string().contains("this repository has no object"), "{told}");
        assert_eq!(git(&repo, &["stash", "list"]).lines().count(), 2, "somebody's work is gone");
        assert_eq!(git(&repo, &["show", "stash@{1}:src/live.py"]), "one");
        repo.git(["fsck", "--strict"]).ok();
    }
}

#[test]
fn an_object_that_no_commit_reaches_goes_by_the_command() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = on_a_branch(&noise(500));
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["branch", "-qD", "topic"]).ok();
    repo.git(["reflog", "expire", "--expire=now", "--all"]).ok();
    let told = report(&repo, &id);
    let found = &spots(&told, "git history")[0];
    assert!(found["what"].as_str().unwrap().contains("no commit reaches it"), "{told}");
    repo.types(found["command"].as_str().unwrap()).ok();
    assert_eq!(spots(&report(&repo, &id), "git history"), [Value::Null; 0]);
}

#[test]
fn a_stash_that_has_it_is_dropped_by_the_command_and_others_stay() {
    if !is_embedded() {
        return;
    }
    let content = noise(500);
    let (repo, id) = on_a_branch(&content);
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["branch", "-qD", "topic"]).ok();
    repo.git(["reflog", "expire", "--expire=now", "--all"]).ok();
    // A stash that has the content, between two that have not; another has it untracked.
    repo.file("src/live.py", "one").git(["stash", "-q"]).ok();
    repo.file("src/live.py", &content).git(["stash", "-q"]).ok();
    repo.file("src/live.py", "three").git(["stash", "-q"]).ok();
    repo.file("loose.bin", &content).git(["stash", "-q", "-u"]).ok();
    let told = report(&repo, &id);
    let found = spots(&told, "git stash");
    assert_eq!(found[0]["what"], "stash@{2} stash@{0} brought the content in", "{told}");
    repo.types(found[0]["command"].as_str().unwrap()).ok();
    let told = report(&repo, &id);
    assert_eq!(spots(&told, "git stash"), [Value::Null; 0], "{told}");
    let left = git(&repo, &["stash", "list"]);
    assert_eq!(left.lines().count(), 2, "{left}");
    for (name, word) in [("stash@{0}", "three"), ("stash@{1}", "one")] {
        assert_eq!(git(&repo, &["show", &format!("{name}:src/live.py")]), word);
    }
    for spot in spots(&told, "git reflog").iter().chain(&spots(&told, "git history")) {
        repo.types(spot["command"].as_str().unwrap()).ok();
    }
    let told = report(&repo, &id);
    assert!(told["erased"].to_string().contains("this repository has no object"), "{told}");
    assert_eq!(git(&repo, &["stash", "list"]).lines().count(), 2);
}

#[test]
fn an_index_that_has_it_is_told_and_freed_by_the_command() {
    if !is_embedded() {
        return;
    }
    let content = noise(500);
    let (repo, id) = on_a_branch(&content);
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["worktree", "add", "-q", "-b", "linked", "../linked tree"]).ok();
    let linked = repo.beside("linked tree");
    for (tree, path) in [(&repo, "src/new file.bin"), (&linked, "b.bin")] {
        tree.file(path, &content).git(["add", path]).ok();
    }
    let told = report(&repo, &id);
    let found = spots(&told, "git index");
    assert_eq!(found.len(), 2, "{told}");
    for spot in &found {
        repo.types(spot["command"].as_str().unwrap()).ok();
    }
    assert_eq!(spots(&report(&repo, &id), "git index"), [Value::Null; 0]);
    assert_eq!(repo.bytes("src/new file.bin"), content, "the file itself is the user's");
}

#[test]
fn a_detached_work_tree_and_a_ref_to_the_object_itself_are_told() {
    if !is_embedded() {
        return;
    }
    let content = noise(500);
    let (repo, id) = on_a_branch(&content);
    let linked = repo.worktree("linked");
    linked.git(["switch", "-q", "--detach", "topic"]).ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["branch", "-qD", "topic", "linked"]).ok();
    let told = report(&repo, &id);
    let what = spots(&told, "git history")[0]["what"].as_str().unwrap().to_owned();
    assert!(what.contains("HEAD of a work tree"), "{what}");
    repo.file("x", &content);
    let blob = git(&repo, &["hash-object", "x"]);
    repo.git(["tag", "blob", &blob]).ok();
    let told = report(&repo, &id);
    assert!(told["outside_reach"].to_string().contains("refs/tags/blob"), "{told}");
}
