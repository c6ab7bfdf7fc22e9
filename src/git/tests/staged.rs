//! The comparison of the index in this process, held against git's.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::git::Change;
use crate::git::testing::TestRepo;

/// Both answers: ours where it has one, and git's.
fn both(repo: &TestRepo) -> (Option<Vec<Change>>, Vec<Change>) {
    let open = repo.open();
    let head = open.head().unwrap();
    let file = open.git_dir().join("index");
    let ours = open.compare_cached_trees(&file, head.as_ref()).unwrap();
    let mut gits = open.staged_changes(head.as_ref()).unwrap();
    gits.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(open.staged_since_head(None).unwrap(), gits);
    (ours, gits)
}

#[track_caller]
fn agree(repo: &TestRepo) -> usize {
    let (ours, gits) = both(repo);
    assert_eq!(ours.as_ref(), Some(&gits));
    gits.len()
}

/// A repository with folders in folders, and names that sort differently as files and as folders.
fn with_folders(options: &[&str]) -> TestRepo {
    let repo = TestRepo::init(options);
    for name in ["a/b/x", "a/b/y", "a/c", "a.b", "a0/x", "b/x", "z"] {
        repo.file(name, name);
    }
    repo.commit("one");
    repo
}

#[test]
fn nothing_and_everything_staged() {
    let repo = TestRepo::new();
    assert_eq!(both(&repo), (None, vec![]));
    repo.file("x", "x");
    repo.git(&["add", "x"]);
    assert_eq!(agree(&repo), 1);
    repo.commit("one");
    assert_eq!(agree(&repo), 0);
    repo.git(&["rm", "-q", "--cached", "x"]);
    assert_eq!(agree(&repo), 1);
}

#[test]
fn a_folder_for_a_file_and_a_file_for_a_folder() {
    let repo = with_folders(&[]);
    repo.git(&["rm", "-qr", "a", "z"]);
    repo.file("a", "a").file("z/x", "x").file("a0/x", "changed");
    repo.git(&["add", "-A"]);
    assert_eq!(agree(&repo), 7);
}

#[test]
fn what_is_not_in_gits_plain_index_is_left_to_git() {
    let repo = with_folders(&[]);
    repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "b"]);
    repo.file("b/x", "changed");
    repo.git(&["add", "b/x"]);
    let (ours, gits) = both(&repo);
    assert_eq!((ours, gits.len()), (None, 1));

    let repo = with_folders(&["--object-format=sha256"]);
    assert_eq!(both(&repo), (None, vec![]));

    let repo = with_folders(&[]);
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.file("z", "1").commit("two");
    repo.git(&["checkout", "-q", "main"]);
    repo.file("z", "2").commit("three");
    assert!(!repo.try_git(&repo.top, &["merge", "-q", "side"]).0);
    let (ours, gits) = both(&repo);
    assert_eq!((ours, gits.len()), (None, 1));

    let repo = with_folders(&[]);
    let index = repo.open().git_dir().join("index");
    let bytes = fs::read(&index).unwrap();
    fs::write(&index, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(repo.open().compare_cached_trees(&index, None).unwrap(), None);
    assert!(repo.open().staged_since_head(None).is_err());
}

#[test]
fn split_and_packed_indexes() {
    for setting in [["core.splitIndex", "true"], ["index.version", "4"], ["index.skipHash", "true"]]
    {
        let repo = with_folders(&[]);
        repo.git(&[&["config"][..], &setting].concat());
        repo.git(&["update-index", "--force-write-index"]);
        repo.file("a/b/x", "changed").file("new/x", "x");
        repo.git(&["add", "-A"]);
        assert_eq!(agree(&repo), 2, "{setting:?}");
    }
}

#[test]
fn another_index_file_is_relative_to_the_top() {
    let repo = with_folders(&[]);
    fs::copy(repo.top.join(".git/index"), repo.top.join(".git/next")).unwrap();
    repo.file("a/c", "changed");
    repo.git(&["add", "a/c"]);
    let open = repo.open();
    assert_eq!(open.staged_since_head(Some(Path::new(".git/next"))).unwrap(), []);
    assert_eq!(open.staged_since_head(None).unwrap().len(), 1);
}

#[test]
fn a_file_mode_of_old_times_is_no_change() {
    let repo = with_folders(&[]);
    let blob = repo.git(&["rev-parse", "HEAD:z"]);
    let raw: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()).collect();
    repo.file("tree", [b"100664 z\0".as_slice(), &raw].concat());
    let tree = repo.git(&["hash-object", "-t", "tree", "--literally", "-w", "tree"]);
    let commit = repo.git(&["commit-tree", "-m", "old", &tree]);
    repo.git(&["update-ref", "HEAD", &commit]);
    repo.git(&["read-tree", &tree]);
    assert_eq!(agree(&repo), 0);
}

/// One thing that people do to an index.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, u8),
    Remove(usize),
    Mode(usize),
    Intend(usize),
    WriteTree,
    Commit,
}

const NAMES: [&str; 10] =
    ["a/b/x", "a/b/y", "a/c", "a.b", "a0/x", "b/x", "z", "new", "a/b/new/x", "b/c/d/e"];

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        4 => (name(), 0u8..3).prop_map(|(name, content)| Step::Write(name, content)),
        2 => name().prop_map(Step::Remove),
        1 => name().prop_map(Step::Mode),
        1 => name().prop_map(Step::Intend),
        1 => Just(Step::WriteTree),
        1 => Just(Step::Commit),
    ]
}

impl Step {
    fn take(&self, repo: &TestRepo) {
        match self {
            Self::Write(name, content) => {
                repo.file(NAMES[*name], [*content]);
                repo.git(&["add", "--", NAMES[*name]]);
            }
            // Some of these names may not be there: then nothing happens.
            Self::Remove(name) => {
                let _ = repo.try_git(&repo.top, &["rm", "-qf", "--", NAMES[*name]]);
            }
            Self::Mode(name) => {
                let _ = repo.try_git(&repo.top, &["update-index", "--chmod=+x", NAMES[*name]]);
            }
            Self::Intend(name) => {
                repo.file(NAMES[*name], "later");
                let _ = repo.try_git(&repo.top, &["add", "-N", "--", NAMES[*name]]);
            }
            // Brings the tree ids in the index up to date; an intent to add may forbid it.
            Self::WriteTree => {
                let _ = repo.try_git(&repo.top, &["write-tree"]);
            }
            Self::Commit => {
                let _ = repo.try_git(&repo.top, &["commit", "-qm", "more"]);
            }
        }
    }
}

proptest! {
    // Each case runs some ten processes.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_staged_git_says_the_same(steps in prop::collection::vec(step(), 1..10)) {
        let repo = with_folders(&[]);
        for step in &steps {
            step.take(&repo);
        }
        agree(&repo);
    }
}
