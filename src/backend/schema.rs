//! Whether the schema of an embedded archive is ours, by its text.

use std::collections::{BTreeMap, BTreeSet};

use super::Driver;
use super::migrate::{CREATE_MIGRATIONS, MIGRATIONS, schema_version, widened, widens};
use crate::error::{Error, Result};
use crate::model::escape_line;

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
    let texts = applied.flat_map(|migration| migration.statements(dialect));
    let mut ours: BTreeMap<String, String> = BTreeMap::new();
    for text in [dialect.render(CREATE_MIGRATIONS)].into_iter().chain(texts) {
        if let Some((table, _)) = widens(&text) {
            let known = ours.remove(table).unwrap_or_default();
            ours.insert(table.to_owned(), widened(known, &text));
            continue;
        }
        let text = text.replacen("IF NOT EXISTS ", "", 1);
        let Some(name) = named(&text).map(str::to_owned) else { continue };
        match text.starts_with("DROP ") {
            true => drop(ours.remove(&name)),
            false => drop(ours.insert(name, text)),
        }
    }
    // What `schema` prints may have made the tables of a later step already.
    let later = MIGRATIONS.iter().filter(|migration| migration.version > version);
    let later: BTreeSet<String> = later
        .flat_map(|migration| migration.statements(dialect))
        .map(|text| text.replacen("IF NOT EXISTS ", "", 1))
        .collect();
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
        } else if as_claimed && known.is_none() && later.contains(text) {
            continue;
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
    let kinds =
        [("CREATE TABLE ", "table"), ("CREATE VIEW ", "view"), ("CREATE TRIGGER ", "trigger")];
    kinds.iter().find(|(begin, _)| text.starts_with(begin)).map_or("index", |(_, kind)| kind)
}

/// The table that a CREATE statement of ours is about: of an index or trigger the one behind `ON`.
fn table_of<'a>(text: &'a str, name: &'a str) -> &'a str {
    if matches!(created_kind(text), "table" | "view") {
        return name;
    }
    let behind = text.split_once(" ON ").map_or("", |(_, rest)| rest);
    behind.split([' ', '(', '\n']).next().unwrap_or_default()
}

/// What a CREATE or DROP statement is about.
pub(super) fn named(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| c.is_whitespace() || c == '(').filter(|it| !it.is_empty());
    words.find(|word| matches!(*word, "TABLE" | "INDEX" | "VIEW" | "TRIGGER"))?;
    words.find(|word| !matches!(*word, "IF" | "NOT" | "EXISTS"))
}
