//! States of a file, of what stands beside it, and of the work that is under way.

use super::judge::Case;
use super::shape::Expect::{Archived, Refused};
use super::shape::Shape;
use crate::common::TestRepo;

/// All of them.
pub const CASES: &[Case] = &[
    ("dirty", Refused(6, "the work tree differs from the index"), dirty),
    ("dirty, same size and time", Refused(6, "the work tree differs"), racy),
    ("staged", Refused(6, "the index differs from commit HEAD"), staged),
    ("dirty and staged", Refused(6, "the index differs from commit HEAD"), dirty_and_staged),
    ("others staged", Archived, others_staged),
    ("others dirty, untracked, deleted", Archived, others_dirty),
    ("untracked", Refused(5, "not in commit HEAD"), untracked),
    ("ignored", Refused(5, "not in commit HEAD"), ignored),
    ("tracked but ignored", Archived, tracked_but_ignored),
    ("everything is ignored", Archived, all_ignored),
    ("added only", Refused(5, "not in commit HEAD"), added),
    ("deleted", Refused(6, "missing from the work tree"), deleted),
    ("removed from the index", Refused(6, "the index differs from commit HEAD"), unstaged),
    ("conflicted", Refused(6, "unmerged"), conflicted),
    ("another path conflicted", Archived, other_conflicted),
    ("intent to add", Refused(6, "intent-to-add"), intent_to_add),
    ("another path is to be added", Archived, other_intent_to_add),
    ("assume-unchanged", Refused(6, "assume-unchanged"), || flagged("--assume-unchanged")),
    ("skip-worktree", Refused(6, "skip-worktree"), || flagged("--skip-worktree")),
    ("others flagged", Archived, others_flagged),
    ("unborn", Refused(5, "HEAD has no commit yet"), unborn),
    ("rebase under way", Archived, rebase),
    ("merge under way", Archived, merge),
    ("cherry-pick under way", Archived, || Some(picked("cherry-pick"))),
    ("revert under way", Archived, revert),
    ("bisect under way", Archived, bisect),
    ("stash kept", Archived, stash),
    ("stub there already, moved", Archived, beside_a_stub),
];

fn dirty() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.append("src/old.py", "more\n");
    Some(Shape::of(repo))
}

/// git's own look at size and time would not see it.
fn racy() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.types("touch -r src/old.py kept && printf \"print('0ld')\\n\" > src/old.py").ok();
    repo.types("touch -r kept src/old.py && rm kept").ok();
    repo.git(["config", "core.trustctime", "false"]).ok();
    Some(Shape::of(repo))
}

fn staged() -> Option<Shape> {
    let shape = dirty()?;
    shape.repo.git(["add", "-A"]).ok();
    Some(shape)
}

fn dirty_and_staged() -> Option<Shape> {
    let shape = staged()?;
    shape.repo.append("src/old.py", "and more\n");
    Some(shape)
}

fn others_staged() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("new", "new\n").append("src/live.py", "staged\n");
    repo.git(["add", "-A"]).ok();
    repo.append("src/live.py", "and dirty\n");
    Some(Shape::of(repo))
}

fn others_dirty() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("gone", "gone\n").commit("more");
    repo.append("src/live.py", "dirty\n").file("untracked", "x\n").remove("gone");
    Some(Shape::of(repo))
}

fn untracked() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("src/new.py", "new\n");
    Some(Shape::at(repo, "src/new.py"))
}

fn ignored() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file(".gitignore", "*.log\n").commit("ignore");
    repo.file("a.log", "log\n");
    Some(Shape::at(repo, "a.log"))
}

fn tracked_but_ignored() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file(".gitignore", "src/\n").commit("ignore");
    repo.file("src/other", "ignored\n");
    Some(Shape::of(repo))
}

fn all_ignored() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file(".gitignore", "*\n").git(["add", "-f", ".gitignore"]).ok();
    repo.commit("ignore");
    Some(Shape::of(repo))
}

fn added() -> Option<Shape> {
    let shape = untracked()?;
    shape.repo.git(["add", "-A"]).ok();
    Some(shape)
}

