//! Canonical JSON: the one spelling of a record, and a reader that keeps what it saw.
//!
//! Keys sorted bytewise, no spaces; in strings only `"`, `\` and control characters (Unicode Cc)
//! are escaped, the latter as `\u00xx` with small digits; integers 0 to 2^53-1, strings, arrays
//! and objects; no other numbers, no null, true or false.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest integer that every JSON reader keeps exactly.
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// How deep arrays and objects may nest in a record's `detail`, itself included.
pub(super) const MAX_DEPTH: usize = 16;

/// Writes one object, key by key; the caller keeps the keys sorted and free of escapes.
pub(super) struct ObjectWriter<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object at the end of `out`.
    pub(super) fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, is_empty: true }
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    fn key(&mut self, key: &str) {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// A string that may need escapes.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        write_text(self.out, text);
    }

    /// A value whose text never has a character to escape: an id, a digest, a time, a path.
    pub(super) fn plain(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.out, "\"{value}\"");
    }

    /// An integer; `Err` says why it has no canonical form.
    pub(super) fn integer(&mut self, key: &str, value: u64) -> Result<(), &'static str> {
        self.key(key);
        write_integer(self.out, value)
    }

    /// An array of strings.
    pub(super) fn texts(&mut self, key: &str, texts: &[String]) {
        self.key(key);
        self.out.push('[');
        for (n, text) in texts.iter().enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            write_text(self.out, text);
        }
        self.out.push(']');
    }

    /// An object of arbitrary JSON; `Err` says why it has no canonical form.
    pub(super) fn object(
        &mut self,
        key: &str,
        map: &Map<String, Value>,
    ) -> Result<(), &'static str> {
        self.key(key);
        write_map(self.out, map, 1)
    }

    /// Closes the object.
    pub(super) fn end(self) {
        self.out.push('}');
    }
}

/// Writes `text` as a JSON string.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let is_control = c.is_control();
        if !is_control && c != '"' && c != '\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + c.len_utf8();
        if is_control {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", c as u32);
        } else {
            out.push('\\');
            out.push(c);
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

fn write_integer(out: &mut String, value: u64) -> Result<(), &'static str> {
    if value > MAX_INTEGER {
        return Err("an integer is above 2^53-1");
    }
    let _ = write!(out, "{value}");
    Ok(())
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), &'static str> {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Number(number) => {
            write_integer(out, number.as_u64().ok_or("a number is no integer from 0 on")?)?;
        }
        Value::Array(values) => {
            check_depth(depth)?;
            out.push('[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_value(out, value, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(map) => write_map(out, map, depth)?,
        Value::Null | Value::Bool(_) => return Err("a value is null, true or false"),
    }
    Ok(())
}

fn write_map(out: &mut String, map: &Map<String, Value>, depth: usize) -> Result<(), &'static str> {
    check_depth(depth)?;
    // serde_json's map is sorted only as long as no crate in the build asks it not to be.
    let mut pairs: Vec<_> = map.iter().collect();
    pairs.sort_unstable_by_key(|(key, _)| *key);
    out.push('{');
    for (n, (key, value)) in pairs.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write_value(out, value, depth + 1)?;
    }
    out.push('}');
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), &'static str> {
    if depth > MAX_DEPTH { Err("it nests deeper than 16") } else { Ok(()) }
}

