//! Retention: what is a candidate for which reason, what is kept all the same, and when there are
//! suddenly too many. Pure; the time is an argument.
//!
//! Promises: whatever cannot be read, or was changed after the time of judging, is no candidate.

use globset::GlobMatcher;

use crate::clock::{Day, Timestamp};
use crate::error::Result;
use crate::model::{Item, ItemState, Protection, RetentionReason};

use super::holds::matcher;

/// Which entries of memory are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryRules {
    /// Days for which an entry is kept.
    pub max_age_days: Option<u64>,
    /// How many entries are kept of a project: the newest.
    pub max_entries_per_project: Option<u64>,
}

/// Judges entries project by project, the newest of each first.
#[derive(Debug)]
pub struct MemoryJudge {
    rules: MemoryRules,
    /// What was saved before this is too old.
    oldest: Option<Timestamp>,
    project: Option<i64>,
    /// Entries of the project that came before.
    rank: u64,
}

impl MemoryJudge {
    /// A judge of what the rules say at `now`.
    pub fn new(rules: MemoryRules, now: Timestamp) -> Self {
        let oldest = rules.max_age_days.map(|days| now.days_before(days));
        Self { rules, oldest, project: None, rank: 0 }
    }

    /// Why the next entry is a candidate; none where it is kept.
    pub fn judge(&mut self, project: i64, created_at: &str) -> Vec<RetentionReason> {
        if self.project != Some(project) {
            (self.project, self.rank) = (Some(project), 0);
        }
        self.rank += 1;
        let mut reasons = Vec::new();
        let created: Option<Timestamp> = created_at.parse().ok();
        if let (Some(oldest), Some(created)) = (self.oldest, created)
            && created < oldest
        {
            reasons.push(RetentionReason::Age);
        }
        let is_beyond = |most: u64| self.rank > most && created.is_some();
        if self.rules.max_entries_per_project.is_some_and(is_beyond) {
            reasons.push(RetentionReason::ProjectCount);
        }
        reasons
    }
}

/// Which items are kept, beside what each says of itself.
#[derive(Debug, Clone, Default)]
pub struct ItemRules {
    /// Days for which an item is kept since it was archived last; `None` for ever.
    max_age_days: Option<u64>,
    /// Where there are any, one must fit for an item to be too old.
    paths: Vec<GlobMatcher>,
    /// Where there are any, an item must have one to be too old.
    tags: Vec<String>,
}

impl ItemRules {
    /// The rules; an error where a pattern is none.
    pub fn new(max_age_days: Option<u64>, paths: &[String], tags: &[String]) -> Result<Self> {
        let paths = paths.iter().map(|it| matcher(it)).collect::<Result<_>>()?;
        Ok(Self { max_age_days, paths, tags: tags.to_vec() })
    }

    /// Why an item is a candidate at `now`, whatever protects it; none where it is kept.
    pub fn judge(&self, item: &Item, now: Timestamp) -> Vec<RetentionReason> {
        let Ok(archived) = item.archived_at.parse::<Timestamp>() else { return Vec::new() };
        if item.state == ItemState::Purged || archived > now {
            return Vec::new();
        }
        let mut reasons = Vec::new();
        let fits_path =
            self.paths.is_empty() || self.paths.iter().any(|it| it.is_match(item.path.to_string()));
        let fits_tag = self.tags.is_empty() || self.tags.iter().any(|it| item.tags.contains(it));
        let is_old = |days: u64| archived < now.days_before(days);
        if self.max_age_days.is_some_and(is_old) && fits_path && fits_tag {
            reasons.push(RetentionReason::Age);
        }
        let last_day: Option<Day> = item.delete_after.as_deref().and_then(|it| it.parse().ok());
        if last_day.is_some_and(|day| day < now.day()) {
            reasons.push(RetentionReason::DeleteAfter);
        }
        reasons
    }
}

/// What keeps `item` whatever the rules say; `stubbed` where its stub stands somewhere.
pub fn protection(item: &Item, stubbed: bool) -> Option<Protection> {
    if !item.holds.is_empty() {
        Some(Protection::Held)
    } else if item.restricted {
        Some(Protection::Restricted)
    } else if stubbed {
        Some(Protection::Stubbed)
    } else {
        None
    }
}

/// Whether content may go with `item`: everybody else who has it is a candidate too.
pub fn is_shared(item: &Item, sharers: &[Item], is_candidate: impl Fn(&Item) -> bool) -> bool {
    let others = sharers.iter().filter(|it| it.tombstone != item.tombstone);
    others.into_iter().any(|it| it.state != ItemState::Purged && !is_candidate(it))
}

/// When a plan is a spike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpikeGuard {
    /// More than so many times the usual number.
    pub factor: f64,
    /// More than this share of all there is.
    pub share: f64,
    /// With fewer candidates than this nothing is a spike.
    pub least: u64,
}

/// An earlier run with the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierRun {
    /// How many candidates it had.
    pub total_candidates: u64,
    /// Whether it was a spike that nobody carried out: no measure for what is usual.
    pub is_spike: bool,
}

/// Earlier runs that say what is usual.
const USUAL_RUNS: usize = 5;

/// The usual number of candidates: the median of the last runs that were no spikes; `None` before
/// there was one.
pub fn usual(earlier: &[EarlierRun]) -> Option<u64> {
    let counted = earlier.iter().filter(|run| !run.is_spike).take(USUAL_RUNS);
    let mut totals: Vec<u64> = counted.map(|run| run.total_candidates).collect();
    totals.sort_unstable();
    totals.get(totals.len() / 2).copied()
}

impl SpikeGuard {
    /// Why `total` candidates of `all` are a spike after the `earlier` runs, newest first; none
    /// where they are not.
    pub fn judge(&self, total: u64, all: u64, earlier: &[EarlierRun]) -> Vec<String> {
        let mut why = Vec::new();
        if total < self.least {
            return why;
        }
        if let Some(usual) = usual(earlier)
            && total as f64 > self.factor * usual as f64
        {
            let factor = self.factor;
            why.push(format!("{total} candidates are more than {factor} times the usual {usual}"));
        }
        if total as f64 > self.share * all as f64 {
            let share = self.share;
            why.push(format!("{total} candidates of {all} are more than a share of {share}"));
        }
        why
    }
}

#[cfg(test)]
mod tests;
