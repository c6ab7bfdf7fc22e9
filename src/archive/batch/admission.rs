//! Which items of a batch may come out: each asks the gate as `restore` does, with its approvals.
//!
//! Promises: approvals for one file let one file out, also where the manifest names the item twice.

use std::collections::BTreeSet;

use crate::archive::governance::ApprovedRestore;
use crate::archive::lookup::check_released;
use crate::archive::{Archive, Found, Workspace};
use crate::error::Result;
use crate::model::TombstoneId;
use crate::policy::Door;

/// The way out for the items of one batch.
pub struct Admission<'a> {
    workspace: &'a Workspace,
    /// Items whose approvals an earlier file of the batch will use up.
    claimed: BTreeSet<TombstoneId>,
}

impl<'a> Admission<'a> {
    /// Nothing has come out yet.
    pub fn new(workspace: &'a Workspace) -> Self {
        Self { workspace, claimed: BTreeSet::new() }
    }

    /// Asks the gate, and gives the approvals that open it.
    pub fn ask(&self, archive: Option<&mut Archive>, found: &Found) -> Result<ApprovedRestore> {
        let approved = match archive {
            Some(archive) if !self.claimed.contains(&found.item.tombstone) => {
                ApprovedRestore::of(self.workspace, archive, found)?
            }
            _ => ApprovedRestore::default(),
        };
        check_released(&found.item, approved.door())?;
        Ok(approved)
    }

    /// The same for an item whose file is there already, so that nothing comes out.
    pub fn of_done(found: &Found) -> Result<ApprovedRestore> {
        check_released(&found.item, Door::Archive)?;
        Ok(ApprovedRestore::default())
    }

    /// From now on these approvals are taken.
    pub fn claim(&mut self, found: &Found, approved: &ApprovedRestore) {
        if approved.takes_approvals() {
            self.claimed.insert(found.item.tombstone);
        }
    }
}
