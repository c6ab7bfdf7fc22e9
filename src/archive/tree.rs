//! Changes to the work tree and the index: all files first, then all names, then one staging.
//!
//! Promises: a file that is not what the plan saw is left alone; each file is replaced at once
//! or not at all; what was staged is compared with what was meant.

mod placing;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::evidence::Segment;
use crate::fs::{self as files, Executable, Folder, Seen, Stamp, There};
use crate::git::{Bytes as _, Packing, Repository};
use crate::logging::Timer;
use crate::model::{Digest, RepoPath};

use super::Content;

/// From so many blobs on, one pack is cheaper than an object file for each.
const MANY_BLOBS: usize = 32;

/// Larger blobs are no stubs: git writes them as it is set to.
const SMALL_BYTES: usize = 4096;

/// A segment of so many bytes takes git long to compress.
const LONG_BYTES: usize = 1 << 20;

/// What a path shall hold.
#[derive(Debug, Clone)]
pub enum After {
    /// This file.
    File {
        /// Its bytes.
        bytes: Content,
        /// Whether it is executable.
        executable: Executable,
    },
    /// This file, which git converts on its way into the index.
    Converted {
        /// Its bytes.
        bytes: Content,
        /// Whether it is executable.
        executable: Executable,
        /// What the index shall have; `None` leaves that to git.
        staged: Option<Content>,
    },
    /// Nothing.
    Absent,
}

impl After {
    /// The bytes of the work tree's file, and whether it is executable.
    fn file(&self) -> Option<(&Content, Executable)> {
        match self {
            Self::File { bytes, executable } | Self::Converted { bytes, executable, .. } => {
                Some((bytes, *executable))
            }
            Self::Absent => None,
        }
    }

    /// SHA-256 of the work tree's file; `None` for nothing.
    pub fn digest(&self) -> Option<Digest> {
        self.file().map(|(bytes, _)| bytes.sha256())
    }

    /// The bytes that the index shall have; `None` where git decides, or nothing shall stand there.
    pub fn staged(&self) -> Option<&Content> {
        match self {
            Self::File { bytes, .. } => Some(bytes),
            Self::Converted { staged, .. } => staged.as_ref(),
            Self::Absent => None,
        }
    }
}

/// One path and what shall become of it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The path.
    pub path: RepoPath,
    /// SHA-256 of what stands there now; `None` for nothing.
    pub before: Option<Digest>,
    /// How that looked before it was read, where that tells of every change since.
    pub stamp: Option<Stamp>,
    /// What shall stand there.
    pub after: After,
}

/// How a path stands to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As before the step.
    Before,
    /// As after it.
    After,
    /// As neither.
    Other,
}

impl Step {
    /// SHA-256 of what shall stand at the path; `None` for nothing.
    pub fn after_digest(&self) -> Option<Digest> {
        self.after.digest()
    }

    fn staged_in_memory(&self) -> Option<&[u8]> {
        self.after.staged().and_then(|content| content.in_memory())
    }
}

/// What stands at `path`.
pub fn seen_on_disk(top: &Path, path: &RepoPath) -> Result<There<Seen>> {
    let path = path.as_path();
    match Folder::below("look at", top, files::inner_folder_of(path)) {
        Ok(Some(folder)) => folder.see(path.file_name().unwrap_or_default()),
        Ok(None) => Ok(There::Nothing),
        // A link or a file on the way: whatever is behind it is not ours.
        Err(Error::Refused { .. }) => Ok(There::Other("behind a link")),
        Err(error) => Err(error),
    }
}

/// SHA-256 of the regular file at `path`; `None` where nothing stands.
pub fn digest_on_disk(top: &Path, path: &RepoPath) -> Result<Option<Digest>> {
    seen_on_disk(top, path).map(digest_of)
}

fn digest_in(folder: &Folder, path: &Path) -> Result<Option<Digest>> {
    folder.see(path.file_name().unwrap_or_default()).map(digest_of)
}

fn digest_of(there: There<Seen>) -> Option<Digest> {
    match there {
        There::Nothing => None,
        There::File(seen) => Some(seen.sha256),
        // Something else stands there: no digest of ours can be the digest of that.
        There::Other(_) => Some(Digest::ZERO),
    }
}

/// How the work tree stands to a change from `before` to `after`.
pub fn standing(
    top: &Path,
    path: &RepoPath,
    before: Option<Digest>,
    after: Option<Digest>,
) -> Result<Standing> {
    Ok(how(digest_on_disk(top, path)?, before, after))
}

fn how(now: Option<Digest>, before: Option<Digest>, after: Option<Digest>) -> Standing {
    if now == after {
        Standing::After
    } else if now == before {
        Standing::Before
    } else {
        Standing::Other
    }
}

/// Refuses early when somebody else is changing the index.
pub fn check_index_free(repository: &Repository) -> Result<()> {
    let path = repository.git_dir().join("index.lock");
    if path.exists() { Err(Error::Locked { path }) } else { Ok(()) }
}

/// What was done for many steps before the deed was recorded: no path has changed by it.
pub struct Ahead<'a> {
    files: Vec<placing::Prepared<'a>>,
    packing: Option<Packing>,
}

/// Whether [`prepare`] is worth a thread.
pub fn is_worth_preparing(steps: &[Step]) -> bool {
    placing::is_worth_preparing(steps)
}

/// Writes the files of `steps` beside their targets, and begins to write their objects.
pub fn prepare<'a>(
    action: &'static str,
    top: &Path,
    repository: Option<&Repository>,
    steps: &'a [Step],
) -> Result<Ahead<'a>> {
    let packing = repository.and_then(|repository| pack_stubs(repository, steps).ok().flatten());
    Ok(Ahead { files: placing::prepare_files(action, top, steps)?, packing })
}

