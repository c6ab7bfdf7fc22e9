//! Drills: what is tried, what is written down, and what counts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::strace::{can_trace, fault_was_met, with_fault};
use crate::common::{Outcome, TestRepo, have, is_embedded, sha256};

use super::restore::changed;
use super::{backup, dest, restore, secret, with_items};

/// Runs `backup drill` with `options`, in JSON.
fn drill(repo: &TestRepo, options: &[&str]) -> Outcome {
    repo.archive(["--json", "backup", "drill"].iter().chain(options))
}

/// The same of the newest backup.
fn drill_newest(repo: &TestRepo, options: &[&str]) -> Outcome {
    let dest = dest(repo);
    let mut line = vec!["--dest", dest.to_str().unwrap()];
    line.extend(options);
    drill(repo, &line)
}

fn names(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|it| it["ok"] == false);
    bad.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

fn detail<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{report}"));
    check["detail"].as_str().unwrap()
}

/// The last record.
fn record(repo: &TestRepo) -> Value {
    serde_json::from_str(repo.journal().last().unwrap()).unwrap()
}

/// What a drill left where it unpacked.
fn staged(repo: &TestRepo) -> Vec<PathBuf> {
    let store = repo.common_dir().join("codex-archive");
    let entries = fs::read_dir(store).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|it| it.to_string_lossy().contains(".codex-")).collect()
}

#[test]
fn a_spot_drill_is_recorded_and_listed() {
    let repo = with_items();
    let file = backup(&repo, &[]);
    let told = repo.unchanged_but_recorded(|repo| drill_newest(repo, &["--spot", "--by", "ann"]));
    let told = told.ok().json();
    assert_eq!((&told["ok"], &told["kind"]), (&true.into(), &"spot".into()));
    assert_eq!(told["file"], file.to_str().unwrap());
    assert_eq!(names(&told), ["checksum", "unpack", "files", "archive"]);
    assert!(detail(&told, "archive").ends_with("2 of 2 artifacts decoded"), "{told}");
    let last = record(&repo);
    assert_eq!((&last["action"], &last["actor"]), (&"DRILL".into(), &"ann".into()));
    assert_eq!(told["evidence"], sha256(repo.journal().last().unwrap().as_bytes()));
    let name = file.file_name().unwrap().to_str().unwrap();
    let detail = &last["detail"];
    assert_eq!((&detail["backup"], &detail["ok"]), (&name.into(), &1.into()));
    assert_eq!((&detail["kind"], &detail["failed"]), (&"spot".into(), &json!([])));
    assert_eq!(detail["sha256"], sha256(&fs::read(&file).unwrap()));
    assert_eq!(detail["made"], told["created_at"]);
    assert!(staged(&repo).is_empty());
    let text = repo.archive(["--text", "backup", "drill", "--spot", file.to_str().unwrap()]).ok();
    text.says("Passed: spot drill of ").says("✓ files: ").says("record");
    repo.is_well();
}

#[test]
fn a_full_drill_brings_up_an_archive_and_restores() {
    let repo = with_items();
    repo.file("bin/run", "#!/bin/sh\n").commit("more");
    repo.store(&["bin/run"]);
    repo.commit("retired more");
    backup(&repo, &[]);
    repo.store(&["src/live.py"]);
    repo.commit("newer than the backup");
    let told = repo.unchanged_but_recorded(|repo| drill_newest(repo, &["--full"])).ok().json();
    let all = ["checksum", "unpack", "files", "archive", "bring-up", "smoke", "restore"];
    assert_eq!(names(&told), all);
    assert!(detail(&told, "bring-up").contains(" 1 records made since"), "{told}");
    let restored = "3 items restored, 3 of them as git has them, 0 withheld";
    assert_eq!(detail(&told, "restore"), restored);
    let told = drill_newest(&repo, &["--full", "--sample", "1"]).ok().json();
    assert!(detail(&told, "restore").starts_with("1 items restored"), "{told}");
    assert!(staged(&repo).is_empty());
    repo.is_well();
}

