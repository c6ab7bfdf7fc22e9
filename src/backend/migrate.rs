//! The schema, as numbered steps that are applied once and known by their digest.
//!
//! Promises: one process at a time applies steps; an embedded archive is copied first; a step that
//! fails is named, and can be applied again.

use std::path::PathBuf;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{ArchiveId, Digest};

use super::schema::named;
use super::{Dialect, Driver, Value};

/// One step of the schema.
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// What it brings, in a word.
    pub name: &'static str,
    /// Its statements, with the dialects' placeholders. It never changes once it was released.
    pub text: &'static str,
    /// Statements for SQLite alone.
    pub sqlite: &'static str,
}

impl Migration {
    /// SHA-256 of its text.
    pub fn checksum(&self) -> Digest {
        Digest::of(format!("{}{}", self.text, self.sqlite).as_bytes())
    }

    /// Its statements in `dialect`, comments taken out.
    pub(super) fn statements(&self, dialect: Dialect) -> Vec<String> {
        let own = if dialect == Dialect::Sqlite { self.sqlite } else { "" };
        let mut all = statements(self.text, dialect);
        all.extend(statements(own, dialect));
        all
    }
}

/// Every step, in order.
pub const MIGRATIONS: &[Migration] = &[
    step(1, "initial", include_str!("migrations/0001_initial.sql")),
    step(2, "writers", include_str!("migrations/0002_writers.sql")),
    step(3, "indexes", include_str!("migrations/0003_indexes.sql")),
    Migration {
        sqlite: include_str!("migrations/0004_guards.sqlite.sql"),
        ..step(4, "governance", include_str!("migrations/0004_governance.sql"))
    },
    step(5, "uploads-and-entries", include_str!("migrations/0005_uploads_and_entries.sql")),
    Migration { sqlite: include_str!("migrations/0006_slim.sqlite.sql"), ..step(6, "slim", "") },
];

const fn step(version: i64, name: &'static str, text: &'static str) -> Migration {
    Migration { version, name, text, sqlite: "" }
}

/// The newest schema that this version knows.
pub const LATEST_VERSION: i64 = 6;

pub(super) const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  version {id},
  name {key} NOT NULL,
  checksum {digest} NOT NULL,
  applied_at {key} NOT NULL
){table}";

fn statements(text: &str, dialect: Dialect) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    // A trigger has statements inside, which end when they are rendered.
    let parts = code.join("\n");
    let parts = parts.split(';').map(|part| dialect.render(part.trim()));
    parts.filter(|part| !part.is_empty()).collect()
}

/// The triggers of ours, as SQLite keeps their text.
pub(super) fn guards() -> Vec<String> {
    let all = MIGRATIONS.iter().flat_map(|step| step.statements(Dialect::Sqlite));
    let triggers = all.map(|text| text.replacen("IF NOT EXISTS ", "", 1));
    triggers.filter(|text| text.starts_with("CREATE TRIGGER ")).collect()
}

/// The whole schema as SQL that can be read and piped into the database's own program; it may be
/// run again, and leaves nothing to do for `migrate`. An embedded archive that an older version made
/// is none the worse for it, and is still to be migrated.
pub fn schema_text(dialect: Dialect) -> String {
    let mut out = dialect.preamble();
    let mut rest: Vec<String> =
        MIGRATIONS.iter().flat_map(|step| step.statements(dialect)).rev().collect();
    let added: Vec<String> = rest.iter().filter(|it| widens(it).is_some()).rev().cloned().collect();
    let is_new = added.iter().map(|alter| has_column(alter)).collect::<String>();
    out.push_str(&format!("{};\n", dialect.render(CREATE_MIGRATIONS)));
    for migration in MIGRATIONS {
        out.push_str(&format!("\n-- {:04} {}\n", migration.version, migration.name));
        for statement in migration.statements(dialect) {
            rest.pop();
            // What a later step takes away is not made: it may stand in the way of what is there by
            // then.
            let is_gone =
                |later: &String| later.starts_with("DROP ") && named(later) == named(&statement);
            let is_drop = statement.starts_with("DROP ");
            let is_left_out = match dialect {
                // Who may change the file has `migrate`, which copies it first.
                Dialect::Sqlite => is_drop || widens(&statement).is_some(),
                _ => false,
            };
            if !is_left_out && (is_drop || !rest.iter().any(is_gone)) {
                let whole = added.iter().fold(statement, |it, alter| widened(it, alter));
                out.push_str(&dialect.repeatable(whole).join(";\n"));
                out.push_str(";\n\n");
            }
        }
        let Migration { version, name, .. } = migration;
        let note = format!(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at)
SELECT {version}, '{name}', {{bytes:{}}}, {{now}}
WHERE NOT EXISTS (SELECT 1 FROM schema_migrations WHERE version = {version}){is_new};
",
            migration.checksum()
        );
        out.push_str(&dialect.render(&note));
    }
    out
}

