//! The playbooks of the operations page, run as they stand.

use std::fs;
use std::path::Path;

use crate::common::strace::{can_trace, fault_was_met, with_fault};
use crate::common::{TestRepo, have, is_embedded};

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    fs::read_to_string(page).unwrap()
}

/// The lines that the section `title` lets people type.
fn lines(title: &str) -> Vec<String> {
    let text = page();
    let found = text.split("\n## ").find(|part| part.lines().next() == Some(title));
    let section = found.unwrap_or_else(|| panic!("the page has no section {title}"));
    let blocks = section.split("\n```sh\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    let lines: Vec<String> = blocks.flat_map(|it| it.lines().map(str::to_owned)).collect();
    assert!(!lines.is_empty(), "{title} has nothing to run");
    lines
}

/// The script of a section: each line must end with the code that stands behind it.
fn script(lines: &[String]) -> String {
    let mut out = String::from("set -uo pipefail\n");
    for line in lines {
        let code = line.split_once("# exit ").map_or("0", |(_, code)| code.trim());
        let quoted = line.replace('\'', "'\\''");
        out.push_str(&format!(
            "{line}\ncode=$?; [ $code = {code} ] || {{ echo '{quoted}' ended with $code >&2; exit 99; }}\n"
        ));
    }
    out
}

/// Types a section in `repo`; what was said.
#[track_caller]
fn play(repo: &TestRepo, title: &str) -> String {
    repo.file("../play.sh", script(&lines(title)));
    repo.types("bash ../play.sh").ok().to_string()
}

fn is_possible() -> bool {
    have("jq") && have("sqlite3") && is_embedded()
}

/// A repository with two items, an entry and a backup.
fn ready() -> TestRepo {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.commit("retire old");
    repo.archive(["memory", "save", "the archive stands on disk 3"]).ok();
    repo.archive(["backup", "create", "--dest", "../backups"]).ok();
    repo
}

#[test]
fn every_section_with_commands_is_played() {
    let played = [
        "Startup and shutdown",
        "Routines",
        "Maintenance",
        "Backup and restore",
        "Migrations",
        "A migration that failed",
        "Damage, or something missing",
        "Content that the policy refuses by mistake",
        "Retention spike",
        "Checklists",
    ];
    let text = page();
    let sections = text.split("\n## ").skip(1).filter(|part| part.contains("\n```sh\n"));
    assert_eq!(sections.map(|part| part.lines().next().unwrap()).collect::<Vec<_>>(), played);
}

#[test]
fn routines() {
    if !is_possible() {
        return;
    }
    for title in
        ["Startup and shutdown", "Routines", "Maintenance", "Backup and restore", "Checklists"]
    {
        let repo = ready();
        play(&repo, title);
        repo.is_well();
    }
}

/// An archive of an older schema, as the version before left it.
fn of_older_schema() -> TestRepo {
    let repo = TestRepo::ready();
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives/v4.sqlite.sql");
    let store = repo.common_dir().join("codex-archive");
    for entry in fs::read_dir(&store).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    let archive = store.join("archive.sqlite");
    repo.types(&format!("sqlite3 '{}' <'{}' >../said", archive.display(), dump.display())).ok();
    repo
}

fn version(repo: &TestRepo) -> i64 {
    let told = repo.archive(["--json", "migrate", "--status"]).ok().json();
    told["to"].as_i64().unwrap()
}

#[test]
fn a_migration() {
    if !is_possible() {
        return;
    }
    let repo = of_older_schema();
    assert_eq!(version(&repo), 4);
    repo.archive(["maintenance", "on", "--reason", "x"]).ok();
    repo.archive(["backup", "create", "--dest", "../before"]).ok();
    repo.archive(["backup", "drill", "--spot", "--dest", "../before"]).ok();
    repo.archive(["maintenance", "off"]).ok();
    assert_eq!(version(&repo), 4, "to prepare for a migration is none");
    play(&repo, "Migrations");
    assert!(version(&repo) > 4);
    let actions = repo.actions();
    assert_eq!(
        actions[actions.len() - 4..],
        ["MAINTENANCE", "BACKUP", "MIGRATE", "MAINTENANCE"],
        "{actions:?}"
    );
}

#[test]
fn a_migration_that_fails() {
    if !is_possible() || !can_trace() {
        return;
    }
    let repo = of_older_schema();
    let mut failed = 0;
    for n in [3, 9, 20, 30] {
        let outcome = with_fault(&repo, "pwrite64", n, "error=ENOSPC", &["migrate"]);
        if outcome.code == 0 {
            break;
        }
        assert!(fault_was_met(&repo) && outcome.code == 1, "{outcome}");
        failed += 1;
        assert_eq!(version(&repo), 4, "{outcome}");
        repo.archive(["list"]).ok().says("src/old.py");
    }
    assert!(failed > 0, "no migration failed");
    play(&repo, "A migration that failed");
    assert!(version(&repo) > 4);
}

#[test]
fn damage() {
    if !is_possible() {
        return;
    }
    let repo = ready();
    // Content that git has not got: only a backup brings it back.
    repo.file("src/lost.py", "print('lost')\n".repeat(40)).commit("lost");
    repo.store(&["src/lost.py"]);
    repo.commit("retire lost");
    repo.archive(["backup", "create", "--dest", "../backups"]).ok();
    let oid = repo.archive(["--json", "show", "src/lost.py"]).ok().json()["git_blob"].clone();
    let oid = oid.as_str().unwrap().to_owned();
    let object = repo.common_dir().join("objects").join(&oid[..2]).join(&oid[2..]);
    fs::remove_file(object).unwrap();
    repo.sql("UPDATE run SET bytes = zeroblob(length(bytes))");
    let said = play(&repo, "Damage, or something missing");
    assert!(said.contains("MAINTENANCE") && said.contains("BACKUP_RESTORE"), "{said}");
    let status = repo.archive(["--json", "status"]).ok().json();
    assert_eq!(status["maintenance"], serde_json::Value::Null);
    repo.archive(["cat", "src/lost.py"]).ok().says("print('lost')");
    repo.archive(["fsck"]).ok();
    repo.archive(["verify", "--all", "--deep"]).ok();
}

#[test]
fn content_that_is_refused_by_mistake() {
    if !is_possible() {
        return;
    }
    let repo = ready();
    // Put together here, so that nobody takes this file for one with a credential.
    repo.file("src/keys.py", format!("KEY = 'AKIA{}'\n", "Z7QXN3WJ5KDRT4MB")).commit("keys");
    play(&repo, "Content that the policy refuses by mistake");
    repo.archive(["show", "src/keys.py"]).ok();
    repo.archive(["verify", "--all"]).ok();
}

#[test]
fn a_spike() {
    if !is_possible() {
        return;
    }
    let repo = ready();
    for n in 0..30 {
        repo.archive(["memory", "save", &format!("entry {n}")]).ok();
    }
    let said = play(&repo, "Retention spike");
    assert!(said.contains("dry"), "{said}");
    assert_eq!(repo.archive(["--json", "status"]).ok().json()["items"], 1);
}
