//! Retention of memory: rules, counting, the guard against spikes, and forgetting.

use codex_archive::model::Entry;
use serde_json::Value;

use crate::common::{TestRepo, is_embedded, server, sha256};
use crate::pinned::pin;
use crate::signed::{approved_by_keys, with_key};

/// The id of the entry `n`.
fn id(n: usize) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

/// What the archive's database answers, wherever it is.
fn ask(repo: &TestRepo, sql: &str) -> String {
    let Some(server) = server::chosen() else { return repo.sql(sql) };
    let command = repo.command("true");
    let mut variables = command.get_envs();
    let url = variables.find(|(name, _)| *name == "CODEX_ARCHIVE_URL").unwrap().1.unwrap();
    let database = url.to_str().unwrap().rsplit('/').next().unwrap();
    server.sql(database, sql).replace('\t', "|")
}

/// A repository whose memory has these entries: project and day of saving.
fn remembering(entries: &[(&str, &str)]) -> TestRepo {
    let repo = TestRepo::ready();
    let is_postgres = server::chosen().is_some_and(|it| it.kind.dialect() == "postgres");
    // Whatever brings the schema up to date comes first.
    repo.archive(["migrate"]).ok();
    let mut sql = String::new();
    let mut projects: Vec<&str> = Vec::new();
    for (n, (project, day)) in entries.iter().enumerate() {
        if !projects.contains(project) {
            projects.push(project);
            let row = projects.len();
            sql.push_str(&format!(
                "INSERT INTO project (id, name, created_at) VALUES ({row}, '{project}', '{day}');"
            ));
        }
        let row = projects.iter().position(|it| it == project).unwrap() + 1;
        let hex = id(n).replace('-', "");
        let bytes = |hex: &str| match is_postgres {
            true => format!("decode('{hex}', 'hex')"),
            false => format!("X'{hex}'"),
        };
        let content = Entry::digest_of(project, "note", None, &format!("body {n}")).to_string();
        let (number, id, content) = (n + 1, bytes(&hex), bytes(&content));
        sql.push_str(&format!(
            "INSERT INTO entry (id, uuid, project_id, type, title, body, content_sha256,
                 created_at, updated_at)
               VALUES ({number}, {id}, {row}, 'note', 'title {n}', 'body {n}', {content},
                 '{day}T00:00:00.000Z', '{day}T00:00:00.000Z');
             INSERT INTO entry_tag (entry_id, tag) VALUES ({number}, 'tag');"
        ));
        // A command line has an end.
        if sql.len() > 60_000 || n + 1 == entries.len() {
            ask(&repo, &std::mem::take(&mut sql));
        }
    }
    repo
}

const OLD_AND_NEW: [(&str, &str); 6] = [
    ("alpha", "2099-01-01"),
    ("alpha", "2020-01-03"),
    ("alpha", "2020-01-02"),
    ("beta", "2020-01-01"),
    ("beta", "2026-01-01"),
    ("beta", "2026-01-02"),
];

fn plan(repo: &TestRepo) -> Value {
    repo.archive(["retention", "plan", "--json"]).json()
}

