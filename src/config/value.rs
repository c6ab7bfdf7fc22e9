//! The types of configuration values, and how each is read from TOML and from plain text.
//!
//! Promises: a value is in range, has no control character, and never shows a password; an error
//! says what the key takes, and shows no part of a URL but its scheme.

use std::fmt;
use std::path::PathBuf;

use toml::de::DeValue;

use super::url;
use crate::model::{RepoLabel, escape_line, is_bidi_control};
use crate::secret::DatabaseUrl;

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A repo label.
    Label,
    /// The URL of an archive.
    Url,
    /// A file or folder; relative to the repository's root.
    Path,
    /// One of some words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Other spellings, each with its word.
        also: &'static [(&'static str, &'static str)],
    },
    /// A text of so many bytes.
    Text {
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Texts.
    List {
        /// The fewest.
        least: usize,
    },
    /// Yes or no.
    Switch,
    /// A whole number.
    Count {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A number.
    Decimal {
        /// The smallest.
        least: f64,
        /// The largest.
        most: f64,
    },
    /// A number from 0 to 1, or yes or no.
    Share,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label => f.write_str("a repo label"),
            Self::Url => f.write_str("a URL"),
            Self::Path => f.write_str("a path"),
            Self::Choice { words, .. } => f.write_str(&words.join("|")),
            Self::Text { least, most } => write!(f, "a text of {least} to {most} bytes"),
            Self::List { .. } => f.write_str("a list of texts"),
            Self::Switch => f.write_str("true|false"),
            Self::Count { least, most } if *most == i64::MAX as u64 => {
                write!(f, "a whole number from {least}")
            }
            Self::Count { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Decimal { least, most } => write!(f, "a number from {least} to {most}"),
            Self::Share => f.write_str("a number from 0 to 1, or true|false"),
        }
    }
}

/// A value that its kind has accepted.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// A repo label.
    Label(RepoLabel),
    /// The URL of an archive.
    Url(DatabaseUrl),
    /// A file or folder.
    Path(PathBuf),
    /// A word, in its own spelling.
    Word(&'static str),
    /// A text.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// Yes or no.
    Switch(bool),
    /// A whole number.
    Count(u64),
    /// A number.
    Decimal(f64),
    /// No value: why not, as a clause. Of a variable that other programs read too, and that nobody
    /// but a command that needs it complains of.
    Unusable(String),
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => label.fmt(f),
            Self::Url(url) => url.fmt(f),
            Self::Path(path) => f.write_str(&escape_line(&path.to_string_lossy())),
            Self::Word(word) => f.write_str(word),
            Self::Text(text) => f.write_str(&escape_line(text)),
            Self::List(texts) => {
                let quoted: Vec<_> =
                    texts.iter().map(|it| format!("{:?}", escape_line(it))).collect();
                write!(f, "[{}]", quoted.join(", "))
            }
            Self::Switch(on) => on.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Unusable(why) => write!(f, "not usable: {why}"),
        }
    }
}

/// The share that `jitter = true` stands for.
const TRUE_SHARE: f64 = 0.1;

/// Reads `text` from the environment, a flag or the table of defaults; the error is a clause.
pub fn from_text(kind: Kind, text: &str) -> Result<Datum, String> {
    let number = || text.parse::<f64>().map_err(|_| takes(kind, text));
    match kind {
        Kind::Label | Kind::Url | Kind::Path | Kind::Choice { .. } | Kind::Text { .. } => {
            from_string(kind, text)
        }
        Kind::List { .. } => match DeValue::parse(text) {
            Ok(value) => from_toml(kind, value.get_ref()),
            Err(_) => Err(takes(kind, text)),
        },
        Kind::Switch => switch(text).map(Datum::Switch).ok_or_else(|| takes(kind, text)),
        Kind::Count { .. } => count(kind, text.parse().map_err(|_| takes(kind, text))?, text),
        Kind::Decimal { .. } => decimal(kind, number()?, text),
        // `1` and `0` are numbers here, not words for yes and no.
        Kind::Share => match number() {
            Ok(share) => decimal(kind, share, text),
            Err(why) => switch(text).map(share).ok_or(why),
        },
    }
}

