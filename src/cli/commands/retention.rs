//! `retention`: plans what has been kept for long enough, and carries such a plan out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Subcommand;

use crate::archive::Outside;
use crate::archive::governance::retention::{
    ApplyOptions, ApplyReport, Candidate, Kept, MAX_PLAN_BYTES, PlanOptions, PlanReport,
    RetentionStage, apply_retention, plan_retention,
};
use crate::cli::context::Context;
use crate::cli::hints::quote;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, STRONG, Text, count, counted};
use crate::error::{Error, Result};
use crate::model::{Actor, Assurance, RetentionScope};

use super::purge::spots;
use super::words;

const EXAMPLES: &str = "Examples:
  RETENTION_MAX_AGE_DAYS=30 git codex-archive retention plan
  git codex-archive retention plan --of items
  git codex-archive retention plan --of items --output plan.json
  git codex-archive retention apply plan.json --by ann@example.com --second bob@example.com --reason 'yearly'";

/// Rows of a list that people are shown; `--json` and the plan's file have all.
const SHOWN: usize = 20;

/// The options of `retention`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find what would go, and destroy nothing
    Plan {
        /// What to look at: entries of memory, or items of this repository
        #[arg(long, value_name = "WHAT", default_value = "memory",
              value_parser = words(RetentionScope::ALL, RetentionScope::as_str))]
        of: RetentionScope,
        /// Only entries of this project (default: retention.project, else all)
        #[arg(long, value_name = "PROJECT")]
        project: Option<String>,
        /// Write the plan to this file, for two people to approve
        #[arg(long, value_name = "FILE")]
        output: Option<OsString>,
        /// Replace a file that is there
        #[arg(long, requires = "output")]
        force: bool,
        /// Let the file be outside the repository and the current directory
        #[arg(long, requires = "output")]
        allow_outside: bool,
        /// Who plans (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
    },
    /// Carry a plan out; takes two people
    Apply {
        /// The file that `plan --output` wrote; `-` is standard input
        #[arg(value_name = "PLAN")]
        plan: OsString,
        /// Who carries it out, and approves (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
        /// Who else approves; where keys sign, they must have run `approve`
        #[arg(long, value_name = "ACTOR")]
        second: Option<String>,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Carry out a plan with suddenly many candidates too
        #[arg(long)]
        allow_spike: bool,
    },
}

impl Args {
    /// The keys that options set.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        match &self.command {
            Command::Plan { of: RetentionScope::Memory, project: Some(project), .. } => {
                vec![("retention.project", project.clone())]
            }
            _ => Vec::new(),
        }
    }
}

/// Does what `args` say; the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let workspace = &context.workspace;
    Ok(match &args.command {
        Command::Plan { of, project, output, force, allow_outside, by } => {
            if let (RetentionScope::Items, Some(project)) = (of, project) {
                let why = "items have no project; they are those of this repository";
                return Err(Error::invalid("project", project, why));
            }
            let options = PlanOptions {
                scope: *of,
                actor: context.actor(by.as_deref())?,
                output: output.clone(),
                force: *force,
                outside: if *allow_outside { Outside::Allowed } else { Outside::Refused },
            };
            context.ui.show(&plan_retention(workspace, &options)?)
        }
        Command::Apply { plan, by, second, reason, allow_spike } => {
            let options = ApplyOptions {
                name: plan.to_string_lossy().into_owned(),
                bytes: read(plan)?,
                actor: context.actor(by.as_deref())?,
                second: second.as_deref().map(Actor::new).transpose()?,
                reason: reason.clone(),
                allow_spike: *allow_spike,
            };
            context.ui.show(&apply_retention(workspace, &options)?)
        }
    })
}

/// The bytes of a plan, and one more where it has too many.
fn read(plan: &OsStr) -> Result<Vec<u8>> {
    let path = Path::new(plan);
    let mut bytes = Vec::new();
    let most = MAX_PLAN_BYTES as u64 + 1;
    let read = if plan == OsStr::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(Error::io("read", path)).map(|_| bytes)
}

fn noun(scope: RetentionScope, n: u64) -> String {
    match (scope, n) {
        (RetentionScope::Items, _) => counted(n, "item"),
        (RetentionScope::Memory, 1) => "1 entry".to_owned(),
        (RetentionScope::Memory, _) => format!("{} entries", count(n)),
    }
}

impl Report for PlanReport {
    fn write_human(&self, out: &mut Text) {
        let (total, all) = (self.total_candidates, noun(self.scope, self.considered));
        out.parts(&[
            (STRONG, &format!("{} of {all} would go", count(total))),
            (PLAIN, "; nothing was destroyed."),
        ]);
        self.write_numbers(out);
        for note in &self.notes {
            out.parts(&[(ODD, "note: "), (PLAIN, note)]);
        }
        for why in &self.spike {
            out.parts(&[(BAD, "spike: "), (PLAIN, why)]);
        }
        if !self.candidates.is_empty() {
            out.gap();
            let rows: Vec<_> = self.candidates.iter().take(SHOWN).map(row).collect();
            let of = if self.scope == RetentionScope::Items { "path" } else { "project" };
            out.table(&["id", "why", of], &rows);
            more(out, self.candidates.len());
        }
        if !self.kept.is_empty() {
            out.gap();
            out.line("Kept, although the rules fit:");
            let row = |it: &Kept| vec![it.id.clone(), it.protection.to_string(), it.path.clone()];
            let rows: Vec<_> = self.kept.iter().take(SHOWN).map(row).collect();
            out.table(&["id", "why", "path"], &rows);
            more(out, self.kept.len());
        }
        self.write_plan(out);
    }

