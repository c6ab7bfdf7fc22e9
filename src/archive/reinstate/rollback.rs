//! What a restored backup broke off: records that were known here, and are in the archive no more.
//!
//! The record of the restore says up to which number each log was known. Whoever meets one of those
//! records later can tell that from tampering, and from what other archives wrote.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::archive::Archive;
use crate::archive::journaled::record_of;
use crate::error::Result;
use crate::evidence::{Action, Record};
use crate::model::{LogId, shell_word};

use super::known::Known;

/// The key in the detail of the record.
pub(super) const ROLLED_BACK: &str = "rolled_back";

/// The key that names the folder in which the archive before is kept.
pub(super) const ASIDE: &str = "aside";

/// Logs that one record tells of, at most: it has room for 64 KiB.
const MOST: usize = 200;

/// What the record of the restore says of the logs that the backup breaks off.
pub(super) fn tell(archive: &mut Archive, known: &Known) -> Result<Vec<Value>> {
    let mut told = Vec::new();
    for (log, until) in known.broken_off.iter().take(MOST) {
        let after = archive.ledger().log(log)?.map_or(0, |head| head.seq);
        told.push(json!({"after": after, "log": log.to_string(), "until": until}));
    }
    Ok(told)
}

/// The logs that restored backups broke off.
#[derive(Debug, Default)]
pub struct RolledBack(BTreeMap<LogId, BrokenOff>);

/// A log that was known further than the backup has it.
#[derive(Debug)]
struct BrokenOff {
    after: u64,
    until: u64,
    aside: Option<String>,
}

impl RolledBack {
    /// As the records of `archive` tell.
    pub fn of(archive: &mut Archive) -> Result<Self> {
        let mut logs = BTreeMap::new();
        for stored in archive.ledger().records_with(Action::BackupRestore.as_str())? {
            // A damaged record is told of elsewhere.
            let Ok(record) = record_of(&stored) else { continue };
            let detail = record.event.detail.unwrap_or_default();
            for entry in detail.get(ROLLED_BACK).and_then(Value::as_array).into_iter().flatten() {
                let log = entry["log"].as_str().and_then(|text| text.parse().ok());
                if let (Some(log), Some(after), Some(until)) =
                    (log, entry["after"].as_u64(), entry["until"].as_u64())
                {
                    let aside = detail.get(ASIDE).and_then(Value::as_str).map(str::to_owned);
                    logs.insert(log, BrokenOff { after, until, aside });
                }
            }
        }
        Ok(Self(logs))
    }

    /// Whether `record` is one that a restore took away.
    pub fn has(&self, record: &Record) -> bool {
        self.of_record(record).is_some()
    }

    fn of_record(&self, record: &Record) -> Option<&BrokenOff> {
        let log = self.0.get(&record.log)?;
        (log.after + 1..=log.until).contains(&record.seq).then_some(log)
    }

    /// The command that brings back what a restore took away with `record`, where the archive before
    /// was kept.
    pub fn remedy(&self, record: &Record) -> Option<String> {
        let aside = self.of_record(record)?.aside.as_ref()?;
        let folder = "\"$(git rev-parse --git-common-dir)\"/codex-archive";
        let file = shell_word(format!("{aside}/archive.sqlite").as_bytes());
        Some(format!("git codex-archive import {folder}/{file}"))
    }
}
