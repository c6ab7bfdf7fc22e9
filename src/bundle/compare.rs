//! Holding a tarball against the tree of its commit: path by path, by what git calls the content.
//!
//! It reads the tar with a reader of its own, and packs nothing: a mistake in packing shows here.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::error::Result;
use crate::git::Repository;
use crate::model::{Digester, RepoPath};

use super::contents::{Member, Source, contents};
use super::lock::{Lock, Submodule};
use super::tar_reader::{Kind, TarEntry};

/// So many differences are told one by one.
const TOLD: usize = 20;

/// How much is read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// What a commit says must be in the tarball.
pub(super) struct Expected<'a> {
    repository: &'a Repository,
    missing: BTreeMap<RepoPath, Member>,
    mtime: u64,
    faults: Vec<String>,
    more: usize,
}

impl<'a> Expected<'a> {
    /// What `lock` must have made of its commit.
    pub fn of(repository: &'a Repository, lock: &Lock) -> Result<Self> {
        let commit = lock.commit();
        let contents = contents(repository, &commit, &lock.exclusion()?, lock.stubs)?;
        let mut this = Self {
            repository,
            missing: BTreeMap::new(),
            mtime: lock.mtime,
            faults: Vec::new(),
            more: 0,
        };
        let tree = repository.tree_of(&commit)?.to_string();
        if tree != lock.git_tree {
            this.fault(format!("the commit's tree is {tree}, not {}", lock.git_tree));
        }
        if contents.stub_count != lock.stub_count {
            this.fault(format!("the commit has {} tombstones", contents.stub_count));
        }
        let is_in = |all: &[Submodule], it: &Submodule| all.contains(it);
        let differ = contents.submodules.iter().any(|it| !is_in(&lock.submodules, it))
            || lock.submodules.iter().any(|it| !is_in(&contents.submodules, it));
        if differ {
            this.fault("the commit has other submodules".to_owned());
        }
        let members = contents.members.into_iter();
        this.missing = members.map(|member| (member.path.clone(), member)).collect();
        Ok(this)
    }

    fn fault(&mut self, words: String) {
        if self.faults.len() < TOLD {
            self.faults.push(words);
        } else {
            self.more += 1;
        }
    }

    /// Holds an entry of the tar against the commit.
    pub fn hold(&mut self, entry: &TarEntry, bytes: &mut dyn Read) -> Result<()> {
        let path = &entry.path;
        let Some(member) = self.missing.remove(path) else {
            self.fault(format!("{path} is not in the commit, or is there twice"));
            return Ok(());
        };
        if entry.mtime != self.mtime {
            self.fault(format!("{path} has another time than the lock says"));
        }
        let is_same = match (&member.source, &entry.kind) {
            (Source::Link(oid), Kind::Link(target)) => {
                self.repository.known_blob_id(target) == *oid
            }
            (source, Kind::File { is_executable }) => {
                if *is_executable != member.is_executable {
                    self.fault(format!("{path} has another mode than in the commit"));
                }
                let is_long = entry.size_bytes == member.size_bytes;
                is_long && self.is_content(source, entry.size_bytes, bytes)?
            }
            _ => false,
        };
        if !is_same {
            self.fault(format!("{path} is not what the commit has"));
        }
        Ok(())
    }

    fn is_content(&self, source: &Source, size_bytes: u64, bytes: &mut dyn Read) -> Result<bool> {
        Ok(match source {
            Source::File(oid) => {
                let mut hasher = self.repository.blob_hasher(size_bytes);
                each_part(bytes, |part| hasher.update(part)).is_ok() && hasher.finish() == *oid
            }
            Source::Archived(stub) => {
                let mut digester = Digester::default();
                let is_read = each_part(bytes, |part| digester.update(part)).is_ok();
                is_read && digester.finish().0 == stub.sha256
            }
            Source::Link(_) => false,
        })
    }

    /// What does not agree, with what is missing.
    pub fn finish(mut self) -> Vec<String> {
        for path in std::mem::take(&mut self.missing).into_keys() {
            self.fault(format!("{path} is missing"));
        }
        if self.more > 0 {
            self.faults.push(format!("and {} more", self.more));
        }
        self.faults
    }
}

fn each_part(bytes: &mut dyn Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => take(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
