//! Where a push leaves what the remote has, found in this process and held against git's answer.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::git::testing::TestRepo;
use crate::git::{Known, Repository};
use crate::model::GitOid;

/// A made-up commit: the distances back to its parents among those before it, and its time.
type Made = (Vec<usize>, i64);

/// A history whose last commit is pushed, and which of its commits the remote has: by the ref that is
/// pushed to, and by its tracking branches.
type Push = (Vec<Made>, Option<usize>, Vec<usize>);

fn pushes() -> impl Strategy<Value = Push> {
    let parents = prop_oneof![
        1 => Just(vec![]),
        9 => Just(vec![1]),
        3 => Just(vec![2]),
        1 => Just(vec![3]),
        1 => Just(vec![1, 3]),
    ];
    let commit = (parents, -1i64..2);
    (
        prop::collection::vec(commit, 1..9),
        prop::option::of(0usize..9),
        prop::collection::vec(0usize..9, 0..3),
    )
}

/// Writes the commits, at times that only ascend, or as they come.
fn write(open: &Repository, made: &[Made], in_order: bool) -> Vec<GitOid> {
    let odb = open.library().unwrap().odb().unwrap();
    let tree = odb.write(git2::ObjectType::Tree, b"").unwrap();
    let mut oids: Vec<GitOid> = Vec::new();
    let mut time = 1_700_000_000;
    for (at, (parents, step)) in made.iter().enumerate() {
        time += if in_order { (*step).max(0) } else { 10 * step };
        let mut text = format!("tree {tree}\n");
        for back in parents.iter().filter(|back| **back <= at) {
            text += &format!("parent {}\n", oids[at - back]);
        }
        // The number keeps apart what would be one commit else.
        let who = format!("A <a@b> {time} +0000");
        text += &format!("author {who}\ncommitter {who}\n\ncommitter {at}\n");
        let oid = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
        oids.push(GitOid::from_slice(oid.as_bytes()).unwrap());
    }
    oids
}

/// The commit `at` and all before it.
fn closure(made: &[Made], at: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![at];
    while let Some(at) = waiting.pop() {
        if seen.insert(at) {
            waiting.extend(made[at].0.iter().filter(|back| **back <= at).map(|back| at - back));
        }
    }
    seen
}

fn check(
    repo: &TestRepo,
    open: &Repository,
    push: &Push,
    in_order: bool,
) -> Result<(), TestCaseError> {
    let (made, had, tracked) = push;
    let oids = write(open, made, in_order);
    let had = had.map(|at| at % made.len());
    let folder = repo.top.join(".git/refs/remotes/origin/deep");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut known = BTreeSet::new();
    for (n, at) in tracked.iter().map(|at| at % made.len()).enumerate() {
        fs::write(folder.join(n.to_string()), format!("{}\n", oids[at])).unwrap();
        known.extend(closure(made, at));
    }
    known.extend(had.iter().flat_map(|at| closure(made, *at)));
    let (tip, had) = (oids[made.len() - 1], had.map(|at| oids[at]));
    let Some(bases) = open.base_of_few(&tip, had, Some("origin")) else { return Ok(()) };
    // Nothing is passed over that the remote does not have.
    for base in &bases {
        let at = oids.iter().position(|oid| oid == base).unwrap();
        prop_assert!(known.contains(&at) && closure(made, made.len() - 1).contains(&at));
    }
    if in_order {
        let gits = open.outgoing_bases_by_git(&tip, had.as_ref(), Known::Remote("origin")).unwrap();
        prop_assert_eq!(bases, gits);
    }
    Ok(())
}

#[test]
fn whatever_is_pushed_git_finds_the_same_base() {
    let repo = TestRepo::new();
    let open = repo.open();
    let config = ProptestConfig { cases: 300, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&pushes(), |push| check(&repo, &open, &push, true));
    checked.unwrap();
}

#[test]
fn times_that_lie_leave_nothing_unjudged() {
    let repo = TestRepo::new();
    let open = repo.open();
    let config = ProptestConfig { cases: 300, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&pushes(), |push| check(&repo, &open, &push, false));
    checked.unwrap();
}

