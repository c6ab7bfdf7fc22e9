//! The schema, as numbered steps that are applied once and checked by their digest.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{ArchiveId, Digest, escape_line};

use super::{Dialect, Driver, Sqlite, Value};

struct Migration {
    version: i64,
    name: &'static str,
    text: &'static str,
}

const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "initial", text: include_str!("migrations/0001_initial.sql") }];

/// The newest schema that this version knows.
pub const LATEST_VERSION: i64 = 1;

const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  version {id},
  name {key} NOT NULL,
  checksum {blob} NOT NULL,
  applied_at {key} NOT NULL
){table}";

/// The statements of a migration's text, comments taken out, in `dialect`.
fn statements(text: &str, dialect: Dialect) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    let text = dialect.render(&code.join("\n"));
    text.split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// The whole schema as SQL that can be read and piped into the database's own program.
pub fn schema_text(dialect: Dialect) -> String {
    let mut out = format!("{};\n", dialect.render(CREATE_MIGRATIONS));
    for migration in MIGRATIONS {
        out.push_str(&format!("\n-- {:04} {}\n", migration.version, migration.name));
        for statement in statements(migration.text, dialect) {
            out.push_str(&statement);
            out.push_str(";\n\n");
        }
    }
    out
}

/// The version of the schema in this database; 0 where there is none.
pub fn schema_version(driver: &mut dyn Driver) -> Result<i64> {
    let known = driver.query(
        "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
        &[],
    )?;
    if known[0].int(0)? == 0 {
        return Ok(0);
    }
    let rows = driver.query("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", &[])?;
    let found = rows[0].int(0)?;
    if found > LATEST_VERSION {
        let place = driver.place().to_owned();
        return Err(Error::NewerSchema { place, found, known: LATEST_VERSION });
    }
    Ok(found)
}

/// What in this database's schema is not what the migrations make, by name.
pub fn schema_complaints(driver: &mut dyn Driver) -> Result<Vec<String>> {
    // SQLite keeps the text of each statement, so that the same statements make the same text.
    let objects = |driver: &mut dyn Driver| -> Result<BTreeMap<String, String>> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE substr(name, 1, 7) <> 'sqlite_'";
        let rows = driver.query(sql, &[])?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
    };
    let found = objects(driver)?;
    let mut sample = Sqlite::in_memory()?;
    apply_in_transaction(&mut sample, Timestamp::from_unix_ms(0))?;
    let meant = objects(&mut sample)?;
    let names: BTreeSet<&String> = found.keys().chain(meant.keys()).collect();
    let complaint = |name: &String| match (found.get(name), meant.get(name)) {
        (Some(found), Some(meant)) if found == meant => None,
        (Some(_), Some(_)) => Some(format!("`{name}` in the schema is not what it should be")),
        (Some(_), None) => Some(format!("`{name}` in the schema is not ours")),
        (None, _) => Some(format!("`{name}` is missing in the schema")),
    };
    Ok(names.into_iter().filter_map(complaint).map(|words| escape_line(&words)).collect())
}

/// Applies what is missing, in one transaction; returns how many steps that were.
pub fn apply(driver: &mut dyn Driver, now: Timestamp) -> Result<usize> {
    if schema_version(driver)? == LATEST_VERSION {
        return Ok(0);
    }
    driver.begin()?;
    let applied = apply_in_transaction(driver, now);
    match applied {
        Ok(count) => driver.commit().map(|()| count),
        Err(error) => {
            driver.rollback();
            Err(error)
        }
    }
}

fn apply_in_transaction(driver: &mut dyn Driver, now: Timestamp) -> Result<usize> {
    let dialect = driver.dialect();
    driver.execute(&dialect.render(CREATE_MIGRATIONS), &[])?;
    // Asked again inside the transaction: another process may have been first.
    let found = schema_version(driver)?;
    let missing: Vec<_> = MIGRATIONS.iter().filter(|m| m.version > found).collect();
    for migration in &missing {
        for statement in statements(migration.text, dialect) {
            driver.execute(&statement, &[])?;
        }
        let checksum = Digest::of(migration.text.as_bytes());
        driver.execute(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
            &[
                migration.version.into(),
                migration.name.into(),
                checksum.as_bytes().as_slice().into(),
                now.to_string().into(),
            ],
        )?;
    }
    if found == 0 {
        let id = ArchiveId::random().to_string();
        driver.execute(
            "INSERT INTO meta (k, v) VALUES (?, ?)",
            &[Value::from("archive"), Value::from(id)],
        )?;
    }
    Ok(missing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_no_placeholder_left() {
        let text = schema_text(Dialect::Sqlite);
        assert!(!text.contains('{') && !text.contains('}'), "{text}");
        assert_eq!(MIGRATIONS.last().map(|m| m.version), Some(LATEST_VERSION));
    }
}
