//! What a bundle is made of, and that it is the same wherever and whenever it is made.

use std::fs;

use serde_json::{Value, json};

use crate::common::{TestRepo, have, sha256};
use crate::pinned::pin;

use super::{create, files, files_in, lock_file, made, names_in, tarball, verify, with_shapes};

#[test]
fn other_programs_check_and_unpack_it() {
    let repo = with_shapes();
    let report = made(&repo, &[]);
    let file = tarball(&report);
    assert_eq!(
        files(&repo),
        [
            "SHA256SUMS",
            "shop-v1.2.0-2026-01-01T000200Z.lock.json",
            "shop-v1.2.0-2026-01-01T000200Z.tar.gz"
        ]
    );
    repo.types("cd releases && sha256sum --check --strict SHA256SUMS").ok();
    let read = format!("zcat '{}' | git get-tar-commit-id", file.display());
    assert_eq!(repo.types(&read).ok().stdout.trim(), repo.head());
    let out = repo.world.path("unpacked");
    fs::create_dir(&out).unwrap();
    let unpack = repo.types(&format!("tar -xzf '{}' -C '{}'", file.display(), out.display())).ok();
    assert_eq!(unpack.stderr, "");
    // To git the unpacked folder is a work tree of the commit without a change.
    let status = format!(
        "export GIT_INDEX_FILE='{}' && git read-tree HEAD && git --work-tree='{}' status --porcelain",
        repo.world.path("index").display(),
        out.display()
    );
    assert_eq!(repo.types(&status).ok().stdout, "");
    assert_eq!(report["lock"]["file_count"], 11);
    assert_eq!(report["lock"]["git_sha"], repo.head());
    verify(&repo).ok().says("11 files, each the one of the commit");
}

#[test]
fn python_reads_it_too() {
    if !have("python3") {
        return;
    }
    let repo = with_shapes();
    let file = tarball(&made(&repo, &[]));
    let script = "import sys, tarfile\n\
        with tarfile.open(sys.argv[1]) as tar:\n \
        print(len(tar.getnames()), {(m.uid, m.gid, int(m.mtime)) for m in tar})\n";
    let line = format!("python3 -c '{script}' '{}'", file.display());
    assert_eq!(repo.types(&line).ok().stdout, "11 {(0, 0, 1767225720)}\n");
}

/// The digests of a bundle that an earlier version made. Another tar would be another format; another
/// tarball another compressor, which the lock has to tell by the program's version.
const TAR: &str = "430afd96c8cafd03c52503a1e46a725a332f2c20612658192c016fc42a3ed5d9";
const TARBALL: &str = "43da63fba7aef009e66baffb32b81b1477aafc94220e0769584219ddd40024cc";

#[test]
fn it_is_the_same_on_every_machine() {
    let repo = with_shapes();
    let one = made(&repo, &[]);
    assert_eq!(one["lock"]["tar_sha256"], TAR);
    assert_eq!(one["lock"]["tarball_sha256"], TARBALL);
    let other = repo.clone_to("elsewhere");
    other.git(["config", "core.autocrlf", "true"]).ok();
    other
        .types("umask 077 && find . -name .git -prune -o -type f -exec touch -d 1999-01-01 {} +")
        .ok();
    other.types("umask 077 && TZ=Asia/Tokyo git codex-archive bundle create").ok();
    let there = other.top.join("releases");
    for name in files(&repo) {
        assert!(
            fs::read(there.join(&name)).unwrap() == repo.bytes(format!("releases/{name}")),
            "{name}"
        );
    }
}

#[test]
fn only_what_is_committed_is_in_it() {
    let repo = with_shapes();
    repo.file(".gitignore", ".env\nreleases/\n").commit("ignore");
    repo.file(".env", "SECRET=1\n").file("src/live.py", "changed\n").file("new.py", "new\n");
    repo.file("staged.py", "staged\n").git(["add", "staged.py"]).ok();
    let report = made(&repo, &["--output-dir", "releases"]);
    assert_eq!(report["lock"]["dirty"], true);
    let names = names_in(&repo, &tarball(&report));
    for name in [".env", "new.py", "staged.py", "releases/SHA256SUMS"] {
        assert!(!names.iter().any(|it| it == name), "{name}");
    }
    let line = format!("tar xOzf '{}' src/live.py", tarball(&report).display());
    assert_eq!(repo.types(&line).ok().stdout, "print('live')\n");
    repo.archive(["bundle", "create", "HEAD~1"]).ok().says("changes that are not in it");
}

