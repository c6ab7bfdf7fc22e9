//! Verifies signatures of SSH, in process: who signed these bytes, for this purpose, with a key
//! that was in force then.
//!
//! Promises: what is accepted here `ssh-keygen -Y verify` accepts too. A signature for another
//! purpose (git's own namespace `git`, say) never counts here.

use std::collections::BTreeSet;

use super::armor::{self, Armored};
use super::signers::{Signer, Signers};
use crate::clock::Timestamp;
use crate::model::escape_line;

/// The purpose that all our signatures are made for.
pub const NAMESPACE: &str = "codex-archive";

/// Whose signature it is.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The plain names that the key stands for, sorted. A line of patterns gives none:
    /// [`Signed::speaks_for`] knows those too.
    pub principals: Vec<String>,
    /// The key, as `SHA256:…`. Whoever counts people counts keys as well: one key may be listed
    /// under two names.
    pub key_fingerprint: String,
    lines: Vec<Signer>,
}

impl Signed {
    /// Whether the key stands for the actor `name`; capitals and small letters are the same.
    pub fn speaks_for(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.is_of(name))
    }
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It cannot be read, or is of a kind that is not taken.
    #[error("it is no signature of SSH that is taken here: {why}")]
    NotASignature {
        /// Why not, as a clause.
        why: String,
    },
    /// It was made for something else.
    #[error("it was made for `{namespace}`, not for `{expected}`")]
    WrongNamespace {
        /// Its purpose, escaped.
        namespace: String,
        /// The purpose it should have.
        expected: String,
    },
    /// It is of other bytes, or was changed.
    #[error("it does not fit what it should sign: one of the two was changed")]
    WrongBytes,
    /// Nobody's key.
    #[error("its key {key_fingerprint} is not among the signers")]
    UnknownKey {
        /// The key, as `SHA256:…`.
        key_fingerprint: String,
    },
    /// The signer may not sign for this purpose.
    #[error("its key {key_fingerprint} may not sign for `{namespace}`")]
    NamespaceNotAllowed {
        /// The key, as `SHA256:…`.
        key_fingerprint: String,
        /// The purpose.
        namespace: String,
    },
    /// The key was not in force yet.
    #[error("its key {key_fingerprint} is valid only after {valid_after}")]
    NotYetValid {
        /// The key, as `SHA256:…`.
        key_fingerprint: String,
        /// From when on.
        valid_after: Timestamp,
    },
    /// The key was in force no more.
    #[error("its key {key_fingerprint} was valid until {valid_before}")]
    Expired {
        /// The key, as `SHA256:…`.
        key_fingerprint: String,
        /// Until when.
        valid_before: Timestamp,
    },
}

impl SignatureFault {
    /// The fault's name, for findings and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotASignature { .. } => "not-a-signature",
            Self::WrongNamespace { .. } => "wrong-namespace",
            Self::WrongBytes => "wrong-bytes",
            Self::UnknownKey { .. } => "unknown-key",
            Self::NamespaceNotAllowed { .. } => "namespace-not-allowed",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
        }
    }
}

/// Whose signature `armored` is, if it is one of `message` for the purpose `namespace` by a key that
/// `signers` had in force at the time `at`.
pub fn verify(
    message: &[u8],
    armored: &str,
    namespace: &str,
    signers: &Signers,
    at: Timestamp,
) -> Result<Signed, SignatureFault> {
    let it = fitting(message, armored, namespace)?;
    let key_fingerprint = it.key.fingerprint();
    let of_key: Vec<_> = signers.of_key(&it.key).collect();
    if of_key.is_empty() {
        return Err(SignatureFault::UnknownKey { key_fingerprint });
    }
    let mut lines = Vec::new();
    let mut fault = None;
    for line in of_key {
        match line_fault(line, namespace, at, &key_fingerprint) {
            None => lines.push(line.clone()),
            Some(why) => fault = fault.or(Some(why)),
        }
    }
    match fault {
        Some(fault) if lines.is_empty() => Err(fault),
        _ => {
            let names: BTreeSet<_> = lines.iter().flat_map(Signer::names).collect();
            let principals = names.into_iter().map(str::to_owned).collect();
            Ok(Signed { principals, key_fingerprint, lines })
        }
    }
}

/// The fingerprint of the key that made `armored` of `message` for the purpose `namespace`,
/// whoever's key that is: for a signature that was made just now.
pub fn made_by(message: &[u8], armored: &str, namespace: &str) -> Result<String, SignatureFault> {
    fitting(message, armored, namespace).map(|it| it.key.fingerprint())
}

/// The binary form of a signature, as a note holds it.
pub fn blob_of(armored: &str) -> Result<Vec<u8>, SignatureFault> {
    armor::unarmored(armored).map_err(|why| SignatureFault::NotASignature { why })
}

/// The armor around the binary form of a signature, whatever that is.
pub fn armor_of(blob: &[u8]) -> String {
    armor::armored(blob)
}

/// The public key that a signature says it is by, in SSH's binary form.
pub fn key_of(armored: &str) -> Result<Vec<u8>, SignatureFault> {
    let read = Armored::parse(armored).map_err(|why| SignatureFault::NotASignature { why })?;
    Ok(read.key.blob().to_vec())
}

fn fitting(message: &[u8], armored: &str, namespace: &str) -> Result<Armored, SignatureFault> {
    let it = Armored::parse(armored).map_err(|why| SignatureFault::NotASignature { why })?;
    if it.namespace != namespace {
        let (namespace, expected) = (escape_line(&it.namespace), namespace.to_owned());
        return Err(SignatureFault::WrongNamespace { namespace, expected });
    }
    if !it.fits(message) {
        return Err(SignatureFault::WrongBytes);
    }
    Ok(it)
}

fn line_fault(
    line: &Signer,
    namespace: &str,
    at: Timestamp,
    key_fingerprint: &str,
) -> Option<SignatureFault> {
    let key_fingerprint = key_fingerprint.to_owned();
    if !line.may_sign_for(namespace) {
        let namespace = namespace.to_owned();
        return Some(SignatureFault::NamespaceNotAllowed { key_fingerprint, namespace });
    }
    if let Some(valid_after) = line.valid_after()
        && at < valid_after
    {
        return Some(SignatureFault::NotYetValid { key_fingerprint, valid_after });
    }
    // The second that is named is the last one.
    if let Some(valid_before) = line.valid_before()
        && at.unix_ms().div_euclid(1000) > valid_before.unix_ms() / 1000
    {
        return Some(SignatureFault::Expired { key_fingerprint, valid_before });
    }
    None
}
