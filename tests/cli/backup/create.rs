//! What a backup is made of.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{TestRepo, have, is_embedded, sha256};

use super::{backed_up, backup, dest, ends, files_at, restore, verify, with_items};

#[test]
fn other_programs_take_it_for_what_it_is() {
    if !have("sqlite3") || !is_embedded() {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let name = file.file_name().unwrap().to_str().unwrap();
    let id = repo.sql("SELECT v FROM meta WHERE k = 'archive'");
    assert!(name.starts_with(&format!("codex-{}-2", &id[..8])), "{name}");
    for path in [file.clone(), file.with_extension("gz.sha256")] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let folder = file.parent().unwrap();
    let day = folder.strip_prefix(dest(&repo)).unwrap().to_str().unwrap();
    assert!(day.len() == 10 && day[4..5] == *"/" && day[7..8] == *"-", "{day}");
    repo.types(&format!("cd '{}' && sha256sum --check --strict {name}.sha256", folder.display()))
        .ok();
    let out = repo.world.path("unpacked");
    fs::create_dir(&out).unwrap();
    repo.types(&format!("tar xzf '{}' -C '{}'", file.display(), out.display())).ok();
    let text = fs::read(out.join(".codex/MANIFEST.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert!(files.len() > 3, "{manifest}");
    for entry in files {
        let bytes = fs::read(out.join(".codex").join(entry["path"].as_str().unwrap())).unwrap();
        assert_eq!(entry["sha256"], sha256(&bytes), "{entry}");
        assert_eq!(entry["size_bytes"], bytes.len());
    }
    let archive = out.join(".codex/archive.sqlite");
    let count = |query: &str| {
        repo.types(&format!("sqlite3 '{}' \"{query}\"", archive.display())).ok().stdout
    };
    assert_eq!(count("PRAGMA integrity_check; SELECT count(*) FROM item"), "ok\n2\n");
    assert_eq!(manifest["archive"]["items"], 2);
    assert_eq!(
        manifest["archive"]["records"].to_string(),
        count("SELECT count(*) FROM evidence").trim()
    );
    // Nothing came to stand beside it while it was read.
    let names = files_at(&out.join(".codex"));
    assert!(
        !names.iter().any(|name| name.ends_with("-wal") || name.ends_with("-shm")),
        "{names:?}"
    );
}

#[test]
fn what_was_made_is_recorded_and_leaves_nothing_lying_about() {
    let repo = with_items();
    let made = backed_up(&repo, &[]);
    assert_eq!(repo.actions().last().unwrap(), "BACKUP");
    let last: Value = serde_json::from_str(repo.journal().last().unwrap()).unwrap();
    assert_eq!(last["detail"]["sha256"], made["sha256"]);
    let line = repo.journal().last().unwrap().clone();
    assert_eq!(made["evidence"], sha256(line.as_bytes()));
    repo.is_well();
    assert_eq!(files_at(&dest(&repo)).len(), 2);
}

#[test]
fn writers_are_not_in_its_way() {
    let repo = TestRepo::ready();
    for n in 0..12 {
        repo.file(format!("w/{n}.py"), format!("print({n})\n"));
    }
    repo.commit("many");
    std::thread::scope(|scope| {
        scope.spawn(|| (0..12).for_each(|n| drop(repo.store(&[&format!("w/{n}.py")]))));
        for _ in 0..3 {
            let file = backup(&repo, &[]);
            verify(&repo, &file).ok();
        }
    });
    let made = backed_up(&repo, &[]);
    assert_eq!(made["items"], 12);
    repo.is_well();
}

#[test]
fn any_data_folder_is_copied_while_it_is_written_to() {
    if !have("sqlite3") {
        return;
    }
    let repo = TestRepo::with_history();
    repo.file(".codex-api/notes/a b.txt", "notes\n").file(".codex-api/empty.log", "");
    repo.script(".codex-api/run.sh", "#!/bin/sh\n");
    repo.file("elsewhere/real.txt", "behind a link\n");
    repo.link(".codex-api/link.txt", "../elsewhere/real.txt");
    repo.link(".codex-api/folder", "../elsewhere");
    fs::create_dir(repo.top.join(".codex-api/hollow")).unwrap();
    // A writer that stays: what it committed stands in the write-ahead log alone.
    let mut writer = repo.command("sqlite3");
    let mut writer = writer
        .arg(repo.top.join(".codex-api/memory.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = writer.stdin.as_mut().unwrap();
    stdin
        .write_all(
            b"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t (x TEXT);
              INSERT INTO t VALUES ('committed'); BEGIN; INSERT INTO t VALUES ('not yet');
              SELECT 'ready';\n",
        )
        .unwrap();
    stdin.flush().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(writer.stdout.take().unwrap()));
    while lines.next().unwrap().unwrap() != "ready" {}
    let made = backed_up(&repo, &["--source", ".codex-api", "--suffix", "prod"]);
    let file = std::path::PathBuf::from(made["file"].as_str().unwrap());
    drop(writer.stdin.take());
    writer.wait().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("codex-api-prod-2"), "{name}");
    verify(&repo, &file).ok();
    let out = repo.world.path("back");
    restore(&repo, &file, &["--output", out.to_str().unwrap()]).ok();
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!((read("notes/a b.txt").as_str(), read("empty.log").as_str()), ("notes\n", ""));
    assert_eq!(read("link.txt"), "behind a link\n");
    assert_eq!(read("folder/real.txt"), "behind a link\n");
    assert!(out.join("hollow").is_dir() && !out.join("memory.db-wal").exists());
    assert_eq!(fs::metadata(out.join("run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    let rows = format!("sqlite3 '{}' 'SELECT x FROM t'", out.join("memory.db").display());
    assert_eq!(repo.types(&rows).ok().stdout, "committed\n");
}

#[test]
fn what_cannot_be_in_it_is_told() {
    let repo = TestRepo::with_history();
    repo.file("data/a", "a").link("data/circle", ".").link("data/nowhere", "none");
    repo.types("mkfifo data/fifo").ok();
    let dest = dest(&repo);
    let line = ["--json", "backup", "create", "--source", "data", "--dest", dest.to_str().unwrap()];
    let told = repo.archive(line).fails(3).json();
    let left: Vec<String> = told["items"][0]["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(left, ["circle", "fifo", "nowhere"]);
    assert_eq!(told["items"][0]["files"], 1);
}

#[test]
fn links_that_others_commit_are_not_followed() {
    let repo = with_items();
    fs::write(repo.world.path("private.key"), "private\n").unwrap();
    repo.link(".codex/evil", "../../private.key");
    let dest = dest(&repo);
    let line = ["--json", "backup", "create", "--dest", dest.to_str().unwrap()];
    let told = repo.archive(line).fails(3).json();
    assert_eq!(told["items"][0]["left_out"][0]["path"], "evil");
    let file = told["items"][0]["file"].as_str().unwrap().to_owned();
    let listed = repo.types(&format!("tar tzf '{file}'")).ok().stdout;
    assert!(!listed.contains("evil"), "{listed}");
}

#[test]
fn what_makes_no_sense_is_refused_and_writes_nothing() {
    let repo = with_items();
    let dest = dest(&repo);
    let at = dest.to_str().unwrap();
    repo.unchanged(|repo| {
        for (line, code) in [
            (vec!["--dest", ".codex/backups"], 2),
            (vec![], 2),
            (vec!["--dest", at, "--suffix", "a/b"], 2),
            (vec!["--dest", at, "--suffix", "a-b"], 2),
            (vec!["--dest", at, "--source", "none"], 1),
            (vec!["--dest", at, "--source", "src/live.py"], 2),
            (vec!["--dest", at, "--encrypt"], 2),
            (vec!["--dest", at, "--keep", "0", "--prune"], 2),
            (vec!["--dest", at, "--recipient", "src/live.py"], 2),
        ] {
            let mut words = vec!["backup", "create"];
            words.extend(&line);
            repo.archive(words).fails(code);
        }
    });
    assert!(files_at(&dest).is_empty(), "{:?}", files_at(&dest));
    let none = TestRepo::with_history();
    none.unchanged(|none| none.archive(["backup", "create", "--dest", at]).fails(8));
}

#[test]
fn a_dry_run_writes_nothing() {
    let repo = with_items();
    let at = dest(&repo);
    repo.unchanged(|repo| {
        let line = ["--json", "backup", "create", "--dest", at.to_str().unwrap(), "--dry-run"];
        let told = repo.archive(line).ok().json();
        assert_eq!((&told["dry_run"], &told["items"][0]["items"]), (&true.into(), &2.into()));
        assert_eq!(told["items"][0]["sha256"], "");
    });
    assert!(!at.exists());
}

/// What a gzipped file decodes to, if it does.
fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes);
    std::io::Read::read_to_end(&mut decoder, &mut out).ok().map(|_| out)
}

#[test]
fn every_kind_of_damage_is_seen() {
    let repo = with_items();
    let file = backup(&repo, &[]);
    let bytes = fs::read(&file).unwrap();
    let damaged = repo.world.path("damaged.tar.gz");
    let step = bytes.len() / 24;
    repo.unchanged(|repo| {
        for at in (0..bytes.len()).step_by(step.max(1)) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            fs::write(&damaged, &flipped).unwrap();
            // Of some bits nothing hangs: the header's time, and what fills up the last byte of a
            // block. The file beside it tells of those.
            if plain(&flipped) == plain(&bytes) {
                continue;
            }
            ends(&verify(repo, &damaged), &[2, 4]);
            ends(&restore(repo, &damaged, &[]), &[1, 2]);
        }
        for len in [0, 1, 2, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&damaged, &bytes[..len]).unwrap();
            ends(&verify(repo, &damaged), &[2, 4]);
            ends(&restore(repo, &damaged, &[]), &[1, 2]);
        }
        // Of the right bytes in a wrong file only the file beside it tells.
        fs::write(&damaged, &bytes).unwrap();
        verify(repo, &damaged).ok();
        let zeros = "0".repeat(64);
        fs::write(repo.world.path("damaged.tar.gz.sha256"), format!("{zeros}  damaged.tar.gz\n"))
            .unwrap();
        verify(repo, &damaged).fails(4);
        restore(repo, &damaged, &["--allow-older"]).fails(1);
    });
}

#[test]
fn a_backup_that_was_put_together_by_hand_is_seen_through() {
    if !is_embedded() || !have("sqlite3") {
        return;
    }
    let repo = with_items();
    let file = backup(&repo, &[]);
    let forged = repo.world.path("forged.tar.gz");
    let forge = |deed: &str| {
        let script = format!(
            "rm -rf w && mkdir w && tar xzf '{}' -C w && cd w && {deed} && \
             tar czf '{}' .codex/MANIFEST.json $(find .codex -type f ! -name MANIFEST.json) {}",
            file.display(),
            forged.display(),
            "2>/dev/null",
        );
        let mut shell = repo.command("bash");
        shell.args(["-c", &script]).current_dir(repo.world.path("."));
        crate::common::run(shell, None).ok();
        verify(&repo, &forged)
    };
    forge("true").ok();
    // The digest in the manifest is put right too.
    let sql = |query: &str| {
        format!(
            "old=$(sha256sum .codex/archive.sqlite | cut -d' ' -f1) && \
             sqlite3 .codex/archive.sqlite \"{query}\" && \
             new=$(sha256sum .codex/archive.sqlite | cut -d' ' -f1) && \
             sed -i s/$old/$new/ .codex/MANIFEST.json"
        )
    };
    for (deed, told) in [
        ("echo x >>.codex/archive.toml".to_owned(), "archive.toml has"),
        ("rm .codex/archive.toml".to_owned(), "archive.toml is missing"),
        ("echo x >.codex/more".to_owned(), "more is not in MANIFEST.json"),
        ("sed -i 's/\"v\": 1/\"v\": 2/' .codex/MANIFEST.json".to_owned(), "version 2"),
        (sql("UPDATE item_row SET mode = 33261 WHERE id = 1"), "logical root"),
        (sql("DELETE FROM evidence WHERE id = 2"), "records"),
    ] {
        let said = forge(&deed).fails(4).stdout;
        assert!(said.contains(told), "{deed}: {said}");
    }
    let outside =
        "ln -s /etc/hostname .codex/evil && sed -i 's/archive.toml/evil/' .codex/MANIFEST.json";
    forge(&format!("{outside} && rm .codex/archive.toml")).fails(4);
}
