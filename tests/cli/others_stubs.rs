//! Other people's stubs never trap anybody.

use crate::common::{TestRepo, id_of, is_embedded};

/// A published repository in which a colleague archived `src/old.py`.
pub fn with_a_colleague() -> TestRepo {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.publish();
    repo
}

/// An ordinary day: edits, moves, merges; the hooks must not be in the way.
#[track_caller]
fn works_on(repo: &TestRepo) {
    repo.append("src/live.py", "print('more')\n").git(["commit", "-qam", "ordinary"]).ok();
    repo.git(["mv", "src/old.py", "src/elsewhere.py"]).ok();
    repo.try_commit("move a colleague's stub").ok();
    repo.git(["push", "-q", "origin", "HEAD"]).ok();
    repo.archive(["verify", "--all"]).ok();
}

#[test]
fn a_colleagues_stubs_in_a_clone_with_its_own_archive() {
    if !is_embedded() {
        return;
    }
    let clone = with_a_colleague().fresh_clone("mine");
    clone.archive(["init", "--hooks"]).ok();
    clone.store(&["src/live.py"]);
    clone.try_commit("retire live").ok();
    clone.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    works_on(&clone);
    clone.archive(["verify", "--all"]).ok().says("bytes-elsewhere");
    // It may be dropped and restored by anybody.
    clone.archive(["restore", "--stage", "src/elsewhere.py"]).ok().says("git history");
    assert_eq!(clone.read("src/elsewhere.py"), "print('old')\n");
    clone.try_commit("old is back").ok();
}

#[test]
fn a_colleagues_stubs_in_a_clone_without_an_archive() {
    let clone = with_a_colleague().fresh_clone("mine");
    clone.archive(["hooks", "install"]).ok();
    works_on(&clone);
    assert!(!clone.common_dir().join("codex-archive").exists(), "a hook made something");
    assert!(!clone.has(".codex/archive.sqlite"));
    // A tampered stub is refused all the same.
    clone.append("src/elsewhere.py", "# more\n");
    clone.git(["commit", "-qam", "tampered"]).fails(1).says("src/elsewhere.py");
}

#[test]
fn a_colleagues_stub_arrives_by_merge() {
    let origin = TestRepo::ready();
    origin.publish();
    let mine = origin.fresh_clone("mine");
    mine.archive(["init", "--hooks"]).ok();
    mine.store(&["src/live.py"]);
    mine.try_commit("retire live").ok();
    origin.store(&["src/old.py"]);
    origin.try_commit("retire old").ok();
    origin.git(["push", "-q", "origin", "main"]).ok();
    mine.git(["pull", "-q", "--no-rebase", "--no-edit"]).ok();
    mine.git(["push", "-q", "origin", "main"]).ok();
    origin.git(["pull", "-q", "--no-rebase", "--no-edit"]).ok();
    mine.archive(["verify", "--all"]).ok();
    origin.is_well();
}

#[test]
fn both_archive_the_same_file() {
    let origin = TestRepo::ready();
    origin.publish();
    let mine = origin.fresh_clone("mine");
    mine.archive(["init", "--hooks"]).ok();
    for repo in [&origin, &mine] {
        repo.store(&["src/old.py"]);
        repo.try_commit("retire old").ok();
    }
    origin.git(["push", "-q", "origin", "main"]).ok();
    mine.git(["pull", "-q", "--no-rebase", "--no-edit"]).ok();
    assert_eq!(mine.segments().len(), 2);
    mine.git(["push", "-q", "origin", "main"]).ok();
    mine.is_well();
}

