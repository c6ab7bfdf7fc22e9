//! Approvals by key: each approver signs with their own, however git finds it, and nothing that was
//! signed for something else counts.

use std::fs;
use std::process::Child;

use crate::common::{TestRepo, have, is_embedded, run, sha256};
use crate::pinned::pin;
use crate::signed::{key, with_key};

use super::{ANN, BOB, CAROL, adopt, approve, is_verifiable, purge, release, request, state};

const SIGNERS: &str = ".codex/allowed_signers";

/// A repository with two items whose policy asks for signatures by Ann, Bob or Carol; the items'
/// ids. `None` without ssh-keygen.
fn signing() -> Option<(TestRepo, String, String)> {
    if !have("ssh-keygen") {
        return None;
    }
    let repo = TestRepo::ready();
    let lines = ["ann", "bob", "carol"].map(|name| key(&repo, name));
    repo.file(SIGNERS, format!("{}\n", lines.join("\n")));
    repo.append(".codex/archive.toml", "\n[governance]\nassurance = \"signed\"\n");
    adopt(&repo, &[ANN]).ok();
    repo.commit("signed");
    let (old, live) = (repo.store_one("src/old.py"), repo.store_one("src/live.py"));
    repo.try_commit("retire").ok();
    Some((repo, old, live))
}

/// Approves with the key of whoever it is.
#[track_caller]
fn signs(repo: &TestRepo, id: &str, action: &str, by: &str) -> crate::common::Outcome {
    with_key(repo, by.split('@').next().unwrap());
    approve(repo, id, action, by)
}

/// `purge --apply` by one alone, with their key.
#[track_caller]
fn purges(repo: &TestRepo, id: &str, by: &str) -> crate::common::Outcome {
    with_key(repo, by.split('@').next().unwrap());
    repo.archive(["purge", id, "--by", by, "--reason", "x", "--apply"])
}

#[test]
fn two_keys_purge_and_ssh_keygen_agrees() {
    let Some((repo, id, _)) = signing() else { return };
    request(&repo, &id, CAROL).ok();
    pin("approve-signed", &repo, &signs(&repo, &id, "purge", ANN).ok());
    if is_embedded() {
        // The line, as docs/formats.md tells it to somebody with a shell.
        let is_request = |line: &&String| line.contains("\"action\":\"PRUNE_REQUEST\"");
        let record = repo.journal().iter().find(is_request).unwrap().clone();
        let asked: serde_json::Value = serde_json::from_str(&record).unwrap();
        let line = serde_json::json!({
            "action": "purge",
            "archive": repo.sql("SELECT v FROM meta WHERE k = 'archive'").trim(),
            "expires": asked["detail"]["expires"],
            "policy": 1,
            "reason": "GDPR 17",
            "record": sha256(record.as_bytes()),
            "request": asked["deed"],
            "sha256": sha256(super::CONTENT.as_bytes()),
            "subject": id,
            "tombstone": id,
            "v": 1,
        })
        .to_string();
        let signature = repo.sql("SELECT signature FROM approval");
        let [line_file, signature_file] = ["line", "line.sig"].map(|name| repo.world.path(name));
        fs::write(&line_file, line.trim_end()).unwrap();
        fs::write(&signature_file, signature).unwrap();
        let verify = format!(
            "ssh-keygen -Y verify -f {SIGNERS} -I {ANN} -n codex-archive -s {} <{}",
            signature_file.display(),
            line_file.display()
        );
        repo.types(&verify).ok().says("Good \"codex-archive\" signature for ann@example.com");
    }
    signs(&repo, &id, "purge", BOB).ok().says("2 of 2");
    is_verifiable(&repo);
    let told = purges(&repo, &id, BOB).ok();
    told.says("signed").says_not("one keyboard");
    assert_eq!(state(&repo), "done");
    is_verifiable(&repo);
}

#[test]
fn a_second_name_is_no_second_key() {
    let Some((repo, id, _)) = signing() else { return };
    with_key(&repo, "ann");
    purge(&repo, &id, &[]).fails(6).says("bob@example.com has not approved it with their key");
    assert_eq!(repo.archive(["--json", "show", &id]).ok().json()["state"], "archived");
    super::hold(&repo, &[&id], "LIT-7").ok();
    release(&repo, "LIT-7", &[ANN, BOB]).fails(3);
    purge(&repo, &id, &[]).fails(6).says("LIT-7");
    with_key(&repo, "bob");
    release(&repo, "LIT-7", &[BOB]).ok();
    signs(&repo, &id, "purge", BOB).ok();
    with_key(&repo, "ann");
    purge(&repo, &id, &[]).ok();
}