/// A repository with commits in a row, a minute apart.
fn row(commits: usize) -> (TestRepo, Vec<GitOid>) {
    let repo = TestRepo::new();
    let made: Vec<Made> = (0..commits).map(|n| (vec![1; n.min(1)], 60)).collect();
    let oids = write(&repo.open(), &made, true);
    (repo, oids)
}

#[test]
fn commits_in_a_row_need_no_git() {
    let (repo, oids) = row(5);
    let open = repo.open();
    let tip = oids[4];
    let base = |had: Option<GitOid>, remote: Option<&str>| open.base_of_few(&tip, had, remote);
    assert_eq!(base(Some(oids[1]), None), Some(vec![oids[1]]));
    assert_eq!(base(Some(tip), Some("origin")), Some(vec![tip]));
    assert_eq!(base(None, Some("origin")), Some(vec![]));
    // The nearest of several counts; another remote's, and a symbolic ref to nothing, do not.
    repo.git(&["update-ref", "refs/remotes/origin/a/b", &oids[1].to_string()]);
    repo.git(&["update-ref", "refs/remotes/origin/c", &oids[2].to_string()]);
    repo.git(&["pack-refs", "--all"]);
    repo.git(&["update-ref", "refs/remotes/origin2/c", &oids[3].to_string()]);
    repo.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    assert_eq!(base(Some(oids[0]), Some("origin")), Some(vec![oids[2]]));
    repo.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin2/c"]);
    assert_eq!(base(Some(oids[0]), Some("origin")), Some(vec![oids[3]]));
}

#[test]
fn a_branch_beside_the_commits_is_no_base() {
    let repo = TestRepo::new();
    // The third branches off from the first, as late as the last.
    let made = vec![(vec![], 60), (vec![1], 60), (vec![2], 60), (vec![2], 0)];
    let open = repo.open();
    let oids = write(&open, &made, true);
    repo.git(&["update-ref", "refs/remotes/origin/other", &oids[2].to_string()]);
    assert_eq!(open.base_of_few(&oids[3], Some(oids[0]), Some("origin")), Some(vec![oids[0]]));
    // What is on the remote under another name, inside a branch, only git sorts out.
    let made = vec![(vec![], 60), (vec![1], 60), (vec![1], 60), (vec![2], 60)];
    let oids = write(&open, &made, true);
    repo.git(&["update-ref", "refs/remotes/origin/other", &oids[2].to_string()]);
    assert_eq!(open.base_of_few(&oids[3], Some(oids[0]), Some("origin")), None);
    let known = Known::Remote("origin");
    assert_eq!(open.outgoing_bases(&oids[3], Some(&oids[0]), known).unwrap(), [oids[1]]);
}

#[test]
fn altered_and_long_histories_are_left_to_git() {
    let (repo, oids) = row(5);
    let open = repo.open();
    let base = || open.base_of_few(&oids[4], Some(oids[0]), None);
    assert!(base().is_some());
    for name in ["shallow", "info/grafts"] {
        let file = repo.top.join(".git").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("{}\n", oids[2])).unwrap();
        assert_eq!(base(), None, "{name}");
        fs::remove_file(file).unwrap();
    }
    assert!(base().is_some());
    let (repo, oids) = row(600);
    let open = repo.open();
    assert!(open.base_of_few(&oids[400], Some(oids[0]), None).is_some());
    assert_eq!(open.base_of_few(&oids[599], Some(oids[0]), None), None);
    assert_eq!(open.outgoing_bases(&oids[599], Some(&oids[0]), Known::Nothing).unwrap(), [oids[0]]);
    // As many refs as git finds its way through more quickly.
    let many: String = (0..5000).map(|n| format!("{} refs/tags/{n}\n", oids[0])).collect();
    fs::write(repo.top.join(".git/packed-refs"), many).unwrap();
    assert_eq!(open.base_of_few(&oids[1], Some(oids[0]), Some("origin")), None);
    let known = Known::Remote("origin");
    assert_eq!(open.outgoing_bases(&oids[1], Some(&oids[0]), known).unwrap(), [oids[0]]);
}
