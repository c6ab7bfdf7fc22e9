//! Maintenance: an archive that nobody changes, until somebody says that it is over.
//!
//! Promises: the mark stands in the archive itself, and every transaction that would write looks for
//! it after it has the right to write. So whoever committed before the mark is done, and whoever
//! comes behind it changes nothing, from whatever clone.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::backend::{Access, Catalog, LATEST_VERSION};
use crate::clock::Timestamp;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event, Record};
use crate::logging::About;
use crate::model::{Actor, DeedId, escape_line};

use super::governance::check_reason;
use super::{Archive, Transaction, Workspace};

/// The key in the record of a restored backup that tells of the maintenance that goes on.
pub(super) const TAKEN_OVER: &str = "maintenance";

/// What a deed of upkeep may do during maintenance, and others may not: what looks after the archive
/// itself and what tells of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deeds {
    /// All but those are refused during maintenance.
    Ordinary,
    /// Done whether it is on or not.
    Upkeep,
}

/// Whether maintenance is switched on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Nobody changes anything from now on.
    On,
    /// It is over.
    Off,
}

/// A mark as it stands in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    at: String,
    by: String,
    reason: String,
    switch: Switch,
}

/// The maintenance that an archive is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Since when, RFC 3339; in words where its mark cannot be read.
    pub since: String,
    /// Who switched it on.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What to switch, by whom and why.
#[derive(Debug, Clone)]
pub struct MaintenanceOptions {
    /// On or off.
    pub switch: Switch,
    /// Who does it.
    pub actor: Actor,
    /// Why; to switch it off needs none.
    pub reason: Option<String>,
}

/// What was switched.
#[derive(Debug, Serialize)]
pub struct MaintenanceReport {
    /// The archive, redacted.
    pub archive: String,
    /// Whether it is on now.
    pub on: bool,
    /// Whether it was the other way round before.
    pub changed: bool,
    /// The maintenance that it is in, or was in until now.
    pub maintenance: Option<Maintenance>,
    /// Digest of the record; empty where nothing changed.
    pub evidence: String,
}

/// Switches maintenance on or off.
pub fn maintain(workspace: &Workspace, options: &MaintenanceOptions) -> Result<MaintenanceReport> {
    let log = workspace.use_case("MAINTENANCE", Some(options.actor.as_str()));
    log.end(switch(workspace, options), |report| {
        About::many(usize::from(report.changed)).if_done(report.changed)
    })
}

fn switch(workspace: &Workspace, options: &MaintenanceOptions) -> Result<MaintenanceReport> {
    let reason = options.reason.as_deref();
    reason.map_or(Ok(()), check_reason)?;
    // Whoever changes something in this clone is done then.
    let lock = workspace.lock()?;
    let mut archive = Archive::open_for_upkeep(workspace)?;
    let place = archive.driver().place().to_owned();
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    let on = options.switch == Switch::On;
    let (mut before, mut changed) = (archive.maintenance()?, false);
    if before.is_some() == on {
        let evidence = String::new();
        return Ok(MaintenanceReport {
            archive: place,
            on,
            changed,
            maintenance: before,
            evidence,
        });
    }
    let ((), records) = archive.journaled(&label, DeedId::random(), |transaction| {
        before = read(&mut transaction.catalog())?;
        changed = before.is_some() != on;
        if !changed {
            return Ok(((), Vec::new()));
        }
        let mark = Mark {
            at: transaction.now.to_string(),
            by: options.actor.to_string(),
            reason: reason.unwrap_or_default().to_owned(),
            switch: options.switch,
        };
        mark.add(transaction)?;
        let mut event = event(options, before.as_ref(), transaction.now);
        event.repo = (!label.is_empty()).then(|| label.clone());
        if on {
            before = mark.maintenance();
        }
        Ok(((), vec![(event, None)]))
    })?;
    drop(lock);
    let evidence = records.last().map(|(_, digest)| digest.to_string()).unwrap_or_default();
    Ok(MaintenanceReport { archive: place, on, changed, maintenance: before, evidence })
}

/// The record of what is switched; to switch it off tells of what was on.
fn event(options: &MaintenanceOptions, before: Option<&Maintenance>, now: Timestamp) -> Event {
    let mut event = Event::new(Action::Maintenance, options.actor.as_str());
    event.reason = options.reason.clone();
    let mut detail = Map::new();
    let mut add = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
    add("switch", json!(options.switch));
    if let Some(Maintenance { since, by, reason }) = before {
        add("since", json!(since));
        add("by", json!(by));
        add("for", json!(reason));
        if let Ok(start) = since.parse::<Timestamp>() {
            let lasted = now.unix_ms().saturating_sub(start.unix_ms()).max(0);
            add("lasted_ms", json!(lasted));
        }
    }
    event.detail = Some(detail);
    event
}

