//! What `bundle verify` and `bundle rebuild` see.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{TestRepo, sha256};

use super::{files, made, only_lock, tarball, verify, with_shapes};

/// Changes the lock with `change`.
fn edit(lock: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(lock).unwrap()).unwrap();
    change(&mut value);
    fs::write(lock, serde_json::to_vec(&value).unwrap()).unwrap();
}

/// Makes lock and SHA256SUMS agree with the tarball, as whoever forges one would.
fn forge(repo: &TestRepo, lock: &Path, file: &Path) {
    let digest = sha256(&fs::read(file).unwrap());
    let tar = repo.types(&format!("zcat '{}' | sha256sum", file.display())).ok().stdout;
    let count = repo.types(&format!("tar tzf '{}' | wc -l", file.display())).ok().stdout;
    let name = file.file_name().unwrap().to_str().unwrap();
    fs::write(repo.top.join("releases/SHA256SUMS"), format!("{digest}  {name}\n")).unwrap();
    edit(lock, |lock| {
        lock["tarball_sha256"] = digest.into();
        lock["tar_sha256"] = tar[..64].into();
        lock["file_count"] = count.trim().parse::<u64>().unwrap().into();
    });
}

#[test]
fn damage_of_every_kind_is_seen() {
    let repo = with_shapes();
    let report = made(&repo, &[]);
    let (lock, file) = (only_lock(&repo), tarball(&report));
    let kept: Vec<_> = files(&repo)
        .iter()
        .map(|it| repo.top.join("releases").join(it))
        .map(|it| (it.clone(), fs::read(it).unwrap()))
        .collect();
    let again = || kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let good = fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(37) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, bad).unwrap();
        verify(&repo).fails(4).says("the tarball's SHA-256 is");
    }
    again();
    fs::remove_file(&file).unwrap();
    verify(&repo).fails(4).says("is missing");
    again();
    fs::write(repo.top.join("releases/SHA256SUMS"), "").unwrap();
    verify(&repo).fails(4).says("SHA256SUMS does not say");
    again();
    fs::write(&lock, "{").unwrap();
    verify(&repo).fails(4).says("no lock of a bundle");
    for (key, value, words) in [
        ("git_sha", repo.git(["rev-parse", "HEAD~1"]).stdout.trim().into(), "by its own words"),
        ("git_tree", "0".repeat(40).into(), "the commit's tree is"),
        ("file_count", 9.into(), "and the lock says 9"),
        ("mtime", 1.into(), "another time"),
        ("stub_count", 1.into(), "0 tombstones"),
        ("exclude", vec!["docs"].into(), "is not in the commit"),
        ("tar_sha256", "0".repeat(64).into(), "the tar's SHA-256"),
        ("v", 2.into(), "it has version 2"),
        ("extra", 1.into(), "unknown field"),
        ("name", "other".into(), "it is the lock of"),
    ] {
        again();
        edit(&lock, |lock| lock[key] = value);
        if key == "name" {
            edit(&lock, |lock| {
                (lock["tarball"], lock["tarball_sha256"]) = (Value::Null, Value::Null)
            });
        }
        verify(&repo).fails(4).says(words);
    }
    again();
    // What jq does to a lock leaves it whole.
    edit(&lock, |lock| lock["release_url"] = "https://example.org/".into());
    verify(&repo).ok();
}

#[test]
fn a_forged_tarball_is_held_against_the_commit() {
    let repo = with_shapes();
    let file = tarball(&made(&repo, &[]));
    let lock = only_lock(&repo);
    let work = repo.world.path("work");
    let path = file.display();
    // The same files, one of them changed, packed again by the forger.
    let pack = |change: &str| {
        let line = format!(
            "set -e; rm -rf '{0}'; mkdir '{0}'; cd '{0}'; tar xzf '{path}'; {change}; \
             {{ zcat '{path}' | head -c 1024; find . -mindepth 1 ! -type d -printf '%P\\0' | \
             LC_ALL=C sort -z | tar c --null -T - --owner=0 --group=0 --numeric-owner --mtime=@1767225720 \
             --format=gnu --mode=u=rwX,go=rX; }} | gzip -n >'{0}.gz'; mv '{0}.gz' '{path}'",
            work.display()
        );
        let good = fs::read(&file).unwrap();
        repo.types(&line).ok();
        forge(&repo, &lock, &file);
        good
    };
    let good = pack("true");
    verify(&repo).ok();
    fs::write(&file, &good).unwrap();
    for (change, words) in [
        ("echo evil >src/live.py", "src/live.py is not what the commit has"),
        ("printf \"print('evil')\\n\" >src/live.py", "src/live.py is not what the commit has"),
        ("chmod +x src/live.py", "src/live.py has another mode"),
        ("rm link; ln -s run.sh link", "link is not what the commit has"),
        ("rm link; echo x >link", "link is not what the commit has"),
        ("rm empty", "empty is missing"),
        ("echo x >added", "added is not in the commit"),
    ] {
        pack(change);
        verify(&repo).fails(4).says(words);
        repo.archive(["bundle", "rebuild", lock.to_str().unwrap()]).fails(4).says("Another tar");
        fs::write(&file, &good).unwrap();
    }
}

