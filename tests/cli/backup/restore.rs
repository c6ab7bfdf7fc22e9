//! What comes back, and what does not.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Outcome, TestRepo, is_embedded};

use super::{backup, restore, secret, with_items};

/// The folder of the archive.
fn store(repo: &TestRepo) -> PathBuf {
    repo.common_dir().join("codex-archive")
}

fn remove_archive(repo: &TestRepo) {
    fs::remove_dir_all(store(repo)).unwrap();
}

/// Purges the secret, with two people.
#[track_caller]
fn purge(repo: &TestRepo) {
    let line = ["purge", "src/secret.py", "--by", "ann@x", "--second", "bob@x", "--reason", "leak"];
    repo.archive(line.into_iter().chain(["--apply"])).ok();
}

/// Whether any 24 bytes of the secret stand in a file.
fn has_secret(file: &Path) -> bool {
    let bytes = fs::read(file).unwrap();
    let secret = secret();
    let mut pieces = secret.windows(24).step_by(7);
    pieces.any(|piece| memchr::memmem::find(&bytes, piece).is_some())
}

#[test]
fn a_lost_archive_comes_back() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let before = repo.archive(["--json", "list"]).ok().json();
    remove_archive(&repo);
    let told = repo.archive(["--json", "backup", "restore", file.to_str().unwrap()]).ok().json();
    assert_eq!(told["archive"]["kept_aside"], Value::Null);
    assert_eq!((&told["archive"]["lost_records"], &told["health"]), (&0.into(), &"ok".into()));
    assert_eq!(repo.archive(["--json", "list"]).ok().json(), before);
    repo.is_well();
    let report = repo.archive(["--json", "evidence", "verify"]).ok().json();
    assert_eq!(report["findings"], serde_json::json!([]));
    // A log of its own, behind the one that the backup has.
    let lines: Vec<Value> =
        repo.journal().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [.., old, start, restored] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        (&start["action"], &restored["action"]),
        (&"LOG_START".into(), &"BACKUP_RESTORE".into())
    );
    assert_eq!(start["detail"]["after"]["log"], old["log"]);
    assert_eq!(start["detail"]["after"]["seq"], old["seq"]);
    assert_ne!(start["log"], old["log"]);
    repo.archive(["restore", "--stage", "src/secret.py"]).ok();
    assert_eq!(repo.bytes("src/secret.py"), secret());
}

#[test]
fn what_stood_there_is_kept_aside() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let before = fs::read(store(&repo).join("archive_ops.jsonl")).unwrap();
    let told = repo.archive(["--json", "backup", "restore", file.to_str().unwrap()]).ok().json();
    let aside = Path::new(told["archive"]["kept_aside"].as_str().unwrap()).to_path_buf();
    assert_eq!(fs::read(aside.join("archive_ops.jsonl")).unwrap(), before);
    let copy = format!("sqlite:///{}", aside.join("archive.sqlite").display());
    let other = repo.world.path("other.sqlite");
    let to = format!("sqlite:///{}", other.display());
    repo.archive(["copy", "--from", &copy, "--to", &to]).ok().says("items:        2 copied");
    repo.is_well();
    let report = repo.archive(["--json", "evidence", "verify"]).ok().json();
    assert_eq!(report["findings"], serde_json::json!([]));
    // Again, and again: each keeps the one before.
    restore(&repo, &file, &[]).ok();
    restore(&repo, &file, &[]).ok();
    repo.is_well();
    let kept = fs::read_dir(store(&repo)).unwrap().flatten();
    let kept = kept.filter(|it| it.file_name().to_string_lossy().starts_with("before-restore-"));
    assert_eq!(kept.count(), 3);
}

