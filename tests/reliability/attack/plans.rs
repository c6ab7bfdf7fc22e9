//! Hostile plans of retention: too long, too deep, forged, changed by chance, and files that never
//! end.

use std::fs;
use std::os::unix::fs::symlink;

use super::harness::{Fence, tries};
use super::mutations::Chance;
use crate::common::TestRepo;
use crate::score::{Score, whole};

const APPLY: [&str; 9] =
    ["retention", "apply", "plan.json", "--by", "ann", "--second", "bob", "--reason", "x"];

/// A repository with two items that may go and one that may not, and the plan for the two.
fn planned() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let all = ["a.py", "b.py", "live.py"];
    for path in all {
        repo.file(path, format!("print('{path} is long enough for the ledger')\n").repeat(3));
    }
    repo.commit("files");
    let last = ["--reason", "dead", "--delete-after", "2020-01-01"];
    repo.archive([&["store", "_codex_", "a.py", "b.py"], &last[..]].concat()).ok();
    repo.archive(["store", "_codex_", "live.py", "--reason", "dead"]).ok();
    repo.try_commit("retire").ok();
    for path in all {
        repo.archive(["drop", path, "--reason", "x"]).ok();
    }
    repo.try_commit("give up").ok();
    repo.archive(["retention", "plan", "--of", "items", "--output", "plan.json"]).ok();
    let text = repo.read("plan.json");
    (repo, text)
}

/// Refused, and every item is still there.
fn refused(repo: &TestRepo) -> Result<(), String> {
    let before = repo.snapshot().without_records();
    tries(repo, APPLY).is_refused()?;
    let changed = before.difference(&repo.snapshot().without_records());
    if !changed.is_empty() {
        return Err(format!("changed {changed:?}"));
    }
    nothing_went(repo)
}

fn nothing_went(repo: &TestRepo) -> Result<(), String> {
    let told = repo.archive(["list", "--state", "purged", "--json"]).ok().json();
    match told["items"].as_array().map(Vec::len) {
        Some(0) => Ok(()),
        _ => Err(format!("something was destroyed: {told}")),
    }
}

#[test]
fn plans_that_are_forged() {
    let mut score = Score::of("attack: forged plans");
    let (repo, text) = planned();
    let fence = Fence::around(&repo.world, &["repo"]);
    let live = repo.archive(["show", "live.py", "--json"]).ok().json();
    let live = live["tombstone"].as_str().unwrap().to_owned();
    let field = |name: &str| {
        let start = text.find(&format!("\"{name}\": \"")).unwrap() + name.len() + 5;
        text[start..].split('"').next().unwrap().to_owned()
    };
    let id = field("id");
    let long = "x".repeat(10 << 20);
    let many = format!("{{\"id\": \"{id}\", \"reasons\": []}},").repeat(200_000);
    let deep = |open: &str| format!("{{\"v\": 1, \"candidates\": {}", open.repeat(100_000));
    let bytes = |text: String| text.into_bytes();
    for (name, plan) in [
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("no UTF-8", vec![0xff; 100]),
        ("17 MiB of spaces", vec![b' '; 17 << 20]),
        ("arrays, deep", bytes(deep("["))),
        ("objects, deep", bytes(deep("{\"id\":"))),
        ("many candidates", bytes(format!("{{\"v\": 1, \"candidates\": [{many}]}}"))),
        ("a path of 10 MiB", bytes(text.replacen("a.py", &long, 1))),
        ("an id of 10 MiB", bytes(text.replacen(&id, &long, 1))),
        ("a label of 10 MiB", bytes(text.replacen("\"_codex_\"", &format!("\"{long}\""), 1))),
        ("a control in a path", bytes(text.replacen("a.py", "\\u001b[2J", 1))),
        ("a control in a label", bytes(text.replacen("_codex_", "\\u001b[2J", 1))),
        ("another label", bytes(text.replacen("_codex_", "other", 1))),
        ("another item", bytes(text.replacen(&id, &live, 1))),
        ("another archive", bytes(text.replacen(&field("archive"), &id, 1))),
        ("another time", bytes(text.replacen(&field("made_at"), "2026-01-01T00:00:00.000Z", 1))),
        ("a time of the year 9999", {
            bytes(text.replacen(&field("made_at"), "9999-12-31T23:59:59.999Z", 1))
        }),
        ("another reason", bytes(text.replace("delete_after", "age"))),
        ("another scope", bytes(text.replacen("\"items\"", "\"memory\"", 1))),
        ("another digest", {
            let other = "0".repeat(64);
            bytes(text.replacen(&field("sha256"), &other, 1))
        }),
        ("other rules", {
            let inputs = "\"inputs\": {\n    \"max_age_days\": 1\n  }";
            bytes(text.replacen("\"inputs\": {}", inputs, 1))
        }),
        ("days beyond 64 bits", {
            let inputs = "\"inputs\": {\n    \"max_age_days\": 18446744073709551616\n  }";
            bytes(text.replacen("\"inputs\": {}", inputs, 1))
        }),
        ("a pattern that is none", {
            let inputs = "\"inputs\": {\n    \"paths\": [\n      \"[\"\n    ]\n  }";
            bytes(text.replacen("\"inputs\": {}", inputs, 1))
        }),
        ("a key twice", bytes(text.replacen("\"v\": 1", "\"v\": 1,\n  \"v\": 1", 1))),
        ("version 2", bytes(text.replacen("\"v\": 1", "\"v\": 2", 1))),
        ("a float", bytes(text.replacen("\"v\": 1", "\"v\": 1.0", 1))),
        ("behind it more", bytes(format!("{text}{text}"))),
    ] {
        assert_ne!(plan, text.as_bytes(), "{name} changes nothing");
        repo.file("plan.json", plan);
        score.note(name, refused(&repo).and_then(|()| fence.holds()));
    }
    repo.remove("plan.json");
    for (name, target) in [("a device", "/dev/zero"), ("a folder", "src"), ("nowhere", "none")] {
        symlink(target, repo.top.join("plan.json")).unwrap();
        score.note(name, refused(&repo));
        fs::remove_file(repo.top.join("plan.json")).unwrap();
    }
    repo.file("plan.json", &text);
    let told = repo.archive(APPLY);
    score.note("the true one", if told.code == 0 { Ok(()) } else { Err(told.to_string()) });
    score.finish(30);
}

#[test]
fn plans_changed_by_chance() {
    let mut score = Score::of("attack: mutated plans");
    let (repo, text) = planned();
    let fence = Fence::around(&repo.world, &["repo"]);
    let mut chance = Chance(0x2b_99_2d_df_a2_32_49_d6);
    for round in 0..if whole() { 500 } else { 40 } {
        let bytes = chance.mutated(text.as_bytes());
        if bytes == text.as_bytes() {
            continue;
        }
        repo.file("plan.json", &bytes);
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
        let held = refused(&repo).and_then(|()| fence.holds());
        score.note(format!("round {round}, {shown:?}"), held);
    }
    repo.remove("plan.json");
    repo.is_well();
    score.finish(35);
}
