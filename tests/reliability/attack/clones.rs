//! A cloned repository whose tracked configuration names places: nothing is opened, made or sent
//! there before this clone trusted it.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use super::harness::{Fence, archived, readers, tries, tries_with};
use crate::common::{TestRepo, have, run};
use crate::score::Score;

/// Every command, changing ones too.
fn lines(id: &str) -> Vec<Vec<String>> {
    let mut lines = readers(id);
    for line in [
        "init",
        "init --hooks",
        "store _codex_ src/live.py --reason dead",
        "restore ID out.py",
        "restore ID --stage",
        "drop ID --reason x",
        "undo",
        "reconcile",
        "fsck --repair",
        "evidence new-log",
        "hook pre-push",
        "hook pre-merge-commit",
        "hooks install",
    ] {
        lines.push(line.split(' ').map(|word| word.replace("ID", id)).collect());
    }
    lines
}

/// A clone of a repository with this configuration.
fn clone_with(config: &str) -> (TestRepo, String) {
    let (repo, id) = archived();
    repo.file(".codex/archive.toml", format!("[repo]\nlabel = \"_codex_\"\n{config}"));
    repo.link("way", "../outside");
    repo.git(["add", "-A"]).ok();
    repo.git(["commit", "-qnm", "places"]).ok();
    let outside = repo.world.path("outside");
    fs::create_dir_all(outside.join("journal")).unwrap();
    // An archive stands there that the victim can read; it must not be opened either.
    fs::copy(super::harness::archive_file(&repo), outside.join("there.sqlite")).unwrap();
    (repo.clone_to("clone"), id)
}

#[test]
fn a_tracked_file_sends_nothing_anywhere() {
    let mut score = Score::of("attack: tracked places");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let backend = |url: &str| format!("[backend]\nurl = \"{url}\"\n");
    let journal = |dir: &str| format!("[evidence]\ndir = \"{dir}\"\n");
    let cases = [
        (
            "another host",
            format!(
                "[backend]\nbackend = \"postgres\"\nurl = \"postgres://u:hunter2@127.0.0.1:{port}/x\"\n"
            ),
        ),
        ("another host, a word", backend(&format!("postgres://u:hunter2@127.0.0.1:{port}/x"))),
        ("mariadb", backend(&format!("mysql://u:hunter2@127.0.0.1:{port}/x"))),
        ("another protocol", backend(&format!("http://127.0.0.1:{port}/x"))),
        ("a relative path outside", backend("sqlite:///../outside/new.sqlite")),
        ("one that is there", backend("sqlite:///../outside/there.sqlite")),
        ("through inside", backend("sqlite:///src/../../outside/new.sqlite")),
        ("an absolute path", backend("sqlite:////WORLD/outside/new.sqlite")),
        ("home", backend("sqlite:///~/new.sqlite")),
        ("a URI", backend("sqlite:///file:../outside/new.sqlite?mode=rwc")),
        ("a link", backend("sqlite:///way/new.sqlite")),
        ("a link to one", backend("sqlite:///way/there.sqlite")),
        ("git's folder", backend("sqlite:///.git/hooks/post-commit")),
        ("git's folder, HFS", backend("sqlite:///.g\\u200Cit/hooks/post-commit")),
        ("memory", backend("sqlite://:memory:")),
        ("a journal outside", journal("../outside/journal")),
        ("an absolute journal", journal("/WORLD/outside/journal")),
        ("a journal through a link", journal("way/journal")),
        ("a journal in git's folder", journal(".git/hooks")),
        ("a log", "[logging]\nfile = \"../outside/log\"\n".to_owned()),
        ("results", "[batch]\nresults_path = \"../outside/results\"\n".to_owned()),
    ];
    for (n, (name, config)) in super::harness::some(&cases) {
        let (repo, id) = clone_with("");
        let world = repo.world.path(".").canonicalize().unwrap().display().to_string();
        let config = config.replace("/WORLD", &world);
        repo.file(".codex/archive.toml", format!("[repo]\nlabel = \"_codex_\"\n{config}"));
        repo.git(["commit", "-qnam", "places"]).ok();
        let fence = Fence::around(&repo.world, &["clone"]);
        let hooks = fs::read_dir(repo.common_dir().join("hooks")).unwrap().count();
        for line in super::harness::portion(lines(&id), n) {
            let tried = tries(&repo, &line);
            let mut held = tried.is_civil().and_then(|()| fence.holds());
            if listener.accept().is_ok() {
                held = Err("called another host".to_owned());
            }
            if tried.outcome.said("hunter2") {
                held = Err("showed a password".to_owned());
            }
            score.note(format!("{name}, {line:?}"), held);
        }
        for word in ["list", "store _codex_ src/live.py --reason dead"] {
            let uses = name.contains("log") || name.contains("results") || name.contains("home");
            let journal_only = name.contains("journal") && word == "list";
            let tried = tries(&repo, word.split(' '));
            let held = if uses || journal_only { tried.is_civil() } else { tried.is_refused() };
            score.note(format!("{name}, {word}"), held.and_then(|()| fence.holds()));
        }
        let now = fs::read_dir(repo.common_dir().join("hooks")).unwrap().flatten();
        let odd = now.filter(|it| it.file_name() == "post-commit").count();
        let held = if odd == 0 || hooks == 0 { Ok(()) } else { Err("a hook came".to_owned()) };
        score.note(format!("{name}, hooks"), held);
    }
    score.finish(50);
}

