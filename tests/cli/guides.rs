//! What an operator's guide types, line by line, in a shell: set up, check, archive, restore many,
//! look into a failure.

use crate::common::{TestRepo, have};

/// The last word of a configuration file that guides give.
const SANDBOX: &str = "[backend]
type = \"sqlite\"
url = \"sqlite:///./.codex/archive.sqlite\"

[logging]
level = \"debug\"
format = \"text\"
";

const PRODUCTION: &str = "[logging]
level = \"info\"
format = \"json\"

[retry]
max_attempts = 4
initial_delay = 1.0

[batch]
results_path = \"results/batch_results.json\"

[performance]
enabled = true
";

/// A repository with two files to retire.
fn repository() -> TestRepo {
    let repo = TestRepo::new();
    repo.file("obsolete.py", "print('obsolete')\n").file("older.py", "print('older')\n");
    repo.commit("one");
    repo
}

fn id_of(repo: &TestRepo, path: &str) -> String {
    repo.types(&format!("git codex-archive show {path} --json | jq -r .tombstone"))
        .ok()
        .stdout
        .trim()
        .to_owned()
}

#[test]
fn a_sandbox() {
    if !have("jq") || !crate::common::is_embedded() {
        return;
    }
    let repo = repository();
    repo.file(".codex/archive.toml", SANDBOX);
    repo.types("git codex-archive store demo ./obsolete.py --by dev --reason dead --commit HEAD")
        .ok();
    let id = id_of(&repo, "obsolete.py");
    repo.types(&format!("git codex-archive restore {id} ./restored.py --by dev")).ok();
    assert_eq!(repo.read("restored.py"), "print('obsolete')\n");
    let shown = repo.types("git codex-archive config-show").ok().stdout;
    assert!(shown.starts_with("=== Archive Configuration ===\nBackend: sqlite\n"), "{shown}");
    assert!(shown.contains("URL: sqlite:///./.codex/archive.sqlite (credentials redacted)"));
    let health = repo.types("git codex-archive health-check").ok().stdout;
    assert!(health.starts_with("=== Archive Health Check ===\nBackend: sqlite\n"), "{health}");
    assert!(health.contains("Status: ✓ OK") && health.contains("Items Retrievable: 1"), "{health}");
}

/// A dry run, a restore of many, its results and its evidence.
#[test]
fn a_recovery() {
    if !have("jq") {
        return;
    }
    let repo = repository();
    repo.archive(["init", "--repo", "demo"]).ok();
    repo.types("git codex-archive store demo obsolete.py older.py --by dev --reason dead").ok();
    let (one, two) = (id_of(&repo, "obsolete.py"), id_of(&repo, "older.py"));
    repo.file(
        "manifest.json",
        format!(
            "{{\"items\": [
              {{\"tombstone\": \"{one}\", \"output\": \"./restored/file1.txt\"}},
              {{\"tombstone\": \"{two}\", \"output\": \"./restored/file2.txt\"}}
            ]}}"
        ),
    );
    repo.types("git codex-archive batch-restore manifest.json --actor ops --dry-run").ok();
    assert!(!repo.has("restored"), "a dry run writes nothing");
    let repo = repo.env("CODEX_ARCHIVE_RETRY_ENABLED", "true").env("CODEX_ARCHIVE_RETRY_MAX", "5");
    let said =
        repo.types("git codex-archive batch-restore manifest.json --by ops-user").ok().to_string();
    for line in ["Processing 2 items from manifest...", "Batch Restore Complete:", "Succeeded: 2"] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(repo.read("restored/file2.txt"), "print('older')\n");
    let summary = repo.types("jq -c '.summary' batch_restore_*.json").ok().stdout;
    assert!(summary.contains("\"succeeded\":2,\"failed\":0"), "{summary}");
    let each = repo.types("jq '.items[].duration_ms' batch_restore_*.json").ok().stdout;
    assert_eq!(each.lines().count(), 2, "{each}");
    let many = "git codex-archive batch-restore manifest.json --by sre --continue-on-error";
    repo.types(&format!("rm batch_restore_*.json; {many}")).ok();
}

#[test]
fn a_failure() {
    if !have("jq") {
        return;
    }
    let repo = repository();
    repo.archive(["init", "--repo", "demo"]).ok();
    let said = repo.types("git codex-archive restore missing-tombstone ./out.txt --by ops --debug");
    assert_eq!(said.code, 5, "{said}");
    let failures = repo
        .types(
            "jq -c 'select(.action==\"RESTORE_FAIL\")' .codex/evidence/archive_ops.jsonl | tail -5",
        )
        .ok()
        .stdout;
    assert!(failures.contains("missing-tombstone"), "{failures}");
}

/// The file of a production machine: logs as JSON lines, results where it says.
#[test]
fn production() {
    if !have("jq") {
        return;
    }
    let repo = repository();
    repo.archive(["init", "--repo", "demo"]).ok();
    repo.append(".codex/archive.toml", PRODUCTION);
    let said = repo
        .types("git codex-archive store demo obsolete.py --by dev --reason pruned 2>log.jsonl")
        .ok();
    let line = repo.types("jq -c 'select(.action==\"ARCHIVE\")' log.jsonl").ok().stdout;
    for word in ["\"ts\":", "\"level\":\"info\"", "\"actor\":\"dev\"", "\"duration_ms\":"] {
        assert!(line.contains(word), "{line}\n{said}");
    }
    let id = id_of(&repo, "obsolete.py");
    repo.file("manifest.json", format!("[{{\"tombstone\":\"{id}\",\"output\":\"back.py\"}}]"));
    repo.types("git codex-archive batch-restore manifest.json --by ops").ok();
    assert!(repo.has("results/batch_results.json"));
    repo.types("git codex-archive health-check --debug").ok();
}
