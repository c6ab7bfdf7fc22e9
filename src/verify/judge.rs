//! The judgement itself: what a tree has other than its bases, held against the rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::Workspace;
use crate::archive::segments;
use crate::error::Result;
use crate::evidence::{Action, Record, Segment};
use crate::git::{AttributeSource, Change, Repository};
use crate::model::{Digest, Finding, GitOid, LogId, RepoLabel, RepoPath};
use crate::tombstone::{Tombstone, check_id};

use super::change::{Changed, Changes, StubChange, sort_out};
use super::hint;
use super::rules;
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
    question: &'a Question<'a>,
    witness: Witness,
    label: Option<RepoLabel>,
    /// Records of added segments that may explain something.
    added: Vec<(Record, Digest)>,
    /// All segments of the tree; read when first needed.
    all: Option<Vec<Segment>>,
    /// All paths of the tree by their objects; read when first needed.
    files: Option<BTreeMap<GitOid, Vec<RepoPath>>>,
    findings: Vec<Finding>,
    checked: Checked,
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
        if !offline && changes.stubs.iter().any(|stub| stub.stub.is_some()) {
            let (witness, finding) = Witness::call(self.workspace)?;
            judge.witness = witness;
            judge.findings.extend(finding);
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
    fn find(&mut self, finding: Finding) {
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
                if self.loses_evidence(changed)? {
                    let finding = Finding::new(rule, changed.path.to_string(), words);
                    self.find(finding.hint("git codex-archive reconcile"));
                }
            }
        }
        let repository = self.question.repository;
        let files = changes.added_segments.iter().map(|(path, oid)| (path.clone(), *oid));
        let (good, bad) = segments::load(repository, files)?;
        for bad in bad.into_iter().filter(|bad| changes.new_segments.contains(&bad.path)) {
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
        Ok(good.into_iter().filter(|it| changes.new_segments.contains(&it.path)).collect())
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

    fn stub(&mut self, change: &StubChange, changes: &Changes) -> Result<()> {
        match &change.stub {
            Some(Err(fault)) => {
                let path = change.path.to_string();
                let hint = if !change.was.is_empty() {
                    hint::take_back(&change.path, self.question.bases.first())
                } else {
                    format!("git rm --cached -- {}", hint::top(&change.path))
                };
                let words = fault.to_string();
                let mut finding = Finding::new(&rules::STUB_MALFORMED, path, words).hint(hint);
                finding.tombstone = change.old.first().map(|(stub, _)| stub.id.to_string());
                self.find(finding);
                Ok(())
            }
            Some(Ok(stub)) => self.new_stub(change, stub, changes),
            None => self.gone(change, changes),
        }
    }

    fn new_stub(&mut self, change: &StubChange, stub: &Tombstone, changes: &Changes) -> Result<()> {
        self.checked.stubs += 1;
        let path = change.path.to_string();
        let Some(side) = change.new else { return Ok(()) };
        if side.mode != 0o100_644 {
            let hint = format!("git add --chmod=-x -- {}", hint::top(&change.path));
            let finding = Finding::new(&rules::STUB_MODE, &path, "a stub is never executable");
            self.find(finding.hint(hint).tombstone(stub.id));
        }
        if !self.follows(change, stub) {
            return Ok(());
        }
        if self.lies(change, stub)? {
            return Ok(());
        }
        let moved = changes.stubs.iter().any(|other| {
            other.path != change.path
                && other.old.iter().any(|(_, oid)| *oid == side.oid)
                && other.new.is_none_or(|new| new.oid != side.oid)
        });
        match self.explained(stub)? {
            Explained::ByAdded(lines) => return self.ask(&path, &lines),
            Explained::ByOld(lines) if moved => self.ask(&path, &lines)?,
            Explained::ByOld(_) if self.stands_elsewhere(change, side.oid)? => {
                let words = "the same stub stands at another path too";
                self.find(Finding::new(&rules::STUB_COPIED, &path, words).tombstone(stub.id));
            }
            Explained::ByOld(lines) if !self.taken_out(stub)? => self.ask(&path, &lines)?,
            Explained::ByOld(_) => {
                let words = "its ARCHIVE record is an old one, from before it was taken out";
                self.without_record(&path, stub, words)?;
            }
            Explained::Not => {
                let words = "no segment in this tree has its ARCHIVE record";
                self.without_record(&path, stub, words)?;
            }
        }
        // No record speaks of this path: another stub may have stood here.
        self.gone(change, changes)
    }

    fn ask(&mut self, path: &str, lines: &[(Record, Digest)]) -> Result<()> {
        let answer = self.witness.ask(path, lines, true)?;
        self.findings.extend(answer);
        Ok(())
    }

    /// Whether the tree's evidence says last of a stub's item that it was dropped or put back. If
    /// not, a commit that no hook saw took the stub away, and what is judged mends that.
    fn taken_out(&mut self, stub: &Tombstone) -> Result<bool> {
        let last = segments::last_records(self.all()?).remove(&stub.id);
        Ok(last.is_none_or(|record| record.event.action != Action::Archive))
    }

    fn without_record(&mut self, path: &str, stub: &Tombstone, words: &str) -> Result<()> {
        // A commit of named files forgets the segment, which waits in the work tree.
        let top = &self.question.workspace.top;
        let waiting = self.witness.segment_of(&stub.id).filter(|path| top.join(path).is_file());
        let waiting = waiting.and_then(|path| RepoPath::parse(&path));
        let known: Vec<RepoPath> = self.all()?.iter().map(|it| it.path.clone()).collect();
        let hint = match waiting.filter(|path| !known.contains(path)) {
            Some(segment) => format!("git add -- {}", hint::top(&segment)),
            None => "git codex-archive reconcile".to_owned(),
        };
        let finding = Finding::new(&rules::STUB_WITHOUT_RECORD, path, words);
        self.find(finding.hint(hint).tombstone(stub.id));
        Ok(())
    }

    /// Whether a stub's id follows from this tree's label.
    fn follows(&mut self, change: &StubChange, stub: &Tombstone) -> bool {
        let path = change.path.to_string();
        let base = self.question.bases.first();
        let Some(label) = &self.label else {
            if !self.findings.iter().any(|it| it.rule == rules::LABEL_MISSING.id) {
                let file = super::tree::LABEL_FILE;
                let words = "the tree has stubs, but no repo label";
                let hint = format!("git add -- ':/{file}'");
                self.find(Finding::new(&rules::LABEL_MISSING, file, words).hint(hint));
            }
            return false;
        };
        if check_id(stub, label) {
            return true;
        }
        let words =
            format!("its id does not follow from label `{label}`, its path and its SHA-256");
        let hint = if !change.was.is_empty() {
            hint::take_back(&change.path, base)
        } else {
            format!("git rm --cached -- {}", hint::top(&change.path))
        };
        let finding = Finding::new(&rules::STUB_ID, path, words);
        self.find(finding.hint(hint).tombstone(stub.id));
        false
    }

    /// Where git has the content that a stub names, its size and SHA-256 must agree: a stub that
    /// lies needs no record, it needs to go.
    fn lies(&mut self, change: &StubChange, stub: &Tombstone) -> Result<bool> {
        let path = change.path.to_string();
        let Some(bytes) = self.question.repository.blob(&stub.git_blob)? else {
            let words = format!("git does not have object {} here", stub.git_blob);
            let finding = Finding::new(&rules::GIT_BLOB_ABSENT, path, words);
            self.find(finding.tombstone(stub.id));
            return Ok(false);
        };
        if bytes.len() as u64 == stub.size_bytes && Digest::of(&bytes) == stub.sha256 {
            return Ok(false);
        }
        let words = format!("object {} has another size or SHA-256", stub.git_blob);
        let hint = hint::take_back(&change.path, self.question.bases.first());
        let finding = Finding::new(&rules::STUB_LIES, path, words);
        self.find(finding.hint(hint).tombstone(stub.id));
        Ok(true)
    }

    fn explained(&mut self, stub: &Tombstone) -> Result<Explained> {
        let label = self.label.clone();
        let fits = |line: &&(Record, Digest)| archives(&line.0, stub, label.as_ref());
        let added: Vec<_> = self.added.iter().filter(fits).cloned().collect();
        if !added.is_empty() {
            return Ok(Explained::ByAdded(added));
        }
        let lines = self.all()?.iter().flat_map(|it| &it.lines);
        let old: Vec<_> = lines.filter(fits).cloned().collect();
        Ok(if old.is_empty() { Explained::Not } else { Explained::ByOld(old) })
    }

    fn all(&mut self) -> Result<&[Segment]> {
        if self.all.is_none() {
            self.all = Some(self.question.tree.segments(self.question.repository)?.0);
        }
        Ok(self.all.as_deref().unwrap_or_default())
    }

    fn stands_elsewhere(&mut self, change: &StubChange, oid: GitOid) -> Result<bool> {
        if self.files.is_none() {
            let files = self.question.tree.files(self.question.repository)?;
            let mut by_oid: BTreeMap<GitOid, Vec<RepoPath>> = BTreeMap::new();
            for (path, _, oid) in files {
                by_oid.entry(oid).or_default().push(path);
            }
            self.files = Some(by_oid);
        }
        let paths = self.files.as_ref().and_then(|files| files.get(&oid));
        Ok(paths.is_some_and(|paths| paths.iter().any(|path| *path != change.path)))
    }

    /// A path where a stub stood that stands there no more.
    fn gone(&mut self, change: &StubChange, changes: &Changes) -> Result<()> {
        for (stub, oid) in &change.old {
            if matches!(&change.stub, Some(Ok(now)) if now.id == stub.id) {
                continue;
            }
            let moved = changes.stubs.iter().any(|other| {
                other.path != change.path && other.new.is_some_and(|new| new.oid == *oid)
            });
            if moved || self.left_properly(stub) || self.stands_elsewhere(change, *oid)? {
                continue;
            }
            let path = change.path.to_string();
            let severity = self.question.workspace.config.on_stub_removed();
            // A path is found in the index and HEAD only; the id in the evidence, too.
            let committed = matches!(self.question.tree, Tree::Commit(_));
            let what = if committed || stub.path == change.path {
                stub.id.to_string()
            } else {
                hint::shell(&change.path)
            };
            let drop = format!("git codex-archive drop {what} --reason \"WHY\"");
            let finding = match change.new {
                Some(new) if new.oid == stub.git_blob => {
                    let words = "its content is back, without a record";
                    Finding::new(&rules::RESTORED_WITHOUT_RECORD, path, words)
                        .hint("git codex-archive reconcile")
                }
                Some(_) => {
                    let words = "other content stands in a stub's place, without a record";
                    let mut finding = Finding::new(&rules::STUB_REPLACED, path, words).hint(drop);
                    finding.severity = severity;
                    finding
                }
                None => {
                    let words = "a stub was deleted without a record";
                    let mut finding = Finding::new(&rules::STUB_REMOVED, path, words).hint(drop);
                    finding.severity = severity;
                    finding
                }
            };
            self.find(finding.tombstone(stub.id));
        }
        Ok(())
    }

    /// Whether an added record says that a stub was dropped or its file put back. A file that was
    /// put back may have been edited, moved or deleted in the same range: it is ordinary again.
    fn left_properly(&self, stub: &Tombstone) -> bool {
        self.added.iter().any(|(record, _)| {
            record.event.tombstone == Some(stub.id)
                && match record.event.action {
                    Action::StubDrop => true,
                    Action::Restore => record.event.is_staged(),
                    _ => false,
                }
        })
    }
}

/// The records that say a stub's file was archived.
enum Explained {
    /// In added segments.
    ByAdded(Vec<(Record, Digest)>),
    /// In segments that a base has.
    ByOld(Vec<(Record, Digest)>),
    Not,
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
}
