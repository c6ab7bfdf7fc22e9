//! What a record says of its item stands in the item's row too, as random digits that no compression
//! makes smaller. In a stored body they are holes: one control character each, which JSON never holds
//! as it is. Whoever reads fills them from the row, and compares the record's digest.

use std::collections::HashMap;

use crate::error::Result;
use crate::model::{Digest, GitOid, TombstoneId};

use super::{Driver, Row, Value};

/// Holes, by what fills them; frozen with schema 6.
const SHA256: char = '\u{1}';
const TOMBSTONE: char = '\u{2}';
const GIT_BLOB: char = '\u{3}';
const SIZE: char = '\u{4}';

/// So many rows are asked for at once.
const ASKED_AT_ONCE: usize = 256;

/// The columns that fill holes, of `item_row i` and `artifact_row a`.
pub(super) const FILLING: &str = "i.tombstone, a.sha256, i.git_blob, a.size_bytes";

/// What fills the holes of the records about one item: the texts as a record has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filling {
    sha256: String,
    tombstone: String,
    git_blob: String,
    size: String,
}

impl Filling {
    /// Out of the columns [`FILLING`] from `first` on; `None` where there is no such item.
    pub(super) fn of(row: &Row, first: usize) -> Option<Self> {
        Some(Self {
            tombstone: TombstoneId::from_slice(row.bytes(first).ok()?)?.to_string(),
            sha256: Digest::from_slice(row.bytes(first + 1).ok()?)?.to_string(),
            git_blob: GitOid::from_slice(row.bytes(first + 2).ok()?)?.to_string(),
            size: row.unsigned(first + 3).ok()?.to_string(),
        })
    }

    /// `body` with holes where it says what this does.
    pub(super) fn pierce(&self, body: &str) -> String {
        let mut out = String::with_capacity(body.len());
        let mut rest = body;
        // In the order of canonical JSON. What does not fit stays, and where a text fits is no matter:
        // it comes back there.
        let texts = [
            (format!("\"git_blob\":\"{}\"", self.git_blob), "\"git_blob\":\"", GIT_BLOB, "\""),
            (format!("\"sha256\":\"{}\"", self.sha256), "\"sha256\":\"", SHA256, "\""),
            (format!("\"size\":{},", self.size), "\"size\":", SIZE, ","),
            (format!("\"tombstone\":\"{}\"", self.tombstone), "\"tombstone\":\"", TOMBSTONE, "\""),
        ];
        for (text, before, hole, behind) in &texts {
            if let Some(at) = rest.find(text.as_str()) {
                out.push_str(&rest[..at]);
                out.push_str(before);
                out.push(*hole);
                out.push_str(behind);
                rest = &rest[at + text.len()..];
            }
        }
        out.push_str(rest);
        out
    }

    /// `body` without holes.
    pub(super) fn fill(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len() + 192);
        let mut rest = body;
        while let Some(at) = rest.iter().position(|byte| is_hole(*byte)) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(match char::from(rest[at]) {
                SHA256 => self.sha256.as_bytes(),
                TOMBSTONE => self.tombstone.as_bytes(),
                GIT_BLOB => self.git_blob.as_bytes(),
                _ => self.size.as_bytes(),
            });
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out
    }
}

/// Whether a body has holes.
pub(super) fn has_holes(body: &[u8]) -> bool {
    body.iter().any(|byte| is_hole(*byte))
}

fn is_hole(byte: u8) -> bool {
    [SHA256, TOMBSTONE, GIT_BLOB, SIZE].contains(&char::from(byte))
}

/// What fills the holes of records about these items.
pub(super) fn fillings(
    driver: &mut dyn Driver,
    items: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, Filling>> {
    let items: Vec<Value> = items.map(Value::from).collect();
    let mut fillings = HashMap::with_capacity(items.len());
    for some in items.chunks(ASKED_AT_ONCE) {
        let marks = vec!["?"; some.len()].join(", ");
        let sql = format!(
            "SELECT i.id, {FILLING} FROM item_row i JOIN artifact_row a ON a.id = i.artifact_id
             WHERE i.id IN ({marks})"
        );
        for row in driver.query(&sql, some)? {
            if let Some(filling) = Filling::of(&row, 1) {
                fillings.insert(row.int(0)?, filling);
            }
        }
    }
    Ok(fillings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling() -> Filling {
        Filling {
            sha256: "ab".repeat(32),
            tombstone: "afed7793-b222-849b-9fec-fa27099284b7".to_owned(),
            git_blob: "cd".repeat(20),
            size: "2691".to_owned(),
        }
    }

    #[test]
    fn what_was_pierced_is_filled_again() {
        let filling = filling();
        let (sha256, blob, id) = (&filling.sha256, &filling.git_blob, &filling.tombstone);
        let body = format!(
            r#"{{"action":"ARCHIVE","git_blob":"{blob}","path":"ä\u0001","sha256":"{sha256}","size":2691,"stored_size":2691,"tombstone":"{id}","ts":"x"}}"#
        );
        let pierced = filling.pierce(&body);
        assert_eq!(
            pierced,
            "{\"action\":\"ARCHIVE\",\"git_blob\":\"\u{3}\",\"path\":\"ä\\u0001\",\"sha256\":\"\u{1}\",\"size\":\u{4},\"stored_size\":2691,\"tombstone\":\"\u{2}\",\"ts\":\"x\"}"
        );
        assert!(has_holes(pierced.as_bytes()) && !has_holes(body.as_bytes()));
        assert_eq!(filling.fill(pierced.as_bytes()), body.as_bytes());
    }

    #[test]
    fn what_differs_from_the_row_stays() {
        let filling = filling();
        let other = "ef".repeat(20);
        let body = format!(r#"{{"git_blob":"{other}","sha256":"{other}","size":26910,"x":1}}"#);
        assert_eq!(filling.pierce(&body), body);
        assert_eq!(filling.fill(body.as_bytes()), body.as_bytes());
    }
}
