//! Requests, approvals and holds: what two people must agree to, and what nobody may destroy.

use serde::Serialize;

use super::words::words;
use super::{Actor, DeedId};

words!(
    /// What is asked for, and approved.
    GovernedAction, "action" {
        /// To destroy an item's content.
        Purge = "purge",
        /// To give out the content of a restricted item.
        Restore = "restore",
        /// To end a hold.
        ReleaseHold = "release-hold",
        /// To let purged content in again.
        Readmit = "readmit",
        /// To change the policy.
        Policy = "policy",
        /// To carry out a plan of retention.
        Retention = "retention",
        /// To delete an entry of memory.
        Forget = "forget",
    }
);

words!(
    /// Where a request stands.
    RequestState, "state" {
        /// It waits for approvals, or for whoever carries it out.
        Open = "open",
        /// It was carried out.
        Done = "done",
        /// It was taken back.
        Cancelled = "cancelled",
    }
);

words!(
    /// How sure it is that an approver is who they claim to be.
    Assurance, "assurance" {
        /// The name was given.
        Attested = "attested",
        /// Their key signed what they approved.
        Signed = "signed",
    }
);

words!(
    /// What a hold names.
    HoldScope, "scope" {
        /// One item.
        Item = "item",
        /// Content, wherever it was archived.
        Sha256 = "sha256",
        /// Paths that fit a pattern, future ones too.
        Path = "path",
        /// Items with a tag, future ones too.
        Tag = "tag",
    }
);

/// Somebody's wish that something governed be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Row number; of no meaning outside its archive.
    pub row_id: i64,
    /// The deed that made it: its id.
    pub deed: DeedId,
    /// What is asked for.
    pub action: GovernedAction,
    /// Of what: a tombstone id, a digest, or the id of a hold.
    pub subject: String,
    /// The repo label.
    pub repo: String,
    /// The row of the item it is about, if it is about one.
    pub item: Option<i64>,
    /// Who asked, as claimed.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// The version of the policy when it was made; 0 before the first was adopted.
    pub policy_version: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Until when approvals count, RFC 3339.
    pub expires_at: String,
    /// Where it stands.
    pub state: RequestState,
}

/// Somebody's agreement to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Row number; of no meaning outside its archive.
    pub row_id: i64,
    /// Who approved, as claimed.
    pub actor: String,
    /// What was observed of them.
    pub observed: Observed,
    /// How sure it is that it was they.
    pub assurance: Assurance,
    /// The fingerprint of the key that signed.
    pub fingerprint: Option<String>,
    /// The armored signature.
    pub signature: Option<String>,
    /// When, RFC 3339.
    pub at: String,
    /// Until when it counts, RFC 3339.
    pub expires_at: String,
    /// When it was used.
    pub used_at: Option<String>,
}

/// What is seen of whoever acts, beside the name that is claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Observed {
    /// git's `user.email`.
    pub email: String,
    /// The user of the system.
    pub user: String,
    /// The machine.
    pub host: String,
}

/// Something that must not be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Row number; of no meaning outside its archive.
    #[serde(skip)]
    pub row_id: i64,
    /// The deed that set it: its id.
    #[serde(rename = "hold", serialize_with = "as_text")]
    pub deed: DeedId,
    /// The repo label.
    pub repo: String,
    /// What it names.
    pub scope: HoldScope,
    /// The id, digest, pattern or tag.
    pub pattern: String,
    /// The case.
    #[serde(rename = "case")]
    pub case_id: String,
    /// Why.
    pub reason: String,
    /// Who set it, as claimed.
    pub set_by: String,
    /// When, RFC 3339.
    pub set_at: String,
    /// When it was released.
    pub released_at: Option<String>,
}

fn as_text<T: std::fmt::Display, S: serde::Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

/// A person, whatever the case of the name: two that differ by case alone are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person(String);

impl Person {
    /// The person whose name is `actor`.
    pub fn of(actor: &Actor) -> Self {
        Self(actor.as_str().to_lowercase())
    }

    /// The person of a name that stands in a table; `None` where it is no name.
    pub fn named(name: &str) -> Option<Self> {
        Actor::new(name).ok().map(|actor| Self::of(&actor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_one_whatever_the_spelling() {
        let person = |name| Person::named(name).unwrap();
        assert_eq!(person(" Marc "), person("marc"));
        assert_eq!(person("Ren\u{e9}"), person("rene\u{301}"));
        assert_ne!(person("marc"), person("mark"));
        assert_eq!(Person::named(" "), None);
    }
}
