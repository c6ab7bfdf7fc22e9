//! Every key, in every spelling, from every layer: accepted, and shown with its origin.

use std::collections::BTreeSet;
use std::fs;

use codex_archive::config::KEYS;
use serde_json::Value;

use crate::common::{Outcome, TestRepo};

/// One key of the documentation. Each of its values has a text for files, one for the environment,
/// and one in which it is shown.
struct Row {
    key: &'static str,
    also: &'static [&'static str],
    environment: &'static [&'static str],
    values: [(&'static str, &'static str, &'static str); 3],
}

const fn row(
    key: &'static str,
    also: &'static [&'static str],
    environment: &'static [&'static str],
    values: [(&'static str, &'static str, &'static str); 3],
) -> Row {
    Row { key, also, environment, values }
}

const fn same(
    text: &'static str,
    quoted: &'static str,
) -> (&'static str, &'static str, &'static str) {
    (quoted, text, text)
}

/// The names of the design, which both guides and all examples keep to.
const ROWS: &[Row] = &[
    row(
        "repo.label",
        &[],
        &[],
        [same("one", "'one'"), same("two", "'two'"), same("three", "'three'")],
    ),
    row(
        "backend.backend",
        &["type"],
        &["CODEX_ARCHIVE_BACKEND"],
        [same("sqlite", "'sqlite'"), same("sqlite", "'sqlite'"), same("sqlite", "'sqlite'")],
    ),
    row(
        "backend.url",
        &[],
        &["CODEX_ARCHIVE_URL"],
        [
            same("sqlite:///one.db", "'sqlite:///one.db'"),
            same("sqlite:////two.db", "'sqlite:////two.db'"),
            same("sqlite:///./three.db", "'sqlite:///./three.db'"),
        ],
    ),
    row(
        "backup.dest",
        &[],
        &[],
        [same("one", "'one'"), same("/two", "'/two'"), same("../three", "'../three'")],
    ),
    row("backup.keep", &[], &[], [same("1", "1"), same("3", "3"), same("100000", "100000")]),
    row(
        "backup.prune",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "backup.mount_check",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "backup.encrypt",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "backup.drill_spot_days",
        &[],
        &[],
        [same("1", "1"), same("35", "35"), same("36500", "36500")],
    ),
    row(
        "backup.drill_full_days",
        &[],
        &[],
        [same("1", "1"), same("100", "100"), same("36500", "36500")],
    ),
    row(
        "backup.drill_checklist",
        &[],
        &[],
        [
            same("docs/drills.md", "'docs/drills.md'"),
            same("/two.md", "'/two.md'"),
            same("../three.md", "'../three.md'"),
        ],
    ),
    row(
        "backup.suffix",
        &[],
        &[],
        [same("prod", "'prod'"), same("a_1", "'a_1'"), same("x.y", "'x.y'")],
    ),
    row(
        "bundle.name",
        &[],
        &[],
        [same("shop", "'shop'"), same("a_1", "'a_1'"), same("x.y", "'x.y'")],
    ),
    row("bundle.env", &[], &[], [same("prod", "'prod'"), same("dev", "'dev'"), same("x", "'x'")]),
    row(
        "bundle.output_dir",
        &[],
        &[],
        [same("one", "'one'"), same("/two", "'/two'"), same("../three", "'../three'")],
    ),
    row(
        "bundle.exclude",
        &[],
        &[],
        [
            same("[\"docs\"]", "['docs']"),
            same("[]", "[]"),
            same("[\"docs\", \"*.md\"]", "['docs','*.md']"),
        ],
    ),
    row(
        "bundle.stubs",
        &[],
        &[],
        [same("leave", "'leave'"), same("drop", "'drop'"), same("fill", "'fill'")],
    ),
    row("bundle.keep", &[], &[], [same("1", "1"), same("3", "3"), same("100000", "100000")]),
    row(
        "bundle.prune",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "bundle.sign",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "bundle.docker_tag_prefix",
        &[],
        &[],
        [same("app", "'app'"), same("acme/app", "'acme/app'"), same("h:5000/a", "'h:5000/a'")],
    ),
    row(
        "evidence.dir",
        &[],
        &["CODEX_EVIDENCE_DIR"],
        [same("one", "'one'"), same("/two", "'/two'"), same("../three", "'../three'")],
    ),
    row(
        "evidence.sign",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row("governance.approval_ttl", &[], &[], [same("1", "1"), same("7", "7"), same("30", "30")]),
    row(
        "governance.assurance",
        &[],
        &[],
        [
            same("attested", "'attested'"),
            same("signed", "'signed'"),
            same("attested", "'attested'"),
        ],
    ),
    row("governance.restore_approvals", &[], &[], [same("2", "2"), same("3", "3"), same("4", "4")]),
    row(
        "governance.separation",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "hooks.on_missing_archive",
        &[],
        &[],
        [same("note", "'note'"), ("'warning'", "", "warn"), same("error", "'error'")],
    ),
    row(
        "hooks.on_stub_removed",
        &[],
        &[],
        [same("error", "'error'"), same("warn", "'warn'"), same("error", "'error'")],
    ),
    row(
        "hooks.require_shared",
        &[],
        &[],
        [same("true", "true"), same("false", "false"), same("true", "true")],
    ),
    row(
        "logging.level",
        &[],
        &["CODEX_ARCHIVE_LOG_LEVEL"],
        [same("error", "'error'"), ("'warn'", "warn", "warning"), same("warning", "'warning'")],
    ),
    row(
        "logging.format",
        &[],
        &["CODEX_ARCHIVE_LOG_FORMAT"],
        [same("text", "'text'"), same("json", "'json'"), same("text", "'text'")],
    ),
    row(
        "logging.file",
        &[],
        &["CODEX_ARCHIVE_LOG_FILE"],
        [
            same("one.log", "'one.log'"),
            same("two.log", "'two.log'"),
            same("three.log", "'three.log'"),
        ],
    ),
    row(
        "retry.enabled",
        &[],
        &["CODEX_ARCHIVE_RETRY_ENABLED"],
        [("true", "1", "true"), ("false", "off", "false"), ("true", "yes", "true")],
    ),
    row(
        "retry.max_attempts",
        &[],
        &["CODEX_ARCHIVE_RETRY_MAX", "CODEX_ARCHIVE_RETRY_ATTEMPTS"],
        [same("4", "4"), same("5", "5"), same("100", "100")],
    ),
    row(
        "retry.initial_delay",
        &[],
        &["CODEX_ARCHIVE_RETRY_INITIAL"],
        [("1.0", "1.0", "1"), same("0.5", "0.5"), same("2", "2")],
    ),
    row(
        "retry.max_delay",
        &[],
        &["CODEX_ARCHIVE_RETRY_MAX_DELAY"],
        [("32.0", "32.0", "32"), same("16", "16"), same("86400", "86400")],
    ),
    row(
        "retry.multiplier",
        &["backoff_factor"],
        &["CODEX_ARCHIVE_RETRY_BACKOFF", "CODEX_ARCHIVE_RETRY_MULTIPLIER"],
        [same("1.5", "1.5"), ("3.0", "3.0", "3"), same("100", "100")],
    ),
    row(
        "retry.jitter",
        &[],
        &["CODEX_ARCHIVE_RETRY_JITTER"],
        [("true", "true", "0.1"), same("0.25", "0.25"), ("false", "off", "0")],
    ),
    row(
        "retry.seed",
        &[],
        &["CODEX_ARCHIVE_RETRY_SEED"],
        [same("0", "0"), same("7", "7"), same("42", "42")],
    ),
    row(
        "batch.concurrent",
        &["max_concurrent"],
        &["CODEX_ARCHIVE_BATCH_CONCURRENT"],
        [same("1", "1"), same("10", "10"), same("64", "64")],
    ),
    row(
        "batch.continue_on_error",
        &[],
        &["CODEX_ARCHIVE_BATCH_CONTINUE"],
        [("true", "true", "true"), ("false", "no", "false"), ("true", "on", "true")],
    ),
    row(
        "batch.results_path",
        &[],
        &["CODEX_ARCHIVE_BATCH_RESULTS"],
        [
            same("one.json", "'one.json'"),
            same("/two.json", "'/two.json'"),
            same("a b.json", "'a b.json'"),
        ],
    ),
    row(
        "batch.timeout_per_item",
        &[],
        &["CODEX_ARCHIVE_BATCH_TIMEOUT"],
        [same("10", "10"), same("600", "600"), same("86400", "86400")],
    ),
    row(
        "policy.credentials",
        &[],
        &[],
        [same("warn", "'warn'"), same("off", "'off'"), same("redact", "'redact'")],
    ),
    row(
        "policy.allow",
        &[],
        &[],
        [
            same("[\"jwt\"]", "['jwt']"),
            same("[]", "[]"),
            same("[\"jwt\", \"url-password\"]", "['jwt','url-password']"),
        ],
    ),
    row(
        "policy.allow_paths",
        &[],
        &[],
        [same("[\"a/\"]", "['a/']"), same("[]", "[]"), same("[\"jwt:*.md\"]", "['jwt:*.md']")],
    ),
    row(
        "policy.marker",
        &[],
        &[],
        [
            same("no secret", "'no secret'"),
            same("let-pass", "'let-pass'"),
            same("allowed!", "'allowed!'"),
        ],
    ),
    row(
        "performance.enabled",
        &["enable_metrics"],
        &["CODEX_ARCHIVE_PERF_ENABLED"],
        [("false", "disabled", "false"), ("true", "enabled", "true"), ("false", "0", "false")],
    ),
    row(
        "memory.project",
        &[],
        &["MEMORY_PROJECT_NAME"],
        [same("one", "'one'"), same("t w o", "'t w o'"), same("ü", "'ü'")],
    ),
    row(
        "retention.max_age_days",
        &[],
        &["RETENTION_MAX_AGE_DAYS"],
        [same("1", "1"), same("30", "30"), same("36500", "36500")],
    ),
    row(
        "retention.max_entries_per_project",
        &[],
        &["RETENTION_MAX_ENTRIES_PER_PROJECT"],
        [same("1", "1"), same("200", "200"), same("7", "7")],
    ),
    row(
        "retention.project",
        &[],
        &["RETENTION_PROJECT"],
        [same("one", "'one'"), same("t w o", "'t w o'"), same("3", "'3'")],
    ),
    row("retention.spike_factor", &[], &[], [same("1", "1"), same("2.5", "2.5"), same("9", "9")]),
    row("retention.spike_share", &[], &[], [same("0", "0"), same("0.5", "0.5"), same("1", "1")]),
    row("retention.spike_least", &[], &[], [same("1", "1"), same("10", "10"), same("99", "99")]),
    row(
        "retention.items.max_age_days",
        &[],
        &[],
        [same("1", "1"), same("9", "9"), same("99", "99")],
    ),
    row(
        "retention.items.paths",
        &[],
        &[],
        [same("[\"a/*\"]", "['a/*']"), same("[\"b\"]", "['b']"), same("[\"c\"]", "['c']")],
    ),
    row(
        "retention.items.tags",
        &[],
        &[],
        [same("[\"a\"]", "['a']"), same("[\"b\", \"c\"]", "['b','c']"), same("[\"d\"]", "['d']")],
    ),
];

impl Row {
    fn section(&self) -> &'static str {
        self.key.split_once('.').unwrap().0
    }

    fn spellings(&self) -> Vec<&'static str> {
        let own = self.key.split_once('.').unwrap().1;
        std::iter::once(own).chain(self.also.iter().copied()).collect()
    }

    /// A file that sets this key alone to its value `n`, on line 2.
    fn toml(&self, spelling: &str, n: usize) -> String {
        format!("[{}]\n{spelling} = {}\n", self.section(), self.values[n].0)
    }
}

