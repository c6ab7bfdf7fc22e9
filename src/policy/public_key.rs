//! A public key of SSH: which are taken, and in which one spelling.
//!
//! Taken are Ed25519, ECDSA on the three NIST curves, RSA of 2,048 to 4,096 bits, and the two kinds
//! that FIDO tokens make. Refused are DSA, certificates and every other kind.

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg};

/// Bits of an RSA key: fewer are not safe, more are not verified here.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// What the kinds of all certificates have in their names.
const CERTIFICATE: &[u8] = b"-cert-v";

/// A key that signatures can be verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    data: KeyData,
    blob: Vec<u8>,
}

impl PublicKey {
    /// The key in SSH's wire form; why not, as a clause.
    pub fn from_blob(blob: &[u8]) -> Result<Self, String> {
        // The kind stands first, behind four bytes of length.
        let kind = blob.get(4..).unwrap_or_default();
        if kind.windows(CERTIFICATE.len()).take(64).any(|it| it == CERTIFICATE) {
            return Err("certificates are not taken".to_owned());
        }
        let no_key = || "it is not a public key of SSH".to_owned();
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| no_key())?;
        // Another spelling of a key would be another signer.
        if key.to_bytes().ok().as_deref() != Some(blob) {
            return Err(no_key());
        }
        check(key.key_data())?;
        Ok(Self { data: key.into(), blob: blob.to_vec() })
    }

    /// The name of its kind, as in `ssh-ed25519`.
    pub fn kind(&self) -> String {
        self.data.algorithm().to_string()
    }

    /// Its wire form.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.data.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The key itself.
    pub(super) fn data(&self) -> &KeyData {
        &self.data
    }
}

fn check(data: &KeyData) -> Result<(), String> {
    match data.algorithm() {
        Algorithm::Ed25519
        | Algorithm::Ecdsa { .. }
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256 => Ok(()),
        Algorithm::Rsa { .. } => check_rsa(data),
        other => Err(format!("keys of the kind `{}` are not taken", other.as_str())),
    }
}

fn check_rsa(data: &KeyData) -> Result<(), String> {
    let bytes = data.rsa().and_then(|key| key.n.as_positive_bytes()).unwrap_or_default();
    let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = bytes.len() * 8 - unused;
    if RSA_BITS.contains(&bits) {
        return Ok(());
    }
    let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
    Err(format!("it is an RSA key of {bits} bits, and {least} to {most} are taken"))
}
