//! Logs: what is written where, in which form, and that they never stand in the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::common::{Outcome, TestRepo, have, run};

/// The lines of a JSON log.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().filter(|line| line.starts_with("{\"ts\"")).map(parse).collect()
}

fn with_action<'a>(lines: &'a [Value], action: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["action"] == action).collect()
}

/// The same repository that logs to a file beside it.
fn logging(repo: &TestRepo, level: &str, format: &str) -> TestRepo {
    repo.env("CODEX_ARCHIVE_LOG_FILE", repo.world.path("log").to_str().unwrap())
        .env("CODEX_ARCHIVE_LOG_LEVEL", level)
        .env("CODEX_ARCHIVE_LOG_FORMAT", format)
}

fn log_of(repo: &TestRepo) -> String {
    fs::read_to_string(repo.world.path("log")).unwrap_or_default()
}

#[test]
fn nothing_is_logged_unasked() {
    let repo = TestRepo::ready();
    let told = repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
    assert_eq!(told.stderr, "");
    assert_eq!(repo.archive(["list"]).ok().stderr, "");
    repo.try_commit("retire old").ok().says_not("\"ts\"");
}

#[test]
fn each_deed_leaves_one_line_with_the_seven_fields() {
    let plain = TestRepo::ready();
    let backend = plain.archive(["config-show", "--json"]).ok().json()["backend"].clone();
    let repo = logging(&plain, "info", "json");
    let id = repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead", "--by", "marc"]);
    let id = id.ok().json()["items"][0]["tombstone"].as_str().unwrap().to_owned();
    repo.archive(["restore", &id, "out.py", "--by", "ops-user"]).ok();
    let text = log_of(&repo);
    let all = lines(&text);
    assert_eq!(all.len(), text.lines().count(), "{text}");
    for (action, actor) in [("ARCHIVE", "marc"), ("RESTORE", "ops-user")] {
        let found = with_action(&all, action);
        let [line] = found.as_slice() else { panic!("{action}: {text}") };
        assert_eq!(line["level"], "info");
        assert_eq!(line["tombstone"], id.as_str());
        assert_eq!(line["actor"], actor);
        assert_eq!(line["backend"], backend);
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
        let ts = line["ts"].as_str().unwrap();
        assert!(ts.len() == 24 && ts.ends_with('Z'), "{ts}");
    }
    let order = [
        "\"ts\":",
        "\"level\":",
        "\"action\":",
        "\"tombstone\":",
        "\"actor\":",
        "\"duration_ms\":",
        "\"backend\":",
    ];
    let line = text.lines().find(|line| line.contains("RESTORE")).unwrap();
    let at: Vec<usize> = order.iter().map(|key| line.find(key).unwrap()).collect();
    assert!(at.is_sorted(), "{line}");
}

#[test]
fn every_use_case_is_told() {
    let repo = TestRepo::with_history();
    let repo = logging(&repo, "info", "json");
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    repo.archive(["store", "_codex_", "src/old.py", "src/live.py", "--reason", "dead"]).ok();
    repo.archive(["undo"]).ok();
    repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    repo.archive(["verify", "--all"]).ok();
    repo.archive(["fsck"]).ok();
    repo.archive(["fsck", "--repair"]).ok();
    repo.archive(["health-check"]).ok();
    repo.archive(["drop", "src/old.py", "--reason", "gone"]).ok();
    repo.archive(["undo"]).ok();
    let all = lines(&log_of(&repo));
    for action in
        ["INIT", "ARCHIVE", "STORE_ABORT", "VERIFY", "FSCK", "REPAIR", "HEALTH_CHECK", "STUB_DROP"]
    {
        assert!(!with_action(&all, action).is_empty(), "{action}: {all:#?}");
    }
    assert_eq!(with_action(&all, "ARCHIVE")[0]["count"], 2);
    assert_eq!(with_action(&all, "HOOK"), [&Value::Null; 0], "a hook that finds nothing is silent");
    repo.append("src/old.py", "# edited\n").git(["add", "-A"]).ok();
    repo.try_commit("edited").fails(1);
    let all = lines(&log_of(&repo));
    let found = with_action(&all, "HOOK");
    assert_eq!(found.len(), 1, "{all:#?}");
    assert_eq!(found[0]["level"], "warning");
}

