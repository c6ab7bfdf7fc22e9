//! Several artifacts in one run: each is read, healed and destroyed without its neighbours.

use crate::common::{TestRepo, is_embedded, skipped};
use crate::governance::{noise, purge, request};

/// Files that share a run: text before and behind, and one in the middle that is like no other.
fn contents() -> Vec<(String, Vec<u8>)> {
    let text = |n: usize| format!("line of file {n}\n").repeat(40 + n).into_bytes();
    (0..7).map(|n| (format!("src/f{n}.py"), if n == 3 { noise(5000) } else { text(n) })).collect()
}

/// A repository in which they are archived in one deed, and their ids.
fn archived() -> (TestRepo, Vec<String>) {
    let repo = TestRepo::ready();
    for (path, content) in contents() {
        repo.file(path, content);
    }
    repo.commit("more");
    let paths: Vec<String> = contents().into_iter().map(|(path, _)| path).collect();
    let told = repo.store(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    let ids = told["items"].as_array().unwrap().iter();
    let ids = ids.map(|item| item["tombstone"].as_str().unwrap().to_owned()).collect();
    repo.try_commit("retire").ok();
    (repo, ids)
}

#[track_caller]
fn reads(repo: &TestRepo, id: &str, content: &[u8]) {
    repo.archive(["restore", id, "out/f", "--force"]).ok();
    assert_eq!(repo.bytes("out/f"), content);
}

#[test]
fn a_member_is_destroyed_and_its_neighbours_stay() {
    let (repo, ids) = archived();
    if is_embedded() {
        assert_eq!(repo.sql("SELECT members FROM run").trim(), "7");
    }
    request(&repo, &ids[3], "ann@example.com").ok();
    let told = purge(&repo, &ids[3], &["--json"]).ok().json();
    assert_eq!(told["still_present"], serde_json::json!([]));
    repo.archive(["restore", &ids[3], "out/f"]).fails(6);
    for (n, (_, content)) in contents().iter().enumerate() {
        if n != 3 {
            reads(&repo, &ids[n], content);
        }
    }
    if is_embedded() {
        assert_eq!(repo.sql("SELECT members FROM run").trim(), "6");
        let database = repo.bytes(".codex/archive.sqlite");
        let gone = &contents()[3].1[1000..1032];
        assert!(!database.windows(32).any(|it| it == gone));
    }
    repo.archive(["fsck"]).ok();
    repo.is_well();
}

#[test]
fn a_held_neighbour_is_no_obstacle_and_is_not_touched() {
    let (repo, ids) = archived();
    let set = ["hold", "set", &ids[4], "--case", "c", "--reason", "r", "--by", "carol@example.com"];
    repo.archive(set).ok();
    request(&repo, &ids[3], "ann@example.com").ok();
    purge(&repo, &ids[3], &[]).ok();
    reads(&repo, &ids[4], &contents()[4].1);
    request(&repo, &ids[4], "ann@example.com").ok();
    purge(&repo, &ids[4], &[]).fails(6);
}

/// Damages the stored bytes of the member in the middle.
fn damage(repo: &TestRepo) {
    repo.sql(
        "UPDATE run SET bytes = CAST(substr(bytes, 1, (SELECT run_offset + 2000 FROM artifact_row
           WHERE size_bytes = 5000)) || X'AA55AA55' || substr(bytes, (SELECT run_offset + 2005
           FROM artifact_row WHERE size_bytes = 5000)) AS BLOB)",
    );
}

#[test]
fn damage_costs_what_stands_behind_it_and_git_heals_all() {
    if !is_embedded() {
        return skipped("the damage is done with sqlite3");
    }
    let (repo, ids) = archived();
    damage(&repo);
    // What stands before is read as ever, and git has what stands behind.
    for (n, (_, content)) in contents().iter().enumerate() {
        let told = repo.archive(["restore", &ids[n], "out/f", "--force", "--json"]).ok().json();
        assert_eq!(repo.bytes("out/f"), *content);
        match n {
            0..3 => assert_eq!(told["from"], "archive", "{n}"),
            3 => assert_eq!(told["from"], "git history"),
            // What follows may still decode, where it refers to nothing damaged.
            _ => {}
        }
    }
    repo.archive(["fsck"]).fails(4).says(&ids[3]);
    repo.archive(["fsck", "--repair", "--by", "ann@example.com"]).ok();
    repo.archive(["fsck"]).ok();
    for (n, (_, content)) in contents().iter().enumerate() {
        let told = repo.archive(["restore", &ids[n], "out/f", "--force", "--json"]).ok().json();
        assert_eq!((repo.bytes("out/f"), &told["from"]), (content.clone(), &"archive".into()));
    }
}

#[test]
fn what_stands_beside_damage_is_destroyed_all_the_same() {
    if !is_embedded() {
        return skipped("the damage is done with sqlite3");
    }
    let (repo, ids) = archived();
    damage(&repo);
    request(&repo, &ids[1], "ann@example.com").ok();
    purge(&repo, &ids[1], &[]).ok();
    repo.archive(["restore", &ids[1], "out/f"]).fails(6);
    for n in [0, 2] {
        reads(&repo, &ids[n], &contents()[n].1);
    }
    repo.archive(["fsck"]).fails(4).says(&ids[3]);
    repo.archive(["fsck", "--repair", "--by", "ann@example.com"]).ok();
    reads(&repo, &ids[3], &contents()[3].1);
}

#[test]
fn what_comes_in_again_shares_what_is_there() {
    let (repo, ids) = archived();
    repo.git(["reset", "-q", "--hard", "HEAD~1"]).ok();
    repo.file("src/new.py", "new\n").file("src/twin.py", &contents()[3].1).commit("twin");
    let told = repo.store(&["src"]);
    let items = told["items"].as_array().unwrap();
    let of = |path: &str| items.iter().find(|it| it["path"] == path).unwrap();
    for (n, (path, _)) in contents().iter().enumerate() {
        assert_eq!(
            (&of(path)["tombstone"], &of(path)["deduplicated"]),
            (&ids[n].as_str().into(), &true.into())
        );
    }
    assert_eq!(of("src/twin.py")["deduplicated"], true);
    assert_eq!(of("src/new.py")["deduplicated"], false);
    repo.archive(["fsck"]).ok();
}
