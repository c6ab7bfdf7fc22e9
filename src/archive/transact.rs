//! A transaction that is tried again as a whole, and is never done twice.

use crate::error::Result;
use crate::model::DeedId;

use super::Archive;

impl Archive {
    /// Runs `work` in a transaction that may write. What fails for a reason that passes is done
    /// again from its beginning; where a COMMIT got no answer, the deed is looked up first.
    pub(super) fn transact<T>(
        &mut self,
        deed: Option<&DeedId>,
        mut work: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut unsure = None;
        self.again_and_again(|archive| archive.try_once(deed, &mut unsure, &mut work))
    }

    /// Runs `work` in a transaction that is rolled back: to learn what it would do.
    pub(super) fn rehearse<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.again_and_again(|archive| {
            archive.driver().begin()?;
            archive.check_not_maintained()?;
            let done = work(archive)?;
            archive.undo_transaction();
            Ok(done)
        })
    }

    /// Tries until it works, or fails for a reason that stays.
    fn again_and_again<T>(&mut self, mut once: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let retry = self.retry();
        let mut attempt = 1;
        loop {
            let error = match once(self) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.undo_transaction();
            if !retry.wait_after(attempt, &error) {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Undoes the transaction. A run that was read in it may never have been written.
    fn undo_transaction(&mut self) {
        self.driver().rollback();
        self.open_run = None;
    }

    /// `unsure` is what an attempt did of which nobody knows whether it became durable. Whoever
    /// begins a transaction waits until that one is over, so the answer does not change any more.
    fn try_once<T>(
        &mut self,
        deed: Option<&DeedId>,
        unsure: &mut Option<T>,
        work: &mut impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.driver().begin()?;
        if let (Some(deed), Some(done)) = (deed, unsure.take())
            && self.ledger().has_deed(deed)?
        {
            self.driver().rollback();
            return Ok(done);
        }
        // Now that nobody else writes: what was said before this counts, what comes later waits.
        self.check_not_maintained()?;
        let done = work(self)?;
        match self.driver().commit() {
            Ok(()) => Ok(done),
            Err(error) => {
                *unsure = Some(done);
                Err(error)
            }
        }
    }
}
