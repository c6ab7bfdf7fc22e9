//! What a hold holds: one function decides. Pure.

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, Result};
use crate::model::{Hold, HoldScope, Item, escape_line};

/// Refuses what is no pattern of paths. `*` and `?` stay within a folder, `**` does not.
pub fn check_pattern(pattern: &str) -> Result<()> {
    matcher(pattern).map(|_| ())
}

/// Whether `hold`, while it is in force, holds `item`.
pub fn fits(hold: &Hold, item: &Item) -> bool {
    if hold.released_at.is_some() {
        return false;
    }
    match hold.scope {
        HoldScope::Item => item.tombstone.to_string() == hold.pattern,
        HoldScope::Sha256 => item.sha256.to_string() == hold.pattern,
        HoldScope::Tag => item.tags.contains(&hold.pattern),
        HoldScope::Path => {
            let is_of_repo = hold.repo.is_empty() || hold.repo == item.repo;
            let fits = |it: GlobMatcher| it.is_match(item.path.to_string());
            is_of_repo && matcher(&hold.pattern).is_ok_and(fits)
        }
    }
}

/// The pattern, ready to be held against paths.
pub(super) fn matcher(pattern: &str) -> Result<GlobMatcher> {
    let wrong = |why: String| Error::invalid("pattern", escape_line(pattern), why);
    if pattern.is_empty() || pattern.len() > 1024 || pattern.chars().any(char::is_control) {
        return Err(wrong("it must have 1 to 1024 bytes without control characters".to_owned()));
    }
    if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
        return Err(wrong("it must be relative to the repository's top".to_owned()));
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| wrong(error.kind().to_string()))
}
