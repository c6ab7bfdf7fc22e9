//! The one judge of all shapes: archived rightly and put back, or refused and nothing changed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::shape::{Expect, Shape};
use super::state::{Entry, State};
use crate::common::Outcome;
use crate::score::Score;

/// One line of the table of shapes.
pub type Case = (&'static str, Expect, fn() -> Option<Shape>);

/// Makes each shape and judges it. A shape that cannot be made here says so itself and is left out.
pub fn judge_all<'a>(score: &mut Score, cases: impl Iterator<Item = &'a Case>) {
    for (name, expect, make) in cases {
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let Some(shape) = make() else { return false };
            match expect {
                Expect::Archived => archived(&shape),
                Expect::Refused(code, words) => refused(&shape, *code, words),
            }
            true
        }));
        match judged {
            Ok(true) => score.note(name, Ok(())),
            Ok(false) => {}
            Err(panic) => score.note(name, Err(words_of(panic.as_ref()))),
        }
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default()
}

/// `store` ends with `code` and says `words`; nothing whatever is changed.
fn refused(shape: &Shape, code: i32, words: &str) {
    let raw_index = || fs::read(index_file(shape)).ok();
    let before = (raw_index(), shape.repo.snapshot());
    let outcome = shape.store();
    let after = (raw_index(), shape.repo.snapshot());
    let outcome = outcome.fails(code).says(words).says("error: ");
    let changed = before.1.difference(&after.1);
    assert!(changed.is_empty(), "changed: {changed:?}\n{outcome}");
    assert!(before.0 == after.0, "the index was written\n{outcome}");
}

fn index_file(shape: &Shape) -> PathBuf {
    let line = ["rev-parse", "--path-format=absolute", "--git-path", "index"];
    PathBuf::from(OsStr::from_bytes(shape.repo.git(line).bytes.trim_ascii_end()))
}

/// `store`, `git commit`, `restore --stage`, `git commit`: each does what it says and nothing else.
fn archived(shape: &Shape) {
    let before = shape.state();
    let was = before.entry(&shape.path);
    let content = match &shape.content {
        Some(content) => content.clone(),
        None => blob(shape, &was.oid),
    };
    let told = shape.store().ok();
    let id = told.json()["items"][0]["tombstone"]
        .as_str()
        .unwrap_or_else(|| panic!("{told}"))
        .to_owned();
    let is_own = |path: &OsStr| {
        path == shape.path
            || path.as_bytes() == b".codex"
            || path.as_bytes().starts_with(b".codex/")
            || shape.also.iter().any(|it| OsStr::new(it) == path)
    };
    let stored = shape.state();
    before.is_kept_by(&stored, &is_own);
    stub_stands(shape, &stored, &id);
    comes_back_whole(shape, &id, &content, &was);
    if shape.unresolved {
        commit(shape).fails(128);
    } else {
        commit(shape).ok();
    }
    shape.repo.git(["fsck"]).ok();
    let committed = shape.state();
    assert_eq!(committed.index, stored.index, "the commit changed the index");

    shape.archive(["restore", "--stage", &id]).ok();
    let restored = shape.state();
    committed.is_kept_by(&restored, &is_own);
    assert_eq!(restored.entry(&shape.path), was, "the entry is not what it was");
    let (file, file_was) = (&restored.files[&shape.path], &before.files[&shape.path]);
    if shape.gets_blob {
        let now = fs::read(shape.repo.top.join(&shape.path)).unwrap();
        assert!(now == content, "the file has not got the blob's bytes");
    } else {
        assert_eq!(file, file_was, "the file is not what it was");
    }
    for name in &shape.also {
        let name = OsStr::new(name);
        assert_eq!(restored.files.get(name), before.files.get(name), "{name:?} is not what it was");
    }
    if shape.unresolved {
        return;
    }
    commit(shape).ok();
    shape.repo.git(["fsck", "--no-dangling"]).ok();
    shape.archive(["verify", "--all", "--deep"]).ok();
    shape.archive(["fsck"]).ok();
    assert_eq!(shape.repo.litter(), Vec::<PathBuf>::new());
}

fn blob(shape: &Shape, oid: &str) -> Vec<u8> {
    shape.repo.git(["--no-replace-objects", "cat-file", "blob", oid]).ok().bytes
}

/// The stub stands in the file's place and in the index, byte for byte.
fn stub_stands(shape: &Shape, now: &State, id: &str) {
    let entry = now.entry(&shape.path);
    let bytes = fs::read(shape.repo.top.join(&shape.path)).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("codex-tombstone") && text.contains(id), "no stub stands there: {text}");
    let mut line: Vec<OsString> = ["hash-object", "--no-filters", "--"].map(Into::into).to_vec();
    line.push(shape.repo.top.join(&shape.path).into_os_string());
    let oid = shape.repo.git(line).ok().stdout.trim_end().to_owned();
    let flag = "H".to_owned();
    assert_eq!(entry, Entry { flag, mode: "100644".to_owned(), oid }, "the stub is not staged");
}

/// `restore` to a file gives the content and its mode; the file goes away again.
fn comes_back_whole(shape: &Shape, id: &str, content: &[u8], was: &Entry) {
    let file = shape.repo.top.join("restored-copy");
    let mut line: Vec<OsString> = ["restore", id].map(Into::into).to_vec();
    line.push(file.clone().into_os_string());
    shape.archive(line).ok();
    assert!(fs::read(&file).unwrap() == content, "restored to other bytes");
    let executable = fs::metadata(&file).unwrap().permissions().mode() & 0o100 != 0;
    assert_eq!(executable, was.mode == "100755", "restored with another mode");
    fs::remove_file(file).unwrap();
}

/// Commits as this shape's user does, hooks and all.
fn commit(shape: &Shape) -> Outcome {
    shape.repo.world.tick();
    let mut line: Vec<OsString> = shape.settings.iter().map(OsString::from).collect();
    line.extend(["commit", "-q"].map(OsString::from));
    line.extend(shape.commit.iter().cloned());
    shape.repo.git(line)
}