#[test]
fn where_the_commit_is_not() {
    let repo = with_shapes();
    let report = made(&repo, &[]);
    let plain = TestRepo::plain_folder("plain");
    let folder = repo.top.join("releases");
    let line = ["bundle", "verify", "--output-dir", folder.to_str().unwrap()];
    plain.archive(line).ok().says("11 files, not compared with the commit: no repository here");
    let other = TestRepo::with_history();
    other.archive(line).ok().says("which is not here");
    let file = tarball(&report);
    let file = file.to_str().unwrap();
    plain.archive(["bundle", "rebuild", file]).fails(8);
    other.archive(["bundle", "rebuild", file]).fails(5);
    plain.archive(["bundle", "create"]).fails(8);
    plain.archive(["bundle", "verify", "none.lock.json"]).fails(5);
    plain.archive(["bundle", "verify", "none"]).fails(2);
    assert_eq!(fs::read_dir(&plain.top).unwrap().count(), 0);
}

#[test]
fn it_is_made_again_from_its_lock() {
    let repo = with_shapes();
    let report = made(&repo, &["--exclude", "docs"]);
    let file = tarball(&report);
    let bytes = fs::read(&file).unwrap();
    repo.file(".codex/archive.toml", "[bundle]\nexclude = [\"src\"]\nstubs = \"drop\"\n");
    repo.file("src/live.py", "changed\n").commit("later");
    fs::remove_file(&file).unwrap();
    let lock = only_lock(&repo);
    let line = ["bundle", "rebuild", lock.to_str().unwrap(), "--output-dir", "releases"];
    repo.env("SOURCE_DATE_EPOCH", "1").archive(line).ok().says("The same");
    assert!(fs::read(&file).unwrap() == bytes);
    verify(&repo).ok();
    repo.unchanged(|repo| repo.archive(line).ok());
    fs::write(&file, "x").unwrap();
    repo.unchanged(|repo| repo.archive(line).fails(6));
    edit(&lock, |lock| lock["tar_sha256"] = "0".repeat(64).into());
    fs::remove_file(&file).unwrap();
    repo.unchanged(|repo| repo.archive(line).fails(4)).says("Another tar");
    assert!(!file.exists());
}

#[test]
fn a_url_is_all_that_set_url_changes() {
    let repo = with_shapes();
    let lock = super::lock_file(&made(&repo, &[]));
    let before: Value = serde_json::from_slice(&fs::read(&lock).unwrap()).unwrap();
    let set = |url: &str| repo.archive(["bundle", "set-url", lock.to_str().unwrap(), url]);
    for bad in ["x", "file:///etc/passwd", "https://ada:hunter2@example.org", "https://a b", ""] {
        repo.unchanged(|_| set(bad).fails(2)).says_not("hunter2");
    }
    set("https://example.org/v1").ok();
    repo.unchanged(|_| set("https://example.org/v1").ok().says("Said already"));
    let mut after: Value = serde_json::from_slice(&fs::read(&lock).unwrap()).unwrap();
    assert_eq!(after["release_url"], "https://example.org/v1");
    after["release_url"] = Value::Null;
    assert_eq!(before, after);
    verify(&repo).ok();
    let listed = repo.archive(["--json", "bundle", "list"]).ok().json();
    assert_eq!(listed["items"][0]["release_url"], "https://example.org/v1");
}
