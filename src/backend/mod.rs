//! Where an archive's tables live, whatever the server: one SQL text, a driver for each backend.

mod artifacts;
mod audit;
mod bulk;
mod catalog;
#[cfg(any(feature = "mariadb", feature = "postgres"))]
mod connection;
mod dialect;
mod driver;
mod entries;
mod filter;
mod folders;
mod holds;
mod holes;
mod items;
mod ledger;
mod maintenance;
#[cfg(feature = "mariadb")]
mod mariadb;
mod memory;
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod register;
mod retention;
mod roles;
mod schema;
mod scratch;
mod server;
mod signatures;
mod sqlite;
#[cfg(feature = "postgres")]
mod tls;
mod transfer;
mod unhold;
mod uploads;

use crate::error::{Error, Result};
use crate::secret::DatabaseUrl;

pub use artifacts::{Member, NewMember, NewRun, PIECE_BYTES, Place};
pub use audit::ItemRow;
pub use catalog::Catalog;
pub use dialect::Dialect;
pub use driver::{Driver, Row, Scrub, Value};
pub use entries::ProjectRow;
pub use filter::{ItemFilter, Page};
pub use holds::LedgerRow;
pub use items::{NewBatch, NewItem};
pub use ledger::{Ledger, LogHead, NewRecord, StoredRecord};
pub use memory::{EntryRow, EntrySeek, Memory};
pub use migrate::{
    Applied, LATEST_VERSION, MIGRATIONS, Migrated, Migration, applied, apply, found_archive,
    schema_text, schema_version,
};
pub use register::{PolicyRow, Register};
pub use retention::AuditRow;
pub use roles::roles_text;
pub use schema::check_schema;
pub use server::{Patience, Server};
pub use signatures::StoredSignature;
pub use sqlite::{SQLITE_HEADER, Sqlite, SqliteScratch};
pub use transfer::{ArtifactRow, BatchRow, MetadataPage};
pub use uploads::OddRun;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read an archive that is there.
    Read,
    /// Read and write an archive that is there.
    Write,
    /// The same, and make it where it is missing.
    Create,
}

/// Connects to the archive on the server that `url` names, as often as `patience` allows, and
/// again when the connection is lost.
#[cfg_attr(
    not(any(feature = "mariadb", feature = "postgres")),
    expect(unused_variables, reason = "without a driver there is nothing to connect with")
)]
pub fn connect(url: &DatabaseUrl, access: Access, patience: Patience) -> Result<Box<dyn Driver>> {
    let place = url.to_string();
    let server =
        Server::parse(url).map_err(|why| Error::invalid("URL of an archive", &place, why))?;
    match url.scheme() {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            let connect = move || -> Result<Box<dyn Driver>> {
                Ok(Box::new(postgres::Postgres::connect(&server, &place, access, patience)?))
            };
            Ok(Box::new(connection::Connection::new(Box::new(connect), patience.retry)?))
        }
        #[cfg(feature = "mariadb")]
        "mysql" | "mariadb" => {
            let connect = move || -> Result<Box<dyn Driver>> {
                Ok(Box::new(mariadb::Mariadb::connect(&server, &place, access, patience)?))
            };
            Ok(Box::new(connection::Connection::new(Box::new(connect), patience.retry)?))
        }
        _ => Err(Error::invalid("URL of an archive", &place, "this build has no driver for it")),
    }
}
