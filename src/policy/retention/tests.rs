//! What retention finds, as cases and as properties.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{Digest, FileMode, GitOid, ItemKind, Reason, RepoLabel, RepoPath, TombstoneId};

const DAY: i64 = 24 * 60 * 60 * 1000;

fn at(day: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_700_000_000_000 + day * DAY)
}

fn item(path: &str, archived: Timestamp) -> Item {
    let path = RepoPath::new(path.as_bytes()).unwrap();
    let sha256 = Digest::of(b"x");
    Item {
        row_id: 1,
        artifact_row_id: 1,
        tombstone: TombstoneId::derive(&RepoLabel::new("r").unwrap(), &path, &sha256),
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
        archived_at: archived.to_string(),
        state: ItemState::Archived,
        restricted: false,
        delete_after: None,
        prune_requested: false,
        holds: Vec::new(),
        tags: Vec::new(),
        metadata: BTreeMap::new(),
    }
}

fn rules(days: Option<u64>, paths: &[&str], tags: &[&str]) -> ItemRules {
    let own = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    ItemRules::new(days, &own(paths), &own(tags)).unwrap()
}

#[test]
fn an_entry_is_too_old_or_one_too_many() {
    use RetentionReason::{Age, ProjectCount};
    let both = MemoryRules { max_age_days: Some(30), max_entries_per_project: Some(2) };
    let mut judge = MemoryJudge::new(both, at(100));
    let mut said = |project, day: i64| judge.judge(project, &at(day).to_string());
    assert_eq!(said(1, 99), []);
    assert_eq!(said(1, 70), [], "thirty days old to the millisecond is kept");
    assert_eq!(said(1, 69), [Age, ProjectCount]);
    assert_eq!(said(2, 80), [], "each project is counted by itself");
    assert_eq!(said(2, 79), []);
    assert_eq!(said(2, 78), [ProjectCount]);
    assert_eq!(judge.judge(2, "last summer"), [], "what cannot be read is kept");
}

#[test]
fn an_item_is_old_since_it_was_archived_last() {
    use RetentionReason::Age;
    let all = rules(Some(10), &[], &[]);
    assert_eq!(all.judge(&item("a", at(0)), at(11)), [Age]);
    assert_eq!(all.judge(&item("a", at(0)), at(10)), [], "ten days to the millisecond");
    assert_eq!(all.judge(&item("a", at(12)), at(11)), [], "archived after the time of judging");
    let gone = Item { state: ItemState::Purged, ..item("a", at(0)) };
    assert_eq!(all.judge(&gone, at(11)), []);
    let restored = Item { state: ItemState::Restored, ..item("a", at(0)) };
    assert_eq!(all.judge(&restored, at(11)), [Age]);
    let odd = Item { archived_at: "yesterday".to_owned(), ..item("a", at(0)) };
    assert_eq!(all.judge(&odd, at(11)), []);
    assert_eq!(rules(None, &[], &[]).judge(&item("a", at(0)), at(9999)), []);
}

#[test]
fn paths_and_tags_narrow_what_is_old() {
    let tagged = |path, tag: &str| Item { tags: vec![tag.to_owned()], ..item(path, at(0)) };
    let judge = |rules: &ItemRules, item: &Item| !rules.judge(item, at(11)).is_empty();
    let some = rules(Some(10), &["docs/**", "*.txt"], &["tmp"]);
    assert!(judge(&some, &tagged("docs/a/b.md", "tmp")));
    assert!(judge(&some, &tagged("a.txt", "tmp")));
    assert!(!judge(&some, &tagged("docs/a.md", "keep")));
    assert!(!judge(&some, &tagged("src/a.txt", "tmp")), "a star stays within a folder");
    assert!(!judge(&some, &item("docs/a.md", at(0))));
    assert!(ItemRules::new(None, &["[".to_owned()], &[]).is_err());
    assert!(ItemRules::new(None, &["../x".to_owned()], &[]).is_err());
}

#[test]
fn the_last_day_is_kept_to_its_end() {
    use RetentionReason::{Age, DeleteAfter};
    let until = |day: &str| Item { delete_after: Some(day.to_owned()), ..item("a", at(0)) };
    let now: Timestamp = "2026-11-21T23:59:59.999Z".parse().unwrap();
    let judge = |day: &str| rules(None, &["none"], &["none"]).judge(&until(day), now);
    assert_eq!(judge("2026-11-20"), [DeleteAfter], "patterns narrow age alone");
    assert_eq!(judge("2026-11-21"), []);
    assert_eq!(judge("2026-11-22"), []);
    for odd in ["2026-11-31", "soon", "", "0", "2020-1-1"] {
        assert_eq!(judge(odd), [], "{odd}: what is no day keeps the item");
    }
    let both = rules(Some(1), &[], &[]).judge(&until("2024-01-01"), now);
    assert_eq!(both, [Age, DeleteAfter]);
}