#[test]
fn what_may_not_be_given_out_is_not_restored_by_a_drill() {
    let repo = TestRepo::ready();
    repo.file("src/secret.py", secret()).commit("a secret");
    repo.store(&["src/old.py", "src/secret.py"]);
    let line = ["store", "_codex_", "src/live.py", "--reason", "dead", "--restricted"];
    repo.archive(line).ok();
    repo.commit("retired");
    backup(&repo, &[]);
    let purge = ["purge", "src/secret.py", "--by", "a@x", "--second", "b@x", "--reason", "leak"];
    repo.archive(purge.into_iter().chain(["--apply"])).ok();
    repo.commit("purged");
    let told = drill_newest(&repo, &["--full"]).ok().json();
    assert!(detail(&told, "bring-up").contains(" 1 purges applied"), "{told}");
    let restored = "1 items restored, 1 of them as git has them, 2 withheld";
    assert_eq!(detail(&told, "restore"), restored);
}

/// A check that fails is recorded, ends with 4, and is no good drill.
#[test]
fn damage_is_found_and_recorded() {
    let repo = with_items();
    let file = backup(&repo, &[]);
    let whole = fs::read(&file).unwrap();
    let checksum = file.with_extension("gz.sha256");
    let text = fs::read(&checksum).unwrap();
    let fails = |kind: &str, expected: &[&str]| {
        let told = drill(&repo, &[file.to_str().unwrap(), kind]).fails(4).json();
        assert_eq!(failed(&told), expected, "{told}");
        let last = record(&repo);
        assert_eq!((&last["action"], &last["detail"]["ok"]), (&"DRILL".into(), &0.into()));
        assert_eq!(last["detail"]["failed"], json!(expected));
        assert!(staged(&repo).is_empty());
    };
    for kind in ["--spot", "--full"] {
        fs::remove_file(&checksum).unwrap();
        fails(kind, &["checksum"]);
        fs::write(&checksum, "not one\n").unwrap();
        fails(kind, &["checksum"]);
        fs::write(&checksum, &text).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 4;
        fs::write(&file, &flipped).unwrap();
        fails(kind, &["checksum", "unpack"]);
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        fails(kind, &["checksum", "unpack"]);
        fs::write(&file, &whole).unwrap();
        drill_newest(&repo, &[kind]).ok();
    }
    repo.is_well();
}

/// What is wrong inside, though the file is what it says, is found too.
#[test]
fn an_archive_that_is_not_what_was_put_in() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let other = changed(&repo, &file, |manifest, _| {
        manifest["archive"]["items"] = 7.into();
    });
    let bytes = fs::read(&other).unwrap();
    let line = format!("{}  changed.tar.gz\n", sha256(&bytes));
    fs::write(other.with_extension("gz.sha256"), line).unwrap();
    for kind in ["--spot", "--full"] {
        let told = drill(&repo, &[other.to_str().unwrap(), kind]).fails(4).json();
        assert_eq!(failed(&told), ["archive"]);
        assert!(detail(&told, "archive").contains("2 items, and had 7"), "{told}");
        assert!(!names(&told).contains(&"bring-up".to_owned()));
    }
}

#[track_caller]
fn health(repo: &TestRepo, name: &str) -> Value {
    let told = repo.archive(["--json", "health-check"]).json();
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|it| it["name"] == name).map_or(Value::Null, |it| it["level"].clone())
}

#[test]
fn health_is_red_until_drills_are_as_often_as_the_configuration_says() {
    let repo = with_items();
    let file = backup(&repo, &[]);
    assert_eq!(
        (health(&repo, "drill-spot"), health(&repo, "drill-full")),
        (Value::Null, Value::Null)
    );
    repo.append(".codex/archive.toml", "\n[backup]\ndrill_spot_days = 30\ndrill_full_days = 92\n");
    repo.commit("rules");
    let said = repo.unchanged(|repo| repo.archive(["health-check"])).fails(1);
    said.says("✗ drill-spot: no good drill yet").says("backup drill --full");
    drill_newest(&repo, &["--spot"]).ok();
    assert_eq!(
        (health(&repo, "drill-spot"), health(&repo, "drill-full")),
        ("ok".into(), "failed".into())
    );
    drill_newest(&repo, &["--full"]).ok();
    repo.archive(["health-check"])
        .ok()
        .says("✓ drill-full: the last good full drill was 0 days ago");
    if is_embedded() {
        // A backup has no record of its own drills: the restored archive is well, and due for one.
        restore(&repo, &file, &[]).ok().says("health:       ok");
        assert_eq!(health(&repo, "drill-spot"), "failed");
    }
}

