//! CSV: a header with the names of columns, then one item a line.
//!
//! Refuses what programs read in different ways: quotes inside a plain cell, text behind a quoted
//! one, a quote that is never closed.

use csv::{ReaderBuilder, StringRecord};

use super::form::too_many;
use super::{Fault, MAX_ITEMS, Raw};

/// The items of a table.
pub fn entries<R: Raw>(text: &str) -> Result<Vec<R::Entry>, Fault> {
    check_quotes(text)?;
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let places = places::<R>(reader.headers().map_err(|error| error.to_string())?)?;
    let mut entries = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| error.to_string())? {
        if entries.len() == MAX_ITEMS {
            return Err(too_many());
        }
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| {
            let place = places.get(column).copied().flatten()?;
            record.get(place).filter(|cell| !cell.is_empty())
        };
        let raw = R::of_cells([cell(0), cell(1), cell(2), cell(3)]);
        entries.push(raw.checked().map_err(|why| format!("line {line}: {why}"))?);
    }
    Ok(entries)
}

/// Where each column of an item stands.
fn places<R: Raw>(header: &StringRecord) -> Result<Vec<Option<usize>>, Fault> {
    let all = R::COLUMNS.join(",");
    for (n, name) in header.iter().enumerate() {
        if !R::COLUMNS.contains(&name) {
            let name: String = name.chars().take(64).collect();
            return Err(format!("line 1: there is no column `{name}`; there are {all}"));
        }
        if header.iter().take(n).any(|before| before == name) {
            return Err(format!("line 1: column `{name}` stands there twice"));
        }
    }
    let place = |name: &&str| header.iter().position(|it| it == *name);
    let places: Vec<Option<usize>> = R::COLUMNS.iter().map(place).collect();
    match places[..R::NEEDED].iter().position(Option::is_none) {
        Some(lacking) => {
            Err(format!("line 1: column `{}` is missing; there are {all}", R::COLUMNS[lacking]))
        }
        None => Ok(places),
    }
}

/// Where a byte of a table stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Begin,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell: its end, or the first of two.
    Quote,
}

/// Whether every quote opens a cell, closes it, or is one of two in it.
fn check_quotes(text: &str) -> Result<(), Fault> {
    let (mut at, mut line, mut opened) = (At::Begin, 1, 1);
    for byte in text.bytes() {
        at = match (at, byte) {
            (At::Begin, b'"') => {
                opened = line;
                At::Quoted
            }
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) | (At::Quote, b'"') => At::Quoted,
            (At::Begin | At::Plain | At::Quote, b',' | b'\r' | b'\n') => At::Begin,
            (At::Plain, b'"') => return Err(format!("line {line}: a quote inside a plain cell")),
            (At::Quote, _) => return Err(format!("line {line}: text behind a quoted cell")),
            (At::Begin | At::Plain, _) => At::Plain,
        };
        line += usize::from(byte == b'\n');
    }
    match at {
        At::Quoted => Err(format!("line {opened}: a quote is never closed")),
        _ => Ok(()),
    }
}