/// The condition that a table has the column which `alter` adds.
fn has_column(alter: &str) -> String {
    let (table, column) = widens(alter).unwrap_or_default();
    let name = column.split(' ').next().unwrap_or_default();
    format!("\n  AND EXISTS (SELECT 1 FROM pragma_table_info('{table}') WHERE name = '{name}')")
}

/// The table and the column of a statement that adds one. Only SQLite's steps have such.
pub(super) fn widens(statement: &str) -> Option<(&str, &str)> {
    statement.strip_prefix("ALTER TABLE ")?.split_once(" ADD COLUMN ")
}

/// The text that makes a table, with the column that `alter` adds to it, as SQLite writes it itself.
pub(super) fn widened(create: String, alter: &str) -> String {
    let Some((table, column)) = widens(alter) else { return create };
    if !create.starts_with("CREATE TABLE ") || named(&create) != Some(table) {
        return create;
    }
    match create.strip_suffix(')') {
        Some(open) => format!("{open}, {column})"),
        None => create,
    }
}

/// A step that was applied.
#[derive(Debug)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// When.
    pub at: String,
}

/// The steps that were applied to this database, in order. A step that is not ours is an error, a
/// newer one [`Error::NewerSchema`].
pub fn applied(driver: &mut dyn Driver) -> Result<Vec<Applied>> {
    let known = driver.query(driver.dialect().table_count(), &["schema_migrations".into()])?;
    if known[0].int(0)? == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, checksum, applied_at FROM schema_migrations ORDER BY version";
    let rows = driver.query(sql, &[])?;
    let place = driver.place().to_owned();
    let mut steps = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(1..) {
        let version = row.int(0)?;
        let Some(ours) = MIGRATIONS.iter().find(|step| step.version == version) else {
            if version > LATEST_VERSION {
                return Err(Error::NewerSchema { place, found: version, known: LATEST_VERSION });
            }
            let why = format!("it has a step {version} of its schema that never was");
            return Err(Error::damaged("archive", place, why));
        };
        if version != expected || row.bytes(1)? != ours.checksum().as_bytes() {
            let why = format!("step {expected} of its schema is not ours");
            return Err(Error::damaged("archive", place, why));
        }
        steps.push(Applied { version, at: row.text(2)?.to_owned() });
    }
    Ok(steps)
}

/// The version of the schema in this database; 0 where there is none.
pub fn schema_version(driver: &mut dyn Driver) -> Result<i64> {
    Ok(applied(driver)?.last().map_or(0, |step| step.version))
}

/// What was applied.
#[derive(Debug, Default)]
pub struct Migrated {
    /// The version before; 0 where there was no schema.
    pub from: i64,
    /// The copy that was made first, of an embedded archive that was there.
    pub copy: Option<PathBuf>,
}

/// Applies what is missing.
pub fn apply(driver: &mut dyn Driver, now: Timestamp) -> Result<Migrated> {
    let from = schema_version(driver)?;
    if from == LATEST_VERSION {
        return Ok(Migrated { from, copy: None });
    }
    let copy = if from > 0 { driver.keep_copy(&format!("schema-{from}"))? } else { None };
    let lock = driver.dialect().migration_lock();
    if let Some((take, _)) = lock
        && driver.query(take, &[])?[0].int_or_null(0)? != Some(1)
    {
        let path = PathBuf::from(driver.place());
        return Err(Error::Locked { path });
    }
    let done = apply_locked(driver, now);
    if let Some((_, release)) = lock {
        // It ends with the connection in any case.
        let _ = driver.query(release, &[]);
    }
    done.map(|()| Migrated { from, copy })
}

fn apply_locked(driver: &mut dyn Driver, now: Timestamp) -> Result<()> {
    driver.begin()?;
    let done = apply_in_transaction(driver, now).and_then(|()| driver.commit());
    if done.is_err() {
        driver.rollback();
    }
    done
}

fn apply_in_transaction(driver: &mut dyn Driver, now: Timestamp) -> Result<()> {
    let create = driver.dialect().render(CREATE_MIGRATIONS);
    driver.execute(&create, &[])?;
    // Asked again inside the transaction: another process may have been first.
    let found = schema_version(driver)?;
    for migration in MIGRATIONS.iter().filter(|step| step.version > found) {
        take_step(driver, migration, now).map_err(|source| Error::Migration {
            version: migration.version,
            name: migration.name,
            place: driver.place().to_owned(),
            source: Box::new(source),
        })?;
    }
    found_archive(driver)
}

