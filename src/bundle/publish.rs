//! Giving a bundle's files their names, in the order in which it comes to count.
//!
//! Promises: nothing that stands there is replaced by something else; what a killed run left is
//! completed; a bundle that is there already stays as it is.

use std::path::Path;

use crate::archive::Workspace;
use crate::error::{Error, Refusal, Result};
use crate::fs::TempFile;

use super::create::BundleReport;
use super::docker::Image;
use super::folder::{BundleFolder, Writing};
use super::lock::Lock;
use super::name::{LOCK, SIGNATURE};
use super::signature::sign_tarball;
use super::sums::SUMS;

/// Where a bundle goes, and what its files begin with.
pub(super) struct Names<'a> {
    /// The folder.
    pub folder: &'a BundleFolder,
    /// The same, while nobody else writes in it.
    pub writing: &'a Writing,
    /// What its files begin with.
    pub stem: String,
}

/// Publishes the bundle of `report`, whose tarball is `temp`, and signs it where `sign` says so.
pub(super) fn publish(
    workspace: &Workspace,
    names: &Names<'_>,
    sign: bool,
    image: Option<&Image>,
    temp: Option<TempFile>,
    report: &mut BundleReport,
) -> Result<()> {
    let Names { folder, writing, stem } = names;
    let found = folder.lock_of(stem)?;
    let kept = match &found {
        Some(found) => names.kept(found, &mut report.lock)?,
        None => names.refuse_other(&report.lock)?,
    };
    if sign
        && let (Some(tarball), Some(digest)) = (&report.lock.tarball, &report.lock.tarball_sha256)
        && report.lock.signature.is_none()
    {
        let armored = sign_tarball(workspace, digest, tarball)?;
        let name = format!("{stem}{SIGNATURE}");
        // Without its lock a signature counts as little as a tarball.
        writing.put(&name, armored.as_bytes())?;
        report.lock.signature = Some(name);
    }
    if let Some(image) = image {
        image.put_tag()?;
    }
    if let (Some(temp), Some(tarball), false) = (temp, &report.lock.tarball, kept) {
        temp.publish(Path::new(tarball))?;
        writing.folder.sync()?;
    }
    report.already = kept || report.lock.tarball.is_none();
    if found.as_ref() != Some(&report.lock) {
        writing.put(&format!("{stem}{LOCK}"), &report.lock.render())?;
        report.already = false;
    }
    if let (Some(tarball), Some(digest)) = (&report.lock.tarball, &report.lock.tarball_sha256) {
        let before = folder.sums()?;
        let mut sums = before.clone();
        sums.set(tarball, digest);
        if sums != before {
            writing.put(SUMS, &sums.render())?;
            report.already = false;
        }
    }
    Ok(())
}

impl Names<'_> {
    /// Takes over into `new` what the lock that stands there says of the same bundle; whether its
    /// tarball stays. A lock of another bundle is in the way.
    fn kept(&self, found: &Lock, new: &mut Lock) -> Result<bool> {
        if !is_same(found, new) {
            let file = self.folder.join(&format!("{}{LOCK}", self.stem));
            return Err(Error::refused("bundle", file.display().to_string(), Refusal::Exists));
        }
        let made = std::mem::replace(new, found.clone());
        new.docker_tag = made.docker_tag.or_else(|| found.docker_tag.clone());
        let there = match &found.tarball {
            Some(name) => self.writing.digest(name)?,
            None => None,
        };
        if there.is_some() && there != found.tarball_sha256 {
            let name = found.tarball.as_deref().unwrap_or_default();
            let path = self.folder.join(name).display().to_string();
            return Err(Error::damaged("tarball", path, "it is not what its lock says"));
        }
        if there.is_some() || made.tarball.is_none() {
            return Ok(true);
        }
        // A signature is over the digest that the tarball had.
        if made.tarball_sha256 != found.tarball_sha256 {
            new.signature = None;
        }
        (new.tarball, new.tarball_sha256) = (made.tarball, made.tarball_sha256);
        new.tool_version = made.tool_version;
        Ok(false)
    }

    /// Refuses a file that stands where the tarball is to be, unless a killed run left the same
    /// there.
    fn refuse_other(&self, new: &Lock) -> Result<bool> {
        let Some(name) = &new.tarball else { return Ok(false) };
        let there = self.writing.digest(name)?;
        if there.is_none() || there == new.tarball_sha256 {
            return Ok(false);
        }
        let file = self.folder.join(name).display().to_string();
        Err(Error::refused("bundle", file, Refusal::Exists))
    }
}

/// Whether two locks are of one bundle: what may differ is how it was packed, where it was published,
/// and what stood around it.
fn is_same(found: &Lock, new: &Lock) -> bool {
    let same = Lock {
        dirty: found.dirty,
        tarball: found.tarball.clone(),
        tarball_sha256: found.tarball_sha256.clone(),
        docker_tag: found.docker_tag.clone(),
        release_url: found.release_url.clone(),
        keep: found.keep,
        signature: found.signature.clone(),
        tool_version: found.tool_version.clone(),
        evidence_head: found.evidence_head.clone(),
        ..new.clone()
    };
    same == *found
}
