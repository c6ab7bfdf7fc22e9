//! Ways into an archive: this clone's own, or another one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::backend::{
    Access, Driver, LATEST_VERSION, Migrated, Sqlite, apply, check_schema, connect, found_archive,
    schema_version,
};
use crate::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::evidence::Journal;
use crate::fs as files;
use crate::model::CloneId;

use super::journaled::PROGRAM;
use super::maintenance::Deeds;
use super::pen::Pen;
use super::{Archive, ArchivePlace, Workspace, migrate};

/// The home of the logs on a server: it cannot be copied with a clone.
const SERVER_HOME: &str = "server";

impl Archive {
    /// The newest schema that this version of the program makes.
    pub const LATEST_SCHEMA: i64 = LATEST_VERSION;

    /// Opens the archive of `workspace` for reading; [`Error::NoArchive`] where there is none.
    pub fn open(workspace: &Workspace) -> Result<Self> {
        let mut this = Self::connect(workspace, Access::Read)?;
        this.schema = schema_version(this.driver.as_mut())?;
        if this.schema == 0 {
            let place = this.driver.place().to_owned();
            return Err(Error::NoArchive { action: "open the archive", place });
        }
        Ok(this)
    }

    /// Opens the archive of `workspace` for changing; makes an embedded one and brings its schema
    /// up to date. On a server only [`Archive::init`] does. The caller holds the workspace's lock.
    /// Refused during maintenance.
    pub fn create(workspace: &Workspace) -> Result<Self> {
        Self::create_for(workspace, Deeds::Ordinary)
    }

    /// The same for what is done during maintenance too.
    pub(super) fn create_for(workspace: &Workspace, deeds: Deeds) -> Result<Self> {
        let mut this = Self::connect(workspace, Access::Create)?;
        this.deeds = deeds;
        if schema_version(this.driver.as_mut())? > 0 {
            this.check_not_maintained()?;
        }
        let mut done = Migrated { from: LATEST_VERSION, copy: None };
        if this.shared {
            match schema_version(this.driver.as_mut())? {
                LATEST_VERSION => {}
                found => return Err(this.not_ready(found)),
            }
        } else {
            done = apply(this.driver.as_mut(), this.now)?;
        }
        this.begin_after(workspace, &done)
    }

    /// Begins to write in an archive whose schema was brought up to date, and records that.
    fn begin_after(self, workspace: &Workspace, done: &Migrated) -> Result<Self> {
        let mut this = self.begin_writing(workspace)?;
        migrate::record(&mut this, workspace, PROGRAM, done)?;
        Ok(this)
    }

    /// The same, and makes the schema wherever it is missing; whether there was none.
    pub fn init(workspace: &Workspace) -> Result<(Self, bool)> {
        let mut this = Self::connect(workspace, Access::Create)?;
        let found = schema_version(this.driver.as_mut())?;
        let created = found == 0;
        let mut done = Migrated { from: LATEST_VERSION, copy: None };
        if !created && !this.shared && found != LATEST_VERSION {
            this.check_not_maintained()?;
        }
        // To set up a clone changes nothing that stands in the archive.
        this.deeds = Deeds::Upkeep;
        if created || !this.shared {
            done = apply(this.driver.as_mut(), this.now)?;
        } else {
            found_archive(this.driver.as_mut())?;
        }
        Ok((this.begin_after(workspace, &done)?, created))
    }

    /// Whether the server that the archive is on, if it is on one, lets us in.
    pub fn check_reachable(workspace: &Workspace) -> Result<()> {
        if let ArchivePlace::Server(url) = workspace.archive_place()? {
            connect(&url, Access::Read, workspace.patience)?;
        }
        Ok(())
    }

    pub(super) fn begin_writing(mut self, workspace: &Workspace) -> Result<Self> {
        self.home = home_of(&workspace.archive_place()?)?;
        if self.shared {
            let has_clone = !self.apart || workspace.repository.is_some();
            let writer = if has_clone { workspace.clone_id()? } else { CloneId::random() };
            self.writer = Some(writer);
        }
        self.replace_journal()?;
        self.catch_up()?;
        Ok(self)
    }

    /// A server's schema is changed by its operators, not by whoever comes first.
    pub(super) fn not_ready(&self, found: i64) -> Error {
        let place = self.driver.place().to_owned();
        if found == 0 {
            return Error::NoArchive { action: "open the archive", place };
        }
        Error::OlderSchema { place, found, known: LATEST_VERSION }
    }

