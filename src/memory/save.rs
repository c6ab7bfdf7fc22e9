//! `memory save`: one text goes in, once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use crate::archive::{Archive, Transaction, Workspace, content_policy, recover};
use crate::error::{Credential, Error, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{Actor, DeedId, Entry, EntryId};

use super::draft::{cut, title_of};
use super::screen::{Screened, counts, screen};
use super::{Draft, FieldCredential, NO_REPO, detail};

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveStatus {
    /// It is new.
    Saved,
    /// It was there, and got a title, tags or metadata that it lacked.
    Updated,
    /// It was there, and nothing changed.
    Unchanged,
}

/// What was saved, or was there.
#[derive(Debug, Serialize)]
pub struct SaveReport {
    /// What became of it.
    pub status: SaveStatus,
    /// The entry's id.
    pub id: String,
    /// When it was saved first, RFC 3339.
    pub created_at: String,
    /// Its project.
    pub project: String,
    /// What sort of entry it is.
    pub entry_type: String,
    /// Its title.
    pub title: String,
    /// Bytes of its text.
    pub size_bytes: u64,
    /// The digest by which the same content is told.
    pub content_sha256: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Credentials that were taken out.
    pub redacted: Vec<FieldCredential>,
    /// Credentials that were saved with it.
    pub credentials: Vec<FieldCredential>,
    /// Digest of the record; empty when nothing changed.
    pub evidence: String,
}

/// Saves `draft`, unless the same content is there.
pub fn save(workspace: &Workspace, actor: &Actor, draft: Draft) -> Result<SaveReport> {
    let log = workspace.use_case("MEMORY_SAVE", Some(actor.as_str()));
    let done = save_one(workspace, actor, draft);
    log.end(done, |report| {
        let about = About { evidence: Some(report.evidence.clone()), ..About::many(1) };
        let is_odd = !report.credentials.is_empty();
        About { is_odd, ..about.if_done(report.status != SaveStatus::Unchanged) }
    })
}

fn save_one(workspace: &Workspace, actor: &Actor, draft: Draft) -> Result<SaveReport> {
    let policy = content_policy(workspace)?;
    let draft = draft.checked()?;
    let lock = workspace.lock()?;
    recover(workspace)?;
    let screened = match screen(&policy, draft) {
        Err(Error::EntryCredentials { found }) => {
            record_block(workspace, actor, &found);
            return Err(Error::EntryCredentials { found });
        }
        screened => screened?,
    };
    screened.draft.check_words()?;
    let mut archive = Archive::create(workspace)?;
    let entry = entry_of(&screened.draft);
    let has_title = screened.draft.title.is_some();
    if let Some((_, known)) = archive.memory().entry_of_content(&entry.content_sha256)?
        && merged(&known, &entry, has_title) == known
    {
        return Ok(report(SaveStatus::Unchanged, known, &screened, String::new()));
    }
    let ((status, kept), records) =
        archive.journaled(NO_REPO, DeedId::random(), |transaction| {
            let (status, kept) = write(transaction, &entry, has_title)?;
            let event = event(actor, status, &kept, &screened);
            Ok(((status, kept), vec![(event, None)]))
        })?;
    drop(lock);
    let digest = records.last().map(|(_, digest)| digest.to_string()).unwrap_or_default();
    Ok(report(status, kept, &screened, digest))
}

/// Writes an entry where its content is new, else adds to the one that has it.
fn write(
    transaction: &mut Transaction<'_>,
    entry: &Entry,
    has_title: bool,
) -> Result<(SaveStatus, Entry)> {
    let at = transaction.now.to_string();
    let entry = &Entry { created_at: at.clone(), updated_at: at, ..entry.clone() };
    let mut memory = transaction.memory();
    let Some((row, known)) = memory.entry_of_content(&entry.content_sha256)? else {
        memory.add_entry(entry)?;
        return Ok((SaveStatus::Saved, entry.clone()));
    };
    let now = merged(&known, entry, has_title);
    memory.annotate(row, &known, &now)?;
    Ok((SaveStatus::Updated, now))
}

/// What is known of a content once `entry` is saved too: all tags, and of the rest what is new.
fn merged(known: &Entry, entry: &Entry, has_title: bool) -> Entry {
    let mut now = known.clone();
    now.tags.extend(entry.tags.iter().cloned());
    now.metadata.extend(entry.metadata.clone());
    if has_title {
        now.title.clone_from(&entry.title);
    }
    if now != *known {
        now.updated_at.clone_from(&entry.updated_at);
    }
    now
}

/// The entry that a draft makes, before it has a time.
fn entry_of(draft: &Draft) -> Entry {
    let Draft { text, project, entry_type, source_ref, .. } = draft;
    Entry {
        id: EntryId::random(),
        project: project.clone(),
        entry_type: entry_type.clone(),
        // What was taken out of it may have made it longer.
        title: draft.title.as_deref().map_or_else(|| title_of(text), cut),
        body: text.clone(),
        source_ref: source_ref.clone(),
        session_id: None,
        tags: draft.tags.clone(),
        metadata: draft.metadata.clone(),
        content_sha256: Entry::digest_of(project, entry_type, source_ref.as_deref(), text),
        created_at: String::new(),
        updated_at: String::new(),
    }
}

/// The record says which entry it is, and nothing of what is in it: what is forgotten is gone.
fn event(actor: &Actor, status: SaveStatus, entry: &Entry, screened: &Screened) -> Event {
    let mut event = Event::new(Action::MemorySave, actor.as_str());
    event.sha256 = Some(entry.content_sha256);
    event.size = Some(entry.body.len() as u64);
    let mut pairs = vec![
        ("entry", json!(entry.id.to_string())),
        ("project", json!(entry.project)),
        ("status", json!(status)),
        ("type", json!(entry.entry_type)),
    ];
    let word = if screened.is_redacted { "redacted" } else { "warned" };
    for (word, found) in [("allowed", &screened.allowed), (word, &screened.open)] {
        if !found.is_empty() {
            pairs.push((word, counts(found.iter().map(|it| it.rule))));
        }
    }
    event.detail = Some(detail(&pairs));
    event
}

fn report(status: SaveStatus, entry: Entry, screened: &Screened, evidence: String) -> SaveReport {
    let found = screened.open.clone();
    let (redacted, credentials) =
        if screened.is_redacted { (found, Vec::new()) } else { (Vec::new(), found) };
    SaveReport {
        status,
        id: entry.id.to_string(),
        created_at: entry.created_at,
        project: entry.project,
        entry_type: entry.entry_type,
        title: entry.title,
        size_bytes: entry.body.len() as u64,
        content_sha256: entry.content_sha256.to_string(),
        tags: entry.tags,
        metadata: entry.metadata,
        redacted,
        credentials,
        evidence,
    }
}

/// Records that these credentials kept an entry out; where there is no archive, there is nothing to
/// record in.
fn record_block(workspace: &Workspace, actor: &Actor, found: &[Credential]) {
    if workspace.lacks_file().unwrap_or(true) {
        return;
    }
    let mut event = Event::new(Action::PolicyBlock, actor.as_str());
    event.reason = Some("credentials in an entry of memory".to_owned());
    event.detail = Some(detail(&[
        ("credentials", json!(found.len())),
        ("rules", counts(found.iter().map(|it| it.rule))),
    ]));
    // The refusal stands whether or not it can be recorded.
    if let Ok(mut archive) = Archive::create(workspace) {
        let work = |_: &mut Transaction<'_>| Ok(((), vec![(event.clone(), None)]));
        let _ = archive.journaled(NO_REPO, DeedId::random(), work);
    }
}