fn deleted() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.remove("src/old.py");
    Some(Shape::of(repo))
}

fn unstaged() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.git(["rm", "-q", "--cached", "src/old.py"]).ok();
    Some(Shape::of(repo))
}

/// A merge that stopped, `name` being in conflict.
fn in_conflict(name: &str) -> TestRepo {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.file(name, "side\n").commit("side");
    repo.git(["switch", "-q", "main"]).ok();
    repo.file(name, "main\n").commit("main");
    repo.git(["merge", "-q", "side"]).fails(1);
    repo
}

fn conflicted() -> Option<Shape> {
    Some(Shape::of(in_conflict("src/old.py")))
}

/// The conflict is kept for the person who works on it; the commit waits for that.
fn other_conflicted() -> Option<Shape> {
    let repo = in_conflict("src/live.py");
    Some(Shape::of(repo).unresolved())
}

fn intent_to_add() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("later.py", "x\n").git(["add", "-N", "later.py"]).ok();
    Some(Shape::at(repo, "later.py"))
}

fn other_intent_to_add() -> Option<Shape> {
    let shape = intent_to_add()?;
    Some(Shape::of(shape.repo))
}

fn flagged(flag: &str) -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.git(["update-index", flag, "src/old.py"]).ok();
    Some(Shape::of(repo))
}

fn others_flagged() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("a", "a\n").file("b", "b\n").commit("more");
    repo.git(["update-index", "--assume-unchanged", "a"]).ok();
    repo.git(["update-index", "--skip-worktree", "b"]).ok();
    repo.append("a", "hidden\n").append("b", "hidden\n");
    Some(Shape::of(repo))
}

fn unborn() -> Option<Shape> {
    let repo = TestRepo::new();
    repo.file("src/old.py", "print('old')\n").git(["add", "-A"]).ok();
    Some(Shape::of(repo))
}

fn rebase() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("two", "2\n").commit("two").file("three", "3\n").commit("three");
    let repo = repo.env("GIT_SEQUENCE_EDITOR", "sed -i s/pick/edit/");
    repo.git(["rebase", "-q", "-i", "HEAD~2"]).ok();
    assert!(repo.has(".git/rebase-merge"));
    Some(Shape::of(repo))
}

fn merge() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.file("side", "side\n").commit("side");
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("main", "main\n").commit("main");
    repo.git(["merge", "-q", "--no-commit", "side"]).ok();
    assert!(repo.has(".git/MERGE_HEAD"));
    Some(Shape::of(repo))
}

/// A commit of another branch that conflicted and was resolved, but not committed.
fn picked(command: &str) -> Shape {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.file("src/live.py", "side\n").commit("side");
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("src/live.py", "main\n").commit("main");
    repo.git([command, "side"]).fails(1);
    repo.file("src/live.py", "both\n").git(["add", "src/live.py"]).ok();
    assert!(repo.has(".git/CHERRY_PICK_HEAD"));
    Shape::of(repo)
}

fn revert() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("src/live.py", "two\n").commit("two");
    repo.git(["revert", "--no-commit", "HEAD"]).ok();
    assert!(repo.has(".git/REVERT_HEAD"));
    Some(Shape::of(repo))
}

fn bisect() -> Option<Shape> {
    let repo = TestRepo::ready();
    for n in 0..4 {
        repo.file("n", n.to_string()).commit("n");
    }
    repo.git(["bisect", "start", "HEAD", "HEAD~4"]).ok();
    assert!(repo.has(".git/BISECT_LOG"));
    Some(Shape::of(repo))
}

fn stash() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.append("src/old.py", "stashed\n").git(["stash", "-q"]).ok();
    Some(Shape::of(repo))
}

fn beside_a_stub() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("src/more.py", "more\n").commit("more");
    repo.store_one("src/more.py");
    repo.git(["mv", "src/more.py", "moved.py"]).ok();
    repo.try_commit("moved").ok();
    Some(Shape::of(repo))
}
