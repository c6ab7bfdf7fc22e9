//! `bundle verify`: whether a bundle is what its lock says, and its lock what the commit says.
//!
//! Promises: every digest that the lock names is computed anew; where the commit is here, every file
//! of the tar is held against its tree; nothing is unpacked or written.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::git::Repository;
use crate::logging::About;
use crate::model::{Digest, Digester};

use super::compare::Expected;
use super::folder::{BundleFolder, Tarball, lock_at};
use super::lock::Lock;
use super::signature::signer_of;
use super::tar_reader::read_tar;

/// How much is read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What the tarball was held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// The tree of its commit.
    Tree,
    /// Only its lock: there is no repository here.
    NoRepository,
    /// Only its lock: the repository has not got the commit.
    NoCommit,
    /// Nothing: the bundle has no tarball, or one that is not what the lock says.
    Nothing,
}

/// A bundle that was looked at.
#[derive(Debug, Serialize)]
pub struct VerifiedBundle {
    /// Its lock's file.
    pub file: String,
    /// What is bundled; empty where the lock cannot be read, as all that follows.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit.
    pub git_sha: String,
    /// The tarball's file.
    pub tarball: Option<String>,
    /// SHA-256 of the tarball, computed just now.
    pub tarball_sha256: Option<String>,
    /// How many files and links are in it.
    pub file_count: u64,
    /// What it was held against.
    pub compared: Compared,
    /// The key that signed it, as `SHA256:…`.
    pub signed_by: Option<String>,
    /// Whose key that is, as `.codex/allowed_signers` says.
    pub principals: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The bundles.
    pub items: Vec<VerifiedBundle>,
}

/// Looks at the bundles `files`, each a lock or the tarball beside it; without any at all bundles in
/// `folder`.
pub fn verify(workspace: &Workspace, files: &[PathBuf], folder: &Path) -> Result<VerifyReport> {
    let log = workspace.use_case("BUNDLE_VERIFY", None);
    log.end(verify_all(workspace, files, folder), |report| About {
        is_odd: !report.ok,
        ..About::many(report.items.len())
    })
}

fn verify_all(workspace: &Workspace, files: &[PathBuf], folder: &Path) -> Result<VerifyReport> {
    let mut meant = Vec::new();
    for file in files {
        meant.push(lock_at(workspace, file)?);
    }
    if files.is_empty() {
        let folder = BundleFolder::at(folder);
        let found = folder.locks()?;
        meant.extend(found.into_iter().map(|found| (folder.clone(), found.file)));
    }
    let mut items = Vec::with_capacity(meant.len());
    for (folder, name) in meant {
        items.push(verify_one(workspace, &folder, &name)?);
    }
    Ok(VerifyReport { ok: items.iter().all(|it| it.faults.is_empty()), items })
}

fn verify_one(workspace: &Workspace, folder: &BundleFolder, name: &str) -> Result<VerifiedBundle> {
    let mut seen = VerifiedBundle {
        file: folder.join(name).display().to_string(),
        name: String::new(),
        version: String::new(),
        git_sha: String::new(),
        tarball: None,
        tarball_sha256: None,
        file_count: 0,
        compared: Compared::Nothing,
        signed_by: None,
        principals: Vec::new(),
        faults: Vec::new(),
    };
    let lock = match folder.lock(name) {
        Ok(lock) => lock,
        Err(Error::Damaged { why, .. }) => {
            seen.faults.push(why);
            return Ok(seen);
        }
        Err(error) => return Err(error),
    };
    (seen.name, seen.version) = (lock.name.clone(), lock.version.clone());
    (seen.git_sha, seen.tarball) = (lock.git_sha.clone(), lock.tarball.clone());
    look_at_tarball(workspace, folder, &lock, &mut seen)?;
    Ok(seen)
}