/// A repository whose URL nobody sets.
fn repository() -> TestRepo {
    TestRepo::new().env("CODEX_ARCHIVE_URL", "")
}

/// Value and origin of a key.
#[track_caller]
fn shown(outcome: &Outcome, key: &str) -> (String, String) {
    let told = outcome.json();
    let line = told["keys"].as_array().unwrap().iter().find(|line| line["key"] == key);
    let line = line.unwrap_or_else(|| panic!("no `{key}`:\n{outcome}"));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (word(&line["value"]), word(&line["origin"]))
}

#[track_caller]
fn shows(repo: &TestRepo, key: &str, value: &str, origin: &str) {
    let outcome = repo.archive(["config-show", "--origin", "--json"]).ok();
    assert_eq!(shown(&outcome, key), (value.to_owned(), origin.to_owned()), "{key}");
}

#[test]
fn the_table_has_every_key_and_every_name() {
    let keys: Vec<_> = ROWS.iter().map(|row| row.key).collect();
    assert_eq!(keys, KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    for (row, key) in ROWS.iter().zip(KEYS) {
        assert_eq!((row.also, row.environment), (key.aliases, key.environment), "{}", row.key);
    }
    // The names of product and guides, written out once more.
    let names: BTreeSet<_> = ROWS.iter().flat_map(|row| row.environment.iter().copied()).collect();
    for name in "BACKEND URL LOG_LEVEL LOG_FORMAT LOG_FILE RETRY_ENABLED RETRY_MAX RETRY_ATTEMPTS \
                 RETRY_INITIAL RETRY_MAX_DELAY RETRY_BACKOFF RETRY_MULTIPLIER RETRY_JITTER \
                 RETRY_SEED BATCH_CONCURRENT BATCH_CONTINUE BATCH_RESULTS BATCH_TIMEOUT \
                 PERF_ENABLED"
        .split_whitespace()
    {
        assert!(names.contains(format!("CODEX_ARCHIVE_{name}").as_str()), "{name}");
    }
}

#[test]
fn every_spelling_of_every_key_in_a_file() {
    let repo = repository();
    for row in ROWS {
        for spelling in row.spellings() {
            for n in 0..3 {
                repo.file(".codex/archive.toml", row.toml(spelling, n));
                shows(&repo, row.key, row.values[n].2, ".codex/archive.toml:2");
            }
        }
    }
}

#[test]
fn every_name_of_the_environment() {
    let repo = repository();
    for row in ROWS {
        for name in row.environment {
            for (_, text, value) in row.values {
                shows(&repo.env(name, text), row.key, value, name);
            }
        }
    }
}

/// The lowest layer has every key; each higher one takes over one key, and leaves the others.
#[test]
fn layer_over_layer_key_by_key() {
    let repo = repository();
    let all: String = ROWS.iter().map(|row| row.toml(row.spellings()[0], 0)).collect();
    // A section may stand in a file once.
    let mut sections: Vec<&str> = ROWS.iter().map(Row::section).collect();
    sections.dedup();
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("[{section}]\n"));
        let head = format!("[{section}]\n");
        let lines = all.split(&head).skip(1).filter_map(|rest| rest.lines().next());
        lines.for_each(|line| text.push_str(&format!("{line}\n")));
    }
    repo.file(".codex/archive.toml", &text);
    let named = repo.world.path("named.toml");
    for (n, row) in ROWS.iter().enumerate() {
        let other = &ROWS[(n + 4) % ROWS.len()];
        let tracked = |outcome: &Outcome, row: &Row| {
            let (value, origin) = shown(outcome, row.key);
            assert_eq!(value, row.values[0].2, "{}", row.key);
            assert!(origin.starts_with(".codex/archive.toml:"), "{}: {origin}", row.key);
        };
        let plain = repo.archive(["config-show", "--json"]).ok();
        tracked(&plain, row);
        fs::write(&named, row.toml(row.spellings()[0], 1)).unwrap();
        let file = named.to_str().unwrap();
        let by_option = repo.archive(["config-show", "--json", "--config", file]).ok();
        let from_named = (row.values[1].2.to_owned(), format!("{file}:2"));
        assert_eq!(shown(&by_option, row.key), from_named, "{}", row.key);
        tracked(&by_option, other);
        let with_file = repo.env("CODEX_ARCHIVE_CONFIG", file);
        let by_name = with_file.archive(["config-show", "--json"]).ok();
        assert_eq!(shown(&by_name, row.key), from_named, "{}", row.key);
        for name in row.environment {
            let both = with_file.env(name, row.values[2].1);
            let both = both.archive(["config-show", "--json"]).ok();
            let from_environment = (row.values[2].2.to_owned(), (*name).to_owned());
            assert_eq!(shown(&both, row.key), from_environment, "{}", row.key);
            tracked(&both, other);
        }
    }
}

