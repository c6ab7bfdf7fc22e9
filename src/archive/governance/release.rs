//! A hold is released: by two people, each under the rules in force.

use serde::Serialize;

use crate::archive::journaled::Transaction;
use crate::archive::{Archive, Workspace, recovery};
use crate::error::{Error, Refusal, Result};
use crate::evidence::Action;
use crate::logging::About;
use crate::model::{Actor, DeedId, GovernedAction, Hold, Request, RequestState, escape_line};
use crate::policy::gate::TWO;

use super::approve::give_both;
use super::hold::{HoldTarget, event, scope_of};
use super::request::{Asked, open_or_ask, told};
use super::{Matter, Rules, check_reason, check_two, journaled, note_approvals};

const ACTION: &str = "release";

/// A hold to be released.
#[derive(Debug, Clone)]
pub struct ReleaseOptions {
    /// What it names; every hold of the case where nothing is said.
    pub target: Option<HoldTarget>,
    /// The case.
    pub case_id: String,
    /// Why.
    pub reason: String,
    /// Who releases it, and approves.
    pub actor: Actor,
    /// Who else approves, where names are enough.
    pub second: Option<Actor>,
}

/// What became of a release.
#[derive(Debug, Serialize)]
pub struct ReleaseReport {
    /// The holds.
    pub holds: Vec<Released>,
}

/// One hold of a release.
#[derive(Debug, Serialize)]
pub struct Released {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// The request for its release.
    pub request: String,
    /// Whose approvals count, or were used.
    pub approved_by: Vec<String>,
    /// Whether it is released; else it waits for approvals.
    pub released: bool,
    /// Digest of the record; empty while it waits.
    pub evidence: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// Releases holds, or records the approvals for it.
pub fn release_hold(workspace: &Workspace, options: &ReleaseOptions) -> Result<ReleaseReport> {
    let log = workspace.use_case("HOLD_RELEASE", Some(options.actor.as_str()));
    let done = release_all(workspace, options);
    log.end(done, |report| About::many(report.holds.len()))
}

fn release_all(workspace: &Workspace, options: &ReleaseOptions) -> Result<ReleaseReport> {
    check_reason(&options.reason)?;
    check_two(ACTION, &options.case_id, &options.actor, options.second.as_ref())?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let rules = Rules::load(workspace, &mut archive, ACTION)?;
    let named = match &options.target {
        Some(target) => Some(scope_of(workspace, &mut archive, target)?),
        None => None,
    };
    let all = archive.register().holds(false)?;
    let meant = |hold: &Hold| {
        hold.case_id == options.case_id
            && named.as_ref().is_none_or(|it| (it.0, &it.1) == (hold.scope, &hold.pattern))
    };
    let meant: Vec<Hold> = all.into_iter().filter(meant).collect();
    if meant.is_empty() {
        return Err(Error::NotFound {
            action: ACTION,
            object: escape_line(&options.case_id),
            why: "no hold in force is of this case and names that".to_owned(),
        });
    }
    let mut holds = Vec::new();
    for hold in meant {
        holds.push(release_one(workspace, &mut archive, options, &rules, hold)?);
    }
    drop(lock);
    Ok(ReleaseReport { holds })
}

fn release_one(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &ReleaseOptions,
    rules: &Rules,
    hold: Hold,
) -> Result<Released> {
    let asked = Asked {
        action: GovernedAction::ReleaseHold,
        subject: hold.deed.to_string(),
        repo: &hold.repo,
        actor: &options.actor,
        reason: &options.reason,
        event: event(Action::PruneRequest, options.actor.as_str(), &hold, &options.reason),
    };
    let request = open_or_ask(workspace, archive, rules, asked)?;
    let matter = give_both(
        workspace,
        archive,
        rules,
        &request.deed,
        &options.actor,
        options.second.as_ref(),
    )?;
    let used = matter.counting(archive, rules)?;
    let mut report = Released {
        request: request.deed.to_string(),
        approved_by: used.iter().map(|it| it.actor.clone()).collect(),
        released: false,
        evidence: String::new(),
        evidence_segment: None,
        hold,
    };
    if used.len() >= TWO {
        let mut event =
            event(Action::HoldRelease, options.actor.as_str(), &report.hold, &options.reason);
        event.of = Some(report.hold.deed);
        note_approvals(&mut event, &used);
        let row = report.hold.row_id;
        let end = |transaction: &mut Transaction<'_>, at: &str| {
            transaction.register().release_hold(row, at)
        };
        carry_out(workspace, archive, &matter, rules, event, end, &mut report)?;
    }
    Ok(report)
}

/// Ends the hold together with its request and its approvals.
fn carry_out(
    workspace: &Workspace,
    archive: &mut Archive,
    matter: &Matter,
    rules: &Rules,
    event: crate::evidence::Event,
    end: impl Fn(&mut Transaction<'_>, &str) -> Result<bool>,
    report: &mut Released,
) -> Result<()> {
    let at = archive.now.to_string();
    let used = matter.counting(archive, rules)?;
    let repo = report.hold.repo.clone();
    let object = report.hold.case_id.clone();
    let request: &Request = &matter.request;
    let work = |transaction: &mut Transaction<'_>| {
        let mut whole = end(transaction, &at)?;
        let mut register = transaction.register();
        whole &= register.close_request(request.row_id, RequestState::Done.as_str())?;
        for approval in &used {
            whole &= register.use_approval(approval.row_id, &at)?;
        }
        if !whole {
            return Err(Error::refused(ACTION, object.clone(), Refusal::ChangedMeanwhile));
        }
        Ok(((), vec![(event.clone(), None)]))
    };
    let action = Action::HoldRelease;
    let ((), records) = journaled(workspace, archive, &repo, DeedId::random(), &action, work)?;
    (report.evidence, report.evidence_segment) = told(workspace, &records)?;
    report.released = true;
    report.hold.released_at = Some(at);
    Ok(())
}
