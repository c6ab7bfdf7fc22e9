//! Where output may go: never outside, never into git's own folder, never through a link.

use std::fs;
use std::os::unix::fs::symlink;

use super::harness::{Fence, Tried, archived, some, tables, tries};
use crate::common::{TestRepo, have, id_of, sha256};
use crate::score::Score;

/// Refused, and neither git's folder nor anything outside was touched.
fn untouched(
    repo: &TestRepo,
    fence: &Fence,
    tried: &Tried,
    git: &[(String, String)],
) -> Result<(), String> {
    tried.is_refused()?;
    fence.holds()?;
    if in_git_folder(repo) != git {
        return Err("git's own folder changed".to_owned());
    }
    Ok(())
}

/// What a command could be made to run: git's settings and hooks.
fn in_git_folder(repo: &TestRepo) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["", "hooks", "info", "objects/info"] {
        let Ok(entries) = fs::read_dir(repo.common_dir().join(folder)) else { continue };
        for entry in entries.flatten().filter(|it| it.path().is_file()) {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if !name.ends_with("index") {
                found.push((name, sha256(&fs::read(entry.path()).unwrap())));
            }
        }
    }
    found.sort();
    found
}

/// Where nothing may be written.
const OUTPUTS: &[&str] = &[
    "../x",
    "../outside/new",
    "src/../../x",
    "./../x",
    "..",
    ".",
    "",
    "/",
    ".git/hooks/post-commit",
    ".GIT/config",
    ".git/config",
    ".Git/x",
    "git~1/config",
    "GIT~1/x",
    "git~2/x",
    ".git./config",
    ".git /config",
    ".git. . /x",
    ".git::$INDEX_ALLOCATION/config",
    ".git\\hooks\\post-commit",
    "src/.git/config",
    "src/.git",
    ".g\u{200c}it/config",
    "\u{feff}.git/config",
    ".gi\u{200d}t/hooks/x",
    "to-file",
    "to-folder/new",
    "to-folder/file",
    "to-folder/empty/new",
    "dangling",
    "dangling/new",
    "to-git/hooks/new",
    "to-hook",
    "chain/new",
    "chain/empty/x",
    "real/up/new",
    "real/up",
    "loop",
    "loop/x",
    "real/../to-file",
    "real/../chain/new",
    "src/live.py/x",
    "src",
    "real/",
    ".codex",
    ".codex/archive.sqlite",
    "/dev/full/x",
    "/proc/self/mem",
    "/dev/null",
];

#[test]
fn output_never_leaves_where_it_may_go() {
    let mut score = Score::of("attack: output");
    let (repo, id) = archived();
    let outside = repo.world.path("outside");
    fs::create_dir_all(outside.join("empty")).unwrap();
    fs::write(outside.join("file"), "theirs\n").unwrap();
    fs::create_dir_all(repo.top.join("real")).unwrap();
    let links = [
        ("to-file", outside.join("file")),
        ("to-folder", outside.clone()),
        ("dangling", outside.join("new")),
        ("to-git", repo.common_dir()),
        ("to-hook", repo.common_dir().join("hooks/new")),
        ("chain", repo.top.join("to-folder")),
        ("real/up", "../to-folder".into()),
        ("loop", repo.top.join("loop")),
    ];
    for (name, target) in &links {
        symlink(target, repo.top.join(name)).unwrap();
    }
    let absolute = outside.join("absolute").display().to_string();
    let in_git = repo.common_dir().join("hooks/pre-commit").display().to_string();
    let mut outputs: Vec<String> = OUTPUTS.iter().map(|it| (*it).to_owned()).collect();
    outputs.extend([absolute, in_git, repo.common_dir().display().to_string()]);
    let fence = Fence::around(&repo.world, &["repo"]);
    let git = in_git_folder(&repo);
    for output in &outputs {
        for more in [&[][..], &["--force"]] {
            let tried = tries(&repo, [&["restore", &id, output][..], more].concat());
            score.note(format!("{output} {more:?}"), untouched(&repo, &fence, &tried, &git));
        }
    }
    // Outside where the user says so: git's folder and what is no file stay out of reach.
    for output in [".git/hooks/x", "/dev/null", "/proc/self/mem", "../outside", "../outside/empty"]
    {
        let line = ["restore", &id, output, "--force", "--allow-outside"];
        let tried = tries(&repo, line);
        score.note(format!("{output} outside"), untouched(&repo, &fence, &tried, &git));
    }
    special_files(&repo, &id, &mut score);
    let ours = repo.git(["status", "--porcelain", "-uno"]).ok().stdout;
    score.note("the tree", if ours.is_empty() { Ok(()) } else { Err(ours) });
    score.finish(100);
}

fn special_files(repo: &TestRepo, id: &str, score: &mut Score) {
    if have("mkfifo") {
        let _ = repo.types("mkfifo fifo src/fifo").ok();
    }
    let _socket = std::os::unix::net::UnixListener::bind(repo.top.join("socket")).unwrap();
    for output in ["fifo", "src/fifo", "socket", "/dev/null", "/dev/full"] {
        for more in [&["--force"][..], &["--force", "--allow-outside"]] {
            let tried = tries(repo, [&["restore", id, output][..], more].concat());
            score.note(format!("special {output} {more:?}"), tried.is_refused());
        }
    }
    for name in ["fifo", "src/fifo", "socket"] {
        let _ = fs::remove_file(repo.top.join(name));
    }
}