#[test]
fn the_option_beats_the_variable_and_says_so() {
    let repo = repository();
    let other = repo.world.path("other.toml");
    fs::write(&other, "[batch]\nconcurrent = 7\n").unwrap();
    let with_file = repo.env("CODEX_ARCHIVE_CONFIG", "/nowhere/at/all.toml");
    let file = other.to_str().unwrap();
    let told = with_file.archive(["config-show", "--json", "--config", file]).ok();
    assert_eq!(shown(&told, "batch.concurrent"), ("7".to_owned(), format!("{file}:2")));
    with_file.archive(["config-show"]).fails(8).says("/nowhere/at/all.toml:1");
}

#[test]
fn it_is_found_from_the_top_wherever_one_stands() {
    let repo = repository();
    repo.file(".codex/archive.toml", "[batch]\nconcurrent = 9\n").file("a/b/c.py", "x\n");
    repo.file("a/b/.codex/archive.toml", "[batch]\nconcurrent = 1\n");
    for folder in [".", "a", "a/b", ".codex"] {
        shows(&repo.at(folder), "batch.concurrent", "9", ".codex/archive.toml:2");
    }
    repo.commit("one");
    let linked = repo.worktree("linked");
    shows(&linked.at("a"), "batch.concurrent", "9", ".codex/archive.toml:2");
}

