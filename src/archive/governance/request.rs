//! Requests: to ask that an item's content be destroyed, to see what is asked, to take it back.

use std::ffi::OsString;

use serde::Serialize;
use serde_json::json;

use crate::archive::find::find;
use crate::archive::journaled::Transaction;
use crate::archive::{Archive, Workspace, recovery};
use crate::backend::Register;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event, Record, Segment};
use crate::logging::About;
use crate::model::{
    Actor, DeedId, Digest, GovernedAction, Item, ItemState, Request, RequestState, escape_line,
};

use super::{
    Matter, Rules, belongs_here, check_reason, detail, event_about, is_one_keyboard, journaled,
};

const ACTION: &str = "request the purge of";

/// What to ask for.
#[derive(Debug, Clone)]
pub struct RequestOptions {
    /// An id, a stub's path, or a prefix.
    pub id: OsString,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: String,
}

/// A request that was made, or was there.
#[derive(Debug, Serialize)]
pub struct RequestReport {
    /// Its id.
    pub request: String,
    /// The item.
    pub tombstone: String,
    /// Where its content was archived.
    pub path: String,
    /// Who asked.
    pub requested_by: String,
    /// Until when approvals count.
    pub expires_at: String,
    /// The cases that hold the item: nothing is carried out while there is one.
    pub holds: Vec<String>,
    /// Whether it was there already.
    pub already: bool,
    /// Digest of the record.
    pub evidence: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// Asks that an item's content be destroyed.
pub fn prune_request(workspace: &Workspace, options: &RequestOptions) -> Result<RequestReport> {
    let log = workspace.use_case("PRUNE_REQUEST", Some(options.actor.as_str()));
    let done = request_one(workspace, options);
    log.end(done, |report| About::item(&report.tombstone, &report.evidence))
}

fn request_one(workspace: &Workspace, options: &RequestOptions) -> Result<RequestReport> {
    check_reason(&options.reason)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let item = item_here(workspace, &mut archive, &options.id, ACTION)?;
    let rules = Rules::load(workspace, &mut archive, ACTION)?;
    let done = ask(workspace, &mut archive, &item, &options.actor, &options.reason, &rules)?;
    drop(lock);
    Ok(done)
}

/// The item that `id` names, which this archive itself has.
pub(super) fn item_here(
    workspace: &Workspace,
    archive: &mut Archive,
    id: &OsString,
    action: &'static str,
) -> Result<Item> {
    let found = find(workspace, Some(archive), id)?;
    if !found.in_archive {
        let why = "another clone's archive has it, not this one".to_owned();
        return Err(Error::NotFound { action, object: found.item.tombstone.to_string(), why });
    }
    Ok(found.item)
}

/// Makes the request for `item`'s purge, unless there is one.
pub(super) fn ask(
    workspace: &Workspace,
    archive: &mut Archive,
    item: &Item,
    actor: &Actor,
    reason: &str,
    rules: &Rules,
) -> Result<RequestReport> {
    let subject = item.tombstone.to_string();
    if item.state == ItemState::Purged {
        return Err(Error::refused(ACTION, subject, Refusal::Purged));
    }
    if let Some(request) = archive.register().open_request(GovernedAction::Purge, &subject)? {
        let matter = Matter::of(archive, request, Some(item))?;
        return Ok(report(item, &matter.request, &matter.record.to_string(), None, true));
    }
    let now = archive.now;
    let request = Request {
        row_id: 0,
        deed: DeedId::random(),
        action: GovernedAction::Purge,
        subject: subject.clone(),
        repo: item.repo.clone(),
        item: Some(item.row_id),
        requested_by: actor.to_string(),
        reason: reason.to_owned(),
        policy_version: rules.version,
        at: now.to_string(),
        expires_at: rules.governance.expiry(now).to_string(),
        state: RequestState::Open,
    };
    let mut event = event_about(Action::PruneRequest, actor.as_str(), item, reason);
    event.detail =
        Some(detail(&[("expires", json!(request.expires_at)), ("policy", json!(rules.version))]));
    let deed = request.deed;
    let ((), records) =
        journaled(workspace, archive, &item.repo, deed, &Action::PruneRequest, |transaction| {
            let mut register = transaction.register();
            check_none_open(&mut register, GovernedAction::Purge, &subject)?;
            register.add_request(&request)?;
            Ok(((), vec![(event.clone(), Some(item.row_id))]))
        })?;
    let (digest, segment) = told(workspace, &records)?;
    Ok(report(item, &request, &digest, segment, false))
}

/// Refuses a second request where somebody else was quicker.
pub(super) fn check_none_open(
    register: &mut Register<'_>,
    action: GovernedAction,
    subject: &str,
) -> Result<()> {
    match register.open_request(action, subject)? {
        None => Ok(()),
        Some(_) => Err(Error::refused("request", subject, Refusal::ChangedMeanwhile)),
    }
}

/// What is asked for that is about no item.
pub(super) struct Asked<'a> {
    pub action: GovernedAction,
    pub subject: String,
    pub repo: &'a str,
    pub actor: &'a Actor,
    pub reason: &'a str,
    pub event: Event,
}

