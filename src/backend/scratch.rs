//! What a smoke test wrote, taken out again.

use crate::error::Result;

use super::Catalog;

impl Catalog<'_> {
    /// Deletes the rows of an item that nothing but a smoke test knows: the item, its batch, its
    /// artifact and the bytes. No record stands behind them.
    pub fn remove_scratch(&mut self, item: i64) -> Result<()> {
        let sql = "SELECT i.batch_id, i.artifact_id, a.run_id
                   FROM item_row i JOIN artifact_row a ON a.id = i.artifact_id WHERE i.id = ?";
        let rows = self.driver.query(sql, &[item.into()])?;
        let Some(row) = rows.first() else { return Ok(()) };
        let (batch, artifact, run) = (row.int(0)?, row.int(1)?, row.int(2)?);
        for (sql, id) in [
            ("DELETE FROM item_row WHERE id = ?", item),
            ("DELETE FROM batch WHERE id = ?", batch),
            ("DELETE FROM artifact_row WHERE id = ?", artifact),
            ("DELETE FROM run_piece WHERE run_id = ?", run),
            ("DELETE FROM run WHERE id = ?", run),
        ] {
            self.driver.execute(sql, &[id.into()])?;
        }
        Ok(())
    }
}
