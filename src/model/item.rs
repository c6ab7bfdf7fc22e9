//! An item: one file of one repository that was archived.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::words::words;
use super::{Digest, GitOid, RepoPath, TombstoneId};

words!(
    /// Why a file was archived.
    Reason, "reason" {
        /// Nothing uses it.
        Dead = "dead",
        /// Taken out on purpose.
        Pruned = "pruned",
        /// Kept for history only.
        Legacy = "legacy",
        /// Something else does its work now.
        Replaced = "replaced",
    }
);

words!(
    /// What sort of file it is.
    ItemKind, "kind" {
        /// Source code.
        Code = "code",
        /// Documentation.
        Doc = "doc",
        /// Anything else.
        Asset = "asset",
    }
);

words!(
    /// A regular file's mode in git.
    FileMode, "mode" {
        /// Not executable.
        Regular = "100644",
        /// Executable.
        Executable = "100755",
    }
);

words!(
    /// Where an item stands in its life.
    ItemState, "state" {
        /// Its bytes are in the archive.
        Archived = "archived",
        /// It was put back into a tree last.
        Restored = "restored",
        /// Its bytes were destroyed.
        Purged = "purged",
    }
);

/// One archived file, as every command and every JSON document shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Row number; of no meaning outside its archive.
    #[serde(skip)]
    pub row_id: i64,
    /// The artifact's row number.
    #[serde(skip)]
    pub artifact_row_id: i64,
    /// The id.
    #[serde(serialize_with = "as_text")]
    pub tombstone: TombstoneId,
    /// The repo label.
    pub repo: String,
    /// The path at which the content was archived.
    #[serde(serialize_with = "as_text")]
    pub path: RepoPath,
    /// SHA-256 of the content.
    #[serde(serialize_with = "as_text")]
    pub sha256: Digest,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// Bytes as stored.
    pub compressed_size: u64,
    /// Mode of the file.
    pub mode: FileMode,
    /// The content's object id in the repository it came from.
    #[serde(serialize_with = "as_text")]
    pub git_blob: GitOid,
    /// Why it was archived.
    pub reason: Reason,
    /// The commit it was archived at.
    pub commit_sha: String,
    /// Code, doc or asset.
    pub kind: ItemKind,
    /// The programming language, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Who archived it, as claimed.
    pub archived_by: String,
    /// When, RFC 3339.
    pub archived_at: String,
    /// Where it stands in its life.
    pub state: ItemState,
    /// Whether two approvals are needed to read it.
    pub restricted: bool,
    /// Not to be kept beyond this date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<String>,
    /// Whether a request to destroy it is open.
    pub prune_requested: bool,
    /// Names of the cases that hold it.
    pub holds: Vec<String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Metadata by key.
    pub metadata: BTreeMap<String, String>,
}

fn as_text<T: fmt::Display, S: serde::Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}
