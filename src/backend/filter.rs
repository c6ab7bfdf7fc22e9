//! Which items a list shows, and how many of them.

use crate::model::{ItemState, Reason, RepoPath};

use super::Value;

/// Which items to list; everything that is set must fit.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// The repo label.
    pub repo: Option<String>,
    /// A path, or a folder that holds it.
    pub path: Option<RepoPath>,
    /// A tag.
    pub tag: Option<String>,
    /// The reason.
    pub reason: Option<Reason>,
    /// Archived at or after this time, RFC 3339.
    pub since: Option<String>,
    /// Who archived it.
    pub by: Option<String>,
    /// Where it stands in its life.
    pub state: Option<ItemState>,
}

/// One page of a list: at most `limit` items, beginning after the row `after`, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// How many items at most.
    pub limit: u64,
    /// The last row of the page before.
    pub after: Option<i64>,
}

impl ItemFilter {
    /// The filter as SQL and its values.
    pub(super) fn clauses(&self) -> (String, Vec<Value>) {
        let mut clauses = String::new();
        let mut values = Vec::new();
        let mut add = |clause: &str, value: Value| {
            clauses.push_str(clause);
            values.push(value);
        };
        if let Some(repo) = &self.repo {
            add(" AND b.repo = ?", repo.as_str().into());
        }
        if let Some(by) = &self.by {
            add(" AND b.actor = ?", by.as_str().into());
        }
        if let Some(reason) = self.reason {
            add(" AND b.reason = ?", reason.as_str().into());
        }
        if let Some(since) = &self.since {
            add(" AND b.at >= ?", since.as_str().into());
        }
        if let Some(tag) = &self.tag {
            let clause = " AND EXISTS (SELECT 1 FROM tag t WHERE t.item_id = i.id AND t.tag = ?)";
            add(clause, tag.as_str().into());
        }
        match self.state {
            Some(ItemState::Purged) => clauses.push_str(" AND a.purged_at IS NOT NULL"),
            Some(ItemState::Restored) => {
                clauses.push_str(" AND a.purged_at IS NULL AND i.restored_at IS NOT NULL");
            }
            Some(ItemState::Archived) => {
                clauses.push_str(" AND a.purged_at IS NULL AND i.restored_at IS NULL");
            }
            None => {}
        }
        if let Some(path) = &self.path {
            // Everything in a folder sorts between `folder/` and `folder0`, the next byte.
            let path = path.to_string();
            clauses.push_str(" AND (i.path = ? OR (i.path >= ? AND i.path < ?))");
            values.push(path.as_str().into());
            values.push(format!("{path}/").into());
            values.push(format!("{path}0").into());
        }
        (clauses, values)
    }
}