    /// A spike is a finding.
    fn exit_code(&self) -> u8 {
        if self.spike.is_empty() { 0 } else { 4 }
    }
}

impl PlanReport {
    fn write_numbers(&self, out: &mut Text) {
        let rules = [
            self.inputs.max_age_days.map(|days| format!("{days} days")),
            self.inputs.max_entries_per_project.map(|most| format!("{most} a project")),
            (!self.inputs.paths.is_empty())
                .then(|| format!("paths {}", self.inputs.paths.join(" "))),
            (!self.inputs.tags.is_empty()).then(|| format!("tags {}", self.inputs.tags.join(" "))),
        ];
        let rules: Vec<String> = rules.into_iter().flatten().collect();
        if !rules.is_empty() {
            out.field("rules", rules.join(", "));
        }
        match (&self.inputs.project, self.scope) {
            (Some(project), _) => out.field("project", project),
            (None, RetentionScope::Memory) => out.field("project", "all"),
            (None, RetentionScope::Items) => out.field("repo", &self.repo),
        }
        let counts = self.by_reason.iter().map(|(reason, count)| format!("{reason} {count}"));
        let counts: Vec<String> = counts.collect();
        if !counts.is_empty() {
            out.field("why", counts.join(", "));
        }
        let runs: Vec<String> = self
            .trend
            .iter()
            .rev()
            .map(|run| {
                let spike = if run.spike { "!" } else { "" };
                format!("{}{spike}", run.total_candidates)
            })
            .chain([self.total_candidates.to_string()])
            .collect();
        let usual = self.usual.map_or("no run before".to_owned(), |it| format!("usual {it}"));
        out.field("trend", format!("{} ({usual})", runs.join(" ")));
    }

    fn write_plan(&self, out: &mut Text) {
        if let (Some(plan), Some(sha256)) = (&self.plan, &self.plan_sha256) {
            out.gap();
            out.field("plan", plan);
            out.field("sha256", sha256);
        }
        out.field("record", &self.evidence);
        if let Some(plan) = &self.plan {
            let spike = if self.spike.is_empty() { "" } else { " --allow-spike" };
            out.line(format!(
                "Next: git codex-archive retention apply {} --by A --second B --reason R{spike}",
                quote(plan)
            ));
        }
    }
}

fn row(candidate: &Candidate) -> Vec<String> {
    let reasons: Vec<&str> = candidate.reasons.iter().map(|it| it.as_str()).collect();
    let of = candidate.path.as_ref().or(candidate.project.as_ref());
    vec![candidate.id.clone(), reasons.join(", "), of.cloned().unwrap_or_default()]
}

fn more(out: &mut Text, all: usize) {
    if all > SHOWN {
        out.parts(&[(FAINT, &format!("and {} more (--json has all)", all - SHOWN))]);
    }
}

impl Report for ApplyReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let what = noun(self.scope, self.total_candidates);
        let (style, said) = match (self.state, self.already) {
            (RetentionStage::Waiting, _) => {
                (ODD, format!("Waits for a second approval: {what} to go; everything is kept"))
            }
            (_, true) if self.total_candidates == 0 => {
                (GOOD, "Nothing to do: the plan has no candidates".to_owned())
            }
            (_, true) => (GOOD, format!("Carried out already: {what}")),
            (_, false) => (GOOD, format!("Carried out: {what} destroyed")),
        };
        out.parts(&[(style, &said)]);
        out.field("plan", &self.plan);
        out.field("sha256", &self.plan_sha256);
        if !self.request.is_empty() {
            out.field("request", &self.request);
        }
        if !self.approved_by.is_empty() {
            let keyboard = if self.one_keyboard { " (one keyboard)" } else { "" };
            let names = self.approved_by.join(", ");
            out.field("approved by", format!("{names}{keyboard}, {}", self.assurance));
        }
        if self.unplanned > 0 {
            let kept = noun(self.scope, self.unplanned);
            out.field("kept", format!("{kept} that became candidates since"));
        }
        for item in self.purged.iter().take(SHOWN) {
            out.field("purged", format!("{} ({})", item.tombstone, item.path));
        }
        more(out, self.purged.len());
        for id in self.forgotten.iter().take(SHOWN) {
            out.field("forgotten", id);
        }
        more(out, self.forgotten.len());
        spots(out, "Erased", &self.erased, GOOD);
        spots(out, "Out of reach here", &self.outside_reach, ODD);
        spots(out, "Still there", &self.still_present, BAD);
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
            out.field("report", &self.evidence_report);
        }
        if let Some(segment) = &self.evidence_segment {
            out.field("segment", segment);
        }
        match (self.state, self.assurance) {
            (RetentionStage::Waiting, Assurance::Signed) => {
                let plan = &self.plan_sha256;
                out.line("Next, by somebody else with their key, then this command again:");
                out.line(format!("  git codex-archive approve {plan} --action retention"));
            }
            (RetentionStage::Waiting, Assurance::Attested) => {
                out.line("Next: the same command by somebody else, or with --second");
            }
            (RetentionStage::Applied, _) => {}
        }
    }

    /// Done in part while it waits; what is still there is a finding.
    fn exit_code(&self) -> u8 {
        match (self.state, self.still_present.is_empty()) {
            (RetentionStage::Waiting, _) => 3,
            (RetentionStage::Applied, true) => 0,
            (RetentionStage::Applied, false) => 4,
        }
    }
}
