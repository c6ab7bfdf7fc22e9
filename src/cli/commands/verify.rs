//! `verify`: tombstones against evidence, archive and citations.

use std::ffi::OsString;
use std::fs;
use std::io::Read;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::report::{Form, Report};
use crate::cli::text::{BAD, FAINT, GOOD, ODD, PLAIN, Text, counted};
use crate::error::{Error, Result};
use crate::model::{Finding, Severity, escape_line};
use crate::verify::{Checked, Scope, VerifyOptions, VerifyReport, verify};

/// No pull request's body is larger, in bytes.
const MAX_CITATIONS_BYTES: u64 = 64 << 20;

const EXAMPLES: &str = "Examples:
  git codex-archive verify
  git codex-archive verify --range origin/main..HEAD --citations body.md
  git log --format=%B origin/main..HEAD |
      git codex-archive verify --range origin/main..HEAD --citations - --format github

Findings of severity error end with exit code 4. docs/verify-rules.md explains every rule.";

/// The options of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What is staged, against HEAD
    #[arg(long, conflicts_with_all = ["range", "all"])]
    staged: bool,
    /// What B has other than its merge base with A; a missing side is HEAD
    #[arg(long, value_name = "A..B", conflicts_with = "all")]
    range: Option<String>,
    /// Everything in the index (the default)
    #[arg(long)]
    all: bool,
    /// A file with a pull request's body or commit messages; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "range")]
    citations: Option<OsString>,
    /// Do not ask the archive
    #[arg(long)]
    offline: bool,
    /// Hash the stored bytes of every tombstone's item
    #[arg(long)]
    deep: bool,
    /// How findings are written (default: text; github under GITHUB_ACTIONS)
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Judged {
    #[serde(flatten)]
    report: VerifyReport,
    #[serde(skip)]
    format: Format,
}

/// Judges what `args` say.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Judged> {
    let scope = match &args.range {
        Some(range) => {
            let (base, tip) = ends(range)?;
            Scope::Range { base: (!is_nothing(&base)).then_some(base), tip }
        }
        None if args.staged => Scope::Staged,
        None => Scope::All,
    };
    let citations = args.citations.as_ref().map(read_citations).transpose()?;
    let options = VerifyOptions { scope, citations, offline: args.offline, deep: args.deep };
    let under_github = || std::env::var_os("GITHUB_ACTIONS").is_some_and(|it| it == "true");
    let format = match args.format {
        Some(format) => format,
        None if under_github() => Format::Github,
        None => Format::Text,
    };
    Ok(Judged { report: verify(&context.workspace, &options)?, format })
}

/// The two sides of `A..B` or `A...B`; a missing one is HEAD.
pub fn ends(range: &str) -> Result<(String, String)> {
    let wrong = |why: &str| Error::invalid("range", escape_line(range), why);
    let (base, tip) = range.split_once("..").ok_or_else(|| wrong("it has no `..`"))?;
    let tip = tip.strip_prefix('.').unwrap_or(tip);
    if tip.contains("..") || tip.starts_with('.') {
        return Err(wrong("it has more than two sides"));
    }
    let side = |text: &str| if text.is_empty() { "HEAD" } else { text }.to_owned();
    Ok((side(base), side(tip)))
}

/// Whether a revision is the zeros that a forge gives for a new branch.
pub fn is_nothing(revision: &str) -> bool {
    matches!(revision.len(), 40 | 64) && revision.bytes().all(|byte| byte == b'0')
}

