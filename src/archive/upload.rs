//! Large files on their way into the archive.
//!
//! Promises: of what was interrupted, the pieces that came in are compared and not sent again; nothing
//! speaks of an upload before all of it is there.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::backend::NewMember;
use crate::blob::{self, Frame};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, Refusal, Result};
use crate::fs::Stamp;
use crate::git::Repository;
use crate::model::{CloneId, Digest, GitOid};
use crate::policy::content::Match;
use crate::progress::{Progress, Silent};

use super::detach;
use super::intake::large::{self, Parts, Streamed, Upload};
use super::ready::{LEDGER_BYTES, SHARE_BYTES, Stored};
use super::selection::Candidate;
use super::stored::check_stored;
use super::{Archive, Content, Workspace, runs};

const ACTION: &str = "archive";

/// A pointer of git-lfs has fewer bytes.
const POINTER_BYTES: u64 = 1024;

/// A large file that was taken in.
pub(super) struct Large {
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Bytes of its content.
    pub size_bytes: u64,
    /// The content's object id.
    pub oid: GitOid,
    /// SHA-256 of what stands in the work tree.
    pub on_disk: Digest,
    /// How that looked before it was read, where that tells of every change since.
    pub stamp: Option<Stamp>,
    /// Whether git must say if the path is clean.
    pub differs: bool,
    /// The credentials in it.
    pub credentials: Vec<Match>,
}

/// A file of the work tree, as large as it was when it was opened.
struct OnDisk<'a> {
    file: File,
    path: &'a Path,
    size_bytes: u64,
    stamp: Option<Stamp>,
}

impl<'a> OnDisk<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let meta = file.metadata().map_err(Error::io("read", path))?;
        let stamp = Stamp::before_reading(&meta, SystemClock.now().unix_ms());
        Ok(Self { file, path, size_bytes: meta.len(), stamp })
    }
}

impl Parts for OnDisk<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(Error::io("read", self.path))
    }
}

impl Parts for Content {
    fn size_bytes(&self) -> u64 {
        crate::git::Bytes::size_bytes(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.read_part(offset, buffer).map_err(Error::io("read", "content"))
    }
}

/// Reads the large file `candidate` with `stream`, and again out of git where the work tree holds
/// something else; what counts is what `stream` had last.
pub(super) fn judge(
    workspace: &Workspace,
    repository: &Repository,
    candidate: &Candidate,
    stream: &mut dyn FnMut(&dyn Parts) -> Result<Streamed>,
) -> Result<Large> {
    let path = workspace.top.join(candidate.path.as_path());
    let refused = |refusal| Err(Error::refused(ACTION, candidate.path.to_string(), refusal));
    let on_disk = OnDisk::open(&path)?;
    let size_bytes = on_disk.size_bytes;
    let streamed = stream(&on_disk)?;
    let (sha256, credentials) = (streamed.sha256, streamed.credentials);
    let oid = streamed.oid.unwrap_or(candidate.oid);
    let (on_disk, stamp) = (sha256, on_disk.stamp);
    let large = Large { sha256, size_bytes, oid, on_disk, stamp, differs: false, credentials };
    if let Some(pointer) = pointer_of(repository, candidate)? {
        let is_named = detach::pointer(&sha256, size_bytes) == pointer;
        return if is_named { Ok(large) } else { refused(Refusal::Dirty) };
    }
    if oid == candidate.oid {
        return Ok(Large { differs: candidate.detached.is_some(), ..large });
    }
    let gone = || Error::NotFound {
        action: "read",
        object: candidate.oid.to_string(),
        why: format!("git has no such object for `{}`", candidate.path),
    };
    let size_bytes = repository.blob_size(&candidate.oid)?.ok_or_else(gone)?;
    let blob = Content::of_blob(workspace.spool(), repository, &candidate.oid, size_bytes)?;
    let streamed = stream(&blob.ok_or_else(gone)?)?;
    let (sha256, credentials) = (streamed.sha256, streamed.credentials);
    Ok(Large { sha256, size_bytes, oid: candidate.oid, differs: true, credentials, ..large })
}

/// What git-lfs keeps in a file's place, where the candidate is under it.
fn pointer_of(repository: &Repository, candidate: &Candidate) -> Result<Option<Vec<u8>>> {
    if candidate.detached.is_none() {
        return Ok(None);
    }
    let is_short = repository.blob_size(&candidate.oid)?.is_some_and(|size| size < POINTER_BYTES);
    let blob = if is_short { repository.blob(&candidate.oid)? } else { None };
    Ok(blob.filter(|blob| detach::is_pointer(blob)))
}

/// Content that is looked at, and goes nowhere.
#[derive(Default)]
pub(super) struct Measured {
    /// Whether it is compressed, to learn how many bytes that makes.
    pub compresses: bool,
    /// Bytes as they would be stored.
    pub length: u64,
}

impl Upload for Measured {
    fn has(&mut self, _: u64, _: &[u8]) -> Result<bool> {
        Ok(!self.compresses)
    }

