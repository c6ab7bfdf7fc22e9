//! Encryption of backups by OpenPGP: what gpg 2.2 and later open.
//!
//! AES-256 with a modification code, under a passphrase or for the keys of recipients. Plain content
//! is handed on before that code was seen, so nobody uses any of it before the end was read.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// The variable that holds the passphrase.
pub const VARIABLE: &str = "CODEX_BACKUP_GPG_KEY";

/// A passphrase; it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(String);

impl Passphrase {
    /// The passphrase in `text`: its first line, for gpg reads no more of it.
    pub fn new(text: &str) -> Result<Self> {
        let line = text.split(['\n', '\r']).next().unwrap_or_default();
        if line.is_empty() {
            let why = "the passphrase is empty";
            return Err(Error::invalid("variable", VARIABLE, why));
        }
        Ok(Self(line.to_owned()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(***)")
    }
}

/// How a backup is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// Not at all.
    Plain,
    /// With a passphrase.
    Passphrase(Passphrase),
    /// For the OpenPGP keys in these files.
    Recipients(Vec<PathBuf>),
}

impl Sealing {
    /// Whether it is.
    pub fn is_sealed(&self) -> bool {
        *self != Self::Plain
    }
}

/// What opens a backup.
#[derive(Debug, Clone)]
pub(super) enum Key {
    /// Nothing is needed, or nothing is there.
    None,
    /// The passphrase.
    #[cfg_attr(
        not(feature = "openpgp"),
        expect(dead_code, reason = "without OpenPGP nothing is opened")
    )]
    Passphrase(Passphrase),
    /// The key of this one message, which its maker has.
    #[cfg(feature = "openpgp")]
    Session(Vec<u8>),
}

#[cfg(feature = "openpgp")]
mod openpgp {
    use pgp::composed::{
        DecryptionOptions, Deserializable, Esk, Message, MessageBuilder, PlainSessionKey,
        RawSessionKey, SignedPublicKey, TheRing,
    };
    use pgp::crypto::hash::HashAlgorithm;
    use pgp::crypto::sym::SymmetricKeyAlgorithm;
    use pgp::types::{Password, Seipdv1ReadMode, StringToKey};
    use rand::rngs::OsRng;

    use super::{
        BufRead, Error, File, Key, Passphrase, Read, Result, Sealing, VARIABLE, Write, fmt,
    };

    const CIPHER: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES256;

    /// The count of the passphrase's hashing, coded as OpenPGP does: 65,011,712 bytes, gpg's own.
    const HASHED: u8 = 255;

    fn failed(action: &'static str, object: &str, error: &pgp::errors::Error) -> Error {
        let source = std::io::Error::other(error.to_string());
        Error::io(action, object)(source)
    }

    /// Encrypts `plain` into `out`; what opens it again.
    pub fn seal(
        object: &str,
        plain: &mut File,
        out: &mut dyn Write,
        sealing: &Sealing,
    ) -> Result<Key> {
        let wrong = |error: pgp::errors::Error| failed("encrypt", object, &error);
        let mut message = MessageBuilder::from_reader("", plain).seipd_v1(OsRng, CIPHER);
        match sealing {
            Sealing::Plain => {}
            Sealing::Passphrase(Passphrase(text)) => {
                let s2k = StringToKey::new_iterated(OsRng, HashAlgorithm::Sha256, HASHED);
                message
                    .encrypt_with_password(s2k, &Password::from(text.as_str()))
                    .map_err(wrong)?;
            }
            Sealing::Recipients(files) => {
                for file in files {
                    let key = Recipient::read(file)?;
                    key.add_to(&mut message).map_err(wrong)?;
                }
            }
        }
        let session = message.session_key().as_ref().to_vec();
        message.to_writer(OsRng, out).map_err(wrong)?;
        Ok(Key::Session(session))
    }

