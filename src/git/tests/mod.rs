//! The repository against real git.

mod commits;
mod finding;
mod reading;
mod staged;
mod writing;
