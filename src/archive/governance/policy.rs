//! `policy`: the rules in force, what the files would change, and how they are adopted.

use serde::Serialize;
use serde_json::json;

use crate::archive::journaled::Transaction;
use crate::archive::{Archive, Workspace, recovery, segments};
use crate::backend::PolicyRow;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::git::Repository;
use crate::logging::About;
use crate::model::{
    Actor, Approval, Assurance, DeedId, Digest, GovernedAction, Request, RequestState,
};
use crate::policy::gate::TWO;
use crate::policy::{Governance, Signers};

use super::approve::give_both;
use super::request::{Asked, open_or_ask, told};
use super::rules::proposed_signers;
use super::{Rules, check_reason, check_two, detail, journaled, note_approvals};

const ACTION: &str = "adopt";

/// The policy in force.
#[derive(Debug, Serialize)]
pub struct PolicyReport {
    /// Its version; 0 before the first is adopted.
    pub version: u64,
    /// The rules, in their one spelling.
    pub rules: String,
    /// The signers, line by line.
    pub signers: Vec<String>,
    /// Who approved it.
    pub approved_by: Vec<String>,
    /// Whether one person alone brought it in, as the first.
    pub unwitnessed: bool,
    /// When, RFC 3339.
    pub at: Option<String>,
}

/// The policy in force.
pub fn show_policy(workspace: &Workspace) -> Result<PolicyReport> {
    let mut archive = Archive::open(workspace)?;
    archive.check_governed()?;
    in_force(&mut archive)
}

fn in_force(archive: &mut Archive) -> Result<PolicyReport> {
    let Some(row) = archive.register().policy()? else {
        return Ok(PolicyReport {
            version: 0,
            rules: Governance::default().render(),
            signers: Vec::new(),
            approved_by: Vec::new(),
            unwitnessed: true,
            at: None,
        });
    };
    let approved_by: Vec<String> = serde_json::from_str(&row.approved_by).unwrap_or_default();
    Ok(PolicyReport {
        version: row.version,
        rules: row.toml,
        signers: row.signers.lines().map(str::to_owned).collect(),
        unwitnessed: approved_by.len() < TWO,
        approved_by,
        at: Some(row.at),
    })
}

impl PolicyReport {
    fn signers(&self) -> Result<Signers> {
        Signers::parse(&self.signers.join("\n"))
    }
}

/// What adopting the files would change.
#[derive(Debug, Serialize)]
pub struct PolicyDiff {
    /// The version in force.
    pub version: u64,
    /// Lines of rules and signers that would go.
    pub removed: Vec<String>,
    /// Lines that would come.
    pub added: Vec<String>,
}

/// What adopting the files as they stand would change.
pub fn diff_policy(workspace: &Workspace) -> Result<PolicyDiff> {
    let mut archive = Archive::open(workspace)?;
    archive.check_governed()?;
    let before = in_force(&mut archive)?;
    let (rules, signers) = proposed(workspace, &before)?;
    let lines = |rules: &str, signers: &str| -> Vec<String> {
        let rules = rules.lines().filter(|line| !line.starts_with('['));
        rules.chain(signers.lines()).map(str::to_owned).collect()
    };
    let old = lines(&before.rules, &before.signers()?.render());
    let new = lines(&rules.render(), &signers.render());
    Ok(PolicyDiff {
        version: before.version,
        removed: old.iter().filter(|line| !new.contains(line)).cloned().collect(),
        added: new.iter().filter(|line| !old.contains(line)).cloned().collect(),
    })
}

/// The rules and signers of the files, as they stand.
fn proposed(workspace: &Workspace, before: &PolicyReport) -> Result<(Governance, Signers)> {
    // What a file does not say is as it is without a policy: adopting may loosen.
    let rules = workspace.config.governance(&Governance::default());
    let before = before.signers()?;
    let signers = match proposed_signers(workspace)? {
        Some(file) => {
            let missing = before.without(&file);
            let elsewhere = match &workspace.repository {
                Some(repository) => missing.without(&signers_of_tree(repository)?),
                None => Signers::default(),
            };
            Signers::parse(&format!("{}{}", file.render(), elsewhere.render()))?
        }
        None => before,
    };
    Ok((rules, signers))
}

