//! `memory`: entries of memory by hand.

use std::io::Read;

use clap::Subcommand;

use super::purge::spots;
use super::store_flags::pair;
use crate::archive::governance::{ForgetOptions, ForgetReport, forget};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, GOOD, ODD, PLAIN, STRONG, Text, count};
use crate::error::{Error, Result};
use crate::memory::{Draft, FieldCredential, GetReport, MAX_TEXT_BYTES, SaveReport, SaveStatus};
use crate::memory::{get, save};
use crate::model::{Actor, Assurance, Entry};
use crate::progress::Progress;

const EXAMPLES: &str = "Examples:
  git codex-archive memory save 'The importer must stay on Python 3.9' --type decision --tag importer
  git log -1 --format=%B | git codex-archive memory save - --project shop --source \"git:$(git rev-parse HEAD)\"
  git codex-archive memory get 1f0c3f0a
  git codex-archive memory forget 1f0c3f0a --by ann@example.com --second bob@example.com --reason 'GDPR 17'

The same text of the same project, type and source is kept once. Credentials are refused, or taken out,
as [policy] in .codex/archive.toml says (docs/content-policy.md).";

/// The options of `memory`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Save a text, unless it is there
    Save {
        /// The text; `-` is standard input
        #[arg(value_name = "TEXT")]
        body: String,
        /// Its title, of at most 120 characters (default: the beginning of the text)
        #[arg(long, value_name = "TITLE")]
        title: Option<String>,
        /// Its project (default: memory.project)
        #[arg(long, value_name = "PROJECT")]
        project: Option<String>,
        /// What sort of entry it is
        #[arg(long = "type", value_name = "TYPE", default_value = "note")]
        entry_type: String,
        /// Where the text comes from
        #[arg(long, value_name = "SOURCE")]
        source: Option<String>,
        /// A tag; may be given several times
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
        /// Something else to remember of it; may be given several times
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        metadata: Vec<(String, String)>,
        /// Who saves it (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
    },
    /// Show whole entries, up to 200
    Get {
        /// The entries' ids, or their first digits
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Delete an entry; takes two people
    Forget {
        /// The entry's id, or its first digits
        #[arg(value_name = "ID")]
        id: String,
        /// Who forgets it, and approves (default: CODEX_ACTOR, else git's user.email)
        #[arg(long, value_name = "ACTOR")]
        by: Option<String>,
        /// Who else approves; where keys sign, they must have run `approve`
        #[arg(long, value_name = "ACTOR")]
        second: Option<String>,
        /// Why, in a few words
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Does what `args` say; the exit code.
pub fn run(context: &Context<'_>, args: &Args) -> Result<u8> {
    let workspace = &context.workspace;
    Ok(match &args.command {
        Command::Save { body, title, project, entry_type, source, tags, metadata, by } => {
            let project = match project {
                Some(project) => project.as_str(),
                None => workspace.config.project()?,
            };
            let draft = Draft {
                text: if body == "-" { read()? } else { body.clone() },
                title: title.clone(),
                project: project.to_owned(),
                entry_type: entry_type.clone(),
                source_ref: source.clone(),
                tags: tags.iter().cloned().collect(),
                metadata: metadata.iter().cloned().collect(),
            };
            let actor = context.actor(by.as_deref())?;
            let report = save(workspace, &actor, draft)?;
            warn(&context.ui.progress(), "taken out", &report.redacted);
            warn(&context.ui.progress(), "saved with it", &report.credentials);
            context.ui.show(&report)
        }
        Command::Get { ids } => context.ui.show(&get(workspace, ids)?),
        Command::Forget { id, by, second, reason } => {
            let options = ForgetOptions {
                id: id.clone(),
                actor: context.actor(by.as_deref())?,
                second: second.as_deref().map(Actor::new).transpose()?,
                reason: reason.clone(),
            };
            context.ui.show(&forget(workspace, &options)?)
        }
    })
}

fn warn(progress: &dyn Progress, what: &str, found: &[FieldCredential]) {
    for it in found {
        let FieldCredential { field, line, column, rule } = it;
        progress.warn(&format!("a credential was {what}: {field}:{line}:{column} ({rule})"));
    }
}

/// The text on standard input, and one byte more where it is too long.
fn read() -> Result<String> {
    let mut bytes = Vec::new();
    let most = MAX_TEXT_BYTES as u64 + 1;
    let input = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
    input.map_err(Error::io("read", "standard input"))?;
    let is_cut = bytes.len() as u64 == most;
    String::from_utf8(bytes).map_err(|error| match is_cut {
        true => {
            let given = format!("over {MAX_TEXT_BYTES} bytes");
            Error::invalid("text", given, "a text has at most that")
        }
        false => {
            let at = error.utf8_error().valid_up_to();
            Error::invalid("text", "-", format!("it is no UTF-8 from byte {at} on"))
        }
    })
}

impl Report for SaveReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let (style, what) = match self.status {
            SaveStatus::Saved => (GOOD, "Saved"),
            SaveStatus::Updated => (GOOD, "There already; title, tags or metadata were changed"),
            SaveStatus::Unchanged => (PLAIN, "There already"),
        };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.title))]);
        out.field("id", &self.id);
        out.field("project", &self.project);
        out.field("type", &self.entry_type);
        out.field("size", format!("{} bytes", count(self.size_bytes)));
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
    }
}

