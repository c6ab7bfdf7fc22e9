//! Holds: what nobody may destroy, set by one person and released by two.
//!
//! Promises: an item that comes to fit a hold is held from the same transaction on that archives or
//! tags it; an item that fits no more stays held until the hold ends.

use std::ffi::OsString;

use serde::Serialize;
use serde_json::json;

use crate::archive::journaled::Transaction;
use crate::archive::{Archive, Workspace, recovery};
use crate::backend::{ItemFilter, Page};
use crate::error::{Error, Result};
use crate::evidence::{Action, Event};
use crate::logging::About;
use crate::model::{Actor, DeedId, Digest, Hold, HoldScope, escape_line, is_word};
use crate::policy::holds;

use super::request::{item_here, told};
use super::{check_reason, detail, journaled};

const ACTION: &str = "hold";

/// What a hold names on the command line.
#[derive(Debug, Clone)]
pub enum HoldTarget {
    /// An item.
    Item(OsString),
    /// Content.
    Sha256(String),
    /// Paths that fit a pattern.
    Path(String),
    /// Items with a tag.
    Tag(String),
}

/// A hold to be set.
#[derive(Debug, Clone)]
pub struct HoldOptions {
    /// What it names.
    pub target: HoldTarget,
    /// The case.
    pub case_id: String,
    /// Why.
    pub reason: String,
    /// Who sets it.
    pub actor: Actor,
}

/// A hold that was set, or was there.
#[derive(Debug, Serialize)]
pub struct HoldReport {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// How many items it holds now.
    pub items: u64,
    /// Whether it was there already.
    pub already: bool,
    /// Digest of the record.
    pub evidence: String,
    /// The segment that was staged, in a repository.
    pub evidence_segment: Option<String>,
}

/// Sets a hold.
pub fn set_hold(workspace: &Workspace, options: &HoldOptions) -> Result<HoldReport> {
    let log = workspace.use_case("HOLD_SET", Some(options.actor.as_str()));
    let done = set_one(workspace, options);
    log.end(done, |report| {
        let about = About { evidence: Some(report.evidence.clone()), ..About::many(1) };
        about.if_done(!report.already)
    })
}

fn set_one(workspace: &Workspace, options: &HoldOptions) -> Result<HoldReport> {
    check_reason(&options.reason)?;
    check_case(&options.case_id)?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    let (scope, pattern) = scope_of(workspace, &mut archive, &options.target)?;
    let repo = workspace.label().map(ToString::to_string).unwrap_or_default();
    let hold = Hold {
        row_id: 0,
        deed: DeedId::random(),
        repo: repo.clone(),
        scope,
        pattern,
        case_id: options.case_id.clone(),
        reason: options.reason.clone(),
        set_by: options.actor.to_string(),
        set_at: archive.now.to_string(),
        released_at: None,
    };
    if let Some(known) = same(&mut archive, &hold)? {
        let items = archive.register().held_items(known.row_id)?;
        let (evidence, evidence_segment) = (String::new(), None);
        return Ok(HoldReport { hold: known, items, already: true, evidence, evidence_segment });
    }
    let event = event(Action::HoldSet, options.actor.as_str(), &hold, &options.reason);
    let work = |transaction: &mut Transaction<'_>| {
        let mut hold = hold.clone();
        hold.row_id = transaction.register().add_hold(&hold)?;
        let items = hold_all(transaction, &hold)?;
        let mut event = event.clone();
        event.detail.get_or_insert_default().insert("items".to_owned(), json!(items));
        Ok(((hold, items), vec![(event, None)]))
    };
    let ((hold, items), records) =
        journaled(workspace, &mut archive, &repo, hold.deed, &Action::HoldSet, work)?;
    let (evidence, evidence_segment) = told(workspace, &records)?;
    drop(lock);
    Ok(HoldReport { hold, items, already: false, evidence, evidence_segment })
}

/// A case is a word that can stand in lists: 1 to 128 bytes without control characters.
fn check_case(case: &str) -> Result<()> {
    if is_word(case) && case.len() <= 128 {
        return Ok(());
    }
    let why = "it must have 1 to 128 bytes without control characters";
    Err(Error::invalid("case", escape_line(case), why))
}

