//! What became of purged content, class by class: erased and looked for, out of reach, still there.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::archive::journaled::record_of;
use crate::archive::stored::frame_of;
use crate::archive::{Archive, Content, Workspace};
use crate::backend::Scrub;
use crate::error::{Error, Result};
use crate::evidence::Action;
use crate::git::Bytes as _;
use crate::model::{Approval, Assurance, DeedId, Item, Request, escape_line};

use super::leftovers::{in_file, in_files, is_live};
use super::probe::Probes;
use super::residue::elsewhere;
use super::{event_about, is_one_keyboard};

/// How far a purge has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Approvals are recorded; the bytes are kept.
    Waiting,
    /// The bytes are destroyed.
    Purged,
}

/// An item whose content went.
#[derive(Debug, Clone, Serialize)]
pub struct PurgedItem {
    /// Its id.
    pub tombstone: String,
    /// Where its content was archived.
    pub path: String,
}

/// One place where the content was, or is.
#[derive(Debug, Clone, Serialize)]
pub struct Spot {
    /// The place.
    pub place: String,
    /// What was done there, or seen.
    pub what: String,
    /// What takes it away there, as a command, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What was done, and what was found.
#[derive(Debug, Serialize)]
pub struct PurgeReport {
    /// The item that was named.
    pub tombstone: String,
    /// Where its content was archived.
    pub path: String,
    /// SHA-256 of the content.
    pub sha256: String,
    /// Bytes of the content.
    pub size_bytes: u64,
    /// How far it has come.
    pub state: Stage,
    /// Whether it was purged before this command.
    pub already: bool,
    /// The request.
    pub request: String,
    /// Whose approvals count, or were used.
    pub approved_by: Vec<String>,
    /// How sure they are.
    pub assurance: Assurance,
    /// Whether one user of one machine gave them all, by name alone.
    pub one_keyboard: bool,
    /// When the bytes were destroyed.
    pub purged_at: Option<String>,
    /// Every item that has this content.
    pub items: Vec<PurgedItem>,
    /// Erased, and looked for since.
    pub erased: Vec<Spot>,
    /// Out of this program's reach.
    pub outside_reach: Vec<Spot>,
    /// Still there.
    pub still_present: Vec<Spot>,
    /// Digest of the record.
    pub evidence: String,
    /// Digest of the record that has this report.
    pub evidence_report: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// The report of a purge that waits.
pub(super) fn waiting(
    item: &Item,
    request: &Request,
    approvals: Vec<Approval>,
    sharers: &[Item],
) -> PurgeReport {
    let mut report = done(item, request, &approvals, sharers, "");
    (report.state, report.purged_at) = (Stage::Waiting, None);
    report
}

/// The report of a purge that is done, without what is found.
pub(super) fn done(
    item: &Item,
    request: &Request,
    used: &[Approval],
    purged: &[Item],
    at: &str,
) -> PurgeReport {
    let signed = !used.is_empty() && used.iter().all(|it| it.assurance == Assurance::Signed);
    PurgeReport {
        request: request.deed.to_string(),
        approved_by: used.iter().map(|it| it.actor.clone()).collect(),
        assurance: if signed { Assurance::Signed } else { Assurance::Attested },
        one_keyboard: is_one_keyboard(used),
        purged_at: Some(at.to_owned()),
        items: purged.iter().map(purged_item).collect(),
        ..empty(item)
    }
}

fn purged_item(item: &Item) -> PurgedItem {
    PurgedItem { tombstone: item.tombstone.to_string(), path: item.path.to_string() }
}

fn empty(item: &Item) -> PurgeReport {
    PurgeReport {
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
        sha256: item.sha256.to_string(),
        size_bytes: item.size_bytes,
        state: Stage::Purged,
        already: false,
        request: String::new(),
        approved_by: Vec::new(),
        assurance: Assurance::Attested,
        one_keyboard: false,
        purged_at: None,
        items: Vec::new(),
        erased: Vec::new(),
        outside_reach: Vec::new(),
        still_present: Vec::new(),
        evidence: String::new(),
        evidence_report: String::new(),
        evidence_segment: None,
    }
}

/// What is looked for once the bytes are gone.
pub(super) struct Search {
    probes: Probes,
    item: Item,
}

/// Takes pieces of the content while it is there.
pub(super) fn prepare(workspace: &Workspace, archive: &mut Archive, item: &Item) -> Result<Search> {
    let mut probes = Probes::default();
    // What is damaged is destroyed as well: it may be damaged in one byte.
    let frame = match frame_of(&mut archive.catalog(), item.artifact_row_id, &item.sha256) {
        Ok(frame) => frame,
        Err(Error::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(frame) = frame {
        probes.add(frame.own());
        match Content::of_frame(workspace.spool(), frame, item.size_bytes, item.sha256) {
            Ok(content) => content.in_memory().into_iter().for_each(|bytes| probes.add(bytes)),
            Err(Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Search { probes, item: item.clone() })
}

impl Search {
    /// Tidies up behind the erased bytes, looks for them, and says in `report` what was found.
    pub fn finish(
        &self,
        workspace: &Workspace,
        archive: &mut Archive,
        report: &mut PurgeReport,
    ) -> Result<()> {
        report.erased.push(gone_from_tables(workspace));
        let scrub = archive.driver().scrub();
        of_backend(workspace, report, scrub);
        if workspace.is_embedded() {
            let [erased, still_present] =
                in_files(workspace, archive, &self.probes, "the content")?;
            report.erased.extend(erased);
            report.still_present.extend(still_present);
        }
        elsewhere(workspace, archive, &self.item, report)
    }
}

/// That the tables have none of it.
pub(super) fn gone_from_tables(workspace: &Workspace) -> Spot {
    let place = workspace.config.backend().as_str().to_owned();
    let what = "the bytes are gone from the tables of content".to_owned();
    Spot { place, what, command: None }
}

/// What the backend did, and what of it nobody here can reach.
fn of_backend(workspace: &Workspace, report: &mut PurgeReport, scrub: Result<Scrub>) {
    let again = format!("git codex-archive purge {} --report", report.tombstone);
    let [erased, outside_reach, still_present] = scrubbed(workspace, &again, scrub);
    report.erased.extend(erased);
    report.outside_reach.extend(outside_reach);
    report.still_present.extend(still_present);
}

/// What the backend did so that deleted bytes are gone, what of it nobody here can reach, and what is
/// still there; `again` is the command that looks once more.
pub(super) fn scrubbed(workspace: &Workspace, again: &str, scrub: Result<Scrub>) -> [Vec<Spot>; 3] {
    let place = workspace.config.backend().as_str().to_owned();
    let (mut erased, mut outside_reach, mut still_present) = (Vec::new(), Vec::new(), Vec::new());
    match scrub {
        Ok(scrub) => {
            for what in scrub.done {
                erased.push(Spot { place: place.clone(), what, command: None });
            }
            for what in scrub.present {
                let command = Some(again.to_owned());
                still_present.push(Spot { place: place.clone(), what, command });
            }
            for (what, command) in scrub.outside {
                outside_reach.push(Spot { place: place.clone(), what, command });
            }
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|it| format!(": {it}"));
            let what = format!(
                "the database did not tidy up behind the erased bytes: {error}{}",
                cause.unwrap_or_default()
            );
            let command = Some(again.to_owned());
            still_present.push(Spot { place, what: escape_line(&what), command });
        }
    }
    [erased, outside_reach, still_present]
}

/// Records what was found, under the deed that destroyed the content.
pub(super) fn record(
    archive: &mut Archive,
    actor: &str,
    item: &Item,
    of: DeedId,
    report: &mut PurgeReport,
) -> Result<()> {
    let mut event = event_about(Action::Purge, actor, item, "what became of the content");
    event.of = Some(of);
    let spots = |spots: &[Spot]| json!(spots.iter().take(20).collect::<Vec<_>>());
    event.detail = Some(super::detail(&[
        ("erased", spots(&report.erased)),
        ("outside_reach", spots(&report.outside_reach)),
        ("request", json!(report.request)),
        ("still_present", spots(&report.still_present)),
    ]));
    let row = Some(item.row_id);
    let ((), records) = archive
        .journaled(&item.repo, DeedId::random(), |_| Ok(((), vec![(event.clone(), row)])))?;
    report.evidence_report = records[0].1.to_string();
    Ok(())
}

/// The report of a purge that was done before: what was recorded, and what is found now. What the
/// database could not tidy up then it is asked for again.
pub(super) fn again(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
) -> Result<PurgeReport> {
    let mut report = PurgeReport { already: true, ..empty(item) };
    let mut found_then = Vec::new();
    for stored in archive.ledger().records_about(item.row_id)? {
        let record = record_of(&stored)?;
        if record.event.action != Action::Purge {
            continue;
        }
        let digest = stored.digest.to_string();
        let detail = record.event.detail.unwrap_or_default();
        if record.event.of.is_some() {
            report.evidence_report = digest;
            found_then = places_in(&detail);
            continue;
        }
        report.evidence = digest;
        report.purged_at = Some(record.ts.to_string());
        report.approved_by = record.event.approvers;
        report.request =
            detail.get("request").and_then(|it| it.as_str()).unwrap_or_default().to_owned();
        report.one_keyboard = detail.contains_key("one_keyboard");
        if record.event.assurance.as_deref() == Some("signed") {
            report.assurance = Assurance::Signed;
        }
    }
    let sharers = archive.catalog().items_with(item.artifact_row_id)?;
    report.items = sharers.iter().map(purged_item).collect();
    if archive.catalog().place(item.artifact_row_id)?.is_none() {
        report.erased.push(gone_from_tables(workspace));
    } else {
        let what = "content with this digest was let in again".to_owned();
        let place = workspace.config.backend().as_str().to_owned();
        report.still_present.push(Spot { place, what, command: None });
    }
    let scrub = archive.driver().scrub();
    of_backend(workspace, &mut report, scrub);
    left_since(workspace, &found_then, &mut report)?;
    elsewhere(workspace, archive, item, &mut report)?;
    Ok(report)
}

/// The places in which a recorded report found content.
fn places_in(detail: &Map<String, Value>) -> Vec<PathBuf> {
    let spots = detail.get("still_present").and_then(Value::as_array);
    let place = |spot: &Value| spot.get("place")?.as_str().map(PathBuf::from);
    spots.into_iter().flatten().filter_map(place).collect()
}

/// Files in which content was found, and which are there yet: what was erased has left no piece to
/// look for in them again.
fn left_since(workspace: &Workspace, found: &[PathBuf], report: &mut PurgeReport) -> Result<()> {
    for file in found.iter().filter(|file| file.is_absolute() && fs::exists(file).unwrap_or(true)) {
        if !is_live(workspace, file)? {
            let what = "pieces of the content stood in it, and it is still there".to_owned();
            report.still_present.push(in_file(workspace, file, what)?);
        }
    }
    Ok(())
}
