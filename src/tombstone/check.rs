//! A stub against the repository it stands in; pure, no archive and no network.
//!
//! Rule (b) of "What offline verification means" in docs/formats.md. Rule (a) is
//! [`super::parse`]; the others need evidence or objects and are judged elsewhere.

use super::Tombstone;
use crate::model::{RepoLabel, TombstoneId};

/// Whether the stub's id follows from the label, its path and its sha256. It shows consistency:
/// anybody can compute an id.
pub fn check_id(stub: &Tombstone, label: &RepoLabel) -> bool {
    stub.id == TombstoneId::derive(label, &stub.path, &stub.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, RepoPath};
    use crate::tombstone::tests::tombstone;

    #[test]
    fn the_id_binds_label_path_and_content() {
        let label = RepoLabel::new("_codex_").unwrap();
        let stub = tombstone(b"src/a.py");
        assert!(check_id(&stub, &label));
        assert!(!check_id(&stub, &RepoLabel::new("other").unwrap()), "another repository's id");
        let moved = Tombstone { path: RepoPath::new(b"src/b.py").unwrap(), ..stub.clone() };
        assert!(!check_id(&moved, &label), "another path");
        let altered = Tombstone { sha256: Digest::of(b"other"), ..stub.clone() };
        assert!(!check_id(&altered, &label), "the right id with the wrong hash");
    }

    #[test]
    fn what_the_id_leaves_open_is_for_other_rules() {
        let stub = tombstone(b"src/a.py");
        let other = Tombstone { size_bytes: stub.size_bytes + 1, ..stub };
        assert!(check_id(&other, &RepoLabel::new("_codex_").unwrap()));
    }
}
