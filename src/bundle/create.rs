//! `bundle create`: a commit becomes a tarball, a lock and a line of `SHA256SUMS`.
//!
//! Promises: each file gets its name when it is whole and durable, the tarball first; what lacks its
//! lock or its line does not count, and the next run completes it; made again, a bundle is the same
//! and nothing changes; a dry run writes nothing at all.

use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::fs::{Executable, TempFile};
use crate::git::Repository;
use crate::logging::About;
use crate::model::{Actor, GitOid};
use crate::progress::Progress;

use super::contents::{Contents, contents};
use super::docker::Image;
use super::exclude::Exclusion;
use super::folder::{BundleFolder, Writing};
use super::lock::{Lock, StubPolicy};
use super::name::{LOCK, Stamp, TARBALL, check_env, check_word, stem};
use super::pack::{Gzip, Packed, Packer};
use super::prune;
use super::publish::{Names, publish};
use super::record::{evidence_head, open_archive, record};
use super::version::{Package, Version, version_of};

/// Whose time stands in a bundle's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampFrom {
    /// The commit's, or `SOURCE_DATE_EPOCH`.
    Commit,
    /// Now.
    Now,
}

/// What to bundle, and how.
#[derive(Debug, Clone)]
pub struct BundleOptions {
    /// The commit, as somebody names it.
    pub revision: String,
    /// What is bundled; `None`: what the commit says.
    pub name: Option<String>,
    /// The version; `None`: what the commit says.
    pub version: Option<String>,
    /// What it is meant for.
    pub env: String,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// What becomes of tombstones.
    pub stubs: StubPolicy,
    /// The folder of bundles.
    pub output_dir: PathBuf,
    /// Whether a tarball is written, and not the lock alone.
    pub tarball: bool,
    /// Whether the tarball is signed.
    pub sign: bool,
    /// Whose time stands in its name.
    pub stamp: StampFrom,
    /// `SOURCE_DATE_EPOCH`: seconds that take the place of the commit's time.
    pub epoch: Option<i64>,
    /// Docker's image that gets a tag.
    pub docker_image: Option<String>,
    /// What that tag begins with; `None`: the name.
    pub docker_tag_prefix: Option<String>,
    /// How many bundles are kept.
    pub keep: u64,
    /// Whether older ones go.
    pub prune: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Who does it; a record needs one.
    pub actor: Option<Actor>,
}

/// A bundle that was made, or would be.
#[derive(Debug, Serialize)]
pub struct BundleReport {
    /// Its lock's file.
    pub file: String,
    /// The lock.
    pub lock: Lock,
    /// Who says the version: `option`, `tag`, a file of the package, or `commit`.
    pub version_from: &'static str,
    /// The version of the package's file, where that is another one.
    pub package_version: Option<String>,
    /// Bytes of the tar before it was compressed.
    pub tar_bytes: u64,
    /// Bytes of the tarball; 0 where none was written.
    pub size_bytes: u64,
    /// How many files patterns left out.
    pub excluded: u64,
    /// Whether it was there already, the same.
    pub already: bool,
    /// Older bundles that were removed, or would be: their locks.
    pub pruned: Vec<String>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Digest of the record; empty where there is none.
    pub evidence: String,
}

/// Makes the bundle that `options` ask for.
pub fn create(
    workspace: &Workspace,
    options: &BundleOptions,
    progress: &dyn Progress,
) -> Result<BundleReport> {
    let log = workspace.use_case("BUNDLE", options.actor.as_ref().map(Actor::as_str));
    let about = |report: &BundleReport| {
        let done = !report.dry_run && !report.already;
        About { evidence: Some(report.evidence.clone()), ..About::many(1) }.if_done(done)
    };
    log.end(create_one(workspace, options, progress), about)
}

fn create_one(
    workspace: &Workspace,
    options: &BundleOptions,
    progress: &dyn Progress,
) -> Result<BundleReport> {
    let repository = workspace.repository("bundle")?;
    let mut archive = open_archive(workspace)?;
    let plan = Plan::of(workspace, repository, options)?;
    let mut lock = plan.lock(repository, options)?;
    if let Some(archive) = &mut archive {
        lock.evidence_head = evidence_head(workspace, archive)?;
        if !options.dry_run {
            // It is recorded when it is made, and is not made where it cannot be.
            archive.check_not_maintained()?;
        }
    }
    let has_archive = archive.is_some();
    drop(archive);
    if let Some(image) = &plan.image {
        image.check()?;
    }
    let folder = BundleFolder::at(&options.output_dir);
    let mut report = plan.report(&folder, lock, options);
    let mut packer = Packer::new(workspace, repository);
    if options.dry_run {
        let packed = plan.pack(&mut packer, &mut io::sink(), progress)?;
        report.packed(packed);
        if options.prune {
            report.pruned = prune::would_remove(&folder, &report.lock, options.keep)?;
        }
        return Ok(report);
    }
    let writing = folder.write(workspace)?;
    let temp = plan.write_tarball(&mut packer, &writing, options, &mut report, progress)?;
    let names = Names { folder: &folder, writing: &writing, stem: plan.stem() };
    publish(workspace, &names, options.sign, plan.image.as_ref(), temp, &mut report)?;
    if has_archive && !report.already {
        let missing = Error::Missing { what: "the actor (`--by`)" };
        let actor = options.actor.as_ref().ok_or(missing)?;
        report.evidence = record(workspace, actor, &report.lock)?;
    }
    if options.prune {
        report.pruned = prune::remove(&folder, &writing, &report.lock, options.keep)?;
    }
    Ok(report)
}

