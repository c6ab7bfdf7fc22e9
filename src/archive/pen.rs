//! The pen: what signs the evidence of a deed, where `[evidence] sign` says so.
//!
//! A signature is over the digest of the deed's last record, which is known only at the end of the
//! deed's transaction; and a person may have to touch a token for it, which takes as long as it
//! takes. So the transaction is rehearsed and rolled back, the signature is made while nothing is
//! locked in the archive, and the transaction is done again. If others wrote to the log meanwhile,
//! the digest is another one, and it begins again.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::evidence::{Record, Segment, statement_of_last};
use crate::git::SigningKey;
use crate::model::{DeedId, Digest, LogId};

use super::sign::{OwnSignature, sign_with};
use super::{Archive, Workspace};

/// How often others may get ahead while a signature is made.
const ATTEMPTS: u32 = 5;

/// A key, and a place for the files of the program that signs.
#[derive(Debug)]
pub(super) struct Pen {
    key: SigningKey,
    scratch: PathBuf,
}

/// A signature over one record.
#[derive(Debug)]
struct Inked {
    digest: Digest,
    armored: String,
}

impl Pen {
    /// The pen of `workspace`, if its evidence is to be signed; [`Error::CannotSign`] where git's
    /// configuration names no key.
    pub(super) fn of(workspace: &Workspace) -> Result<Option<Self>> {
        if !workspace.config.signs_evidence() {
            return Ok(None);
        }
        let repository = workspace.repository.as_ref().ok_or_else(|| Error::CannotSign {
            why: "there is no git repository here whose configuration would name a key".to_owned(),
        })?;
        Ok(Some(Self { key: repository.signing_key()?, scratch: workspace.store_folder() }))
    }

    /// Signs the last of `records`; `None` when there are none.
    fn sign(&self, records: &[(Record, Digest)]) -> Result<Option<Inked>> {
        let (Some(statement), Some((_, digest))) = (statement_of_last(records), records.last())
        else {
            return Ok(None);
        };
        let OwnSignature { armored, .. } =
            sign_with(&self.key, &self.scratch, statement.as_bytes())?;
        Ok(Some(Inked { digest: *digest, armored }))
    }

    /// Others got ahead again and again.
    fn overtaken(&self) -> Error {
        Error::CannotSign {
            why: format!("others wrote to the log {ATTEMPTS} times before {} was done", self.key),
        }
    }
}

impl Inked {
    /// The signature, if it is over the last of `records`.
    fn over(&self, records: &[(Record, Digest)]) -> Option<&str> {
        let is_last = records.last().is_some_and(|(_, digest)| *digest == self.digest);
        is_last.then_some(self.armored.as_str())
    }
}

impl Archive {
    /// Runs `work`, which writes records, in a transaction; where evidence is signed, the signature
    /// over the last of them is made before and goes into the same transaction.
    pub(super) fn recorded<T>(
        &mut self,
        deed: DeedId,
        mut work: impl FnMut(&mut Self) -> Result<(T, Vec<(Record, Digest)>)>,
    ) -> Result<(T, Vec<(Record, Digest)>)> {
        let Some(pen) = self.pen.take() else { return self.transact(Some(&deed), work) };
        let mut done = Ok(None);
        for _ in 0..ATTEMPTS {
            done = self.signed(&pen, deed, &mut work);
            if !matches!(done, Ok(None)) {
                break;
            }
        }
        let overtaken = || pen.overtaken();
        let done = done.and_then(|done| done.ok_or_else(overtaken));
        self.pen = Some(pen);
        done
    }

    /// One attempt; `None` when the log went on while the signature was made.
    #[expect(clippy::type_complexity, reason = "the parts of a deed, used once")]
    fn signed<T>(
        &mut self,
        pen: &Pen,
        deed: DeedId,
        work: &mut impl FnMut(&mut Self) -> Result<(T, Vec<(Record, Digest)>)>,
    ) -> Result<Option<(T, Vec<(Record, Digest)>)>> {
        let records = self.rehearse(|archive| work(archive).map(|(_, records)| records))?;
        let inked = pen.sign(&records)?;
        let mut overtaken = false;
        let done = self.transact(Some(&deed), |archive| {
            let (value, records) = work(archive)?;
            let armored = inked.as_ref().and_then(|it| it.over(&records));
            match (armored, records.last()) {
                (Some(armored), Some((last, _))) => {
                    archive.ledger().add_signature(&last.log, last.seq, armored)?;
                }
                (None, None) => {}
                _ => {
                    overtaken = true;
                    return Err(pen.overtaken());
                }
            }
            Ok((value, records))
        });
        if overtaken { Ok(None) } else { done.map(Some) }
    }

    /// Keeps the signature of a record that has none.
    pub(super) fn put_signature(&mut self, log: &LogId, seq: u64, armored: &str) -> Result<()> {
        self.transact(None, |archive| archive.ledger().put_signature(log, seq, armored))
    }

    /// Does `work` without signing: for a series of deeds whose last one is signed, and by the chain
    /// all others with it.
    pub(super) fn unsigned<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let pen = self.pen.take();
        let done = work(self);
        self.pen = pen;
        done
    }

    /// The segment of records of one deed, with its signature.
    pub(super) fn segment_of(&mut self, records: Vec<(Record, Digest)>) -> Result<Segment> {
        let segment = Segment::new(records)?;
        let signature = match segment.lines.last() {
            Some((last, _)) => self.ledger().signature_of(&last.log, last.seq)?,
            None => None,
        };
        Ok(segment.signed(signature))
    }
}