/// Reads a TOML value; the error is a clause.
pub fn from_toml(kind: Kind, value: &DeValue<'_>) -> Result<Datum, String> {
    match (kind, value) {
        (
            Kind::Label | Kind::Url | Kind::Path | Kind::Choice { .. } | Kind::Text { .. },
            DeValue::String(text),
        ) => from_string(kind, text),
        (Kind::List { least }, DeValue::Array(values)) if values.len() < least => {
            Err("it is empty".to_owned())
        }
        (Kind::List { .. }, DeValue::Array(values)) => {
            let texts = values.iter().map(|value| match value.get_ref() {
                DeValue::String(text) => plain(text).map(|()| text.to_string()),
                other => Err(format!("it takes {kind}, not one with {}", type_of(other))),
            });
            texts.collect::<Result<_, _>>().map(Datum::List)
        }
        (Kind::Switch, DeValue::Boolean(on)) => Ok(Datum::Switch(*on)),
        (Kind::Share, DeValue::Boolean(on)) => Ok(share(*on)),
        (Kind::Count { .. }, DeValue::Integer(digits)) => {
            let number = u64::from_str_radix(digits.as_str(), digits.radix());
            count(kind, number.map_err(|_| takes(kind, digits.as_str()))?, digits.as_str())
        }
        (Kind::Decimal { .. } | Kind::Share, DeValue::Integer(digits)) => {
            let number = i64::from_str_radix(digits.as_str(), digits.radix());
            let number = number.map_err(|_| takes(kind, digits.as_str()))?;
            decimal(kind, number as f64, digits.as_str())
        }
        (Kind::Decimal { .. } | Kind::Share, DeValue::Float(digits)) => {
            let number = digits.as_str().parse().map_err(|_| takes(kind, digits.as_str()))?;
            decimal(kind, number, digits.as_str())
        }
        (kind, other) => Err(format!("it takes {kind}, not {}", type_of(other))),
    }
}

/// A TOML value's type with its article.
fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn takes(kind: Kind, given: &str) -> String {
    // A URL under the wrong key may have a password in it.
    if given.contains("://") || given.contains('@') {
        return format!("it takes {kind}, and no URL");
    }
    let given: String = given.chars().take(64).collect();
    format!("it takes {kind}, not `{}`", escape_line(&given))
}

/// Refuses what is empty or has control characters.
fn plain(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        return Err("it has a control character".to_owned());
    }
    Ok(())
}

fn from_string(kind: Kind, text: &str) -> Result<Datum, String> {
    plain(text)?;
    match kind {
        Kind::Text { least, most } if !(least..=most).contains(&text.len()) => {
            Err(takes(kind, text))
        }
        Kind::Text { .. } => Ok(Datum::Text(text.to_owned())),
        Kind::Url => url::check(text).map(|()| Datum::Url(DatabaseUrl::new(text))),
        Kind::Path => Ok(Datum::Path(PathBuf::from(text))),
        Kind::Choice { words, also } => {
            let word = also.iter().find(|(other, _)| *other == text).map_or(text, |it| it.1);
            let word = words.iter().find(|it| **it == word);
            word.map(|word| Datum::Word(word)).ok_or_else(|| takes(kind, text))
        }
        _ => RepoLabel::new(text).map(Datum::Label).map_err(|error| error.to_string()),
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "enabled" => Some(true),
        "0" | "false" | "no" | "off" | "disabled" => Some(false),
        _ => None,
    }
}

fn share(on: bool) -> Datum {
    Datum::Decimal(if on { TRUE_SHARE } else { 0.0 })
}

fn count(kind: Kind, number: u64, given: &str) -> Result<Datum, String> {
    match kind {
        Kind::Count { least, most } if (least..=most).contains(&number) => Ok(Datum::Count(number)),
        _ => Err(takes(kind, given)),
    }
}

