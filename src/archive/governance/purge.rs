//! `purge`: content is destroyed, with two approvals, and it is shown that it is gone.
//!
//! Promises: nothing is erased that a hold holds, that nobody asked for, or that fewer than two
//! people approved; bytes, marks, ledger and records change in one transaction; what is said to be
//! gone was looked for afterwards.

use std::ffi::OsString;

use serde_json::json;

use crate::archive::{Archive, Workspace, recovery, runs};
use crate::backend::Register;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{
    Actor, Approval, Assurance, DeedId, GovernedAction, Item, ItemState, Person, RequestState,
};
use crate::policy::gate::TWO;
use crate::policy::{Destruction, may_destroy};

use super::approve::give;
use super::purge_report::{self, PurgeReport, Stage};
use super::request::{ask, item_here, told};
use super::{Matter, Rules, check_reason, check_two, event_about, journaled, note_approvals};

const ACTION: &str = "purge";

/// What to destroy, and on whose word.
#[derive(Debug, Clone)]
pub struct PurgeOptions {
    /// An id, a stub's path, or a prefix.
    pub id: OsString,
    /// Who destroys it: one of those who approve.
    pub actor: Actor,
    /// Who else approves, where names are enough.
    pub second: Option<Actor>,
    /// Why.
    pub reason: String,
    /// Whether it is done; else approvals are only recorded.
    pub apply: bool,
    /// Whether other items with the same content are meant too.
    pub all_items: bool,
}

/// Destroys what `options` say, or records the approvals for it.
pub fn purge(workspace: &Workspace, options: &PurgeOptions) -> Result<PurgeReport> {
    let log = workspace.use_case("PURGE", Some(options.actor.as_str()));
    let done = purge_one(workspace, options);
    log.end(done, |report| {
        let about = About::item(&report.tombstone, &report.evidence);
        about.if_done(report.state == Stage::Purged)
    })
}

/// Looks again at what became of purged content, and tidies up what was in use then.
pub fn purge_report(workspace: &Workspace, id: &OsString) -> Result<PurgeReport> {
    let archive = Archive::open(workspace)?;
    archive.check_governed()?;
    drop(archive);
    let _lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let item = item_here(workspace, &mut archive, id, "report on")?;
    if item.state != ItemState::Purged {
        let why = "it was not purged".to_owned();
        let object = item.tombstone.to_string();
        return Err(Error::NotFound { action: "report on the purge of", object, why });
    }
    purge_report::again(workspace, &mut archive, &item)
}

fn purge_one(workspace: &Workspace, options: &PurgeOptions) -> Result<PurgeReport> {
    check_reason(&options.reason)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let item = item_here(workspace, &mut archive, &options.id, ACTION)?;
    if item.state == ItemState::Purged {
        return purge_report::again(workspace, &mut archive, &item);
    }
    let done = govern(workspace, &mut archive, options, &item);
    if let Err(error @ Error::Refused { .. }) = &done {
        record_refusal(&mut archive, options, &item, error);
    }
    drop(lock);
    done
}

fn govern(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &PurgeOptions,
    item: &Item,
) -> Result<PurgeReport> {
    let subject = item.tombstone.to_string();
    check_two(ACTION, &subject, &options.actor, options.second.as_ref())?;
    let rules = Rules::load(workspace, archive, ACTION)?;
    let sharers = sharers_of(archive, item)?;
    // What stands in the way whoever approves is said before anybody does.
    check(item, &sharers, options.all_items, true, TWO)?;
    let open = archive.register().open_request(GovernedAction::Purge, &subject)?;
    if open.is_none() {
        if rules.governance.separation {
            return Err(Error::refused(ACTION, subject, Refusal::NotRequested));
        }
        // Whoever purges asks for it, where nobody else has to.
        ask(workspace, archive, item, &options.actor, &options.reason, &rules)?;
    }
    let approvals = approvals(workspace, archive, options, item, &rules)?;
    if !options.apply {
        let matter = matter(archive, item)?;
        return Ok(purge_report::waiting(item, &matter.request, approvals, &sharers));
    }
    check(item, &sharers, options.all_items, true, approvals.len())?;
    destroy(workspace, archive, options, item, &rules)
}

/// The matter of the open request for `item`'s purge.
fn matter(archive: &mut Archive, item: &Item) -> Result<Matter> {
    let subject = item.tombstone.to_string();
    let open = archive.register().open_request(GovernedAction::Purge, &subject)?;
    let request = open.ok_or_else(|| Error::refused(ACTION, subject, Refusal::NotRequested))?;
    Matter::of(archive, request, Some(item))
}

/// Every item that was not purged and has this item's content.
fn sharers_of(archive: &mut Archive, item: &Item) -> Result<Vec<Item>> {
    let mut catalog = archive.catalog();
    let all = catalog.items_with(item.artifact_row_id)?;
    let all = catalog.complete(all)?;
    Ok(all.into_iter().filter(|it| it.state != ItemState::Purged).collect())
}