/// The open request for what is `asked`, made and recorded where there is none.
pub(super) fn open_or_ask(
    workspace: &Workspace,
    archive: &mut Archive,
    rules: &Rules,
    asked: Asked<'_>,
) -> Result<Request> {
    if let Some(request) = archive.register().open_request(asked.action, &asked.subject)? {
        return Ok(request);
    }
    let now = archive.now;
    let request = Request {
        row_id: 0,
        deed: DeedId::random(),
        action: asked.action,
        subject: asked.subject,
        repo: asked.repo.to_owned(),
        item: None,
        requested_by: asked.actor.to_string(),
        reason: asked.reason.to_owned(),
        policy_version: rules.version,
        at: now.to_string(),
        expires_at: rules.governance.expiry(now).to_string(),
        state: RequestState::Open,
    };
    let mut event = asked.event;
    let detail = event.detail.get_or_insert_default();
    detail.insert("action".to_owned(), json!(request.action.as_str()));
    detail.insert("subject".to_owned(), json!(request.subject));
    let work = |transaction: &mut Transaction<'_>| {
        let mut register = transaction.register();
        check_none_open(&mut register, request.action, &request.subject)?;
        Ok((register.add_request(&request)?, vec![(event.clone(), None)]))
    };
    let (deed, action) = (request.deed, Action::PruneRequest);
    let (row_id, _) = journaled(workspace, archive, asked.repo, deed, &action, work)?;
    Ok(Request { row_id, ..request })
}

/// The digest of a deed's last record, and where its segment was staged.
pub(super) fn told(
    workspace: &Workspace,
    records: &[(Record, Digest)],
) -> Result<(String, Option<String>)> {
    let digest = records.last().map(|(_, digest)| digest.to_string()).unwrap_or_default();
    let repo = records.last().and_then(|(record, _)| record.event.repo.as_deref());
    let segment = match belongs_here(workspace, repo.unwrap_or_default()) {
        true => Some(Segment::new(records.to_vec())?.path.to_string()),
        false => None,
    };
    Ok((digest, segment))
}

fn report(
    item: &Item,
    request: &Request,
    evidence: &str,
    evidence_segment: Option<String>,
    already: bool,
) -> RequestReport {
    RequestReport {
        request: request.deed.to_string(),
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
        requested_by: request.requested_by.clone(),
        expires_at: request.expires_at.clone(),
        holds: item.holds.clone(),
        already,
        evidence: evidence.to_owned(),
        evidence_segment,
    }
}

/// A request as it is shown.
#[derive(Debug, Serialize)]
pub struct RequestShown {
    /// Its id.
    pub request: String,
    /// What is asked for.
    pub action: GovernedAction,
    /// Of what.
    pub subject: String,
    /// Where the item's content was archived, if it is about an item.
    pub path: Option<String>,
    /// `open`, `held` while a hold forbids it, `expired` when approvals must be given anew, `done`
    /// or `cancelled`.
    pub state: &'static str,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: String,
    /// Until when approvals count.
    pub expires_at: String,
    /// Whose approvals count now.
    pub approved_by: Vec<String>,
    /// Whether one user of one machine gave them all, by name alone.
    pub one_keyboard: bool,
    /// The cases that hold the item.
    pub holds: Vec<String>,
}

/// Requests, newest first.
#[derive(Debug, Serialize)]
pub struct RequestList {
    /// The requests.
    pub requests: Vec<RequestShown>,
}

/// The open requests, or all of them.
pub fn requests(workspace: &Workspace, all: bool) -> Result<RequestList> {
    let mut archive = Archive::open(workspace)?;
    archive.check_governed()?;
    // A file that is looser may be what is asked for.
    let rules = match Rules::load(workspace, &mut archive, "list requests") {
        Err(Error::Refused { .. }) => Rules::adopted(&mut archive)?,
        rules => rules?,
    };
    let mut shown = Vec::new();
    for request in archive.register().requests(all)? {
        shown.push(show(&mut archive, request, &rules)?);
    }
    Ok(RequestList { requests: shown })
}

