//! Configuration: flags over environment over `--config` over `.codex/archive.toml` over defaults,
//! for each key by itself, and where each value comes from.
//!
//! Refuses: unknown keys, values out of range, a backend that disagrees with the URL. Shows no
//! password.

mod backup;
mod bundle;
mod keys;
mod layers;
mod nearest;
mod place;
mod template;
mod url;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use keys::{DEFAULT_URL, KEYS, Key, markdown};
pub use layers::{Environment, Origin, SOURCE_DATE_EPOCH, TRACKED_FILE};
pub use place::Place;
pub use template::{archive_toml, label_of, signs_in, with_label};
pub use url::{has_password, lacks_password};
pub use value::Kind;

use crate::error::{Error, Result};
use crate::model::{Assurance, RepoLabel, Severity};
use crate::retry::Retry;
use crate::secret::DatabaseUrl;
use layers::Setting;
use value::Datum;

/// The backends there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// SQLite, in a file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    Mariadb,
}

impl BackendKind {
    /// The word in configuration and reports.
    pub fn of_url(url: &str) -> Option<Self> {
        url.split_once("://").and_then(|(scheme, _)| url::backend_of(scheme))
    }

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a configuration is made of.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The repository's root, below which `.codex/archive.toml` is looked for.
    pub top: Option<&'a Path>,
    /// `--config`; without it `CODEX_ARCHIVE_CONFIG` counts.
    pub file: Option<&'a Path>,
    /// Options of the command line: a key's name and the text given.
    pub flags: &'a [(&'static str, String)],
    /// The environment.
    pub environment: Environment,
}

/// One value, for showing.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The key.
    pub key: &'static str,
    /// The value without its secrets; `None` when it is unset.
    pub shown: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// The configuration in force.
#[derive(Debug, Clone)]
pub struct Config {
    settings: BTreeMap<&'static str, Setting>,
    /// What the tracked file says, whether or not another layer overrides it.
    tracked: Vec<Setting>,
    url: DatabaseUrl,
    backend: BackendKind,
}

impl Config {
    /// The configuration that `sources` make.
    pub fn load(sources: Sources<'_>) -> Result<Self> {
        let tracked = match sources.top.map(layers::read_tracked).transpose()?.flatten() {
            Some(text) => layers::file(Path::new(TRACKED_FILE), &text)?,
            None => Vec::new(),
        };
        let named = match sources.file.or(sources.environment.config_file()) {
            Some(path) => layers::file(path, &layers::read(path, path)?)?,
            None => Vec::new(),
        };
        let above =
            [named, layers::environment(&sources.environment)?, layers::flags(sources.flags)?];
        Self::stack(tracked, above.into_iter().flatten())
    }

    /// The configuration that the text of a tracked file makes alone, such as the
    /// `.codex/archive.toml` of another commit; errors call the file `name`.
    pub fn from_text(name: &str, text: &str) -> Result<Self> {
        Self::stack(layers::file(Path::new(name), text)?, [])
    }

    /// Lays the layers on one another and checks what concerns several keys.
    fn stack(tracked: Vec<Setting>, above: impl IntoIterator<Item = Setting>) -> Result<Self> {
        let all = layers::defaults()?.into_iter().chain(tracked.iter().cloned()).chain(above);
        let settings: BTreeMap<_, _> = all.map(|setting| (setting.key.name, setting)).collect();
        let url = match settings.get("backend.url").map(|it| &it.datum) {
            Some(Datum::Url(url)) => url.clone(),
            _ => DatabaseUrl::new(DEFAULT_URL),
        };
        let backend = url::backend_of(url.scheme()).unwrap_or(BackendKind::Sqlite);
        let config = Self { settings, tracked, url, backend };
        match config.datum("backend.backend") {
            Some(Datum::Word(word)) if *word != backend.as_str() => Err(Error::Config {
                what: format!(
                    "`backend.backend` is `{word}`, but `backend.url` is `{}`",
                    config.url
                ),
                origin: format!(
                    "{} and {}",
                    config.origin("backend.backend"),
                    config.origin("backend.url")
                ),
                nearest: None,
            }),
            _ => Ok(config),
        }
    }

    /// The repo label, if one is set.
    pub fn label(&self) -> Option<&RepoLabel> {
        match self.datum("repo.label") {
            Some(Datum::Label(label)) => Some(label),
            _ => None,
        }
    }

