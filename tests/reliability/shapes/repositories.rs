//! Forms of repositories, of the index and of the way to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::judge::Case;
use super::shape::Expect::{Archived, Refused};
use super::shape::Shape;
use crate::common::{BINARY, TestRepo, run, skipped};

/// A user of the system that is nobody.
const NOBODY: u32 = 65_534;

/// All of them.
pub const CASES: &[Case] = &[
    ("plain", Archived, || Some(Shape::of(TestRepo::ready()))),
    ("linked worktree", Archived, || Some(Shape::of(TestRepo::ready().worktree("linked")))),
    ("worktree that has a linked one", Archived, worktree_with_linked_one),
    ("detached HEAD", Archived, || Some(Shape::of(changed(&["checkout", "-q", "--detach"])))),
    ("inside a submodule", Archived, inside_a_submodule),
    (
        "in a submodule, from the superproject",
        Refused(5, "another repository, at `sub`"),
        into_a_submodule,
    ),
    ("the gitlink", Refused(6, "a submodule"), || Some(Shape::at(superproject(), "sub"))),
    ("beside a submodule", Archived, || Some(Shape::of(superproject()))),
    ("nested repository", Archived, nested_repository),
    (
        "in a nested repository, from outside",
        Refused(5, "another repository, at `nested`"),
        into_nested_repository,
    ),
    ("beside a nested repository", Archived, beside_a_nested_repository),
    ("bare", Refused(8, "no work tree"), bare),
    ("shallow", Archived, shallow),
    ("partial clone, blob missing", Archived, partial),
    ("sparse cone, inside", Archived, || Some(Shape::of(sparse(false)))),
    ("sparse cone, outside", Refused(6, "skip-worktree"), || Some(outside(sparse(false)))),
    ("sparse index, inside", Archived, || Some(Shape::of(sparse(true)))),
    ("sparse index, outside", Refused(6, "skip-worktree"), || Some(outside(sparse(true)))),
    ("sparse index, archive inside", Archived, sparse_with_archive_inside),
    ("sparse patterns without cone", Archived, sparse_without_cone),
    ("split index", Archived, || Some(Shape::of(changed(&["update-index", "--split-index"])))),
    ("index v4", Archived, || Some(Shape::of(changed(&["update-index", "--index-version=4"])))),
    ("index.skipHash", Archived, skip_hash),
    ("untracked cache", Archived, untracked_cache),
    ("file system monitor", Archived, monitored),
    ("SHA-256", Archived, || Some(Shape::of(initialised(&["--object-format=sha256"])?))),
    ("reftable", Archived, || Some(Shape::of(initialised(&["--ref-format=reftable"])?))),
    ("reftable, linked worktree", Archived, reftable_worktree),
    ("SHA-256 and reftable", Archived, sha256_and_reftable),
    ("worktreeConfig", Archived, worktree_config),
    ("alternates", Archived, alternates),
    ("packed, with midx", Archived, packed),
    ("commit graph", Archived, || {
        Some(Shape::of(changed(&["commit-graph", "write", "--reachable"])))
    }),
    ("replaced blob", Archived, replaced_blob),
    ("replaced commit", Archived, replaced_commit),
    ("grafts", Archived, grafts),
    ("separate git folder", Archived, separate_git_folder),
    ("GIT_DIR and GIT_WORK_TREE", Archived, git_dir_and_work_tree),
    ("core.worktree", Archived, core_worktree),
    ("GIT_INDEX_FILE", Archived, git_index_file),
    ("hooks elsewhere", Archived, hooks_elsewhere),
    ("git -c that lets the file be archived", Archived, setting_that_allows),
    ("git -c that names the user", Archived, setting_that_names_the_user),
    ("hostile settings", Archived, hostile_settings),
    ("commit -a", Archived, || {
        Some(Shape::of(TestRepo::ready()).committed_by(["-a", "-m", "archive"]))
    }),
    ("commit --only", Archived, || {
        let line = ["--only", "-m", "archive", "--", "src/old.py", ".codex"];
        Some(Shape::of(TestRepo::ready()).committed_by(line))
    }),
    ("commit --include", Archived, || {
        let line = ["--include", "-m", "archive", "--", "src/old.py"];
        Some(Shape::of(TestRepo::ready()).committed_by(line))
    }),
    ("index.lock held", Refused(1, "index.lock"), index_lock),
    ("other owner", Refused(8, "owned by someone else"), other_owner),
    ("other owner, below the top", Refused(8, "owned by someone else"), other_owner_below),
    ("other owner, trusted", Archived, other_owner_trusted),
    ("read-only repository", Refused(1, "Permission denied"), read_only_repository),
    ("read-only folder", Refused(1, "Permission denied"), read_only_folder),
];

