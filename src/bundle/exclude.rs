//! Patterns of what is left out of a bundle.
//!
//! As in `.gitignore`: without a slash a pattern fits a file or folder at any depth, with one it is
//! relative to the repository's top; `*` and `?` stay within a folder, `**` does not; a slash at its
//! end means folders alone. What is in a folder that fits is left out with it. There is no `!`.

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, Result};
use crate::model::{RepoPath, escape_line};

/// The longest pattern, in bytes.
const LONGEST: usize = 1024;

/// The patterns, ready to be held against paths.
#[derive(Debug)]
pub(super) struct Exclusion(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    matcher: GlobMatcher,
    folders_alone: bool,
}

impl Exclusion {
    /// What these patterns leave out.
    pub fn of(patterns: &[String]) -> Result<Self> {
        patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<_>>().map(Self)
    }

    /// Whether `path`, a file's, is left out.
    pub fn fits(&self, path: &RepoPath) -> bool {
        let full = path.as_path();
        self.0.iter().any(|pattern| {
            let above = full.ancestors().skip(1).take_while(|it| !it.as_os_str().is_empty());
            (!pattern.folders_alone && pattern.matcher.is_match(full))
                || above.into_iter().any(|folder| pattern.matcher.is_match(folder))
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid("pattern", escape_line(text), why);
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(wrong("it must have 1 to 1024 bytes without control characters"));
        }
        if text.starts_with('!') {
            return Err(wrong("nothing that is left out is taken in again"));
        }
        let folders_alone = text.ends_with('/');
        let inner = text.strip_suffix('/').unwrap_or(text);
        let anchored = inner.strip_prefix('/').unwrap_or(inner);
        if anchored.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(wrong("it must be relative to the repository's top"));
        }
        let glob = match inner.contains('/') {
            true => anchored.to_owned(),
            false => format!("**/{inner}"),
        };
        let glob = GlobBuilder::new(&glob).literal_separator(true).build();
        let matcher = glob.map_err(|error| wrong(&error.kind().to_string()))?.compile_matcher();
        Ok(Self { matcher, folders_alone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        for (pattern, fits, fits_not) in [
            (
                "node_modules",
                &["node_modules/a", "x/node_modules/b/c", "node_modules"][..],
                &["node_modules2/a", "a/xnode_modules"][..],
            ),
            ("docs/internal", &["docs/internal/a", "docs/internal"], &["x/docs/internal/a"]),
            ("/releases", &["releases/a", "releases"], &["x/releases"]),
            ("*.log", &["a.log", "x/y.log", "d.log/inner"], &["a.logs"]),
            ("src/*.c", &["src/a.c"], &["src/x/a.c", "a.c"]),
            ("src/**/t", &["src/t", "src/a/b/t", "src/a/t/x"], &["t"]),
            ("build/", &["build/a", "x/build/a"], &["build", "x/build"]),
            ("a?c", &["abc"], &["a/c", "abbc"]),
        ] {
            let exclusion = Exclusion::of(&[pattern.to_owned()]).unwrap();
            let is_out = |path: &&str| exclusion.fits(&RepoPath::new(path.as_bytes()).unwrap());
            for path in fits {
                assert!(is_out(path), "{pattern} {path}");
            }
            for path in fits_not {
                assert!(!is_out(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "!a", "../a", "a/../b", "a//b", "./a", "/", "a\nb", "[", "//"] {
            assert!(Exclusion::of(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }
}
