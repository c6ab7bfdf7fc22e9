//! Governance: what takes two people, who agreed to it, and what nobody may destroy.

mod batches;
mod doors;
mod holds;
mod policy;
mod purge;
mod requests;
mod residue;
mod signed;

use crate::common::{Outcome, TestRepo};

pub const ANN: &str = "ann@example.com";
pub const BOB: &str = "bob@example.com";
pub const CAROL: &str = "carol@example.com";
pub const CONTENT: &str = "print('old')\n";

/// A repository in which `src/old.py` is archived and committed; and its id.
pub fn retired() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire").ok();
    (repo, id)
}

/// A repository with `content` archived and committed at `path`; and its id.
pub fn retired_with(path: &str, content: &[u8]) -> (TestRepo, String) {
    let repo = TestRepo::ready();
    repo.file(path, content).commit("more");
    let id = repo.store_one(path);
    repo.try_commit("retire").ok();
    (repo, id)
}

/// Bytes that nothing can compress, the same in each run.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[must_use = "it may have failed"]
pub fn request(repo: &TestRepo, id: &str, by: &str) -> Outcome {
    repo.archive(["prune-request", id, "--by", by, "--reason", "GDPR 17"])
}

#[must_use = "it may have failed"]
pub fn approve(repo: &TestRepo, id: &str, action: &str, by: &str) -> Outcome {
    repo.archive(["approve", id, "--action", action, "--by", by])
}

/// `purge --apply` by Ann and Bob, with more options.
#[must_use = "it may have failed"]
pub fn purge(repo: &TestRepo, id: &str, more: &[&str]) -> Outcome {
    let mut line = vec!["purge", id, "--by", ANN, "--second", BOB, "--reason", "GDPR 17"];
    line.push("--apply");
    line.extend(more);
    repo.archive(line)
}

#[must_use = "it may have failed"]
pub fn hold(repo: &TestRepo, target: &[&str], case: &str) -> Outcome {
    let mut line = vec!["hold", "set"];
    line.extend(target);
    line.extend(["--case", case, "--reason", "litigation", "--by", CAROL]);
    repo.archive(line)
}

#[must_use = "it may have failed"]
pub fn release(repo: &TestRepo, case: &str, by: &[&str]) -> Outcome {
    let mut line = vec!["hold", "release", "--case", case, "--reason", "settled", "--by", by[0]];
    if let Some(second) = by.get(1) {
        line.extend(["--second", second]);
    }
    repo.archive(line)
}

#[must_use = "it may have failed"]
pub fn adopt(repo: &TestRepo, by: &[&str]) -> Outcome {
    let mut line = vec!["policy", "adopt", "--reason", "agreed", "--by", by[0]];
    if let Some(second) = by.get(1) {
        line.extend(["--second", second]);
    }
    repo.archive(line)
}

/// Lets every request and approval end long ago.
pub fn let_expire(repo: &TestRepo) {
    let long_ago = "'2020-01-01T00:00:00.000Z'";
    repo.sql(&format!(
        "UPDATE request SET expires_at = {long_ago}; UPDATE approval SET expires_at = {long_ago}"
    ));
}

/// The state of the newest request, as `request list` tells it.
#[track_caller]
pub fn state(repo: &TestRepo) -> String {
    let listed = repo.archive(["--json", "request", "list", "--all"]).ok().json();
    listed["requests"][0]["state"].as_str().unwrap().to_owned()
}

/// What was done is in order wherever it is judged: in the log, staged, by the hooks, in a range,
/// and as it is cited.
#[track_caller]
pub fn is_verifiable(repo: &TestRepo) {
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["verify", "--staged"]).ok();
    if !repo.staged().is_empty() {
        repo.try_commit("governed").ok();
        repo.archive(["verify", "--range", "HEAD^..HEAD"]).ok();
        let body = repo.archive(["evidence", "cite", "--range", "HEAD^..HEAD"]).ok().stdout;
        assert!(body.contains("\nCodex-Evidence: "), "{body}");
        let judge = ["verify", "--range", "HEAD^..HEAD", "--citations", "-"];
        repo.archive_fed(&judge, &body).ok();
        repo.archive_fed(&judge, "nothing").fails(4).says("citation-missing");
    }
    assert_eq!(repo.status(), "");
    repo.is_well();
}
