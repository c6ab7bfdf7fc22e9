//! Hooks: the files that git runs, and what they check.

mod checks;
pub mod install;

pub use checks::{Call, Update, pushed, received, run};
