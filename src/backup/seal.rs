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
#[derive(Clone, Default)]
pub enum Key {
    /// Nothing is needed, or nothing is there.
    #[default]
    None,
    /// The passphrase.
    Passphrase(Passphrase),
    /// The OpenPGP secret key in a file.
    Secret {
        /// The file, armored or not.
        file: PathBuf,
        /// What opens the key itself, where it is protected.
        passphrase: Option<Passphrase>,
    },
    /// Whatever keys and agent gpg has.
    Gpg,
    /// The key of this one message, which its maker has.
    #[cfg(feature = "openpgp")]
    Session(Vec<u8>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Passphrase(_) => "Passphrase(***)",
            Self::Secret { .. } => "Secret(***)",
            Self::Gpg => "Gpg",
            #[cfg(feature = "openpgp")]
            Self::Session(_) => "Session(***)",
        })
    }
}

#[cfg(feature = "openpgp")]
mod openpgp {
    use pgp::composed::{
        DecryptionOptions, Deserializable, Esk, Message, MessageBuilder, PlainSessionKey,
        RawSessionKey, SignedPublicKey, SignedSecretKey, TheRing,
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
        if let (Message::Encrypted { esk, .. }, Key::None | Key::Passphrase(_)) = (&message, key)
            && !esk.iter().any(|it| matches!(it, Esk::SymKeyEncryptedSessionKey(_)))
        {
            let why = "it is encrypted for keys: give a secret one by `--key FILE`, or `--gpg` to let \
                       gpg open it";
            return Err(Error::invalid("backup", object, why));
        }
        let keyring = Keyring::of(key)?;
        let (mut message, _) =
            message.decrypt_the_ring(keyring.ring(), true).map_err(|_| does_not_open(key))?;
        then(&mut message)
    }

    /// The error of a key that is another one.
    fn does_not_open(key: &Key) -> Error {
        match key {
            Key::Secret { file, .. } => {
                let why = "the backup is not encrypted for it, or was changed; or the passphrase of \
                           the key is not the one in CODEX_BACKUP_GPG_KEY";
                Error::invalid("secret key", file.display().to_string(), why)
            }
            _ => {
                let why = "it does not open this backup, which may have been changed";
                Error::invalid("passphrase", VARIABLE, why)
            }
        }
    }

    /// All that a key has to open a message with.
    #[derive(Default)]
    struct Keyring {
        message: Option<Password>,
        secret: Option<SignedSecretKey>,
        of_secret: Option<Password>,
        session: Option<PlainSessionKey>,
    }

    impl Keyring {
        fn of(key: &Key) -> Result<Self> {
            let password = |it: &Passphrase| Password::from(it.0.as_str());
            let missing = || Error::Missing { what: "the passphrase (CODEX_BACKUP_GPG_KEY)" };
            Ok(match key {
                // gpg was asked before.
                Key::None | Key::Gpg => return Err(missing()),
                Key::Passphrase(it) => Self { message: Some(password(it)), ..Self::default() },
                Key::Secret { file, passphrase } => {
                    let secret = secret_key(file)?;
                    let is_protected = secret.primary_key.secret_params().is_encrypted()
                        || secret.secret_subkeys.iter().any(|it| it.secret_params().is_encrypted());
                    if is_protected && passphrase.is_none() {
                        return Err(missing());
                    }
                    let of_secret = passphrase.as_ref().filter(|_| is_protected).map(password);
                    Self { secret: Some(secret), of_secret, ..Self::default() }
                }
                Key::Session(bytes) => {
                    let key = RawSessionKey::from(bytes.clone());
                    let session = PlainSessionKey::V3_4 { sym_alg: CIPHER, key };
                    Self { session: Some(session), ..Self::default() }
                }
            })
        }

        fn ring(&self) -> TheRing<'_> {
            TheRing {
                message_password: self.message.iter().collect(),
                secret_keys: self.secret.iter().collect(),
                key_passwords: self.of_secret.iter().collect(),
                session_keys: self.session.iter().cloned().collect(),
                decrypt_options: DecryptionOptions::new()
                    .set_seipdv1_read_mode(Seipdv1ReadMode::Streaming),
            }
        }
    }

    fn secret_key(path: &std::path::Path) -> Result<SignedSecretKey> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(Error::io("read", path))?;
        let (key, _) = SignedSecretKey::from_reader_single(file).map_err(|error| {
            let why = format!("it holds no OpenPGP secret key: {error}");
            Error::invalid("secret key", shown, why)
        })?;
        Ok(key)
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
