//! Where the only copy lives, and that nothing loses it.

use std::fs;

use crate::common::{TestRepo, have, is_embedded, sha256};

fn archived() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    (repo, id)
}

#[test]
fn archive_and_journal_stand_in_gits_folder_behind_relative_links() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = archived();
    for (link, file) in [
        (".codex/archive.sqlite", "archive.sqlite"),
        (".codex/evidence/archive_ops.jsonl", "archive_ops.jsonl"),
    ] {
        let target = fs::read_link(repo.top.join(link)).unwrap();
        assert!(target.is_relative(), "{link} -> {}", target.display());
        let real = repo.top.join(link).canonicalize().unwrap();
        assert_eq!(real, repo.common_dir().join("codex-archive").join(file));
        let ignored = repo.git(["check-ignore", "-q", link]);
        assert_eq!(ignored.code, 0, "{link} is not ignored");
    }
    assert_eq!(repo.status(), "");
}

#[test]
fn git_clean_loses_nothing() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = archived();
    let journal = repo.journal();
    repo.git(["clean", "-qfdx"]).ok();
    assert!(!repo.has(".codex/archive.sqlite"), "git took the link");
    assert_eq!(repo.archive(["cat", &id]).ok().stdout, "print('old')\n");
    repo.archive(["restore", &id, "out.py"]).ok();
    assert!(repo.has(".codex/archive.sqlite"), "a link that is gone is made again");
    assert_eq!(repo.journal()[..journal.len()], journal);
    repo.remove("out.py");
    repo.is_well();
}

#[test]
fn stash_and_reset_lose_nothing() {
    let (repo, id) = archived();
    repo.git(["stash", "push", "-q", "-a"]).ok();
    repo.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    repo.git(["reset", "-q", "--hard", "ORIG_HEAD"]).ok();
    assert_eq!(repo.archive(["cat", &id]).ok().stdout, "print('old')\n");
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn linked_worktrees_share_archive_and_journal() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = archived();
    let tree = repo.worktree("linked");
    assert_eq!(tree.archive(["cat", &id]).ok().stdout, "print('old')\n");
    let other = tree.store_one("src/live.py");
    tree.try_commit("retire live").ok();
    assert_eq!(repo.archive(["cat", &other]).ok().stdout, "print('live')\n");
    assert_eq!(
        tree.top.join(".codex/archive.sqlite").canonicalize().unwrap(),
        repo.common_dir().join("codex-archive/archive.sqlite")
    );
    let archived = repo.actions().iter().filter(|action| *action == "ARCHIVE").count();
    assert_eq!(archived, 2);
    repo.git(["merge", "-q", "--ff-only", "linked"]).ok();
    repo.is_well();
    tree.archive(["verify", "--all", "--deep"]).ok();
}

#[test]
fn a_clone_without_the_bytes_restores_from_history() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = archived();
    let clone = repo.clone_to("mine");
    let restored = clone.archive(["restore", &id, "out.py"]).ok();
    restored.says("git history");
    assert_eq!(clone.read("out.py"), "print('old')\n");
    assert_eq!(clone.archive(["cat", &id]).ok().stdout, "print('old')\n");
    let told = clone.archive(["restore", &id, "--stage", "--json"]).ok().json();
    assert_eq!(told["from"], "git history");
    clone.try_commit("old is back").ok();
}

#[test]
fn a_clone_without_the_bytes_and_without_the_history_says_so() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = archived();
    let url = format!("file://{}", repo.top.display());
    let shallow = repo.beside("shallow");
    repo.git(["clone", "-q", "--depth=1", &url, shallow.top.to_str().unwrap()]).ok();
    let line = ["restore", &id, "out.py", "--by", "ann"];
    shallow.archive(line).fails(5).says("another clone");
    assert!(!shallow.has("out.py"));
}

