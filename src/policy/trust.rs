//! Trust: which places a tracked file names that this clone must have accepted before it uses them.
//!
//! Promises: the digest covers every such place, so any change asks again; where in the file a
//! place stands does not matter. What comes from the environment or the command line is not asked
//! about. Decides by text alone: links on the way are refused where the place is used.

use std::fmt;
use std::path::{Component, Path};

use crate::error::{Error, Result};
use crate::model::{Digest, escape_line, names_git_folder};
use crate::secret::DatabaseUrl;

/// A place outside the repository that a tracked file names. `Debug` and `Display` show no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    key: String,
    value: String,
    origin: String,
}

impl Place {
    /// The configuration key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The file and line that name it.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.contains("://") {
            return DatabaseUrl::new(self.value.as_str()).fmt(f);
        }
        f.write_str(&escape_line(&self.value))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({} = {self}, {})", self.key, self.origin)
    }
}

/// Those of `named`, `(key, value, origin)` of a tracked file, that are outside the repository,
/// sorted by key.
pub fn places<K, V, O>(named: impl IntoIterator<Item = (K, V, O)>) -> Vec<Place>
where
    K: Into<String>,
    V: Into<String>,
    O: Into<String>,
{
    let all = named.into_iter().map(|(key, value, origin)| Place {
        key: key.into(),
        value: value.into(),
        origin: origin.into(),
    });
    let mut outside: Vec<_> = all.filter(|place| is_outside(&place.value)).collect();
    outside.sort_by(|a, b| (&a.key, &a.value).cmp(&(&b.key, &b.value)));
    outside
}

/// What a clone remembers of the places it accepted: SHA-256 of `codex-archive/trust/v1` 00, then
/// key 00 value 00 of each.
pub fn digest(places: &[Place]) -> Digest {
    let mut bytes = b"codex-archive/trust/v1\0".to_vec();
    for part in places.iter().flat_map(|place| [&place.key, &place.value]) {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(0);
    }
    Digest::of(&bytes)
}

/// Refuses the use of the key `key` when `places` has it and `accepted` is not their digest.
pub fn check(places: &[Place], accepted: Option<Digest>, key: &str) -> Result<()> {
    let Some(place) = places.iter().find(|place| place.key == key) else { return Ok(()) };
    if accepted == Some(digest(places)) {
        return Ok(());
    }
    Err(Error::Untrusted { place: place.to_string(), origin: place.origin.clone() })
}

/// Whether a URL or path may lead out of the work tree.
fn is_outside(value: &str) -> bool {
    let path = match value.split_once("://") {
        Some(("sqlite", path)) => path.strip_prefix('/').unwrap_or(path),
        Some(_) => return true,
        None => value,
    };
    // git's own folder holds hooks and settings that git runs: a file may not choose it.
    Path::new(path).components().any(|part| match part {
        Component::CurDir => false,
        Component::Normal(name) => names_git_folder(name.as_encoded_bytes()),
        Component::RootDir | Component::ParentDir | Component::Prefix(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(&str, &str)]) -> Vec<Place> {
        places(values.iter().map(|(key, value)| (*key, *value, "f:1")))
    }

    #[test]
    fn inside_and_outside() {
        for inside in [
            "sqlite:///./.codex/archive.sqlite",
            "sqlite:///a.db",
            ".codex/evidence",
            "./x",
            "a/.github/x",
        ] {
            assert!(of(&[("k", inside)]).is_empty(), "{inside}");
        }
        for outside in [
            "sqlite:////abs.db",
            "sqlite:///../x.db",
            "sqlite:///a/../x.db",
            "sqlite:///.GIT/config",
            "sqlite:///git~1/config",
            "postgres://h/d",
            "mysql://h/d",
            "ftp://h",
            "/var/log/x",
            "../x",
            "sub/.git/hooks/pre-commit",
        ] {
            assert_eq!(of(&[("k", outside)]).len(), 1, "{outside}");
        }
    }

    #[test]
    fn any_change_asks_again_but_the_line_does_not_matter() {
        let one = of(&[("backend.url", "postgres://h/d"), ("evidence.dir", "/e")]);
        let same =
            places([("evidence.dir", "/e", "f:9"), ("backend.url", "postgres://h/d", "f:2")]);
        assert_eq!(digest(&one), digest(&same));
        for other in [
            of(&[("backend.url", "postgres://h/d?host=evil"), ("evidence.dir", "/e")]),
            of(&[("backend.url", "postgres://h/d")]),
            of(&[("backend.url", "postgres://h/d"), ("logging.file", "/e")]),
        ] {
            assert_ne!(digest(&one), digest(&other));
            assert!(check(&other, Some(digest(&one)), "backend.url").is_err());
        }
        assert!(check(&one, Some(digest(&one)), "backend.url").is_ok());
        assert!(check(&one, None, "backend.url").is_err());
        assert!(check(&one, None, "batch.results_path").is_ok());
        assert!(check(&[], None, "backend.url").is_ok());
    }

    #[test]
    fn no_secret_is_shown() {
        let places = of(&[("backend.url", "postgres://u:s3cr@h/d")]);
        let error = check(&places, None, "backend.url").unwrap_err();
        assert!(!format!("{places:?} {error} {error:?}").contains("s3cr"));
    }
}
