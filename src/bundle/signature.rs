//! The signature of a tarball: over the line that `sha256sum TARBALL` prints.
//!
//! So one pipe checks content and signature, and no line of another file is vouched for:
//! `sha256sum TARBALL | ssh-keygen -Y verify -f SIGNERS -I WHO -n codex-archive -s TARBALL.sig`.

use crate::archive::{Workspace, sign};
use crate::error::{Error, Result};
use crate::policy::{NAMESPACE, SIGNERS_PATH, Signers, signature};

use super::sums::line;

/// The signature of the tarball with this digest and name, armored.
pub(super) fn sign_tarball(workspace: &Workspace, digest: &str, tarball: &str) -> Result<String> {
    Ok(sign(workspace, line(digest, tarball).as_bytes())?.armored)
}

/// Who signed a tarball.
#[derive(Debug)]
pub(super) struct Signer {
    /// The key, as `SHA256:…`.
    pub key_fingerprint: String,
    /// Whose key it is, as the work tree's signers say; empty where there are none.
    pub principals: Vec<String>,
}

/// Whose signature `armored` is; why it is none.
pub(super) fn signer_of(
    workspace: &Workspace,
    digest: &str,
    tarball: &str,
    armored: &str,
) -> Result<std::result::Result<Signer, String>> {
    let message = line(digest, tarball);
    let Some(signers) = signers(workspace)? else {
        let made = signature::made_by(message.as_bytes(), armored, NAMESPACE);
        let signer = |key_fingerprint| Signer { key_fingerprint, principals: Vec::new() };
        return Ok(made.map(signer).map_err(|fault| fault.to_string()));
    };
    let at = workspace.now();
    let signed = signature::verify(message.as_bytes(), armored, NAMESPACE, &signers, at);
    Ok(signed
        .map_err(|fault| fault.to_string())
        .map(|it| Signer { key_fingerprint: it.key_fingerprint, principals: it.principals }))
}

/// The signers of the work tree; `None` where there is no such file.
fn signers(workspace: &Workspace) -> Result<Option<Signers>> {
    let path = workspace.top.join(SIGNERS_PATH);
    match std::fs::read_to_string(&path) {
        Ok(text) => Signers::parse(&text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
