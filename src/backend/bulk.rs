//! Many rows of items and artifacts at once, for whoever would else ask for each.

use std::collections::HashMap;

use crate::error::Result;
use crate::model::{Item, TombstoneId};

use super::catalog::item_of;
use super::{Catalog, Place, Value};

/// So many rows are asked for at once.
const ASKED_AT_ONCE: usize = 200;

impl Catalog<'_> {
    /// The items with these ids, with tags, metadata, holds and requests. Hidden ones, and those
    /// whose rows cannot be read, are left out: whoever asks for one alone learns why.
    pub fn items_with_ids(&mut self, ids: &[TombstoneId]) -> Result<Vec<Item>> {
        let mut items = Vec::with_capacity(ids.len());
        let query = self.query_of_items();
        for some in ids.chunks(ASKED_AT_ONCE) {
            let sql = format!("{query} WHERE i.hidden = 0 AND i.tombstone IN ({})", marks(some));
            let ids: Vec<Value> = some.iter().map(|id| id.as_bytes().as_slice().into()).collect();
            let rows = self.driver.query(&sql, &ids)?;
            items.extend(self.complete(rows.iter().flat_map(item_of).collect())?);
        }
        Ok(items)
    }

    /// Where the stored bytes of these artifacts are. Those that were purged, or that do not say it,
    /// are left out: whoever asks for one alone learns why.
    pub fn places(&mut self, artifacts: &[i64]) -> Result<HashMap<i64, Place>> {
        let mut places = HashMap::with_capacity(artifacts.len());
        for some in artifacts.chunks(ASKED_AT_ONCE) {
            let sql = format!(
                "SELECT a.id, a.run_id, r.pieces, r.members, a.run_offset, a.run_length
                 FROM artifact_row a JOIN run r ON r.id = a.run_id
                 WHERE a.purged_at IS NULL AND a.id IN ({})",
                marks(some)
            );
            let ids: Vec<Value> = some.iter().map(|id| (*id).into()).collect();
            for row in self.driver.query(&sql, &ids)? {
                let place = || -> Result<Place> {
                    Ok(Place {
                        run: row.int(1)?,
                        pieces: row.unsigned(2)?,
                        members: row.unsigned(3)?,
                        offset: row.unsigned(4)?,
                        length: row.unsigned(5)?,
                    })
                };
                if let Ok(place) = place() {
                    places.insert(row.int(0)?, place);
                }
            }
        }
        Ok(places)
    }
}

fn marks<T>(some: &[T]) -> String {
    vec!["?"; some.len()].join(", ")
}
