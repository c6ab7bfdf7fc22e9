//! The JSON of each command, as docs/json.md says: one document, pinned.

use serde_json::Value;

use crate::common::{Outcome, TestRepo};
use crate::pinned::pin;

fn archived() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let line = "git codex-archive store _codex_ src/old.py --by marc --reason pruned \
                --tag legacy --tag zendesk --metadata ticket=OPS-1234 --json";
    let told = repo.types(line).ok();
    pin("json-store", &repo, &told);
    let id = told.json()["items"][0]["tombstone"].as_str().unwrap().to_owned();
    repo.try_commit("retire old").ok();
    (repo, id)
}

/// Whether `outcome` is one JSON document with these keys at its top.
#[track_caller]
fn has_keys(outcome: &Outcome, keys: &[&str]) -> Value {
    let value = outcome.json();
    let object = value.as_object().unwrap_or_else(|| panic!("no object:\n{outcome}"));
    for key in keys {
        assert!(object.contains_key(*key), "`{key}` is missing:\n{outcome}");
    }
    value
}

const ITEM: [&str; 15] = [
    "tombstone",
    "repo",
    "path",
    "sha256",
    "size_bytes",
    "compressed_size",
    "reason",
    "commit_sha",
    "archived_by",
    "archived_at",
    "state",
    "prune_requested",
    "holds",
    "tags",
    "metadata",
];

#[test]
fn store_list_show_and_verify() {
    let (repo, id) = archived();
    let list = repo.archive(["list", "--json"]).ok();
    pin("json-list", &repo, &list);
    let told = has_keys(&list, &["items", "next"]);
    assert!(told["next"].is_null());
    let show = repo.archive(["show", &id, "--json"]).ok();
    pin("json-show", &repo, &show);
    let shown = show.json();
    for item in [&told["items"][0], if shown["item"].is_object() { &shown["item"] } else { &shown }]
    {
        for key in ITEM {
            assert!(item.get(key).is_some(), "`{key}` is missing: {item}");
        }
        assert_eq!(item["state"], "archived");
        assert_eq!(item["tags"], serde_json::json!(["legacy", "zendesk"]));
        assert_eq!(item["metadata"]["ticket"], "OPS-1234");
        assert_eq!(item["archived_by"], "marc");
        assert_eq!(item["size_bytes"], 13);
    }
    let verify = repo.archive(["verify", "--all", "--deep", "--json"]).ok();
    pin("json-verify", &repo, &verify);
    let told = has_keys(&verify, &["ok", "checked", "findings"]);
    assert_eq!(told["ok"], true);
    assert_eq!(told["checked"]["stubs"], 1);
    repo.append("src/old.py", "# more\n").git(["add", "-A"]).ok();
    let found = repo.archive(["verify", "--staged", "--json"]).fails(4);
    pin("json-verify-finding", &repo, &found);
    let told = has_keys(&found, &["ok", "checked", "findings"]);
    assert_eq!(told["ok"], false);
    for key in ["path", "rule", "message", "hint", "severity"] {
        assert!(told["findings"][0].get(key).is_some(), "`{key}` is missing:\n{found}");
    }
    assert_eq!(told["findings"][0]["path"], "src/old.py");
}

#[test]
fn a_store_without_a_terminal_prints_json_unasked() {
    let repo = TestRepo::ready();
    let told = repo.archive(["store", "_codex_", "src", "--reason", "dead"]).ok();
    let told = has_keys(&told, &["items", "evidence_segment"]);
    assert_eq!(told["items"].as_array().unwrap().len(), 2);
    for item in told["items"].as_array().unwrap() {
        for key in
            ["tombstone", "sha256", "size_bytes", "compressed_size", "repo", "path", "evidence"]
        {
            assert!(item.get(key).is_some(), "`{key}` is missing: {item}");
        }
    }
}

#[test]
fn an_error_is_one_document_on_standard_error() {
    let repo = TestRepo::ready();
    repo.append("src/old.py", "dirty\n");
    let line = ["store", "_codex_", "src/old.py", "--reason", "dead", "--json"];
    let refused = repo.archive(line).fails(6);
    pin("json-error", &repo, &refused);
    assert_eq!(refused.stdout, "");
    let told: Value = serde_json::from_str(&refused.stderr).unwrap();
    for key in ["kind", "message", "causes", "hints", "exit"] {
        assert!(told["error"].get(key).is_some(), "`{key}` is missing: {told}");
    }
    assert_eq!(told["error"]["exit"], 6);
    let usage = repo.archive(["store", "--json", "_codex_", "src/old.py"]).fails(2);
    let told: Value = serde_json::from_str(&usage.stderr).unwrap();
    assert_eq!(told["error"]["exit"], 2);
}

