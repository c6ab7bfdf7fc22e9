//! Tests of the layers together.

use std::fs;

use super::*;

fn load(
    top: &Path,
    environment: &[(&str, &str)],
    flags: &[(&'static str, String)],
) -> Result<Config> {
    let environment = Environment::of(environment.iter().copied());
    Config::load(Sources { top: Some(top), file: None, flags, environment })
}

fn problem(text: &str) -> (String, String, Option<String>) {
    match Config::from_text(TRACKED_FILE, text) {
        Err(Error::Config { what, origin, nearest }) => (what, origin, nearest),
        other => panic!("{text:?}: {other:?}"),
    }
}

fn repository(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".codex")).unwrap();
    fs::write(dir.path().join(TRACKED_FILE), text).unwrap();
    dir
}

/// The baseline of the usage guide.
const USAGE: &str = r#"
[backend]
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

/// The baseline of the deployment guide.
const DEPLOYMENT: &str = r#"
[backend]
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

#[test]
fn the_files_of_both_guides_load() {
    assert_eq!(Config::from_text("t", USAGE).unwrap().backend(), BackendKind::Sqlite);
    let config = Config::from_text("t", DEPLOYMENT).unwrap();
    assert_eq!(config.backend(), BackendKind::Postgres);
    let keys: Vec<_> = config.tracked_places().into_iter().map(|it| it.0).collect();
    assert_eq!(keys, ["backend.url", "batch.results_path"]);
}

#[test]
fn each_layer_beats_the_one_below() {
    let dir =
        repository("[batch]\nconcurrent = 1\ntimeout_per_item = 10\n[retry]\nmax_attempts = 9\n");
    let file = dir.path().join("named.toml");
    fs::write(&file, "[batch]\nconcurrent = 2\ntimeout_per_item = 20\n").unwrap();
    let variables = [
        ("CODEX_ARCHIVE_CONFIG", file.to_str().unwrap()),
        ("CODEX_ARCHIVE_BATCH_CONCURRENT", "3"),
        ("CODEX_ARCHIVE_URL", "sqlite:///x.db"),
    ];
    let flags = [("backend.url", "sqlite:///y.db".to_owned())];
    let config = load(dir.path(), &variables, &flags).unwrap();
    let seen: Vec<_> = config
        .values()
        .map(|it| (it.key, it.shown.unwrap_or_default(), it.origin.to_string()))
        .collect();
    for (key, shown, origin) in [
        ("batch.concurrent", "3", "CODEX_ARCHIVE_BATCH_CONCURRENT".to_owned()),
        ("batch.timeout_per_item", "20", format!("{}:3", file.display())),
        ("retry.max_attempts", "9", ".codex/archive.toml:5".to_owned()),
        ("retry.multiplier", "2", "default".to_owned()),
        ("backend.url", "sqlite:///y.db", "--url".to_owned()),
        ("backend.backend", "sqlite", "--url".to_owned()),
        ("repo.label", "", "default".to_owned()),
    ] {
        assert!(seen.contains(&(key, shown.to_owned(), origin)), "{key}: {seen:?}");
    }
    assert!(config.is_tracked("retry.max_attempts") && !config.is_tracked("batch.concurrent"));
}

#[test]
fn getters_read_their_keys() {
    let config = Config::from_text("t", "").unwrap();
    assert_eq!(
        (config.on_missing_archive(), config.on_stub_removed()),
        (Severity::Note, Severity::Error)
    );
    assert!(!config.require_shared() && config.label().is_none());
    let text = "[repo]\nlabel = 'r'\n[hooks]\non_missing_archive = 'error'\non_stub_removed = 'warn'\nrequire_shared = true\n[evidence]\ndir = 'e'";
    let config = Config::from_text("t", text).unwrap();
    assert_eq!(
        (config.on_missing_archive(), config.on_stub_removed()),
        (Severity::Error, Severity::Warning)
    );
    assert!(config.require_shared());
    assert_eq!(config.label().map(RepoLabel::as_str), Some("r"));
    assert_eq!(config.evidence_dir(Path::new("/r")).unwrap().unwrap(), Path::new("/r/e"));
    assert!(config.values().filter_map(|it| it.shown).all(|it| !it.is_empty()));
}