#[test]
fn phases_are_told_with_their_times() {
    let repo = TestRepo::ready();
    let debug = logging(&repo, "debug", "json");
    debug.store_one("src/old.py");
    let all = lines(&log_of(&debug));
    for phase in
        ["lock", "recover", "guards", "read", "readback", "transaction", "journal", "tree", "stage"]
    {
        let found: Vec<_> = all.iter().filter(|line| line["phase"] == phase).collect();
        assert!(!found.is_empty(), "{phase}: {all:#?}");
        assert!(found[0]["duration_ms"].is_f64() && found[0]["level"] == "debug");
    }
    let last = all.last().unwrap();
    assert_eq!((&last["command"], &last["exit"]), (&"store".into(), &0.into()), "{last}");
    fs::remove_file(debug.world.path("log")).unwrap();
    let quick = debug.env("CODEX_ARCHIVE_PERF_ENABLED", "off");
    quick.archive(["restore", "src/old.py", "out.py"]).ok();
    let text = log_of(&quick);
    assert!(text.contains("\"RESTORE\""), "{text}");
    assert!(!text.contains("duration_ms") && !text.contains("phase"), "{text}");
}

#[test]
fn evidence_has_the_duration_unless_it_is_turned_off() {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.archive(["restore", &id, "one.py"]).ok();
    repo.env("CODEX_ARCHIVE_PERF_ENABLED", "0").archive(["restore", &id, "two.py"]).ok();
    let records: Vec<Value> =
        repo.journal().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let durations = |action: &str| -> Vec<bool> {
        let records = records.iter().filter(|record| record["action"] == action);
        records.map(|record| record["duration_ms"].is_u64()).collect()
    };
    assert_eq!(durations("ARCHIVE"), [true]);
    assert_eq!(durations("RESTORE"), [true, false]);
    repo.is_well();
}

#[test]
fn a_failure_is_an_error_with_its_causes() {
    let repo = TestRepo::ready();
    let debug = logging(&repo, "error", "json");
    debug.archive(["restore", "8f0c3f0a", "out.py", "--by", "ops"]).fails(5);
    debug.archive(["show", "8f0c3f0a"]).fails(5);
    debug.archive(["store", "other", "src/old.py", "--reason", "dead"]).fails(6);
    let all = lines(&log_of(&debug));
    assert_eq!(all.len(), 3, "each failure once: {all:#?}");
    assert_eq!(all[0]["action"], "RESTORE_FAIL");
    assert_eq!(all[0]["actor"], "ops");
    assert_eq!(all[0]["kind"], "not_found");
    assert!(all[0]["message"].as_str().unwrap().contains("8f0c3f0a"));
    assert_eq!((&all[1]["command"], &all[1]["exit"]), (&"show".into(), &5.into()));
    assert_eq!(all[2]["action"], "STORE_FAIL");
    assert!(all.iter().all(|line| line["level"] == "error"));
}

#[test]
fn a_failure_cannot_forge_a_line() {
    let repo = TestRepo::ready();
    for format in ["json", "text"] {
        let debug = logging(&repo, "debug", format);
        debug.archive(["show", "a\n{\"ts\":\"x\",\"level\":\"info\"}\u{1b}[2J\u{202e}"]).fails(5);
        let text = log_of(&debug);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("{\"ts\":\"x\"")), "{text}");
        fs::remove_file(debug.world.path("log")).unwrap();
    }
}

#[test]
fn text_is_for_people() {
    let repo = logging(&TestRepo::ready(), "info", "text");
    let id = repo.store_one("src/old.py");
    let text = log_of(&repo);
    let line = text.lines().find(|line| line.contains("ARCHIVE")).unwrap();
    assert!(line.contains(&format!("Z info    ARCHIVE tombstone={id} actor=")), "{line}");
}

#[test]
fn a_level_alone_logs_to_standard_error() {
    let repo = TestRepo::ready().env("CODEX_ARCHIVE_LOG_LEVEL", "info");
    let told = repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
    told.json();
    assert_eq!(with_action(&lines(&told.stderr), "ARCHIVE").len(), 1, "{told}");
    let quiet = repo.env("CODEX_ARCHIVE_LOG_LEVEL", "error");
    assert_eq!(quiet.archive(["list"]).ok().stderr, "");
    // The tracked file may ask for it too.
    let repo = TestRepo::ready();
    repo.append(".codex/archive.toml", "\n[logging]\nlevel = \"info\"\nformat = \"text\"\n");
    let told = repo.archive(["verify", "--all"]).ok();
    assert!(told.stderr.contains(" info    VERIFY "), "{told}");
}

