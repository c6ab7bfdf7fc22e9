//! Checkpoints, and proofs that speak for themselves.

use std::fs;

use codex_archive::archive::check;
use codex_archive::evidence::{Checkpoint, KIND, Note, key_id};
use codex_archive::policy::Signers;
use codex_archive::policy::signature::{armor_of, key_of};

use crate::common::{Outcome, TestRepo, have, is_embedded, sha256};
use crate::signed::key;

/// A repository with two archived files, whose owner can sign; and the line of signers.
fn archived() -> Option<(TestRepo, String)> {
    if !have("ssh-keygen") {
        return None;
    }
    let repo = TestRepo::ready();
    let signer = key(&repo, "marc");
    repo.store(&["src/old.py"]);
    repo.store(&["src/live.py"]);
    Some((repo, format!("{signer}\n")))
}

fn digest_of(repo: &TestRepo, path: &str) -> String {
    let line = repo.journal().into_iter().find(|line| line.contains(path)).unwrap();
    sha256(line.as_bytes())
}

/// Checks `proof` where there is no repository, with `signers`.
fn check_outside(repo: &TestRepo, proof: &str, signers: Option<&str>) -> Outcome {
    let folder = repo.world.path("elsewhere");
    fs::create_dir_all(&folder).unwrap();
    let outside = repo.beside("elsewhere");
    outside.file("proof.json", proof);
    let mut line = vec!["evidence", "check", "proof.json"];
    if let Some(signers) = signers {
        outside.file("signers", signers);
        line.extend(["--signers", "signers"]);
    }
    outside.archive(line)
}

#[test]
fn a_record_is_proved_where_nothing_else_is() {
    let Some((repo, signer)) = archived() else { return };
    repo.archive(["evidence", "checkpoint", "--output", "checkpoint.txt"])
        .ok()
        .says("Wrote the checkpoint over")
        .says("Signed by SHA256:");
    let digest = digest_of(&repo, "src/old.py");
    let proof = repo.archive(["evidence", "prove", &digest]).ok().stdout;
    check_outside(&repo, &proof, Some(&signer))
        .ok()
        .says("proved: ARCHIVE src/old.py by marc@example.com")
        .says("signed by marc@example.com, SHA256:");
    check_outside(&repo, &proof, None).ok().says("whose that is, `--signers` would tell");
    let other = key(&repo, "jane");
    let refused = check_outside(&repo, &proof, Some(&other)).fails(4);
    refused.says("is not among the signers").says_not("proved: ARCHIVE");
    let expired = signer.replacen(' ', " valid-before=\"20200101Z\" ", 1);
    check_outside(&repo, &proof, Some(&expired)).fails(4).says("was valid until");
    assert!(repo.actions().contains(&"CHECKPOINT".to_owned()));
    let proved = repo.archive(["--json", "evidence", "verify"]).ok().json();
    assert_eq!(proved["checkpoints"], 1);
}

#[test]
fn no_changed_bit_of_a_proof_is_taken() {
    let Some((repo, signer)) = archived() else { return };
    repo.archive(["evidence", "checkpoint"]).ok();
    let digest = digest_of(&repo, "src/live.py");
    let proof = repo.archive(["evidence", "prove", &digest]).ok().bytes;
    let signers = Signers::parse(&signer).unwrap();
    let whole = check(&proof, Some(&signers));
    assert!(whole.ok, "{:?}", whole.faults);
    for bit in 0..proof.len() * 8 {
        let mut changed = proof.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let report = check(&changed, Some(&signers));
        assert!(!report.ok, "bit {bit}: {}", String::from_utf8_lossy(&changed));
    }
    for end in 0..proof.len() - 2 {
        assert!(!check(&proof[..end], Some(&signers)).ok, "{end}");
    }
}

