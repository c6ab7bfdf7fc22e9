//! What a commit says of itself: its name and version, where nobody says another.

use crate::error::{Error, Result};
use crate::git::Repository;
use crate::model::{GitOid, RepoPath};

use super::name::check_word;

/// A longer file describes no package.
const MAX_BYTES: u64 = 1 << 20;

/// Digits of a commit's id that stand for a version.
const SHORT: usize = 12;

/// What a package's file in a commit says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    /// The file.
    pub file: &'static str,
    /// The package, without its scope.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

impl Package {
    /// What the first of `package.json`, `Cargo.toml` and `pyproject.toml` that tells a version says.
    pub fn of(repository: &Repository, commit: &GitOid) -> Result<Option<Self>> {
        let tree = repository.commit_tree(commit)?;
        for (file, parse) in PARSERS {
            let Some(entry) = tree.entry(&RepoPath::new(file.as_bytes())?)? else { continue };
            let is_file = entry.mode & 0o170_000 == 0o100_000;
            if !is_file || repository.blob_size(&entry.oid)?.is_none_or(|size| size > MAX_BYTES) {
                continue;
            }
            let Some(bytes) = repository.blob(&entry.oid)? else { continue };
            if let Some((name, version)) = String::from_utf8(bytes).ok().and_then(|it| parse(&it)) {
                return Ok(Some(Self::said(file, name, version)));
            }
        }
        Ok(None)
    }

    fn said(file: &'static str, name: Option<String>, version: Option<String>) -> Self {
        let own = name.as_deref().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
        let is_word = |what: &'static str| move |it: &String| check_word(what, it).is_ok();
        Self {
            file,
            name: own.filter(is_word("name")),
            version: version.filter(is_word("version")),
        }
    }
}

/// Name and version.
type Said = Option<(Option<String>, Option<String>)>;

/// A file, and how it is read.
type Parser = (&'static str, fn(&str) -> Said);

const PARSERS: &[Parser] = &[
    ("package.json", |text| {
        let it: serde_json::Value = serde_json::from_str(text).ok()?;
        let text = |key: &str| it.get(key).and_then(|it| it.as_str()).map(str::to_owned);
        text("version").map(|version| (text("name"), Some(version)))
    }),
    ("Cargo.toml", |text| of_toml(text, "package")),
    ("pyproject.toml", |text| of_toml(text, "project")),
];

fn of_toml(text: &str, section: &str) -> Said {
    let it: toml::Table = text.parse().ok()?;
    let section = it.get(section)?;
    let text = |key: &str| section.get(key).and_then(|it| it.as_str()).map(str::to_owned);
    text("version").map(|version| (text("name"), Some(version)))
}

/// A version, and who says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// The version, with a `v` before it unless it says `git-`.
    pub text: String,
    /// Who says it: `option`, `tag`, the package's file, or `commit`.
    pub from: &'static str,
}

/// The version of `commit`: the one that was given, else that of its tag, else that of its package,
/// else its id. Several tags that look like versions decide nothing, and are an error.
pub(super) fn version_of(
    given: Option<&str>,
    repository: &Repository,
    commit: &GitOid,
    package: Option<&Package>,
) -> Result<Version> {
    let version = |text: &str, from| Version { text: with_v(text), from };
    if let Some(given) = given {
        check_word("version", given)?;
        return Ok(version(given, "option"));
    }
    let tags: Vec<_> =
        repository.tags_at(commit)?.into_iter().filter(|it| is_version(it)).collect();
    match tags.as_slice() {
        [] => {}
        [tag] => return Ok(version(tag, "tag")),
        several => {
            let why = "the commit has several tags that look like versions; `--version` decides";
            return Err(Error::invalid("version", several.join(", "), why));
        }
    }
    if let Some(package) = package
        && let Some(text) = &package.version
    {
        return Ok(version(text, package.file));
    }
    Ok(version(&format!("git-{}", &commit.to_string()[..SHORT]), "commit"))
}

fn is_version(tag: &str) -> bool {
    let digits = tag.strip_prefix('v').unwrap_or(tag);
    digits.starts_with(|c: char| c.is_ascii_digit()) && check_word("version", tag).is_ok()
}

/// Versions of tags and of packages are spelled alike.
fn with_v(text: &str) -> String {
    let is_spelled = text.starts_with('v') || text.starts_with("git-");
    if is_spelled { text.to_owned() } else { format!("v{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages() {
        let said = |at: usize, text: &str| {
            let (file, parse) = PARSERS[at];
            parse(text).map(|(name, version)| Package::said(file, name, version))
        };
        let json = said(0, r#"{"name": "@scope/app", "version": "1.2.3"}"#).unwrap();
        assert_eq!((json.name.as_deref(), json.version.as_deref()), (Some("app"), Some("1.2.3")));
        let toml = said(1, "[package]\nname = \"x\"\nversion = \"0.1.0\"\n").unwrap();
        assert_eq!(toml.version.as_deref(), Some("0.1.0"));
        assert!(said(2, "[project]\nname = \"x\"\n").is_none());
        assert!(said(1, "[package]\nversion.workspace = true\n").is_none());
        let hostile = said(0, r#"{"name": "../..", "version": "../x"}"#).unwrap();
        assert_eq!((hostile.name, hostile.version), (None, None));
        for text in ["", "[]", "{", "{\"version\": 1}"] {
            assert!(said(0, text).is_none(), "{text}");
        }
    }

    #[test]
    fn spellings() {
        assert_eq!(with_v("1.0"), "v1.0");
        assert_eq!(with_v("v1.0"), "v1.0");
        assert_eq!(with_v("git-012"), "git-012");
        assert!(is_version("v1.0.1") && is_version("2") && !is_version("release-1"));
        assert!(!is_version("v1/x") && !is_version("vnext"));
    }
}
