//! `evidence checkpoint`, `prove` and `check`: what is kept outside, and what it shows.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive::{
    CheckReport, CheckpointReport, Content, MAX_PROOF_BYTES, NewFile, Outside, Proof, Sealed,
    check, checkpoint, prove_record,
};
use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, PLAIN, Text, counted};
use crate::error::{Error, Result};
use crate::model::{Digest, escape_line};
use crate::policy::Signers;

const CHECKPOINT: &str = "Examples:
  git codex-archive evidence checkpoint --output checkpoint.txt
  git codex-archive evidence checkpoint --unsigned >> /mnt/elsewhere/checkpoints

The checkpoint names how many records there are and one hash over all of them. Kept where nobody who
writes the archive can reach it, it shows later that none of them was changed or taken away.";

const PROVE: &str = "Examples:
  git codex-archive evidence prove 605b3f3eb4fb39059c7503eb7d7477494c0f0462710fd94a5bee7aaa9edd191f
  git codex-archive evidence prove DIGEST --output proof.json

`evidence digest` and `log` show the digests. A checkpoint must cover the record: `evidence checkpoint`.";

const CHECK: &str = "Examples:
  git codex-archive evidence check proof.json --signers allowed_signers
  git codex-archive evidence check - < proof.json

Needs neither archive nor repository. Without signers it is not known whose signature it is.";

/// Where a document goes.
#[derive(Debug, clap::Args)]
struct Outlet {
    /// Write it to this new file (default: standard output)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Let the file be outside the repository and the current directory
    #[arg(long)]
    allow_outside: bool,
}

/// The options of `evidence checkpoint`.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECKPOINT)]
pub struct CheckpointArgs {
    #[command(flatten)]
    outlet: Outlet,
    /// Make it without a signature
    #[arg(long)]
    unsigned: bool,
    /// Who does it (default: CODEX_ACTOR, else git's user.email)
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
}

/// The options of `evidence prove`.
#[derive(Debug, clap::Args)]
#[command(after_help = PROVE)]
pub struct ProveArgs {
    /// The digest of the record, 64 hex digits
    #[arg(value_name = "DIGEST")]
    digest: String,
    #[command(flatten)]
    outlet: Outlet,
}

/// The options of `evidence check`.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK)]
pub struct CheckArgs {
    /// The proof; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who may sign, in the format of `.codex/allowed_signers`
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
}

/// A document that was made: on standard output, or in a file.
#[derive(Debug, Serialize)]
struct Made<T> {
    #[serde(flatten)]
    report: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip)]
    raw: Option<Content>,
}

impl Outlet {
    /// Refused before anything is done, if it cannot be written.
    fn file(&self, context: &Context<'_>) -> Result<Option<NewFile>> {
        let outside = if self.allow_outside { Outside::Allowed } else { Outside::Refused };
        let file = self.output.as_deref();
        file.map(|file| NewFile::at("write", &context.workspace, outside, file)).transpose()
    }
}

impl<T> Made<T> {
    fn new(context: &Context<'_>, report: T, text: String, file: Option<NewFile>) -> Result<Self> {
        let output = file.map(|file| file.write(text.as_bytes())).transpose()?;
        let goes_out = output.is_none() && !context.ui.is_json();
        let raw = goes_out.then(|| Content::of(text.into_bytes()));
        Ok(Self { report, output, raw })
    }
}

/// Makes a checkpoint; returns the exit code.
pub fn make(context: &Context<'_>, args: &CheckpointArgs) -> Result<u8> {
    let file = args.outlet.file(context)?;
    let sealed = if args.unsigned { Sealed::Unsigned } else { Sealed::Signed };
    let actor = context.actor(args.by.as_deref())?;
    let report = checkpoint(&context.workspace, &actor, sealed)?;
    let note = report.note.clone();
    Ok(context.ui.show(&Made::new(context, report, note, file)?))
}

/// Makes a proof; returns the exit code.
pub fn prove(context: &Context<'_>, args: &ProveArgs) -> Result<u8> {
    let why = "it has not 64 small hex digits";
    let digest: Digest = args
        .digest
        .parse()
        .map_err(|()| Error::invalid("digest", escape_line(&args.digest), why))?;
    let file = args.outlet.file(context)?;
    let proof = prove_record(&context.workspace, &digest)?;
    let text = serde_json::to_string_pretty(&proof)
        .map_err(|error| Error::damaged("proof", args.digest.clone(), error.to_string()))?;
    Ok(context.ui.show(&Made::new(context, proof, text + "\n", file)?))
}

