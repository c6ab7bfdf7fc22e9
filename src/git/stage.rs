//! Writing the index, by git alone, and looking whether it did what it was told.
//!
//! git ends with 0 and has staged nothing for a path that is assumed unchanged, skipped or outside
//! a sparse checkout; so every path is compared afterwards.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::Repository;
use super::index::{IndexEntry, IndexFlag, IndexScope};
use super::plumbing;
use crate::error::{Error, Refusal, Result};
use crate::model::{GitOid, RepoPath, hex};

const STAGE: &str = "stage";
const HASH: &str = "hash files";

/// How often, and how long, another process's short hold on the index is waited for.
const LOCK_WAITS_MS: &[u64] = &[10, 20, 40, 80, 160, 320];

/// Whether git keeps folders outside a sparse checkout as one entry each.
const SPARSE: &str = "index.sparse";

const LINK: u32 = 0o120_000;

impl Repository {
    /// The object ids that git would stage for files of the work tree, filters applied; for a
    /// symbolic link that of its target's name. Nothing is written.
    ///
    /// [`Error::Io`] for a path that is missing, [`Error::Refused`] for one that is neither file
    /// nor link.
    pub fn clean_hashes(&self, paths: &[RepoPath]) -> Result<Vec<GitOid>> {
        let top = self.top(HASH)?;
        let mut links = HashMap::new();
        let mut input = Vec::new();
        for (n, path) in paths.iter().enumerate() {
            let full = top.join(path.as_path());
            // git would follow a link, and wait at a FIFO for ever.
            let meta = fs::symlink_metadata(&full).map_err(Error::io("look at", &full))?;
            if meta.is_symlink() {
                links.insert(n, self.link_hash(full)?);
            } else if meta.is_file() {
                quote(path, &mut input);
            } else {
                let what = if meta.is_dir() { "a folder" } else { "a special file" };
                return Err(Error::refused("hash", path.to_string(), Refusal::NotRegular { what }));
            }
        }
        let mut hashes = Vec::new();
        if !input.is_empty() {
            let command = self.writing(["hash-object", "--stdin-paths"]);
            let answer = plumbing::run_checked(HASH, command, &input)?;
            hashes = plumbing::oid_lines(HASH, &answer, self.oid_len)?;
        }
        if hashes.len() + links.len() != paths.len() {
            let detail = format!("{} answers for {} paths", hashes.len(), paths.len());
            return Err(Error::Git { action: HASH, detail });
        }
        let mut hashes = hashes.into_iter();
        Ok((0..paths.len()).filter_map(|n| links.remove(&n).or_else(|| hashes.next())).collect())
    }

    /// Stages `paths` as they stand in the work tree: a file with its filters run, a missing one
    /// as removed.
    ///
    /// [`Error::Locked`] when another process holds the index; [`Error::Git`] when git refuses:
    /// nothing is staged then. [`Error::Git`] also when a path is not staged as it stands although
    /// git said nothing: the others are staged then.
    pub fn stage(&self, paths: &[RepoPath]) -> Result<()> {
        self.top(STAGE)?;
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        self.update_index(&["--add", "--remove", "--stdin"], &input)?;
        self.check_staged(paths)
    }