#[test]
fn trust_is_this_clones_and_holds_for_these_places_only() {
    let mut score = Score::of("attack: trust");
    let (repo, id) = clone_with("[backend]\nurl = \"sqlite:///../outside/there.sqlite\"\n");
    let there = repo.world.path("outside/there.sqlite");
    let bytes = || fs::read(&there).unwrap();
    let before = bytes();
    score.note("before", tries(&repo, ["cat", &id]).exits(8));
    score.note("before, list", tries(&repo, ["list"]).exits(8));
    score.note("untouched", if bytes() == before { Ok(()) } else { Err("changed".to_owned()) });
    // Neither a tracked file nor the environment of a hook can say that it is trusted.
    for text in ["[codexarchive]\ntrust = \"x\"\n", "[trust]\nplaces = true\n"] {
        repo.append(".codex/archive.toml", text);
        score.note(format!("{text:?}"), tries(&repo, ["list"]).exits(8));
        repo.git(["checkout", "-q", "--", ".codex/archive.toml"]).ok();
    }
    repo.git(["config", "codexarchive.trust", &"0".repeat(64)]).ok();
    score.note("a guessed trust", tries(&repo, ["list"]).exits(8));
    repo.git(["config", "--unset", "codexarchive.trust"]).ok();
    score.note("trusted", tries(&repo, ["init", "--trust"]).exits(0));
    score.note("then", tries(&repo, ["cat", &id]).exits(0));
    let kept = repo.git(["config", "--local", "codexarchive.trust"]).ok().stdout;
    let held = if kept.trim().len() == 64 { Ok(()) } else { Err(kept.clone()) };
    score.note("kept in git's configuration", held);
    // Another value, one more place, or a link in its stead: asked again.
    for config in [
        "[backend]\nurl = \"sqlite:///../outside/other.sqlite\"\n",
        "[backend]\nurl = \"sqlite:///../outside/there.sqlite\"\n[evidence]\ndir = \"../outside\"\n",
        "[backend]\nurl = \"postgres://h/x\"\n",
    ] {
        repo.file(".codex/archive.toml", format!("[repo]\nlabel = \"_codex_\"\n{config}"));
        let fence = Fence::around(&repo.world, &["clone"]);
        for line in ["list", "store _codex_ src/live.py --reason dead", "init"] {
            let held = tries(&repo, line.split(' ')).exits(8).and_then(|()| fence.holds());
            score.note(format!("{config:?}, {line}"), held);
        }
    }
    repo.git(["checkout", "-q", "--", ".codex/archive.toml"]).ok();
    score.note("the old value again", tries(&repo, ["cat", &id]).exits(0));
    let other = repo.clone_to("other");
    score.note("another clone", tries(&other, ["list"]).exits(8));
    score.finish(15);
}

/// What is refused is not even looked at.
#[test]
fn a_place_that_is_not_trusted_is_not_opened() {
    if !have("strace") {
        return;
    }
    let mut score = Score::of("attack: places not opened");
    let (repo, id) = clone_with(
        "[backend]\nurl = \"sqlite:///../outside/there.sqlite\"\n[evidence]\ndir = \"../outside/journal\"\n",
    );
    for line in [
        "list",
        "cat ID",
        "verify --all --deep",
        "status",
        "init",
        "store _codex_ src/live.py --reason dead",
        "hook pre-commit",
        "fsck",
        "restore ID x.py",
    ] {
        let log = repo.world.path("strace.log");
        let mut strace = repo.world.command("strace", &repo.top);
        strace.args(["-f", "-e", "trace=openat,open,creat,mkdir,mkdirat,connect", "-o"]).arg(&log);
        strace.arg("git-codex-archive").args(line.split(' ').map(|word| word.replace("ID", &id)));
        if run(strace, None).said("ptrace") {
            return;
        }
        let mut text = String::new();
        fs::File::open(&log).unwrap().read_to_string(&mut text).unwrap();
        let opened = text.lines().find(|it| {
            it.contains("there.sqlite") || it.contains("outside/journal") || it.contains("AF_INET")
        });
        let held = opened.map_or(Ok(()), |line| Err(line.to_owned()));
        score.note(line, held);
    }
    // The user's own word is enough: a variable is no tracked file.
    symlink(repo.world.path("outside"), repo.world.path("mine")).unwrap();
    let url = format!("sqlite:///{}", repo.world.path("outside/there.sqlite").display());
    let environment =
        [("CODEX_ARCHIVE_URL", url.as_str()), ("CODEX_EVIDENCE_DIR", ".codex/evidence")];
    let line = ["cat".into(), id.into()];
    score.note("by the environment", tries_with(&repo, &line, &environment, b"").exits(0));
    score.finish(10);
}
