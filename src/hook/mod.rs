//! Hooks: the files that git runs, and what they check.

pub mod install;