#[test]
fn two_archives_in_one_place() {
    if !is_embedded() {
        return;
    }
    for (name, link) in [
        ("archive.sqlite", false),
        ("archive.sqlite", true),
        ("evidence/archive_ops.jsonl", false),
        ("evidence/archive_ops.jsonl", true),
    ] {
        let (repo, _) = archived();
        let path = format!(".codex/{name}");
        repo.remove(&path);
        if link {
            repo.link(&path, "../elsewhere");
        } else {
            repo.file(&path, "somebody's");
        }
        repo.unchanged(|repo| {
            for line in [
                &["store", "_codex_", "src/live.py", "--reason", "dead"][..],
                &["restore", "src/old.py", "--stage"],
                &["init"],
            ] {
                let refused = repo.archive(line).fails(8).says("two archives").says(&path);
                assert!(!refused.hints().is_empty(), "{refused}");
            }
        });
    }
}

#[test]
fn our_own_link_is_repointed() {
    if !is_embedded() {
        return;
    }
    let (repo, id) = archived();
    let moved = repo.beside("moved");
    fs::rename(&repo.top, &moved.top).unwrap();
    assert_eq!(moved.archive(["cat", &id]).ok().stdout, "print('old')\n");
    // A link that leads to where the archive of this name once was is ours, and mended.
    let old = "../../repo/.git/codex-archive/archive.sqlite";
    moved.remove(".codex/archive.sqlite").link(".codex/archive.sqlite", old);
    moved.store(&["src/live.py"]);
    assert_eq!(
        moved.top.join(".codex/archive.sqlite").canonicalize().unwrap(),
        moved.common_dir().join("codex-archive/archive.sqlite")
    );
    moved.is_well();
}

#[test]
fn foreign_links_in_place_of_our_folders_are_refused() {
    let outside = |repo: &TestRepo| repo.world.path("outside");
    for folder in [".codex", ".codex/evidence"] {
        let repo = TestRepo::with_history();
        fs::create_dir(outside(&repo)).unwrap();
        repo.link(folder, outside(&repo).to_str().unwrap());
        repo.unchanged(|repo| {
            repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).fails(8);
            repo.archive(["init"]).fails(8);
        });
        assert_eq!(fs::read_dir(outside(&repo)).unwrap().count(), 0);
    }
}

#[test]
fn the_runbooks_queries_run_as_they_stand() {
    if !is_embedded() {
        return;
    }
    if !have("sqlite3") {
        return;
    }
    let repo = TestRepo::ready();
    repo.file("twin.py", "print('old')\n").commit("twin");
    let line = "git codex-archive store _codex_ src/old.py --by marc --reason pruned \
                --tag legacy --metadata ticket=OPS-1234";
    repo.types(line).ok();
    repo.store(&["twin.py"]);
    let items = repo.sql(
        "  SELECT repo, path, archived_at, tombstone_id
  FROM item
  ORDER BY archived_at DESC
  LIMIT 100;",
    );
    let rows: Vec<Vec<&str>> = items.lines().map(|line| line.split('|').collect()).collect();
    assert_eq!(rows.len(), 2, "{items}");
    assert_eq!(rows[0][..2], ["_codex_", "twin.py"]);
    assert_eq!(rows[1][..2], ["_codex_", "src/old.py"]);
    let id = crate::common::id_of("_codex_", "src/old.py", b"print('old')\n");
    assert_eq!(rows[1][3], id);
    assert!(rows[1][2].ends_with('Z') && rows[1][2].contains('T'), "{items}");
    let reuse = repo.sql(
        "  SELECT content_sha256, COUNT(*) AS reuse_count
  FROM artifact a
  JOIN item i ON i.artifact_id = a.id
  GROUP BY content_sha256
  HAVING COUNT(*) > 1;",
    );
    assert_eq!(reuse.trim(), format!("{}|2", sha256(b"print('old')\n")));
    let line = "sqlite3 .codex/archive.sqlite \"SELECT json_group_array(metadata) FROM item\" \
                > artifacts.json";
    repo.types(line).ok();
    let metadata: serde_json::Value = serde_json::from_str(&repo.read("artifacts.json")).unwrap();
    assert_eq!(metadata.as_array().unwrap().len(), 2);
    assert!(metadata.to_string().contains("OPS-1234"), "{metadata}");
}

