//! The two gates: content leaves the archive through one, and is destroyed through the other.
//!
//! Promises: everything that yields an item's content asks [`may_release`] first, everything that
//! destroys content [`may_destroy`]; tests/architecture.rs lists the callers. `tests/gates` negates
//! each condition of both in turn, and sees that a test notices.

use crate::error::Refusal;
use crate::model::{Item, ItemState};

/// Approvals that destroying takes, and giving out what is restricted takes at least.
pub const TWO: usize = 2;

/// The way by which content leaves the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Somebody reads it.
    Read,
    /// `restore`, with so many approvals of so many that are needed.
    Restore {
        /// How many count.
        approvals: usize,
        /// How many are needed.
        needed: usize,
    },
    /// It goes into another archive, which gives it out no more freely.
    Archive,
}

/// Whether the content of `item` may go through `door`.
pub fn may_release(item: &Item, door: Door) -> Result<(), Refusal> {
    if item.state == ItemState::Purged {
        return Err(Refusal::Purged);
    }
    if door == Door::Archive {
        return Ok(());
    }
    if !item.restricted && !item.prune_requested {
        return Ok(());
    }
    match door {
        Door::Restore { approvals, needed } if approvals >= needed.max(TWO) => Ok(()),
        Door::Restore { approvals, needed } if approvals > 0 => {
            Err(Refusal::Approvals { have: approvals, need: needed.max(TWO) })
        }
        _ => Err(Refusal::Restricted),
    }
}

/// What is known when content is to be destroyed.
#[derive(Debug)]
pub struct Destruction<'a> {
    /// The item that was named.
    pub item: &'a Item,
    /// Every item that was not purged and has this content, the named one among them.
    pub sharers: &'a [Item],
    /// Whether the sharers are meant too.
    pub all_items: bool,
    /// Whether a request is open.
    pub requested: bool,
    /// How many people's approvals count.
    pub approvals: usize,
}

/// Whether content may be destroyed.
pub fn may_destroy(what: &Destruction<'_>) -> Result<(), Refusal> {
    if what.item.state == ItemState::Purged {
        return Err(Refusal::Purged);
    }
    let mut cases: Vec<&str> =
        what.sharers.iter().flat_map(|it| &it.holds).map(String::as_str).collect();
    cases.extend(what.item.holds.iter().map(String::as_str));
    cases.sort_unstable();
    cases.dedup();
    if !cases.is_empty() {
        return Err(Refusal::Held { cases: cases.join(", ") });
    }
    let others = what.sharers.iter().filter(|it| it.tombstone != what.item.tombstone);
    let others: Vec<_> = others.map(|it| format!("{} ({})", it.tombstone, it.path)).collect();
    if !others.is_empty() && !what.all_items {
        return Err(Refusal::Shared { items: others.join(", ") });
    }
    if !what.requested {
        return Err(Refusal::NotRequested);
    }
    if what.approvals < TWO {
        return Err(Refusal::Approvals { have: what.approvals, need: TWO });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        Digest, FileMode, GitOid, ItemKind, Reason, RepoLabel, RepoPath, TombstoneId,
    };

    fn item(state: ItemState, restricted: bool, prune_requested: bool) -> Item {
        let path = RepoPath::new(b"a").unwrap();
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
            state,
            restricted,
            delete_after: None,
            prune_requested,
            holds: Vec::new(),
            tags: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn releasing() {
        use ItemState::{Archived, Purged, Restored};
        let restore = |approvals| Door::Restore { approvals, needed: 2 };
        let two = Err(Refusal::Approvals { have: 1, need: 2 });
        let (ok, restricted, purged) = (Ok(()), Err(Refusal::Restricted), Err(Refusal::Purged));
        for (state, is_restricted, requested, door, expected) in [
            (Archived, false, false, Door::Read, &ok),
            (Restored, false, false, Door::Read, &ok),
            (Archived, true, false, Door::Read, &restricted),
            (Restored, false, true, Door::Read, &restricted),
            (Purged, false, false, Door::Read, &purged),
            (Purged, true, true, Door::Read, &purged),
            (Archived, false, false, restore(0), &ok),
            (Archived, true, false, restore(0), &restricted),
            (Archived, true, false, restore(1), &two),
            (Archived, false, true, restore(1), &two),
            (Archived, true, false, restore(2), &ok),
            (Archived, false, true, restore(3), &ok),
            (Purged, true, false, restore(2), &purged),
            // No policy makes it fewer than two.
            (Archived, true, false, Door::Restore { approvals: 1, needed: 0 }, &two),
            (
                Archived,
                true,
                false,
                Door::Restore { approvals: 2, needed: 3 },
                &Err(Refusal::Approvals { have: 2, need: 3 }),
            ),
            (Archived, true, true, Door::Archive, &ok),
            (Purged, false, false, Door::Archive, &purged),
        ] {
            let item = item(state, is_restricted, requested);
            assert_eq!(&may_release(&item, door), expected, "{item:?} {door:?}");
        }
    }

    #[test]
    fn destroying() {
        let item = item(ItemState::Archived, false, true);
        let whole = || Destruction {
            item: &item,
            sharers: std::slice::from_ref(&item),
            all_items: false,
            requested: true,
            approvals: 2,
        };
        assert_eq!(may_destroy(&whole()), Ok(()));
        let none = Destruction { requested: false, ..whole() };
        assert_eq!(may_destroy(&none), Err(Refusal::NotRequested));
        let one = Destruction { approvals: 1, ..whole() };
        assert_eq!(may_destroy(&one), Err(Refusal::Approvals { have: 1, need: 2 }));
        let gone = Item { state: ItemState::Purged, ..item.clone() };
        assert_eq!(may_destroy(&Destruction { item: &gone, ..whole() }), Err(Refusal::Purged));
        let held = Item { holds: vec!["B".into(), "A".into(), "B".into()], ..item.clone() };
        let held = Destruction { item: &held, ..whole() };
        assert_eq!(may_destroy(&held), Err(Refusal::Held { cases: "A, B".into() }));
    }

    #[test]
    fn destroying_what_others_have_too() {
        let item = item(ItemState::Archived, false, true);
        let path = RepoPath::new(b"b").unwrap();
        let label = RepoLabel::new("r").unwrap();
        let tombstone = TombstoneId::derive(&label, &path, &item.sha256);
        let other = Item { path, tombstone, ..item.clone() };
        let sharers = [item.clone(), other.clone()];
        let both = Destruction {
            item: &item,
            sharers: &sharers,
            all_items: false,
            requested: true,
            approvals: 2,
        };
        let said = Err(Refusal::Shared { items: format!("{tombstone} (b)") });
        assert_eq!(may_destroy(&both), said);
        assert_eq!(may_destroy(&Destruction { all_items: true, ..both }), Ok(()));
        // A hold on one of them holds the content.
        let held = [item.clone(), Item { holds: vec!["A".into()], ..other }];
        let held = Destruction {
            item: &item,
            sharers: &held,
            all_items: true,
            requested: true,
            approvals: 2,
        };
        assert_eq!(may_destroy(&held), Err(Refusal::Held { cases: "A".into() }));
    }
}