/// The numbers of the candidates with their reasons.
fn candidates(plan: &Value) -> Vec<String> {
    let all = plan["candidates"].as_array().unwrap().iter();
    all.map(|it| {
        let n = usize::from_str_radix(&it["id"].as_str().unwrap()[..8], 16).unwrap();
        let reasons = it["reasons"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
        format!("{n} {}", reasons.collect::<Vec<_>>().join(" "))
    })
    .collect()
}

#[test]
fn age_count_and_both() {
    let repo = remembering(&OLD_AND_NEW);
    let old = repo.env("RETENTION_MAX_AGE_DAYS", "2000");
    assert_eq!(candidates(&plan(&old)), ["1 age", "2 age", "3 age"]);
    let many = repo.env("RETENTION_MAX_ENTRIES_PER_PROJECT", "1");
    // What was saved after the time of judging counts for nothing.
    assert_eq!(candidates(&plan(&many)), ["2 project_count", "3 project_count", "4 project_count"]);
    let both = old.env("RETENTION_MAX_ENTRIES_PER_PROJECT", "1");
    let all = ["1 age", "2 age project_count", "3 age project_count", "4 project_count"];
    assert_eq!(candidates(&plan(&both)), all);
    let one = both.env("RETENTION_PROJECT", "beta");
    assert_eq!(candidates(&plan(&one)), ["3 age project_count", "4 project_count"]);
    let other = one.archive(["retention", "plan", "--project", "alpha", "--json"]).ok().json();
    assert_eq!(candidates(&other), ["1 age", "2 age project_count"]);
    let told = one.unchanged_but_recorded(|repo| repo.archive(["retention", "plan"]).ok());
    pin("retention-plan-memory", &repo, &told);
    let none = repo.archive(["retention", "plan", "--project", "none"]);
    none.fails(2).says("is missing");
    let none = both.archive(["retention", "plan", "--project", "none"]).ok();
    none.says("0 of 0 entries would go");
    let rows = ask(
        &repo,
        "SELECT mode, project, total_candidates, by_reason_json, input_json, candidate_ids_json
         FROM retention_audit_events WHERE project = 'alpha'",
    );
    let expected = format!(
        "dry-run|alpha|2|{{\"age\":2,\"project_count\":1}}|{{\"max_age_days\":2000,\
         \"max_entries_per_project\":1,\"project\":\"alpha\"}}|[\"{}\",\"{}\"]\n",
        id(1),
        id(2)
    );
    assert_eq!(rows, expected);
}

#[test]
fn rules_that_are_missing_or_wrong() {
    let repo = TestRepo::ready();
    let told = repo.unchanged(|repo| repo.archive(["retention", "plan"]).fails(2));
    pin("retention-no-rule", &repo, &told);
    for (name, value) in [("letters", "30abc"), ("zero", "0"), ("minus", "-1"), ("many", "36501")] {
        let wrong = repo.env("RETENTION_MAX_AGE_DAYS", value);
        let told = wrong.unchanged(|repo| repo.archive(["retention", "plan"]).fails(8));
        if name == "letters" {
            pin("retention-bad-variable", &repo, &told);
        }
        told.says("`retention.max_age_days` is wrong: it takes a whole number from 1 to 36500");
        // What another program means by such a name stands in nobody's way.
        wrong.archive(["status"]).ok();
        wrong.file("x.py", name).commit("a hook runs");
        wrong.archive(["config-show", "--origin"]).ok().says("not usable");
    }
}

#[test]
fn what_is_forgotten_is_gone_and_all_else_stays() {
    let repo = remembering(&OLD_AND_NEW).env("RETENTION_MAX_AGE_DAYS", "2000");
    repo.archive(["retention", "plan", "--output", "plan.json"]).ok();
    let apply = ["retention", "apply", "plan.json", "--by", "ann", "--reason", "old"];
    repo.archive(apply).fails(3);
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry").trim(), "6");
    let told = repo.archive([&apply[..], &["--second", "bob"]].concat()).ok();
    if is_embedded() {
        pin("retention-apply-memory", &repo, &told);
    }
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry WHERE id IN (1, 5, 6)").trim(), "3");
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry_tag").trim(), "3");
    let actions = repo.actions();
    let end = &actions[actions.len() - 5..];
    let forget = "MEMORY_FORGET";
    assert_eq!(end, [forget, forget, forget, "RETENTION_APPLY", "RETENTION_APPLY"]);
    let rows = "SELECT mode, total_candidates FROM retention_audit_events ORDER BY id DESC LIMIT 1";
    assert_eq!(ask(&repo, rows).trim(), "apply|3");
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["fsck"]).ok();
    repo.archive(apply).ok().says("Carried out already");
    assert_eq!(candidates(&plan(&repo)), [""; 0]);
}

#[test]
fn an_entry_that_went_before_spoils_the_plan() {
    let repo = remembering(&OLD_AND_NEW).env("RETENTION_MAX_AGE_DAYS", "2000");
    repo.archive(["retention", "plan", "--output", "plan.json"]).ok();
    ask(&repo, "DELETE FROM entry_tag WHERE entry_id = 3; DELETE FROM entry WHERE id = 3");
    let line = ["retention", "apply", "plan.json", "--by", "ann", "--second", "bob"];
    let line = [&line[..], &["--reason", "old"]].concat();
    let told = repo.unchanged_but_recorded(|repo| repo.archive(line).fails(6));
    told.says("is no candidate any more");
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry").trim(), "5");
}

