//! `retention plan`: what would go, how that compares with earlier runs, and a file to approve.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::Serialize;
use serde_json::json;

use crate::archive::governance::detail;
use crate::archive::output::{Outside, Target, contained};
use crate::archive::{Archive, Workspace, recovery};
use crate::backend::AuditRow;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::fs::Executable;
use crate::logging::About;
use crate::model::{Actor, DeedId, Digest, RetentionRun, RetentionScope};
use crate::policy::retention::{EarlierRun, SpikeGuard, usual};

use super::candidates::{Candidate, Found, Kept, Survey, entries};
use super::inputs::Inputs;
use super::plan_file::PlanFile;
use super::stubs;

pub(super) const ACTION: &str = "plan the retention of";
const SAVE: &str = "save the plan to";

/// Earlier runs that are shown.
const TREND_RUNS: u64 = 10;

/// Ids that a row of the audit table lists at most; the plan's file has all.
const AUDITED_IDS: usize = 1000;

/// The key among the counts of a row that marks a run as a spike.
const SPIKE_KEY: &str = "spike";

/// What to plan.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// What it is about.
    pub scope: RetentionScope,
    /// Who plans.
    pub actor: Actor,
    /// The file that the plan is written to, if any.
    pub output: Option<OsString>,
    /// Whether a file that is there may be replaced.
    pub force: bool,
    /// Whether the file may be outside the repository and the current directory.
    pub outside: Outside,
}

/// An earlier run with the same rules.
#[derive(Debug, Clone, Serialize)]
pub struct TrendRun {
    /// When, RFC 3339.
    pub executed_at: String,
    /// What it did.
    pub mode: RetentionRun,
    /// How many candidates it had.
    pub total_candidates: u64,
    /// Whether it was a spike.
    pub spike: bool,
}

/// A plan, and how it compares.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// What it is about.
    pub scope: RetentionScope,
    /// The repo label of the items; empty for memory.
    pub repo: String,
    /// When, RFC 3339.
    pub executed_at: String,
    /// The rules.
    pub inputs: Inputs,
    /// How many entries or items were looked at.
    pub considered: u64,
    /// How many would go.
    pub total_candidates: u64,
    /// How many for which reason; one with two reasons counts twice.
    pub by_reason: BTreeMap<String, u64>,
    /// What would go, sorted by id.
    pub candidates: Vec<Candidate>,
    /// How many are kept for which reason although the rules fit them.
    pub kept_by_protection: BTreeMap<String, u64>,
    /// What is kept although the rules fit it, sorted by path.
    pub kept: Vec<Kept>,
    /// Earlier runs with the same rules, newest first.
    pub trend: Vec<TrendRun>,
    /// The usual number of candidates; `None` before there was a run.
    pub usual: Option<u64>,
    /// Why this is a spike; empty where it is none.
    pub spike: Vec<String>,
    /// What should be known of it beside the numbers.
    pub notes: Vec<String>,
    /// The file that was written.
    pub plan: Option<String>,
    /// SHA-256 of the file: what is approved.
    pub plan_sha256: Option<String>,
    /// Digest of the record.
    pub evidence: String,
}

/// Finds what would go, and destroys nothing.
pub fn plan_retention(workspace: &Workspace, options: &PlanOptions) -> Result<PlanReport> {
    let log = workspace.use_case("RETENTION_DRY_RUN", Some(options.actor.as_str()));
    let done = plan(workspace, options);
    log.end(done, |report| About {
        evidence: Some(report.evidence.clone()),
        is_odd: !report.spike.is_empty(),
        ..About::many(report.candidates.len())
    })
}

fn plan(workspace: &Workspace, options: &PlanOptions) -> Result<PlanReport> {
    let inputs = Inputs::of(&workspace.config, options.scope)?;
    if options.scope == RetentionScope::Items {
        workspace.repository(ACTION)?;
    }
    let target = options.output.as_ref().map(|it| place(workspace, options, it)).transpose()?;
    if workspace.lacks_file()? {
        let place = workspace.archive_place()?.to_string();
        return Err(Error::NoArchive { action: "plan retention", place });
    }
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let now = archive.now;
    let repo = repo_of(workspace, options.scope);
    let found = find(workspace, &mut archive, options.scope, &repo, &inputs, now)?;
    let mut report = compare(workspace, &mut archive, options.scope, repo, inputs, &found)?;
    report.executed_at = now.to_string();
    let file = match &target {
        Some(_) => Some(file_of(&mut archive, &report)?.render()?),
        None => None,
    };
    report.plan_sha256 = file.as_ref().map(|bytes| Digest::of(bytes).to_string());
    // Recorded first: a plan that no recorded run made is not carried out.
    record(&mut archive, options, &mut report)?;
    if let (Some(target), Some(bytes)) = (target, file) {
        let folder = target.make_folder()?;
        folder.write_atomic(target.file.file_name().unwrap_or_default(), &bytes, Executable::No)?;
        report.plan = Some(target.shown);
    }
    drop(lock);
    Ok(report)
}

/// Where the plan goes.
fn place(workspace: &Workspace, options: &PlanOptions, output: &OsString) -> Result<Target> {
    let target = contained(SAVE, workspace, options.outside, &workspace.cwd.join(output))?;
    if target.seen()?.is_some() && !options.force {
        return Err(Error::refused(SAVE, target.shown, Refusal::Exists));
    }
    Ok(target)
}

/// The label whose items are looked at; empty for memory, and before there is one.
pub(super) fn repo_of(workspace: &Workspace, scope: RetentionScope) -> String {
    match scope {
        RetentionScope::Memory => String::new(),
        RetentionScope::Items => workspace.label().map(ToString::to_string).unwrap_or_default(),
    }
}

