//! `hooks install --strict`: what no other hook sees is seen before a branch moves.

use crate::common::TestRepo;

/// A stub at `src/old.py`, committed, and a branch `bad` on which somebody edited it past all hooks.
fn with_a_bad_branch() -> TestRepo {
    let repo = TestRepo::ready();
    repo.archive(["hooks", "install", "--strict"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    repo.git(["checkout", "-q", "-b", "bad"]).ok();
    repo.append("src/old.py", "# tidied up\n");
    let skipping = repo.env("CODEX_ARCHIVE_SKIP", "1");
    skipping.git(["commit", "-qam", "tidy"]).ok();
    repo.git(["checkout", "-q", "main"]).ok();
    repo
}

#[test]
fn no_way_to_a_branch_goes_past_it() {
    let repo = with_a_bad_branch();
    repo.file("src/more.py", "more\n").commit("more");
    let main = repo.git(["rev-parse", "main"]).ok().stdout;
    for line in [&["cherry-pick", "bad"][..], &["rebase", "-q", "main", "bad"]] {
        let refused = repo.git(line);
        assert_ne!(refused.code, 0, "{line:?}\n{refused}");
        assert!(refused.stderr.contains("[stub-malformed]"), "{line:?}\n{refused}");
        let _ = repo.git([line[0], "--abort"]);
        repo.git(["checkout", "-q", "-f", "main"]).ok();
    }
    repo.append("src/old.py", "# tidied up\n");
    let refused = repo.git(["commit", "-qam", "tidy", "--no-verify"]);
    assert_ne!(refused.code, 0, "{refused}");
    assert_eq!(repo.git(["rev-parse", "main"]).ok().stdout, main);
}

#[test]
fn whatever_is_well_goes_on() {
    let repo = with_a_bad_branch();
    repo.publish();
    repo.git(["checkout", "-q", "-b", "topic", "HEAD~1"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    repo.git(["rebase", "-q", "main"]).ok();
    repo.git(["checkout", "-q", "-b", "other", "main"]).ok();
    repo.git(["cherry-pick", "topic"]).ok();
    repo.git(["branch", "copy", "bad"]).ok();
    repo.git(["branch", "-D", "copy"]).ok();
    repo.git(["pack-refs", "--all"]).ok();
    repo.git(["gc", "-q"]).ok();
    repo.git(["fetch", "-q"]).ok();
    repo.git(["merge", "-q", "--no-edit", "topic"]).ok();
    repo.git(["reset", "-q", "--hard", "main"]).ok();
    repo.file("src/new.py", "new\n");
    repo.git(["add", "src/new.py"]).ok();
    repo.git(["stash", "-q"]).ok();
    repo.git(["stash", "pop", "-q"]).ok();
}

#[test]
fn it_is_shown_where_it_is_and_goes_with_the_others() {
    let repo = TestRepo::ready();
    let name = "reference-transaction";
    assert!(!repo.archive(["hooks", "status"]).ok().stdout.contains(name));
    assert!(repo.archive(["hooks", "install", "--strict"]).ok().stdout.contains(name));
    assert!(repo.archive(["hooks", "status", "--strict"]).ok().stdout.contains(name));
    assert!(repo.archive(["hooks", "uninstall"]).ok().stdout.contains(name));
    assert!(!repo.has(".git/hooks/reference-transaction"));
}
