//! `retention apply`: a plan is carried out, once two people approved exactly its bytes.
//!
//! Promises: nothing is destroyed that the plan does not name, or that is not as the plan says any
//! more; bytes, entries, marks, audit and records change in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use crate::archive::governance::approve::give_both;
use crate::archive::governance::request::{Asked, open_or_ask, told};
use crate::archive::governance::{
    Matter, PurgedItem, Rules, Spot, check_reason, check_two, detail, is_one_keyboard, journaled,
};
use crate::archive::{Archive, Workspace, recovery};
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{
    Actor, Approval, Assurance, DeedId, Digest, GovernedAction, Item, RequestState, RetentionRun,
    RetentionScope, TombstoneId,
};
use crate::policy::gate::TWO;

use super::aftermath::{self, Search};
use super::candidates::{Candidate, Survey};
use super::plan::{audit_of, find, repo_of};
use super::plan_file::PlanFile;
use super::stubs;
use super::work::Work;

pub(super) const ACTION: &str = "carry out";

/// Differences that are told of.
const TOLD_DIFFERENCES: usize = 5;

/// Which plan to carry out, on whose word.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// The plan's name, for people.
    pub name: String,
    /// The plan's bytes.
    pub bytes: Vec<u8>,
    /// Who carries it out, and approves.
    pub actor: Actor,
    /// Who else approves, where names are enough.
    pub second: Option<Actor>,
    /// Why.
    pub reason: String,
    /// Whether a plan that is a spike is meant.
    pub allow_spike: bool,
}

/// How far a plan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionStage {
    /// Approvals are recorded; everything is kept.
    Waiting,
    /// It was carried out.
    Applied,
}