#[test]
fn an_older_state_is_refused_and_told_of() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    repo.store(&["src/live.py"]);
    repo.commit("live too");
    let refused = |repo: &TestRepo| {
        repo.unchanged(|repo| {
            restore(repo, &file, &[])
                .fails(6)
                .says("it is older than what this clone knows")
                .says("ARCHIVE of src/live.py")
                .says("--allow-older")
        })
    };
    refused(&repo);
    // The journal alone knows, then the segments alone.
    fs::remove_file(store(&repo).join("archive.sqlite")).unwrap();
    refused_without_archive(&repo, &file);
    remove_archive(&repo);
    refused_without_archive(&repo, &file);
    let line = ["--json", "backup", "restore", file.to_str().unwrap(), "--allow-older"];
    let told = repo.archive(line).ok().json();
    assert_eq!(told["archive"]["lost_records"], 1);
    assert_eq!(told["archive"]["lost"][0]["path"], "src/live.py");
    let last: Value = serde_json::from_str(repo.journal().last().unwrap()).unwrap();
    assert_eq!(last["detail"]["lost"], 1);
    // The tree still has the record: that is told as what it is, and is no tampering.
    let report = repo.archive(["--json", "evidence", "verify"]).ok().json();
    let rules: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["rolled-back"], "{report}");
    repo.archive(["fsck"]).ok();
    let told = repo.archive(["--json", "verify", "--all"]).fails(4).json();
    assert_eq!(told["findings"][0]["rule"], "item-missing", "{told}");
}

/// Without an archive, links dangle: only what is said and what is there matters.
fn refused_without_archive(repo: &TestRepo, file: &Path) -> Outcome {
    let said = restore(repo, file, &[]).fails(6).says("ARCHIVE of src/live.py");
    assert!(!store(repo).join("archive.sqlite").exists());
    said
}

#[test]
fn what_an_older_state_lacks_is_brought_back_from_aside() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    repo.store(&["src/live.py"]);
    repo.commit("live too");
    restore(&repo, &file, &["--allow-older"]).ok();
    let told = repo.archive(["--json", "evidence", "verify"]).ok().json();
    let hint = told["findings"][0]["hint"].as_str().unwrap().to_owned();
    assert!(hint.starts_with("git codex-archive import"), "{hint}");
    repo.types(&hint).ok();
    repo.is_well();
    let told = repo.archive(["--json", "evidence", "verify"]).ok().json();
    assert_eq!(told["findings"], serde_json::json!([]));
    repo.archive(["restore", "--stage", "src/live.py"]).ok();
}

#[test]
fn what_was_purged_does_not_come_back() {
    if !is_embedded() {
        return;
    }
    for known_by in ["archive", "journal", "segment"] {
        let repo = with_items();
        let live = store(&repo).join("archive.sqlite");
        assert!(has_secret(&live));
        let shown = repo.archive(["--json", "show", "src/secret.py"]).ok().json();
        let id = shown["tombstone"].as_str().unwrap().to_owned();
        let file = backup(&repo, &[]);
        purge(&repo);
        repo.commit("purged");
        match known_by {
            "archive" => {}
            "journal" => fs::remove_file(&live).unwrap(),
            _ => remove_archive(&repo),
        }
        restore(&repo, &file, &[]).fails(6);
        let line = ["--json", "backup", "restore", file.to_str().unwrap(), "--allow-older"];
        let told = repo.archive(line).ok().json();
        let again = &told["archive"]["purged_again"];
        assert_eq!(again[0]["paths"], serde_json::json!(["src/secret.py"]), "{told}");
        assert_eq!(again[0]["known_by"], known_by);
        for entry in fs::read_dir(store(&repo)).unwrap().flatten() {
            if entry.path().is_file() {
                assert!(!has_secret(&entry.path()), "{known_by}: {:?}", entry.path());
            }
        }
        let shown = repo.archive(["--json", "show", &id]).ok().json();
        assert_eq!(shown["state"], "purged", "{shown}");
        repo.archive(["restore", &id, "out.py"]).fails(6);
        // The ledger refuses it, too.
        repo.file("src/again.py", secret()).commit("again");
        repo.archive(["store", "_codex_", "src/again.py", "--reason", "dead"]).fails(6);
        repo.archive(["fsck"]).ok();
    }
}

#[test]
fn a_purge_names_the_backups_that_have_the_content() {
    let repo = TestRepo::ready();
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    let before = name(&backup(&repo, &[]));
    repo.file("src/secret.py", secret()).commit("a secret");
    repo.store(&["src/secret.py"]);
    repo.commit("retired");
    let with = name(&backup(&repo, &[]));
    purge(&repo);
    let after = name(&backup(&repo, &[]));
    let line = ["--json", "purge", "src/secret.py", "--report"];
    let told = repo.archive(line).ok().json();
    let spots = told["outside_reach"].as_array().unwrap();
    let spot = spots.iter().find(|spot| spot["place"] == "backups").unwrap()["what"].to_string();
    assert!(spot.contains(&with) && !spot.contains(&before) && !spot.contains(&after), "{spot}");
}

