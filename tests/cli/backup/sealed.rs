//! Encrypted backups, which plain gpg opens.
#![cfg(feature = "openpgp")]

use std::fs;
use std::path::Path;

use crate::common::leaks::Leaks;
use crate::common::{TestRepo, have, run};

use super::{backup, dest, files_at, restore, secret, verify, with_items};

const WORDS: &str = "correct horse battery";

fn sealed(repo: &TestRepo) -> TestRepo {
    repo.env("CODEX_BACKUP_GPG_KEY", WORDS)
}

/// What gpg decrypts, with the seed's own command line.
#[track_caller]
fn gpg(repo: &TestRepo, file: &Path) -> Vec<u8> {
    let home = repo.world.path("gnupg");
    let _ = fs::create_dir(&home);
    let mut gpg = repo.command("bash");
    let line = format!(
        "chmod 700 '{0}' && GNUPGHOME='{0}' gpg --batch --quiet --passphrase-fd 0 -d '{1}'",
        home.display(),
        file.display()
    );
    gpg.args(["-c", &line]);
    run(gpg, Some(format!("{WORDS}\n").as_bytes())).ok().bytes
}

#[test]
fn gpg_opens_it_with_the_passphrase() {
    if !have("gpg") {
        return;
    }
    let repo = sealed(&with_items());
    // Large and incompressible, so that it comes in many parts.
    let noise: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 11) as u8)
        .collect();
    repo.file("noise.bin", &noise).commit("noise");
    repo.store(&["noise.bin"]);
    repo.commit("retired noise");
    let file = backup(&repo, &["--encrypt"]);
    assert!(file.to_str().unwrap().ends_with(".tar.gz.gpg"));
    let plain = repo.world.path("plain.tar.gz");
    fs::write(&plain, gpg(&repo, &file)).unwrap();
    let listed = repo.types(&format!("tar tzf '{}'", plain.display())).ok().stdout;
    assert!(listed.starts_with(".codex/\n.codex/MANIFEST.json\n"), "{listed}");
    verify(&repo, &plain).ok();
    verify(&repo, &file).ok().says("3 artifacts decoded");
    // The pipe needs no passphrase of ours.
    let line = format!("cat '{}' | git codex-archive backup verify -", plain.display());
    repo.types(&line).ok().says("Whole");
    if crate::common::is_embedded() {
        fs::remove_dir_all(repo.common_dir().join("codex-archive")).unwrap();
        restore(&repo, &file, &[]).ok();
        repo.is_well();
    }
}

#[test]
fn nobody_else_reads_it_and_nothing_plain_lies_about() {
    let repo = sealed(&with_items());
    let temp = repo.world.path("temp");
    fs::create_dir(&temp).unwrap();
    let repo = repo.env("TMPDIR", temp.to_str().unwrap());
    let file = backup(&repo, &["--encrypt"]);
    let plain = secret();
    for place in [dest(&repo), temp.clone()] {
        for name in files_at(&place) {
            let path = file.parent().unwrap().join(&name);
            let bytes = fs::read(path).unwrap();
            assert!(memchr::memmem::find(&bytes, &plain[40..72]).is_none(), "{name}");
            assert!(memchr::memmem::find(&bytes, b"archive.sqlite").is_none(), "{name}");
        }
    }
    assert!(files_at(&temp).is_empty());
    let mut leaks = Leaks::of(&[WORDS]);
    leaks.in_outcome(&verify(&repo, &file).ok());
    leaks.in_outcome(
        &repo
            .archive([
                "--debug",
                "backup",
                "create",
                "--dest",
                dest(&repo).to_str().unwrap(),
                "--encrypt",
            ])
            .ok(),
    );
    leaks.in_repository(&repo);
    leaks.none();
    // Another passphrase, none, and an empty one.
    let other = repo.env("CODEX_BACKUP_GPG_KEY", "another");
    verify(&other, &file).fails(2).says("it does not open this backup");
    let none = repo.env("CODEX_BACKUP_GPG_KEY", "");
    verify(&none, &file).fails(2).says("CODEX_BACKUP_GPG_KEY");
    let empty = repo.env("CODEX_BACKUP_GPG_KEY", "\nsecond line");
    verify(&empty, &file).fails(2).says("the passphrase is empty");
    none.archive(["backup", "create", "--dest", dest(&repo).to_str().unwrap(), "--encrypt"])
        .fails(2);
}

