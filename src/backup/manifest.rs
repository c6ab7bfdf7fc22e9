//! `MANIFEST.json`: what is in a backup, so that it can be held against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Counts};
use crate::error::{Error, Result};
use crate::model::{ArchiveId, Digest, RepoPath};

/// The manifest's name in the data folder.
pub const MANIFEST: &str = "MANIFEST.json";

/// The version of the format.
const VERSION: u32 = 1;

/// The largest manifest that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format: 1.
    pub v: u32,
    /// The version of the program that made it.
    pub tool_version: String,
    /// When, RFC 3339.
    pub created_at: String,
    /// The data folder's own name.
    pub folder: String,
    /// Its files, by path.
    pub files: Vec<FileEntry>,
    /// The archive among them.
    pub archive: Option<ArchiveEntry>,
}

/// A file of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path in the data folder, as paths are spelled everywhere.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// How many they are.
    pub size_bytes: u64,
}

/// What the archive in a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveEntry {
    /// Its path in the data folder.
    pub path: String,
    /// The archive's id.
    pub id: String,
    /// The backend it was on.
    pub backend: String,
    /// The version of its schema.
    pub schema: i64,
    /// What it holds.
    #[serde(flatten)]
    pub counts: Counts,
    /// Where its logs end.
    pub logs: Vec<LogEntry>,
    /// What was purged.
    pub purge_ledger: Vec<PurgeEntry>,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The log.
    pub log: String,
    /// The repo label.
    pub repo: String,
    /// Number of its last record.
    pub seq: u64,
    /// Digest of that.
    pub digest: String,
}

/// An entry of the ledger of purges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeEntry {
    /// SHA-256 of what was purged.
    pub sha256: String,
    /// The item.
    pub tombstone: String,
    /// When.
    pub at: String,
    /// When it was let in again.
    pub readmitted_at: Option<String>,
}

impl Manifest {
    /// The manifest of these files.
    pub fn new(
        created_at: String,
        folder: String,
        files: Vec<FileEntry>,
        archive: Option<ArchiveEntry>,
    ) -> Self {
        let tool_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { v: VERSION, tool_version, created_at, folder, files, archive }
    }

    /// Its text.
    pub fn render(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::io("write", MANIFEST)(error.into()))?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads and checks one; what it names is `object`.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self> {
        let damaged =
            |why: &str| Error::damaged("backup", object, format!("its {MANIFEST}: {why}"));
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| damaged(&crate::model::escape_line(&error.to_string())))?;
        if manifest.v != VERSION {
            let why = format!("version {} is not known to this program", manifest.v);
            return Err(damaged(&why));
        }
        let mut seen = BTreeMap::new();
        for file in &manifest.files {
            let path = RepoPath::parse(&file.path);
            if path.is_none() || file.path == MANIFEST || file.sha256.parse::<Digest>().is_err() {
                return Err(damaged("a file's path or digest is not valid"));
            }
            if seen.insert(file.path.as_str(), ()).is_some() {
                return Err(damaged("a file stands in it twice"));
            }
        }
        let folder = RepoPath::new(manifest.folder.as_bytes());
        if folder.is_err() || manifest.folder.contains('/') {
            return Err(damaged("the folder's name is not valid"));
        }
        if let Some(archive) = &manifest.archive {
            if !seen.contains_key(archive.path.as_str()) {
                return Err(damaged("the archive is not among its files"));
            }
            if archive.id.parse::<ArchiveId>().is_err() {
                return Err(damaged("the archive's id is not one"));
            }
        }
        Ok(manifest)
    }

    /// Bytes of the archive among its files; 0 where there is none.
    pub fn archive_bytes(&self) -> u64 {
        let path = self.archive.as_ref().map(|it| it.path.as_str());
        let mut files = self.files.iter();
        files.find(|file| Some(file.path.as_str()) == path).map_or(0, |file| file.size_bytes)
    }

    /// Bytes of all files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size_bytes))
    }
}

impl ArchiveEntry {
    /// What `archive` holds, which stands at `path` of the data folder.
    pub fn of(archive: &mut Archive, path: &str, id: String, backend: &str) -> Result<Self> {
        let counts = Counts::of(archive)?;
        let logs = archive.ledger().logs()?.into_iter().map(|head| LogEntry {
            log: head.log.to_string(),
            repo: head.repo,
            seq: head.seq,
            digest: head.digest.to_string(),
        });
        let logs = logs.collect();
        let schema = archive.schema_version()?;
        let mut purge_ledger = Vec::new();
        if archive.check_governed().is_ok() {
            let entries = archive.register().ledger()?.into_iter().map(|it| PurgeEntry {
                sha256: it.sha256.to_string(),
                tombstone: it.tombstone.to_string(),
                at: it.at,
                readmitted_at: it.readmitted_at,
            });
            purge_ledger.extend(entries);
        }
        let (path, backend) = (path.to_owned(), backend.to_owned());
        Ok(Self { path, id, backend, schema, counts, logs, purge_ledger })
    }
}
