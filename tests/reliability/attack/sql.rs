//! SQL and its wildcards, in every string that reaches the database.

use super::harness::{archived, some, tables, tries};
use crate::common::TestRepo;
use crate::score::Score;

const TEXTS: &[&str] = &[
    "'; DROP TABLE item_row; --",
    "\" OR \"\"=\"",
    "' OR '1'='1",
    "x' UNION SELECT v FROM meta --",
    "%",
    "_",
    "%%",
    "src/%",
    "src/___.py",
    "*",
    "?",
    "?1",
    ":a",
    "@a",
    "$a",
    "\\",
    "\\%",
    "[a-z]",
    "x'00'",
    "NULL",
    "1e400",
    "0x10",
    "-1",
    "9223372036854775808",
    "); ATTACH 'pwned.db' AS p; --",
    "/* */",
    "''''",
];

/// Rows of every table: what an injection would change.
fn rows(repo: &TestRepo) -> Vec<(String, i64)> {
    let tables = tables(repo);
    let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name";
    let mut names = tables.prepare(sql).unwrap();
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let count = |name: &String| {
        let sql = format!("SELECT COUNT(*) FROM \"{name}\"");
        tables.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    names.iter().map(|name| (name.clone(), count(name))).collect()
}

#[test]
fn no_string_is_sql_or_a_wildcard() {
    let mut score = Score::of("attack: SQL");
    let (repo, _) = archived();
    let before = rows(&repo);
    for (_, text) in some(TEXTS) {
        let shown = |line: &[&str]| format!("{text}, {line:?}");
        // Nothing is called so: nothing may be found.
        for filter in ["--path", "--tag", "--by", "--repo"] {
            let line = ["list", "--json", filter, text];
            let told = tries(&repo, line);
            let empty = told.outcome.code != 0 || {
                let json: serde_json::Value = serde_json::from_str(&told.outcome.stdout).unwrap();
                json["items"].as_array().is_some_and(Vec::is_empty)
            };
            let held = told.is_civil().and_then(|()| match empty {
                true => Ok(()),
                false => Err(told.outcome.to_string()),
            });
            score.note(shown(&line), held);
        }
        for line in [
            &["show", text][..],
            &["cat", text],
            &["restore", text],
            &["drop", text, "--reason", text],
            &["list", "--since", text],
            &["list", "--after", text],
            &["list", "--limit", text],
            &["log", "--limit", text],
            &["evidence", "digest", text],
            &["store", text, "src/live.py", "--reason", "dead"],
        ] {
            score.note(shown(line), tries(&repo, line.iter().copied()).is_refused());
        }
        // The path of a `store` is a pathspec, which has wildcards of its own.
        for line in [&["log", text][..], &["store", "_codex_", text, "--reason", "dead", "-n"]] {
            score.note(shown(line), tries(&repo, line.iter().copied()).is_civil());
        }
    }
    let after = rows(&repo);
    // Failed restores are recorded, and nothing else.
    let changed: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(a, b)| a != b && !a.0.starts_with("evidence") && a.0 != "log")
        .collect();
    let same = before.len() == after.len() && changed.is_empty();
    score.note("the tables", if same { Ok(()) } else { Err(format!("{changed:?}")) });
    kept_as_they_are(&mut score);
    score.finish(150);
}

/// The same texts as tags, metadata and names come back as they went in.
fn kept_as_they_are(score: &mut Score) {
    let repo = TestRepo::ready();
    let mut line: Vec<String> =
        ["store", "_codex_", "src", "--reason", "dead", "--by", TEXTS[0]].map(str::to_owned).into();
    for text in TEXTS {
        line.push(format!("--tag={text}"));
        line.push(format!("--metadata={text}={text}"));
        line.push(format!("--language={text}"));
        line.truncate(line.len() - 1);
    }
    score.note("stored", tries(&repo, &line).exits(0));
    // One more, which none of them may mean.
    repo.file("third.py", "print(3)\n").commit("third");
    let third =
        ["store", "_codex_", "third.py", "--reason", "dead", "--tag=plain", "--by", TEXTS[0]];
    score.note("stored, too", tries(&repo, third).exits(0));
    for text in TEXTS {
        let told = tries(&repo, ["list", "--json", &format!("--tag={text}"), "--by", TEXTS[0]]);
        let json: serde_json::Value = serde_json::from_str(&told.outcome.stdout).unwrap();
        let items = json["items"].as_array().unwrap();
        let key = text.split_once('=').map_or(*text, |(key, _)| key);
        let kept = items.len() == 2 && items.iter().all(|it| !it["metadata"][key].is_null());
        score.note(format!("tag {text}"), if kept { Ok(()) } else { Err(json.to_string()) });
    }
}