    fn put(&mut self, _: u64, stored: Vec<u8>) -> Result<()> {
        self.length += stored.len() as u64;
        Ok(())
    }
}

/// Content on its way into the archive.
pub(super) struct Sent {
    name: Digest,
    parts: u64,
    run: Option<i64>,
    /// Pieces that came in earlier.
    there: u64,
    /// Pieces that are to be written together.
    share: Vec<(u64, Vec<u8>)>,
    share_bytes: usize,
    length: u64,
}

/// What is being sent, and where to.
pub(super) struct Line<'a> {
    sent: &'a mut Sent,
    archive: &'a mut Archive,
    progress: &'a dyn Progress,
}

impl Sent {
    /// An upload of `size_bytes` bytes that are known as `key`; goes on with what was interrupted.
    pub fn begin(archive: &mut Archive, key: &[u8], size_bytes: u64) -> Result<Self> {
        let name = name_of(archive.writer, key, size_bytes);
        let run = archive.catalog().upload(&name)?;
        let there = run.map_or(Ok(0), |run| archive.catalog().pieces_there(run))?;
        let (parts, share) = (large::parts_of(size_bytes), Vec::new());
        Ok(Self { name, parts, run, there, share, share_bytes: 0, length: 0 })
    }

    /// Whether some of it came in earlier.
    pub fn is_resumed(&self) -> bool {
        self.there > 0
    }

