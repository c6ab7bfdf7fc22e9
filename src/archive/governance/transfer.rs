//! What a transfer brings beside items and records: holds, requests, policies, and what was purged.
//!
//! Promises: what was held in the source is held in the target, and so is what the target's own
//! holds fit; no approval that was given in one archive counts in another.

use std::collections::BTreeMap;

use crate::archive::Archive;
use crate::error::Result;
use crate::model::Hold;
use crate::policy::holds;

use super::hold::hold_all;

/// The first schema with governance.
const GOVERNED_SINCE: i64 = 4;

/// Brings the governance of `from` into `to`; `items` are the rows in the target by those in the
/// source.
pub(in crate::archive) fn move_governance(
    from: &mut Archive,
    to: &mut Archive,
    items: &BTreeMap<i64, i64>,
) -> Result<()> {
    if from.schema_version()? >= GOVERNED_SINCE {
        move_policies(from, to)?;
        move_requests(from, to, items)?;
        move_holds(from, to, items)?;
        move_ledger(from, to)?;
    }
    mark_purged(to, items)?;
    hold_what_came(to)
}

/// The policies, unless the target has one of its own.
fn move_policies(from: &mut Archive, to: &mut Archive) -> Result<()> {
    let policies = from.register().policies()?;
    to.transact(None, |to| {
        if to.register().policy()?.is_some() {
            return Ok(());
        }
        policies.iter().try_for_each(|policy| to.register().add_policy(policy))
    })
}

fn move_requests(from: &mut Archive, to: &mut Archive, items: &BTreeMap<i64, i64>) -> Result<()> {
    let requests = from.register().requests(true)?;
    for request in requests.into_iter().rev() {
        let approvals = from.register().approvals(request.row_id)?;
        let now = to.now.to_string();
        to.transact(None, |to| {
            let mut register = to.register();
            if register.request(&request.deed)?.is_some() {
                return Ok(());
            }
            let mut moved = request.clone();
            moved.item = request.item.and_then(|row| items.get(&row).copied());
            let row = register.add_request(&moved)?;
            for approval in &approvals {
                let id = register.add_approval(row, approval)?;
                // It was given for the other archive.
                register.use_approval(id, approval.used_at.as_deref().unwrap_or(&now))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn move_holds(from: &mut Archive, to: &mut Archive, items: &BTreeMap<i64, i64>) -> Result<()> {
    for hold in from.register().holds(true)? {
        let held = from.register().items_of_hold(hold.row_id)?;
        to.transact(None, |to| {
            let mut register = to.register();
            let row = match register.hold(&hold.deed)? {
                Some(known) => known.row_id,
                None => {
                    let row = register.add_hold(&hold)?;
                    if let Some(at) = &hold.released_at {
                        register.release_hold(row, at)?;
                    }
                    row
                }
            };
            for item in held.iter().filter_map(|row| items.get(row)) {
                register.hold_item(row, *item)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn move_ledger(from: &mut Archive, to: &mut Archive) -> Result<()> {
    let entries = from.register().ledger()?;
    to.transact(None, |to| {
        let mut register = to.register();
        let known = register.ledger()?;
        let is_known = |entry: &crate::backend::LedgerRow| {
            known.iter().any(|it| {
                (it.sha256, it.tombstone, &it.at) == (entry.sha256, entry.tombstone, &entry.at)
            })
        };
        entries.iter().filter(|it| !is_known(it)).try_for_each(|it| register.add_ledger_row(it))
    })
}

/// An item that came to content which is purged here is purged here too.
fn mark_purged(to: &mut Archive, items: &BTreeMap<i64, i64>) -> Result<()> {
    let rows: Vec<i64> = items.values().copied().collect();
    to.transact(None, |to| to.register().mark_those_purged(&rows))
}

/// The target's holds, its own and those that came, fit what is there now.
fn hold_what_came(to: &mut Archive) -> Result<()> {
    let in_force: Vec<Hold> = to.register().holds(false)?;
    for hold in in_force.iter().filter(|hold| holds::check_pattern(&hold.pattern).is_ok()) {
        to.add_artifacts_with(|transaction| hold_all(transaction, hold).map(|_| ()))?;
    }
    Ok(())
}
