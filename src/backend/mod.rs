//! Where an archive's tables live, whatever the server: one SQL text, a driver for each backend.

mod artifacts;
mod audit;
mod catalog;
mod dialect;
mod driver;
mod filter;
mod ledger;
#[cfg(feature = "mariadb")]
mod mariadb;
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod scratch;
mod server;
mod sqlite;
#[cfg(feature = "postgres")]
mod tls;

use crate::error::{Error, Result};
use crate::secret::DatabaseUrl;

pub use audit::ItemRow;
pub use catalog::{Catalog, NewBatch, NewItem};
pub use dialect::Dialect;
pub use driver::{Driver, Row, Value};
pub use filter::{ItemFilter, Page};
pub use ledger::{Ledger, LogHead, NewRecord, StoredRecord};
pub use migrate::{LATEST_VERSION, apply, check_schema, schema_text, schema_version};
pub use server::{Patience, Server};
pub use sqlite::Sqlite;

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

/// Connects to the archive on the server that `url` names.
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
            Ok(Box::new(postgres::Postgres::connect(&server, &place, access, patience)?))
        }
        #[cfg(feature = "mariadb")]
        "mysql" | "mariadb" => {
            Ok(Box::new(mariadb::Mariadb::connect(&server, &place, access, patience)?))
        }
        _ => Err(Error::invalid("URL of an archive", &place, "this build has no driver for it")),
    }
}