impl Mark {
    /// What it says, where it switches maintenance on.
    fn maintenance(&self) -> Option<Maintenance> {
        (self.switch == Switch::On).then(|| Maintenance {
            since: self.at.clone(),
            by: self.by.clone(),
            reason: self.reason.clone(),
        })
    }

    /// Adds it behind all others.
    fn add(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        let mut catalog = transaction.catalog();
        let number = catalog.newest_mark()?.map_or(0, |(number, _)| number) + 1;
        let text = serde_json::to_string(self)
            .map_err(|error| Error::io("write", "meta")(error.into()))?;
        catalog.add_mark(number, &text)
    }
}

fn read(catalog: &mut Catalog<'_>) -> Result<Option<Maintenance>> {
    let Some((_, text)) = catalog.newest_mark()? else { return Ok(None) };
    // Whoever damaged the mark has not switched it off.
    let unreadable = || Maintenance {
        since: "an unknown time".to_owned(),
        by: "somebody".to_owned(),
        reason: "its mark cannot be read".to_owned(),
    };
    Ok(serde_json::from_str(&text).map_or_else(|_| Some(unreadable()), |it: Mark| it.maintenance()))
}

impl Archive {
    /// The maintenance that the archive is in, if it is in any.
    pub fn maintenance(&mut self) -> Result<Option<Maintenance>> {
        read(&mut self.catalog())
    }

    /// Refuses an ordinary deed during maintenance.
    pub fn check_not_maintained(&mut self) -> Result<()> {
        if self.deeds == Deeds::Upkeep {
            return Ok(());
        }
        match self.maintenance()? {
            None => Ok(()),
            Some(maintenance) => {
                let place = self.driver().place().to_owned();
                let told = maintenance.to_string();
                Err(Error::refused("change", place, Refusal::Maintenance { told }))
            }
        }
    }

    /// Opens the archive of `workspace` for what is done during maintenance too. The schema of an
    /// embedded one stays as it is: to bring it up to date is a deed of its own.
    pub fn open_for_upkeep(workspace: &Workspace) -> Result<Self> {
        let mut archive = Self::connect(workspace, Access::Write)?;
        archive.schema = archive.schema_version()?;
        let found = archive.schema;
        if found == 0 || (archive.shared && found != LATEST_VERSION) {
            return Err(archive.not_ready(found));
        }
        archive.deeds = Deeds::Upkeep;
        archive.begin_writing(workspace)
    }

    /// Puts the archive, which takes the place of another one, into the maintenance that the other one
    /// is in, or out of it.
    pub(super) fn take_over_maintenance(
        &mut self,
        now: Option<&Maintenance>,
        actor: &Actor,
    ) -> Result<()> {
        let at = self.now.to_string();
        self.add_artifacts_with(|transaction| {
            let before = read(&mut transaction.catalog())?;
            let mark = match now {
                Some(now) if before.as_ref() != Some(now) => Mark {
                    at: now.since.clone(),
                    by: now.by.clone(),
                    reason: now.reason.clone(),
                    switch: Switch::On,
                },
                None if before.is_some() => Mark {
                    at: at.clone(),
                    by: actor.to_string(),
                    reason: "the backup was made during maintenance".to_owned(),
                    switch: Switch::Off,
                },
                _ => return Ok(()),
            };
            mark.add(transaction)
        })
    }
}

impl fmt::Display for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, by, reason } = self;
        // A mark is anybody's who may write to the archive.
        let told = format!("since {since}, switched on by {by}: {reason}");
        f.write_str(&escape_line(&told))
    }
}

impl Maintenance {
    /// The maintenance that an archive is in after `record`, or none; `None` for records that say
    /// nothing of it.
    pub(super) fn after(record: &Record) -> Option<Option<Self>> {
        let event = &record.event;
        let detail = event.detail.as_ref();
        match event.action {
            Action::Maintenance => {
                let is_on = detail.is_some_and(|it| it.get("switch") == Some(&json!(Switch::On)));
                Some(is_on.then(|| Self {
                    since: record.ts.to_string(),
                    by: event.actor.clone(),
                    reason: event.reason.clone().unwrap_or_default(),
                }))
            }
            Action::BackupRestore => {
                let taken_over = detail.and_then(|it| it.get(TAKEN_OVER));
                Some(taken_over.and_then(|it| serde_json::from_value(it.clone()).ok()))
            }
            _ => None,
        }
    }
}
