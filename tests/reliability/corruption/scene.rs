//! An archive with files of several kinds, and ways to damage it and to look at it.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::common::{Outcome, TestRepo, run};

/// What the repository archives: path, content.
pub const SMALL: &str = "src/old.py";
const LARGE: &str = "data/large.bin";

/// Numbers that look random and are the same every time.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

/// One file that was archived.
pub struct Archived {
    pub id: String,
    pub path: String,
    pub content: Vec<u8>,
    object: PathBuf,
}

/// A repository with an archive that can be damaged and put back.
pub struct Scene {
    pub repo: TestRepo,
    pub items: Vec<Archived>,
    /// The archive's file as it was written.
    pub whole: Vec<u8>,
    journal: Vec<u8>,
}

/// What came of one damage.
pub struct Verdict {
    /// What must never be: other bytes came out, or the program broke down.
    pub wrong: Option<String>,
    /// Whether every item came out.
    pub all_came: bool,
    /// What `fsck` said.
    pub fsck: Outcome,
}

impl Scene {
    /// Five files, archived in two deeds; one was restored once, one dropped.
    pub fn new() -> Self {
        let repo = TestRepo::ready();
        let mut dice = Dice(7);
        repo.file(LARGE, dice.bytes(150_000));
        repo.file("docs/long.md", "the same words again and again\n".repeat(3000));
        repo.script("bin/run.sh", "#!/bin/sh\necho run\n");
        repo.commit("files");
        let line = ["store", "_codex_", SMALL, "docs", "--reason", "pruned"];
        let more = ["--tag", "team-a", "--tag", "old", "--metadata", "ticket=42"];
        repo.archive(line.iter().chain(&more)).ok();
        repo.try_commit("retire old").ok();
        repo.store(&["src/live.py", "data", "bin"]);
        repo.try_commit("retire more").ok();
        repo.archive(["restore", "src/live.py", "--stage"]).ok();
        repo.try_commit("live is back").ok();
        repo.archive(["drop", "docs/long.md", "--reason", "done"]).ok();
        repo.try_commit("drop long").ok();
        let told = repo.archive(["list", "--json"]).ok().json();
        let list = told["items"].as_array().unwrap().clone();
        let items = list.iter().map(|item| {
            let text = |key: &str| item[key].as_str().unwrap().to_owned();
            let content = repo.archive(["cat", &text("tombstone")]).ok().bytes;
            repo.file(".git/content", &content);
            let oid = repo.git(["hash-object", "--no-filters", ".git/content"]).ok().stdout;
            let object = repo.common_dir().join("objects").join(&oid[..2]).join(oid[2..].trim());
            assert!(object.exists());
            Archived { id: text("tombstone"), path: text("path"), content, object }
        });
        let items: Vec<Archived> = items.collect();
        assert_eq!(items.len(), 5);
        // All in one file, so that a place in it is a place in the archive.
        let mut scene = Self { repo, items, whole: Vec::new(), journal: Vec::new() };
        Connection::open(scene.file())
            .unwrap()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        scene.whole = fs::read(scene.file()).unwrap();
        scene.journal = fs::read(scene.journal_file()).unwrap();
        scene
    }

    /// The archive's file.
    pub fn file(&self) -> PathBuf {
        self.repo.common_dir().join("codex-archive/archive.sqlite")
    }

    /// The journal's file.
    pub fn journal_file(&self) -> PathBuf {
        self.repo.common_dir().join("codex-archive/archive_ops.jsonl")
    }

    /// The item that was archived at `path`.
    pub fn item(&self, path: &str) -> &Archived {
        self.items.iter().find(|item| item.path == path).unwrap()
    }

    /// The item with 150,000 bytes that do not compress.
    pub fn large(&self) -> &Archived {
        self.item(LARGE)
    }

