//! Where files arrive that are taken in, and go into the archive in short transactions.
//!
//! Promises: what is refused leaves nothing behind; each run is fetched back out of the archive once it
//! is in; content that is there already is decoded and hashed before anybody relies on it.

use std::collections::{HashMap, HashSet};

use crate::backend::{Catalog, NewMember};
use crate::blob::{Encoded, Encoder, Run, RunReader};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::{Error, Result};
use crate::git::Repository;
use crate::logging::Timer;
use crate::model::{Digest, TombstoneId};
use crate::progress::Progress;

use super::credentials::Screen;
use super::intake::large::{self, Parts, Upload};
use super::intake::{Archived, Intake, Place, Taken, TakenRun, Taker};
use super::ready::{Ready, SHARE_BYTES, Stored, add};
use super::selection::{Candidate, Selection};
use super::store::StoreOptions;
use super::upload::{self, Large, Measured, Sent};
use super::{Archive, Workspace, intake, runs};

/// Reads, compresses and writes the artifacts of a selection.
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
    let (policy, pace) = (policy.as_ref(), options.pace);
    let intake = Intake { top: &workspace.top, candidates, policy, pace };
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
            stamp: seen.stamp,
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
            let content = &intake.pace.of(content, &candidate.path);
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

    /// Reads a run back out of the archive. Its bytes have been decoded and compared with the content:
    /// that they are the same is enough.
    fn read_back(&mut self, incoming: &[Incoming], run: &Run) -> Result<()> {
        let mut members = incoming.iter().filter(|it| it.alone.is_none());
        let Some(first) = members.clone().find_map(|it| self.stored.get(&it.sha256)) else {
            return Ok(());
        };
        let mut catalog = self.archive.catalog();
        let Some(place) = catalog.place(first.row)? else { return Ok(()) };
        let is_same = catalog.piece(place.run, 0)? == run.bytes;
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
                stamp: file.stamp,
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
