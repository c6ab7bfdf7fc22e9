//! Credentials in what is archived: refused, told of or let pass, recorded, and never shown.

use std::fs;

use serde_json::{Value, json};

use crate::common::TestRepo;
use crate::common::leaks::Leaks;
use crate::pinned::pin;

/// The secrets of [`with_credentials`], in pieces, so that no scanner stumbles over this file.
fn secrets() -> [String; 3] {
    [
        ["AK", "IAZK3QP7XV4MT2BQ5R"].concat(),
        ["Zk3qP9xV1mT7b", "Q2rLw8sNc4dYf6gHj"].concat(),
        ["MIIEowIBAAKCAQEA7bq0Xv", "Zk3qP9xV1mT7bQ2rLw8sNc4dYf6gHjKpQw"].concat(),
    ]
}

/// A repository with credentials in three files, and none in a fourth.
fn with_credentials(repo: &TestRepo) -> &TestRepo {
    let [id, secret, key] = secrets();
    repo.file("src/aws.py", format!("import boto3\n\nclient = boto3.client('s3', '{id}')\n"))
        .file("src/app.env", format!("NAME=app\nCLIENT_SECRET={secret}\n"))
        .file(
            "keys/old.pem",
            format!("{0}BEGIN RSA PRIVATE KEY{0}\n{key}\n{0}END\n", "-".repeat(5)),
        )
        .file("src/plain.py", "token = os.environ['TOKEN']\n");
    repo.commit("credentials")
}

/// Nothing of the secrets is in what was said or in anything we keep.
#[track_caller]
fn no_leak(repo: &TestRepo, outcomes: &[&crate::common::Outcome]) {
    let secrets = secrets();
    let mut leaks = Leaks::of(&secrets.each_ref().map(String::as_str));
    outcomes.iter().for_each(|outcome| leaks.in_outcome(outcome));
    leaks.in_repository(repo);
    leaks.none();
}

fn configured(repo: &TestRepo, lines: &str) {
    repo.append(".codex/archive.toml", &format!("\n[policy]\n{lines}\n"));
}

/// The records of one action.
fn records(repo: &TestRepo, action: &str) -> Vec<Value> {
    let all = repo.journal().into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    all.filter(|record| record["action"] == action).collect()
}

#[test]
fn a_store_with_credentials_is_refused_and_recorded() {
    let repo = TestRepo::ready();
    with_credentials(&repo);
    let command = ["store", "_codex_", "src", "keys", "--reason", "dead"];
    let refused = repo.unchanged_but_recorded(|repo| repo.archive(command).fails(6));
    pin("credentials-refused", &repo, &refused);
    let json = repo.archive(["--json"].iter().chain(&command)).fails(6);
    pin("credentials-refused-json", &repo, &json);
    let dry = repo.unchanged(|repo| repo.archive(command.iter().chain(&["--dry-run"])).fails(6));
    assert_eq!(dry.stderr, refused.stderr);
    let blocks = records(&repo, "POLICY_BLOCK");
    assert_eq!(blocks.len(), 2);
    let files = json!([
        {"path": "keys/old.pem", "rules": {"private-key": 1}},
        {"path": "src/app.env", "rules": {"generic-secret": 1}},
        {"path": "src/aws.py", "rules": {"aws-access-key": 1}},
    ]);
    assert_eq!(blocks[0]["detail"], json!({"credentials": 3, "files": files}));
    assert_eq!(
        (&blocks[0]["repo"], &blocks[0]["actor"]),
        (&json!("_codex_"), &json!("marc@example.com"))
    );
    no_leak(&repo, &[&refused, &json, &dry]);
    repo.archive(["fsck"]).ok().says("ok: 0 artifacts");
    repo.archive(["store", "_codex_", "src/plain.py", "--reason", "dead"]).ok();
    repo.is_well();
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn where_nothing_is_set_up_nothing_is_left_behind() {
    // On a server nobody but `init` makes an archive, and its want is told first.
    if !crate::common::is_embedded() {
        return;
    }
    let repo = TestRepo::with_history();
    with_credentials(&repo);
    let command = ["store", "_codex_", "src/aws.py", "--reason", "dead"];
    let refused = repo.unchanged(|repo| repo.archive(command).fails(6));
    assert!(refused.said("src/aws.py:3:"), "{refused}");
    assert!(!repo.has(".codex") && !repo.common_dir().join("codex-archive").exists());
    let folder = TestRepo::plain_folder("plain");
    folder.file("aws.py", repo.read("src/aws.py"));
    let command = ["store", "_codex_", "aws.py", "--reason", "dead", "--commit", "c1", "--by", "m"];
    folder.archive(command).fails(6).says("aws.py:3:30: aws-access-key");
    assert!(!folder.has(".codex"));
}

#[test]
fn nothing_of_it_is_in_logs() {
    let repo = TestRepo::ready();
    with_credentials(&repo);
    for format in ["json", "text"] {
        let log = repo.world.path(&format!("log.{format}"));
        let loud = repo
            .env("CODEX_ARCHIVE_LOG_FILE", log.to_str().unwrap())
            .env("CODEX_ARCHIVE_LOG_FORMAT", format)
            .env("CODEX_ARCHIVE_LOG_LEVEL", "debug");
        let refused =
            loud.archive(["--debug", "store", "_codex_", "src", "--reason", "dead"]).fails(6);
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("aws-access-key"), "{text}");
        let secrets = secrets();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        no_leak(&repo, &[&refused]);
    }
}