fn read_citations(file: &OsString) -> Result<String> {
    let mut bytes = Vec::new();
    let read = |from: &mut dyn Read, bytes: &mut Vec<u8>| {
        let read = from.take(MAX_CITATIONS_BYTES + 1).read_to_end(bytes);
        read.map_err(Error::io("read", file))?;
        // What is cut off might be a false citation.
        if bytes.len() as u64 > MAX_CITATIONS_BYTES {
            let shown = escape_line(&file.to_string_lossy());
            return Err(Error::invalid("citations", shown, "they are longer than 64 MiB"));
        }
        Ok(())
    };
    if file == "-" {
        read(&mut std::io::stdin().lock(), &mut bytes)?;
    } else {
        read(&mut fs::File::open(file).map_err(Error::io("read", file))?, &mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Report for Judged {
    fn form(&self) -> Form {
        if self.format == Format::Json { Form::Json } else { Form::Answer }
    }

    fn exit_code(&self) -> u8 {
        if self.report.ok { 0 } else { 4 }
    }

    fn write_human(&self, out: &mut Text) {
        if self.format == Format::Github {
            self.report.findings.iter().for_each(|finding| out.line(annotation(finding)));
        } else {
            write_findings(out, &self.report.findings);
        }
        write_summary(out, &self.report.checked, &self.report.findings);
    }
}

/// One block a finding.
pub fn write_findings(out: &mut Text, findings: &[Finding]) {
    for finding in findings {
        let style = match finding.severity {
            Severity::Error => BAD,
            Severity::Warning => ODD,
            Severity::Note => FAINT,
        };
        out.parts(&[
            (style, &format!("{}: ", word(finding.severity))),
            (PLAIN, &format!("{}: {} ", finding.path, finding.message)),
            (FAINT, &format!("[{}]", finding.rule)),
        ]);
        if !finding.hint.is_empty() {
            out.parts(&[(FAINT, "hint: "), (PLAIN, &finding.hint)]);
        }
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn write_summary(out: &mut Text, checked: &Checked, findings: &[Finding]) {
    let looked = format!(
        "{}, {}, {}",
        counted(checked.stubs, "tombstone"),
        counted(checked.segments, "segment"),
        counted(checked.records, "record")
    );
    let hashed = match checked.bytes_hashed_items {
        0 => String::new(),
        n => format!(", bytes of {} hashed", counted(n, "item")),
    };
    let number = |severity| findings.iter().filter(|it| it.severity == severity).count() as u64;
    let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
    let verdict = match (errors, warnings) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok, {}", counted(warnings, "warning")),
        (errors, 0) => counted(errors, "error"),
        (errors, n) => format!("{}, {}", counted(errors, "error"), counted(n, "warning")),
    };
    let style = if errors == 0 { GOOD } else { BAD };
    out.parts(&[(style, &verdict), (PLAIN, &format!(": {looked}{hashed}"))]);
}

/// A workflow command of GitHub, with its own escapes.
fn annotation(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let hint = match finding.hint.as_str() {
        "" => String::new(),
        hint => format!("%0Ahint: {}", data(hint)),
    };
    format!(
        "::{level} file={},line=1,title={}::{}{hint}",
        property(&finding.path),
        property(finding.rule),
        data(&finding.message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let of = |text: &str| ends(text).ok();
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(of("a..b"), pair("a", "b"));
        assert_eq!(of("a...b"), pair("a", "b"));
        assert_eq!(of("a.."), pair("a", "HEAD"));
        assert_eq!(of("..b"), pair("HEAD", "b"));
        assert_eq!(of("v1.0..v1.1"), pair("v1.0", "v1.1"));
        for bad in ["", "a", "a..b..c", "a....b"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert!(is_nothing(&"0".repeat(40)) && !is_nothing("0"));
    }

    #[test]
    fn no_finding_forges_a_workflow_command() {
        let rule = crate::archive::proof::RULES[0];
        let finding = Finding::new(rule, "a:b,c", "x\n::set-env name=y::z").hint("git 100%");
        let line = annotation(&finding);
        assert_eq!(line.lines().count(), 1);
        assert!(line.starts_with("::error file=a%3Ab%2Cc,line=1,title=table-chain::x%0A"));
        assert!(line.ends_with("%0Ahint: git 100%25"));
    }
}