    /// The URL of the archive; see [`Config::place`] for what it means.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// The backend, as the URL says.
    pub fn backend(&self) -> BackendKind {
        self.backend
    }

    /// How much it weighs that hooks find no archive.
    pub fn on_missing_archive(&self) -> Severity {
        self.severity("hooks.on_missing_archive", Severity::Note)
    }

    /// How much it weighs that a stub goes unexplained.
    pub fn on_stub_removed(&self) -> Severity {
        self.severity("hooks.on_stub_removed", Severity::Error)
    }

    /// Whether hooks insist that the archive itself has each item.
    pub fn require_shared(&self) -> bool {
        matches!(self.datum("hooks.require_shared"), Some(Datum::Switch(true)))
    }

    /// Whether the evidence of each deed is signed.
    pub fn signs_evidence(&self) -> bool {
        matches!(self.datum("evidence.sign"), Some(Datum::Switch(true)))
    }

    /// How sure it must be that approvers are who they claim to be.
    pub fn assurance(&self) -> Assurance {
        match self.word("governance.assurance", "attested") {
            "signed" => Assurance::Signed,
            _ => Assurance::Attested,
        }
    }

    /// Approvals that restoring a restricted item takes.
    pub fn restore_approvals(&self) -> usize {
        usize::try_from(self.count("governance.restore_approvals").unwrap_or(2)).unwrap_or(2)
    }

    /// Days for which an approval counts.
    pub fn approval_ttl_days(&self) -> u64 {
        self.count("governance.approval_ttl").unwrap_or(7)
    }

    /// Whether who asks may not approve.
    pub fn separation(&self) -> bool {
        matches!(self.datum("governance.separation"), Some(Datum::Switch(true)))
    }

    /// When and how often a transient failure of the backend is tried again; `seed` where none is
    /// set.
    pub fn retry(&self, seed: u64) -> Retry {
        let seconds = |name| Duration::try_from_secs_f64(self.decimal(name)).unwrap_or_default();
        Retry {
            enabled: matches!(self.datum("retry.enabled"), Some(Datum::Switch(true))),
            max_attempts: u32::try_from(self.count("retry.max_attempts").unwrap_or(1)).unwrap_or(1),
            initial_delay: seconds("retry.initial_delay"),
            max_delay: seconds("retry.max_delay"),
            multiplier: self.decimal("retry.multiplier"),
            jitter: self.decimal("retry.jitter"),
            seed: self.count("retry.seed").unwrap_or(seed),
        }
    }

    /// Whether anybody set a key of `[logging]`: nothing is logged unasked.
    pub fn wants_logs(&self) -> bool {
        let set = |key: &&'static str| self.origin(key) != Origin::Default;
        ["logging.level", "logging.format", "logging.file"].iter().any(set)
    }