/// A repository in which one more git command was run.
fn changed(line: &[&str]) -> TestRepo {
    let repo = TestRepo::ready();
    repo.git(line).ok();
    repo
}

fn configured(settings: &[(&str, &str)]) -> TestRepo {
    let repo = TestRepo::ready();
    for (name, value) in settings {
        repo.git(["config", name, value]).ok();
    }
    repo
}

fn worktree_with_linked_one() -> Option<Shape> {
    let repo = TestRepo::ready();
    let _ = repo.worktree("linked");
    Some(Shape::of(repo))
}

/// `src/old.py` and another file, with a submodule `sub` that has the same.
fn superproject() -> TestRepo {
    let repo = TestRepo::ready();
    let inner = repo.beside("inner");
    fs::create_dir(&inner.top).unwrap();
    inner.git(["init", "-q", "-b", "main"]).ok();
    inner.identity("Ann", "ann@example.com");
    inner.file("src/old.py", "print('inner')\n").commit("inner");
    let line =
        ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../inner", "sub"];
    repo.git(line).ok();
    repo.commit("submodule");
    repo
}

fn inside_a_submodule() -> Option<Shape> {
    let outer = superproject();
    let inner = outer.beside("repo/sub");
    inner.identity("Ann", "ann@example.com");
    inner.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    inner.commit("archive");
    Some(Shape::of(inner))
}

fn into_a_submodule() -> Option<Shape> {
    Some(Shape::at(superproject(), "sub/src/old.py"))
}

fn with_nested() -> TestRepo {
    let repo = TestRepo::ready();
    let inner = repo.beside("repo/nested");
    fs::create_dir(&inner.top).unwrap();
    inner.git(["init", "-q", "-b", "main"]).ok();
    inner.identity("Ann", "ann@example.com");
    inner.file("src/old.py", "print('nested')\n").commit("nested");
    repo
}

fn nested_repository() -> Option<Shape> {
    let inner = with_nested().beside("repo/nested");
    inner.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    inner.commit("archive");
    Some(Shape::of(inner))
}

fn into_nested_repository() -> Option<Shape> {
    Some(Shape::at(with_nested(), "nested/src/old.py"))
}

fn beside_a_nested_repository() -> Option<Shape> {
    // Left out of `git add -A`, as people do.
    let repo = with_nested();
    repo.file(".gitignore", "nested/\n").commit("ignore");
    Some(Shape::of(repo))
}

fn bare() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.publish();
    Some(Shape::of(repo.beside("origin.git").env("CODEX_ACTOR", "ann")))
}

/// A clone made by `options`.
fn cloned(origin: &TestRepo, options: &[&str]) -> TestRepo {
    let mut git = origin.world.command("git", &origin.world.path("."));
    let url = format!("file://{}", origin.top.display());
    git.args(["clone", "-q"]).args(options).args([&url, "clone"]);
    run(git, None).ok();
    let clone = origin.beside("clone");
    clone.identity("Ann", "ann@example.com");
    clone
}

fn with_hooks(clone: TestRepo) -> Option<Shape> {
    clone.archive(["init", "--hooks"]).ok();
    Some(Shape::of(clone))
}

fn shallow() -> Option<Shape> {
    let origin = TestRepo::ready();
    origin.file("src/live.py", "print('more')\n").commit("two");
    let clone = cloned(&origin, &["--depth=1"]);
    assert!(clone.common_dir().join("shallow").exists());
    with_hooks(clone)
}

