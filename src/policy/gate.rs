//! The one gate through which content leaves the archive.
//!
//! Promises: everything that yields an item's content asks here first; tests/architecture.rs lists
//! the callers. Refuses what was purged, and what two people must agree to.

use crate::error::Refusal;
use crate::model::{Item, ItemState};

/// Whether the content of `item` may be given out without approvals.
pub fn may_release(item: &Item) -> Result<(), Refusal> {
    if item.state == ItemState::Purged {
        return Err(Refusal::Purged);
    }
    if item.restricted || item.prune_requested {
        return Err(Refusal::Restricted);
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
            holds: vec!["case-1".to_owned()],
            tags: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn the_gate() {
        use ItemState::{Archived, Purged, Restored};
        for (state, restricted, requested, expected) in [
            (Archived, false, false, Ok(())),
            (Restored, false, false, Ok(())),
            (Archived, true, false, Err(Refusal::Restricted)),
            (Restored, false, true, Err(Refusal::Restricted)),
            (Purged, false, false, Err(Refusal::Purged)),
            (Purged, true, true, Err(Refusal::Purged)),
        ] {
            assert_eq!(may_release(&item(state, restricted, requested)), expected);
        }
    }
}
