//! MariaDB and MySQL: an archive that a company shares.
//!
//! Promises: one writer at a time, by a lock on one row that ends with its transaction; a commit is
//! on the server's disk before it returns (InnoDB's default); what fails names host and database,
//! and no secret.

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, Error as ServerError, OptsBuilder, Params, SslOpts};

use super::server::{Host, Patience, Server, TlsMode};
use super::{Access, Dialect, Driver, Row, Scrub, Value};
use crate::error::{Error, Failure, Result};

/// A connection to an archive on a MariaDB or MySQL server.
pub struct Mariadb {
    connection: Conn,
    place: String,
    dialect: Dialect,
}

impl Mariadb {
    /// Connects to `server`; `place` is its URL, redacted.
    pub fn connect(
        server: &Server,
        place: &str,
        access: Access,
        patience: Patience,
    ) -> Result<Self> {
        let modes = match server.tls {
            // The driver insists, once it is told to encrypt: preferring means trying both.
            TlsMode::Prefer => &[TlsMode::Prefer, TlsMode::Disable][..],
            ref mode => std::slice::from_ref(mode),
        };
        let mut failure = None;
        for mode in modes {
            match Conn::new(options(server, *mode, patience)) {
                Ok(connection) => {
                    let place = place.to_owned();
                    let mut this = Self { connection, place, dialect: Dialect::Mariadb };
                    this.prepare(access, patience)?;
                    return Ok(this);
                }
                // Only what the server cannot do is tried without.
                Err(error) => {
                    let no_tls =
                        matches!(error, ServerError::DriverError(_) | ServerError::TlsError(_));
                    failure = Some(error);
                    if !no_tls {
                        break;
                    }
                }
            }
        }
        Err(failure.map_or_else(
            || Error::invalid("TLS mode", "none", "there is none"),
            |error| wrap("connect to", place, error),
        ))
    }

    fn prepare(&mut self, access: Access, patience: Patience) -> Result<()> {
        // MariaDB says its name in its version, MySQL does not.
        let version = self.query("SELECT VERSION()", &[])?;
        if !version[0].text(0)?.contains("MariaDB") {
            self.dialect = Dialect::Mysql;
        }
        let mut text = vec![
            "SET NAMES utf8mb4".to_owned(),
            // Too long a value is an error, `"` quotes a name, and `\\` is a character.
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'"
                .to_owned(),
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned(),
            "SET SESSION innodb_lock_wait_timeout = 60".to_owned(),
            match self.dialect {
                Dialect::Mysql => {
                    format!("SET SESSION max_execution_time = {}", patience.statement.as_millis())
                }
                _ => format!("SET SESSION max_statement_time = {}", patience.statement.as_secs()),
            },
        ];
        if access == Access::Read {
            text.push("SET SESSION TRANSACTION READ ONLY".to_owned());
        }
        for text in text {
            self.run("connect to", &text)?;
        }
        Ok(())
    }

    fn run(&mut self, action: &'static str, text: &str) -> Result<()> {
        let place = &self.place;
        self.connection.query_drop(text).map_err(|error| wrap(action, place, error))
    }
}

fn options(server: &Server, mode: TlsMode, patience: Patience) -> OptsBuilder {
    let mut options = OptsBuilder::new()
        .user(server.user.clone())
        .pass(server.password.clone())
        .db_name(Some(server.database.clone()))
        // On localhost the driver would change over to a socket, where TLS is passed over.
        .prefer_socket(false)
        .tcp_connect_timeout(Some(patience.connect))
        .read_timeout(Some(patience.statement))
        .write_timeout(Some(patience.statement))
        // An UPDATE that matches a row has found it, though it changed nothing.
        .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS);
    match &server.host {
        Host::Network(_) => {
            options = options.ip_or_hostname(Some(server.host_name()));
            if let Some(port) = server.port {
                options = options.tcp_port(port);
            }
            options.ssl_opts(tls(server, mode))
        }
        Host::Socket(path) => options.socket(Some(path.to_string_lossy())),
    }
}

fn tls(server: &Server, mode: TlsMode) -> Option<SslOpts> {
    let mut tls = SslOpts::default();
    match mode {
        TlsMode::Disable => return None,
        TlsMode::Prefer => {
            tls = tls.with_danger_accept_invalid_certs(true);
            return Some(tls.with_danger_skip_domain_validation(true));
        }
        TlsMode::VerifyCa => tls = tls.with_danger_skip_domain_validation(true),
        TlsMode::Require | TlsMode::VerifyFull => {}
    }
    if let Some(path) = &server.root_certificates {
        tls = tls.with_root_cert_path(Some(path.clone()));
    }
    Some(tls)
}

