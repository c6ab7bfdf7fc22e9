//! Hostile manifests: too long, too many, too deep, twice, unknown, turned by chance, and with
//! outputs where nothing may be written.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::harness::{Fence, archived, tries};
use super::mutations::Chance;
use crate::common::TestRepo;
use crate::score::{Score, whole};

/// Refused in the two ways that a batch can be run, and nothing is there that was not.
fn refused(repo: &TestRepo, command: &str, text: &[u8]) -> Result<(), String> {
    repo.file("manifest", text);
    let before = repo.snapshot().without_records();
    let results = "--results=results.json";
    for more in [&[][..], &["--dry-run"], &["--continue-on-error", "--json"]] {
        let line = [&[command, "manifest", "--reason=dead", results][..], more].concat();
        let line: Vec<&str> = line
            .into_iter()
            .filter(|word| command == "batch-store" || !word.starts_with("--reason"))
            .collect();
        tries(repo, line).is_refused()?;
        // A batch that goes on tells of what it refused.
        let _ = fs::remove_file(repo.top.join("results.json"));
        let changed = before.difference(&repo.snapshot().without_records());
        if !changed.is_empty() {
            return Err(format!("changed {changed:?}"));
        }
    }
    Ok(())
}

/// A command, what is wrong with its manifest, and that.
type Wrong = (&'static str, &'static str, String);

const STORE: &str = "batch-store";
const RESTORE: &str = "batch-restore";

/// A store manifest of a file, with `more` in its item.
fn live(more: &Value) -> String {
    let mut item = json!({"path": "src/live.py"});
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([item]).to_string()
}