/// Takes all steps in the work tree and stages them with the segment, if this is a repository.
pub fn apply(
    action: &'static str,
    top: &Path,
    repository: Option<&Repository>,
    steps: &[Step],
    segment: Option<&Segment>,
    ahead: Option<Ahead<'_>>,
) -> Result<()> {
    let tree = Timer::phase("tree");
    let segment = segment.map(Segment::files).transpose()?.unwrap_or_default();
    let long = repository.and_then(|repository| pack_long(repository, &segment).ok().flatten());
    let (packing, written) = match ahead {
        Some(ahead) => (ahead.packing, placing::place_files(action, ahead.files)),
        None => {
            // Into one pack, beside the files. Where that fails, git writes each object when it
            // stages it, and says what is wrong.
            let packing = repository.and_then(|it| pack_stubs(it, steps).ok().flatten());
            (packing, placing::write_files(action, top, steps))
        }
    };
    for packing in packing.into_iter().chain(long) {
        packing.finish();
    }
    written?;
    write_segment_files(top, &segment)?;
    drop(tree);
    let _timer = Timer::phase("stage");
    match repository {
        Some(repository) => stage(repository, steps, &segment),
        None => Ok(()),
    }
}

/// A segment's files, with their paths.
type SegmentFiles = [(RepoPath, Vec<u8>)];

/// Writes a segment's files, unless they are there.
pub fn write_segment(top: &Path, segment: &Segment) -> Result<()> {
    write_segment_files(top, &segment.files()?)
}

fn write_segment_files(top: &Path, segment: &SegmentFiles) -> Result<()> {
    for (path, bytes) in segment {
        let path = path.as_path();
        let inside = files::inner_folder_of(path);
        let folder = Arc::new(Folder::make_below("write", top, inside)?);
        let name = path.file_name().unwrap_or_default();
        if digest_of(folder.see(name)?) != Some(Digest::of(bytes)) {
            folder.write_atomic(name, bytes, Executable::No)?;
        }
    }
    Ok(())
}

/// Whether a segment's files stand in the work tree as they should.
pub fn has_segment(top: &Path, segment: &Segment) -> Result<bool> {
    for (path, bytes) in segment.files()? {
        if digest_on_disk(top, &path)? != Some(Digest::of(&bytes)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Begins to write the stubs, which are to be staged, into one pack; `None` where an object file for
/// each is as cheap.
fn pack_stubs(repository: &Repository, steps: &[Step]) -> Result<Option<Packing>> {
    let small = |step| {
        let bytes = Step::staged_in_memory(step);
        bytes.filter(|bytes| bytes.len() <= SMALL_BYTES)
    };
    let blobs: Vec<&[u8]> = steps.iter().filter_map(small).collect();
    if blobs.len() < MANY_BLOBS {
        return Ok(None);
    }
    repository.begin_pack(&blobs).map(Some)
}

/// Begins to write the long ones of a segment's files into a pack, with less effort than git would.
fn pack_long(repository: &Repository, segment: &SegmentFiles) -> Result<Option<Packing>> {
    let long = segment.iter().map(|(_, bytes)| bytes.as_slice());
    let long: Vec<&[u8]> = long.filter(|bytes| bytes.len() >= LONG_BYTES).collect();
    if long.is_empty() { Ok(None) } else { repository.begin_pack(&long).map(Some) }
}

/// Stages everything at once. Where git's own reading of the work tree gives another entry than
/// was meant, the exact one is set: with fileMode=false a stub would stay executable, with autocrlf
/// a restored CRLF file would be converted.
fn stage(repository: &Repository, steps: &[Step], segment: &SegmentFiles) -> Result<()> {
    let mut wanted = Vec::with_capacity(steps.len() + 1);
    for step in steps {
        let entry = match step.after.file() {
            None => None,
            Some((_, executable)) => {
                let mode = if executable == Executable::Yes { 0o100_755 } else { 0o100_644 };
                let oid = match (step.staged_in_memory(), step.after.staged()) {
                    (Some(stub), _) if stub.len() <= SMALL_BYTES => repository.known_blob_id(stub),
                    (_, Some(bytes)) => repository.hash_bytes(bytes)?,
                    _ => repository.clean_hashes(std::slice::from_ref(&step.path))?[0],
                };
                Some((mode, oid))
            }
        };
        wanted.push((step.path.clone(), entry));
    }
    for (path, bytes) in segment {
        let oid = repository.known_blob_id(bytes);
        wanted.push((path.clone(), Some((0o100_644, oid))));
    }
    let mut wrong: HashSet<RepoPath> = repository.stage_as(&wanted)?.into_iter().collect();
    let left_to_git = |path: &RepoPath| {
        let step = steps.iter().find(|step| step.path == *path);
        step.is_some_and(|step| matches!(step.after, After::Converted { staged: None, .. }))
    };
    wrong.retain(|path| !left_to_git(path));
    if wrong.is_empty() {
        return Ok(());
    }
    for step in steps.iter().filter(|step| wrong.contains(&step.path)) {
        if let Some(bytes) = step.after.staged() {
            repository.write_bytes(bytes)?;
        }
    }
    for (_, bytes) in segment.iter().filter(|(path, _)| wrong.contains(path)) {
        repository.write_blob(bytes)?;
    }
    wanted.retain(|(path, _)| wrong.contains(path));
    repository.stage_entries(&wanted)
}