#[test]
fn a_bad_value_names_its_file_and_line() {
    let repo = repository();
    for row in ROWS {
        for spelling in row.spellings() {
            let text = format!("# one\n\n[{}]\n{spelling} = [1]\n", row.section());
            repo.file(".codex/archive.toml", text);
            let said = repo.archive(["config-show"]).fails(8);
            said.clone().says(&format!("`{}` is wrong", row.key)).says("(.codex/archive.toml:4)");
            assert_eq!(said.hint(), "${EDITOR:-vi} +4 .codex/archive.toml");
        }
    }
}

#[test]
fn a_bad_value_of_the_environment_names_the_variable() {
    let repo = repository();
    for row in ROWS
        .iter()
        .filter(|row| !["evidence.dir", "logging.file", "batch.results_path"].contains(&row.key))
    {
        // Variables without our prefix belong to others too, who may mean something else by them.
        for name in row.environment.iter().filter(|name| name.starts_with("CODEX_")) {
            let said = repo.env(name, "no such thing").archive(["config-show"]).fails(8);
            said.clone().says(&format!("`{}` is wrong", row.key)).says(&format!("({name})"));
            assert_eq!(said.hint(), format!("unset {name}"));
        }
    }
    for name in ROWS.iter().flat_map(|row| row.environment) {
        repo.env(name, "").archive(["config-show"]).ok();
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let repo = repository();
    for row in ROWS {
        for spelling in row.spellings() {
            let typo = format!("{spelling}x");
            repo.file(".codex/archive.toml", format!("[{}]\n{typo} = 1\n", row.section()));
            let said = repo.archive(["config-show"]).fails(8);
            said.clone().says(&format!("there is no key `{}.{typo}`", row.section()));
            said.clone().says("(.codex/archive.toml:2)");
            assert_eq!(said.hint(), format!("`{}` exists", row.key), "{said}");
        }
    }
}

/// Other programs may use such names too, so they are no error.
#[test]
fn an_unknown_variable_is_told() {
    let repo = repository().env("CODEX_ARCHIVE_LOGLEVEL", "debug");
    let told = repo.archive(["config-show"]).ok();
    let words = "warning: the variable `CODEX_ARCHIVE_LOGLEVEL` means nothing here, \
                 `CODEX_ARCHIVE_LOG_LEVEL` does";
    assert!(told.stderr.contains(words), "{told}");
    let told = repo.archive(["config-show", "--json"]).ok().json();
    assert_eq!(told["unknown_variables"], serde_json::json!(["CODEX_ARCHIVE_LOGLEVEL"]));
    let known = repository().env("CODEX_ARCHIVE_SKIP", "1").env("CODEX_ACTOR", "ann");
    assert_eq!(known.archive(["config-show"]).ok().stderr, "");
}

#[test]
fn two_spellings_of_one_key_at_once() {
    let repo = repository();
    repo.file(".codex/archive.toml", "[batch]\nconcurrent = 2\nmax_concurrent = 3\n");
    let said = repo.archive(["config-show"]).fails(8);
    said.says("`batch.concurrent` is set twice (.codex/archive.toml:2 and .codex/archive.toml:3)");
    repo.file(".codex/archive.toml", "");
    let both = repo.env("CODEX_ARCHIVE_RETRY_MAX", "2").env("CODEX_ARCHIVE_RETRY_ATTEMPTS", "3");
    let said = both.archive(["config-show"]).fails(8);
    said.says("(CODEX_ARCHIVE_RETRY_MAX and CODEX_ARCHIVE_RETRY_ATTEMPTS)");
}

#[test]
fn a_backend_that_is_not_the_urls_names_both() {
    let repo = repository();
    repo.file(".codex/archive.toml", "[backend]\ntype = \"sqlite\"\n");
    let url = "postgres://archive:s3cr3t@db.example/archive";
    let said = repo.env("CODEX_ARCHIVE_URL", url).archive(["config-show"]).fails(8);
    said.clone().says("(.codex/archive.toml:2 and CODEX_ARCHIVE_URL)").says_not("s3cr3t");
    repo.file(".codex/archive.toml", "");
    let said = repo.env("CODEX_ARCHIVE_BACKEND", "mariadb").archive(["config-show"]).fails(8);
    said.says("(CODEX_ARCHIVE_BACKEND and default)");
    for (backend, url) in [
        ("postgres", "postgres://u@h/d"),
        ("postgresql", "postgresql://u@h/d"),
        ("mariadb", "mysql://u@h/d"),
        ("mysql", "mariadb://u@h/d"),
        ("sqlite", "sqlite:///x.db"),
    ] {
        let both = repo.env("CODEX_ARCHIVE_BACKEND", backend).env("CODEX_ARCHIVE_URL", url);
        both.archive(["config-show"]).ok().says(url);
    }
}

/// The files that were written for earlier versions of this archive, word for word.
const DEPLOYED: &str = r#"[backend]
backend = "postgres"
url = "postgresql://codex:***@archive-prod/db"

[logging]
level = "info"
format = "json"

[retry]
max_attempts = 4
initial_delay = 1.0

[batch]
results_path = "/var/log/codex/archive/batch_results.json"

[performance]
enabled = true
"#;

const DECLARED: &str = r#"[backend]
type = "sqlite"
url = "sqlite:///./.codex/archive.sqlite"

[logging]
level = "info"
format = "json"

[retry]
enabled = true
max_attempts = 3
initial_delay = 1.0
max_delay = 32.0

[batch]
max_concurrent = 5
continue_on_error = false

[performance]
enable_metrics = true
"#;

const SANDBOX: &str = r#"[backend]
type = "sqlite"
url = "sqlite:///./.codex/archive.sqlite"
[logging]
level = "debug"
format = "text"
"#;

#[test]
fn files_of_earlier_versions_are_accepted() {
    for (text, backend, url, set) in [
        (DEPLOYED, "postgres", "postgresql://codex:***@archive-prod/db", 8),
        (DECLARED, "sqlite", "sqlite:///./.codex/archive.sqlite", 11),
        (SANDBOX, "sqlite", "sqlite:///./.codex/archive.sqlite", 4),
    ] {
        let repo = repository();
        repo.file(".codex/archive.toml", text);
        let told = repo.archive(["config-show", "--origin", "--json"]).ok();
        assert_eq!(
            (told.json()["backend"].as_str(), told.json()["url"].as_str()),
            (Some(backend), Some(url))
        );
        let keys = told.json()["keys"].as_array().unwrap().clone();
        let from_file = |line: &&Value| line["origin"].as_str().unwrap().starts_with(".codex/");
        assert_eq!(keys.iter().filter(from_file).count(), set, "{told}");
        for line in keys.iter().filter(from_file) {
            let origin = line["origin"].as_str().unwrap();
            let number: usize = origin.rsplit(':').next().unwrap().parse().unwrap();
            let written = text.lines().nth(number - 1).unwrap();
            let row = ROWS.iter().find(|row| line["key"] == row.key).unwrap();
            assert!(
                row.spellings().iter().any(|it| written.starts_with(it)),
                "{origin}: {written}"
            );
        }
        let seen = repo.archive(["config-show"]).ok();
        seen.clone().says("=== Archive Configuration ===").says(&format!("Backend: {backend}"));
        seen.says(&format!("URL: {url} (credentials redacted)"));
    }
}

#[test]
fn the_environment_of_the_guides() {
    let repo = repository();
    repo.file(".codex/archive.toml", DEPLOYED);
    let set = repo
        .env("CODEX_ARCHIVE_URL", "postgresql://codex:s3cr3t@db.prod/db")
        .env("CODEX_ARCHIVE_LOG_LEVEL", "warning");
    let told = set.archive(["config-show", "--origin", "--json"]).ok();
    let expected = ("postgresql://codex:***@db.prod/db".to_owned(), "CODEX_ARCHIVE_URL".to_owned());
    assert_eq!(shown(&told, "backend.url"), expected);
    assert_eq!(shown(&told, "logging.level").1, "CODEX_ARCHIVE_LOG_LEVEL");
    let bulk = repository()
        .env("CODEX_ARCHIVE_BACKEND", "postgres")
        .env("CODEX_ARCHIVE_URL", "postgres://archive:s3cr3t@db.prod.example.com/archive")
        .env("CODEX_ARCHIVE_RETRY_ENABLED", "true")
        .env("CODEX_ARCHIVE_RETRY_MAX", "5");
    let told = bulk.archive(["config-show"]).ok();
    told.says("Retry: enabled (5 attempts)").says_not("s3cr3t");
}
