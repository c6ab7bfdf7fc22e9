//! Hostile repositories, names, stubs and databases.
//!
//! Whatever they hold, the program ends with one of its exit codes and a message, within 10 s and
//! 256 MB, sends no control character to the terminal, and changes nothing outside the repository.

mod bombs;
mod clones;
mod databases;
mod gits;
mod harness;
mod manifests;
mod mutations;
mod places;
mod plans;
mod races;
mod secrets;
mod sizes;
mod sql;
mod stubs;
mod texts;
