//! Files whose bytes are in the archive already, and which nothing speaks of yet.
//!
//! Promises: every artifact was read back out of the archive and hashed.

use serde_json::{Map, Value, json};

use crate::backend::Catalog;
use crate::blob::Encoded;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs::Stamp;
use crate::model::{Digest, FileMode, Notes, RepoPath, TombstoneId};

use super::detach::Detached;
use super::selection::Candidate;
use super::store::{StoreOptions, StoredItem};
use super::stored::check_stored;
use super::{Archive, runs};

const ACTION: &str = "archive";

/// A file on its way into the archive.
pub struct Ready {
    /// The file; its object is that of the content.
    pub candidate: Candidate,
    /// The artifact's row.
    pub artifact_id: i64,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Whether the archive had the content before.
    pub deduplicated: bool,
    /// Whether its stored bytes were read back out of the archive already.
    pub is_read_back: bool,
    /// SHA-256 of what stands in the work tree.
    pub on_disk: Digest,
    /// How that looked before it was read, where that tells of every change since.
    pub stamp: Option<Stamp>,
    /// The item's id.
    pub tombstone: TombstoneId,
    /// What its record says of credentials in it.
    pub credentials: Option<Value>,
    /// How long it took to read and compress, in milliseconds.
    pub duration_ms: u64,
}

/// Bytes as stored that go into the archive in one transaction: others who share it wait for no
/// longer than these take to send.
pub(super) const SHARE_BYTES: usize = 8 << 20;

/// Content that is in the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// The artifact's row.
    pub row: i64,
    /// Bytes as stored.
    pub length: u64,
    /// Whether it came in with this deed.
    pub is_new: bool,
    /// Whether its stored bytes were read back since they came in, or found to be true.
    pub is_read_back: bool,
}

/// Content of at least so many bytes does not come in again once it was purged. What is shorter is
/// guessed from its digest, and is in every other repository: an empty file, a line.
pub(super) const LEDGER_BYTES: u64 = 64;

/// Writes an artifact by itself, unless the archive has it whole.
pub(super) fn add(
    catalog: &mut Catalog<'_>,
    path: &RepoPath,
    encoded: &Encoded,
    now: Timestamp,
) -> Result<Stored> {
    let (sha256, size_bytes) = (encoded.sha256, encoded.size_bytes);
    let (frame, frame_sha256) = (&encoded.frame, &encoded.frame_sha256);
    let length = frame.len() as u64;
    let Some(row) = catalog.artifact(&sha256)? else {
        let at = now.to_string();
        let row = catalog.add_artifact(&sha256, size_bytes, frame, frame_sha256, &at)?;
        return Ok(Stored { row, length, is_new: true, is_read_back: false });
    };
    match check_stored(catalog, row, size_bytes, &sha256) {
        Ok(true) => {
            let length = catalog.place(row)?.map_or(length, |place| place.length);
            Ok(Stored { row, length, is_new: false, is_read_back: false })
        }
        Ok(false) => {
            let is_long = size_bytes >= LEDGER_BYTES;
            if is_long && catalog.is_in_ledger(&sha256)? {
                return Err(Error::refused(ACTION, path.to_string(), Refusal::InLedger));
            }
            runs::replace(catalog, row, frame, frame_sha256)?;
            catalog.set_unpurged(row)?;
            Ok(Stored { row, length, is_new: true, is_read_back: false })
        }
        // The true bytes are at hand: they take the place of the damaged ones.
        Err(Error::Damaged { .. }) => {
            runs::replace(catalog, row, frame, frame_sha256)?;
            Ok(Stored { row, length, is_new: false, is_read_back: false })
        }
        Err(error) => Err(error),
    }
}

/// Reads every artifact back out of the archive and hashes it, unless its run was: nothing in the
/// tree is touched before that.
pub fn read_back(archive: &mut Archive, ready: &[Ready]) -> Result<()> {
    let mut files: Vec<&Ready> = ready.iter().filter(|file| !file.is_read_back).collect();
    // Members of one run one behind the other.
    files.sort_by_key(|file| file.artifact_id);
    files.dedup_by_key(|file| file.artifact_id);
    for file in files {
        if !archive.check_artifact(file.artifact_id, file.size_bytes, &file.sha256)? {
            let path = file.candidate.path.to_string();
            return Err(Error::damaged("artifact", path, "it is not in the archive"));
        }
    }
    Ok(())
}

impl Ready {
    /// Its mode.
    pub fn mode(&self) -> FileMode {
        if self.candidate.executable { FileMode::Executable } else { FileMode::Regular }
    }

    /// Its ARCHIVE event.
    pub fn event(&self, options: &StoreOptions, commit: &str) -> Event {
        let mut event = Event::new(Action::Archive, options.actor.as_str());
        event.repo = Some(options.label.to_string());
        event.path = Some(self.candidate.path.clone());
        event.commit = Some(commit.to_owned());
        event.sha256 = Some(self.sha256);
        event.size = Some(self.size_bytes);
        event.stored_size = Some(self.stored_bytes);
        event.git_blob = Some(self.candidate.oid);
        event.mode = Some(self.mode());
        event.reason = Some(options.notes_of(&self.candidate.path).reason.to_string());
        event.tombstone = Some(self.tombstone);
        event.detail =
            self.detail(options.notes_of(&self.candidate.path), self.candidate.detached.as_ref());
        event.duration_ms = options.batch.as_ref().and_then(|it| it.measured(self.duration_ms));
        event
    }

    /// What is told of it, with its record's digest.
    pub fn report(&self, label: &str, digest: Digest) -> StoredItem {
        StoredItem {
            tombstone: self.tombstone.to_string(),
            sha256: self.sha256.to_string(),
            size_bytes: self.size_bytes,
            compressed_size: self.stored_bytes,
            repo: label.to_owned(),
            path: self.candidate.path.to_string(),
            evidence: digest.to_string(),
            deduplicated: self.deduplicated,
            duration_ms: self.duration_ms,
        }
    }

    fn detail(&self, notes: &Notes, detached: Option<&Detached>) -> Option<Map<String, Value>> {
        let mut detail = Map::new();
        if let Some(credentials) = &self.credentials {
            detail.insert("credentials".to_owned(), credentials.clone());
        }
        if !notes.tags.is_empty() {
            detail.insert("tags".to_owned(), json!(notes.tags));
        }
        if !notes.metadata.is_empty() {
            detail.insert("metadata".to_owned(), json!(notes.metadata));
        }
        if let Some(detached) = detached {
            detached.note_in(&mut detail);
        }
        (!detail.is_empty()).then_some(detail)
    }
}
