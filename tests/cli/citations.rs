//! What a PR cites, and what CI says to it in a fresh clone without the archive.

use crate::common::{Outcome, TestRepo, id_of, sha256};

/// A published repository with a branch that archives, and the body that cites it.
fn with_branch() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    repo.publish();
    repo.git(["switch", "-qc", "prune"]).ok();
    repo.store(&["src/old.py"]);
    repo.try_commit("retire old").ok();
    let body = repo.archive(["evidence", "cite", "--range", "origin/main..HEAD"]).ok().stdout;
    (repo, body)
}

/// What CI of the forge says to `body`, in a fresh clone without an archive.
fn ci(repo: &TestRepo, body: &str) -> Outcome {
    repo.git(["push", "-q", "origin", "prune"]).ok();
    let name = format!("ci-{}", std::fs::read_dir(repo.world.path(".")).unwrap().count());
    let clone = repo.fresh_clone(&name);
    clone.git(["switch", "-q", "prune"]).ok();
    clone.file("body.md", body);
    let judged =
        clone.archive(["verify", "--range", "origin/main..HEAD", "--citations", "body.md"]);
    assert!(!clone.has(".codex/archive.sqlite"), "verify made an archive");
    assert!(!clone.common_dir().join("codex-archive").exists(), "verify made a folder");
    judged
}

#[test]
fn a_cited_change_is_accepted_without_an_archive() {
    let (repo, body) = with_branch();
    let id = id_of("_codex_", "src/old.py", b"print('old')\n");
    let line = repo.read(&repo.segments()[0]);
    let digest = sha256(line.trim_end().as_bytes());
    for words in [&id, "src/old.py", "pruned", "marc@example.com", &digest] {
        assert!(body.contains(words), "{words} is missing in:\n{body}");
    }
    assert!(body.contains(&format!("\nCodex-Evidence: {digest}\n")), "{body}");
    ci(&repo, &body).ok();
    ci(&repo, &format!("A pull request.\n\n{body}\nCloses #7\n")).ok();
}

#[test]
fn a_missing_or_wrong_digest_is_refused() {
    let (repo, body) = with_branch();
    ci(&repo, "no citation at all\n").fails(4);
    let digest = body.lines().find_map(|line| line.strip_prefix("Codex-Evidence: ")).unwrap();
    let wrong = sha256(b"wrong");
    ci(&repo, &body.replace(digest, &wrong)).fails(4).says(&wrong);
    ci(&repo, &format!("{body}\n{wrong}\n")).fails(4).says(&wrong);
    ci(&repo, &format!("{body}\nCodex-Evidence: none\n")).fails(4);
}

#[test]
fn a_digest_of_another_change_is_refused() {
    let (repo, body) = with_branch();
    repo.git(["push", "-q", "origin", "prune:main"]).ok();
    repo.git(["fetch", "-q"]).ok();
    repo.store(&["src/live.py"]);
    repo.try_commit("retire live").ok();
    let own = repo.archive(["evidence", "cite", "--range", "origin/main..HEAD"]).ok().stdout;
    ci(&repo, &own).ok();
    ci(&repo, &body).fails(4);
    ci(&repo, &format!("{own}\n{body}")).fails(4);
}

#[test]
fn citations_come_on_standard_input_too() {
    let (repo, body) = with_branch();
    let arguments = ["verify", "--range", "origin/main..HEAD", "--citations", "-"];
    repo.archive_fed(&arguments, &body).ok();
    repo.archive_fed(&arguments, "").fails(4);
    // The trailer may stand in the commits themselves.
    let trailer = body.lines().find(|line| line.starts_with("Codex-Evidence: ")).unwrap();
    repo.git(["commit", "-q", "--amend", "-m", "retire old", "-m", trailer]).ok();
    repo.types(
        "git log --format=%B origin/main..HEAD \
         | git codex-archive verify --range origin/main..HEAD --citations -",
    )
    .ok();
}
