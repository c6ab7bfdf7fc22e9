//! `reconcile`: brings the tree's stubs and its evidence together again, after a revert, a merge
//! or a rebase that knew nothing of them.
//!
//! Three things may be missing: a segment (it is put back), the record of what happened to a stub
//! (it is written), and the record of how a stub came (its deed is found, or the file is archived
//! now out of git's own object). A tree that is in order is left as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::backend::{NewBatch, NewItem};
use crate::error::Result;
use crate::evidence::{Action, Event, Record, SEGMENT_FOLDER, Segment, segment_signed_by};
use crate::git::{AttributeSource, IndexScope, Repository};
use crate::logging::About;
use crate::model::{Actor, DeedId, GitOid, LogId, Reason, RepoLabel, RepoPath, TombstoneId};
use crate::tombstone::{self, MAX_STUB_BYTES, Tombstone};

use super::explain::{explain_absent, explain_stubs};
use super::journaled::{Archive, Deed};
use super::recovery::segment_of_last;
use super::segments::last_records;
use super::{Workspace, init, language, recovery, segments, tree};

const ACTION: &str = "reconcile";

/// A record that was written.
#[derive(Debug, Serialize)]
pub struct Reconciled {
    /// The path.
    pub path: String,
    /// ARCHIVE, RESTORE or STUB_DROP.
    pub action: String,
    /// The item.
    pub tombstone: String,
}

/// What was mended.
#[derive(Debug, Default, Serialize)]
pub struct ReconcileReport {
    /// Segments that were put back.
    pub segments_put_back: Vec<String>,
    /// Other files of ours that were put back, the one with the label among them.
    pub files_put_back: Vec<String>,
    /// Records that were written.
    pub recorded: Vec<Reconciled>,
    /// The segment that holds them, staged.
    pub evidence_segment: Option<String>,
    /// Stubs without a record whose content is not here either.
    pub helpless: Vec<String>,
}

/// Mends the index of `workspace`; stages what it adds.
pub fn reconcile(
    workspace: &Workspace,
    actor: &Actor,
    reason: Option<&str>,
) -> Result<ReconcileReport> {
    let log = workspace.use_case("RECONCILE", Some(actor.as_str()));
    log.end(mend(workspace, actor, reason), |report| {
        let mended = report.segments_put_back.len() + report.files_put_back.len();
        let count = report.recorded.len() + mended;
        About { is_odd: !report.helpless.is_empty(), ..About::many(count).if_done(count > 0) }
    })
}

fn mend(workspace: &Workspace, actor: &Actor, reason: Option<&str>) -> Result<ReconcileReport> {
    let repository = workspace.repository(ACTION)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    tree::check_index_free(repository)?;
    let mut report = ReconcileReport::default();
    put_back_segments(workspace, repository, &mut report)?;
    put_back_files(workspace, repository, &mut report)?;
    let label = put_back_label(workspace, repository, &mut report)?;
    let stubs = stubs_in_index(repository)?;
    put_back_own(workspace, repository, &mut archive, &stubs, &mut report)?;
    let evidence = Evidence::read(workspace, repository, &mut archive)?;
    let mut plan = Plan { actor, label, reason: reason.unwrap_or(ACTION), events: Vec::new() };
    explain_stubs(workspace, &mut archive, &stubs, &evidence, &mut plan, &mut report)?;
    explain_absent(repository, &mut archive, &stubs, &evidence, &mut plan)?;
    write(workspace, repository, &mut archive, plan, &mut report)?;
    drop(lock);
    Ok(report)
}

/// The records to be written.
pub(super) struct Plan<'a> {
    pub(super) actor: &'a Actor,
    pub(super) label: Option<RepoLabel>,
    pub(super) reason: &'a str,
    pub(super) events: Vec<Planned>,
}

