//! `git codex-archive`: retires files from a git repository without losing them, and can prove
//! what happened to each.
//!
//! The rooms, from the ground up (docs/architecture.md says who may import whom):
//!
//! - ground: [`error`], [`clock`], [`progress`], [`retry`], [`fs`], [`secret`], [`model`]
//! - first floor, none of which knows another: [`blob`], [`tombstone`], [`policy`], [`evidence`],
//!   [`git`], [`backend`], [`config`], [`logging`], [`manifest`]
//! - second floor: [`archive`], the use cases; above it [`verify`], which judges trees, and
//!   [`memory`], which keeps entries
//! - third floor: [`hook`]; and at the top [`cli`], the only part with a mouth

pub mod archive;
pub mod backend;
pub mod backup;
pub mod blob;
pub mod bundle;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod evidence;
pub mod fs;
pub mod git;
pub mod hook;
pub mod logging;
pub mod manifest;
pub mod memory;
pub mod model;
pub mod policy;
pub mod progress;
pub mod retry;
pub mod secret;
pub mod tombstone;
pub mod verify;

pub use error::{Error, ErrorKind, Failure, Refusal, Result};
