//! Segments in git: each shows its own chain and name, the base shows the segment, the archive its
//! records, and a citation the last digest.

use crate::common::{TestRepo, sha256};
use crate::score::Score;

use super::chain::{Kind, edited, relink, text};
use super::scene::{Scene, says};

/// The segment of the deed with four records.
fn of_four(scene: &Scene) -> (String, Vec<String>) {
    let lines = |path: &String| -> Vec<String> {
        scene.repo.read(path).lines().map(str::to_owned).collect()
    };
    let all = scene.repo.segments().into_iter().map(|path| (path.clone(), lines(&path)));
    all.into_iter().find(|(_, lines)| lines.len() == 4).unwrap()
}

/// What a command says of a segment that was tampered with in place.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Edit | Kind::Insert => "edited",
        Kind::Delete => "deleted",
        Kind::Reorder => "reordered",
        Kind::Duplicate => "duplicate",
        Kind::Fork => "a fork",
        Kind::TruncateTail => "truncated",
        Kind::EditLast | Kind::RewriteToTheEnd => "edited",
        Kind::DropFile => "stub-without-record",
    }
}

/// The ten kinds: staged (the hook), committed past the hook (a range, everything), and against the
/// archive.
pub fn ten(score: &mut Score) {
    let scene = Scene::new();
    let (path, lines) = of_four(&scene);
    let base = scene.repo.head();
    for kind in Kind::ALL {
        let at = if kind == Kind::Delete { 2 } else { 1 };
        match kind.to(&lines, at) {
            Some(lines) => drop(scene.repo.file(&path, text(&lines)).git(["add", &path]).ok()),
            None => drop(scene.repo.git(["rm", "-q", &path]).ok()),
        }
        let rule = if kind == Kind::DropFile { "segment-missing" } else { "segment-changed" };
        let commit = scene.repo.try_commit("tampered");
        score.note(format!("{kind:?}: commit"), says(&commit, 1, &[rule, &path]));
        scene.repo.git(["commit", "-qnm", "tampered"]).ok();
        let range = format!("{base}..HEAD");
        let told = scene.says(&["verify", "--range", &range, "--offline"], 4, &[rule, &path]);
        score.note(format!("{kind:?}: verify --range"), told);
        let told = scene.says(&["verify", "--all", "--offline"], 4, &[name(kind)]);
        score.note(format!("{kind:?}: verify --all"), told);
        if kind != Kind::DropFile {
            let told = scene.says(&["evidence", "verify"], 4, &["segment-invalid", name(kind)]);
            score.note(format!("{kind:?}: evidence verify"), told);
        }
        scene.repo.git(["reset", "-q", "--hard", &base]).ok();
    }
    under_its_new_name(&scene, score);
    score.note("as it was", scene.is_well());
}

/// A rewritten segment under the name that follows from it is a segment: what it replaced is
/// missing, and the archive knows another record.
fn under_its_new_name(scene: &Scene, score: &mut Score) {
    let (path, lines) = of_four(scene);
    for (what, rewritten) in [
        ("rewritten", rewritten(&lines)),
        ("cut", lines[..2].to_vec()),
        ("its last line edited", Kind::EditLast.to(&lines, 0).unwrap()),
    ] {
        let new = named(&path, &rewritten);
        scene.repo.git(["rm", "-q", &path]).ok();
        scene.repo.file(&new, text(&rewritten)).git(["add", &new]).ok();
        let told = scene.repo.try_commit("rewritten");
        score.note(format!("{what}, renamed: commit"), says(&told, 1, &["segment-missing"]));
        let told = scene.program(&["evidence", "verify"]);
        let held = match what {
            // Each record that is left is the archive's own.
            "cut" => Ok(()),
            _ => says(&told, 4, &["another successor"])
                .or_else(|_| says(&told, 4, &["segment-differs"])),
        };
        score.note(format!("{what}, renamed: evidence verify"), held);
        scene.reset();
    }
}

fn rewritten(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines[1] = edited(&lines[1]);
    relink(&mut lines, 2);
    lines
}

fn named(old: &str, lines: &[String]) -> String {
    let (folder, _) = old.rsplit_once('/').unwrap();
    format!("{folder}/{}.jsonl", &sha256(lines.last().unwrap().as_bytes())[..16])
}

/// Somebody who can write everywhere here rewrites everything: only what they cannot reach tells.
pub fn all_copies(score: &mut Score) {
    let scene = Scene::new();
    let published = scene.repo.publish();
    let (path, lines) = of_four(&scene);
    let cited = sha256(lines[3].as_bytes());
    let new = rewritten(&lines);
    published.git(["rm", "-q", &path]).ok();
    published.file(named(&path, &new), text(&new)).git(["add", "-A"]).ok();
    published.git(["commit", "-qnm", "history as I like it"]).ok();
    let told = scene.says(&["verify", "--range", "origin/main..HEAD"], 4, &["segment-missing"]);
    score.note("the branch that a remote has", told);
    let push = published.git(["push", "-q", "origin", "main"]);
    score.note("the push", says(&push, 1, &["segment-missing"]));
    let before = published.git(["rev-parse", ":/archive"]).ok().stdout.trim().to_owned();
    let range = format!("{before}..HEAD");
    let body = published.archive(["evidence", "cite", "--range", &range]).ok().stdout;
    let told = published.archive_fed(
        &["verify", "--range", &range, "--citations", "-", "--offline"],
        &format!("{body}\nReviewed with {cited}.\n"),
    );
    score.note("a digest that was cited", says(&told, 4, &["citation-unknown", &cited]));
}

/// Branches, clones and merges.
pub fn no_alarm(score: &mut Score) {
    let repo = TestRepo::ready();
    for name in ["one", "two", "three"] {
        repo.file(format!("{name}.py"), format!("print('{name}')\n"));
    }
    repo.commit("files");
    repo.publish();
    let other = repo.fresh_clone("other");
    other.archive(["init", "--hooks"]).ok();
    repo.git(["switch", "-qc", "side"]).ok();
    repo.store(&["one.py"]);
    repo.try_commit("one").ok();
    repo.git(["switch", "-q", "main"]).ok();
    repo.store(&["two.py"]);
    repo.try_commit("two").ok();
    other.store(&["three.py", "two.py"]);
    other.try_commit("three").ok();
    other.git(["push", "-q", "origin", "main"]).ok();
    let merges: [&[&str]; 3] = [
        &["merge", "-q", "--no-edit", "side"],
        &["pull", "-q", "--no-rebase", "--no-edit"],
        &["push", "-q", "origin", "main"],
    ];
    for merge in merges {
        let told = repo.git(merge);
        score.note(merge.join(" "), says(&told, 0, &[]));
        for line in [&["verify", "--all", "--deep"][..], &["evidence", "verify"], &["fsck"]] {
            score.note(line.join(" "), says(&repo.archive(line), 0, &[]));
        }
    }
    let told = other.git(["pull", "-q", "--no-rebase", "--no-edit"]);
    score.note("the other clone pulls", says(&told, 0, &[]));
    score.note("and verifies", says(&other.archive(["evidence", "verify"]), 0, &[]));
}
