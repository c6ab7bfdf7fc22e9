//! The one error type: what was tried, on what, and why it did not work.
//!
//! Promises: every value has an [`ErrorKind`], and with it an exit code. It holds no advice; the
//! command line adds hints by variant.

mod credential;

use std::io;
use std::path::PathBuf;

pub use credential::Credential;

/// The result of everything in this library that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether the same attempt may succeed a moment later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It fails again.
    Lasting,
    /// Others were in the way: a deadlock, or a transaction that did not fit beside theirs.
    Conflict,
    /// The server is gone, is starting, or has no room for us now.
    Lost,
}

/// What sort of failure it was; each kind has one exit code (docs/exit-codes.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It was tried and did not work (1).
    Failed,
    /// The command line or a manifest makes no sense (2).
    Usage,
    /// Nothing there by that name (5).
    NotFound,
    /// A rule forbids it (6).
    Refused,
    /// The backend cannot be reached (7).
    Unreachable,
    /// Configuration, no archive, untrusted place, two archives in one place, newer version (8).
    Config,
    /// Whoever started it asked it to stop (130).
    Interrupted,
}

impl ErrorKind {
    /// The exit code of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 5,
            Self::Refused => 6,
            Self::Unreachable => 7,
            Self::Config => 8,
            Self::Interrupted => 130,
        }
    }

    /// The word for this kind in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Config => "config",
            Self::Interrupted => "interrupted",
        }
    }
}

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

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// A verb: `read`, `write`, `rename`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A rule forbids it for this object.
    #[error("cannot {action} `{object}`: {refusal}")]
    Refused {
        /// A verb: `archive`, `restore`.
        action: &'static str,
        /// The path or id.
        object: String,
        /// The rule.
        refusal: Refusal,
    },
    /// Nothing by that name.
    #[error("cannot {action} `{object}`: {why}")]
    NotFound {
        /// A verb.
        action: &'static str,
        /// The path, id or revision.
        object: String,
        /// Why not, as a clause: `not in commit HEAD`, `no item has this id`.
        why: String,
    },
    /// An id that fits several items.
    #[error("`{id}` fits {count} items")]
    Ambiguous {
        /// The prefix given.
        id: String,
        /// How many it fits.
        count: usize,
        /// Some of them.
        candidates: Vec<String>,
    },
    /// An argument, manifest or name that makes no sense.
    #[error("invalid {what} `{given}`: {why}")]
    Invalid {
        /// What it should have been: `actor`, `metadata`, `repo label`.
        what: &'static str,
        /// What was given, escaped.
        given: String,
        /// Why not, as a clause.
        why: String,
    },
    /// An argument is missing.
    #[error("{what} is missing")]
    Missing {
        /// The option or argument, such as `--reason`.
        what: &'static str,
    },
    /// Stored bytes or a log that is not what it was.
    #[error("{what} `{object}` is damaged: {why}")]
    Damaged {
        /// `artifact`, `journal`, `record`, `segment`.
        what: &'static str,
        /// Its id or path.
        object: String,
        /// What was seen.
        why: String,
    },
    /// git said no.
    #[error("git could not {action}: {detail}")]
    Git {
        /// A verb phrase: `read the index`.
        action: &'static str,
        /// git's own words, on one line.
        detail: String,
    },
    /// The repository belongs to someone else, and git will not open it.
    #[error("git does not trust the repository at `{path}`: it is owned by someone else")]
    UnsafeOwner {
        /// The repository.
        path: PathBuf,
    },
    /// A work tree is needed here.
    #[error("cannot {action}: the repository at `{path}` has no work tree here")]
    NoWorkTree {
        /// A verb.
        action: &'static str,
        /// The git folder.
        path: PathBuf,
    },
    /// A repository is needed here.
    #[error("cannot {action}: `{path}` is not in a git repository")]
    NoRepository {
        /// A verb.
        action: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The repository has no archive yet.
    #[error("cannot {action}: there is no archive at `{place}`")]
    NoArchive {
        /// A verb.
        action: &'static str,
        /// Where it would be.
        place: String,
    },
    /// A regular file or a foreign link stands where our link belongs.
    #[error(
        "two archives in one place: `{path}` is {what}, not the link to this repository's archive"
    )]
    TwoArchives {
        /// The place.
        path: PathBuf,
        /// `a regular file`, `a link to X`, `a folder`.
        what: String,
    },
    /// The archive is on a server, and its schema is older than this version's.
    #[error("the archive at `{place}` has schema {found}, and this version needs {known}")]
    OlderSchema {
        /// The archive, redacted.
        place: String,
        /// The version there.
        found: i64,
        /// The version that is needed.
        known: i64,
    },
    /// A step of the schema could not be taken.
    #[error("step {version} ({name}) of the schema could not be taken in the archive at `{place}`")]
    Migration {
        /// Its number.
        version: i64,
        /// What it brings.
        name: &'static str,
        /// The archive, redacted.
        place: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// The archive was made by a newer version.
    #[error(
        "the archive at `{place}` has schema version {found}; this version knows up to {known}"
    )]
    NewerSchema {
        /// The archive.
        place: String,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A configuration value that cannot be used.
    #[error("configuration: {what} ({origin})")]
    Config {
        /// What is wrong, with the key.
        what: String,
        /// `file:line`, an environment name or a flag.
        origin: String,
        /// The nearest key that exists, or another whole thing to try.
        nearest: Option<String>,
    },
    /// A place named by a tracked file that this clone has not accepted.
    #[error("`{place}` ({origin}) is outside the repository, and this clone has not trusted it")]
    Untrusted {
        /// The place, redacted.
        place: String,
        /// The file and line that names it.
        origin: String,
    },
    /// Content has credentials in it.
    #[error("{}", credential::told(found, *redacts))]
    Credentials {
        /// All of them, by path and place.
        found: Vec<Credential>,
        /// Whether it was asked to take them out, which stored content does not allow.
        redacts: bool,
    },
    /// One item of a batch stands in the way of all.
    #[error("item {number} of the manifest cannot be {done}, and nothing was changed")]
    Item {
        /// Its number, from 1.
        number: usize,
        /// `restored` or `archived`.
        done: &'static str,
        /// Why not.
        source: Box<Error>,
    },
    /// Whoever started it asked it to stop.
    #[error("interrupted before anything was archived")]
    Interrupted,
    /// Somebody else holds a lock.
    #[error("cannot lock `{path}`: another process holds it")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The database said no.
    #[error("cannot {action} in the archive `{place}`")]
    Backend {
        /// A verb phrase.
        action: &'static str,
        /// The archive, redacted.
        place: String,
        /// Whether trying again may help.
        failure: Failure,
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A server cannot be reached, or refuses what it is asked.
    #[error("cannot {action} the archive at `{place}`")]
    Unreachable {
        /// A verb phrase.
        action: &'static str,
        /// The archive, redacted.
        place: String,
        /// Whether trying again may help.
        failure: Failure,
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// The kind, which decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } | Self::Credentials { .. } => ErrorKind::Refused,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. } | Self::Invalid { .. } | Self::Missing { .. } => {
                ErrorKind::Usage
            }
            Self::Io { .. }
            | Self::Damaged { .. }
            | Self::Git { .. }
            | Self::Locked { .. }
            | Self::Backend { .. } => ErrorKind::Failed,
            Self::UnsafeOwner { .. }
            | Self::NoWorkTree { .. }
            | Self::NoRepository { .. }
            | Self::NoArchive { .. }
            | Self::TwoArchives { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Config { .. }
            | Self::Untrusted { .. } => ErrorKind::Config,
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Migration { source, .. } => source.kind(),
            Self::Item { source, .. } => source.kind(),
            Self::Interrupted => ErrorKind::Interrupted,
        }
    }

    /// Whether the same attempt may succeed a moment later.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Backend { failure, .. } | Self::Unreachable { failure, .. } => *failure,
            _ => Failure::Lasting,
        }
    }

    /// An [`Error::Refused`].
    pub fn refused(action: &'static str, object: impl Into<String>, refusal: Refusal) -> Self {
        Self::Refused { action, object: object.into(), refusal }
    }

    /// An [`Error::Io`], for `map_err`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(what: &'static str, given: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { what, given: given.into(), why: why.into() }
    }

    /// An [`Error::Damaged`].
    pub fn damaged(what: &'static str, object: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged { what, object: object.into(), why: why.into() }
    }
}
