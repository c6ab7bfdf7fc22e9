//! A plan as a file: what two people read, approve by its digest, and have carried out.
//!
//! Promises one valid encoding: whatever [`PlanFile::parse`] accepts, [`PlanFile::render`] gives
//! back byte for byte. Refuses every other spelling, and versions it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{EntryId, RetentionScope, TombstoneId, escape_line};

use super::candidates::{Candidate, by_reason};
use super::inputs::Inputs;

/// The version of the format.
const VERSION: u64 = 1;

/// The largest plan, in bytes.
pub const MAX_PLAN_BYTES: usize = 16 << 20;

/// A plan. Keys in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// The archive's id.
    pub archive: String,
    /// How many candidates there are for each reason.
    pub by_reason: BTreeMap<String, u64>,
    /// What is to go, sorted by id.
    pub candidates: Vec<Candidate>,
    /// The rules.
    pub inputs: Inputs,
    /// The time at which it was judged, RFC 3339.
    pub made_at: String,
    /// The repo label of the items; empty for memory.
    pub repo: String,
    /// What it is about.
    pub scope: RetentionScope,
    /// Why it is a spike; empty where it is none.
    pub spike: Vec<String>,
    /// How many candidates there are.
    pub total_candidates: u64,
    /// The format's version.
    v: u64,
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    v: u64,
}

impl PlanFile {
    /// A plan of version 1.
    pub fn new(archive: String, scope: RetentionScope, repo: String, inputs: Inputs) -> Self {
        Self {
            archive,
            by_reason: BTreeMap::new(),
            candidates: Vec::new(),
            inputs,
            made_at: String::new(),
            repo,
            scope,
            spike: Vec::new(),
            total_candidates: 0,
            v: VERSION,
        }
    }

    /// Its bytes.
    pub fn render(&self) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("numbers and texts have a JSON form");
        bytes.push(b'\n');
        if bytes.len() > MAX_PLAN_BYTES {
            let why = format!("it would have more than {MAX_PLAN_BYTES} bytes; narrow the rules");
            return Err(Error::invalid("plan", format!("{} bytes", bytes.len()), why));
        }
        Ok(bytes)
    }

    /// The plan in the file `name`.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let wrong = |why: String| Error::invalid("plan", escape_line(name), why);
        if bytes.len() > MAX_PLAN_BYTES {
            return Err(wrong(format!("it has more than {MAX_PLAN_BYTES} bytes")));
        }
        let not_one = |error: serde_json::Error| {
            let why: String = escape_line(&error.to_string()).chars().take(200).collect();
            wrong(why)
        };
        let head: Head = serde_json::from_slice(bytes).map_err(not_one)?;
        if head.v != VERSION {
            return Err(wrong(format!("it has version {}; this program knows {VERSION}", head.v)));
        }
        let plan: Self = serde_json::from_slice(bytes).map_err(not_one)?;
        plan.check().map_err(|why| wrong(why.to_owned()))?;
        if plan.render()? != bytes {
            return Err(wrong("it is not as `retention plan` writes it".to_owned()));
        }
        Ok(plan)
    }

    /// Refuses a plan that contradicts itself; why, as a clause.
    fn check(&self) -> std::result::Result<(), &'static str> {
        let is_id = |id: &str| match self.scope {
            RetentionScope::Memory => id.parse::<EntryId>().is_ok(),
            RetentionScope::Items => id.parse::<TombstoneId>().is_ok(),
        };
        if self.made_at.parse::<Timestamp>().is_err() {
            return Err("`made_at` is no time");
        }
        if !self.candidates.iter().all(|it| is_id(&it.id) && !it.reasons.is_empty()) {
            return Err("a candidate has no id, or no reason");
        }
        if !self.candidates.is_sorted_by(|a, b| a.id < b.id) {
            return Err("its candidates are not sorted, or one is there twice");
        }
        if self.total_candidates != self.candidates.len() as u64
            || self.by_reason != by_reason(&self.candidates)
        {
            return Err("its numbers are not those of its candidates");
        }
        Ok(())
    }

    /// The time at which it was judged.
    pub fn made_at(&self) -> Result<Timestamp> {
        self.made_at.parse().map_err(|()| Error::invalid("plan", &*self.made_at, "no time"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::RetentionReason;

    fn plan(count: usize) -> PlanFile {
        let id = |n: usize| format!("{n:08x}-0000-4000-8000-000000000000");
        let candidates = (0..count).map(|n| Candidate {
            id: id(n),
            path: None,
            project: Some("p".to_owned()),
            reasons: vec![RetentionReason::Age],
            sha256: None,
            size_bytes: None,
        });
        let inputs = Inputs { max_age_days: Some(3), ..Inputs::default() };
        let mut plan = PlanFile::new("a".to_owned(), RetentionScope::Memory, String::new(), inputs);
        plan.candidates = candidates.collect();
        plan.by_reason = by_reason(&plan.candidates);
        plan.total_candidates = count as u64;
        plan.made_at = "2026-11-21T09:28:10.007Z".to_owned();
        plan
    }

    fn why(text: &str) -> String {
        PlanFile::parse("p", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn one_spelling_only() {
        let text = String::from_utf8(plan(2).render().unwrap()).unwrap();
        assert_eq!(PlanFile::parse("p", text.as_bytes()).unwrap(), plan(2));
        let other = "invalid plan `p`: it is not as `retention plan` writes it";
        assert_eq!(why(&text.replace("\n  ", "\n   ")), other);
        assert_eq!(why(&text.replace("\"v\": 1\n", "\"v\": 1 \n")), other);
        assert_eq!(why(text.trim_end()), other);
        assert_eq!(why(&format!("{text}\n")), other);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let text = String::from_utf8(plan(2).render().unwrap()).unwrap();
        for (from, to, said) in [
            ("\"v\": 1", "\"v\": 2", "it has version 2; this program knows 1"),
            ("\"v\": 1", "\"v\": 1, \"x\": 1", "unknown field `x`"),
            ("00000001-", "00000000-", "not sorted, or one is there twice"),
            ("00000001-", "0000001-", "a candidate has no id"),
            ("\"age\": 2", "\"age\": 3", "its numbers are not those of its candidates"),
            ("\"total_candidates\": 2", "\"total_candidates\": 3", "its numbers are not"),
            ("2026-11-21T", "yesterday", "`made_at` is no time"),
            ("\"scope\": \"memory\"", "\"scope\": \"all\"", "it is not one of: memory items"),
            ("\"age\"\n", "\"whim\"\n", "it is not one of: age project_count delete_after"),
            ("\"repo\": \"\",", "", "missing field `repo`"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(why(&changed).contains(said), "{to}: {}", why(&changed));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = PlanFile::parse("p", &bytes);
        }

        #[test]
        fn a_byte_that_changes_changes_the_plan_or_is_refused(at in 0usize..4096, byte: u8) {
            let bytes = plan(2).render().unwrap();
            let mut other = bytes.clone();
            let at = at % bytes.len();
            other[at] = byte;
            if let Ok(read) = PlanFile::parse("p", &other) {
                prop_assert_eq!(read.render().unwrap(), other);
            }
        }
    }
}
