//! Memory by hand: what goes in, what comes out, and what is kept out.

use serde_json::Value;

use crate::common::{Outcome, TestRepo, is_embedded};
use crate::pinned::pin;

/// The key of somebody, put together here so that no file has it whole.
fn secret() -> String {
    ["AKIA", "Z7QXN3WJ5KDRT4MB"].concat()
}

fn save(repo: &TestRepo, text: &str, more: &[&str]) -> Outcome {
    repo.archive([&["memory", "save", text], more].concat())
}

/// What `save` answers in JSON.
#[track_caller]
fn saved(repo: &TestRepo, text: &str, more: &[&str]) -> Value {
    save(repo, text, &[more, &["--json"]].concat()).ok().json()
}

fn get(repo: &TestRepo, ids: &[&str]) -> Value {
    repo.archive([&["memory", "get", "--json"], ids].concat()).ok().json()["items"].clone()
}

fn policy(repo: &TestRepo, word: &str) {
    let text = format!("[repo]\nlabel = \"_codex_\"\n[policy]\ncredentials = \"{word}\"\n");
    repo.file(".codex/archive.toml", text);
}

/// How many records of an action there are.
fn count(repo: &TestRepo, action: &str) -> usize {
    repo.actions().iter().filter(|it| *it == action).count()
}

#[test]
fn what_is_saved_comes_back() {
    let repo = TestRepo::ready();
    let more = ["--type", "decision", "--source", "docs/adr.md", "--tag", "b", "--tag", "ä"];
    let more = [&more[..], &["--metadata", "k=v=w", "--project", "shop"]].concat();
    let text = "  Stay on 3.9\n\n\tbecause 'of' \"x\" \\ ; -- and ünï\u{1F980}  \n";
    let told = save(&repo, text, &more).ok();
    pin("memory-save", &repo, &told);
    let told = save(&repo, text, &[&more[..], &["--json"]].concat()).ok();
    pin("memory-save-again", &repo, &told);
    let id = told.json()["id"].as_str().unwrap().to_owned();
    let told = repo.archive(["memory", "get", &id]).ok();
    pin("memory-get", &repo, &told);
    let told = repo.archive(["memory", "get", &id[..6], "--json"]).ok();
    let told = Outcome { command: "git codex-archive memory get PREFIX --json".to_owned(), ..told };
    pin("memory-get-json", &repo, &told);
    assert_eq!(told.json()["items"][0]["body"], text.trim());
    assert_eq!(count(&repo, "MEMORY_SAVE"), 1, "the second time nothing was done");
    // In the order of the question, and as often.
    let other = saved(&repo, "another", &[]);
    let other = other["id"].as_str().unwrap();
    let told = get(&repo, &[other, &id, other]);
    let ids: Vec<&str> =
        told.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [other, &id, other]);
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["fsck"]).ok();
}

