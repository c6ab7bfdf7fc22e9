//! What git does to content on its way to the work tree and back.

use super::judge::Case;
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
    ("CRLF in the blob, autocrlf", Archived, || Some(crlf_in_blob(&[("core.autocrlf", "true")], ""))),
    ("CRLF in the blob, text=auto", Archived, || Some(crlf_in_blob(&[], "* text=auto\n"))),
    ("export-subst", Archived, || Some(attributes(&[], "* export-subst\n"))),
    ("export-ignore", Archived, || Some(attributes(&[], "* export-ignore\n"))),
    ("diff and merge drivers", Archived, || Some(attributes(&[], "* diff=python merge=union\n"))),
    ("UTF-16", Refused(6, "working-tree-encoding=UTF-16"), || Some(utf_16("UTF-16"))),
    ("UTF-16LE-BOM", Refused(6, "working-tree-encoding=UTF-16LE-BOM"), || Some(utf_16("UTF-16LE-BOM"))),
    ("ident", Refused(6, "ident=set"), || Some(ident())),
    ("filter", Refused(6, "filter=upper"), || Some(filter(".gitattributes", "*.py filter=upper\n"))),
    ("filter that is not set up", Refused(6, "filter=absent"), || {
        Some(attributes(&[], "*.py filter=absent\n"))
    }),
    ("git-lfs, content there", Refused(6, "filter=lfs"), lfs),
    ("git-lfs, pointer only", Refused(6, "filter=lfs"), lfs_pointer),
];

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

/// A file whose blob is git-lfs' pointer; `None` without git-lfs.
fn lfs() -> Option<Shape> {
    if !have("git-lfs") {
        return None;
    }
    let repo = TestRepo::ready();
    repo.git(["lfs", "install", "--local", "--skip-repo"]).ok();
    repo.file(".gitattributes", "*.py filter=lfs diff=lfs merge=lfs -text\n");
    repo.git(["add", ".gitattributes"]).ok();
    repo.file("src/old.py", LARGE).git(["add", "--renormalize", "."]).ok();
    repo.git(["commit", "-q", "--allow-empty", "-m", "lfs"]).ok();
    let pointer = repo.git(["cat-file", "blob", "HEAD:src/old.py"]).ok().stdout;
    assert!(pointer.starts_with("version https://git-lfs"), "{pointer}");
    assert_eq!(repo.status(), "");
    Some(Shape::of(repo))
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
