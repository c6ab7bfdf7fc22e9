//! Too long, too many, too deep, twice, too large.

use std::ffi::OsString;

use super::harness::{archived, portion, readers, some, tries, tries_with};
use crate::common::{TestRepo, sha256};
use crate::score::Score;

/// Refused, and nothing is there that was not.
fn refused(repo: &TestRepo, line: &[String]) -> Result<(), String> {
    let before = repo.snapshot().without_records();
    tries(repo, line).is_refused()?;
    let changed = before.difference(&repo.snapshot().without_records());
    if changed.is_empty() { Ok(()) } else { Err(format!("changed {changed:?}")) }
}

#[test]
fn long_arguments_are_refused() {
    let mut score = Score::of("attack: long arguments");
    let (repo, id) = archived();
    let long = |n: usize| "x".repeat(n);
    let store = |more: Vec<String>| -> Vec<String> {
        let line = ["store", "_codex_", "src/live.py", "--reason", "dead"].map(str::to_owned);
        line.into_iter().chain(more).collect()
    };
    let drop = |reason: String| -> Vec<String> {
        vec!["drop".to_owned(), id.clone(), "--reason".to_owned(), reason]
    };
    let each = |option: &str, text: &dyn Fn(usize) -> String| -> Vec<String> {
        (0..10_000).flat_map(|n| [option.to_owned(), text(n)]).collect()
    };
    let cases: Vec<(&str, Vec<String>)> = vec![
        ("a reason of 120 KiB", drop(long(120 << 10))),
        ("a reason of 65 KiB", drop(long(65 << 10))),
        ("a reason of controls", drop("\u{1}".repeat(20 << 10))),
        ("10,000 tags", store(each("--tag", &|n| format!("tag-{n:04}")))),
        ("10,000 metadata", store(each("--metadata", &|n| format!("key-{n:04}=v")))),
        ("a long tag", store(vec!["--tag".into(), long(100 << 10)])),
        ("a long value", store(vec!["--metadata".into(), format!("k={}", long(100 << 10))])),
        ("a long language", store(vec!["--language".into(), long(100 << 10)])),
        ("a long actor", store(vec!["--by".into(), long(257)])),
        ("a long commit", store(vec!["--commit".into(), long(100 << 10)])),
        ("a long path", store(vec![long(100 << 10)])),
        ("a long day", store(vec!["--delete-after".into(), long(100 << 10)])),
        ("a long label", vec!["init".into(), "--repo".into(), long(129)]),
        ("a long id", vec!["show".into(), "a".repeat(100 << 10)]),
        ("a long output", vec!["restore".into(), id.clone(), long(100 << 10)]),
        ("a deep output", vec!["restore".into(), id.clone(), "d/".repeat(20_000)]),
        ("a long range", vec!["verify".into(), "--range".into(), format!("{}..", long(100 << 10))]),
        ("a limit over 2^64", vec!["list".into(), "--limit".into(), "99999999999999999999".into()]),
        ("a negative limit", vec!["list".into(), "--limit".into(), "-1".into()]),
    ];
    for (name, line) in cases {
        score.note(name, refused(&repo, &line));
    }
    let most = ["list", "--limit", "18446744073709551615"];
    score.note("the largest limit", tries(&repo, most).is_civil());
    repo.is_well();
    score.finish(20);
}

/// Texts that stand where a record should.
fn records(good: &str) -> Vec<(String, Vec<u8>)> {
    let with = |key: &str, value: &str| {
        let record: serde_json::Value = serde_json::from_str(good).unwrap();
        let old = format!("\"{key}\":{}", record[key]);
        assert!(good.contains(&old), "{old}: {good}");
        good.replace(&old, &format!("\"{key}\":{value}")).into_bytes()
    };
    let quoted = |text: &str| format!("\"{text}\"");
    let mut all = vec![
        ("a reason of 10 MiB".to_owned(), with("reason", &quoted(&"x".repeat(10 << 20)))),
        ("an actor of 63 KiB".to_owned(), with("actor", &quoted(&"x".repeat(63 << 10)))),
        ("10 MiB of brackets".to_owned(), vec![b'['; 10 << 20]),
        ("10 MiB of digits".to_owned(), vec![b'1'; 10 << 20]),
        ("10 MiB of NUL".to_owned(), vec![0; 10 << 20]),
        ("a key twice".to_owned(), good.replacen('{', "{\"actor\":\"x\",", 1).into_bytes()),
        ("an array".to_owned(), format!("[{good}]").into_bytes()),
        (
            "no UTF-8".to_owned(),
            with("actor", "\"\u{1}\"").into_iter().map(|b| if b == 1 { 0xff } else { b }).collect(),
        ),
        ("a lone surrogate".to_owned(), with("actor", "\"\\ud800\"")),
    ];
    for number in [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "9007199254740992",
        "-1",
        "1.0",
        "1e3",
        "1e400",
        "01",
        "\"1\"",
        "null",
        "true",
        "[]",
        "{}",
        "",
    ] {
        for key in ["seq", "size", "v"] {
            all.push((format!("{key} {number}"), with(key, number)));
        }
    }
    for depth in [17, 1_000, 30_000] {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let text = good.replace("\"git_blob\"", &format!("\"detail\":{deep},\"git_blob\""));
        all.push((format!("{depth} deep"), text.into_bytes()));
        let deep = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let text = good.replace("\"git_blob\"", &format!("\"detail\":{deep},\"git_blob\""));
        all.push((format!("{depth} objects deep"), text.into_bytes()));
    }
    all
}

