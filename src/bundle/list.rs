//! `bundle list`: the bundles in a folder.

use std::path::Path;

use serde::Serialize;

use crate::error::Result;

use super::folder::{BundleFolder, Tarball};

/// A bundle in a folder.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its lock's file.
    pub file: String,
    /// What is bundled; empty where the lock cannot be read, as all that follows.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is meant for.
    pub env: String,
    /// The commit.
    pub git_sha: String,
    /// The time in its name.
    pub created_at: String,
    /// Bytes of its tarball; `None` where there is none.
    pub size_bytes: Option<u64>,
    /// Whether it has a signature.
    pub signed: bool,
    /// Where it was published.
    pub release_url: Option<String>,
    /// Why it does not count; `None` where it does.
    pub fault: Option<String>,
}

/// The bundles in a folder.
#[derive(Debug, Serialize)]
pub struct ListReport {
    /// The folder.
    pub folder: String,
    /// The bundles, the newest first.
    pub items: Vec<Listed>,
    /// Always `null`: all are listed.
    pub next: Option<String>,
}

/// Lists the bundles in `folder`; their bytes are not read.
pub fn list(folder: &Path) -> Result<ListReport> {
    let folder = BundleFolder::at(folder);
    let sums = folder.sums()?;
    let mut items = Vec::new();
    for found in folder.locks()? {
        let mut listed = Listed {
            file: folder.join(&found.file).display().to_string(),
            name: String::new(),
            version: String::new(),
            env: String::new(),
            git_sha: String::new(),
            created_at: String::new(),
            size_bytes: None,
            signed: false,
            release_url: None,
            fault: None,
        };
        match found.lock {
            Err(error) => listed.fault = Some(error.to_string()),
            Ok(lock) => {
                match folder.tarball(&lock) {
                    Tarball::None => {}
                    Tarball::There(size_bytes) => listed.size_bytes = Some(size_bytes),
                    Tarball::Missing => listed.fault = Some("its tarball is missing".to_owned()),
                }
                if let Some(tarball) = &lock.tarball
                    && listed.fault.is_none()
                    && sums.digest_of(tarball).map(|it| it.to_string()) != lock.tarball_sha256
                {
                    listed.fault = Some("SHA256SUMS does not say the same".to_owned());
                }
                listed.signed = lock.signature.is_some();
                (listed.name, listed.version, listed.env) = (lock.name, lock.version, lock.env);
                (listed.git_sha, listed.created_at) = (lock.git_sha, lock.created_at);
                listed.release_url = lock.release_url;
            }
        }
        items.push(listed);
    }
    items.sort_by(|a, b| (&b.created_at, &b.file).cmp(&(&a.created_at, &a.file)));
    Ok(ListReport { folder: folder.path().display().to_string(), items, next: None })
}