/// Judges a proof; returns the exit code.
pub fn judge(context: &Context<'_>, args: &CheckArgs) -> Result<u8> {
    let signers = match &args.signers {
        Some(file) => {
            let name = escape_line(&file.display().to_string());
            let text = String::from_utf8(read(file)?).map_err(|_| Error::Config {
                what: "the signers are not UTF-8".to_owned(),
                origin: name.clone(),
                nearest: None,
            })?;
            Some(Signers::parse_from(&name, &text)?)
        }
        None => None,
    };
    Ok(context.ui.show(&check(&read(&args.file)?, signers.as_ref())))
}

/// A small file, or standard input; of a large one as much as shows that it is too large.
fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = || Error::io("read", file);
    let mut bytes = Vec::new();
    let limit = MAX_PROOF_BYTES + 1;
    if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(failed())?;
    } else {
        let file = File::open(file).map_err(failed())?;
        file.take(limit).read_to_end(&mut bytes).map_err(failed())?;
    }
    if bytes.len() as u64 > MAX_PROOF_BYTES {
        let name = escape_line(&file.display().to_string());
        return Err(Error::invalid("file", name, format!("it is over {MAX_PROOF_BYTES} bytes")));
    }
    Ok(bytes)
}

impl Report for Made<CheckpointReport> {
    fn form(&self) -> Form {
        if self.raw.is_some() { Form::Deed } else { Form::Answer }
    }

    fn content(&self) -> Option<&Content> {
        self.raw.as_ref()
    }

    fn write_human(&self, out: &mut Text) {
        let report = &self.report;
        let covered = counted(report.tree_size, "record");
        match &self.output {
            Some(file) => out.line(format!("Wrote the checkpoint over {covered} to {file}")),
            None => out.line(format!("Made a checkpoint over {covered}")),
        }
        match &report.key_fingerprint {
            Some(key) => out.line(format!("Signed by {key}")),
            None => out.line("It is unsigned: it proves something only where it is kept safe"),
        }
        out.parts(&[(FAINT, "Record "), (PLAIN, &report.evidence)]);
    }
}

impl Report for Made<Proof> {
    fn form(&self) -> Form {
        if self.raw.is_some() { Form::Deed } else { Form::Answer }
    }

    fn content(&self) -> Option<&Content> {
        self.raw.as_ref()
    }

    fn write_human(&self, out: &mut Text) {
        let proof = &self.report;
        let place = format!("leaf {} of {}", proof.leaf_index, proof.tree_size);
        match &self.output {
            Some(file) => out.line(format!("Wrote the proof of {place} to {file}")),
            None => out.line(format!("Proved {place}")),
        }
    }
}

impl Report for CheckReport {
    fn exit_code(&self) -> u8 {
        if self.ok { 0 } else { 4 }
    }

    fn write_human(&self, out: &mut Text) {
        for fault in &self.faults {
            out.parts(&[(BAD, "not proved"), (PLAIN, &format!(": {fault}"))]);
        }
        let (true, Some(entry)) = (self.ok, &self.record) else { return };
        let (event, origin) = (&entry.record.event, self.origin.as_deref().unwrap_or_default());
        let path = event.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        let what = format!(": {}{path} by {} at {}", event.action, event.actor, entry.record.ts);
        out.parts(&[(GOOD, "proved"), (PLAIN, &what)]);
        out.line(format!("  record {}", entry.digest));
        let at = self.at.as_deref().unwrap_or_default();
        let covered = counted(self.tree_size, "record");
        out.line(format!("  among {covered} of {origin}, checkpoint of {at}"));
        out.line(match (&self.key_fingerprint, self.principals.join(", ")) {
            (Some(key), names) if !names.is_empty() => format!("  signed by {names}, {key}"),
            (Some(key), _) if self.signers_known => format!("  signed by a signer, {key}"),
            (Some(key), _) => format!("  signed by {key}; whose that is, `--signers` would tell"),
            (None, _) => "  unsigned: whoever made this file may have made all of it".to_owned(),
        });
    }
}