fn look_at_tarball(
    workspace: &Workspace,
    folder: &BundleFolder,
    lock: &Lock,
    seen: &mut VerifiedBundle,
) -> Result<()> {
    let (Some(tarball), Some(said)) = (&lock.tarball, &lock.tarball_sha256) else { return Ok(()) };
    if !matches!(folder.tarball(lock), Tarball::There(_)) {
        seen.faults.push(format!("the tarball {tarball} is missing"));
        return Ok(());
    }
    match folder.sums()?.digest_of(tarball).map(|it| it.to_string()) {
        Some(digest) if digest == *said => {}
        Some(digest) => seen.faults.push(format!("SHA256SUMS says {digest}, and the lock {said}")),
        None => seen.faults.push(format!("SHA256SUMS does not say one digest of {tarball}")),
    }
    let path = folder.join(tarball);
    let digest = digest_of(&path)?.to_string();
    seen.tarball_sha256 = Some(digest.clone());
    if digest != *said {
        // What else is in it means nothing.
        seen.faults.push(format!("the tarball's SHA-256 is {digest}, and the lock says {said}"));
        return Ok(());
    }
    if let Some(name) = &lock.signature {
        look_at_signature(workspace, folder, (said, tarball, name), seen)?;
    }
    match look_into(workspace, &path, lock, seen) {
        Err(Error::Damaged { what: "tarball", why, .. }) => {
            seen.faults.push(why);
            Ok(())
        }
        other => other,
    }
}

fn look_at_signature(
    workspace: &Workspace,
    folder: &BundleFolder,
    (digest, tarball, name): (&str, &str, &str),
    seen: &mut VerifiedBundle,
) -> Result<()> {
    let Some(armored) = folder.signature(name)? else {
        seen.faults.push(format!("the signature {name} is missing"));
        return Ok(());
    };
    match signer_of(workspace, digest, tarball, &armored)? {
        Ok(signer) => {
            seen.signed_by = Some(signer.key_fingerprint);
            seen.principals = signer.principals;
        }
        Err(why) => seen.faults.push(format!("the signature {name}: {why}")),
    }
    Ok(())
}

/// Reads the tar, and holds it against the commit where that is here.
fn look_into(
    workspace: &Workspace,
    path: &Path,
    lock: &Lock,
    seen: &mut VerifiedBundle,
) -> Result<()> {
    let repository = workspace.repository.as_ref();
    let (compared, repository) = match repository {
        None => (Compared::NoRepository, None),
        Some(repository) if has_commit(repository, lock)? => (Compared::Tree, Some(repository)),
        Some(_) => (Compared::NoCommit, None),
    };
    seen.compared = compared;
    let mut expected = repository.map(|it| Expected::of(it, lock)).transpose()?;
    let object = path.display().to_string();
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut gzip = GzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file));
    let mut hashing = Hashing { source: &mut gzip, digester: Digester::default() };
    let mut count = 0;
    let commit = read_tar(&object, &mut hashing, |entry, bytes| {
        count += 1;
        expected.as_mut().map_or(Ok(()), |it| it.hold(entry, bytes))
    })?;
    let tar_sha256 = hashing.digester.finish().0.to_string();
    seen.file_count = count;
    if tar_sha256 != lock.tar_sha256 {
        let said = &lock.tar_sha256;
        seen.faults.push(format!("the tar's SHA-256 is {tar_sha256}, and the lock says {said}"));
    }
    if count != lock.file_count {
        seen.faults.push(format!("it has {count} files, and the lock says {}", lock.file_count));
    }
    if commit != lock.git_sha {
        seen.faults.push(format!("the tarball is of commit {commit}, by its own words"));
    }
    let mut rest = gzip.into_inner();
    if !rest.fill_buf().map_err(Error::io("read", path))?.is_empty() {
        seen.faults.push("something follows the tar in the tarball".to_owned());
    }
    seen.faults.extend(expected.map(Expected::finish).unwrap_or_default());
    Ok(())
}

/// Whether the repository has the commit of `lock`, as far as it has ids of that length.
fn has_commit(repository: &Repository, lock: &Lock) -> Result<bool> {
    let commit = lock.commit();
    Ok(commit.as_bytes().len() == repository.object_format_len()
        && repository.has_commit(&commit)?)
}

/// SHA-256 of a file's bytes.
fn digest_of(path: &Path) -> Result<Digest> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut digester = Digester::default();
    io::copy(&mut file, &mut digester).map_err(Error::io("read", path))?;
    Ok(digester.finish().0)
}

/// Hashes what is read.
struct Hashing<R> {
    source: R,
    digester: Digester,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(buffer)?;
        self.digester.update(&buffer[..len]);
        Ok(len)
    }
}