/// The blob is in no clone's object folder, though the work tree has the file.
fn partial() -> Option<Shape> {
    let origin = TestRepo::ready();
    origin.git(["config", "uploadpack.allowFilter", "true"]).ok();
    origin.git(["config", "uploadpack.allowAnySHA1InWant", "true"]).ok();
    let clone = cloned(&origin, &["--filter=blob:none", "--no-checkout"]);
    clone.git(["reset", "-q"]).ok();
    for name in ["src/old.py", "src/live.py", ".codex/.gitattributes", ".codex/.gitignore"] {
        clone.file(name, origin.bytes(name));
    }
    clone.file(".codex/archive.toml", origin.bytes(".codex/archive.toml"));
    clone.archive(["init", "--hooks"]).ok();
    let missing = clone.git(["rev-list", "--objects", "--missing=print", "HEAD"]).ok().stdout;
    let blob = origin.git(["rev-parse", "HEAD:src/old.py"]).ok().stdout;
    assert!(missing.contains(&format!("?{}", blob.trim_end())), "it is there: {missing}");
    Some(Shape::of(clone))
}

/// A cone of `src`; `docs` is outside.
fn sparse(with_sparse_index: bool) -> TestRepo {
    let repo = TestRepo::ready();
    repo.file("docs/old.md", "old\n").file("docs/deep/x.md", "x\n").commit("docs");
    let form = if with_sparse_index { "--sparse-index" } else { "--no-sparse-index" };
    repo.git(["sparse-checkout", "set", "--cone", form, "src"]).ok();
    assert!(!repo.has("docs/old.md"));
    let collapsed = repo.git(["ls-files", "--sparse"]).ok().stdout.contains("docs/\n");
    assert_eq!(collapsed, with_sparse_index);
    repo
}

fn outside(repo: TestRepo) -> Shape {
    Shape::at(repo, "docs/old.md")
}

fn sparse_with_archive_inside() -> Option<Shape> {
    let repo = sparse(true);
    repo.git(["sparse-checkout", "add", ".codex"]).ok();
    Some(Shape::of(repo))
}

fn sparse_without_cone() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("docs/old.md", "old\n").commit("docs");
    repo.git(["sparse-checkout", "set", "--no-cone", "/*", "!/docs/"]).ok();
    Some(Shape::of(repo))
}

fn skip_hash() -> Option<Shape> {
    let repo = configured(&[("index.skipHash", "true")]);
    repo.git(["update-index", "--force-write-index"]).ok();
    let index = repo.bytes(".git/index");
    assert!(index.ends_with(&[0; 20]), "the index has a hash");
    Some(Shape::of(repo))
}

fn untracked_cache() -> Option<Shape> {
    let repo = configured(&[("core.untrackedCache", "true")]);
    repo.git(["update-index", "--force-untracked-cache"]).ok();
    repo.status();
    Some(Shape::of(repo))
}

/// A monitor that always says "everything may have changed".
fn monitored() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.script(".git/monitor", "#!/bin/sh\nprintf 'token\\000/\\000'\n");
    repo.git(["config", "core.fsmonitor", ".git/monitor"]).ok();
    repo.git(["update-index", "--fsmonitor"]).ok();
    repo.status();
    Some(Shape::of(repo))
}

/// A repository made by `git init` with `options`; `None` where this git does not know them.
pub fn initialised(options: &[&str]) -> Option<TestRepo> {
    let repo = TestRepo::plain_folder("repo");
    let made = repo.git(["init", "-q", "-b", "main"].iter().chain(options));
    if made.code != 0 {
        skipped(&format!("a repository with {} (git is too old)", options.join(" ")));
        return None;
    }
    repo.identity("Marc", "marc@example.com");
    repo.file("src/old.py", "print('old')\n").file("src/live.py", "print('live')\n");
    repo.commit("one");
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    Some(repo)
}

fn reftable_worktree() -> Option<Shape> {
    let repo = initialised(&["--ref-format=reftable"])?;
    Some(Shape::of(repo.worktree("linked")))
}

fn sha256_and_reftable() -> Option<Shape> {
    let repo = initialised(&["--object-format=sha256", "--ref-format=reftable"])?;
    repo.git(["update-index", "--split-index"]).ok();
    Some(Shape::of(repo))
}

