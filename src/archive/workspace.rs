//! Where we are: the repository, its configuration, and where its archive stands.
//!
//! The embedded archive and the journal stand in git's common folder, where `git clean` does not
//! reach and linked worktrees meet; the names in `.codex/` are links to them.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Patience;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::{Config, Environment, Place, Sources};
use crate::error::{Error, Result};
use crate::fs::{self as files, Executable, Folder, Spool};
use crate::git::Repository;
use crate::logging::Timer;
use crate::model::escape_line;
use crate::model::{CloneId, DeedId, Digest, RepoLabel};
use crate::policy::trust;
use crate::secret::DatabaseUrl;

/// How long a changing command waits for another one.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// The setting in git's own configuration that accepts the places of a tracked configuration.
pub(super) const TRUST_SETTING: &str = "codexarchive.trust";

/// What a command line says of where to look.
pub struct Opening<'a> {
    /// The current directory.
    pub cwd: &'a Path,
    /// `--config`.
    pub file: Option<&'a Path>,
    /// Configuration keys set by options.
    pub flags: &'a [(&'static str, String)],
    /// The environment.
    pub environment: Environment,
}

/// A repository (or a plain folder) and its configuration.
pub struct Workspace {
    /// The repository, unless this is a plain folder.
    pub repository: Option<Repository>,
    /// The top of the work tree; of a bare repository its folder; else the current directory.
    pub top: PathBuf,
    /// The current directory, canonical.
    pub cwd: PathBuf,
    /// What is set, and by whom.
    pub config: Config,
    /// How long to wait for a server.
    pub patience: Patience,
    spool: Spool,
    clock: Arc<dyn Clock>,
}

/// Where an archive's tables are; shown as messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePlace {
    /// In this SQLite file.
    File(PathBuf),
    /// On this server.
    Server(DatabaseUrl),
}

impl fmt::Display for ArchivePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Server(url) => url.fmt(f),
        }
    }
}

/// The lock that our changing commands share; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Drop for Lock {
    /// Where nothing else of ours came to be, the folder goes again: a refused command leaves no
    /// trace.
    fn drop(&mut self) {
        let folder = files::folder_of(&self.path);
        let alone = fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1);
        if alone && is_same_file(&self.file, &self.path) {
            let _ = files::remove_file(&self.path);
            files::remove_empty_folders(files::folder_of(folder), folder);
        }
    }
}

/// Whether `file` is still what stands at `path`: whoever held the lock before may have removed it.
fn is_same_file(file: &File, path: &Path) -> bool {
    let key = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(path)) => key(file) == key(path),
        _ => false,
    }
}

fn store_folder(repository: Option<&Repository>, top: &Path) -> PathBuf {
    match repository {
        Some(repository) => repository.common_dir().join("codex-archive"),
        None => top.join(".codex"),
    }
}

impl Workspace {
    /// Finds the repository around `opening.cwd` and reads the configuration.
    pub fn open(opening: Opening<'_>) -> Result<Self> {
        let cwd = opening.cwd.canonicalize().map_err(Error::io("open", opening.cwd))?;
        let repository = Repository::discover(&cwd)?;
        let top = match &repository {
            Some(found) => found.work_tree().unwrap_or(found.common_dir()).to_path_buf(),
            None => cwd.clone(),
        };
        let config = Config::load(Sources {
            top: Some(&top),
            file: opening.file,
            flags: opening.flags,
            environment: opening.environment,
        })?;
        let store = store_folder(repository.as_ref(), &top);
        let spool = Spool::new(vec![store.clone(), files::folder_of(&store).to_path_buf()]);
        let patience = Patience::of_command(config.retry(random_seed()));
        let clock = Arc::new(SystemClock);
        Ok(Self { repository, top, cwd, config, patience, spool, clock })
    }

    /// Where this command puts by what is too much for memory.
    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The same with another clock, for tests.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The repository with its work tree, or an error that says `action` needs one.
    pub fn repository(&self, action: &'static str) -> Result<&Repository> {
        match &self.repository {
            Some(repository) if repository.work_tree().is_some() => Ok(repository),
            Some(bare) => Err(Error::NoWorkTree { action, path: bare.git_dir().to_path_buf() }),
            None => Err(Error::NoRepository { action, path: self.cwd.clone() }),
        }
    }

    /// The label of this repository, where one is set.
    pub fn label(&self) -> Option<&RepoLabel> {
        self.config.label()
    }

    /// The folder of the archive's files: in git's common folder, or `.codex` outside git.
    pub fn store_folder(&self) -> PathBuf {
        store_folder(self.repository.as_ref(), &self.top)
    }

    /// Where the archive is. Places that a tracked file names need this clone's trust.
    pub fn archive_place(&self) -> Result<ArchivePlace> {
        self.check_trust("backend.url")?;
        Ok(match self.config.place(&self.top)? {
            Place::Embedded => ArchivePlace::File(self.embedded_file()),
            Place::SqliteFile(file) => ArchivePlace::File(file),
            Place::Server(url) => ArchivePlace::Server(url),
        })
    }

