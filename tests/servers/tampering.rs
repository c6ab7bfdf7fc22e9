//! Evidence on a server that somebody tampers with by SQL: a clone that wrote there notices.

use crate::{on, on_both};

/// What is done, and how `evidence verify` calls it.
const DEEDS: &[(&str, &str)] = &[
    ("an edited row", "UPDATE evidence SET action = 'RESTORE' WHERE seq = 3"),
    ("a deleted record", "DELETE FROM evidence WHERE seq = 3"),
    (
        "two records in the other order",
        "UPDATE evidence SET seq = 99 WHERE seq = 3; UPDATE evidence SET seq = 3 WHERE seq = 2;
         UPDATE evidence SET seq = 2 WHERE seq = 99",
    ),
    ("an edited head", "UPDATE log SET head_seq = head_seq + 1"),
    ("all records gone", "DELETE FROM evidence"),
    ("another digest", "UPDATE evidence SET digest = (SELECT head FROM (SELECT digest AS head FROM evidence WHERE seq = 1) d)
         WHERE seq = 4"),
    ("an emptied block", "UPDATE evidence_block SET bytes = ''"),
    // The tail is cut, and the head with it: the chain holds, and what the clone remembers does not.
    (
        "a tail cut clean off",
        "DELETE FROM evidence WHERE seq = 4;
         UPDATE log SET head_seq = 3, head_digest = (SELECT digest FROM evidence WHERE seq = 3)",
    ),
];

#[test]
fn a_clone_notices() {
    on_both(|server| {
        for (what, sql) in DEEDS {
            let (repo, database) = on(server);
            repo.archive(["init", "--repo", "_codex_"]).ok();
            repo.commit("archive");
            repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead"]).ok();
            repo.archive(["store", "_codex_", "src/live.py", "--reason", "dead"]).ok();
            repo.archive(["restore", "src/old.py", "back.py"]).ok();
            repo.archive(["evidence", "verify"]).ok();
            server.sql(&database, sql);
            let said = repo.archive(["evidence", "verify"]);
            assert_eq!(said.code, 4, "{:?}: {what}\n{said}", server.kind);
        }
    });
}
