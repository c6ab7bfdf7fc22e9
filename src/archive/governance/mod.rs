//! Governance: what takes two people, who agreed to it, and what nobody may destroy.
//!
//! Promises: the policy in force lives in the archive, and files, environment and options can only
//! be stricter; each deed here leaves its records in a segment that is staged; an approval counts
//! once, and for exactly what was approved.

mod approve;
mod approved;
mod forget;
mod hold;
mod leftovers;
mod observed;
mod policy;
mod probe;
mod purge;
mod purge_report;
mod release;
mod request;
mod residue;
pub mod retention;
mod rules;
mod transfer;

pub use approve::{ApproveOptions, ApproveReport, approve};
pub(super) use approved::ApprovedRestore;
pub use forget::{ForgetOptions, ForgetReport, forget};
pub(super) use hold::hold_new;
pub use hold::{HoldList, HoldOptions, HoldReport, HoldShown, HoldTarget, list_holds, set_hold};
pub use policy::{
    AdoptOptions, AdoptReport, PolicyDiff, PolicyReport, adopt_policy, diff_policy, show_policy,
};
pub use purge::{PurgeOptions, purge, purge_report};
pub use purge_report::{PurgeReport, PurgedItem, Spot, Stage};
pub use release::{ReleaseOptions, ReleaseReport, Released, release_hold};
pub use request::{
    CancelReport, RequestList, RequestOptions, RequestReport, RequestShown, cancel, prune_request,
    requests,
};
pub use rules::Rules;
pub(super) use transfer::move_governance;

use serde_json::{Map, Value, json};

use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event, Record};
use crate::model::{
    Actor, Approval, Assurance, DeedId, Digest, GovernedAction, Item, Person, Request, escape_line,
};
use crate::policy::{Approved, counting};

use super::intent::Intent;
use super::journaled::{Deed, Transaction};
use super::recovery::{records_of, take_steps};
use super::{Archive, Workspace};

/// Does a deed that concerns no file: its records go into the archive, and into a segment that is
/// staged. Outside a repository, or about another one's item, the archive alone has them.
pub(super) fn journaled<T>(
    workspace: &Workspace,
    archive: &mut Archive,
    repo: &str,
    deed: DeedId,
    action: &Action,
    work: impl FnMut(&mut Transaction<'_>) -> Result<(T, Vec<Deed>)>,
) -> Result<(T, Vec<(Record, Digest)>)> {
    let intent = Intent::new(workspace, action.as_str(), deed, []);
    let is_here = belongs_here(workspace, repo);
    if let Some(repository) = workspace.repository.as_ref().filter(|_| is_here) {
        super::tree::check_index_free(repository)?;
        intent.write(workspace)?;
    }
    let done = match archive.journaled(repo, deed, work) {
        Ok(done) => done,
        Err(error) => {
            // Whether it became durable is for the next command to find out, unless it was refused.
            intent.remove_if_unsigned(workspace, &error);
            if matches!(error, Error::Refused { .. }) {
                intent.remove(workspace)?;
            }
            return Err(error);
        }
    };
    if is_here {
        let segment = archive.segment_of(done.1.clone())?;
        take_steps("record", workspace, archive, &intent, &[], Some(&segment), None)?;
    }
    Ok(done)
}

/// Whether records of the label `repo` belong into this repository's tree.
pub(super) fn belongs_here(workspace: &Workspace, repo: &str) -> bool {
    let label = workspace.label().map(ToString::to_string);
    workspace.repository.is_some() && (repo.is_empty() || label.as_deref() == Some(repo))
}

/// An event about `item`.
pub(super) fn event_about(action: Action, actor: &str, item: &Item, reason: &str) -> Event {
    let mut event = Event::new(action, actor);
    event.repo = Some(item.repo.clone());
    event.path = Some(item.path.clone());
    event.sha256 = Some(item.sha256);
    event.size = Some(item.size_bytes);
    event.tombstone = Some(item.tombstone);
    event.reason = Some(reason.to_owned());
    event
}

/// A reason as it goes into evidence: 1 to 1,024 bytes on one line.
pub(super) fn check_reason(reason: &str) -> Result<()> {
    let bad = reason.chars().any(char::is_control);
    if reason.trim().is_empty() || reason.len() > 1024 || bad {
        let why = "it must have 1 to 1024 bytes without control characters";
        return Err(Error::invalid("reason", escape_line(reason), why));
    }
    Ok(())
}

/// Refuses one person who is named twice.
pub(super) fn check_two(
    action: &'static str,
    object: &str,
    actor: &Actor,
    second: Option<&Actor>,
) -> Result<()> {
    match second {
        Some(second) if Person::of(second) == Person::of(actor) => {
            let (who, other) = (actor.to_string(), second.to_string());
            Err(Error::refused(action, object, Refusal::OnePerson { who, other }))
        }
        _ => Ok(()),
    }
}

/// What the approvers of a request agree to, with the values that stand in the archive now.
pub(super) struct Matter {
    pub archive: String,
    pub request: Request,
    pub record: Digest,
    pub tombstone: String,
    pub sha256: Digest,
}

impl Matter {
    /// The matter of `request`, which is about `item` or about `sha256` alone.
    pub fn of(archive: &mut Archive, request: Request, item: Option<&Item>) -> Result<Self> {
        let record = record_of_request(archive, &request)?;
        let sha256 = item.map(|item| item.sha256).or_else(|| request.subject.parse().ok());
        Ok(Self {
            archive: archive.catalog().meta("archive")?.unwrap_or_default(),
            record,
            tombstone: item.map(|item| item.tombstone.to_string()).unwrap_or_default(),
            sha256: sha256.unwrap_or(Digest::ZERO),
            request,
        })
    }

    /// What is signed.
    pub fn approved(&self) -> Approved<'_> {
        Approved {
            archive: &self.archive,
            request: &self.request,
            record: self.record,
            tombstone: &self.tombstone,
            sha256: self.sha256,
        }
    }

    /// The approvals of this request that count now, and whether one machine gave them all.
    pub fn counting(&self, archive: &mut Archive, rules: &Rules) -> Result<Vec<Approval>> {
        let now = archive.now;
        let all = archive.register().approvals(self.request.row_id)?;
        let counted = counting(&all, &self.approved(), &rules.governance, &rules.signers, now);
        Ok(counted.into_iter().cloned().collect())
    }
}