fn take_step(driver: &mut dyn Driver, migration: &Migration, now: Timestamp) -> Result<()> {
    let dialect = driver.dialect();
    let steps = migration.statements(dialect).into_iter();
    for statement in steps.flat_map(|statement| dialect.repeatable(statement)) {
        driver.execute(&statement, &[])?;
    }
    driver.execute(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
        &[
            migration.version.into(),
            migration.name.into(),
            migration.checksum().as_bytes().as_slice().into(),
            now.to_string().into(),
        ],
    )?;
    Ok(())
}

/// Gives the archive its id, if it has none yet: whoever makes the tables by hand has none to give.
pub fn found_archive(driver: &mut dyn Driver) -> Result<()> {
    let sql = "SELECT COUNT(*) FROM meta WHERE k = ?";
    if driver.query(sql, &["archive".into()])?[0].int(0)? == 0 {
        let id = ArchiveId::random().to_string();
        let row = [Value::from("archive"), Value::from(id)];
        driver.execute("INSERT INTO meta (k, v) VALUES (?, ?)", &row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Access, Sqlite, check_schema};
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_unix_ms(0)
    }

    /// An archive in `folder` with the first `count` steps.
    fn of_version(folder: &tempfile::TempDir, count: usize) -> Sqlite {
        let file = folder.path().join("archive.sqlite");
        let mut driver = Sqlite::open(&file, Access::Create).unwrap();
        driver.execute(&Dialect::Sqlite.render(CREATE_MIGRATIONS), &[]).unwrap();
        for migration in &MIGRATIONS[..count] {
            take_step(&mut driver, migration, now()).unwrap();
        }
        driver
    }

    #[test]
    fn an_archive_of_the_first_schema_is_read_as_it_is_and_upgraded() {
        let dir = tempfile::tempdir().unwrap();
        let mut driver = of_version(&dir, 1);
        assert_eq!(schema_version(&mut driver).unwrap(), 1);
        check_schema(&mut driver).unwrap();
        let done = apply(&mut driver, now()).unwrap();
        assert_eq!(done.from, 1);
        let copy = done.copy.unwrap();
        assert_eq!(schema_version(&mut Sqlite::open(&copy, Access::Read).unwrap()).unwrap(), 1);
        assert_eq!(schema_version(&mut driver).unwrap(), LATEST_VERSION);
        check_schema(&mut driver).unwrap();
        let again = apply(&mut driver, now()).unwrap();
        assert_eq!((again.from, again.copy), (LATEST_VERSION, None));
    }

    #[test]
    fn a_step_of_another_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut driver = of_version(&dir, 1);
        driver
            .execute("UPDATE schema_migrations SET checksum = ?", &[Value::Bytes(vec![1])])
            .unwrap();
        let said = schema_version(&mut driver).unwrap_err().to_string();
        assert!(said.ends_with("step 1 of its schema is not ours"), "{said}");
    }

    #[test]
    fn a_step_that_fails_is_named_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut driver = of_version(&dir, 1);
        driver.execute("CREATE INDEX evidence_writer ON meta (v)", &[]).unwrap();
        let said = apply(&mut driver, now()).unwrap_err();
        assert!(said.to_string().starts_with("step 2 (writers) of the schema"), "{said}");
        assert_eq!(schema_version(&mut driver).unwrap(), 1);
        driver.execute("DROP INDEX evidence_writer", &[]).unwrap();
        apply(&mut driver, now()).unwrap();
        assert_eq!(schema_version(&mut driver).unwrap(), LATEST_VERSION);
    }

    #[test]
    fn what_is_applied_by_hand_leaves_nothing_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("archive.sqlite");
        let connection = rusqlite::Connection::open(&file).unwrap();
        for _ in 0..2 {
            connection.execute_batch(&schema_text(Dialect::Sqlite)).unwrap();
        }
        drop(connection);
        let mut driver = Sqlite::open(&file, Access::Create).unwrap();
        check_schema(&mut driver).unwrap();
        assert_eq!(apply(&mut driver, now()).unwrap().from, LATEST_VERSION);
    }

    #[test]
    fn the_schema_has_no_placeholder_left() {
        for dialect in Dialect::ALL {
            let text = schema_text(dialect).replace("'{}'", "");
            assert!(!text.contains('{') && !text.contains('}'), "{text}");
        }
        assert_eq!(MIGRATIONS.last().map(|m| m.version), Some(LATEST_VERSION));
    }
}