#[test]
fn only_good_drills_of_its_own_backups_count() {
    let repo = with_items();
    repo.append(".codex/archive.toml", "\n[backup]\ndrill_spot_days = 30\n");
    repo.commit("rules");
    let file = backup(&repo, &[]);
    let checksum = file.with_extension("gz.sha256");
    let text = fs::read(&checksum).unwrap();
    fs::write(&checksum, "none\n").unwrap();
    drill(&repo, &[file.to_str().unwrap(), "--spot"]).fails(4);
    assert_eq!(health(&repo, "drill-spot"), "failed");
    fs::write(&checksum, text).unwrap();
    // Another data folder, and another archive.
    repo.file(".codex-api/a.txt", "one\n").commit("data");
    let folder = backup(&repo, &["--source", ".codex-api"]);
    let told = drill(&repo, &[folder.to_str().unwrap(), "--full"]).ok().json();
    assert_eq!(names(&told), ["checksum", "unpack", "files"]);
    assert_eq!(detail(&told, "files"), "1 of 1 files read again");
    assert_eq!(health(&repo, "drill-spot"), "failed");
    let other = with_items();
    let theirs = backup(&other, &[]);
    drill(&repo, &[theirs.to_str().unwrap(), "--full"]).ok();
    assert_eq!(health(&repo, "drill-spot"), "failed");
    drill(&repo, &[file.to_str().unwrap(), "--spot"]).ok();
    assert_eq!(health(&repo, "drill-spot"), "ok");
    if is_embedded() {
        // Where there is no archive, it is tried all the same and recorded nowhere.
        let bare = TestRepo::with_history();
        let told = drill(&bare, &[file.to_str().unwrap(), "--full"]).ok().json();
        assert_eq!(told["evidence"], "");
        assert!(!bare.common_dir().join("codex-archive/archive.sqlite").exists());
    }
}

#[test]
fn the_list_grows_where_it_is_wanted() {
    let repo = with_items();
    let file = backup(&repo, &[]);
    let line = [file.to_str().unwrap(), "--spot", "--checklist", "docs/drills.md"];
    let told = drill(&repo, &line).ok().json();
    assert_eq!(told["checklist"], "docs/drills.md");
    let first = repo.read("docs/drills.md");
    let expected = format!(
        "# Restore drills\n\n## {}: spot drill, passed\n\n- Backup: `{}`, made at {}\n\
         - SHA-256: `{}`\n- By: marc@example.com\n- Record: `{}`\n\n\
         - [x] checksum: the file beside it agrees\n- [x] unpack: ",
        told["at"].as_str().unwrap(),
        file.file_name().unwrap().to_str().unwrap(),
        told["created_at"].as_str().unwrap(),
        told["sha256"].as_str().unwrap(),
        told["evidence"].as_str().unwrap(),
    );
    assert!(first.starts_with(&expected), "{first}\n{expected}");
    // The configuration says where, and what stands there stays.
    repo.append(".codex/archive.toml", "\n[backup]\ndrill_checklist = \"docs/drills.md\"\n");
    fs::write(file.with_extension("gz.sha256"), "none\n").unwrap();
    drill(&repo, &[file.to_str().unwrap(), "--full"]).fails(4);
    let second = repo.read("docs/drills.md");
    assert!(second.starts_with(&first) && second.contains("full drill, FAILED"), "{second}");
    assert!(second.contains("- [ ] checksum: the file beside it is no checksum of it"), "{second}");
    // What cannot be written is told before anything is tried.
    repo.link("link.md", "docs/drills.md").file("folder/x", "");
    for bad in ["folder", "link.md", ".git/drills.md", "docs/drills.md/x"] {
        let line = [file.to_str().unwrap(), "--spot", "--checklist", bad];
        let said = repo.unchanged(|repo| drill(repo, &line));
        assert!(matches!(said.code, 1 | 6), "{said}");
    }
}

