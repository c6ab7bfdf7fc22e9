//! The repository against real git.

mod ahead;
mod commits;
mod finding;
mod reading;
mod signing;
mod staged;
mod trees;
mod writing;
