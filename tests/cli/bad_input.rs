//! Bad input: a clear error, its exit code, a hint, and nothing changed.

use std::fs;

use crate::common::{Outcome, TestRepo, have, is_embedded};
use crate::pinned::pin;

/// `line` fails with `code`, changes nothing, and says what the snapshot `name` says.
#[track_caller]
fn refused(name: &str, repo: &TestRepo, line: &[&str], code: i32) -> Outcome {
    let outcome = repo.unchanged(|repo| repo.archive(line));
    pin(name, repo, &outcome);
    assert_eq!(outcome.stdout, "", "an error has nothing for standard output:\n{outcome}");
    outcome.fails(code)
}

/// The same for a deed that is recorded as failed.
#[track_caller]
fn failed(name: &str, repo: &TestRepo, line: &[&str], code: i32) -> Outcome {
    let outcome = repo.unchanged_but_recorded(|repo| repo.archive(line));
    pin(name, repo, &outcome);
    assert_eq!(outcome.stdout, "", "an error has nothing for standard output:\n{outcome}");
    outcome.fails(code)
}

const STORE: [&str; 5] = ["store", "_codex_", "src/old.py", "--reason", "pruned"];

#[test]
fn not_a_repository() {
    let folder = TestRepo::plain_folder("plain");
    folder.file("src/old.py", "print('old')\n");
    refused("no-repository-store", &folder, &[&STORE[..], &["--by", "ann"]].concat(), 8);
    refused("no-repository-verify", &folder, &["verify", "--all"], 8);
    refused("no-repository-hooks", &folder, &["hooks", "install"], 8);
    refused(
        "no-repository-drop",
        &folder,
        &["drop", "src/old.py", "--reason", "x", "--by", "a"],
        8,
    );
}

#[test]
fn unborn_head() {
    let repo = TestRepo::new();
    repo.file("src/old.py", "print('old')\n").git(["add", "-A"]).ok();
    refused("unborn-head", &repo, &STORE, 5);
}

#[test]
fn no_archive() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::with_history();
    refused("no-archive-list", &repo, &["list"], 8);
    refused("no-archive-fsck", &repo, &["fsck"], 8);
}

#[test]
fn a_path_that_is_not_in_the_commit() {
    let repo = TestRepo::ready();
    refused("not-there", &repo, &["store", "_codex_", "src/none.py", "--reason", "dead"], 5);
    repo.file("src/new.py", "new\n");
    refused("untracked", &repo, &["store", "_codex_", "src/new.py", "--reason", "dead"], 5);
    repo.git(["add", "-A"]).ok();
    refused("added", &repo, &["store", "_codex_", "src/new.py", "--reason", "dead"], 5);
    let line = ["store", "_codex_", "src/old.py", "--reason", "dead", "--commit", "nowhere"];
    refused("no-such-commit", &repo, &line, 5);
    refused("no-match", &repo, &["store", "_codex_", "*.none", "--reason", "dead"], 5);
}

#[test]
fn an_ignored_path() {
    let repo = TestRepo::ready();
    repo.file(".gitignore", "*.log\n").commit("ignore");
    repo.file("a.log", "log\n");
    refused("ignored", &repo, &["store", "_codex_", "a.log", "--reason", "dead"], 5);
}

#[test]
fn a_dirty_path() {
    let repo = TestRepo::ready();
    repo.append("src/old.py", "more\n");
    refused("dirty", &repo, &STORE, 6).says("src/old.py");
    // The hint mends it.
    let hint = repo.archive(STORE).hint();
    assert!(hint.starts_with("git commit"), "{hint}");
    repo.env("GIT_EDITOR", "echo mended >").types(&hint).ok();
    repo.archive(STORE).ok();
}

#[test]
fn a_staged_path() {
    let repo = TestRepo::ready();
    repo.append("src/old.py", "more\n").git(["add", "-A"]).ok();
    refused("staged", &repo, &STORE, 6).says("src/old.py");
}

