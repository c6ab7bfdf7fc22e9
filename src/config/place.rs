//! Where the archive and the journal stand, as the configuration says.
//!
//! Refuses: a URL without its password, and a way through a symbolic link where a tracked file
//! names the place, since whoever commits the file can commit the link too.

use std::path::{Component, Path, PathBuf};

use super::value::Datum;
use super::{BackendKind, Config, url};
use crate::error::{Error, Refusal, Result};
use crate::fs::check_contained;
use crate::secret::DatabaseUrl;

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where the default URL means: in git's own folder.
    Embedded,
    /// An SQLite file.
    SqliteFile(PathBuf),
    /// A server.
    Server(DatabaseUrl),
}

/// The link to the embedded archive, from the repository's root.
const EMBEDDED_LINK: &str = ".codex/archive.sqlite";

impl Config {
    /// Where the archive of the repository at `top` is. Does not ask whether the place is trusted
    /// ([`Config::is_tracked`] and `policy::trust` do).
    pub fn place(&self, top: &Path) -> Result<Place> {
        let problem = |what: String, nearest: Option<&str>| Error::Config {
            what,
            origin: self.origin("backend.url").to_string(),
            nearest: nearest.map(str::to_owned),
        };
        let url = self.url();
        if self.backend() != BackendKind::Sqlite {
            if url::lacks_password(url) {
                let what =
                    "the password of `backend.url` is `***`: it must come from the environment";
                return Err(problem(what.to_owned(), Some("CODEX_ARCHIVE_URL")));
            }
            return Ok(Place::Server(url.clone()));
        }
        let path = url::sqlite_path(url).map_err(|why| problem(why, None))?;
        if flatten(&top.join(path)) == flatten(&top.join(EMBEDDED_LINK)) {
            return Ok(Place::Embedded);
        }
        self.resolve("backend.url", "open", top, Path::new(path)).map(Place::SqliteFile)
    }

    /// The folder of the journal, where `evidence.dir` moves it.
    pub fn evidence_dir(&self, top: &Path) -> Result<Option<PathBuf>> {
        match self.datum("evidence.dir") {
            Some(Datum::Path(path)) => self.resolve("evidence.dir", "use", top, path).map(Some),
            _ => Ok(None),
        }
    }

    /// The file that log lines go to; `None` for standard error.
    pub fn log_file(&self, top: &Path) -> Result<Option<PathBuf>> {
        match self.datum("logging.file") {
            Some(Datum::Path(path)) => self.resolve("logging.file", "log to", top, path).map(Some),
            _ => Ok(None),
        }
    }

    /// The file for the results of batches, where `batch.results_path` names one.
    pub fn results_file(&self, top: &Path) -> Result<Option<PathBuf>> {
        match self.datum("batch.results_path") {
            Some(Datum::Path(path)) => {
                self.resolve("batch.results_path", "use", top, path).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The file for the results of drills, where `backup.drill_checklist` names one.
    pub fn drill_checklist(&self, top: &Path) -> Result<Option<PathBuf>> {
        match self.datum("backup.drill_checklist") {
            Some(Datum::Path(path)) => {
                self.resolve("backup.drill_checklist", "use", top, path).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The folder for backups, where `backup.dest` names one.
    pub fn backup_dest(&self, top: &Path) -> Result<Option<PathBuf>> {
        match self.datum("backup.dest") {
            Some(Datum::Path(path)) => self.resolve("backup.dest", "use", top, path).map(Some),
            _ => Ok(None),
        }
    }

    /// `path` from `top`, the value of the key `name`.
    pub(super) fn resolve(
        &self,
        name: &str,
        action: &'static str,
        top: &Path,
        path: &Path,
    ) -> Result<PathBuf> {
        let plain: PathBuf = path.components().filter(|it| *it != Component::CurDir).collect();
        let full = top.join(&plain);
        let inside = plain.components().all(|it| matches!(it, Component::Normal(_)));
        if inside && self.is_tracked(name) {
            check_contained(action, top, &plain)?;
            if full.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
                let link = full.display().to_string();
                let object = plain.display().to_string();
                return Err(Error::refused(action, object, Refusal::ThroughLink { link }));
            }
        }
        Ok(full)
    }
}

/// `path` without `.` and `..`, for comparing; no file is looked at.
fn flatten(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                flat.pop();
            }
            other => flat.push(other),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::{Environment, Sources};
    use super::*;

    fn with_url(url: &str) -> Config {
        let text = format!("[backend]\nurl = \"{url}\"\n");
        Config::from_text(".codex/archive.toml", &text).unwrap()
    }

    #[test]
    fn the_default_is_embedded_however_it_is_spelled() {
        let top = Path::new("/repo");
        for url in [
            "sqlite:///./.codex/archive.sqlite",
            "sqlite:///.codex/archive.sqlite",
            "sqlite:////repo/.codex/archive.sqlite",
            "sqlite:///docs/../.codex/archive.sqlite",
        ] {
            assert_eq!(with_url(url).place(top).unwrap(), Place::Embedded, "{url}");
        }
    }

    #[test]
    fn relative_is_from_the_root_and_absolute_is_absolute() {
        let top = Path::new("/repo");
        let file = |path: &str| Place::SqliteFile(PathBuf::from(path));
        assert_eq!(with_url("sqlite:///./a/b.db").place(top).unwrap(), file("/repo/a/b.db"));
        assert_eq!(with_url("sqlite:////var/b.db").place(top).unwrap(), file("/var/b.db"));
        // The kernel, not the text, decides what `..` after a link means.
        assert_eq!(with_url("sqlite:///../b.db").place(top).unwrap(), file("/repo/../b.db"));
    }

    #[test]
    fn a_password_left_out_must_come_from_the_environment() {
        let config = with_url("postgresql://codex:***@archive-prod/db");
        let error = config.place(Path::new("/repo")).unwrap_err();
        let Error::Config { origin, nearest, .. } = error else { panic!("{error}") };
        assert_eq!(
            (origin.as_str(), nearest.as_deref()),
            (".codex/archive.toml:2", Some("CODEX_ARCHIVE_URL"))
        );
    }

    #[test]
    fn a_tracked_file_leads_through_no_link() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/tmp", dir.path().join("out")).unwrap();
        symlink("/tmp/x.db", dir.path().join("x.db")).unwrap();
        for url in ["sqlite:///out/x.db", "sqlite:///x.db"] {
            let error = with_url(url).place(dir.path()).unwrap_err();
            assert!(matches!(error, Error::Refused { refusal: Refusal::ThroughLink { .. }, .. }));
            // The person at the keyboard may.
            let environment = Environment::of([("CODEX_ARCHIVE_URL", url)]);
            let sources = Sources { top: None, file: None, flags: &[], environment };
            assert!(Config::load(sources).unwrap().place(dir.path()).is_ok());
        }
    }
}