#[test]
fn the_same_content_is_kept_once() {
    let repo = TestRepo::ready();
    let first = saved(&repo, "one text", &["--tag", "a", "--metadata", "k=1"]);
    assert_eq!((&first["status"], &first["title"]), (&"saved".into(), &"one text".into()));
    let same = repo.unchanged(|repo| saved(repo, "one text\n", &["--tag", "a"]));
    assert_eq!((&same["status"], &same["id"]), (&"unchanged".into(), &first["id"]));
    assert_eq!(same["evidence"], "");
    let more = ["--tag", "b", "--metadata", "k=2", "--metadata", "l=3", "--title", "T"];
    let more = saved(&repo, "one text", &more);
    assert_eq!((&more["status"], &more["id"]), (&"updated".into(), &first["id"]));
    assert_eq!(more["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(more["metadata"], serde_json::json!({"k": "2", "l": "3"}));
    assert_eq!((&more["title"], &more["created_at"]), (&"T".into(), &first["created_at"]));
    let id = first["id"].as_str().unwrap();
    let kept = &get(&repo, &[id])[0];
    assert_eq!((&kept["tags"], &kept["metadata"]), (&more["tags"], &more["metadata"]));
    // Another project, type or source makes it another content.
    for other in [["--project", "p"], ["--type", "t"], ["--source", "s"]] {
        let told = saved(&repo, "one text", &other);
        assert_eq!(told["status"], "saved", "{other:?}");
        assert_ne!(told["id"], first["id"], "{other:?}");
    }
    assert_eq!(count(&repo, "MEMORY_SAVE"), 5);
}

#[test]
fn the_project_is_the_option_the_variable_or_the_file() {
    let repo = TestRepo::ready();
    let project = |repo: &TestRepo, more: &[&str]| saved(repo, "x", more)["project"].clone();
    assert_eq!(project(&repo, &[]), "default");
    repo.append(".codex/archive.toml", "\n[memory]\nproject = \"of the file\"\n");
    assert_eq!(project(&repo, &[]), "of the file");
    let named = repo.env("MEMORY_PROJECT_NAME", "of the variable");
    assert_eq!(project(&named, &[]), "of the variable");
    assert_eq!(project(&named, &["--project", " of the option "]), "of the option");
    let wrong = repo.env("MEMORY_PROJECT_NAME", &"x".repeat(300));
    wrong.unchanged(|repo| save(repo, "x", &[]).fails(8)).says("memory.project");
    wrong.archive(["status"]).ok();
    assert_eq!(project(&wrong, &["--project", "p"]), "p");
}

#[test]
fn what_does_not_fit_is_refused_and_not_cut() {
    let repo = TestRepo::ready();
    let long = "é".repeat(121);
    let cases: [(&str, &str, &[&str]); 9] = [
        ("empty", " \n\t", &[]),
        ("title", "x", &["--title", &long]),
        ("no-title", "x", &["--title", " "]),
        ("project", "x", &["--project", &long[..130]]),
        ("type", "x", &["--type", "a\nb"]),
        ("source", "x", &["--source", ""]),
        ("tag", "x", &["--tag", "a\u{1b}[2J"]),
        ("metadata", "x", &["--metadata", "no equals sign"]),
        ("metadata-key", "x", &["--metadata", "=v"]),
    ];
    for (name, text, more) in cases {
        let told = repo.unchanged(|repo| save(repo, text, more).fails(2));
        pin(&format!("memory-save-bad-{name}"), &repo, &told);
    }
    for (name, input, exit) in [
        ("utf8", b"a\xff".to_vec(), 2),
        ("nul", b"a\0b".to_vec(), 2),
        ("long", vec![b'x'; (1 << 20) + 1], 2),
        ("longest", vec![b'x'; 1 << 20], 0),
    ] {
        let file = repo.world.path(name);
        std::fs::write(&file, input).unwrap();
        let line = format!("git codex-archive memory save - <'{}'", file.display());
        let told = repo.types(&line);
        assert_eq!(told.code, exit, "{name}: {told}");
    }
    assert_eq!(count(&repo, "MEMORY_SAVE"), 1);
}

#[test]
fn an_id_that_is_none_or_fits_several() {
    let repo = TestRepo::ready();
    let told = repo.unchanged(|repo| repo.archive(["memory", "get", "0123"]).fails(5));
    pin("memory-get-unknown", &repo, &told);
    for id in ["abc", "zzzz", "%_%_", "'; DROP TABLE entry; --", ""] {
        repo.archive(["memory", "get", "--", id]).fails(5);
    }
    let id = saved(&repo, "x", &[])["id"].as_str().unwrap().to_owned();
    // One that is missing leaves the others out: an answer is whole or none.
    let told = repo.archive(["memory", "get", &id, "0123"]).fails(5);
    assert_eq!(told.stdout, "");
    repo.archive([&["memory", "get"][..], &vec![id.as_str(); 201]].concat()).fails(2);
    repo.archive([&["memory", "get"][..], &vec![id.as_str(); 200]].concat()).ok();
    repo.archive(["memory", "get", &id.to_uppercase()]).fails(5);
}

#[test]
fn credentials_are_refused_and_never_repeated() {
    let repo = TestRepo::ready();
    let secret = secret();
    let text = format!("first\nthe key is {secret} so\n");
    let told = repo.unchanged_but_recorded(|repo| save(repo, &text, &[]).fails(6));
    // What is told of the command itself has what was typed.
    let told = Outcome { command: "git codex-archive memory save TEXT".to_owned(), ..told };
    pin("memory-save-blocked", &repo, &told);
    let pair = format!("api={secret}");
    for more in [
        ["--title", &secret],
        ["--source", &secret],
        ["--tag", &secret],
        ["--metadata", &pair],
        ["--project", &secret],
        ["--type", &secret],
    ] {
        let told = save(&repo, "harmless", &more).fails(6);
        assert!(!format!("{}{}", told.stdout, told.stderr).contains(&secret), "{more:?}");
    }
    // A part that does not fit either is not quoted.
    let long = format!("{secret} {}", "x".repeat(200));
    let told = save(&repo, "harmless", &["--title", &long]);
    assert!(told.code != 0 && !told.stderr.contains(&secret), "{}", told.stderr);
    assert_eq!((count(&repo, "POLICY_BLOCK"), count(&repo, "MEMORY_SAVE")), (7, 0));
    let records = repo.journal().concat();
    assert!(!records.contains(&secret));
    assert!(records.contains("\"rules\":{\"aws-access-key\":1}"), "{records}");
}

#[test]
fn credentials_are_taken_out_or_told() {
    let repo = TestRepo::ready();
    let secret = secret();
    let text = format!("first\nthe key is {secret} so\n");
    policy(&repo, "redact");
    let told = save(&repo, &text, &["--tag", &secret, "--metadata", &format!("k={secret}")]).ok();
    let told = Outcome { command: "git codex-archive memory save TEXT …".to_owned(), ..told };
    pin("memory-save-redacted", &repo, &told);
    let id = saved(&repo, &text, &[]);
    assert_eq!(id["status"], "unchanged", "what was taken out is the same each time");
    let kept = get(&repo, &[id["id"].as_str().unwrap()])[0].clone();
    assert_eq!(kept["body"], "first\nthe key is [redacted: aws-access-key] so");
    assert_eq!(kept["title"], "first the key is [redacted: aws-access-key] so");
    assert_eq!(kept["tags"], serde_json::json!(["[redacted: aws-access-key]"]));
    assert_eq!(kept["metadata"]["k"], "[redacted: aws-access-key]");
    policy(&repo, "warn");
    let told = saved(&repo, &text, &[]);
    assert_eq!(
        (&told["credentials"][0]["field"], &told["credentials"][0]["line"]),
        (&"text".into(), &2.into())
    );
    let kept = get(&repo, &[told["id"].as_str().unwrap()])[0].clone();
    assert_eq!(kept["body"], text.trim());
    let warned = save(&repo, &text, &["--tag", "t"]).ok();
    assert!(
        warned.stderr.contains("warning: a credential was saved with it: text:2:12"),
        "{warned}"
    );
    policy(&repo, "off");
    let told = saved(&repo, &format!("{secret} again"), &[]);
    assert_eq!(told["credentials"], serde_json::json!([]));
    // And a line that is marked is let pass.
    policy(&repo, "block");
    save(&repo, &format!("{secret} codex-archive: allow-secret"), &[]).ok();
    let records = repo.journal().concat();
    assert!(!records.contains(&secret));
    for words in [
        "\"redacted\":{\"aws-access-key\":3}",
        "\"warned\":{\"aws-access-key\":1}",
        "\"allowed\":{\"aws-access-key\":1}",
    ] {
        assert!(records.contains(words), "{words} in {records}");
    }
}

#[test]
fn a_folder_without_git_has_a_memory_too() {
    if !is_embedded() {
        // On a server nobody makes a schema unasked.
        return;
    }
    let repo = TestRepo::plain_folder("notes");
    let id = saved(&repo, "x", &["--by", "ann"])["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&repo, &[&id])[0]["body"], "x");
}