/// Every signer whom a policy of this tree's evidence lists. Whoever is missing in the file and is
/// among them is revoked; whoever came in on another branch is not known here yet, and stays.
fn signers_of_tree(repository: &Repository) -> Result<Signers> {
    let mut lines = String::new();
    for (record, _) in segments::in_index(repository)?.0.iter().flat_map(|it| &it.lines) {
        let detail =
            record.event.detail.as_ref().filter(|_| record.event.action == Action::PolicyChange);
        let signers = detail.and_then(|it| it.get("signers")?.as_array());
        let signers = signers.into_iter().flatten().filter_map(|it| it.as_str());
        for line in signers.filter(|line| Signers::parse(line).is_ok()) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    Signers::parse(&lines)
}

/// Which policy to adopt, on whose word.
#[derive(Debug, Clone)]
pub struct AdoptOptions {
    /// Who adopts it, and approves.
    pub actor: Actor,
    /// Who else approves, where names are enough.
    pub second: Option<Actor>,
    /// Why.
    pub reason: String,
}

/// What became of an adoption.
#[derive(Debug, Serialize)]
pub struct AdoptReport {
    /// The version that is in force now.
    pub version: u64,
    /// Whether the files are in force; else they wait for approvals.
    pub adopted: bool,
    /// Whether they were in force before.
    pub already: bool,
    /// The request; empty for the first policy.
    pub request: String,
    /// SHA-256 of the rules and signers.
    pub sha256: String,
    /// Whose approvals count, or were used.
    pub approved_by: Vec<String>,
    /// Whether one person alone brought it in, as the first.
    pub unwitnessed: bool,
    /// Digest of the record; empty when nothing was done.
    pub evidence: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// Adopts `[governance]` and the signers as the files stand.
pub fn adopt_policy(workspace: &Workspace, options: &AdoptOptions) -> Result<AdoptReport> {
    let log = workspace.use_case("POLICY_CHANGE", Some(options.actor.as_str()));
    let done = adopt(workspace, options);
    log.end(done, |report| {
        let about = About { evidence: Some(report.evidence.clone()), ..About::many(1) };
        about.if_done(report.adopted && !report.already)
    })
}

fn adopt(workspace: &Workspace, options: &AdoptOptions) -> Result<AdoptReport> {
    check_reason(&options.reason)?;
    check_two(ACTION, "policy", &options.actor, options.second.as_ref())?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let before = in_force(&mut archive)?;
    let (rules, signers) = proposed(workspace, &before)?;
    check_sound(&rules, &signers)?;
    let (toml, signers) = (rules.render(), signers.render());
    let is_same =
        before.version > 0 && toml == before.rules && signers == before.signers()?.render();
    let sha256 = Digest::of(format!("{toml}\n{signers}").as_bytes());
    let mut report = AdoptReport {
        version: before.version,
        adopted: is_same,
        already: is_same,
        request: String::new(),
        sha256: sha256.to_string(),
        approved_by: before.approved_by.clone(),
        unwitnessed: before.unwitnessed,
        evidence: String::new(),
        evidence_segment: None,
    };
    if is_same {
        return Ok(report);
    }
    let row = PolicyRow {
        version: before.version + 1,
        toml,
        signers,
        approved_by: String::new(),
        at: archive.now.to_string(),
    };
    match before.version {
        0 => write(workspace, &mut archive, options, &row, None, &mut report)?,
        _ => ask(workspace, &mut archive, options, &row, &mut report)?,
    }
    drop(lock);
    Ok(report)
}

/// Rules that nobody could ever meet, or change again, are not adopted.
fn check_sound(rules: &Governance, signers: &Signers) -> Result<()> {
    if rules.assurance == Assurance::Signed && signers.lines().count() < TWO {
        let why = "with `assurance = \"signed\"` there must be two signers at least".to_owned();
        return Err(Error::refused(ACTION, "policy", Refusal::Policy { why }));
    }
    Ok(())
}

/// Asks for the change under the old policy, and makes it once two people have approved.
fn ask(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &AdoptOptions,
    row: &PolicyRow,
    report: &mut AdoptReport,
) -> Result<()> {
    let old = Rules::adopted(archive)?;
    let mut event = Event::new(Action::PruneRequest, options.actor.as_str());
    event.reason = Some(options.reason.clone());
    event.sha256 = report.sha256.parse().ok();
    let asked = Asked {
        action: GovernedAction::Policy,
        subject: report.sha256.clone(),
        repo: "",
        actor: &options.actor,
        reason: &options.reason,
        event,
    };
    let request = open_or_ask(workspace, archive, &old, asked)?;
    let second = options.second.as_ref();
    let matter = give_both(workspace, archive, &old, &request.deed, &options.actor, second)?;
    let used = matter.counting(archive, &old)?;
    report.request = request.deed.to_string();
    report.approved_by = used.iter().map(|it| it.actor.clone()).collect();
    if used.len() < TWO {
        return Ok(());
    }
    write(workspace, archive, options, row, Some((&matter.request, &used)), report)
}

/// Writes the policy; the first on one person's word, each later one with the approvals used.
fn write(
    workspace: &Workspace,
    archive: &mut Archive,
    options: &AdoptOptions,
    row: &PolicyRow,
    approved: Option<(&Request, &[Approval])>,
    report: &mut AdoptReport,
) -> Result<()> {
    let mut event = Event::new(Action::PolicyChange, options.actor.as_str());
    event.reason = Some(options.reason.clone());
    event.sha256 = report.sha256.parse().ok();
    let mut people = vec![options.actor.to_string()];
    event.detail = Some(detail(&[
        ("rules", json!(row.toml.lines().collect::<Vec<_>>())),
        ("signers", json!(row.signers.lines().collect::<Vec<_>>())),
        ("version", json!(row.version)),
    ]));
    match approved {
        Some((request, used)) => {
            people = used.iter().map(|it| it.actor.clone()).collect();
            event.of = Some(request.deed);
            note_approvals(&mut event, used);
        }
        None => {
            event.detail.get_or_insert_default().insert("unwitnessed".to_owned(), json!(1));
        }
    }
    let at = row.at.clone();
    let row = PolicyRow { approved_by: json!(people).to_string(), ..row.clone() };
    let work = |transaction: &mut Transaction<'_>| {
        let mut register = transaction.register();
        let mut whole = register.policy()?.map_or(0, |it| it.version) + 1 == row.version;
        if let Some((request, used)) = approved {
            whole &= register.close_request(request.row_id, RequestState::Done.as_str())?;
            for approval in used {
                whole &= register.use_approval(approval.row_id, &at)?;
            }
        }
        if !whole {
            return Err(Error::refused(ACTION, "policy", Refusal::ChangedMeanwhile));
        }
        register.add_policy(&row)?;
        Ok(((), vec![(event.clone(), None)]))
    };
    let action = Action::PolicyChange;
    let ((), records) = journaled(workspace, archive, "", DeedId::random(), &action, work)?;
    (report.evidence, report.evidence_segment) = told(workspace, &records)?;
    report.version = row.version;
    report.adopted = true;
    report.unwitnessed = people.len() < TWO;
    report.approved_by = people;
    Ok(())
}
