//! Files whose bytes are in the archive already, and which nothing speaks of yet.
//!
//! Promises: every artifact was read back out of the archive and hashed.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::backend::{Catalog, NewMember};
use crate::blob::{Encoded, Encoder, Run, RunReader};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::git::Repository;
use crate::logging::Timer;
use crate::model::{Digest, FileMode, Notes, RepoPath, TombstoneId};
use crate::progress::Progress;

use super::credentials::Screen;
use super::detach::Detached;
use super::intake::large::{self, Parts, Upload};
use super::intake::{Archived, Intake, Place, Taken, TakenRun, Taker};
use super::selection::{Candidate, Selection};
use super::store::{StoreOptions, StoredItem};
use super::stored::check_stored;
use super::upload::{self, Large, Measured, Sent};
use super::{Archive, Workspace, intake, runs};

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
    let policy = screen.policy();
    let intake = Intake { top: &workspace.top, candidates, policy: policy.as_ref() };
    let mut desk = Desk {
        workspace,
        archive,
        options,
        candidates,
        screen,
        progress,
        suspects: Vec::new(),
        share: Vec::new(),
        share_bytes: 0,
        done: 0,
        stored: HashMap::new(),
        files: Vec::new(),
    };
    let taken = intake
        .run(repository, &mut desk)
        .and_then(|()| intake::check_clean(repository, &desk.suspects))
        .and_then(|()| desk.screen.check())
        .and_then(|()| desk.write());
    match taken {
        Ok(()) => desk.ready(),
        Err(error) => {
            let added = desk.stored.values().filter(|it| it.is_new).map(|it| it.row);
            let added: Vec<i64> = added.collect();
            // Failing to tidy up must not hide why.
            let _ = desk.archive.remove_artifacts(&added);
            Err(error)
        }
    }
}

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

/// Where the files arrive that are taken in, and go into the archive.
struct Desk<'a> {
    workspace: &'a Workspace,
    archive: &'a mut Archive,
    options: &'a StoreOptions,
    candidates: &'a [Candidate],
    screen: &'a mut Screen,
    progress: &'a dyn Progress,
    /// Files of which git must say if they are clean.
    suspects: Vec<&'a Candidate>,
    /// Runs that are to be written together.
    share: Vec<(Vec<Incoming>, Option<Run>)>,
    share_bytes: usize,
    done: usize,
    stored: HashMap<Digest, Stored>,
    files: Vec<Taken>,
}

/// Content that is to be written.
struct Incoming {
    at: usize,
    sha256: Digest,
    size_bytes: u64,
    /// By itself, in the place of bytes that are damaged or were purged.
    alone: Option<Encoded>,
}

impl Taker for Desk<'_> {
    fn known(&mut self, contents: &[(Digest, u64)]) -> Result<HashMap<Digest, Archived>> {
        let digests: Vec<Digest> = contents.iter().map(|(sha256, _)| *sha256).collect();
        let rows = self.archive.catalog().artifacts_with(&digests)?;
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let mut known: Vec<_> = contents
            .iter()
            .filter_map(|(sha256, size)| Some((*rows.get(sha256)?, *sha256, *size)))
            .collect();
        // In the order in which they stand in their runs.
        known.sort_unstable();
        known.dedup();
        let mut archived = HashMap::with_capacity(known.len());
        for (row, sha256, size_bytes) in known {
            let is_whole = self.is_whole(row, sha256, size_bytes)?;
            let state = if is_whole { Archived::Whole } else { Archived::Broken };
            archived.insert(sha256, state);
        }
        Ok(archived)
    }

    fn take(&mut self, taken: TakenRun) -> Result<()> {
        let mut incoming = Vec::new();
        for mut file in taken.files {
            let candidate = &self.candidates[file.at];
            self.screen.note(&candidate.path, std::mem::take(&mut file.credentials));
            if file.differs {
                self.suspects.push(candidate);
            }
            let (at, sha256, size_bytes) = (file.at, file.sha256, file.size_bytes);
            match std::mem::replace(&mut file.place, Place::Elsewhere) {
                Place::Member(_) => incoming.push(Incoming { at, sha256, size_bytes, alone: None }),
                Place::Alone(encoded) => {
                    self.share_bytes += encoded.frame.len();
                    incoming.push(Incoming { at, sha256, size_bytes, alone: Some(encoded) });
                }
                Place::Elsewhere => {}
            }
            self.files.push(file);
            self.done += 1;
            self.progress.step(self.done, self.candidates.len());
        }
        self.share_bytes += taken.run.as_ref().map_or(0, |run| run.bytes.len());
        // The rest is read to tell of all that is in it, and stays out.
        if !self.screen.refuses() && !incoming.is_empty() {
            self.share.push((incoming, taken.run));
        }
        if self.share_bytes >= SHARE_BYTES {
            self.write()?;
        }
        self.go_on()
    }

    fn take_large(&mut self, intake: Intake<'_>, repository: &Repository, at: usize) -> Result<()> {
        let watch = Stopwatch::start();
        let candidate = &self.candidates[at];
        let (seen, sent) = self.send(intake, repository, candidate)?;
        self.screen.note(&candidate.path, seen.credentials);
        if seen.differs {
            self.suspects.push(candidate);
        }
        let (sha256, size_bytes) = (seen.sha256, seen.size_bytes);
        match sent {
            Some(sent) if self.screen.refuses() => sent.abandon(self.archive)?,
            Some(sent) => {
                let stored = sent.finish(self.archive, sha256, size_bytes, None)?;
                self.stored.insert(sha256, stored);
            }
            None => {}
        }
        self.files.push(Taken {
            at,
            sha256,
            size_bytes,
            oid: seen.oid,
            on_disk: seen.on_disk,
            differs: seen.differs,
            credentials: Vec::new(),
            place: Place::Elsewhere,
            duration_ms: watch.elapsed_whole_ms(),
        });
        self.done += 1;
        self.progress.step(self.done, self.candidates.len());
        self.go_on()
    }
}

