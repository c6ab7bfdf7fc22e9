//! What somebody wants remembered, and the bounds of it.
//!
//! Promises: nothing is cut to fit; what is too long, empty or unprintable is refused by name, and
//! not quoted: it may hold what nobody should read.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::check_words;

/// The most bytes of a text.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// The most characters of a title.
const TITLE_CHARACTERS: usize = 120;
/// The most characters of a project and of a type.
const NAME_CHARACTERS: usize = 64;
/// The most bytes of a source.
const SOURCE_BYTES: usize = 1024;

/// What somebody wants remembered.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// Its title; the beginning of the text where there is none.
    pub title: Option<String>,
    /// Its project.
    pub project: String,
    /// What sort of entry it is.
    pub entry_type: String,
    /// Where the text comes from.
    pub source_ref: Option<String>,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Draft {
    /// The same without white space around its parts; an error that names what does not fit.
    pub fn checked(self) -> Result<Self> {
        if self.text.len() > MAX_TEXT_BYTES {
            let given = format!("over {MAX_TEXT_BYTES} bytes");
            return Err(Error::invalid("text", given, "a text has at most that"));
        }
        let trimmed = |it: &String| it.trim().to_owned();
        let draft = Self {
            text: trimmed(&self.text),
            title: self.title.as_ref().map(trimmed),
            project: trimmed(&self.project),
            entry_type: trimmed(&self.entry_type),
            source_ref: self.source_ref.as_ref().map(trimmed),
            tags: self.tags.iter().map(trimmed).collect(),
            metadata: self.metadata,
        };
        if draft.text.is_empty() {
            return Err(Error::invalid("text", "", "it is empty"));
        }
        if draft.text.contains('\0') {
            let why = "it has a NUL byte, and not every database keeps those";
            return Err(Error::invalid("text", length(&draft.text), why));
        }
        if let Some(title) = &draft.title {
            check_line("title", title, TITLE_CHARACTERS)?;
        }
        check_line("project", &draft.project, NAME_CHARACTERS)?;
        check_line("type", &draft.entry_type, NAME_CHARACTERS)?;
        if let Some(source) = draft.source_ref.as_ref().filter(|it| !is_line(it, SOURCE_BYTES)) {
            let why = format!("it must have 1 to {SOURCE_BYTES} bytes without control characters");
            return Err(Error::invalid("source", length(source), why));
        }
        Ok(draft)
    }

    /// Refuses tags and metadata that do not fit; what is wrong is quoted.
    pub fn check_words(&self) -> Result<()> {
        check_words(&self.tags, &self.metadata)
    }
}

/// The beginning of a text as its title: on one line, a run of white space as one space.
pub fn title_of(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let printable = |c: &char| !c.is_control();
    cut(&words.join(" ").chars().filter(printable).collect::<String>())
}

/// As much of a title as fits.
pub fn cut(title: &str) -> String {
    let title: String = title.chars().take(TITLE_CHARACTERS).collect();
    title.trim_end().to_owned()
}

fn check_line(what: &'static str, text: &str, most: usize) -> Result<()> {
    if text.chars().count() <= most && is_line(text, usize::MAX) {
        return Ok(());
    }
    let why = format!("it must have 1 to {most} characters, and no control characters");
    Err(Error::invalid(what, length(text), why))
}

fn is_line(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn length(text: &str) -> String {
    format!("{} characters", text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(change: impl FnOnce(&mut Draft)) -> Result<Draft> {
        let mut draft = Draft {
            text: " a text\n".to_owned(),
            title: None,
            project: "p".to_owned(),
            entry_type: "note".to_owned(),
            source_ref: None,
            tags: BTreeSet::new(),
            metadata: BTreeMap::new(),
        };
        change(&mut draft);
        let draft = draft.checked()?;
        draft.check_words().map(|()| draft)
    }

    #[test]
    fn bounds() {
        assert_eq!(draft(|_| ()).unwrap().text, "a text");
        assert!(draft(|it| it.text = "x".repeat(MAX_TEXT_BYTES)).is_ok());
        assert!(draft(|it| it.title = Some("é".repeat(120))).is_ok());
        assert!(draft(|it| it.project = "é".repeat(64)).is_ok());
        for (n, it) in [
            draft(|it| it.text = " \n ".to_owned()),
            draft(|it| it.text = "a\0b".to_owned()),
            draft(|it| it.text = "x".repeat(MAX_TEXT_BYTES + 1)),
            draft(|it| it.title = Some("é".repeat(121))),
            draft(|it| it.title = Some(" ".to_owned())),
            draft(|it| it.project = "é".repeat(65)),
            draft(|it| it.project = String::new()),
            draft(|it| it.entry_type = "a\u{1b}b".to_owned()),
            draft(|it| it.source_ref = Some("x".repeat(1025))),
            draft(|it| it.tags = ["a\nb".to_owned()].into()),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(it.is_err(), "{n}");
        }
    }

    #[test]
    fn a_title_is_one_line_of_whole_characters() {
        assert_eq!(title_of("one\n  two\tthree"), "one two three");
        assert_eq!(title_of(&"é ".repeat(100)).chars().count(), 119);
        assert_eq!(title_of(&"🦀".repeat(200)).chars().count(), 120);
        assert_eq!(title_of("a\u{1b}[2J"), "a[2J");
    }
}