/// What is to be done.
struct Plan {
    commit: GitOid,
    contents: Contents,
    name: String,
    version: Version,
    package_version: Option<String>,
    stamp: Stamp,
    mtime: u64,
    image: Option<Image>,
}

impl Plan {
    fn of(workspace: &Workspace, repository: &Repository, options: &BundleOptions) -> Result<Self> {
        check_env(&options.env)?;
        let commit = repository.resolve_commit(&options.revision)?;
        let package = Package::of(repository, &commit)?;
        let given = options.version.as_deref();
        let version = version_of(given, repository, &commit, package.as_ref())?;
        let name = name_of(workspace, options, package.as_ref())?;
        let seconds = match options.epoch {
            Some(epoch) => epoch,
            None => repository.commit_time(&commit)?,
        };
        let of_files = Stamp::of_seconds(seconds)?;
        let stamp = match options.stamp {
            StampFrom::Commit => of_files,
            StampFrom::Now => Stamp::of(workspace.now())?,
        };
        let image = match &options.docker_image {
            None => None,
            Some(reference) => {
                let own = name.to_ascii_lowercase().replace('+', "-");
                let prefix = options.docker_tag_prefix.as_deref().unwrap_or(&own);
                Some(Image::new(reference, prefix, &options.env, stamp)?)
            }
        };
        let exclusion = Exclusion::of(&options.exclude)?;
        let contents = contents(repository, &commit, &exclusion, options.stubs)?;
        let said = package.and_then(|it| it.version);
        let package_version = said.filter(|it| it != version.text.trim_start_matches('v'));
        let package_version = package_version.filter(|it| *it != version.text);
        let mtime = u64::try_from(seconds).unwrap_or(0);
        Ok(Self { commit, contents, name, version, package_version, stamp, mtime, image })
    }

    /// The lock, without what is known when the tar is written.
    fn lock(&self, repository: &Repository, options: &BundleOptions) -> Result<Lock> {
        Ok(Lock {
            v: Lock::VERSION,
            name: self.name.clone(),
            version: self.version.text.clone(),
            env: options.env.clone(),
            git_sha: self.commit.to_string(),
            git_tree: repository.tree_of(&self.commit)?.to_string(),
            dirty: repository.is_dirty()?,
            created_at: self.stamp.time(),
            mtime: self.mtime,
            tarball: None,
            tarball_sha256: None,
            tar_sha256: String::new(),
            file_count: self.contents.members.len() as u64,
            exclude: options.exclude.clone(),
            stubs: options.stubs,
            stub_count: self.contents.stub_count,
            submodules: self.contents.submodules.clone(),
            docker_tag: self.image.as_ref().map(|image| image.tag().to_owned()),
            release_url: None,
            keep: options.keep,
            signature: None,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            evidence_head: None,
        })
    }

    fn report(&self, folder: &BundleFolder, lock: Lock, options: &BundleOptions) -> BundleReport {
        BundleReport {
            file: folder.join(&format!("{}{LOCK}", self.stem())).display().to_string(),
            lock,
            version_from: self.version.from,
            package_version: self.package_version.clone(),
            tar_bytes: 0,
            size_bytes: 0,
            excluded: self.contents.excluded,
            already: false,
            pruned: Vec::new(),
            dry_run: options.dry_run,
            evidence: String::new(),
        }
    }

    fn stem(&self) -> String {
        stem(&self.name, &self.version.text, self.stamp)
    }

    fn pack(
        &self,
        packer: &mut Packer<'_>,
        out: &mut dyn io::Write,
        progress: &dyn Progress,
    ) -> Result<Packed> {
        packer.pack(&self.contents, &self.commit, self.mtime, out, progress)
    }

    /// Writes the tarball under a name that does not count, or hashes what would be in it.
    fn write_tarball(
        &self,
        packer: &mut Packer<'_>,
        writing: &Writing,
        options: &BundleOptions,
        report: &mut BundleReport,
        progress: &dyn Progress,
    ) -> Result<Option<TempFile>> {
        if !options.tarball {
            let packed = self.pack(packer, &mut io::sink(), progress)?;
            report.packed(packed);
            return Ok(None);
        }
        let mut temp = writing.folder.temp(Executable::No)?;
        let path = temp.path().to_path_buf();
        let mut gzip = Gzip::begin(io::BufWriter::new(temp.file()?));
        let packed = self.pack(packer, &mut gzip, progress)?;
        let (sha256, size_bytes) = gzip.finish().map_err(Error::io("write", path))?;
        temp.file()?.flush().map_err(Error::io("write", temp.path()))?;
        temp.sync()?;
        report.packed(packed);
        report.size_bytes = size_bytes;
        report.lock.tarball = Some(format!("{}{TARBALL}", self.stem()));
        report.lock.tarball_sha256 = Some(sha256.to_string());
        Ok(Some(temp))
    }
}

impl BundleReport {
    fn packed(&mut self, packed: Packed) {
        self.lock.tar_sha256 = packed.sha256.to_string();
        self.tar_bytes = packed.size_bytes;
    }
}

/// What is bundled: as the option says, or the configuration, the package, the label, the folder.
fn name_of(
    workspace: &Workspace,
    options: &BundleOptions,
    package: Option<&Package>,
) -> Result<String> {
    if let Some(name) = &options.name {
        check_word("name", name)?;
        return Ok(name.clone());
    }
    let label = workspace.label().map(|label| label.as_str().to_owned());
    let folder = workspace.top.file_name().map(|it| it.to_string_lossy().into_owned());
    let all = [package.and_then(|it| it.name.clone()), label, folder];
    let usable = all.into_iter().flatten().find(|it| check_word("name", it).is_ok());
    usable.ok_or(Error::Missing { what: "the name (`--name` or `bundle.name`)" })
}
