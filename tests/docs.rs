//! Holds the documents against the program: their tables against its own, their links against the
//! files, and the README's console session against what happens when somebody types it.
//!
//! `UPDATE=1 cargo test --test docs` writes the generated tables anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the documents has failed")]

#[path = "docs/answers.rs"]
mod answers;
#[path = "docs/session.rs"]
mod session;
#[path = "docs/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use codex_archive::archive::proof;
use codex_archive::config;
use codex_archive::model::{Rule, Severity};
use codex_archive::policy::content;
use codex_archive::tombstone::{TABLE, Wrapping};
use codex_archive::verify::rules;

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file that is part of the documentation, from the top.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md"), PathBuf::from("CHANGELOG.md")];
    for folder in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(top().join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            if Path::new(&name).extension().is_some_and(|it| it == "md") {
                found.push(Path::new(folder).join(name));
            }
        }
    }
    found.sort();
    found
}

fn read(document: &Path) -> String {
    fs::read_to_string(top().join(document)).unwrap()
}

/// Compares what stands between the marks of `table` in a document with `expected`, or puts it
/// there.
fn hold(name: &str, table: &str, expected: &str) {
    let path = top().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- generated: {table} -->\n");
    let end = format!("<!-- end of {table} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    let expected = format!("\n{}\n\n", expected.trim());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        let hint = "UPDATE=1 cargo test --test docs";
        assert!(found == expected, "the table of {name} is out of date: {hint}");
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

#[test]
fn the_rules_are_those_of_the_program() {
    let mut table = String::from(
        "| rule | severity | key | what it means | what mends it |\n|---|---|---|---|---|\n",
    );
    for (rule, mend) in rules::ALL {
        let Rule { id, meaning, .. } = rule;
        let key = rule.key.map_or(String::new(), |key| format!("`{key}`"));
        let severity = word(rule.severity);
        table.push_str(&format!("| `{id}` | {severity} | {key} | {meaning} | {mend} |\n"));
    }
    table.push_str(
        "\nOf `evidence verify`:\n\n| rule | severity | what it means |\n|---|---|---|\n",
    );
    for rule in proof::RULES {
        let Rule { id, meaning, .. } = rule;
        table.push_str(&format!("| `{id}` | {} | {meaning} |\n", word(rule.severity)));
    }
    hold("docs/verify-rules.md", "rules", &table);
}

#[test]
fn the_rules_for_credentials_are_those_of_the_program() {
    let mut table = String::from("| rule | finds |\n|---|---|\n");
    for rule in content::RULES {
        table.push_str(&format!("| `{}` | {} |\n", rule.id, rule.what));
    }
    hold("docs/content-policy.md", "credentials", &table);
}

#[test]
fn the_keys_are_those_of_the_program() {
    hold("docs/configuration.md", "keys", &config::markdown());
}

#[test]
fn the_wrappings_are_those_of_the_program() {
    let mut text = String::new();
    for row in TABLE {
        let dress = match (row.wrapping.opening(), row.wrapping.prefix()) {
            (_, prefix) if !prefix.is_empty() => format!("`{prefix}` before each line"),
            (Some(opening), _) => {
                format!("between `{opening}` and `{}`", row.wrapping.closing().unwrap())
            }
            _ => unreachable!(),
        };
        text.push_str(&format!("**{:?}**, {dress}.", row.wrapping));
        for (what, words) in [
            ("Extensions", row.extensions),
            ("Names", row.names),
            ("Names that begin", row.prefixes),
        ] {
            if !words.is_empty() {
                text.push_str(&format!(" {what}: `{}`.", words.join("` `")));
            }
        }
        text.push_str("\n\n");
    }
    text.push_str(&format!(
        "**{:?}**, the lines as they are: every other file.\n",
        Wrapping::Plain
    ));
    hold("docs/formats.md", "wrappings", &text);
}

/// The text without fenced blocks and code spans, in which nothing is a link.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // What stands between two backticks is code.
            out.extend(line.split('`').step_by(2));
            out.push('\n');
        }
    }
    out
}

/// The anchors that a forge gives the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if fenced || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let slug: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        found.insert(slug.replace(' ', "-"));
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        for part in prose(&text).split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = document.parent().unwrap();
            let path = if file.is_empty() { document.clone() } else { folder.join(file) };
            let there = top().join(&path).exists();
            if !there || !(anchor.is_empty() || anchors(&read(&path)).contains(anchor)) {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(count > 20, "only {count} links were seen");
}

#[test]
fn every_decision_has_its_parts_and_its_place() {
    let mut numbers = Vec::new();
    for document in documents().iter().filter(|it| it.starts_with("docs/decisions")) {
        let name = document.file_name().unwrap().to_str().unwrap();
        numbers.push(name[..4].parse::<usize>().unwrap());
        let text = read(document);
        for part in ["# ", "\n## Context\n", "\n## Decision\n", "\n## Consequence\n"] {
            assert!(text.contains(part), "{name} lacks {part:?}");
        }
        assert!(read(Path::new("docs/architecture.md")).contains(name), "{name} is not listed");
    }
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}

#[test]
fn nothing_speaks_of_one_machine() {
    for document in documents() {
        for (number, line) in read(&document).lines().enumerate() {
            assert!(!line.contains("/home/"), "{}:{}: {line}", document.display(), number + 1);
        }
    }
}

#[test]
fn the_session_of_the_readme_is_what_happens() {
    session::run(&read(Path::new("README.md")));
}

#[test]
fn every_key_of_an_answer_is_told() {
    answers::check(&read(Path::new("docs/json.md")));
}