    /// Whether the archive's file is missing; never of a server.
    pub fn lacks_file(&self) -> Result<bool> {
        Ok(matches!(self.archive_place()?, ArchivePlace::File(file) if !file.exists()))
    }

    /// The folder in which the archive's file stands or will stand; `None` for a server.
    pub fn archive_folder(&self) -> Result<Option<PathBuf>> {
        let ArchivePlace::File(file) = self.archive_place()? else { return Ok(None) };
        Ok(file.ancestors().skip(1).find(|it| it.is_dir()).map(Path::to_path_buf))
    }

    /// Whether the archive is this repository's own embedded one.
    pub fn is_embedded(&self) -> bool {
        matches!(self.config.place(&self.top), Ok(Place::Embedded))
    }

    fn embedded_file(&self) -> PathBuf {
        self.store_folder().join("archive.sqlite")
    }

    /// The journal's file.
    pub fn journal_file(&self) -> Result<PathBuf> {
        self.check_trust("evidence.dir")?;
        let folder = match self.config.evidence_dir(&self.top)? {
            Some(folder) => folder,
            None if self.repository.is_some() => self.store_folder(),
            None => self.top.join(".codex/evidence"),
        };
        Ok(folder.join("archive_ops.jsonl"))
    }

    /// The file that the configuration names for the results of batches, if it does.
    pub fn results_file(&self) -> Result<Option<PathBuf>> {
        self.check_trust("batch.results_path")?;
        self.config.results_file(&self.top)
    }

