//! Whatever line of a stub is edited, the commit is refused, and the hint takes the edit back.

use crate::common::{TestRepo, is_embedded};
use crate::mends::with_a_stub;

#[test]
fn every_line_of_a_stub_counts() {
    for edit in [
        "s/tombstone v1/tombstone v2/",
        "s/archive-id: ./archive-id: 0/",
        "s/sha256: ./sha256: 0/",
        "s/size: /size: 1/",
        "s/mode: 100644/mode: 100755/",
        "s/git-blob: ..../git-blob: 0000/",
        "s,path: src,path: lib,",
        "s/--stage ./--stage 0/",
        "s,^# ,// ,",
        "$d",
    ] {
        let (repo, _) = with_a_stub();
        let stub = repo.read("src/old.py");
        repo.types(&format!("sed -i '{edit}' src/old.py")).ok();
        assert_ne!(repo.read("src/old.py"), stub, "{edit}");
        repo.git(["add", "src/old.py"]).ok();
        let refused = repo.try_commit("edited").fails(1);
        let hint = refused.stderr.lines().find_map(|line| line.strip_prefix("hint: git restore"));
        repo.types(&format!("git restore{}", hint.unwrap_or_else(|| panic!("{edit}")))).ok();
        assert_eq!(repo.read("src/old.py"), stub, "{edit}");
    }
}

#[test]
fn an_edited_mode_does_not_pass_ci_either() {
    let (repo, _) = with_a_stub();
    repo.types("sed -i 's/mode: 100644/mode: 100755/' src/old.py").ok();
    repo.git(["commit", "-qan", "-m", "edited"]).ok();
    repo.archive(["verify", "--offline", "--range", "HEAD~1..HEAD"]).fails(4);
    repo.archive(["verify", "--all"]).fails(4).says("stub-without-record");
}

#[test]
fn reconcile_puts_back_the_label_that_a_revert_took() {
    let repo = TestRepo::with_history();
    repo.archive(["init", "--hooks"]).ok();
    repo.try_commit("set up").ok();
    repo.publish();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["push", "-q"]).ok();
    repo.git(["revert", "--no-edit", "HEAD"]).ok();
    repo.archive(["reconcile"]).ok().says(".codex/archive.toml").says("RESTORE");
    repo.try_commit("reconciled").ok();
    repo.git(["push", "-q"]).ok();
    repo.archive(["reconcile"]).ok().says("Nothing had to be mended");
}

#[test]
fn a_reading_command_makes_the_links_again() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = with_a_stub();
    repo.git(["clean", "-fdxq"]).ok();
    repo.archive(["list"]).ok().says("src/old.py");
    repo.types("sqlite3 .codex/archive.sqlite 'SELECT path FROM item'").ok().says("src/old.py");
    // Without the link sqlite3 leaves an empty file in its place, which is nobody's archive.
    repo.git(["clean", "-fdxq"]).ok();
    repo.types("sqlite3 .codex/archive.sqlite 'SELECT path FROM item' || true").ok();
    repo.archive(["list"]).ok().says("src/old.py");
    repo.types("sqlite3 .codex/archive.sqlite 'SELECT path FROM item'").ok().says("src/old.py");
}

#[test]
fn an_altered_segment_is_written_anew() {
    let (repo, _) = with_a_stub();
    let segment = repo.segments().pop().unwrap();
    let bytes = repo.bytes(&segment);
    repo.append(&segment, "\n").git(["commit", "-qam", "altered"]).fails(1);
    repo.archive(["reconcile"]).ok().says(&segment);
    assert_eq!(repo.bytes(&segment), bytes);
    repo.append("src/live.py", "# more\n").git(["commit", "-qam", "as it was"]).ok();
}

#[test]
fn a_drop_is_recorded_once() {
    let (repo, id) = with_a_stub();
    repo.file("src/old.py", "new = 1\n");
    repo.archive(["drop", &id, "--reason", "new code"]).ok();
    let records = repo.journal().len();
    repo.git(["commit", "-q", "-m", "named", "src/old.py"]).fails(1).says("git add -- ");
    repo.archive(["drop", &id, "--reason", "new code"]).ok();
    assert_eq!(repo.journal().len(), records);
    repo.try_commit("all of it").ok();
    repo.is_well();
}

#[test]
fn a_stub_that_nobody_can_explain_can_be_dropped() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = with_a_stub();
    let other = TestRepo::named("other");
    other.file("src/ghost.py", "boo\n").commit("ghost");
    other.archive(["store", "_codex_", "src/ghost.py", "--reason", "dead"]).ok();
    repo.file("src/ghost.py", other.read("src/ghost.py")).git(["add", "src/ghost.py"]).ok();
    repo.try_commit("a ghost").fails(1).says("codex-archive drop src/ghost.py");
    repo.archive(["drop", "src/ghost.py", "--reason", "nobody has it"]).ok();
    repo.append("src/live.py", "# more\n").git(["add", "src/live.py"]).ok();
    repo.try_commit("no ghost").ok();
    assert!(!repo.has("src/ghost.py"));
}

#[test]
fn a_drop_for_other_code_can_be_taken_back() {
    let (repo, id) = with_a_stub();
    let before = repo.git(["ls-files", "-s"]).ok().stdout.clone();
    repo.file("src/old.py", "new = 1\n");
    repo.archive(["drop", &id, "--reason", "new code"]).ok();
    repo.archive(["undo"]).ok();
    assert_eq!(repo.git(["ls-files", "-s"]).ok().stdout, before);
    assert_eq!(repo.read("src/old.py"), "new = 1\n");
}
