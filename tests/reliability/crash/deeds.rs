//! Every changing command, and the repository it is tried in.

#[path = "memory.rs"]
pub mod memory;
#[path = "retention.rs"]
pub mod retention;

use std::fs;

use crate::common::TestRepo;

#[path = "governance.rs"]
pub mod governance;

/// A command and what it finds.
#[derive(Debug)]
pub struct Deed {
    /// How its family is called.
    pub name: &'static str,
    /// The command.
    pub line: &'static [&'static str],
    /// Makes the repository.
    pub prepare: fn() -> TestRepo,
    /// With which codes the same command may end, besides 0, when it is done already.
    pub again: &'static [i32],
    /// Whether the next command of any kind completes it or takes it back.
    pub is_atomic: bool,
    /// What may be neither as before nor as after while it is being done.
    pub on_its_way: &'static [&'static str],
}

/// All of them.
pub static ALL: [&Deed; 40] = [
    &INIT,
    &TRUST,
    &STORE_TWO,
    &STORE_FIRST,
    &STORE_MANY,
    &STORE_SIDECAR,
    &STORE_EXACT,
    &STORE_FREED,
    &RESTORE_FREED,
    &RESTORE_STAGE,
    &RESTORE_FILE,
    &BATCH_STORE,
    &BATCH_RESTORE,
    &IMPORT,
    &COPY,
    &MIGRATE,
    &DROP,
    &UNDO,
    &RECONCILE,
    &HOOKS_INSTALL,
    &HOOKS_UNINSTALL,
    &NEW_LOG,
    &REPAIR,
    &BACKUP_CREATE,
    &BACKUP_RESTORE,
    &BACKUP_DRILL,
    &MAINTENANCE_ON,
    &MAINTENANCE_OFF,
    &governance::PRUNE_REQUEST,
    &governance::APPROVE,
    &governance::PURGE,
    &governance::HOLD_SET,
    &governance::HOLD_RELEASE,
    &governance::POLICY_ADOPT,
    &governance::RESTORE_APPROVED,
    &retention::PLAN,
    &retention::APPLY,
    &memory::SAVE_ENTRY,
    &memory::SAVE_AGAIN,
    &memory::FORGET,
];

/// The name of an archive outside the repository.
pub const ELSEWHERE: &str = "team.sqlite";

/// The results of a batch, outside the repository: they differ from run to run.
pub const RESULTS: &str = "results.json";

/// Where backups go, outside the repository: their names differ from run to run.
pub const BACKUPS: &str = "backups";

const STORE: &[&str] =
    &["store", "_codex_", "src/old.py", "src/live.py", "--reason", "dead", "--quiet"];

