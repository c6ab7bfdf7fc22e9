//! What was purged is purged in a backup too, before anybody can read it there.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, json};

use crate::archive::journaled::Deed;
use crate::archive::ready::LEDGER_BYTES;
use crate::archive::{Archive, runs};
use crate::backend::LedgerRow;
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::model::{Digest, Item};

use super::ReinstateOptions;
use super::known::{Known, Source};

/// Content that was in the backup, and was purged since.
#[derive(Debug, Clone, Serialize)]
pub struct PurgedAgain {
    /// SHA-256 of the content.
    pub sha256: String,
    /// The paths of the items that have it.
    pub paths: Vec<String>,
    /// What says that it was purged: the ledger of the `backup` or of the `archive` here, a record in
    /// the `journal` or in a `segment`.
    pub known_by: &'static str,
    /// When it was purged.
    pub at: String,
    /// Why.
    #[serde(skip)]
    reason: String,
    #[serde(skip)]
    items: Vec<Item>,
}

impl PurgedAgain {
    /// What was done with each of its items: an item that counts as purged has a record of that.
    pub(super) fn events(&self, options: &ReinstateOptions) -> Vec<Deed> {
        let event = |item: &Item| {
            let mut event = Event::new(Action::Purge, options.actor.as_str());
            event.repo = Some(item.repo.clone());
            event.path = Some(item.path.clone());
            event.sha256 = Some(item.sha256);
            event.size = Some(item.size_bytes);
            event.tombstone = Some(item.tombstone);
            event.reason = Some(self.reason.clone());
            let mut detail = Map::new();
            detail.insert("backup".to_owned(), json!(options.file));
            detail.insert("known_by".to_owned(), json!(self.known_by));
            detail.insert("purged_at".to_owned(), json!(self.at));
            event.detail = Some(detail);
            (event, Some(item.row_id))
        };
        self.items.iter().map(event).collect()
    }
}

/// Brings the ledger of `archive` up to what is known, and erases what is in it.
pub(super) fn apply(archive: &mut Archive, known: &Known) -> Result<Vec<PurgedAgain>> {
    archive.add_artifacts_with(|transaction| {
        let own = transaction.register().ledger()?;
        let same = |entry: &LedgerRow| {
            own.iter().find(|it| {
                (it.sha256, it.tombstone, &it.at) == (entry.sha256, entry.tombstone, &entry.at)
            })
        };
        let mut erased = Vec::new();
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        for (entry, source) in known.purges.values() {
            let before = same(entry);
            match (before, &entry.readmitted_at) {
                (None, _) => transaction.register().add_ledger_row(entry)?,
                (Some(it), Some(at)) if it.readmitted_at.is_none() => {
                    transaction.register().readmit(&entry.sha256, at)?;
                }
                _ => {}
            }
            // Short content may have been archived again after it was purged.
            let counts = before.is_none() || entry.size_bytes >= LEDGER_BYTES;
            if entry.readmitted_at.is_none() && counts && seen.insert(entry.sha256) {
                erased.extend(erase(transaction, entry, source)?);
            }
        }
        Ok(erased)
    })
}

fn erase(
    transaction: &mut crate::archive::Transaction<'_>,
    entry: &LedgerRow,
    source: Source,
) -> Result<Option<PurgedAgain>> {
    let mut catalog = transaction.catalog();
    let Some(artifact) = catalog.artifact(&entry.sha256)? else { return Ok(None) };
    if catalog.run_of(artifact)?.is_none() {
        return Ok(None);
    }
    runs::before_erasing(&mut catalog, &[artifact])?;
    let items = catalog.items_with(artifact)?;
    let rows: Vec<i64> = items.iter().map(|item| item.row_id).collect();
    let mut register = transaction.register();
    // A hold that was released before the purge may stand in the backup.
    register.unhold(&rows)?;
    if !register.erase(&[(artifact, &[])], &entry.reason, &entry.at)? {
        let why = "it was purged, and the backup's copy of it could not be erased";
        return Err(Error::damaged("artifact", entry.sha256.to_string(), why));
    }
    register.mark_those_purged(&rows)?;
    Ok(Some(PurgedAgain {
        sha256: entry.sha256.to_string(),
        paths: items.iter().map(|item| item.path.to_string()).collect(),
        known_by: source,
        at: entry.at.clone(),
        reason: entry.reason.clone(),
        items,
    }))
}
