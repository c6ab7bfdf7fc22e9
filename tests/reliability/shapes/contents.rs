//! What git does to content on its way to the work tree and back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::judge::Case;
use super::repositories::initialised;
use super::shape::Expect::{Archived, Refused};
use super::shape::Shape;
use crate::common::{TestRepo, have};

/// All of them.
pub const CASES: &[Case] = &[
    ("autocrlf=true", Archived, || Some(crlf_in_work_tree(&[("core.autocrlf", "true")], ""))),
    ("autocrlf=input", Archived, || Some(attributes(&[("core.autocrlf", "input")], ""))),
    ("eol=crlf", Archived, || Some(crlf_in_work_tree(&[], "* text eol=crlf\n"))),
    ("core.eol=crlf", Archived, || {
        Some(crlf_in_work_tree(&[("core.eol", "crlf")], "* text=auto\n"))
    }),
    ("eol=lf", Archived, || Some(attributes(&[], "* text eol=lf\n"))),
    ("-text", Archived, || Some(attributes(&[], "* -text\n"))),
    ("CRLF in the blob", Archived, || Some(crlf_in_blob(&[], ""))),
    ("CRLF in the blob, autocrlf", Archived, || {
        Some(crlf_in_blob(&[("core.autocrlf", "true")], ""))
    }),
    ("CRLF in the blob, text=auto", Archived, || Some(crlf_in_blob(&[], "* text=auto\n"))),
    ("export-subst", Archived, || Some(attributes(&[], "* export-subst\n"))),
    ("export-ignore", Archived, || Some(attributes(&[], "* export-ignore\n"))),
    ("diff and merge drivers", Archived, || Some(attributes(&[], "* diff=python merge=union\n"))),
    ("UTF-16", Refused(6, "working-tree-encoding=UTF-16"), || Some(utf_16("UTF-16"))),
    ("UTF-16LE-BOM", Refused(6, "working-tree-encoding=UTF-16LE-BOM"), || {
        Some(utf_16("UTF-16LE-BOM"))
    }),
    ("ident", Refused(6, "ident=set"), || Some(ident())),
    ("filter", Refused(6, "filter=upper"), || {
        Some(filter(".gitattributes", "*.py filter=upper\n"))
    }),
    ("filter that is not set up", Refused(6, "filter=absent"), || {
        Some(attributes(&[], "*.py filter=absent\n"))
    }),
    ("git-lfs, content there", Refused(6, "filter=lfs"), lfs),
    ("git-lfs, pointer only", Refused(6, "filter=lfs"), lfs_pointer),
    ("UTF-16, freed", Archived, || Some(utf_16("UTF-16").detached(TOP, None))),
    ("UTF-16LE-BOM, freed", Archived, || Some(utf_16("UTF-16LE-BOM").detached(TOP, None))),
    ("ident, freed", Archived, || Some(ident().detached(TOP, None))),
    ("filter, freed", Archived, || Some(filter(TOP, "*.py filter=upper\n").detached(TOP, None))),
    ("filter on everything, freed", Archived, filter_on_everything),
    ("filter, no line feed at the end, freed", Archived, || {
        Some(filter(TOP, "# one\n*.py filter=upper").detached(TOP, None))
    }),
    ("filter, CRLF in .gitattributes, freed", Archived, || {
        Some(filter(TOP, "# one\r\n*.py filter=upper\r\n").detached(TOP, None))
    }),
    ("filter by a file further down, freed", Archived, || {
        Some(filter(FURTHER_DOWN, "*.py filter=upper\n").detached(FURTHER_DOWN, None))
    }),
    ("filter by a macro, freed", Archived, || {
        Some(filter(TOP, "[attr]big filter=upper -text\n*.py big\n").detached(TOP, None))
    }),
    ("filter by the user's own file, freed", Archived, filter_of_the_user),
    ("filter by the clone's own file", Refused(6, "does not free"), filter_of_the_clone),
    ("filter that is not set up, freed", Archived, || {
        Some(attributes(&[], "*.py filter=absent\n").detached(TOP, None))
    }),
    ("filter and autocrlf, freed", Archived, filter_and_autocrlf),
    ("filter, odd name, freed", Archived, || odd_name(b"src/a [b]*\"\\ #.py")),
    ("filter, name with line feed, freed", Archived, || odd_name(b"src/a\nb\xff.py")),
    ("filter, executable, freed", Archived, filtered_script),
    ("filter, .gitattributes is dirty", Refused(6, "the work tree differs"), dirty_attributes),
    ("filter, .gitattributes is not tracked", Refused(6, "does not track"), untracked_attributes),
    ("filter that went away, dirty file", Refused(6, "the work tree differs"), filtered_and_dirty),
    ("git-lfs, freed", Archived, || Some(lfs()?.detached(TOP, Some(LARGE.as_bytes())))),
    ("git-lfs, executable, freed", Archived, lfs_script),
    ("git-lfs, linked worktree, freed", Archived, || {
        let shape = lfs()?;
        Some(Shape::of(shape.repo.worktree("linked")).detached(TOP, Some(LARGE.as_bytes())))
    }),
    ("git-lfs, SHA-256, freed", Archived, lfs_in_sha_256),
    ("git-lfs, pointer only, freed", Refused(6, "git-lfs has not fetched"), || {
        Some(lfs_pointer()?.with_options(&["--detach-attributes"]))
    }),
    ("git-lfs, dirty, freed", Refused(6, "the work tree differs"), || {
        let shape = lfs()?.with_options(&["--detach-attributes"]);
        shape.repo.append("src/old.py", "more\n");
        Some(shape)
    }),
    ("git-lfs, blob that is no pointer, freed", Refused(6, "the work tree differs"), || {
        let shape = lfs()?.with_options(&["--detach-attributes"]);
        // As it is where somebody committed without git-lfs.
        shape.repo.file("src/old.py", "raw\n");
        let line = ["-c", "filter.lfs.process=", "-c", "filter.lfs.clean=", "-c"];
        let line = line.iter().chain(&["filter.lfs.required=false", "commit", "-qam", "raw"]);
        shape.repo.git(line).ok();
        Some(shape)
    }),
];