#[test]
fn it_does_not_come_back_by_a_file_either() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    purge(&repo);
    let out = repo.world.path("out.sqlite");
    let output = ["--output", out.to_str().unwrap()];
    restore(&repo, &file, &output).fails(6).says("it is older than what this clone knows");
    assert!(!out.exists());
    let older = [output[0], output[1], "--allow-older"];
    restore(&repo, &file, &older).ok().says("purged again");
    assert!(!has_secret(&out));
    assert!(repo.archive(["list"]).ok().said("src/old.py"));
    restore(&repo, &file, &older).fails(1);
}

#[test]
fn what_was_let_in_again_stays() {
    if !is_embedded() {
        return;
    }
    for lost in [false, true] {
        let repo = with_items();
        let file = backup(&repo, &[]);
        purge(&repo);
        let digest = crate::common::sha256(&secret());
        for who in ["ann@x", "bob@x"] {
            repo.archive(["approve", &digest, "--action", "readmit", "--by", who]).ok();
        }
        repo.commit("purged and readmitted");
        if lost {
            remove_archive(&repo);
        }
        let told = restore(&repo, &file, &["--allow-older"]).ok();
        assert!(!told.said("purged again"), "{told}");
        repo.archive(["restore", "src/secret.py", "--stage"]).ok();
        assert_eq!(repo.bytes("src/secret.py"), secret());
    }
}

#[test]
fn a_damaged_archive_is_replaced_and_kept() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    fs::write(store(&repo).join("archive.sqlite"), "not a database at all, and long enough")
        .unwrap();
    let told = repo.archive(["--json", "backup", "restore", file.to_str().unwrap()]).ok().json();
    assert!(told["archive"]["unreadable"].as_str().unwrap().contains("not a SQLite database"));
    let aside = Path::new(told["archive"]["kept_aside"].as_str().unwrap()).join("archive.sqlite");
    assert!(fs::read_to_string(aside).unwrap().starts_with("not a database"));
    repo.is_well();
}

#[test]
fn another_clone_takes_it() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let clone = repo.clone_to("clone");
    restore(&clone, &file, &[]).ok();
    clone.is_well();
    clone.archive(["restore", "src/secret.py", "--stage"]).ok();
    clone.commit("back");
    // Each goes on in a log of its own.
    repo.store(&["src/live.py"]);
    repo.commit("more");
    repo.git(["pull", "-q", "--no-rebase", "--no-edit", clone.top.to_str().unwrap(), "main"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["verify", "--all"]).ok();
}

#[test]
fn a_dry_run_changes_nothing() {
    if !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    repo.unchanged(|repo| {
        let told =
            repo.archive(["--json", "backup", "restore", file.to_str().unwrap(), "--dry-run"]);
        assert_eq!(told.ok().json()["archive"]["evidence"], "");
    });
}

#[test]
fn a_data_folder_takes_its_place_and_the_old_one_stays() {
    let repo = TestRepo::with_history();
    repo.file(".codex-api/a.txt", "one\n");
    let file = backup(&repo, &["--source", ".codex-api"]);
    repo.file(".codex-api/a.txt", "two\n").file(".codex-api/b.txt", "new\n");
    let told = repo.archive(["--json", "backup", "restore", file.to_str().unwrap()]).ok().json();
    assert_eq!(repo.read(".codex-api/a.txt"), "one\n");
    assert!(!repo.has(".codex-api/b.txt"));
    let aside = Path::new(told["kept_aside"].as_str().unwrap()).to_path_buf();
    assert_eq!(fs::read_to_string(aside.join("a.txt")).unwrap(), "two\n");
    assert_eq!(fs::read_to_string(aside.join("b.txt")).unwrap(), "new\n");
    assert_eq!(repo.litter(), Vec::<PathBuf>::new());
}

