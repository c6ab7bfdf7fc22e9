//! Reading objects, trees, the index and differences.

use std::ffi::OsString;
use std::fs;

use crate::git::testing::{ODD_NAMES, TestRepo, path};
use crate::git::{AttributeSource, Change, IndexFlag, IndexScope, sha1_blob};
use crate::model::{GitOid, RepoPath};

/// What every kind of repository must give, whether libgit2 opens it or not.
fn reads_everything(repo: &TestRepo) {
    let one = repo.file("a/b/x", "x\n").file("a/y", "y").file("z", "").commit("one");
    repo.git(&["tag", "-a", "-m", "t", "v1"]);
    let two = repo.file("a/y", "yy").commit("two");
    let open = repo.open();
    assert_eq!(open.head().unwrap(), Some(two));
    assert_eq!(open.resolve_commit("v1").unwrap(), one);
    assert_eq!(open.resolve_commit("main").unwrap(), two);

    let blob = repo.oid("HEAD:a/b/x");
    assert_eq!(open.hash_blob(b"x\n").unwrap(), blob);
    assert_eq!(open.blob(&blob).unwrap().as_deref(), Some(&b"x\n"[..]));
    assert_eq!(open.blob_size(&blob).unwrap(), Some(2));
    let mut out = Vec::new();
    assert!(open.stream_blob(&blob, &mut out).unwrap());
    assert_eq!(out, b"x\n");
    for other in [open.hash_blob(b"absent").unwrap(), one, repo.oid("HEAD:a")] {
        assert_eq!(open.blob(&other).unwrap(), None);
        assert_eq!(open.blob_size(&other).unwrap(), None);
        assert!(!open.stream_blob(&other, &mut out).unwrap());
    }
    let new = open.write_blob(b"a\r\nb").unwrap();
    assert_eq!(open.blob(&new).unwrap().as_deref(), Some(&b"a\r\nb"[..]));

    let tree = open.commit_tree(&one).unwrap();
    assert_eq!(tree.entry(&path("a/b/x")).unwrap().unwrap().oid, blob);
    assert_eq!(tree.entry(&path("a/b")).unwrap().unwrap().mode, 0o040_000);
    for missing in ["a/b/x/y", "a/q", "q/q/q", "aa"] {
        assert_eq!(tree.entry(&path(missing)).unwrap(), None, "{missing}");
    }
    let names = |prefix| -> Vec<String> {
        let entries = open.list_tree(&one, prefix).unwrap();
        entries.iter().map(|entry| entry.path.to_string()).collect()
    };
    assert_eq!(names(None), ["a/b/x", "a/y", "z"]);
    assert_eq!(names(Some("a")), ["a/b/x", "a/y"]);
    assert_eq!(names(Some("z")), ["z"]);
    assert!(names(Some("q")).is_empty());

    let changed = open.tree_changes(Some(&one), &two).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].new.unwrap().oid, repo.oid("HEAD:a/y"));
    assert_eq!(open.tree_changes(None, &one).unwrap().len(), 3);
    assert_eq!(open.merge_bases(&one, &two).unwrap(), vec![one]);

    fs::write(repo.top.join("new"), "new").unwrap();
    open.stage(&[path("new")]).unwrap();
    open.stage_entries(&[(path("z"), None), (path("w"), Some((0o100_755, blob)))]).unwrap();
    let staged = open.staged_changes(Some(&two)).unwrap();
    assert_eq!(shown(&staged), ["A new", "A w", "D z"]);
    assert_eq!(open.index(IndexScope::All).unwrap().len(), 4);
    assert_eq!(open.reopen().unwrap().staged_changes(None).unwrap().len(), 4);
    let at = AttributeSource::Commit(&one);
    assert_eq!(open.attributes(&[path("z")], &["text"], at).unwrap(), [["unspecified"]]);
}

fn shown(changes: &[Change]) -> Vec<String> {
    let word = |change: &Change| match (&change.old, &change.new) {
        (None, None) => "U",
        (None, Some(_)) => "A",
        (Some(_), None) => "D",
        (Some(old), Some(new)) if old.mode & 0o170_000 != new.mode & 0o170_000 => "T",
        _ => "M",
    };
    changes.iter().map(|change| format!("{} {}", word(change), change.path)).collect()
}

#[test]
fn an_ordinary_repository() {
    let repo = TestRepo::new();
    reads_everything(&repo);
    assert!(repo.open().library().is_some());
}

#[test]
fn a_sha256_repository() {
    let repo = TestRepo::init(&["--object-format=sha256"]);
    assert_eq!(repo.open().object_format_len(), 32);
    reads_everything(&repo);
    // An id of the other format is not taken for the beginning of one.
    assert_eq!(repo.open().blob(&sha1_blob(b"x\n")).unwrap(), None);
}