/// The attributes of everything, and those of `src`.
const TOP: &str = ".gitattributes";
const FURTHER_DOWN: &str = "src/.gitattributes";

fn set(repo: &TestRepo, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        repo.git(["config", name, value]).ok();
    }
}

/// A repository with these settings and attributes, checked out under them.
fn attributes(settings: &[(&str, &str)], lines: &str) -> Shape {
    let repo = TestRepo::ready();
    set(&repo, settings);
    if !lines.is_empty() {
        repo.file(".gitattributes", lines).commit("attributes");
    }
    repo.remove("src/old.py").git(["checkout", "--", "src/old.py"]).ok();
    assert_eq!(repo.status(), "");
    Shape::of(repo)
}

/// The blob has line feeds, the work tree carriage returns too. What is put back has the blob's
/// line ends.
fn crlf_in_work_tree(settings: &[(&str, &str)], lines: &str) -> Shape {
    let shape = attributes(settings, lines);
    assert_eq!(shape.repo.read("src/old.py"), "print('old')\r\n");
    shape.gets_blob()
}

fn crlf_in_blob(settings: &[(&str, &str)], lines: &str) -> Shape {
    let repo = TestRepo::ready();
    repo.file("src/old.py", "a\r\nb\r\n").commit("CRLF");
    set(&repo, settings);
    if !lines.is_empty() {
        repo.file(".gitattributes", lines).git(["add", ".gitattributes"]).ok();
        repo.try_commit("attributes").ok();
    }
    assert_eq!(repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().bytes, b"a\r\nb\r\n");
    assert_eq!(repo.status(), "");
    Shape::of(repo)
}

/// A file in another encoding in the work tree, in UTF-8 in the blob.
fn utf_16(encoding: &str) -> Shape {
    let repo = TestRepo::ready();
    repo.file(".gitattributes", format!("*.py text working-tree-encoding={encoding}\n"));
    repo.git(["add", ".gitattributes"]).ok();
    repo.try_commit("attributes").ok();
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend("grüße\n".encode_utf16().flat_map(u16::to_le_bytes));
    repo.file("src/old.py", bytes).remove("src/live.py").commit("encoding");
    assert_eq!(repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().stdout, "grüße\n");
    repo.remove("src/old.py").git(["checkout", "--", "src/old.py"]).ok();
    assert_eq!(repo.status(), "");
    Shape::of(repo)
}

fn ident() -> Shape {
    let repo = TestRepo::ready();
    repo.file(".gitattributes", "*.py ident\n").file("src/old.py", "# $Id$\n").commit("ident");
    repo.remove("src/old.py").git(["checkout", "--", "src/old.py"]).ok();
    assert!(repo.read("src/old.py").starts_with("# $Id: "));
    assert_eq!(repo.status(), "");
    Shape::of(repo)
}

/// A filter that stores capitals and shows small letters, by a line in this file.
fn filter(file: &str, line: &str) -> Shape {
    let repo = TestRepo::ready();
    repo.git(["config", "filter.upper.clean", "tr a-z A-Z"]).ok();
    repo.git(["config", "filter.upper.smudge", "tr A-Z a-z"]).ok();
    repo.git(["config", "filter.upper.required", "true"]).ok();
    repo.file(file, line).commit("filter");
    repo.git(["add", "--renormalize", "."]).ok();
    repo.git(["commit", "-q", "--allow-empty", "-m", "renormalize"]).ok();
    assert_eq!(repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().stdout, "PRINT('OLD')\n");
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    assert_eq!(repo.status(), "");
    Shape::of(repo)
}

