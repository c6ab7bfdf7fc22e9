//! PostgreSQL: an archive that a company shares.
//!
//! Promises: one writer at a time, by a lock that ends with its transaction; a commit is on the
//! server's disk before it returns; what fails names host and database, and no secret.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::server::{Host, Patience, Server, TlsMode};
use super::{Access, Dialect, Driver, Row, Scrub, Value, tls};
use crate::error::{Error, Failure, Result};

/// The lock of our writers in a database: `codxarch` as a number.
const WRITER_LOCK: i64 = 0x636f_6478_6172_6368;

/// A connection to an archive on a PostgreSQL server.
pub struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
    place: String,
}

impl Postgres {
    /// Connects to `server`; `place` is its URL, redacted.
    pub fn connect(
        server: &Server,
        place: &str,
        access: Access,
        patience: Patience,
    ) -> Result<Self> {
        let mut config = Config::new();
        match &server.host {
            Host::Network(_) => config.host(server.host_name()),
            Host::Socket(folder) => config.host_path(folder),
        };
        config.dbname(&server.database).application_name("git-codex-archive");
        if let Some(user) = &server.user {
            config.user(user);
        }
        if let Some(password) = &server.password {
            config.password(password);
        }
        if let Some(port) = server.port {
            config.port(port);
        }
        config.connect_timeout(patience.connect).tcp_user_timeout(patience.statement);
        let is_socket = matches!(server.host, Host::Socket(_));
        config.ssl_mode(match server.tls {
            _ if is_socket => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        let connector = MakeRustlsConnect::new(tls::client(server, place)?);
        let client = within(patience.connect, place, move || config.connect(connector))?;
        let mut this = Self { client, statements: HashMap::new(), place: place.to_owned() };
        this.prepare(access, patience)?;
        Ok(this)
    }

    fn prepare(&mut self, access: Access, patience: Patience) -> Result<()> {
        let milliseconds = patience.statement.as_millis();
        let read_only = if access == Access::Read { "on" } else { "off" };
        // Durable whatever the server's default; a function or an operator of somebody else's
        // schema must not stand before the server's own.
        let text = format!(
            "SET synchronous_commit = on; SET standard_conforming_strings = on;
             SET lock_timeout = 60000; SET statement_timeout = {milliseconds};
             SET client_min_messages = warning; SET default_transaction_read_only = {read_only}"
        );
        self.batch("connect to", &text)
    }

    fn batch(&mut self, action: &'static str, text: &str) -> Result<()> {
        let place = &self.place;
        self.client.batch_execute(text).map_err(|error| wrap(action, place, error))
    }

    fn statement(&mut self, action: &'static str, sql: &str) -> Result<Statement> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let text = Dialect::Postgres.parameters(sql);
        let place = &self.place;
        let new = self.client.prepare(&text).map_err(|error| wrap(action, place, error))?;
        self.statements.insert(sql.to_owned(), new.clone());
        Ok(new)
    }
}

/// Connects in a thread of its own: the driver's own patience ends where the server accepts, and a
/// server that accepts and says nothing would be waited for without end.
fn within(
    patience: Duration,
    place: &str,
    connect: impl FnOnce() -> std::result::Result<Client, postgres::Error> + Send + 'static,
) -> Result<Client> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody waits any more: then the connection is dropped.
        let _ = sender.send(connect());
    });
    match receiver.recv_timeout(patience) {
        Ok(connected) => connected.map_err(|error| wrap("connect to", place, error)),
        Err(_) => Err(Error::Unreachable {
            action: "connect to",
            place: place.to_owned(),
            failure: Failure::Lost,
            source: "it does not answer".into(),
        }),
    }
}

