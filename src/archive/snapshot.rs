//! A snapshot: the archive as it is at one moment, as one file without a name.
//!
//! Promises: writers are not kept waiting; the bytes stand on the file system of the folder that is
//! given and nowhere else, and are gone when the program ends, however it does.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::backend::{Access, SqliteScratch, check_schema, schema_version};
use crate::error::{Error, Result};
use crate::progress::Progress;

use super::maintenance::Deeds;
use super::opening::home_of;
use super::remembered::Merge;
use super::transfer::fill;
use super::{Archive, ArchivePlace, Workspace};

/// What messages call a snapshot.
const PLACE: &str = "snapshot of the archive";

impl Archive {
    /// A snapshot of the archive of `workspace` on the file system of `folder`, its file, and its
    /// id. That of a server is written as a file of SQLite, with the server's items, restrictions,
    /// holds and evidence.
    pub fn snapshot(
        workspace: &Workspace,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<(Self, File, String)> {
        // An archive that cannot be opened is not copied either.
        let mut live = Self::open(workspace)?;
        let id = live.catalog().meta("archive")?.unwrap_or_default();
        let mut scratch = SqliteScratch::create(folder, PLACE)?;
        match workspace.archive_place()? {
            ArchivePlace::File(file) => {
                drop(live);
                scratch.copy_from(&file)?;
            }
            ArchivePlace::Server(_) => {
                let (mut copy, file) = Self::new_in(workspace, scratch)?;
                fill(&mut live, &mut copy, Merge::ById, progress)?;
                return Ok((copy, file, id));
            }
        }
        let (copy, file) = Self::in_scratch(workspace, scratch, Access::Read)?;
        Ok((copy, file, id))
    }

    /// The archive that stands in `scratch`, and its file.
    pub fn in_scratch(
        workspace: &Workspace,
        scratch: SqliteScratch,
        access: Access,
    ) -> Result<(Self, File)> {
        let (mut driver, file) = scratch.open(access)?;
        check_schema(&mut driver)?;
        let schema = schema_version(&mut driver)?;
        let mut this = Self::around(workspace, Box::new(driver), access, true)?;
        if schema == 0 {
            let place = this.driver.place().to_owned();
            return Err(Error::NoArchive { action: "open the archive", place });
        }
        this.schema = schema;
        this.deeds = Deeds::Upkeep;
        Ok((this, file))
    }

    /// A new archive in `scratch`, which is empty.
    fn new_in(workspace: &Workspace, scratch: SqliteScratch) -> Result<(Self, File)> {
        let (driver, file) = scratch.open_empty()?;
        let mut this = Self::around(workspace, Box::new(driver), Access::Create, true)?;
        crate::backend::apply(this.driver.as_mut(), this.now)?;
        this.home = home_of(&ArchivePlace::Server(workspace.config.url().clone()))?;
        this.deeds = Deeds::Upkeep;
        // What is copied was signed where it was written.
        this.pen = None;
        Ok((this, file))
    }
}

impl Workspace {
    /// The folder that the configuration names for backups, if it does.
    pub fn backup_folder(&self) -> Result<Option<PathBuf>> {
        self.check_trust("backup.dest")?;
        self.config.backup_dest(&self.top)
    }

    /// The file that the configuration names for the results of drills, if it does.
    pub fn drill_checklist(&self) -> Result<Option<PathBuf>> {
        self.check_trust("backup.drill_checklist")?;
        self.config.drill_checklist(&self.top)
    }

    /// The folder of bundles, as the configuration says.
    pub fn bundle_folder(&self) -> Result<PathBuf> {
        self.check_trust("bundle.output_dir")?;
        self.config.bundle_dir(&self.top)
    }

    /// Where plain content may stand for the time of a command: beside the archive, where it stands
    /// in any case, or where the archive would be; outside a repository the current directory.
    pub fn scratch_folder(&self) -> PathBuf {
        let store = self.store_folder();
        match &self.repository {
            None => self.cwd.clone(),
            Some(_) if store.is_dir() => store,
            Some(repository) => repository.common_dir().to_path_buf(),
        }
    }
}
