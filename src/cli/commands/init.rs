//! `init`: sets up the archive of a repository.

use serde::Serialize;

use super::hooks;
use crate::archive::{InitOptions, InitReport, init};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, PLAIN, Text, counted};
use crate::config;
use crate::error::Result;
use crate::hook::install::HookName;
use crate::model::RepoLabel;
use crate::secret::DatabaseUrl;

const EXAMPLES: &str = "Examples:
  git codex-archive init --hooks
  git codex-archive init --repo _codex_ --url sqlite:////srv/archive/team.sqlite
  CODEX_ARCHIVE_URL=postgresql://codex:…@db/archive \\
      git codex-archive init --url 'postgresql://codex:***@db/archive' 
  git codex-archive init --trust";

/// The options of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Install the git hooks too
    #[arg(long)]
    hooks: bool,
    /// The repo label to write into .codex/archive.toml
    #[arg(long, value_name = "LABEL")]
    repo: Option<String>,
    /// The kind of database: sqlite, postgres or mariadb (default: what the URL says)
    #[arg(long, value_name = "BACKEND", requires = "url")]
    backend: Option<String>,
    /// Where the archive is, if not in git's own folder
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Accept the places outside the repository that its configuration names
    #[arg(long)]
    trust: bool,
}

impl Args {
    /// The configuration keys that the options set. A URL whose password is left out says what to
    /// write; the whole one comes from the environment.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let whole = |url: &&String| !config::lacks_password(&DatabaseUrl::new(url.as_str()));
        let url = self.url.as_ref().filter(whole);
        let pairs = [("backend.backend", self.backend.as_ref()), ("backend.url", url)];
        pairs.into_iter().filter_map(|(key, value)| Some((key, value?.clone()))).collect()
    }
}

/// What was set up.
#[derive(Debug, Serialize)]
pub struct Initialised {
    #[serde(flatten)]
    report: InitReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    hooks: Option<hooks::Installed>,
}

/// Sets up the repository around the current directory.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Initialised> {
    let workspace = &context.workspace;
    let url = args.url.clone();
    let options = InitOptions {
        label: args.repo.as_deref().map(RepoLabel::new).transpose()?,
        backend: url.map(|url| (workspace.config.backend().to_string(), url)),
        trust: args.trust,
    };
    let mut report = init(workspace, &options)?;
    if args.trust && args.url.is_some() {
        // The place stands in the configuration only now.
        let again = InitOptions { trust: true, ..InitOptions::default() };
        report.trusted = init(&context.reopen()?.workspace, &again)?.trusted;
    }
    let install = || hooks::install(context, hooks::Way::Usual, &HookName::CLIENT);
    let hooks = args.hooks.then(install).transpose()?;
    Ok(Initialised { report, hooks })
}

impl Report for Initialised {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let report = &self.report;
        let made = if report.archive_created { "Made the archive" } else { "The archive is there" };
        out.parts(&[(GOOD, made), (PLAIN, &format!(": {}", report.archive))]);
        match &report.label {
            Some(label) => out.field("repo label", label),
            None => out.field("repo label", "none yet; the first `store` sets it"),
        }
        for place in &report.trusted {
            out.field("trusted", place);
        }
        for file in &report.written {
            out.field("staged", file);
        }
        let stubs = &report.stubs;
        if stubs.total > 0 {
            out.field(
                "tombstones",
                format!(
                    "{}: bytes of {} in this archive, of {} in git's history, of {} elsewhere",
                    stubs.total, stubs.in_archive, stubs.in_git_history, stubs.elsewhere
                ),
            );
        }
        if let Some(hooks) = &self.hooks {
            hooks.write_human(out);
        }
        if report.written.is_empty() && !report.archive_created {
            out.line("Nothing had to be changed.");
        } else if !report.written.is_empty() {
            let files = counted(report.written.len() as u64, "staged file");
            out.line(format!("Next: git commit -m 'Set up the archive' ({files})"));
        }
    }
}
