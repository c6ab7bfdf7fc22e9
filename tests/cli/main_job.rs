//! The main job: init, store, commit, push, merge, am, restore, drop, cite, verify.

use crate::common::{TestRepo, id_of, is_embedded, sha256, stub_of};

const ZENDESK: &str = "import zendesk\n\n\ndef close(ticket):\n    ticket.close()\n";

fn with_zendesk() -> TestRepo {
    let repo = TestRepo::new();
    repo.script("src/legacy/zendesk_v1.py", ZENDESK).file("src/live.py", "print('live')\n");
    repo.commit("history");
    repo.archive(["init", "--hooks"]).ok();
    repo
}

/// The main job, word for word.
fn store_zendesk(repo: &TestRepo) -> serde_json::Value {
    let line = "git codex-archive store _codex_ src/legacy/zendesk_v1.py --by marc \
                --reason pruned --commit HEAD --tag legacy --tag zendesk \
                --metadata ticket=OPS-1234";
    repo.types(line).ok().json()
}

#[test]
fn store_archives_replaces_stages_and_tells() {
    let repo = with_zendesk();
    let head = repo.head();
    let told = store_zendesk(&repo);
    let id = id_of("_codex_", "src/legacy/zendesk_v1.py", ZENDESK.as_bytes());
    let item = &told["items"][0];
    assert_eq!(item["tombstone"], id.as_str());
    assert_eq!(item["sha256"], sha256(ZENDESK.as_bytes()).as_str());
    assert_eq!(item["size_bytes"], ZENDESK.len());
    assert_eq!(item["path"], "src/legacy/zendesk_v1.py");
    assert!(item["compressed_size"].as_u64().unwrap() > 0);

    let stub = stub_of(&repo, "# ", "_codex_", "src/legacy/zendesk_v1.py", ZENDESK.as_bytes())
        .replace("mode: 100644", "mode: 100755");
    assert_eq!(repo.read("src/legacy/zendesk_v1.py"), stub);
    assert!(!repo.is_executable("src/legacy/zendesk_v1.py"));
    let segment = told["evidence_segment"].as_str().unwrap();
    let staged = repo.staged();
    assert!(staged.contains(&format!("A {segment}")), "{staged:?}");
    assert!(staged.contains(&"M src/legacy/zendesk_v1.py".to_owned()), "{staged:?}");
    assert!(staged.contains(&"A .codex/archive.toml".to_owned()), "{staged:?}");
    assert!(repo.read(".codex/archive.toml").contains("label = \"_codex_\""));

    let line = repo.read(segment);
    assert_eq!(sha256(line.trim_end_matches('\n').as_bytes()), item["evidence"].as_str().unwrap());
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["action"], "ARCHIVE");
    assert_eq!(record["actor"], "marc");
    assert_eq!(record["reason"], "pruned");
    assert_eq!(record["commit"], head.as_str());
    assert_eq!(record["mode"], "100755");
    assert_eq!(record["tombstone"], id.as_str());

    let shown = repo.archive(["show", &id, "--json"]).ok().json();
    let text = shown.to_string();
    for word in ["legacy", "zendesk", "OPS-1234"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    repo.try_commit("retire zendesk").ok();
    assert_eq!(repo.status(), "");
    repo.is_well();
}

#[test]
fn many_paths_are_one_deed_in_lexicographic_order() {
    let repo = TestRepo::ready();
    repo.file("z.py", "z").file("a/2.py", "2").file("a/10.py", "10").file("docs/x.md", "x");
    repo.commit("more");
    let told = repo.store(&["z.py", "docs/*.md", "a"]);
    let paths: Vec<_> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["a/10.py", "a/2.py", "docs/x.md", "z.py"]);
    assert_eq!(repo.segments().len(), 1);
    let segment = repo.read(told["evidence_segment"].as_str().unwrap());
    let records: Vec<serde_json::Value> =
        segment.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let in_records: Vec<_> = records.iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(in_records, paths);
    assert!(records.iter().all(|record| record["deed"] == records[0]["deed"]));
    for pair in records.windows(2) {
        assert_eq!(pair[1]["seq"].as_u64(), pair[0]["seq"].as_u64().map(|seq| seq + 1));
    }
    repo.try_commit("retire").ok();
    repo.is_well();
}

