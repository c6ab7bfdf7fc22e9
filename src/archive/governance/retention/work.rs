//! What is written when a plan is carried out: all of it in one transaction.

use std::collections::BTreeSet;

use serde_json::json;

use crate::archive::governance::{Matter, detail, event_about, note_approvals, purge};
use crate::archive::journaled::{Deed, Transaction};
use crate::archive::runs;
use crate::error::{Error, Refusal, Result};
use crate::evidence::{Action, Event};
use crate::model::{Approval, EntryId, GovernedAction, Item, RequestState, RetentionRun};

use super::apply::{ACTION, ApplyOptions, Read, mismatch};
use super::candidates::Survey;
use super::plan::audit_of;

/// A plan at work: what is written in its one transaction.
pub struct Work<'a> {
    /// What was asked for.
    pub options: &'a ApplyOptions,
    /// The plan.
    pub plan: &'a Read,
    /// How items are judged; `None` for memory.
    pub survey: Option<Survey<'a>>,
    /// What was approved.
    pub matter: &'a Matter,
    /// The approvals that are used up.
    pub used: &'a [Approval],
}

impl Work<'_> {
    /// Destroys what the plan names, and records it.
    pub fn write(&self, transaction: &mut Transaction<'_>) -> Result<((), Vec<Deed>)> {
        let at = transaction.now.to_string();
        let mut deeds = match &self.survey {
            Some(survey) => self.purge(transaction, survey, &at)?,
            None => self.forget(transaction)?,
        };
        let mut register = transaction.register();
        let row = self.matter.request.row_id;
        let mut whole = register.close_request(row, RequestState::Done.as_str())?;
        for approval in self.used {
            whole &= register.use_approval(approval.row_id, &at)?;
        }
        if !whole {
            let object = self.plan.sha256.to_string();
            return Err(Error::refused(ACTION, object, Refusal::ChangedMeanwhile));
        }
        register.add_audit(&audit_of(RetentionRun::Apply, &at, &self.plan.file))?;
        deeds.push((self.event(), None));
        Ok(((), deeds))
    }

    /// Destroys the content of every item, each of which is judged once more where nobody else
    /// writes.
    fn purge(
        &self,
        transaction: &mut Transaction<'_>,
        survey: &Survey<'_>,
        at: &str,
    ) -> Result<Vec<Deed>> {
        let file = &self.plan.file;
        let ids: BTreeSet<&str> = file.candidates.iter().map(|it| it.id.as_str()).collect();
        let mut contents: Vec<(Item, Vec<Item>)> = Vec::new();
        let mut artifacts = BTreeSet::new();
        let mut deeds = Vec::with_capacity(ids.len() + 1);
        for planned in &file.candidates {
            let judged = survey.again(&mut transaction.catalog(), planned, &ids)?;
            let (item, sharers) = judged.map_err(|why| mismatch(self.plan, why))?;
            deeds.push((self.purge_event(&item), Some(item.row_id)));
            if artifacts.insert(item.artifact_row_id) {
                contents.push((item, sharers));
            }
        }
        for (item, sharers) in &contents {
            purge::check(item, sharers, true, true, self.used.len())?;
        }
        let rows: Vec<i64> = artifacts.into_iter().collect();
        runs::before_erasing(&mut transaction.catalog(), &rows)?;
        let all: Vec<(i64, &[Item])> =
            contents.iter().map(|(item, sharers)| (item.artifact_row_id, &**sharers)).collect();
        let mut register = transaction.register();
        if !register.erase(&all, &self.options.reason, at)? {
            return Err(mismatch(self.plan, "some of it is held"));
        }
        for (_, sharers) in &contents {
            for gone in sharers {
                // Whoever asked to destroy it alone has nothing left to ask for.
                let subject = gone.tombstone.to_string();
                if let Some(open) = register.open_request(GovernedAction::Purge, &subject)? {
                    register.close_request(open.row_id, RequestState::Done.as_str())?;
                }
            }
        }
        Ok(deeds)
    }

    fn forget(&self, transaction: &mut Transaction<'_>) -> Result<Vec<Deed>> {
        let mut deeds = Vec::with_capacity(self.plan.file.candidates.len() + 1);
        for planned in &self.plan.file.candidates {
            let id: EntryId = planned.id.parse().map_err(|()| mismatch(self.plan, "no id"))?;
            if !transaction.memory().forget(&id)? {
                return Err(mismatch(self.plan, format!("{id} is not in the archive")));
            }
            // Whoever asked to forget it alone has nothing left to ask for.
            let mut register = transaction.register();
            if let Some(open) = register.open_request(GovernedAction::Forget, &planned.id)? {
                register.close_request(open.row_id, RequestState::Done.as_str())?;
            }
            let mut event = Event::new(Action::MemoryForget, self.options.actor.as_str());
            event.reason = Some(self.options.reason.clone());
            event.detail = Some(detail(&[
                ("entry", json!(planned.id)),
                ("plan", json!(self.plan.sha256.to_string())),
                ("project", json!(planned.project.as_deref().unwrap_or_default())),
                ("reasons", json!(planned.reasons)),
            ]));
            deeds.push((event, None));
        }
        Ok(deeds)
    }

    fn purge_event(&self, item: &Item) -> Event {
        let actor = self.options.actor.as_str();
        let mut event = event_about(Action::Purge, actor, item, &self.options.reason);
        event.git_blob = Some(item.git_blob);
        event.detail = Some(detail(&[
            ("plan", json!(self.plan.sha256.to_string())),
            ("policy", json!(self.matter.request.policy_version)),
            ("request", json!(self.matter.request.deed.to_string())),
        ]));
        note_approvals(&mut event, self.used);
        event
    }

    fn event(&self) -> Event {
        let file = &self.plan.file;
        let mut event = Event::new(Action::RetentionApply, self.options.actor.as_str());
        event.repo = (!file.repo.is_empty()).then(|| file.repo.clone());
        event.reason = Some(self.options.reason.clone());
        event.sha256 = Some(self.plan.sha256);
        event.of = Some(self.matter.request.deed);
        event.detail = Some(detail(&[
            ("by_reason", json!(file.by_reason)),
            ("inputs", file.inputs.to_value()),
            ("planned_at", json!(file.made_at)),
            ("policy", json!(self.matter.request.policy_version)),
            ("scope", json!(file.scope)),
            ("spike", json!(file.spike)),
            ("total_candidates", json!(file.total_candidates)),
        ]));
        note_approvals(&mut event, self.used);
        event
    }
}