    /// Puts `bytes` in the place of the archive's file.
    pub fn put(&self, bytes: &[u8]) {
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", self.file().display()));
        }
        fs::write(self.file(), bytes).unwrap();
        fs::write(self.journal_file(), &self.journal).unwrap();
    }

    /// Puts the archive back, and changes it by SQL.
    pub fn put_with(&self, change: impl FnOnce(&Connection)) {
        self.put(&self.whole);
        let connection = Connection::open(self.file()).unwrap();
        connection.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
        change(&connection);
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    /// Takes the archived contents out of git's objects, so that only the archive has them.
    pub fn forget_in_git(&self) {
        for item in &self.items {
            fs::rename(&item.object, item.object.with_extension("away")).unwrap();
        }
    }

    /// Puts them back.
    pub fn remember_in_git(&self) {
        for item in &self.items {
            fs::rename(item.object.with_extension("away"), &item.object).unwrap();
        }
    }

    /// Runs the program.
    pub fn program(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.repo.world.command("git-codex-archive", &self.repo.top);
        command.args(arguments);
        run(command, None)
    }

    /// Whether an item comes out as it went in, or not at all; `Ok` says whether it came.
    pub fn comes_out(&self, item: &Archived) -> Result<bool, String> {
        let told = self.program(&["cat", &item.id]);
        match told.code {
            0 if told.bytes == item.content => Ok(true),
            0 => Err(format!("{}: other bytes came out", item.path)),
            1..=8 if told.bytes.is_empty() => Ok(false),
            _ => Err(format!("{}: neither bytes nor a refusal\n{told}", item.path)),
        }
    }

    /// The same for `restore` to a file.
    pub fn is_restored(&self, item: &Archived) -> Result<bool, String> {
        let out = self.repo.top.join("out.bin");
        let told = self.program(&["restore", &item.id, "out.bin"]);
        let written = fs::read(&out).ok();
        let _ = fs::remove_file(out);
        match (told.code, written) {
            (0, Some(bytes)) if bytes == item.content => Ok(true),
            (1..=8, None) => Ok(false),
            _ => Err(format!("{}: neither restored nor refused\n{told}", item.path)),
        }
    }

    /// What comes of the archive as it stands.
    pub fn judge(&self) -> Verdict {
        let fsck = self.program(&["fsck"]);
        let mut wrong = None;
        if !(0..=8).contains(&fsck.code) {
            wrong = Some(format!("fsck broke down:\n{fsck}"));
        }
        let mut all_came = true;
        for item in &self.items {
            match self.comes_out(item) {
                Ok(came) => all_came &= came,
                Err(words) => wrong = Some(words),
            }
        }
        let one = &self.items[fsck.stdout.len() % self.items.len()];
        if let Err(words) = self.is_restored(one) {
            wrong = Some(words);
        }
        Verdict { wrong, all_came, fsck }
    }

    /// What the archive says that evidence or content bears witness to; `None` if it cannot be
    /// read. With `all`, the rest of it too.
    pub fn facts(bytes: &[u8], all: bool) -> Option<Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let connection = Connection::open(file.path()).ok()?;
        let mut facts = Vec::new();
        for (table, unseen) in TABLES {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).ok()?;
            let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let kept: Vec<usize> =
                (0..names.len()).filter(|n| all || !unseen.contains(&&*names[*n])).collect();
            let mut rows = statement.query([]).ok()?;
            while let Some(row) = rows.next().ok()? {
                let value = |n: &usize| row.get::<_, Value>(*n);
                let values: Vec<Value> = kept.iter().map(value).collect::<Result<_, _>>().ok()?;
                facts.push(format!("{table} {values:?}"));
            }
        }
        facts.sort();
        Some(facts)
    }
}

/// The tables, each with the columns that nothing else bears witness to: no record and no content
/// contradicts another value, and no byte of content depends on it.
const TABLES: [(&str, &[&str]); 15] = [
    ("sqlite_schema", &["rootpage"]),
    ("meta", &["k", "v"]),
    ("counter", &["name", "next"]),
    ("schema_migrations", &["version", "name", "checksum", "applied_at"]),
    ("run", &["created_at"]),
    ("run_piece", &[]),
    ("batch", &[]),
    ("artifact_row", &["created_at"]),
    ("folder", &[]),
    ("item_row", &["kind", "language", "restricted", "delete_after"]),
    ("tag", &[]),
    ("metadata", &[]),
    ("log", &["repo", "home"]),
    ("evidence_block", &["n", "records"]),
    ("evidence", &[]),
];
