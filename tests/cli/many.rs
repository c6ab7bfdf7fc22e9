//! So many files in one deed that several threads write their stubs, ahead of its record.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::common::strace::{can_trace, with_fault};
use crate::common::{Outcome, TestRepo};

/// Enough for several threads, in more folders than are opened without a look at how many may be.
const FILES: usize = 600;

const STORE: [&str; 5] = ["store", "_codex_", "many", "--reason", "dead"];

fn path(n: usize) -> String {
    let kind = ["py", "md", "rs", "json", "txt"][n % 5];
    format!("many/{}/f{n}.{kind}", n % 90)
}

/// Every tenth has the content of the first.
fn content(n: usize) -> String {
    let n = if n.is_multiple_of(10) { 0 } else { n };
    format!("line of file {n}\n").repeat(1 + n % 50)
}

fn with_many() -> TestRepo {
    let repo = TestRepo::ready();
    for n in 0..FILES {
        repo.file(path(n), content(n));
    }
    let tool = repo.top.join(path(7));
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    repo.commit("many");
    repo
}

fn lines(told: &Outcome) -> Vec<&str> {
    told.stdout.lines().collect()
}

/// No file of ours is left that has not got its name.
fn is_tidy(repo: &TestRepo) {
    let left = repo.git(["ls-files", "--others"]).ok();
    assert!(!left.stdout.contains(".codex-tmp-"), "{left}");
}

#[test]
fn all_of_them_give_way_and_come_back() {
    let repo = with_many();
    let told = repo.store(&["many"]);
    assert_eq!(told["items"].as_array().unwrap().len(), FILES);
    // Each is staged as it stands, and nothing else came to be.
    assert_eq!(
        lines(&repo.git(["diff", "--cached", "--name-only", "--", "many"]).ok()).len(),
        FILES
    );
    assert_eq!(lines(&repo.git(["diff", "--name-only"]).ok()), Vec::<&str>::new());
    is_tidy(&repo);
    repo.try_commit("retire").ok();
    repo.git(["fsck", "--strict", "--no-dangling"]).ok();
    repo.archive(["verify", "--all"]).ok();
    repo.archive(["fsck"]).ok();
    // Packed again, the stubs are what they were.
    repo.git(["gc", "-q", "--prune=now"]).ok();
    repo.archive(["verify", "--all"]).ok();
    let items = told["items"].as_array().unwrap().iter().map(|item| {
        json!({"tombstone": item["tombstone"], "output": format!("out/{}", item["path"].as_str().unwrap())})
    });
    repo.file("m.json", json!(items.collect::<Vec<_>>()).to_string());
    repo.archive(["batch-restore", "m.json", "-q"]).ok();
    for n in 0..FILES {
        assert_eq!(repo.read(format!("out/{}", path(n))), content(n), "{n}");
    }
    let mode = fs::metadata(repo.top.join("out").join(path(7))).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn those_that_change_meanwhile_are_left_alone() {
    if !can_trace() {
        return;
    }
    let repo = with_many();
    // Older than any tick of a file system: a look must tell, nothing is hashed again.
    thread::sleep(Duration::from_secs(4));
    let (edited, disguised) = (path(3), path(500));
    let other = content(500).to_uppercase();
    thread::scope(|scope| {
        // The intent gets its name two seconds late; by then all content has been read.
        let late = "delay_enter=2000000";
        let store = scope.spawn(|| with_fault(&repo, "renameat", 1, late, &STORE));
        let begun = || repo.common_dir().join("codex-archive/intents").exists();
        while !begun() {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(300));
        repo.file(&edited, "edited meanwhile\n");
        // As many bytes, and the time of the content set back.
        let file = fs::File::options().write(true).open(repo.top.join(&disguised)).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        repo.file(&disguised, &other);
        file.set_modified(before).unwrap();
        store.join().unwrap().fails(6);
    });
    repo.archive(["init"]).ok();
    assert_eq!(repo.read(&edited), "edited meanwhile\n");
    assert_eq!(repo.read(&disguised), other);
    is_tidy(&repo);
    repo.archive(["verify", "--staged"]).ok();
}
