//! What every database has to do for us: run a statement inside a transaction.

use std::path::PathBuf;

use crate::error::{Error, Result};

use super::Dialect;

/// One of the four kinds of value that cross the border to a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        // Sizes and sequence numbers stay far below 2^63; one beyond is stored as the largest.
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer; columns are taken by position and type.
#[derive(Debug, Clone)]
pub struct Row {
    values: Vec<Value>,
}

impl Row {
    /// A row of these values.
    pub fn new(values: Vec<Value>) -> Self {
        Self { values }
    }

    fn wrong(&self, column: usize, wanted: &str) -> Error {
        Error::damaged("row", format!("column {column}"), format!("it is not {wanted}"))
    }

    /// The integer in `column`.
    pub fn int(&self, column: usize) -> Result<i64> {
        match self.values.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(self.wrong(column, "an integer")),
        }
    }

    /// The integer in `column`, which must not be negative.
    pub fn unsigned(&self, column: usize) -> Result<u64> {
        u64::try_from(self.int(column)?).map_err(|_| self.wrong(column, "a positive integer"))
    }

    /// The text in `column`.
    pub fn text(&self, column: usize) -> Result<&str> {
        match self.values.get(column) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(self.wrong(column, "text")),
        }
    }

    /// The bytes in `column`.
    pub fn bytes(&self, column: usize) -> Result<&[u8]> {
        match self.values.get(column) {
            Some(Value::Bytes(value)) => Ok(value),
            _ => Err(self.wrong(column, "bytes")),
        }
    }

    /// The bytes in `column`, and not the row any more.
    pub fn into_bytes(mut self, column: usize) -> Result<Vec<u8>> {
        match self.values.get_mut(column) {
            Some(Value::Bytes(value)) => Ok(std::mem::take(value)),
            _ => Err(self.wrong(column, "bytes")),
        }
    }

    /// Whether `column` is null.
    pub fn is_null(&self, column: usize) -> bool {
        matches!(self.values.get(column), Some(Value::Null))
    }

    /// The text in `column`, or `None` where it is null.
    pub fn text_or_null(&self, column: usize) -> Result<Option<&str>> {
        if self.is_null(column) { Ok(None) } else { self.text(column).map(Some) }
    }

    /// The bytes in `column`, or `None` where it is null.
    pub fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>> {
        if self.is_null(column) { Ok(None) } else { self.bytes(column).map(Some) }
    }

    /// The integer in `column`, or `None` where it is null.
    pub fn int_or_null(&self, column: usize) -> Result<Option<i64>> {
        if self.is_null(column) { Ok(None) } else { self.int(column).map(Some) }
    }
}

/// What a database did so that deleted bytes are gone from its files too.
#[derive(Debug, Default)]
pub struct Scrub {
    /// What was done and seen to.
    pub done: Vec<String>,
    /// What may still have them, and a command that takes it away where there is one.
    pub outside: Vec<(String, Option<String>)>,
    /// Where they still are.
    pub present: Vec<String>,
}

/// So many rows are written by one statement: a server is asked once, and its packet stays small.
const ROWS_AT_ONCE: usize = 64;

/// Inserts `rows` into `table`, which is a table's name and, in brackets, its columns.
pub(super) fn insert_rows<const COLUMNS: usize>(
    driver: &mut dyn Driver,
    table: &str,
    rows: &[[Value; COLUMNS]],
) -> Result<()> {
    let marks = format!("({})", ["?"; COLUMNS].join(", "));
    let statement = |rows: usize| {
        format!("INSERT INTO {table} VALUES {}", vec![marks.as_str(); rows].join(", "))
    };
    let full = statement(ROWS_AT_ONCE);
    for some in rows.chunks(ROWS_AT_ONCE) {
        if some.len() == ROWS_AT_ONCE {
            driver.execute(&full, some.as_flattened())?;
            continue;
        }
        // Statements are kept by their text: a rest of any length would push others out.
        let one = statement(1);
        for row in some {
            driver.execute(&one, row)?;
        }
    }
    Ok(())
}

/// A connection to a database.
pub trait Driver: Send {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;
    /// The database, redacted, for messages.
    fn place(&self) -> &str;
    /// Runs a query and returns all its rows.
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>>;
    /// Runs a statement and returns how many rows it changed.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64>;
    /// Begins a transaction that may write; nobody else writes until it ends.
    fn begin(&mut self) -> Result<()>;
    /// Begins a transaction that only reads: until it ends, all queries see one moment.
    fn begin_reading(&mut self) -> Result<()>;
    /// Makes the transaction durable.
    fn commit(&mut self) -> Result<()>;
    /// Undoes the transaction.
    fn rollback(&mut self);
    /// Keeps a copy of the archive beside it, under its name with `name` behind; `None` where that is
    /// the business of whoever runs the server.
    fn keep_copy(&mut self, name: &str) -> Result<Option<PathBuf>> {
        let _ = name;
        Ok(None)
    }
    /// Does at once what is done when it is closed, where that takes long. What fails is done then.
    fn settle(&mut self) {}
    /// Does what can be done so that bytes which were deleted are gone from the database's files too.
    fn scrub(&mut self) -> Result<Scrub>;
    /// Asks the database itself whether its pages, indexes and references are whole; what it
    /// complains of.
    fn integrity(&mut self) -> Result<Vec<String>>;
}
