//! The rules of verification: each with its id, weight, and what it means. docs/verify-rules.md
//! is written from this table, and a test holds the two together.

use crate::model::{Rule, Severity};

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $key:expr, $meaning:literal, $mend:literal;)+) => {
        $(
            #[doc = $meaning]
            pub const $name: Rule = Rule {
                id: $id,
                severity: Severity::$severity,
                key: $key,
                meaning: $meaning,
            };
        )+

        /// Every rule with what mends a finding of it, in the order of the documentation.
        pub const ALL: &[(&Rule, &str)] = &[$((&$name, $mend)),+];
    };
}

const ON_STUB_REMOVED: Option<&str> = Some("hooks.on_stub_removed");
const ON_MISSING_ARCHIVE: Option<&str> = Some("hooks.on_missing_archive");
const REQUIRE_SHARED: Option<&str> = Some("hooks.require_shared");

rules! {
    STUB_MALFORMED = "stub-malformed", Error, None,
        "A file that begins like a stub is not one: it was edited, or its version is unknown.",
        "git restore --staged --worktree, to take the stub back as it was committed";
    STUB_MODE = "stub-mode", Error, None,
        "A stub is executable; stubs never are.",
        "git add --chmod=-x";
    STUB_ID = "stub-id", Error, None,
        "A stub's id does not follow from the repo label, its path and its SHA-256: it is another repository's, or forged.",
        "git restore --staged --worktree, or drop";
    STUB_LIES = "stub-lies", Error, None,
        "The content that a stub names by its git id has another size or SHA-256 than the stub says.",
        "git restore --staged --worktree, or drop";
    STUB_WITHOUT_RECORD = "stub-without-record", Error, None,
        "No ARCHIVE record in the added segments stands behind a new stub.",
        "git add of the segment that was left out, or reconcile";
    STUB_REMOVED = "stub-removed", Error, ON_STUB_REMOVED,
        "A stub was deleted without a STUB_DROP record.",
        "drop, or restore --stage";
    STUB_REPLACED = "stub-replaced", Error, ON_STUB_REMOVED,
        "Other content stands where a stub stood, without a STUB_DROP or RESTORE record.",
        "drop, or restore --stage";
    STUB_COPIED = "stub-copied", Warning, None,
        "The same stub stands at two paths.",
        "nothing needs mending; delete one of them with drop";
    RESTORED_WITHOUT_RECORD = "restored-without-record", Warning, None,
        "A stub's own content is back without a RESTORE record.",
        "reconcile, to record it";
    SEGMENT_MISSING = "segment-missing", Error, None,
        "A segment of the base is gone: evidence is only added to.",
        "reconcile";
    SEGMENT_CHANGED = "segment-changed", Error, None,
        "A segment of the base has other bytes now.",
        "reconcile";
    SEGMENT_INVALID = "segment-invalid", Error, None,
        "A file among the segments is none: a line is not canonical, the chain or the name does not fit.",
        "git rm --cached, then reconcile";
    UNSIGNED = "unsigned", Error, None,
        "The base says that evidence is signed (`[evidence] sign`), and an added segment has no signature.",
        "evidence sign";
    BAD_SIGNATURE = "bad-signature", Error, None,
        "A segment's signature is not one over its last record, by a key that the base's `.codex/allowed_signers` had in force then.",
        "evidence sign, by somebody whom the base names";
    SIGNATURE_MISSING = "signature-missing", Error, None,
        "The signature of a segment of the base is gone: evidence is only added to.",
        "reconcile";
    SIGNERS_INVALID = "signers-invalid", Error, None,
        "A line of `.codex/allowed_signers` cannot be read, or names a key that is not taken.",
        "an editor, at the line that is named";
    RECORD_REPLAYED = "record-replayed", Error, None,
        "A record of an added segment stood in another segment before.",
        "git rm --cached of the copy";
    TWO_WRITERS = "two-writers", Error, None,
        "Two valid records of one log have the same number: two archives write one log.",
        "evidence new-log, in the copy";
    RECORD_UNKNOWN = "record-unknown", Error, None,
        "A record claims to be of a log of this archive, which does not have it.",
        "reconcile";
    ITEM_MISSING = "item-missing", Error, REQUIRE_SHARED,
        "The archive that must have an item has not got it.",
        "reconcile";
    BYTES_DAMAGED = "bytes-damaged", Error, None,
        "The archive's bytes of an item are not what they should be.",
        "fsck --repair";
    BYTES_ELSEWHERE = "bytes-elsewhere", Note, None,
        "An item was archived by another clone's archive; this one does not hold its bytes.",
        "nothing needs mending";
    GIT_BLOB_ABSENT = "git-blob-absent", Note, None,
        "git does not have the content that a stub names, so its size and SHA-256 could not be compared here.",
        "nothing needs mending";
    PURGED = "purged", Note, None,
        "The content behind a stub was destroyed on purpose.",
        "nothing needs mending";
    NO_ARCHIVE = "no-archive", Note, ON_MISSING_ARCHIVE,
        "There is no archive here (or its place is not trusted), so only the tree was judged.",
        "init, where one is wanted";
    ARCHIVE_UNREACHABLE = "archive-unreachable", Warning, REQUIRE_SHARED,
        "The archive could not be read, so only the tree was judged.",
        "health-check";
    ARCHIVE_TRACKED = "archive-tracked", Error, None,
        "An archive or journal is tracked by git: it would be reset with the tree.",
        "git rm --cached";
    LABEL_MISSING = "label-missing", Error, None,
        "The tree has stubs but no repo label in `.codex/archive.toml`.",
        "git restore --staged --worktree of `.codex/archive.toml`";
    LABEL_CHANGED = "label-changed", Error, None,
        "The repo label is another one than before: every stub's id would be wrong.",
        "git restore --staged --worktree of `.codex/archive.toml`";
    CITATION_MISSING = "citation-missing", Error, None,
        "An added segment is not cited by the digest of its last record.",
        "evidence cite";
    CITATION_UNKNOWN = "citation-unknown", Error, None,
        "A digest that is cited is no record of an added segment.",
        "evidence cite";
    CITATION_MALFORMED = "citation-malformed", Error, None,
        "A `Codex-Evidence:` trailer does not hold a digest.",
        "evidence cite";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let ids: BTreeSet<_> = ALL.iter().map(|(rule, _)| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
