//! A repository of a test, told in sentences.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{Outcome, Snapshot, World};

/// A repository in a world of its own, or in that of the repository it was cloned from.
#[derive(Debug, Clone)]
pub struct TestRepo {
    /// The world around it.
    pub world: Arc<World>,
    /// The top of its work tree.
    pub top: PathBuf,
    cwd: PathBuf,
    env: Vec<(String, String)>,
    user: Option<u32>,
}

impl TestRepo {
    /// An empty repository on branch `main`.
    pub fn new() -> Self {
        Self::named("repo")
    }

    /// An empty repository in a folder of this name.
    pub fn named(name: &str) -> Self {
        let repo = Self::plain_folder(name);
        repo.git(["init", "-q", "-b", "main"]).ok();
        repo.configured()
    }

    /// A folder that is no repository.
    pub fn plain_folder(name: &str) -> Self {
        let world = Arc::new(World::new());
        let top = world.path(name);
        fs::create_dir(&top).unwrap();
        Self { world, cwd: top.clone(), top, env: Vec::new(), user: None }
    }

    /// A repository with one archived-to-be file and one more, committed.
    pub fn with_history() -> Self {
        let repo = Self::new();
        repo.file("src/old.py", "print('old')\n").file("src/live.py", "print('live')\n");
        repo.commit("one");
        repo
    }

    /// The same, with archive and hooks, and a commit of what `init` wrote.
    pub fn ready() -> Self {
        let repo = Self::with_history();
        repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        repo
    }

    fn configured(self) -> Self {
        self.identity("Marc", "marc@example.com");
        self
    }

    /// Gives the repository's owner a name.
    pub fn identity(&self, name: &str, email: &str) -> &Self {
        let path = self.common_dir().join("config");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(&format!("[user]\n\tname = {name}\n\temail = {email}\n"));
        text.push_str("[advice]\n\tdefaultBranchName = false\n[gc]\n\tauto = 0\n");
        fs::write(path, text).unwrap();
        self
    }

    /// The same repository with one more environment variable.
    pub fn env(&self, name: &str, value: &str) -> Self {
        let mut repo = self.clone();
        repo.env.push((name.to_owned(), value.to_owned()));
        repo
    }

    /// The same repository as another user of the system types in it; only root may say so.
    pub fn as_user(&self, uid: u32) -> Self {
        let mut repo = self.clone();
        repo.user = Some(uid);
        repo
    }

    /// The same repository, seen from a folder of it.
    pub fn at(&self, folder: &str) -> Self {
        let mut repo = self.clone();
        repo.cwd = self.top.join(folder);
        repo
    }

    /// A clone by `git clone file://…`, in the same world.
    pub fn clone_to(&self, name: &str) -> Self {
        let url = format!("file://{}", self.top.display());
        self.clone_of(&url, name)
    }

    /// A clone of `url`, in the same world.
    pub fn clone_of(&self, url: &str, name: &str) -> Self {
        let top = self.world.path(name);
        let mut git = self.world.command("git", &self.world.path("."));
        git.args(["clone", "-q", url]).arg(&top);
        run(git, None).ok();
        Self { world: self.world.clone(), cwd: top.clone(), top, env: Vec::new(), user: None }
            .configured()
    }

    /// A bare repository beside this one, which this one calls `origin`, and which has its `main`.
    pub fn publish(&self) -> &Self {
        let bare = self.world.path("origin.git");
        let mut git = self.world.command("git", &self.world.path("."));
        git.args(["init", "-q", "--bare", "-b", "main"]).arg(&bare);
        run(git, None).ok();
        let url = format!("file://{}", bare.display());
        self.git(["remote", "add", "origin", &url]).ok();
        self.git(["push", "-q", "-u", "origin", "main"]).ok();
        self
    }

    /// A fresh clone of what was published.
    pub fn fresh_clone(&self, name: &str) -> Self {
        let url = format!("file://{}", self.world.path("origin.git").display());
        self.clone_of(&url, name)
    }

