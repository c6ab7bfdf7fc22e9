//! Backups of data folders: made, proven, listed, pruned and put back.
//!
//! Promises: what is counted as a backup is whole, was read back from its destination, opened and
//! checked; plain content stands at the destination of an encrypted one in no moment, and in no
//! folder for temporary files; nothing but backups of the same name and suffix is ever removed.

mod container;
mod create;
mod destination;
mod drill;
mod gather;
mod gpg;
mod list;
mod manifest;
mod mount;
mod name;
mod open;
mod prune;
mod restore;
mod room;
mod seal;
mod verify;

pub use create::{CreateOptions, CreateReport, Created, create};
pub use drill::{DrillCheck, DrillKind, DrillOptions, DrillReport, drill};
pub use gather::LeftOut;
pub use list::{ListReport, Listed, list};
pub use manifest::{MANIFEST, Manifest};
pub use name::Suffix;
pub use prune::{PruneOptions, PruneReport, prune};
pub use restore::{RestoreBackupOptions, RestoreBackupReport, restore};
pub use seal::{Key, Passphrase, Sealing, VARIABLE};
pub use verify::{VerifyOptions, VerifyReport, verify};
