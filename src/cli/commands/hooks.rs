//! `hooks`: installs, takes away and inspects the git hooks.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{GOOD, ODD, PLAIN, Style, Text};
use crate::error::{Error, Result};
use crate::hook::install::{self, HookName, HookState, InstallMode};

const EXAMPLES: &str = "Examples:
  git codex-archive hooks install
  git codex-archive hooks status
  git codex-archive hooks install --strict
  git codex-archive hooks install --manual";

/// The options of `hooks`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What to do with the hooks.
#[derive(Debug, Subcommand)]
enum Command {
    /// Install the hooks, beside what is there
    #[command(after_help = EXAMPLES)]
    Install {
        /// Print the lines to add, and write nothing
        #[arg(long, conflicts_with = "force")]
        manual: bool,
        /// Write into a tracked or managed folder too, and over edited hooks of ours
        #[arg(long)]
        force: bool,
        /// Check every change of a branch too (rebase, cherry-pick, --no-verify) by git's
        /// reference-transaction hook
        #[arg(long)]
        strict: bool,
    },
    /// Take the hooks away, and put back what stood there before
    #[command(after_help = EXAMPLES)]
    Uninstall,
    /// Say whether git runs the hooks
    #[command(after_help = EXAMPLES)]
    Status {
        /// Exit with 4 unless every hook is live
        #[arg(long)]
        strict: bool,
    },
}

/// How far an installation may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Where the folder is git's own or a person's.
    Usual,
    /// Nowhere.
    Manual,
    /// Anywhere.
    Force,
}

/// Does what `args` say and shows it; returns the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    Ok(match &args.command {
        Command::Install { manual, force, strict } => {
            let way = match (manual, force) {
                (true, _) => Way::Manual,
                (_, true) => Way::Force,
                _ => Way::Usual,
            };
            let names: &[HookName] = if *strict { &HookName::STRICT } else { &HookName::CLIENT };
            context.ui.show(&install(context, way, names)?)
        }
        Command::Uninstall => context.ui.show(&uninstall(context)?),
        Command::Status { strict } => {
            let standing = Standing { strict: *strict, ..standing(context)? };
            context.ui.show(&standing)
        }
    })
}

/// One hook and what is said of it.
#[derive(Debug, Serialize)]
struct Line {
    name: HookName,
    #[serde(flatten)]
    said: serde_json::Value,
    #[serde(skip)]
    words: String,
    #[serde(skip)]
    style: Style,
}

/// What an installation did.
#[derive(Debug, Serialize)]
pub struct Installed {
    folder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_hand: Option<&'static str>,
    hooks: Vec<Line>,
}

/// Installs the hooks of a clone in which people work.
pub fn install(context: &Context<'_>, way: Way, names: &[HookName]) -> Result<Installed> {
    let workspace = &context.workspace;
    let repository = workspace.repository("install hooks")?;
    let binary = std::env::current_exe().map_err(Error::io("find", "git-codex-archive"))?;
    let mode = match way {
        Way::Usual => InstallMode::Normal,
        Way::Manual => InstallMode::Manual,
        Way::Force => InstallMode::Force,
    };
    let folder = repository.hooks_folder()?;
    let _lock = workspace.lock()?;
    let top = repository.work_tree();
    let report = install::install(&folder, top, &binary, names, mode)?;
    let line = |(name, done): (HookName, install::Installed)| {
        let (words, style) = match &done {
            install::Installed::Installed => ("installed".to_owned(), GOOD),
            install::Installed::Chained { kept } => {
                (format!("installed; runs {} first", kept.display()), GOOD)
            }
            install::Installed::Updated => ("updated".to_owned(), GOOD),
            install::Installed::Current => ("there already".to_owned(), PLAIN),
            install::Installed::Manual { file, line } => {
                (format!("add to {}: {line}", file.display()), ODD)
            }
            install::Installed::Left { why } => (format!("left alone: {why}"), ODD),
        };
        Line { name, said: serde_json::json!(done), words, style }
    };
    Ok(Installed {
        folder: report.folder.display().to_string(),
        by_hand: report.by_hand,
        hooks: report.hooks.into_iter().map(line).collect(),
    })
}

impl Report for Installed {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        if let Some(why) = self.by_hand {
            out.parts(&[(ODD, "Nothing was written: "), (PLAIN, why)]);
        }
        write_lines(out, &self.folder, &self.hooks);
    }
}

