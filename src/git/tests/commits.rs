//! What commits tell: ranges, attributes, deletions.

use std::fs;

use crate::git::testing::{TestRepo, path};
use crate::git::{AttributeSource, Known, sha1_blob};
use crate::model::{GitOid, RepoPath};

#[test]
fn merge_bases_of_a_criss_cross_and_of_strangers() {
    let repo = TestRepo::new();
    repo.commit("root");
    repo.git(&["checkout", "-q", "-b", "side"]);
    let a = repo.file("a", "a").commit("a");
    repo.git(&["checkout", "-q", "main"]);
    let b = repo.file("b", "b").commit("b");
    repo.git(&["merge", "-q", "--no-ff", "-m", "one way", &a.to_string()]);
    repo.git(&["checkout", "-q", "side"]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "other way", &b.to_string()]);
    let open = repo.open();
    let mut bases = open.merge_bases(&repo.oid("main"), &repo.oid("side")).unwrap();
    bases.sort();
    let mut expected = vec![a, b];
    expected.sort();
    assert_eq!(bases, expected);
    repo.git(&["checkout", "-q", "--orphan", "stranger"]);
    let stranger = repo.commit("stranger");
    assert_eq!(open.merge_bases(&stranger, &a).unwrap(), vec![]);
    assert!(open.merge_bases(&stranger, &sha1_blob(b"absent")).is_err());
}

#[test]
fn bases_of_what_a_push_sends() {
    let repo = TestRepo::new();
    let one = repo.file("x", "1").commit("one");
    let two = repo.file("x", "2").commit("two");
    repo.git(&["tag", "-a", "-m", "t", "v1", &one.to_string()]);
    let open = repo.open();
    let bases = |has: Option<&GitOid>, remote: Option<&str>| {
        let known = remote.map_or(Known::Nothing, Known::Remote);
        open.outgoing_bases(&two, has, known).unwrap()
    };
    // A first push, to a remote that has nothing, or by a URL.
    assert!(bases(None, None).is_empty());
    assert!(bases(None, Some("origin")).is_empty());
    assert!(bases(None, Some("https://example.org/x*?[.git")).is_empty());
    // An id that is not here is dropped.
    assert!(bases(Some(&sha1_blob(b"unknown")), Some("origin")).is_empty());
    assert_eq!(bases(Some(&one), None), [one]);
    assert_eq!(bases(Some(&repo.oid("v1")), None), [one]);
    assert_eq!(bases(Some(&two), None), [two]);
    repo.git(&["update-ref", "refs/remotes/origin/main", &one.to_string()]);
    repo.git(&["update-ref", "refs/remotes/other/main", &two.to_string()]);
    assert_eq!(bases(None, Some("origin")), [one]);
    assert_eq!(bases(None, Some("other")), [two]);
    // A branch that merged what the remote has: the older base says nothing new.
    repo.git(&["checkout", "-q", "-b", "side", &one.to_string()]);
    repo.file("y", "y").commit("side");
    repo.git(&["update-ref", "refs/remotes/origin/main", &two.to_string()]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "merge", "main"]);
    let tip = repo.oid("HEAD");
    assert_eq!(open.outgoing_bases(&tip, None, Known::Remote("origin")).unwrap(), [two]);
}

#[test]
fn attributes_of_a_commit_and_of_the_work_tree() {
    let repo = TestRepo::new();
    repo.file(".gitattributes", "*.md -text tag=one\n")
        .file("sub/.gitattributes", "a.md tag=two\n");
    let one = repo.commit("one");
    repo.file(".gitattributes", "*.md text !tag\n");
    let paths = [path("a.md"), path("sub/a.md"), path("b")];
    let names = ["text", "tag"];
    let at_commit = [["unset", "one"], ["unset", "two"], ["unspecified", "unspecified"]];
    let in_tree = [["set", "unspecified"], ["set", "two"], ["unspecified", "unspecified"]];
    // The second git may be an old one, which cannot read attributes of a commit by itself.
    for program in ["git", "/usr/bin/git"] {
        let Ok(Some(open)) = repo.open_by(program, &repo.top, &[]) else { continue };
        let at = AttributeSource::Commit(&one);
        assert_eq!(open.attributes(&paths, &names, at).unwrap(), at_commit, "{program}");
        let at = AttributeSource::WorkTree;
        assert_eq!(open.attributes(&paths, &names, at).unwrap(), in_tree, "{program}");
        let at = AttributeSource::Commit(&sha1_blob(b"absent"));
        assert!(open.attributes(&paths, &names, at).is_err());
    }
    let litter = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains("codex");
    assert!(!fs::read_dir(repo.top.join(".git")).unwrap().any(|entry| litter(&entry.unwrap())));
    // More than a pipe holds, each way.
    let many: Vec<RepoPath> = (0..20_000).map(|n| path(format!("folder/{n}.md"))).collect();
    let values = repo.open().attributes(&many, &names, AttributeSource::WorkTree).unwrap();
    assert_eq!(values.len(), many.len());
}

#[test]
fn what_commits_deleted() {
    let repo = TestRepo::new();
    assert!(repo.open().deleted_in_history("e").unwrap().is_empty());
    repo.file("e/1", "one")
        .file("e/2", "two")
        .file("e/3", "three")
        .file("f/4", "four")
        .commit("one");
    let delete = |names: &[&str]| {
        names.iter().for_each(|name| fs::remove_file(repo.top.join(name)).unwrap());
        repo.commit("delete");
    };
    delete(&["e/1", "f/4"]);
    assert!(repo.open().deleted_in_history("e/").is_err());
    repo.git(&["checkout", "-q", "-b", "side"]);
    delete(&["e/2"]);
    repo.git(&["checkout", "-q", "main"]);
    repo.file("e/9", "nine").commit("nine");
    // Only the merge itself deletes the third.
    repo.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
    assert_eq!(repo.open().deleted_in_history("e").unwrap().len(), 2);
    delete(&["e/3"]);
    for (key, value) in [
        ("log.showSignature", "true"),
        ("log.diffMerges", "off"),
        ("diff.renames", "copies"),
        ("diff.relative", "true"),
        ("color.ui", "always"),
        ("format.pretty", "fuller"),
        ("log.follow", "true"),
    ] {
        repo.git(&["config", key, value]);
    }
    let mut deleted = repo.open().deleted_in_history("e").unwrap();
    deleted.sort();
    let expected = [("e/1", "one"), ("e/2", "two"), ("e/3", "three")];
    assert_eq!(deleted, expected.map(|(name, text)| (path(name), sha1_blob(text.as_bytes()))));
}