#[test]
fn the_views_have_the_seeds_columns() {
    if !is_embedded() {
        return;
    }
    if !have("sqlite3") {
        return;
    }
    let (repo, id) = archived();
    let artifact = "SELECT id, content_sha256, size_bytes, stored_bytes, compression, \
                    blob_bytes IS NULL, purged_at, created_at FROM artifact";
    let row = repo.sql(artifact);
    let sha256 = sha256(b"print('old')\n");
    assert!(row.contains(&format!("|{sha256}|13|")), "{row}");
    assert!(row.contains("|0||"), "the bytes are there, and nothing was purged: {row}");
    let item = "SELECT id, repo, path, mode, git_blob, commit_sha, language, kind, reason, \
                artifact_id, metadata, archived_by, archived_at, tombstone_id, restricted, \
                delete_after, restored_at, purged_at FROM item";
    let row = repo.sql(item);
    let commit = repo.git(["rev-parse", "HEAD~1"]).ok().stdout;
    for word in
        ["_codex_", "src/old.py", "100644", commit.trim(), "pruned", "marc@example.com", &id]
    {
        assert!(row.contains(word), "{word}: {row}");
    }
    let blob = repo.git(["rev-parse", "HEAD~1:src/old.py"]).ok().stdout;
    assert!(row.contains(blob.trim()), "{row}");
}

#[test]
fn a_line_of_the_journal_is_digested_by_anybody() {
    let (repo, _) = archived();
    let n = repo.actions().iter().position(|action| action == "ARCHIVE").unwrap() + 1;
    let line = format!(
        "sed -n {n}p .codex/evidence/archive_ops.jsonl | tr -d '\\n' | sha256sum | cut -d' ' -f1"
    );
    let digest = repo.types(&line).ok().stdout.trim().to_owned();
    assert_eq!(digest.len(), 64);
    repo.archive(["evidence", "digest"]).ok().says(&digest);
    repo.archive(["evidence", "cite", "--range", "HEAD~1..HEAD"]).ok().says(&digest);
    let log = repo.archive(["log", "src/old.py", "--json"]).ok().json().to_string();
    assert!(log.contains(&digest), "{log}");
}

#[test]
fn a_journal_that_is_gone_is_written_again() {
    let (repo, _) = archived();
    let before = repo.journal();
    fs::remove_file(repo.common_dir().join("codex-archive/archive_ops.jsonl")).unwrap();
    // Wholly absent is a note, not tampering.
    repo.archive(["evidence", "verify"]).ok();
    repo.store(&["src/live.py"]);
    let after = repo.journal();
    assert_eq!(after[..before.len()], before);
    assert!(after.len() > before.len());
}

#[test]
fn codex_evidence_dir_moves_the_journal_and_not_the_segments() {
    let repo = TestRepo::ready();
    let folder = repo.world.path("ledger");
    fs::create_dir(&folder).unwrap();
    let elsewhere = repo.env("CODEX_EVIDENCE_DIR", folder.to_str().unwrap());
    let told = elsewhere.store(&["src/old.py"]);
    assert!(fs::read_to_string(folder.join("archive_ops.jsonl")).unwrap().contains("\"ARCHIVE\""));
    assert!(repo.has(told["evidence_segment"].as_str().unwrap()));
}

#[test]
fn hidden_segments_are_staged_all_the_same() {
    let repo = TestRepo::with_history();
    repo.file(".gitignore", ".codex/\n*.jsonl\n").commit("hide it");
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.try_commit("archive").ok();
    let told = repo.store(&["src/old.py"]);
    let segment = told["evidence_segment"].as_str().unwrap();
    assert!(repo.staged().contains(&format!("A {segment}")), "{:?}", repo.staged());
    repo.try_commit("retire old").ok();
    repo.is_well();
}

#[test]
fn outside_a_repository_the_file_stands_in_codex_itself() {
    if !is_embedded() {
        return;
    }
    let folder = TestRepo::plain_folder("plain");
    folder.file("old.py", "print('old')\n");
    let line = ["store", "_codex_", "old.py", "--reason", "dead", "--by", "ann"];
    folder.archive(line).fails(8).says("not in a git repository");
    let told = folder.archive(line.iter().chain(&["--commit", "abc123"])).ok().json();
    assert_eq!(told["items"][0]["path"], "old.py");
    let meta = fs::symlink_metadata(folder.top.join(".codex/archive.sqlite")).unwrap();
    assert!(meta.is_file());
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    folder.archive(["restore", id, "again.py", "--by", "ann"]).ok();
    assert_eq!(folder.read("again.py"), "print('old')\n");
}
