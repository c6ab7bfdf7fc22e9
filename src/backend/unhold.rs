//! Items of a restored backup that no hold holds any more: their content was purged since.

use crate::error::Result;

use super::Register;

impl Register<'_> {
    /// Takes the items out of every hold.
    pub fn unhold(&mut self, items: &[i64]) -> Result<()> {
        for item in items {
            let sql = "DELETE FROM hold_item WHERE item_id = ?";
            self.driver.execute(sql, &[(*item).into()])?;
        }
        Ok(())
    }
}
