//! Judges trees: stubs against evidence, against the archive, and against what a PR cites.
//!
//! Only reads. Segments and stubs are taken from the index or a commit, never from the work tree.

mod change;
mod citations;
mod everything;
mod hint;
mod judge;
pub mod rules;
mod signed;
mod stub;
mod tree;
mod witness;

use serde::Serialize;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::evidence::Segment;
use crate::git::{Change, Repository};
use crate::logging::About;
use crate::model::{Finding, GitOid, Severity};

use judge::Question;
use tree::Tree;

/// Which tree is judged, and against what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What is staged, against HEAD.
    Staged,
    /// What `tip` has other than its merge base with `base`; both as the user named them.
    Range {
        /// The older revision; `None` for nothing at all.
        base: Option<String>,
        /// The newer revision.
        tip: String,
    },
    /// Everything in the index.
    All,
}

/// What to judge, and how deep.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Which tree.
    pub scope: Scope,
    /// A PR body or commit messages that must cite the range's segments.
    pub citations: Option<String>,
    /// Whether not to ask the archive.
    pub offline: bool,
    /// Whether to hash the stored bytes of every stub's item, not only of those that changed.
    pub deep: bool,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Checked {
    /// Stubs.
    pub stubs: u64,
    /// Records of segments.
    pub records: u64,
    /// Segments.
    pub segments: u64,
    /// Items whose bytes were read from the archive and hashed.
    pub bytes_hashed_items: u64,
}

/// What was seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// Whether there is no finding of severity error.
    pub ok: bool,
    /// How much was looked at.
    pub checked: Checked,
    /// The findings, by path.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// The report of these findings, in order.
    pub(crate) fn new(checked: Checked, mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| (&a.path, a.rule, &a.message).cmp(&(&b.path, b.rule, &b.message)));
        let ok = findings.iter().all(|finding| finding.severity < Severity::Error);
        Self { ok, checked, findings }
    }

    /// What the log says of it.
    pub(crate) fn about(&self) -> About {
        About { is_odd: !self.ok, ..About::many(self.findings.len()) }
    }
}

/// Judges what `options` say.
pub fn verify(workspace: &Workspace, options: &VerifyOptions) -> Result<VerifyReport> {
    let log = workspace.use_case("VERIFY", None);
    log.end(judge(workspace, options), VerifyReport::about)
}

fn judge(workspace: &Workspace, options: &VerifyOptions) -> Result<VerifyReport> {
    let repository = workspace
        .repository
        .as_ref()
        .ok_or_else(|| Error::NoRepository { action: "verify", path: workspace.cwd.clone() })?;
    if options.citations.is_some() && !matches!(options.scope, Scope::Range { .. }) {
        return Err(Error::Missing { what: "`--range`, which `--citations` is held against," });
    }
    match &options.scope {
        Scope::All => everything::judge(workspace, repository, options),
        Scope::Staged => staged(workspace, repository, None, &[], options.offline),
        Scope::Range { base, tip } => range(workspace, repository, base.as_deref(), tip, options),
    }
}

fn range(
    workspace: &Workspace,
    repository: &Repository,
    base: Option<&str>,
    tip: &str,
    options: &VerifyOptions,
) -> Result<VerifyReport> {
    let (bases, tip_oid) = range_ends(repository, base, tip)?;
    let question = Question { workspace, repository, tree: Tree::Commit(tip_oid), bases };
    let judgement = question.judge(question.changes()?, options.offline)?;
    let Some(body) = &options.citations else { return Ok(judgement.report) };
    let words = format!("{}..{tip}", base.unwrap_or_default());
    let mut findings = judgement.report.findings;
    findings.extend(citations::judge(body, &judgement.new_segments, &words));
    Ok(VerifyReport::new(judgement.report.checked, findings))
}

/// The merge bases and the tip of a range.
fn range_ends(
    repository: &Repository,
    base: Option<&str>,
    tip: &str,
) -> Result<(Vec<GitOid>, GitOid)> {
    let tip = repository.resolve_commit(tip)?;
    let bases = match base {
        Some(base) => repository.merge_bases(&repository.resolve_commit(base)?, &tip)?,
        None => Vec::new(),
    };
    Ok((bases, tip))
}

/// The segments that a range adds: those of its tip that no merge base has.
pub fn added_segments(
    workspace: &Workspace,
    base: Option<&str>,
    tip: &str,
) -> Result<Vec<Segment>> {
    let repository = workspace.repository("cite")?;
    let (bases, tip) = range_ends(repository, base, tip)?;
    let question = Question { workspace, repository, tree: Tree::Commit(tip), bases };
    question.judge(question.changes()?, true).map(|judgement| judgement.new_segments)
}

/// Judges one ref of a push or of what a server receives: `tip` against what the other side has.
pub fn outgoing(
    workspace: &Workspace,
    repository: &Repository,
    tip: GitOid,
    bases: Vec<GitOid>,
) -> Result<VerifyReport> {
    let question = Question { workspace, repository, tree: Tree::Commit(tip), bases };
    question.judge(question.changes()?, false).map(|judgement| judgement.report)
}

/// Judges what is staged. While a merge is being concluded, what it brings in from a remote is not
/// judged again: there others answer for it, and they must not stop anybody's work here. What comes
/// from a branch that no remote has, may have passed no hook. `since_head` is the difference to HEAD, `merging` what is being merged, where a
/// caller knows it already.
pub fn staged(
    workspace: &Workspace,
    repository: &Repository,
    since_head: Option<Vec<Change>>,
    merging: &[GitOid],
    offline: bool,
) -> Result<VerifyReport> {
    let since_head = match since_head {
        Some(changes) => changes,
        None => repository.staged_changes(repository.head()?.as_ref())?,
    };
    let merged = match merging {
        [] => repository.merge_heads()?,
        given => given.to_vec(),
    };
    if since_head.is_empty() && merged.is_empty() {
        return amended(workspace, repository, offline);
    }
    let mut published = Vec::new();
    let mut by_base = vec![since_head];
    for commit in merged {
        if repository.is_published(&commit)? {
            by_base.push(repository.staged_changes(Some(&commit))?);
            published.push(commit);
        }
    }
    let bases: Vec<GitOid> = repository.head()?.into_iter().chain(published).collect();
    let question = Question { workspace, repository, tree: Tree::Index, bases };
    question.judge(by_base, offline).map(|judgement| judgement.report)
}

/// An amended commit has no difference to HEAD: what HEAD has other than its parents is judged.
fn amended(workspace: &Workspace, repository: &Repository, offline: bool) -> Result<VerifyReport> {
    let mut bases = Vec::new();
    for n in 1.. {
        match repository.resolve_commit(&format!("HEAD^{n}")) {
            Ok(parent) => bases.push(parent),
            Err(_) => break,
        }
    }
    let question = Question { workspace, repository, tree: Tree::Index, bases };
    question.judge(question.changes()?, offline).map(|judgement| judgement.report)
}
