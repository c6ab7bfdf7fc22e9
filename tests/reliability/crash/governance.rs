//! The deeds of governance.

use codex_archive::backend::{Dialect, MIGRATIONS};

use super::{Deed, bystanders, with_stub};
use crate::common::TestRepo;

/// A repository in which `src/third.py` is archived too, whose bytes may go.
fn with_third() -> TestRepo {
    let repo = with_stub();
    repo.file("src/third.py", "print('the third file of all')\n".repeat(9)).commit("third");
    repo.store(&["src/third.py"]);
    repo.try_commit("retire third").ok();
    repo
}

/// Asks for a purge.
pub static PRUNE_REQUEST: Deed = Deed {
    name: "crash: prune-request",
    line: &["prune-request", "src/third.py", "--by", "ann", "--reason", "x", "--quiet"],
    prepare: || bystanders(with_third()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Approves a purge.
pub static APPROVE: Deed = Deed {
    name: "crash: approve",
    line: &["approve", "src/third.py", "--action", "purge", "--by", "ben", "--quiet"],
    prepare: || {
        let repo = with_third();
        repo.archive(PRUNE_REQUEST.line).ok();
        repo.try_commit("request").ok();
        bystanders(repo)
    },
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Destroys content that two people have approved to destroy.
pub static PURGE: Deed = Deed {
    name: "crash: purge --apply",
    line: &["purge", "src/third.py", "--by", "ann", "--reason", "x", "--apply", "--quiet"],
    prepare: || {
        let repo = (APPROVE.prepare)();
        repo.archive(APPROVE.line).ok();
        let line = ["approve", "src/third.py", "--action", "purge", "--by", "ann", "--quiet"];
        repo.archive(line).ok();
        repo
    },
    again: &[],
    // What was found afterwards is a record of its own.
    is_atomic: false,
    on_its_way: &[],
};

/// Sets a hold.
pub static HOLD_SET: Deed = Deed {
    name: "crash: hold set",
    line: &["hold", "set", "--path", "src/**", "--case", "LIT-7", "--reason", "x", "--quiet"],
    prepare: || bystanders(with_third()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Releases a hold: two approvals and the release, each a deed.
pub static HOLD_RELEASE: Deed = Deed {
    name: "crash: hold release",
    line: &[
        "hold", "release", "--case", "LIT-7", "--by", "ann", "--second", "ben", "--reason", "x",
        "--quiet",
    ],
    prepare: || {
        let repo = with_third();
        repo.archive(HOLD_SET.line).ok();
        repo.try_commit("hold").ok();
        bystanders(repo)
    },
    again: &[5],
    is_atomic: false,
    on_its_way: &[],
};

/// Adopts the first policy.
pub static POLICY_ADOPT: Deed = Deed {
    name: "crash: policy adopt",
    line: &["policy", "adopt", "--by", "ann", "--reason", "x", "--quiet"],
    prepare: || bystanders(with_third()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Restores a restricted item with the approvals that takes.
pub static RESTORE_APPROVED: Deed = Deed {
    name: "crash: restore --stage, approved",
    line: &["restore", "src/closed.py", "--stage", "--quiet"],
    prepare: || {
        let repo = with_third();
        repo.file("src/closed.py", "restricted\n".repeat(9)).commit("closed");
        let line = ["store", "_codex_", "src/closed.py", "--reason", "dead", "--restricted"];
        repo.archive(line).ok();
        repo.try_commit("retire it restricted").ok();
        for who in ["ann", "ben"] {
            let line = ["approve", "src/closed.py", "--action", "restore", "--by", who];
            repo.archive(line).ok();
        }
        repo.try_commit("approved").ok();
        bystanders(repo)
    },
    // The approvals are used up by then, and what they were for is done.
    again: &[6],
    is_atomic: true,
    on_its_way: &[],
};

/// What takes governance, and all that came after it, out of an embedded archive again.
pub fn before_there_was_any() -> String {
    let first = MIGRATIONS.iter().position(|step| step.name == "governance").unwrap();
    let texts = MIGRATIONS[first..].iter().map(|step| format!("{}{}", step.sqlite, step.text));
    let all = Dialect::Sqlite.render(&texts.collect::<String>());
    let named = |kind: &str| -> Vec<String> {
        let lead = format!("CREATE {kind} IF NOT EXISTS ");
        let parts = all.split(&lead).skip(1);
        parts.map(|rest| rest.split([' ', '(']).next().unwrap().to_owned()).collect()
    };
    let mut sql = String::new();
    for name in named("TRIGGER") {
        sql.push_str(&format!("DROP TRIGGER {name};"));
    }
    sql.push_str("DROP VIEW item; DROP INDEX artifact_run;");
    // Those that refer to others come after them.
    for name in named("TABLE").iter().rev() {
        sql.push_str(&format!("DROP TABLE {name};"));
    }
    sql.push_str(&first_view("item"));
    sql
}

/// The statements that make of an archive one of the schema before many rows said one thing once, but
/// for the table of folders and the view of items.
pub fn before_folders_stood_apart() -> String {
    let undo = "DROP VIEW artifact; DROP VIEW item; DROP INDEX item_folder;
        UPDATE item_row SET path = COALESCE(
          (SELECT f.path FROM folder f WHERE f.id = folder_id), '') || path;
        UPDATE artifact_row SET created_at = (SELECT r.created_at FROM run r WHERE r.id = run_id)
          WHERE created_at = '';
        ALTER TABLE item_row DROP COLUMN folder_id; ALTER TABLE run DROP COLUMN created_at;
        DROP INDEX artifact_sha256; CREATE UNIQUE INDEX artifact_sha256 ON artifact_row (sha256);
        CREATE INDEX item_path ON item_row (path_hash); CREATE VIEW item AS SELECT 1;";
    format!("{undo}{}", first_view("artifact"))
}

/// The statement of the first schema that makes a view.
fn first_view(name: &str) -> String {
    let first = Dialect::Sqlite.render(MIGRATIONS[0].text);
    let wanted = format!("VIEW IF NOT EXISTS {name} AS");
    let view = first.split(';').find(|it| it.contains(&wanted)).unwrap();
    format!("{view};")
}
