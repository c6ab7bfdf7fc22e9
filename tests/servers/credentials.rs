//! A wrong and a right password: neither is anywhere to be seen.

use crate::common::leaks::{Leaks, watch_processes};
use crate::common::server::PASSWORD;
use crate::{on, on_both};

const WRONG: &str = "wr0ng-and-s3cr3t";

const LINES: [&[&str]; 9] = [
    &["init"],
    &["store", "_codex_", "src/live.py", "--reason", "dead"],
    &["list"],
    &["status"],
    &["health-check", "--smoke"],
    &["config-show", "--origin"],
    &["fsck"],
    &["verify", "--all"],
    &["hook", "pre-commit"],
];

#[test]
fn neither_a_right_nor_a_wrong_password_is_seen() {
    on_both(|server| {
        let (repo, database) = on(server);
        let processes = watch_processes(&repo);
        let log = repo.world.path("log");
        let repo = repo
            .env("CODEX_ARCHIVE_LOG_LEVEL", "debug")
            .env("CODEX_ARCHIVE_LOG_FILE", log.to_str().unwrap());
        let mut leaks = Leaks::of(&[PASSWORD, WRONG]);
        leaks.in_outcome(&repo.archive(["init", "--hooks", "--repo", "_codex_"]).ok());
        repo.commit("archive");
        let wrong = server.url(&database).replace(PASSWORD, WRONG);
        let refused = repo.env("CODEX_ARCHIVE_URL", &wrong);
        for line in LINES {
            for more in [&[][..], &["--debug"], &["--json"]] {
                leaks.in_outcome(&refused.archive(line.iter().chain(more)));
                leaks.in_outcome(&repo.archive(line.iter().chain(more)));
            }
        }
        refused.archive(["health-check"]).fails(7).says("Status: ✗ FAILED");
        repo.archive(["health-check"]).ok().says("Status: ✓ OK");
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("STORE_FAIL") && text.contains("HEALTH_CHECK"), "{text}");
        assert_eq!(leaks.in_files(&log) + leaks.in_files(&processes), 2);
        leaks.in_repository(&repo);
        leaks.none();
    });
}
