//! `hook`: what the hook files run.
//!
//! Promises: does nothing but what the check needs, since every commit waits for it; says nothing
//! when there is nothing to say.

use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;

use super::verify::write_findings;
use crate::backend::Patience;
use crate::cli::context::Context;
use crate::cli::logs::{self, Trouble};
use crate::cli::report::{Form, Report};
use crate::cli::text::Text;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hook::Call;
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
    /// pre-commit, pre-merge-commit, pre-applypatch, pre-push, pre-receive or
    /// reference-transaction
    #[arg(value_name = "NAME")]
    name: HookName,
    /// What git gives the hook
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Args {
    /// The options of exactly `git-codex-archive hook NAME [ARGUMENT…]`; `None` for anything else,
    /// options of our own among it.
    pub fn as_git_calls(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter().skip(1);
        if words.next()? != "hook" {
            return None;
        }
        let name = words.next()?.to_str()?.parse().ok()?;
        let arguments: Vec<OsString> = words.collect();
        let plain = arguments.iter().all(|word| !word.as_encoded_bytes().starts_with(b"-"));
        plain.then_some(Self { name, arguments })
    }
}

/// What the hook saw.
#[derive(Debug, Serialize)]
pub struct Seen {
    #[serde(flatten)]
    report: VerifyReport,
}

/// Runs the check.
pub fn run(ui: &Ui, file: Option<&Path>, args: &Args) -> Result<Seen> {
    let mut context = Context::open(ui, file, &[])?;
    context.workspace.patience = Patience::HOOK;
    logs::begin(ui, &context.workspace, Trouble::Hidden);
    let stdin = &mut std::io::stdin().lock();
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let call = Call { name: args.name, arguments: &args.arguments, stdin, variables: &variables };
    let report = crate::hook::run(&context.workspace, call)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_types_goes_the_short_way() {
        let of = |line: &str| Args::as_git_calls(line.split(' ').map(OsString::from));
        assert_eq!(of("x hook pre-push origin url").unwrap().arguments.len(), 2);
        assert!(of("x hook pre-commit").is_some());
        for other in ["x hook", "x hook nope", "x hook pre-commit -h", "x --json hook pre-commit"] {
            assert!(of(other).is_none(), "{other}");
        }
    }
}