#[test]
fn paging_is_by_cursor() {
    let repo = TestRepo::ready();
    for n in 0..5 {
        repo.file(format!("many/{n}.py"), format!("{n}\n"));
    }
    repo.commit("many");
    repo.store(&["many"]);
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut line = vec!["list".to_owned(), "--json".to_owned(), "--limit=2".to_owned()];
        line.extend(cursor.map(|cursor| format!("--after={cursor}")));
        let told = repo.archive(line).ok().json();
        let items = told["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["path"].as_str().unwrap().to_owned()));
        cursor = match &told["next"] {
            Value::Null => break,
            Value::String(next) => Some(next.clone()),
            other => Some(other.to_string()),
        };
    }
    seen.sort();
    assert_eq!(seen, ["many/0.py", "many/1.py", "many/2.py", "many/3.py", "many/4.py"]);
}

#[test]
fn list_filters() {
    let (repo, id) = archived();
    repo.file("a%b_c.py", "x\n").file("aXbYc.py", "y\n").commit("wild");
    repo.archive(["store", "_codex_", "a%b_c.py", "aXbYc.py", "--reason", "dead"]).ok();
    let found = |line: &[&str]| {
        let told = repo.archive(["list", "--json"].iter().chain(line)).ok().json();
        told["items"].as_array().unwrap().len()
    };
    assert_eq!(found(&[]), 3);
    assert_eq!(found(&["--reason", "pruned"]), 1);
    assert_eq!(found(&["--reason", "dead"]), 2);
    assert_eq!(found(&["--tag", "legacy"]), 1);
    assert_eq!(found(&["--tag", "legac_"]), 0, "wildcards are literal");
    assert_eq!(found(&["--by", "marc"]), 1);
    assert_eq!(found(&["--repo", "_codex_"]), 3);
    assert_eq!(found(&["--repo", "%"]), 0);
    assert_eq!(found(&["--state", "archived"]), 3);
    assert_eq!(found(&["--state", "restored"]), 0);
    assert_eq!(found(&["--since", "2000-01-01"]), 3);
    assert_eq!(found(&["--since", "2999-01-01"]), 0);
    repo.archive(["restore", &id, "--stage"]).ok();
    assert_eq!(found(&["--state", "restored"]), 1);
}

#[test]
fn every_command_answers_in_json() {
    let (repo, id) = archived();
    for line in [
        &["list"][..],
        &["status"],
        &["show", &id],
        &["log"],
        &["log", &id],
        &["health-check"],
        &["fsck"],
        &["config-show"],
        &["config-show", "--origin"],
        &["hooks", "status"],
        &["hooks", "install"],
        &["evidence", "log"],
        &["evidence", "verify"],
        &["evidence", "digest"],
        &["evidence", "cite"],
        &["verify", "--all"],
        &["init"],
        &["reconcile"],
        &["restore", &id, "out.py"],
        &["restore", &id, "--stage"],
        &["undo"],
        &["drop", "src/old.py", "--reason", "gone"],
    ] {
        let outcome = repo.archive(line.iter().chain(&["--json"])).ok();
        assert!(outcome.json().is_object(), "{outcome}");
        serde_json::from_str::<Value>(&outcome.stdout)
            .unwrap_or_else(|error| panic!("more than one document ({error}):\n{outcome}"));
    }
}

#[test]
fn a_closed_pipe_is_a_clean_end() {
    let (repo, _) = archived();
    let outcome = repo.types("set -o pipefail; git codex-archive list --json | head -c 1").ok();
    assert_eq!(outcome.stderr, "");
}

#[test]
fn help_has_examples() {
    let repo = TestRepo::new();
    for command in [
        "init",
        "store",
        "restore",
        "drop",
        "reconcile",
        "undo",
        "list",
        "show",
        "cat",
        "log",
        "verify",
        "hooks",
        "fsck",
        "evidence",
        "status",
        "tour",
        "config-show",
        "health-check",
        "schema",
        "hook",
    ] {
        let help = repo.archive([command, "-h"]).ok();
        assert!(help.stdout.contains("git codex-archive"), "{help}");
        assert!(help.stdout.contains("Example"), "no example:\n{help}");
    }
    repo.archive(["-h"]).ok().says("Example");
}

#[test]
fn content_that_is_too_large_for_a_document_is_refused_there_alone() {
    let repo = TestRepo::ready();
    repo.file("big", vec![b'x'; (8 << 20) + 1]).file("fits", vec![b'x'; 8 << 20]).commit("two");
    repo.store(&["big", "fits"]);
    let refused = repo.unchanged(|repo| repo.archive(["cat", "big", "--json"])).fails(6);
    refused.says("8388609 bytes are more than the 8388608").says("git codex-archive cat big\"");
    assert_eq!(repo.archive(["cat", "big"]).ok().bytes.len(), (8 << 20) + 1);
    let fits = repo.archive(["cat", "fits", "--json"]).ok().json();
    assert_eq!(fits["content"].as_str().unwrap().len(), 8 << 20);
}
