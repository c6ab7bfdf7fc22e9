//! Finding the repository, its settings and its commits.

use std::fs;

use crate::error::Error;
use crate::git::testing::{TestRepo, path};
use crate::git::{Repository, discover};

#[test]
fn a_work_tree_from_its_top_and_from_below() {
    let repo = TestRepo::new();
    repo.file("sub/deep/x", "x").commit("one");
    for start in ["", "sub/deep"] {
        let open = repo.open_in(&repo.top.join(start), &[]).unwrap().unwrap();
        assert_eq!(open.work_tree(), Some(repo.top.as_path()));
        assert_eq!(open.git_dir(), repo.top.join(".git"));
        assert_eq!(open.common_dir(), repo.top.join(".git"));
        assert_eq!(open.object_format_len(), 20);
    }
}

#[test]
fn a_handle_may_move_to_another_thread() {
    let repo = TestRepo::new();
    let head = repo.commit("one");
    let other = repo.open().reopen().unwrap();
    let found = std::thread::spawn(move || other.head().unwrap()).join().unwrap();
    assert_eq!(found, Some(head));
}

#[test]
fn a_folder_with_an_odd_name() {
    let repo = TestRepo::new();
    let head = repo.file("x", "x").commit("one");
    for (name, options) in [("li\nne\n", &[][..]), ("-q \"ba\nre", &["--bare"][..])] {
        let folder = repo.dir.path().join(name);
        let target = folder.to_str().unwrap();
        repo.git(&[&["clone", "-q"], options, &["--", ".", target]].concat());
        let open = repo.open_in(&folder, &[]).unwrap().unwrap();
        assert_eq!(open.work_tree().is_some(), options.is_empty());
        assert_eq!(open.head().unwrap(), Some(head));
        assert!(open.hooks_folder().unwrap().starts_with(open.common_dir()));
    }
}

#[test]
fn no_repository_is_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Repository::discover(dir.path()).unwrap().is_none());
    assert!(Repository::discover(&dir.path().join("missing")).is_err());
}

#[test]
fn a_broken_repository_is_an_error() {
    let repo = TestRepo::new();
    repo.git(&["config", "extensions.unheardOf", "1"]);
    repo.git(&["config", "core.repositoryFormatVersion", "1"]);
    assert!(matches!(repo.open_in(&repo.top, &[]), Err(Error::Git { .. })));
}

#[test]
fn inside_the_git_folder_and_bare_there_is_no_work_tree() {
    let repo = TestRepo::new();
    let head = repo.file("x", "x").commit("one");
    repo.git(&["clone", "-q", "--bare", ".", "../bare"]);
    let bare = repo.top.with_file_name("bare");
    for start in [repo.top.join(".git"), repo.top.join(".git/refs"), bare] {
        let open = repo.open_in(&start, &[]).unwrap().unwrap();
        assert_eq!(open.work_tree(), None, "{start:?}");
        assert_eq!(open.head().unwrap(), Some(head));
        assert_eq!(open.list_tree(&head, None).unwrap().len(), 1);
        assert_eq!(open.tree_changes(None, &head).unwrap().len(), 1);
        assert!(open.stage(&[path("x")]).is_err());
    }
    // How the hooks of a push run.
    let open = repo.open_in(&repo.top.join(".git"), &[("GIT_DIR", ".")]).unwrap().unwrap();
    assert_eq!(open.work_tree(), None);
}

#[test]
fn linked_work_trees_share_the_common_folder() {
    let repo = TestRepo::new();
    let head = repo.file("x", "x").commit("one");
    repo.git(&["worktree", "add", "-q", "-b", "other", "../linked"]);
    let linked = repo.top.with_file_name("linked");
    let open = repo.open_in(&linked, &[]).unwrap().unwrap();
    assert_eq!(open.work_tree(), Some(linked.as_path()));
    assert_eq!(open.common_dir(), repo.top.join(".git"));
    assert_eq!(open.git_dir(), repo.top.join(".git/worktrees/linked"));
    assert_eq!(open.head().unwrap(), Some(head));
    assert!(open.library().is_some());
    fs::write(linked.join("y"), "y").unwrap();
    open.stage(&[path("y")]).unwrap();
    assert_eq!(open.staged_changes(Some(&head)).unwrap().len(), 1);
    assert_eq!(repo.git(&["diff", "--cached", "--name-only"]), "");
}

