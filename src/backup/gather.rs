//! What goes into a backup: a data folder as it is now, put by before anything is written elsewhere.
//!
//! Promises: databases of SQLite are copied by its online backup, whoever writes to them; every other
//! file is read once, and its digest is that of the bytes that were read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive::{Archive, Workspace};
use crate::backend::{SQLITE_HEADER, SqliteScratch};
use crate::error::{Error, Result};
use crate::fs::{Part, Spool, TEMP_PREFIX};
use crate::model::{Digester, RepoPath, escape_line};
use crate::progress::Progress;

use super::manifest::{ArchiveEntry, FileEntry, MANIFEST, MAX_BYTES, Manifest};
use super::name::plain_name;

/// Where the archive and the journal stand in a backup of this repository's own data.
const ARCHIVE: &str = "archive.sqlite";
const JOURNAL: &str = "evidence/archive_ops.jsonl";

/// What stands in our own data folder and is taken from elsewhere, or, outside a repository, is no
/// data; and how the names begin of what was kept of older archives.
const NO_DATA: [&str; 4] = ["lock", "intents", ARCHIVE, JOURNAL];
const KEPT: [&str; 3] = ["before-restore-", "archive.sqlite.schema-", "archive.sqlite-smoke-"];

/// How often a file is read again that changed meanwhile.
const ATTEMPTS: u32 = 3;

/// What is in the folder and not in the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its path in the folder.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Bytes that were put by.
#[derive(Debug)]
pub(super) enum Bytes {
    /// In the spool.
    Part(Part),
    /// In a file of their own.
    File(File),
}

impl Bytes {
    /// Reads them from their beginning.
    pub fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Part(part) => Box::new(part.reader()),
            Self::File(file) => {
                let mut file = file;
                file.rewind()?;
                Box::new(file)
            }
        })
    }
}

/// A file of the backup.
#[derive(Debug)]
pub(super) struct Gathered {
    /// What the manifest says of it.
    pub entry: FileEntry,
    /// Its path in the data folder.
    pub path: RepoPath,
    /// Its permissions.
    pub mode: u32,
    /// When it was changed, in seconds since 1970.
    pub mtime: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Everything that goes into one backup.
#[derive(Debug)]
pub(super) struct Data {
    /// The data folder's own name.
    pub folder: String,
    /// Its folders, empty ones too.
    pub folders: Vec<RepoPath>,
    /// Its files.
    pub files: Vec<Gathered>,
    /// The archive among them.
    pub archive: Option<ArchiveEntry>,
    /// What is not in the backup.
    pub left_out: Vec<LeftOut>,
    /// Files that changed while they were read, again and again.
    pub unsettled: Vec<String>,
}

/// The walk through one data folder.
struct Walk<'a> {
    top: PathBuf,
    spool: &'a Spool,
    scratch: &'a Path,
    /// Whether links are followed; those of a folder that others commit to are not.
    follows: bool,
    data: Data,
}

/// What backups of the archive `id` are called: two archives never prune each other's.
pub(super) fn own_name(id: &str) -> String {
    format!("codex-{}", id.chars().take(8).collect::<String>())
}

/// What backups of a folder are called.
pub(super) fn folder_name(folder: &Path) -> String {
    plain_name(&folder.file_name().unwrap_or_default().to_string_lossy())
}

/// Gathers the data folder `source`.
pub(super) fn folder(source: &Path, scratch: &Path, spool: &Spool) -> Result<Data> {
    let top = source.canonicalize().map_err(Error::io("read", source))?;
    if !top.is_dir() {
        let why = "it is not a folder";
        return Err(Error::invalid("source", escape_line(&source.to_string_lossy()), why));
    }
    let name = top.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let data = Data::new(name);
    let mut walk = Walk { top, spool, scratch, follows: true, data };
    walk.start()?;
    let mut data = walk.data;
    data.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(data)
}

