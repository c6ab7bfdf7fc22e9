//! The command line: what is typed, which command that means, and what comes back.
//!
//! Promises: a command is an argument struct and a short way into the library; only [`ui`] prints;
//! every error has its exit code (docs/exit-codes.md).

mod commands;
mod context;
mod hints;
mod interrupt;
mod logs;
pub mod reference;
mod report;
mod text;
mod tour;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::error::Error;
use commands::{
    approve, backup, batch_restore, batch_store, bundle, cat, config_show, copy, drop, evidence,
    export, fsck, health_check, hold, hook, hooks, import, init, list, log, maintenance, memory,
    migrate, policy, prune_request, purge, reconcile, request, restore, retention, schema, show,
    status, store, trust, undo, verify,
};
use context::Context;
use hints::Place;
use logs::Trouble;
use report::Failure;
use ui::{Manner, Ui, Volume};

const EXAMPLES: &str = "Examples:
  git codex-archive tour
  git codex-archive init --hooks
  git codex-archive store _codex_ src/legacy/zendesk_v1.py --reason pruned
  git codex-archive restore --stage src/legacy/zendesk_v1.py
  git codex-archive verify --range origin/main..HEAD

Exit codes: 0 ok, 1 failed, 2 usage, 3 done in part, 4 verification found something, 5 not found,
6 refused, 7 backend unreachable, 8 configuration, 130 interrupted.";

/// Retires files from a git repository without losing them, and can prove what happened to each
#[derive(Debug, Parser)]
#[command(
    name = "git-codex-archive",
    bin_name = "git codex-archive",
    version,
    after_help = EXAMPLES,
    max_term_width = 100,
    subcommand_help_heading = "Commands",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Globals {
    /// Change to this directory first; may be given several times, as with git
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Vec<PathBuf>,
    /// A configuration file, above the repository's own
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Answer in one JSON document
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but answers and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say where things are
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Say all that helps to find a mistake
    #[arg(long, global = true)]
    debug: bool,
    /// Do not tell how far long work has come
    #[arg(long, global = true)]
    no_progress: bool,
    /// Answer in text even where a program reads
    #[arg(long, global = true, hide = true, conflicts_with = "json")]
    text: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    color: When,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl Globals {
    fn manner(&self) -> Manner {
        let volume = match self {
            Self { debug: true, .. } => Volume::Debug,
            Self { quiet: true, .. } => Volume::Quiet,
            Self { verbose: true, .. } => Volume::Verbose,
            _ => Volume::Normal,
        };
        let color = match self.color {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        };
        Manner { json: self.json, text: self.text, volume, progress: !self.no_progress, color }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up the archive, .codex/ and, if wanted, the hooks
    Init(init::Args),
    /// Print the SQL that makes an archive's tables
    Schema(schema::Args),
    /// Bring an archive's schema up to date, or show where it stands
    Migrate(migrate::Args),
    /// Archive files and leave tombstones in their place
    Store(store::Args),
    /// Give an item's bytes back
    Restore(restore::Args),
    /// Archive the files of a manifest, each with a reason, tags and metadata of its own
    BatchStore(batch_store::Args),
    /// Restore the items of a manifest, many at once
    BatchRestore(batch_restore::Args),
    /// Remove a tombstone for good, or give its path to other code
    Drop(drop::Args),
    /// Mend tombstones and evidence after a revert, a merge or a rebase
    Reconcile(reconcile::Args),
    /// Take back the last deed that is not committed
    Undo(undo::Args),
    /// List the items of the archive
    List(list::Args),
    /// Show an item and all that happened to it
    Show(show::Args),
    /// Write an item's bytes to standard output
    Cat(cat::Args),
    /// Show what happened, newest first
    Log(log::Args),
    /// Check tombstones against evidence, archive and citations
    Verify(verify::Args),
    /// Install, take away or inspect the git hooks
    Hooks(hooks::Args),
    /// Run the check of one hook
    Hook(hook::Args),
    /// Show, prove and cite the evidence
    Evidence(evidence::Args),
    /// Prove every byte of the archive
    Fsck(fsck::Args),
    /// Print what the archive says of its items
    Export(export::Args),
    /// Take another archive's file into this one
    Import(import::Args),
    /// Bring a whole archive into another one
    Copy(copy::Args),
    /// Show what is set, and by whom
    ConfigShow(config_show::Args),
    /// Show the places that the tracked configuration names
    Trust(trust::Args),
    /// Ask that an item's content be destroyed
    PruneRequest(prune_request::Args),
    /// List what two people are asked to agree to, or take it back
    Request(request::Args),
    /// Agree to a request
    Approve(approve::Args),
    /// Destroy content, with two approvals, and show that it is gone
    Purge(purge::Args),
    /// Set, release and list what nobody may destroy
    Hold(hold::Args),
    /// Show the rules of governance, or adopt those of the files
    Policy(policy::Args),
    /// Plan what has been kept for long enough, and carry such a plan out
    Retention(retention::Args),
    /// Save and get entries of memory
    Memory(memory::Args),
    /// Back up the data, prove backups, and put them back
    Backup(backup::Args),
    /// Let nobody change the archive, until it is over
    Maintenance(maintenance::Args),
    /// Bundle releases, check them, and make them again
    Bundle(bundle::Args),
    /// Check whether the archive is well
    HealthCheck(health_check::Args),
    /// Show on one screen what is going on
    Status(status::Args),
    /// Go through the whole cycle in a throw-away repository
    Tour(tour::Args),
}

/// Runs the command line of this process; gives its exit code.
pub fn run() -> ExitCode {
    if let Some(args) = hook::Args::as_git_calls(std::env::args_os()) {
        return ExitCode::from(run_hook(&args));
    }
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let name = matches.subcommand_name().unwrap_or_default().to_owned();
        Ok((Cli::from_arg_matches(&matches)?, name))
    });
    let code = match parsed {
        Ok((cli, name)) => {
            let ui = Ui::new(cli.globals.manner(), &name);
            dispatch(&ui, cli).unwrap_or_else(|failure| ui.fail(&failure))
        }
        Err(said) => not_parsed(&said),
    };
    ExitCode::from(code)
}

