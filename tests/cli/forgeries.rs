//! Segments made, copied or renamed by hand explain nothing.

use serde_json::Value;

use crate::common::{TestRepo, id_of, sha256, stub_of};
use crate::others_stubs::with_a_colleague;

/// Writes a segment of these records, as somebody with an editor would; gives its path.
fn forge_segment(repo: &TestRepo, records: &[Value]) -> String {
    let lines: Vec<String> =
        records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let name = &sha256(lines.last().unwrap().as_bytes())[..16];
    let ts = records.last().unwrap()["ts"].as_str().unwrap().to_owned();
    let path = format!(".codex/evidence/segments/{}/{}/{name}.jsonl", &ts[..4], &ts[5..7]);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    repo.file(&path, text);
    path
}

fn records_of(repo: &TestRepo, segment: &str) -> Vec<Value> {
    repo.read(segment).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A stub and a segment for `src/live.py`, made by hand out of the one for `src/old.py`.
fn forge(repo: &TestRepo, change: impl FnOnce(&mut Value)) -> String {
    let segment = repo.segments().remove(0);
    let mut record = records_of(repo, &segment).remove(0);
    let live = b"print('live')\n";
    let blob = repo.git(["rev-parse", "HEAD:src/live.py"]).ok().stdout;
    record["path"] = "src/live.py".into();
    record["sha256"] = sha256(live).into();
    record["size"] = live.len().into();
    record["git_blob"] = blob.trim().into();
    record["tombstone"] = id_of("_codex_", "src/live.py", live).into();
    change(&mut record);
    repo.file("src/live.py", stub_of(repo, "# ", "_codex_", "src/live.py", live));
    let path = forge_segment(repo, &[record]);
    repo.git(["add", "-A"]).ok();
    path
}

#[test]
fn a_forged_segment_of_our_own_log_is_known_as_one() {
    let repo = with_a_colleague();
    let path = forge(&repo, |record| record["seq"] = 3.into());
    let refused = repo.try_commit("forged").fails(1);
    refused.says("src/live.py");
    // Nor does it pass as another's, where it takes a number that is taken.
    repo.git(["rm", "-q", "-f", &path]).ok();
    repo.git(["restore", "--source=HEAD", "--staged", "--worktree", "src/live.py"]).ok();
    forge(&repo, |_| {});
    repo.try_commit("forged").fails(1);
}

#[test]
fn a_forged_segment_must_agree_with_the_stub() {
    let repo = with_a_colleague().fresh_clone("mine");
    repo.archive(["hooks", "install"]).ok();
    let other_log = "0198c0de-0000-4000-8000-000000000000";
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 5] = [
        ("sha256", |record| record["sha256"] = sha256(b"other").into()),
        ("size", |record| record["size"] = 1.into()),
        ("path", |record| record["path"] = "src/old.py".into()),
        ("repo", |record| record["repo"] = "other".into()),
        ("action", |record| record["action"] = "RESTORE".into()),
    ];
    for (what, change) in changes {
        let path = forge(&repo, |record| {
            record["log"] = other_log.into();
            record["seq"] = 1.into();
            record["prev"] = "0".repeat(64).into();
            change(record);
        });
        let refused = repo.try_commit(what);
        assert_eq!(refused.code, 1, "a record with another {what} passed:\n{refused}");
        refused.says("src/live.py");
        repo.git(["reset", "-q", "--hard"]).ok();
        assert!(!repo.has(path));
    }
    // All of it consistent: whoever can commit can forge an unsigned one (docs/security.md).
    forge(&repo, |record| {
        record["log"] = other_log.into();
        record["seq"] = 1.into();
        record["prev"] = "0".repeat(64).into();
    });
    repo.try_commit("consistent").ok();
}

#[test]
fn a_segment_with_another_name_or_spelling_is_none() {
    let repo = with_a_colleague();
    let segment = repo.segments().remove(0);
    let text = repo.read(&segment);
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    for (name, text) in [
        ("0123456789abcdef.jsonl", text.clone()),
        ("0123456789abcde0.jsonl", text.replace("\":\"", "\": \"")),
        ("0123456789abcde1.jsonl", text.replace('\n', "\r\n")),
        ("readme.txt", "hello\n".to_owned()),
    ] {
        let path = format!(".codex/evidence/segments/2026/01/{name}");
        repo.file(&path, text).git(["add", "-A"]).ok();
        let refused = repo.try_commit(name).fails(1).says(&path);
        repo.types(&refused.hint()).ok();
        repo.remove(&path);
        assert_eq!(repo.staged(), [""; 0]);
    }
}

#[test]
fn an_old_segments_citation_is_refused() {
    let repo = with_a_colleague();
    let old = sha256(repo.read(&repo.segments()[0]).trim_end().as_bytes());
    repo.git(["switch", "-qc", "prune"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    let body = repo.archive(["evidence", "cite", "--range", "origin/main..HEAD"]).ok().stdout;
    let verify = ["verify", "--range", "origin/main..HEAD", "--citations", "-"];
    repo.archive_fed(&verify, &body).ok();
    repo.archive_fed(&verify, &format!("Codex-Evidence: {old}\n")).fails(4).says(&old);
    repo.archive_fed(&verify, &format!("{body}\nSee also {old}.\n")).fails(4).says(&old);
}

#[test]
fn a_replayed_restore_explains_nothing() {
    let repo = TestRepo::ready();
    repo.store(&["src"]);
    repo.try_commit("retire both").ok();
    // One deed with two RESTORE records: its first line would be a segment of its own.
    repo.git(["revert", "--no-edit", "HEAD"]).ok();
    repo.archive(["reconcile"]).ok();
    repo.try_commit("both are back").ok();
    let segments = repo.segments();
    let restores = segments.iter().find(|it| repo.read(it).contains("\"RESTORE\"")).unwrap();
    let first = records_of(&repo, restores).remove(0);
    let path = first["path"].as_str().unwrap();
    assert_eq!(records_of(&repo, restores).len(), 2);
    repo.store(&["src"]);
    repo.try_commit("retire both again").ok();
    // Something else takes the stub's place, and the old record shall explain it.
    repo.file(path, "print('never archived')\n");
    let copy = forge_segment(&repo, std::slice::from_ref(&first));
    repo.git(["add", "-A"]).ok();
    repo.try_commit("replayed").fails(1).says(path).says(&copy);
    // Nor does it where the segment it was taken from goes in the same commit.
    repo.git(["rm", "-q", restores]).ok();
    repo.try_commit("replayed").fails(1).says(path);
    // Nor offline, nor at the remote end.
    repo.git(["commit", "-qnm", "sneaked in"]).ok();
    repo.archive(["verify", "--range", "HEAD~1..HEAD", "--offline"]).fails(4).says(path);
}

#[test]
fn a_prefix_of_an_old_segment_under_its_own_name_explains_nothing() {
    let repo = TestRepo::ready();
    repo.store(&["src"]);
    repo.try_commit("retire both").ok();
    let both = repo.segments().remove(0);
    let first = records_of(&repo, &both).remove(0);
    assert_eq!(first["path"], "src/live.py");
    let (stub, id) = (repo.read("src/live.py"), first["tombstone"].as_str().unwrap().to_owned());
    repo.archive(["drop", &id, "--reason", "gone for good"]).ok();
    repo.try_commit("drop live").ok();
    // The dropped stub comes back with a copy of the old record, well named.
    repo.file("src/live.py", stub);
    let copy = forge_segment(&repo, &[first]);
    repo.git(["add", "-A"]).ok();
    repo.try_commit("replayed").fails(1).says(&copy).says("src/live.py");
}
