//! Items with everything that their rows say, for whoever proves them.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::model::{DeedId, Item, TombstoneId};

use super::Catalog;
use super::catalog::item_of;

/// An item's row.
#[derive(Debug)]
pub struct ItemRow {
    /// The item, with tags and metadata.
    pub item: Item,
    /// The deed of its batch.
    pub deed: DeedId,
    /// When it was put back into a tree.
    pub restored_at: Option<String>,
    /// Whether it is hidden.
    pub hidden: bool,
}

impl Catalog<'_> {
    /// The items behind `after` in the order of their ids, hidden ones too, at most `limit`; that
    /// order is the same in every archive. A row that cannot be read is an error.
    pub fn item_rows_by_id(
        &mut self,
        after: Option<&TombstoneId>,
        limit: u64,
    ) -> Result<Vec<ItemRow>> {
        let page =
            format!("SELECT * FROM item_row WHERE tombstone > ? ORDER BY tombstone LIMIT {limit}");
        let sql = format!("{} ORDER BY i.tombstone", self.items_in(&page));
        let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let rows = self.driver.query(&sql, &[after.into()])?;
        let items = rows.iter().map(item_of).collect::<Result<Vec<_>>>()?;
        let items = self.complete(items)?;
        let whole = rows.iter().zip(items).map(|(row, item)| {
            let damaged = || {
                let name = item.tombstone.to_string();
                Error::damaged("item", name, "its deed is no id")
            };
            Ok(ItemRow {
                deed: DeedId::from_slice(row.bytes(21)?).ok_or_else(damaged)?,
                restored_at: row.text_or_null(16)?.map(str::to_owned),
                hidden: row.int(20)? != 0,
                item,
            })
        });
        whole.collect()
    }

    /// The items behind the row `after`, at most `limit`: the row's number, and the item unless the
    /// row cannot be read. A row whose batch or artifact is gone is left out.
    pub fn item_rows(&mut self, after: i64, limit: u64) -> Result<Vec<(i64, Result<ItemRow>)>> {
        let from = [after.into()];
        let page = format!("SELECT * FROM item_row WHERE id > ? ORDER BY id LIMIT {limit}");
        let sql = format!(
            "SELECT i.id, b.deed, i.restored_at, i.hidden
             FROM ({page}) i LEFT JOIN batch b ON b.id = i.batch_id ORDER BY i.id"
        );
        let more = self.driver.query(&sql, &from)?;
        let sql = format!("{} ORDER BY i.id", self.items_in(&page));
        let rows = self.driver.query(&sql, &from)?;
        let mut items = BTreeMap::new();
        let mut whole = Vec::with_capacity(rows.len());
        for row in &rows {
            match item_of(row) {
                Ok(item) => whole.push(item),
                Err(error) => drop(items.insert(row.int(0)?, Err(error))),
            }
        }
        items.extend(self.complete(whole)?.into_iter().map(|item| (item.row_id, Ok(item))));
        let mut out = Vec::with_capacity(more.len());
        for row in &more {
            let id = row.int(0)?;
            let Some(item) = items.remove(&id) else { continue };
            let whole = item.and_then(|item| {
                let damaged = || Error::damaged("item", format!("row {id}"), "its deed is no id");
                Ok(ItemRow {
                    deed: DeedId::from_slice(row.bytes(1)?).ok_or_else(damaged)?,
                    restored_at: row.text_or_null(2)?.map(str::to_owned),
                    hidden: row.int(3)? != 0,
                    item,
                })
            });
            out.push((id, whole));
        }
        Ok(out)
    }
}