/// The digest of the PRUNE_REQUEST that made a request; zeros where its first approval made it.
fn record_of_request(archive: &mut Archive, request: &Request) -> Result<Digest> {
    // Its first approval made it.
    if matches!(request.action, GovernedAction::Restore | GovernedAction::Readmit) {
        return Ok(Digest::ZERO);
    }
    let records = records_of(archive, &request.deed)?;
    let made = records.iter().find(|(record, _)| record.event.action == Action::PruneRequest);
    made.map(|(_, digest)| *digest).ok_or_else(|| {
        Error::damaged("request", request.deed.to_string(), "the record that made it is gone")
    })
}

/// What a record says of the approvals that were used.
pub(super) fn note_approvals(event: &mut Event, used: &[Approval]) {
    event.approvers = used.iter().map(|approval| approval.actor.clone()).collect();
    let signed = !used.is_empty() && used.iter().all(|it| it.assurance == Assurance::Signed);
    let assurance = if signed { Assurance::Signed } else { Assurance::Attested };
    event.assurance = Some(assurance.to_string());
    let detail = event.detail.get_or_insert_default();
    let seen: Vec<Value> = used.iter().map(|it| json!(it.observed)).collect();
    detail.insert("observed".to_owned(), Value::from(seen));
    if is_one_keyboard(used) {
        // A record has no true or false.
        detail.insert("one_keyboard".to_owned(), Value::from(1));
    }
}

/// Whether several people's approvals came from one user of one machine, unsigned.
pub(super) fn is_one_keyboard(used: &[Approval]) -> bool {
    let attested = used.iter().any(|it| it.assurance == Assurance::Attested);
    let same = used.windows(2).all(|two| {
        let [a, b] = two else { return true };
        (&a.observed.user, &a.observed.host) == (&b.observed.user, &b.observed.host)
    });
    used.len() > 1 && attested && same
}

/// `key` and `value` as the detail of an event.
pub(super) fn detail(pairs: &[(&str, Value)]) -> Map<String, Value> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}
