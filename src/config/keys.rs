//! The table of every configuration key: what it is called, what it takes, what it means.
//!
//! Promises: parsing, validation, suggestions, `config-show`, the file that `init` writes and the
//! documentation all come from this one table, so a key that is not here does not exist.

use super::value::Kind;

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Section and key: `backend.url`.
    pub name: &'static str,
    /// Other spellings of the key in the same section.
    pub aliases: &'static [&'static str],
    /// What values it takes.
    pub kind: Kind,
    /// The default, written as in the environment; `None` when the key is then unset.
    pub default: Option<&'static str>,
    /// Environment names, the preferred one first.
    pub environment: &'static [&'static str],
    /// The command-line option that sets it, if any.
    pub flag: Option<&'static str>,
    /// One sentence for people.
    pub meaning: &'static str,
}

impl Key {
    /// The part before the last dot; a section may stand in another.
    pub fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The part after the last dot.
    pub fn field(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, field)| field)
    }

    /// Whether its values name a file, a folder or a host.
    pub fn is_place(&self) -> bool {
        matches!(self.kind, Kind::Path | Kind::Url)
    }
}

/// The default URL: the archive inside git's own folder, which `.codex/archive.sqlite` links to.
pub const DEFAULT_URL: &str = "sqlite:///./.codex/archive.sqlite";

const EMPTY: Key = Key {
    name: "",
    aliases: &[],
    kind: Kind::Path,
    default: None,
    environment: &[],
    flag: None,
    meaning: "",
};