/// A colleague's branch, or an archive from somewhere, says where an item stood.
#[test]
fn a_path_out_of_evidence_or_archive_leads_nowhere_else() {
    let mut score = Score::of("attack: paths in evidence");
    let paths = [
        ".git/hooks/post-commit",
        ".GIT/hooks/post-commit",
        "git~1/hooks/x",
        ".git./config",
        ".g\u{200c}it/config",
        "sub/.git/config",
        ".git%20/x",
        "link/x",
        "link/new/x",
        "../x",
        "/abs",
        "a/../../x",
    ];
    for (_, path) in some(paths) {
        let (repo, id) = archived();
        let outside = repo.world.path("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, repo.top.join("link")).unwrap();
        tables(&repo).execute("UPDATE item_row SET folder_id = NULL, path = ?", [path]).unwrap();
        let fence = Fence::around(&repo.world, &["repo"]);
        let git = in_git_folder(&repo);
        let lines = [
            &["restore", &id][..],
            &["restore", &id, "--force"],
            &["restore", &id, "--stage", "--force"],
        ];
        repo.git(["rm", "-q", "--cached", "src/old.py"]).ok();
        for line in lines {
            let tried = tries(&repo, line);
            score.note(format!("{path} {line:?}"), untouched(&repo, &fence, &tried, &git));
        }
    }
    for path in
        [".git/hooks/post-commit", ".GIT/config", "git~1/x", ".g\u{200c}it/config", "link/x"]
    {
        let (repo, id) = clone_with_evidence_of(path);
        let fence = Fence::around(&repo.world, &["clone"]);
        let git = in_git_folder(&repo);
        for line in [
            &["restore", &id][..],
            &["restore", &id, "--force"],
            &["restore", &id, "--stage", "--force"],
        ] {
            let tried = tries(&repo, line);
            score.note(format!("{path} {line:?}"), untouched(&repo, &fence, &tried, &git));
        }
        for line in [&["drop", &id, "--reason", "x"][..], &["undo"], &["reconcile"]] {
            score.note(format!("{path} {line:?}"), tries(&repo, line).is_civil());
        }
        let held = if in_git_folder(&repo) == git { fence.holds() } else { Err("changed".into()) };
        score.note(format!("{path} after all"), held);
    }
    score.finish(30);
}

/// A clone whose origin has a segment that says that `path` was archived, and the bytes in history.
fn clone_with_evidence_of(path: &str) -> (TestRepo, String) {
    let (repo, _) = archived();
    let evil = b"#!/bin/sh\ntouch pwned\n";
    fs::create_dir(repo.world.path("outside")).unwrap();
    repo.file("evil", evil).commit("evil");
    repo.git(["rm", "-q", "evil"]).ok();
    repo.link("link", "../outside");
    let segment = repo.segments().remove(0);
    let mut record: serde_json::Value =
        serde_json::from_str(repo.read(&segment).lines().next().unwrap()).unwrap();
    let id = id_of("_codex_", path, evil);
    let blob = repo.git(["rev-parse", "HEAD:evil"]).ok().stdout;
    record["path"] = path.into();
    record["sha256"] = sha256(evil).into();
    record["size"] = evil.len().into();
    record["git_blob"] = blob.trim().into();
    record["mode"] = "100755".into();
    record["tombstone"] = id.clone().into();
    record["log"] = "0198c0de-0000-4000-8000-000000000000".into();
    record["seq"] = 1.into();
    record["prev"] = "0".repeat(64).into();
    let line = serde_json::to_string(&record).unwrap();
    let ts = record["ts"].as_str().unwrap();
    let name = &sha256(line.as_bytes())[..16];
    let folder = format!(".codex/evidence/segments/{}/{}", &ts[..4], &ts[5..7]);
    repo.file(format!("{folder}/{name}.jsonl"), format!("{line}\n"));
    repo.git(["add", "-A"]).ok();
    repo.git(["commit", "-qnm", "hostile"]).ok();
    (repo.clone_to("clone"), id)
}

/// What `init` and the first `store` write goes into `.codex` itself, and takes nothing in from
/// where a link leads.
#[test]
fn our_own_files_are_no_links() {
    let mut score = Score::of("attack: links in .codex");
    let names = [
        ".codex/archive.toml",
        ".codex/.gitignore",
        ".codex/.gitattributes",
        ".codex",
        ".codex/evidence",
        ".codex/evidence/segments",
        ".codex/archive.sqlite",
        ".codex/evidence/archive_ops.jsonl",
        ".codex/tombstones",
    ];
    for (_, name) in some(names) {
        for kind in ["file", "folder", "dangling"] {
            let repo = TestRepo::with_history();
            let outside = repo.world.path("outside");
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("file"), "secret = 'outside'\n").unwrap();
            let target = match kind {
                "folder" => outside.clone(),
                "file" => outside.join("file"),
                _ => outside.join("none"),
            };
            repo.link(name, target.to_str().unwrap());
            let fence = Fence::around(&repo.world, &["repo"]);
            for line in [
                &["init", "--repo", "_codex_"][..],
                &["store", "_codex_", "src/old.py", "--reason", "dead"],
                &["store", "_codex_", "src/live.py", "--reason", "dead", "--sidecar"],
                &["status"],
                &["reconcile"],
            ] {
                let held = tries(&repo, line).is_civil().and_then(|()| fence.holds());
                score.note(format!("{name} -> {kind}, {line:?}"), held);
            }
            let _ = repo.git(["add", "-A"]);
            let taken = repo.git(["grep", "--cached", "-q", "outside'"]).code == 0;
            let held = if taken { Err("the index has what is outside".to_owned()) } else { Ok(()) };
            score.note(format!("{name} -> {kind}, taken in"), held);
        }
    }
    score.finish(50);
}