#[test]
fn a_file_is_the_owners_alone_and_shared_by_processes() {
    let repo = TestRepo::ready();
    for n in 0..8 {
        repo.file(format!("many/{n}.py"), format!("{n}\n"));
    }
    repo.commit("many");
    let debug = logging(&repo, "debug", "json");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let debug = &debug;
            scope.spawn(move || debug.store_one(&format!("many/{n}.py")));
        }
    });
    let mode = fs::metadata(debug.world.path("log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = log_of(&debug);
    let all = lines(&text);
    assert_eq!(all.len(), text.lines().count(), "whole lines");
    assert_eq!(with_action(&all, "ARCHIVE").len(), 8);
}

/// A file that cannot be written is told, and stops nothing.
#[test]
fn an_unwritable_file_is_a_warning() {
    let repo = TestRepo::ready();
    repo.link("link", "target");
    repo.git(["add", "-A"]).ok();
    fs::create_dir(repo.world.path("folder")).unwrap();
    let world = repo.world.path(".");
    for (n, place) in ["nowhere/log", "folder", "repo/link"].iter().enumerate() {
        let file = world.join(place);
        let deaf = repo.env("CODEX_ARCHIVE_LOG_FILE", file.to_str().unwrap());
        let out = format!("out{n}.py");
        let told = deaf.archive(["verify", "--all"]).ok();
        assert!(told.stderr.contains("warning: nothing is logged: "), "{told}");
        deaf.file(&out, "x\n").git(["add", "-A"]).ok();
        deaf.try_commit("hooks say nothing of it").ok().says_not("nothing is logged");
    }
    assert!(!repo.has("target"));
    if have("mkfifo") {
        let fifo = world.join("fifo");
        let mut command = repo.world.command("mkfifo", &repo.top);
        command.arg(&fifo);
        run(command, None).ok();
        let deaf = repo.env("CODEX_ARCHIVE_LOG_FILE", fifo.to_str().unwrap());
        deaf.archive(["verify", "--all"]).ok().says("nothing is logged");
    }
}

#[test]
fn a_stream_that_takes_nothing_stops_no_work() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let repo = TestRepo::ready();
    let told =
        repo.types("CODEX_ARCHIVE_LOG_LEVEL=debug git codex-archive verify --all 2>/dev/full");
    told.ok();
}

/// A tracked file chooses no place outside the repository.
#[test]
fn a_tracked_file_needs_trust() {
    let repo = TestRepo::ready();
    let outside = repo.world.path("outside.log");
    let config = repo.read(".codex/archive.toml");
    let said = |outcome: &Outcome| outcome.said("this clone has not trusted it");
    repo.file(
        ".codex/archive.toml",
        format!("{config}\n[logging]\nfile = \"{}\"\n", outside.display()),
    );
    let told = repo.archive(["verify", "--all"]).ok();
    assert!(said(&told) && !outside.exists(), "{told}");
    repo.archive(["init", "--trust"]).ok();
    let told = repo.archive(["verify", "--all"]).ok();
    assert!(!said(&told) && outside.exists(), "{told}");
    // Inside, but through a link.
    repo.link("out", "..");
    repo.file(".codex/archive.toml", format!("{config}\n[logging]\nfile = \"out/inside.log\"\n"));
    repo.archive(["verify", "--all"]).ok().says("nothing is logged");
    assert!(!repo.world.path("inside.log").exists());
    repo.file(".codex/archive.toml", format!("{config}\n[logging]\nfile = \"inside.log\"\n"));
    repo.at("src").archive(["verify", "--all"]).ok();
    assert!(repo.read("inside.log").contains("VERIFY"));
}

#[test]
fn debug_tells_the_chain_of_causes_and_its_layers() {
    let repo = TestRepo::ready().env("CODEX_ARCHIVE_URL", "postgres://u:s3cr3t@127.0.0.1:1/db");
    let said = repo.archive(["list", "--debug"]).fails(7);
    let text = &said.stderr;
    assert!(text.contains("error: cannot connect to the archive at `postgres://u:***@"), "{said}");
    assert!(text.contains("caused by: ") && text.contains("Connection refused"), "{said}");
    let layers = "debug: kind unreachable, exit code 7, layers: backend < database driver < operating system";
    assert!(text.contains(layers), "{said}");
    assert!(text.contains(" debug   command=list duration_ms="), "{said}");
    assert!(!said.said("s3cr3t"), "{said}");
    repo.archive(["list"]).fails(7).says_not("layers");
}

#[test]
fn debug_and_a_file_both_get_lines() {
    let repo = logging(&TestRepo::ready(), "info", "json");
    let told = repo.archive(["verify", "--all", "--debug"]).ok();
    assert!(told.stderr.contains(" info    VERIFY "), "{told}");
    assert_eq!(with_action(&lines(&log_of(&repo)), "VERIFY").len(), 1);
    assert!(!log_of(&repo).contains("debug"));
}