#[test]
fn the_policy_may_only_warn() {
    let repo = TestRepo::ready();
    with_credentials(&repo);
    configured(&repo, "credentials = \"warn\"");
    let command = ["--text", "store", "_codex_", "src/app.env", "keys", "--reason", "dead"];
    let dry = repo.unchanged(|repo| repo.archive(command.iter().chain(&["--dry-run"])).ok());
    assert!(dry.said("warning: keys/old.pem:1:1 holds a credential (private-key)"), "{dry}");
    let stored = repo.archive(command).ok();
    assert_eq!(dry.stderr, stored.stderr);
    let records = records(&repo, "ARCHIVE");
    assert_eq!(records[0]["detail"], json!({"credentials": {"warned": {"private-key": 1}}}));
    let json = repo.archive(["store", "_codex_", "src/aws.py", "--reason", "dead"]).ok().json();
    let seen = json!([{"path": "src/aws.py", "line": 3, "column": 30, "rule": "aws-access-key"}]);
    assert_eq!(json["credentials"], seen);
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn stored_content_is_not_redacted() {
    let repo = TestRepo::ready();
    with_credentials(&repo);
    configured(&repo, "credentials = \"redact\"");
    let refused = repo.archive(["store", "_codex_", "src/aws.py", "--reason", "dead"]).fails(6);
    pin("credentials-redact", &repo, &refused);
}

#[test]
fn rules_paths_and_lines_are_let_pass() {
    let repo = TestRepo::ready();
    with_credentials(&repo);
    let store = |path: &str| repo.archive(["store", "_codex_", path, "--reason", "dead"]);
    configured(
        &repo,
        "allow = [\"jwt\"]\nallow_paths = [\"private-key:keys/\", \"aws-access-key:**/*.rb\"]",
    );
    store("src/aws.py").fails(6);
    store("keys/old.pem").ok();
    let detail = &records(&repo, "ARCHIVE")[0]["detail"];
    assert_eq!(*detail, json!({"credentials": {"allowed": {"private-key": 1}}}));
    let marked = repo.read("src/aws.py").replace("')\n", "')  # codex-archive: allow-secret\n");
    repo.file("src/aws.py", marked).commit("mark");
    store("src/aws.py").ok();
    // What the hint says is enough.
    let hints = store("src/app.env").fails(6).hints();
    let entry = hints[1].split("allow_paths = ").nth(1).unwrap();
    let text = repo.read(".codex/archive.toml");
    let text = text.lines().map(|line| match line.starts_with("allow_paths") {
        true => format!("allow_paths = {entry}\n"),
        false => format!("{line}\n"),
    });
    repo.file(".codex/archive.toml", text.collect::<String>());
    store("src/app.env").ok();
}

#[test]
fn a_wrong_policy_is_told_by_its_line() {
    let repo = TestRepo::ready();
    let line = |number: usize| format!("(.codex/archive.toml:{number})");
    let before = repo.read(".codex/archive.toml");
    let at = before.lines().count() + 3;
    for (text, words) in [
        ("allow = [\"githb-token\"]", "`policy.allow` is wrong: there is no rule `githb-token`"),
        ("allow_paths = [\"a[z\"]", "`policy.allow_paths` is wrong:"),
        ("allow_paths = \"a\"", "`policy.allow_paths` is wrong: it takes a list of texts"),
        ("marker = \"x\"", "`policy.marker` is wrong: it takes a text of 8 to 128 bytes"),
        (
            "credentials = \"maybe\"",
            "`policy.credentials` is wrong: it takes block|redact|warn|off",
        ),
    ] {
        repo.file(".codex/archive.toml", &before);
        configured(&repo, text);
        let told = repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).fails(8);
        repo.archive(["config-show"]).fails(8).says(words);
        assert!(told.said(words) && told.said(&line(at)), "{told}");
    }
    repo.file(".codex/archive.toml", &before);
    configured(&repo, "credentials = \"off\"");
    with_credentials(&repo);
    repo.archive(["store", "_codex_", "src/aws.py", "--reason", "dead"]).ok();
}

