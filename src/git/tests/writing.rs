//! Staging, and noticing when git did not.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use crate::error::Error;
use crate::git::testing::{TestRepo, path};
use crate::git::{Bytes, IndexScope, Repository, sha1_blob};
use crate::model::RepoPath;

fn is_git_error(result: Result<(), Error>, word: &str) {
    match result {
        Err(Error::Git { detail, .. }) => assert!(detail.contains(word), "{detail}"),
        other => panic!("{other:?}"),
    }
}

fn staged(open: &Repository) -> Vec<String> {
    let head = open.head().unwrap();
    let changes = open.staged_changes(head.as_ref()).unwrap();
    changes.iter().map(|change| change.path.to_string()).collect()
}

#[test]
fn files_links_modes_and_removals() {
    let repo = TestRepo::new();
    repo.file("gone", "g").file("folder", "f").file("same", "s").file("run", "r").commit("one");
    fs::remove_file(repo.top.join("gone")).unwrap();
    fs::remove_file(repo.top.join("folder")).unwrap();
    repo.file("folder/in", "i").file("new", "n").file("left", "l");
    fs::set_permissions(repo.top.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("nowhere", repo.top.join("link")).unwrap();
    let open = repo.open();
    let paths: Vec<RepoPath> =
        ["gone", "folder", "folder/in", "same", "run", "new", "link", "never"].map(path).to_vec();
    open.stage(&paths).unwrap();
    assert_eq!(staged(&open), ["folder", "folder/in", "gone", "link", "new", "run"]);
    open.stage(&[]).unwrap();
    let hashes = open.clean_hashes(&["link", "same", "new"].map(path)).unwrap();
    assert_eq!(hashes, [b"nowhere".as_slice(), b"s", b"n"].map(sha1_blob));
    assert!(matches!(open.clean_hashes(&[path("gone")]), Err(Error::Io { .. })));
    assert!(matches!(open.clean_hashes(&[path("folder")]), Err(Error::Refused { .. })));
}

#[test]
fn filters_are_run() {
    let repo = TestRepo::new();
    repo.file(".gitattributes", "*.txt text=auto eol=crlf\n*.up filter=up\n").commit("one");
    repo.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
    repo.file("x.txt", "a\r\nb\r\n").file("y.up", "abc");
    let open = repo.open();
    let paths = [path("x.txt"), path("y.up")];
    open.stage(&paths).unwrap();
    let hashes = [sha1_blob(b"a\nb\n"), sha1_blob(b"ABC")];
    assert_eq!(open.clean_hashes(&paths).unwrap(), hashes);
    let index: Vec<_> =
        open.index(IndexScope::Paths(&paths)).unwrap().iter().map(|entry| entry.oid).collect();
    assert_eq!(index, hashes);
}

#[test]
fn carriage_returns_that_the_index_had_are_kept() {
    let repo = TestRepo::new();
    repo.file("x", "a\r\n").commit("one");
    repo.git(&["config", "core.autocrlf", "true"]);
    repo.file("x", "a\r\nb\r\n");
    repo.open().stage(&[path("x")]).unwrap();
}

#[test]
fn nothing_staged_is_noticed() {
    let repo = TestRepo::new();
    repo.file("assumed", "a").file("skipped", "s").commit("one");
    repo.git(&["update-index", "--assume-unchanged", "assumed"]);
    repo.git(&["update-index", "--skip-worktree", "skipped"]);
    repo.file("assumed", "changed").file("skipped", "changed");
    let open = repo.open();
    is_git_error(open.stage(&[path("assumed")]), "`assumed`");
    is_git_error(open.stage(&[path("skipped")]), "`skipped`");
}

#[test]
fn what_git_refuses_is_an_error_and_stages_nothing() {
    let repo = TestRepo::new();
    repo.file("real/x", "x").commit("one");
    std::os::unix::fs::symlink("real", repo.top.join("link")).unwrap();
    repo.file("good", "g");
    let open = repo.open();
    is_git_error(open.stage(&[path("good"), path("link/x")]), "link/x");
    assert!(staged(&open).is_empty());
    is_git_error(open.stage(&[path(".git/config")]), ".git/config");
    assert!(staged(&open).is_empty());
    let mut fifo = std::process::Command::new("mkfifo");
    if fifo.arg(repo.top.join("fifo")).status().is_ok_and(|status| status.success()) {
        is_git_error(open.stage(&[path("fifo")]), "fifo");
        assert!(matches!(open.clean_hashes(&[path("fifo")]), Err(Error::Refused { .. })));
    }
}

#[test]
fn a_held_index_is_named() {
    let repo = TestRepo::new();
    repo.file("x", "x").commit("one");
    let lock = repo.top.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    repo.file("x", "y");
    let open = repo.open();
    let held = |result| matches!(result, Err(Error::Locked { path }) if path == lock);
    assert!(held(open.stage(&[path("x")])));
    assert!(held(open.stage_entries(&[(path("x"), None)])));
    // Reading goes on.
    assert!(staged(&open).is_empty());
    assert_eq!(open.index(IndexScope::All).unwrap().len(), 1);
}

#[test]
fn a_short_hold_is_waited_for() {
    let repo = TestRepo::new();
    repo.file("x", "x").commit("one");
    let lock = repo.top.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    repo.file("x", "y");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(60));
            fs::remove_file(&lock).unwrap();
        });
        repo.open().stage(&[path("x")]).unwrap();
    });
}