impl Report for GetReport {
    fn write_human(&self, out: &mut Text) {
        for (n, entry) in self.items.iter().enumerate() {
            if n > 0 {
                out.gap();
            }
            write_entry(out, entry);
        }
    }
}

fn write_entry(out: &mut Text, entry: &Entry) {
    out.parts(&[(STRONG, &entry.title)]);
    out.field("id", entry.id.to_string());
    out.field("project", &entry.project);
    out.field("type", &entry.entry_type);
    if let Some(source) = &entry.source_ref {
        out.field("source", source);
    }
    if let Some(session) = &entry.session_id {
        out.field("session", session);
    }
    out.field("saved", &entry.created_at);
    if entry.updated_at != entry.created_at {
        out.field("changed", &entry.updated_at);
    }
    if !entry.tags.is_empty() {
        let tags: Vec<&str> = entry.tags.iter().map(String::as_str).collect();
        out.field("tags", tags.join(", "));
    }
    for (key, value) in &entry.metadata {
        out.field("metadata", format!("{key}={value}"));
    }
    out.gap();
    // A tab would be escaped as what moves the cursor.
    out.block(&entry.body.replace('\t', "    "));
}

impl Report for ForgetReport {
    fn form(&self) -> Form {
        Form::Deed
    }

    fn write_human(&self, out: &mut Text) {
        let (style, what) = match (self.forgotten, self.already) {
            (false, _) => (ODD, "Waits for a second approval, and is kept"),
            (true, true) => (GOOD, "Forgotten already"),
            (true, false) => (GOOD, "Forgotten"),
        };
        out.parts(&[(style, what), (PLAIN, &format!(": {}", self.id))]);
        out.field("request", &self.request);
        if !self.approved_by.is_empty() {
            let keyboard = if self.one_keyboard { " (one keyboard)" } else { "" };
            let names = self.approved_by.join(", ");
            out.field("approved by", format!("{names}{keyboard}, {}", self.assurance));
        }
        spots(out, "Erased", &self.erased, GOOD);
        spots(out, "Out of reach here", &self.outside_reach, ODD);
        spots(out, "Still there", &self.still_present, BAD);
        if !self.evidence.is_empty() {
            out.field("record", &self.evidence);
        }
        match (self.forgotten, self.assurance) {
            (false, Assurance::Signed) => {
                out.line("Next, by somebody else with their key, then this command again:");
                out.line(format!("  git codex-archive approve {} --action forget", self.id));
            }
            (false, Assurance::Attested) => {
                out.line("Next: the same command by somebody else, or with --second");
            }
            (true, _) => {}
        }
    }

    /// Done in part while it waits; what is still there is a finding.
    fn exit_code(&self) -> u8 {
        match (self.forgotten, self.still_present.is_empty()) {
            (false, _) => 3,
            (true, true) => 0,
            (true, false) => 4,
        }
    }
}
