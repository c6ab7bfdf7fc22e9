//! Candidates: what the rules let go at a time, and what is kept though the rules fit it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::backend::{Catalog, EntrySeek, Memory};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::{Item, ItemState, Protection, RetentionReason, TombstoneId};
use crate::policy::retention::{ItemRules, MemoryJudge, is_shared, protection};

use super::Inputs;

/// Rows that are read together.
const PAGE: u64 = 500;

/// Something that is to go. Keys in the order of their names: it is part of a canonical file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The id of the item or entry.
    pub id: String,
    /// Where the item was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The project of the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Why it is to go.
    pub reasons: Vec<RetentionReason>,
    /// SHA-256 of the item's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes of the item's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// An item that the rules fit and that is kept all the same.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Where its content was archived.
    pub path: String,
    /// What keeps it.
    pub protection: Protection,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What is to go, sorted by id.
    pub candidates: Vec<Candidate>,
    /// What is kept although the rules fit it, sorted by path.
    pub kept: Vec<Kept>,
    /// How many entries or items were looked at.
    pub considered: u64,
    /// How many items have a last day at all.
    pub dated: u64,
    /// How many items have one that is no day; those are kept.
    pub undated: u64,
}

impl Found {
    /// How many candidates there are for each reason; one with two reasons counts twice.
    pub fn by_reason(&self) -> BTreeMap<String, u64> {
        by_reason(&self.candidates)
    }
}

/// How many of `candidates` there are for each reason.
pub fn by_reason(candidates: &[Candidate]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for reason in candidates.iter().flat_map(|it| &it.reasons) {
        *counts.entry(reason.to_string()).or_default() += 1;
    }
    counts
}

/// The entries that are to go at `now`. What was saved after that is not looked at.
pub fn entries(memory: &mut Memory<'_>, inputs: &Inputs, now: Timestamp) -> Result<Found> {
    let until = now.to_string();
    let seek = EntrySeek { project: inputs.project.as_deref(), until: &until };
    let mut found = Found { considered: memory.entry_count(&seek)?, ..Found::default() };
    let mut judge = MemoryJudge::new(inputs.memory_rules(), now);
    let mut after = None;
    loop {
        let page = memory.entries(&seek, after.as_ref(), PAGE)?;
        for entry in &page {
            let reasons = judge.judge(entry.project_row, &entry.created_at);
            if !reasons.is_empty() {
                found.candidates.push(Candidate {
                    id: entry.id.to_string(),
                    path: None,
                    project: Some(entry.project.clone()),
                    reasons,
                    sha256: None,
                    size_bytes: None,
                });
            }
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    found.candidates.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// Whose items are looked at, by which rules, at which time, with which stubs standing.
pub struct Survey<'a> {
    /// The repo label.
    pub repo: &'a str,
    /// The rules.
    pub rules: &'a ItemRules,
    /// The time.
    pub now: Timestamp,
    /// The items whose stub stands somewhere.
    pub standing: &'a BTreeSet<TombstoneId>,
}

impl Survey<'_> {
    /// The items that are to go.
    pub fn items(&self, catalog: &mut Catalog<'_>) -> Result<Found> {
        let mut found = Found::default();
        let mut fitting = Vec::new();
        let mut after = 0;
        loop {
            let page = catalog.item_rows(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            // A row that cannot be read is no candidate; `fsck` tells of it.
            for row in page.into_iter().filter_map(|(_, row)| row.ok()) {
                if !row.hidden && row.item.repo == self.repo {
                    self.look(row.item, &mut found, &mut fitting);
                }
            }
        }
        let ids: BTreeSet<TombstoneId> = fitting.iter().map(|it| it.0.tombstone).collect();
        for (item, reasons) in fitting {
            let sharers = sharers_of(catalog, &item)?;
            if is_shared(&item, &sharers, |it| ids.contains(&it.tombstone)) {
                found.kept.push(kept(&item, Protection::Shared));
            } else {
                found.candidates.push(candidate(&item, reasons));
            }
        }
        found.candidates.sort_by(|a, b| a.id.cmp(&b.id));
        found.kept.sort_by(|a, b| (&a.path, &a.id).cmp(&(&b.path, &b.id)));
        Ok(found)
    }

    fn look(&self, item: Item, found: &mut Found, fitting: &mut Vec<(Item, Vec<RetentionReason>)>) {
        if item.state == ItemState::Purged {
            return;
        }
        found.considered += 1;
        if let Some(day) = &item.delete_after {
            found.dated += 1;
            found.undated += u64::from(day.parse::<crate::clock::Day>().is_err());
        }
        let reasons = self.rules.judge(&item, self.now);
        if reasons.is_empty() {
            return;
        }
        match self.protection(&item) {
            Some(protection) => found.kept.push(kept(&item, protection)),
            None => fitting.push((item, reasons)),
        }
    }

    fn protection(&self, item: &Item) -> Option<Protection> {
        protection(item, self.standing.contains(&item.tombstone))
    }

    /// The item that `planned` names, and all who have its content, if it still is to go for the
    /// same reasons with `ids`; else why not, as a clause.
    pub fn again(
        &self,
        catalog: &mut Catalog<'_>,
        planned: &Candidate,
        ids: &BTreeSet<&str>,
    ) -> Result<std::result::Result<(Item, Vec<Item>), String>> {
        let id = planned.id.parse::<TombstoneId>().ok();
        let item = id.map(|id| catalog.item(&id, false)).transpose()?.flatten();
        let Some(item) = item.filter(|it| it.repo == self.repo) else {
            return Ok(Err(format!("{} is not in the archive", planned.id)));
        };
        let name = format!("{} ({})", item.tombstone, item.path);
        if let Some(protection) = self.protection(&item) {
            return Ok(Err(format!("{name} is {protection}")));
        }
        if item.state == ItemState::Purged {
            return Ok(Err(format!("{name} is purged")));
        }
        if candidate(&item, self.rules.judge(&item, self.now)) != *planned {
            return Ok(Err(format!("{name} is not what it was, or no candidate any more")));
        }
        let sharers = sharers_of(catalog, &item)?;
        if is_shared(&item, &sharers, |it| ids.contains(it.tombstone.to_string().as_str())) {
            return Ok(Err(format!("{name} is {}", Protection::Shared)));
        }
        Ok(Ok((item, sharers)))
    }
}

/// Every item that was not purged and has this item's content.
fn sharers_of(catalog: &mut Catalog<'_>, item: &Item) -> Result<Vec<Item>> {
    let all = catalog.items_with(item.artifact_row_id)?;
    let all = catalog.complete(all)?;
    Ok(all.into_iter().filter(|it| it.state != ItemState::Purged).collect())
}

fn candidate(item: &Item, reasons: Vec<RetentionReason>) -> Candidate {
    Candidate {
        id: item.tombstone.to_string(),
        path: Some(item.path.to_string()),
        project: None,
        reasons,
        sha256: Some(item.sha256.to_string()),
        size_bytes: Some(item.size_bytes),
    }
}

fn kept(item: &Item, protection: Protection) -> Kept {
    Kept { id: item.tombstone.to_string(), path: item.path.to_string(), protection }
}