fn write_lines(out: &mut Text, folder: &str, hooks: &[Line]) {
    out.field("hooks", folder);
    for hook in hooks {
        let name = format!("  {:<18}", hook.name.as_str());
        out.parts(&[(PLAIN, &name), (hook.style, &hook.words)]);
    }
}

/// What taking the hooks away did.
#[derive(Debug, Serialize)]
struct Uninstalled {
    folder: String,
    hooks: Vec<Line>,
}

fn uninstall(context: &Context<'_>) -> Result<Uninstalled> {
    let workspace = &context.workspace;
    let folder = workspace.repository("take hooks away")?.hooks_folder()?;
    let _lock = workspace.lock()?;
    let mut report = install::uninstall(&folder, &HookName::ALL)?;
    // Of those that not everybody has, only what was there is worth a line.
    report.hooks.retain(|(name, done)| {
        HookName::CLIENT.contains(name) || *done != install::Uninstalled::Absent
    });
    let line = |(name, done): (HookName, install::Uninstalled)| {
        let (words, style) = match &done {
            install::Uninstalled::Removed => ("taken away".to_owned(), GOOD),
            install::Uninstalled::PutBack => ("what stood there before is back".to_owned(), GOOD),
            install::Uninstalled::Absent => ("was not there".to_owned(), PLAIN),
            install::Uninstalled::Left { why } => (format!("left alone: {why}"), ODD),
        };
        Line { name, said: serde_json::json!(done), words, style }
    };
    let folder = report.folder.display().to_string();
    Ok(Uninstalled { folder, hooks: report.hooks.into_iter().map(line).collect() })
}

impl Report for Uninstalled {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        write_lines(out, &self.folder, &self.hooks);
    }
}

/// Whether git runs the hooks.
#[derive(Debug, Serialize)]
pub struct Standing {
    /// Whether git runs every one of them.
    live: bool,
    folder: String,
    hooks: Vec<Line>,
    #[serde(skip)]
    strict: bool,
}

/// Looks at the hooks of a clone in which people work.
pub fn standing(context: &Context<'_>) -> Result<Standing> {
    let folder = match &context.workspace.repository {
        Some(repository) => repository.hooks_folder()?,
        None => context.workspace.repository("look at hooks")?.hooks_folder()?,
    };
    let mut found = install::status(&folder, &HookName::STRICT)?;
    // That one is for those who asked for it.
    found.retain(|it| {
        HookName::CLIENT.contains(&it.name)
            || !matches!(it.state, HookState::Absent | HookState::Displaced)
    });
    let live = found.iter().all(|it| matches!(it.state, HookState::Live | HookState::Called));
    let line = |status: install::HookStatus| {
        let (words, style) = match status.state {
            HookState::Live => ("live", GOOD),
            HookState::Called => ("called by another hook file", GOOD),
            HookState::Absent => ("not installed", ODD),
            HookState::Displaced => ("not live: another hook file has its place", ODD),
            HookState::NotExecutable => ("not live: the file is not executable", ODD),
            HookState::Older => ("live, of an older version: install it again", ODD),
        };
        let chained = if status.chained { ", and runs the hook that was there first" } else { "" };
        let words = format!("{words}{chained}");
        let said = serde_json::json!({"state": status.state, "chained": status.chained});
        Line { name: status.name, said, words, style }
    };
    let hooks = found.into_iter().map(line).collect();
    Ok(Standing { live, folder: folder.display().to_string(), hooks, strict: false })
}

impl Standing {
    /// Whether git runs every one of them.
    pub fn live(&self) -> bool {
        self.live
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        if self.live {
            return "live".to_owned();
        }
        let dead = self.hooks.iter().filter(|hook| hook.style != GOOD);
        let names: Vec<&str> = dead.map(|hook| hook.name.as_str()).collect();
        format!("not live: {} (git codex-archive hooks install)", names.join(", "))
    }
}

impl Report for Standing {
    fn exit_code(&self) -> u8 {
        if self.strict && !self.live { 4 } else { 0 }
    }

    fn write_human(&self, out: &mut Text) {
        write_lines(out, &self.folder, &self.hooks);
        if !self.live {
            out.line("Next: git codex-archive hooks install");
        }
    }
}
