//! One git repository: libgit2 reads its objects, the git executable judges and writes its index.
//!
//! Promises: whatever libgit2 cannot read (reftable, SHA-256, split and sparse indexes, blobs not
//! fetched yet) git reads instead, and callers do not see which. No file of the work tree is
//! written, no message of git is parsed, every path passes between NUL bytes.

mod ahead;
mod as_if;
mod attributes;
mod blob_id;
mod cached_trees;
mod cat_file;
mod commit;
mod compare;
mod diff;
mod discover;
mod history;
mod index;
mod objects;
mod pack;
mod plumbing;
mod range;
mod residue;
mod revision;
mod settings;
mod sign;
mod stage;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tips;
mod tree;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

use crate::error::Result;

pub use as_if::AsIf;
pub use attributes::AttributeSource;
pub use blob_id::BlobHasher;
pub use diff::{Change, Side};
pub use index::{IndexEntry, IndexFlag, IndexScope};
pub use objects::{Bytes, sha1_blob};
pub use pack::Packing;
pub use range::Known;
pub use residue::Residue;
pub use sign::SigningKey;
pub use tree::{CommitTree, Entry, TreeEntry};

use cat_file::CatFiles;
use plumbing::Git;

/// Bytes of an object id in a repository of the first object format.
const SHA1_LEN: usize = 20;

/// A repository and, unless it is bare, the work tree it was found from.
///
/// It can move to another thread but not be shared: each thread takes its own by
/// [`Repository::reopen`].
pub struct Repository {
    git: Git,
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_tree: Option<PathBuf>,
    oid_len: usize,
    /// `None` inside: libgit2 was tried and cannot open this repository.
    library: OnceCell<Option<git2::Repository>>,
    cat_files: RefCell<CatFiles>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("git_dir", &self.git_dir).finish_non_exhaustive()
    }
}

impl Repository {
    /// The repository that `start` lies in, or the one the environment names (GIT_DIR and its
    /// like, relative to `start`); `None` when git finds none.
    ///
    /// [`Error::UnsafeOwner`](crate::Error::UnsafeOwner) when git refuses a repository of another
    /// user, [`Error::Git`](crate::Error::Git) when it refuses for another reason.
    pub fn discover(start: &Path) -> Result<Option<Self>> {
        Self::discover_by(Git::default(), start)
    }

    fn discover_by(git: Git, start: &Path) -> Result<Option<Self>> {
        let Some(found) = discover::find(&git, start)? else { return Ok(None) };
        let library = OnceCell::new();
        if let Some(open) = found.library {
            let _ = library.set(Some(open));
        }
        Ok(Some(Self {
            git,
            git_dir: found.git_dir,
            common_dir: found.common_dir,
            work_tree: found.work_tree,
            oid_len: found.oid_len,
            library,
            cat_files: RefCell::default(),
        }))
    }

    /// Another handle on the same repository, for another thread; nothing is searched for again.
    pub fn reopen(&self) -> Result<Self> {
        Ok(Self {
            git: self.git.clone(),
            git_dir: self.git_dir.clone(),
            common_dir: self.common_dir.clone(),
            work_tree: self.work_tree.clone(),
            oid_len: self.oid_len,
            library: OnceCell::new(),
            cat_files: RefCell::default(),
        })
    }

    /// The top of the work tree, absolute and without links; `None` in a bare repository and for
    /// a start inside the git folder.
    pub fn work_tree(&self) -> Option<&Path> {
        self.work_tree.as_deref()
    }

    /// The git folder of this work tree, absolute and without links.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git folder that all linked work trees share, absolute and without links.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Bytes of an object id here: 20 (SHA-1) or 32 (SHA-256).
    pub fn object_format_len(&self) -> usize {
        self.oid_len
    }

    /// libgit2's handle, opened on first use; `None` where libgit2 cannot open the repository.
    fn library(&self) -> Option<&git2::Repository> {
        self.library.get_or_init(|| discover::open_library(&self.git_dir)).as_ref()
    }

    /// Where children run: the top of the work tree, or the git folder.
    fn home(&self) -> &Path {
        self.work_tree.as_deref().unwrap_or(&self.git_dir)
    }
}