fn worktree_config() -> Option<Shape> {
    let repo = configured(&[("extensions.worktreeConfig", "true")]);
    let linked = repo.worktree("linked");
    linked.git(["config", "--worktree", "user.email", "linked@example.com"]).ok();
    Some(Shape::of(linked))
}

fn alternates() -> Option<Shape> {
    let clone = cloned(&TestRepo::ready(), &["--shared"]);
    // A clone by URL does not share.
    let objects = clone.world.path("repo/.git/objects");
    clone.file(".git/objects/info/alternates", format!("{}\n", objects.display()));
    clone.git(["repack", "-adlq"]).ok();
    assert!(clone.git(["count-objects", "-v"]).ok().stdout.contains("in-pack: 0"));
    with_hooks(clone)
}

fn packed() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.git(["repack", "-adq"]).ok();
    repo.file("src/live.py", "print('more')\n").commit("two");
    repo.git(["repack", "-dq"]).ok();
    repo.git(["multi-pack-index", "write"]).ok();
    repo.git(["pack-refs", "--all"]).ok();
    assert!(repo.has(".git/objects/pack/multi-pack-index"));
    Some(Shape::of(repo))
}

fn replaced_blob() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("other", "another\n");
    let other = repo.git(["hash-object", "-w", "other"]).ok().stdout;
    let blob = repo.git(["rev-parse", "HEAD:src/old.py"]).ok().stdout;
    repo.remove("other").git(["replace", blob.trim_end(), other.trim_end()]).ok();
    Some(Shape::of(repo))
}

fn replaced_commit() -> Option<Shape> {
    let repo = TestRepo::ready();
    let old = repo.head();
    repo.git(["checkout", "-q", "--detach"]).ok();
    repo.file("src/old.py", "print('replacing')\n").commit("other");
    let new = repo.head();
    repo.git(["checkout", "-q", "main"]).ok();
    repo.git(["replace", &old, &new]).ok();
    // Everywhere git shows the other commit; here it is asked not to.
    Some(Shape::of(repo.env("GIT_NO_REPLACE_OBJECTS", "1")))
}

fn grafts() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("src/live.py", "print('more')\n").commit("two");
    let head = repo.head();
    fs::write(repo.common_dir().join("info/grafts"), format!("{head}\n")).unwrap();
    assert_eq!(repo.git(["rev-list", "--count", "HEAD"]).ok().stdout, "1\n");
    Some(Shape::of(repo))
}

fn separate_git_folder() -> Option<Shape> {
    let repo = TestRepo::ready();
    let folder = repo.world.path("separate.git");
    let line = ["init", "-q", "--separate-git-dir", &folder.display().to_string()];
    repo.git(line).ok();
    assert!(repo.top.join(".git").is_file());
    Some(Shape::of(repo))
}

fn git_dir_and_work_tree() -> Option<Shape> {
    let repo = TestRepo::ready();
    let folder = repo.world.path("elsewhere.git");
    fs::rename(repo.top.join(".git"), &folder).unwrap();
    let repo = repo.env("GIT_DIR", &folder.display().to_string());
    Some(Shape::of(repo.env("GIT_WORK_TREE", &repo.top.display().to_string())))
}

fn core_worktree() -> Option<Shape> {
    let repo = TestRepo::ready();
    let folder = repo.world.path("elsewhere.git");
    fs::rename(repo.top.join(".git"), &folder).unwrap();
    let repo = repo.env("GIT_DIR", &folder.display().to_string());
    repo.git(["config", "core.worktree", &repo.top.display().to_string()]).ok();
    Some(Shape::of(repo))
}

fn git_index_file() -> Option<Shape> {
    let repo = TestRepo::ready();
    fs::copy(repo.top.join(".git/index"), repo.top.join(".git/other-index")).unwrap();
    let file = repo.top.join(".git/other-index").display().to_string();
    Some(Shape::of(repo.env("GIT_INDEX_FILE", &file)))
}