/// What `target` names, as the table has it.
pub(super) fn scope_of(
    workspace: &Workspace,
    archive: &mut Archive,
    target: &HoldTarget,
) -> Result<(HoldScope, String)> {
    Ok(match target {
        HoldTarget::Item(id) => {
            let item = item_here(workspace, archive, id, ACTION)?;
            (HoldScope::Item, item.tombstone.to_string())
        }
        HoldTarget::Sha256(text) => {
            let why = "it is no digest of 64 hex digits";
            let digest: Digest =
                text.parse().map_err(|_| Error::invalid("digest", escape_line(text), why))?;
            (HoldScope::Sha256, digest.to_string())
        }
        HoldTarget::Path(pattern) => {
            holds::check_pattern(pattern)?;
            (HoldScope::Path, pattern.clone())
        }
        HoldTarget::Tag(tag) => {
            if !is_word(tag) {
                let why = "it must have 1 to 256 bytes without control characters";
                return Err(Error::invalid("tag", escape_line(tag), why));
            }
            (HoldScope::Tag, tag.clone())
        }
    })
}

/// The hold in force that says the same.
fn same(archive: &mut Archive, hold: &Hold) -> Result<Option<Hold>> {
    let all = archive.register().holds(false)?;
    Ok(all.into_iter().find(|it| {
        (it.scope, &it.pattern, &it.case_id, &it.repo)
            == (hold.scope, &hold.pattern, &hold.case_id, &hold.repo)
    }))
}

/// Notes every item that `hold` holds now; how many.
pub(super) fn hold_all(transaction: &mut Transaction<'_>, hold: &Hold) -> Result<u64> {
    let tag = (hold.scope == HoldScope::Tag).then(|| hold.pattern.clone());
    let filter = ItemFilter { tag, ..ItemFilter::default() };
    let mut held = 0;
    let mut after = None;
    loop {
        let page = Page { limit: 500, after };
        let items = transaction.catalog().list(&filter, page)?;
        let Some(last) = items.last() else { return Ok(held) };
        after = Some(last.row_id);
        for item in items.iter().filter(|item| holds::fits(hold, item)) {
            held += u64::from(transaction.register().hold_item(hold.row_id, item.row_id)?);
        }
    }
}

/// Holds the items that a deed has just archived or tagged, where holds in force fit them.
pub(in crate::archive) fn hold_new(transaction: &mut Transaction<'_>, deed: &DeedId) -> Result<()> {
    let holds = transaction.register().holds(false)?;
    if holds.is_empty() {
        return Ok(());
    }
    let mut catalog = transaction.catalog();
    let items = catalog.items_of(deed)?;
    let items = catalog.complete(items)?;
    for hold in &holds {
        for item in items.iter().filter(|item| holds::fits(hold, item)) {
            transaction.register().hold_item(hold.row_id, item.row_id)?;
        }
    }
    Ok(())
}

/// An event about `hold`.
pub(super) fn event(action: Action, actor: &str, hold: &Hold, reason: &str) -> Event {
    let mut event = Event::new(action, actor);
    event.repo = (!hold.repo.is_empty()).then(|| hold.repo.clone());
    event.reason = Some(reason.to_owned());
    match hold.scope {
        HoldScope::Item => event.tombstone = hold.pattern.parse().ok(),
        HoldScope::Sha256 => event.sha256 = hold.pattern.parse().ok(),
        HoldScope::Path | HoldScope::Tag => {}
    }
    event.detail = Some(detail(&[
        ("case", json!(hold.case_id)),
        ("hold", json!(hold.deed.to_string())),
        ("pattern", json!(hold.pattern)),
        ("scope", json!(hold.scope.as_str())),
    ]));
    event
}

/// Holds, the oldest first.
#[derive(Debug, Serialize)]
pub struct HoldList {
    /// The holds.
    pub holds: Vec<HoldShown>,
}

/// A hold as it is shown.
#[derive(Debug, Serialize)]
pub struct HoldShown {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// How many items it holds, or held.
    pub items: u64,
}

/// The holds in force, or all there were.
pub fn list_holds(workspace: &Workspace, all: bool) -> Result<HoldList> {
    let mut archive = Archive::open(workspace)?;
    archive.check_governed()?;
    let mut shown = Vec::new();
    for hold in archive.register().holds(all)? {
        let items = archive.register().held_items(hold.row_id)?;
        shown.push(HoldShown { hold, items });
    }
    Ok(HoldList { holds: shown })
}
