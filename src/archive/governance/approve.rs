//! `approve`: somebody agrees to a request, by name or with their key.

use std::ffi::OsString;

use serde::Serialize;
use serde_json::json;

use crate::archive::{Archive, Workspace, recovery, sign};
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{
    Actor, Approval, Assurance, DeedId, Digest, GovernedAction, Item, ItemState, Observed, Person,
    Request, RequestState,
};
use crate::policy::gate::TWO;
use crate::policy::{NAMESPACE, signature};

use super::observed::observed;
use super::request::{check_none_open, item_here, request_named, told};
use super::{Matter, Rules, check_reason, detail, is_one_keyboard, journaled};

const ACTION: &str = "approve";

/// What to approve.
#[derive(Debug, Clone)]
pub struct ApproveOptions {
    /// An item, or the id of a request, a digest or a hold.
    pub id: OsString,
    /// What is approved.
    pub action: GovernedAction,
    /// Who approves.
    pub actor: Actor,
    /// Why, where the approval itself makes the request.
    pub reason: Option<String>,
}

/// An approval that was given, or was there.
#[derive(Debug, Serialize)]
pub struct ApproveReport {
    /// The request.
    pub request: String,
    /// What is approved.
    pub action: GovernedAction,
    /// Of what.
    pub subject: String,
    /// Who approved now.
    pub actor: String,
    /// How sure that is.
    pub assurance: Assurance,
    /// Whose approvals count.
    pub approved_by: Vec<String>,
    /// How many are needed.
    pub needed: usize,
    /// Whether one user of one machine gave them all, by name alone.
    pub one_keyboard: bool,
    /// Until when they count.
    pub expires_at: String,
    /// Whether this approval was there already.
    pub already: bool,
    /// Whether it was carried out with this approval.
    pub done: bool,
    /// Digest of the record; empty when nothing was done.
    pub evidence: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// Approves what `options` say.
pub fn approve(workspace: &Workspace, options: &ApproveOptions) -> Result<ApproveReport> {
    let log = workspace.use_case("APPROVE", Some(options.actor.as_str()));
    let done = approve_one(workspace, options);
    log.end(done, |report| {
        let about = About { evidence: Some(report.evidence.clone()), ..About::many(1) };
        about.if_done(!report.already)
    })
}

fn approve_one(workspace: &Workspace, options: &ApproveOptions) -> Result<ApproveReport> {
    if let Some(reason) = &options.reason {
        check_reason(reason)?;
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let rules = match options.action {
        // What is proposed stands in the files; the policy in force decides about it.
        GovernedAction::Policy => Rules::adopted(&mut archive)?,
        _ => Rules::load(workspace, &mut archive, ACTION)?,
    };
    let (request, item) = wanted(workspace, &mut archive, options, &rules)?;
    let matter = Matter::of(&mut archive, request, item.as_ref())?;
    let done = give(workspace, &mut archive, &rules, matter, item.as_ref(), &options.actor)?;
    drop(lock);
    Ok(done)
}

/// The request that is approved, and its item. Row 0 means that this approval makes it.
fn wanted(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &ApproveOptions,
    rules: &Rules,
) -> Result<(Request, Option<Item>)> {
    let action = options.action;
    match action {
        GovernedAction::Purge | GovernedAction::Restore => {
            let item = match named_by_request(archive, &options.id)? {
                Some(request) => item_of(archive, &request)?,
                None => item_here(workspace, archive, &options.id, ACTION)?,
            };
            let subject = item.tombstone.to_string();
            if item.state == ItemState::Purged {
                return Err(Error::refused(ACTION, subject, Refusal::Purged));
            }
            let request = archive.register().open_request(action, &subject)?;
            let request = match (request, action) {
                (Some(request), _) => request,
                (None, GovernedAction::Restore) => {
                    new_request(archive, options, rules, &subject, Some(&item))
                }
                (None, _) => return Err(Error::refused(ACTION, subject, Refusal::NotRequested)),
            };
            Ok((request, Some(item)))
        }
        GovernedAction::Readmit => {
            let sha256 = digest_named(workspace, archive, &options.id)?;
            if !archive.catalog().is_in_ledger(&sha256)? {
                let why = "no content with this digest was purged, or it is readmitted already";
                let object = sha256.to_string();
                return Err(Error::NotFound { action: ACTION, object, why: why.to_owned() });
            }
            let subject = sha256.to_string();
            let request = archive.register().open_request(action, &subject)?;
            let request =
                request.unwrap_or_else(|| new_request(archive, options, rules, &subject, None));
            Ok((request, None))
        }
        GovernedAction::ReleaseHold
        | GovernedAction::Policy
        | GovernedAction::Retention
        | GovernedAction::Forget => {
            let request = request_named(workspace, archive, &options.id)?;
            if request.action != action {
                let object = request.deed.to_string();
                return Err(Error::refused(ACTION, object, Refusal::NotRequested));
            }
            Ok((request, None))
        }
    }
}

/// The request whose id was given.
fn named_by_request(archive: &mut Archive, id: &OsString) -> Result<Option<Request>> {
    let deed = id.to_str().and_then(|text| text.parse::<DeedId>().ok());
    match deed {
        Some(deed) => archive.register().request(&deed),
        None => Ok(None),
    }
}

fn item_of(archive: &mut Archive, request: &Request) -> Result<Item> {
    let item = match request.subject.parse() {
        Ok(id) => archive.catalog().item(&id, true)?,
        Err(_) => None,
    };
    item.ok_or_else(|| Error::NotFound {
        action: ACTION,
        object: request.deed.to_string(),
        why: "the request is about no item".to_owned(),
    })
}

/// The digest that was given, or that of the item that was.
fn digest_named(workspace: &Workspace, archive: &mut Archive, id: &OsString) -> Result<Digest> {
    match id.to_str().and_then(|text| text.parse().ok()) {
        Some(digest) => Ok(digest),
        None => Ok(item_here(workspace, archive, id, ACTION)?.sha256),
    }
}

fn new_request(
    archive: &Archive,
    options: &ApproveOptions,
    rules: &Rules,
    subject: &str,
    item: Option<&Item>,
) -> Request {
    Request {
        row_id: 0,
        deed: DeedId::random(),
        action: options.action,
        subject: subject.to_owned(),
        repo: item.map(|item| item.repo.clone()).unwrap_or_default(),
        item: item.map(|item| item.row_id),
        requested_by: options.actor.to_string(),
        reason: options.reason.clone().unwrap_or_else(|| options.action.to_string()),
        policy_version: rules.version,
        at: archive.now.to_string(),
        expires_at: rules.governance.expiry(archive.now).to_string(),
        state: RequestState::Open,
    }
}

/// How many approvals an action takes.
pub(super) fn needed(action: GovernedAction, rules: &Rules) -> usize {
    match action {
        GovernedAction::Restore => rules.governance.restore_approvals.max(TWO),
        _ => TWO,
    }
}

/// Gives `actor`'s approval, unless it was given and counts.
pub(super) fn give(
    workspace: &Workspace,
    archive: &mut Archive,
    rules: &Rules,
    mut matter: Matter,
    item: Option<&Item>,
    actor: &Actor,
) -> Result<ApproveReport> {
    let now = archive.now;
    let is_new = matter.request.row_id == 0;
    let is_expired = matter.request.expires_at <= now.to_string();
    if is_expired {
        matter.request.expires_at = rules.governance.expiry(now).to_string();
    }
    let person = Person::of(actor);
    let asked_by = Person::named(&matter.request.requested_by);
    if rules.governance.separation && !is_new && asked_by.as_ref() == Some(&person) {
        let other = "whoever asked for it".to_owned();
        let refusal = Refusal::OnePerson { who: actor.to_string(), other };
        return Err(Error::refused(ACTION, matter.request.subject, refusal));
    }
    let before = matter.counting(archive, rules)?;
    let is_theirs = |it: &&Approval| Person::named(&it.actor).as_ref() == Some(&person);
    if let Some(known) = before.iter().find(is_theirs) {
        let known = known.clone();
        return Ok(report(&matter, rules, &known, before, None));
    }
    let approval = approval(workspace, rules, &matter, actor, now.to_string())?;
    if let Some(key) = &approval.fingerprint
        && let Some(other) = before.iter().find(|it| it.fingerprint.as_ref() == Some(key))
    {
        let refusal = Refusal::OnePerson { who: actor.to_string(), other: other.actor.clone() };
        return Err(Error::refused(ACTION, matter.request.subject, refusal));
    }
    let mut counted = before;
    // Whoever approves first has asked as well.
    if !(rules.governance.separation && is_new) {
        counted.push(approval.clone());
    }
    let readmits = matter.request.action == GovernedAction::Readmit
        && counted.len() >= needed(matter.request.action, rules);
    let event = event(&matter, item, &approval, readmits);
    let at = now.to_string();
    let deed = DeedId::random();
    let work = |transaction: &mut crate::archive::Transaction<'_>| {
        let mut register = transaction.register();
        let row = match is_new {
            true => {
                check_none_open(&mut register, matter.request.action, &matter.request.subject)?;
                register.add_request(&matter.request)?
            }
            false => matter.request.row_id,
        };
        if is_expired {
            register.renew_request(row, &matter.request.expires_at)?;
        }
        register.add_approval(row, &approval)?;
        if readmits {
            register.readmit(&matter.sha256, &at)?;
            register.close_request(row, RequestState::Done.as_str())?;
            for used in register.approvals(row)? {
                register.use_approval(used.row_id, &at)?;
            }
        }
        Ok(((), vec![(event.clone(), item.map(|item| item.row_id))]))
    };
    let repo = matter.request.repo.clone();
    let ((), records) = journaled(workspace, archive, &repo, deed, &Action::Approve, work)?;
    let told = told(workspace, &records)?;
    Ok(ApproveReport { done: readmits, ..report(&matter, rules, &approval, counted, Some(told)) })
}

/// Gives the approvals of whoever acts and, where names are enough, of whoever they name: the matter
/// of the request `deed` as it stands then.
pub(super) fn give_both(
    workspace: &Workspace,
    archive: &mut Archive,
    rules: &Rules,
    deed: &DeedId,
    actor: &Actor,
    second: Option<&Actor>,
) -> Result<Matter> {
    let matter = |archive: &mut Archive| -> Result<Matter> {
        let request = archive.register().request(deed)?;
        let gone = || Error::refused(ACTION, deed.to_string(), Refusal::ChangedMeanwhile);
        Matter::of(archive, request.ok_or_else(gone)?, None)
    };
    let first = matter(archive)?;
    let asker = Person::named(&first.request.requested_by);
    // Whoever asked only asks, where the two are apart.
    if !(rules.governance.separation && asker == Some(Person::of(actor))) {
        give(workspace, archive, rules, first, None, actor)?;
    }
    if let Some(second) = second
        && rules.governance.assurance == Assurance::Attested
    {
        let again = matter(archive)?;
        give(workspace, archive, rules, again, None, second)?;
    }
    matter(archive)
}

/// The approval of `actor`: with their signature where the rules ask for one.
fn approval(
    workspace: &Workspace,
    rules: &Rules,
    matter: &Matter,
    actor: &Actor,
    at: String,
) -> Result<Approval> {
    let observed: Observed = observed(workspace)?;
    let mut approval = Approval {
        row_id: 0,
        actor: actor.to_string(),
        observed,
        assurance: Assurance::Attested,
        fingerprint: None,
        signature: None,
        expires_at: matter.request.expires_at.clone(),
        at,
        used_at: None,
    };
    if rules.governance.assurance == Assurance::Signed {
        let line = matter.approved().line();
        let own = sign(workspace, line.as_bytes())?;
        let now = approval.at.parse().map_err(|()| Error::Missing { what: "a time" })?;
        let signed =
            signature::verify(line.as_bytes(), &own.armored, NAMESPACE, &rules.signers, now);
        let why = match signed {
            Ok(signed) if signed.speaks_for(actor.as_str()) => None,
            Ok(_) => Some(format!("the key {} does not speak for {actor}", own.key_fingerprint)),
            Err(fault) => Some(fault.to_string()),
        };
        if let Some(why) = why {
            let refusal = Refusal::Policy { why };
            return Err(Error::refused(ACTION, matter.request.subject.clone(), refusal));
        }
        approval.assurance = Assurance::Signed;
        approval.fingerprint = Some(own.key_fingerprint);
        approval.signature = Some(own.armored);
    }
    Ok(approval)
}

fn event(matter: &Matter, item: Option<&Item>, approval: &Approval, readmits: bool) -> Event {
    let request = &matter.request;
    let mut event = match item {
        Some(item) => super::event_about(Action::Approve, &approval.actor, item, &request.reason),
        None => {
            let mut event = Event::new(Action::Approve, &approval.actor);
            event.repo = (!request.repo.is_empty()).then(|| request.repo.clone());
            event.reason = Some(request.reason.clone());
            event.sha256 = (matter.sha256 != Digest::ZERO).then_some(matter.sha256);
            event
        }
    };
    event.of = Some(request.deed);
    event.assurance = Some(approval.assurance.to_string());
    let mut pairs = vec![
        ("action", json!(request.action.as_str())),
        ("expires", json!(request.expires_at)),
        ("observed", json!(approval.observed)),
        ("policy", json!(request.policy_version)),
        ("subject", json!(request.subject)),
    ];
    if let Some(fingerprint) = &approval.fingerprint {
        pairs.push(("key", json!(fingerprint)));
    }
    if readmits {
        pairs.push(("readmitted", json!(1)));
    }
    event.detail = Some(detail(&pairs));
    event
}

fn report(
    matter: &Matter,
    rules: &Rules,
    approval: &Approval,
    counted: Vec<Approval>,
    told: Option<(String, Option<String>)>,
) -> ApproveReport {
    let request = &matter.request;
    let already = told.is_none();
    let (evidence, evidence_segment) = told.unwrap_or_default();
    ApproveReport {
        request: request.deed.to_string(),
        action: request.action,
        subject: request.subject.clone(),
        actor: approval.actor.clone(),
        assurance: approval.assurance,
        needed: needed(request.action, rules),
        one_keyboard: is_one_keyboard(&counted),
        approved_by: counted.into_iter().map(|it| it.actor).collect(),
        expires_at: request.expires_at.clone(),
        already,
        done: false,
        evidence,
        evidence_segment,
    }
}