#[test]
fn the_environment_counts_and_relative_values_keep_their_meaning() {
    let repo = TestRepo::new();
    let head = repo.file("x", "x").file("sub/y", "y").commit("one");
    let elsewhere = repo.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (start, more) in [
        (&elsewhere, vec![("GIT_DIR", "../top/.git"), ("GIT_WORK_TREE", "../top")]),
        (&repo.top, vec![("GIT_DIR", ".git")]),
        (&repo.top.join("sub"), vec![("GIT_DIR", "../.git"), ("GIT_WORK_TREE", "..")]),
    ] {
        let open = repo.open_in(start, &more).unwrap().unwrap();
        assert_eq!(open.work_tree(), Some(repo.top.as_path()), "{more:?}");
        assert_eq!(open.head().unwrap(), Some(head));
        assert!(open.staged_changes(Some(&head)).unwrap().is_empty(), "{more:?}");
        assert_eq!(open.clean_hashes(&[path("sub/y")]).unwrap().len(), 1);
    }
    // Another index, as `git commit -- x` gives its hooks; relative to the top of the work tree.
    fs::copy(repo.top.join(".git/index"), repo.top.join(".git/next-index")).unwrap();
    repo.file("x", "changed");
    repo.git(&["add", "x"]);
    let more = [("GIT_INDEX_FILE", ".git/next-index")];
    let open = repo.open_in(&repo.top.join("sub"), &more).unwrap().unwrap();
    assert!(open.staged_changes(Some(&head)).unwrap().is_empty());
    assert_eq!(repo.open().staged_changes(Some(&head)).unwrap().len(), 1);
}

#[test]
fn libgit2_answers_only_where_git_would_say_the_same() {
    let repo = TestRepo::new();
    repo.file("sub/x", "x").commit("one");
    let fast = |start: &std::path::Path| {
        discover::accept(git2::Repository::discover(start).unwrap(), start)
    };
    let found = fast(&repo.top).unwrap();
    let slow = repo.open();
    assert_eq!(found.work_tree.as_deref(), slow.work_tree());
    assert_eq!((found.git_dir.as_path(), found.oid_len), (slow.git_dir(), 20));
    assert!(fast(&repo.top.join("sub")).is_none());
    assert!(fast(&repo.top.join(".git")).is_none());
    // In our own folder, whatever that is, both ways agree.
    let here = fs::canonicalize(".").unwrap();
    let both = [Repository::discover(&here).unwrap(), repo.open_in(&here, &[]).unwrap()];
    let tops = both.map(|it| it.map(|it| (it.git_dir().to_owned(), it.common_dir().to_owned())));
    assert_eq!(tops[0], tops[1]);
}

#[test]
fn another_owner_is_told_apart() {
    let repo = TestRepo::new();
    repo.commit("one");
    for folder in [repo.top.clone(), repo.top.join(".git")] {
        if std::os::unix::fs::chown(&folder, Some(4321), Some(4321)).is_err() {
            return; // Only root can give files away.
        }
    }
    let found = repo.open_in(&repo.top, &[]);
    assert!(matches!(&found, Err(Error::UnsafeOwner { path }) if *path == repo.top), "{found:?}");
    // git's word counts, and git heeds this setting where libgit2 does not.
    let config = repo.dir.path().join("config");
    fs::write(&config, "[safe]\n\tdirectory = *\n").unwrap();
    let more = [("GIT_CONFIG_GLOBAL", config.to_str().unwrap())];
    let open = repo.open_in(&repo.top, &more).unwrap().unwrap();
    assert!(open.head().unwrap().is_some());
}

