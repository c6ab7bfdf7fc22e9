//! The judgement itself: what a tree has other than its bases, held against the rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::Workspace;
use crate::archive::segments;
use crate::error::Result;
use crate::evidence::{Action, Record, Segment, segment_signed_by};
use crate::git::{AttributeSource, Change, Repository};
use crate::model::{Digest, Finding, GitOid, LogId, RepoLabel, RepoPath};
use crate::policy::SIGNERS_PATH;
use crate::tombstone::Tombstone;

use super::change::{Changed, Changes, sort_out};
use super::hint;
use super::rules;
use super::signed::{Signing, judge_signers};
use super::tree::Tree;
use super::witness::Witness;
use super::{Checked, VerifyReport};

/// What is judged: a tree against its bases.
pub struct Question<'a> {
    /// The repository and its configuration.
    pub workspace: &'a Workspace,
    /// The repository.
    pub repository: &'a Repository,
    /// The tree.
    pub tree: Tree,
    /// The commits it is compared with; none means that everything is new.
    pub bases: Vec<GitOid>,
}

/// A judgement under way.
pub struct Judge<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) witness: Witness,
    pub(super) label: Option<RepoLabel>,
    /// Records of added segments that may explain something.
    pub(super) added: Vec<(Record, Digest)>,
    /// All segments of the tree; read when first needed.
    pub(super) all: Option<Vec<Segment>>,
    /// All paths of the tree by their objects; read when first needed.
    pub(super) files: Option<BTreeMap<GitOid, Vec<RepoPath>>>,
    pub(super) findings: Vec<Finding>,
    pub(super) checked: Checked,
}

/// A judgement, and the segments that the tree adds.
pub struct Judgement {
    /// What was seen.
    pub report: VerifyReport,
    /// Segments that no base has.
    pub new_segments: Vec<Segment>,
}

impl Question<'_> {
    /// The differences to each base; to nothing at all where there is none.
    pub fn changes(&self) -> Result<Vec<Vec<Change>>> {
        if self.bases.is_empty() {
            return Ok(vec![self.tree.changes(self.repository, None)?]);
        }
        self.bases.iter().map(|base| self.tree.changes(self.repository, Some(base))).collect()
    }

    /// Where attributes are read: at the bases; where everything is new, the tree itself has the
    /// only ones.
    fn attribute_sources(&self) -> Vec<AttributeSource<'_>> {
        match (self.bases.as_slice(), &self.tree) {
            ([], Tree::Index) => vec![AttributeSource::WorkTree],
            ([], Tree::Commit(tip)) => vec![AttributeSource::Commit(tip)],
            (bases, _) => bases.iter().map(AttributeSource::Commit).collect(),
        }
    }

    /// Judges `by_base`, what [`Question::changes`] found. Nothing is asked of the archive when
    /// no stub, evidence or file of ours is among it.
    pub fn judge(&self, by_base: Vec<Vec<Change>>, offline: bool) -> Result<Judgement> {
        let changes = sort_out(self.repository, by_base, &self.attribute_sources())?;
        if changes.is_empty() {
            let report = VerifyReport::new(Checked::default(), Vec::new());
            return Ok(Judgement { report, new_segments: Vec::new() });
        }
        let mut judge = Judge {
            question: self,
            witness: Witness::nobody(),
            label: self.tree.label(self.repository)?,
            added: Vec::new(),
            all: None,
            files: None,
            findings: Vec::new(),
            checked: Checked::default(),
        };
        judge.own_files(&changes)?;
        let new_segments = judge.segments(&changes)?;
        if !offline && !changes.stubs.is_empty() {
            let (witness, finding) = Witness::call(self.workspace)?;
            judge.witness = witness;
            // Of a stub that only goes, an archive that is missing could say nothing.
            let some_new = changes.stubs.iter().any(|stub| stub.stub.is_some());
            judge.findings.extend(finding.filter(|_| some_new));
        }
        for stub in &changes.stubs {
            judge.stub(stub, &changes)?;
        }
        judge.checked.bytes_hashed_items = judge.witness.hashed;
        let mut findings = judge.findings;
        if let Tree::Commit(tip) = self.tree {
            for finding in &mut findings {
                finding.commit = Some(tip.to_string());
            }
        }
        Ok(Judgement { report: VerifyReport::new(judge.checked, findings), new_segments })
    }
}