#[test]
fn a_spike_is_told_and_not_carried_out_by_itself() {
    let mut entries = vec![("p", "2026-01-01"); 60];
    entries.extend([("p", "2020-01-01"); 5]);
    let repo = remembering(&entries).env("RETENTION_MAX_AGE_DAYS", "2000");
    repo.archive(["retention", "plan"]).ok().says("trend:        5 (no run before)");
    ask(&repo, "UPDATE entry SET created_at = '2020-01-01T00:00:00.000Z' WHERE id <= 15");
    for _ in 0..4 {
        // Looking again makes it no more usual.
        let told = repo.archive(["retention", "plan"]).fails(4);
        told.says("spike: 20 candidates are more than 2 times the usual 5");
    }
    let told = repo.archive(["retention", "plan", "--output", "plan.json"]).fails(4);
    pin("retention-spike", &repo, &told);
    let line = ["retention", "apply", "plan.json", "--by", "ann", "--second", "bob"];
    let line = [&line[..], &["--reason", "old"]].concat();
    let told = repo.unchanged_but_recorded(|repo| repo.archive(&line).fails(6));
    pin("retention-apply-spike", &repo, &told);
    // The guard cannot be taken out of the file.
    let text = repo.read("plan.json");
    let start = text.find("\"spike\": [").unwrap();
    let end = start + text[start..].find(']').unwrap() + 1;
    repo.file("plan.json", text.replace(&text[start..end], "\"spike\": []"));
    repo.archive(&line).fails(6).says("no recorded run of `retention plan` made it");
    repo.file("plan.json", text);
    repo.archive([&line[..], &["--allow-spike"]].concat()).ok();
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry").trim(), "45");
    // Half of all there is is one too, and the guard has its own keys.
    ask(&repo, "UPDATE entry SET created_at = '2020-01-01T00:00:00.000Z'");
    repo.archive(["retention", "plan"])
        .fails(4)
        .says("45 candidates of 45 are more than a share of 0.5");
    let label = "[repo]\nlabel = \"_codex_\"\n";
    repo.file(".codex/archive.toml", format!("{label}[retention]\nspike_least = 100\n"));
    repo.archive(["retention", "plan"]).ok();
}

#[test]
fn a_plan_looks_at_every_page() {
    let mut entries = vec![("a", "2026-01-01"); 1200];
    entries.extend([("b", "2026-01-01"); 700]);
    let repo = remembering(&entries).env("RETENTION_MAX_ENTRIES_PER_PROJECT", "100");
    let told = repo.archive(["retention", "plan", "--json"]).fails(4).json();
    assert_eq!(told["total_candidates"], 1700);
    assert_eq!(told["considered"], 1900);
    // Of the same time the one that was saved last is the newest.
    assert_eq!(told["candidates"][0]["id"], id(0));
    assert_eq!(told["candidates"][1099]["id"], id(1099));
    assert_eq!(told["candidates"][1100]["id"], id(1200));
    let ids = ask(&repo, "SELECT candidate_ids_json FROM retention_audit_events");
    let ids: Vec<String> = serde_json::from_str(&ids).unwrap();
    assert_eq!(ids.len(), 1000);
}

/// Two keys, one after the other: a second name never suffices.
#[test]
fn two_keys_forget_what_a_plan_names() {
    let repo = remembering(&OLD_AND_NEW).env("RETENTION_MAX_AGE_DAYS", "2000");
    if !approved_by_keys(&repo) {
        return;
    }
    repo.archive(["retention", "plan", "--output", "plan.json"]).ok();
    with_key(&repo, "ann");
    let by = |who| ["retention", "apply", "plan.json", "--reason", "old", "--by", who];
    let told =
        repo.archive([&by("ann@example.com")[..], &["--second", "bob@example.com"]].concat());
    told.fails(3).says("Waits for a second approval").says("signed");
    repo.archive(by("bob@example.com")).fails(6).says("does not speak for");
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry").trim(), "6");
    with_key(&repo, "bob");
    let plan = sha256(repo.bytes("plan.json").as_slice());
    let approve = ["approve", &plan, "--action", "retention", "--by", "bob@example.com"];
    repo.archive(approve).ok().says("2 of 2").says("signed");
    with_key(&repo, "ann");
    let told = repo.archive(by("ann@example.com")).ok().says("Carried out: 3 entries destroyed");
    let told = told.says("signed").says_not("one keyboard");
    if is_embedded() {
        pin("retention-apply-memory-signed", &repo, &told);
    }
    assert_eq!(ask(&repo, "SELECT COUNT(*) FROM entry").trim(), "3");
    repo.archive(["evidence", "verify"]).ok();
    repo.archive(["fsck"]).ok();
    repo.archive(by("ann@example.com")).ok().says("Carried out already");
}