/// Every key, section by section.
pub const KEYS: &[Key] = &[
    Key {
        name: "repo.label",
        kind: Kind::Label,
        flag: Some("--repo"),
        meaning: "The name under which this repository's items are archived.",
        ..EMPTY
    },
    Key {
        name: "backend.backend",
        aliases: &["type"],
        kind: Kind::Choice {
            words: &["sqlite", "postgres", "mariadb"],
            also: &[("postgresql", "postgres"), ("mysql", "mariadb")],
        },
        environment: &["CODEX_ARCHIVE_BACKEND"],
        flag: Some("--backend"),
        meaning: "The kind of database; must agree with the URL, which decides where it is unset.",
        ..EMPTY
    },
    Key {
        name: "backend.url",
        kind: Kind::Url,
        default: Some(DEFAULT_URL),
        environment: &["CODEX_ARCHIVE_URL"],
        flag: Some("--url"),
        meaning: "Where the archive is; a password `***` means that the environment has the URL.",
        ..EMPTY
    },
    Key {
        name: "backup.dest",
        kind: Kind::Path,
        flag: Some("--dest"),
        meaning: "The folder that backups go to.",
        ..EMPTY
    },
    Key {
        name: "backup.keep",
        kind: Kind::Count { least: 1, most: 100_000 },
        default: Some("3"),
        flag: Some("--keep"),
        meaning: "How many backups of one name are kept where older ones are pruned.",
        ..EMPTY
    },
    Key {
        name: "backup.prune",
        kind: Kind::Switch,
        default: Some("false"),
        flag: Some("--prune"),
        meaning: "Whether older backups go once a new one is proven.",
        ..EMPTY
    },
    Key {
        name: "backup.mount_check",
        kind: Kind::Switch,
        default: Some("false"),
        flag: Some("--mount-check"),
        meaning: "Whether the destination must be the mounted file system that it was.",
        ..EMPTY
    },
    Key {
        name: "backup.encrypt",
        kind: Kind::Switch,
        default: Some("false"),
        flag: Some("--encrypt"),
        meaning: "Whether backups are encrypted, with the passphrase in `CODEX_BACKUP_GPG_KEY`.",
        ..EMPTY
    },
    Key {
        name: "backup.drill_spot_days",
        kind: Kind::Count { least: 1, most: 36_500 },
        meaning: "After how many days without a good drill, spot or full, `health-check` fails.",
        ..EMPTY
    },
    Key {
        name: "backup.drill_full_days",
        kind: Kind::Count { least: 1, most: 36_500 },
        meaning: "After how many days without a good full drill `health-check` fails.",
        ..EMPTY
    },
    Key {
        name: "backup.drill_checklist",
        kind: Kind::Path,
        flag: Some("--checklist"),
        meaning: "The file that the results of drills are added to, in Markdown.",
        ..EMPTY
    },
    Key {
        name: "backup.suffix",
        kind: Kind::Text { least: 1, most: 64 },
        flag: Some("--suffix"),
        meaning: "What stands behind the name of a backup: letters, digits, `.` and `_`.",
        ..EMPTY
    },
    Key {
        name: "bundle.name",
        kind: Kind::Text { least: 1, most: 100 },
        flag: Some("--name"),
        meaning: "What is bundled; where unset, what the commit's package says.",
        ..EMPTY
    },
    Key {
        name: "bundle.env",
        kind: Kind::Text { least: 1, most: 32 },
        default: Some("prod"),
        flag: Some("--env"),
        meaning: "What bundles are meant for.",
        ..EMPTY
    },
    Key {
        name: "bundle.output_dir",
        kind: Kind::Path,
        default: Some("releases"),
        flag: Some("--output-dir"),
        meaning: "The folder of bundles.",
        ..EMPTY
    },
    Key {
        name: "bundle.exclude",
        kind: Kind::List { least: 0 },
        default: Some("[]"),
        meaning: "Patterns of what is left out of bundles, as in `.gitignore`.",
        ..EMPTY
    },
    Key {
        name: "bundle.stubs",
        kind: Kind::Choice { words: &["leave", "drop", "fill"], also: &[] },
        default: Some("leave"),
        flag: Some("--stubs"),
        meaning: "Whether tombstones stay in bundles, are left out, or are filled in.",
        ..EMPTY
    },
    Key {
        name: "bundle.keep",
        kind: Kind::Count { least: 1, most: 100_000 },
        default: Some("3"),
        flag: Some("--keep"),
        meaning: "How many bundles of one name and environment are kept where older ones are pruned.",
        ..EMPTY
    },
    Key {
        name: "bundle.prune",
        kind: Kind::Switch,
        default: Some("false"),
        flag: Some("--prune"),
        meaning: "Whether older bundles go once a new one is made.",
        ..EMPTY
    },
    Key {
        name: "bundle.sign",
        kind: Kind::Switch,
        default: Some("false"),
        flag: Some("--sign"),
        meaning: "Whether tarballs are signed, with the SSH key that git signs with.",
        ..EMPTY
    },
    Key {
        name: "bundle.docker_tag_prefix",
        kind: Kind::Text { least: 1, most: 255 },
        flag: Some("--docker-tag-prefix"),
        meaning: "What the tags of docker's images begin with; the name where unset.",
        ..EMPTY
    },
    Key {
        name: "evidence.dir",
        kind: Kind::Path,
        environment: &["CODEX_EVIDENCE_DIR"],
        meaning: "The folder of the journal, where it is not to stand in git's own folder.",
        ..EMPTY
    },
    Key {
        name: "evidence.sign",
        kind: Kind::Switch,
        default: Some("false"),
        meaning: "Whether the evidence of each deed is signed, with the SSH key that git signs with.",
        ..EMPTY
    },
    Key {
        name: "governance.approval_ttl",
        kind: Kind::Count { least: 1, most: 365 },
        default: Some("7"),
        meaning: "Days for which an approval counts.",
        ..EMPTY
    },
    Key {
        name: "governance.assurance",
        kind: Kind::Choice { words: &["attested", "signed"], also: &[] },
        default: Some("attested"),
        meaning: "Whether approvers give their names or sign with their keys.",
        ..EMPTY
    },
    Key {
        name: "governance.restore_approvals",
        kind: Kind::Count { least: 2, most: 9 },
        default: Some("2"),
        meaning: "Approvals that restoring a restricted item takes.",
        ..EMPTY
    },
    Key {
        name: "governance.separation",
        kind: Kind::Switch,
        default: Some("false"),
        meaning: "Whether who asks for something may not be one of those who approve it.",
        ..EMPTY
    },
    Key {
        name: "hooks.on_missing_archive",
        kind: Kind::Choice { words: &["note", "warn", "error"], also: &[("warning", "warn")] },
        default: Some("note"),
        meaning: "How much it weighs that hooks find no archive to ask.",
        ..EMPTY
    },
    Key {
        name: "hooks.on_stub_removed",
        kind: Kind::Choice { words: &["error", "warn"], also: &[("warning", "warn")] },
        default: Some("error"),
        meaning: "How much it weighs that a stub goes without a record that explains it.",
        ..EMPTY
    },
    Key {
        name: "hooks.require_shared",
        kind: Kind::Switch,
        default: Some("false"),
        meaning: "Whether hooks insist that the archive itself has each item.",
        ..EMPTY
    },
    Key {
        name: "logging.level",
        kind: Kind::Choice {
            words: &["error", "warning", "info", "debug"],
            also: &[("warn", "warning")],
        },
        default: Some("info"),
        environment: &["CODEX_ARCHIVE_LOG_LEVEL"],
        meaning: "The least weight of what is logged; nothing is, where no key of this section is set.",
        ..EMPTY
    },
    Key {
        name: "logging.format",
        kind: Kind::Choice { words: &["json", "text"], also: &[] },
        default: Some("json"),
        environment: &["CODEX_ARCHIVE_LOG_FORMAT"],
        meaning: "How log lines are written.",
        ..EMPTY
    },
    Key {
        name: "logging.file",
        kind: Kind::Path,
        environment: &["CODEX_ARCHIVE_LOG_FILE"],
        meaning: "The file that log lines go to; standard error where unset.",
        ..EMPTY
    },
    Key {
        name: "retry.enabled",
        kind: Kind::Switch,
        default: Some("false"),
        environment: &["CODEX_ARCHIVE_RETRY_ENABLED"],
        meaning: "Whether transient failures of the backend are tried again.",
        ..EMPTY
    },
    Key {
        name: "retry.max_attempts",
        kind: Kind::Count { least: 1, most: 100 },
        default: Some("3"),
        environment: &["CODEX_ARCHIVE_RETRY_MAX", "CODEX_ARCHIVE_RETRY_ATTEMPTS"],
        meaning: "How many attempts there are, the first one included.",
        ..EMPTY
    },
    Key {
        name: "retry.initial_delay",
        kind: Kind::Decimal { least: 0.0, most: 3600.0 },
        default: Some("1"),
        environment: &["CODEX_ARCHIVE_RETRY_INITIAL"],
        meaning: "Seconds before the second attempt.",
        ..EMPTY
    },
    Key {
        name: "retry.max_delay",
        kind: Kind::Decimal { least: 0.0, most: 86400.0 },
        default: Some("32"),
        environment: &["CODEX_ARCHIVE_RETRY_MAX_DELAY"],
        meaning: "The longest pause between two attempts, in seconds.",
        ..EMPTY
    },
    Key {
        name: "retry.multiplier",
        aliases: &["backoff_factor"],
        kind: Kind::Decimal { least: 1.0, most: 100.0 },
        default: Some("2"),
        environment: &["CODEX_ARCHIVE_RETRY_BACKOFF", "CODEX_ARCHIVE_RETRY_MULTIPLIER"],
        meaning: "What each pause is multiplied by for the next.",
        ..EMPTY
    },
    Key {
        name: "retry.jitter",
        kind: Kind::Share,
        default: Some("0.1"),
        environment: &["CODEX_ARCHIVE_RETRY_JITTER"],
        meaning: "The share of a pause that is left to chance; `true` means 0.1, `false` 0.",
        ..EMPTY
    },
    Key {
        name: "retry.seed",
        kind: Kind::Count { least: 0, most: i64::MAX as u64 },
        environment: &["CODEX_ARCHIVE_RETRY_SEED"],
        meaning: "A seed that makes the jitter repeatable.",
        ..EMPTY
    },
    Key {
        name: "batch.concurrent",
        aliases: &["max_concurrent"],
        kind: Kind::Count { least: 1, most: 64 },
        default: Some("5"),
        environment: &["CODEX_ARCHIVE_BATCH_CONCURRENT"],
        meaning: "How many items of a batch are worked on at once.",
        ..EMPTY
    },
    Key {
        name: "batch.continue_on_error",
        kind: Kind::Switch,
        default: Some("false"),
        environment: &["CODEX_ARCHIVE_BATCH_CONTINUE"],
        meaning: "Whether a batch goes on after an item that failed.",
        ..EMPTY
    },
    Key {
        name: "batch.results_path",
        kind: Kind::Path,
        environment: &["CODEX_ARCHIVE_BATCH_RESULTS"],
        meaning: "The file that a batch's results are written to.",
        ..EMPTY
    },
    Key {
        name: "batch.timeout_per_item",
        kind: Kind::Count { least: 1, most: 86400 },
        default: Some("300"),
        environment: &["CODEX_ARCHIVE_BATCH_TIMEOUT"],
        meaning: "Seconds that one item of a batch may take.",
        ..EMPTY
    },
    Key {
        name: "policy.credentials",
        kind: Kind::Choice { words: &["block", "redact", "warn", "off"], also: &[] },
        default: Some("block"),
        meaning: "What is done about credentials in content that is stored.",
        ..EMPTY
    },
    Key {
        name: "policy.allow",
        kind: Kind::List { least: 0 },
        default: Some("[]"),
        meaning: "Rules of credentials that are not looked for.",
        ..EMPTY
    },
    Key {
        name: "policy.allow_paths",
        kind: Kind::List { least: 0 },
        default: Some("[]"),
        meaning: "Globs of paths in which credentials are let pass, each with `RULE:` before it for one rule alone.",
        ..EMPTY
    },
    Key {
        name: "policy.marker",
        kind: Kind::Text { least: 8, most: 128 },
        default: Some("codex-archive: allow-secret"),
        meaning: "What a line must hold for its credentials to be let pass.",
        ..EMPTY
    },
    Key {
        name: "performance.enabled",
        aliases: &["enable_metrics"],
        kind: Kind::Switch,
        default: Some("true"),
        environment: &["CODEX_ARCHIVE_PERF_ENABLED"],
        meaning: "Whether durations are told in logs, records and `health-check`.",
        ..EMPTY
    },
    Key {
        name: "memory.project",
        kind: Kind::Text { least: 1, most: 256 },
        default: Some("default"),
        environment: &["MEMORY_PROJECT_NAME"],
        meaning: "The project to which entries of memory belong.",
        ..EMPTY
    },
    Key {
        name: "retention.max_age_days",
        kind: DAYS,
        environment: &["RETENTION_MAX_AGE_DAYS"],
        meaning: "Days for which entries of memory are kept.",
        ..EMPTY
    },
    Key {
        name: "retention.max_entries_per_project",
        kind: Kind::Count { least: 1, most: i64::MAX as u64 },
        environment: &["RETENTION_MAX_ENTRIES_PER_PROJECT"],
        meaning: "How many entries of memory are kept of each project: the newest.",
        ..EMPTY
    },
    Key {
        name: "retention.project",
        kind: Kind::Text { least: 1, most: 256 },
        environment: &["RETENTION_PROJECT"],
        flag: Some("--project"),
        meaning: "The project whose entries retention looks at; every project's where unset.",
        ..EMPTY
    },
    Key {
        name: "retention.spike_factor",
        kind: Kind::Decimal { least: 1.0, most: 1000.0 },
        default: Some("2"),
        meaning: "A plan with more candidates than so many times the usual number is a spike.",
        ..EMPTY
    },
    Key {
        name: "retention.spike_share",
        kind: Kind::Decimal { least: 0.0, most: 1.0 },
        default: Some("0.5"),
        meaning: "A plan with more than this share of all there is is a spike.",
        ..EMPTY
    },
    Key {
        name: "retention.spike_least",
        kind: Kind::Count { least: 1, most: i64::MAX as u64 },
        default: Some("10"),
        meaning: "With fewer candidates than this no plan is a spike.",
        ..EMPTY
    },
    Key {
        name: "retention.items.max_age_days",
        kind: DAYS,
        meaning: "Days for which items are kept since they were archived last.",
        ..EMPTY
    },
    Key {
        name: "retention.items.paths",
        kind: Kind::List { least: 1 },
        meaning: "Only items that fit one of these patterns of paths are too old.",
        ..EMPTY
    },
    Key {
        name: "retention.items.tags",
        kind: Kind::List { least: 1 },
        meaning: "Only items with one of these tags are too old.",
        ..EMPTY
    },
];

