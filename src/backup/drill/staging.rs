//! Where a backup is unpacked for a drill: beside the archive, for the time of the command.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::archive::DRILL_TAG;
use crate::backend::SqliteScratch;
use crate::error::{Error, Result};
use crate::fs::TempFolder;
use crate::model::{Digester, RepoPath};

use super::super::container::Taker;
use super::super::manifest::Manifest;
use super::super::open::ArchiveTaker;
use super::super::room;
use super::{DrillKind, Seen};

/// The folder of the backup's own files, apart from what is made of them.
const DATA: &str = "data";

/// An unpacked backup; its files are gone when it is dropped.
pub(super) struct Staging {
    folder: TempFolder,
    scratch: PathBuf,
    archive: ArchiveTaker,
    archive_path: Option<String>,
    kind: DrillKind,
}

impl Staging {
    /// An empty one on the file system of `scratch`.
    pub fn new(scratch: &Path, kind: DrillKind) -> Result<Self> {
        Ok(Self {
            folder: TempFolder::alone_in(scratch, DRILL_TAG)?,
            scratch: scratch.to_path_buf(),
            archive: ArchiveTaker::new(scratch),
            archive_path: None,
            kind,
        })
    }

    /// Its folder, beside the files of the backup.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The archive of the backup, once.
    pub fn take_archive(&mut self) -> Option<SqliteScratch> {
        std::mem::replace(&mut self.archive, ArchiveTaker::new(&self.scratch)).finish()
    }

    /// Reads at most `sample` of the files again, spread over all of them, or every one in a full drill.
    pub fn read_again(&self, manifest: &Manifest, sample: u64) -> Result<Seen> {
        let files = manifest.files.iter();
        let files: Vec<_> =
            files.filter(|file| Some(&file.path) != self.archive_path.as_ref()).collect();
        let step = match self.kind {
            DrillKind::Full => 1,
            DrillKind::Spot => (files.len() as u64).div_ceil(sample.max(1)).max(1),
        };
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let (mut count, mut faults) = (0, Vec::new());
        for file in files.iter().step_by(step) {
            let path = RepoPath::parse(&file.path);
            let path = path.ok_or_else(|| Error::damaged("backup", &*file.path, "no path"))?;
            let place = self.folder.path().join(DATA).join(path.as_path());
            let mut digester = Digester::default();
            let mut bytes = File::open(&place).map_err(Error::io("read", &place))?;
            io::copy(&mut bytes, &mut digester).map_err(Error::io("read", &place))?;
            if digester.finish().0.to_string() != file.sha256 {
                faults.push(format!("{} is not what was put in", file.path));
            }
            count += 1;
        }
        Ok(Seen::of(faults, format!("{count} of {} files read again", files.len())))
    }
}

impl Taker for Staging {
    fn begin(&mut self, manifest: &Manifest) -> Result<()> {
        self.archive_path = manifest.archive.as_ref().map(|it| it.path.clone());
        // In a full drill the archive is written once more, as it would be put in place.
        let again = if self.kind == DrillKind::Full { manifest.archive_bytes() } else { 0 };
        room::check(&self.scratch, manifest.size_bytes().saturating_add(again))?;
        self.folder.make(Path::new(DATA))?;
        self.archive.begin(manifest)
    }

    fn folder(&mut self, path: &RepoPath) -> Result<()> {
        self.folder.make(&Path::new(DATA).join(path.as_path()))
    }

    fn file(&mut self, path: &RepoPath, mode: u32, bytes: &mut dyn Read) -> Result<()> {
        if self.archive_path.as_deref() == Some(path.to_string().as_str()) {
            return self.archive.file(path, mode, bytes);
        }
        // Whatever it may do where it belongs, here it is read.
        let mode = (mode | 0o400) & 0o700;
        self.folder.write(&Path::new(DATA).join(path.as_path()), mode, bytes)
    }
}