#[test]
fn a_dry_run_writes_nothing() {
    let repo = with_shapes();
    repo.archive(["init"]).ok();
    repo.commit("archive");
    let line = ["bundle", "create", "--dry-run", "--prune", "--keep", "1"];
    let planned = repo.unchanged(|repo| repo.archive(line).ok());
    assert!(!repo.has("releases"));
    let made = made(&repo, &[]);
    planned.says(made["lock"]["tar_sha256"].as_str().unwrap()).says("Would bundle");
}

#[test]
fn made_again_it_is_there_already() {
    let repo = with_shapes();
    repo.archive(["init"]).ok();
    repo.commit("archive");
    let first = made(&repo, &[]);
    assert_eq!(repo.actions().last().unwrap(), "BUNDLE");
    let record: Value = serde_json::from_str(repo.journal().last().unwrap()).unwrap();
    assert_eq!(first["evidence"], sha256(repo.journal().last().unwrap().as_bytes()));
    assert_eq!(record["commit"], repo.head());
    assert_eq!(record["detail"]["tar_sha256"], first["lock"]["tar_sha256"]);
    assert_eq!(record["detail"]["bundle"], "shop-v1.2.0-2026-01-01T000300Z");
    repo.archive(["bundle", "set-url", lock_file(&first).to_str().unwrap(), "https://x.example/1"])
        .ok();
    let again = repo.unchanged(|repo| made(repo, &[]));
    assert_eq!(again["already"], true);
    assert_eq!(again["lock"]["release_url"], "https://x.example/1");
    // Another bundle of that name is in the way, and nothing of it changes.
    repo.unchanged(|repo| create(repo, &["--env", "dev"]).fails(6)).says("--stamp now");
    repo.unchanged(|repo| create(repo, &["--exclude", "docs"]).fails(6));
    // What a killed run left without its line is completed.
    repo.remove("releases/SHA256SUMS");
    assert_eq!(made(&repo, &[])["already"], false);
    verify(&repo).ok();
    // What the tarball is not is not called a bundle.
    fs::write(tarball(&first), "x").unwrap();
    repo.unchanged(|repo| create(repo, &[]).fails(1)).says("not what its lock says");
    fs::remove_file(tarball(&first)).unwrap();
    assert_eq!(made(&repo, &[])["lock"]["release_url"], "https://x.example/1");
    verify(&repo).ok();
    repo.is_well();
}

#[test]
fn a_lock_without_a_tarball() {
    let repo = with_shapes();
    let report = made(&repo, &["--no-tarball"]);
    assert_eq!(report["lock"]["tarball"], Value::Null);
    assert_eq!(files(&repo).len(), 1);
    verify(&repo).ok().says("none was made");
    let lock = lock_file(&report);
    let rebuilt = repo.archive(["--json", "bundle", "rebuild", lock.to_str().unwrap()]).ok().json();
    assert_eq!((&rebuilt["same_tar"], &rebuilt["same_tarball"]), (&json!(true), &Value::Null));
    let whole = made(&repo, &[]);
    assert_eq!(whole["lock"]["tar_sha256"], report["lock"]["tar_sha256"]);
    assert_eq!(files(&repo).len(), 3);
    verify(&repo).ok();
    // And the other way round nothing is taken away.
    assert_eq!(made(&repo, &["--no-tarball"])["already"], true);
    assert_eq!(files(&repo).len(), 3);
    create(&repo, &["--no-tarball", "--sign"]).fails(2);
}