/// What the server said, with whether trying again may help.
fn wrap(action: &'static str, place: &str, error: postgres::Error) -> Error {
    const LOST: &[SqlState] = &[
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::CONNECTION_FAILURE,
        SqlState::CONNECTION_DOES_NOT_EXIST,
    ];
    const CONFLICT: &[SqlState] =
        &[SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    let failure = match error.code() {
        Some(code) if CONFLICT.contains(code) => Failure::Conflict,
        Some(code) if LOST.contains(code) => Failure::Lost,
        Some(_) => Failure::Lasting,
        // Nothing from the server: the connection was refused or lost.
        None => Failure::Lost,
    };
    Error::Unreachable { action, place: place.to_owned(), failure, source: Box::new(error) }
}

/// A value as the column or comparison wants it: the server says which type that is.
#[derive(Debug)]
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) => match *ty {
                Type::INT2 => i16::try_from(*value)?.to_sql(ty, out),
                Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
                _ => value.to_sql(&Type::INT8, out),
            },
            Value::Text(value) => value.to_sql(&Type::TEXT, out),
            Value::Bytes(value) => value.to_sql(&Type::BYTEA, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn value(row: &postgres::Row, column: usize) -> std::result::Result<Value, postgres::Error> {
    Ok(match *row.columns()[column].type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(column)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(column)?.map(i64::from).into(),
        Type::INT2 => row.try_get::<_, Option<i16>>(column)?.map(i64::from).into(),
        Type::BOOL => row.try_get::<_, Option<bool>>(column)?.map(i64::from).into(),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column)?.into(),
        _ => row.try_get::<_, Option<String>>(column)?.into(),
    })
}

impl Driver for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        const ACTION: &str = "read from";
        let statement = self.statement(ACTION, sql)?;
        let parameters: Vec<Parameter<'_>> = parameters.iter().map(Parameter).collect();
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
        let failed = |error| wrap(ACTION, &self.place, error);
        let rows = self.client.query(&statement, &parameters).map_err(failed)?;
        rows.iter()
            .map(|row| {
                let values = (0..row.len()).map(|column| value(row, column));
                values.collect::<std::result::Result<_, _>>().map(Row::new).map_err(failed)
            })
            .collect()
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        const ACTION: &str = "write to";
        if parameters.is_empty() {
            return self.batch(ACTION, sql).map(|()| 0);
        }
        let statement = self.statement(ACTION, sql)?;
        let parameters: Vec<Parameter<'_>> = parameters.iter().map(Parameter).collect();
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
        let place = &self.place;
        self.client.execute(&statement, &parameters).map_err(|error| wrap(ACTION, place, error))
    }

    fn begin(&mut self) -> Result<()> {
        self.batch(
            "write to",
            &format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
                 SELECT pg_advisory_xact_lock({WRITER_LOCK})"
            ),
        )
    }

    fn begin_reading(&mut self) -> Result<()> {
        self.batch("read from", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn commit(&mut self) -> Result<()> {
        self.batch("write to", "COMMIT")
    }

    fn rollback(&mut self) {
        // A lost connection has rolled back already.
        let _ = self.client.batch_execute("ROLLBACK");
    }

    fn scrub(&mut self) -> Result<Scrub> {
        let mut scrub = Scrub::default();
        let full = "VACUUM FULL run, run_piece; CHECKPOINT".to_owned();
        match self.execute("VACUUM run, run_piece", &[]) {
            Ok(_) => scrub.done.push("dead rows are vacuumed".to_owned()),
            // Whoever owns the tables may; the steward's role does not.
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let why = format!("dead rows are not vacuumed ({})", cause.unwrap_or_default());
                scrub.outside.push((why, Some("VACUUM run, run_piece".to_owned())));
            }
        }
        let what = "pages of the server's files may keep the bytes until they are written anew";
        scrub.outside.push((what.to_owned(), Some(full)));
        let what = "the server's write-ahead log, its archive, replicas and base backups";
        scrub.outside.push((what.to_owned(), None));
        Ok(scrub)
    }

    fn integrity(&mut self) -> Result<Vec<String>> {
        // The server has checksums and programs of its own for its pages.
        Ok(Vec::new())
    }
}
