//! The approvals with which a restricted item is restored: found before, used up by the record.

use crate::archive::{Archive, Found, Transaction, Workspace};
use crate::error::{Error, Refusal, Result};
use crate::evidence::Event;
use crate::model::{Approval, GovernedAction, Request, RequestState};
use crate::policy::Door;

use super::approve::needed;
use super::{Matter, Rules, note_approvals};

/// Who approved a restore, if it takes approvals; by default it takes none.
#[derive(Default)]
pub(in crate::archive) struct ApprovedRestore {
    request: Option<Request>,
    used: Vec<Approval>,
    needed: usize,
}

impl ApprovedRestore {
    /// The approvals that count for restoring what was `found`.
    pub fn of(workspace: &Workspace, archive: &mut Archive, found: &Found) -> Result<Self> {
        let item = &found.item;
        let mut this = Self::default();
        if !found.in_archive || !(item.restricted || item.prune_requested) {
            return Ok(this);
        }
        let rules = Rules::load(workspace, archive, "restore")?;
        this.needed = needed(GovernedAction::Restore, &rules);
        let subject = item.tombstone.to_string();
        let open = archive.register().open_request(GovernedAction::Restore, &subject)?;
        if let Some(request) = open {
            let matter = Matter::of(archive, request, Some(item))?;
            this.used = matter.counting(archive, &rules)?;
            this.request = Some(matter.request);
        }
        Ok(this)
    }

    /// Whether approvals will be used up.
    pub fn takes_approvals(&self) -> bool {
        self.request.is_some()
    }

    /// The door that they open.
    pub fn door(&self) -> Door {
        Door::Restore { approvals: self.used.len(), needed: self.needed }
    }

    /// Says in the record who approved.
    pub fn note_in(&self, event: &mut Event) {
        if let Some(request) = &self.request {
            note_approvals(event, &self.used);
            let detail = event.detail.get_or_insert_default();
            detail.insert("request".to_owned(), request.deed.to_string().into());
        }
    }

    /// Uses them up, together with the record.
    pub fn use_up(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        let Some(request) = &self.request else { return Ok(()) };
        let at = transaction.now.to_string();
        let mut register = transaction.register();
        let mut whole = register.close_request(request.row_id, RequestState::Done.as_str())?;
        for approval in &self.used {
            whole &= register.use_approval(approval.row_id, &at)?;
        }
        let object = request.subject.clone();
        if whole {
            Ok(())
        } else {
            Err(Error::refused("restore", object, Refusal::ChangedMeanwhile))
        }
    }
}