#[test]
fn the_version_is_that_of_the_tag_or_the_package() {
    let repo = with_shapes();
    let version = |options: &[&str]| {
        let report = made(&repo, &[&["--dry-run"], options].concat());
        (report["lock"]["version"].clone(), report["version_from"].clone())
    };
    let said = |version: &str, from: &str| (json!(version), json!(from));
    assert_eq!(version(&[]), said("v1.2.0", "package.json"));
    assert_eq!(version(&["--version", "2.0"]), said("v2.0", "option"));
    assert_eq!(version(&["HEAD~1"]), said(&format!("git-{}", short(&repo, "HEAD~1")), "commit"));
    repo.git(["tag", "nightly"]).ok();
    repo.git(["tag", "-a", "-m", "x", "v1.0.1"]).ok();
    assert_eq!(version(&[]), said("v1.0.1", "tag"));
    assert_eq!(version(&["v1.0.1"]), said("v1.0.1", "tag"));
    create(&repo, &["--dry-run"]).ok().says("the package's file says version 1.2.0");
    repo.git(["tag", "2.0.0"]).ok();
    create(&repo, &[]).fails(2).says("2.0.0, v1.0.1").says("--version");
    assert!(!repo.has("releases"));
    repo.file("package.json", "{\"version\": \"../../x\"}")
        .file("Cargo.toml", "[package]\nversion = \"3.0.0\"\n");
    repo.commit("hostile");
    assert_eq!(version(&[]), said(&format!("git-{}", short(&repo, "HEAD")), "commit"));
}

fn short(repo: &TestRepo, revision: &str) -> String {
    repo.git(["rev-parse", "--short=12", revision]).ok().stdout.trim().to_owned()
}

#[test]
fn patterns_leave_out() {
    let repo = with_shapes();
    repo.file(".codex/archive.toml", "[bundle]\nexclude = [\"docs/internal\"]\nname = \"app\"\n");
    repo.commit("configured");
    let report = made(&repo, &["--exclude", "*.sh", "--exclude", ".codex"]);
    let names = names_in(&repo, &tarball(&report));
    assert!(!names.iter().any(|it| it.starts_with("docs/internal") || it == "run.sh"), "{names:?}");
    assert!(names.iter().any(|it| it == "docs/guide.md"));
    assert_eq!(report["excluded"], 3);
    assert_eq!(report["lock"]["exclude"], json!(["docs/internal", "*.sh", ".codex"]));
    assert_eq!(report["lock"]["name"], "app");
    verify(&repo).ok();
    for bad in ["", "!docs", "../x", "["] {
        create(&repo, &["--exclude", bad]).fails(2).says("pattern");
    }
}

#[test]
fn whose_time_it_has() {
    let repo = with_shapes();
    let then = repo.env("SOURCE_DATE_EPOCH", "86400");
    let report = made(&then, &[]);
    assert_eq!(report["lock"]["created_at"], "1970-01-02T00:00:00Z");
    assert_eq!(report["lock"]["mtime"], 86400);
    let now = made(&repo, &["--stamp", "now"]);
    assert_ne!(now["lock"]["created_at"], "2026-01-01T00:02:00Z");
    assert_eq!(now["lock"]["mtime"], 1_767_225_720_u64);
    assert_eq!(now["lock"]["tar_sha256"], TAR);
    verify(&repo).ok();
    for bad in ["x", "-1", "1.5", "99999999999999", "+1"] {
        create(&repo.env("SOURCE_DATE_EPOCH", bad), &[]).fails(2);
    }
}

#[test]
fn submodules_are_named_and_left_out() {
    let repo = with_shapes();
    let other = TestRepo::with_history();
    let cacheinfo = format!("160000,{},vendor/lib", other.head());
    repo.git(["update-index", "--add", "--cacheinfo", &cacheinfo]).ok();
    repo.try_commit("submodule").ok();
    let told = repo.archive(["bundle", "create"]).fails(3);
    told.says(&format!("left out: vendor/lib: a submodule at {}", other.head()));
    let locks = super::only_lock(&repo);
    let lock: Value = serde_json::from_slice(&fs::read(locks).unwrap()).unwrap();
    assert_eq!(lock["submodules"], json!([{"path": "vendor/lib", "commit": other.head()}]));
    verify(&repo).ok();
    let report =
        made(&repo, &["--exclude", "vendor/", "--stamp", "now", "--exclude", "vendor/lib"]);
    assert_eq!(report["lock"]["submodules"], json!([]));
}