/// A copy of the backup `file`, in which `change` changed what the files are; the manifest is the first.
pub fn changed(
    repo: &TestRepo,
    file: &Path,
    change: impl FnOnce(&mut Value, &mut Vec<(tar::Header, PathBuf, Vec<u8>)>),
) -> PathBuf {
    let source = flate2::read::GzDecoder::new(fs::File::open(file).unwrap());
    let mut source = tar::Archive::new(source);
    let mut entries: Vec<_> = source
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let (header, name) = (entry.header().clone(), entry.path().unwrap().into_owned());
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (header, name, bytes)
        })
        .collect();
    let at = entries.iter().position(|it| it.1.ends_with("MANIFEST.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&entries[at].2).unwrap();
    change(&mut manifest, &mut entries);
    entries[at].2 = manifest.to_string().into_bytes();
    let out = repo.world.path("changed.tar.gz");
    let gzip = fs::File::create(&out).unwrap();
    let gzip = flate2::write::GzEncoder::new(gzip, flate2::Compression::fast());
    let mut copy = tar::Builder::new(gzip);
    for (mut header, name, bytes) in entries {
        header.set_size(bytes.len() as u64);
        copy.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    copy.into_inner().unwrap().finish().unwrap();
    out
}

/// A copy of `file` whose manifest says that its files are larger than any disk.
fn of_impossible_size(repo: &TestRepo, file: &Path) -> PathBuf {
    changed(repo, file, |manifest, _| {
        for file in manifest["files"].as_array_mut().unwrap() {
            file["size_bytes"] = (1u64 << 60).into();
        }
    })
}

#[test]
fn what_does_not_fit_is_not_begun() {
    let repo = with_items();
    repo.file(".codex-api/a.txt", "one\n").commit("data");
    for file in [backup(&repo, &[]), backup(&repo, &["--source", ".codex-api"])] {
        let huge = of_impossible_size(&repo, &file);
        repo.unchanged(|repo| {
            let out = repo.world.path("out");
            let said = restore(repo, &huge, &["--output", out.to_str().unwrap()]).fails(1);
            said.says("the backup needs ").says(" bytes there, and ").says(" are free");
            assert!(!out.exists());
        });
    }
    let huge = of_impossible_size(&repo, &backup(&repo, &[]));
    super::verify(&repo, &huge).fails(1).says(" are free");
}

#[test]
fn an_archive_in_maintenance_stays_in_it() {
    if !is_embedded() {
        return;
    }
    let on = |repo: &TestRepo| {
        repo.archive(["maintenance", "on", "--reason", "damage", "--by", "ann"]).ok();
    };
    for lost in [None, Some("archive.sqlite"), Some("")] {
        let repo = with_items();
        let file = backup(&repo, &[]);
        on(&repo);
        let during = backup(&repo, &["--suffix", "during"]);
        for file in [&file, &during] {
            match lost {
                None => {}
                Some("") => remove_archive(&repo),
                Some(name) => fs::remove_file(store(&repo).join(name)).unwrap(),
            }
            let line = ["--json", "backup", "restore", file.to_str().unwrap()];
            let told = repo.archive(line).ok().json();
            let status = repo.archive(["--json", "status"]).ok().json();
            assert_eq!(told["archive"]["maintenance"], status["maintenance"]);
            // Where nothing is left that tells of it, it is over.
            let by = if lost == Some("") { Value::Null } else { "ann".into() };
            assert_eq!(status["maintenance"]["by"], by, "{lost:?} {file:?}");
        }
        repo.archive(["maintenance", "off", "--by", "ann"]).ok();
        repo.store(&["src/live.py"]);
        repo.commit("more").is_well();
    }
}

#[test]
fn a_backup_of_a_newer_version_is_not_restored() {
    if !is_embedded() || !crate::common::have("sqlite3") {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let newer = changed(&repo, &file, |manifest, entries| {
        let archive = entries.iter_mut().find(|it| it.1.ends_with("archive.sqlite")).unwrap();
        let copy = repo.world.path("newer.sqlite");
        fs::write(&copy, &archive.2).unwrap();
        let step = "INSERT INTO schema_migrations (version, name, checksum, applied_at)
                    VALUES (999, 'x', zeroblob(32), '2030-01-01T00:00:00.000Z')";
        repo.types(&format!("sqlite3 '{}' \"{step}\"", copy.display())).ok();
        archive.2 = fs::read(&copy).unwrap();
        let files = manifest["files"].as_array_mut().unwrap();
        let entry = files.iter_mut().find(|it| it["path"] == "archive.sqlite").unwrap();
        entry["sha256"] = crate::common::sha256(&archive.2).into();
        entry["size_bytes"] = archive.2.len().into();
    });
    repo.unchanged(|repo| restore(repo, &newer, &[]).fails(8).says("schema version 999"));
}
