//! Keys of FIDO tokens, whose part software plays here: the token signs the SHA-256 of the
//! application, a byte of flags, a counter, and the SHA-256 of what SSH asks it to sign.

use base64ct::{Base64, Encoding};
use ed25519_dalek::Signer;
use sha2::{Digest, Sha256, Sha512};

use super::keygen::{Case, Keygen, MESSAGE};
use super::tampering::armored;
use crate::policy::{NAMESPACE, SignatureFault};

const TOUCHED: u8 = 1;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn fields(fields: &[&[u8]]) -> Vec<u8> {
    fields.iter().flat_map(|it| string(it)).collect()
}

/// A number as SSH writes it: no leading zeros, and one where the first bit would be a sign.
fn number(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let sign: &[u8] = if bytes[start] & 0x80 == 0 { b"" } else { b"\0" };
    string(&[sign, &bytes[start..]].concat())
}

/// A token with a key of each kind.
struct Token {
    edwards: ed25519_dalek::SigningKey,
    nist: p256::ecdsa::SigningKey,
}

impl Token {
    fn new() -> Self {
        let nist = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        Self { edwards: ed25519_dalek::SigningKey::from_bytes(&[3; 32]), nist }
    }

    fn key(&self, kind: &str) -> Vec<u8> {
        let point = self.nist.verifying_key().to_encoded_point(false);
        match kind {
            ED25519 => fields(&[kind.as_bytes(), self.edwards.verifying_key().as_bytes(), b"ssh:"]),
            _ => fields(&[kind.as_bytes(), b"nistp256", point.as_bytes(), b"ssh:"]),
        }
    }

    fn sign(&self, kind: &str, application: &[u8], flags: u8) -> String {
        let hash = Sha512::digest(MESSAGE);
        let asked =
            [b"SSHSIG".to_vec(), fields(&[NAMESPACE.as_bytes(), b"", b"sha512", hash.as_slice()])];
        let said = [&[flags][..], &9u32.to_be_bytes()].concat();
        let (application, asked) = (Sha256::digest(application), Sha256::digest(asked.concat()));
        let signed = [application.as_slice(), &said, asked.as_slice()].concat();
        let signature = match kind {
            ED25519 => self.edwards.sign(&signed).to_vec(),
            _ => {
                let signature: p256::ecdsa::Signature = self.nist.sign(&signed);
                let (r, s) = signature.split_bytes();
                [number(&r), number(&s)].concat()
            }
        };
        let signature = [fields(&[kind.as_bytes(), &signature]), said].concat();
        let key = self.key(kind);
        let head = [b"SSHSIG".to_vec(), 1u32.to_be_bytes().to_vec()].concat();
        let rest = fields(&[&key, NAMESPACE.as_bytes(), b"", b"sha512", &signature]);
        armored(&[head, rest].concat())
    }
}

const ED25519: &str = "sk-ssh-ed25519@openssh.com";
const ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com";

#[test]
fn tokens_sign_too() {
    let Some(keygen) = Keygen::new() else { return };
    let token = Token::new();
    for kind in [ED25519, ECDSA] {
        let signers = format!("marc {kind} {}", Base64::encode_string(&token.key(kind)));
        let armored = token.sign(kind, b"ssh:", TOUCHED);
        let case = Case::new(&signers, "marc", &armored);
        assert_eq!(case.ours().unwrap().principals, ["marc"], "{kind}");
        assert!(keygen.verifies(&case), "{kind}");
        for (application, flags) in [(&b"ssh:other"[..], TOUCHED), (b"", TOUCHED)] {
            let armored = token.sign(kind, application, flags);
            let case = Case::new(&signers, "marc", &armored);
            assert_eq!(case.ours().unwrap_err(), Some(SignatureFault::WrongBytes), "{kind}");
            assert!(!keygen.verifies(&case), "{kind}");
        }
    }
}