#[test]
fn all_paths_or_none() {
    let repo = TestRepo::ready();
    repo.file("a.py", "a").file("b.py", "b").commit("more");
    repo.append("b.py", "dirty");
    repo.unchanged(|repo| {
        repo.archive(["store", "_codex_", "a.py", "b.py", "--reason", "dead"])
            .fails(6)
            .says("b.py");
    });
}

#[test]
fn content_is_deduplicated() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::ready();
    repo.file("a.py", "the same\n").file("b.py", "the same\n").commit("twins");
    repo.store(&["a.py", "b.py"]);
    if !crate::common::have("sqlite3") {
        return;
    }
    assert_eq!(repo.sql("SELECT COUNT(*) FROM item").trim(), "2");
    assert_eq!(repo.sql("SELECT COUNT(*) FROM artifact").trim(), "1");
    repo.try_commit("retire twins").ok();
    repo.is_well();
}

/// The commit fails for `rule`'s words; its hints, run in order, mend it; then it passes.
#[track_caller]
fn refused_then_mended(repo: &TestRepo, words: &str) -> Vec<String> {
    let refused = repo.try_commit("refused").fails(1).says(words);
    let hint = refused.hint();
    repo.types(&hint).ok();
    repo.file("src/live.py", format!("print('{words}')\n"));
    repo.git(["add", "src/live.py"]).ok();
    let outcome = repo.try_commit("mended");
    assert_eq!(outcome.code, 0, "the hint `{hint}` did not mend it:\n{outcome}");
    repo.archive(["verify", "--all"]).ok();
    refused.hints()
}

fn with_committed_stub() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.commit("retire old");
    (repo, id)
}

