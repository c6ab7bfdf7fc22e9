//! A finding: one thing that verification saw.

use serde::Serialize;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to mend.
    Note,
    /// Odd, but it holds.
    Warning,
    /// Refused: exit 4.
    Error,
}

/// A rule of verification; docs/verify-rules.md is made from these.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id, such as `stub-lies`.
    pub id: &'static str,
    /// How much a finding of it weighs.
    pub severity: Severity,
    /// The configuration key that changes it, if any.
    pub key: Option<&'static str>,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// One thing that verification saw.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The path it is about, as text.
    pub path: String,
    /// The rule's id.
    pub rule: &'static str,
    /// What was seen, in one line.
    pub message: String,
    /// A whole command that mends it; empty for notes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The item, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tombstone: Option<String>,
    /// The commit, where a range was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Finding {
    /// A finding of `rule` about `path`.
    pub fn new(rule: &'static Rule, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.id,
            message: message.into(),
            hint: String::new(),
            severity: rule.severity,
            tombstone: None,
            commit: None,
        }
    }

    /// The same, with the command that mends it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same, about this item.
    pub fn tombstone(mut self, id: impl ToString) -> Self {
        self.tombstone = Some(id.to_string());
        self
    }
}