fn decimal(kind: Kind, number: f64, given: &str) -> Result<Datum, String> {
    let (least, most) = match kind {
        Kind::Decimal { least, most } => (least, most),
        _ => (0.0, 1.0),
    };
    // NaN is in no range.
    if (least..=most).contains(&number) {
        Ok(Datum::Decimal(number))
    } else {
        Err(takes(kind, given))
    }
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    const LIST: Kind = Kind::List { least: 0 };

    const COUNT: Kind = Kind::Count { least: 1, most: 64 };
    const DELAY: Kind = Kind::Decimal { least: 0.0, most: 3600.0 };

    fn toml_of(kind: Kind, text: &str) -> Result<Datum, String> {
        from_toml(kind, DeValue::parse(text).unwrap().get_ref())
    }

    #[test]
    fn both_spellings_of_a_jitter() {
        assert_eq!(toml_of(Kind::Share, "true"), Ok(Datum::Decimal(0.1)));
        assert_eq!(toml_of(Kind::Share, "0.25"), Ok(Datum::Decimal(0.25)));
        assert_eq!(from_text(Kind::Share, "1"), Ok(Datum::Decimal(1.0)));
        assert_eq!(from_text(Kind::Share, "off"), Ok(Datum::Decimal(0.0)));
        assert!(toml_of(Kind::Share, "1.5").is_err());
    }

    #[test]
    fn ranges_and_types_hold() {
        assert_eq!(toml_of(COUNT, "0x10"), Ok(Datum::Count(16)));
        assert_eq!(toml_of(DELAY, "2"), Ok(Datum::Decimal(2.0)));
        for bad in ["0", "65", "-1", "1.0", "\"5\"", "true", "99999999999999999999", "[5]"] {
            assert!(toml_of(COUNT, bad).is_err(), "{bad}");
        }
        for bad in ["nan", "inf", "-0.5", "\"1\"", "99999999999999999999"] {
            assert!(toml_of(DELAY, bad).is_err(), "{bad}");
        }
        assert_eq!(
            toml_of(COUNT, "\"5\"").unwrap_err(),
            "it takes a whole number from 1 to 64, not a string"
        );
    }

    #[test]
    fn lists_and_texts() {
        let list = |texts: &[&str]| Datum::List(texts.iter().map(|it| (*it).to_owned()).collect());
        assert_eq!(toml_of(LIST, "[]"), Ok(list(&[])));
        assert!(toml_of(Kind::List { least: 1 }, "[]").is_err());
        assert_eq!(toml_of(LIST, "['a', \"b\"]"), Ok(list(&["a", "b"])));
        assert_eq!(from_text(LIST, "['a']").unwrap().to_string(), "[\"a\"]");
        for bad in ["'a'", "[1]", "['']", "[\"a\\n\"]", "1", "[['a']]"] {
            assert!(toml_of(LIST, bad).is_err(), "{bad}");
        }
        let marker = Kind::Text { least: 3, most: 5 };
        assert_eq!(toml_of(marker, "'abc'"), Ok(Datum::Text("abc".to_owned())));
        assert!(toml_of(marker, "'ab'").is_err() && toml_of(marker, "'abcdef'").is_err());
    }

    #[test]
    fn words_have_one_spelling_inside() {
        let kind = Kind::Choice { words: &["warning"], also: &[("warn", "warning")] };
        assert_eq!(from_text(kind, "warn"), Ok(Datum::Word("warning")));
        assert!(from_text(kind, "WARN").is_err());
        assert!(from_text(Kind::Path, "a\nb").is_err());
        assert!(from_text(Kind::Path, "").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,80}") {
            for kind in [COUNT, DELAY, Kind::Share, Kind::Switch, Kind::Url, Kind::Path, Kind::Label, LIST] {
                let _ = from_text(kind, &text);
            }
        }
    }
}
