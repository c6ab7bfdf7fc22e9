//! Backups of an archive on a server: a file that needs no server to be read.

use std::fs;

use crate::common::server::PASSWORD;
use crate::{on, on_both};

#[test]
fn a_servers_archive_goes_and_comes_back() {
    on_both(|server| {
        let (repo, _) = on(server);
        repo.archive(["init", "--repo", "_codex_"]).ok();
        repo.commit("archive");
        repo.store(&["src/old.py"]);
        repo.commit("retired");
        repo.archive(["hold", "set", "--path", "src/**", "--case", "LIT-7", "--reason", "x"]).ok();
        let dest = repo.world.path("backups");
        let line = ["--json", "backup", "create", "--dest", dest.to_str().unwrap()];
        let told = repo.archive(line).ok().json();
        assert!(!told.to_string().contains(PASSWORD), "{told}");
        let file = told["items"][0]["file"].as_str().unwrap().to_owned();
        assert_eq!(told["items"][0]["items"], 1);
        repo.archive(["backup", "verify", &file, "--deep"]).ok().says("Whole");
        let listed = repo.types(&format!("tar xzOf '{file}' .codex/MANIFEST.json")).ok().stdout;
        assert!(listed.contains(&format!("\"backend\": \"{}\"", repo_backend(&repo))), "{listed}");
        assert!(!listed.contains(PASSWORD), "{listed}");
        // It does not go into a server's place by itself.
        repo.archive(["backup", "restore", &file]).fails(6).says("--output");
        let out = repo.world.path("out.sqlite");
        repo.archive(["backup", "restore", &file, "--output", out.to_str().unwrap()]).ok();
        let url = server.url(&server.database());
        let from = format!("sqlite:///{}", out.display());
        let copied = repo.archive(["--json", "copy", "--from", &from, "--to", &url]).ok().json();
        assert_eq!(copied["items"]["copied"], 1, "{copied}");
        let there = repo.env("CODEX_ARCHIVE_URL", &url);
        there.archive(["restore", "src/old.py", "back.py"]).ok();
        assert_eq!(there.read("back.py"), "print('old')\n");
        there.archive(["hold", "list"]).ok().says("LIT-7");
        there.archive(["fsck"]).ok();
        assert!(fs::metadata(&out).is_ok());
    });
}

/// The word for the backend that the repository's archive is on.
fn repo_backend(repo: &crate::common::TestRepo) -> String {
    let told = repo.archive(["--json", "health-check"]).ok().json();
    told["backend"].as_str().unwrap().to_owned()
}
