//! Credentials in what is to be remembered: refused, taken out, or told.
//!
//! Promises: no word, report or record has a credential's text; a title is made of what is kept.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{Credential, Error, Result};
use crate::model::escape_line;
use crate::policy::ContentPolicy;
use crate::policy::content::{Match, OnCredential, rule};

use super::Draft;

/// A credential, and the part of the entry that had it.
#[derive(Debug, Clone, Serialize)]
pub struct FieldCredential {
    /// The part: `text`, `title`, `project`, `type`, `source`, `tag` or `metadata`.
    pub field: &'static str,
    /// The line, from 1.
    pub line: u64,
    /// The byte of the line, from 1.
    pub column: u64,
    /// By which rule.
    pub rule: &'static str,
}

/// What was found in a draft.
#[derive(Debug)]
pub struct Screened {
    /// The draft, without what had to be taken out.
    pub draft: Draft,
    /// What was found and is not excepted.
    pub open: Vec<FieldCredential>,
    /// What a marker let pass.
    pub allowed: Vec<FieldCredential>,
    /// Whether what was found was taken out.
    pub is_redacted: bool,
}

/// Looks at every part of `draft`; [`Error::EntryCredentials`] where the policy refuses.
pub fn screen(policy: &ContentPolicy, draft: Draft) -> Result<Screened> {
    let mut screen = Screen { policy, found: Vec::new() };
    let redacted = Draft {
        text: screen.look("text", &draft.text),
        title: draft.title.as_deref().map(|it| screen.look("title", it)),
        project: screen.look("project", &draft.project),
        entry_type: screen.look("type", &draft.entry_type),
        source_ref: draft.source_ref.as_deref().map(|it| screen.look("source", it)),
        tags: draft.tags.iter().map(|it| screen.look("tag", it)).collect(),
        metadata: draft.metadata.iter().map(|(key, value)| screen.pair(key, value)).collect(),
    };
    let told = |(field, it): (&'static str, Match)| {
        let Match { rule, line, column, is_allowed } = it;
        (is_allowed, FieldCredential { field, line, column, rule })
    };
    let (allowed, open): (Vec<_>, Vec<_>) =
        screen.found.into_iter().map(told).partition(|(is_allowed, _)| *is_allowed);
    let bare = |found: Vec<(bool, FieldCredential)>| found.into_iter().map(|it| it.1).collect();
    let (open, allowed): (Vec<FieldCredential>, _) = (bare(open), bare(allowed));
    if policy.on_credential == OnCredential::Block && !open.is_empty() {
        return Err(Error::EntryCredentials { found: open.iter().map(credential).collect() });
    }
    let is_redacted = policy.on_credential == OnCredential::Redact && !open.is_empty();
    let draft = if is_redacted { redacted } else { draft };
    Ok(Screened { draft, open, allowed, is_redacted })
}

struct Screen<'a> {
    policy: &'a ContentPolicy,
    found: Vec<(&'static str, Match)>,
}

impl Screen<'_> {
    fn look(&mut self, field: &'static str, text: &str) -> String {
        let (text, found) = self.policy.redact(text);
        self.found.extend(found.into_iter().map(|it| (field, it)));
        text
    }

    /// A value is told for a secret by its key too.
    fn pair(&mut self, key: &str, value: &str) -> (String, String) {
        let text = self.look("metadata", &format!("{key}={value}"));
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        (key.to_owned(), value.to_owned())
    }
}

fn credential(it: &FieldCredential) -> Credential {
    Credential {
        path: escape_line(it.field),
        line: it.line,
        column: it.column,
        rule: it.rule,
        what: rule(it.rule).map_or("", |rule| rule.what),
    }
}

/// How often each rule found something.
pub fn counts<'a>(rules: impl Iterator<Item = &'a str>) -> Value {
    let mut counts = Map::new();
    for rule in rules {
        let known = counts.get(rule).and_then(Value::as_u64).unwrap_or_default();
        counts.insert(rule.to_owned(), json!(known + 1));
    }
    Value::Object(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    // Put together here, so that no file has it whole.
    fn secret() -> String {
        ["AKIA", "Z7QXN3WJ5KDRT4MB"].concat()
    }

    fn draft(text: &str) -> Draft {
        Draft {
            text: text.to_owned(),
            title: Some(format!("on {}", secret())),
            project: "p".to_owned(),
            entry_type: "note".to_owned(),
            source_ref: Some(format!("s3 {}", secret())),
            tags: BTreeSet::from([secret()]),
            metadata: BTreeMap::from([("k".to_owned(), secret())]),
        }
    }

    fn policy(word: &str) -> ContentPolicy {
        ContentPolicy::new(OnCredential::of_word(word), &[], &[], "let pass").unwrap()
    }

    #[test]
    fn every_part_is_looked_at_and_nothing_is_said() {
        let text = format!("a\nb {}\nc {} let pass", secret(), secret());
        let refused = screen(&policy("block"), draft(&text)).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains(&secret()));
        let Error::EntryCredentials { found } = refused else { panic!("{refused}") };
        let fields: Vec<_> = found.iter().map(|it| (it.path.as_str(), it.line)).collect();
        let all = [("text", 2), ("title", 1), ("source", 1), ("tag", 1), ("metadata", 1)];
        assert_eq!(fields, all);
        let kept = screen(&policy("redact"), draft(&text)).unwrap();
        assert!(kept.is_redacted && kept.allowed.len() == 1);
        assert_eq!(format!("{:?}", kept.draft).matches(&secret()).count(), 1, "the marked one");
        assert_eq!(kept.draft.metadata["k"], "[redacted: aws-access-key]");
        for word in ["warn", "off"] {
            let kept = screen(&policy(word), draft(&text)).unwrap();
            assert_eq!(kept.draft.text, text);
            assert_eq!(
                (kept.open.len(), kept.is_redacted),
                (if word == "warn" { 5 } else { 0 }, false)
            );
        }
    }
}