#[test]
fn a_path_that_is_staged_and_dirty() {
    let repo = TestRepo::ready();
    repo.append("src/old.py", "more\n").git(["add", "-A"]).ok();
    repo.append("src/old.py", "and more\n");
    repo.unchanged(|repo| repo.archive(STORE).fails(6).says("src/old.py"));
    // Staged, and taken back in the work tree.
    repo.file("src/old.py", "print('old')\n");
    repo.unchanged(|repo| repo.archive(STORE).fails(6).says("src/old.py"));
}

#[test]
fn a_mode_that_differs() {
    let repo = TestRepo::ready();
    repo.script("src/old.py", "print('old')\n");
    repo.unchanged(|repo| repo.archive(STORE).fails(6).says("src/old.py"));
    // Where git does not look at modes, neither does this.
    repo.git(["config", "core.fileMode", "false"]).ok();
    repo.archive(STORE).ok();
}

#[test]
fn a_path_missing_from_the_work_tree() {
    let repo = TestRepo::ready();
    repo.remove("src/old.py");
    refused("missing-file", &repo, &STORE, 6);
}

#[test]
fn a_flagged_path() {
    let repo = TestRepo::ready();
    repo.git(["update-index", "--assume-unchanged", "src/old.py"]).ok();
    refused("assume-unchanged", &repo, &STORE, 6);
    let hint = repo.archive(STORE).hint();
    repo.types(&hint).ok();
    repo.git(["update-index", "--skip-worktree", "src/old.py"]).ok();
    refused("skip-worktree", &repo, &STORE, 6);
    let hint = repo.archive(STORE).hint();
    repo.types(&hint).ok();
    repo.file("later.py", "x\n").git(["add", "-N", "later.py"]).ok();
    let line = ["store", "_codex_", "later.py", "--reason", "dead"];
    assert_ne!(repo.unchanged(|repo| repo.archive(line)).code, 0);
    repo.archive(STORE).ok();
}

#[test]
fn an_unmerged_path() {
    let repo = TestRepo::ready();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.file("src/old.py", "side\n").commit("side");
    repo.git(["switch", "-q", "main"]).ok();
    repo.file("src/old.py", "main\n").commit("main");
    repo.git(["merge", "-q", "side"]).fails(1);
    refused("unmerged", &repo, &STORE, 6);
}

#[test]
fn a_filtered_path() {
    let repo = TestRepo::ready();
    repo.git(["config", "filter.upper.clean", "tr a-z A-Z"]).ok();
    repo.git(["config", "filter.upper.smudge", "tr A-Z a-z"]).ok();
    repo.file(".gitattributes", "src/old.py filter=upper\n").commit("filter");
    repo.git(["add", "--renormalize", "."]).ok();
    repo.git(["commit", "-q", "--allow-empty", "-m", "upper"]).ok();
    assert_eq!(repo.git(["show", "HEAD:src/old.py"]).ok().stdout, "PRINT('OLD')\n");
    assert_eq!(repo.status(), "");
    refused("filtered", &repo, &STORE, 6).says("filter=upper");
}

#[test]
fn not_a_regular_file() {
    let repo = TestRepo::ready();
    repo.link("src/link.py", "old.py").commit("link");
    refused("symlink", &repo, &["store", "_codex_", "src/link.py", "--reason", "dead"], 6);
    let line = ["store", "_codex_", ".codex/archive.toml", "--reason", "dead"];
    refused("own-file", &repo, &line, 6);
    repo.file(".gitignore", "*.log\n").commit("ignore");
    refused("steers-git", &repo, &["store", "_codex_", ".gitignore", "--reason", "dead"], 6);
    refused("git-folder", &repo, &["store", "_codex_", ".git/config", "--reason", "dead"], 6);
    refused("outside", &repo, &["store", "_codex_", "../x", "--reason", "dead"], 6);
    refused("empty-path", &repo, &["store", "_codex_", "", "--reason", "dead"], 2);
}

#[test]
fn a_folder_that_became_a_link() {
    let repo = TestRepo::ready();
    fs::rename(repo.top.join("src"), repo.world.path("outside")).unwrap();
    repo.link("src", "../outside");
    refused("through-a-link", &repo, &STORE, 6);
    assert_eq!(fs::read(repo.world.path("outside/old.py")).unwrap(), b"print('old')\n");
}

