//! The installed files run under /bin/sh here, against a binary that only tells what it got.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output, Stdio};

use super::*;

/// A git folder with a hooks folder, and a fake binary that appends what it gets to `calls`.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        for folder in ["repo.git/hooks", "repo.git/objects", "bin"] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        fs::write(world.path("repo.git/HEAD"), "ref: refs/heads/main\n").unwrap();
        world.script("bin/it's git-codex-archive", "binary", 0);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn hooks(&self) -> PathBuf {
        self.path("repo.git/hooks")
    }

    fn binary(&self) -> PathBuf {
        self.path("bin/it's git-codex-archive")
    }

    /// A script that notes its name, arguments and standard input, and exits with `code`. A child
    /// writes it: a thread that forks now would inherit our descriptor, and make the script busy.
    fn script(&self, name: &str, says: &str, code: i32) {
        let calls = self.path("calls").display().to_string();
        let text = format!("#!/bin/sh\necho \"{says}|$*|$(cat)\" >>'{calls}'\nexit {code}\n");
        let mut child = Command::new("/bin/sh")
            .args(["-c", "cat >\"$0\" && chmod 750 \"$0\""])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn install(&self, names: &[HookName]) -> Vec<Installed> {
        let report =
            install(&self.hooks(), None, &self.binary(), names, InstallMode::Normal).unwrap();
        report.hooks.into_iter().map(|(_, done)| done).collect()
    }

    fn run(&self, name: HookName, stdin: &str, variables: &[(&str, &str)]) -> Output {
        let mut child = Command::new("/bin/sh")
            .arg(self.hooks().join(name.as_str()))
            .args(["prepared", "two words"])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A hook that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn calls(&self) -> String {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        calls
    }

    /// Every name of the hooks folder with its mode and bytes.
    fn listing(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let entries =
            fs::read_dir(self.hooks()).map(|it| it.collect::<Vec<_>>()).unwrap_or_default();
        let mut files: Vec<_> = entries
            .into_iter()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let mode = path.symlink_metadata().unwrap().permissions().mode();
                let bytes = fs::read(&path).unwrap();
                (path, mode, bytes)
            })
            .collect();
        files.sort();
        files
    }
}

const PUSH: &str = "refs/heads/a 1 refs/heads/a 0\nrefs/heads/b 2 refs/heads/b 0\n\n";

