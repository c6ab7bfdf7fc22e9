//! What happened, before it has a place in a log: the fields of a record that the doer fills in.

use serde_json::{Map, Value};

use super::action::Action;
use crate::model::{DeedId, Digest, FileMode, GitOid, RepoPath, TombstoneId};

/// The key in `detail` that marks a RESTORE which was staged.
const STAGED_KEY: &str = "staged";

/// What happened, before it has a place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// Who did it, as claimed; not empty.
    pub actor: String,
    /// The repo label.
    pub repo: Option<String>,
    /// The path in the repository.
    pub path: Option<RepoPath>,
    /// The commit it refers to.
    pub commit: Option<String>,
    /// SHA-256 of the content.
    pub sha256: Option<Digest>,
    /// Bytes of the content.
    pub size: Option<u64>,
    /// Bytes as stored.
    pub stored_size: Option<u64>,
    /// The content's object id in the repository.
    pub git_blob: Option<GitOid>,
    /// The file's mode.
    pub mode: Option<FileMode>,
    /// Why.
    pub reason: Option<String>,
    /// The item.
    pub tombstone: Option<TombstoneId>,
    /// The deed that this one takes back.
    pub of: Option<DeedId>,
    /// Who approved it; left out of the line when empty.
    pub approvers: Vec<String>,
    /// How sure it is that the approvers are who they claim to be.
    pub assurance: Option<String>,
    /// Whatever else the action has to say: integers, strings, arrays, objects.
    pub detail: Option<Map<String, Value>>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
}

impl Event {
    /// That `actor` did `action`; every other field is empty.
    pub fn new(action: Action, actor: &str) -> Self {
        Self {
            action,
            actor: actor.to_owned(),
            repo: None,
            path: None,
            commit: None,
            sha256: None,
            size: None,
            stored_size: None,
            git_blob: None,
            mode: None,
            reason: None,
            tombstone: None,
            of: None,
            approvers: Vec::new(),
            assurance: None,
            detail: None,
            duration_ms: None,
        }
    }

    /// The same, marked as staged: `"detail":{"staged":1}`, since a record has no true or false.
    pub fn staged(mut self) -> Self {
        self.detail.get_or_insert_default().insert(STAGED_KEY.to_owned(), Value::from(1));
        self
    }

    /// Whether it is marked as staged.
    pub fn is_staged(&self) -> bool {
        self.detail.as_ref().is_some_and(|it| it.get(STAGED_KEY) == Some(&Value::from(1)))
    }

    /// Whether it concerns the tree or governance, so that its deed's records go into a segment.
    pub fn belongs_in_segment(&self) -> bool {
        match self.action {
            Action::Archive
            | Action::StubDrop
            | Action::PruneRequest
            | Action::Approve
            | Action::Purge
            | Action::HoldSet
            | Action::HoldRelease
            | Action::PolicyChange => true,
            Action::Restore => self.is_staged(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_the_tree_or_governance_goes_into_a_segment() {
        let belongs: Vec<_> = Action::KNOWN
            .iter()
            .filter(|it| Event::new((*it).clone(), "marc").belongs_in_segment())
            .map(Action::as_str)
            .collect();
        assert_eq!(
            belongs.join(" "),
            "ARCHIVE STUB_DROP PRUNE_REQUEST APPROVE PURGE HOLD_SET HOLD_RELEASE POLICY_CHANGE"
        );
        assert!(Event::new(Action::Restore, "marc").staged().belongs_in_segment());
    }

    #[test]
    fn marking_as_staged_keeps_the_rest_of_the_detail() {
        let mut event = Event::new(Action::Restore, "marc");
        event.detail.get_or_insert_default().insert("output".into(), "a.py".into());
        assert!(!event.is_staged());
        let event = event.staged();
        assert!(event.is_staged());
        assert_eq!(event.detail.unwrap().len(), 2);
    }
}