/// One of them: its event, what it archives, and the item's row where that is known.
pub(super) struct Planned {
    pub(super) event: Event,
    pub(super) archive: Option<(Tombstone, i64)>,
    pub(super) row: Option<i64>,
}

/// What the tree's segments say, and what they say that this archive must know.
pub(super) struct Evidence {
    pub(super) last: BTreeMap<TombstoneId, Record>,
    /// Items with an ARCHIVE record that holds good here.
    pub(super) vouched: BTreeSet<TombstoneId>,
    /// How often each item was archived, less how often it was taken out.
    pub(super) balance: BTreeMap<TombstoneId, i64>,
}

impl Evidence {
    fn read(workspace: &Workspace, repository: &Repository, archive: &mut Archive) -> Result<Self> {
        let (segments, _) = segments::in_index(repository)?;
        let own = archive.own_logs()?;
        let shared = workspace.config.require_shared();
        let (mut vouched, mut balance) = (BTreeSet::new(), BTreeMap::new());
        for (record, digest) in segments.iter().flat_map(|segment| &segment.lines) {
            let Some(id) = record.event.tombstone else { continue };
            match record.event.action {
                Action::Archive => *balance.entry(id).or_insert(0) += 1,
                Action::Restore | Action::StubDrop => *balance.entry(id).or_insert(0) -= 1,
                _ => {}
            }
            if record.event.action != Action::Archive || vouched.contains(&id) {
                continue;
            }
            let ours = own.contains(&record.log);
            let known = archive.ledger().digest_at(&record.log, record.seq)?;
            let agrees = !ours || known.is_some_and(|(_, known)| known == *digest);
            let needed = ours || shared;
            if agrees && (!needed || archive.catalog().item(&id, true)?.is_some()) {
                vouched.insert(id);
            }
        }
        Ok(Self { last: last_records(&segments), vouched, balance })
    }

    /// Whether it says last that the item was archived.
    pub(super) fn stands(&self, id: &TombstoneId) -> bool {
        self.last.get(id).is_some_and(|record| record.event.action == Action::Archive)
    }
}

/// Puts back segments that this history, HEAD or a commit being merged had and the index lacks
/// or has altered.
fn put_back_segments(
    workspace: &Workspace,
    repository: &Repository,
    report: &mut ReconcileReport,
) -> Result<()> {
    let staged: BTreeSet<(RepoPath, GitOid)> = repository
        .index(IndexScope::Folder(SEGMENT_FOLDER))?
        .into_iter()
        .map(|entry| (entry.path, entry.oid))
        .collect();
    // All versions there ever were: only one of them fits its name.
    let mut wanted: BTreeSet<(RepoPath, GitOid)> =
        repository.deleted_in_history(SEGMENT_FOLDER)?.into_iter().collect();
    for commit in repository.head()?.into_iter().chain(repository.merge_heads()?) {
        let entries = repository.list_tree(&commit, Some(SEGMENT_FOLDER))?;
        wanted.extend(entries.into_iter().map(|entry| (entry.path, entry.oid)));
    }
    let mut missing: BTreeSet<_> = wanted.difference(&staged).cloned().collect();
    // A signature alone is no segment: the one that it is of comes with it.
    let signed: BTreeSet<RepoPath> =
        missing.iter().filter_map(|(path, _)| segment_signed_by(path)).collect();
    missing.extend(wanted.iter().filter(|(path, _)| signed.contains(path)).cloned());
    let (segments, _) = segments::load(repository, missing)?;
    put_back(workspace, repository, segments, report)
}

/// Writes segments anew that the work tree lacks or has altered, as the index has them: a
/// `git commit -a` would take them along.
fn put_back_files(
    workspace: &Workspace,
    repository: &Repository,
    report: &mut ReconcileReport,
) -> Result<()> {
    let (segments, _) = segments::in_index(repository)?;
    for segment in segments {
        if !tree::has_segment(&workspace.top, &segment)? {
            tree::write_segment(&workspace.top, &segment)?;
            report.segments_put_back.push(segment.path.to_string());
        }
    }
    Ok(())
}

