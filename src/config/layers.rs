//! The layers that values come from: defaults, files, environment, flags; each value with its
//! origin.
//!
//! Promises: an unknown key or a bad value is an error that names file and line. This is the only
//! place of the library that reads the process's environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, Key};
use super::nearest;
use super::value::{self, Datum};
use crate::error::{Error, Refusal, Result};
use crate::model::escape_line;

/// The tracked configuration file, from the repository's root.
pub const TRACKED_FILE: &str = ".codex/archive.toml";

/// The largest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The environment.
    Environment {
        /// The variable.
        name: &'static str,
    },
    /// The command line.
    Flag {
        /// The option.
        name: &'static str,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => {
                write!(f, "{}:{line}", escape_line(&path.to_string_lossy()))
            }
            Self::Environment { name } | Self::Flag { name } => f.write_str(name),
        }
    }
}

/// The variables of the environment that begin with `CODEX_` or set a key, and the time of what is
/// built. `Debug` shows no values.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process.
    pub fn read() -> Self {
        Self(std::env::vars_os().filter(|(name, _)| is_ours(name)).collect())
    }

    /// An environment of these variables, for tests and for programs that embed the library.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(variables.filter(|(name, _): &(OsString, OsString)| is_ours(name)).collect())
    }

    /// The value of `name`; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Variables that begin like ours and mean nothing, each with the one that was most likely
    /// meant. Other programs may use such names too, so they are no error.
    pub fn unknown(&self) -> Vec<(String, Option<&'static str>)> {
        let names = self.0.keys().map(|name| name.to_string_lossy().into_owned());
        let ours = |name: &String| name.starts_with("CODEX_ARCHIVE_");
        let unknown = names.filter(ours).filter(|name| !keys::variables().any(|it| it == *name));
        unknown.map(|name| (escape_line(&name), nearest::nearest_variable(&name))).collect()
    }

    /// `CODEX_ACTOR`, the actor where `--by` is not given.
    pub fn actor(&self) -> Option<String> {
        self.get("CODEX_ACTOR").map(|name| name.to_string_lossy().into_owned())
    }

    /// `CODEX_ARCHIVE_CONFIG`, the configuration file where `--config` is not given.
    pub fn config_file(&self) -> Option<&Path> {
        self.get("CODEX_ARCHIVE_CONFIG").map(Path::new)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The seconds that take the place of the time in what is built, as other programs have it.
pub const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

fn is_prefixed(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"CODEX_")
}

fn is_ours(name: &OsStr) -> bool {
    let sets_key = |name: &OsStr| name.to_str().is_some_and(keys::is_variable);
    is_prefixed(name) || sets_key(name) || name == SOURCE_DATE_EPOCH
}

/// One value of one layer.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its key.
    pub key: &'static Key,
    /// The value.
    pub datum: Datum,
    /// Where it comes from.
    pub origin: Origin,
}

/// What the table of keys says.
pub fn defaults() -> Result<Vec<Setting>> {
    let texts = KEYS.iter().filter_map(|key| Some((key, key.default?)));
    texts.map(|(key, text)| from_text(key, text, Origin::Default)).collect()
}

/// What `environment` sets.
pub fn environment(environment: &Environment) -> Result<Vec<Setting>> {
    let mut settings: Vec<Setting> = Vec::new();
    for (key, name) in KEYS.iter().flat_map(|key| key.environment.iter().map(move |it| (key, *it)))
    {
        let Some(text) = environment.get(name) else { continue };
        let origin = Origin::Environment { name };
        let read = text.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
        let datum = match read.and_then(|text| value::from_text(key.kind, text)) {
            Ok(datum) => datum,
            // A hook must not fail for what another program may mean by such a name.
            Err(why) if !is_prefixed(OsStr::new(name)) => Datum::Unusable(why),
            Err(why) => return Err(bad(key, &why, &origin)),
        };
        let setting = Setting { key, datum, origin };
        match settings.last() {
            Some(other) if other.key.name == key.name => {
                if other.datum != setting.datum {
                    return Err(twice(other, &setting));
                }
            }
            _ => settings.push(setting),
        }
    }
    Ok(settings)
}

