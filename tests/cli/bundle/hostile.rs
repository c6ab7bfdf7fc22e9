//! What a hostile repository, or a hostile bundle, cannot do.

use std::fs;

use crate::common::TestRepo;

use super::{create, files_in, made, only_lock, tarball, verify, with_shapes};

#[test]
fn no_name_leads_elsewhere() {
    let repo = with_shapes();
    for bad in ["../../x", "a/b", "/etc/x", "", ".", "..", "-x", "a\nb", "\u{1b}[2J", "a b", "é"] {
        for option in ["--version", "--name", "--env"] {
            let given = format!("{option}={bad}");
            repo.unchanged(|repo| create(repo, &[&given]).fails(2)).says_not("\u{1b}");
        }
    }
    assert!(!repo.has("releases"));
    for (key, bad) in [("name", "../x"), ("env", "a/b"), ("output_dir", "/tmp/x")] {
        repo.file(".codex/archive.toml", format!("[bundle]\n{key} = \"{bad}\"\n"));
        assert_ne!(create(&repo, &[]).code, 0, "{key}");
    }
    repo.remove(".codex/archive.toml");
    create(&repo, &["--output-dir", ".git/hooks"]).fails(6).says("git's own folder");
    repo.file(".codex/archive.toml", "[bundle]\noutput_dir = \"../beside\"\n");
    create(&repo, &[]).fails(8).says("has not trusted it");
    assert!(!repo.world.path("beside").exists());
}

#[test]
fn no_link_is_followed() {
    let repo = with_shapes();
    let outside = repo.world.path("outside");
    fs::create_dir(&outside).unwrap();
    repo.link("releases", outside.to_str().unwrap());
    create(&repo, &[]).fails(6).says("a symbolic link is in the way");
    assert_eq!(files_in(&outside), Vec::<String>::new());
    repo.remove("releases");
    let report = made(&repo, &[]);
    let (lock, file) = (only_lock(&repo), tarball(&report));
    let kept = outside.join("kept");
    for path in [&lock, &file, &repo.top.join("releases/SHA256SUMS")] {
        fs::rename(path, &kept).unwrap();
        std::os::unix::fs::symlink(&kept, path).unwrap();
        let before = fs::read(&kept).unwrap();
        assert_ne!(create(&repo, &["--stamp", "commit"]).code, 0, "{}", path.display());
        assert!(fs::read(&kept).unwrap() == before);
        fs::remove_file(path).unwrap();
        fs::rename(&kept, path).unwrap();
    }
    verify(&repo).ok();
}

/// A commit of a tree with these entries, each `mode type path-in-the-tree`.
fn commit_of(repo: &TestRepo, entries: &[(&str, &str)]) -> String {
    let blob = repo.git(["rev-parse", "HEAD:src/live.py"]).ok().stdout.trim().to_owned();
    let folder = repo.git(["rev-parse", "HEAD:src"]).ok().stdout.trim().to_owned();
    // `git mktree` sorts and refuses; the object itself is written as it is.
    let mut tree = Vec::new();
    for (mode, name) in entries {
        let oid = if *mode == "40000" { &folder } else { &blob };
        tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        let byte = |at: usize| u8::from_str_radix(&oid[at..at + 2], 16).unwrap();
        tree.extend((0..40).step_by(2).map(byte));
    }
    fs::write(repo.world.path("tree"), tree).unwrap();
    let file = repo.world.path("tree");
    let line = format!("git hash-object -t tree -w --literally '{}'", file.display());
    let tree = repo.types(&line).ok().stdout;
    let commit = repo.git(["commit-tree", "-m", "hostile", tree.trim()]).ok().stdout;
    commit.trim().to_owned()
}

#[test]
fn trees_that_no_work_tree_could_have() {
    let repo = with_shapes();
    for entries in [
        &[("100644", ".git")][..],
        &[("40000", ".GIT")],
        &[("40000", "git~1")],
        &[("100644", "..")],
        &[("100644", ".")],
        &[("100644", "a"), ("100644", "a")],
        &[("100644", "src"), ("40000", "src")],
        &[("120000", "src"), ("40000", "src")],
        &[("100644", "a/b")],
        &[("020000", "a")],
    ] {
        let commit = commit_of(&repo, entries);
        let told = create(&repo, &[&commit]);
        assert!(!matches!(told.code, 0 | 101), "{entries:?}\n{told}");
        assert!(!repo.has("releases"));
    }
    let commit = commit_of(&repo, &[("100644", "a"), ("40000", "src")]);
    create(&repo, &[&commit]).ok();
}

#[test]
fn a_missing_object_is_told() {
    let repo = with_shapes();
    let blob = repo.git(["rev-parse", "HEAD:docs/guide.md"]).ok().stdout.trim().to_owned();
    fs::remove_file(repo.top.join(format!(".git/objects/{}/{}", &blob[..2], &blob[2..]))).unwrap();
    create(&repo, &[]).fails(1).says("docs/guide.md").says("which is missing");
    assert!(!repo.has("releases"));
    create(&repo, &["--exclude", "docs/guide.md"]).ok();
}

#[test]
fn a_bundle_does_not_fool_whoever_lists_it() {
    let repo = with_shapes();
    let report = made(&repo, &[]);
    let lock = only_lock(&repo);
    let text = fs::read_to_string(&lock).unwrap();
    for (from, to) in [
        ("\"env\": \"prod\"", "\"env\": \"\\u001b[2Jprod\""),
        (tarball(&report).file_name().unwrap().to_str().unwrap(), "../../../../etc/passwd"),
        ("\"release_url\": null", "\"release_url\": \"https://x\\u001b[2J\""),
    ] {
        fs::write(&lock, text.replacen(from, to, 1)).unwrap();
        let told = repo.archive(["bundle", "list"]).ok().says("does not count");
        told.says_not("\u{1b}").says_not("passwd");
        verify(&repo).fails(4).says_not("\u{1b}");
        repo.unchanged(|repo| repo.archive(["bundle", "prune", "--keep", "1"]).ok());
    }
    fs::write(&lock, vec![b' '; 2 << 20]).unwrap();
    repo.archive(["bundle", "list"]).ok().says("does not count");
}
