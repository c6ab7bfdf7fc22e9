//! What a hint names mends the finding, and what people do with stubs is not in their way.

use crate::common::{TestRepo, is_embedded};

/// A committed stub at `src/old.py`, and its id.
pub fn with_a_stub() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    (repo, id)
}

#[test]
fn a_file_made_executable_between_two_deeds_stays_so() {
    let (repo, _) = with_a_stub();
    repo.archive(["restore", "--stage", "src/old.py"]).ok();
    repo.git(["update-index", "--chmod=+x", "src/old.py"]).ok();
    repo.try_commit("old is a program").ok();
    repo.git(["checkout", "-q", "HEAD", "--", "src/old.py"]).ok();
    repo.remove("src/old.py").git(["checkout", "--", "src/old.py"]).ok();
    repo.store(&["src/old.py"]);
    assert!(repo.read("src/old.py").contains("mode: 100755"));
    repo.try_commit("retire old again").ok();
    repo.archive(["restore", "--stage", "src/old.py"]).ok();
    assert!(repo.is_executable("src/old.py"));
}

#[test]
fn a_stub_whose_place_is_taken_can_be_dropped() {
    for take in ["mkdir src/old.py && echo 1 > src/old.py/x", "ln -s live.py src/old.py"] {
        let (repo, id) = with_a_stub();
        repo.remove("src/old.py").types(take).ok();
        repo.git(["add", "-A", "src"]).ok();
        repo.try_commit("the place is taken").fails(1).says("codex-archive drop");
        repo.archive(["drop", &id, "--reason", "gone"]).ok();
        repo.try_commit("the place is taken").ok();
        repo.is_well();
    }
}

#[test]
fn a_stub_moved_over_another_one_hides_nothing() {
    let (repo, _) = with_a_stub();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    repo.git(["mv", "-f", "src/live.py", "src/old.py"]).ok();
    repo.try_commit("moved over it").fails(1).says("stub-replaced");
}

#[test]
fn one_of_two_copies_may_go() {
    let (repo, _) = with_a_stub();
    repo.file("src/copy.py", repo.read("src/old.py")).git(["add", "src/copy.py"]).ok();
    repo.try_commit("copied").ok();
    repo.git(["rm", "-q", "src/old.py"]).ok();
    repo.try_commit("one is enough").ok();
    repo.is_well();
}

#[test]
fn a_copied_or_altered_segment_can_be_taken_out() {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py", "src/live.py"]);
    repo.try_commit("retire both").ok();
    let segment = repo.segments()[0].clone();
    let first = repo.read(&segment).lines().next().unwrap().to_owned();
    let name = &crate::common::sha256(first.as_bytes())[..16];
    let copy = format!("{}/{name}.jsonl", segment.rsplit_once('/').unwrap().0);
    repo.file(&copy, format!("{first}\n")).git(["add", &copy]).ok();
    repo.git(["commit", "-qnm", "replayed"]).ok();
    repo.archive(["verify", "--range", "HEAD~1..HEAD"]).fails(4).says("record-replayed");
    repo.git(["rm", "-q", "--cached", &copy]).ok();
    repo.try_commit("taken out").ok();
    repo.remove(&copy).archive(["reconcile"]).ok().says("Nothing had to be mended");
    // Altered in a commit that no hook saw: mended, in a clone that did not write it.
    let altered = repo.read(&segment).replace("\"pruned\"", "\"dead\"");
    repo.file(&segment, altered).git(["commit", "-qanm", "altered"]).ok();
    repo.archive(["verify", "--range", "HEAD~1..HEAD"]).fails(4).says("segment-changed");
    let clone = repo.clone_to("mine");
    clone.archive(["init", "--hooks"]).ok();
    clone.archive(["reconcile"]).ok().says("put back");
    clone.try_commit("mended").ok();
    clone.archive(["verify", "--range", "HEAD~1..HEAD"]).ok();
    clone.archive(["verify", "--range", "HEAD~2..HEAD"]).ok();
    clone.archive(["reconcile"]).ok().says("Nothing had to be mended");
}

#[test]
fn a_copied_clone_takes_what_the_original_goes_on_to_write() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = with_a_stub();
    repo.types("cp -r . ../copied").ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    let copy = repo.beside("copied");
    let original = repo.common_dir();
    copy.git(["pull", "-q", original.to_str().unwrap(), "main"]).ok();
    copy.archive(["verify", "--all"]).ok().says("bytes-elsewhere");
    copy.archive(["evidence", "verify"]).ok();
    copy.is_well();
}

#[test]
fn undo_leaves_what_reconcile_found() {
    let (repo, _) = with_a_stub();
    repo.git(["checkout", "-q", "HEAD~1", "--", "src/old.py"]).ok();
    repo.archive(["reconcile"]).ok().says("RESTORE");
    repo.archive(["undo"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
}

#[test]
fn undo_does_not_take_back_what_a_merge_brings() {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("src/new.py", "new\n").commit("main goes on");
    repo.git(["merge", "-q", "--no-commit", "side"]).ok();
    repo.archive(["undo"]).fails(5);
}

#[test]
fn a_conflict_is_not_decided_by_reconcile() {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.append("src/old.py", "# edited\n").commit("edit old");
    repo.git(["switch", "-q", "main"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["merge", "-q", "side"]).fails(1);
    repo.archive(["reconcile"]).ok().says("Nothing had to be mended");
}

#[test]
fn fixtures_come_with_a_merge_and_go_to_a_new_remote() {
    let repo = TestRepo::ready();
    repo.publish();
    let mine = repo.fresh_clone("mine");
    mine.archive(["init", "--hooks"]).ok();
    mine.file("src/mine.py", "mine\n").commit("mine");
    repo.file(".gitattributes", "fix/** -codex-tombstone\n").commit("exempt fixtures");
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.file("fix/a.py", "# codex-tombstone v1\nbroken\n").git(["add", "fix"]).ok();
    repo.try_commit("a fixture").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    mine.git(["fetch", "-q"]).ok();
    mine.git(["merge", "-q", "--no-edit", "origin/main"]).ok();
    mine.git(["push", "-q", "origin", "main"]).ok();
    let fresh = mine.world.path("fresh.git");
    mine.git(["init", "-q", "--bare", fresh.to_str().unwrap()]).ok();
    mine.git(["push", "-q", fresh.to_str().unwrap(), "main"]).ok();
    mine.archive(["reconcile"]).ok().says("Nothing had to be mended");
}

#[test]
fn a_restore_never_writes_into_gits_folder() {
    let repo = TestRepo::ready();
    repo.script("hooks/pre-commit", "#!/bin/sh\n").commit("looks like a hook");
    let id = repo.store_one("hooks/pre-commit");
    repo.try_commit("retire it").ok();
    let hook = repo.read(".git/hooks/pre-commit");
    repo.at(".git").archive(["restore", &id, "--force"]).fails(6).says("git's own folder");
    assert_eq!(repo.read(".git/hooks/pre-commit"), hook);
}