#[test]
fn a_reftable_repository() {
    let dir = tempfile::tempdir().unwrap();
    let mut probe = std::process::Command::new("git");
    probe.args(["init", "-q", "--ref-format=reftable", "."]).current_dir(dir.path());
    if !probe.output().unwrap().status.success() {
        return; // git before 2.45.
    }
    let repo = TestRepo::init(&["--ref-format=reftable"]);
    assert_eq!(repo.open().head().unwrap(), None);
    assert!(repo.open().library().is_none());
    reads_everything(&repo);
}

#[test]
fn a_cloned_repository_without_its_blobs() {
    let repo = TestRepo::new();
    repo.file("x", "content").commit("one");
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", repo.top.display());
    repo.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "../partial"]);
    let partial = repo.open_in(&repo.top.with_file_name("partial"), &[]).unwrap().unwrap();
    let blob = sha1_blob(b"content");
    assert_eq!(partial.blob(&blob).unwrap().as_deref(), Some(&b"content"[..]));
    assert_eq!(partial.blob_size(&sha1_blob(b"content")).unwrap(), Some(7));
}

#[test]
fn a_damaged_object_is_never_returned() {
    let repo = TestRepo::new();
    repo.file("x", "right").file("y", "wrong").commit("one");
    let file = |oid: GitOid| {
        let hex = oid.to_string();
        repo.top.join(".git/objects").join(&hex[..2]).join(&hex[2..])
    };
    let (right, wrong) = (sha1_blob(b"right"), sha1_blob(b"wrong"));
    fs::remove_file(file(right)).unwrap();
    fs::copy(file(wrong), file(right)).unwrap();
    assert!(repo.open().blob(&right).is_err());
    assert_eq!(repo.open().blob(&wrong).unwrap().as_deref(), Some(&b"wrong"[..]));
}

#[test]
fn replaced_objects_do_not_count() {
    let repo = TestRepo::new();
    let one = repo.file("x", "1").commit("one");
    let two = repo.file("x", "2").commit("two");
    repo.git(&["replace", &two.to_string(), &one.to_string()]);
    let open = repo.open();
    assert!(open.staged_changes(Some(&two)).unwrap().is_empty());
    assert_eq!(open.tree_changes(Some(&one), &two).unwrap().len(), 1);
    assert_eq!(
        open.commit_tree(&two).unwrap().entry(&path("x")).unwrap().unwrap().oid,
        sha1_blob(b"2")
    );
}

#[test]
fn odd_names_everywhere() {
    let repo = TestRepo::new();
    for name in ODD_NAMES {
        repo.file(name, name);
    }
    let head = repo.commit("one");
    let open = repo.open();
    let paths: Vec<RepoPath> = ODD_NAMES.iter().map(path).collect();
    let hashes: Vec<GitOid> = ODD_NAMES.iter().map(|name| sha1_blob(name)).collect();
    assert_eq!(open.clean_hashes(&paths).unwrap(), hashes);
    let tree = open.commit_tree(&head).unwrap();
    let reversed: Vec<RepoPath> = paths.iter().rev().cloned().collect();
    assert_eq!(open.index(IndexScope::Paths(&reversed)).unwrap().len(), paths.len());
    for (path, hash) in paths.iter().zip(&hashes) {
        assert_eq!(tree.entry(path).unwrap().unwrap().oid, *hash);
        let one = open.index(IndexScope::Paths(std::slice::from_ref(path))).unwrap();
        assert_eq!(one.len(), 1, "{path}");
        assert_eq!(one[0].oid, *hash);
    }
    assert_eq!(open.list_tree(&head, None).unwrap().len(), paths.len());
    repo.file(".gitattributes", "* kept=yes\n-dash kept=no\n");
    let values = open.attributes(&paths, &["kept", "text"], AttributeSource::WorkTree).unwrap();
    for (path, value) in paths.iter().zip(values) {
        let kept = if path.as_bytes() == b"-dash" { "no" } else { "yes" };
        assert_eq!(value, [kept, "unspecified"]);
    }
    for name in ODD_NAMES {
        repo.file(name, [name, &b"!"[..]].concat());
    }
    open.stage(&paths).unwrap();
    assert_eq!(open.staged_changes(Some(&head)).unwrap().len(), paths.len());
    for path in &paths {
        fs::remove_file(repo.top.join(path.as_path())).unwrap();
    }
    open.stage(&paths).unwrap();
    assert!(open.index(IndexScope::All).unwrap().is_empty());
}