#[test]
fn revisions() {
    let repo = TestRepo::new();
    let open = repo.open();
    assert_eq!(open.head().unwrap(), None);
    let why = |revision: &str| match open.resolve_commit(revision) {
        Err(Error::NotFound { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why("HEAD"), "HEAD has no commit yet");
    let one = repo.file("x", "x").commit("one");
    repo.git(&["tag", "-a", "-m", "t", "v1"]);
    repo.git(&["tag", "-a", "-m", "tt", "v2", "v1"]);
    let two = repo.commit("two: fix");
    assert_eq!(open.head().unwrap(), Some(two));
    for (revision, commit) in [
        ("HEAD", two),
        ("@", two),
        ("main", two),
        ("HEAD~1", one),
        ("v1", one),
        ("v2", one),
        (":/one", one),
        (&one.to_string()[..10], one),
        ("main@{0}", two),
    ] {
        assert_eq!(open.resolve_commit(revision).unwrap(), commit, "{revision}");
    }
    for revision in ["nope", "", "HEAD:x", "HEAD^{tree}", "^main", "HEAD~1..HEAD", "a\nb", "a\0b"] {
        why(revision);
    }
    assert!(why("--all").contains("`-`"));
    repo.git(&["checkout", "-q", "--detach", "HEAD~1"]);
    assert_eq!(open.head().unwrap(), Some(one));
}

#[test]
fn an_empty_branch_file_is_not_an_unborn_branch() {
    let repo = TestRepo::new();
    repo.commit("one");
    fs::write(repo.top.join(".git/refs/heads/main"), "").unwrap();
    assert!(repo.open().head().is_err());
}

#[test]
fn merges_under_way() {
    let repo = TestRepo::new();
    repo.file("x", "1").commit("one");
    repo.git(&["checkout", "-q", "-b", "side"]);
    let side = repo.file("x", "2").commit("two");
    repo.git(&["checkout", "-q", "main"]);
    repo.file("x", "3").commit("three");
    let open = repo.open();
    assert_eq!(open.merge_heads().unwrap(), vec![]);
    assert!(!repo.try_git(&repo.top, &["merge", "-q", "side"]).0);
    assert_eq!(open.merge_heads().unwrap(), vec![side]);
}

#[test]
fn settings_of_files_and_of_the_command_line() {
    let repo = TestRepo::new();
    let open = repo.open();
    assert_eq!(open.setting("codexArchive.url").unwrap(), None);
    open.set_setting("codexArchive.url", "-a\nb").unwrap();
    open.set_setting("codexArchive.url", "-a\nc").unwrap();
    assert_eq!(open.setting("codexArchive.url").unwrap().as_deref(), Some("-a\nc"));
    let more = [("GIT_CONFIG_PARAMETERS", "'codexarchive.url'='over'")];
    let open = repo.open_in(&repo.top, &more).unwrap().unwrap();
    assert_eq!(open.setting("codexArchive.url").unwrap().as_deref(), Some("over"));
    for bad in ["--list", "x", "-x.y"] {
        assert!(open.setting(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_hooks_folder_is_where_git_looks() {
    let repo = TestRepo::new();
    repo.commit("one");
    repo.git(&["worktree", "add", "-q", "../linked"]);
    let open = repo.open_in(&repo.top.with_file_name("linked"), &[]).unwrap().unwrap();
    assert_eq!(open.hooks_folder().unwrap(), repo.top.join(".git/hooks"));
    repo.git(&["config", "core.hooksPath", ".husky/_"]);
    assert_eq!(repo.open().hooks_folder().unwrap(), repo.top.join(".husky/_"));
}

#[test]
fn the_paths_of_an_object() {
    for format in ["--object-format=sha1", "--object-format=sha256"] {
        let repo = TestRepo::init(&[format]);
        repo.file("a", "same").file("b\tc", "same").file("d", "other").commit("one");
        let open = repo.open();
        let oid = |content: &[u8]| open.hash_blob(content).unwrap();
        assert_eq!(open.paths_of(&[oid(b"same")]).unwrap(), [path("a"), path("b\tc")]);
        assert_eq!(open.paths_of(&[oid(b"other"), oid(b"none")]).unwrap(), [path("d")]);
        assert!(open.paths_of(&[]).unwrap().is_empty());
    }
}