    /// A linked worktree on a new branch.
    pub fn worktree(&self, name: &str) -> Self {
        let top = self.world.path(name);
        self.git([OsStr::new("worktree"), "add".as_ref(), "-q".as_ref(), top.as_ref()]).ok();
        Self {
            world: self.world.clone(),
            cwd: top.clone(),
            top,
            env: self.env.clone(),
            user: self.user,
        }
    }

    /// What stands in another folder of this world.
    pub fn beside(&self, name: &str) -> Self {
        let top = self.world.path(name);
        Self { world: self.world.clone(), cwd: top.clone(), top, env: Vec::new(), user: None }
    }

    /// Where git keeps what worktrees share; `.git` where there is no repository.
    pub fn common_dir(&self) -> PathBuf {
        let own = self.top.join(".git");
        if own.is_dir() || !own.exists() {
            return own;
        }
        let told = self.git(["rev-parse", "--path-format=absolute", "--git-common-dir"]).ok();
        PathBuf::from(told.stdout.trim_end())
    }

    // Files.

    /// Writes a file; folders are made.
    pub fn file(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.top.join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds to the end of a file.
    pub fn append(&self, name: &str, content: &str) -> &Self {
        let mut file = fs::OpenOptions::new().append(true).open(self.top.join(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        self
    }

    /// Writes an executable file.
    pub fn script(&self, name: &str, content: &str) -> &Self {
        self.file(name, content);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.top.join(name), mode).unwrap();
        self
    }

    /// Makes a symbolic link.
    pub fn link(&self, name: &str, target: &str) -> &Self {
        let path = self.top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Deletes a file.
    pub fn remove(&self, name: &str) -> &Self {
        fs::remove_file(self.top.join(name)).unwrap();
        self
    }

    /// A file's content.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8_lossy(&self.bytes(name)).into_owned()
    }

    /// A file's bytes.
    #[track_caller]
    pub fn bytes(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.top.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Whether there is anything by this name.
    pub fn has(&self, name: impl AsRef<Path>) -> bool {
        fs::symlink_metadata(self.top.join(name)).is_ok()
    }

    /// Whether a file is executable.
    pub fn is_executable(&self, name: &str) -> bool {
        fs::metadata(self.top.join(name)).unwrap().permissions().mode() & 0o100 != 0
    }

    // Commands.

    pub fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program, &self.cwd);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(uid) = self.user {
            std::os::unix::process::CommandExt::uid(&mut command, uid);
            std::os::unix::process::CommandExt::gid(&mut command, uid);
        }
        command
    }

    /// Runs git.
    #[must_use = "it may have failed"]
    pub fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let mut git = self.command("git");
        git.args(arguments);
        run(git, None)
    }

