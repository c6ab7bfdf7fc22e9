//! Names of files, and ways to write them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::judge::Case;
use super::shape::Expect::{Archived, Refused};
use super::shape::Shape;
use crate::common::TestRepo;

/// All of them.
pub const CASES: &[Case] = &[
    ("with ..", Archived, || {
        Some(Shape::of(TestRepo::ready().at("src")).typed("../src/./../src/old.py"))
    }),
    (".. out of the repository", Refused(6, "outside the repository"), || typed("../../x")),
    ("absolute", Archived, || {
        let repo = TestRepo::ready();
        let path = repo.top.join("src/old.py");
        Some(Shape::of(repo).typed(path))
    }),
    ("absolute, elsewhere", Refused(6, "outside the repository"), || typed("/etc/passwd")),
    (".git/config", Refused(6, "git's own folder"), || typed(".git/config")),
    (".GIT/config", Refused(6, "git's own folder"), || typed(".GIT/config")),
    ("git~1/config", Refused(6, "git's own folder"), || typed("git~1/config")),
    (".codex/archive.toml", Refused(6, "the archive itself"), || typed(".codex/archive.toml")),
    (".gitattributes", Refused(6, "steers git"), || steering(".gitattributes")),
    (".gitignore", Refused(6, "steers git"), || steering("src/.gitignore")),
    (".gitmodules", Refused(6, "steers git"), || steering(".gitmodules")),
    ("not UTF-8", Archived, || named(b"src/caf\xe9.py")),
    ("line feed", Archived, || named(b"src/a\nb.py")),
    ("carriage return at the end", Archived, || named(b"src/a.py\r")),
    ("tab", Archived, || named(b"src/a\tb.py")),
    ("quotes", Archived, || named(b"src/\"a\" 'b'.py")),
    ("quote in front", Archived, || named(b"\"a.py")),
    ("backslash", Archived, || named(b"src/a\\b.py")),
    ("dash in front", Archived, || named(b"-rf.py")),
    ("two dashes", Archived, || named(b"--reason")),
    ("spaces at the ends", Archived, || named(b" a ")),
    ("star", Archived, || glob(b"src/*.py")),
    ("question mark", Archived, || glob(b"src/?ld.py")),
    ("brackets", Archived, || glob(b"src/[o]ld.py")),
    ("pathspec magic", Archived, || named(b":(top)x")),
    ("pathspec exclusion", Archived, || named(b":!x")),
    ("colon in front", Archived, || named(b":/src")),
    ("HEAD:x", Archived, || named(b"HEAD:x")),
    ("@{u}", Archived, || named(b"@{u}")),
    ("hash in front", Archived, || named(b"#x.py")),
    ("exclamation mark in front", Archived, || named(b"!x.py")),
    ("terminal escapes", Archived, || named(b"src/\x1b[31mred\x1b]0;t\x07.py")),
    ("turned text", Archived, || named("src/\u{202e}yp.exe".as_bytes())),
    ("percent", Archived, || named(b"src/a%20b%.py")),
    ("end of comment", Archived, || named(b"src/a*/b-->c.css")),
    ("NFC, with the NFD one beside it", Archived, || {
        beside("src/caf\u{e9}.py", "src/cafe\u{301}.py")
    }),
    ("NFD, with the NFC one beside it", Archived, || {
        beside("src/cafe\u{301}.py", "src/caf\u{e9}.py")
    }),
    ("another case beside it", Archived, || beside("src/Old.py", "src/OLD.py")),
    ("another case beside it, ignorecase", Archived, || {
        let shape = beside("src/Old.py", "src/OLD.py")?;
        shape.repo.git(["config", "core.ignoreCase", "true"]).ok();
        Some(shape)
    }),
    ("255 bytes", Archived, || named("n".repeat(255).as_bytes())),
    ("3,050 bytes", Archived, || named(deep(3050).as_bytes())),
    ("3,950 bytes", Refused(6, "too long for a stub"), || named(deep(3950).as_bytes())),
    ("no letter but dots", Archived, || named(b"...")),
];

fn typed(name: &str) -> Option<Shape> {
    Some(Shape::of(TestRepo::ready()).typed(name))
}

fn steering(name: &str) -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file(name, "# nothing\n").commit("steering");
    Some(Shape::at(repo, name))
}

/// A file of this name.
fn named(name: &[u8]) -> Option<Shape> {
    let repo = TestRepo::ready();
    let name = OsStr::from_bytes(name);
    if name.len() < 1000 {
        repo.file(name, "named\n");
    } else {
        made_in_steps(&repo, name);
    }
    repo.commit("named");
    let shape = Shape::at(repo, name);
    Some(shape)
}

/// A name that is a pattern too, with the files that it would match.
fn glob(name: &[u8]) -> Option<Shape> {
    let shape = named(name)?;
    shape.repo.file("src/bld.py", "not meant\n").commit("others");
    Some(shape)
}

fn beside(name: &str, other: &str) -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file(other, "other\n").file(name, "meant\n").commit("both");
    Some(Shape::at(repo, name))
}

/// A path of so many bytes.
fn deep(bytes: usize) -> String {
    let mut path = format!("{}/", "d".repeat(199)).repeat(bytes / 200);
    path.push_str(&"e".repeat(bytes - path.len()));
    path
}

/// The whole path may be longer than the system takes at once.
fn made_in_steps(repo: &TestRepo, name: &OsStr) {
    let name = name.to_str().unwrap();
    let (folder, file) = name.rsplit_once('/').unwrap();
    let steps: String = folder.split('/').map(|it| format!("mkdir {it} && cd {it} && ")).collect();
    repo.types(&format!("{steps} echo named > {file}")).ok();
}
