//! Which items a list shows, and how many of them.

use crate::model::{ItemState, Reason, RepoPath};

use super::folders::{AT_PATH, BELOW_PATH, at_path};
use super::{Catalog, Dialect, Value};

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
    /// The filter as SQL and its values. Each clause names what an index finds.
    pub(super) fn clauses(&self, catalog: &Catalog<'_>) -> (String, Vec<Value>) {
        let mut clauses = String::new();
        let mut values = Vec::new();
        let batch = [
            ("repo = ?", self.repo.as_deref()),
            ("actor = ?", self.by.as_deref()),
            ("reason = ?", self.reason.map(Reason::as_str)),
            ("at >= ?", self.since.as_deref()),
        ];
        for (condition, value) in batch {
            if let Some(value) = value {
                clauses.push_str(&format!(
                    " AND i.batch_id IN (SELECT id FROM batch WHERE {condition})"
                ));
                values.push(value.into());
            }
        }
        if let Some(tag) = &self.tag {
            clauses.push_str(" AND i.id IN (SELECT item_id FROM tag WHERE tag = ?)");
            values.push(tag.as_str().into());
        }
        if let Some(state) = self.state {
            clauses.push_str(clause_of(state, catalog.is_governed));
        }
        if let Some(path) = &self.path {
            let (clause, named) = match catalog.is_slim {
                true => in_folders(path),
                false => in_whole_paths(path, catalog.driver.dialect()),
            };
            clauses.push_str(&clause);
            values.extend(named);
        }
        (clauses, values)
    }

    /// Whether most items may fit: then the newest are looked through, and else what fits is looked
    /// up and put in order.
    pub(super) fn is_wide(&self) -> bool {
        let named = [&self.repo, &self.tag, &self.since, &self.by];
        named.iter().all(|it| it.is_none())
            && self.reason.is_none()
            && self.path.is_none()
            && matches!(self.state, None | Some(ItemState::Archived))
    }
}

/// Everything in a folder sorts between `folder/` and `folder0`, the next byte.
fn bounds(path: &str) -> [String; 2] {
    [format!("{path}/"), format!("{path}0")]
}

/// The condition that an item is at `path` or below, where folders stand apart.
fn in_folders(path: &RepoPath) -> (String, Vec<Value>) {
    let [low, high] = bounds(&path.to_string());
    let mut values = at_path(path).to_vec();
    for bound in [&low, &high, &low, &high] {
        values.push(bound.as_str().into());
    }
    (format!(" AND i.id IN ({AT_PATH}\n  UNION ALL {BELOW_PATH})"), values)
}

/// The same where every row has its whole path, and an index its beginning.
fn in_whole_paths(path: &RepoPath, dialect: Dialect) -> (String, Vec<Value>) {
    let whole = path.to_string();
    let [low, high] = bounds(&whole);
    let start = dialect.start("i.path");
    let clause = format!(
        " AND (({start} = ? AND i.path = ?)
           OR ({start} >= ? AND {start} < ? AND i.path >= ? AND i.path < ?))"
    );
    let key = |text: &str| dialect.start_key(text);
    // What is cut ends before its bound does; nothing sorts behind this and before that.
    let above = if key(&high) == high { key(&high) } else { key(&high) + "\u{10ffff}" };
    let values = [key(&whole), whole, key(&low), above, low, high];
    (clause, values.into_iter().map(Value::from).collect())
}

/// The condition that an item is in `state`. An item can be archived again after it was purged.
fn clause_of(state: ItemState, governed: bool) -> &'static str {
    match (state, governed) {
        (ItemState::Purged, true) => {
            " AND i.id IN (SELECT p.item_id FROM item_purge p JOIN item_row x ON x.id = p.item_id
                   JOIN batch y ON y.id = x.batch_id WHERE p.at >= y.at)"
        }
        (ItemState::Purged, false) => {
            " AND i.artifact_id IN (SELECT id FROM artifact_row WHERE purged_at IS NOT NULL)"
        }
        (ItemState::Restored, true) => {
            " AND i.restored_at > ''
               AND (SELECT p.at FROM item_purge p JOIN batch y ON p.at >= y.at
                    WHERE p.item_id = i.id AND y.id = i.batch_id) IS NULL"
        }
        (ItemState::Archived, true) => {
            " AND i.restored_at IS NULL
               AND (SELECT p.at FROM item_purge p JOIN batch y ON p.at >= y.at
                    WHERE p.item_id = i.id AND y.id = i.batch_id) IS NULL"
        }
        (ItemState::Restored, false) => {
            " AND i.restored_at IS NOT NULL
               AND (SELECT p.purged_at FROM artifact_row p WHERE p.id = i.artifact_id) IS NULL"
        }
        (ItemState::Archived, false) => {
            " AND i.restored_at IS NULL
               AND (SELECT p.purged_at FROM artifact_row p WHERE p.id = i.artifact_id) IS NULL"
        }
    }
}