fn hooks_elsewhere() -> Option<Shape> {
    let repo = TestRepo::with_history();
    repo.git(["config", "core.hooksPath", ".githooks"]).ok();
    repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    repo.commit("archive");
    Some(Shape::of(repo))
}

fn setting_that_allows() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.script("src/old.py", "print('old')\n");
    // Without the setting the mode alone is a change.
    Shape::of(repo.clone()).store().fails(6);
    Some(Shape::of(repo).with_settings(&["-c", "core.fileMode=false"]).gets_blob())
}

fn setting_that_names_the_user() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.git(["config", "--unset", "user.email"]).ok();
    repo.git(["config", "user.useConfigOnly", "true"]).ok();
    Some(Shape::of(repo).with_settings(&["-c", "user.email=ann@example.com"]))
}

fn hostile_settings() -> Option<Shape> {
    let settings = [
        ("core.quotePath", "false"),
        ("core.pager", "false"),
        ("diff.external", "false"),
        ("color.ui", "always"),
        ("core.abbrev", "4"),
        ("status.short", "true"),
        ("diff.noprefix", "true"),
        ("diff.renames", "copies"),
        ("core.fsyncMethod", "batch"),
        ("index.threads", "1"),
        ("core.preloadIndex", "false"),
        ("log.showSignature", "true"),
        ("grep.patternType", "perl"),
        ("core.compression", "9"),
        ("core.logAllRefUpdates", "false"),
        ("diff.orderFile", "/dev/null"),
        ("diff.ignoreSubmodules", "all"),
        ("alias.update-index", "!false"),
    ];
    Some(Shape::of(configured(&settings)))
}

fn index_lock() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file(".git/index.lock", "");
    Some(Shape::of(repo))
}

/// Whether this is root, who can give files away; says so where it is not.
fn is_root(what: &str) -> bool {
    let root =
        fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    if !root {
        skipped(&format!("{what} (only root can give files away)"));
    }
    root
}

/// Gives everything below `path` to `uid`.
fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| give(&entry.path(), uid));
    }
}

fn foreign() -> Option<TestRepo> {
    let repo = TestRepo::ready();
    if !is_root("a repository of another owner") {
        return None;
    }
    give(&repo.top, NOBODY);
    Some(repo)
}

fn other_owner() -> Option<Shape> {
    let repo = foreign()?;
    repo.git(["status"]).fails(128).says("dubious ownership");
    Some(Shape::of(repo))
}

fn other_owner_below() -> Option<Shape> {
    Some(Shape::of(foreign()?.at("src")).typed("old.py"))
}

fn other_owner_trusted() -> Option<Shape> {
    let repo = foreign()?;
    let file = repo.world.path("home/trust");
    fs::write(&file, format!("[safe]\n\tdirectory = {}\n", repo.top.display())).unwrap();
    Some(Shape::of(repo.env("GIT_CONFIG_GLOBAL", &file.display().to_string())))
}

/// A repository whose user has no way around its modes.
fn of_a_plain_user() -> TestRepo {
    let repo = TestRepo::ready();
    let root =
        fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    if !root {
        return repo;
    }
    let link = repo.world.path("bin/git-codex-archive");
    fs::remove_file(&link).unwrap();
    fs::copy(BINARY, &link).unwrap();
    give(&repo.world.path("."), NOBODY);
    repo.as_user(NOBODY)
}

fn set_modes(path: &Path, folder_mode: u32, file_mode: u32) {
    if path.is_symlink() {
        return;
    }
    let is_folder = path.is_dir();
    if is_folder {
        fs::read_dir(path)
            .unwrap()
            .flatten()
            .for_each(|it| set_modes(&it.path(), folder_mode, file_mode));
    }
    let mode = if is_folder { folder_mode } else { file_mode };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn read_only_repository() -> Option<Shape> {
    let repo = of_a_plain_user();
    set_modes(&repo.top.join(".git"), 0o555, 0o555);
    Some(Shape::of(repo))
}

fn read_only_folder() -> Option<Shape> {
    let repo = of_a_plain_user();
    fs::set_permissions(repo.top.join("src"), fs::Permissions::from_mode(0o555)).unwrap();
    Some(Shape::of(repo))
}