#[test]
fn an_edited_stub_does_not_pass() {
    let (repo, _) = with_committed_stub();
    repo.append("src/old.py", "# and more\n").git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_stub_with_a_wrong_hash_does_not_pass() {
    let (repo, _) = with_committed_stub();
    let wrong = repo.read("src/old.py").replace(&sha256(b"print('old')\n"), &sha256(b"other"));
    repo.file("src/old.py", wrong).git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_fresh_stub_with_a_wrong_hash_does_not_pass() {
    let repo = TestRepo::ready();
    repo.store_one("src/old.py");
    let wrong = repo.read("src/old.py").replace(&sha256(b"print('old')\n"), &sha256(b"other"));
    repo.file("src/old.py", wrong).git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_stub_with_a_wrong_size_does_not_pass() {
    let (repo, _) = with_committed_stub();
    let wrong = repo.read("src/old.py").replace("size: 13", "size: 14");
    repo.file("src/old.py", wrong).git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_stub_that_names_another_blob_does_not_pass() {
    let (repo, _) = with_committed_stub();
    let other = repo.git(["rev-parse", "HEAD:src/live.py"]).ok().stdout;
    let own = repo.git(["rev-parse", "HEAD~2:src/old.py"]).ok().stdout;
    let wrong = repo.read("src/old.py").replace(own.trim(), other.trim());
    repo.file("src/old.py", wrong).git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_stub_without_a_record_does_not_pass() {
    let repo = TestRepo::ready();
    let stub = stub_of(&repo, "# ", "_codex_", "src/old.py", b"print('old')\n");
    repo.file("src/old.py", stub).git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_stub_whose_segment_was_left_out_does_not_pass() {
    let repo = TestRepo::ready();
    let told = repo.store(&["src/old.py"]);
    let segment = told["evidence_segment"].as_str().unwrap();
    repo.git(["rm", "-q", "--cached", segment]).ok();
    let hints = refused_then_mended(&repo, "src/old.py");
    assert!(hints[0].starts_with("git add ") && hints[0].contains(segment), "{hints:?}");
}

#[test]
fn an_executable_stub_does_not_pass() {
    let (repo, _) = with_committed_stub();
    repo.git(["update-index", "--chmod=+x", "src/old.py"]).ok();
    refused_then_mended(&repo, "src/old.py");
}

#[test]
fn a_stub_deleted_without_a_record_does_not_pass() {
    let (repo, id) = with_committed_stub();
    repo.git(["rm", "-q", "src/old.py"]).ok();
    let hints = refused_then_mended(&repo, "src/old.py");
    assert!(hints[0].contains("drop"), "{hints:?}");
    assert!(!repo.has("src/old.py"));
    // Dropped is not lost.
    repo.archive(["restore", &id, "again.py"]).ok();
    assert_eq!(repo.read("again.py"), "print('old')\n");
}

#[test]
fn a_stub_replaced_without_a_record_does_not_pass() {
    let (repo, _) = with_committed_stub();
    repo.file("src/old.py", "print('quite new')\n").git(["add", "-A"]).ok();
    refused_then_mended(&repo, "src/old.py");
    assert_eq!(repo.read("src/old.py"), "print('quite new')\n");
}

#[test]
fn an_edited_segment_does_not_pass() {
    let (repo, _) = with_committed_stub();
    let segment = repo.segments().remove(0);
    let forged = repo.read(&segment).replace("\"pruned\"", "\"dead\"");
    repo.file(&segment, forged).git(["add", "-A"]).ok();
    refused_then_mended(&repo, &segment);
}

#[test]
fn a_deleted_segment_does_not_pass() {
    let (repo, _) = with_committed_stub();
    let segment = repo.segments().remove(0);
    repo.git(["rm", "-q", &segment]).ok();
    refused_then_mended(&repo, &segment);
}

#[test]
fn another_label_does_not_pass() {
    let (repo, _) = with_committed_stub();
    let text = repo.read(".codex/archive.toml").replace("\"_codex_\"", "\"other\"");
    repo.file(".codex/archive.toml", text).git(["add", "-A"]).ok();
    refused_then_mended(&repo, ".codex/archive.toml");
}

#[test]
fn a_tracked_archive_does_not_pass() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = with_committed_stub();
    repo.git(["add", "-f", ".codex/archive.sqlite"]).ok();
    refused_then_mended(&repo, ".codex/archive.sqlite");
}

#[test]
fn a_commit_without_stubs_passes_and_is_not_delayed_by_an_archive() {
    let (repo, _) = with_committed_stub();
    repo.append("src/live.py", "more\n").git(["add", "-A"]).ok();
    // Nothing is asked of an archive that is not concerned: not even a damaged one stops this.
    std::fs::write(repo.common_dir().join("codex-archive/archive.sqlite"), "no database").unwrap();
    repo.try_commit("ordinary").ok();
}

#[test]
fn every_way_to_commit_is_judged() {
    let (repo, _) = with_committed_stub();
    repo.append("src/old.py", "# and more\n");
    repo.git(["commit", "-qam", "all"]).fails(1).says("src/old.py");
    repo.git(["commit", "-qm", "only", "--only", "src/old.py"]).fails(1).says("src/old.py");
    repo.git(["commit", "-q", "--amend", "--no-edit", "-a"]).fails(1).says("src/old.py");
    // An amend that stages nothing is judged against the commit before.
    repo.git(["add", "-A"]).ok();
    repo.git(["commit", "-q", "--no-verify", "-m", "sneaked in"]).ok();
    repo.git(["commit", "-q", "--amend", "-m", "again"]).fails(1).says("src/old.py");
}

#[test]
fn push_is_judged_before_it_leaves() {
    let (repo, _) = with_committed_stub();
    repo.git(["branch", "-f", "start", "HEAD~1"]).ok();
    let bare = repo.world.path("origin.git");
    repo.git(["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]).ok();
    repo.git(["remote", "add", "origin", bare.to_str().unwrap()]).ok();
    repo.git(["push", "-q", "origin", "start:main"]).ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    // What no hook of a commit saw.
    repo.append("src/old.py", "# and more\n").git(["commit", "-qan", "-m", "sneaked in"]).ok();
    let remote = || repo.git(["ls-remote", "origin", "main"]).ok().stdout;
    let before = remote();
    repo.git(["push", "-q", "origin", "main"]).fails(1).says("src/old.py");
    repo.git(["push", "-q", "origin", "HEAD:refs/heads/new"]).fails(1).says("src/old.py");
    repo.git(["tag", "-m", "v1", "v1"]).ok();
    repo.git(["push", "-q", "origin", "v1"]).fails(1).says("src/old.py");
    repo.git(["push", "-q", bare.to_str().unwrap(), "main"]).fails(1).says("src/old.py");
    assert_eq!(remote(), before);
    // A mistake that a later commit mends can be pushed; so can a branch be deleted.
    repo.git(["restore", "--source=HEAD~1", "--staged", "--worktree", "src/old.py"]).ok();
    repo.git(["commit", "-qm", "as it was"]).ok();
    repo.git(["push", "-q", "origin", "main", "main:gone"]).ok();
    repo.git(["push", "-q", "origin", ":gone"]).ok();
}

#[test]
fn a_server_judges_what_it_receives() {
    let (repo, _) = with_committed_stub();
    let bare = repo.world.path("origin.git");
    repo.git(["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]).ok();
    let hook = bare.join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexec git codex-archive hook pre-receive\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    repo.git(["remote", "add", "origin", bare.to_str().unwrap()]).ok();
    repo.git(["push", "-q", "origin", "main"]).ok();
    repo.append("src/old.py", "# and more\n").git(["commit", "-qan", "-m", "sneaked in"]).ok();
    repo.git(["push", "-q", "--no-verify", "origin", "main"]).fails(1).says("src/old.py");
    repo.git(["push", "-q", "--no-verify", "origin", "main:other"]).fails(1).says("src/old.py");
}

#[test]
fn a_merge_is_judged() {
    let (repo, _) = with_committed_stub();
    repo.git(["switch", "-qc", "side", "HEAD"]).ok();
    repo.append("src/old.py", "# and more\n").git(["commit", "-qan", "-m", "bad"]).ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("src/new.py", "new\n").commit("main goes on");
    repo.git(["merge", "-q", "-m", "merged", "side"]).fails(1).says("src/old.py");
    repo.git(["merge", "--abort"]).ok();
    // A side that is in order merges.
    repo.git(["switch", "-qc", "good", "HEAD~1"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.git(["merge", "-q", "-m", "merged", "good"]).ok();
    repo.is_well();
}

#[test]
fn a_merge_does_not_judge_again_what_a_remote_has() {
    let (repo, _) = with_committed_stub();
    let bare = repo.world.path("origin.git");
    repo.git(["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]).ok();
    repo.git(["remote", "add", "origin", bare.to_str().unwrap()]).ok();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.append("src/old.py", "# and more\n").git(["commit", "-qan", "-m", "bad"]).ok();
    repo.git(["push", "-q", "--no-verify", "origin", "side"]).ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("src/new.py", "new\n").commit("main goes on");
    repo.git(["merge", "-q", "-m", "merged", "origin/side"]).ok();
}

#[test]
fn an_applied_patch_is_judged() {
    let (repo, _) = with_committed_stub();
    let patches = repo.world.path("patches");
    let folder = patches.to_str().unwrap();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.append("src/old.py", "# and more\n").git(["commit", "-qan", "-m", "bad"]).ok();
    repo.git(["format-patch", "-q", "--binary", "-1", "-o", folder]).ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.types(&format!("git am -q {folder}/*.patch")).fails(1).says("src/old.py");
    repo.git(["am", "--abort"]).ok();
    // A patch that archives something carries its segment, and passes.
    repo.git(["switch", "-qc", "good"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    std::fs::remove_dir_all(&patches).unwrap();
    repo.git(["format-patch", "-q", "--binary", "-1", "-o", folder]).ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.types(&format!("git am -q {folder}/*.patch")).ok();
    repo.is_well();
}

#[test]
fn restore_gives_the_same_bytes_and_mode() {
    let repo = with_zendesk();
    let told = store_zendesk(&repo);
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    repo.try_commit("retire zendesk").ok();
    let restored = repo.archive(["restore", id, "out.py", "--by", "marc"]).ok();
    assert!(restored.said("out.py"), "{restored}");
    assert_eq!(repo.read("out.py"), ZENDESK);
    assert!(repo.is_executable("out.py"));
    // The stub stands, and nothing is staged.
    assert!(repo.read("src/legacy/zendesk_v1.py").starts_with("# codex-tombstone v1\n"));
    assert_eq!(repo.staged(), [""; 0]);
    let piped = repo.archive(["restore", id, "-"]).ok();
    assert_eq!(piped.bytes, ZENDESK.as_bytes());
    let cat = repo.archive(["cat", id]).ok();
    assert_eq!(cat.bytes, ZENDESK.as_bytes());
}

#[test]
fn restore_does_not_overwrite_and_stays_inside() {
    let (repo, id) = with_committed_stub();
    repo.unchanged_but_recorded(|repo| {
        repo.archive(["restore", &id, "src/live.py"]).fails(6).says("already there");
        repo.archive(["restore", &id, "../out.py"]).fails(6).says("outside");
        repo.archive(["restore", &id, ".git/hooks/pre-rebase"]).fails(6);
        repo.archive(["restore", &id, ".GIT/config"]).fails(6);
    });
    repo.link("elsewhere", "..");
    repo.unchanged_but_recorded(|repo| {
        repo.archive(["restore", &id, "elsewhere/out.py"]).fails(6).says("symbolic link");
    });
    assert!(!repo.world.path("out.py").exists());
    repo.archive(["restore", &id, "../out.py", "--allow-outside"]).ok();
    assert_eq!(std::fs::read(repo.world.path("out.py")).unwrap(), b"print('old')\n");
    repo.archive(["restore", &id, "src/live.py", "--force"]).ok();
    assert_eq!(repo.read("src/live.py"), "print('old')\n");
}

#[test]
fn restore_in_place_is_accepted_by_the_hook() {
    let (repo, id) = with_committed_stub();
    repo.archive(["restore", &id, "--stage", "--by", "marc"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    let staged = repo.staged();
    assert!(staged.contains(&"M src/old.py".to_owned()), "{staged:?}");
    assert_eq!(staged.len(), 2, "the segment is staged with it: {staged:?}");
    repo.try_commit("old is back").ok();
    assert_eq!(repo.git(["diff", "HEAD~2", "--", "src/old.py"]).ok().stdout, "");
    repo.is_well();
}

#[test]
fn drop_lets_other_code_have_the_path() {
    let (repo, id) = with_committed_stub();
    repo.archive(["drop", "src/old.py", "--reason", "rewritten"]).ok();
    assert!(!repo.has("src/old.py"));
    repo.file("src/old.py", "print('other code')\n").git(["add", "-A"]).ok();
    repo.try_commit("other code").ok();
    assert_eq!(repo.archive(["cat", &id]).ok().stdout, "print('old')\n");
    repo.is_well();
}

#[test]
fn drop_explains_code_that_stands_there_already() {
    let (repo, id) = with_committed_stub();
    repo.file("src/old.py", "print('other code')\n");
    repo.archive(["drop", &id, "--reason", "rewritten"]).ok();
    repo.try_commit("other code").ok();
    assert_eq!(repo.status(), "");
    assert_eq!(repo.read("src/old.py"), "print('other code')\n");
}

#[test]
fn undo_takes_back_what_is_not_committed() {
    let repo = TestRepo::ready();
    let before = repo.snapshot().without_records();
    repo.store(&["src"]);
    repo.archive(["undo"]).ok();
    assert_eq!(before.difference(&repo.snapshot().without_records()), [""; 0]);
    assert_eq!(repo.staged(), [""; 0]);
    // What is committed is beyond undo.
    repo.store(&["src"]);
    repo.try_commit("retire").ok();
    repo.unchanged(|repo| repo.archive(["undo"]).fails(5));
    repo.is_well();
}