    /// Stages paths as [`Repository::stage`] does, where the caller knows which entry each must
    /// get (`None`: no entry); returns the paths that git's own reading of the work tree gave
    /// another one.
    pub fn stage_as(&self, wanted: &[(RepoPath, Option<(u32, GitOid)>)]) -> Result<Vec<RepoPath>> {
        self.top(STAGE)?;
        let mut input = Vec::new();
        for (path, _) in wanted {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let options = ["--add", "--remove", "--stdin"];
        self.update_index(&options, &input)?;
        let paths: Vec<RepoPath> = wanted.iter().map(|(path, _)| path.clone()).collect();
        let index = self.index_by_path(&paths)?;
        let differs = |(path, entry): &&(RepoPath, Option<(u32, GitOid)>)| {
            index.get(path).map(|found| (found.mode, found.oid)) != *entry
        };
        Ok(wanted.iter().filter(differs).map(|(path, _)| path.clone()).collect())
    }

    /// Makes index entries out of modes and objects, no file and no filter involved; `None`
    /// removes the entry. Errors as for [`Repository::stage`].
    pub fn stage_entries(&self, entries: &[(RepoPath, Option<(u32, GitOid)>)]) -> Result<()> {
        let none = hex(&vec![0; self.oid_len]);
        let mut input = Vec::new();
        for (path, entry) in entries {
            let head = match entry {
                Some((mode, oid)) => format!("{mode:o} {oid}\t"),
                None => format!("0 {none}\t"),
            };
            input.extend_from_slice(head.as_bytes());
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        self.update_index(&["--index-info"], &input)?;
        let paths: Vec<RepoPath> = entries.iter().map(|(path, _)| path.clone()).collect();
        let index = self.index_by_path(&paths)?;
        // Of two entries for one path the last counts.
        let wanted: HashMap<&RepoPath, _> = entries.iter().map(|(path, it)| (path, it)).collect();
        for (path, entry) in wanted {
            let is = index.get(path).map(|it| (it.mode, it.oid));
            if is != *entry {
                return Err(not_staged(path, "git kept another entry"));
            }
        }
        Ok(())
    }

    fn update_index(&self, options: &[&str], input: &[u8]) -> Result<()> {
        if input.is_empty() {
            return Ok(());
        }
        let mut waits_ms = LOCK_WAITS_MS.iter();
        let mut was_free = false;
        loop {
            let mut command = self.writing(["update-index", "-z"]);
            command.args(options);
            let output = plumbing::run(STAGE, command, input)?;
            if output.status.success() {
                return self.collapse_again();
            }
            let lock = self.index_lock()?;
            if lock.symlink_metadata().is_err() {
                // It may have gone between git's failure and this look: then git is asked once more.
                if was_free {
                    return Err(plumbing::failure(STAGE, &output));
                }
                was_free = true;
                continue;
            }
            match waits_ms.next() {
                Some(ms) => thread::sleep(Duration::from_millis(*ms)),
                None => return Err(Error::Locked { path: lock }),
            }
        }
    }

    /// Writes a sparse index as one again: what was written is right either way, and large.
    fn collapse_again(&self) -> Result<()> {
        if !self.git_dir.join("info/sparse-checkout").exists() || !self.setting_is_true(SPARSE)? {
            return Ok(());
        }
        let mut command = self.command(self.home(), &["--no-pager", "--no-replace-objects"]);
        command.args(["update-index", "--force-write-index"]);
        // Where another process has the index, or git is too old for it, the index stays in full.
        plumbing::run(STAGE, command, &[]).map(drop)
    }

    fn index_lock(&self) -> Result<PathBuf> {
        let command = self.reading(["rev-parse", "--path-format=absolute", "--git-path", "index"]);
        let mut path = plumbing::path_line(plumbing::run_checked(STAGE, command, &[])?);
        path.as_mut_os_string().push(".lock");
        Ok(path)
    }

    fn check_staged(&self, paths: &[RepoPath]) -> Result<()> {
        let top = self.top(STAGE)?;
        let index = self.index_by_path(paths)?;
        let mut files = Vec::new();
        for path in paths {
            let full = top.join(path.as_path());
            let entry = index.get(path);
            match fs::symlink_metadata(&full) {
                Ok(meta) if meta.is_file() => match entry {
                    Some(entry) => files.push((path.clone(), full, meta, entry)),
                    None => return Err(not_staged(path, "it is not in the index")),
                },
                Ok(meta) if meta.is_symlink() => {
                    let wanted = Some((LINK, self.link_hash(full)?));
                    if entry.map(|entry| (entry.mode, entry.oid)) != wanted {
                        return Err(not_staged(path, "the index has no such link"));
                    }
                }
                Ok(meta) if !meta.is_dir() => return Err(not_staged(path, "it is a special file")),
                Err(error) if !is_missing(&error) => return Err(Error::io("look at", full)(error)),
                // Gone, or a folder now.
                _ if entry.is_none() => {}
                _ => return Err(not_staged(path, "it is still in the index")),
            }
        }
        let regular: Vec<RepoPath> = files.iter().map(|(path, ..)| path.clone()).collect();
        for ((path, full, meta, entry), hash) in files.iter().zip(self.clean_hashes(&regular)?) {
            let executable = meta.permissions().mode() & 0o100 != 0;
            self.check_file(path, full, executable, entry, hash)?;
        }
        Ok(())
    }

    fn check_file(
        &self,
        path: &RepoPath,
        full: &PathBuf,
        executable: bool,
        entry: &IndexEntry,
        hash: GitOid,
    ) -> Result<()> {
        if entry.flag == IndexFlag::IntentToAdd {
            return Err(not_staged(path, "the index has only the intent to add it"));
        }
        if entry.oid != hash {
            // Where the index had carriage returns before, git stages the bytes as they are.
            let bytes = fs::read(full).map_err(Error::io("read", full))?;
            if entry.oid != self.hash_blob(&bytes)? {
                return Err(not_staged(path, "the index has other content"));
            }
        }
        let mode = if executable { 0o100_755 } else { 0o100_644 };
        if entry.mode == mode {
            return Ok(());
        }
        let regular = matches!(entry.mode, 0o100_644 | 0o100_755);
        if regular && self.setting_is_false("core.fileMode")? {
            return Ok(());
        }
        Err(not_staged(path, "the index has another mode"))
    }

    /// The resolved entries of `paths`.
    fn index_by_path(&self, paths: &[RepoPath]) -> Result<HashMap<RepoPath, IndexEntry>> {
        let entries = self.index(IndexScope::Paths(paths))?;
        if let Some(entry) = entries.iter().find(|entry| entry.stage != 0) {
            return Err(not_staged(&entry.path, "it is unmerged"));
        }
        Ok(entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
    }

    fn link_hash(&self, link: PathBuf) -> Result<GitOid> {
        let target = fs::read_link(&link).map_err(Error::io("read", link))?;
        self.hash_blob(target.as_os_str().as_bytes())
    }

    fn top(&self, action: &'static str) -> Result<&std::path::Path> {
        self.work_tree().ok_or_else(|| Error::Git {
            action,
            detail: format!("`{}` has no work tree here", self.git_dir.display()),
        })
    }
}

fn not_staged(path: &RepoPath, why: &str) -> Error {
    Error::Git { action: STAGE, detail: format!("`{path}` is not staged as it stands: {why}") }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Appends `path` as a line of `hash-object --stdin-paths`: in C quotes, for git reads a quote at
/// the front of a line as one and drops a carriage return at its end.
fn quote(path: &RepoPath, line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in path.as_bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                line.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            _ => line.push(*byte),
        }
    }
    line.extend_from_slice(b"\"\n");
}