#[test]
fn kinds_of_staged_changes() {
    let repo = TestRepo::new();
    assert!(repo.open().staged_changes(None).unwrap().is_empty());
    let one =
        repo.file("kept", "k").file("mod", "m").file("type", "t").file("gone", "g").commit("one");
    repo.file("mod", "mm").file("new", "n").file("moved", "g");
    fs::remove_file(repo.top.join("type")).unwrap();
    std::os::unix::fs::symlink("kept", repo.top.join("type")).unwrap();
    fs::remove_file(repo.top.join("gone")).unwrap();
    repo.git(&["add", "-A"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{one},module")]);
    repo.git(&["update-index", "--chmod=+x", "kept"]);
    repo.file("meant", "later");
    repo.git(&["add", "-N", "meant"]);
    repo.git(&["config", "diff.renames", "copies"]);
    let open = repo.open();
    let changes = open.staged_changes(Some(&one)).unwrap();
    let words = ["D gone", "M kept", "M mod", "A module", "A moved", "A new", "T type"];
    assert_eq!(shown(&changes), words);
    assert_eq!(changes[1].new.unwrap().mode, 0o100_755);
    assert_eq!(changes[3].new.unwrap().mode, 0o160_000);
    assert_eq!(changes[6].new.unwrap().mode, 0o120_000);
    // Everything counts when there is nothing to compare with.
    assert_eq!(open.staged_changes(None).unwrap().len(), 6);
}

#[test]
fn an_unmerged_path_has_no_sides() {
    let repo = TestRepo::new();
    repo.file("x", "1").commit("one");
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.file("x", "2").commit("two");
    repo.git(&["checkout", "-q", "main"]);
    let head = repo.file("x", "3").commit("three");
    assert!(!repo.try_git(&repo.top, &["merge", "-q", "side"]).0);
    let open = repo.open();
    assert_eq!(shown(&open.staged_changes(Some(&head)).unwrap()), ["U x"]);
    let stages: Vec<u8> =
        open.index(IndexScope::All).unwrap().iter().map(|entry| entry.stage).collect();
    assert_eq!(stages, [1, 2, 3]);
}

#[test]
fn scopes_of_the_index() {
    let repo = TestRepo::new();
    for name in ["a/x", "a/b/y", "a/*", "ab/z", "a.txt", "c"] {
        repo.file(name, name);
    }
    repo.commit("one");
    let open = repo.open();
    let list = |scope: IndexScope<'_>| -> Vec<String> {
        open.index(scope).unwrap().iter().map(|entry| entry.path.to_string()).collect()
    };
    assert_eq!(list(IndexScope::Folder("a")), ["a/*", "a/b/y", "a/x"]);
    assert_eq!(list(IndexScope::Paths(&[path("a"), path("c"), path("a/*")])), ["a/*", "c"]);
    assert!(list(IndexScope::Paths(&[])).is_empty());
    let many: Vec<RepoPath> =
        (0..5000).map(|n| path(format!("none/{n}"))).chain([path("ab/z")]).collect();
    assert_eq!(list(IndexScope::Paths(&many)), ["ab/z"]);
    let specs = |cwd: &str, specs: &[&str]| {
        let specs: Vec<OsString> = specs.iter().map(OsString::from).collect();
        list(IndexScope::Pathspecs { cwd: &repo.top.join(cwd), specs: &specs })
    };
    assert_eq!(specs("a", &[]), ["a/*", "a/b/y", "a/x"]);
    assert_eq!(specs("a", &["*"]), ["a/*", "a/b/y", "a/x"]);
    assert_eq!(specs("a", &[":(literal)*"]), ["a/*"]);
    assert_eq!(specs("a/b", &["../x", ":/c"]), ["a/x", "c"]);
    assert_eq!(specs("", &["*.txt", ":!a"]), ["a.txt"]);
}

#[test]
fn flags_of_the_index() {
    let repo = TestRepo::new();
    repo.file("assumed", "a").file("skipped", "s").file("plain", "").commit("one");
    repo.git(&["update-index", "--assume-unchanged", "assumed"]);
    repo.git(&["update-index", "--skip-worktree", "skipped"]);
    repo.file("meant", "m");
    repo.git(&["add", "-N", "meant"]);
    let flags: Vec<_> = repo
        .open()
        .index(IndexScope::All)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.path.to_string(), entry.flag))
        .collect();
    let expected = [
        ("assumed", IndexFlag::AssumeUnchanged),
        ("meant", IndexFlag::IntentToAdd),
        ("plain", IndexFlag::Plain),
        ("skipped", IndexFlag::SkipWorktree),
    ];
    assert_eq!(flags, expected.map(|(name, flag)| (name.to_owned(), flag)));
}