/// The repo label: the configuration's, else the one under which the tree's evidence archived. A
/// revert of the first `store` takes the label along; it is put back with the files around it.
fn put_back_label(
    workspace: &Workspace,
    repository: &Repository,
    report: &mut ReconcileReport,
) -> Result<Option<RepoLabel>> {
    let (segments, _) = segments::in_index(repository)?;
    let records = segments.iter().flat_map(|segment| &segment.lines).map(|(record, _)| record);
    let archived = records.filter(|record| record.event.action == Action::Archive);
    let labels: BTreeSet<&str> =
        archived.filter_map(|record| record.event.repo.as_deref()).collect();
    let label = match (workspace.label(), labels.first()) {
        (Some(label), _) => label.clone(),
        (None, Some(only)) if labels.len() == 1 => RepoLabel::new(only)?,
        _ => return Ok(None),
    };
    if !labels.is_empty() {
        report.files_put_back = init::ensure(workspace, &label)?;
    }
    Ok(Some(label))
}

/// Writes and stages segments, but none that holds a record of another one: such a copy was taken
/// out on purpose.
fn put_back(
    workspace: &Workspace,
    repository: &Repository,
    mut segments: Vec<Segment>,
    report: &mut ReconcileReport,
) -> Result<()> {
    if segments.is_empty() {
        return Ok(());
    }
    let (standing, _) = segments::in_index(repository)?;
    let mut known: BTreeMap<(LogId, u64), RepoPath> = BTreeMap::new();
    let mut add = |segment: &Segment| {
        let places = segment.lines.iter().map(|(record, _)| (record.log, record.seq));
        let copies = places.clone().any(|at| known.get(&at).is_some_and(|it| *it != segment.path));
        if !copies {
            known.extend(places.map(|at| (at, segment.path.clone())));
        }
        !copies
    };
    for segment in &standing {
        add(segment);
    }
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.lines.len()));
    segments.retain(|segment| add(segment));
    let mut paths = Vec::new();
    for segment in &segments {
        tree::write_segment(&workspace.top, segment)?;
        report.segments_put_back.push(segment.path.to_string());
        paths.extend(segment.files()?.into_iter().map(|(path, _)| path));
    }
    if paths.is_empty() { Ok(()) } else { repository.stage(&paths) }
}

/// The stubs in the index.
pub(super) struct Stubs {
    /// Those that stand, with their paths.
    pub(super) standing: Vec<(RepoPath, Tombstone)>,
    /// Items whose stubs are a side of a conflict: what becomes of them is not decided yet.
    pub(super) undecided: BTreeSet<TombstoneId>,
}

/// All stubs in the index that no attribute exempts.
fn stubs_in_index(repository: &Repository) -> Result<Stubs> {
    let mut found = Vec::new();
    for entry in repository.index(IndexScope::All)? {
        if matches!(entry.mode, 0o100_644 | 0o100_755)
            && let Some(stub) = stub_of(repository, &entry.oid)?
        {
            found.push((entry.path, entry.stage, stub));
        }
    }
    let paths: Vec<RepoPath> = found.iter().map(|it| it.0.clone()).collect();
    let values = match paths.is_empty() {
        true => Vec::new(),
        false => repository.attributes(&paths, &["codex-tombstone"], AttributeSource::WorkTree)?,
    };
    let mut stubs = Stubs { standing: Vec::new(), undecided: BTreeSet::new() };
    for ((path, stage, stub), values) in found.into_iter().zip(values) {
        if values.first().is_some_and(|value| value == "unset") {
            continue;
        }
        if stage == 0 {
            stubs.standing.push((path, stub));
        } else {
            stubs.undecided.insert(stub.id);
        }
    }
    Ok(stubs)
}

