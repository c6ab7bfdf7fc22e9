//! What takes long: for the whole run only.

use std::fs;
use std::io::Write;

use super::judge::Case;
use super::shape::Expect::Archived;
use super::shape::Shape;
use crate::common::TestRepo;

/// All of them.
pub const CASES: &[Case] = &[
    ("100 MB", Archived, || Some(hundred_megabytes())),
    ("512 MiB of zeros", Archived, zeros),
    ("index of 100,000 entries", Archived, many_entries),
    ("index of 100,000 entries, split", Archived, || {
        let shape = many_entries()?;
        shape.repo.git(["update-index", "--split-index"]).ok();
        Some(shape)
    }),
];

/// Bytes that do not compress, the same every time.
fn hundred_megabytes() -> Shape {
    let repo = TestRepo::ready();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = (0..12_500_000).flat_map(|_| next()).collect();
    repo.file("src/old.py", bytes).commit("large");
    Shape::of(repo)
}

fn zeros() -> Option<Shape> {
    let repo = TestRepo::ready();
    let mut file = fs::File::create(repo.top.join("src/old.py")).unwrap();
    for _ in 0..512 {
        file.write_all(&vec![0; 1024 * 1024]).unwrap();
    }
    drop(file);
    repo.commit("zeros");
    Some(Shape::of(repo))
}

/// Only the index knows them: no file stands there.
fn many_entries() -> Option<Shape> {
    let repo = TestRepo::ready();
    let oid = repo.git(["rev-parse", "HEAD:src/live.py"]).ok().stdout;
    let line = |n: u32| format!("100644 {}\tmany/{:03}/{n}.txt\n", oid.trim_end(), n / 1000);
    let lines: String = (0..100_000).map(line).collect();
    repo.file("lines", lines).types("git update-index --index-info < lines && rm lines").ok();
    repo.try_commit("many").ok();
    repo.git(["reset", "-q", "--hard"]).ok();
    Some(Shape::of(repo))
}
