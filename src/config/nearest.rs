//! What somebody most likely meant by a key, section or variable that does not exist.

use super::keys::{KEYS, variables};

/// The key that somebody most likely meant by `name` (`section.key`, or a bare key); `None` when
/// nothing is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    let field = name.rsplit('.').next().unwrap_or(name);
    // The right key in the wrong section is a better guess than any number of letters.
    if let Some(key) = KEYS.iter().find(|k| k.field() == field || k.aliases.contains(&field)) {
        return Some(key.name);
    }
    let spellings = KEYS.iter().flat_map(|key| {
        let aliases = key.aliases.iter().map(|alias| format!("{}.{alias}", key.section()));
        aliases.chain([key.name.to_owned(), key.field().to_owned()]).map(|it| (it, key.name))
    });
    closest(name, spellings)
}

/// The variable that somebody most likely meant by `name`.
pub fn nearest_variable(name: &str) -> Option<&'static str> {
    closest(name, variables().map(|variable| (variable.to_owned(), variable)))
}

/// The section that somebody most likely meant by `name`.
pub fn nearest_section(name: &str) -> Option<&'static str> {
    closest(name, KEYS.iter().map(|key| (key.section().to_owned(), key.section())))
}

/// The target whose spelling takes the fewest edits from `name`, if that is at most a third.
fn closest(
    name: &str,
    spellings: impl Iterator<Item = (String, &'static str)>,
) -> Option<&'static str> {
    // A name from a hostile file may be a megabyte long, and no such name is near to anything.
    if name.len() > 64 {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    let near = spellings.map(|(spelling, target)| (edits(name, &spelling), target));
    near.filter(|(count, _)| *count <= limit).min_by_key(|(count, _)| *count).map(|it| it.1)
}

/// How many letters must be put in, taken out or replaced to make `b` of `a` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        for (wrong, meant) in [
            ("backend.urll", Some("backend.url")),
            ("backnd.url", Some("backend.url")),
            ("backend.label", Some("repo.label")),
            ("label", Some("repo.label")),
            ("batch.max_concurent", Some("batch.concurrent")),
            ("hooks.on_stub_remove", Some("hooks.on_stub_removed")),
            ("zebra.stripes", None),
        ] {
            assert_eq!(nearest(wrong), meant, "{wrong}");
        }
        assert_eq!(nearest_section("hook"), Some("hooks"));
        let variable = nearest_variable("CODEX_ARCHIVE_LOGLEVEL");
        assert_eq!(variable, Some("CODEX_ARCHIVE_LOG_LEVEL"));
        assert_eq!(nearest(&"x".repeat(1 << 20)), None);
    }
}