/// JSON as it was read: strings borrowed where they can be, duplicate keys still there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Text(Cow<'a, str>),
    Integer(u64),
    Array(Vec<Self>),
    Object(Vec<(Cow<'a, str>, Self)>),
    /// Null, true, false or a number that is no integer from 0 on.
    Other,
}

impl<'a> Json<'a> {
    /// Reads one JSON value and nothing after it; nesting is bounded by the reader (128).
    pub(super) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// A key that some object in it has twice.
    pub(super) fn duplicate_key(&self) -> Option<&str> {
        match self {
            Self::Array(values) => values.iter().find_map(Self::duplicate_key),
            Self::Object(pairs) => {
                if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
                    let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_ref()).collect();
                    keys.sort_unstable();
                    if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
                        return Some(twice[0]);
                    }
                }
                pairs.iter().find_map(|(_, value)| value.duplicate_key())
            }
            _ => None,
        }
    }

    /// The same as serde_json's value; `Err` says what has no place in a record.
    pub(super) fn into_value(self, depth: usize) -> Result<Value, &'static str> {
        match self {
            Self::Text(text) => Ok(Value::String(text.into_owned())),
            Self::Integer(value) if value <= MAX_INTEGER => Ok(Value::from(value)),
            Self::Integer(_) => Err("an integer is above 2^53-1"),
            Self::Array(values) => {
                check_depth(depth)?;
                values.into_iter().map(|value| value.into_value(depth + 1)).collect()
            }
            Self::Object(pairs) => Self::into_map(pairs, depth).map(Value::Object),
            Self::Other => Err("a value is null, true, false or no integer from 0 on"),
        }
    }

    /// Pairs as serde_json's map, with the same checks.
    pub(super) fn into_map(
        pairs: Vec<(Cow<'a, str>, Self)>,
        depth: usize,
    ) -> Result<Map<String, Value>, &'static str> {
        check_depth(depth)?;
        pairs
            .into_iter()
            .map(|(key, value)| Ok((key.into_owned(), value.into_value(depth + 1)?)))
            .collect()
    }
}

/// A key, borrowed where it has no escapes; serde's own `Cow` is always owned.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Text(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a key is no string")),
        }
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            pairs.push((key, value));
        }
        Ok(Json::Object(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let mut out = String::new();
        write_text(&mut out, text);
        out
    }

    #[test]
    fn only_quotes_backslashes_and_controls_are_escaped() {
        assert_eq!(rendered("a/é\u{202e}\u{2028}😀"), "\"a/é\u{202e}\u{2028}😀\"");
        assert_eq!(rendered("\"\\"), r#""\"\\""#);
        assert_eq!(
            rendered("\n\t\u{0}\u{1f}\u{7f}\u{80}\u{9f}\u{a0}"),
            "\"\\u000a\\u0009\\u0000\\u001f\\u007f\\u0080\\u009f\u{a0}\""
        );
    }

    #[test]
    fn every_control_character_and_no_other_is_escaped() {
        for c in ('\0'..='\u{2ff}').filter(|c| !matches!(c, '"' | '\\')) {
            let is_escaped = rendered(&c.to_string()).contains("\\u00");
            let is_cc = (c as u32) < 0x20 || (0x7f..=0x9f).contains(&(c as u32));
            assert_eq!(is_escaped, is_cc, "{c:?}");
        }
    }

    #[test]
    fn what_has_no_canonical_form_is_refused() {
        for bad in ["null", "true", "1.5", "-1", "9007199254740992", "[null]", r#"{"a":1e3}"#] {
            let mut out = String::new();
            let value: Value = serde_json::from_str(bad).unwrap();
            assert!(write_value(&mut out, &value, 1).is_err(), "{bad}");
            assert!(Json::read(bad).unwrap().into_value(1).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded_the_same_way_both_ways() {
        for (depth, fits) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(write_value(&mut String::new(), &value, 1).is_ok(), fits);
            assert_eq!(Json::read(&text).unwrap().into_value(1).is_ok(), fits);
        }
        let bomb = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(Json::read(&bomb).is_err());
    }

    #[test]
    fn duplicates_are_seen_at_any_depth_and_in_any_spelling() {
        for (text, key) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"b":1,"a":1,"b":2}"#, "b"),
            (r#"{"x":[{"c":1,"\u0063":2}]}"#, "c"),
        ] {
            assert_eq!(Json::read(text).unwrap().duplicate_key(), Some(key), "{text}");
        }
        assert_eq!(Json::read(r#"{"b":{"a":1},"a":1}"#).unwrap().duplicate_key(), None);
    }
}
