//! What a hold holds: each scope, and what is near it.

use std::collections::BTreeMap;

use crate::model::{
    DeedId, Digest, FileMode, GitOid, Hold, HoldScope, Item, ItemKind, ItemState, Reason,
    RepoLabel, RepoPath, TombstoneId,
};
use crate::policy::holds::{check_pattern, fits};

fn item(path: &str) -> Item {
    let path = RepoPath::new(path.as_bytes()).unwrap();
    let sha256 = Digest::of(b"x");
    let label = RepoLabel::new("r").unwrap();
    Item {
        row_id: 1,
        artifact_row_id: 1,
        tombstone: TombstoneId::derive(&label, &path, &sha256),
        repo: "r".to_owned(),
        path,
        sha256,
        size_bytes: 1,
        compressed_size: 1,
        mode: FileMode::Regular,
        git_blob: GitOid::from_slice(&[1; 20]).unwrap(),
        reason: Reason::Dead,
        commit_sha: String::new(),
        kind: ItemKind::Code,
        language: None,
        archived_by: "a".to_owned(),
        archived_at: String::new(),
        state: ItemState::Archived,
        restricted: false,
        delete_after: None,
        prune_requested: false,
        holds: Vec::new(),
        tags: vec!["billing".to_owned(), "eu".to_owned()],
        metadata: BTreeMap::new(),
    }
}

fn hold(scope: HoldScope, pattern: &str) -> Hold {
    Hold {
        row_id: 1,
        deed: DeedId::random(),
        repo: "r".to_owned(),
        scope,
        pattern: pattern.to_owned(),
        case_id: "LIT-7".to_owned(),
        reason: "litigation".to_owned(),
        set_by: "ann".to_owned(),
        set_at: String::new(),
        released_at: None,
    }
}

#[test]
fn each_scope_holds_what_it_names_and_nothing_near_it() {
    let item = item("src/billing/pay.py");
    let (id, digest) = (item.tombstone.to_string(), item.sha256.to_string());
    for (scope, pattern, expected) in [
        (HoldScope::Item, id.as_str(), true),
        (HoldScope::Item, &id[..8], false),
        (HoldScope::Item, &digest, false),
        (HoldScope::Sha256, &digest, true),
        (HoldScope::Sha256, &digest[..32], false),
        (HoldScope::Sha256, &id, false),
        (HoldScope::Tag, "billing", true),
        (HoldScope::Tag, "eu", true),
        (HoldScope::Tag, "bill", false),
        (HoldScope::Tag, "src/billing/pay.py", false),
        (HoldScope::Path, "src/billing/pay.py", true),
        (HoldScope::Path, "billing", false),
    ] {
        let hold = hold(scope, pattern);
        assert_eq!(fits(&hold, &item), expected, "{scope} {pattern}");
        let released = Hold { released_at: Some("2026-11-21T09:00:00.000Z".to_owned()), ..hold };
        assert!(!fits(&released, &item), "{scope} {pattern}, released");
    }
}

#[test]
fn patterns_stay_within_a_folder_unless_they_say_otherwise() {
    for (pattern, path, expected) in [
        ("src/*", "src/a.py", true),
        ("src/*", "src/deep/a.py", false),
        ("src/**", "src/deep/er/a.py", true),
        ("src/**", "srcs/a.py", false),
        ("**/a.py", "src/deep/a.py", true),
        ("**/a.py", "a.py", true),
        ("*.py", "a.py", true),
        ("*.py", "src/a.py", false),
        ("src/?.py", "src/a.py", true),
        ("src/?.py", "src/ab.py", false),
        ("src?a.py", "src/a.py", false),
        ("src/[ab].py", "src/b.py", true),
        ("src/{a,b}.py", "src/b.py", true),
        ("SRC/a.py", "src/a.py", false),
    ] {
        let hold = hold(HoldScope::Path, pattern);
        assert_eq!(fits(&hold, &item(path)), expected, "{pattern} {path}");
    }
}

#[test]
fn a_path_is_held_in_its_own_repository() {
    let item = item("src/a.py");
    let (id, digest) = (item.tombstone.to_string(), item.sha256.to_string());
    for (repo, expected) in [("r", true), ("", true), ("q", false)] {
        let hold = Hold { repo: repo.to_owned(), ..hold(HoldScope::Path, "src/*") };
        assert_eq!(fits(&hold, &item), expected, "{repo}");
    }
    // What names one item, its content or a tag is meant wherever that is.
    for (scope, pattern) in
        [(HoldScope::Item, id.as_str()), (HoldScope::Sha256, &digest), (HoldScope::Tag, "eu")]
    {
        let hold = Hold { repo: "q".to_owned(), ..hold(scope, pattern) };
        assert!(fits(&hold, &item), "{scope}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_and_holds_nothing() {
    let long = "a".repeat(1025);
    for wrong in ["", "/src/**", "../a", "src/../a", "a\nb", "src/[a", "src/{a", &long] {
        assert!(check_pattern(wrong).is_err(), "{wrong}");
        assert!(!fits(&hold(HoldScope::Path, wrong), &item("src/a.py")), "{wrong}");
    }
    assert!(check_pattern(&long[..1024]).is_ok());
    assert!(check_pattern("src/..a").is_ok());
}