#[test]
fn another_key_is_refused_and_nothing_is_recorded() {
    let Some((repo, id, _)) = signing() else { return };
    request(&repo, &id, CAROL).ok();
    with_key(&repo, "bob");
    repo.unchanged(|repo| approve(repo, &id, "purge", ANN).fails(6)).says("does not speak for");
    key(&repo, "mallory");
    for name in [ANN, "mallory@example.com"] {
        repo.unchanged(|repo| approve(repo, &id, "purge", name).fails(6))
            .says("is not among the signers");
    }
    repo.git(["config", "user.signingKey", "no/such/key"]).ok();
    repo.unchanged(|repo| approve(repo, &id, "purge", ANN).fails(1));
    repo.git(["config", "--unset", "user.signingKey"]).ok();
    repo.unchanged(|repo| approve(repo, &id, "purge", ANN).fails(8));
}

#[test]
fn people_are_counted_and_not_keys() {
    let Some((repo, id, _)) = signing() else { return };
    let text = repo.read(SIGNERS);
    let ann = text.lines().next().unwrap().split_once(' ').unwrap().1.to_owned();
    let second = key(&repo, "ann2").replace("ann2@", "ann@");
    // Ann gets a second key, and Dave is listed with Ann's first.
    repo.file(SIGNERS, format!("{text}{second}\ndave@example.com {ann}\n"));
    with_key(&repo, "ann");
    adopt(&repo, &[ANN]).fails(3);
    with_key(&repo, "bob");
    adopt(&repo, &[BOB]).ok();
    request(&repo, &id, CAROL).ok();
    signs(&repo, &id, "purge", ANN).ok().says("1 of 2");
    with_key(&repo, "ann2");
    approve(&repo, &id, "purge", "ANN@example.com").ok().says("Approved already").says("1 of 2");
    with_key(&repo, "ann");
    let said = repo.unchanged(|repo| approve(repo, &id, "purge", "dave@example.com").fails(6));
    said.says("count as one");
    let alone = ["purge", &id, "--by", ANN, "--reason", "x", "--apply"];
    repo.archive(alone).fails(6).says("1 of 2");
}

#[test]
fn what_was_signed_for_something_else_does_not_count() {
    let Some((repo, old, live)) = signing() else { return };
    if !is_embedded() {
        return;
    }
    for id in [&old, &live] {
        request(&repo, id, CAROL).ok();
    }
    signs(&repo, &old, "purge", ANN).ok();
    signs(&repo, &old, "purge", BOB).ok().says("2 of 2");
    signs(&repo, &live, "purge", ANN).ok();
    signs(&repo, &live, "restore", BOB).ok();
    let request_of = |id: &str, action: &str| {
        let sql = format!("SELECT id FROM request WHERE subject = '{id}' AND action = '{action}'");
        repo.sql(&sql).trim().to_owned()
    };
    let (of_old, of_live) = (request_of(&old, "purge"), request_of(&live, "purge"));
    let of_restore = request_of(&live, "restore");
    // Bob's signatures of another item and of another action, put where they were not given.
    for from in [&of_old, &of_restore] {
        repo.sql(&format!(
            "INSERT INTO approval (id, request_id, actor, observed, assurance, fingerprint,
               signature, at, expires_at)
             SELECT 1000 + a.id, {of_live}, a.actor, a.observed, a.assurance, a.fingerprint,
               a.signature, a.at, (SELECT expires_at FROM request WHERE id = {of_live})
             FROM approval a WHERE a.request_id = {from} AND a.actor = '{BOB}'"
        ));
    }
    purges(&repo, &live, ANN).fails(6).says("1 of 2");
    // Nor a name without a signature.
    repo.sql(&format!(
        "UPDATE approval SET signature = NULL, assurance = 'attested' WHERE actor = '{BOB}'
           AND request_id = {of_live}"
    ));
    purges(&repo, &live, ANN).fails(6).says("1 of 2");
    // Nor what was signed of a request that says something else by now.
    repo.sql(&format!("UPDATE request SET reason = 'other' WHERE id = {of_old}"));
    let said = repo.archive(["--json", "request", "list"]).ok().json();
    let asked = said["requests"].as_array().unwrap().iter();
    let asked = asked.clone().find(|it| it["subject"] == old && it["action"] == "purge").unwrap();
    assert_eq!(asked["approved_by"].as_array().unwrap().len(), 0, "{asked}");
    repo.sql(&format!("UPDATE request SET reason = 'GDPR 17' WHERE id = {of_old}"));
    purges(&repo, &old, ANN).ok();
}

