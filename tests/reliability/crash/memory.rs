//! The deeds of memory.

use super::{Deed, bystanders, with_stub};
use crate::common::TestRepo;

const SAVE: &[&str] =
    &["memory", "save", "what the crash is about", "--tag", "t", "--metadata", "k=v", "--quiet"];

/// Saves a text.
pub static SAVE_ENTRY: Deed = Deed {
    name: "crash: memory save",
    line: SAVE,
    prepare: || bystanders(with_stub()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// A repository that remembers two texts.
fn remembering() -> TestRepo {
    let repo = with_stub();
    repo.archive(SAVE).ok();
    repo.archive(["memory", "save", "another text"]).ok();
    repo
}

/// Adds to what is remembered of a text.
pub static SAVE_AGAIN: Deed = Deed {
    name: "crash: memory save, again",
    line: &["memory", "save", "another text", "--tag", "new", "--metadata", "l=w", "--quiet"],
    prepare: || bystanders(remembering()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Forgets a text, as the second of two people.
pub static FORGET: Deed = Deed {
    name: "crash: memory forget",
    line: &["memory", "forget", FORGOTTEN, "--by", "ann", "--reason", "x", "--quiet"],
    prepare: || {
        let repo = remembering();
        // An id that is the same each time.
        repo.sql(&format!(
            "UPDATE entry SET uuid = X'{}' WHERE body = 'another text'",
            FORGOTTEN.replace('-', "")
        ));
        let first = ["memory", "forget", FORGOTTEN, "--by", "ben", "--reason", "x"];
        repo.archive(first).fails(3);
        repo.try_commit("approved by one").ok();
        bystanders(repo)
    },
    again: &[],
    // The second approval is a deed of its own.
    is_atomic: false,
    on_its_way: &[],
};

const FORGOTTEN: &str = "00000000-0000-4000-8000-000000000001";