#[test]
fn every_hook_runs_the_binary_with_its_arguments_and_input() {
    let world = World::new();
    assert_eq!(world.install(&HookName::ALL), vec![Installed::Installed; 6]);
    for name in HookName::ALL {
        let out = world.run(name, PUSH, &[]);
        assert!(out.status.success(), "{out:?}");
        assert_eq!(
            world.calls(),
            format!("binary|hook {name} prepared two words|{}\n", PUSH.trim_end())
        );
        let mode = world.hooks().join(name.as_str()).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

#[test]
fn what_was_there_runs_first_with_the_same_arguments_and_input() {
    for name in HookName::ALL {
        let world = World::new();
        world.script(&format!("repo.git/hooks/{name}"), "before", 0);
        let kept = world.hooks().join(format!("{name}.pre-codex-archive"));
        assert_eq!(world.install(&[name]), [Installed::Chained { kept }]);
        assert!(world.run(name, PUSH, &[]).status.success());
        let (first, second) = (
            format!("before|prepared two words|{}\n", PUSH.trim_end()),
            format!("binary|hook {name} prepared two words|"),
        );
        let calls = world.calls();
        assert!(calls.starts_with(&first) && calls.contains(&second), "{name}: {calls}");
        if matches!(name, HookName::PrePush | HookName::PreReceive | HookName::ReferenceTransaction)
        {
            assert_eq!(calls.matches(PUSH.trim_end()).count(), 2, "{calls}");
        }
    }
}

#[test]
fn the_first_failure_is_the_answer() {
    for name in [HookName::PreCommit, HookName::PrePush] {
        let world = World::new();
        world.script(&format!("repo.git/hooks/{name}"), "before", 3);
        world.install(&[name]);
        assert_eq!(world.run(name, PUSH, &[]).status.code(), Some(3));
        assert!(!world.calls().contains("binary"));

        world.script(&format!("repo.git/hooks/{name}.pre-codex-archive"), "before", 0);
        world.script("bin/it's git-codex-archive", "binary", 4);
        assert_eq!(world.run(name, PUSH, &[]).status.code(), Some(4));
    }
}

#[test]
fn skipping_skips_ours_alone_and_says_so() {
    let world = World::new();
    world.script("repo.git/hooks/pre-push", "before", 0);
    world.install(&[HookName::PrePush]);
    let out = world.run(HookName::PrePush, PUSH, &[("CODEX_ARCHIVE_SKIP", "1")]);
    assert!(out.status.success());
    assert!(String::from_utf8(out.stderr).unwrap().starts_with("warning: CODEX_ARCHIVE_SKIP=1"));
    let calls = world.calls();
    assert!(calls.contains("before") && !calls.contains("binary"), "{calls}");
    world.run(HookName::PrePush, PUSH, &[("CODEX_ARCHIVE_SKIP", "0")]);
    assert!(world.calls().contains("binary"));
}

#[test]
fn without_the_binary_it_looks_in_path_and_then_fails_with_advice() {
    let world = World::new();
    for name in [HookName::PreCommit, HookName::PrePush] {
        world.install(&[name]);
    }
    fs::remove_file(world.binary()).unwrap();
    let out = world.run(HookName::PreCommit, "", &[("PATH", "/nowhere")]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stderr).unwrap();
    for part in ["error: ", "install it again", "CODEX_ARCHIVE_SKIP=1", "rm '"] {
        assert!(text.contains(part), "{text}");
    }
    world.script("bin/git-codex-archive", "from PATH", 0);
    let path = format!("{}:/usr/bin:/bin", world.path("bin").display());
    assert!(world.run(HookName::PrePush, PUSH, &[("PATH", &path)]).status.success());
    assert_eq!(
        world.calls(),
        format!("from PATH|hook pre-push prepared two words|{}\n", PUSH.trim_end())
    );
}

#[test]
fn twice_changes_nothing_and_uninstalling_leaves_no_trace() {
    let world = World::new();
    world.script("repo.git/hooks/pre-commit", "before", 0);
    symlink("elsewhere", world.hooks().join("pre-merge-commit")).unwrap();
    fs::write(world.path("repo.git/hooks/elsewhere"), "#!/bin/sh\n").unwrap();
    fs::write(world.hooks().join("pre-push.sample"), "#!/bin/sh\n").unwrap();
    let before = world.listing();

    world.install(&HookName::CLIENT);
    let installed = world.listing();
    assert_eq!(world.install(&HookName::CLIENT), vec![Installed::Current; 4]);
    assert_eq!(world.listing(), installed);

    let report = uninstall(&world.hooks(), &HookName::ALL).unwrap();
    let done: Vec<_> = report.hooks.into_iter().map(|(_, done)| done).collect();
    use Uninstalled::{Absent, PutBack, Removed};
    assert_eq!(done, [PutBack, PutBack, Removed, Removed, Absent, Absent]);
    assert_eq!(world.listing(), before);
    assert!(world.hooks().join("pre-merge-commit").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn a_folder_that_installing_made_goes_again() {
    let world = World::new();
    fs::remove_dir(world.hooks()).unwrap();
    world.install(&[HookName::PrePush]);
    uninstall(&world.hooks(), &[HookName::PrePush]).unwrap();
    assert!(!world.hooks().exists());
}

#[test]
fn another_binary_a_lost_mode_and_a_killed_installation_are_mended() {
    let world = World::new();
    let name = [HookName::PreCommit];
    world.install(&name);
    let path = world.hooks().join("pre-commit");
    let good = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(status(&world.hooks(), &name).unwrap()[0].state, HookState::NotExecutable);
    assert_eq!(world.install(&name), [Installed::Updated]);
    let other = install(&world.hooks(), None, Path::new("/x"), &name, InstallMode::Normal).unwrap();
    assert_eq!(other.hooks[0].1, Installed::Updated);
    assert_eq!(world.install(&name), [Installed::Updated]);
    assert_eq!(fs::read(&path).unwrap(), good);
    // Killed between keeping the old hook and writing ours.
    fs::remove_file(&path).unwrap();
    world.script("repo.git/hooks/pre-commit.pre-codex-archive", "before", 0);
    assert!(matches!(world.install(&name)[..], [Installed::Chained { .. }]));
    assert!(status(&world.hooks(), &name).unwrap()[0].chained);
}

#[test]
fn hooks_that_people_changed_are_left() {
    let world = World::new();
    let name = [HookName::PreCommit];
    world.install(&name);
    let path = world.hooks().join("pre-commit");
    let edited = [fs::read(&path).unwrap(), b"echo more\n".to_vec()].concat();
    fs::write(&path, &edited).unwrap();
    assert!(matches!(world.install(&name)[..], [Installed::Left { .. }]));
    let report = uninstall(&world.hooks(), &name).unwrap();
    assert!(matches!(report.hooks[0].1, Uninstalled::Left { .. }));
    assert_eq!(fs::read(&path).unwrap(), edited);
    let forced = install(&world.hooks(), None, &world.binary(), &name, InstallMode::Force).unwrap();
    assert_eq!(forced.hooks[0].1, Installed::Updated);
}

#[test]
fn two_foreign_hooks_are_both_left() {
    let world = World::new();
    world.script("repo.git/hooks/pre-commit", "new", 0);
    world.script("repo.git/hooks/pre-commit.pre-codex-archive", "old", 0);
    let before = world.listing();
    assert!(matches!(world.install(&[HookName::PreCommit])[..], [Installed::Left { .. }]));
    let report = uninstall(&world.hooks(), &[HookName::PreCommit]).unwrap();
    assert!(matches!(report.hooks[0].1, Uninstalled::Left { .. }));
    assert_eq!(world.listing(), before);
}

#[test]
fn status_tells_how_a_hook_stands() {
    let world = World::new();
    let name = HookName::PreCommit;
    let state = || status(&world.hooks(), &[name]).unwrap()[0].state;
    let path = world.hooks().join("pre-commit");
    let foreign = |line: &str| {
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    assert_eq!(state(), HookState::Absent);
    world.install(&[name]);
    assert_eq!(state(), HookState::Live);
    // The pre-commit framework moves a hook to `.legacy` and runs it; lefthook to `.old`, and not.
    fs::rename(&path, world.hooks().join("pre-commit.legacy")).unwrap();
    foreign("exec pre-commit");
    assert_eq!(state(), HookState::Called);
    fs::rename(world.hooks().join("pre-commit.legacy"), world.hooks().join("pre-commit.old"))
        .unwrap();
    assert_eq!(state(), HookState::Displaced);
    uninstall(&world.hooks(), &[name]).unwrap();
    assert_eq!(world.listing().len(), 1);
    foreign("# git codex-archive hook pre-commit");
    assert_eq!(state(), HookState::Displaced);
    foreign("  git codex-archive hook pre-commit-msg");
    assert_eq!(state(), HookState::Displaced);
    foreign(&name.line());
    assert_eq!(state(), HookState::Called);
    assert_eq!(world.install(&[name]), [Installed::Current]);
    foreign("# git-codex-archive hook v0 pre-commit: old");
    assert_eq!(state(), HookState::Older);
}

#[test]
fn a_managers_or_tracked_folder_gets_nothing_written() {
    let world = World::new();
    let tree = world.path("tree");
    let names = [HookName::PreCommit];
    for (folder, file) in [(".husky/_", ".husky/pre-commit"), (".githooks", ".githooks/pre-commit")]
    {
        let folder = tree.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let report =
            install(&folder, Some(&tree), &world.binary(), &names, InstallMode::Normal).unwrap();
        assert!(report.by_hand.is_some());
        let expected = Installed::Manual {
            file: tree.join(file),
            line: "git codex-archive hook pre-commit \"$@\"".to_owned(),
        };
        assert_eq!(report.hooks[0].1, expected);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
    // git's own folder is inside the work tree too, and is not part of it.
    let git = tree.join(".git");
    fs::create_dir_all(git.join("objects")).unwrap();
    fs::write(git.join("HEAD"), "x").unwrap();
    let folder = git.join("hooks");
    let manual =
        install(&folder, Some(&tree), &world.binary(), &names, InstallMode::Manual).unwrap();
    assert!(matches!(manual.hooks[0].1, Installed::Manual { .. }) && !folder.exists());
    let report =
        install(&folder, Some(&tree), &world.binary(), &names, InstallMode::Normal).unwrap();
    assert_eq!(report.hooks[0].1, Installed::Installed);
    assert!(install(&folder, None, Path::new("relative"), &names, InstallMode::Normal).is_err());
}

#[test]
fn the_files_are_plain_sh_with_the_marker() {
    for name in HookName::ALL {
        let text = String::from_utf8(render(name, Path::new("/b"))).unwrap();
        let marker = format!("# git-codex-archive hook v{VERSION} {name}:");
        assert_eq!(text.lines().next(), Some("#!/bin/sh"));
        assert!(text.lines().nth(1).unwrap().starts_with(&marker), "{name}");
        assert!(
            text.contains("binary='/b'\n") && !text.contains('\r') && !text.contains("@BINARY@")
        );
        assert_eq!(name.as_str().parse::<HookName>().unwrap(), name);
    }
    assert!("post-commit".parse::<HookName>().is_err());
}
