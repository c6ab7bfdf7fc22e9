//! The program on PostgreSQL and MariaDB: real servers, which the tests start and end.
//!
//! What does not depend on the backend is tried there by the suite of tests/cli, with
//! CODEX_ARCHIVE_TEST_BACKEND; here is what only a server has.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

mod backups;
mod conformance;
mod credentials;
mod encrypted;
mod governance;
mod health;
mod main_job;
mod moving;
mod old_archives;
mod plans;
mod refusals;
mod roles;
mod schema;
mod tampering;

use common::TestRepo;
use common::server::{Kind, Server};

/// Runs `test` on each kind of server.
fn on_both(test: impl Fn(&'static Server)) {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        if let Some(server) = Server::of(kind) {
            test(server);
        }
    }
}

/// A repository with history whose archive belongs in a new database of `server`; its name.
fn on(server: &Server) -> (TestRepo, String) {
    let database = server.database();
    (TestRepo::with_history().env("CODEX_ARCHIVE_URL", &server.url(&database)), database)
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}