    /// Decrypts `source`, and gives the plain content to `then`.
    pub fn unseal<T>(
        object: &str,
        source: impl BufRead + fmt::Debug + Send,
        key: &Key,
        then: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let damaged = |error: pgp::errors::Error| {
            Error::damaged("backup", object, format!("it cannot be decrypted: {error}"))
        };
        let (message, _) = Message::from_reader(source).map_err(damaged)?;
        if !message.is_encrypted() {
            return Err(Error::damaged(
                "backup",
                object,
                "it is not encrypted, though its name says so",
            ));
        }
        if let (Message::Encrypted { esk, .. }, false) = (&message, matches!(key, Key::Session(_)))
            && !esk.iter().any(|it| matches!(it, Esk::SymKeyEncryptedSessionKey(_)))
        {
            let why =
                "it is encrypted for keys: let `gpg -d` decrypt it, and give `-` for the file";
            return Err(Error::invalid("backup", object, why));
        }
        let password = match key {
            Key::Passphrase(Passphrase(text)) => Some(Password::from(text.as_str())),
            _ => None,
        };
        let session = match key {
            Key::None => {
                return Err(Error::Missing { what: "the passphrase (CODEX_BACKUP_GPG_KEY)" });
            }
            Key::Session(bytes) => Some(PlainSessionKey::V3_4 {
                sym_alg: CIPHER,
                key: RawSessionKey::from(bytes.clone()),
            }),
            Key::Passphrase(_) => None,
        };
        let decrypt_options =
            DecryptionOptions::new().set_seipdv1_read_mode(Seipdv1ReadMode::Streaming);
        let ring = TheRing {
            message_password: password.iter().collect(),
            session_keys: session.into_iter().collect(),
            decrypt_options,
            ..TheRing::default()
        };
        let (mut message, _) = message.decrypt_the_ring(ring, true).map_err(|_| {
            let why = "it does not open this backup, which may have been changed";
            Error::invalid("passphrase", VARIABLE, why)
        })?;
        then(&mut message)
    }

    /// A key that a backup is encrypted for.
    struct Recipient(SignedPublicKey);

    impl Recipient {
        fn read(path: &std::path::Path) -> Result<Self> {
            let shown = path.display().to_string();
            let file = File::open(path).map_err(Error::io("read", path))?;
            let wrong = |why: String| Error::invalid("recipient", &*shown, why);
            let (key, _) = SignedPublicKey::from_reader_single(file)
                .map_err(|error| wrong(format!("it holds no OpenPGP public key: {error}")))?;
            key.verify_bindings()
                .map_err(|error| wrong(format!("its key is not signed by itself: {error}")))?;
            if !key.details.revocation_signatures.is_empty() {
                return Err(wrong("its key is revoked".to_owned()));
            }
            Ok(Self(key))
        }

        /// Adds the session key, encrypted for the newest subkey that is for encryption; else for the
        /// key itself.
        fn add_to<R: Read>(
            &self,
            message: &mut MessageBuilder<'_, R, pgp::composed::EncryptionSeipdV1>,
        ) -> pgp::errors::Result<()> {
            let is_for_content = |signatures: &[pgp::packet::Signature]| {
                let is_revoked = signatures
                    .iter()
                    .any(|it| it.typ() == Some(pgp::packet::SignatureType::SubkeyRevocation));
                let flags = signatures.iter().map(pgp::packet::Signature::key_flags);
                !is_revoked
                    && flags.into_iter().any(|it| it.encrypt_storage() || it.encrypt_comms())
            };
            let subkeys = self.0.public_subkeys.iter().rev();
            match subkeys.into_iter().find(|it| is_for_content(&it.signatures)) {
                Some(subkey) => message.encrypt_to_key(OsRng, &subkey.key).map(|_| ()),
                None => message.encrypt_to_key(OsRng, &self.0.primary_key).map(|_| ()),
            }
        }
    }
}

#[cfg(feature = "openpgp")]
pub(super) use openpgp::{seal, unseal};

#[cfg(not(feature = "openpgp"))]
fn unsupported(object: &str) -> Error {
    Error::invalid("backup", object, "this build cannot encrypt or decrypt: it lacks `openpgp`")
}

/// Refuses: this build has no OpenPGP.
#[cfg(not(feature = "openpgp"))]
pub(super) fn seal(object: &str, _: &mut File, _: &mut dyn Write, _: &Sealing) -> Result<Key> {
    Err(unsupported(object))
}

/// Refuses: this build has no OpenPGP.
#[cfg(not(feature = "openpgp"))]
pub(super) fn unseal<T>(
    object: &str,
    _: impl BufRead + fmt::Debug + Send,
    _: &Key,
    _: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    Err(unsupported(object))
}

#[cfg(test)]
mod tests {
    use super::Passphrase;

    #[test]
    fn a_passphrase_is_its_first_line_and_not_shown() {
        let one = Passphrase::new("secret words\nmore").unwrap();
        assert_eq!(one, Passphrase::new("secret words").unwrap());
        assert_eq!(format!("{one:?}"), "Passphrase(***)");
        assert!(Passphrase::new("").is_err() && Passphrase::new("\nx").is_err());
    }
}