#[test]
fn a_missing_or_unknown_reason() {
    let repo = TestRepo::ready();
    refused("no-reason", &repo, &["store", "_codex_", "src/old.py"], 2);
    refused("odd-reason", &repo, &["store", "_codex_", "src/old.py", "--reason", "because"], 2);
    repo.store(&["src/old.py"]);
    refused("drop-without-reason", &repo, &["drop", "src/old.py"], 2);
    refused("drop-with-empty-reason", &repo, &["drop", "src/old.py", "--reason", " "], 2);
}

#[test]
fn an_empty_actor() {
    let repo = TestRepo::ready();
    refused("empty-actor", &repo, &[&STORE[..], &["--by", " "]].concat(), 2);
    refused("odd-actor", &repo, &[&STORE[..], &["--by", "a\nb"]].concat(), 2);
    repo.git(["config", "--unset-all", "user.email"]).ok();
    refused("no-actor", &repo, &STORE, 2);
    repo.env("CODEX_ACTOR", "ann").archive(STORE).ok();
}

#[test]
fn metadata_without_an_equals_sign() {
    let repo = TestRepo::ready();
    refused("metadata", &repo, &[&STORE[..], &["--metadata", "ticket"]].concat(), 2);
    refused("metadata-no-key", &repo, &[&STORE[..], &["--metadata", "=x"]].concat(), 2);
}

#[test]
fn another_label() {
    let repo = TestRepo::ready();
    refused("other-label", &repo, &["store", "other", "src/old.py", "--reason", "dead"], 6);
    refused("odd-label", &repo, &["store", "a\tb", "src/old.py", "--reason", "dead"], 2);
    refused("empty-label", &repo, &["store", "", "src/old.py", "--reason", "dead"], 2);
}

#[test]
fn an_id_that_matches_none_or_several() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::ready();
    for n in 0..40 {
        repo.file(format!("many/{n}.py"), format!("print({n})\n"));
    }
    repo.commit("many");
    let told = repo.store(&["many"]);
    let mut ids: Vec<&str> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["tombstone"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    refused("id-of-none", &repo, &["show", "0badc0de"], 5);
    refused("id-too-short", &repo, &["show", "abc"], 5);
    let whole = "00000000-0000-8000-8000-000000000000";
    refused("whole-id-of-none", &repo, &["show", whole], 5);
    failed("restore-none", &repo, &["restore", whole], 5);
    refused("drop-none", &repo, &["drop", whole, "--reason", "x"], 5);
    for command in ["show", "cat"] {
        repo.unchanged(|repo| repo.archive([command, "0badc0de"]).fails(5));
    }
    // An id that fits several: all of this repository's items have version 8, none begins alike
    // by chance in so few, so two rows are made to.
    if !have("sqlite3") {
        return;
    }
    repo.sql("UPDATE item_row SET tombstone = X'ABCDEF01000080008000000000000001' WHERE id = 1");
    repo.sql("UPDATE item_row SET tombstone = X'ABCDEF01000080008000000000000002' WHERE id = 2");
    refused("id-of-two", &repo, &["show", "abcdef"], 2);
    failed("restore-id-of-two", &repo, &["restore", "abcdef", "out.py"], 2);
}

fn archived() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let id = repo.store_one("src/old.py");
    repo.try_commit("retire old").ok();
    (repo, id)
}

/// Takes the content of `src/old.py` out of git's object database.
fn forget_in_git(repo: &TestRepo) {
    let oid = repo.git(["rev-parse", "HEAD~1:src/old.py"]).ok().stdout;
    let oid = oid.trim();
    fs::remove_file(repo.common_dir().join("objects").join(&oid[..2]).join(&oid[2..])).unwrap();
}