#[test]
fn which_backup_and_which_kind() {
    let repo = with_items();
    repo.unchanged(|repo| {
        drill_newest(repo, &["--spot"]).fails(5).says("no backup `codex-");
        drill(repo, &["--spot"]).fails(2).says("the destination (`--dest` or `backup.dest`)");
        drill(repo, &["none.tar.gz", "--spot"]).fails(1);
    });
    let first = backup(&repo, &[]);
    let second = backup(&repo, &[]);
    repo.unchanged(|repo| {
        drill_newest(repo, &[]).fails(2);
        drill_newest(repo, &["--spot", "--full"]).fails(2);
        drill_newest(repo, &["--spot", "--sample", "0"]).fails(2);
    });
    assert_eq!(drill_newest(&repo, &["--spot"]).ok().json()["file"], second.to_str().unwrap());
    let told = drill(&repo, &[first.to_str().unwrap(), "--spot"]).ok().json();
    assert_eq!(told["file"], first.to_str().unwrap());
    let line = ["maintenance", "on", "--reason", "drill"];
    repo.archive(line).ok();
    drill_newest(&repo, &["--full"]).ok();
    assert_eq!(repo.actions().last().unwrap(), "DRILL");
}

#[test]
fn the_record_is_signed_where_signing_is_on() {
    if !have("ssh-keygen") {
        return;
    }
    let repo = with_items();
    let signer = crate::signed::key(&repo, "marc");
    repo.file(".codex/allowed_signers", format!("{signer}\n"));
    repo.append(".codex/archive.toml", "\n[evidence]\nsign = true\n");
    repo.commit("sign");
    backup(&repo, &[]);
    drill_newest(&repo, &["--full"]).ok();
    let signatures = |repo: &TestRepo| {
        let report = repo.archive(["--json", "evidence", "verify"]).ok().json();
        report["signatures"].as_u64().unwrap()
    };
    let before = signatures(&repo);
    drill_newest(&repo, &["--spot"]).ok();
    assert_eq!(signatures(&repo), before + 1);
    assert_eq!(repo.actions().last().unwrap(), "DRILL");
    // Without the key nothing is recorded.
    repo.git(["config", "user.signingKey", "/nowhere"]).ok();
    let records = repo.journal();
    assert_ne!(drill_newest(&repo, &["--spot"]).code, 0);
    assert_eq!(repo.journal(), records);
}

#[cfg(feature = "openpgp")]
#[test]
fn an_encrypted_one_is_opened_or_not_tried_at_all() {
    let repo = with_items().env("CODEX_BACKUP_GPG_KEY", "correct horse");
    backup(&repo, &["--encrypt"]);
    drill_newest(&repo, &["--full"]).ok();
    let before = repo.journal().len();
    for words in ["other", ""] {
        drill_newest(&repo.env("CODEX_BACKUP_GPG_KEY", words), &["--full"]).fails(2);
    }
    assert_eq!(repo.journal().len(), before);
    assert!(staged(&repo).is_empty());
}

/// A drill that is killed leaves nothing but what it had unpacked, and the next one removes that.
#[test]
fn a_drill_that_is_killed() {
    if !is_embedded() || !can_trace() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let line = ["backup", "drill", file.to_str().unwrap(), "--full"];
    let before = repo.journal();
    let mut left = 0;
    for (call, n) in [("fsync", 2), ("renameat2", 2), ("linkat", 2), ("pwrite64", 20), ("fsync", 6)]
    {
        let outcome = with_fault(&repo, call, n, "signal=KILL", &line);
        if !fault_was_met(&repo) {
            continue;
        }
        assert_ne!(outcome.code, 0);
        left += staged(&repo).len();
        assert!(staged(&repo).len() <= 1, "{:?}", staged(&repo));
    }
    assert!(left > 0, "no drill was killed with its folder there");
    assert!(repo.journal().len() >= before.len());
    repo.archive(line).ok();
    assert!(staged(&repo).is_empty());
    repo.is_well();
}

/// Two at once do not take each other's folder away.
#[test]
fn drills_side_by_side() {
    let repo = with_items();
    let file = backup(&repo, &[]);
    let run = |file: &Path| drill(&repo, &[file.to_str().unwrap(), "--full"]).ok();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| run(&file));
        }
    });
    assert!(staged(&repo).is_empty());
    repo.is_well();
}