/// Shows help, or what is wrong with a command line that was not understood.
fn not_parsed(said: &clap::Error) -> u8 {
    let asks = |word: &str| std::env::args_os().any(|argument| argument == word);
    let color = ColorChoice::Auto;
    let volume = Volume::Normal;
    let json = asks("--json");
    let ui = Ui::new(Manner { json, text: false, volume, progress: false, color }, "");
    if !said.use_stderr() {
        ui.help(&said.render().ansi().to_string());
        return 0;
    }
    let rendered = match said.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing".to_owned(),
        _ => said.render().to_string(),
    };
    let message = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    // git keeps `--help` for itself and looks for a manual page.
    let message = message.split("For more information, try").next().unwrap_or_default();
    let words = || std::env::args().skip(1);
    let mut root = Cli::command();
    root.build();
    let command = words().find(|word| root.find_subcommand(word).is_some());
    let hint = command.map_or_else(
        || "git codex-archive -h".to_owned(),
        |command| format!("git codex-archive {command} -h"),
    );
    ui.fail(&Failure::usage(message.trim_end(), hint))
}

/// Every commit waits for this one: what a hook file types needs no parser of all the commands.
fn run_hook(args: &hook::Args) -> u8 {
    let (volume, color) = (Volume::Normal, ColorChoice::Auto);
    let ui = Ui::new(Manner { json: false, text: false, volume, progress: true, color }, "hook");
    match hook::run(&ui, None, args) {
        Ok(seen) => ui.show(&seen),
        Err(error) => {
            let arguments = std::env::args_os().skip(1).collect();
            ui.fail(&Failure::new(error, &Place { arguments, ..Place::default() }))
        }
    }
}

