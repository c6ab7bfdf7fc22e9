//! Signed evidence: who signs, what is refused without, and what mends it.

use std::fs;

use crate::common::{TestRepo, have, is_embedded, sha256};

/// Makes the key `name` in `repo`'s world and lets `repo` sign with it; gives its line of signers.
pub fn key(repo: &TestRepo, name: &str) -> String {
    let file = repo.world.path(name);
    let mut command = repo.world.command("ssh-keygen", &repo.world.path("."));
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&file);
    assert!(command.status().unwrap().success());
    with_key(repo, name);
    format!("{name}@example.com {}", fs::read_to_string(file.with_extension("pub")).unwrap().trim())
}

/// Lets `repo` sign with the key `name` of its world.
pub fn with_key(repo: &TestRepo, name: &str) {
    repo.git(["config", "gpg.format", "ssh"]).ok();
    let file = repo.world.path(name);
    repo.git(["config", "user.signingKey", file.to_str().unwrap()]).ok();
}

/// Adopts a policy by which Ann and Bob approve with their keys; `false` without ssh-keygen.
pub fn approved_by_keys(repo: &TestRepo) -> bool {
    if !have("ssh-keygen") {
        return false;
    }
    let lines = ["ann", "bob"].map(|name| key(repo, name));
    repo.file(".codex/allowed_signers", format!("{}\n", lines.join("\n")));
    repo.append(".codex/archive.toml", "\n[governance]\nassurance = \"signed\"\n");
    repo.archive(["policy", "adopt", "--by", "ann@example.com", "--reason", "rules"]).ok();
    repo.commit("signed");
    true
}

/// A repository whose first commit says that `marc` signs; `None` without ssh-keygen.
fn signing() -> Option<TestRepo> {
    if !have("ssh-keygen") {
        return None;
    }
    let repo = TestRepo::ready();
    let signer = key(&repo, "marc");
    repo.file(".codex/allowed_signers", format!("{signer}\n"));
    repo.append(".codex/archive.toml", "\n[evidence]\nsign = true\n");
    repo.commit("sign");
    Some(repo)
}

fn signature(repo: &TestRepo) -> String {
    let files = repo.git(["ls-files", "*.sig"]).ok().stdout;
    files.lines().last().unwrap().to_owned()
}

fn rules(outcome: &crate::common::Outcome) -> Vec<String> {
    let findings = outcome.json()["findings"].as_array().unwrap().clone();
    let mut rules: Vec<_> =
        findings.iter().map(|it| it["rule"].as_str().unwrap().to_owned()).collect();
    rules.retain(|rule| rule != "bytes-elsewhere");
    rules
}

const RANGE: [&str; 4] = ["--json", "verify", "--range", "HEAD^..HEAD"];

#[test]
fn a_deed_is_signed_and_ssh_keygen_agrees() {
    let Some(repo) = signing() else { return };
    repo.store(&["src/old.py"]);
    let staged = repo.staged();
    assert!(staged.iter().any(|line| line.starts_with('A') && line.ends_with(".jsonl.sig")));
    repo.try_commit("retire").ok();
    repo.is_well();
    assert_eq!(rules(&repo.archive(RANGE).ok()), [""; 0]);
    assert_eq!(rules(&repo.archive(["--json", "verify", "--all"]).ok()), [""; 0]);
    let proof = repo.archive(["--json", "evidence", "verify"]).ok().json();
    assert_eq!(proof["signatures"], 1);
    // The statement, as formats.md tells it to somebody with a shell.
    let signature = signature(&repo);
    let segment = signature.strip_suffix(".sig").unwrap();
    let line = repo.read(segment).lines().last().unwrap().to_owned();
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    let (digest, log, seq) = (sha256(line.as_bytes()), &record["log"], &record["seq"]);
    let statement = format!(
        "{{\"digest\":\"{digest}\",\"log\":{log},\"seq\":{seq},\"statement\":\"record\",\"v\":1}}"
    );
    let verify = format!(
        "printf %s '{statement}' | ssh-keygen -Y verify -f .codex/allowed_signers \
         -I marc@example.com -n codex-archive -s {signature}"
    );
    repo.types(&verify).ok().says("Good \"codex-archive\" signature for marc@example.com");
}

