//! What docs/reliability.md promises, one family a file: any repository, any crash, any hostile
//! input. `tests/run` tries a part of the long ones; `tests/scoreboard` tries all and prints a
//! line for each family.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a score is for whoever runs the tests")]

#[path = "../common/mod.rs"]
mod common;
mod score;

mod attack;
mod concurrency;
mod corruption;
mod crash;
mod parsers;
mod servers;
mod shapes;
mod tampering;