#[test]
fn exact_entries() {
    let repo = TestRepo::new();
    repo.file("x", "x").file("y", "y").file("w", "w").commit("one");
    repo.git(&["update-index", "--assume-unchanged", "x"]);
    let open = repo.open();
    let oid = open.write_blob(b"other").unwrap();
    let entries = [
        (path("x"), Some((0o100_755, oid))),
        (path("y"), None),
        (path("a\n\tb"), Some((0o100_644, oid))),
        (path("never"), None),
    ];
    open.stage_entries(&entries).unwrap();
    open.stage_entries(&[]).unwrap();
    let index = open.index(IndexScope::All).unwrap();
    let shown: Vec<_> =
        index.iter().map(|entry| (entry.path.to_string(), entry.mode, entry.oid)).collect();
    let expected = [
        ("a%0A%09b".to_owned(), 0o100_644, oid),
        ("w".to_owned(), 0o100_644, sha1_blob(b"w")),
        ("x".to_owned(), 0o100_755, oid),
    ];
    assert_eq!(shown, expected);
    assert!(open.stage_entries(&[(path(".git/x"), Some((0o100_644, oid)))]).is_err());
}

#[test]
fn a_sparse_index_loses_nothing() {
    let repo = TestRepo::new();
    for name in ["in/a", "out/x/a", "out/x/b", "out/y", "far/z"] {
        repo.file(name, name);
    }
    let head = repo.commit("one");
    repo.git(&["config", "advice.sparseIndexExpanded", "false"]);
    repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "in"]);
    let open = repo.open();
    assert_eq!(open.index(IndexScope::All).unwrap().len(), 5);
    let oid = open.write_blob(b"new").unwrap();
    let entries = [
        (path("out/x/a"), None),
        (path("out/x/new"), Some((0o100_644, oid))),
        (path("other/q"), Some((0o100_644, oid))),
        (path("out/y"), Some((0o100_644, oid))),
    ];
    open.stage_entries(&entries).unwrap();
    repo.file("evidence/s", "segment").file("in/a", "changed");
    open.stage(&[path("evidence/s"), path("in/a")]).unwrap();
    assert_eq!(staged(&open), ["evidence/s", "in/a", "other/q", "out/x/a", "out/x/new", "out/y"]);
    repo.git(&["commit", "-q", "-m", "two"]);
    assert_eq!(open.tree_changes(Some(&head), &repo.oid("HEAD")).unwrap().len(), 6);
    assert_eq!(repo.git(&["fsck", "--no-dangling", "--no-progress"]), "");
}

#[test]
fn many_paths_at_once() {
    let repo = TestRepo::new();
    let paths: Vec<RepoPath> = (0..3000).map(|n| path(format!("some/long/folder/{n}"))).collect();
    for path in &paths {
        repo.file(path.as_bytes(), path.as_bytes());
    }
    let open = repo.open();
    open.stage(&paths).unwrap();
    assert_eq!(open.index(IndexScope::Folder("some/long")).unwrap().len(), paths.len());
}

/// Bytes that come in parts, as if they were too many for memory.
struct Parts(Vec<u8>);

impl Bytes for Parts {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn in_memory(&self) -> Option<&[u8]> {
        None
    }

    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.chunks(1000).try_for_each(|part| out.write_all(part))
    }
}

#[test]
fn bytes_in_parts_are_the_same_blob() {
    for format in ["--object-format=sha1", "--object-format=sha256"] {
        let repo = TestRepo::init(&[format]);
        let open = repo.open();
        for len in [0, 1, 12_345] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let parts = Parts(bytes.clone());
            let expected = open.hash_blob(&bytes).unwrap();
            assert_eq!(open.hash_bytes(&parts).unwrap(), expected);
            assert!(open.blob(&expected).unwrap().is_none());
            assert_eq!(open.write_bytes(&parts).unwrap(), expected);
            assert_eq!(open.blob(&expected).unwrap(), Some(bytes));
        }
    }
}

#[test]
fn conversions_in_parts_are_the_same() {
    let repo = TestRepo::new();
    repo.file(".gitattributes", "*.up filter=up\n").commit("one");
    repo.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
    repo.git(&["config", "filter.up.smudge", "tr A-Z a-z"]);
    let open = repo.open();
    let scratch = repo.top.join(".git");
    let name = path(".gitattributes");
    let as_if = open.as_if(&scratch, [(&name, &b"*.up filter=up\n"[..])]).unwrap();
    let upper = open.write_bytes(&Parts(b"ABC".repeat(999))).unwrap();
    let mut lower = Vec::new();
    as_if.smudged(&path("x.up"), &upper, &mut lower).unwrap();
    assert_eq!(lower, b"abc".repeat(999));
    assert_eq!(as_if.cleaned(&path("x.up"), &Parts(lower)).unwrap(), upper);
}
