//! What each hook checks: what is staged, what a remote lacks, or what a server receives.
//!
//! Creates and changes nothing. Passes at once when no stub, evidence or archive file is in it.

use std::ffi::OsString;
use std::io::Read;

use crate::archive::Workspace;
use crate::error::{Error, Result};
use crate::git::{Known, Repository};
use crate::model::{GitOid, escape_line};
use crate::verify::{Checked, VerifyReport, outgoing, staged};

use super::install::HookName;

/// Standard input beyond this is no list of refs.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// What git gives a hook.
pub struct Call<'a> {
    /// Which hook.
    pub name: HookName,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Its standard input.
    pub stdin: &'a mut dyn Read,
    /// Its environment.
    pub variables: &'a [(OsString, OsString)],
}

/// Runs the check of the hook that git calls.
pub fn run(workspace: &Workspace, call: Call<'_>) -> Result<VerifyReport> {
    let log = workspace.use_case("HOOK", None);
    // Every commit would leave a line.
    log.end(judge(workspace, call), |report| report.about().if_done(!report.findings.is_empty()))
}

fn judge(workspace: &Workspace, call: Call<'_>) -> Result<VerifyReport> {
    let repository = workspace
        .repository
        .as_ref()
        .ok_or_else(|| Error::NoRepository { action: "run a hook", path: workspace.cwd.clone() })?;
    match call.name {
        HookName::PreCommit | HookName::PreMergeCommit | HookName::PreApplypatch => {
            let file = call.variables.iter().find(|(name, _)| name == "GIT_INDEX_FILE");
            let since_head = repository.staged_since_head(file.map(|(_, value)| value.as_ref()))?;
            let merging = match call.name {
                HookName::PreMergeCommit => merged_heads(call.variables),
                _ => Vec::new(),
            };
            staged(workspace, repository, Some(since_head), &merging, false)
        }
        HookName::PrePush => {
            let updates = pushed(&read(call.stdin)?)?;
            let remote = remote_name(call.arguments);
            let judge = |update: &Update| push(workspace, repository, update, remote.as_deref());
            together(updates.iter().map(judge))
        }
        HookName::PreReceive => {
            let updates = received(&read(call.stdin)?)?;
            together(updates.iter().map(|update| receive(workspace, repository, update)))
        }
        HookName::ReferenceTransaction => {
            if call.arguments.first().is_none_or(|state| state != "prepared") {
                return Ok(nothing());
            }
            let updates = branches(&read(call.stdin)?)?;
            together(updates.iter().map(|update| change(workspace, repository, update)))
        }
    }
}

/// What a clean merge brings in: git writes MERGE_HEAD only after pre-merge-commit, and until then
/// says it by the names of variables, `GITHEAD_<oid>`.
fn merged_heads(variables: &[(OsString, OsString)]) -> Vec<GitOid> {
    let heads = variables.iter().filter_map(|(name, _)| name.to_str()?.strip_prefix("GITHEAD_"));
    heads.filter_map(|oid| oid.parse().ok()).collect()
}

/// One ref that changes: what it will be, and what the other side has of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Update {
    /// The object it will point to.
    pub tip: GitOid,
    /// The object it points to at the other side; `None` for a new ref.
    pub had: Option<GitOid>,
}

fn read(stdin: &mut dyn Read) -> Result<String> {
    let mut text = String::new();
    stdin
        .take(MAX_INPUT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(Error::io("read", "standard input"))?;
    // What is cut off would go through unseen.
    if text.len() as u64 > MAX_INPUT_BYTES {
        let why = "it is longer than 64 MiB: push fewer refs at once";
        return Err(Error::invalid("input", "standard input", why));
    }
    Ok(text)
}

fn bad_line(line: &str) -> Error {
    let why = "git writes refs and object ids there";
    let shown: String = line.chars().take(200).collect();
    Error::invalid("line on standard input", escape_line(&shown), why)
}

/// What git tells pre-push: `<local ref> <local oid> <remote ref> <remote oid>` on each line. Refs
/// that are deleted are left out.
pub fn pushed(text: &str) -> Result<Vec<Update>> {
    text.lines()
        .map(|line| {
            // A local ref may be an expression with spaces, such as `HEAD@{1 day ago}`.
            let mut parts = line.rsplitn(4, ' ');
            let had = parts.next();
            let (_, tip) = (parts.next(), parts.next());
            update(line, tip, had)
        })
        .filter_map(Result::transpose)
        .collect()
}

/// What git tells pre-receive: `<old oid> <new oid> <ref>` on each line. Refs that are deleted are
/// left out.
pub fn received(text: &str) -> Result<Vec<Update>> {
    text.lines()
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let (had, tip) = (parts.next(), parts.next());
            update(line, tip, had)
        })
        .filter_map(Result::transpose)
        .collect()
}

/// reference-transaction: `<old oid> <new oid> <ref>` on each line, of any ref. Only branches count;
/// a symbolic ref (`ref:refs/heads/x`) is no commit's.
pub fn branches(text: &str) -> Result<Vec<Update>> {
    let is_branch = |line: &&str| {
        let mut parts = line.splitn(3, ' ').skip(1);
        let new = parts.next().unwrap_or_default();
        !new.starts_with("ref:") && parts.next().is_none_or(|name| name.starts_with("refs/heads/"))
    };
    let lines: Vec<&str> = text.lines().filter(is_branch).collect();
    received(&lines.join("\n"))
}