#[test]
fn a_damaged_row() {
    if !is_embedded() {
        return;
    }
    if !have("sqlite3") {
        return;
    }
    let (repo, id) = archived();
    // The last byte of the frame, turned.
    repo.sql("UPDATE run SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || X'2A' AS BLOB)");
    repo.unchanged(|repo| {
        repo.archive(["verify", "--all", "--deep"]).fails(4).says("bytes-damaged");
        repo.archive(["fsck"]).fails(4);
    });
    // git has the true bytes, and says so.
    repo.archive(["cat", &id]).ok().says("print('old')");
    repo.archive(["restore", &id, "out.py"]).ok().says("git history");
    assert_eq!(repo.read("out.py"), "print('old')\n");
    // Without git's object nothing wrong comes out.
    let oid = repo.git(["rev-parse", "HEAD~1:src/old.py"]).ok().stdout;
    repo.file("out.py", "x");
    forget_in_git(&repo);
    repo.remove("out.py");
    refused("damaged-row-cat", &repo, &["cat", &id], 1);
    failed("damaged-row-restore", &repo, &["restore", &id, "out.py"], 1);
    failed("damaged-row-stage", &repo, &["restore", &id, "--stage"], 1);
    assert!(!repo.has("out.py"));
    // With the object back, fsck heals it.
    repo.file("again.py", "print('old')\n");
    let again = repo.git(["hash-object", "-w", "again.py"]).ok().stdout;
    assert_eq!(again, oid);
    repo.remove("again.py");
    repo.archive(["fsck", "--repair"]).ok();
    repo.is_well();
}

#[test]
fn a_damaged_row_of_what_is_stored_again_is_healed() {
    if !is_embedded() {
        return;
    }
    if !have("sqlite3") {
        return;
    }
    let (repo, _) = archived();
    repo.sql("UPDATE run SET bytes = CAST(X'00' AS BLOB)");
    repo.file("twin.py", "print('old')\n").commit("twin");
    repo.store(&["twin.py"]);
    repo.try_commit("retire the twin").ok();
    repo.is_well();
}

#[test]
fn a_damaged_journal() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = archived();
    let journal = repo.common_dir().join("codex-archive/archive_ops.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let cases = [
        ("edited", whole.replace("\"pruned\"", "\"legacy\"")),
        ("cut", whole.lines().skip(1).map(|line| format!("{line}\n")).collect()),
        ("crlf", whole.replace('\n', "\r\n")),
        ("not-json", format!("hello\n{whole}")),
    ];
    for (name, text) in cases {
        fs::write(&journal, text).unwrap();
        let outcome = repo.unchanged(|repo| repo.archive(["evidence", "verify"]));
        pin(&format!("journal-{name}"), &repo, &outcome);
        // Converted line ends say the same as before: they are told, and no damage.
        assert_eq!(outcome.code, if name == "crlf" { 0 } else { 4 }, "{outcome}");
    }
    // A line that a crash tore is told as that, and mended by the next deed.
    fs::write(&journal, &whole[..whole.len() - 20]).unwrap();
    let outcome = repo.unchanged(|repo| repo.archive(["evidence", "verify"]));
    pin("journal-torn", &repo, &outcome);
    assert!(outcome.said("torn"), "{outcome}");
    repo.store(&["src/live.py"]);
    assert!(fs::read_to_string(&journal).unwrap().starts_with(&whole));
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn a_foreign_file_where_a_link_should_be() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = archived();
    repo.remove(".codex/archive.sqlite").file(".codex/archive.sqlite", "somebody's");
    let line = ["store", "_codex_", "src/live.py", "--reason", "dead"];
    refused("foreign-file", &repo, &line, 8);
    refused("foreign-file-list", &repo, &["list"], 8);
    repo.remove(".codex/archive.sqlite").link(".codex/archive.sqlite", "/nowhere/archive.sqlite");
    refused("foreign-link", &repo, &line, 8);
    repo.remove(".codex/archive.sqlite");
    fs::create_dir(repo.top.join(".codex/archive.sqlite")).unwrap();
    refused("foreign-folder", &repo, &line, 8);
}

