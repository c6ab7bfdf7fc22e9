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
        let retry = self.retry();
        let mut unsure = None;
        let mut attempt = 1;
        loop {
            let error = match self.try_once(deed, &mut unsure, &mut work) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.driver().rollback();
            if !retry.wait_after(attempt, &error) {
                return Err(error);
            }
            attempt += 1;
        }
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
