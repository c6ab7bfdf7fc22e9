//! `schema`: prints the SQL that makes an archive's tables.

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::backend::{Dialect, schema_text};
use crate::cli::report::Report;
use crate::cli::text::Text;
use crate::error::{Error, Result};

const EXAMPLES: &str = "Examples:
  git codex-archive schema --dialect sqlite | sqlite3 empty.sqlite";

/// The options of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The database that shall understand it
    #[arg(long, default_value = "sqlite", value_parser = PossibleValuesParser::new(["sqlite", "postgres", "mariadb"]))]
    dialect: String,
}

/// The SQL.
#[derive(Debug, Serialize)]
pub struct Schema {
    dialect: String,
    sql: String,
}

/// Renders the schema.
pub fn run(args: &Args) -> Result<Schema> {
    let dialect = args.dialect.clone();
    match Dialect::named(&dialect) {
        Some(known) => Ok(Schema { dialect, sql: schema_text(known) }),
        None => Err(Error::Config {
            what: format!("this build has only the dialect `sqlite`, not `{dialect}`"),
            origin: "--dialect".to_owned(),
            nearest: None,
        }),
    }
}

impl Report for Schema {
    fn write_human(&self, out: &mut Text) {
        out.block(&self.sql);
    }
}
