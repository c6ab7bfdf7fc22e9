//! Kinds of files, and of things that are none.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::judge::Case;
use super::shape::Expect::{Archived, Refused};
use super::shape::Shape;
use crate::common::TestRepo;

/// All of them.
pub const CASES: &[Case] = &[
    ("executable", Archived, executable),
    ("executable, fileMode=false", Archived, executable_unlooked_at),
    ("mode that differs", Refused(6, "differs from the index"), other_mode),
    ("mode that differs, fileMode=false", Archived, other_mode_unlooked_at),
    ("symlink", Refused(6, "a symbolic link"), symlink),
    ("symlink, core.symlinks=false", Refused(6, "a symbolic link"), symlink_as_a_file),
    ("file that became a symlink", Refused(6, "a symbolic link"), became_a_symlink),
    ("through a symlinked folder", Refused(6, "symbolic link is in the way"), through_a_link),
    ("folder that became a link outside", Refused(6, "symbolic link is in the way"), link_outside),
    ("file that became a folder", Refused(6, "not a regular file"), became_a_folder),
    ("FIFO", Refused(6, "a special file"), fifo),
    ("hard link", Archived, hard_link),
    ("folder", Archived, folder),
    ("empty", Archived, || content(b"")),
    ("binary", Archived, || content(&(0..=255).cycle().take(70_000).collect::<Vec<u8>>())),
    ("one byte", Archived, || content(b"x")),
    ("no final line feed", Archived, || content(b"a\nb")),
    ("zeros", Archived, || content(&[0; 300_000])),
    ("a file that quotes a stub", Archived, || content(b"# see: codex-tombstone v1\n")),
    ("mode 0600", Archived, private),
    ("read-only file", Archived, read_only),
];

fn content(bytes: &[u8]) -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("src/old.py", bytes).commit("content");
    Some(Shape::of(repo))
}

fn executable() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.script("src/old.py", "#!/usr/bin/python3\n").commit("script");
    Some(Shape::of(repo))
}

fn executable_unlooked_at() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.script("src/old.py", "#!/usr/bin/python3\n").commit("script");
    repo.git(["config", "core.fileMode", "false"]).ok();
    Some(Shape::of(repo))
}

fn other_mode() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.script("src/old.py", "print('old')\n");
    Some(Shape::of(repo))
}

fn other_mode_unlooked_at() -> Option<Shape> {
    let repo = other_mode()?.repo;
    repo.git(["config", "core.fileMode", "false"]).ok();
    // What git does not look at is made as the commit has it.
    Some(Shape::of(repo).gets_blob())
}

fn symlink() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.link("src/link.py", "old.py").commit("link");
    Some(Shape::at(repo, "src/link.py"))
}

fn symlink_as_a_file() -> Option<Shape> {
    let shape = symlink()?;
    shape.repo.git(["config", "core.symlinks", "false"]).ok();
    shape.repo.remove("src/link.py").git(["checkout", "--", "src/link.py"]).ok();
    assert!(!shape.repo.top.join("src/link.py").is_symlink());
    Some(shape)
}

fn became_a_symlink() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.remove("src/old.py").link("src/old.py", "live.py");
    Some(Shape::of(repo))
}

fn through_a_link() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.link("linked", "src").commit("link");
    Some(Shape::at(repo, "linked/old.py"))
}

fn link_outside() -> Option<Shape> {
    let repo = TestRepo::ready();
    fs::rename(repo.top.join("src"), repo.world.path("outside")).unwrap();
    repo.link("src", "../outside");
    Some(Shape::of(repo))
}

fn became_a_folder() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.remove("src/old.py").file("src/old.py/x", "x\n");
    Some(Shape::of(repo))
}

fn fifo() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.remove("src/old.py").types("mkfifo src/old.py").ok();
    Some(Shape::of(repo))
}

/// The other name of the file keeps its bytes.
fn hard_link() -> Option<Shape> {
    let repo = TestRepo::ready();
    let name = repo.top.join("src/old.py");
    fs::hard_link(&name, repo.top.join("same")).unwrap();
    assert_eq!(fs::metadata(name).unwrap().nlink(), 2);
    Some(Shape::of(repo))
}

/// A folder means its files.
fn folder() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.file("legacy/a/b.py", "b\n").commit("folder");
    Some(Shape::at(repo, "legacy/a/b.py").typed("legacy"))
}

fn private() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.types("chmod 600 src/old.py").ok();
    // git knows one bit of the mode.
    Some(Shape::of(repo).gets_blob())
}

fn read_only() -> Option<Shape> {
    let repo = TestRepo::ready();
    repo.types("chmod 444 src/old.py").ok();
    Some(Shape::of(repo).gets_blob())
}
