//! Why something is not done, though nothing failed: a rule forbids it.

/// Why a path is not archived, restored or overwritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The work tree differs from the index.
    #[error("the work tree differs from the index")]
    Dirty,
    /// The index differs from the commit.
    #[error("the index differs from commit {commit}")]
    Staged {
        /// The commit that was compared, as the user named it.
        commit: String,
    },
    /// The file is gone from the work tree.
    #[error("the file is missing from the work tree")]
    Missing,
    /// A merge left the path unresolved.
    #[error("the path is unmerged")]
    Unmerged,
    /// An index flag hides the state of the path.
    #[error("the index flags the path as {flag}")]
    Flagged {
        /// `assume-unchanged`, `skip-worktree` or `intent-to-add`.
        flag: &'static str,
    },
    /// git filters the content of this path.
    #[error("git converts the content of this path (attribute {attribute})")]
    Filtered {
        /// The attribute and its value, such as `filter=lfs`.
        attribute: String,
    },
    /// No line in a tracked file takes the attribute away.
    #[error("a line in .gitattributes does not free this path of the attribute {attribute}")]
    NotFreed {
        /// The attribute and its value.
        attribute: String,
    },
    /// A filter does not give back what it made.
    #[error("git does not convert this path here as it did (attribute {attribute})")]
    NotConverted {
        /// The attribute and its value.
        attribute: String,
    },
    /// git-lfs' pointer stands where its content should.
    #[error("git-lfs has not fetched the content of this path")]
    PointerOnly,
    /// Another label is in force in this repository.
    #[error("this repository's label is `{label}`")]
    OtherLabel {
        /// The label of `.codex/archive.toml`.
        label: String,
    },
    /// Not a regular file.
    #[error("it is {what}, not a regular file")]
    NotRegular {
        /// `a symbolic link`, `a submodule`, `a special file`.
        what: &'static str,
    },
    /// The path may not be archived or written at all.
    #[error("{why}")]
    Forbidden {
        /// The rule, as a clause.
        why: &'static str,
    },
    /// A file stands there already.
    #[error("a file is already there")]
    Exists,
    /// Outside the repository and the current directory.
    #[error("it is outside the repository and the current directory")]
    Outside,
    /// The way leads through a symbolic link.
    #[error("a symbolic link is in the way at `{link}`")]
    ThroughLink {
        /// The link.
        link: String,
    },
    /// Two approvals are needed.
    #[error("the item is restricted, and two approvals for `restore` are needed")]
    Restricted,
    /// Not enough people approved.
    #[error("{have} of {need} approvals count")]
    Approvals {
        /// How many count.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// Nobody asked for it.
    #[error("nobody has asked for it")]
    NotRequested,
    /// A hold forbids it.
    #[error("it is held ({cases})")]
    Held {
        /// The cases.
        cases: String,
    },
    /// Other items have the same content.
    #[error("other items have the same content: {items}")]
    Shared {
        /// Their ids and paths.
        items: String,
    },
    /// What was purged does not come in again.
    #[error("content with this digest was purged, and is not readmitted")]
    InLedger,
    /// One person, or one key, for two.
    #[error("{who} and {other} count as one")]
    OnePerson {
        /// Who.
        who: String,
        /// And who else.
        other: String,
    },
    /// Something sets a rule looser than the policy in force.
    #[error("`{key}` is looser in {origin} than in version {version} of the policy")]
    Looser {
        /// The configuration key.
        key: &'static str,
        /// Who sets it.
        origin: String,
        /// The version of the policy.
        version: u64,
    },
    /// The bytes were destroyed on purpose.
    #[error("the content was purged")]
    Purged,
    /// The content is too large to stand in a document.
    #[error("its {size_bytes} bytes are more than the {limit} that are given in JSON")]
    TooLargeForJson {
        /// The size of the content.
        size_bytes: u64,
        /// The largest that is given.
        limit: u64,
    },
    /// The path is too long for a stub.
    #[error("the path is too long for a stub of {limit} bytes")]
    StubTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// What a plan of retention says is not so, or no longer.
    #[error("the plan does not match: {why}")]
    PlanMismatch {
        /// What it is about: `memory` or `items`.
        scope: &'static str,
        /// What differs, as a clause.
        why: String,
    },
    /// A plan has suddenly many candidates.
    #[error("the plan is a spike: {why}")]
    Spike {
        /// What is unusual, as a clause.
        why: String,
    },
    /// A backup lacks what is known here.
    #[error("{why}")]
    Older {
        /// What it lacks, as a clause.
        why: String,
    },
    /// The archive is in maintenance, and nobody changes it.
    #[error("it is in maintenance {told}")]
    Maintenance {
        /// Since when, by whom and why.
        told: String,
    },
    /// The destination of backups is not what it was.
    #[error("{why}")]
    OtherMount {
        /// What differs, as a clause.
        why: String,
    },
    /// The file changed while it was being archived.
    #[error("the file changed while it was being archived")]
    ChangedMeanwhile,
    /// The deed is part of a commit already.
    #[error("it is committed already")]
    Committed,
    /// Something in the configuration decides so.
    #[error("{why}")]
    Policy {
        /// The rule, as a clause.
        why: String,
    },
}