#[test]
fn a_changed_message_is_not_believed() {
    let repo = sealed(&with_items());
    let file = backup(&repo, &["--encrypt"]);
    let bytes = fs::read(&file).unwrap();
    let damaged = repo.world.path("damaged.tar.gz.gpg");
    repo.unchanged(|repo| {
        for at in (0..bytes.len()).step_by(bytes.len() / 12).chain([bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x04;
            fs::write(&damaged, &flipped).unwrap();
            super::ends(&verify(repo, &damaged), &[2, 4]);
            super::ends(&restore(repo, &damaged, &[]), &[1, 2]);
        }
    });
}

#[test]
fn a_recipient_opens_it_with_a_key() {
    if !have("gpg") {
        return;
    }
    let repo = with_items();
    let home = repo.world.path("keys");
    fs::create_dir(&home).unwrap();
    let gpg = |line: &str| {
        repo.types(&format!("chmod 700 '{0}' && export GNUPGHOME='{0}' && {line}", home.display()))
    };
    for (name, kind) in [("ann@x", "default default"), ("bob@x", "rsa2048 default")] {
        gpg(&format!("gpg --batch --quiet --passphrase '' --quick-gen-key {name} {kind} never"))
            .ok();
    }
    gpg("gpg --batch --armor --export ann@x >ann.asc").ok();
    gpg("gpg --batch --quiet --passphrase '' --quick-add-key \
         $(gpg --list-keys --with-colons bob@x | grep ^fpr | cut -d: -f10 | head -1) rsa2048 encr never").ok();
    gpg("gpg --batch --export bob@x >bob.gpg").ok();
    let file = backup(&repo, &["--recipient", "ann.asc", "--recipient", "bob.gpg"]);
    for name in ["ann@x", "bob@x"] {
        let only = format!(
            "gpg --batch --quiet --try-secret-key {name} -d '{}' | git codex-archive backup verify -",
            file.display()
        );
        gpg(&only).ok().says("Whole");
    }
    verify(&sealed(&repo), &file).fails(2).says("--key FILE");
    repo.remove("ann.asc").remove("bob.gpg");
    let secret_key = repo.top.join("nothing.asc");
    fs::write(
        &secret_key,
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
    )
    .unwrap();
    let at = dest(&repo);
    let line = ["backup", "create", "--dest", at.to_str().unwrap(), "--recipient", "nothing.asc"];
    repo.archive(line).fails(2).says("it holds no OpenPGP public key");
}

/// A repository that gpg has keys for: ann's is open, bob's has a passphrase, eve's opens nothing.
fn with_keys() -> TestRepo {
    let repo = with_items();
    let home = repo.world.path("keys");
    fs::create_dir(&home).unwrap();
    let repo = repo.env("GNUPGHOME", home.to_str().unwrap());
    repo.types("chmod 700 $GNUPGHOME").ok();
    for (name, words) in [("ann@x", ""), ("bob@x", WORDS), ("eve@x", "")] {
        let pass = format!("--batch --quiet --pinentry-mode loopback --passphrase '{words}'");
        repo.types(&format!("gpg {pass} --quick-gen-key {name} default default never")).ok();
        let file = format!("../{}.key", &name[..3]);
        repo.types(&format!("gpg {pass} --armor --export-secret-keys {name} >{file}")).ok();
        repo.types(&format!("gpg --batch --armor --export {name} >../{}.asc", &name[..3])).ok();
    }
    repo
}

#[test]
fn a_secret_key_in_a_file_opens_it() {
    if !have("gpg") {
        return;
    }
    let repo = with_keys();
    let file = backup(&repo, &["--recipient", "../ann.asc", "--recipient", "../bob.asc"]);
    let file = file.to_str().unwrap();
    let with = |repo: &TestRepo, key: &str| {
        repo.archive(["backup", "verify", file, "--key", &format!("../{key}.key")])
    };
    with(&repo, "ann").ok().says("2 artifacts decoded");
    with(&sealed(&repo), "ann").ok();
    with(&repo, "bob").fails(2).says("the passphrase (CODEX_BACKUP_GPG_KEY) is missing");
    with(&sealed(&repo), "bob").ok().says("Whole");
    with(&repo.env("CODEX_BACKUP_GPG_KEY", "other"), "bob")
        .fails(2)
        .says("the backup is not encrypted for it");
    with(&repo, "eve").fails(2).says("the backup is not encrypted for it");
    let line = ["backup", "verify", file, "--key", "../ann.asc"];
    repo.archive(line).fails(2).says("it holds no OpenPGP secret key");
    let line = ["backup", "verify", file, "--key", "../none.key"];
    repo.archive(line).fails(1).says("none.key");
    let mut leaks = Leaks::of(&[WORDS]);
    let said = sealed(&repo).archive(["--debug", "backup", "verify", file, "--key", "../bob.key"]);
    leaks.in_outcome(&said.ok());
    leaks.in_repository(&repo);
    leaks.none();
    if crate::common::is_embedded() {
        fs::remove_dir_all(repo.common_dir().join("codex-archive")).unwrap();
        repo.archive(["backup", "restore", file, "--key", "../ann.key"]).ok();
        repo.is_well();
    }
}

#[test]
fn gpg_opens_it_with_its_own_keys() {
    if !have("gpg") {
        return;
    }
    let repo = with_keys();
    let made = backup(&repo, &["--recipient", "../ann.asc"]);
    let file = made.to_str().unwrap();
    repo.archive(["backup", "verify", file, "--gpg"]).ok().says("2 artifacts decoded");
    repo.types(&format!("git codex-archive backup verify - --gpg <'{file}'")).ok().says("Whole");
    let line = ["backup", "verify", file, "--gpg", "--key", "../ann.key"];
    repo.archive(line).fails(2);
    // Without the key, without gpg, and of a message that was changed.
    let nobody = repo.world.path("nobody");
    fs::create_dir(&nobody).unwrap();
    let stranger = repo.env("GNUPGHOME", nobody.to_str().unwrap());
    let said = stranger.archive(["backup", "verify", file, "--gpg"]).fails(1);
    said.says("gpg could not decrypt").says("hint: gpg --list-secret-keys");
    let bare = repo.world.path("bare-bin");
    fs::create_dir(&bare).unwrap();
    let path = std::env::var("PATH").unwrap();
    for program in ["git", "git-codex-archive"] {
        let paths = format!("{}:{path}", repo.world.path("bin").display());
        let found = std::env::split_paths(&paths).map(|it| it.join(program)).find(|it| it.exists());
        std::os::unix::fs::symlink(found.unwrap(), bare.join(program)).unwrap();
    }
    let poor = repo.env("PATH", bare.to_str().unwrap());
    let said = poor.archive(["backup", "verify", file, "--gpg"]).fails(1);
    said.says("the `gpg` program does not run");
    let bytes = fs::read(&made).unwrap();
    let damaged = repo.world.path("damaged.tar.gz.gpg");
    for at in [bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x04;
        fs::write(&damaged, &flipped).unwrap();
        let line = ["backup", "verify", damaged.to_str().unwrap(), "--gpg"];
        super::ends(&repo.archive(line), &[1, 4]);
        repo.unchanged(|repo| {
            repo.archive(["backup", "restore", damaged.to_str().unwrap(), "--gpg"]).fails(1)
        });
    }
    if crate::common::is_embedded() {
        repo.archive(["backup", "restore", file, "--gpg"]).ok();
        repo.is_well();
    }
}
