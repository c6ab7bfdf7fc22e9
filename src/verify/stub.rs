//! The judgement of one path where a stub comes, changes or goes.

use std::collections::BTreeMap;

use crate::archive::segments;
use crate::error::Result;
use crate::evidence::{Action, Record, Segment};
use crate::model::{Digest, Finding, GitOid, RepoPath};
use crate::tombstone::{Tombstone, check_id};

use super::change::{Changes, StubChange};
use super::hint;
use super::judge::{Judge, archives};
use super::rules;
use super::tree::Tree;

impl Judge<'_> {
    /// Judges one path.
    pub(super) fn stub(&mut self, change: &StubChange, changes: &Changes) -> Result<()> {
        match &change.stub {
            Some(Err(fault)) => {
                let path = change.path.to_string();
                let hint = self.take_back(change);
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
            let hint = match change.old.iter().any(|(old, _)| old.id == stub.id) {
                true => self.take_back(change),
                false => format!("git add --chmod=-x -- {}", hint::top(&change.path)),
            };
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
            Explained::ByOld(_) if change.old.iter().any(|(old, _)| old.id == stub.id) => {
                let words = "it was edited: the same item's stub stood here with other bytes";
                let finding = Finding::new(&rules::STUB_MALFORMED, &path, words);
                self.find(finding.hint(self.take_back(change)).tombstone(stub.id));
                return Ok(());
            }
            Explained::ByOld(_) if self.stands_elsewhere(change, side.oid)? => {
                let words = "the same stub stands at another path too";
                self.find(Finding::new(&rules::STUB_COPIED, &path, words).tombstone(stub.id));
            }
            Explained::ByOld(lines) if !self.taken_out(stub)? => self.ask(&path, &lines)?,
            Explained::ByOld(_) => {
                let words = "its ARCHIVE record is an old one, from before it was taken out";
                self.without_record(&path, stub, words)?;
            }
            Explained::Not if change.old.iter().any(|(old, _)| old.id == stub.id) => {
                let words = "it was edited: its ARCHIVE record says otherwise";
                let finding = Finding::new(&rules::STUB_MALFORMED, &path, words);
                self.find(finding.hint(self.take_back(change)).tombstone(stub.id));
                return Ok(());
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
        let waiting = match self.witness.segment_of_last(&stub.id, Action::Archive) {
            Some(segment) => self.waiting(segment)?,
            None => None,
        };
        let (words, hint) = match waiting {
            Some(segment) => (
                "the segment with its ARCHIVE record is left out (a commit of named files does that)",
                format!("git add -- {}", hint::top(&segment)),
            ),
            // Nobody here could give the bytes back, so no record can be made either.
            None if !self.has_bytes(stub)? => {
                (words, format!("git codex-archive drop {} --reason \"WHY\"", path))
            }
            None => (words, "git codex-archive reconcile".to_owned()),
        };
        let finding = Finding::new(&rules::STUB_WITHOUT_RECORD, path, words);
        self.find(finding.hint(hint).tombstone(stub.id));
        Ok(())
    }

    /// The segment, if it stands in the work tree and not in the tree that is judged.
    fn waiting(&mut self, segment: RepoPath) -> Result<Option<RepoPath>> {
        let on_disk = self.question.workspace.top.join(segment.as_path()).is_file();
        let judged = self.all()?.iter().any(|it| it.path == segment);
        Ok((on_disk && !judged).then_some(segment))
    }

    fn has_bytes(&mut self, stub: &Tombstone) -> Result<bool> {
        let in_git = self.question.repository.blob_size(&stub.git_blob)? == Some(stub.size_bytes);
        Ok(in_git || self.witness.knows(&stub.id)?)
    }

    /// Whether a stub's id follows from this tree's label.
    fn follows(&mut self, change: &StubChange, stub: &Tombstone) -> bool {
        let path = change.path.to_string();
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
        let hint = self.take_back(change);
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
        let hint = self.take_back(change);
        let finding = Finding::new(&rules::STUB_LIES, path, words);
        self.find(finding.hint(hint).tombstone(stub.id));
        Ok(true)
    }

    /// The command that puts back what stood at the path, or takes away what never did.
    fn take_back(&self, change: &StubChange) -> String {
        if change.was.is_empty() {
            return format!("git rm --cached -- {}", hint::top(&change.path));
        }
        hint::take_back(&change.path, self.question.bases.first())
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

    pub(super) fn all(&mut self) -> Result<&[Segment]> {
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
            let mut drop = format!("git codex-archive drop {what} --reason \"WHY\"");
            // A commit of named files leaves out the segment of a drop that was made already.
            if let Some(segment) = self.witness.segment_of_last(&stub.id, Action::StubDrop)
                && let Some(segment) = self.waiting(segment)?
            {
                drop = format!("git add -- {}", hint::top(&segment));
            }
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
