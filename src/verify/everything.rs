//! Judges everything in the index: every stub, every segment, each against the other.

use std::collections::BTreeMap;

use crate::archive::Workspace;
use crate::error::Result;
use crate::evidence::{Record, Segment};
use crate::git::{AttributeSource, Repository};
use crate::model::{Digest, Finding, GitOid, LogId, RepoLabel, RepoPath, TombstoneId};
use crate::tombstone::{Tombstone, check_id};

use super::judge::{archives, tracked_archive};
use super::signed::{Signing, judge_signers};
use super::tree::{LABEL_FILE, Tree, stub_of};
use super::witness::Witness;
use super::{Checked, VerifyOptions, VerifyReport, hint, rules};

/// Judges the whole index.
pub fn judge(
    workspace: &Workspace,
    repository: &Repository,
    options: &VerifyOptions,
) -> Result<VerifyReport> {
    let tree = Tree::Index;
    let mut checked = Checked::default();
    let mut findings = Vec::new();
    let (segments, bad) = tree.segments(repository)?;
    for bad in bad {
        let path = bad.path.to_string();
        findings.push(
            Finding::new(&rules::SEGMENT_INVALID, path, bad.why)
                .hint(hint::take_back(&bad.path, None)),
        );
    }
    checked.segments = segments.len() as u64;
    checked.records = segments.iter().map(|segment| segment.lines.len() as u64).sum();
    two_writers(&segments, &mut findings);
    let head: Vec<GitOid> = repository.head()?.into_iter().collect();
    signatures(&segments, &Signing::at(repository, &head)?, &mut findings);
    findings.extend(judge_signers(repository, &tree)?);
    let files = tree.files(repository)?;
    for (path, ..) in &files {
        findings.extend(tracked_archive(path));
    }
    let stubs = stubs(repository, files, &mut findings)?;
    checked.stubs = stubs.len() as u64;
    let label = tree.label(repository)?;
    if label.is_none() && !stubs.is_empty() {
        let words = "the tree has stubs, but no repo label";
        findings.push(
            Finding::new(&rules::LABEL_MISSING, LABEL_FILE, words)
                .hint(format!("git restore --staged --worktree -- ':/{LABEL_FILE}'")),
        );
    }
    let mut witness = Witness::nobody();
    if !options.offline && !stubs.is_empty() {
        let (called, finding) = Witness::call(workspace)?;
        witness = called;
        findings.extend(finding);
    }
    let mut records: BTreeMap<TombstoneId, Vec<&(Record, Digest)>> = BTreeMap::new();
    for line in segments.iter().flat_map(|segment| &segment.lines) {
        if let Some(id) = line.0.event.tombstone {
            records.entry(id).or_default().push(line);
        }
    }
    let mut seen: BTreeMap<GitOid, RepoPath> = BTreeMap::new();
    for (path, oid, stub) in &stubs {
        if let Some(label) = &label {
            let known = records.get(&stub.id).map(Vec::as_slice).unwrap_or_default();
            findings.extend(judge_stub(repository, path, stub, label, known)?);
            let fits = |line: &&&(Record, Digest)| archives(&line.0, stub, Some(label));
            let lines: Vec<_> = known.iter().filter(fits).map(|line| (*line).clone()).collect();
            findings.extend(witness.ask(&path.to_string(), &lines, options.deep)?);
        }
        if let Some(other) = seen.insert(*oid, path.clone()) {
            let words = format!("the same stub stands at `{other}`");
            let finding = Finding::new(&rules::STUB_COPIED, path.to_string(), words);
            findings.push(finding.tombstone(stub.id));
        }
    }
    checked.bytes_hashed_items = witness.hashed;
    Ok(VerifyReport::new(checked, findings))
}

