//! The commands, one a file: what each takes, and a short way into the library.

pub mod approve;
pub mod backup;
mod batch;
pub mod batch_restore;
pub mod batch_store;
pub mod bundle;
pub mod cat;
pub mod checkpoint;
pub mod config_show;
pub mod copy;
pub mod drop;
pub mod evidence;
pub mod export;
pub mod fsck;
pub mod health_check;
pub mod hold;
pub mod hook;
pub mod hooks;
pub mod import;
pub mod init;
pub mod list;
pub mod log;
pub mod maintenance;
pub mod memory;
pub mod migrate;
pub mod policy;
pub mod prune_request;
pub mod purge;
pub mod reconcile;
pub mod request;
pub mod restore;
pub mod retention;
pub mod schema;
pub mod show;
pub mod status;
pub mod store;
mod store_flags;
pub mod trust;
pub mod undo;
pub mod verify;

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::error::Error;

/// Takes one of `all`, by the word that `name` gives it.
pub fn words<T>(all: &'static [T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = Error> + Copy + Send + Sync + 'static,
{
    let names = all.iter().map(move |value| name(*value));
    PossibleValuesParser::new(names).try_map(|word| word.parse::<T>())
}
