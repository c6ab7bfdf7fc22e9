//! `memory forget`: an entry of memory is deleted, once two people agreed to it.
//!
//! Promises: it goes with its tags, its metadata, the request and the approvals in one transaction;
//! the record says which entry it was, and nothing of what was in it.

use serde::Serialize;
use serde_json::json;

use crate::archive::entry::find_entry;
use crate::archive::journaled::Transaction;
use crate::archive::{Archive, Workspace, recovery};
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{
    Actor, Approval, Assurance, DeedId, Entry, EntryId, GovernedAction, RequestState,
};
use crate::policy::gate::TWO;

use super::approve::give_both;
use super::purge_report::scrubbed;
use super::request::{Asked, open_or_ask};
use super::{
    Matter, Rules, Spot, check_reason, check_two, detail, is_one_keyboard, note_approvals,
};

const ACTION: &str = "forget";

/// Entries belong to no repository.
const NO_REPO: &str = "";

/// Which entry is to go, on whose word.
#[derive(Debug, Clone)]
pub struct ForgetOptions {
    /// Its id, or the first digits of it.
    pub id: String,
    /// Who forgets it, and approves.
    pub actor: Actor,
    /// Who else approves, where names are enough.
    pub second: Option<Actor>,
    /// Why.
    pub reason: String,
}

/// What became of an entry.
#[derive(Debug, Serialize)]
pub struct ForgetReport {
    /// Its id.
    pub id: String,
    /// Its project; empty where it was gone before.
    pub project: String,
    /// Whether it is gone; else it waits for approvals.
    pub forgotten: bool,
    /// Whether it was gone before this command.
    pub already: bool,
    /// The request.
    pub request: String,
    /// Whose approvals count, or were used.
    pub approved_by: Vec<String>,
    /// How sure they are, or have to be.
    pub assurance: Assurance,
    /// Whether one user of one machine gave them all, by name alone.
    pub one_keyboard: bool,
    /// Erased, and seen to.
    pub erased: Vec<Spot>,
    /// Out of this program's reach.
    pub outside_reach: Vec<Spot>,
    /// Still there.
    pub still_present: Vec<Spot>,
    /// Digest of the record; empty while it waits.
    pub evidence: String,
}

/// Forgets an entry, or records the approvals for it.
pub fn forget(workspace: &Workspace, options: &ForgetOptions) -> Result<ForgetReport> {
    let log = workspace.use_case("MEMORY_FORGET", Some(options.actor.as_str()));
    let done = forget_one(workspace, options);
    log.end(done, |report| {
        let about = About { evidence: Some(report.evidence.clone()), ..About::many(1) };
        about.if_done(report.forgotten && !report.already)
    })
}

fn forget_one(workspace: &Workspace, options: &ForgetOptions) -> Result<ForgetReport> {
    check_reason(&options.reason)?;
    check_two(ACTION, &options.id, &options.actor, options.second.as_ref())?;
    if workspace.lacks_file()? {
        let place = workspace.archive_place()?.to_string();
        return Err(Error::NoArchive { action: "forget an entry", place });
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    if let Some(report) = gone_before(workspace, &mut archive, &options.id)? {
        return Ok(report);
    }
    let entry = find_entry(&mut archive, &options.id)?;
    let rules = Rules::load(workspace, &mut archive, ACTION)?;
    let asked = Asked {
        action: GovernedAction::Forget,
        subject: entry.id.to_string(),
        repo: NO_REPO,
        actor: &options.actor,
        reason: &options.reason,
        event: event(Action::PruneRequest, options, &entry),
    };
    let request = open_or_ask(workspace, &mut archive, &rules, asked)?;
    let (actor, second) = (&options.actor, options.second.as_ref());
    let matter = give_both(workspace, &mut archive, &rules, &request.deed, actor, second)?;
    let used = matter.counting(&mut archive, &rules)?;
    let mut report = empty(&entry.id, request.deed);
    report.project.clone_from(&entry.project);
    report.approved_by = used.iter().map(|it| it.actor.clone()).collect();
    report.one_keyboard = is_one_keyboard(&used);
    report.assurance = rules.governance.assurance;
    if used.len() >= TWO {
        report.evidence = carry_out(&mut archive, options, &entry, &matter, &used)?;
        report.forgotten = true;
        tidy_up(workspace, &mut archive, &mut report);
    }
    drop(lock);
    Ok(report)
}

/// What is said of an entry that went before; the database tidies up once more.
fn gone_before(
    workspace: &Workspace,
    archive: &mut Archive,
    id: &str,
) -> Result<Option<ForgetReport>> {
    let Ok(id) = id.parse::<EntryId>() else { return Ok(None) };
    let newest = archive.register().newest_request(GovernedAction::Forget, &id.to_string())?;
    let Some(request) = newest.filter(|it| it.state == RequestState::Done) else {
        return Ok(None);
    };
    if archive.memory().entry(&id)?.is_some() {
        // It came in again, with another archive.
        return Ok(None);
    }
    let mut report = empty(&id, request.deed);
    (report.forgotten, report.already) = (true, true);
    tidy_up(workspace, archive, &mut report);
    Ok(Some(report))
}

fn empty(id: &EntryId, request: DeedId) -> ForgetReport {
    ForgetReport {
        id: id.to_string(),
        project: String::new(),
        forgotten: false,
        already: false,
        request: request.to_string(),
        approved_by: Vec::new(),
        assurance: Assurance::Attested,
        one_keyboard: false,
        erased: Vec::new(),
        outside_reach: Vec::new(),
        still_present: Vec::new(),
        evidence: String::new(),
    }
}

/// Deletes the entry, uses the approvals up, and records it; the record's digest.
fn carry_out(
    archive: &mut Archive,
    options: &ForgetOptions,
    entry: &Entry,
    matter: &Matter,
    used: &[Approval],
) -> Result<String> {
    let mut event = event(Action::MemoryForget, options, entry);
    event.of = Some(matter.request.deed);
    note_approvals(&mut event, used);
    let work = |transaction: &mut Transaction<'_>| {
        let at = transaction.now.to_string();
        let mut whole = transaction.memory().forget(&entry.id)?;
        let mut register = transaction.register();
        whole &= register.close_request(matter.request.row_id, RequestState::Done.as_str())?;
        for approval in used {
            whole &= register.use_approval(approval.row_id, &at)?;
        }
        if !whole {
            let object = entry.id.to_string();
            return Err(Error::refused(ACTION, object, Refusal::ChangedMeanwhile));
        }
        Ok(((), vec![(event.clone(), None)]))
    };
    // What concerns no tree stands in no segment.
    let ((), records) = archive.journaled(NO_REPO, DeedId::random(), work)?;
    Ok(records.last().map(|(_, digest)| digest.to_string()).unwrap_or_default())
}

fn event(action: Action, options: &ForgetOptions, entry: &Entry) -> Event {
    let mut event = Event::new(action, options.actor.as_str());
    event.reason = Some(options.reason.clone());
    event.detail =
        Some(detail(&[("entry", json!(entry.id.to_string())), ("project", json!(entry.project))]));
    event
}

fn tidy_up(workspace: &Workspace, archive: &mut Archive, report: &mut ForgetReport) {
    let again = format!("git codex-archive memory forget {} --reason '…'", report.id);
    [report.erased, report.outside_reach, report.still_present] =
        scrubbed(workspace, &again, archive.driver().scrub());
    report.outside_reach.push(Spot {
        place: "copies".to_owned(),
        what: "backups and other archives are not looked into".to_owned(),
        command: None,
    });
}