#[test]
fn of_a_batch_the_files_with_credentials_stay() {
    let repo = TestRepo::ready();
    with_credentials(&repo);
    let paths = ["src/aws.py", "src/plain.py", "keys/old.pem"];
    let items: Vec<Value> =
        paths.iter().map(|path| json!({"path": path, "reason": "dead"})).collect();
    let manifest = repo.world.path("manifest.json");
    fs::write(&manifest, json!(items).to_string()).unwrap();
    let batch = |options: &[&str]| {
        let words = ["batch-store", manifest.to_str().unwrap(), "--results", "../r.json"];
        repo.archive(words.iter().chain(options))
    };
    let dry = repo.unchanged(|_| batch(&["--dry-run"]).fails(6));
    assert!(dry.said("Ready: 1") && dry.said("Failed: 2"), "{dry}");
    let all = repo.unchanged_but_recorded(|_| batch(&[]).fails(6));
    assert!(all.said("cannot archive 2 files: they hold credentials"), "{all}");
    let part = batch(&["--continue-on-error"]).fails(3);
    let line = "failed: item 1: cannot archive `src/aws.py`: it holds credentials; \
                src/aws.py:3:30: aws-access-key (an AWS access key id)";
    assert!(part.said(line), "{part}");
    let blocks = records(&repo, "POLICY_BLOCK");
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0]["detail"], blocks[1]["detail"]);
    assert!(repo.read("src/plain.py").contains("codex-tombstone"));
    let file = fs::read_to_string(repo.world.path("r.json")).unwrap();
    assert!(secrets().iter().all(|secret| !file.contains(secret)), "{file}");
    no_leak(&repo, &[&dry, &all, &part]);
}

#[test]
fn many_are_told_of_in_part() {
    let repo = TestRepo::ready();
    let [id, ..] = secrets();
    repo.file("a.txt", format!("{id}\n").repeat(30)).commit("many");
    let refused = repo.archive(["store", "_codex_", "a.txt", "--reason", "dead"]).fails(6);
    assert!(refused.said("  a.txt:20:1: ") && refused.said("  and 10 more\n"), "{refused}");
    assert!(!refused.said("a.txt:21:1"), "{refused}");
    assert_eq!(records(&repo, "POLICY_BLOCK")[0]["detail"]["credentials"], 30);
}

/// Paths whose record would be longer than a record may be.
#[test]
fn a_record_holds_what_fits() {
    let repo = TestRepo::ready();
    let [id, ..] = secrets();
    let folder = ["é".repeat(100), "x".repeat(200)].join("/");
    for number in 0..120 {
        repo.file(format!("{folder}/{number}.txt"), &id);
    }
    repo.commit("long");
    repo.archive(["store", "_codex_", ".", "--reason", "dead"]).fails(6).says("and 100 more");
    let detail = &records(&repo, "POLICY_BLOCK")[0]["detail"];
    let told = detail["files"].as_array().unwrap().len() as u64;
    assert_eq!(detail["more_files"], 120 - told);
    assert!((10..120).contains(&told), "{told}");
    repo.archive(["evidence", "verify"]).ok();
}

/// More than goes into the archive at once: what came in before the credential was met goes out again.
#[test]
fn what_came_in_before_goes_out_again() {
    let repo = TestRepo::ready();
    let [id, ..] = secrets();
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    repo.file("a.bin", noise.take(9 << 20).collect::<Vec<u8>>()).file("b.txt", id);
    repo.commit("large");
    repo.archive(["store", "_codex_", "a.bin", "b.txt", "--reason", "dead"]).fails(6);
    repo.archive(["fsck"]).ok().says("ok: 0 artifacts");
    assert_eq!(records(&repo, "POLICY_BLOCK").len(), 1);
    repo.is_well();
}