#[test]
fn where_nothing_can_sign_nothing_is_done() {
    let Some(repo) = signing() else { return };
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire").ok();
    repo.git(["config", "user.signingKey", "no/such/key"]).ok();
    let store = ["store", "_codex_", "src/live.py", "--reason", "dead"];
    let journal = repo.journal();
    repo.archive(store).fails(1).says("did not sign with the key");
    // Bytes are in the archive by then, which mean nothing without a record.
    assert_eq!((repo.status(), repo.journal()), (String::new(), journal));
    repo.is_well();
    repo.unchanged(|repo| repo.archive(["restore", &id, "--stage"]).fails(1));
    repo.unchanged(|repo| repo.archive(["restore", &id, "out.py"]).fails(1));
    repo.unchanged(|repo| repo.archive(["drop", &id, "--reason", "gone"]).fails(1));
    repo.git(["config", "--unset", "user.signingKey"]).ok();
    let refused = repo.unchanged(|repo| repo.archive(store).fails(8));
    assert_eq!(
        refused.hint(),
        "git config gpg.format ssh && git config user.signingKey ~/.ssh/id_ed25519.pub"
    );
    with_key(&repo, "marc");
    repo.archive(store).ok();
    repo.is_well();
}

#[test]
fn every_deed_about_the_tree_is_signed() {
    let Some(repo) = signing() else { return };
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire").ok();
    repo.archive(["restore", &id, "--stage"]).ok();
    repo.try_commit("back").ok();
    assert_eq!(rules(&repo.archive(RANGE).ok()), [""; 0]);
    repo.store(&["src/live.py"]);
    repo.archive(["undo"]).ok();
    // The signature left with its segment.
    assert_eq!(repo.status(), "");
    repo.store(&["src/live.py"]);
    repo.try_commit("retire more").ok();
    repo.archive(["drop", "src/live.py", "--reason", "gone"]).ok();
    repo.try_commit("drop").ok();
    assert_eq!(rules(&repo.archive(RANGE).ok()), [""; 0]);
    assert_eq!(repo.git(["ls-files", "*.sig"]).ok().stdout.lines().count(), 4);
    repo.archive(["restore", &id, "out.py"]).ok();
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn an_unsigned_segment_is_a_finding_and_can_be_signed() {
    let Some(repo) = signing() else { return };
    let toml = repo.read(".codex/archive.toml");
    repo.file(".codex/archive.toml", toml.replace("sign = true", "sign = false"));
    repo.store(&["src/old.py"]);
    repo.file(".codex/archive.toml", &toml);
    let refused = repo.try_commit("retire").fails(1);
    refused.says("it has no signature, and the base wants one");
    repo.archive(["evidence", "verify"]).fails(4).says("no signature covers the last 2 records");
    repo.archive(["evidence", "sign"]).ok().says("Signed .codex/evidence/segments/");
    repo.try_commit("retire").ok();
    repo.archive(["evidence", "verify"]).ok();
    assert_eq!(rules(&repo.archive(RANGE).ok()), [""; 0]);
    repo.archive(["evidence", "sign"]).ok().says("Nothing to sign");
}

#[test]
fn a_change_does_not_let_itself_in() {
    let Some(repo) = signing() else { return };
    let mallory = key(&repo, "mallory");
    repo.append(".codex/allowed_signers", &format!("{mallory}\n"));
    repo.store(&["src/old.py"]);
    repo.git(["add", "-A"]).ok();
    repo.try_commit("retire").fails(1).says("is not among the signers");
    repo.git(["commit", "-q", "--no-verify", "-m", "forced"]).ok();
    assert_eq!(rules(&repo.archive(RANGE).fails(4)), ["bad-signature"]);
    // Nor by switching signatures off.
    repo.git(["rm", "-q", "--cached", &signature(&repo)]).ok();
    let toml = repo.read(".codex/archive.toml").replace("sign = true", "sign = false");
    repo.file(".codex/archive.toml", toml).git(["add", ".codex/archive.toml"]).ok();
    repo.git(["commit", "-q", "--no-verify", "--amend", "-m", "forced"]).ok();
    assert_eq!(rules(&repo.archive(RANGE).fails(4)), ["unsigned"]);
    // Nor by signers that cannot be read.
    repo.file(".codex/allowed_signers", "mallory\n").git(["add", "-A"]).ok();
    repo.try_commit("broken").fails(1).says(".codex/allowed_signers:1");
}

#[test]
fn a_signature_that_was_changed_or_taken_away_is_named() {
    let Some(repo) = signing() else { return };
    repo.store(&["src/old.py"]);
    let path = signature(&repo);
    let whole = repo.read(&path);
    let first = whole.lines().nth(1).unwrap();
    for (changed, says) in [
        (whole.replacen(first, &first[..first.len() - 4], 1), "it is no signature of SSH"),
        (String::new(), "it is no signature of SSH"),
        (whole.lines().take(3).collect(), "it is no signature of SSH"),
        (whole.repeat(1000), "it is no signature of SSH"),
    ] {
        repo.file(&path, changed).git(["add", &path]).ok();
        repo.try_commit("retire").fails(1).says("bad-signature").says(says);
    }
    repo.archive(["evidence", "sign"]).ok().says("Put back the signature of");
    assert_eq!(repo.read(&path), whole);
    repo.try_commit("retire").ok();
    repo.git(["rm", "-q", &path]).ok();
    repo.try_commit("without").fails(1).says("the signature of a segment of the base is gone");
    repo.archive(["reconcile"]).ok();
    assert_eq!(repo.read(&path), whole);
    assert_eq!(repo.status(), "");
    repo.file(&path, format!("{whole}\n")).git(["add", &path]).ok();
    repo.try_commit("spaces").fails(1).says("it has other bytes than before");
}

#[test]
fn signers_that_cannot_be_read_can_be_mended() {
    let Some(repo) = signing() else { return };
    let whole = repo.read(".codex/allowed_signers");
    repo.append(".codex/allowed_signers", "nobody\n").git(["add", "-A"]).ok();
    repo.try_commit("broken").fails(1).says("signers-invalid");
    repo.git(["commit", "-q", "--no-verify", "-m", "forced"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire").fails(1).says(".codex/allowed_signers:2");
    repo.archive(["undo"]).ok();
    repo.file(".codex/allowed_signers", whole).git(["add", "-A"]).ok();
    repo.try_commit("mended").ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire").ok();
}

#[test]
fn a_signature_of_another_record_or_purpose_is_refused() {
    let Some(repo) = signing() else { return };
    repo.store(&["src/old.py"]);
    let (old, text) = (signature(&repo), repo.read(signature(&repo)));
    repo.try_commit("one").ok();
    repo.store(&["src/live.py"]);
    let files = repo.git(["ls-files", "*.sig"]).ok().stdout;
    let new = files.lines().find(|path| *path != old).unwrap().to_owned();
    repo.file(&new, text).git(["add", &new]).ok();
    repo.try_commit("two").fails(1).says("wrong-bytes");
    // git's own signatures are made by the same key, for another purpose.
    let file = repo.world.path("statement");
    fs::write(&file, "x").unwrap();
    let mut command = repo.world.command("ssh-keygen", &repo.world.path("."));
    command.args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(repo.world.path("marc")).arg(&file);
    assert!(command.status().unwrap().success());
    let text = fs::read_to_string(repo.world.path("statement.sig")).unwrap();
    repo.file(&new, text).git(["add", &new]).ok();
    repo.try_commit("two").fails(1).says("it was made for `git`, not for `codex-archive`");
}

#[test]
fn the_table_keeps_its_signatures_and_shows_changed_ones() {
    let Some(repo) = signing() else { return };
    if !is_embedded() {
        return;
    }
    repo.store(&["src/old.py"]);
    repo.try_commit("retire").ok();
    let other = format!("sqlite:///{}", repo.world.path("other.sqlite").display());
    repo.archive(["copy", "--to", &other]).ok();
    let copied = repo.env("CODEX_ARCHIVE_URL", &other);
    let proof = copied.archive(["--json", "evidence", "verify"]);
    assert!(proof.json()["signatures"].as_u64() >= Some(1), "{proof}");
    repo.sql("UPDATE evidence_signature SET armored = replace(armored, 'A', 'B')");
    let proof = repo.archive(["--json", "evidence", "verify"]).fails(4);
    assert_eq!(rules(&proof), ["bad-signature"]);
}

/// Puts a script in ssh-keygen's place that does `first` once, and then signs.
fn with_program(repo: &TestRepo, first: &str) {
    let marker = repo.world.path("marker");
    let script = format!(
        "#!/bin/sh\nif [ ! -e '{0}' ]; then touch '{0}'; {first}; fi\n\
         echo signed >> '{0}'\nexec ssh-keygen \"$@\"\n",
        marker.display()
    );
    repo.script(".git/sign", &script);
    let program = repo.top.join(".git/sign");
    repo.git(["config", "gpg.ssh.program", program.to_str().unwrap()]).ok();
}

fn times_signed(repo: &TestRepo) -> usize {
    fs::read_to_string(repo.world.path("marker")).unwrap().lines().count()
}

#[test]
fn others_write_while_somebody_is_asked_to_sign() {
    let Some(repo) = signing() else { return };
    let url = format!("sqlite:///{}", repo.world.path("shared.sqlite").display());
    // On a server the archive is shared anyway.
    let repo = if is_embedded() { repo.env("CODEX_ARCHIVE_URL", &url) } else { repo };
    let other = repo.clone_to("other");
    with_key(&other, "marc");
    let write = format!(
        "cd '{}' && git codex-archive store _codex_ src/live.py --reason dead >/dev/null",
        other.top.display()
    );
    repo.archive(["init"]).ok();
    with_program(&repo, &write);
    repo.store(&["src/old.py"]);
    // The first signature was over a record that came to nothing.
    assert_eq!(times_signed(&repo), 2);
    let proof = repo.archive(["--json", "evidence", "verify"]);
    assert_eq!(proof.json()["signatures"].as_u64(), Some(2), "{proof}");
    let actions = repo.archive(["--json", "evidence", "log"]).ok().json();
    let paths: Vec<_> =
        actions["items"].as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths[..2], [serde_json::json!("src/old.py"), serde_json::json!("src/live.py")]);
    repo.try_commit("retire").ok();
    assert_eq!(rules(&repo.archive(RANGE).ok()), [""; 0]);
}

#[test]
fn killed_while_somebody_is_asked_to_sign() {
    let Some(repo) = signing() else { return };
    let before = repo.journal();
    with_program(&repo, "kill -9 $PPID; exit 1");
    let line = ["store", "_codex_", "src/old.py", "--reason", "dead"];
    assert_ne!(repo.archive(line).code, 0);
    assert_eq!((repo.status(), repo.journal()), (String::new(), before));
    repo.archive(line).ok();
    repo.is_well();
    assert_eq!(repo.archive(["--json", "evidence", "verify"]).ok().json()["signatures"], 1);
}

#[test]
fn a_batch_of_restores_is_signed_once() {
    let Some(repo) = signing() else { return };
    repo.store(&["src/old.py", "src/live.py"]);
    repo.try_commit("retire").ok();
    with_program(&repo, "true");
    repo.file("back.csv", "tombstone,output\nsrc/old.py,a\nsrc/live.py,b\n");
    repo.archive(["batch-restore", "back.csv"]).ok();
    assert_eq!(times_signed(&repo), 1);
    repo.archive(["evidence", "verify"]).ok();
    // The record of a failure waits for the next deed's signature.
    repo.archive(["restore", "src/nothing.py"]).fails(5);
    assert_eq!(times_signed(&repo), 1);
    repo.archive(["evidence", "verify"])
        .fails(4)
        .says("no signature covers the last record of log");
    repo.archive(["evidence", "sign"]).ok().says("Signed log");
    repo.archive(["evidence", "verify"]).ok();
}