impl Judge<'_> {
    pub(super) fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Databases must not be tracked, and the label must stay.
    fn own_files(&mut self, changes: &Changes) -> Result<()> {
        for changed in &changes.own_files {
            let tracked = changed.new.and_then(|_| tracked_archive(&changed.path));
            if let Some(finding) = tracked {
                self.find(finding);
            } else if changed.path.as_bytes() == super::tree::LABEL_FILE.as_bytes() {
                self.label_file(changed)?;
            } else if changed.path.as_bytes() == SIGNERS_PATH.as_bytes() {
                let finding = judge_signers(self.question.repository, &self.question.tree)?;
                self.findings.extend(finding);
            }
        }
        Ok(())
    }

    fn label_file(&mut self, changed: &Changed) -> Result<()> {
        let repository = self.question.repository;
        for side in changed.old.iter().flatten() {
            let Some(text) = repository.blob(&side.oid)? else { continue };
            let before = crate::config::label_of(&text);
            if before.is_some() && before != self.label {
                let was = before.map(|label| label.to_string()).unwrap_or_default();
                let words = format!("the repo label was `{was}`");
                let hint = hint::take_back(&changed.path, self.question.bases.first());
                let path = changed.path.to_string();
                self.find(Finding::new(&rules::LABEL_CHANGED, path, words).hint(hint));
                break;
            }
        }
        Ok(())
    }

    /// Judges the segments and keeps the records of the added ones; returns the new segments.
    fn segments(&mut self, changes: &Changes) -> Result<Vec<Segment>> {
        for (rule, segments, words) in [
            (&rules::SEGMENT_MISSING, &changes.missing_segments, "a segment of the base is gone"),
            (&rules::SEGMENT_CHANGED, &changes.changed_segments, "it has other bytes than before"),
        ] {
            for changed in segments {
                if changed.new.is_none() && segment_signed_by(&changed.path).is_some() {
                    self.lost_signature(changed)?;
                } else if self.loses_evidence(changed)? {
                    let finding = Finding::new(rule, changed.path.to_string(), words);
                    self.find(finding.hint("git codex-archive reconcile"));
                }
            }
        }
        let repository = self.question.repository;
        let files = changes.added_segments.iter().map(|(path, oid)| (path.clone(), *oid));
        let (good, bad) = segments::load(repository, files)?;
        let signing = Signing::at(repository, &self.question.bases)?;
        for bad in bad.into_iter().filter(|bad| changes.new_segments.contains(&bad.path)) {
            if let Some(segment) = self.signed_late(&bad.path)? {
                self.findings.extend(signing.judge(&segment));
                continue;
            }
            let hint = format!(
                "git rm --cached -- {} && git codex-archive reconcile",
                hint::top(&bad.path)
            );
            let path = bad.path.to_string();
            self.find(Finding::new(&rules::SEGMENT_INVALID, path, bad.why).hint(hint));
        }
        self.checked.segments += good.len() as u64;
        self.checked.records += good.iter().map(|it| it.lines.len() as u64).sum::<u64>();
        let known = self.records_of_bases(&good)?;
        self.check_originality(&good, known, changes);
        let new = good.into_iter().filter(|it| changes.new_segments.contains(&it.path));
        let new: Vec<Segment> = new.collect();
        // A base whose signers cannot be read must be mended, which adds no segment.
        if !new.is_empty() {
            self.findings.extend(signing.findings.iter().cloned());
        }
        self.findings.extend(new.iter().filter_map(|segment| signing.judge(segment)));
        Ok(new)
    }

    /// The segment of a base that the file at `path` signs afterwards, if it is such a file.
    fn signed_late(&self, path: &RepoPath) -> Result<Option<Segment>> {
        let (repository, tree) = (self.question.repository, &self.question.tree);
        let Some(segment) = segment_signed_by(path) else { return Ok(None) };
        let (oid, signature) = (tree.oid_at(repository, &segment)?, tree.oid_at(repository, path)?);
        let (Some(oid), Some(signature)) = (oid, signature) else { return Ok(None) };
        let (good, _) = segments::load(repository, [(segment, oid), (path.clone(), signature)])?;
        Ok(good.into_iter().next())
    }

    /// A signature of a base is gone; with its segment that is said already.
    fn lost_signature(&mut self, changed: &Changed) -> Result<()> {
        let (repository, tree) = (self.question.repository, &self.question.tree);
        let Some(segment) = segment_signed_by(&changed.path) else { return Ok(()) };
        if tree.oid_at(repository, &segment)?.is_some() {
            let words = "the signature of a segment of the base is gone";
            let finding = Finding::new(&rules::SIGNATURE_MISSING, changed.path.to_string(), words);
            self.find(finding.hint("git codex-archive reconcile"));
        }
        Ok(())
    }

    /// Whether a segment that is gone or altered held a record that the tree lacks now. What was no
    /// valid segment, or a copy of another one, had to be taken out or mended.
    fn loses_evidence(&mut self, changed: &Changed) -> Result<bool> {
        let before = changed.old.iter().flatten().map(|side| (changed.path.clone(), side.oid));
        let (before, _) = segments::load(self.question.repository, before)?;
        let lines = self.all()?.iter().flat_map(|segment| &segment.lines);
        let known: BTreeSet<Digest> = lines.map(|(_, digest)| *digest).collect();
        if before.is_empty() && changed.new.is_some() {
            return Ok(self.all()?.iter().all(|segment| segment.path != changed.path));
        }
        let mut lines = before.iter().flat_map(|segment| &segment.lines);
        Ok(lines.any(|(_, digest)| !known.contains(digest)))
    }

    /// The records that stand in segments of a base, by log and number.
    fn records_of_bases(&self, added: &[Segment]) -> Result<BTreeMap<(LogId, u64), Digest>> {
        let mut known = BTreeMap::new();
        if added.is_empty() {
            return Ok(known);
        }
        for base in &self.question.bases {
            let (segments, _) = Tree::Commit(*base).segments(self.question.repository)?;
            // A segment that is added against one base stands in another: it is no copy of
            // itself.
            let others = segments.iter().filter(|it| added.iter().all(|new| new.path != it.path));
            for (record, digest) in others.flat_map(|segment| &segment.lines) {
                known.insert((record.log, record.seq), *digest);
            }
        }
        Ok(known)
    }

    /// A record stands in one segment only; a copy explains nothing.
    fn check_originality(
        &mut self,
        added: &[Segment],
        mut known: BTreeMap<(LogId, u64), Digest>,
        changes: &Changes,
    ) {
        // Whole segments before parts of them: the copy is what came from the other.
        let mut added: Vec<&Segment> = added.iter().collect();
        added.sort_by_key(|segment| {
            (changes.new_segments.contains(&segment.path), std::cmp::Reverse(segment.lines.len()))
        });
        for segment in added {
            let path = segment.path.to_string();
            for (record, digest) in &segment.lines {
                match known.insert((record.log, record.seq), *digest) {
                    None => self.added.push((record.clone(), *digest)),
                    Some(before) if before == *digest => {
                        let words =
                            format!("record {} of its log stood in another segment", record.seq);
                        let hint = format!("git rm --cached -- {}", hint::top(&segment.path));
                        self.find(Finding::new(&rules::RECORD_REPLAYED, &path, words).hint(hint));
                        break;
                    }
                    Some(_) => {
                        let words = format!("log {} has two records {}", record.log, record.seq);
                        let finding = Finding::new(&rules::TWO_WRITERS, &path, words);
                        self.find(finding.hint("git codex-archive evidence new-log"));
                        break;
                    }
                }
            }
        }
    }
}

/// What is wrong with tracking `path`, if it is an archive's or journal's.
pub(super) fn tracked_archive(path: &RepoPath) -> Option<Finding> {
    let text = path.to_string();
    let ours = [".codex/archive.sqlite", ".codex/evidence/archive_ops.jsonl"];
    if !ours.contains(&text.as_str()) && !text.starts_with(".codex/archive.sqlite-") {
        return None;
    }
    let words = "a database or journal is tracked; git would reset it with the tree";
    let hint = format!("git rm --cached -- {}", hint::top(path));
    Some(Finding::new(&rules::ARCHIVE_TRACKED, text, words).hint(hint))
}

/// Whether a record says that what this stub stands for was archived.
pub(super) fn archives(record: &Record, stub: &Tombstone, label: Option<&RepoLabel>) -> bool {
    let event = &record.event;
    event.action == Action::Archive
        && event.tombstone == Some(stub.id)
        && event.repo.as_deref() == label.map(RepoLabel::as_str)
        && event.path.as_ref() == Some(&stub.path)
        && event.sha256 == Some(stub.sha256)
        && event.size == Some(stub.size_bytes)
        && event.mode == Some(stub.mode)
        && event.git_blob == Some(stub.git_blob)
}
