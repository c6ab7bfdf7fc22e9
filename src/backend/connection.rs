//! A connection to a server that is made again when it is lost.
//!
//! Promises: a query outside a transaction is asked again where the [`Retry`] in force says so; a
//! transaction never goes on over another connection: it fails, and whoever began it begins it again
//! ([`Driver::begin`] connects then).

use super::{Dialect, Driver, Row, Scrub, Value};
use crate::error::{Error, Failure, Result};
use crate::retry::Retry;

/// Makes a connection.
type Connect = Box<dyn Fn() -> Result<Box<dyn Driver>> + Send>;

/// A connection to a server, while there is one.
pub struct Connection {
    connect: Connect,
    driver: Option<Box<dyn Driver>>,
    retry: Retry,
    dialect: Dialect,
    place: String,
    in_transaction: bool,
}

impl Connection {
    /// Connects, as often as `retry` allows.
    pub fn new(connect: Connect, retry: Retry) -> Result<Self> {
        let driver = patiently(&retry, &connect)?;
        let (dialect, place) = (driver.dialect(), driver.place().to_owned());
        Ok(Self { connect, driver: Some(driver), retry, dialect, place, in_transaction: false })
    }

    /// The connection there is, or a new one outside a transaction.
    fn driver(&mut self) -> Result<&mut dyn Driver> {
        if self.driver.is_none() && self.in_transaction {
            return Err(Error::Unreachable {
                action: "go on in",
                place: self.place.clone(),
                failure: Failure::Lost,
                source: "the connection was lost within a transaction".into(),
            });
        }
        let driver = match self.driver.take() {
            Some(driver) => driver,
            None => (self.connect)()?,
        };
        Ok(self.driver.insert(driver).as_mut())
    }

    /// Asks the driver; a connection that is lost by it is dropped.
    fn ask<T>(&mut self, question: impl FnOnce(&mut dyn Driver) -> Result<T>) -> Result<T> {
        let said = self.driver().and_then(question);
        if said.as_ref().is_err_and(|error| error.failure() == Failure::Lost) {
            self.driver = None;
        }
        said
    }

    fn begin_by(&mut self, how: impl FnOnce(&mut dyn Driver) -> Result<()>) -> Result<()> {
        self.in_transaction = false;
        let begun = self.ask(how);
        self.in_transaction = begun.is_ok();
        begun
    }
}

/// Does `work` until it succeeds, fails for good, or `retry` gives up.
fn patiently<T>(retry: &Retry, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        let error = match work() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if !retry.wait_after(attempt, &error) {
            return Err(error);
        }
        attempt += 1;
    }
}

impl Driver for Connection {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        if self.in_transaction {
            return self.ask(|driver| driver.query(sql, parameters));
        }
        let retry = self.retry;
        patiently(&retry, || self.ask(|driver| driver.query(sql, parameters)))
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.ask(|driver| driver.execute(sql, parameters))
    }

    fn begin(&mut self) -> Result<()> {
        self.begin_by(|driver| driver.begin())
    }

    fn begin_reading(&mut self) -> Result<()> {
        self.begin_by(|driver| driver.begin_reading())
    }

    fn commit(&mut self) -> Result<()> {
        let done = self.ask(|driver| driver.commit());
        self.in_transaction = false;
        done
    }

    fn rollback(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.rollback();
        }
        self.in_transaction = false;
    }

    fn scrub(&mut self) -> Result<Scrub> {
        self.ask(|driver| driver.scrub())
    }

    fn integrity(&mut self) -> Result<Vec<String>> {
        self.ask(|driver| driver.integrity())
    }
}