#[test]
fn a_criss_cross_merge_passes() {
    let repo = TestRepo::ready();
    repo.file("side.txt", "0\n").commit("side");
    repo.git(["branch", "other"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["switch", "-q", "other"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    let (main, other) = (rev(&repo, "main"), rev(&repo, "other"));
    repo.git(["merge", "-q", "-m", "main into other", &main]).ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["merge", "-q", "-m", "other into main", &other]).ok();
    repo.file("side.txt", "1\n").commit("main goes on");
    repo.git(["switch", "-q", "other"]).ok();
    repo.file("more.txt", "1\n").commit("other goes on");
    assert_eq!(repo.git(["merge-base", "--all", "main", "other"]).ok().stdout.lines().count(), 2);
    // Two bases: what either side archived is nobody's new deed.
    repo.archive(["verify", "--range", "main..other"]).ok();
    let cited = repo.archive(["evidence", "cite", "--range", "main..other"]).ok().stdout;
    assert!(!cited.contains("Codex-Evidence"), "nothing is new in:\n{cited}");
    repo.git(["merge", "-q", "-m", "again", "main"]).ok();
    repo.is_well();
    // A mistake on one side is seen past both bases.
    repo.append("src/old.py", "# more\n").git(["commit", "-qanm", "sneaked in"]).ok();
    repo.archive(["verify", "--range", "main..other"]).fails(4).says("src/old.py");
}

fn rev(repo: &TestRepo, name: &str) -> String {
    repo.git(["rev-parse", name]).ok().stdout.trim().to_owned()
}

#[test]
fn a_branch_that_merged_main_cites_its_own_only() {
    let repo = TestRepo::ready();
    repo.publish();
    repo.git(["switch", "-qc", "prune"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.git(["switch", "-q", "prune"]).ok();
    repo.git(["merge", "-q", "-m", "main into prune", "main"]).ok();
    let body = repo.archive(["evidence", "cite", "--range", "origin/main..HEAD"]).ok().stdout;
    assert_eq!(body.matches("Codex-Evidence: ").count(), 1, "{body}");
    assert!(body.contains("src/old.py") && !body.contains("src/live.py"), "{body}");
    repo.git(["push", "-q", "origin", "prune"]).ok();
    let clone = repo.fresh_clone("ci");
    clone.git(["switch", "-q", "prune"]).ok();
    let verify = ["verify", "--range", "origin/main..HEAD", "--citations", "-"];
    clone.archive_fed(&verify, &body).ok();
}

#[test]
fn a_squash_passes() {
    let repo = TestRepo::ready();
    repo.publish();
    repo.git(["switch", "-qc", "prune"]).ok();
    for path in ["src/old.py", "src/live.py"] {
        repo.store(&[path]);
        repo.try_commit(path).ok();
    }
    let body = repo.archive(["evidence", "cite", "--range", "origin/main..HEAD"]).ok().stdout;
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["merge", "-q", "--squash", "prune"]).ok();
    repo.try_commit("squashed").ok();
    repo.archive_fed(&["verify", "--range", "origin/main..HEAD", "--citations", "-"], &body).ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.is_well();
}

#[test]
fn a_rebase_passes() {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "prune"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("new.txt", "new\n").commit("main goes on");
    repo.git(["switch", "-q", "prune"]).ok();
    repo.git(["rebase", "-q", "main"]).ok();
    repo.archive(["verify", "--range", "main..HEAD"]).ok();
    repo.is_well();
}

#[test]
fn a_revert_of_an_archive_commit_is_mended_by_reconcile() {
    let repo = TestRepo::ready();
    repo.publish();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    let segment = repo.segments().remove(0);
    repo.git(["revert", "--no-edit", "HEAD"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    assert!(!repo.has(&segment), "the revert took the segment too");
    let refused = repo.git(["push", "-q", "origin", "main"]).fails(1);
    let hint = refused.hint();
    assert!(hint.contains("git codex-archive reconcile"), "{refused}");
    repo.types(&hint).ok();
    assert!(repo.has(&segment), "the segment is back");
    repo.try_commit("reconciled").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    repo.is_well();
    // A tree that is in order is left as it is.
    repo.unchanged(|repo| {
        repo.archive(["reconcile"]).ok();
    });
    // And the same file may be archived once more.
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old again").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.is_well();
}

#[test]
fn a_colleague_reverts_without_an_archive_and_reconciles() {
    let clone = with_a_colleague().fresh_clone("mine");
    clone.archive(["hooks", "install"]).ok();
    clone.git(["revert", "--no-edit", "HEAD"]).ok();
    let refused = clone.git(["push", "-q", "origin", "main"]).fails(1);
    clone.types(&refused.hint()).ok();
    clone.try_commit("reconciled").ok();
    clone.git(["push", "-q", "origin", "main"]).ok();
    clone.archive(["verify", "--all"]).ok();
}

#[test]
fn a_commit_of_named_files_that_forgets_the_segment() {
    let repo = TestRepo::ready();
    let told = repo.store(&["src/old.py"]);
    let segment = told["evidence_segment"].as_str().unwrap();
    for named in [&["--only", "src/old.py"][..], &["--", "src/old.py"]] {
        let mut line = vec!["commit", "-q", "-m", "retire"];
        line.extend(named);
        let refused = repo.git(&line).fails(1).says("src/old.py");
        let hint = refused.hint();
        assert!(hint.starts_with("git add ") && hint.contains(segment), "{refused}");
        repo.types(&hint).ok();
    }
    repo.try_commit("retire").ok();
    assert_eq!(repo.status(), "");
    repo.is_well();
}

#[test]
fn a_second_segment_that_was_left_out() {
    let repo = with_a_colleague();
    repo.archive(["restore", "--stage", "src/old.py"]).ok();
    repo.try_commit("back").ok();
    let told = repo.store(&["src/old.py"]);
    let segment = told["evidence_segment"].as_str().unwrap();
    repo.git(["rm", "-q", "--cached", segment]).ok();
    let refused = repo.try_commit("away").fails(1).says("src/old.py");
    assert!(refused.hint().contains(segment), "{refused}");
    repo.types(&refused.hint()).ok();
    repo.try_commit("away").ok();
    repo.is_well();
}

#[test]
fn a_stub_that_comes_back_after_it_was_put_back_needs_a_new_record() {
    let repo = with_a_colleague();
    let stub = repo.read("src/old.py");
    repo.archive(["restore", "--stage", "src/old.py"]).ok();
    repo.try_commit("back").ok();
    repo.file("src/old.py", stub).git(["add", "-A"]).ok();
    let refused = repo.try_commit("by hand").fails(1).says("src/old.py");
    repo.types(&refused.hint()).ok();
    repo.try_commit("by hand, and reconciled").ok();
    repo.is_well();
}

#[test]
fn a_broken_stub_that_somebody_pushed_is_mended_by_a_revert() {
    let repo = with_a_colleague();
    repo.append("src/old.py", "# more\n").git(["commit", "-qanm", "broken"]).ok();
    repo.git(["push", "-q", "--no-verify", "origin", "main"]).ok();
    repo.git(["revert", "--no-edit", "HEAD"]).ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.is_well();
}

#[test]
fn a_folder_renamed_on_the_other_side() {
    let repo = TestRepo::new();
    for n in 0..6 {
        repo.file(format!("legacy/{n}.py"), format!("print({n})\nprint('some more of it')\n"));
    }
    repo.commit("one");
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    repo.git(["switch", "-qc", "moved"]).ok();
    repo.git(["mv", "legacy", "attic"]).ok();
    repo.try_commit("move the folder").ok();
    repo.git(["switch", "-q", "main"]).ok();
    let told = repo.store(&["legacy/0.py", "legacy/1.py"]);
    repo.try_commit("retire two").ok();
    // Where git sees the rename the stubs move along; either way the tree is right at the end.
    let merged = repo.git(["-c", "merge.renames=true", "merge", "-q", "-m", "both", "moved"]);
    if merged.code != 0 {
        // git asks what becomes of files that changed beyond likeness: they go where the rest went.
        for n in 0..2 {
            let (old, new) = (format!("legacy/{n}.py"), format!("attic/{n}.py"));
            if repo.has(&old) {
                std::fs::rename(repo.top.join(&old), repo.top.join(&new)).unwrap();
            }
        }
        repo.git(["add", "-A"]).ok();
        repo.try_commit("both").ok();
    }
    assert!(repo.read("attic/0.py").starts_with("# codex-tombstone v1\n"), "a stub that moved");
    repo.archive(["verify", "--all"]).ok();
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    repo.archive(["restore", "--stage", id]).ok();
    assert_eq!(repo.read("attic/0.py"), "print(0)\nprint('some more of it')\n");
    repo.try_commit("0 is back").ok();
    repo.is_well();
}

#[test]
fn a_folder_of_stubs_is_renamed() {
    let repo = with_a_colleague();
    repo.git(["mv", "src", "attic"]).ok();
    repo.try_commit("move").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.is_well();
    repo.archive(["restore", "--stage", "attic/old.py"]).ok();
    assert_eq!(repo.read("attic/old.py"), "print('old')\n");
    repo.try_commit("old is back where it stands now").ok();
    repo.is_well();
}

#[test]
fn a_copy_of_a_stub_is_a_warning() {
    let repo = with_a_colleague();
    repo.file("src/copy.py", repo.read("src/old.py")).git(["add", "-A"]).ok();
    repo.try_commit("copy").ok().says("stub-copied");
}

#[test]
fn own_content_back_without_a_record_is_a_warning() {
    let repo = with_a_colleague();
    repo.file("src/old.py", "print('old')\n").git(["add", "-A"]).ok();
    repo.try_commit("back by hand").ok().says("restored-without-record");
    repo.archive(["reconcile"]).ok();
    repo.try_commit("recorded").ok();
    repo.is_well();
    repo.store(&["src/old.py"]);
    repo.try_commit("retired again").ok();
    repo.is_well();
}

#[test]
fn restore_then_archive_again() {
    let repo = with_a_colleague();
    for n in 0..2 {
        repo.archive(["restore", "--stage", "src/old.py"]).ok();
        repo.try_commit("back").ok();
        let id = repo.store_one("src/old.py");
        assert_eq!(id, id_of("_codex_", "src/old.py", b"print('old')\n"));
        repo.try_commit("away").ok();
        repo.git(["push", "-q", "origin", "main"]).ok();
        assert_eq!(repo.segments().len(), 3 + 2 * n);
    }
    repo.is_well();
    // All of it in one range, too.
    repo.archive(["verify", "--range", "HEAD~3..HEAD"]).ok();
    repo.archive(["verify", "--range", "HEAD~2..HEAD"]).ok();
}

#[test]
fn restore_and_archive_again_within_one_commit() {
    let repo = with_a_colleague();
    repo.archive(["restore", "--stage", "src/old.py"]).ok();
    repo.try_commit("back").ok();
    repo.append("src/old.py", "print('edited')\n").commit("edited");
    let id = repo.store_one("src/old.py");
    assert_eq!(id, id_of("_codex_", "src/old.py", b"print('old')\nprint('edited')\n"));
    repo.try_commit("away").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.is_well();
}

#[test]
fn the_same_path_taken_by_new_code_a_year_later() {
    let repo = with_a_colleague();
    let first = id_of("_codex_", "src/old.py", b"print('old')\n");
    repo.archive(["drop", "src/old.py", "--reason", "the name is wanted"]).ok();
    repo.file("src/old.py", "print('new code')\n").git(["add", "-A"]).ok();
    repo.try_commit("new code").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    let second = repo.store_one("src/old.py");
    assert_ne!(first, second);
    repo.try_commit("retire the new code").ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    assert_eq!(repo.archive(["cat", &first]).ok().stdout, "print('old')\n");
    assert_eq!(repo.archive(["cat", &second]).ok().stdout, "print('new code')\n");
    assert_eq!(repo.archive(["cat", "src/old.py"]).ok().stdout, "print('new code')\n");
    repo.is_well();
    // And the first content comes once more, a year after that.
    repo.archive(["drop", "src/old.py", "--reason", "again"]).ok();
    repo.file("src/old.py", "print('old')\n").git(["add", "-A"]).ok();
    repo.try_commit("old code").ok();
    assert_eq!(repo.store_one("src/old.py"), first);
    repo.try_commit("retire the old code again").ok();
    repo.is_well();
}

#[test]
fn content_live_again_on_another_branch_is_archived_there_too() {
    let repo = TestRepo::ready();
    repo.git(["branch", "other"]).ok();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    repo.git(["switch", "-q", "other"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    assert_eq!(repo.store_one("src/old.py"), id);
    repo.try_commit("retire old here too").ok();
    repo.git(["merge", "-q", "-m", "both", "main"]).ok();
    assert_eq!(repo.segments().len(), 2);
    repo.is_well();
}

#[test]
fn a_reset_after_store_loses_nothing() {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.git(["reset", "-q", "--hard"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    assert_eq!(repo.store_one("src/old.py"), id);
    repo.try_commit("retire old").ok();
    repo.is_well();
}

#[test]
fn a_conflict_between_edit_and_archive_is_resolved_either_way() {
    let prepare = || {
        let repo = TestRepo::ready();
        repo.git(["switch", "-qc", "edit"]).ok();
        repo.append("src/old.py", "print('edited')\n").commit("edit");
        repo.git(["switch", "-q", "main"]).ok();
        repo.store(&["src/old.py"]);
        repo.try_commit("retire old").ok();
        repo.git(["merge", "-q", "-m", "both", "edit"]).fails(1);
        repo
    };
    let ours = prepare();
    ours.git(["checkout", "-q", "--ours", "src/old.py"]).ok();
    ours.git(["add", "src/old.py"]).ok();
    ours.try_commit("the stub stays").ok();
    ours.is_well();
    let theirs = prepare();
    theirs.git(["checkout", "-q", "--theirs", "src/old.py"]).ok();
    theirs.git(["add", "src/old.py"]).ok();
    let refused = theirs.try_commit("the edit stays");
    if refused.code != 0 {
        theirs.types(&refused.hint()).ok();
        theirs.try_commit("the edit stays").ok();
    }
    assert_eq!(theirs.read("src/old.py"), "print('old')\nprint('edited')\n");
    theirs.archive(["verify", "--all"]).ok();
}