#[test]
fn what_protects() {
    let plain = item("a", at(0));
    assert_eq!(protection(&plain, false), None);
    assert_eq!(protection(&plain, true), Some(Protection::Stubbed));
    let restricted = Item { restricted: true, ..plain.clone() };
    assert_eq!(protection(&restricted, false), Some(Protection::Restricted));
    let held = Item { holds: vec!["C".to_owned()], ..restricted };
    assert_eq!(protection(&held, true), Some(Protection::Held));
}

#[test]
fn content_goes_with_the_last_who_has_it() {
    let (a, b) = (item("a", at(0)), item("b", at(0)));
    let both = [a.clone(), b.clone()];
    assert!(!is_shared(&a, &both[..1], |_| false), "it is its own");
    assert!(is_shared(&a, &both, |it| it.path == a.path));
    assert!(!is_shared(&a, &both, |_| true));
    let gone = [a.clone(), Item { state: ItemState::Purged, ..b }];
    assert!(!is_shared(&a, &gone, |_| false));
}

#[test]
fn a_spike() {
    let guard = SpikeGuard { factor: 2.0, share: 0.5, least: 10 };
    let runs = |totals: &[u64]| -> Vec<EarlierRun> {
        totals.iter().map(|n| EarlierRun { total_candidates: *n, is_spike: false }).collect()
    };
    let judge = |total, all, totals: &[u64]| guard.judge(total, all, &runs(totals));
    assert_eq!(judge(9, 9, &[0]), [""; 0], "few are never a spike");
    assert_eq!(judge(10, 100, &[]), [""; 0], "nothing is usual yet");
    assert_eq!(judge(51, 100, &[]), ["51 candidates of 100 are more than a share of 0.5"]);
    assert_eq!(judge(50, 100, &[]), [""; 0]);
    assert_eq!(judge(20, 1000, &[10, 10]), [""; 0]);
    assert_eq!(judge(21, 1000, &[10]), ["21 candidates are more than 2 times the usual 10"]);
    assert_eq!(judge(10, 1000, &[0]), ["10 candidates are more than 2 times the usual 0"]);
    assert_eq!(judge(60, 100, &[0]).len(), 2);
    let off = SpikeGuard { factor: 1000.0, share: 1.0, least: 10 };
    assert_eq!(off.judge(100, 100, &runs(&[1])), [""; 0]);
}

#[test]
fn a_spike_does_not_become_usual_by_looking_at_it() {
    let run = |total_candidates, is_spike| EarlierRun { total_candidates, is_spike };
    let looked = [run(90, true), run(90, true), run(90, true), run(10, false), run(12, false)];
    assert_eq!(usual(&looked), Some(12));
    let applied = [run(90, false), run(90, true), run(90, true), run(10, false), run(12, false)];
    assert_eq!(usual(&applied), Some(12), "the median of 10, 12 and 90");
    assert_eq!(usual(&[]), None);
    assert_eq!(usual(&[run(7, true)]), None);
    let old = [1, 1, 1, 1, 1, 50, 50, 50].map(|n| run(n, false));
    assert_eq!(usual(&old), Some(1), "five runs count");
}

proptest! {
    #[test]
    fn later_never_keeps_more(
        archived in 0i64..200, now in 0i64..400, more in 0i64..100, days in 1u64..100,
        last in proptest::option::of(0i64..400),
    ) {
        let rules = rules(Some(days), &[], &[]);
        let delete_after = last.map(|day| at(day).day().to_string());
        let item = Item { delete_after, ..item("a", at(archived)) };
        let early = rules.judge(&item, at(now));
        let late = rules.judge(&item, at(now + more));
        prop_assert!(early.iter().all(|it| late.contains(it)), "{early:?} {late:?}");
    }

    #[test]
    fn the_newest_of_each_project_stay(
        mut entries in proptest::collection::vec((0i64..4, 0i64..1000), 0..60),
        most in 1u64..10,
    ) {
        entries.sort_by_key(|(project, day)| (*project, -day));
        let only = MemoryRules { max_age_days: None, max_entries_per_project: Some(most) };
        let mut judge = MemoryJudge::new(only, at(2000));
        let mut kept: BTreeMap<i64, u64> = BTreeMap::new();
        for (project, day) in &entries {
            if judge.judge(*project, &at(*day).to_string()).is_empty() {
                *kept.entry(*project).or_default() += 1;
            }
        }
        for project in 0..4 {
            let had = entries.iter().filter(|it| it.0 == project).count() as u64;
            prop_assert_eq!(kept.get(&project).copied().unwrap_or(0), had.min(most));
        }
    }

    #[test]
    fn nothing_that_is_protected_gets_through(
        held: bool, restricted: bool, stubbed: bool,
    ) {
        let holds = if held { vec!["C".to_owned()] } else { Vec::new() };
        let item = Item { holds, restricted, ..item("a", at(0)) };
        prop_assert_eq!(protection(&item, stubbed).is_some(), held || restricted || stubbed);
    }
}
