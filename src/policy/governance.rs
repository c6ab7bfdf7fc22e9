//! The rules of governance, and whose approvals count under them. Pure; the time is an argument.

use std::collections::BTreeSet;

use serde_json::json;

use crate::clock::Timestamp;
use crate::model::{Approval, Assurance, DeedId, Digest, GovernedAction, Person, Request};

use super::Signers;
use super::gate::TWO;
use super::signature::{NAMESPACE, verify};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The rules of governance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governance {
    /// How sure it must be that approvers are who they claim to be.
    pub assurance: Assurance,
    /// Approvals that giving out restricted content takes.
    pub restore_approvals: usize,
    /// Days for which an approval counts.
    pub approval_ttl_days: u64,
    /// Whether who asked may not approve.
    pub separation: bool,
}

/// The rules before a policy was adopted.
impl Default for Governance {
    fn default() -> Self {
        Self {
            assurance: Assurance::Attested,
            restore_approvals: TWO,
            approval_ttl_days: 7,
            separation: false,
        }
    }
}

impl Governance {
    /// The key of the first rule that is looser here than in `other`.
    pub fn looser_than(&self, other: &Self) -> Option<&'static str> {
        if self.assurance < other.assurance {
            return Some("governance.assurance");
        }
        if self.restore_approvals < other.restore_approvals {
            return Some("governance.restore_approvals");
        }
        if self.approval_ttl_days > other.approval_ttl_days {
            return Some("governance.approval_ttl");
        }
        (!self.separation && other.separation).then_some("governance.separation")
    }

    /// Its one spelling, as the archive keeps it.
    pub fn render(&self) -> String {
        format!(
            "[governance]\napproval_ttl = {}\nassurance = \"{}\"\nrestore_approvals = {}\nseparation = {}\n",
            self.approval_ttl_days, self.assurance, self.restore_approvals, self.separation
        )
    }

    /// When a request that is made or renewed at `now` ends.
    pub fn expiry(&self, now: Timestamp) -> Timestamp {
        let days = i64::try_from(self.approval_ttl_days).unwrap_or(i64::MAX / DAY_MS);
        Timestamp::from_unix_ms(now.unix_ms().saturating_add(days.saturating_mul(DAY_MS)))
    }
}

/// What every approver of a request signs: one line, the same for all, which names the archive, the
/// request, its record, and what exactly is approved until when.
#[derive(Debug, Clone)]
pub struct Approved<'a> {
    /// The archive's id.
    pub archive: &'a str,
    /// The request.
    pub request: &'a Request,
    /// The digest of the record that made the request; zeros where it was made by its first
    /// approval.
    pub record: Digest,
    /// The item's id; empty where the request is about none.
    pub tombstone: &'a str,
    /// SHA-256 of the content, or of what is adopted or carried out.
    pub sha256: Digest,
}

impl Approved<'_> {
    /// The line: canonical JSON without a line feed.
    pub fn line(&self) -> String {
        let deed: &DeedId = &self.request.deed;
        let action: GovernedAction = self.request.action;
        json!({
            "action": action.as_str(),
            "archive": self.archive,
            "expires": self.request.expires_at,
            "policy": self.request.policy_version,
            "reason": self.request.reason,
            "record": self.record.to_string(),
            "request": deed.to_string(),
            "sha256": self.sha256.to_string(),
            "subject": self.request.subject,
            "tombstone": self.tombstone,
            "v": 1,
        })
        .to_string()
    }
}

/// Those of `approvals` that count at `now`, of each person and each key the first: unused, not
/// expired, as sure as the rules ask, and not of whoever asked where the rules say so.
pub fn counting<'a>(
    approvals: &'a [Approval],
    approved: &Approved<'_>,
    rules: &Governance,
    signers: &Signers,
    now: Timestamp,
) -> Vec<&'a Approval> {
    let mut people = BTreeSet::new();
    let mut keys = BTreeSet::new();
    let asker = Person::named(&approved.request.requested_by);
    let line = approved.line();
    let mut counted = Vec::new();
    for approval in approvals {
        let Some(person) = Person::named(&approval.actor) else { continue };
        if approval.used_at.is_some() || approval.expires_at != approved.request.expires_at {
            continue;
        }
        if approval.expires_at <= now.to_string() {
            continue;
        }
        if rules.separation && asker.as_ref() == Some(&person) {
            continue;
        }
        let key = signed_key(approval, &line, signers);
        if rules.assurance == Assurance::Signed && key.is_none() {
            continue;
        }
        if people.contains(&person) || key.as_ref().is_some_and(|key| keys.contains(key)) {
            continue;
        }
        people.insert(person);
        keys.extend(key);
        counted.push(approval);
    }
    counted
}

/// The fingerprint of the key with which the approver signed `line`.
fn signed_key(approval: &Approval, line: &str, signers: &Signers) -> Option<String> {
    let armored = approval.signature.as_deref()?;
    let at: Timestamp = approval.at.parse().ok()?;
    let signed = verify(line.as_bytes(), armored, NAMESPACE, signers, at).ok()?;
    signed.speaks_for(&approval.actor).then_some(signed.key_fingerprint)
}
