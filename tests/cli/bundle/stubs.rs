//! What becomes of tombstones in a bundle.

use std::fs;

use crate::common::{TestRepo, id_of, is_embedded};

use super::{create, made, names_in, only_lock, tarball, verify};

/// One file archived in place, one with its stub beside the tree, committed.
fn with_stubs() -> TestRepo {
    let repo = TestRepo::ready();
    repo.script("tools/run.sh", "#!/bin/sh\necho run\n").file("data.json", "{}\n");
    repo.file(".gitattributes", "fixtures/** -codex-tombstone\n").commit("more");
    repo.file("fixtures/stub.py", "# codex-tombstone v1\n").commit("only looks like one");
    repo.store(&["src/old.py", "tools/run.sh"]);
    repo.archive(["store", "_codex_", "data.json", "--reason", "dead", "--sidecar"]).ok();
    repo.commit("retired").clone()
}

fn content(repo: &TestRepo, file: &std::path::Path, path: &str) -> String {
    repo.types(&format!("tar xOzf '{}' '{path}'", file.display())).ok().stdout
}

#[test]
fn they_stay_are_left_out_or_are_filled_in() {
    let repo = with_stubs();
    let as_they_are = made(&repo, &["--output-dir", "a"]);
    assert_eq!(as_they_are["lock"]["stub_count"], 3);
    let file = tarball(&as_they_are);
    assert_eq!(content(&repo, &file, "src/old.py"), repo.read("src/old.py"));

    let dropped = made(&repo, &["--output-dir", "b", "--stubs", "drop"]);
    let names = names_in(&repo, &tarball(&dropped));
    for gone in ["src/old.py", "tools/run.sh", ".codex/tombstones/data.json.stub", "data.json"] {
        assert!(!names.iter().any(|name| name == gone), "{gone}");
    }
    assert!(names.iter().any(|name| name == "fixtures/stub.py"), "it only looks like one");

    let filled = made(&repo, &["--output-dir", "c", "--stubs", "fill"]);
    let file = tarball(&filled);
    assert_eq!(content(&repo, &file, "src/old.py"), "print('old')\n");
    assert_eq!(content(&repo, &file, "data.json"), "{}\n");
    let listed = repo.types(&format!("tar tvzf '{}'", file.display())).ok().stdout;
    let run = listed.lines().find(|line| line.ends_with("tools/run.sh")).unwrap();
    assert!(run.starts_with("-rwxr-xr-x"), "{run}");
    assert!(!listed.contains("tombstones"), "{listed}");
    for folder in ["a", "b", "c"] {
        repo.archive(["bundle", "verify", "--output-dir", folder]).ok();
        let lock = fs::read_dir(repo.top.join(folder)).unwrap().flatten().map(|it| it.path());
        let lock =
            lock.into_iter().find(|it| it.extension().is_some_and(|it| it == "json")).unwrap();
        repo.archive(["bundle", "rebuild", lock.to_str().unwrap()]).ok().says("The same");
    }
    // A clone has no archive of its own: git's objects fill in, and the bytes are the same.
    let clone = repo.clone_to("clone");
    let there = made(&clone, &["--stubs", "fill"]);
    assert_eq!(there["lock"]["tar_sha256"], filled["lock"]["tar_sha256"]);
    // On a server it has the archive of all, which records it.
    assert_eq!(there["evidence"] == "", is_embedded(), "{there}");
}

#[test]
fn what_is_not_given_out_is_not_bundled() {
    let repo = with_stubs();
    repo.file("src/secret.py", "restricted\n").commit("secret");
    repo.archive(["store", "_codex_", "src/secret.py", "--reason", "dead", "--restricted"]).ok();
    repo.commit("restricted");
    repo.unchanged(|repo| create(repo, &["--stubs", "fill", "--output-dir", "../out"]).fails(6))
        .says("restricted");
    assert_eq!(super::files_in(&repo.world.path("out")), Vec::<String>::new());
    create(&repo, &["--stubs", "fill", "--exclude", "src/secret.py"]).ok();
    verify(&repo).ok();
    // What was bundled before a prune was asked for is not made again after.
    let lock = only_lock(&repo);
    let id = id_of("_codex_", "src/old.py", b"print('old')\n");
    repo.archive(["prune-request", "src/old.py", "--reason", "x"]).ok();
    repo.archive(["bundle", "rebuild", lock.to_str().unwrap()]).fails(6).says(&id);
}

#[test]
fn a_stub_that_lies_fills_in_nothing() {
    let repo = with_stubs();
    let text = repo.read("src/old.py");
    let size = text.lines().find(|line| line.contains("size: ")).unwrap().to_owned();
    repo.file("src/old.py", text.replace(&size, "# size: 999"));
    repo.git(["commit", "-qam", "lie", "--no-verify"]).ok();
    create(&repo, &["--stubs", "fill"]).fails(1).says("another content than was archived");
    repo.file("src/old.py", text.replace(&size, "# size: many"));
    repo.git(["commit", "-qam", "lie", "--no-verify"]).ok();
    for policy in ["fill", "drop"] {
        create(&repo, &["--stubs", policy]).fails(1).says("line 4 (size)");
    }
    assert_eq!(super::files(&repo), Vec::<String>::new());
    create(&repo, &[]).ok();
}
