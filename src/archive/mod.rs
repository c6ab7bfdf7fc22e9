//! The use cases: what `git codex-archive` does, without a mouth.
//!
//! Promises: whoever changes the archive does it through [`Archive::journaled`], so that no deed
//! can forget its record; bytes leave only after their SHA-256 was checked.

mod agree;
mod attributes;
mod batch;
mod chains;
mod check;
mod checkpoint;
mod content;
mod cores;
mod credentials;
mod desk;
mod detach;
mod drop;
mod entry;
mod evidence_sign;
mod examine;
mod explain;
mod export;
mod find;
mod fsck;
pub mod governance;
mod health;
pub mod history;
mod init;
mod intake;
mod intent;
mod journaled;
mod language;
mod logged;
mod lookup;
mod loose;
mod maintenance;
mod migrate;
mod opening;
mod output;
mod pen;
pub mod proof;
mod ready;
mod reconcile;
mod recovery;
mod reinstate;
mod remembered;
mod restore;
mod retire;
mod root;
mod runs;
pub mod segments;
mod selection;
mod sign;
mod smoke;
mod snapshot;
mod sound;
mod status;
mod store;
mod stored;
mod transact;
mod transfer;
mod tree;
mod trial;
mod try_out;
mod undo;
mod upload;
mod workspace;

pub use batch::{
    BatchMark, BatchOptions, BatchRestoreOptions, BatchResults, BatchStoreOptions, ItemResult,
    OnError, Status, batch_restore, batch_store,
};
pub use check::{CheckReport, MAX_PROOF_BYTES, check};
pub use checkpoint::{CheckpointReport, Proof, Sealed, checkpoint, prove_record};
pub use content::Content;
pub use credentials::{CredentialSeen, content_policy};
pub use drop::{DropOptions, DropReport, drop_stub};
pub use entry::find_entry;
pub use evidence_sign::{SignReport, sign_segments};
pub use examine::{Counts, Depth, Examined, examine};
pub use export::{ExportReport, export, export_metadata};
pub use find::{Finder, Found, find, stub_at};
pub use fsck::{FsckOptions, FsckReport, fsck};
pub use health::{HealthOptions, HealthReport, Level, Seen, health};
pub use init::{InitOptions, InitReport, init};
pub use intake::Pace;
pub use intent::{Intent, Waiting, pending};
pub use journaled::{Archive, Transaction, record_of};
pub use lookup::{Origin, item_of_record, sidecar_path, standing_stubs, tombstone_of};
pub use maintenance::{Maintenance, MaintenanceOptions, MaintenanceReport, Switch, maintain};
pub use migrate::{MigrateReport, Step as MigrationStep, migrate, migration_status};
pub use output::{GrowingFile, NewFile, Outside};
pub use reconcile::{ReconcileReport, reconcile};
pub use recovery::{RecoveryReport, recover, recover_for_upkeep, segment_of_last};
pub use reinstate::{
    Lost, PurgedAgain, ReinstateOptions, ReinstateReport, RolledBack, reinstate, write_archive,
};
pub use restore::{Output, RestoreOptions, RestoreReport, restore, verified_content};
pub use root::logical_root;
pub use selection::repo_path;
pub use sign::{OwnSignature, sign};
pub use status::{StatusReport, status};
pub use store::{StoreOptions, StoreReport, StoredItem, StubPlace, store};
pub use transfer::{Moved, TransferReport, transfer};
pub use try_out::{TAG as DRILL_TAG, TriedItems, bring_up, restore_sample, smoke_test};
pub use undo::{UndoReport, undo};
pub use workspace::{ArchivePlace, Lock, Opening, Workspace};
