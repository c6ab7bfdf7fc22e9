//! The one error type: what was tried, on what, and why it did not work.
//!
//! Promises: every value has an [`ErrorKind`], and with it an exit code. It holds no advice; the
//! command line adds hints by variant.

mod credential;
mod refusal;

use std::io;
use std::path::PathBuf;

pub use credential::Credential;
pub use refusal::Refusal;

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
    /// docker said no, or is not there.
    #[error("docker could not {action}: {detail}")]
    Docker {
        /// A verb phrase: `tag an image`.
        action: &'static str,
        /// docker's own words, on one line.
        detail: String,
    },
    /// gpg said no, or is not there.
    #[error("gpg could not decrypt `{object}`: {detail}")]
    Gpg {
        /// The backup.
        object: String,
        /// gpg's own words, on one line.
        detail: String,
    },
    /// git's configuration names no key that signs here.
    #[error("cannot sign: {why}")]
    CannotSign {
        /// Why not, as a clause.
        why: String,
    },
    /// The key is there, and did not sign.
    #[error("`{program}` did not sign with the key `{key}`: {detail}")]
    Signing {
        /// The program.
        program: String,
        /// The key's file, or the public key.
        key: String,
        /// The program's own words, on one line.
        detail: String,
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
    /// What was to be remembered has credentials in it.
    #[error("{}", credential::told_of_entry(found))]
    EntryCredentials {
        /// All of them; the path is the part of the entry.
        found: Vec<Credential>,
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
    /// A file took longer than one may take.
    #[error("cannot read `{path}`: it took longer than {limit_s} s (batch.timeout_per_item)")]
    TooSlow {
        /// The file.
        path: String,
        /// How many seconds it may take.
        limit_s: u64,
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
            Self::Refused { .. } | Self::Credentials { .. } | Self::EntryCredentials { .. } => {
                ErrorKind::Refused
            }
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. } | Self::Invalid { .. } | Self::Missing { .. } => {
                ErrorKind::Usage
            }
            Self::Io { .. }
            | Self::TooSlow { .. }
            | Self::Damaged { .. }
            | Self::Git { .. }
            | Self::Docker { .. }
            | Self::Gpg { .. }
            | Self::Locked { .. }
            | Self::Signing { .. }
            | Self::Backend { .. } => ErrorKind::Failed,
            Self::UnsafeOwner { .. }
            | Self::NoWorkTree { .. }
            | Self::NoRepository { .. }
            | Self::NoArchive { .. }
            | Self::TwoArchives { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Config { .. }
            | Self::CannotSign { .. }
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
