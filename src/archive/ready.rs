//! Files whose bytes are in the archive already, and which nothing speaks of yet.
//!
//! Promises: every artifact was read back out of the archive and hashed.

use serde_json::{Map, Value, json};

use crate::backend::Catalog;
use crate::blob::Encoded;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::git::Repository;
use crate::logging::Timer;
use crate::model::{Digest, FileMode, Notes, TombstoneId};
use crate::progress::Progress;

use super::credentials::Screen;
use super::detach::Detached;
use super::journaled::{Archive, check_artifact};
use super::selection::{Candidate, Selection};
use super::store::{StoreOptions, StoredItem};
use super::{Workspace, intake};

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
    /// SHA-256 of what stands in the work tree.
    pub on_disk: Digest,
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

/// Reads, compresses and writes the artifacts, in short transactions of their own. What is refused
/// leaves none behind.
pub fn take_in(
    workspace: &Workspace,
    repository: &Repository,
    options: &StoreOptions,
    archive: &mut Archive,
    selection: &Selection,
    screen: &mut Screen,
    progress: &dyn Progress,
) -> Result<Vec<Ready>> {
    // Reading, compressing and inserting go on at the same time.
    let _timer = Timer::phase("read");
    let candidates = &selection.candidates;
    let mut ready: Vec<Option<Ready>> = candidates.iter().map(|_| None).collect();
    let mut suspects = Vec::new();
    let mut share = Vec::new();
    let (mut done, mut bytes) = (0, 0);
    let policy = screen.policy();
    let policy = policy.as_ref();
    let taken = intake::read_all(&workspace.top, repository, candidates, policy, |at, intake| {
        let candidate = &candidates[at];
        screen.note(&candidate.path, intake.credentials);
        if intake.differs {
            suspects.push(candidate);
        }
        let candidate = Candidate { oid: intake.oid, ..candidate.clone() };
        bytes += intake.encoded.frame.len();
        let (encoded, on_disk, duration_ms) = (intake.encoded, intake.on_disk, intake.duration_ms);
        // The rest is read to tell of all that is in it, and stays out.
        if !screen.refuses() {
            let credentials = screen.detail(&candidate.path);
            share.push(Taken { at, candidate, encoded, on_disk, credentials, duration_ms });
        }
        if bytes >= SHARE_BYTES {
            write(archive, options, &share, &mut ready)?;
            share.clear();
            bytes = 0;
        }
        done += 1;
        progress.step(done, candidates.len());
        // Nothing speaks of these bytes yet: here is the last place to turn back.
        if progress.is_stopped() { Err(Error::Interrupted) } else { Ok(()) }
    });
    let taken = taken
        .and_then(|()| intake::check_clean(repository, &suspects))
        .and_then(|()| screen.check())
        .and_then(|()| write(archive, options, &share, &mut ready));
    let ready: Vec<Ready> = ready.into_iter().flatten().collect();
    if let Err(error) = taken {
        let added = ready.iter().filter(|file| !file.deduplicated).map(|file| file.artifact_id);
        // Failing to tidy up must not hide why.
        let _ = archive.remove_artifacts(&added.collect::<Vec<_>>());
        return Err(error);
    }
    Ok(ready)
}

/// A file that was read and compressed.
struct Taken {
    at: usize,
    candidate: Candidate,
    encoded: Encoded,
    on_disk: Digest,
    credentials: Option<Value>,
    duration_ms: u64,
}

fn write(
    archive: &mut Archive,
    options: &StoreOptions,
    share: &[Taken],
    ready: &mut [Option<Ready>],
) -> Result<()> {
    if share.is_empty() {
        return Ok(());
    }
    let written = archive.add_artifacts(|catalog, now| {
        let written = share.iter().map(|taken| {
            let (candidate, encoded) = (&taken.candidate, &taken.encoded);
            let added = add(catalog, options, candidate, encoded, taken.on_disk, now)?;
            let credentials = taken.credentials.clone();
            Ok(Ready { credentials, duration_ms: taken.duration_ms, ..added })
        });
        written.collect::<Result<Vec<Ready>>>()
    })?;
    for (taken, file) in share.iter().zip(written) {
        ready[taken.at] = Some(file);
    }
    Ok(())
}

/// Content of at least so many bytes does not come in again once it was purged. What is shorter is
/// guessed from its digest, and is in every other repository: an empty file, a line.
pub(super) const LEDGER_BYTES: u64 = 64;

/// Writes an artifact unless the archive has it whole.
pub fn add(
    catalog: &mut Catalog<'_>,
    options: &StoreOptions,
    candidate: &Candidate,
    encoded: &Encoded,
    on_disk: Digest,
    now: Timestamp,
) -> Result<Ready> {
    let (sha256, size_bytes) = (encoded.sha256, encoded.size_bytes);
    let (frame, frame_sha256) = (&encoded.frame, &encoded.frame_sha256);
    let known = catalog.artifact(&sha256)?;
    let mut refilled = false;
    let artifact_id = match known {
        None => catalog.add_artifact(&sha256, size_bytes, frame, frame_sha256, &now.to_string())?,
        Some(row) => {
            match check_artifact(catalog, row, size_bytes, &sha256) {
                Ok(true) => {}
                Ok(false) => {
                    let is_long = size_bytes >= LEDGER_BYTES;
                    if is_long && catalog.is_in_ledger(&sha256)? {
                        let path = candidate.path.to_string();
                        return Err(Error::refused(ACTION, path, Refusal::InLedger));
                    }
                    catalog.refill(row, frame, frame_sha256)?;
                    refilled = true;
                }
                // The true bytes are at hand: they take the place of the damaged ones.
                Err(Error::Damaged { .. }) => catalog.replace_run(row, frame, frame_sha256)?,
                Err(error) => return Err(error),
            }
            row
        }
    };
    Ok(Ready {
        candidate: candidate.clone(),
        artifact_id,
        sha256,
        size_bytes,
        stored_bytes: frame.len() as u64,
        deduplicated: known.is_some() && !refilled,
        on_disk,
        tombstone: TombstoneId::derive(&options.label, &candidate.path, &sha256),
        credentials: None,
        duration_ms: 0,
    })
}

/// Reads every artifact back out of the archive and hashes it: nothing in the tree is touched
/// before that.
pub fn read_back(archive: &mut Archive, ready: &[Ready]) -> Result<()> {
    for file in ready {
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
