//! The pen: what signs the evidence of a deed, where `[evidence] sign` says so.
//!
//! A signature is over the digest of the deed's last record, which is known only at the end of the
//! deed's transaction; and a person may have to touch a token for it, which takes as long as it
//! takes. So the transaction is rehearsed and rolled back, the signature is made while nothing is
//! locked in the archive, and the transaction is done again. If others wrote to the log meanwhile,
//! the digest is another one, and it begins again.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::evidence::{Record, statement_of_last};
use crate::git::SigningKey;
use crate::model::Digest;

use super::Workspace;
use super::sign::{OwnSignature, sign_with};

/// How often others may get ahead while a signature is made.
pub(super) const ATTEMPTS: u32 = 5;

/// A key, and a place for the files of the program that signs.
#[derive(Debug)]
pub(super) struct Pen {
    key: SigningKey,
    scratch: PathBuf,
}

/// A signature over one record.
#[derive(Debug)]
pub(super) struct Inked {
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
    pub(super) fn sign(&self, records: &[(Record, Digest)]) -> Result<Option<Inked>> {
        let (Some(statement), Some((_, digest))) = (statement_of_last(records), records.last())
        else {
            return Ok(None);
        };
        let OwnSignature { armored, .. } =
            sign_with(&self.key, &self.scratch, statement.as_bytes())?;
        Ok(Some(Inked { digest: *digest, armored }))
    }

    /// Others got ahead again and again.
    pub(super) fn overtaken(&self) -> Error {
        Error::CannotSign {
            why: format!("others wrote to the log {ATTEMPTS} times before {} was done", self.key),
        }
    }
}

impl Inked {
    /// The signature, if it is over the last of `records`.
    pub(super) fn over(&self, records: &[(Record, Digest)]) -> Option<&str> {
        let is_last = records.last().is_some_and(|(_, digest)| *digest == self.digest);
        is_last.then_some(self.armored.as_str())
    }
}