#[test]
fn no_record_is_too_large_too_deep_or_another_number() {
    let mut score = Score::of("attack: records");
    let (repo, id) = archived();
    let segment = repo.segments().remove(0);
    let journal = repo.common_dir().join("codex-archive/archive_ops.jsonl");
    let before = std::fs::read(&journal).unwrap();
    let good = repo.read(&segment).trim_end().to_owned();
    for (n, (name, text)) in some(records(&good)) {
        let path =
            format!("{}/{}.jsonl", segment.rsplit_once('/').unwrap().0, &sha256(&text)[..16]);
        repo.file(&path, [&text[..], b"\n"].concat()).git(["add", "-A"]).ok();
        score.note(format!("{name}, segment"), tries(&repo, ["verify", "--staged"]).exits(4));
        let lines = vec![
            "show",
            "restore --stage",
            "evidence cite",
            "status",
            "reconcile",
            "hook pre-commit",
        ];
        for line in portion(lines, n) {
            let mut words: Vec<&str> = line.split(' ').collect();
            words.extend((line == "show" || line == "restore --stage").then_some(id.as_str()));
            score.note(format!("{name}, {words:?}"), tries(&repo, words).is_civil());
        }
        repo.git(["reset", "-q", "--hard"]).ok();
        let _ = repo.git(["clean", "-fdq", ".codex"]);
        std::fs::write(&journal, [&before[..], &text, b"\n"].concat()).unwrap();
        let tried = tries(&repo, ["evidence", "verify"]);
        score.note(format!("{name}, journal"), tried.exits(4));
        for line in portion(readers(&id), n) {
            score.note(format!("{name}, journal, {line:?}"), tries(&repo, line).is_civil());
        }
        std::fs::write(&journal, &before).unwrap();
    }
    score.finish(80);
}

#[test]
fn no_input_of_a_hook_or_a_file_is_too_large() {
    let mut score = Score::of("attack: hook input and files");
    let (repo, id) = archived();
    repo.publish();
    let zero = "0".repeat(40);
    let head = repo.head();
    let big = 10 << 20;
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("10 MiB of x", vec![b'x'; big]),
        ("10 MiB of line feeds", vec![b'\n'; big]),
        ("10 MiB of NUL", vec![0; big]),
        ("no UTF-8", b"\xff\xfe refs\n".to_vec()),
        ("controls", "\u{1b}[2J\u{9b} a b c\n".into()),
        ("an option", format!("--upload-pack=x {head} --exec=touch\u{20}pwned {zero}\n").into()),
        ("an option as oid", format!("refs/heads/x --output=pwned refs/heads/x {zero}\n").into()),
        ("an unknown object", format!("a {} b {}\n", "1".repeat(40), "2".repeat(40)).into()),
        ("a number over 2^63", format!("a {} b {zero}\n", "9".repeat(40)).into()),
        ("too many digits", format!("a {} b {zero}\n", "a".repeat(1 << 20)).into()),
        ("100,000 refs", format!("refs/heads/x {head} refs/heads/x {zero}\n").repeat(100).into()),
    ];
    for (n, (name, input)) in inputs.into_iter().enumerate() {
        let lines = vec![
            "hook pre-push origin URL",
            "hook pre-push",
            "hook pre-receive",
            "hook pre-commit",
            "verify --range origin/main..HEAD --citations -",
            "verify --citations -",
        ];
        for line in portion(lines, n) {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let tried = tries_with(&repo, &words, &[], &input);
            let held = if repo.has("pwned") { Err("ran it".to_owned()) } else { tried.is_civil() };
            score.note(format!("{name}, {line}"), held);
        }
    }
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("2 MiB of comments", vec![b'#'; 2 << 20]),
        ("1 MiB of brackets", vec![b'['; (1 << 20) - 1]),
        ("1,000 deep", format!("x = {}{}", "[".repeat(1000), "]".repeat(1000)).into()),
        ("1,000 tables deep", format!("[{}]", vec!["a"; 1000].join(".")).into()),
        ("inline tables", format!("x = {}{}", "{a=".repeat(5000), "}".repeat(5000)).into()),
        ("a key twice", b"[repo]\nlabel = 'a'\nlabel = 'b'\n".to_vec()),
        ("a section twice", b"[repo]\nlabel = 'a'\n[repo]\n".to_vec()),
        ("a number over 2^63", b"[batch]\nconcurrent = 9223372036854775808\n".to_vec()),
        ("a number over 2^64", b"[batch]\nconcurrent = 18446744073709551616\n".to_vec()),
        ("a negative number", b"[batch]\nconcurrent = -1\n".to_vec()),
        ("not a number", b"[retry]\nmultiplier = nan\n".to_vec()),
        ("infinity", b"[retry]\nmultiplier = inf\nmax_delay = inf\n".to_vec()),
        ("1e308", b"[retry]\nmax_delay = 1e308\n".to_vec()),
        ("a label of 1 MiB", format!("[repo]\nlabel = '{}'\n", "x".repeat((1 << 20) - 64)).into()),
        ("no UTF-8", b"[repo]\nlabel = '\xff'\n".to_vec()),
        ("UTF-16", "[repo]\n".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("NUL", vec![0; 4096]),
    ];
    for (n, (name, text)) in files.into_iter().enumerate() {
        repo.file(".codex/archive.toml", &text);
        score.note(format!("{name}, config-show"), tries(&repo, ["config-show"]).exits(8));
        for line in portion(readers(&id), n) {
            score.note(format!("{name}, {line:?}"), tries(&repo, line).is_civil());
        }
        repo.git(["checkout", "-q", "--", ".codex/archive.toml"]).ok();
    }
    score.finish(60);
}