impl Desk<'_> {
    /// Nothing speaks of these bytes yet: here is the last place to turn back.
    fn go_on(&self) -> Result<()> {
        if self.progress.is_stopped() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Whether the archive has this content, and every byte of it is true.
    fn is_whole(&mut self, row: i64, sha256: Digest, size_bytes: u64) -> Result<bool> {
        if self.stored.contains_key(&sha256) {
            return Ok(true);
        }
        match self.archive.check_artifact(row, size_bytes, &sha256) {
            Ok(true) => {}
            Ok(false) | Err(Error::Damaged { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let length = self.archive.catalog().place(row)?.map_or(0, |place| place.length);
        self.stored.insert(sha256, Stored { row, length, is_new: false, is_read_back: true });
        Ok(true)
    }

    /// Sends a large file, unless the archive has it whole.
    fn send(
        &mut self,
        intake: Intake<'_>,
        repository: &Repository,
        candidate: &Candidate,
    ) -> Result<(Large, Option<Sent>)> {
        let (path, workspace) = (candidate.path.to_string(), self.workspace);
        let stream = |content: &dyn Parts, upload: &mut dyn Upload| {
            let hasher = repository.blob_hasher(content.size_bytes());
            large::take_in(content, Some(hasher), intake.policy, &path, upload)
        };
        let mut sent: Option<Sent> = None;
        let seen = upload::judge(workspace, repository, candidate, &mut |content| {
            if let Some(other) = sent.take() {
                // What stands in the work tree is not what is archived.
                other.abandon(self.archive)?;
            }
            let size_bytes = content.size_bytes();
            if self.archive.catalog().has_size(size_bytes)? {
                // It may be there: it is hashed before anything is sent.
                let streamed = stream(content, &mut Measured::default())?;
                let row = self.archive.catalog().artifact(&streamed.sha256)?;
                if let Some(row) = row
                    && self.is_whole(row, streamed.sha256, size_bytes)?
                {
                    return Ok(streamed);
                }
            }
            let mut upload = Sent::begin(self.archive, candidate.oid.as_bytes(), size_bytes)?;
            let progress = self.progress;
            let mut streamed = stream(content, &mut upload.line(self.archive, progress));
            if upload.is_resumed() && matches!(streamed, Err(Error::Damaged { .. })) {
                // What came in earlier is no part of this.
                upload.abandon(self.archive)?;
                upload = Sent::begin(self.archive, candidate.oid.as_bytes(), size_bytes)?;
                streamed = stream(content, &mut upload.line(self.archive, progress));
            }
            sent = Some(upload);
            streamed
        })?;
        Ok((seen, sent))
    }

    /// Writes what has come in.
    fn write(&mut self) -> Result<()> {
        let share = std::mem::take(&mut self.share);
        self.share_bytes = 0;
        if share.is_empty() {
            return Ok(());
        }
        let candidates = self.candidates;
        let written = self.archive.add_artifacts(|catalog, now| {
            let mut written = Vec::new();
            for (incoming, run) in &share {
                let members = incoming.iter().filter(|it| it.alone.is_none());
                let members: Vec<&Incoming> = members.collect();
                if let Some(run) = run {
                    written.extend(write_run(catalog, candidates, &members, run, now)?);
                }
                for content in incoming {
                    if let Some(encoded) = &content.alone {
                        let path = &candidates[content.at].path;
                        written.push((content.sha256, add(catalog, path, encoded, now)?));
                    }
                }
            }
            Ok(written)
        })?;
        self.stored.extend(written);
        share.iter().try_for_each(|(incoming, run)| match run {
            Some(run) => self.read_back(incoming, run),
            None => Ok(()),
        })
    }

    /// Reads a run back out of the archive. Its bytes have been decoded and compared with the content;
    /// that they are the same is seen by their digest.
    fn read_back(&mut self, incoming: &[Incoming], run: &Run) -> Result<()> {
        let mut members = incoming.iter().filter(|it| it.alone.is_none());
        let Some(first) = members.clone().find_map(|it| self.stored.get(&it.sha256)) else {
            return Ok(());
        };
        let mut catalog = self.archive.catalog();
        let Some(place) = catalog.place(first.row)? else { return Ok(()) };
        let is_same = Digest::of(&catalog.piece(place.run, 0)?) == run.sha256;
        // Part of it was there meanwhile: then it is another run, and each is read by itself.
        if place.members == run.lengths.len() as u64 && is_same {
            for member in members.by_ref() {
                if let Some(stored) = self.stored.get_mut(&member.sha256) {
                    stored.is_read_back = true;
                }
            }
        }
        Ok(())
    }

    /// The files, each with its artifact, in the order of the candidates.
    fn ready(mut self) -> Result<Vec<Ready>> {
        self.files.sort_by_key(|file| file.at);
        let (candidates, stored) = (self.candidates, &self.stored);
        let mut first = HashSet::new();
        let screen = &self.screen;
        let one = |file: Taken| {
            let candidate = Candidate { oid: file.oid, ..candidates[file.at].clone() };
            let gone = || {
                let why = "its bytes did not come in";
                Error::damaged("artifact", candidate.path.to_string(), why)
            };
            let stored = stored.get(&file.sha256).ok_or_else(gone)?;
            Ok(Ready {
                artifact_id: stored.row,
                sha256: file.sha256,
                size_bytes: file.size_bytes,
                stored_bytes: stored.length,
                // Of several files with the same content the first brought it.
                is_read_back: stored.is_read_back,
                deduplicated: !stored.is_new || !first.insert(file.sha256),
                on_disk: file.on_disk,
                tombstone: TombstoneId::derive(&self.options.label, &candidate.path, &file.sha256),
                credentials: screen.detail(&candidate.path),
                duration_ms: file.duration_ms,
                candidate,
            })
        };
        self.files.into_iter().map(one).collect()
    }
}

/// Writes a run. What came into the archive meanwhile is left out of it.
fn write_run(
    catalog: &mut Catalog<'_>,
    candidates: &[Candidate],
    members: &[&Incoming],
    run: &Run,
    now: Timestamp,
) -> Result<Vec<(Digest, Stored)>> {
    let digests: Vec<Digest> = members.iter().map(|it| it.sha256).collect();
    let known = catalog.artifacts_with(&digests)?;
    let mut reader = if known.is_empty() { None } else { Some(RunReader::new(run.bytes.clone())?) };
    let (mut written, mut left, mut contents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offset, at) = (0, now.to_string());
    for (member, length) in members.iter().zip(&run.lengths) {
        let (sha256, size_bytes, length) = (member.sha256, member.size_bytes, *length);
        if let Some(reader) = &mut reader {
            let content = reader.member((offset, length), size_bytes, &sha256)?.to_vec();
            if known.contains_key(&sha256) {
                let path = &candidates[member.at].path;
                let encoded = Encoder::new()?.encode(&content)?;
                written.push((sha256, add(catalog, path, &encoded, now)?));
                offset += length;
                continue;
            }
            contents.push(content);
        }
        left.push(NewMember { sha256, size_bytes, length, at: &at });
        offset += length;
    }
    if left.is_empty() {
        return Ok(written);
    }
    let rows = match reader {
        None => runs::add(catalog, run, &mut left)?,
        Some(_) => {
            let rest = Encoder::new()?.encode_run(&contents)?;
            runs::add(catalog, &rest, &mut left)?
        }
    };
    let stored = |(row, it): (i64, NewMember<'_>)| {
        (it.sha256, Stored { row, length: it.length, is_new: true, is_read_back: false })
    };
    written.extend(rows.into_iter().zip(left).map(stored));
    Ok(written)
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
