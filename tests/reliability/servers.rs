//! A server that is killed in the middle of a `store`: nothing is lost, and a second run completes.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Outcome, TestRepo};

use crate::common::server::{Kind, Server};
use crate::score::{Score, whole};

const STORE: &[&str] = &["store", "_codex_", "many", "--reason", "dead", "--json"];

/// Files that are archived at once.
fn files() -> usize {
    if whole() { 1_000 } else { 200 }
}

/// Moments of a store at which the server is killed.
fn points() -> u32 {
    if whole() { 20 } else { 2 }
}

fn content(n: usize) -> String {
    format!("print({n})\n").repeat(1 + n % 200)
}

fn with_files() -> TestRepo {
    let repo = TestRepo::new();
    for n in 0..files() {
        repo.file(format!("many/{n:04}.py"), content(n));
    }
    repo.commit("many");
    repo
}

/// A clone with an archive of its own on `server`.
fn clone_on(server: &Server, base: &TestRepo, name: &str) -> TestRepo {
    let url = server.url(&server.database());
    let clone = base.clone_to(name).env("CODEX_ARCHIVE_URL", &url);
    clone.archive(["init", "--repo", "_codex_"]).ok();
    clone.commit("archive");
    clone
}

/// A store during which the server is killed after `pause`.
fn killed_after(server: &Server, repo: &TestRepo, pause: Duration) -> Outcome {
    thread::scope(|scope| {
        let store = scope.spawn(|| repo.archive(STORE));
        thread::sleep(pause);
        server.kill();
        store.join().unwrap()
    })
}

/// Each file is still itself or its stub.
fn nothing_lost(repo: &TestRepo) -> Result<(), String> {
    for n in 0..files() {
        let name = format!("many/{n:04}.py");
        let found = repo.read(&name);
        if found != content(n) && !found.starts_with("# codex-tombstone v1\n") {
            return Err(format!("{name} is neither itself nor a stub"));
        }
    }
    Ok(())
}

/// Every file is archived whole, its stub staged, the evidence in order.
fn complete(repo: &TestRepo) -> Result<(), String> {
    let told = repo.archive(["list", "--json", "--limit", "1000"]);
    let items = told.json()["items"].as_array().cloned().unwrap_or_default();
    let known: BTreeMap<&str, &str> = items
        .iter()
        .filter_map(|it| Some((it["path"].as_str()?, it["sha256"].as_str()?)))
        .collect();
    for n in 0..files() {
        let name = format!("many/{n:04}.py");
        let wanted = crate::common::sha256(content(n).as_bytes());
        if known.get(name.as_str()) != Some(&wanted.as_str()) {
            return Err(format!("{name} is not in the archive as it was"));
        }
    }
    for line in [&["fsck"][..], &["evidence", "verify"], &["verify", "--staged"]] {
        let said = repo.archive(line);
        if said.code != 0 {
            return Err(format!("{line:?}: {said}"));
        }
    }
    match repo.staged().iter().filter(|line| line.starts_with("M many/")).count() {
        count if count == files() => Ok(()),
        count => Err(format!("{count} stubs are staged")),
    }
}

fn case(server: &Server, base: &TestRepo, at: u32, pause: Duration) -> Result<(), String> {
    let repo = clone_on(server, base, &format!("{:?}{at}", server.kind));
    let said = killed_after(server, &repo, pause);
    if said.code != 0 && said.code != 7 {
        return Err(format!("{said}"));
    }
    nothing_lost(&repo)?;
    server.wait();
    let again = repo.archive(STORE);
    if again.code != 0 {
        return Err(format!("the second run: {again}"));
    }
    complete(&repo)
}

#[test]
fn servers_killed() {
    let mut score = Score::of("server killed in a store");
    let base = with_files();
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let Some(server) = Server::start(kind) else { return };
        let repo = clone_on(&server, &base, &format!("{kind:?}"));
        let began = Instant::now();
        repo.archive(STORE).ok();
        let whole_time = began.elapsed();
        for at in 0..points() {
            let pause = whole_time * (2 * at + 1) / (2 * points());
            let held = case(&server, &base, at, pause);
            score.note(format!("{kind:?} after {} ms", pause.as_millis()), held);
        }
    }
    score.finish(u64::from(2 * points()));
}

/// With retries a store outlives the server's restart.
#[test]
fn servers_outlived() {
    let mut score = Score::of("server killed, with retries");
    let base = with_files();
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let Some(server) = Server::start(kind) else { return };
        let repo = clone_on(&server, &base, &format!("{kind:?}"));
        let began = Instant::now();
        repo.archive(STORE).ok();
        let whole_time = began.elapsed();
        for at in 0..points() {
            let repo = clone_on(&server, &base, &format!("{kind:?}{at}"))
                .env("CODEX_ARCHIVE_RETRY_ENABLED", "true")
                .env("CODEX_ARCHIVE_RETRY_MAX", "60");
            let said = killed_after(&server, &repo, whole_time * (2 * at + 1) / (2 * points()));
            server.wait();
            let held = if said.code == 0 { complete(&repo) } else { Err(said.to_string()) };
            score.note(format!("{kind:?} {at}"), held);
        }
    }
    score.finish(u64::from(2 * points()));
}