    /// The word for the least weight of what is logged.
    pub fn log_level(&self) -> &'static str {
        self.word("logging.level", "info")
    }

    /// The word for how log lines are written.
    pub fn log_format(&self) -> &'static str {
        self.word("logging.format", "json")
    }

    /// Refuses a section of which the environment has a value that cannot be used.
    pub fn check_usable(&self, section: &str) -> Result<()> {
        for setting in self.settings.values().filter(|it| it.key.section() == section) {
            if let Datum::Unusable(why) = &setting.datum {
                return Err(layers::bad(setting.key, why, &setting.origin));
            }
        }
        Ok(())
    }

    /// The project to which new entries of memory belong; an error where the environment's value
    /// cannot be used.
    pub fn project(&self) -> Result<&str> {
        self.check_usable("memory")?;
        Ok(match self.datum("memory.project") {
            Some(Datum::Text(name)) => name,
            _ => "default",
        })
    }

    /// Days for which entries of memory are kept.
    pub fn memory_max_age_days(&self) -> Option<u64> {
        self.count("retention.max_age_days")
    }

    /// How many entries of memory are kept of each project.
    pub fn memory_max_entries(&self) -> Option<u64> {
        self.count("retention.max_entries_per_project")
    }

    /// The project whose entries retention looks at.
    pub fn memory_project(&self) -> Option<&str> {
        match self.datum("retention.project") {
            Some(Datum::Text(name)) => Some(name),
            _ => None,
        }
    }

    /// Days for which items are kept since they were archived last.
    pub fn items_max_age_days(&self) -> Option<u64> {
        self.count("retention.items.max_age_days")
    }

    /// The texts of a list; none where the key is unset.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.datum(name) {
            Some(Datum::List(texts)) => texts,
            _ => &[],
        }
    }

    /// Of how many times the usual number on, from which share of all on, and from how many
    /// candidates on a plan of retention is a spike.
    pub fn spike(&self) -> (f64, f64, u64) {
        let least = self.count("retention.spike_least").unwrap_or(1);
        (self.decimal("retention.spike_factor"), self.decimal("retention.spike_share"), least)
    }

    /// How many items of a batch are worked on at once.
    pub fn batch_concurrent(&self) -> usize {
        self.batch_concurrent_given().unwrap_or(5)
    }

    /// The same, if anybody said it.
    pub fn batch_concurrent_given(&self) -> Option<usize> {
        self.count("batch.concurrent").and_then(|count| usize::try_from(count).ok())
    }

    /// Whether a batch goes on after an item that failed.
    pub fn batch_continues(&self) -> bool {
        matches!(self.datum("batch.continue_on_error"), Some(Datum::Switch(true)))
    }

    /// How long one item of a batch may take.
    pub fn batch_timeout(&self) -> Duration {
        Duration::from_secs(self.count("batch.timeout_per_item").unwrap_or(300))
    }

    /// The word for what is done about credentials in content.
    pub fn on_credential(&self) -> &'static str {
        self.word("policy.credentials", "block")
    }

    /// The texts of the list `name`.
    pub fn list(&self, name: &str) -> &[String] {
        match self.datum(name) {
            Some(Datum::List(texts)) => texts,
            _ => &[],
        }
    }

    /// What a line holds whose credentials are let pass.
    pub fn credential_marker(&self) -> &str {
        match self.datum("policy.marker") {
            Some(Datum::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether durations are measured and reported.
    pub fn measures(&self) -> bool {
        !matches!(self.datum("performance.enabled"), Some(Datum::Switch(false)))
    }

    /// Every key with its value, in the order of the documentation.
    pub fn values(&self) -> impl Iterator<Item = Value> + '_ {
        KEYS.iter().map(|key| {
            let unset = (key.name == "backend.backend").then(|| self.backend.to_string());
            let shown = self.datum(key.name).map(ToString::to_string).or(unset);
            Value { key: key.name, shown, origin: self.origin(key.name) }
        })
    }

    /// Where the value of the key `name` comes from.
    pub fn origin(&self, name: &str) -> Origin {
        match self.settings.get(name) {
            Some(setting) => setting.origin.clone(),
            // An unset backend follows from the URL.
            None if name == "backend.backend" => self.origin("backend.url"),
            None => Origin::Default,
        }
    }

    /// Whether the value in force of the key `name` stands in the tracked file, so that using a
    /// place it names may need trust.
    pub fn is_tracked(&self, name: &str) -> bool {
        let origin = self.settings.get(name).map(|setting| &setting.origin);
        self.tracked.iter().any(|it| it.key.name == name && Some(&it.origin) == origin)
    }

    /// The places that the tracked file names, overridden or not, as `(key, value, origin)` for
    /// `policy::trust`. The values hold their secrets.
    pub fn tracked_places(&self) -> Vec<(&'static str, String, String)> {
        let places = self.tracked.iter().filter(|setting| setting.key.is_place());
        let text = |datum: &Datum| match datum {
            Datum::Url(url) => url.expose().to_owned(),
            Datum::Path(path) => path.to_string_lossy().into_owned(),
            other => other.to_string(),
        };
        places.map(|it| (it.key.name, text(&it.datum), it.origin.to_string())).collect()
    }

    fn count(&self, name: &str) -> Option<u64> {
        match self.datum(name) {
            Some(Datum::Count(count)) => Some(*count),
            _ => None,
        }
    }

    fn decimal(&self, name: &str) -> f64 {
        match self.datum(name) {
            Some(Datum::Decimal(value)) => *value,
            _ => 0.0,
        }
    }

    fn datum(&self, name: &str) -> Option<&Datum> {
        self.settings.get(name).map(|setting| &setting.datum)
    }

    fn word(&self, name: &str, default: &'static str) -> &'static str {
        match self.datum(name) {
            Some(Datum::Word(word)) => word,
            _ => default,
        }
    }

    fn severity(&self, name: &str, default: Severity) -> Severity {
        match self.word(name, "") {
            "note" => Severity::Note,
            "warn" => Severity::Warning,
            "error" => Severity::Error,
            _ => default,
        }
    }
}

#[cfg(test)]
mod tests;