#[test]
fn proofs_that_say_more_or_other_things_are_refused() {
    let Some((repo, signer)) = archived() else { return };
    repo.archive(["evidence", "checkpoint"]).ok();
    let [one, two] = ["src/old.py", "src/live.py"].map(|path| {
        let proof = repo.archive(["evidence", "prove", &digest_of(&repo, path)]).ok();
        proof.json()
    });
    let said = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut proof = one.clone();
        change(&mut proof);
        check_outside(&repo, &proof.to_string(), Some(&signer)).fails(4).stdout
    };
    assert!(said(&|it| it["v"] = 2.into()).contains("version 2"));
    assert!(said(&|it| it["more"] = 1.into()).contains("unknown field"));
    let changed = "the record is not one that its checkpoint covers";
    assert!(said(&|it| it["record"] = two["record"].clone()).contains(changed));
    assert!(said(&|it| it["audit_path"] = two["audit_path"].clone()).contains(changed));
    assert!(said(&|it| it["audit_path"] = serde_json::json!([])).contains(changed));
    assert!(said(&|it| it["tree_size"] = 1.into()).contains("a tree of another size"));
    assert!(said(&|it| it["leaf_index"] = u64::MAX.into()).contains(changed));
    let spaced = |it: &mut serde_json::Value| {
        it["record"] = it["record"].as_str().unwrap().replacen(',', ", ", 1).into();
    };
    assert!(said(&spaced).contains("its record: "));
    let unsigned = |it: &mut serde_json::Value| {
        let note = it["checkpoint"].as_str().unwrap();
        it["checkpoint"] = format!("{}\n", note.split_once("\n\n").unwrap().0).into();
    };
    assert!(said(&unsigned).contains("its checkpoint is not signed"));
    for bad in ["", "{}", "[]", "null", "{\"v\":1", &"[".repeat(100_000), "\u{feff}{}"] {
        let report = check_outside(&repo, bad, None).fails(4);
        report.says("not proved: it is no proof");
    }
    check_outside(&repo, &" ".repeat(2 << 20), None).fails(2).says("it is over 1048576 bytes");
}

#[test]
fn ssh_keygen_verifies_the_note() {
    let Some((repo, signer)) = archived() else { return };
    let text = repo.archive(["evidence", "checkpoint"]).ok().stdout;
    let note = Note::parse(&text).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!(checkpoint.size, repo.journal().len() as u64 - 1);
    let [line] = note.signatures.as_slice() else { panic!("{text}") };
    let armored = armor_of(&line.bytes);
    let key = key_of(&armored).unwrap();
    assert!(KIND.starts_with(b"\xff"));
    assert_eq!((&line.name, line.key_id), (&checkpoint.origin(), key_id(&line.name, &key)));
    repo.file("note", &note.text).file("note.sig", armored).file("signers", signer);
    let verify = "ssh-keygen -Y verify -f signers -I marc@example.com -n codex-archive -s note.sig";
    repo.types(&format!("{verify} < note")).ok();
    repo.append("note", "log\n");
    repo.types(&format!("{verify} < note")).fails(255);
}

#[test]
fn without_a_key_only_when_it_is_said() {
    let Some((repo, signer)) = archived() else { return };
    repo.git(["config", "--unset", "user.signingKey"]).ok();
    let refused = repo.unchanged(|repo| repo.archive(["evidence", "checkpoint"]).fails(8));
    let again = "git codex-archive evidence checkpoint --unsigned".to_owned();
    assert!(refused.hints().contains(&again), "{refused}");
    let digest = digest_of(&repo, "src/old.py");
    let refused = repo.archive(["evidence", "prove", &digest]).fails(5);
    assert_eq!(refused.hint(), "git codex-archive evidence checkpoint");
    repo.types(&again).ok().says("It is unsigned");
    let proof = repo.archive(["evidence", "prove", &digest]).ok().stdout;
    check_outside(&repo, &proof, None).ok().says("unsigned: whoever made this file");
    check_outside(&repo, &proof, Some(&signer)).fails(4).says("its checkpoint is not signed");
}

#[test]
fn what_cannot_be_written_or_proved_changes_nothing() {
    let Some((repo, _)) = archived() else { return };
    repo.file("there", "mine\n");
    let line = |file| ["evidence", "checkpoint", "--output", file];
    repo.unchanged(|repo| repo.archive(line("there")).fails(6));
    repo.unchanged(|repo| repo.archive(line("../out")).fails(6));
    repo.unchanged(|repo| repo.archive(line(".git/out")).fails(6));
    assert_eq!(repo.read("there"), "mine\n");
    repo.archive(["evidence", "prove", "0123"]).fails(2).says("64 small hex digits");
    let zeros = "0".repeat(64);
    repo.archive(["evidence", "prove", &zeros]).fails(5).says("no record of the archive");
    let elsewhere = repo.world.path("out").display().to_string();
    let [evidence, checkpoint, output, file] = line(&elsewhere);
    repo.archive([evidence, checkpoint, output, file, "--allow-outside"]).ok();
}

#[test]
fn a_checkpoint_holds_what_came_before_it() {
    let Some((repo, _)) = archived() else { return };
    if !is_embedded() {
        return;
    }
    for _ in 0..3 {
        repo.archive(["evidence", "checkpoint", "--output", "x"]).ok();
        repo.remove("x");
    }
    repo.archive(["evidence", "verify"]).ok();
    // As if the first records had been others.
    repo.sql(
        "UPDATE evidence_checkpoint SET note = replace(note, char(10) || tree_size || char(10), \
         char(10) || tree_size || char(10) || 'A')",
    );
    repo.archive(["evidence", "verify"]).fails(4).says("checkpoint-broken");
    let refused = repo.archive(["evidence", "checkpoint"]).fails(1);
    refused.says("checkpoint `over").says("is damaged");
}
