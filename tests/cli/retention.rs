//! Retention of items: what is found, what is never taken, and how a plan is carried out.

use serde_json::Value;

use crate::common::{Outcome, TestRepo, is_embedded, sha256, stub_of};
use crate::pinned::pin;
use crate::signed::{approved_by_keys, with_key};

const PLAN: [&str; 6] = ["retention", "plan", "--of", "items", "--output", "plan.json"];
const APPLY: [&str; 9] =
    ["retention", "apply", "plan.json", "--by", "ann", "--second", "bob", "--reason", "yearly"];

/// Content that shares no piece with that of another file.
fn content(name: &str) -> String {
    (0..20).map(|n| sha256(format!("{name} {n}").as_bytes()) + "\n").collect()
}

/// A repository with these files, archived with a last day that has passed and given up.
pub fn outdated(paths: &[&str]) -> TestRepo {
    let repo = TestRepo::ready();
    for path in paths {
        repo.file(path, content(path));
    }
    repo.commit("files");
    store(&repo, paths, &["--delete-after", "2020-01-01"]);
    repo.try_commit("retire").ok();
    give_up(&repo, paths);
    repo
}

fn store(repo: &TestRepo, paths: &[&str], more: &[&str]) {
    let line = [&["store", "_codex_"], paths, &["--reason", "dead"], more].concat();
    repo.archive(line).ok();
}

fn give_up(repo: &TestRepo, paths: &[&str]) {
    for path in paths {
        repo.archive(["drop", path, "--reason", "unused"]).ok();
    }
    repo.try_commit("give up").ok();
}

fn plan(repo: &TestRepo) -> Value {
    repo.archive(["retention", "plan", "--of", "items", "--json"]).json()
}