/// What these flags set: pairs of a key and its text.
pub fn flags(flags: &[(&'static str, String)]) -> Result<Vec<Setting>> {
    let settings = flags.iter().map(|(name, text)| {
        let key = keys::key(name).ok_or_else(|| unknown(name, nearest::nearest(name), "flag"))?;
        from_text(key, text, Origin::Flag { name: key.flag.unwrap_or(name) })
    });
    settings.collect()
}

/// What the TOML `text` of the file `path` sets.
pub fn file(path: &Path, text: &str) -> Result<Vec<Setting>> {
    let place = |offset: usize| Origin::File { path: path.to_owned(), line: line_of(text, offset) };
    let root = DeTable::parse(text).map_err(|error| Error::Config {
        what: format!("not TOML: {}", escape_line(error.message())),
        origin: place(error.span().map_or(0, |span| span.start)).to_string(),
        nearest: None,
    })?;
    let mut settings: Vec<Setting> = Vec::new();
    // The map is sorted by name; people mend a file from its top.
    for (section, at, value) in by_place(root.get_ref()) {
        let DeValue::Table(table) = value else {
            return Err(unknown(section, nearest::nearest(section), place(at)));
        };
        if table.is_empty() && !keys::is_section(section) {
            return Err(unknown(section, nearest::nearest_section(section), place(at)));
        }
        section_of_file(section, table, &place, &mut settings)?;
    }
    Ok(settings)
}

/// Adds what a section sets, and the sections in it.
fn section_of_file(
    section: &str,
    table: &DeTable<'_>,
    place: &impl Fn(usize) -> Origin,
    settings: &mut Vec<Setting>,
) -> Result<()> {
    for (field, at, value) in by_place(table) {
        let name = format!("{section}.{field}");
        if let DeValue::Table(inner) = value
            && keys::is_section(&name)
        {
            section_of_file(&name, inner, place, settings)?;
            continue;
        }
        let Some(key) = keys::find(section, field) else {
            return Err(unknown(&name, nearest::nearest(&name), place(at)));
        };
        let origin = place(at);
        let datum = value::from_toml(key.kind, value).map_err(|why| bad(key, &why, &origin))?;
        let setting = Setting { key, datum, origin };
        if let Some(other) = settings.iter().find(|it| it.key.name == key.name) {
            return Err(twice(other, &setting));
        }
        settings.push(setting);
    }
    Ok(())
}

/// The entries of a table in the order of the file, each with the offset of its name.
fn by_place<'a>(table: &'a DeTable<'_>) -> Vec<(&'a str, usize, &'a DeValue<'a>)> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(name, value)| (name.get_ref().as_ref(), name.span().start, value.get_ref()))
        .collect();
    entries.sort_by_key(|(_, at, _)| *at);
    entries
}

/// The text of the tracked file below `top`, if there is one.
pub fn read_tracked(top: &Path) -> Result<Option<String>> {
    let path = top.join(TRACKED_FILE);
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    if is_link(&top.join(".codex")) || is_link(&path) {
        let real = match path.canonicalize() {
            // Nothing to read; what writes there refuses the link.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            real => real.map_err(Error::io("read", &path))?,
        };
        let top = top.canonicalize().map_err(Error::io("read", top))?;
        if !real.starts_with(&top) {
            let link = real.display().to_string();
            return Err(Error::refused("read", TRACKED_FILE, Refusal::ThroughLink { link }));
        }
    }
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => read(&path, Path::new(TRACKED_FILE)).map(Some),
    }
}

/// The text of the configuration file `path`, which errors call `shown`.
pub fn read(path: &Path, shown: &Path) -> Result<String> {
    let problem = |what: &str, line: usize| Error::Config {
        what: what.to_owned(),
        origin: Origin::File { path: shown.to_owned(), line }.to_string(),
        nearest: None,
    };
    let meta = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => problem("there is no such file", 1),
        _ => Error::io("read", shown)(error),
    })?;
    // Opening a FIFO would wait for ever.
    if !meta.is_file() {
        let what = if meta.is_dir() { "a folder" } else { "a special file" };
        let object = shown.display().to_string();
        return Err(Error::refused("read", object, Refusal::NotRegular { what }));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(Error::io("read", shown))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(problem("the file is larger than 1 MiB", 1));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        problem("the file is not UTF-8", 1 + valid.iter().filter(|byte| **byte == b'\n').count())
    })
}

/// The line of a byte of `text`, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn from_text(key: &'static Key, text: &str, origin: Origin) -> Result<Setting> {
    match value::from_text(key.kind, text) {
        Ok(datum) => Ok(Setting { key, datum, origin }),
        Err(why) => Err(bad(key, &why, &origin)),
    }
}

/// The error of a value that cannot be used.
pub fn bad(key: &Key, why: &str, origin: &Origin) -> Error {
    let what = format!("`{}` is wrong: {why}", key.name);
    Error::Config { what, origin: origin.to_string(), nearest: None }
}

fn unknown(name: &str, nearest: Option<&str>, origin: impl fmt::Display) -> Error {
    let short: String = name.chars().take(128).collect();
    let what = format!("there is no key `{}`", escape_line(&short));
    Error::Config { what, origin: origin.to_string(), nearest: nearest.map(str::to_owned) }
}

fn twice(one: &Setting, other: &Setting) -> Error {
    Error::Config {
        what: format!("`{}` is set twice", one.key.name),
        origin: format!("{} and {}", one.origin, other.origin),
        nearest: None,
    }
}
