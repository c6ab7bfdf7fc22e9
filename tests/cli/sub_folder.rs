//! From any folder, with any name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::common::{TestRepo, id_of, is_embedded};

fn paths(told: &serde_json::Value) -> Vec<&str> {
    told["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect()
}

#[test]
fn paths_are_relative_to_the_current_folder() {
    let repo = TestRepo::ready();
    repo.file("docs/a/x.md", "x\n").file("top.md", "top\n").commit("docs");
    let told = repo.at("docs/a").store(&["x.md", "../../top.md"]);
    assert_eq!(paths(&told), ["docs/a/x.md", "top.md"]);
    repo.at("docs").try_commit("retire docs").ok();
    let id = id_of("_codex_", "docs/a/x.md", b"x\n");
    // A stub's path given as an id, and an output, are relative; what is printed is not.
    assert_eq!(repo.at("docs").archive(["cat", "a/x.md"]).ok().stdout, "x\n");
    let told = repo.at("docs").archive(["restore", "a/x.md", "y.md", "--json"]).ok().json();
    assert_eq!(told["output"], "docs/y.md");
    assert_eq!(repo.read("docs/y.md"), "x\n");
    // The default output is the original path, from the top.
    repo.at("docs").archive(["restore", &id]).ok();
    assert_eq!(repo.read("docs/a/x.md"), "x\n");
    repo.git(["checkout", "-q", "--", "."]).ok();
    repo.at("docs").archive(["drop", "a/x.md", "--reason", "gone"]).ok();
    assert!(!repo.has("docs/a/x.md"));
}

#[test]
fn hints_work_where_they_are_given() {
    let repo = TestRepo::ready();
    repo.file("docs/x.md", "x\n").commit("docs");
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.append("src/old.py", "# more\n").git(["add", "-A"]).ok();
    let refused = repo.at("docs").try_commit("tampered").fails(1);
    repo.at("docs").types(&refused.hint()).ok();
    assert_eq!(repo.staged(), [""; 0]);
    repo.append("src/live.py", "more\n");
    let refused = repo
        .at("docs")
        .archive(["store", "_codex_", "../src/live.py", "--reason", "dead"])
        .fails(6);
    repo.at("docs").env("GIT_EDITOR", "echo mended >").types(&refused.hint()).ok();
    repo.at("docs").archive(["store", "_codex_", "../src/live.py", "--reason", "dead"]).ok();
}

#[test]
fn another_folder_may_be_named() {
    let repo = TestRepo::ready();
    let top = repo.top.to_str().unwrap();
    let folder = repo.beside("home");
    let line = ["-C", top, "store", "_codex_", "src/old.py", "--reason", "dead"];
    folder.archive(line).ok();
    assert!(repo.read("src/old.py").starts_with("# codex-tombstone v1\n"));
    let inside = format!("{top}/src/live.py");
    repo.at("src").archive(["store", "_codex_", &inside, "--reason", "dead"]).ok();
    assert!(repo.read("src/live.py").starts_with("# codex-tombstone v1\n"));
}

#[test]
fn pathspecs_mean_what_git_means() {
    let repo = TestRepo::ready();
    for name in ["a.md", "b.txt", "docs/a.md", "docs/deep/c.md", "docs/keep.md", "x[1].md"] {
        repo.file(name, format!("{name}\n"));
    }
    repo.commit("docs");
    let dry = |folder: &str, specs: &[&str]| {
        let mut line = vec!["store", "_codex_", "--reason", "dead", "--dry-run"];
        line.extend(specs);
        let told = repo.at(folder).archive(line).ok().json();
        paths(&told).iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()
    };
    let git = |folder: &str, specs: &[&str]| {
        let mut line = vec!["ls-files", "--full-name", "--"];
        line.extend(specs);
        let told = repo.at(folder).git(line).ok().stdout;
        told.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for (folder, spec) in [
        ("", "*.md"),
        ("", "docs/*.md"),
        ("docs", "*.md"),
        ("docs", ":/*.txt"),
        ("docs", ":(glob)*.md"),
        ("", ":(icase)A.MD"),
        ("", ":(top,glob)docs/**/c.md"),
    ] {
        assert_eq!(dry(folder, &[spec]), git(folder, &[spec]), "{spec} in `{folder}`");
    }
    // A file whose name has glob characters is that file.
    assert_eq!(dry("", &["x[1].md"]), ["x[1].md"]);
    assert_eq!(dry("docs", &["."]), git("docs", &["."]));
    assert_eq!(dry("", &["docs/", "docs/a.md", "docs"]).len(), 3);
}

#[test]
fn folders_skip_what_is_no_file_and_list_it() {
    let repo = TestRepo::ready();
    let inner = TestRepo::new();
    inner.file("x", "x\n").commit("inner");
    repo.link("tree/link.py", "file.py").file("tree/file.py", "x\n");
    repo.file("tree/.gitignore", "*.log\n").file("tree/noise.log", "log\n");
    let url = inner.top.to_str().unwrap();
    let line = ["-c", "protocol.file.allow=always", "submodule", "add", "-q", url, "tree/module"];
    repo.git(line).ok();
    repo.commit("tree");
    repo.file("tree/untracked.py", "y\n");
    let told = repo.store(&["tree"]);
    assert_eq!(paths(&told), ["tree/file.py"]);
    let skipped: Vec<_> =
        told["skipped"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["tree/.gitignore", "tree/link.py", "tree/module"]);
    assert_eq!(repo.read("tree/untracked.py"), "y\n");
    assert!(repo.has("tree/module/x"));
    repo.try_commit("retire tree").ok();
    repo.is_well();
    // Named, it is refused.
    repo.archive(["store", "_codex_", "tree/module", "--reason", "dead"]).fails(6);
    repo.archive(["store", "_codex_", "tree/module/x", "--reason", "dead"]).fails(5);
}

#[test]
fn a_repository_inside_a_submodule_is_its_own() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::with_history();
    let inner = TestRepo::new();
    inner.file("lib/x.py", "x\n").commit("inner");
    let url = inner.top.to_str().unwrap();
    repo.git(["-c", "protocol.file.allow=always", "submodule", "add", "-q", url, "module"]).ok();
    repo.commit("module");
    let module = repo.beside("repo/module");
    module.git(["config", "user.email", "ann@example.com"]).ok();
    module.git(["config", "user.name", "Ann"]).ok();
    module.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    module.store(&["lib/x.py"]);
    module.try_commit("retire x").ok();
    module.archive(["verify", "--all", "--deep"]).ok();
    assert!(repo.has(".git/modules/module/codex-archive/archive.sqlite"));
    assert!(!repo.has(".git/codex-archive"));
}

fn odd_names() -> Vec<OsString> {
    let raw: [&[u8]; 12] = [
        b"with space.py",
        b"-dash.py",
        b"--reason",
        b"line\nfeed.py",
        b"tab\there.py",
        b"\xff\xfe.py",
        b"star*.py",
        b"[x]?.py",
        b"quote\"'s.py",
        b"back\\slash.py",
        b":(top)magic.py",
        "\u{202e}bidi\u{85}\u{1b}[31m.py".as_bytes(),
    ];
    raw.into_iter().map(|name| OsStr::from_bytes(name).to_owned()).collect()
}

#[test]
fn odd_names_one_by_one() {
    let repo = TestRepo::ready();
    for name in odd_names() {
        repo.file(&name, "odd\n");
    }
    repo.file("star1.py", "not meant\n").file("xy.py", "not meant\n").commit("odd");
    for name in odd_names() {
        let with_name = |line: &[&str]| {
            let words = line.iter().map(OsString::from);
            repo.archive(words.chain([name.clone()])).ok()
        };
        let told = with_name(&["store", "_codex_", "--reason", "dead", "--"]).json();
        assert_eq!(paths(&told).len(), 1, "{name:?}: {told}");
        assert!(told.to_string().is_ascii(), "raw bytes in {told}");
        repo.try_commit("retire").ok();
        let id = told["items"][0]["tombstone"].as_str().unwrap();
        assert_eq!(repo.archive(["cat", id]).ok().stdout, "odd\n");
        with_name(&["restore", "--stage", "--"]);
        assert_eq!(repo.bytes(&name), b"odd\n", "{name:?}");
        repo.try_commit("back").ok();
    }
    assert_eq!(repo.read("star1.py"), "not meant\n");
    repo.is_well();
    let shown = repo.archive(["list"]).ok();
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!shown.stdout.contains(control) && !shown.stdout.contains('\u{202e}'), "{shown:?}");
}

#[test]
fn odd_names_all_at_once_and_their_findings() {
    let repo = TestRepo::ready();
    for name in odd_names() {
        repo.file(Path::new("odd").join(&name), "odd\n");
    }
    repo.commit("odd");
    let told = repo.store(&["odd"]);
    assert_eq!(paths(&told).len(), odd_names().len());
    repo.try_commit("retire").ok();
    repo.is_well();
    // Each hint can be pasted, whatever the name.
    for name in odd_names() {
        let path = Path::new("odd").join(&name);
        let stub = repo.bytes(&path);
        repo.file(&path, [stub.as_slice(), b"# more\n"].concat()).git(["add", "-A"]).ok();
        let refused = repo.try_commit("tampered").fails(1);
        repo.types(&refused.hint()).ok();
        assert_eq!(repo.bytes(&path), stub, "{name:?}: {refused}");
        assert_eq!(repo.staged(), [""; 0], "{name:?}: {refused}");
    }
}
