//! Passwords: in no error, no other process's sight, no evidence, no output.

use std::ffi::OsString;
use std::fs;

use super::harness::{archived, readers, tries_with};
use crate::common::{TestRepo, have, run};
use crate::score::Score;

const SECRET: &str = "hunter2";

/// URLs with it, as people write them.
const URLS: &[&str] = &[
    "postgres://app:hunter2@db.example.com/x",
    "postgres://app:hunter2@db.example.com:5432/x?sslmode=require",
    "postgres://app@db.example.com/x?password=hunter2",
    "postgres://app:p@ss/hunter2@db.example.com/x",
    "postgres://app:%68unter2:hunter2@db/x",
    "postgresql://:hunter2@db/x",
    "mysql://app:hunter2@db.example.com/x",
    "mariadb://app:hunter2@[::1]:3306/x",
    "postgres://app:hunter2@",
    "postgres://app:hunter2",
    "app:hunter2@db.example.com/x",
    "http://app:hunter2@db.example.com/x",
    "sqlite://app:hunter2@db.example.com/x",
    "postgres:app:hunter2@db/x",
    "postgres:/app:hunter2@db/x",
    "POSTGRES://app:hunter2@db/x",
    "postgres://app:hunter2@db/x#hunter2",
];

fn told(repo: &TestRepo, line: &[OsString], environment: &[(&str, &str)]) -> Result<(), String> {
    let tried = tries_with(repo, line, environment, b"");
    tried.is_civil()?;
    if tried.outcome.said(SECRET) { Err(tried.outcome.to_string()) } else { Ok(()) }
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

#[test]
fn a_password_is_shown_nowhere() {
    let mut score = Score::of("attack: secrets");
    let (repo, id) = archived();
    let lines = [
        "config-show --origin",
        "config-show --origin --json",
        "config-show --debug",
        "status",
        "health-check --json",
        "list --debug",
        "init --verbose",
        "init --trust --debug",
        "store _codex_ src/live.py --reason dead --debug",
        "restore src/old.py x --verbose",
        "hook pre-commit",
        "verify --all --debug",
    ];
    for (n, url) in super::harness::some(URLS) {
        for line in super::harness::portion(lines.to_vec(), n) {
            let held = told(&repo, &words(line), &[("CODEX_ARCHIVE_URL", url)]);
            score.note(format!("environment {url}, {line}"), held);
        }
        let init = ["init".into(), "--url".into(), OsString::from(url)];
        score.note(format!("option {url}"), told(&repo, &init, &[]));
        for text in [
            format!("[backend]\nurl = \"{url}\"\n"),
            format!("[backend]\nbackend = \"{url}\"\n"),
            format!("[backend]\nurl = [\"{url}\"]\n"),
            format!("[backend]\nurl = \"{url}\n"),
        ] {
            repo.file(".codex/archive.toml", &text);
            for line in super::harness::portion(lines.to_vec(), n) {
                score.note(format!("{text:?}, {line}"), told(&repo, &words(line), &[]));
            }
        }
        repo.git(["checkout", "-q", "--", ".codex/archive.toml"]).ok();
    }
    let _ = repo.git(["reset", "-q", "--hard"]);
    // A remote with a password in it is git's, and stays git's.
    repo.git(["remote", "add", "origin", "https://me:hunter2@example.invalid/x.git"]).ok();
    repo.git(["config", "branch.main.remote", "https://me:hunter2@example.invalid/x.git"]).ok();
    repo.git(["config", "http.extraHeader", "Authorization: hunter2"]).ok();
    for line in readers(&id) {
        let line: Vec<OsString> = line.into_iter().map(OsString::from).collect();
        score.note(format!("remote, {line:?}"), told(&repo, &line, &[]));
    }
    let mut found = Vec::new();
    for name in ["codex-archive/archive_ops.jsonl", "codex-archive/archive.sqlite"] {
        let bytes = fs::read(repo.common_dir().join(name)).unwrap();
        if bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
            found.push(name);
        }
    }
    score.note("evidence", if found.is_empty() { Ok(()) } else { Err(format!("{found:?}")) });
    in_sight_of_others(&repo, &mut score);
    score.finish(80);
}

/// What `ps` shows of our children.
fn in_sight_of_others(repo: &TestRepo, score: &mut Score) {
    if !have("strace") {
        return;
    }
    for line in ["status", "store _codex_ src/live.py --reason dead", "init", "health-check"] {
        let log = repo.world.path("strace.log");
        let mut strace = repo.world.command("strace", &repo.top);
        strace.env("CODEX_ARCHIVE_URL", URLS[0]);
        strace.args(["-f", "-s", "4096", "-e", "trace=execve", "-o"]).arg(&log);
        strace.arg("git-codex-archive").args(line.split(' '));
        let _ = run(strace, None);
        let shown = fs::read_to_string(&log).unwrap_or_default().contains(SECRET);
        score.note(format!("ps, {line}"), if shown { Err("shown".to_owned()) } else { Ok(()) });
    }
}