/// The paths that would go, in order.
fn candidates(plan: &Value) -> Vec<&str> {
    let mut paths: Vec<&str> = plan["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    paths.sort_unstable();
    paths
}

/// The paths that are kept although the rules fit, with what keeps them.
fn kept(plan: &Value) -> Vec<String> {
    let all = plan["kept"].as_array().unwrap().iter();
    all.map(|it| format!("{} {}", it["path"].as_str().unwrap(), it["protection"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn refused(repo: &TestRepo, why: &str) -> Outcome {
    let told = repo.unchanged_but_recorded(|repo| repo.archive(APPLY).fails(6));
    told.says(why)
}

#[test]
fn a_plan_is_approved_and_carried_out() {
    let repo = outdated(&["src/a.py", "src/b.py", "src/held.py"]);
    repo.archive(["hold", "set", "--path", "src/held.py", "--case", "C-1", "--reason", "suit"])
        .ok();
    repo.try_commit("hold").ok();
    let told = repo
        .unchanged_but_recorded(|repo| repo.archive(["retention", "plan", "--of", "items"]).ok());
    pin("retention-plan-items", &repo, &told);
    let told = repo.archive(PLAN).ok();
    pin("retention-plan-output", &repo, &told);
    let waits = ["retention", "apply", "plan.json", "--by", "ann", "--reason", "yearly"];
    let told = repo.archive(waits).fails(3);
    pin("retention-apply-waits", &repo, &told);
    repo.archive(waits).fails(3).says("Waits for a second approval");
    repo.archive(["cat", "src/a.py"]).ok();
    let told = repo.archive(APPLY).ok();
    if is_embedded() {
        pin("retention-apply", &repo, &told);
    }
    for path in ["src/a.py", "src/b.py"] {
        repo.archive(["cat", path]).fails(6).says("purged");
    }
    repo.archive(["cat", "src/held.py"]).ok();
    let actions = repo.actions();
    let end = &actions[actions.len() - 6..];
    assert_eq!(end, ["APPROVE", "APPROVE", "PURGE", "PURGE", "RETENTION_APPLY", "RETENTION_APPLY"]);
    repo.try_commit("retention").ok();
    repo.archive(["verify", "--all"]).ok();
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    // Done once is done.
    let told = repo.unchanged(|repo| repo.archive(APPLY).ok());
    if is_embedded() {
        pin("retention-apply-again", &repo, &told);
    }
    assert_eq!(candidates(&plan(&repo)), [""; 0]);
}

#[test]
fn a_stub_at_any_tip_keeps_its_item() {
    let repo = outdated(&["a.py", "b.py"]);
    assert_eq!(candidates(&plan(&repo)), ["a.py", "b.py"]);
    let retired = repo.git(["rev-parse", "HEAD~1"]).ok().stdout;
    let retired = retired.trim_end();
    let stubbed = || kept(&plan(&repo));
    let both = ["a.py stubbed", "b.py stubbed"];
    repo.git(["branch", "other", retired]).ok();
    assert_eq!(stubbed(), both, "a local branch");
    repo.git(["branch", "-D", "other"]).ok();
    assert_eq!(stubbed(), [""; 0]);
    repo.git(["update-ref", "refs/remotes/origin/main", retired]).ok();
    assert_eq!(stubbed(), both, "a remote-tracking branch");
    repo.git(["update-ref", "-d", "refs/remotes/origin/main"]).ok();
    let top = repo.world.path("beside");
    repo.git(["worktree", "add", "-q", "--detach", top.to_str().unwrap(), retired]).ok();
    assert_eq!(stubbed(), both, "a work tree without a branch");
    repo.git(["worktree", "remove", "--force", top.to_str().unwrap()]).ok();
    repo.git(["tag", "old", retired]).ok();
    assert_eq!(stubbed(), [""; 0], "a tag is history");
    let stub = repo.git(["show", &format!("{retired}:a.py")]).ok().stdout;
    repo.file("moved/elsewhere.txt", &stub);
    assert_eq!(stubbed(), [""; 0], "git knows nothing of it yet");
    repo.git(["add", "moved"]).ok();
    assert_eq!(stubbed(), ["a.py stubbed"], "staged, wherever it stands");
    repo.file("moved/elsewhere.txt", stub.replace("size: ", "size:  ")).git(["add", "moved"]).ok();
    assert_eq!(stubbed(), ["a.py stubbed"], "and edited");
    assert_eq!(candidates(&plan(&repo)), ["b.py"]);
}

#[test]
fn what_is_restricted_held_or_shared_stays() {
    let repo = outdated(&["a.py", "held.py"]);
    repo.file("secret.py", content("secret")).file("copy.py", content("a.py")).commit("more");
    store(&repo, &["secret.py"], &["--delete-after", "2020-01-01", "--restricted"]);
    store(&repo, &["copy.py"], &[]);
    repo.try_commit("retire more").ok();
    give_up(&repo, &["secret.py", "copy.py"]);
    let hold = ["hold", "set", "--sha256", &sha256(content("held.py").as_bytes())];
    repo.archive([&hold[..], &["--case", "C", "--reason", "r"]].concat()).ok();
    let told = plan(&repo);
    assert_eq!(kept(&told), ["a.py shared", "held.py held", "secret.py restricted"]);
    assert_eq!(candidates(&told), [""; 0]);
    // The copy goes with it once its own last day has passed.
    repo.file("copy.py", content("a.py")).commit("again");
    store(&repo, &["copy.py"], &["--delete-after", "2021-12-31"]);
    repo.try_commit("retire again").ok();
    give_up(&repo, &["copy.py"]);
    assert_eq!(candidates(&plan(&repo)), ["a.py", "copy.py"]);
    repo.archive(PLAN).ok();
    let told = repo.archive([&APPLY[..], &["--json"]].concat()).ok().json();
    assert_eq!(told["purged"].as_array().unwrap().len(), 2, "{told}");
    for path in ["a.py", "copy.py"] {
        repo.archive(["cat", path]).fails(6).says("purged");
    }
    repo.archive(["cat", "held.py"]).ok();
    repo.archive(["fsck"]).ok();
}

#[test]
fn age_counts_from_the_last_archive_and_is_narrowed() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::ready();
    for path in ["docs/a.md", "docs/b.md", "src/c.py"] {
        repo.file(path, content(path));
    }
    repo.commit("files");
    store(&repo, &["docs/a.md", "src/c.py"], &["--tag", "tmp"]);
    store(&repo, &["docs/b.md"], &[]);
    repo.try_commit("retire").ok();
    give_up(&repo, &["docs/a.md", "docs/b.md", "src/c.py"]);
    let told = repo.archive(["retention", "plan", "--of", "items"]).ok();
    pin("retention-plan-nothing-set", &repo, &told);
    repo.sql("UPDATE batch SET at = '2020-01-01T00:00:00.000Z'");
    assert_eq!(candidates(&plan(&repo)), [""; 0], "nothing is too old where nothing says so");
    let rules = |text: &str| {
        repo.file(".codex/archive.toml", format!("[repo]\nlabel = \"_codex_\"\n{text}"));
    };
    rules("[retention.items]\nmax_age_days = 30\n");
    assert_eq!(candidates(&plan(&repo)), ["docs/a.md", "docs/b.md", "src/c.py"]);
    rules("[retention.items]\nmax_age_days = 30\npaths = [\"docs/**\"]\n");
    assert_eq!(candidates(&plan(&repo)), ["docs/a.md", "docs/b.md"]);
    rules("[retention.items]\nmax_age_days = 30\npaths = [\"docs/**\"]\ntags = [\"tmp\"]\n");
    assert_eq!(candidates(&plan(&repo)), ["docs/a.md"]);
    rules("[retention.items]\nmax_age_days = 36500\n");
    assert_eq!(candidates(&plan(&repo)), [""; 0]);
    // Archived again: its age begins anew.
    rules("[retention.items]\nmax_age_days = 30\n");
    repo.file("docs/a.md", content("docs/a.md")).commit("back");
    store(&repo, &["docs/a.md"], &[]);
    repo.try_commit("retire again").ok();
    give_up(&repo, &["docs/a.md"]);
    assert_eq!(candidates(&plan(&repo)), ["docs/b.md", "src/c.py"]);
}

#[test]
fn rules_that_make_no_sense() {
    let repo = outdated(&["a.py"]);
    for (name, text) in [
        ("paths-alone", "[retention.items]\npaths = [\"docs/**\"]\n"),
        ("bad-pattern", "[retention.items]\nmax_age_days = 3\npaths = [\"a[\"]\n"),
        ("zero-days", "[retention.items]\nmax_age_days = 0\n"),
        ("empty-list", "[retention.items]\nmax_age_days = 3\ntags = []\n"),
        ("unknown-key", "[retention.items]\nmax_age = 3\n"),
    ] {
        repo.file(".codex/archive.toml", format!("[repo]\nlabel = \"_codex_\"\n{text}"));
        let told =
            repo.unchanged(|repo| repo.archive(["retention", "plan", "--of", "items"]).fails(8));
        pin(&format!("retention-{name}"), &repo, &told);
    }
    repo.git(["checkout", "-q", ".codex/archive.toml"]).ok();
    let line = ["retention", "plan", "--of", "items", "--project", "p"];
    pin("retention-project-of-items", &repo, &repo.unchanged(|repo| repo.archive(line).fails(2)));
}

#[test]
fn a_plan_that_is_not_so_any_more_is_refused() {
    let repo = outdated(&["a.py", "b.py"]);
    repo.archive(PLAN).ok();
    repo.archive(["retention", "apply", "plan.json", "--by", "ann", "--reason", "yearly"]).fails(3);
    // Held since it was approved for the first time.
    let hold = ["hold", "set", "--path", "a.py", "--case", "C", "--reason", "r"];
    repo.archive(hold).ok();
    let told = refused(&repo, "(a.py) is held");
    pin("retention-mismatch", &repo, &told);
    let release =
        ["hold", "release", "--case", "C", "--by", "ann", "--second", "bob", "--reason", "r"];
    repo.archive(release).ok();
    // Its stub stands again.
    repo.git(["branch", "old", "HEAD~1"]).ok();
    refused(&repo, "is stubbed");
    repo.git(["branch", "-D", "old"]).ok();
    // Purged by itself.
    repo.archive(["purge", "b.py", "--by", "ann", "--second", "bob", "--reason", "r", "--apply"])
        .ok();
    refused(&repo, "(b.py) is no candidate any more");
    let again = [&PLAN[..], &["--force"]].concat();
    repo.archive(again).ok();
    repo.archive(APPLY).ok().says("Carried out: 1 item destroyed");
    repo.try_commit("governed").ok();
    repo.archive(["fsck"]).ok();
}

#[test]
fn archived_again_since_is_another_matter() {
    let repo = outdated(&["a.py"]);
    repo.archive(PLAN).ok();
    repo.file("a.py", content("a.py")).commit("back");
    store(&repo, &["a.py"], &[]);
    repo.try_commit("retire again").ok();
    give_up(&repo, &["a.py"]);
    refused(&repo, "(a.py) is no candidate any more");
}

#[test]
fn candidates_that_came_since_are_kept() {
    let repo = outdated(&["a.py", "b.py"]);
    repo.git(["branch", "old", "HEAD~1"]).ok();
    repo.git(["checkout", "-q", "old"]).ok();
    repo.archive(["drop", "a.py", "--reason", "r"]).ok();
    repo.try_commit("only b is left").ok();
    repo.archive(PLAN).ok().says("1 of 2 items would go");
    repo.git(["checkout", "-q", "main"]).ok();
    repo.git(["branch", "-D", "old"]).ok();
    repo.archive(APPLY).ok().says("kept:").says("1 item that became candidates since");
    repo.archive(["cat", "b.py"]).ok();
}

#[test]
fn only_what_a_recorded_run_made_is_carried_out() {
    let repo = outdated(&["a.py", "b.py"]);
    repo.archive(PLAN).ok();
    let text = repo.read("plan.json");
    let keeps = |from: &str, to: &str, why: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        repo.file("plan.json", changed);
        refused(&repo, why);
    };
    let made_at = text.split("\"made_at\": \"").nth(1).unwrap()[..24].to_owned();
    keeps(&made_at, "2026-01-01T00:00:00.000Z", "no recorded run of `retention plan` made it");
    keeps("\"inputs\": {}", "\"inputs\": {\n    \"max_age_days\": 1\n  }", "no recorded run");
    keeps("\"repo\": \"_codex_\"", "\"repo\": \"other\"", "it was made for another repository");
    let archive = text.split("\"archive\": \"").nth(1).unwrap()[..36].to_owned();
    let other = "00000000-0000-4000-8000-000000000000";
    keeps(&archive, other, "it was made for another archive");
    for bad in ["", "{}", "[]", "null", "{\"v\": 2}", "\u{0}", &text.replace("\"v\": 1", "\"v\":1")]
    {
        repo.file("plan.json", bad);
        repo.unchanged(|repo| repo.archive(APPLY).fails(2)).says("invalid plan `plan.json`");
    }
    repo.remove("plan.json");
    repo.unchanged(|repo| repo.archive(APPLY).fails(1)).says("cannot read `plan.json`");
    repo.archive(["cat", "a.py"]).ok();
    // What other people wrote into the plan begins no log of theirs.
    if is_embedded() {
        assert_eq!(repo.sql("SELECT COUNT(*) FROM log WHERE repo = 'other'").trim(), "0");
    }
}

#[test]
fn two_means_two() {
    let repo = outdated(&["a.py"]);
    repo.archive(PLAN).ok();
    let by = |names: [&'static str; 2]| {
        let line = ["retention", "apply", "plan.json", "--by", names[0], "--second", names[1]];
        [&line[..], &["--reason", "r"]].concat()
    };
    repo.unchanged(|repo| repo.archive(by(["ann", " ANN "])).fails(6)).says("count as one");
    repo.archive(["retention", "apply", "plan.json", "--by", "ann", "--reason", "r"]).fails(3);
    repo.archive(["retention", "apply", "plan.json", "--by", "Ann", "--reason", "r"]).fails(3);
    let sum = sha256(repo.bytes("plan.json").as_slice());
    repo.archive(["approve", &sum, "--action", "retention", "--by", "bob"]).ok();
    repo.archive(["cat", "a.py"]).ok();
    repo.archive(["retention", "apply", "plan.json", "--by", "ann", "--reason", "r"])
        .ok()
        .says("approved by:  ann, bob (one keyboard), attested");
    repo.archive(["cat", "a.py"]).fails(6);
}

#[test]
fn where_a_plan_may_be_written() {
    let repo = outdated(&["a.py"]);
    repo.archive(PLAN).ok();
    let told = repo.unchanged(|repo| repo.archive(PLAN).fails(6));
    pin("retention-plan-exists", &repo, &told);
    let to = |place: &'static str| ["retention", "plan", "--of", "items", "--output", place];
    let told = repo.unchanged(|repo| repo.archive(to("../plan.json")).fails(6));
    pin("retention-plan-outside", &repo, &told);
    repo.unchanged(|repo| repo.archive(to(".git/plan.json")).fails(6)).says("git's own folder");
    repo.archive([&to("../plan.json")[..], &["--allow-outside"]].concat()).ok();
    let outside = ["retention", "apply", "../plan.json", "--by", "ann", "--reason", "r"];
    repo.archive(outside).fails(3);
    repo.link("link.json", "nowhere");
    repo.unchanged(|repo| repo.archive(to("link.json")).fails(6));
}

#[test]
fn an_open_request_of_its_own_ends_with_the_item() {
    let repo = outdated(&["a.py"]);
    repo.archive(["prune-request", "a.py", "--by", "carl", "--reason", "alone"]).ok();
    repo.archive(PLAN).ok();
    repo.archive(APPLY).ok();
    let told = repo.archive(["request", "list", "--json"]).ok().json();
    assert_eq!(told["requests"].as_array().unwrap().len(), 0, "{told}");
}

#[test]
fn other_repositories_of_an_archive_are_left_alone() {
    let repo = outdated(&["a.py"]);
    if is_embedded() {
        repo.sql("UPDATE batch SET repo = 'other'");
        let told = plan(&repo);
        assert_eq!((candidates(&told), told["considered"].as_u64()), (vec![], Some(0)));
    }
    let bare = TestRepo::plain_folder("plain");
    bare.archive(["retention", "plan", "--of", "items", "--by", "ann"]).fails(8);
    assert!(!bare.has(".codex"), "looking makes no archive");
}

#[test]
fn a_stub_is_read_by_its_ids() {
    // The stub of the tests' own builder and the program's are one.
    let repo = outdated(&["a.py"]);
    let id = plan(&repo)["candidates"][0]["id"].as_str().unwrap().to_owned();
    repo.file("kept.txt", stub_of(&repo, "# ", "_codex_", "a.py", content("a.py").as_bytes()))
        .git(["add", "kept.txt"])
        .ok();
    let told = plan(&repo);
    assert_eq!((candidates(&told), told["kept"][0]["id"].as_str()), (vec![], Some(&*id)));
}

/// Two keys, one after the other, over exactly the bytes of the plan.
#[test]
fn two_keys_destroy_what_a_plan_names() {
    let repo = outdated(&["src/a.py", "src/b.py"]);
    if !approved_by_keys(&repo) {
        return;
    }
    repo.archive(PLAN).ok();
    let (ann, bob) = ("ann@example.com", "bob@example.com");
    let by = |who| ["retention", "apply", "plan.json", "--reason", "yearly", "--by", who];
    with_key(&repo, "bob");
    repo.archive(by(ann)).fails(6).says("does not speak for");
    with_key(&repo, "ann");
    // A name is no key.
    let both = [&by(ann)[..], &["--second", bob]].concat();
    repo.archive(both).fails(3).says("Waits for a second approval").says("signed");
    let told = repo.archive(by(ann)).fails(3).says("Waits for a second approval");
    pin("retention-apply-waits-signed", &repo, &told);
    for path in ["src/a.py", "src/b.py"] {
        repo.archive(["cat", path]).ok();
    }
    // What the second approves is this plan and no other.
    let digest = sha256(&repo.bytes("plan.json"));
    with_key(&repo, "bob");
    let approve =
        |subject: &str| repo.archive(["approve", subject, "--action", "retention", "--by", bob]);
    approve(&digest).ok().says("2 of 2").says("signed").says(&digest);
    let text = repo.read("plan.json");
    repo.file("plan.json", format!("{text} "));
    repo.archive(by(bob)).fails(2);
    repo.file("plan.json", &text);
    let told = repo.archive(by(bob)).ok().says("Carried out: 2 items destroyed");
    let told = told.says("signed").says_not("one keyboard");
    if is_embedded() {
        pin("retention-apply-signed", &repo, &told);
    }
    for path in ["src/a.py", "src/b.py"] {
        repo.archive(["cat", path]).fails(6).says("purged");
    }
    repo.try_commit("retention").ok();
    repo.archive(["verify", "--all"]).ok();
    repo.archive(["fsck"]).ok();
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(by(ann)).ok().says("Carried out already");
}

/// A key that is revoked before the plan is carried out does not count.
#[test]
fn a_revoked_key_carries_nothing_out() {
    let repo = outdated(&["src/a.py"]);
    if !approved_by_keys(&repo) {
        return;
    }
    repo.archive(PLAN).ok();
    let by = |who| ["retention", "apply", "plan.json", "--reason", "yearly", "--by", who];
    with_key(&repo, "ann");
    repo.archive(by("ann@example.com")).fails(3);
    let signers = repo.read(".codex/allowed_signers");
    let bob = signers.lines().last().unwrap();
    repo.file(".codex/allowed_signers", format!("{bob}\n"));
    with_key(&repo, "bob");
    let told = repo.archive(by("bob@example.com"));
    assert_ne!(told.code, 0, "{told}");
    repo.archive(["cat", "src/a.py"]).ok();
    repo.file(".codex/allowed_signers", signers);
    repo.archive(by("bob@example.com")).ok().says("Carried out: 1 item destroyed");
}
