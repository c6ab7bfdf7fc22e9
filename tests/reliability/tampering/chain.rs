//! The kinds of tampering, done to lines of evidence without the program's code.

use serde_json::Value;

use crate::common::sha256;

/// A way to edit history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Edit,
    Delete,
    Reorder,
    Insert,
    Duplicate,
    Fork,
    TruncateTail,
    EditLast,
    RewriteToTheEnd,
    DropFile,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Edit,
        Self::Delete,
        Self::Reorder,
        Self::Insert,
        Self::Duplicate,
        Self::Fork,
        Self::TruncateTail,
        Self::EditLast,
        Self::RewriteToTheEnd,
        Self::DropFile,
    ];

    /// `lines` with this done to them from line `at` on; `None` when the file is dropped.
    pub fn to(self, lines: &[String], at: usize) -> Option<Vec<String>> {
        let mut out = lines.to_vec();
        let last = out.len() - 1;
        match self {
            Self::Edit => out[at] = edited(&out[at]),
            Self::Delete => drop(out.remove(at)),
            Self::Reorder => out.swap(at, at + 1),
            Self::Insert => out.insert(at + 1, foreign(&out[at])),
            Self::Duplicate => out.insert(at + 1, out[at].clone()),
            Self::Fork => out.insert(at + 1, edited(&out[at])),
            Self::TruncateTail => out.truncate(at + 1),
            Self::EditLast => out[last] = edited(&out[last]),
            Self::RewriteToTheEnd => {
                out[at] = edited(&out[at]);
                relink(&mut out, at + 1);
            }
            Self::DropFile => return None,
        }
        Some(out)
    }
}

/// A record with another actor, in canonical form: what somebody writes who knows the format.
pub fn edited(line: &str) -> String {
    changed(line, |record| record["actor"] = "mallory@example.com".into())
}

/// A record that claims the number behind `line` and follows something that never was.
fn foreign(line: &str) -> String {
    changed(line, |record| {
        record["actor"] = "mallory@example.com".into();
        record["prev"] = "ab".repeat(32).into();
        record["seq"] = (record["seq"].as_u64().unwrap() + 1).into();
    })
}

fn changed(line: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut record: Value = serde_json::from_str(line).unwrap();
    change(&mut record);
    serde_json::to_string(&record).unwrap()
}

/// Links the lines from `from` on behind one another again.
pub fn relink(lines: &mut [String], from: usize) {
    for at in from..lines.len() {
        let before = sha256(lines[at - 1].as_bytes());
        lines[at] = changed(&lines[at], |record| record["prev"] = before.into());
    }
}

/// The lines as a file.
pub fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
