//! Signatures of our own making: made with git's key, and verified before anybody relies on them.

use super::Workspace;
use crate::error::{Error, Result};
use crate::policy::{NAMESPACE, signature};

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
    let armored = key.sign(&workspace.store_folder(), NAMESPACE, message)?;
    match signature::made_by(message, &armored, NAMESPACE) {
        Ok(key_fingerprint) => Ok(OwnSignature { armored, key_fingerprint }),
        Err(fault) => {
            let why = format!("{key} made a signature that does not verify: {fault}");
            Err(Error::CannotSign { why })
        }
    }
}