fn stub_of(repository: &Repository, oid: &GitOid) -> Result<Option<Tombstone>> {
    if repository.blob_size(oid)?.is_none_or(|size| size > MAX_STUB_BYTES as u64) {
        return Ok(None);
    }
    let bytes = repository.blob(oid)?;
    Ok(bytes.and_then(|bytes| tombstone::parse(&bytes).ok()).map(|(stub, _)| stub))
}

/// Puts back the segments of our own deeds that no commit has, for stubs that nothing explains:
/// after a `git reset --hard`, or a commit that forgot the segment.
fn put_back_own(
    workspace: &Workspace,
    repository: &Repository,
    archive: &mut Archive,
    stubs: &Stubs,
    report: &mut ReconcileReport,
) -> Result<()> {
    let (segments, _) = segments::in_index(repository)?;
    let explained: BTreeSet<TombstoneId> = segments
        .iter()
        .flat_map(|segment| &segment.lines)
        .filter(|(record, _)| record.event.action == Action::Archive)
        .filter_map(|(record, _)| record.event.tombstone)
        .collect();
    let mut found: BTreeMap<RepoPath, Segment> = BTreeMap::new();
    let standing = stubs.standing.iter().map(|(_, stub)| stub);
    for stub in standing.filter(|stub| !explained.contains(&stub.id)) {
        if let Some(segment) = segment_of_last(archive, &stub.id, &Action::Archive)? {
            found.insert(segment.path.clone(), segment);
        }
    }
    let found: Vec<Segment> = found.into_values().collect();
    put_back(workspace, repository, found, report)
}

fn write(
    workspace: &Workspace,
    repository: &Repository,
    archive: &mut Archive,
    plan: Plan<'_>,
    report: &mut ReconcileReport,
) -> Result<()> {
    let Some(label) = plan.label.clone().filter(|_| !plan.events.is_empty()) else {
        return Ok(());
    };
    let deed = DeedId::random();
    let head = repository.head()?.map(|commit| commit.to_string()).unwrap_or_default();
    let actor = plan.actor.to_string();
    for planned in &plan.events {
        let event = &planned.event;
        report.recorded.push(Reconciled {
            path: event.path.as_ref().map(RepoPath::to_string).unwrap_or_default(),
            action: event.action.as_str().to_owned(),
            tombstone: event.tombstone.map(|id| id.to_string()).unwrap_or_default(),
        });
    }
    let ((), records) = archive.journaled(label.as_str(), deed, |transaction| {
        let at = transaction.now.to_string();
        let mut catalog = transaction.catalog();
        let batch_id = catalog.add_batch(&NewBatch {
            deed,
            repo: label.as_str(),
            commit: &head,
            actor: &actor,
            reason: Reason::Legacy,
            at: &at,
        })?;
        let mut deeds: Vec<Deed> = Vec::new();
        for planned in &plan.events {
            let row = match &planned.archive {
                Some((stub, artifact_id)) => {
                    Some(catalog.put_item(&new_item(stub, batch_id, *artifact_id))?)
                }
                None => planned.row,
            };
            if let (Some(row), Action::Restore) = (row, &planned.event.action) {
                catalog.set_restored(row, Some(&at))?;
            }
            deeds.push((planned.event.clone(), row));
        }
        Ok(((), deeds))
    })?;
    let segment = archive.segment_of(records)?;
    tree::apply(ACTION, &workspace.top, Some(repository), &[], Some(&segment), None)?;
    report.evidence_segment = Some(segment.path.to_string());
    Ok(())
}

fn new_item(stub: &Tombstone, batch_id: i64, artifact_id: i64) -> NewItem<'_> {
    let (kind, language) = language::guess(&stub.path);
    NewItem {
        tombstone: stub.id,
        batch_id,
        artifact_id,
        path: &stub.path,
        git_blob: stub.git_blob,
        mode: stub.mode,
        kind,
        language,
        restricted: false,
        delete_after: None,
    }
}