fn dispatch(ui: &Ui, cli: Cli) -> Result<u8, Failure> {
    let early = |error: Error| {
        let arguments = std::env::args_os().skip(1).collect();
        Failure::new(error, &Place { arguments, ..Place::default() })
    };
    for directory in &cli.globals.directory {
        std::env::set_current_dir(directory)
            .map_err(|source| early(Error::io("change to", directory)(source)))?;
    }
    let Some(command) = cli.command else {
        ui.help(&Cli::command().render_help().ansi().to_string());
        return Ok(0);
    };
    let file = cli.globals.config.as_deref();
    let flags = match &command {
        Command::Schema(args) => return schema::run(args).map(|it| ui.show(&it)).map_err(early),
        Command::Tour(args) => return tour::run(ui, args).map_err(early),
        Command::Hook(args) => {
            return hook::run(ui, file, args).map(|it| ui.show(&it)).map_err(early);
        }
        Command::Init(args) => args.flags(),
        Command::Retention(args) => args.flags(),
        _ => Vec::new(),
    };
    let context = Context::open(ui, file, &flags).map_err(early)?;
    logs::begin(ui, &context.workspace, Trouble::Told);
    // The one command that says whether all is well changes nothing, not even to the better.
    if !matches!(command, Command::HealthCheck(_)) {
        context.workspace.mend_links_if_possible();
    }
    in_workspace(&context, &command).map_err(|error| Failure::new(error, &context.place()))
}

fn in_workspace(context: &Context<'_>, command: &Command) -> crate::Result<u8> {
    let ui = context.ui;
    Ok(match command {
        Command::Init(args) => ui.show(&init::run(context, args)?),
        Command::Migrate(args) => ui.show(&migrate::run(context, args)?),
        Command::Store(args) => ui.show(&store::run(context, args)?),
        Command::Restore(args) => ui.show(&restore::run(context, args)?),
        Command::BatchStore(args) => ui.show(&batch_store::run(context, args)?),
        Command::BatchRestore(args) => ui.show(&batch_restore::run(context, args)?),
        Command::Drop(args) => ui.show(&drop::run(context, args)?),
        Command::Reconcile(args) => ui.show(&reconcile::run(context, args)?),
        Command::Undo(args) => ui.show(&undo::run(context, args)?),
        Command::List(args) => ui.show(&list::run(context, args)?),
        Command::Show(args) => ui.show(&show::run(context, args)?),
        Command::Cat(args) => ui.show(&cat::run(context, args)?),
        Command::Log(args) => ui.show(&log::run(context, args)?),
        Command::Verify(args) => ui.show(&verify::run(context, args)?),
        Command::Hooks(args) => hooks::run(context, args)?,
        Command::Evidence(args) => evidence::run(context, args)?,
        Command::Fsck(args) => ui.show(&fsck::run(context, args)?),
        Command::Export(args) => ui.show(&export::run(context, args)?),
        Command::Import(args) => ui.show(&import::run(context, args)?),
        Command::Copy(args) => ui.show(&copy::run(context, args)?),
        Command::ConfigShow(args) => ui.show(&config_show::run(context, args)?),
        Command::Trust(args) => ui.show(&trust::run(context, args)?),
        Command::PruneRequest(args) => ui.show(&prune_request::run(context, args)?),
        Command::Request(args) => request::run(context, args)?,
        Command::Approve(args) => ui.show(&approve::run(context, args)?),
        Command::Purge(args) => ui.show(&purge::run(context, args)?),
        Command::Hold(args) => hold::run(context, args)?,
        Command::Policy(args) => policy::run(context, args)?,
        Command::Retention(args) => retention::run(context, args)?,
        Command::Memory(args) => memory::run(context, args)?,
        Command::Backup(args) => backup::run(context, args)?,
        Command::Maintenance(args) => ui.show(&maintenance::run(context, args)?),
        Command::Bundle(args) => bundle::run(context, args)?,
        Command::HealthCheck(args) => health_check::run(context, args)?,
        Command::Status(args) => ui.show(&status::run(context, args)?),
        // These need no workspace and were run before.
        Command::Schema(_) | Command::Tour(_) | Command::Hook(_) => 0,
    })
}