#[test]
fn mistakes_are_named_with_line_and_neighbour() {
    let near = |text: &str| problem(text).2.unwrap_or_default();
    assert_eq!(
        problem("[repo]\nlabel = 'a'\n\n[backend]\nurll = 'x'\n"),
        (
            "there is no key `backend.urll`".into(),
            ".codex/archive.toml:5".into(),
            Some("backend.url".into())
        )
    );
    assert_eq!(near("label = 'x'"), "repo.label");
    assert_eq!(near("[bakend]\nurl = 'x'"), "backend.url");
    assert_eq!(near("[hook]"), "hooks");
    let (what, origin, _) = problem("[batch]\n\nconcurrent = 0");
    assert_eq!(what, "`batch.concurrent` is wrong: it takes a whole number from 1 to 64, not `0`");
    assert_eq!(origin, ".codex/archive.toml:3");
    assert_eq!(problem("\n[repo\n").1, ".codex/archive.toml:2");
    let (what, origin, _) = problem("[batch]\nconcurrent = 1\nmax_concurrent = 2");
    assert_eq!(
        (what.as_str(), origin.as_str()),
        ("`batch.concurrent` is set twice", ".codex/archive.toml:2 and .codex/archive.toml:3")
    );
    // The first mistake of the file comes first, not the first by name.
    assert_eq!(problem("[retry]\nz = 1\n[batch]\na = 1").1, ".codex/archive.toml:2");
}

#[test]
fn a_backend_that_disagrees_names_both_origins() {
    let dir = repository("[backend]\ntype = 'sqlite'\n");
    let error =
        load(dir.path(), &[("CODEX_ARCHIVE_URL", "postgres://u:s3cr@h/d")], &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("(.codex/archive.toml:2 and CODEX_ARCHIVE_URL)"), "{text}");
    assert!(!text.contains("s3cr"), "{text}");
    assert_eq!(error.kind().exit_code(), 8);
}

#[test]
fn two_environment_names_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        |one, other| [("CODEX_ARCHIVE_RETRY_MAX", one), ("CODEX_ARCHIVE_RETRY_ATTEMPTS", other)];
    assert!(load(dir.path(), &names("5", "5"), &[]).is_ok());
    let text = load(dir.path(), &names("5", "6"), &[]).unwrap_err().to_string();
    assert!(text.contains("CODEX_ARCHIVE_RETRY_MAX and CODEX_ARCHIVE_RETRY_ATTEMPTS"), "{text}");
    // Empty means unset, as in a CI file that passes on what it may not have.
    assert!(load(dir.path(), &[("CODEX_ARCHIVE_RETRY_MAX", "")], &[]).is_ok());
    assert!(load(dir.path(), &[("CODEX_ARCHIVE_RETRY_MAX", "many")], &[]).is_err());
}

#[test]
fn odd_files_are_refused() {
    let dir = repository("");
    let path = dir.path().join(TRACKED_FILE);
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(load(dir.path(), &[], &[]).unwrap_err().to_string().contains("1 MiB"));
    fs::write(&path, b"# a\n# \xff\n").unwrap();
    assert!(load(dir.path(), &[], &[]).unwrap_err().to_string().contains("archive.toml:2"));
    fs::write(&path, "[".repeat(100_000)).unwrap();
    assert!(load(dir.path(), &[], &[]).is_err());

    let outside = repository("[repo]\nlabel = 'evil'\n");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(outside.path().join(TRACKED_FILE), &path).unwrap();
    assert_eq!(load(dir.path(), &[], &[]).unwrap_err().kind().exit_code(), 6);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("../inside.toml", &path).unwrap();
    fs::write(dir.path().join("inside.toml"), "[repo]\nlabel = 'ok'\n").unwrap();
    assert!(load(dir.path(), &[], &[]).unwrap().label().is_some());
    fs::remove_dir_all(dir.path().join(".codex")).unwrap();
    assert!(load(dir.path(), &[], &[]).unwrap().label().is_none());
}

#[test]
fn no_secret_is_shown() {
    let config =
        Config::from_text("t", "[backend]\nurl = 'postgres://u:s3cr@h/d?password=s3cr'").unwrap();
    let shown: Vec<_> = config.values().collect();
    assert!(!format!("{shown:?} {config:?}").contains("s3cr"));
    let environment = Environment::of([("CODEX_ARCHIVE_URL", "s3cr"), ("HOME", "/")]);
    assert_eq!(format!("{environment:?}"), "{\"CODEX_ARCHIVE_URL\"}");
    for url in ["postgres:s3cr", "postgres://u:s3cr/x@h/d", "odbc://s3cr", "sqlite://s3cr/x"] {
        let (what, ..) = problem(&format!("[backend]\nurl = '{url}'"));
        assert!(!what.contains("s3cr"), "{what}");
    }
}

#[test]
fn a_named_file_must_be_there() {
    let missing = Path::new("/nowhere/at/all.toml");
    let environment = Environment::of([("CODEX_ACTOR", "ann")]);
    assert_eq!(environment.actor().as_deref(), Some("ann"));
    let sources = Sources { top: None, file: Some(missing), flags: &[], environment };
    assert_eq!(Config::load(sources).unwrap_err().kind().exit_code(), 8);
}