/// Sets up a repository that has history.
pub static INIT: Deed = Deed {
    name: "crash: init --hooks",
    line: &["init", "--hooks", "--repo", "_codex_", "--quiet"],
    prepare: || bystanders(TestRepo::with_history()),
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Accepts a place outside the repository: git's own configuration is written.
pub static TRUST: Deed = Deed {
    name: "crash: init --trust",
    line: &["init", "--trust", "--quiet"],
    prepare: || {
        let repo = TestRepo::with_history();
        let url = format!("sqlite:///{}", repo.world.path(ELSEWHERE).display());
        repo.archive(["init", "--repo", "_codex_", "--url", &url]).ok();
        repo.commit("archive elsewhere");
        bystanders(repo)
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Archives two files.
pub static STORE_TWO: Deed = Deed {
    name: "crash: store",
    line: STORE,
    prepare: || bystanders(TestRepo::ready()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// The same where nothing is set up yet.
pub static STORE_FIRST: Deed = Deed {
    name: "crash: store, the first ever",
    line: STORE,
    prepare: || bystanders(TestRepo::with_history()),
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Archives so many files that git writes a pack and the file system is synced as a whole.
pub static STORE_MANY: Deed = Deed {
    name: "crash: store, many files",
    line: &["store", "_codex_", "many", "--reason", "dead", "--quiet"],
    prepare: || {
        let repo = TestRepo::ready();
        for n in 0..66 {
            repo.file(format!("many/{n}.py"), format!("print({n})\n"));
        }
        repo.commit("many");
        bystanders(repo)
    },
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Archives a file and leaves its stub elsewhere.
pub static STORE_SIDECAR: Deed = Deed {
    name: "crash: store --sidecar",
    line: &["store", "_codex_", "src/old.py", "--reason", "dead", "--sidecar", "--quiet"],
    prepare: || bystanders(TestRepo::ready()),
    again: &[5, 6],
    is_atomic: true,
    on_its_way: &[],
};

/// Archives a file whose stub git would stage otherwise than is meant: the object and the index
/// entry are written by two gits more.
pub static STORE_EXACT: Deed = Deed {
    name: "crash: store, fileMode=false",
    line: &["store", "_codex_", "src/old.py", "--reason", "dead", "--quiet"],
    prepare: || {
        let repo = TestRepo::ready();
        repo.git(["update-index", "--chmod=+x", "src/old.py"]).ok();
        repo.try_commit("a program").ok();
        repo.git(["config", "core.fileMode", "false"]).ok();
        bystanders(repo)
    },
    again: &[],
    is_atomic: true,
    // The stub stands there as a program until the second git has put that right.
    on_its_way: &["index:src/old.py"],
};

/// Archives a file that git converts, and frees its path of that.
pub static STORE_FREED: Deed = Deed {
    name: "crash: store --detach-attributes",
    line: &["store", "_codex_", "src/old.py", "--detach-attributes", "--reason", "dead", "--quiet"],
    prepare: || bystanders(converted()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Puts such a file back, and its attributes with it.
pub static RESTORE_FREED: Deed = Deed {
    name: "crash: restore --stage, freed",
    line: &["restore", "src/old.py", "--stage", "--quiet"],
    prepare: || {
        let repo = converted();
        repo.archive(STORE_FREED.line).ok();
        repo.try_commit("retire old").ok();
        bystanders(repo)
    },
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Files that git converts, though not these bytes of theirs.
fn converted() -> TestRepo {
    let repo = TestRepo::ready();
    repo.file(".gitattributes", "*.py ident\n").commit("ident");
    repo
}

/// Puts a file back in its stub's place.
pub static RESTORE_STAGE: Deed = Deed {
    name: "crash: restore --stage",
    line: &["restore", "src/old.py", "--stage", "--quiet"],
    prepare: || bystanders(with_stub()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Writes a file out of the archive.
pub static RESTORE_FILE: Deed = Deed {
    name: "crash: restore to a file",
    line: &["restore", "src/old.py", "out.py", "--quiet"],
    prepare: || bystanders(with_stub()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Archives the files of a manifest.
pub static BATCH_STORE: Deed = Deed {
    name: "crash: batch-store",
    line: &["batch-store", "store.csv", "--results", "../results.json", "--quiet"],
    prepare: || {
        let repo = bystanders(TestRepo::ready());
        repo.file("store.csv", "path,reason\nsrc/old.py,dead\nsrc/live.py,legacy\n").clone()
    },
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Restores the items of a manifest, one after the other: a fault is set to one thread's calls.
pub static BATCH_RESTORE: Deed = Deed {
    name: "crash: batch-restore",
    line: &[
        "batch-restore",
        "restore.csv",
        "--concurrent",
        "1",
        "--resume",
        "--results",
        "../results.json",
        "--quiet",
    ],
    prepare: || {
        let repo = TestRepo::ready();
        repo.store(&["src/old.py", "src/live.py"]);
        repo.try_commit("retire both").ok();
        let manifest = "tombstone,output\nsrc/old.py,out/old.py\nsrc/live.py,out/new/live.py\n";
        bystanders(repo).file("restore.csv", manifest).clone()
    },
    again: &[],
    // Each file for itself: what is restored stays so.
    is_atomic: false,
    on_its_way: &[],
};

/// Takes another clone's archive in.
pub static IMPORT: Deed = Deed {
    name: "crash: import",
    line: &["import", "../other.sqlite", "--quiet"],
    prepare: || {
        let repo = TestRepo::ready();
        repo.store(&["src/live.py"]);
        repo.try_commit("retire live").ok();
        let other = repo.clone_to("other");
        other.archive(["init"]).ok();
        other.store(&["src/old.py"]);
        for text in ["one", "two"] {
            other.archive(["memory", "save", text, "--tag", "t"]).ok();
        }
        let url = format!("sqlite:///{}", repo.world.path("other.sqlite").display());
        other.archive(["copy", "--to", &url]).ok();
        bystanders(repo)
    },
    again: &[],
    // It comes in share by share, and is run again.
    is_atomic: false,
    on_its_way: &["memory"],
};

/// Copies the archive to another place.
pub static COPY: Deed = Deed {
    name: "crash: copy",
    line: &["copy", "--to", "sqlite:///../team.sqlite", "--quiet"],
    prepare: with_stub,
    again: &[],
    // It goes share by share, and is run again.
    is_atomic: false,
    on_its_way: &[],
};

/// Brings an archive of the first schema up to date.
pub static MIGRATE: Deed = Deed {
    name: "crash: migrate",
    line: &["migrate", "--quiet"],
    prepare: || {
        let repo = with_stub();
        repo.sql(&governance::before_folders_stood_apart());
        repo.sql(&governance::before_there_was_any());
        repo.sql(
            "DROP TABLE evidence_writer; DROP INDEX batch_deed_reason;
             CREATE UNIQUE INDEX batch_deed ON batch (deed);
             DROP INDEX tag_name; DROP INDEX item_batch; DROP INDEX item_restored;
             DROP INDEX artifact_purged; DROP INDEX batch_repo;
             DROP INDEX batch_actor; DROP INDEX batch_reason; DROP INDEX batch_at;
             DELETE FROM schema_migrations WHERE version > 1",
        );
        repo
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Removes a stub for good.
pub static DROP: Deed = Deed {
    name: "crash: drop",
    line: &["drop", "src/old.py", "--reason", "gone", "--quiet"],
    prepare: || bystanders(with_stub()),
    again: &[5, 6],
    is_atomic: true,
    on_its_way: &[],
};

/// Takes back a store.
pub static UNDO: Deed = Deed {
    name: "crash: undo",
    line: &["undo", "--quiet"],
    prepare: || {
        let repo = bystanders(TestRepo::ready());
        repo.store(&["src/old.py"]);
        repo
    },
    again: &[5],
    is_atomic: true,
    on_its_way: &[],
};

/// Mends what a revert left.
pub static RECONCILE: Deed = Deed {
    name: "crash: reconcile",
    line: &["reconcile", "--quiet"],
    prepare: || {
        let repo = with_stub();
        repo.git(["revert", "--no-edit", "HEAD"]).ok();
        bystanders(repo)
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Installs the hooks beside one that is there.
pub static HOOKS_INSTALL: Deed = Deed {
    name: "crash: hooks install",
    line: &["hooks", "install", "--quiet"],
    prepare: || {
        let repo = TestRepo::with_history();
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        bystanders(repo).script(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n").clone()
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Takes the hooks away and puts back the one that was there.
pub static HOOKS_UNINSTALL: Deed = Deed {
    name: "crash: hooks uninstall",
    line: &["hooks", "uninstall", "--quiet"],
    prepare: || {
        let repo = (HOOKS_INSTALL.prepare)();
        repo.archive(["hooks", "install"]).ok();
        repo
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Begins a new log.
pub static NEW_LOG: Deed = Deed {
    name: "crash: evidence new-log",
    line: &["evidence", "new-log", "--quiet"],
    prepare: || bystanders(with_stub()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Heals damaged bytes out of git.
pub static REPAIR: Deed = Deed {
    name: "crash: fsck --repair",
    line: &["fsck", "--repair", "--quiet"],
    prepare: || {
        let repo = bystanders(with_stub());
        repo.sql("UPDATE run SET bytes = CAST(X'00' AS BLOB)");
        repo
    },
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Makes a backup of the repository's data, and removes an older one.
pub static BACKUP_CREATE: Deed = Deed {
    name: "crash: backup create",
    line: &["backup", "create", "--dest", "../backups", "--prune", "--keep", "1", "--quiet"],
    prepare: || bystanders(with_stub()),
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Puts a backup in the archive's place.
pub static BACKUP_RESTORE: Deed = Deed {
    name: "crash: backup restore",
    line: &["backup", "restore", "../kept.tar.gz", "--quiet"],
    prepare: || {
        let repo = bystanders(with_stub());
        let told = repo.archive(["--json", "backup", "create", "--dest", "../made"]).ok().json();
        let file = told["items"][0]["file"].as_str().unwrap().to_owned();
        fs::copy(file, repo.world.path("kept.tar.gz")).unwrap();
        repo
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Tries a backup out.
pub static BACKUP_DRILL: Deed = Deed {
    name: "crash: backup drill",
    line: &["backup", "drill", "../kept.tar.gz", "--full", "--quiet"],
    prepare: || {
        let repo = (BACKUP_RESTORE.prepare)();
        repo.types("cd .. && sha256sum kept.tar.gz >kept.tar.gz.sha256").ok();
        repo
    },
    again: &[],
    is_atomic: false,
    on_its_way: &[],
};

/// Keeps everybody from changing the archive.
pub static MAINTENANCE_ON: Deed = Deed {
    name: "crash: maintenance on",
    line: &["maintenance", "on", "--reason", "damage", "--quiet"],
    prepare: || bystanders(with_stub()),
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

/// Lets it be changed again.
pub static MAINTENANCE_OFF: Deed = Deed {
    name: "crash: maintenance off",
    line: &["maintenance", "off", "--quiet"],
    prepare: || {
        let repo = bystanders(with_stub());
        repo.archive(MAINTENANCE_ON.line).ok();
        repo
    },
    again: &[],
    is_atomic: true,
    on_its_way: &[],
};

fn with_stub() -> TestRepo {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo
}

/// Adds what no command may touch: a file, an untracked one, a staged change, an edit.
fn bystanders(repo: TestRepo) -> TestRepo {
    for entry in fs::read_dir(repo.common_dir().join("hooks")).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == "sample") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    repo.file("src/staged.py", "1\n").file("src/edited.py", "1\n");
    repo.commit("bystanders");
    repo.file("src/staged.py", "2\n").git(["add", "src/staged.py"]).ok();
    repo.file("src/edited.py", "2\n").file("src/untracked.py", "1\n");
    repo
}
