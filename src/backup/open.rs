//! A backup that is opened: decrypted, unpacked to a scratch place, and its archive looked into.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use crate::archive::{Archive, Counts, Depth, Workspace, examine};
use crate::backend::{Access, SqliteScratch};
use crate::error::{Error, Result};
use crate::model::RepoPath;
use crate::progress::Progress;

use super::container::{self, Contents, Taker};
use super::gpg;
use super::manifest::{ArchiveEntry, Manifest};
use super::room;
use super::seal::{Key, unseal};

/// How much is read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads the container in `source`, whatever it is encrypted with, to its end.
pub(super) fn read(
    object: &str,
    source: impl Read + fmt::Debug + Send,
    key: &Key,
    taker: &mut dyn Taker,
) -> Result<Contents> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    let head = source.fill_buf().map_err(Error::io("read", object))?;
    if head.is_empty() {
        return Err(Error::damaged("backup", object, "it is empty"));
    }
    if head.starts_with(&GZIP) {
        return container::read(object, source, taker);
    }
    let take = |plain: &mut dyn Read| {
        let contents = container::read(object, &mut *plain, taker)?;
        // The end of the message says whether any of it was changed.
        io::copy(plain, &mut io::sink()).map_err(|error| {
            Error::damaged("backup", object, format!("it was changed, or breaks off: {error}"))
        })?;
        Ok(contents)
    };
    match key {
        Key::Gpg => gpg::unseal(object, source, take),
        _ => unseal(object, source, key, take),
    }
}

/// Takes the archive out of a container, into a file without a name.
pub(super) struct ArchiveTaker {
    scratch_folder: PathBuf,
    path: Option<String>,
    scratch: Option<SqliteScratch>,
}

impl ArchiveTaker {
    /// On the file system of `scratch_folder`.
    pub fn new(scratch_folder: &Path) -> Self {
        Self { scratch_folder: scratch_folder.to_path_buf(), path: None, scratch: None }
    }

    /// The folder on whose file system it is.
    pub fn scratch_folder(&self) -> &Path {
        &self.scratch_folder
    }

    /// The archive's file, where the container had one.
    pub fn finish(self) -> Option<SqliteScratch> {
        self.scratch
    }
}

impl Taker for ArchiveTaker {
    fn begin(&mut self, manifest: &Manifest) -> Result<()> {
        self.path = manifest.archive.as_ref().map(|it| it.path.clone());
        room::check(&self.scratch_folder, manifest.archive_bytes())
    }

    fn folder(&mut self, _: &RepoPath) -> Result<()> {
        Ok(())
    }

    fn file(&mut self, path: &RepoPath, _: u32, bytes: &mut dyn Read) -> Result<()> {
        let failed = Error::io("read", "backup");
        if self.path.as_deref() != Some(path.to_string().as_str()) {
            return io::copy(bytes, &mut io::sink()).map(|_| ()).map_err(failed);
        }
        let mut scratch = SqliteScratch::create(&self.scratch_folder, "archive of the backup")?;
        io::copy(bytes, scratch.file()).map_err(failed)?;
        self.scratch = Some(scratch);
        Ok(())
    }
}

/// A backup's archive, and what was seen of it.
pub(super) struct Seen {
    /// The archive, and its file.
    pub archive: Archive,
    /// Its file.
    pub file: File,
    /// What does not agree with the manifest, and what the archive itself complains of.
    pub faults: Vec<String>,
    /// Artifacts that were decoded and hashed.
    pub artifacts: u64,
}

/// Opens the archive in `scratch`, and holds it against what the manifest says of it.
pub(super) fn look_into(
    workspace: &Workspace,
    scratch: SqliteScratch,
    entry: &ArchiveEntry,
    access: Access,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Seen> {
    let (mut archive, mut file) = Archive::in_scratch(workspace, scratch, access)?;
    file.rewind().map_err(Error::io("read", "backup"))?;
    let mut faults = Vec::new();
    let counts = Counts::of(&mut archive)?;
    let expected = &entry.counts;
    for (what, is, was) in [
        ("items", counts.items, expected.items),
        ("artifacts", counts.artifacts, expected.artifacts),
        ("bytes of content", counts.content_bytes, expected.content_bytes),
        ("records", counts.records, expected.records),
    ] {
        if is != was {
            faults.push(format!("its archive has {is} {what}, and had {was}"));
        }
    }
    if counts.root != expected.root {
        let (is, was) = (&counts.root, &expected.root);
        faults.push(format!("its archive's logical root is {is}, and was {was}"));
    }
    let is = ArchiveEntry::of(&mut archive, &entry.path, entry.id.clone(), &entry.backend)?;
    if (is.schema, &is.logs, &is.purge_ledger) != (entry.schema, &entry.logs, &entry.purge_ledger) {
        faults
            .push("its archive's schema, logs or purges are not those of the manifest".to_owned());
    }
    let seen = examine(&mut archive, depth, progress)?;
    faults.extend(seen.complaints);
    Ok(Seen { archive, file, faults, artifacts: seen.artifacts })
}
