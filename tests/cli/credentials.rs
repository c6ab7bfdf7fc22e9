//! A password is nowhere to be seen: not in answers, logs, evidence, files, or what `ps` shows.

use std::fs;
use std::net::TcpListener;

use crate::common::TestRepo;
use crate::common::leaks::{Leaks, watch_processes};

/// The password as a URL has it, and as it is.
const SPELLINGS: [&str; 2] = ["hu5h%2Bhu5h", "hu5h+hu5h"];

/// Another one, which a test types where all processes may see it.
const TYPED: [&str; 2] = ["typ3d%2Btyp3d", "typ3d+typ3d"];

/// Every command that may touch the archive; `@` is an item that nobody has.
const LINES: [&[&str]; 16] = [
    &["init", "--verbose"],
    &["init", "--trust", "--json"],
    &["store", "_codex_", "src/live.py", "--reason", "dead", "--by", "marc"],
    &["restore", "8f0c3f0a", "out.py", "--by", "marc"],
    &["list", "--json"],
    &["show", "8f0c3f0a"],
    &["status"],
    &["status", "--json"],
    &["health-check"],
    &["health-check", "--smoke", "--json"],
    &["config-show", "--origin", "--json"],
    &["config-show", "--debug"],
    &["fsck"],
    &["verify", "--all"],
    &["hooks", "status"],
    &["hook", "pre-commit"],
];

/// URLs of each kind of server at a port of this machine where nobody listens.
fn unreachable(password: &str) -> Vec<String> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = |scheme: &str| format!("{scheme}://codex:{password}@127.0.0.1:{port}/db");
    let query = format!("postgres://codex@127.0.0.1:{port}/db?password={password}");
    vec![url("postgresql"), url("mariadb"), query]
}

/// A repository that had an archive of its own, and now stands before a server.
fn before_a_server() -> TestRepo {
    let repo = TestRepo::with_history();
    let own = repo.env("CODEX_ARCHIVE_URL", "");
    own.archive(["init", "--hooks", "--repo", "_codex_"]).ok();
    own.commit("archive");
    own.store_one("src/old.py");
    repo
}

#[test]
fn an_unreachable_server_in_the_environment() {
    for (n, url) in unreachable(SPELLINGS[0]).iter().enumerate() {
        let repo = before_a_server();
        let processes = watch_processes(&repo);
        let mut leaks = Leaks::of(&SPELLINGS);
        for (format, log) in [("json", "log.json"), ("text", "log.txt")] {
            let log = repo.world.path(log);
            let repo = repo
                .env("CODEX_ARCHIVE_URL", url)
                .env("CODEX_ARCHIVE_LOG_LEVEL", "debug")
                .env("CODEX_ARCHIVE_LOG_FORMAT", format)
                .env("CODEX_ARCHIVE_LOG_FILE", log.to_str().unwrap());
            for line in LINES {
                leaks.in_outcome(&repo.archive(line));
                if n == 0 {
                    leaks.in_outcome(&repo.archive(line.iter().chain(&["--debug"])));
                }
            }
            let text = fs::read_to_string(&log).unwrap();
            assert!(text.contains("cannot connect to the archive"), "{text}");
            assert!(text.contains("codex:***@127.0.0.1") || n == 2, "{text}");
            assert_eq!(leaks.in_files(&log), 1);
        }
        assert_eq!(leaks.in_files(&processes), 1, "git was called");
        leaks.in_repository(&repo);
        leaks.none();
    }
}

#[test]
fn a_log_on_standard_error() {
    let url = &unreachable(SPELLINGS[0])[0];
    let repo =
        before_a_server().env("CODEX_ARCHIVE_URL", url).env("CODEX_ARCHIVE_LOG_LEVEL", "debug");
    let mut leaks = Leaks::of(&SPELLINGS);
    for line in LINES {
        let said = repo.archive(line);
        let form = if line.contains(&"--debug") { " debug " } else { "\"level\":\"debug\"" };
        assert!(said.stderr.contains(form), "{said}");
        leaks.in_outcome(&said);
    }
    leaks.none();
}

/// What somebody types is theirs; nobody else's arguments have it.
#[test]
fn a_url_on_the_command_line() {
    for url in unreachable(TYPED[0]) {
        let repo = TestRepo::with_history();
        let plain = repo.env("CODEX_ARCHIVE_URL", "");
        let processes = watch_processes(&repo);
        // The wrapper shall note the arguments of git alone.
        let script = repo.read(repo.world.path("bin/git"));
        let script = script.replace("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'; ", "");
        repo.script("../bin/git", &script);
        let mut leaks = Leaks::of(&TYPED);
        for more in [&[][..], &["--debug"], &["--json"], &["--trust"]] {
            // Not at the top, git is asked where the repository is.
            let folder = plain.top.join("src");
            let mut command = plain.world.command("git-codex-archive", &folder);
            command.env("CODEX_ARCHIVE_URL", "").args(["init", "--url", &url]).args(more);
            let said = crate::common::run(command, None).fails(8);
            let said = crate::common::Outcome { command: "init --url".to_owned(), ..said };
            leaks.in_outcome(&said);
        }
        assert_eq!(leaks.in_files(&processes), 1, "git was called");
        leaks.in_repository(&repo);
        leaks.none();
    }
}

#[test]
fn a_configuration_without_its_password() {
    let urls = unreachable(SPELLINGS[0]);
    for url in &urls[..2] {
        let repo = before_a_server();
        let masked = url.replace(SPELLINGS[0], "***");
        repo.file(".codex/archive.toml", format!("[backend]\nurl = \"{masked}\"\n"));
        let mut leaks = Leaks::of(&SPELLINGS);
        let repo = repo.env("CODEX_ARCHIVE_URL", url);
        for line in LINES {
            leaks.in_outcome(&repo.archive(line));
        }
        let shown = repo.archive(["config-show", "--json"]).ok();
        assert_eq!(shown.json()["url"], masked.as_str());
        leaks.in_repository(&repo);
        leaks.none();
        // Without the environment the placeholder is no password to try.
        let said = repo.env("CODEX_ARCHIVE_URL", "").archive(["list"]).fails(8);
        said.says("CODEX_ARCHIVE_URL").says(".codex/archive.toml:2");
    }
}