#[test]
fn what_was_signed_for_another_archive_does_not_count() {
    let Some((repo, id, _)) = signing() else { return };
    if !is_embedded() {
        return;
    }
    request(&repo, &id, CAROL).ok();
    signs(&repo, &id, "purge", ANN).ok();
    signs(&repo, &id, "purge", BOB).ok();
    // The file itself, under another id, as somebody would forge it.
    let before = repo.sql("SELECT v FROM meta WHERE k = 'archive'");
    repo.sql("UPDATE meta SET v = '00000000-0000-4000-8000-000000000001' WHERE k = 'archive'");
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    assert_eq!(listed["requests"][0]["approved_by"].as_array().unwrap().len(), 0, "{listed}");
    repo.sql(&format!("UPDATE meta SET v = '{}' WHERE k = 'archive'", before.trim()));
    let listed = repo.archive(["--json", "request", "list"]).ok().json();
    assert_eq!(listed["requests"][0]["approved_by"].as_array().unwrap().len(), 2, "{listed}");
    // And as `copy` brings it.
    let other = format!("sqlite:///{}", repo.world.path("other.sqlite").display());
    repo.archive(["copy", "--to", &other]).ok();
    let copied = repo.env("CODEX_ARCHIVE_URL", &other);
    let listed = copied.archive(["--json", "request", "list"]).ok().json();
    assert_eq!(listed["requests"][0]["approved_by"].as_array().unwrap().len(), 0, "{listed}");
}

#[test]
fn who_is_revoked_does_not_count() {
    let Some((repo, id, _)) = signing() else { return };
    request(&repo, &id, CAROL).ok();
    signs(&repo, &id, "purge", ANN).ok();
    signs(&repo, &id, "purge", BOB).ok().says("2 of 2");
    // A line fewer in the file is enough, whatever the policy still says.
    let text = repo.read(SIGNERS);
    let without: Vec<_> = text.lines().filter(|line| !line.starts_with("bob")).collect();
    repo.file(SIGNERS, format!("{}\n", without.join("\n")));
    purges(&repo, &id, ANN).fails(6).says("1 of 2");
    signs(&repo, &id, "purge", CAROL).ok().says("2 of 2");
    purges(&repo, &id, ANN).ok();
}

#[test]
fn a_policy_that_signs_is_changed_by_keys() {
    let Some((repo, _, _)) = signing() else { return };
    let toml = repo.read(".codex/archive.toml");
    repo.file(".codex/archive.toml", toml.replace("\"signed\"", "\"attested\""));
    with_key(&repo, "ann");
    adopt(&repo, &[ANN, BOB]).fails(3);
    adopt(&repo, &[BOB]).fails(6).says("does not speak for");
    with_key(&repo, "bob");
    adopt(&repo, &[BOB]).ok().says("Adopted");
    // Nor are signers left that nobody could make two approvals with.
    let (repo, ..) = signing().unwrap();
    let one = repo.read(SIGNERS).lines().next().unwrap().to_owned();
    repo.file(SIGNERS, format!("{one}\n"));
    with_key(&repo, "ann");
    repo.unchanged(|repo| adopt(repo, &[ANN]).fails(6)).says("two signers");
}

#[test]
fn signed_evidence_covers_governance_too() {
    if !have("ssh-keygen") {
        return;
    }
    let repo = TestRepo::ready();
    let marc = key(&repo, "marc");
    repo.file(SIGNERS, format!("{marc}\n"));
    repo.append(".codex/archive.toml", "\n[evidence]\nsign = true\n");
    repo.commit("sign");
    let id = repo.store_one("src/old.py");
    is_verifiable(&repo);
    request(&repo, &id, CAROL).ok();
    is_verifiable(&repo);
    super::hold(&repo, &[&id], "LIT-7").ok();
    is_verifiable(&repo);
    release(&repo, "LIT-7", &[ANN, BOB]).ok();
    is_verifiable(&repo);
    adopt(&repo, &[ANN]).ok();
    is_verifiable(&repo);
    repo.archive(["request", "cancel", &id, "--reason", "x"]).ok();
    is_verifiable(&repo);
    purge(&repo, &id, &[]).ok();
    is_verifiable(&repo);
}

