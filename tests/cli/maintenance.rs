//! Maintenance: what is refused while it is on, what goes on, and who sees it.

use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::common::strace::{can_trace, fault_was_met, with_fault};
use crate::common::{TestRepo, have, is_embedded};

/// Commands that change what the archive says, each of which works where nothing stands in its way.
const CHANGING: &[&[&str]] = &[
    &["store", "_codex_", "src/live.py", "--reason", "dead"],
    &["store", "_codex_", "src/live.py", "--reason", "dead", "--no-stub"],
    &["batch-store", "store.csv", "--results", "../r.json"],
    &["restore", "src/old.py", "out.py"],
    &["restore", "src/old.py", "--stage"],
    &["batch-restore", "restore.csv", "--results", "../r.json"],
    &["drop", "src/old.py", "--reason", "gone"],
    &["prune-request", "src/old.py", "--reason", "x"],
    &["request", "cancel", "src/asked.py", "--reason", "x"],
    &["approve", "src/asked.py", "--action", "purge", "--by", "ann"],
    &["purge", "src/asked.py", "--by", "a", "--second", "b", "--reason", "x", "--apply"],
    &["hold", "set", "--path", "src/**", "--case", "c", "--reason", "x"],
    &["policy", "adopt", "--reason", "x"],
    &["retention", "plan", "--of", "items"],
    &["memory", "save", "something to remember"],
    &["evidence", "checkpoint", "--unsigned"],
    &["evidence", "new-log"],
    &["bundle", "create"],
    &["reconcile"],
    &["undo"],
];

/// Commands that go on: they only read, or look after the archive.
const GOING_ON: &[&[&str]] = &[
    &["list"],
    &["show", "src/old.py"],
    &["cat", "src/old.py"],
    &["log"],
    &["status"],
    &["export"],
    &["store", "_codex_", "src/live.py", "--reason", "dead", "--dry-run"],
    &["verify", "--all", "--deep"],
    &["evidence", "verify"],
    &["evidence", "log"],
    &["hold", "list"],
    &["request", "list"],
    &["policy", "show"],
    &["health-check", "--smoke"],
    &["migrate"],
    &["fsck"],
    &["fsck", "--repair"],
    &["init"],
];

/// A repository with something archived, and something asked for.
fn with_items() -> TestRepo {
    let repo = TestRepo::ready();
    repo.file("src/asked.py", "print('asked')\n".repeat(9));
    repo.file("store.csv", "path,reason\nsrc/live.py,dead\n");
    repo.file("restore.csv", "tombstone,output\nsrc/old.py,out.py\n").commit("more");
    repo.store(&["src/old.py", "src/asked.py"]);
    repo.commit("retire");
    repo.archive(["prune-request", "src/asked.py", "--reason", "gdpr"]).ok();
    repo.commit("asked").clone()
}

#[track_caller]
fn on(repo: &TestRepo) -> Value {
    repo.archive(["--json", "maintenance", "on", "--reason", "disk is odd", "--by", "ann"])
        .ok()
        .json()
}

#[track_caller]
fn off(repo: &TestRepo) -> Value {
    repo.archive(["--json", "maintenance", "off", "--by", "ben"]).ok().json()
}

#[test]
fn what_changes_is_refused_and_changes_nothing() {
    let repo = with_items();
    on(&repo);
    let records = repo.journal();
    for line in CHANGING {
        let said = repo.unchanged(|repo| repo.archive(line.iter()));
        let said = said.fails(6).says("it is in maintenance since 2").says("by ann: disk is odd");
        assert_eq!(said.hint(), "git codex-archive status", "{line:?}");
    }
    for line in GOING_ON {
        repo.archive(line.iter()).ok();
    }
    assert_eq!(repo.journal(), records, "nothing was recorded");
    off(&repo);
    repo.store(&["src/live.py"]);
    repo.commit("retire live").is_well();
}

