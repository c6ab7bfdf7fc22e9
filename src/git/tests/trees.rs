//! Trees compared in this process, held against git's own comparison.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::git::Repository;
use crate::git::testing::TestRepo;
use crate::model::GitOid;

/// What stands in a folder, by name.
type Folder = BTreeMap<&'static [u8], Node>;

#[derive(Debug, Clone, PartialEq)]
enum Node {
    File(&'static str, u8),
    Folder(Folder),
}

/// Names that sort differently as files and as folders, and odd ones.
const NAMES: [&[u8]; 7] = [b"a", b"a.b", b"a-", b"a0", b"z", b"\xff \"\n", "\u{e9}".as_bytes()];
/// All that git writes, and two that it wrote once.
const MODES: [&str; 6] = ["100644", "100755", "120000", "160000", "100664", "100600"];

fn write(repository: &Repository, kind: git2::ObjectType, bytes: &[u8]) -> GitOid {
    let oid = repository.library().unwrap().odb().unwrap().write(kind, bytes).unwrap();
    GitOid::from_slice(oid.as_bytes()).unwrap()
}

fn line(mode: &str, name: &[u8], oid: &GitOid) -> Vec<u8> {
    [mode.as_bytes(), b" ", name, b"\0", oid.as_bytes()].concat()
}

fn write_folder(repository: &Repository, folder: &Folder) -> GitOid {
    let mut lines: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (name, node) in folder {
        lines.push(match node {
            Node::File(mode, content) => {
                (name.to_vec(), line(mode, name, &GitOid::from_slice(&[*content; 20]).unwrap()))
            }
            Node::Folder(inner) => {
                let oid = write_folder(repository, inner);
                ([name, b"/".as_slice()].concat(), line("40000", name, &oid))
            }
        });
    }
    lines.sort();
    let bytes: Vec<u8> = lines.into_iter().flat_map(|(_, line)| line).collect();
    write(repository, git2::ObjectType::Tree, &bytes)
}

fn folders() -> impl Strategy<Value = Folder> {
    let name = prop::sample::select(NAMES.to_vec());
    let file = (prop::sample::select(MODES.to_vec()), 1u8..4)
        .prop_map(|(mode, content)| Node::File(mode, content));
    let node = file.prop_recursive(3, 24, 4, move |inner| {
        prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), inner, 1..4)
            .prop_map(Node::Folder)
    });
    prop::collection::btree_map(name, node, 0..6)
}

/// A folder, and what became of it: each name is kept, gone, or of another folder.
fn two_folders() -> impl Strategy<Value = (Folder, Folder)> {
    let fates = prop::collection::vec(0u8..4, NAMES.len());
    (folders(), folders(), fates).prop_map(|(old, other, fates)| {
        let chosen = NAMES.iter().zip(fates).filter_map(|(name, fate)| {
            let node = match fate {
                0 | 1 => old.get(name),
                2 => other.get(name),
                _ => None,
            };
            Some((*name, node?.clone()))
        });
        let new = chosen.collect();
        (old, new)
    })
}

#[test]
fn whatever_two_trees_hold_git_says_the_same() {
    let repo = TestRepo::new();
    let open = repo.open();
    let config = ProptestConfig { cases: 150, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&two_folders(), |(old, new)| {
        let (old, new) = (write_folder(&open, &old), write_folder(&open, &new));
        for base in [Some(&old), None] {
            let ours = open.compare_trees(base, &new);
            prop_assert_eq!(ours, Some(open.tree_changes_by_git(base, &new).unwrap()));
        }
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn commits_are_compared_by_their_trees_and_tags_by_git() {
    let repo = TestRepo::new();
    let one = repo.file("a/x", "1").file("b", "b").commit("one");
    let two = repo.file("a/x", "2").file("b", "b").commit("two");
    repo.git(&["tag", "-a", "-m", "t", "v1", &one.to_string()]);
    let open = repo.open();
    let expected = open.tree_changes_by_git(Some(&one), &two).unwrap();
    assert_eq!(expected.len(), 1);
    assert_eq!(open.compare_trees(Some(&one), &two).as_ref(), Some(&expected));
    let trees = [one, two].map(|commit| open.tree_of(&commit).unwrap());
    assert_eq!(open.compare_trees(Some(&trees[0]), &trees[1]).as_ref(), Some(&expected));
    let tag = repo.oid("v1");
    assert_eq!(open.compare_trees(Some(&tag), &two), None);
    assert_eq!(open.tree_changes(Some(&tag), &two).unwrap(), expected);
}

#[test]
fn replaced_trees_do_not_count() {
    let repo = TestRepo::new();
    let one = repo.file("x", "1").commit("one");
    let two = repo.file("x", "2").commit("two");
    let open = repo.open();
    let [old, new] = [one, two].map(|commit| open.tree_of(&commit).unwrap().to_string());
    repo.git(&["replace", &new, &old]);
    assert_eq!(repo.git(&["diff-tree", "-r", &old, &new]), "");
    assert_eq!(repo.open().compare_trees(Some(&one), &two).unwrap().len(), 1);
    assert_eq!(repo.open().tree_changes_by_git(Some(&one), &two).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_here_is_left_to_git() {
    let repo = TestRepo::new();
    let one = repo.file("a/x", "1").commit("one");
    let two = repo.file("a/x", "2").file("b/x", "b").commit("two");
    let tree = repo.git(&["rev-parse", "HEAD:b"]);
    fs::remove_file(repo.top.join(format!(".git/objects/{}/{}", &tree[..2], &tree[2..]))).unwrap();
    let open = repo.open();
    assert_eq!(open.compare_trees(Some(&one), &two), None);
    assert!(open.tree_changes(Some(&one), &two).is_err());

    let repo = TestRepo::init(&["--object-format=sha256"]);
    let one = repo.file("x", "1").commit("one");
    let two = repo.file("x", "2").commit("two");
    assert_eq!(repo.open().compare_trees(Some(&one), &two), None);
    assert_eq!(repo.open().tree_changes(Some(&one), &two).unwrap().len(), 1);
}

#[test]
fn a_tree_in_another_order_is_left_to_git() {
    let repo = TestRepo::new();
    let open = repo.open();
    let blob = GitOid::from_slice(&[1; 20]).unwrap();
    let tree = |names: &[&[u8]]| {
        let lines: Vec<_> = names.iter().map(|name| line("100644", name, &blob)).collect();
        write(&open, git2::ObjectType::Tree, &lines.concat())
    };
    let good = tree(&[b"a", b"b"]);
    assert!(open.compare_trees(None, &good).is_some());
    for bad in [tree(&[b"b", b"a"]), tree(&[b"a", b"a"])] {
        assert_eq!(open.compare_trees(Some(&good), &bad), None);
        assert_eq!(open.compare_trees(Some(&bad), &good), None);
    }
}

#[test]
fn folders_may_lie_deep_in_each_other() {
    let repo = TestRepo::new();
    let open = repo.open();
    let mut oid = GitOid::from_slice(&[1; 20]).unwrap();
    let mut mode = "100644";
    for _ in 0..20_000 {
        oid = write(&open, git2::ObjectType::Tree, &line(mode, b"d", &oid));
        mode = "40000";
    }
    let changes = open.compare_trees(None, &oid).unwrap();
    assert_eq!(changes[0].path.as_bytes().len(), 2 * 20_000 - 1);
}
