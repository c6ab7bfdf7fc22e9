//! A repository with some history of evidence.

use std::fs;
use std::path::PathBuf;

use crate::common::{Outcome, TestRepo, run};

/// The repository, its archive's file and its journal.
pub struct Scene {
    pub repo: TestRepo,
    pub database: PathBuf,
    pub journal: PathBuf,
    whole: Vec<u8>,
    pub lines: Vec<String>,
}

impl Scene {
    /// Six files archived in three deeds, of which one with four; one restored, one dropped.
    pub fn new() -> Self {
        let repo = TestRepo::ready();
        for name in ["a", "b", "c", "d"] {
            repo.file(format!("four/{name}.py"), format!("print('{name}')\n"));
        }
        repo.commit("files");
        for paths in [&["src/old.py"][..], &["four"], &["src/live.py"]] {
            repo.store(paths);
            repo.try_commit("retire").ok();
        }
        repo.archive(["restore", "src/live.py", "--stage"]).ok();
        repo.try_commit("live is back").ok();
        repo.archive(["drop", "four/a.py", "--reason", "done"]).ok();
        repo.try_commit("drop a").ok();
        let folder = repo.common_dir().join("codex-archive");
        let (database, journal) = (folder.join("archive.sqlite"), folder.join("archive_ops.jsonl"));
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(connection);
        let (whole, lines) = (fs::read(&database).unwrap(), repo.journal());
        Self { repo, database, journal, whole, lines }
    }

    /// Puts archive, journal, index and work tree back.
    pub fn reset(&self) {
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", self.database.display()));
        }
        fs::write(&self.database, &self.whole).unwrap();
        self.write_journal(&self.lines);
        self.repo.git(["reset", "-q", "--hard"]).ok();
        self.repo.git(["clean", "-qfd", "--exclude=.codex/archive.sqlite"]).ok();
    }

    /// Writes the journal anew.
    pub fn write_journal(&self, lines: &[String]) {
        fs::write(&self.journal, super::chain::text(lines)).unwrap();
    }

    /// Runs the program.
    pub fn program(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.repo.world.command("git-codex-archive", &self.repo.top);
        command.args(arguments);
        run(command, None)
    }

    /// `command` ends with `code` and says all of `words`.
    pub fn says(&self, command: &[&str], code: i32, words: &[&str]) -> Result<(), String> {
        says(&self.program(command), code, words)
    }

    /// Everything is in order.
    pub fn is_well(&self) -> Result<(), String> {
        self.says(&["evidence", "verify"], 0, &["ok"])?;
        self.says(&["fsck"], 0, &["ok"])?;
        self.says(&["verify", "--all", "--deep"], 0, &[])
    }
}

/// `told` ended with `code` and has all of `words`.
pub fn says(told: &Outcome, code: i32, words: &[&str]) -> Result<(), String> {
    if told.code != code {
        return Err(format!("expected exit {code}:\n{told}"));
    }
    match words.iter().find(|words| !told.said(words)) {
        Some(words) => Err(format!("expected `{words}`:\n{told}")),
        None => Ok(()),
    }
}