    /// Opens an archive that is not this clone's own, for reading.
    pub fn open_apart(workspace: &Workspace) -> Result<Self> {
        Self::read_apart(workspace, workspace.archive_place()?)
    }

    /// The same of an archive's file, wherever it stands.
    pub fn open_file(workspace: &Workspace, file: &Path) -> Result<Self> {
        Self::read_apart(workspace, ArchivePlace::File(file.to_path_buf()))
    }

    fn read_apart(workspace: &Workspace, place: ArchivePlace) -> Result<Self> {
        let mut this = Self::connect_to(workspace, place, Access::Read, true)?;
        this.schema = schema_version(this.driver.as_mut())?;
        match this.schema {
            0 => Err(this.not_ready(0)),
            _ => Ok(this),
        }
    }

    /// Opens an archive that is not this clone's own, for changing; makes it where it is missing.
    pub fn create_apart(workspace: &Workspace) -> Result<Self> {
        let place = workspace.archive_place()?;
        let mut this = Self::connect_to(workspace, place, Access::Create, true)?;
        match schema_version(this.driver.as_mut())? {
            0 => apply(this.driver.as_mut(), this.now).map(|_| ())?,
            LATEST_VERSION => {
                this.check_not_maintained()?;
                found_archive(this.driver.as_mut())?;
            }
            found => return Err(this.not_ready(found)),
        }
        this.begin_writing(workspace)
    }

    /// Opens the archive of `workspace` for changing, though the file `foreign`, which is taken into
    /// it, may stand where the link to it belongs.
    pub fn create_beside(workspace: &Workspace, foreign: Option<&Path>) -> Result<Self> {
        let Some(link) = foreign.filter(|file| workspace.is_in_links_place(file)) else {
            return Self::create(workspace);
        };
        workspace.check_links_but(Some(link))?;
        files::create_folders(files::folder_of(&workspace.journal_file()?))?;
        let place = workspace.archive_place()?;
        let mut this = Self::connect_to(workspace, place, Access::Create, false)?;
        if schema_version(this.driver.as_mut())? > 0 {
            this.check_not_maintained()?;
        }
        let done = apply(this.driver.as_mut(), this.now)?;
        this.begin_after(workspace, &done)
    }

    pub(super) fn connect(workspace: &Workspace, access: Access) -> Result<Self> {
        if access == Access::Read {
            workspace.check_links()?;
        } else {
            workspace.mend_links()?;
            files::create_folders(files::folder_of(&workspace.journal_file()?))?;
        }
        Self::connect_to(workspace, workspace.archive_place()?, access, false)
    }

    fn connect_to(
        workspace: &Workspace,
        place: ArchivePlace,
        access: Access,
        apart: bool,
    ) -> Result<Self> {
        let writes = access != Access::Read;
        let driver: Box<dyn Driver> = match &place {
            ArchivePlace::Server(url) => connect(url, access, workspace.patience)?,
            ArchivePlace::File(file) => {
                if writes {
                    files::create_folders(files::folder_of(file))?;
                }
                let mut driver = Sqlite::open(file, access)?;
                check_schema(&mut driver)?;
                Box::new(driver)
            }
        };
        let mut this = Self::around(workspace, driver, access, apart)?;
        this.home = home_of(&place).unwrap_or_default();
        this.shared = matches!(place, ArchivePlace::Server(_));
        Ok(this)
    }

    /// The archive behind `driver`, which has no home yet.
    pub(super) fn around(
        workspace: &Workspace,
        driver: Box<dyn Driver>,
        access: Access,
        apart: bool,
    ) -> Result<Self> {
        Ok(Self {
            driver,
            journal: Journal::at(workspace.journal_file()?),
            journal_lags: false,
            home: String::new(),
            shared: false,
            writer: None,
            now: workspace.now(),
            retry: workspace.patience.retry,
            measured: workspace.config.measures().then(Stopwatch::start),
            measures: workspace.config.measures(),
            apart,
            schema: LATEST_VERSION,
            deeds: Deeds::Ordinary,
            open_run: None,
            pen: if access == Access::Read { None } else { Pen::of(workspace)? },
        })
    }
}

/// Where an archive stands: of a file its inode and path.
pub(super) fn home_of(place: &ArchivePlace) -> Result<String> {
    let ArchivePlace::File(file) = place else { return Ok(SERVER_HOME.to_owned()) };
    let meta = fs::metadata(file).map_err(Error::io("look at", file))?;
    Ok(format!("{} {}", meta.ino(), file.display()))
}