/// Gathers the data of `workspace`: `.codex`, the archive and the journal, wherever those stand.
pub(super) fn own(
    workspace: &Workspace,
    scratch: &Path,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<Data> {
    let top = workspace.top.join(".codex");
    // The journal first: what it lacks of the archive can be written again, and not the reverse.
    let journal = read_whole(&workspace.journal_file()?, spool)?;
    let (mut archive, file, id) = Archive::snapshot(workspace, scratch, progress)?;
    let backend = workspace.config.backend().as_str();
    let entry = ArchiveEntry::of(&mut archive, ARCHIVE, id.clone(), backend)?;
    drop(archive);
    let data = Data::new(".codex".to_owned());
    let mut walk = Walk { top, spool, scratch, follows: false, data };
    if walk.top.is_dir() {
        walk.start()?;
    }
    let mut data = walk.data;
    data.archive = Some(entry);
    let bytes = Bytes::File(file);
    data.add(RepoPath::new(ARCHIVE.as_bytes())?, 0o600, 0, bytes)?;
    if let Some((part, _)) = journal {
        data.add(RepoPath::new(JOURNAL.as_bytes())?, 0o600, 0, Bytes::Part(part))?;
    }
    data.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(data)
}

/// Puts a file by as it is; `None` where there is none. Whether it stayed the same meanwhile.
fn read_whole(path: &Path, spool: &Spool) -> Result<Option<(Part, bool)>> {
    let failed = || Error::io("read", path);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed()(error)),
    };
    let mut attempt = 1;
    loop {
        let before = file.metadata().map_err(failed())?;
        let (part, ()) = spool.put(|out| {
            file.rewind().map_err(failed())?;
            let copied = io::copy(&mut (&mut file).take(before.len()), &mut Sink(out));
            copied.map(|_| ()).map_err(failed())
        })?;
        let after = file.metadata().map_err(failed())?;
        let is_same = part.size_bytes() == before.len() && touched(&before) == touched(&after);
        if is_same || attempt == ATTEMPTS {
            return Ok(Some((part, is_same)));
        }
        attempt += 1;
    }
}

/// A writer behind a reference, for `io::copy`.
struct Sink<'a>(&'a mut dyn Write);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn touched(meta: &Metadata) -> (u64, i64, i64) {
    (meta.len(), meta.mtime(), meta.mtime_nsec())
}

