//! The signature format of SSH (PROTOCOL.sshsig of OpenSSH), read to the last byte.
//!
//! Stricter than OpenSSH where that passes over something: the reserved field is empty, nothing
//! stands behind a field or outside the armor, the key has its one spelling.

use base64ct::{Base64, Encoding};
use ssh_key::{Algorithm, HashAlg, Signature, SshSig};

use super::public_key::PublicKey;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: [u8; 4] = [0, 0, 0, 1];

/// What a FIDO token says behind its signature: one byte of flags, four of a counter.
const TOKEN_BYTES: usize = 5;

/// Characters of base64 on a line of an armor.
const LINE_CHARACTERS: usize = 70;

/// The largest armor that is read; one by an RSA key of 4,096 bits takes 1.7 KB.
const MAX_ARMOR_BYTES: usize = 16 << 10;

/// A signature as it was read; nothing is verified yet.
#[derive(Debug, Clone)]
pub(super) struct Armored {
    pub(super) key: PublicKey,
    pub(super) namespace: String,
    hash: HashAlg,
    signature: Signature,
}

impl Armored {
    /// Reads the armor; why it is none, as a clause.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::from_blob(&unarmored(text)?)
    }

    fn from_blob(blob: &[u8]) -> Result<Self, String> {
        let mut wire = Wire(blob);
        let no_form = || "what is inside does not have the form of a signature".to_owned();
        if wire.take(MAGIC.len()) != Some(MAGIC) {
            return Err(no_form());
        }
        if wire.take(VERSION.len()) != Some(&VERSION) {
            return Err("it is not of version 1".to_owned());
        }
        let mut field = || wire.string().ok_or_else(no_form);
        let (key, namespace, reserved) = (field()?, field()?, field()?);
        let (hash, signature) = (field()?, field()?);
        if !wire.0.is_empty() || !reserved.is_empty() {
            return Err("it has bytes that no field explains".to_owned());
        }
        let key = PublicKey::from_blob(key).map_err(|why| format!("its key: {why}"))?;
        let namespace = String::from_utf8(namespace.to_vec()).map_err(|_| no_form())?;
        let hash = match hash {
            b"sha256" => HashAlg::Sha256,
            b"sha512" => HashAlg::Sha512,
            _ => return Err("its hash is neither sha256 nor sha512".to_owned()),
        };
        let signature = read_signature(signature).ok_or_else(no_form)?;
        if !is_made_by(&signature, &key) {
            let kind = signature.algorithm();
            return Err(format!("a signature `{kind}` is not taken of a key `{}`", key.kind()));
        }
        Ok(Self { key, namespace, hash, signature })
    }

    /// Whether it is a signature of `message`.
    pub(super) fn fits(&self, message: &[u8]) -> bool {
        let key = ssh_key::PublicKey::from(self.key.data().clone());
        let data = self.key.data().clone();
        SshSig::new(data, self.namespace.as_str(), self.hash, self.signature.clone())
            .and_then(|it| key.verify(&self.namespace, message, &it))
            .is_ok()
    }
}

/// The binary form inside of an armor; why it is none, as a clause.
pub(super) fn unarmored(text: &str) -> Result<Vec<u8>, String> {
    if text.len() > MAX_ARMOR_BYTES {
        return Err(format!("it is longer than {MAX_ARMOR_BYTES} bytes"));
    }
    let mut lines = text.trim_end().lines();
    if lines.next() != Some(BEGIN) {
        return Err(format!("it does not begin with `{BEGIN}`"));
    }
    if lines.next_back() != Some(END) {
        return Err(format!("it does not end with `{END}`"));
    }
    let blob = Base64::decode_vec(&lines.collect::<String>());
    blob.map_err(|_| "what is inside is not base64".to_owned())
}

/// The armor that ssh-keygen puts around the binary form.
pub(super) fn armored(blob: &[u8]) -> String {
    let text = Base64::encode_string(blob);
    let mut out = format!("{BEGIN}\n");
    for (n, c) in text.chars().enumerate() {
        if n > 0 && n % LINE_CHARACTERS == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str(&format!("\n{END}\n"));
    out
}

fn read_signature(blob: &[u8]) -> Option<Signature> {
    let mut wire = Wire(blob);
    let kind = Algorithm::new(str::from_utf8(wire.string()?).ok()?).ok()?;
    let mut data = wire.string()?.to_vec();
    if matches!(kind, Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256) {
        data.extend_from_slice(wire.take(TOKEN_BYTES)?);
    }
    if wire.0.is_empty() { Signature::new(kind, data).ok() } else { None }
}

/// Whether keys of this kind make signatures of this kind. RSA with SHA-1 is no kind of ours.
fn is_made_by(signature: &Signature, key: &PublicKey) -> bool {
    match (key.data().algorithm(), signature.algorithm()) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { hash }) => hash.is_some(),
        (of_key, of_signature) => of_key == of_signature,
    }
}

/// Reads the strings of SSH's wire form: four bytes of length, then so many bytes.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.take(4)?.try_into().ok()?;
        self.take(usize::try_from(u32::from_be_bytes(len)).ok()?)
    }
}
