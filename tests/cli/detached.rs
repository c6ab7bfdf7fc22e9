//! Files that git converts: freed of that when they are archived, and given it back.

use std::fs;

use crate::common::{TestRepo, have};
use crate::pinned::pin;

const STORE: [&str; 6] =
    ["store", "_codex_", "src/old.py", "--reason", "pruned", "--detach-attributes"];
const LINE: &str = " -filter -diff -merge text=auto !eol -working-tree-encoding -ident\n";

/// Two files that stand in small letters and are stored in capitals.
fn filtered() -> TestRepo {
    let repo = TestRepo::ready();
    repo.git(["config", "filter.upper.clean", "tr a-z A-Z"]).ok();
    repo.git(["config", "filter.upper.smudge", "tr A-Z a-z"]).ok();
    repo.git(["config", "filter.upper.required", "true"]).ok();
    repo.file(".gitattributes", "*.py filter=upper\n").commit("filter");
    repo.git(["add", "--renormalize", "."]).ok();
    repo.git(["commit", "-q", "--allow-empty", "-m", "upper"]).ok();
    assert_eq!(repo.status(), "");
    repo
}

#[test]
fn the_hint_frees_the_path() {
    let repo = filtered();
    let outcome = repo.archive(["store", "_codex_", "--reason", "dead", "--", "src/old.py"]);
    repo.types(&outcome.fails(6).hint()).ok();
    let expected = format!("*.py filter=upper\n/src/old.py{LINE}");
    assert_eq!(repo.read(".gitattributes"), expected);
    let staged = repo.staged();
    assert!(staged.contains(&"M .gitattributes".to_owned()), "{staged:?}");
    assert!(staged.contains(&"M src/old.py".to_owned()), "{staged:?}");
    assert_eq!(repo.git(["diff", "--name-only"]).ok().stdout, "");
    repo.try_commit("archive").ok();
    // Another clone gets the stub as it is, whether it has the filter or not.
    repo.publish();
    let clone = repo.fresh_clone("clone");
    assert!(clone.read("src/old.py").starts_with("# codex-tombstone v1\n"));
    assert_eq!(clone.status(), "");
    clone.archive(["verify", "--all"]).ok();
}