    /// The id of this clone, made on first use; the caller holds the lock.
    pub fn clone_id(&self) -> Result<CloneId> {
        let path = self.store_folder().join("clone");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim_end().parse().map_err(|()| {
                Error::damaged("file", path.display().to_string(), "it holds no id of a clone")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = CloneId::random();
                files::write_atomic(&path, format!("{id}\n").as_bytes(), Executable::No)?;
                Ok(id)
            }
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// The places outside the repository that its tracked configuration names.
    pub fn foreign_places(&self) -> Vec<trust::Place> {
        trust::places(self.config.tracked_places())
    }

    /// Refuses the place that the tracked file names under `key`, unless this clone accepted it
    /// or another layer overrides it.
    pub(super) fn check_trust(&self, key: &str) -> Result<()> {
        let places = self.foreign_places();
        if places.is_empty() || !self.config.is_tracked(key) {
            return Ok(());
        }
        trust::check(&places, self.accepted_places()?, key)
    }

    /// The digest of the places that this clone accepted.
    fn accepted_places(&self) -> Result<Option<Digest>> {
        let accepted = match &self.repository {
            Some(repository) => repository.setting(TRUST_SETTING)?,
            None => None,
        };
        Ok(accepted.and_then(|text| text.parse().ok()))
    }

    /// Whether this clone accepted all places that its tracked configuration names.
    pub fn trusts_places(&self) -> Result<bool> {
        let places = self.foreign_places();
        Ok(places.is_empty() || self.accepted_places()? == Some(trust::digest(&places)))
    }

    /// Takes the lock of our changing commands; waits for another one for a minute.
    pub fn lock(&self) -> Result<Lock> {
        let _timer = Timer::phase("lock");
        let folder = self.store_folder();
        self.check_folders()?;
        let path = folder.join("lock");
        let mut waited = Duration::ZERO;
        let pause = Duration::from_millis(5);
        loop {
            files::create_folders(&folder)?;
            let opened = files::open_lock(&path);
            let held = match &opened {
                Ok(file) => file.try_lock(),
                // A refused command took its empty folder away.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    Err(fs::TryLockError::WouldBlock)
                }
                Err(_) => Ok(()),
            };
            let file = match held {
                Err(fs::TryLockError::WouldBlock) => None,
                Err(fs::TryLockError::Error(source)) => {
                    return Err(Error::Io { action: "lock", path, source });
                }
                Ok(()) => Some(opened?).filter(|file| is_same_file(file, &path)),
            };
            match file {
                Some(file) => return Ok(Lock { file, path }),
                None if waited < LOCK_TIMEOUT => {
                    std::thread::sleep(pause);
                    waited += pause;
                }
                None => return Err(Error::Locked { path }),
            }
        }
    }

    /// Refuses a `.codex` (or a folder in it) that is not a folder of this work tree.
    pub fn check_folders(&self) -> Result<()> {
        for name in [".codex", ".codex/evidence"] {
            let path = self.top.join(name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if !meta.is_dir() => {
                    let what = describe(&path);
                    return Err(Error::TwoArchives { path, what });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The links in `.codex/` and what each must point to; none outside git or with a place of
    /// one's own.
    pub fn links(&self) -> Result<Vec<(PathBuf, PathBuf)>> {
        let in_tree = self.repository.as_ref().is_some_and(|r| r.work_tree().is_some());
        if !in_tree {
            return Ok(Vec::new());
        }
        let mut links = Vec::new();
        if self.is_embedded() {
            links.push((self.top.join(".codex/archive.sqlite"), self.embedded_file()));
        }
        if self.config.evidence_dir(&self.top)?.is_none() {
            links.push((self.top.join(".codex/evidence/archive_ops.jsonl"), self.journal_file()?));
        }
        Ok(links)
    }

    /// Refuses a file, or somebody else's link, where one of our links belongs.
    pub fn check_links(&self) -> Result<()> {
        self.check_links_but(None)
    }

    /// The same, but for the file `adopted`, which is about to be put aside.
    pub(super) fn check_links_but(&self, adopted: Option<&Path>) -> Result<()> {
        self.check_folders()?;
        for (link, target) in self.links()? {
            match fs::symlink_metadata(&link) {
                Ok(meta) if meta.is_file() && adopted == Some(link.as_path()) => {}
                Ok(meta) if meta.is_symlink() && is_ours(&link, &target) => {}
                // Where the link was missing, the sqlite3 program leaves an empty file.
                Ok(meta) if meta.is_file() && meta.len() == 0 => {}
                Ok(_) => {
                    let what = describe(&link);
                    return Err(Error::TwoArchives { path: link, what });
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether `file` is a regular file where one of our links belongs.
    pub(super) fn is_in_links_place(&self, file: &Path) -> bool {
        let is_file = fs::symlink_metadata(file).is_ok_and(|meta| meta.is_file());
        is_file && self.links().is_ok_and(|links| links.iter().any(|(link, _)| link == file))
    }

    /// Puts a file that stands where one of our links belongs aside, with its side files, and makes
    /// the link; any other file stays where it is.
    pub fn put_aside(&self, file: &Path) -> Result<()> {
        if !self.is_in_links_place(file) {
            return Ok(());
        }
        let named = |behind: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(behind);
            PathBuf::from(name)
        };
        let mut aside = "-adopted".to_owned();
        let mut number = 1;
        while named(&aside).exists() {
            number += 1;
            aside = format!("-adopted-{number}");
        }
        for side in ["-wal", "-shm"] {
            if named(side).exists() {
                files::rename(&named(side), &named(&format!("{aside}{side}")))?;
            }
        }
        files::rename(file, &named(&aside))?;
        self.mend_links()
    }

    /// Makes missing links beside an archive that is there, as far as that can be done: for
    /// commands that only read, which work without.
    pub fn mend_links_if_possible(&self) {
        let has_archive = self.lacks_file().is_ok_and(|lacks| !lacks);
        if has_archive && self.top.join(".codex").is_dir() {
            let _ = self.mend_links();
        }
    }

    /// Makes missing links and repoints our own; refuses what [`Self::check_links`] refuses.
    pub fn mend_links(&self) -> Result<()> {
        self.check_links()?;
        for (link, target) in self.links()? {
            let folder = files::folder_of(&link);
            let wanted = relative(folder, &target);
            if fs::read_link(&link).is_ok_and(|found| found == wanted) {
                continue;
            }
            let inside = folder.strip_prefix(&self.top).unwrap_or(Path::new(""));
            let folder = Folder::make_below("link", &self.top, inside)?;
            folder.replace_link(&wanted, link.file_name().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Chance for the pauses between attempts, where no seed is set.
fn random_seed() -> u64 {
    let id = DeedId::random();
    id.as_bytes().iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// Whether a link at `link` was made by us, though perhaps when the repository stood elsewhere.
fn is_ours(link: &Path, target: &Path) -> bool {
    let ours = Path::new("codex-archive").join(target.file_name().unwrap_or_default());
    fs::read_link(link).is_ok_and(|found| found.ends_with(&ours))
}

fn describe(path: &Path) -> String {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => {
            let to = fs::read_link(path).unwrap_or_default();
            format!("a link to `{}`", escape_line(&to.display().to_string()))
        }
        Ok(meta) if meta.is_dir() => "a folder".to_owned(),
        Ok(meta) if meta.is_file() => "a regular file".to_owned(),
        _ => "something else".to_owned(),
    }
}

/// `target` as seen from `folder`; both absolute.
fn relative(folder: &Path, target: &Path) -> PathBuf {
    let shared = folder.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(target.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links() {
        let rel = |a, b| relative(Path::new(a), Path::new(b));
        assert_eq!(
            rel("/r/.codex", "/r/.git/codex-archive/a"),
            Path::new("../.git/codex-archive/a")
        );
        assert_eq!(rel("/w/.codex/evidence", "/r/.git/j"), Path::new("../../../r/.git/j"));
    }
}
