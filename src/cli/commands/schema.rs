//! `schema`: prints the SQL that makes an archive's tables.

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::backend::{Dialect, roles_text, schema_text};
use crate::cli::report::Report;
use crate::cli::text::Text;
use crate::error::{Error, Result};

const EXAMPLES: &str = "Examples:
  git codex-archive schema --dialect sqlite | sqlite3 empty.sqlite
  git codex-archive schema --dialect postgres | psql archive

For a server also the roles codex_archive_reader, codex_archive_writer and codex_archive_steward.";

/// The options of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The database that shall understand it
    #[arg(long, default_value = "sqlite", value_parser = PossibleValuesParser::new(["sqlite", "postgres", "mariadb", "mysql"]))]
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
    let unknown = || Error::invalid("dialect", &args.dialect, "there is no such dialect");
    let dialect = Dialect::named(&args.dialect).ok_or_else(unknown)?;
    let roles = roles_text(dialect);
    let between = if roles.is_empty() { "" } else { "\n" };
    let sql = format!("{}{between}{roles}", schema_text(dialect));
    Ok(Schema { dialect: args.dialect.clone(), sql })
}

impl Report for Schema {
    fn write_human(&self, out: &mut Text) {
        out.block(&self.sql);
    }
}
