//! Release bundles: the tracked files of a commit as one tar, with a lock that says what is in it.
//!
//! Promises: the same commit and options give the same bytes on every machine; what counts as a
//! bundle is whole, whatever killed the program; nothing comes from the work tree; bundles alone
//! are ever removed. `sha256sum`, `ssh-keygen` and `tar` check and unpack one without this program.

mod compare;
mod contents;
mod create;
mod docker;
mod exclude;
mod folder;
mod list;
mod lock;
mod name;
mod pack;
mod prune;
mod publish;
mod rebuild;
mod record;
mod set_url;
mod signature;
mod sums;
mod tar_reader;
mod tar_writer;
mod verify;
mod version;

pub use create::{BundleOptions, BundleReport, StampFrom, create};
pub use list::{ListReport, Listed, list};
pub use lock::{Lock, StubPolicy, Submodule};
pub use prune::{PruneOptions, PruneReport, prune};
pub use rebuild::{RebuildOptions, RebuildReport, rebuild};
pub use set_url::{SetUrlReport, set_url};
pub use verify::{Compared, VerifiedBundle, VerifyReport, verify};
