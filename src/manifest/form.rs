//! The four forms of a manifest, told apart by how they begin.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use super::{Fault, MAX_BYTES, MAX_ITEMS, Raw, table};

/// `{"items":[…]}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "R: Raw")]
struct Document<R: Raw> {
    items: Items<R>,
}

/// An array of items.
struct Items<R: Raw>(Vec<R::Entry>);

/// The items of a manifest in any form.
pub fn entries<R: Raw>(bytes: &[u8]) -> Result<Vec<R::Entry>, Fault> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("it has more than {} MiB; split it", MAX_BYTES >> 20));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        format!("line {line}: it is no UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let begin = text.trim_start();
    let json = |error: serde_json::Error| error.to_string();
    match begin.as_bytes().first() {
        None => Err("it is empty".to_owned()),
        Some(b'[') => serde_json::from_str::<Items<R>>(text).map(|it| it.0).map_err(json),
        Some(b'{') if is_document(begin) => {
            serde_json::from_str::<Document<R>>(text).map(|it| it.items.0).map_err(json)
        }
        Some(b'{') => lines::<R>(text),
        Some(_) => table::entries::<R>(text),
    }
}

/// Whether an object's first key is `items`: else it is the first line of JSON Lines.
fn is_document(object: &str) -> bool {
    let inside = object[1..].trim_start();
    let first = serde_json::Deserializer::from_str(inside).into_iter::<String>().next();
    matches!(first, Some(Ok(key)) if key == "items")
}

fn lines<R: Raw>(text: &str) -> Result<Vec<R::Entry>, Fault> {
    let mut entries = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if entries.len() == MAX_ITEMS {
            return Err(too_many());
        }
        let at = |why: &dyn fmt::Display| format!("line {}: {why}", n + 1);
        let raw: R = serde_json::from_str(line).map_err(|error| at(&without_line(&error)))?;
        entries.push(raw.checked().map_err(|why| at(&why))?);
    }
    Ok(entries)
}

/// What the parser says of one line: it counts that as line 1.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replacen(" at line 1 column", " at column", 1)
}

pub fn too_many() -> Fault {
    format!("it has more than {MAX_ITEMS} items; split it")
}

impl<'de, R: Raw> Deserialize<'de> for Items<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor(PhantomData))
    }
}

struct ItemsVisitor<R>(PhantomData<R>);

impl<'de, R: Raw> Visitor<'de> for ItemsVisitor<R> {
    type Value = Items<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items<R>, A::Error> {
        let mut entries = Vec::new();
        while let Some(raw) = items.next_element::<R>()? {
            if entries.len() == MAX_ITEMS {
                return Err(A::Error::custom(too_many()));
            }
            let entry = raw.checked();
            let number = entries.len() + 1;
            entries.push(entry.map_err(|why| A::Error::custom(format!("item {number}: {why}")))?);
        }
        Ok(Items(entries))
    }
}