/// Whether a file begins as every database of SQLite does.
fn is_sqlite(path: &Path) -> Result<bool> {
    let mut head = [0; 16];
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    match file.read_exact(&mut head) {
        Ok(()) => Ok(head == *SQLITE_HEADER),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

impl Data {
    fn new(folder: String) -> Self {
        Self {
            folder,
            folders: Vec::new(),
            files: Vec::new(),
            archive: None,
            left_out: Vec::new(),
            unsettled: Vec::new(),
        }
    }

    fn add(&mut self, path: RepoPath, mode: u32, mtime: u64, bytes: Bytes) -> Result<()> {
        let mut digester = Digester::default();
        let mut read = || io::copy(&mut bytes.reader()?, &mut digester);
        read().map_err(Error::io("read", "scratch"))?;
        let (sha256, size_bytes) = digester.finish();
        let entry = FileEntry { path: path.to_string(), sha256: sha256.to_string(), size_bytes };
        self.files.push(Gathered { entry, path, mode, mtime, bytes });
        Ok(())
    }

    /// Bytes of all files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.entry.size_bytes).sum()
    }
}

impl Walk<'_> {
    fn start(&mut self) -> Result<()> {
        let meta = fs::metadata(&self.top).map_err(Error::io("read", &self.top))?;
        let top = self.top.clone();
        self.walk(&top, b"", &mut vec![(meta.dev(), meta.ino())])
    }

    /// Gathers what is in the folder `at`, which is called `prefix` in the backup. No link leads
    /// into a folder that it stands in.
    fn walk(&mut self, at: &Path, prefix: &[u8], above: &mut Vec<(u64, u64)>) -> Result<()> {
        let entries = fs::read_dir(at).map_err(Error::io("read", at))?;
        let mut names = entries
            .map(|entry| entry.map(|it| it.file_name()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(Error::io("read", at))?;
        names.sort();
        for name in names {
            let path = at.join(&name);
            let inner = match prefix {
                b"" => name.as_bytes().to_vec(),
                _ => [prefix, b"/", name.as_bytes()].concat(),
            };
            let inner = RepoPath::new(&inner)?;
            if self.is_no_data(&inner, &path)? {
                continue;
            }
            self.entry(&path, inner, above)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, inner: RepoPath, above: &mut Vec<(u64, u64)>) -> Result<()> {
        let link = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
        let meta = match link.is_symlink() {
            false => link,
            true if !self.follows => return self.leave_out(&inner, "a link is not followed here"),
            true => match fs::metadata(path) {
                Ok(meta) => meta,
                Err(_) => return self.leave_out(&inner, "a link that leads nowhere"),
            },
        };
        if meta.is_dir() {
            let key = (meta.dev(), meta.ino());
            if above.contains(&key) {
                return self.leave_out(&inner, "a link to a folder that it stands in");
            }
            above.push(key);
            self.data.folders.push(inner.clone());
            self.walk(path, inner.as_bytes(), above)?;
            above.pop();
            return Ok(());
        }
        if !meta.is_file() {
            return self.leave_out(&inner, "no regular file");
        }
        self.file(path, inner, &meta)
    }

    fn file(&mut self, path: &Path, inner: RepoPath, meta: &Metadata) -> Result<()> {
        let bytes = if is_sqlite(path)? {
            let mut copy = SqliteScratch::create(self.scratch, &path.display().to_string())?;
            copy.copy_from(path)?;
            let (part, ()) = self.spool.put(|out| {
                let file = copy.file();
                let copied = file.rewind().and_then(|()| io::copy(file, &mut Sink(out)));
                copied.map(|_| ()).map_err(Error::io("read", "scratch"))
            })?;
            part
        } else {
            let Some((part, is_same)) = read_whole(path, self.spool)? else {
                return self.leave_out(&inner, "it was gone when it was to be read");
            };
            if !is_same {
                self.data.unsettled.push(inner.to_string());
            }
            part
        };
        let mtime = u64::try_from(meta.mtime()).unwrap_or(0);
        let mode = meta.permissions().mode() & 0o777;
        self.data.add(inner, mode, mtime, Bytes::Part(bytes))
    }

    /// Whether something in the folder is there for others' sake: our temporary files, what SQLite
    /// keeps beside its databases, the manifest of a backup that was unpacked here; and of our own
    /// folder the links, and what stands beside the archive outside a repository.
    fn is_no_data(&self, inner: &RepoPath, path: &Path) -> Result<bool> {
        let name = inner.file_name();
        if name.starts_with(TEMP_PREFIX.as_bytes()) {
            return Ok(true);
        }
        for side in [b"-wal".as_slice(), b"-shm", b"-journal"] {
            if let Some(main) = name.strip_suffix(side) {
                let main = path.with_file_name(std::ffi::OsStr::from_bytes(main));
                if main.is_file() && is_sqlite(&main)? {
                    return Ok(true);
                }
            }
        }
        if inner.as_bytes() == MANIFEST.as_bytes() {
            return self.is_old_manifest(path);
        }
        if self.follows {
            return Ok(false);
        }
        let text = inner.to_string();
        Ok(NO_DATA.contains(&text.as_str()) || KEPT.iter().any(|it| text.starts_with(it)))
    }

    fn is_old_manifest(&self, path: &Path) -> Result<bool> {
        let mut text = Vec::new();
        let file = File::open(path).map_err(Error::io("read", path))?;
        file.take(MAX_BYTES).read_to_end(&mut text).map_err(Error::io("read", path))?;
        match Manifest::parse(MANIFEST, &text) {
            Ok(_) => Ok(true),
            Err(_) => {
                let why = format!("it has a file {MANIFEST}, which the backup's own would replace");
                Err(Error::invalid("source", escape_line(&self.top.to_string_lossy()), why))
            }
        }
    }

    fn leave_out(&mut self, inner: &RepoPath, why: &str) -> Result<()> {
        self.data.left_out.push(LeftOut { path: inner.to_string(), why: why.to_owned() });
        Ok(())
    }
}
