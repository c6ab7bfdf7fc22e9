//! `backup list`: the backups at a destination.

use std::path::Path;

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::Result;

use super::create::Source;
use super::destination::{Checksum, backups, read_checksum};
use super::name::{Suffix, stem};

/// A backup at a destination.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its file.
    pub file: String,
    /// What it is a backup of, with the suffix.
    pub name: String,
    /// When it was made.
    pub created_at: String,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether a file with its digest stands beside it.
    pub has_checksum: bool,
    /// Whether it is of this repository's own data, with the suffix that is set.
    pub own: bool,
}

/// The backups at a destination.
#[derive(Debug, Serialize)]
pub struct ListReport {
    /// The destination.
    pub dest: String,
    /// The backups, the newest first.
    pub items: Vec<Listed>,
    /// Always `null`: all are listed.
    pub next: Option<String>,
}

/// Lists the backups at `dest`.
pub fn list(workspace: &Workspace, dest: &Path, suffix: Option<&Suffix>) -> Result<ListReport> {
    // Where there is no archive, none of them is its own.
    let own = Source::Own.name(workspace).ok().map(|name| stem(&name, suffix));
    let mut items = Vec::new();
    for found in backups(dest)?.into_iter().rev() {
        items.push(Listed {
            has_checksum: matches!(read_checksum(&found.path)?, Checksum::Says(_)),
            file: found.path.display().to_string(),
            created_at: found.name.stamp.time(),
            size_bytes: found.size_bytes,
            encrypted: found.name.is_sealed,
            own: own.as_deref() == Some(found.name.stem.as_str()),
            name: found.name.stem,
        });
    }
    Ok(ListReport { dest: dest.display().to_string(), items, next: None })
}