#[test]
fn it_is_told_of_and_recorded() {
    let repo = with_items();
    assert_eq!(repo.archive(["--json", "status"]).ok().json()["maintenance"], Value::Null);
    let told = on(&repo);
    assert_eq!((&told["on"], &told["changed"]), (&true.into(), &true.into()));
    let line = repo.journal().last().unwrap().clone();
    assert_eq!(told["evidence"], crate::common::sha256(line.as_bytes()));
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["action"], "MAINTENANCE");
    assert_eq!((&record["actor"], &record["reason"]), (&"ann".into(), &"disk is odd".into()));
    assert_eq!(record["detail"], serde_json::json!({"switch": "on"}));
    let since = record["ts"].clone();
    let status = repo.archive(["--json", "status"]).ok().json();
    let told = serde_json::json!({"since": since, "by": "ann", "reason": "disk is odd"});
    assert_eq!(status["maintenance"], told);
    repo.archive(["--text", "status"]).ok().says("by ann: disk is odd");
    let health = repo.archive(["--json", "health-check"]).ok().json();
    let checks = health["checks"].as_array().unwrap();
    let check = checks.iter().find(|it| it["name"] == "maintenance").unwrap();
    assert_eq!(check["level"], "warning");
    assert!(check["detail"].as_str().unwrap().ends_with("by ann: disk is odd"), "{check}");
    // Once more changes nothing.
    let again = repo.unchanged(|repo| {
        repo.archive(["--json", "maintenance", "on", "--reason", "other", "--by", "eve"])
    });
    let again = again.ok().json();
    assert_eq!((&again["changed"], &again["maintenance"]), (&false.into(), &told));
    let over = off(&repo);
    assert_eq!((&over["on"], &over["changed"]), (&false.into(), &true.into()));
    assert_eq!(over["maintenance"], told);
    let record: Value = serde_json::from_str(repo.journal().last().unwrap()).unwrap();
    assert_eq!(
        (&record["detail"]["switch"], &record["detail"]["by"]),
        (&"off".into(), &"ann".into())
    );
    assert_eq!(record["detail"]["since"], since);
    let again = repo.unchanged(|repo| repo.archive(["--json", "maintenance", "off"]).ok().json());
    assert_eq!((&again["changed"], &again["evidence"]), (&false.into(), &"".into()));
    assert_eq!(repo.archive(["--json", "status"]).ok().json()["maintenance"], Value::Null);
    repo.is_well();
}

#[test]
fn bad_reasons_and_no_archive() {
    let repo = with_items();
    repo.unchanged(|repo| {
        repo.archive(["maintenance", "on"]).fails(2);
        for bad in ["", " ", "a\nb", &"x".repeat(1025)] {
            repo.archive(["maintenance", "on", "--reason", bad]).fails(2);
        }
        repo.archive(["maintenance"]).fails(2)
    });
    if is_embedded() {
        let bare = TestRepo::with_history();
        bare.archive(["maintenance", "on", "--reason", "x"]).fails(8).says("there is no archive");
        assert!(!bare.common_dir().join("codex-archive/archive.sqlite").exists());
    }
}

/// The same archive, as two clones have it: on the server, or a file that both name.
fn two_clones() -> (TestRepo, TestRepo) {
    let url = |repo: &TestRepo| format!("sqlite:///{}", repo.world.path("team.sqlite").display());
    let both = |repo: &TestRepo| match is_embedded() {
        true => repo.env("CODEX_ARCHIVE_URL", &url(repo)),
        false => repo.clone(),
    };
    let one = both(&TestRepo::with_history());
    one.archive(["init", "--repo", "_codex_"]).ok();
    one.commit("archive");
    one.store(&["src/old.py"]);
    one.commit("retire");
    let other = both(&one.clone_to("other"));
    other.archive(["init"]).ok();
    (one, other)
}

#[test]
fn another_clone_sees_it() {
    let (one, other) = two_clones();
    on(&one);
    let line = ["store", "_codex_", "src/live.py", "--reason", "dead"];
    other.unchanged(|other| other.archive(line).fails(6).says("switched on by ann"));
    other.archive(["cat", "src/old.py"]).ok();
    other.archive(["--text", "status"]).ok().says("by ann: disk is odd");
    off(&other);
    one.archive(line).ok();
    one.commit("live too").is_well();
}

#[test]
fn a_writer_in_the_middle_fails_cleanly() {
    let (one, other) = two_clones();
    // Its manifest comes over a pipe: it has begun, and is not done, when it is switched on.
    let mut line = one.command("git");
    line.args(["codex-archive", "batch-store", "-", "--reason", "dead"]);
    line.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = line.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"path\n").unwrap();
    on(&other);
    stdin.write_all(b"src/live.py\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert_eq!(one.read("src/live.py"), "print('live')\n");
    assert_eq!(one.status(), "");
    off(&one);
    one.is_well();
}