    /// The way into `archive`; it is closed once `progress` says to stop.
    pub fn line<'a>(
        &'a mut self,
        archive: &'a mut Archive,
        progress: &'a dyn Progress,
    ) -> Line<'a> {
        Line { sent: self, archive, progress }
    }

    /// Gives up what came in.
    pub fn abandon(self, archive: &mut Archive) -> Result<()> {
        let Some(run) = self.run else { return Ok(()) };
        archive.add_artifacts(|catalog, _| catalog.end_upload(run))?;
        // Whoever may not take bytes away leaves them to `fsck --repair`.
        let _ = archive.add_artifacts(|catalog, _| catalog.remove_run(run));
        Ok(())
    }

    /// The run that came in, and how many bytes it stores; it still counts as an upload.
    pub fn run(mut self, archive: &mut Archive) -> Result<(i64, u64)> {
        self.write(archive)?;
        let gone = || Error::damaged("upload", "content", "nothing of it came in");
        Ok((self.run.ok_or_else(gone)?, self.length))
    }

    /// Makes what came in, and was read back, the bytes of an artifact with this content, as of `at`
    /// (RFC 3339) or now.
    pub fn finish(
        self,
        archive: &mut Archive,
        sha256: Digest,
        size_bytes: u64,
        at: Option<&str>,
    ) -> Result<Stored> {
        let (run, length) = self.run(archive)?;
        archive.add_artifacts(|catalog, now| {
            let Some(row) = catalog.artifact(&sha256)? else {
                let now = now.to_string();
                let at = at.unwrap_or(&now);
                let member = NewMember { sha256, size_bytes, length, at };
                let row = catalog.add_members(run, &[member])?[0];
                catalog.end_upload(run)?;
                return Ok(Stored { row, length, is_new: true, is_read_back: true });
            };
            let was_purged = match check_stored(catalog, row, size_bytes, &sha256) {
                Ok(true) => {
                    // Somebody else was faster.
                    catalog.end_upload(run)?;
                    return Ok(Stored { row, length, is_new: false, is_read_back: false });
                }
                Ok(false) => true,
                Err(Error::Damaged { .. }) => false,
                Err(error) => return Err(error),
            };
            if was_purged && size_bytes >= LEDGER_BYTES && catalog.is_in_ledger(&sha256)? {
                return Err(Error::refused(ACTION, sha256.to_string(), Refusal::InLedger));
            }
            runs::take_over(catalog, row, run, length)?;
            if was_purged {
                catalog.set_unpurged(row)?;
            }
            catalog.end_upload(run)?;
            Ok(Stored { row, length, is_new: was_purged, is_read_back: true })
        })
    }

    fn write(&mut self, archive: &mut Archive) -> Result<()> {
        let share = std::mem::take(&mut self.share);
        self.share_bytes = 0;
        if share.is_empty() {
            return Ok(());
        }
        let (begun, name, parts) = (self.run, self.name, self.parts);
        let run = archive.add_artifacts(|catalog, now| {
            let mut pieces = share.iter();
            let run = match begun {
                Some(run) => run,
                None => {
                    let first = pieces.next().map_or(&[][..], |(_, bytes)| bytes);
                    catalog.begin_upload(&name, parts, first, &now.to_string())?
                }
            };
            pieces.try_for_each(|(n, bytes)| catalog.add_piece(run, *n, bytes))?;
            Ok(run)
        })?;
        self.run = Some(run);
        // They were decoded and compared with the content: that these are the same is enough.
        let mut catalog = archive.catalog();
        for (n, bytes) in &share {
            if catalog.piece(run, *n)? != *bytes {
                let why = "a part of it did not read back as written";
                return Err(Error::damaged("upload", "content", why));
            }
        }
        Ok(())
    }
}

impl Upload for Line<'_> {
    fn has(&mut self, n: u64, content: &[u8]) -> Result<bool> {
        let Some(run) = self.sent.run.filter(|_| n < self.sent.there) else { return Ok(false) };
        let stored = self.archive.catalog().piece(run, n)?;
        let length = stored.len() as u64;
        blob::check(&Frame::alone(stored), content.len() as u64, &Digest::of(content))?;
        self.sent.length += length;
        Ok(true)
    }

    fn put(&mut self, n: u64, stored: Vec<u8>) -> Result<()> {
        // What came in stays, and the next attempt goes on from there.
        if self.progress.is_stopped() {
            return Err(Error::Interrupted);
        }
        self.sent.length += stored.len() as u64;
        self.sent.share_bytes += stored.len();
        self.sent.share.push((n, stored));
        if self.sent.share_bytes >= SHARE_BYTES { self.sent.write(self.archive) } else { Ok(()) }
    }
}

/// Sends content that is too large to be compressed at once, and was hashed before.
pub(super) fn send(archive: &mut Archive, content: &Content) -> Result<Sent> {
    let sha256 = content.sha256();
    let mut sent = Sent::begin(archive, sha256.as_bytes(), Parts::size_bytes(content))?;
    let line = &mut sent.line(archive, &Silent);
    let streamed = large::take_in(content, None, None, "content", line)?;
    if streamed.sha256 != sha256 {
        sent.abandon(archive)?;
        return Err(Error::damaged("content", sha256.to_string(), "it changed on its way"));
    }
    Ok(sent)
}

/// The name of an upload: of two clones that send the same file each has its own.
fn name_of(writer: Option<CloneId>, key: &[u8], size_bytes: u64) -> Digest {
    let writer = writer.map(|it| it.as_bytes().to_vec()).unwrap_or_default();
    let parts = [b"upload".as_slice(), &writer, key, &size_bytes.to_be_bytes()];
    Digest::of(&parts.concat())
}
