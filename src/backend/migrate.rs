//! The schema, as numbered steps that are applied once and checked by their digest.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{ArchiveId, Digest, escape_line};

use super::{Dialect, Driver, Value};

struct Migration {
    version: i64,
    name: &'static str,
    text: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", text: include_str!("migrations/0001_initial.sql") },
    Migration { version: 2, name: "writers", text: include_str!("migrations/0002_writers.sql") },
    Migration { version: 3, name: "reasons", text: include_str!("migrations/0003_reasons.sql") },
];

/// The newest schema that this version knows.
pub const LATEST_VERSION: i64 = 3;

const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  version {id},
  name {key} NOT NULL,
  checksum {digest} NOT NULL,
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
    let known = driver.query(driver.dialect().table_count(), &["schema_migrations".into()])?;
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

/// What SQLite itself keeps in a schema.
const INTERNAL: &[(&str, &str)] = &[
    ("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
    ("sqlite_sequence", "CREATE TABLE sqlite_sequence(name,seq)"),
];

/// Refuses a schema that is not ours: a table, index or view of a name of ours with another text,
/// and everything else that can compute when it is read or written. Foreign tables are left alone;
/// we never ask for them.
pub fn check_schema(driver: &mut dyn Driver) -> Result<()> {
    // A newer version has other tables, and says so first.
    let version = schema_version(driver)?;
    if version == 0 {
        return Ok(());
    }
    let dialect = driver.dialect();
    let applied = MIGRATIONS.iter().filter(|migration| migration.version <= version);
    let texts = applied.flat_map(|migration| statements(migration.text, dialect));
    let mut ours: BTreeMap<String, String> = BTreeMap::new();
    for text in [dialect.render(CREATE_MIGRATIONS)].into_iter().chain(texts) {
        let text = text.replacen("IF NOT EXISTS ", "", 1);
        let Some(name) = named(&text).map(str::to_owned) else { continue };
        match text.starts_with("DROP ") {
            true => drop(ours.remove(&name)),
            false => drop(ours.insert(name, text)),
        }
    }
    let rows = driver.query("SELECT type, name, sql, tbl_name FROM sqlite_schema", &[])?;
    let place = driver.place().to_owned();
    let mut missing: BTreeSet<&str> = ours.keys().map(String::as_str).collect();
    for row in &rows {
        let (kind, name) = (row.text(0)?, row.text(1)?);
        // The index behind a PRIMARY KEY has no text.
        let Some(text) = row.text_or_null(2)? else { continue };
        let known = ours.get(name).map(String::as_str);
        let internal = || INTERNAL.iter().find(|it| it.0 == name).map(|it| it.1);
        // The type is only a claim; SQLite goes by the text.
        let plain_table = kind == "table" && text.starts_with("CREATE TABLE ");
        let as_claimed = kind == created_kind(text) && row.text(3)? == table_of(text, name);
        if as_claimed && known.or_else(internal) == Some(text) {
            missing.remove(name);
        } else if known.is_some() || !plain_table || name.starts_with("sqlite_") {
            let why = format!("its {} `{}` is not ours", escape_line(kind), escape_line(name));
            return Err(Error::damaged("archive", place, why));
        }
    }
    match missing.first() {
        Some(name) => Err(Error::damaged("archive", place, format!("it has no `{name}`"))),
        None => Ok(()),
    }
}

/// What a CREATE statement makes, as SQLite's table of the schema calls it.
fn created_kind(text: &str) -> &'static str {
    let kinds = [("CREATE TABLE ", "table"), ("CREATE VIEW ", "view")];
    kinds.iter().find(|(begin, _)| text.starts_with(begin)).map_or("index", |(_, kind)| kind)
}

/// The table that a CREATE statement of ours is about: of an index the one behind `ON`.
fn table_of<'a>(text: &'a str, name: &'a str) -> &'a str {
    if created_kind(text) != "index" {
        return name;
    }
    let behind = text.split_once(" ON ").map_or("", |(_, rest)| rest);
    behind.split([' ', '(']).next().unwrap_or_default()
}

/// What a CREATE or DROP statement is about.
fn named(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| c.is_whitespace() || c == '(').filter(|it| !it.is_empty());
    words.find(|word| matches!(*word, "TABLE" | "INDEX" | "VIEW"))?;
    words.next()
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
    use super::super::{Access, Sqlite};
    use super::*;

    #[test]
    fn an_archive_of_the_first_schema_is_read_as_it_is_and_upgraded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("archive.sqlite");
        let mut driver = Sqlite::open(&file, Access::Create).unwrap();
        let now = Timestamp::from_unix_ms(0);
        driver.execute(&Dialect::Sqlite.render(CREATE_MIGRATIONS), &[]).unwrap();
        for statement in statements(MIGRATIONS[0].text, Dialect::Sqlite) {
            driver.execute(&statement, &[]).unwrap();
        }
        let known = "INSERT INTO schema_migrations VALUES (1, 'initial', ?, ?)";
        driver.execute(known, &[Value::Bytes(vec![1]), "then".into()]).unwrap();
        assert_eq!(schema_version(&mut driver).unwrap(), 1);
        check_schema(&mut driver).unwrap();
        assert_eq!(apply(&mut driver, now).unwrap(), MIGRATIONS.len() - 1);
        assert_eq!(schema_version(&mut driver).unwrap(), LATEST_VERSION);
        check_schema(&mut driver).unwrap();
        assert_eq!(apply(&mut driver, now).unwrap(), 0);
    }

    #[test]
    fn the_schema_has_no_placeholder_left() {
        let text = schema_text(Dialect::Sqlite);
        assert!(!text.contains('{') && !text.contains('}'), "{text}");
        assert_eq!(MIGRATIONS.last().map(|m| m.version), Some(LATEST_VERSION));
    }
}