/// Days for which something is kept: up to a hundred years.
const DAYS: Kind = Kind::Count { least: 1, most: 36_500 };

/// The key `name`, in its own spelling.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key of `section` that is spelled `field`, an alias included.
pub fn find(section: &str, field: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        key.section() == section && (key.field() == field || key.aliases.contains(&field))
    })
}

/// Whether a section of this name exists.
pub fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section() == name)
}

/// Whether a key is set by the variable `name`.
pub fn is_variable(name: &str) -> bool {
    KEYS.iter().any(|key| key.environment.contains(&name))
}

/// Variables of the environment that are read and set no key.
const OTHER_VARIABLES: [&str; 2] = ["CODEX_ARCHIVE_CONFIG", "CODEX_ARCHIVE_SKIP"];

/// Every variable that begins with `CODEX_ARCHIVE_` and means something.
pub fn variables() -> impl Iterator<Item = &'static str> {
    KEYS.iter().flat_map(|key| key.environment.iter().copied()).chain(OTHER_VARIABLES)
}

/// The table as Markdown, for docs/configuration.md.
pub fn markdown() -> String {
    let mut text = String::from("| key | takes | default | environment | meaning |\n");
    text.push_str("|---|---|---|---|---|\n");
    for key in KEYS {
        let spelled = |word: &&str| format!("`{word}`");
        let names: Vec<_> = std::iter::once(&key.name).chain(key.aliases).map(spelled).collect();
        let environment: Vec<_> = key.environment.iter().map(spelled).collect();
        let default = key.default.map_or(String::new(), |it| format!("`{it}`"));
        let takes = key.kind.to_string().replace('|', "\\|");
        text.push_str(&format!(
            "| {} | {takes} | {default} | {} | {} |\n",
            names.join(", "),
            environment.join(", "),
            key.meaning
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut names = HashSet::new();
        for key in KEYS {
            assert!(names.insert(key.name), "{}", key.name);
            assert!(key.meaning.ends_with('.'), "{}", key.name);
            for alias in key.aliases {
                assert!(names.insert(*alias), "{alias}");
            }
            for name in key.environment {
                let known =
                    ["CODEX_", "RETENTION_", "MEMORY_"].iter().any(|it| name.starts_with(it));
                assert!(names.insert(*name) && known, "{name}");
            }
        }
        assert_eq!(markdown().lines().count(), KEYS.len() + 2);
    }
}
