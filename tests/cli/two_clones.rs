//! Two clones, two archives, everything else different: the same stubs, and branches that merge.

use crate::common::{TestRepo, is_embedded};

fn origin() -> TestRepo {
    let repo = TestRepo::new();
    repo.file("a/one.py", "print(1)\n").file("a/two.rs", "fn two() {}\n");
    repo.file("b/page.html", "<p>3</p>\n").file("b/data.json", "{}\n").script("run", "#!/bin/sh\n");
    repo.file(".gitattributes", "* text=auto\n").commit("one");
    repo
}

/// The same deed with everything different that may be.
fn archived_elsewhere(origin: &TestRepo) -> (TestRepo, TestRepo) {
    let a = origin.clone_to("a");
    a.git(["switch", "-qc", "from-a"]).ok();
    a.archive(["store", "_codex_", "a", "b", "run", "--reason", "dead", "--by", "ann"]).ok();
    let b = origin.clone_to("deeper-b").env("TZ", "Asia/Kathmandu").env("LC_ALL", "C.UTF-8");
    b.git(["config", "core.autocrlf", "true"]).ok();
    b.git(["config", "core.abbrev", "5"]).ok();
    b.git(["switch", "-qc", "from-b"]).ok();
    // The work tree as a clone under autocrlf has it.
    b.types("git ls-files -z | xargs -0 rm && git checkout -q -- .").ok();
    assert_eq!(b.read("a/one.py"), "print(1)\r\n");
    let line = "umask 077 && git codex-archive store _codex_ ../run ../b/page.html \
                ../b/data.json two.rs one.py --reason replaced --by bob --tag old";
    b.at("a").types(line).ok();
    (a, b)
}

#[test]
fn stubs_are_byte_identical() {
    if !is_embedded() {
        return;
    }
    let (a, b) = archived_elsewhere(&origin());
    a.try_commit("retire").ok();
    b.try_commit("retire").ok();
    for path in ["a/one.py", "a/two.rs", "b/page.html", "b/data.json", "run"] {
        let stub = |repo: &TestRepo| repo.git(["ls-tree", "HEAD", path]).ok().stdout;
        assert!(stub(&a).starts_with("100644 blob "), "{}", stub(&a));
        assert_eq!(stub(&a), stub(&b), "{path}");
    }
    let label = |repo: &TestRepo| repo.git(["rev-parse", "HEAD:.codex/archive.toml"]).ok().stdout;
    assert_eq!(label(&a), label(&b));
    a.is_well();
    b.is_well();
    assert_eq!(b.status(), "");
}

#[test]
fn branches_merge_without_conflict() {
    if !is_embedded() {
        return;
    }
    let (a, b) = archived_elsewhere(&origin());
    a.archive(["init", "--hooks"]).ok();
    a.commit("retire");
    b.try_commit("retire").ok();
    a.git(["fetch", "-q", b.top.to_str().unwrap(), "from-b"]).ok();
    a.git(["merge", "-q", "-m", "both", "FETCH_HEAD"]).ok();
    assert_eq!(a.segments().len(), 2);
    assert_eq!(a.status(), "");
    a.archive(["verify", "--all"]).ok();
    a.archive(["verify", "--range", "main..HEAD"]).ok();
}

#[test]
fn branches_that_both_ran_init_merge() {
    let origin = origin();
    let (a, b) = (origin.clone_to("a"), origin.clone_to("b"));
    a.archive(["init", "--repo", "_codex_"]).ok();
    a.commit("init");
    b.archive(["init"]).ok();
    b.archive(["store", "_codex_", "a", "--reason", "dead"]).ok();
    b.commit("init and store");
    a.git(["fetch", "-q", b.top.to_str().unwrap(), "main"]).ok();
    a.git(["merge", "-q", "-m", "both", "FETCH_HEAD"]).ok();
    a.archive(["verify", "--all"]).ok();
}

#[test]
fn crlf_in_the_work_tree_is_no_change() {
    if !is_embedded() {
        return;
    }
    let (_, b) = archived_elsewhere(&origin());
    b.try_commit("retire").ok();
    // A checkout writes the stub with CRLF; the deeds know it all the same.
    b.types("git ls-files -z | xargs -0 rm && git checkout -q -- .").ok();
    assert!(b.read("a/one.py").contains("\r\n"));
    assert_eq!(b.status(), "");
    b.archive(["store", "_codex_", "a/one.py", "--reason", "dead"]).ok();
    assert_eq!(b.staged(), [""; 0], "it holds its stub already");
    b.archive(["restore", "--stage", "a/one.py"]).ok();
    assert_eq!(b.git(["cat-file", "-p", ":a/one.py"]).ok().stdout, "print(1)\n");
    b.try_commit("one is back").ok();
    assert_eq!(b.status(), "");
    b.archive(["verify", "--all"]).ok();
}