/// A restore manifest of an item, with `more` behind what it needs.
fn out(id: &str, more: &str) -> String {
    format!(r#"[{{"tombstone":"{id}","output":"out"{more}}}]"#)
}

/// Too long, too many, too deep.
fn too_much(id: &str) -> Vec<Wrong> {
    let (store, restore) = (STORE, RESTORE);
    let long = "x".repeat(10 << 20);
    let words: Vec<String> = (0..10_000).map(|n| format!("tag-{n}")).collect();
    let keys: Value = words.iter().map(|word| (word.clone(), json!("v"))).collect();
    let deep = |open: &str| open.repeat(1000);
    vec![
        ("a reason of 10 MiB", store, live(&json!({"reason": long}))),
        ("a tag of 10 MiB", store, live(&json!({"tags": [long]}))),
        ("a value of 10 MiB", store, live(&json!({"metadata": {"k": long}}))),
        ("a path of 10 MiB", store, json!([{"path": long}]).to_string()),
        ("an id of 10 MiB", restore, json!([{"tombstone": long, "output": "out"}]).to_string()),
        ("an output of 10 MiB", restore, json!([{"tombstone": id, "output": long}]).to_string()),
        ("an actor of 10 MiB", restore, out(id, &format!(r#","actor":"{long}""#))),
        ("a key of 10 MiB", store, format!(r#"[{{"{long}":1}}]"#)),
        ("a cell of 10 MiB", store, format!("path\n{long}\n")),
        ("a header of 10 MiB", store, format!("{long}\na\n")),
        ("10,000 tags", store, live(&json!({"tags": words}))),
        ("10,000 tags in a cell", store, format!("path,tags\nsrc/live.py,{}\n", words.join(";"))),
        ("10,000 keys", store, live(&json!({"metadata": keys}))),
        ("1,000 arrays deep", restore, deep("[")),
        ("1,000 objects deep", restore, deep("{\"items\":")),
        ("1,000 deep in a value", store, format!(r#"[{{"path":{}"#, deep("["))),
        ("1,000 deep in a tag", store, format!(r#"[{{"path":"a","tags":{}"#, deep("["))),
        (
            "1,000 deep in metadata",
            store,
            format!(r#"[{{"path":"a","metadata":{}"#, deep("{\"k\":")),
        ),
    ]
}

/// Keys and values that no item has.
fn ill_formed(id: &str) -> Vec<Wrong> {
    let (store, restore) = (STORE, RESTORE);
    let out = |more: &str| out(id, more);
    vec![
        ("a key twice", restore, out(r#","output":"other""#)),
        ("items twice", restore, format!(r#"{{"items":[],"items":{}}}"#, out(""))),
        (
            "metadata twice",
            store,
            r#"[{"path":"src/live.py","metadata":{"k":"1","k":"2"}}]"#.into(),
        ),
        ("an unknown key", restore, out(r#","outptu":"x""#)),
        ("an unknown key above", restore, format!(r#"{{"items":{},"force":true}}"#, out(""))),
        ("force by manifest", restore, out(r#","force":true"#)),
        ("an integer over 2^63", restore, out(r#","actor":18446744073709551617"#)),
        ("an integer as id", restore, r#"[{"tombstone":9223372036854775808,"output":"x"}]"#.into()),
        ("a float of 400 digits", restore, format!("[{}]", "9".repeat(400))),
        ("true for a path", store, r#"[{"path":true}]"#.into()),
        ("null for an item", restore, "[null]".into()),
        ("a control in a path", store, r#"[{"path":"src/\u001b[2Jx"}]"#.into()),
        ("a raw control in a path", store, "[{\"path\":\"src/\u{1b}[2Jx\"}]".into()),
        ("a line in an output", restore, r#"[{"tombstone":"a","output":"x\ny"}]"#.into()),
        ("a zero in an output", restore, r#"[{"tombstone":"a","output":"x\u0000y"}]"#.into()),
        (
            "a turn in an output",
            restore,
            "[{\"tombstone\":\"a\",\"output\":\"\u{202e}gpj\"}]".into(),
        ),
        ("a control in a tag", store, live(&json!({"tags": ["\u{9b}31m"]}))),
        ("a control in a header", store, "pa\u{9b}th\nx\n".into()),
    ]
}

/// Tables that programs read in different ways, and lists that contradict themselves.
fn ambiguous(id: &str) -> Vec<Wrong> {
    let (store, restore) = (STORE, RESTORE);
    let out = |more: &str| out(id, more);
    vec![
        ("a quote inside a cell", restore, "tombstone,output\na,x\"y\n".into()),
        ("text behind a quoted cell", restore, "tombstone,output\na,\"x\"y\n".into()),
        ("a quote that never ends", restore, format!("tombstone,output\na,\"{}", "x\n".repeat(99))),
        ("a line in a quoted cell", restore, "tombstone,output\na,\"x\ny\"\n".into()),
        ("a row too short", restore, "tombstone,output\na\n".into()),
        ("a row too long", restore, "tombstone,output\na,b,c\n".into()),
        ("a column twice", restore, "tombstone,output,output\na,b,c\n".into()),
        ("another separator", restore, "tombstone;output\na;b\n".into()),
        ("nothing", restore, String::new()),
        ("white space", restore, " \n\t\r\n".into()),
        ("half an item", restore, out("")[..20].to_owned()),
        ("something behind the end", restore, format!("{} x", out(""))),
        ("an item for the other command", restore, r#"[{"path":"src/live.py"}]"#.into()),
        ("one output twice", restore, format!("tombstone,output\n{id},a\n{id},b/../a\n")),
        ("one output below another", restore, format!("tombstone,output\n{id},a/b\n{id},a\n")),
        ("one path twice", store, "path\nsrc/live.py\n./src/live.py\n".into()),
        ("standard output", restore, format!("tombstone,output\n{id},-\n")),
        (
            "more items than may be",
            restore,
            "tombstone,output\n".to_owned() + &"a,b\n".repeat(100_001),
        ),
    ]
}

#[test]
fn a_hostile_manifest_is_refused_in_little_time_and_memory() {
    let mut score = Score::of("attack: manifests");
    let (repo, id) = archived();
    for (name, command, text) in [too_much(&id), ill_formed(&id), ambiguous(&id)].concat() {
        score.note(name, refused(&repo, command, text.as_bytes()));
    }
    for (name, bytes) in [
        ("no UTF-8", b"tombstone,output\na,\xff\xfe\n".to_vec()),
        ("UTF-16", "[{\"tombstone\":1}]".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("33 MiB of spaces", vec![b' '; 33 << 20]),
        ("32 MiB of brackets", vec![b'['; 32 << 20]),
        (
            "32 MiB of items",
            b"[".iter().chain([b'0', b','].repeat(16 << 20).iter()).copied().collect(),
        ),
        ("a binary file", (0..=255).collect()),
    ] {
        score.note(name, refused(&repo, "batch-restore", &bytes));
        score.note(name, refused(&repo, "batch-store", &bytes));
    }
    // Twenty thousand unknown ids cost no more than reading them.
    let ids: Vec<Value> = (0..20_000)
        .map(|n| json!({"tombstone": format!("{n:08x}"), "output": format!("out/{n}")}))
        .collect();
    score.note(
        "20,000 unknown ids",
        refused(&repo, "batch-restore", json!(ids).to_string().as_bytes()),
    );
    let paths: Vec<Value> = (0..20_000).map(|n| json!({"path": format!("none/{n}")})).collect();
    score.note(
        "20,000 unknown paths",
        refused(&repo, "batch-store", json!(paths).to_string().as_bytes()),
    );
    fs::remove_file(repo.top.join("manifest")).unwrap();
    score.finish(60);
    repo.is_well();
}

#[test]
fn no_output_of_a_manifest_leaves_where_it_may_go() {
    let mut score = Score::of("attack: outputs of manifests");
    let (repo, id) = archived();
    let outside = repo.world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "theirs\n").unwrap();
    symlink(&outside, repo.top.join("to-folder")).unwrap();
    symlink(outside.join("file"), repo.top.join("to-file")).unwrap();
    symlink(repo.common_dir(), repo.top.join("to-git")).unwrap();
    symlink(outside.join("new"), repo.top.join("dangling")).unwrap();
    let absolute = outside.join("x").display().to_string();
    let fence = Fence::around(&repo.world, &["repo"]);
    for output in [
        "../x",
        "src/../../x",
        &absolute,
        "/dev/null",
        ".git/hooks/post-commit",
        ".GIT/config",
        "git~1/config",
        "src/.git/config",
        ".git::$INDEX_ALLOCATION/config",
        "to-folder/new",
        "to-file",
        "to-git/hooks/new",
        "dangling",
        "src/live.py",
        "src/live.py/x",
        "src",
        ".",
        ".codex/archive.sqlite",
        ".codex/evidence/archive_ops.jsonl",
    ] {
        let item = json!([{"tombstone": id, "output": output}]);
        let held = refused(&repo, "batch-restore", item.to_string().as_bytes());
        score.note(output, held.and_then(|()| fence.holds()));
    }
    for results in ["../../x", "to-file", "to-git/x.json", ".git/x.json", "src/live.py", "dangling"]
    {
        repo.file("manifest", json!([{"tombstone": id, "output": "out"}]).to_string());
        let line = ["batch-restore", "manifest", "--force", "--results", results];
        let before = repo.snapshot();
        let held = tries(&repo, line).is_refused().and_then(|()| fence.holds());
        let changed = before.difference(&repo.snapshot());
        let same = if changed.is_empty() { Ok(()) } else { Err(format!("changed {changed:?}")) };
        // Another folder may be named for results, as for any file that a user asks for.
        let may = results == "../../x";
        score.note(format!("results {results}"), if may { fence.holds() } else { held.and(same) });
    }
    score.finish(25);
}

#[test]
fn manifests_changed_by_chance() {
    let mut score = Score::of("attack: mutated manifests");
    let (repo, id) = archived();
    repo.file("extra/a.py", "1\n").file("extra/b.py", "2\n").commit("extra");
    let good = [
        ("batch-restore", json!({"items": [{"tombstone": id, "output": "out/a"}, {"tombstone": "src/old.py", "output": "out/b", "actor": "ops"}]}).to_string()),
        ("batch-restore", format!("tombstone,output\n{id},out/a\n\"{id}\",\"out/b\"\n")),
        ("batch-restore", format!("{{\"tombstone\":\"{id}\",\"output\":\"out/a\"}}\n")),
        ("batch-store", json!([{"path": "extra/a.py", "reason": "dead", "tags": ["t"], "metadata": {"k": "v"}}, {"path": "extra/b.py", "reason": "legacy"}]).to_string()),
        ("batch-store", "path,reason,tags,metadata\nextra/a.py,dead,t;u,k=v\nextra/b.py,pruned,,\n".to_owned()),
    ];
    let fence = Fence::around(&repo.world, &["repo"]);
    let mut chance = Chance(0x51_7c_c1_b7_27_22_0a_95);
    for round in 0..if whole() { 1500 } else { 60 } {
        let (command, text) = &good[round % good.len()];
        let bytes = chance.mutated(text.as_bytes());
        repo.file("manifest", &bytes);
        let more =
            ["--results=r.json", ["--continue-on-error", "--resume", "--json"][chance.below(3)]];
        let held = tries(&repo, [*command, "manifest", more[0], more[1]]).is_civil();
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(300).collect();
        score.note(
            format!("round {round}, {command}, {shown:?}"),
            held.and_then(|()| fence.holds()),
        );
        if command == &"batch-store" && repo.status().contains("extra/") {
            let _ = repo.archive(["undo", "-q"]);
        }
        let _ = repo.types("git reset -q --hard; git clean -fdq; rm -rf out r.json");
    }
    repo.is_well();
    score.finish(60);
}
