//! The `.codex/archive.toml` that `init` writes, and the label that a tree's file holds.
//!
//! Promises: the written file depends on the label alone, so two branches that both ran `init`
//! merge.

use toml::de::DeTable;

use super::keys::{KEYS, Key};
use super::layers::MAX_FILE_BYTES;
use super::value::Kind;
use crate::model::RepoLabel;

/// The sections that stand in a new file, commented out; docs/configuration.md has them all.
const SECTIONS: [&str; 3] = ["backend", "evidence", "hooks"];

const HEAD: &str = "\
# Settings of `git codex-archive` for this repository; docs/configuration.md lists every key.
# The environment and the command line override what stands here.
";

/// The place of the label in a file that has none yet.
const NO_LABEL: &str = "#[repo]\n#label = \"NAME\"\n";

/// The text of a new `.codex/archive.toml`: the label and the backend where given, and all else
/// commented out.
pub fn archive_toml(label: Option<&RepoLabel>, backend: Option<&(String, String)>) -> String {
    let mut text = format!("{HEAD}\n{NO_LABEL}");
    for section in SECTIONS {
        if let ("backend", Some((backend, url))) = (section, backend) {
            let (backend, url) = (quote(backend), quote(url));
            text.push_str(&format!("\n[backend]\nbackend = {backend}\nurl = {url}\n"));
            continue;
        }
        text.push_str(&format!("\n#[{section}]\n"));
        for key in KEYS.iter().filter(|key| key.section() == section) {
            text.push_str(&format!("# {}\n#{} = {}\n", key.meaning, key.field(), example(key)));
        }
    }
    match label {
        Some(label) => with_label(&text, label),
        None => text,
    }
}

/// The text of a file that has no label, with this one. A new file with a label and one that got
/// its label later have the same bytes.
pub fn with_label(text: &str, label: &RepoLabel) -> String {
    let line = format!("label = {}\n", quote(label.as_str()));
    if text.contains(NO_LABEL) {
        return text.replacen(NO_LABEL, &format!("[repo]\n{line}"), 1);
    }
    let mut out = String::new();
    let mut done = false;
    for existing in text.lines() {
        out.push_str(existing);
        out.push('\n');
        if !done && existing.trim() == "[repo]" {
            out.push_str(&line);
            done = true;
        }
    }
    if !done {
        out.push_str(&format!("\n[repo]\n{line}"));
    }
    out
}

/// The repo label in the text of a tree's `.codex/archive.toml`, whatever else is in it; `None`
/// when it has none, or is no TOML.
pub fn label_of(text: &[u8]) -> Option<RepoLabel> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return None;
    }
    let table = DeTable::parse(std::str::from_utf8(text).ok()?).ok()?;
    let section = table.get_ref().get("repo")?.get_ref().as_table()?;
    RepoLabel::new(section.get("label")?.get_ref().as_str()?).ok()
}

/// The default of `key` as TOML, or something it takes.
fn example(key: &Key) -> String {
    match (key.kind, key.default) {
        (Kind::Choice { words, .. }, default) => quote(default.unwrap_or(words[0])),
        (Kind::Label | Kind::Url | Kind::Path | Kind::Text, default) => {
            quote(default.unwrap_or("PATH"))
        }
        (_, default) => default.unwrap_or("0").to_owned(),
    }
}

/// `text`, which has no control character, as a TOML string.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn the_file_loads_with_its_comments_and_without() {
        for name in ["_codex_", "a\"b\\c", "é ✓"] {
            let label = RepoLabel::new(name).unwrap();
            let text = archive_toml(Some(&label), None);
            assert_eq!(Config::from_text("t", &text).unwrap().label(), Some(&label));
            assert_eq!(label_of(text.as_bytes()), Some(label));
        }
        let text = archive_toml(Some(&RepoLabel::new("x").unwrap()), None);
        let all = text.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
        let all: Vec<_> = all.map(|line| if line.starts_with(' ') { "" } else { line }).collect();
        let config = Config::from_text("t", &all.join("\n")).unwrap();
        assert_eq!(config.origin("hooks.require_shared").to_string().split(':').next(), Some("t"));
    }

    #[test]
    fn a_label_given_later_gives_the_same_bytes() {
        let label = RepoLabel::new("x").unwrap();
        let later = with_label(&archive_toml(None, None), &label);
        assert_eq!(later, archive_toml(Some(&label), None));
        assert_eq!(with_label("a = 1\n", &label), "a = 1\n\n[repo]\nlabel = \"x\"\n");
        assert_eq!(with_label("[repo]\n#x", &label), "[repo]\nlabel = \"x\"\n#x\n");
    }

    #[test]
    fn a_label_is_found_beside_keys_of_other_versions() {
        let label = |text: &str| label_of(text.as_bytes()).map(|it| it.to_string());
        assert_eq!(label("[future]\nx = 1\n[repo]\nlabel = 'a'\ny = 2").as_deref(), Some("a"));
        for none in ["", "[repo]", "repo = 1", "[repo]\nlabel = 1", "[repo]\nlabel = ''", "["] {
            assert_eq!(label(none), None, "{none}");
        }
        assert_eq!(label_of(b"\xff"), None);
    }
}
