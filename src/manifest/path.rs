//! File names as words: which two of them mean one file.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::model::escape_line;

/// Two items that cannot both have their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The number of the first, from 1.
    pub first: usize,
    /// The number of the other one, from 1.
    pub second: usize,
    /// The file that the second names.
    path: PathBuf,
    is_same: bool,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (self.first, self.second);
        let path = escape_line(&self.path.to_string_lossy());
        match self.is_same {
            true => write!(f, "items {first} and {second} both name the file `{path}`"),
            false => {
                write!(f, "item {second} names `{path}`, which is below the file of item {first}")
            }
        }
    }
}

/// `text` without `.` and, as far as that can be said without looking, `..`.
pub fn lexical(text: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in Path::new(text).components() {
        match (part, out.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(out.pop()),
            (Component::ParentDir, Some(Component::RootDir)) => {}
            _ => out.push(part),
        }
    }
    out
}

/// The first two of `paths`, all without `.` and `..`, that are the same or of which one lies below
/// the other.
pub fn clash(paths: &[PathBuf]) -> Option<Clash> {
    // Part by part, so that whatever lies below a path follows it at once.
    let parts = |path: &PathBuf| -> Vec<u8> {
        let bytes = path.as_os_str().as_encoded_bytes().iter();
        bytes.map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
    };
    let mut order: Vec<(Vec<u8>, usize)> =
        paths.iter().enumerate().map(|(at, path)| (parts(path), at)).collect();
    order.sort_unstable();
    let close = order.windows(2).map(|pair| [pair[0].1, pair[1].1]);
    close
        .filter(|pair| paths[pair[1]].starts_with(&paths[pair[0]]))
        .map(|pair| Clash {
            first: pair[0] + 1,
            second: pair[1] + 1,
            path: paths[pair[1]].clone(),
            is_same: paths[pair[0]] == paths[pair[1]],
        })
        .min_by_key(|clash| (clash.first.max(clash.second), clash.first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file() {
        for (text, plain) in [
            ("./a//b/.", "a/b"),
            ("a/../b", "b"),
            ("../a/../b", "../b"),
            ("../../x", "../../x"),
            ("/../x/./y", "/x/y"),
            ("a/../../b", "../b"),
        ] {
            assert_eq!(lexical(text), Path::new(plain), "{text}");
        }
    }

    #[test]
    fn clashes() {
        let found = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| lexical(name)).collect();
            clash(&paths).map(|it| (it.first, it.second, it.is_same))
        };
        assert_eq!(found(&["a", "b", "./a"]), Some((1, 3, true)));
        assert_eq!(found(&["a/b", "x", "a"]), Some((3, 1, false)));
        assert_eq!(found(&["a", "a.b", "a-b", "a/b"]), Some((1, 4, false)));
        assert_eq!(found(&["a", "ab", "b/a", "/a"]), None);
        assert_eq!(found(&[]), None);
    }
}