#[test]
fn large_files_come_in_parts() {
    let repo = TestRepo::with_history();
    let large: Vec<u8> =
        (0..200_000_u32).flat_map(|n| sha256(&n.to_le_bytes()).into_bytes()).collect();
    repo.file("large.bin", &large).commit("large");
    let file = tarball(&made(&repo, &[]));
    verify(&repo).ok();
    let line = format!("tar xOzf '{}' large.bin | sha256sum", file.display());
    assert!(repo.types(&line).ok().stdout.starts_with(&sha256(&large)));
}

#[test]
fn docker_is_called_where_it_is() {
    let repo = with_shapes();
    let without = repo.world.path("without");
    fs::create_dir(&without).unwrap();
    for program in ["git", "sh"] {
        let found = repo.types(&format!("command -v {program}")).ok().stdout;
        std::os::unix::fs::symlink(found.trim(), without.join(program)).unwrap();
    }
    let binary = without.join("git-codex-archive");
    std::os::unix::fs::symlink(crate::common::BINARY, binary).unwrap();
    let alone = repo.env("PATH", without.to_str().unwrap());
    let line = ["--docker-image", "app:latest"];
    create(&alone, &line).fails(1).says("the `docker` program does not run").says("error: docker");
    assert!(!repo.has("releases"));
    create(&repo, &["--docker-image=-rf"]).fails(2).says("no name of an image");
    create(&repo, &["--docker-tag-prefix", "x"]).fails(2);
    let options = ["--docker-image", "app", "--docker-tag-prefix", "x:y"];
    create(&repo, &options).fails(2).says("docker tag prefix");
    if repo.types("docker info").code != 0 {
        return;
    }
    repo.types("printf 'FROM scratch\\nCOPY empty /\\n' | docker build -q -t app:latest -f - .")
        .ok();
    let report = made(&repo, &["--docker-image", "app:latest", "--docker-tag-prefix", "acme/shop"]);
    assert_eq!(report["lock"]["docker_tag"], "acme/shop:prod-20260101-000200Z");
    repo.types("docker image inspect acme/shop:prod-20260101-000200Z").ok();
}

#[test]
fn what_it_says() {
    let repo = with_shapes();
    repo.types("umask 022 && git codex-archive init --repo shop").ok();
    repo.commit("archive");
    pin("bundle-dry-run", &repo, &create(&repo, &["--exclude", ".codex", "--dry-run"]));
    pin("bundle-create", &repo, &create(&repo, &["--exclude", ".codex"]));
    pin("bundle-again", &repo, &create(&repo, &["--exclude", ".codex"]));
    pin("bundle-list", &repo, &repo.archive(["bundle", "list"]));
    pin("bundle-verify", &repo, &verify(&repo));
    let lock = super::only_lock(&repo);
    let lock = lock.to_str().unwrap();
    pin("bundle-rebuild", &repo, &repo.archive(["bundle", "rebuild", lock]));
    let line = ["bundle", "set-url", lock, "https://example.org/v1"];
    pin("bundle-set-url", &repo, &repo.archive(line));
    pin("bundle-prune", &repo, &repo.archive(["bundle", "prune"]));
    pin("bundle-in-the-way", &repo, &create(&repo, &["--env", "dev"]));
    pin("bundle-json", &repo, &repo.archive(["--json", "bundle", "create", "--exclude", ".codex"]));
}

#[test]
fn the_folder_of_bundles() {
    let repo = with_shapes();
    let sub = repo.at("docs");
    create(&sub, &["--output-dir", "out"]).ok();
    assert_eq!(files_in(&repo.top.join("docs/out")).len(), 3);
    create(&sub, &[]).ok();
    assert_eq!(files(&repo).len(), 3);
    let beside = repo.world.path("beside");
    create(&repo, &["--output-dir", beside.to_str().unwrap()]).ok();
    assert_eq!(files_in(&beside).len(), 3);
    repo.archive(["bundle", "list", "--output-dir", "nowhere"]).ok().says("No bundles");
    assert!(!repo.has("nowhere"));
}