/// What is to go at `now`.
pub(super) fn find(
    workspace: &Workspace,
    archive: &mut Archive,
    scope: RetentionScope,
    repo: &str,
    inputs: &Inputs,
    now: Timestamp,
) -> Result<Found> {
    match scope {
        RetentionScope::Memory => entries(&mut archive.memory(), inputs, now),
        RetentionScope::Items => {
            // Where no branches can be asked for stubs nothing is known to be unused.
            let standing = stubs::standing(workspace.repository(ACTION)?)?;
            let rules = inputs.item_rules()?;
            let survey = Survey { repo, rules: &rules, now, standing: &standing };
            survey.items(&mut archive.catalog())
        }
    }
}

/// Holds what was found against earlier runs.
fn compare(
    workspace: &Workspace,
    archive: &mut Archive,
    scope: RetentionScope,
    repo: String,
    inputs: Inputs,
    found: &Found,
) -> Result<PlanReport> {
    let project = audited_project(scope, &repo, &inputs);
    let earlier =
        archive.register().audits(scope, project.as_deref(), &inputs.render(), TREND_RUNS)?;
    let is_spike = |row: &AuditRow| row.by_reason_json.contains(&format!("\"{SPIKE_KEY}\":"));
    let runs: Vec<EarlierRun> = earlier
        .iter()
        .map(|row| EarlierRun {
            total_candidates: row.total_candidates,
            is_spike: is_spike(row) && row.mode == RetentionRun::DryRun,
        })
        .collect();
    let (factor, share, least) = workspace.config.spike();
    let total = found.candidates.len() as u64;
    let spike = SpikeGuard { factor, share, least }.judge(total, found.considered, &runs);
    let trend = earlier.into_iter().map(|row| TrendRun {
        spike: is_spike(&row),
        executed_at: row.executed_at,
        mode: row.mode,
        total_candidates: row.total_candidates,
    });
    let mut kept_by_protection = BTreeMap::new();
    for kept in &found.kept {
        *kept_by_protection.entry(kept.protection.to_string()).or_default() += 1;
    }
    Ok(PlanReport {
        scope,
        repo,
        executed_at: String::new(),
        considered: found.considered,
        total_candidates: total,
        by_reason: found.by_reason(),
        candidates: found.candidates.clone(),
        kept_by_protection,
        kept: found.kept.clone(),
        trend: trend.collect(),
        usual: usual(&runs),
        spike,
        notes: notes(scope, &inputs, found),
        inputs,
        plan: None,
        plan_sha256: None,
        evidence: String::new(),
    })
}

fn notes(scope: RetentionScope, inputs: &Inputs, found: &Found) -> Vec<String> {
    let mut notes = Vec::new();
    if scope == RetentionScope::Items && inputs.max_age_days.is_none() && found.dated == 0 {
        let words = "no item has a delete-after, and `retention.items.max_age_days` is not set";
        notes.push(words.to_owned());
    }
    if found.undated > 0 {
        let count = found.undated;
        notes.push(format!("{count} items have a delete-after that is no day; they are kept"));
    }
    notes
}

/// The project of a row: for items their label.
pub(super) fn audited_project(
    scope: RetentionScope,
    repo: &str,
    inputs: &Inputs,
) -> Option<String> {
    match scope {
        RetentionScope::Memory => inputs.project.clone(),
        RetentionScope::Items => Some(repo.to_owned()),
    }
}

fn file_of(archive: &mut Archive, report: &PlanReport) -> Result<PlanFile> {
    let id = archive.catalog().meta("archive")?.unwrap_or_default();
    let mut file = PlanFile::new(id, report.scope, report.repo.clone(), report.inputs.clone());
    file.by_reason.clone_from(&report.by_reason);
    file.candidates.clone_from(&report.candidates);
    file.made_at.clone_from(&report.executed_at);
    file.spike.clone_from(&report.spike);
    file.total_candidates = report.total_candidates;
    Ok(file)
}

/// The row of the audit table for a run.
pub(super) fn audit_of(mode: RetentionRun, executed_at: &str, file: &PlanFile) -> AuditRow {
    let mut counts = file.by_reason.clone();
    if !file.spike.is_empty() {
        counts.insert(SPIKE_KEY.to_owned(), 1);
    }
    let ids: Vec<&str> =
        file.candidates.iter().take(AUDITED_IDS).map(|it| it.id.as_str()).collect();
    AuditRow {
        mode,
        executed_at: executed_at.to_owned(),
        scope: file.scope,
        project: audited_project(file.scope, &file.repo, &file.inputs),
        total_candidates: file.total_candidates,
        by_reason_json: json!(counts).to_string(),
        input_json: file.inputs.render(),
        candidate_ids_json: json!(ids).to_string(),
    }
}

fn record(archive: &mut Archive, options: &PlanOptions, report: &mut PlanReport) -> Result<()> {
    let file = file_of(archive, report)?;
    let audit = audit_of(RetentionRun::DryRun, &report.executed_at, &file);
    let mut event = Event::new(Action::RetentionDryRun, options.actor.as_str());
    event.repo = (!report.repo.is_empty()).then(|| report.repo.clone());
    event.sha256 = report.plan_sha256.as_deref().and_then(|it| it.parse().ok());
    event.detail = Some(detail(&[
        ("by_reason", json!(report.by_reason)),
        ("inputs", report.inputs.to_value()),
        ("scope", json!(report.scope)),
        ("spike", json!(report.spike)),
        ("total_candidates", json!(report.total_candidates)),
    ]));
    let ((), records) = archive.journaled(&report.repo, DeedId::random(), |transaction| {
        transaction.register().add_audit(&audit)?;
        Ok(((), vec![(event.clone(), None)]))
    })?;
    report.evidence = records[0].1.to_string();
    Ok(())
}