/// An agent of SSH, ended with the test.
struct Agent {
    child: Child,
    socket: String,
}

impl Agent {
    fn start(repo: &TestRepo) -> Self {
        let socket = repo.world.path("agent").to_str().unwrap().to_owned();
        let mut command = repo.world.command("ssh-agent", &repo.world.path("."));
        let child = command.args(["-D", "-a", &socket]).stdout(std::process::Stdio::null());
        let child = child.spawn().unwrap();
        while !fs::exists(&socket).unwrap() {
            std::thread::yield_now();
        }
        Self { child, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_locked_key_signs_through_an_agent_or_with_its_passphrase() {
    let Some((repo, id, _)) = signing() else { return };
    if !have("ssh-agent") {
        return;
    }
    request(&repo, &id, CAROL).ok();
    for name in ["ann", "bob"] {
        let file = repo.world.path(name);
        let mut command = repo.world.command("ssh-keygen", &repo.world.path("."));
        command.args(["-q", "-p", "-P", "", "-N", "secret words", "-f"]).arg(&file);
        run(command, None).ok();
    }
    with_key(&repo, "ann");
    repo.unchanged(|repo| approve(repo, &id, "purge", ANN).fails(1));
    repo.script(".git/ask", "#!/bin/sh\necho 'secret words'\n");
    let ask = repo.top.join(".git/ask");
    let asking = repo.env("SSH_ASKPASS", ask.to_str().unwrap());
    let asking = asking.env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    approve(&asking, &id, "purge", ANN).ok().says("1 of 2").says_not("secret words");
    // Through an agent git needs the public half alone.
    let agent = Agent::start(&repo);
    let with_agent = asking.env("SSH_AUTH_SOCK", &agent.socket);
    let mut add = with_agent.command("ssh-add");
    add.arg(repo.world.path("bob"));
    run(add, None).ok();
    fs::remove_file(repo.world.path("bob")).unwrap();
    let public = fs::read_to_string(repo.world.path("bob.pub")).unwrap();
    let literal = format!("key::{}", public.trim());
    repo.git(["config", "user.signingKey", &literal]).ok();
    let quiet = repo.env("SSH_AUTH_SOCK", &agent.socket);
    approve(&quiet, &id, "purge", BOB).ok().says("2 of 2");
    quiet.archive(["purge", &id, "--by", BOB, "--reason", "x", "--apply"]).ok();
}

#[test]
fn git_says_which_key_and_which_program() {
    let Some((repo, id, _)) = signing() else { return };
    request(&repo, &id, CAROL).ok();
    // The key out of a command.
    repo.git(["config", "--unset", "user.signingKey"]).ok();
    let public = fs::read_to_string(repo.world.path("ann.pub")).unwrap();
    repo.script(".git/which", &format!("#!/bin/sh\necho 'key::{}'\n", public.trim()));
    let which = repo.top.join(".git/which");
    repo.git(["config", "gpg.ssh.defaultKeyCommand", which.to_str().unwrap()]).ok();
    if have("ssh-agent") {
        let agent = Agent::start(&repo);
        let with_agent = repo.env("SSH_AUTH_SOCK", &agent.socket);
        let mut add = with_agent.command("ssh-add");
        add.arg(repo.world.path("ann"));
        run(add, None).ok();
        approve(&with_agent, &id, "purge", ANN).ok().says("1 of 2");
    }
    // The program that signs.
    with_key(&repo, "bob");
    repo.script(".git/sign", "#!/bin/sh\ntouch \"$HOME/signed\"\nexec ssh-keygen \"$@\"\n");
    let program = repo.top.join(".git/sign");
    repo.git(["config", "gpg.ssh.program", program.to_str().unwrap()]).ok();
    approve(&repo, &id, "purge", BOB).ok();
    assert!(repo.world.path("home/signed").exists());
    repo.git(["config", "gpg.format", "openpgp"]).ok();
    repo.git(["config", "--unset", "gpg.ssh.defaultKeyCommand"]).ok();
    repo.unchanged(|repo| approve(repo, &id, "purge", CAROL).fails(8));
}
