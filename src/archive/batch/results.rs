//! The results of a batch: one document, in a file and on standard output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BatchOptions;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};

/// The version of the document.
const VERSION: u64 = 1;

/// What came of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was done.
    Succeeded,
    /// It was refused, or did not work.
    Failed,
    /// Nothing was done with it: `why` says the reason.
    Skipped,
    /// In a dry run: it could be done.
    Ready,
}

/// Why nothing was done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It was done before.
    Already,
    /// The batch stopped at an item before it.
    NotReached,
    /// Somebody stopped the batch.
    Interrupted,
}

/// What failed: enough of an error to tell of it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: ErrorKind,
    /// Its message and its causes.
    pub words: String,
}

impl Failure {
    /// What `error` says.
    pub fn of(error: &Error) -> Self {
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            words.push_str(&format!(": {next}"));
            cause = next.source();
        }
        // One item, one line.
        Self { kind: error.kind(), words: words.replace("\n  ", "; ") }
    }
}

/// What came of one item.
#[derive(Debug, Clone, Serialize)]
pub struct ItemResult {
    /// The item's id; as the manifest has it where no item was found, empty where there is none.
    pub tombstone: String,
    /// The path at which it was or is archived; empty where that is not known.
    pub path: String,
    /// The file that was to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Who did it, where the manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What came of it.
    pub status: Status,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Bytes of the content that were restored or archived.
    pub bytes: u64,
    /// SHA-256 of the content; empty where it is not known.
    pub sha256: String,
    /// `archive` or `git history`, of what was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Digest of its record; empty where there is none.
    pub evidence: String,
    /// What went wrong, as the exit code tells it.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

impl ItemResult {
    /// An item of which nothing is known yet but its names.
    pub fn new(tombstone: &str, path: &str, output: Option<&str>) -> Self {
        Self {
            tombstone: tombstone.to_owned(),
            path: path.to_owned(),
            output: output.map(str::to_owned),
            actor: None,
            status: Status::Skipped,
            why: Some(Why::NotReached),
            duration_ms: 0,
            bytes: 0,
            sha256: String::new(),
            from: None,
            error: None,
            evidence: String::new(),
            kind: None,
        }
    }

    /// It has this status.
    pub fn becomes(&mut self, status: Status) {
        (self.status, self.why) = (status, None);
    }

    /// It was skipped for this reason.
    pub fn is_skipped(&mut self, why: Why) {
        (self.status, self.why) = (Status::Skipped, Some(why));
    }

    /// It failed.
    pub fn fails(&mut self, failure: Failure) {
        self.becomes(Status::Failed);
        self.bytes = 0;
        self.kind = Some(failure.kind);
        self.error = Some(failure.words);
    }
}

/// The numbers of a batch.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Items of the manifest.
    pub total: usize,
    /// Items that were done.
    pub succeeded: usize,
    /// Items that were refused or did not work.
    pub failed: usize,
    /// Items with which nothing was done.
    pub skipped: usize,
    /// Items that a dry run found no fault with.
    #[serde(skip_serializing_if = "is_zero")]
    pub ready: usize,
    /// How long it took, in milliseconds.
    pub total_duration_ms: u64,
    /// Bytes of content that were restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_bytes: Option<u64>,
    /// Bytes of content that were archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_bytes: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What came of a batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchResults {
    /// The document's version.
    pub v: u64,
    /// `batch-restore` or `batch-store`.
    pub command: &'static str,
    /// The manifest.
    pub manifest: String,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// Whether somebody stopped it.
    pub interrupted: bool,
    /// The deed of its last record; empty where nothing was recorded.
    pub deed: String,
    /// Digest of its last record.
    pub evidence: String,
    /// The segment that was staged, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_segment: Option<String>,
    /// The numbers.
    pub summary: Summary,
    /// Every item, in the manifest's order.
    pub items: Vec<ItemResult>,
    /// The results file; `None` where none was written.
    #[serde(skip)]
    pub saved_to: Option<String>,
    /// What went wrong beside the items.
    #[serde(skip)]
    pub trouble: Option<Failure>,
}

impl BatchResults {
    /// Results in which nothing has been done yet.
    pub fn new(command: &'static str, options: &BatchOptions, now: Timestamp) -> Self {
        Self {
            v: VERSION,
            command,
            manifest: options.manifest.clone(),
            manifest_sha256: options.manifest_sha256.to_string(),
            started_at: now.to_string(),
            dry_run: options.dry_run,
            interrupted: false,
            deed: String::new(),
            evidence: String::new(),
            evidence_segment: None,
            summary: Summary::default(),
            items: Vec::new(),
            saved_to: None,
            trouble: None,
        }
    }

    /// Counts the items.
    pub fn count(&mut self, total_duration_ms: u64) {
        let of = |status| self.items.iter().filter(|item| item.status == status).count();
        self.summary = Summary {
            total: self.items.len(),
            succeeded: of(Status::Succeeded),
            failed: of(Status::Failed),
            skipped: of(Status::Skipped),
            ready: of(Status::Ready),
            total_duration_ms,
            ..Summary::default()
        };
    }

    /// Bytes of all items that were done.
    pub fn bytes_done(&self) -> u64 {
        let done = self.items.iter().filter(|item| item.status == Status::Succeeded);
        done.map(|item| item.bytes).sum()
    }

    /// The exit code: 130 when it was stopped; 3 when a part failed and a part was done, now or
    /// before; else the first failure's own.
    pub fn exit_code(&self) -> u8 {
        let first = self.items.iter().find_map(|item| item.kind);
        let is_done =
            |it: &ItemResult| it.status == Status::Succeeded || it.why == Some(Why::Already);
        let in_part = !self.dry_run && self.items.iter().any(is_done);
        match (self.interrupted, first, &self.trouble) {
            (true, _, _) => ErrorKind::Interrupted.exit_code(),
            (_, Some(_), _) if in_part => 3,
            (_, Some(kind), _) => kind.exit_code(),
            (_, None, Some(trouble)) => trouble.kind.exit_code(),
            (_, None, None) => 0,
        }
    }
}

/// What an earlier run says of an item.
#[derive(Debug, Clone, Deserialize)]
pub struct EarlierItem {
    path: String,
    #[serde(default)]
    output: Option<String>,
    /// SHA-256 of the content.
    #[serde(default)]
    pub sha256: String,
    /// Digest of its record; empty where there is none.
    #[serde(default)]
    pub evidence: String,
}

/// The results of an earlier run, as far as they are needed.
#[derive(Debug, Deserialize)]
struct Earlier {
    v: u64,
    command: String,
    items: Vec<EarlierItem>,
}

/// The items of earlier results of `command`, by the file that each is about; `None` for any other
/// document.
pub fn earlier(command: &str, bytes: &[u8]) -> Option<BTreeMap<String, EarlierItem>> {
    let document: Earlier = serde_json::from_slice(bytes).ok()?;
    if document.v != VERSION || document.command != command {
        return None;
    }
    let file = |item: &EarlierItem| item.output.clone().unwrap_or_else(|| item.path.clone());
    Some(document.items.into_iter().map(|item| (file(&item), item)).collect())
}

/// Whether these bytes are results of any batch.
pub fn is_results(bytes: &[u8]) -> bool {
    ["batch-restore", "batch-store"].iter().any(|command| earlier(command, bytes).is_some())
}