/// All stubs that no attribute exempts; malformed ones become findings.
fn stubs(
    repository: &Repository,
    files: Vec<(RepoPath, u32, GitOid)>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<(RepoPath, GitOid, Tombstone)>> {
    let mut candidates = Vec::new();
    for (path, mode, oid) in files {
        if let Some(stub) = stub_of(repository, mode, &oid)? {
            candidates.push((path, mode, oid, stub));
        }
    }
    let paths: Vec<RepoPath> = candidates.iter().map(|it| it.0.clone()).collect();
    let exempt = match paths.is_empty() {
        true => Vec::new(),
        false => repository.attributes(&paths, &["codex-tombstone"], AttributeSource::WorkTree)?,
    };
    let mut stubs = Vec::new();
    for ((path, mode, oid, stub), values) in candidates.into_iter().zip(exempt) {
        if values.first().is_some_and(|value| value == "unset") {
            continue;
        }
        match stub {
            Ok(stub) => {
                if mode != 0o100_644 {
                    let hint = format!("git add --chmod=-x -- {}", hint::top(&path));
                    let words = "a stub is never executable";
                    let finding = Finding::new(&rules::STUB_MODE, path.to_string(), words);
                    findings.push(finding.hint(hint).tombstone(stub.id));
                }
                stubs.push((path, oid, stub));
            }
            Err(fault) => findings.push(
                Finding::new(&rules::STUB_MALFORMED, path.to_string(), fault.to_string())
                    .hint(hint::take_back(&path, None)),
            ),
        }
    }
    Ok(stubs)
}

fn judge_stub(
    repository: &Repository,
    path: &RepoPath,
    stub: &Tombstone,
    label: &RepoLabel,
    known: &[&(Record, Digest)],
) -> Result<Option<Finding>> {
    let about =
        |rule, words: String| Finding::new(rule, path.to_string(), words).tombstone(stub.id);
    if !check_id(stub, label) {
        let words =
            format!("its id does not follow from label `{label}`, its path and its SHA-256");
        return Ok(Some(about(&rules::STUB_ID, words).hint(hint::take_back(path, None))));
    }
    if !known.iter().any(|(record, _)| archives(record, stub, Some(label))) {
        let words = "no segment in this tree has its ARCHIVE record".to_owned();
        return Ok(Some(
            about(&rules::STUB_WITHOUT_RECORD, words).hint("git codex-archive reconcile"),
        ));
    }
    Ok(match repository.blob(&stub.git_blob)? {
        None => Some(about(
            &rules::GIT_BLOB_ABSENT,
            format!("git does not have object {} here", stub.git_blob),
        )),
        Some(bytes)
            if bytes.len() as u64 != stub.size_bytes || Digest::of(&bytes) != stub.sha256 =>
        {
            let words = format!("object {} has another size or SHA-256", stub.git_blob);
            Some(about(&rules::STUB_LIES, words).hint(hint::take_back(path, None)))
        }
        Some(_) => None,
    })
}

/// Judges what is signed by HEAD's signers. What was recorded before anything of its log was signed
/// may be unsigned.
fn signatures(segments: &[Segment], signing: &Signing, findings: &mut Vec<Finding>) {
    let mut signed_since: BTreeMap<LogId, u64> = BTreeMap::new();
    for segment in segments.iter().filter(|segment| segment.signature.is_some()) {
        let Some((last, _)) = segment.lines.last() else { continue };
        let since = signed_since.entry(last.log).or_insert(last.seq);
        *since = last.seq.min(*since);
    }
    let is_judged = |segment: &&Segment| {
        let since = segment
            .lines
            .last()
            .and_then(|(last, _)| signed_since.get(&last.log).map(|since| last.seq >= *since));
        since == Some(true)
    };
    let judged: Vec<&Segment> = segments.iter().filter(is_judged).collect();
    if !judged.is_empty() {
        findings.extend(signing.findings.iter().cloned());
    }
    findings.extend(judged.into_iter().filter_map(|segment| signing.judge(segment)));
}

fn two_writers(segments: &[Segment], findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<(LogId, u64), (Digest, &RepoPath)> = BTreeMap::new();
    for segment in segments {
        for (record, digest) in &segment.lines {
            let place = (*digest, &segment.path);
            let Some((before, other)) = known.insert((record.log, record.seq), place) else {
                continue;
            };
            let path = segment.path.to_string();
            if before == *digest {
                let words = format!("record {} of its log stands in `{other}` too", record.seq);
                let hint = format!("git rm --cached -- {}", hint::top(&segment.path));
                findings.push(Finding::new(&rules::RECORD_REPLAYED, path, words).hint(hint));
            } else {
                let words = format!("log {} has two records {}", record.log, record.seq);
                let finding = Finding::new(&rules::TWO_WRITERS, path, words);
                findings.push(finding.hint("git codex-archive evidence new-log"));
            }
            break;
        }
    }
}
