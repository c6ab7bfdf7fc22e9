//! The repository against real git.

mod commits;
mod finding;
mod reading;
mod signing;
mod staged;
mod writing;
