//! Purges: the bytes are gone, which is looked for in the raw files, and do not come in again.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::common::{TestRepo, is_embedded};
use crate::pinned::pin;

use super::{
    ANN, BOB, CAROL, CONTENT, approve, hold, is_verifiable, noise, purge, request, retired,
    retired_with, state,
};

const WINDOW_BYTES: usize = 16;

/// The files below `folder` in which a piece of 16 bytes of `content` stands. Of large content every
/// sixteenth piece is looked for, which finds any 31 bytes of it.
fn traces(folders: &[PathBuf], content: &[u8]) -> Vec<String> {
    let step = if content.len() > 1 << 20 { WINDOW_BYTES } else { 1 };
    let windows: HashSet<&[u8]> = content.windows(WINDOW_BYTES).step_by(step).collect();
    // What of a window its first bytes rule out is not hashed.
    let mut first = vec![false; 1 << 16];
    windows.iter().for_each(|it| first[usize::from(it[0]) << 8 | usize::from(it[1])] = true);
    let mut found = Vec::new();
    let mut folders = folders.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue };
            let stands = bytes.windows(WINDOW_BYTES).any(|it| {
                first[usize::from(it[0]) << 8 | usize::from(it[1])] && windows.contains(it)
            });
            if stands {
                found.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Where the archive and its temporary files are.
fn places(repo: &TestRepo) -> Vec<PathBuf> {
    vec![repo.common_dir().join("codex-archive"), repo.top.join(".codex"), repo.world.path("tmp")]
}

/// The bytes as they are stored: the frames of all content.
fn frames(repo: &TestRepo) -> Vec<u8> {
    let hex = repo.sql("SELECT hex(bytes) FROM run UNION ALL SELECT hex(bytes) FROM run_piece");
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    digits.chunks_exact(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}

/// The same repository with a folder of its own for temporary files.
fn with_tmp(repo: TestRepo) -> TestRepo {
    let tmp = repo.world.path("tmp");
    fs::create_dir_all(&tmp).unwrap();
    repo.env("TMPDIR", tmp.to_str().unwrap())
}

#[test]
fn what_is_said() {
    let (repo, id) = retired_with("src/secret.py", &b"token = 'not one at all'\n".repeat(9));
    request(&repo, &id, CAROL).ok();
    let wait = ["purge", &id, "--by", ANN, "--second", BOB, "--reason", "GDPR 17"];
    pin("purge-waits", &repo, &repo.archive(wait).ok());
    let json = repo.archive(wait.iter().chain(&["--json"])).ok();
    pin("purge-waits-json", &repo, &json);
    assert_eq!(repo.archive(["cat", &id]).fails(6).stdout, "");
    if !is_embedded() {
        return;
    }
    pin("purge", &repo, &purge(&repo, &id, &[]).ok());
    pin("purge-again", &repo, &purge(&repo, &id, &[]).ok());
    pin("purge-report", &repo, &repo.archive(["purge", &id, "--report"]).ok());
    pin("purge-report-json", &repo, &repo.archive(["purge", &id, "--report", "--json"]).ok());
    pin("purge-restore", &repo, &repo.archive(["restore", &id]).fails(6));
    is_verifiable(&repo);
    let live = repo.store_one("src/live.py");
    repo.archive(["purge", &live, "--report"]).fails(5).says("was not purged");
    repo.try_commit("more").ok();
    pin("purge-json", &repo, &purge(&repo, &live, &["--json"]).ok());
    is_verifiable(&repo);
}

#[test]
fn no_piece_of_the_content_stays_in_any_file() {
    if !is_embedded() {
        return;
    }
    let text = "name: Erika Mustermann, born 1964-08-12, Cologne\n";
    for content in [
        noise(17),
        noise(40),
        text.as_bytes().to_vec(),
        (0..500).map(|n| format!("{n} {text}")).collect::<String>().into_bytes(),
        noise(200),
        noise(6_000),
        noise(300_000),
    ] {
        let (repo, id) = retired_with("src/secret.bin", &content);
        let repo = with_tmp(repo);
        let stored = frames(&repo);
        assert!(!traces(&places(&repo), &stored).is_empty(), "{} bytes", content.len());
        let told = purge(&repo, &id, &["--json"]).ok().json();
        assert_eq!(told["still_present"].as_array().unwrap().len(), 0, "{told}");
        for bytes in [&content, &stored] {
            assert_eq!(traces(&places(&repo), bytes), [""; 0], "{} bytes", content.len());
        }
        assert_eq!(repo.archive(["--json", "show", &id]).ok().json()["state"], "purged");
        is_verifiable(&repo);
        // The stub of what was purged is in order.
        repo.archive(["verify", "--all"]).ok().says_not("error");
        // And nothing that runs later brings a piece back.
        repo.archive(["fsck", "--repair"]).ok();
        repo.archive(["health-check"]).ok();
        assert_eq!(traces(&places(&repo), &content), [""; 0]);
    }
}

#[test]
fn content_of_several_pieces_goes_whole() {
    if !is_embedded() {
        return;
    }
    let content = noise((9 << 20) + 5);
    let (repo, id) = retired_with("src/large.bin", &content);
    let repo = with_tmp(repo);
    assert!(repo.sql("SELECT COUNT(*) FROM run_piece").trim() != "0");
    assert!(!traces(&places(&repo), &content).is_empty());
    // Restored once, so that spooled bytes would be found as well.
    repo.archive(["restore", &id, "out.bin"]).ok();
    assert!(repo.bytes("out.bin") == content);
    repo.remove("out.bin");
    let told = purge(&repo, &id, &["--json"]).ok().json();
    assert_eq!(told["still_present"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(traces(&places(&repo), &content), [""; 0]);
    assert_eq!(repo.sql("SELECT COUNT(*) FROM run_piece").trim(), "0");
    is_verifiable(&repo);
}

/// Another process that reads the archive, until its standard input ends.
struct Reader(Child);

impl Reader {
    fn of(repo: &TestRepo) -> Self {
        let mut command = repo.command("sqlite3");
        command.arg(".codex/archive.sqlite").current_dir(&repo.top);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"BEGIN; SELECT COUNT(*) FROM run;\n").unwrap();
        // Its answer shows that it has begun.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }

    fn ends(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn what_another_reader_keeps_is_told_and_goes_with_the_next_report() {
    if !is_embedded() {
        return;
    }
    let content = noise(5_000);
    let (repo, id) = retired_with("src/secret.bin", &content);
    let repo = with_tmp(repo);
    let reader = Reader::of(&repo);
    let told = purge(&repo, &id, &[]).fails(4);
    told.clone().says("Still there").says("another process reads the archive");
    told.says(&format!("git codex-archive purge {id} --report"));
    assert!(!traces(&places(&repo), &content).is_empty(), "nothing was left, and it was said");
    // It is purged nevertheless: nothing comes out.
    repo.archive(["restore", &id, "out.bin"]).fails(6);
    assert_eq!(state(&repo), "done");
    repo.archive(["purge", &id, "--report"]).fails(4).says("another process reads the archive");
    reader.ends();
    let told = repo.archive(["purge", &id, "--report", "--json"]).ok().json();
    assert_eq!(told["still_present"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(traces(&places(&repo), &content), [""; 0]);
    is_verifiable(&repo);
}

#[test]
fn copies_beside_the_archive_are_found() {
    if !is_embedded() {
        return;
    }
    let content = noise(5_000);
    let (repo, id) = retired_with("src/secret.bin", &content);
    let folder = repo.common_dir().join("codex-archive");
    let copy = folder.join("archive.sqlite.before-migration");
    fs::copy(repo.top.join(".codex/archive.sqlite"), &copy).unwrap();
    repo.archive(["restore", &id, "--force", "src/secret.bin"]).ok();
    let told = purge(&repo, &id, &["--json"]).fails(4).json();
    let present = told["still_present"].as_array().unwrap();
    let has = |words: &str| present.iter().any(|it| it.to_string().contains(words));
    assert!(has("archive.sqlite.before-migration"), "{told}");
    assert!(has("src/secret.bin has the content"), "{told}");
    // They are told again until they are gone, by the commands that are printed.
    let told = repo.archive(["purge", &id, "--report", "--json"]).fails(4).json();
    let present = told["still_present"].as_array().unwrap();
    assert_eq!(present.len(), 2, "{told}");
    for spot in present {
        repo.types(spot["command"].as_str().unwrap()).ok();
    }
    assert!(!copy.exists());
    repo.archive(["purge", &id, "--report"]).ok();
    repo.git(["restore", "src/secret.bin"]).ok();
    is_verifiable(&repo);
}

#[test]
fn damaged_content_goes_as_well() {
    if !is_embedded() {
        return;
    }
    let content = noise(5_000);
    let (repo, id) = retired_with("src/secret.bin", &content);
    let repo = with_tmp(repo);
    // One byte of the frame is another one; all others stand there.
    repo.sql("UPDATE run SET bytes = CAST(substr(bytes, 1, 4000) || x'0001' || substr(bytes, 4003) AS BLOB)");
    assert!(!traces(&places(&repo), &content).is_empty());
    let told = purge(&repo, &id, &["--json"]).ok().json();
    assert_eq!(told["still_present"].as_array().unwrap().len(), 0, "{told}");
    assert!(told["erased"].to_string().contains("8 pieces"), "{told}");
    assert_eq!(traces(&places(&repo), &content), [""; 0]);
    is_verifiable(&repo);
}

#[test]
fn shared_content_goes_with_all_its_items_or_not_at_all() {
    let repo = TestRepo::ready();
    let content = noise(500);
    repo.file("a.bin", &content).file("b.bin", &content).commit("two");
    let (one, two) = (repo.store_one("a.bin"), repo.store_one("b.bin"));
    repo.try_commit("retire").ok();
    purge(&repo, &one, &[]).fails(6).says("same content").says(&two).says("b.bin");
    hold(&repo, &[&two], "LIT-7").ok();
    purge(&repo, &one, &["--all-items"]).fails(6).says("LIT-7");
    super::release(&repo, "LIT-7", &[ANN, BOB]).ok();
    // What else was asked of the content ends with it.
    request(&repo, &two, CAROL).ok();
    approve(&repo, &two, "restore", CAROL).ok();
    let told = purge(&repo, &one, &["--all-items", "--json"]).ok().json();
    assert_eq!(told["items"].as_array().unwrap().len(), 2, "{told}");
    repo.archive(["request", "list"]).ok().says("Nobody has asked for anything");
    for id in [&one, &two] {
        assert_eq!(repo.archive(["--json", "show", id]).ok().json()["state"], "purged");
        repo.archive(["restore", id, "out.bin"]).fails(6);
    }
    if is_embedded() {
        assert_eq!(traces(&places(&with_tmp(repo.clone())), &content), [""; 0]);
    }
    is_verifiable(&repo);
}

#[test]
fn what_was_purged_does_not_come_in_again() {
    let content = noise(500);
    let (repo, id) = retired_with("src/secret.bin", &content);
    purge(&repo, &id, &[]).ok();
    repo.file("src/new.bin", &content).commit("back");
    let line = ["store", "_codex_", "src/new.bin", "--reason", "dead"];
    repo.unchanged(|repo| repo.archive(line).fails(6)).says("was purged");
    repo.file("m.csv", "path,reason\nsrc/new.bin,dead\n");
    repo.unchanged_but_recorded(|repo| {
        let said = repo.archive(["batch-store", "m.csv", "--results", "/dev/null"]);
        assert_ne!(said.code, 0, "{said}");
    });
    assert!(repo.bytes("src/new.bin") == content);
    repo.archive(["fsck", "--repair"]).ok();
    repo.archive(["reconcile"]).ok();
    assert_eq!(repo.archive(["--json", "show", &id]).ok().json()["state"], "purged");
    // Two let it in again.
    approve(&repo, &id, "readmit", ANN).ok().says("1 of 2");
    repo.unchanged(|repo| repo.archive(line).fails(6));
    approve(&repo, &id, "readmit", BOB).ok().says("may be archived again");
    repo.archive(line).ok();
    repo.archive(["cat", "src/new.bin"]).ok();
    approve(&repo, &id, "readmit", ANN).fails(5);
}

#[test]
fn content_too_short_for_the_ledger_may_come_in_again() {
    let (repo, id) = retired();
    purge(&repo, &id, &[]).ok();
    repo.archive(["drop", "src/old.py", "--reason", "x"]).ok();
    repo.try_commit("dropped").ok();
    repo.file("src/old.py", CONTENT).commit("back");
    let again = repo.store_one("src/old.py");
    assert_eq!(again, id);
    assert_eq!(repo.archive(["cat", &id]).ok().stdout, CONTENT);
    repo.try_commit("retire again").ok();
    repo.is_well();
}

#[test]
fn another_archive_does_not_bring_it_back() {
    if !is_embedded() {
        return;
    }
    let content = noise(500);
    let (repo, id) = retired_with("src/secret.bin", &content);
    let other = repo.world.path("other.sqlite");
    let url = format!("sqlite:///{}", other.display());
    repo.archive(["copy", "--to", &url]).ok();
    purge(&repo, &id, &[]).ok();
    // Neither by `copy` nor by `import`; and the purge itself goes along.
    let said = repo.archive(["copy", "--from", &url]);
    assert_eq!(traces(&places(&with_tmp(repo.clone())), &content), [""; 0], "{said}");
    let said = repo.archive(["import", "--adopt", other.to_str().unwrap()]);
    assert_eq!(repo.archive(["--json", "show", &id]).ok().json()["state"], "purged", "{said}");
    repo.archive(["cat", &id]).fails(6);
    assert_eq!(traces(&places(&with_tmp(repo.clone())), &content), [""; 0], "{said}");
    let third = format!("sqlite:///{}", repo.world.path("third.sqlite").display());
    repo.archive(["copy", "--to", &third]).ok();
    let copied = repo.env("CODEX_ARCHIVE_URL", &third);
    assert_eq!(copied.archive(["--json", "show", &id]).ok().json()["state"], "purged");
    copied.archive(["cat", &id]).fails(6);
    repo.file("src/new.bin", &content).commit("back");
    copied.archive(["store", "_codex_", "src/new.bin", "--reason", "dead"]).fails(6);
}

#[test]
fn a_clone_knows_from_the_tree_that_it_was_purged() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = retired_with("src/secret.bin", &noise(500));
    purge(&repo, &id, &[]).ok();
    repo.try_commit("purged").ok();
    let clone = repo.clone_to("clone");
    // git still has the object: no reason to hand it out under this id.
    clone.archive(["restore", &id, "out.bin"]).fails(6).says("purged");
    clone.archive(["cat", &id]).fails(6).says("purged");
    assert!(!clone.has("out.bin"));
    clone.archive(["verify", "--all"]).ok();
    // And CI, which has no archive, holds the purge against its citation.
    let body = repo.archive(["evidence", "cite", "--range", "HEAD^..HEAD"]).ok().stdout;
    assert!(body.contains("`PURGE`") && body.contains(&id), "{body}");
    let judge = ["verify", "--range", "HEAD^..HEAD", "--citations", "-"];
    clone.archive_fed(&judge, &body).ok();
    clone.archive_fed(&judge, &body.replace("Codex-Evidence: ", "Codex-Evidence: 0")).fails(4);
    // Who archives it anew has it again.
    assert_eq!(clone.read("src/secret.bin"), repo.read("src/secret.bin"));
}

#[test]
fn a_deed_of_governance_is_not_undone() {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    request(&repo, &id, CAROL).ok();
    repo.unchanged(|repo| repo.archive(["undo"]).fails(6)).says("not a deed about the tree");
    purge(&repo, &id, &[]).ok();
    repo.unchanged(|repo| repo.archive(["undo"]).fails(6));
    is_verifiable(&repo);
}