/// Asks the gate whether content may be destroyed.
pub(super) fn check(
    item: &Item,
    sharers: &[Item],
    all_items: bool,
    requested: bool,
    approvals: usize,
) -> Result<()> {
    may_destroy(&Destruction { item, sharers, all_items, requested, approvals })
        .map_err(|refusal| Error::refused(ACTION, item.tombstone.to_string(), refusal))
}

/// Gives the approvals that this command line stands for; all that count then.
fn approvals(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &PurgeOptions,
    item: &Item,
    rules: &Rules,
) -> Result<Vec<Approval>> {
    let found = matter(archive, item)?;
    give(workspace, archive, rules, found, Some(item), &options.actor)?;
    if let Some(second) = &options.second {
        // Where keys sign, a name given here is only the expectation that theirs has signed.
        if rules.governance.assurance == Assurance::Attested {
            let found = matter(archive, item)?;
            give(workspace, archive, rules, found, Some(item), second)?;
        }
    }
    let counted = matter(archive, item)?.counting(archive, rules)?;
    if let Some(second) = &options.second {
        let person = Person::of(second);
        if !counted.iter().any(|it| Person::named(&it.actor).as_ref() == Some(&person)) {
            let why = format!("{second} has not approved it with their key");
            let refusal = Refusal::Policy { why };
            return Err(Error::refused(ACTION, item.tombstone.to_string(), refusal));
        }
    }
    Ok(counted)
}

fn destroy(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &PurgeOptions,
    item: &Item,
    rules: &Rules,
) -> Result<PurgeReport> {
    let search = purge_report::prepare(workspace, archive, item)?;
    let matter = matter(archive, item)?;
    let used = matter.counting(archive, rules)?;
    let at = archive.now.to_string();
    let deed = DeedId::random();
    let subject = item.tombstone;
    let work = |transaction: &mut crate::archive::Transaction<'_>| {
        // Asked again where nobody else writes: a hold may have been set meanwhile.
        let mut catalog = transaction.catalog();
        let all = catalog.items_with(item.artifact_row_id)?;
        let all = catalog.complete(all)?;
        let sharers: Vec<Item> =
            all.into_iter().filter(|it| it.state != ItemState::Purged).collect();
        let now = sharers.iter().find(|it| it.tombstone == subject).unwrap_or(item);
        check(now, &sharers, options.all_items, now.prune_requested, used.len())?;
        runs::before_erasing(&mut transaction.catalog(), &[item.artifact_row_id])?;
        let mut register = transaction.register();
        if !register.close_request(matter.request.row_id, "done")?
            || !register.erase(&[(item.artifact_row_id, &sharers)], &options.reason, &at)?
        {
            let refusal = Refusal::ChangedMeanwhile;
            return Err(Error::refused(ACTION, subject.to_string(), refusal));
        }
        for approval in &used {
            if !register.use_approval(approval.row_id, &at)? {
                let refusal = Refusal::ChangedMeanwhile;
                return Err(Error::refused(ACTION, subject.to_string(), refusal));
            }
        }
        close_others(&mut register, &sharers)?;
        let events = sharers
            .iter()
            .map(|it| (event(options, it, &matter, &used), Some(it.row_id)))
            .collect();
        Ok((sharers, events))
    };
    let (purged, records) = journaled(workspace, archive, &item.repo, deed, &Action::Purge, work)?;
    let (evidence, segment) = told(workspace, &records)?;
    let mut report = purge_report::done(item, &matter.request, &used, &purged, &at);
    (report.evidence, report.evidence_segment) = (evidence, segment);
    search.finish(workspace, archive, &mut report)?;
    purge_report::record(archive, options.actor.as_str(), item, deed, &mut report)?;
    Ok(report)
}

/// Ends what else was asked of content that is gone: to purge it is done, the rest is void.
fn close_others(register: &mut Register<'_>, purged: &[Item]) -> Result<()> {
    for item in purged {
        let subject = item.tombstone.to_string();
        for (action, state) in [
            (GovernedAction::Purge, RequestState::Done),
            (GovernedAction::Restore, RequestState::Cancelled),
        ] {
            if let Some(request) = register.open_request(action, &subject)? {
                register.close_request(request.row_id, state.as_str())?;
            }
        }
    }
    Ok(())
}

fn event(options: &PurgeOptions, item: &Item, matter: &Matter, used: &[Approval]) -> Event {
    let mut event = event_about(Action::Purge, options.actor.as_str(), item, &options.reason);
    event.git_blob = Some(item.git_blob);
    let detail = event.detail.get_or_insert_default();
    detail.insert("request".to_owned(), json!(matter.request.deed.to_string()));
    detail.insert("policy".to_owned(), json!(matter.request.policy_version));
    note_approvals(&mut event, used);
    event
}

/// What was refused is evidence too; failing to record it must not hide it.
fn record_refusal(archive: &mut Archive, options: &PurgeOptions, item: &Item, error: &Error) {
    let reason: String = error.to_string().chars().take(1000).collect();
    let actor = options.actor.as_str();
    let mut event = event_about(Action::PurgeRefused, actor, item, &reason);
    event.approvers = options.second.iter().map(Actor::to_string).collect();
    let row = Some(item.row_id);
    let _ =
        archive.journaled(&item.repo, DeedId::random(), |_| Ok(((), vec![(event.clone(), row)])));
}