#[test]
fn an_archive_made_by_a_newer_version() {
    if !is_embedded() {
        return;
    }
    if !have("sqlite3") {
        return;
    }
    let (repo, id) = archived();
    repo.sql("UPDATE schema_migrations SET version = 99 WHERE version = (SELECT MAX(version) FROM schema_migrations)");
    let line = ["store", "_codex_", "src/live.py", "--reason", "dead"];
    refused("newer-store", &repo, &line, 8).says("99");
    for line in [&["list"][..], &["show", &id], &["cat", &id], &["restore", &id, "x.py"], &["init"]]
    {
        repo.unchanged(|repo| repo.archive(line).fails(8).says("99"));
    }
    // A hook says it too, where a stub is concerned, and only there.
    repo.append("src/live.py", "x\n").git(["add", "-A"]).ok();
    repo.try_commit("ordinary").ok();
    repo.git(["rm", "-q", "src/old.py"]).ok();
    repo.git(["reset", "-q", "--hard"]).ok();
    let stub = repo.read("src/old.py");
    repo.file("src/copy.py", stub).git(["add", "-A"]).ok();
    repo.unchanged(|repo| repo.archive(["hook", "pre-commit"]).fails(8).says("99"));
}

#[test]
fn something_else_instead_of_an_archive() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = archived();
    fs::write(repo.common_dir().join("codex-archive/archive.sqlite"), "no database at all")
        .unwrap();
    let line = ["store", "_codex_", "src/live.py", "--reason", "dead"];
    refused("no-database", &repo, &line, 1);
}

#[test]
fn another_process_holds_the_index() {
    let repo = TestRepo::ready();
    repo.file(".git/index.lock", "");
    let outcome = repo.unchanged_but_recorded(|repo| repo.archive(STORE));
    pin("index-lock", &repo, &outcome);
    outcome.fails(1);
    repo.remove(".git/index.lock");
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.is_well();
}

#[test]
fn bad_configuration() {
    let repo = TestRepo::ready();
    let text = repo.read(".codex/archive.toml");
    repo.file(".codex/archive.toml", format!("{text}\n[backend]\nurll = \"x\"\n"));
    refused("unknown-key", &repo, &["list"], 8).says("archive.toml");
    repo.file(".codex/archive.toml", format!("{text}\n[hooks]\nrequire_shared = 3\n"));
    refused("bad-value", &repo, &["list"], 8).says("archive.toml");
    repo.file(".codex/archive.toml", "[repo\n");
    refused("no-toml", &repo, &["list"], 8).says("archive.toml");
    repo.file(".codex/archive.toml", &text);
    let env = repo.env("CODEX_ARCHIVE_RETRY_MAX", "many");
    refused("bad-environment", &env, &["list"], 8).says("CODEX_ARCHIVE_RETRY_MAX");
}

#[test]
fn a_tracked_place_outside_is_not_trusted() {
    if !is_embedded() {
        return;
    }
    let (repo, _) = archived();
    let text = repo.read(".codex/archive.toml");
    let outside = repo.world.path("outside.sqlite");
    let url = format!("\n[backend]\nurl = \"sqlite:///{}\"\n", outside.display());
    repo.file(".codex/archive.toml", format!("{text}{url}")).commit("a place outside");
    let line = ["store", "_codex_", "src/live.py", "--reason", "dead"];
    refused("untrusted", &repo, &line, 8);
    assert!(!outside.exists());
    // Hooks do not stop at it.
    repo.append("src/live.py", "x\n").commit("ordinary");
    // A person may look at it, and accept it, once.
    let shown = || repo.archive(["trust", "--show", "--json"]).ok().json();
    assert_eq!(shown()["accepted"], false);
    assert_eq!(shown()["places"][0]["key"], "backend.url");
    assert!(shown()["places"][0]["place"].as_str().unwrap().ends_with("outside.sqlite"));
    repo.archive(["init", "--trust"]).ok();
    assert_eq!(shown()["accepted"], true);
    repo.archive(line).ok();
    assert!(outside.exists());
}

#[test]
fn usage() {
    let repo = TestRepo::with_history();
    refused("no-such-command", &repo, &["stroe"], 2);
    refused("no-such-option", &repo, &["list", "--everything"], 2);
    refused("store-nothing", &repo, &["store"], 2);
    refused("store-no-path", &repo, &["store", "_codex_", "--reason", "dead"], 2);
    refused("no-such-range", &repo, &["verify", "--range", "nowhere..HEAD"], 5);
    refused("citations-without-range", &repo, &["verify", "--citations", "x"], 2);
    refused("no-such-hook", &repo, &["hook", "post-office"], 2);
}