fn show(archive: &mut Archive, request: Request, rules: &Rules) -> Result<RequestShown> {
    let item = match request.subject.parse() {
        Ok(id) if request.item.is_some() => archive.catalog().item(&id, true)?,
        _ => None,
    };
    let holds = item.as_ref().map(|item| item.holds.clone()).unwrap_or_default();
    let expired = request.expires_at <= archive.now.to_string();
    let state = match request.state {
        RequestState::Open if !holds.is_empty() => "held",
        RequestState::Open if expired => "expired",
        state => state.as_str(),
    };
    let matter = Matter::of(archive, request, item.as_ref())?;
    let counted = matter.counting(archive, rules)?;
    let request = matter.request;
    Ok(RequestShown {
        request: request.deed.to_string(),
        action: request.action,
        subject: request.subject,
        path: item.map(|item| item.path.to_string()),
        state,
        requested_by: request.requested_by,
        reason: request.reason,
        at: request.at,
        expires_at: request.expires_at,
        one_keyboard: is_one_keyboard(&counted),
        approved_by: counted.into_iter().map(|it| it.actor).collect(),
        holds,
    })
}

/// A request that was taken back.
#[derive(Debug, Serialize)]
pub struct CancelReport {
    /// Its id.
    pub request: String,
    /// What was asked for.
    pub action: GovernedAction,
    /// Of what.
    pub subject: String,
    /// Digest of the record.
    pub evidence: String,
}

/// Takes back an open request.
pub fn cancel(
    workspace: &Workspace,
    id: &OsString,
    actor: &Actor,
    reason: &str,
) -> Result<CancelReport> {
    let log = workspace.use_case("REQUEST_CANCEL", Some(actor.as_str()));
    let done = cancel_one(workspace, id, actor, reason);
    log.end(done, |report| About { evidence: Some(report.evidence.clone()), ..About::many(1) })
}

fn cancel_one(
    workspace: &Workspace,
    id: &OsString,
    actor: &Actor,
    reason: &str,
) -> Result<CancelReport> {
    check_reason(reason)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let request = request_named(workspace, &mut archive, id)?;
    let mut event = Event::new(Action::RequestCancel, actor.as_str());
    event.repo = (!request.repo.is_empty()).then(|| request.repo.clone());
    event.reason = Some(reason.to_owned());
    event.of = Some(request.deed);
    event.detail = Some(detail(&[
        ("action", json!(request.action.as_str())),
        ("subject", json!(request.subject)),
    ]));
    if request.item.is_some() {
        event.tombstone = request.subject.parse().ok();
    }
    let ((), records) = archive.journaled(&request.repo, DeedId::random(), |transaction| {
        if !transaction.register().close_request(request.row_id, "cancelled")? {
            let object = request.deed.to_string();
            return Err(Error::refused("cancel", object, Refusal::ChangedMeanwhile));
        }
        Ok(((), vec![(event.clone(), request.item)]))
    })?;
    drop(lock);
    Ok(CancelReport {
        request: request.deed.to_string(),
        action: request.action,
        subject: request.subject,
        evidence: records[0].1.to_string(),
    })
}

/// The open request that `id` names: its own id, or what it is about.
pub(super) fn request_named(
    workspace: &Workspace,
    archive: &mut Archive,
    id: &OsString,
) -> Result<Request> {
    let text = id.to_string_lossy();
    if let Ok(deed) = text.parse::<DeedId>()
        && let Some(request) = archive.register().request(&deed)?
    {
        if request.state == RequestState::Open {
            return Ok(request);
        }
        let why = format!("it is {}", request.state);
        return Err(Error::NotFound {
            action: "find an open request",
            object: deed.to_string(),
            why,
        });
    }
    let all = archive.register().requests(false)?;
    let mut fits: Vec<Request> =
        all.into_iter().filter(|it| text.len() >= 4 && it.subject.starts_with(&*text)).collect();
    if fits.is_empty() {
        let item = find(workspace, Some(archive), id)?.item.tombstone.to_string();
        let all = archive.register().requests(false)?;
        fits = all.into_iter().filter(|it| it.subject == item).collect();
    }
    if fits.len() > 1 {
        let candidates = fits.iter().map(|it| it.deed.to_string()).collect();
        return Err(Error::Ambiguous { id: escape_line(&text), count: fits.len(), candidates });
    }
    fits.pop().ok_or_else(|| Error::NotFound {
        action: "find an open request",
        object: escape_line(&text),
        why: "nobody has asked for anything about it".to_owned(),
    })
}
