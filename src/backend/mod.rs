//! Where an archive's tables live, whatever the server: one SQL text, a driver for each backend.

mod artifacts;
mod audit;
mod catalog;
mod dialect;
mod driver;
mod filter;
mod ledger;
mod migrate;
mod sqlite;

pub use audit::ItemRow;
pub use catalog::{Catalog, NewBatch, NewItem};
pub use dialect::Dialect;
pub use driver::{Driver, Row, Value};
pub use filter::{ItemFilter, Page};
pub use ledger::{Ledger, LogHead, NewRecord, StoredRecord};
pub use migrate::{LATEST_VERSION, apply, check_schema, schema_text, schema_version};
pub use sqlite::{Access, Sqlite};