    /// Runs `git codex-archive`.
    #[must_use = "it may have failed"]
    pub fn archive<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let mut git = self.command("git");
        git.arg("codex-archive").args(arguments);
        run(git, None)
    }

    /// Runs `git codex-archive` with something on its standard input.
    #[must_use = "it may have failed"]
    pub fn archive_fed(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut git = self.command("git");
        git.arg("codex-archive").args(arguments);
        run(git, Some(input.as_bytes()))
    }

    /// Runs a line as a person would type it.
    #[must_use = "it may have failed"]
    pub fn types(&self, line: &str) -> Outcome {
        let mut shell = self.command("bash");
        shell.args(["-c", line]);
        run(shell, None)
    }

    /// Stages everything and commits it, hooks and all.
    #[track_caller]
    pub fn commit(&self, message: &str) -> &Self {
        self.git(["add", "-A"]).ok();
        self.try_commit(message).ok();
        self
    }

    /// Commits what is staged, hooks and all.
    #[must_use = "it may have failed"]
    pub fn try_commit(&self, message: &str) -> Outcome {
        self.world.tick();
        self.git(["commit", "-q", "-m", message])
    }

    /// Archives `paths` for the reason `pruned`; gives what `store` prints for programs.
    #[track_caller]
    pub fn store(&self, paths: &[&str]) -> Value {
        let mut arguments = vec!["store", "_codex_"];
        arguments.extend(paths);
        arguments.extend(["--reason", "pruned"]);
        self.archive(arguments).ok().json()
    }

    /// The same for one path; gives its archive id.
    #[track_caller]
    pub fn store_one(&self, path: &str) -> String {
        let told = self.store(&[path]);
        told["items"][0]["tombstone"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    // What stands where.

    /// The commit of HEAD.
    #[track_caller]
    pub fn head(&self) -> String {
        self.git(["rev-parse", "HEAD"]).ok().stdout.trim_end().to_owned()
    }

    /// What is staged, as `git diff --cached --name-status` tells it.
    pub fn staged(&self) -> Vec<String> {
        let told = self.git(["diff", "--cached", "--name-status", "--no-renames"]).ok().stdout;
        told.lines().map(|line| line.replace('\t', " ")).collect()
    }

    /// Segments in the index, in order.
    pub fn segments(&self) -> Vec<String> {
        let told = self.git(["ls-files", "--", ":/.codex/evidence/segments"]).ok().stdout;
        told.lines().map(str::to_owned).collect()
    }

    /// What `git status` says of the work tree; empty when all is committed.
    pub fn status(&self) -> String {
        self.git(["status", "--porcelain"]).ok().stdout
    }

    /// The journal's lines.
    pub fn journal(&self) -> Vec<String> {
        let path = self.common_dir().join("codex-archive/archive_ops.jsonl");
        fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The actions of the journal, in order.
    pub fn actions(&self) -> Vec<String> {
        let action = |line: &String| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["action"].as_str().unwrap().to_owned()
        };
        self.journal().iter().map(action).collect()
    }

    /// What the sqlite3 program answers on `.codex/archive.sqlite`.
    #[track_caller]
    pub fn sql(&self, query: &str) -> String {
        let mut sqlite = self.command("sqlite3");
        sqlite.args([".codex/archive.sqlite", query]).current_dir(&self.top);
        run(sqlite, None).ok().stdout
    }

    /// Everything that must not change unasked.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self)
    }

    /// Runs `deed`, which must leave everything as it is.
    #[track_caller]
    pub fn unchanged<T>(&self, deed: impl FnOnce(&Self) -> T) -> T {
        let before = self.snapshot();
        let done = deed(self);
        let changed = before.difference(&self.snapshot());
        assert!(changed.is_empty(), "changed: {changed:?}");
        done
    }

    /// Runs `deed`, which may be recorded and must leave everything else as it is.
    #[track_caller]
    pub fn unchanged_but_recorded<T>(&self, deed: impl FnOnce(&Self) -> T) -> T {
        let before = self.snapshot().without_records();
        let done = deed(self);
        let changed = before.difference(&self.snapshot().without_records());
        assert!(changed.is_empty(), "changed: {changed:?}");
        done
    }

    /// Temporary files of ours that were left anywhere.
    pub fn litter(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.top.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if entry.file_name().to_string_lossy().contains("codex-tmp") {
                    found.push(path);
                }
            }
        }
        found
    }

    /// All is well: git's objects, stubs, evidence, archive; nothing is left lying about.
    #[track_caller]
    pub fn is_well(&self) -> &Self {
        self.git(["fsck", "--strict", "--no-dangling"]).ok();
        self.archive(["verify", "--all", "--deep"]).ok();
        self.archive(["fsck"]).ok();
        assert_eq!(self.litter(), Vec::<PathBuf>::new());
        self
    }
}

impl Default for TestRepo {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `command` to its end.
#[must_use = "it may have failed"]
pub fn run(mut command: Command, input: Option<&[u8]>) -> Outcome {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let typed = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command).unwrap_or_else(|error| panic!("{typed}: {error}"));
    if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that does not read all of it may have closed the pipe.
        let _ = stdin.write_all(bytes);
    }
    Outcome::of(typed, child.wait_with_output().unwrap())
}

/// Starts `command`. A program that a test has just written cannot be started as long as the child of
/// another test, which was forked meanwhile, has the file open: until that starts its own program.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..100 {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
    command.spawn()
}
