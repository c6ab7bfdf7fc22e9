//! What the archive itself says of a stub, where there is one to ask.

use std::collections::BTreeSet;

use crate::archive::{Archive, RolledBack, Workspace, segment_of_last};
use crate::error::{Error, Result};
use crate::evidence::{Action, Record};
use crate::model::{Digest, Finding, ItemState, LogId, RepoPath, TombstoneId, escape_line};

use super::rules;

/// Somebody to ask, or the reason why there is nobody.
pub struct Witness {
    archive: Option<Archive>,
    own_logs: BTreeSet<LogId>,
    require_shared: bool,
    /// Read once per item, however many paths show it.
    asked: BTreeSet<TombstoneId>,
    /// How many items were hashed.
    pub hashed: u64,
}

impl Witness {
    /// Asks nobody.
    pub fn nobody() -> Self {
        Self {
            archive: None,
            own_logs: BTreeSet::new(),
            require_shared: false,
            asked: BTreeSet::new(),
            hashed: 0,
        }
    }

    /// Opens the archive of `workspace`; a finding says if that cannot be.
    ///
    /// A newer schema, two archives in one place, and (under `hooks.require_shared`) an archive
    /// that cannot be read are errors, not findings.
    pub fn call(workspace: &Workspace) -> Result<(Self, Option<Finding>)> {
        let require_shared = workspace.config.require_shared();
        // A server that receives a push has no archive, and nobody to tell.
        let is_bare = workspace.repository.as_ref().is_some_and(|it| it.work_tree().is_none());
        if is_bare && !require_shared {
            return Ok((Self::nobody(), None));
        }
        let mut archive = match Archive::open(workspace) {
            Ok(archive) => archive,
            Err(error @ (Error::NoArchive { .. } | Error::Untrusted { .. })) => {
                let severity = workspace.config.on_missing_archive();
                let words = escape_line(&error.to_string());
                let mut finding = Finding::new(&rules::NO_ARCHIVE, ".codex", words)
                    .hint("git codex-archive init");
                finding.severity = severity;
                return Ok((Self::nobody(), Some(finding)));
            }
            Err(error @ (Error::Backend { .. } | Error::Unreachable { .. } | Error::Io { .. }))
                if !require_shared =>
            {
                let words = escape_line(&error.to_string());
                let finding = Finding::new(&rules::ARCHIVE_UNREACHABLE, ".codex", words)
                    .hint("git codex-archive health-check");
                return Ok((Self::nobody(), Some(finding)));
            }
            Err(error) => return Err(error),
        };
        let own_logs = archive.own_logs()?;
        let asked = BTreeSet::new();
        Ok((Self { archive: Some(archive), own_logs, require_shared, asked, hashed: 0 }, None))
    }

    /// Compares the records behind a stub, of which one good one suffices, with the archive; `hash`
    /// reads the bytes too.
    pub fn ask(
        &mut self,
        path: &str,
        lines: &[(Record, Digest)],
        hash: bool,
    ) -> Result<Option<Finding>> {
        let Some(archive) = &mut self.archive else { return Ok(None) };
        let Some(id) = lines.first().and_then(|(record, _)| record.event.tombstone) else {
            return Ok(None);
        };
        if !self.asked.insert(id) {
            return Ok(None);
        }
        let about = |rule, words: &str| Finding::new(rule, path, words).tombstone(id);
        let item = archive.catalog().bare_item(&id, true)?;
        let (mut own, mut foreign) = (false, false);
        for (record, digest) in lines {
            if self.own_logs.contains(&record.log) {
                let known = archive.ledger().digest_at(&record.log, record.seq)?;
                own |= known.is_some_and(|(_, known)| known == *digest);
            } else {
                foreign = true;
            }
        }
        if !own && !foreign {
            let words = "its record claims to be of this archive's log, which has not got it";
            return Ok(Some(
                about(&rules::RECORD_UNKNOWN, words).hint("git codex-archive reconcile"),
            ));
        }
        let Some(item) = item else {
            if own || self.require_shared {
                let words = "the archive has no such item";
                return Ok(Some(
                    about(&rules::ITEM_MISSING, words).hint("git codex-archive reconcile"),
                ));
            }
            // Looked for here alone: hooks are quick.
            let rolled_back = RolledBack::of(archive)?;
            if let Some((record, _)) = lines.iter().find(|(record, _)| rolled_back.has(record)) {
                let words = "a restored backup was too old to have it";
                let hint = rolled_back.remedy(record);
                let hint = hint.unwrap_or_else(|| "git codex-archive reconcile".to_owned());
                return Ok(Some(about(&rules::ITEM_MISSING, words).hint(hint)));
            }
            let words = "archived by another clone; its bytes are not in this archive";
            return Ok(Some(about(&rules::BYTES_ELSEWHERE, words)));
        };
        if item.state == ItemState::Purged {
            return Ok(Some(about(&rules::PURGED, "its content was purged")));
        }
        if !hash {
            return Ok(None);
        }
        self.hashed += 1;
        match archive.check_artifact(item.artifact_row_id, item.size_bytes, &item.sha256) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(about(&rules::PURGED, "its content was purged"))),
            Err(error @ Error::Damaged { .. }) => {
                let words = escape_line(&error.to_string());
                Ok(Some(
                    about(&rules::BYTES_DAMAGED, &words).hint("git codex-archive fsck --repair"),
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// The segment of the deed that did `action` with an item here last, to name it when a commit
    /// forgot it.
    pub fn segment_of_last(&mut self, id: &TombstoneId, action: Action) -> Option<RepoPath> {
        let archive = self.archive.as_mut()?;
        segment_of_last(archive, id, &action).ok().flatten().map(|segment| segment.path)
    }

    /// Whether the archive has the item, and not only its name.
    pub fn knows(&mut self, id: &TombstoneId) -> Result<bool> {
        let Some(archive) = &mut self.archive else { return Ok(false) };
        Ok(archive.catalog().bare_item(id, true)?.is_some())
    }
}