/// The archive's own files too.
fn filter_on_everything() -> Option<Shape> {
    let shape = filter(TOP, "* filter=upper\n.gitattributes !filter\n.codex/** !filter\n");
    Some(shape.detached(TOP, None))
}

fn filter_of_the_user() -> Option<Shape> {
    let shape = filter(TOP, "*.py filter=upper\n");
    shape.repo.remove(TOP);
    let file = shape.repo.world.path("home/attributes");
    std::fs::write(&file, "*.py filter=upper\n").unwrap();
    shape.repo.git(["config", "core.attributesFile", &file.display().to_string()]).ok();
    shape.repo.commit("by the user");
    assert_eq!(shape.repo.status(), "");
    Some(shape.detached(TOP, None))
}

fn filter_of_the_clone() -> Option<Shape> {
    let shape = filter(TOP, "*.py filter=upper\n");
    shape.repo.file(".git/info/attributes", "*.py filter=upper\n");
    Some(shape.with_options(&["--detach-attributes"]))
}

fn filter_and_autocrlf() -> Option<Shape> {
    let shape = filter(TOP, "*.py text filter=upper\n");
    shape.repo.git(["config", "core.autocrlf", "true"]).ok();
    shape.repo.remove("src/old.py").git(["checkout", "--", "src/old.py"]).ok();
    assert_eq!(shape.repo.read("src/old.py"), "print('old')\r\n");
    Some(shape.detached(TOP, None))
}

fn odd_name(name: &[u8]) -> Option<Shape> {
    let shape = filter(TOP, "*.py filter=upper\n");
    let name = OsStr::from_bytes(name);
    shape.repo.file(name, "odd\n").commit("odd");
    Some(Shape::at(shape.repo, name).detached(TOP, None))
}

fn filtered_script() -> Option<Shape> {
    let shape = filter(TOP, "*.py filter=upper\n");
    shape.repo.script("src/old.py", "#!/bin/true\n").commit("script");
    Some(shape.detached(TOP, None))
}

fn dirty_attributes() -> Option<Shape> {
    let shape = filter(TOP, "*.py filter=upper\n").with_options(&["--detach-attributes"]);
    shape.repo.append(TOP, "# mine\n");
    Some(shape)
}

fn untracked_attributes() -> Option<Shape> {
    let shape = filter(FURTHER_DOWN, "*.py filter=upper\n");
    shape.repo.git(["rm", "-q", "--cached", FURTHER_DOWN]).ok();
    shape.repo.try_commit("forget").ok();
    Some(shape.with_options(&["--detach-attributes"]))
}

fn filtered_and_dirty() -> Option<Shape> {
    let shape = filter(TOP, "*.py filter=upper\n").with_options(&["--detach-attributes"]);
    shape.repo.append("src/old.py", "more\n");
    Some(shape)
}

fn lfs_script() -> Option<Shape> {
    let shape = lfs()?;
    shape.repo.script("src/old.py", LARGE).commit("script");
    Some(shape.detached(TOP, Some(LARGE.as_bytes())))
}

fn lfs_in_sha_256() -> Option<Shape> {
    if !have("git-lfs") {
        return None;
    }
    let repo = initialised(&["--object-format=sha256"])?;
    Some(under_lfs(repo).detached(TOP, Some(LARGE.as_bytes())))
}

/// A file whose blob is git-lfs' pointer; `None` without git-lfs.
fn lfs() -> Option<Shape> {
    if !have("git-lfs") {
        return None;
    }
    Some(under_lfs(TestRepo::ready()))
}

fn under_lfs(repo: TestRepo) -> Shape {
    repo.git(["lfs", "install", "--local", "--skip-repo"]).ok();
    repo.file(".gitattributes", "*.py filter=lfs diff=lfs merge=lfs -text\n");
    repo.git(["add", ".gitattributes"]).ok();
    repo.file("src/old.py", LARGE).git(["add", "--renormalize", "."]).ok();
    repo.git(["commit", "-q", "--allow-empty", "-m", "lfs"]).ok();
    let pointer = repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().stdout;
    assert!(pointer.starts_with("version https://git-lfs"), "{pointer}");
    assert_eq!(repo.status(), "");
    Shape::of(repo)
}

/// What is under git-lfs.
const LARGE: &str = "print('large')\n";

/// The same where nobody has fetched the content.
fn lfs_pointer() -> Option<Shape> {
    let shape = lfs()?;
    let pointer = shape.repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().bytes;
    std::fs::remove_dir_all(shape.repo.top.join(".git/lfs/objects")).unwrap();
    shape.repo.file("src/old.py", pointer);
    Some(shape)
}