/// What the server said, with whether trying again may help.
fn wrap(action: &'static str, place: &str, error: ServerError) -> Error {
    use mysql::DriverError::{ConnectTimeout, CouldNotConnect};
    let failure = match &error {
        ServerError::MySqlError(said) => match said.code {
            // A deadlock; a row that changed since it was read.
            1213 | 1020 => Failure::Conflict,
            // Lock wait timeout, too many connections, shutdown, aborted connection, killed, server
            // gone or lost.
            1205 | 1040 | 1053 | 1152 | 1927 | 2006 | 2013 => Failure::Lost,
            _ => Failure::Lasting,
        },
        ServerError::IoError(_)
        | ServerError::CodecError(_)
        | ServerError::DriverError(ConnectTimeout | CouldNotConnect(_)) => Failure::Lost,
        _ => Failure::Lasting,
    };
    Error::Unreachable { action, place: place.to_owned(), failure, source: Box::new(error) }
}

fn parameters(values: &[Value]) -> Params {
    if values.is_empty() {
        return Params::Empty;
    }
    let values = values.iter().map(|value| match value {
        Value::Null => mysql::Value::NULL,
        Value::Int(value) => mysql::Value::Int(*value),
        Value::Text(value) => mysql::Value::Bytes(value.clone().into_bytes()),
        Value::Bytes(value) => mysql::Value::Bytes(value.clone()),
    });
    Params::Positional(values.collect())
}

/// The character set of what is bytes and not text.
const BINARY: u16 = 63;

fn row(row: mysql::Row) -> Row {
    let columns = row.columns();
    let values = row.unwrap().into_iter().zip(columns.iter()).map(|(value, column)| match value {
        mysql::Value::Int(value) => Value::Int(value),
        mysql::Value::UInt(value) => Value::from(value),
        mysql::Value::Bytes(bytes) if column.character_set() == BINARY => Value::Bytes(bytes),
        mysql::Value::Bytes(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Null,
    });
    Row::new(values.collect())
}

impl Driver for Mariadb {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let place = &self.place;
        let rows: Vec<mysql::Row> = self
            .connection
            .exec(sql, parameters(values))
            .map_err(|error| wrap("read from", place, error))?;
        Ok(rows.into_iter().map(row).collect())
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        if values.is_empty() {
            return self.run("write to", sql).map(|()| 0);
        }
        let place = &self.place;
        self.connection
            .exec_drop(sql, parameters(values))
            .map_err(|error| wrap("write to", place, error))?;
        Ok(self.connection.affected_rows())
    }

    fn begin(&mut self) -> Result<()> {
        self.run("write to", "START TRANSACTION READ WRITE")?;
        // Before the first step of the schema there is no such table, and nobody to wait for.
        let lock = "SELECT version FROM schema_migrations WHERE version = 1 FOR UPDATE";
        match self.query(lock, &[]) {
            Err(Error::Unreachable { source, .. }) if is_missing_table(source.as_ref()) => Ok(()),
            said => said.map(|_| ()),
        }
    }

    fn begin_reading(&mut self) -> Result<()> {
        // Everything that is read in it is of the moment of its beginning.
        self.run("read from", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
        self.run("read from", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    }

    fn commit(&mut self) -> Result<()> {
        self.run("write to", "COMMIT")
    }

    fn rollback(&mut self) {
        // A lost connection has rolled back already.
        let _ = self.connection.query_drop("ROLLBACK");
    }

    fn scrub(&mut self) -> Result<Scrub> {
        let what = "pages of the server's files may keep the bytes until they are written anew";
        let command = "OPTIMIZE TABLE run, run_piece".to_owned();
        let logs = "the server's redo, undo and binary logs, replicas and backups";
        let outside = vec![(what.to_owned(), Some(command)), (logs.to_owned(), None)];
        Ok(Scrub { outside, ..Scrub::default() })
    }

    fn integrity(&mut self) -> Result<Vec<String>> {
        // The server has checksums and programs of its own for its pages.
        Ok(Vec::new())
    }
}

fn is_missing_table(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let said = error.downcast_ref::<ServerError>();
    matches!(said, Some(ServerError::MySqlError(said)) if said.code == 1146)
}
