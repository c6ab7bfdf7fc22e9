//! Signatures that `sha256sum` and `ssh-keygen` alone check.

use std::fs;

use crate::common::{TestRepo, have};
use crate::signed::{key, with_key};

use super::{create, files, made, tarball, verify, with_shapes};

fn signing() -> Option<TestRepo> {
    if !have("ssh-keygen") {
        return None;
    }
    let repo = with_shapes();
    let signer = key(&repo, "marc");
    repo.file(".codex/allowed_signers", format!("{signer}\n")).commit("signers");
    Some(repo)
}

/// What anybody types who has not got this program.
fn check(repo: &TestRepo, file: &std::path::Path) -> crate::common::Outcome {
    let name = file.file_name().unwrap().to_str().unwrap();
    repo.types(&format!(
        "set -o pipefail; cd releases && sha256sum {name} | ssh-keygen -Y verify \
         -f ../.codex/allowed_signers -I marc@example.com -n codex-archive -s {name}.sig"
    ))
}

#[test]
fn one_pipe_checks_content_and_signature() {
    let Some(repo) = signing() else { return };
    let report = made(&repo, &["--sign"]);
    let file = tarball(&report);
    check(&repo, &file).ok().says("Good \"codex-archive\" signature for marc@example.com");
    verify(&repo).ok().says("signed by").says("(marc@example.com)");
    assert_eq!(made(&repo, &["--sign"])["already"], true);
    let good = fs::read(&file).unwrap();
    fs::write(&file, [&good[..], b"x"].concat()).unwrap();
    check(&repo, &file).fails(255);
    verify(&repo).fails(4);
    fs::write(&file, &good).unwrap();
    verify(&repo).ok();
    let sig = file.with_extension("gz.sig");
    fs::remove_file(&sig).unwrap();
    verify(&repo).fails(4).says("is missing");
}

#[test]
fn another_key_is_seen() {
    let Some(repo) = signing() else { return };
    key(&repo, "eve");
    let file = tarball(&made(&repo, &["--sign"]));
    check(&repo, &file).fails(255);
    verify(&repo).fails(4).says("the signature");
    repo.remove(".codex/allowed_signers");
    verify(&repo).ok().says("nobody here says whose");
}

#[test]
fn without_a_key_nothing_counts() {
    let Some(repo) = signing() else { return };
    repo.git(["config", "--unset", "user.signingKey"]).ok();
    create(&repo, &["--sign"]).fails(8).says("cannot sign");
    assert_eq!(files(&repo), Vec::<String>::new());
    create(&repo, &[]).ok();
    // A bundle that is there already gets its signature later.
    with_key(&repo, "marc");
    let report = made(&repo, &["--sign"]);
    check(&repo, &tarball(&report)).ok();
    assert_eq!(files(&repo).len(), 4);
    repo.file(".codex/archive.toml", "[bundle]\nsign = true\n").commit("sign");
    check(&repo, &tarball(&made(&repo, &["--prune", "--keep", "1"]))).ok();
    assert_eq!(files(&repo).len(), 4);
    made(&repo, &["--no-tarball", "--stamp", "now"]);
}
