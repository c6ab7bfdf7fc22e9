//! The program as people use it: every test runs `git codex-archive` in a repository of its own.
//!
//! One binary, since each link costs seconds; one module a theme.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod bad_input;
mod batch;
mod batch_limits;
mod batch_many;
mod batch_refusals;
mod batch_stops;
mod batch_store;
mod bundle;
mod checkpoints;
mod citations;
mod config;
mod content_policy;
mod credentials;
mod detached;
mod edits;
mod forgeries;
mod formats;
mod governance;
mod guides;
mod health;
mod idempotent;
mod json;
mod large;
mod logging;
mod main_job;
mod maintenance;
mod many;
mod memory;
mod memory_forget;
mod memory_moved;
mod mends;
mod operations;
mod others_stubs;
mod pinned;
mod places;
mod recovery;
mod retention;
mod retention_memory;
mod runbook;
mod runs;
mod signed;
mod slim;
mod strict;
mod sub_folder;
mod two_clones;
