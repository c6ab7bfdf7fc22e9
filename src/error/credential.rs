//! A credential that stands in the way: where it is and by which rule, never what it is.

use std::fmt::Write as _;

/// So many are told of one by one.
const TOLD: usize = 20;

/// Where a credential was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The path, escaped.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// The byte of the line, from 1.
    pub column: u64,
    /// The rule's name.
    pub rule: &'static str,
    /// What it finds, with its article.
    pub what: &'static str,
}

/// The message: a line for all, and one for each of the first.
pub(super) fn told(found: &[Credential], redacts: bool) -> String {
    let mut paths: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
    paths.dedup();
    let mut text = match paths[..] {
        [path] => format!("cannot archive `{path}`: it holds credentials"),
        _ => format!("cannot archive {} files: they hold credentials", paths.len()),
    };
    if redacts {
        text.push_str(", and what is archived cannot be altered");
    }
    list(&mut text, found);
    text
}

/// The same of an entry of memory, whose parts stand in the paths' place.
pub(super) fn told_of_entry(found: &[Credential]) -> String {
    let mut text = "cannot save the entry: it holds credentials".to_owned();
    list(&mut text, found);
    text
}

fn list(text: &mut String, found: &[Credential]) {
    for it in found.iter().take(TOLD) {
        let Credential { path, line, column, rule, what } = it;
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {path}:{line}:{column}: {rule} ({what})");
    }
    if let Some(more) = found.len().checked_sub(TOLD).filter(|more| *more > 0) {
        let _ = write!(text, "\n  and {more} more");
    }
}