/// What an interrupted deed left waits until maintenance is over, or for a deed of upkeep.
#[test]
fn what_was_interrupted_waits() {
    if !is_embedded() || !can_trace() {
        return;
    }
    for during in [true, false] {
        let repo = TestRepo::ready();
        let line = ["store", "_codex_", "src/old.py", "--reason", "dead", "--quiet"];
        let waiting =
            |repo: &TestRepo| repo.archive(["--json", "status"]).ok().json()["waiting"].clone();
        let nothing = serde_json::json!([]);
        let is_left = (1..40).any(|n| {
            let _ = with_fault(&repo, "renameat", n, "signal=KILL", &line);
            fault_was_met(&repo) && waiting(&repo) != nothing
        });
        assert!(is_left, "no store was killed in the middle");
        // As another clone would switch it on.
        repo.sql(
            "INSERT INTO meta (k, v) VALUES ('maintenance.0000000001', \
             '{\"at\":\"2026-01-01T00:00:00.000Z\",\"by\":\"ann\",\"reason\":\"x\",\"switch\":\"on\"}')",
        );
        repo.unchanged(|repo| repo.archive(["memory", "save", "x"]).fails(6));
        assert_ne!(waiting(&repo), nothing);
        if during {
            repo.archive(["fsck", "--repair"]).ok();
        } else {
            off(&repo);
            repo.archive(["memory", "save", "x"]).ok();
        }
        assert_eq!(waiting(&repo), nothing, "{during}");
        repo.archive(["maintenance", "off"]).ok();
        repo.is_well();
    }
}

#[test]
fn a_mark_that_is_none_stops_writers_until_it_is_taken_away() {
    if !is_embedded() || !have("sqlite3") {
        return;
    }
    let repo = with_items();
    repo.sql("INSERT INTO meta (k, v) VALUES ('maintenance.0000000007', '{}')");
    repo.unchanged(|repo| {
        repo.archive(["memory", "save", "x"]).fails(6).says("its mark cannot be read");
        repo.archive(["list"]).ok()
    });
    assert_eq!(off(&repo)["changed"], true);
    repo.archive(["memory", "save", "x"]).ok();
}

/// Clones that write as fast as they can, while another one switches it on: what was answered with
/// success is there, and once `maintenance on` has answered nobody changes anything.
#[test]
fn writers_beside_the_switch() {
    let (one, other) = two_clones();
    let count = |repo: &TestRepo| {
        let told = repo.archive(["--json", "log", "--limit", "200"]).ok().json();
        let items = told["items"].as_array().unwrap().clone();
        items.iter().filter(|it| it["action"] == "MEMORY_SAVE").count()
    };
    let is_on = AtomicBool::new(false);
    let codes = thread::scope(|scope| {
        let write = |repo: TestRepo, name: &'static str| {
            let is_on = &is_on;
            move || {
                let mut codes = Vec::new();
                let mut behind = 0;
                for n in 0..60 {
                    let was_on = is_on.load(Ordering::SeqCst);
                    let outcome = repo.archive(["memory", "save", &format!("{name} {n}")]);
                    assert!(matches!(outcome.code, 0 | 6), "{outcome}");
                    assert!(!was_on || outcome.code == 6, "{outcome}");
                    behind += usize::from(was_on);
                    codes.push(outcome.code);
                    if behind == 3 {
                        break;
                    }
                }
                codes
            }
        };
        let writers =
            [scope.spawn(write(one.clone(), "one")), scope.spawn(write(other.clone(), "other"))];
        thread::sleep(Duration::from_millis(300));
        on(&other);
        is_on.store(true, Ordering::SeqCst);
        writers.map(|it| it.join().unwrap()).concat()
    });
    let done = codes.iter().filter(|code| **code == 0).count();
    assert!(codes.contains(&6) && done > 0, "{codes:?}");
    assert_eq!(count(&one), done);
    off(&one);
    one.is_well();
    other.archive(["evidence", "verify"]).ok();
}
