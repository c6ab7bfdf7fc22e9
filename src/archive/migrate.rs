//! `migrate`: the steps of an archive's schema, shown or taken.

use serde::Serialize;
use serde_json::{Map, json};

use crate::backend::{Access, LATEST_VERSION, MIGRATIONS, Migrated, applied, apply};
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{Actor, DeedId};

use super::maintenance::Deeds;
use super::{Archive, Workspace};

/// The steps of an archive's schema.
#[derive(Debug, Serialize)]
pub struct MigrateReport {
    /// The archive, redacted.
    pub archive: String,
    /// The version before.
    pub from: i64,
    /// The version now.
    pub to: i64,
    /// The newest version that this program knows.
    pub latest: i64,
    /// Every step.
    pub steps: Vec<Step>,
    /// The copy of an embedded archive that was made first.
    pub copy: Option<String>,
    /// Digest of the record; empty when nothing was done.
    pub evidence: String,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it brings.
    pub name: &'static str,
    /// SHA-256 of its text.
    pub checksum: String,
    /// When it was taken; `None` while it waits.
    pub applied_at: Option<String>,
}

/// The steps that were taken, and those that wait. Only reads.
pub fn migration_status(workspace: &Workspace) -> Result<MigrateReport> {
    let mut archive = Archive::open(workspace)?;
    report(&mut archive)
}

/// Takes the steps that wait; an embedded archive is copied first.
pub fn migrate(workspace: &Workspace, actor: &Actor) -> Result<MigrateReport> {
    let log = workspace.use_case("MIGRATE", Some(actor.as_str()));
    log.end(take_steps(workspace, actor), |report| {
        let taken = usize::try_from(report.to - report.from).unwrap_or(0);
        About::many(taken).if_done(taken > 0)
    })
}

fn take_steps(workspace: &Workspace, actor: &Actor) -> Result<MigrateReport> {
    let lock = workspace.lock()?;
    let mut archive = Archive::connect(workspace, Access::Write)?;
    let before = report(&mut archive)?;
    if before.from == 0 {
        return Err(Error::NoArchive { action: "migrate", place: before.archive });
    }
    // It comes between a backup and a check, while nobody else writes.
    archive.deeds = Deeds::Upkeep;
    let now = workspace.now();
    let done = apply(archive.driver(), now)?;
    let mut archive = archive.begin_writing(workspace)?;
    let evidence = record(&mut archive, workspace, actor.as_str(), &done)?;
    let after = report(&mut archive)?;
    drop(lock);
    let copy = done.copy.map(|path| path.display().to_string());
    Ok(MigrateReport { from: before.from, copy, evidence, ..after })
}

/// Records that the schema changed; the digest, or nothing where it did not.
pub(super) fn record(
    archive: &mut Archive,
    workspace: &Workspace,
    actor: &str,
    done: &Migrated,
) -> Result<String> {
    if done.from == 0 || done.from == LATEST_VERSION {
        return Ok(String::new());
    }
    let label = workspace.label().map_or("", |label| label.as_str()).to_owned();
    let mut event = Event::new(Action::Migrate, actor);
    event.repo = (!label.is_empty()).then(|| label.clone());
    let mut detail = Map::new();
    detail.insert("from".to_owned(), json!(done.from));
    detail.insert("to".to_owned(), json!(LATEST_VERSION));
    event.detail = Some(detail);
    let deed = DeedId::random();
    let ((), records) =
        archive.journaled(&label, deed, |_| Ok(((), vec![(event.clone(), None)])))?;
    Ok(records[records.len() - 1].1.to_string())
}

fn report(archive: &mut Archive) -> Result<MigrateReport> {
    let taken = applied(archive.driver())?;
    let steps = MIGRATIONS.iter().map(|step| Step {
        version: step.version,
        name: step.name,
        checksum: step.checksum().to_string(),
        applied_at: taken.iter().find(|it| it.version == step.version).map(|it| it.at.clone()),
    });
    let found = taken.last().map_or(0, |step| step.version);
    Ok(MigrateReport {
        archive: archive.driver().place().to_owned(),
        from: found,
        to: found,
        latest: LATEST_VERSION,
        steps: steps.collect(),
        copy: None,
        evidence: String::new(),
    })
}