#[test]
fn what_it_says() {
    let repo = filtered();
    let dry = [&STORE[..], &["--dry-run"]].concat();
    let told = repo.unchanged(|repo| repo.archive(dry)).ok().json();
    assert_eq!(told["detached"][0]["attributes"][0], "filter=upper");
    let outcome = repo.archive(STORE).ok();
    pin("detached", &repo, &outcome);
    let record = repo.journal().pop().unwrap();
    assert!(record.contains(r#""detached":{"attributes":["filter=upper"],"blob":"#), "{record}");
}

#[test]
fn undo_gives_the_attributes_back() {
    let repo = filtered();
    let line = ["store", "_codex_", "src", "--reason", "dead", "--detach-attributes"];
    for _ in 0..2 {
        repo.archive(line).ok();
        assert_eq!(repo.read(".gitattributes").lines().count(), 3);
        repo.archive(["undo"]).ok();
        assert_eq!(repo.read("src/old.py"), "print('old')\n");
        assert_eq!(repo.read("src/live.py"), "print('live')\n");
        assert_eq!(repo.status(), "");
    }
    // A file that was made for the line goes with it.
    let repo = TestRepo::ready();
    repo.file("src/.gitattributes", "*.py ident\n").commit("further down");
    let file = repo.world.path("home/attributes");
    fs::write(&file, "*.md ident\n").unwrap();
    repo.git(["config", "core.attributesFile", &file.display().to_string()]).ok();
    repo.file("a.md", "$Id$\n").commit("ident");
    repo.archive(["store", "_codex_", "a.md", "--reason", "dead", "--detach-attributes"]).ok();
    assert!(repo.has(".gitattributes"));
    repo.archive(["undo"]).ok();
    assert!(!repo.has(".gitattributes"));
    assert_eq!(repo.status(), "");
}

#[test]
fn undo_of_restore_and_of_drop_frees_the_path_again() {
    let repo = filtered();
    repo.archive(STORE).ok();
    repo.try_commit("archive").ok();
    let archived = repo.snapshot().without_records();
    for line in
        [&["restore", "--stage", "src/old.py"][..], &["drop", "src/old.py", "--reason", "x"]]
    {
        repo.archive(line).ok();
        assert_eq!(repo.read(".gitattributes"), "*.py filter=upper\n");
        repo.archive(["undo"]).ok();
        let changed = archived.difference(&repo.snapshot().without_records());
        assert_eq!(changed, Vec::<String>::new(), "after {line:?} and undo");
        repo.archive(["verify", "--staged"]).ok();
    }
}

#[test]
fn a_drop_takes_the_line_out_but_not_from_other_code() {
    let repo = filtered();
    repo.archive(STORE).ok();
    repo.try_commit("archive").ok();
    repo.file("src/old.py", "other code\n");
    repo.archive(["drop", "src/old.py", "--reason", "replaced"]).ok();
    assert!(repo.read(".gitattributes").ends_with(LINE));
    repo.try_commit("drop").ok();
    assert_eq!(repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().stdout, "other code\n");
    assert_eq!(repo.status(), "");
    repo.is_well();
}

#[test]
fn after_a_reset_the_line_is_staged_with_the_stub() {
    let repo = filtered();
    repo.archive(STORE).ok();
    let staged = repo.staged();
    repo.git(["reset", "-q"]).ok();
    repo.archive(STORE).ok().says("\"staged_again\"");
    assert_eq!(repo.staged(), staged);
    repo.try_commit("archive").ok();
    assert_eq!(repo.status(), "");
}

#[test]
fn without_a_stub_in_its_place_no_line_is_written() {
    let repo = filtered();
    repo.archive([&STORE[..], &["--sidecar"]].concat()).ok();
    assert_eq!(repo.read(".gitattributes"), "*.py filter=upper\n");
    repo.try_commit("archive").ok();
    repo.archive(["restore", "--stage", "src/old.py"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    repo.try_commit("restore").ok();
    assert_eq!(repo.status(), "");
}

#[test]
fn a_filter_that_is_not_there_gives_nothing_back() {
    let repo = filtered();
    repo.archive(STORE).ok();
    repo.try_commit("archive").ok();
    repo.git(["config", "--remove-section", "filter.upper"]).ok();
    repo.git(["config", "filter.upper.clean", "tr A-Z a-z"]).ok();
    let line = ["restore", "--stage", "src/old.py"];
    repo.unchanged_but_recorded(|repo| repo.archive(line).fails(6).says("filter=upper"));
    // The content is to be had all the same.
    assert_eq!(repo.archive(["cat", "src/old.py"]).ok().stdout, "PRINT('OLD')\n");
}

#[test]
fn git_lfs_gets_its_pointer_back() {
    if !have("git-lfs") {
        return;
    }
    let repo = TestRepo::ready();
    repo.git(["lfs", "install", "--local", "--skip-repo"]).ok();
    repo.file(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    repo.file("a.bin", [0, 1, 2]).file("b.bin", vec![7; 50_000]).commit("lfs");
    let before = repo.git(["ls-tree", "HEAD", "a.bin", "b.bin"]).ok().stdout;
    let line = ["store", "_codex_", "*.bin", "--reason", "dead", "--detach-attributes"];
    repo.archive(line).ok();
    repo.try_commit("archive").ok();
    // Without what git-lfs keeps here.
    fs::remove_dir_all(repo.top.join(".git/lfs")).unwrap();
    for path in ["a.bin", "b.bin"] {
        repo.archive(["restore", "--stage", path]).ok();
    }
    assert_eq!(repo.bytes("b.bin"), vec![7; 50_000]);
    repo.try_commit("restore").ok();
    assert_eq!(repo.git(["ls-tree", "HEAD", "a.bin", "b.bin"]).ok().stdout, before);
    assert_eq!(repo.status(), "");
    assert_eq!(repo.read(".gitattributes").lines().count(), 1);
    repo.is_well();
}