/// `None` for a ref that is deleted.
fn update(line: &str, tip: Option<&str>, had: Option<&str>) -> Result<Option<Update>> {
    let oid = |text: Option<&str>| text.and_then(|text| text.parse::<GitOid>().ok());
    let (Some(tip), Some(had)) = (oid(tip), oid(had)) else { return Err(bad_line(line)) };
    let had = (!had.is_zero()).then_some(had);
    Ok((!tip.is_zero()).then_some(Update { tip, had }))
}

/// The remote's name; a push to a URL names none (git gives the URL twice).
fn remote_name(arguments: &[OsString]) -> Option<String> {
    let name = arguments.first()?;
    (arguments.get(1) != Some(name)).then(|| name.to_string_lossy().into_owned())
}

fn push(
    workspace: &Workspace,
    repository: &Repository,
    update: &Update,
    remote: Option<&str>,
) -> Result<VerifyReport> {
    let Some(tip) = commit(repository, &update.tip)? else { return Ok(nothing()) };
    let known = remote.map_or(Known::Nothing, Known::Remote);
    let bases = repository.outgoing_bases(&tip, update.had.as_ref(), known)?;
    outgoing(workspace, repository, tip, bases)
}

/// What some ref has already was judged on its way there, or is what others answer for.
fn change(workspace: &Workspace, repository: &Repository, update: &Update) -> Result<VerifyReport> {
    let Some(tip) = commit(repository, &update.tip)? else { return Ok(nothing()) };
    let bases = repository.outgoing_bases(&tip, update.had.as_ref(), Known::Refs)?;
    outgoing(workspace, repository, tip, bases)
}

/// A new branch is compared with the repository's HEAD: that is what it was made from, as far as
/// a server can know.
fn receive(
    workspace: &Workspace,
    repository: &Repository,
    update: &Update,
) -> Result<VerifyReport> {
    let Some(tip) = commit(repository, &update.tip)? else { return Ok(nothing()) };
    let had = match update.had {
        Some(had) => Some(had),
        None => repository.head()?,
    };
    let bases = repository.outgoing_bases(&tip, had.as_ref(), Known::Nothing)?;
    outgoing(workspace, repository, tip, bases)
}

/// The commit that a ref points to; `None` for a tag of a tree or blob, which has no files to
/// judge.
fn commit(repository: &Repository, oid: &GitOid) -> Result<Option<GitOid>> {
    match repository.resolve_commit(&oid.to_string()) {
        Ok(commit) => Ok(Some(commit)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn nothing() -> VerifyReport {
    VerifyReport { ok: true, checked: Checked::default(), findings: Vec::new() }
}

/// All reports as one; a finding that several refs share is told once.
fn together(reports: impl Iterator<Item = Result<VerifyReport>>) -> Result<VerifyReport> {
    let mut all = nothing();
    for report in reports {
        let report = report?;
        all.ok &= report.ok;
        all.checked.stubs += report.checked.stubs;
        all.checked.records += report.checked.records;
        all.checked.segments += report.checked.segments;
        all.checked.bytes_hashed_items += report.checked.bytes_hashed_items;
        for finding in report.findings {
            let same = |known: &crate::model::Finding| {
                (&known.path, known.rule, &known.message)
                    == (&finding.path, finding.rule, &finding.message)
            };
            if !all.findings.iter().any(same) {
                all.findings.push(finding);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn lines_of_a_push() {
        let tip: GitOid = A.parse().unwrap();
        let of = |text: &str| pushed(text).unwrap();
        assert_eq!(of(""), []);
        assert_eq!(of(&format!("(delete) {ZERO} refs/heads/x {A}\n")), []);
        let new = of(&format!("HEAD@{{1 day ago}} {A} refs/heads/x {ZERO}\n"));
        assert_eq!(new, [Update { tip, had: None }]);
        assert!(pushed("x y z\n").is_err());
        assert!(pushed(&format!("a {A} b 12\n")).is_err());
    }

    #[test]
    fn lines_of_a_reception() {
        let tip: GitOid = A.parse().unwrap();
        let new = received(&format!("{ZERO} {A} refs/heads/x\n")).unwrap();
        assert_eq!(new, [Update { tip, had: None }]);
        assert!(received("x\n").is_err());
    }

    #[test]
    fn branches_of_a_transaction() {
        let tip: GitOid = A.parse().unwrap();
        let of = |text: &str| branches(text).unwrap();
        assert_eq!(of(&format!("{ZERO} {A} HEAD\n{ZERO} {A} refs/remotes/o/x\n")), []);
        assert_eq!(of(&format!("{ZERO} ref:refs/heads/x refs/heads/y\n")), []);
        assert_eq!(of(&format!("{A} {ZERO} refs/heads/x\n")), []);
        let new = of(&format!("{ZERO} {A} refs/heads/x\n{ZERO} {A} HEAD\n"));
        assert_eq!(new, [Update { tip, had: None }]);
        assert!(branches("x\n").is_err());
    }

    #[test]
    fn heads_of_a_clean_merge() {
        let variables: Vec<(OsString, OsString)> =
            [format!("GITHEAD_{A}"), "GITHEAD_x".into(), "HOME".into()]
                .into_iter()
                .map(|name| (name.into(), "main".into()))
                .collect();
        assert_eq!(merged_heads(&variables), [A.parse::<GitOid>().unwrap()]);
    }

    #[test]
    fn a_url_is_no_remote() {
        let name = |a: &str, b: &str| remote_name(&[a.into(), b.into()]);
        assert_eq!(name("origin", "/srv/x.git").as_deref(), Some("origin"));
        assert_eq!(name("/srv/x.git", "/srv/x.git"), None);
    }
}
