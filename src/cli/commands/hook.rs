//! `hook`: what the hook files run.
//!
//! Promises: does nothing but what the check needs, since every commit waits for it; says nothing
//! when there is nothing to say.

use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;

use super::verify::write_findings;
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::Text;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::git::StagedChanges;

use crate::hook::install::HookName;
use crate::model::Severity;
use crate::verify::VerifyReport;

const EXAMPLES: &str = "Examples:
  git codex-archive hook pre-commit
  echo \"$local_ref $local_oid $remote_ref $remote_oid\" |
      git codex-archive hook pre-push origin https://example.com/x.git

Hook managers call this; `git codex-archive hooks install` does so without one.";

/// The options of `hook`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// pre-commit, pre-merge-commit, pre-applypatch, pre-push or pre-receive
    #[arg(value_name = "NAME")]
    name: HookName,
    /// What git gives the hook
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// What the hook saw.
#[derive(Debug, Serialize)]
pub struct Seen {
    #[serde(flatten)]
    report: VerifyReport,
}

/// Runs the check.
pub fn run(ui: &Ui, file: Option<&Path>, args: &Args) -> Result<Seen> {
    let on_index = matches!(
        args.name,
        HookName::PreCommit | HookName::PreMergeCommit | HookName::PreApplypatch
    );
    let cwd = std::env::current_dir().map_err(Error::io("open", "."))?;
    // git compares while we look for the repository.
    let early = if on_index { Some(StagedChanges::spawn(&cwd)?) } else { None };
    let context = Context::open(ui, file, &[])?;
    let input = &mut std::io::stdin().lock();
    let variables: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
    let workspace = &context.workspace;
    let report = crate::hook::run(workspace, args.name, &args.arguments, input, early, &variables)?;
    Ok(Seen { report })
}

impl Report for Seen {
    fn form(&self) -> Form {
        Form::Aside
    }

    fn exit_code(&self) -> u8 {
        if self.report.ok { 0 } else { 4 }
    }

    fn write_human(&self, out: &mut Text) {
        write_findings(out, &self.report.findings);
        if self.report.findings.iter().any(|finding| finding.severity == Severity::Error) {
            out.line(
                "git codex-archive refuses this; mend it, or skip once with CODEX_ARCHIVE_SKIP=1",
            );
        }
    }
}