/// What became of a plan.
#[derive(Debug, Serialize)]
pub struct ApplyReport {
    /// The plan's file.
    pub plan: String,
    /// SHA-256 of it.
    pub plan_sha256: String,
    /// What it is about.
    pub scope: RetentionScope,
    /// The repo label of the items; empty for memory.
    pub repo: String,
    /// How far it has come.
    pub state: RetentionStage,
    /// Whether that was so before this command.
    pub already: bool,
    /// The request; empty where there is nothing to ask for.
    pub request: String,
    /// Whose approvals count, or were used.
    pub approved_by: Vec<String>,
    /// How sure they are.
    pub assurance: Assurance,
    /// Whether one user of one machine gave them all, by name alone.
    pub one_keyboard: bool,
    /// How many candidates the plan has.
    pub total_candidates: u64,
    /// How many candidates there are by now that the plan does not name: they are kept.
    pub unplanned: u64,
    /// The items whose content went.
    pub purged: Vec<PurgedItem>,
    /// The entries that were forgotten.
    pub forgotten: Vec<String>,
    /// Erased, and looked for since.
    pub erased: Vec<Spot>,
    /// Out of this program's reach.
    pub outside_reach: Vec<Spot>,
    /// Still there.
    pub still_present: Vec<Spot>,
    /// Digest of the record; empty when nothing was done.
    pub evidence: String,
    /// Digest of the record that has what was found since.
    pub evidence_report: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// A plan that was read, and the digest that people approve.
pub(super) struct Read {
    name: String,
    pub file: PlanFile,
    pub sha256: Digest,
}

/// Carries out a plan, or records the approvals for it.
pub fn apply_retention(workspace: &Workspace, options: &ApplyOptions) -> Result<ApplyReport> {
    let log = workspace.use_case("RETENTION_APPLY", Some(options.actor.as_str()));
    let done = apply(workspace, options);
    log.end(done, |report| {
        let evidence = Some(report.evidence.clone());
        let about = About { evidence, ..About::many(report.purged.len() + report.forgotten.len()) };
        about.if_done(report.state == RetentionStage::Applied && !report.already)
    })
}

fn apply(workspace: &Workspace, options: &ApplyOptions) -> Result<ApplyReport> {
    check_reason(&options.reason)?;
    let sha256 = Digest::of(&options.bytes);
    check_two(ACTION, &sha256.to_string(), &options.actor, options.second.as_ref())?;
    let file = PlanFile::parse(&options.name, &options.bytes)?;
    let plan = Read { name: options.name.clone(), file, sha256 };
    if workspace.lacks_file()? {
        let place = workspace.archive_place()?.to_string();
        return Err(Error::NoArchive { action: "carry out retention", place });
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let done = govern(workspace, &mut archive, options, &plan);
    if let Err(error @ Error::Refused { .. }) = &done {
        // The label of the plan is only a claim.
        let repo = repo_of(workspace, plan.file.scope);
        record_refusal(&mut archive, options, &repo, plan.sha256, error);
    }
    drop(lock);
    done
}

fn govern(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &ApplyOptions,
    plan: &Read,
) -> Result<ApplyReport> {
    let mut report = empty(options, plan);
    let subject = plan.sha256.to_string();
    let newest = archive.register().newest_request(GovernedAction::Retention, &subject)?;
    if let Some(request) = newest.filter(|it| it.state == RequestState::Done) {
        report.request = request.deed.to_string();
        // One that was killed may have left bytes in the database's log.
        let items = items_of(archive, &plan.file)?;
        look(workspace, archive, &Search::default(), &items, &mut report)?;
        return Ok(report);
    }
    check_origin(workspace, archive, plan)?;
    if plan.file.candidates.is_empty() {
        return Ok(report);
    }
    // What stands in the way whoever approves is said before anybody does.
    report.unplanned = check_matches(workspace, archive, plan)?;
    if !plan.file.spike.is_empty() && !options.allow_spike {
        let why = plan.file.spike.join("; ");
        return Err(Error::refused(ACTION, &*options.name, Refusal::Spike { why }));
    }
    let rules = Rules::load(workspace, archive, ACTION)?;
    let request = open_or_ask(workspace, archive, &rules, asked(options, plan))?;
    let second = options.second.as_ref();
    let matter = give_both(workspace, archive, &rules, &request.deed, &options.actor, second)?;
    let used = matter.counting(archive, &rules)?;
    report.request = request.deed.to_string();
    report.approved_by = used.iter().map(|it| it.actor.clone()).collect();
    report.one_keyboard = is_one_keyboard(&used);
    if !used.is_empty() && used.iter().all(|it| it.assurance == Assurance::Signed) {
        report.assurance = Assurance::Signed;
    }
    report.already = false;
    if used.len() < TWO {
        report.state = RetentionStage::Waiting;
        return Ok(report);
    }
    carry_out(workspace, archive, options, plan, (&matter, &used), report)
}

/// What is said where nothing is left to do.
fn empty(options: &ApplyOptions, plan: &Read) -> ApplyReport {
    ApplyReport {
        plan: options.name.clone(),
        plan_sha256: plan.sha256.to_string(),
        scope: plan.file.scope,
        repo: plan.file.repo.clone(),
        state: RetentionStage::Applied,
        already: true,
        request: String::new(),
        approved_by: Vec::new(),
        assurance: Assurance::Attested,
        one_keyboard: false,
        total_candidates: plan.file.total_candidates,
        unplanned: 0,
        purged: Vec::new(),
        forgotten: Vec::new(),
        erased: Vec::new(),
        outside_reach: Vec::new(),
        still_present: Vec::new(),
        evidence: String::new(),
        evidence_report: String::new(),
        evidence_segment: None,
    }
}

/// The error of a plan that is not so.
pub(super) fn mismatch(plan: &Read, why: impl Into<String>) -> Error {
    let (scope, why) = (plan.file.scope.as_str(), why.into());
    Error::refused(ACTION, &*plan.name, Refusal::PlanMismatch { scope, why })
}

/// Refuses a plan of another archive or label, and one that no recorded run made.
fn check_origin(workspace: &Workspace, archive: &mut Archive, plan: &Read) -> Result<()> {
    let file = &plan.file;
    if archive.catalog().meta("archive")?.as_deref() != Some(file.archive.as_str()) {
        return Err(mismatch(plan, "it was made for another archive"));
    }
    if repo_of(workspace, file.scope) != file.repo {
        return Err(mismatch(plan, "it was made for another repository"));
    }
    let made = audit_of(RetentionRun::DryRun, &file.made_at, file);
    if !archive.register().dry_runs_at(&file.made_at)?.contains(&made) {
        return Err(mismatch(plan, "no recorded run of `retention plan` made it"));
    }
    Ok(())
}

/// Refuses a plan of which anything is not so any more; how many candidates it does not name.
fn check_matches(workspace: &Workspace, archive: &mut Archive, plan: &Read) -> Result<u64> {
    let file = &plan.file;
    let now = file.made_at()?;
    let found = find(workspace, archive, file.scope, &file.repo, &file.inputs, now)?;
    let known: BTreeMap<&str, &Candidate> =
        found.candidates.iter().map(|it| (it.id.as_str(), it)).collect();
    let gone = file.candidates.iter().filter(|it| known.get(it.id.as_str()) != Some(it));
    let differences: Vec<String> = gone
        .map(|planned| {
            let kept = found.kept.iter().find(|it| it.id == planned.id);
            let why =
                kept.map_or("no candidate any more".to_owned(), |it| it.protection.to_string());
            let path = planned.path.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
            format!("{}{path} is {why}", planned.id)
        })
        .collect();
    if differences.is_empty() {
        return Ok((found.candidates.len() - file.candidates.len()) as u64);
    }
    let mut why = differences[..differences.len().min(TOLD_DIFFERENCES)].join("; ");
    if differences.len() > TOLD_DIFFERENCES {
        why.push_str(&format!("; and {} more", differences.len() - TOLD_DIFFERENCES));
    }
    Err(mismatch(plan, why))
}

fn asked<'a>(options: &'a ApplyOptions, plan: &'a Read) -> Asked<'a> {
    let mut event = Event::new(Action::PruneRequest, options.actor.as_str());
    event.repo = (!plan.file.repo.is_empty()).then(|| plan.file.repo.clone());
    event.reason = Some(options.reason.clone());
    event.sha256 = Some(plan.sha256);
    event.detail = Some(detail(&[
        ("scope", json!(plan.file.scope)),
        ("total_candidates", json!(plan.file.total_candidates)),
    ]));
    Asked {
        action: GovernedAction::Retention,
        subject: plan.sha256.to_string(),
        repo: &plan.file.repo,
        actor: &options.actor,
        reason: &options.reason,
        event,
    }
}

fn carry_out(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &ApplyOptions,
    plan: &Read,
    (matter, used): (&Matter, &[Approval]),
    mut report: ApplyReport,
) -> Result<ApplyReport> {
    let file = &plan.file;
    let rules = file.inputs.item_rules()?;
    let standing = match file.scope {
        RetentionScope::Memory => BTreeSet::new(),
        RetentionScope::Items => stubs::standing(workspace.repository(ACTION)?)?,
    };
    let survey =
        Survey { repo: &file.repo, rules: &rules, now: file.made_at()?, standing: &standing };
    let survey = (file.scope == RetentionScope::Items).then_some(survey);
    let items = items_of(archive, file)?;
    let search = Search::prepare(workspace, archive, &items)?;
    let work = Work { options, plan, survey, matter, used };
    let deed = DeedId::random();
    let ((), records) = match file.scope {
        // What concerns no tree stands in no segment.
        RetentionScope::Memory => archive.journaled("", deed, |it| work.write(it))?,
        RetentionScope::Items => {
            journaled(workspace, archive, &file.repo, deed, &Action::Purge, |it| work.write(it))?
        }
    };
    let (evidence, segment) = told(workspace, &records)?;
    report.evidence = evidence;
    report.evidence_segment = segment.filter(|_| file.scope == RetentionScope::Items);
    name_what_went(&mut report, file, &items);
    look(workspace, archive, &search, &items, &mut report)?;
    let told = aftermath::record(archive, options.actor.as_str(), deed, plan.sha256, &report)?;
    report.evidence_report = told.to_string();
    Ok(report)
}

fn name_what_went(report: &mut ApplyReport, file: &PlanFile, items: &[Item]) {
    if file.scope == RetentionScope::Memory {
        report.forgotten = file.candidates.iter().map(|it| it.id.clone()).collect();
    }
    let purged = items.iter().map(|item| PurgedItem {
        tombstone: item.tombstone.to_string(),
        path: item.path.to_string(),
    });
    report.purged = purged.collect();
}

/// Tidies up behind what was destroyed, looks for it, and says in `report` what was found.
fn look(
    workspace: &Workspace,
    archive: &mut Archive,
    search: &Search,
    items: &[Item],
    report: &mut ApplyReport,
) -> Result<()> {
    let again = format!("git codex-archive retention apply {} --reason '…'", report.plan);
    let found = search.finish(workspace, archive, items, &again)?;
    (report.erased, report.outside_reach) = (found.erased, found.outside_reach);
    report.still_present = found.still_present;
    Ok(())
}

/// The items that a plan names, with their content still there.
fn items_of(archive: &mut Archive, file: &PlanFile) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if file.scope == RetentionScope::Items {
        for id in file.candidates.iter().filter_map(|it| it.id.parse::<TombstoneId>().ok()) {
            items.extend(archive.catalog().item(&id, false)?);
        }
    }
    Ok(items)
}

/// What was refused is evidence too; failing to record it must not hide it.
fn record_refusal(
    archive: &mut Archive,
    options: &ApplyOptions,
    repo: &str,
    plan: Digest,
    error: &Error,
) {
    let mut event = Event::new(Action::PurgeRefused, options.actor.as_str());
    event.repo = (!repo.is_empty()).then(|| repo.to_owned());
    event.reason = Some(error.to_string().chars().take(1000).collect());
    event.sha256 = Some(plan);
    event.approvers = options.second.iter().map(Actor::to_string).collect();
    let _ = archive.journaled(repo, DeedId::random(), |_| Ok(((), vec![(event.clone(), None)])));
}
