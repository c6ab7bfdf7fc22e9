//! Signatures of our own making: made with git's key, and verified before anybody relies on them.

use std::path::Path;

use crate::error::{Error, Result};
use crate::git::SigningKey;
use crate::policy::{NAMESPACE, signature};

use super::Workspace;

/// A signature that was made and verified just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSignature {
    /// The signature, as `ssh-keygen -Y sign` writes it.
    pub armored: String,
    /// The key, as `SHA256:…`.
    pub key_fingerprint: String,
}

/// Signs `message` for the purpose [`NAMESPACE`] with the key that git's configuration names.
///
/// [`Error::CannotSign`] where it names none; an error as well when what the program made is no
/// signature of these bytes, or of a key that is not taken.
pub fn sign(workspace: &Workspace, message: &[u8]) -> Result<OwnSignature> {
    let key = workspace.repository("sign")?.signing_key()?;
    sign_with(&key, &workspace.store_folder(), message)
}

/// The same with a key that is known; files for the program are made below `scratch`.
pub(super) fn sign_with(key: &SigningKey, scratch: &Path, message: &[u8]) -> Result<OwnSignature> {
    let armored = key.sign(scratch, NAMESPACE, message)?;
    match signature::made_by(message, &armored, NAMESPACE) {
        Ok(key_fingerprint) => Ok(OwnSignature { armored, key_fingerprint }),
        Err(fault) => {
            let why = format!("{key} made a signature that does not verify: {fault}");
            Err(Error::CannotSign { why })
        }
    }
}
