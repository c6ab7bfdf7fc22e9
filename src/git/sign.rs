//! Signing with the key that git signs with, by running `ssh-keygen -Y sign` as git does.
//!
//! Promises: the private key is never read here; it stays with ssh-keygen, an agent or a token.
//! Which program and which key is git's own configuration: `gpg.ssh.program`, and with
//! `gpg.format` = `ssh` the key of `user.signingKey` (a file, a public key that an agent holds, or
//! the public key itself), else what `gpg.ssh.defaultKeyCommand` prints. The terminal stays the
//! child's, so that it can ask for a passphrase.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Repository;
use super::plumbing;
use crate::error::{Error, Result};
use crate::fs::{self as files, Executable, TEMP_PREFIX};
use crate::model::{DeedId, escape_line};

const READ: &str = "read a setting";
const ASK: &str = "run gpg.ssh.defaultKeyCommand";
const DEFAULT_PROGRAM: &str = "ssh-keygen";

/// What signs: a program and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    program: String,
    key: Key,
    /// What the program's environment holds beyond our own.
    environment: Vec<(OsString, OsString)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// A file with the private key, or with the public one of a key that an agent holds.
    File(PathBuf),
    /// A public key as text, of a key that an agent holds.
    Literal(String),
}

impl Repository {
    /// The key that git's configuration names for signatures of SSH; [`Error::CannotSign`] where
    /// it names none.
    pub fn signing_key(&self) -> Result<SigningKey> {
        let program = self.path_setting("gpg.ssh.program")?;
        let program = program.unwrap_or_else(|| DEFAULT_PROGRAM.to_owned());
        let format = self.setting("gpg.format")?.unwrap_or_else(|| "openpgp".to_owned());
        // With another format the setting names a key of another kind.
        let named = match format == "ssh" {
            true => self.path_setting("user.signingKey")?.filter(|it| !it.is_empty()),
            false => None,
        };
        let key = match (named, self.setting("gpg.ssh.defaultKeyCommand")?) {
            (Some(named), _) => match literal(&named) {
                Some(key) => Key::Literal(key.to_owned()),
                None => Key::File(self.home().join(named)),
            },
            (None, Some(command)) => self.ask_for_key(&command)?,
            (None, None) if format == "ssh" => {
                return Err(Error::CannotSign { why: "`user.signingKey` is not set".to_owned() });
            }
            (None, None) => {
                return Err(Error::CannotSign { why: format!("`gpg.format` is `{format}`") });
            }
        };
        Ok(SigningKey { program, key, environment: self.git.environment.clone() })
    }

    /// The value of `key` as a path, with `~` expanded.
    fn path_setting(&self, key: &str) -> Result<Option<String>> {
        let mut command = self.reading(["config", "-z", "--type=path", "--get", key]);
        command.stdin(Stdio::null());
        let output = plumbing::run(READ, command, &[])?;
        match output.status.code() {
            Some(0) => {
                let value = output.stdout.strip_suffix(b"\0").unwrap_or(&output.stdout);
                let value = str::from_utf8(value);
                value.map(|it| Some(it.to_owned())).map_err(|_| plumbing::odd_answer(READ, b""))
            }
            Some(1) => Ok(None),
            _ => Err(plumbing::failure(READ, &output)),
        }
    }

    /// The first key that the command of `gpg.ssh.defaultKeyCommand` prints.
    fn ask_for_key(&self, asked: &str) -> Result<Key> {
        let mut command = Command::new("sh");
        command.args(["-c", asked]).current_dir(self.home()).stdin(Stdio::null());
        command.envs(self.git.environment.iter().map(|(k, v)| (k, v)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = plumbing::run(ASK, command, &[])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let key = text.lines().next().map(str::trim).and_then(literal);
        if let Some(key) = key.filter(|_| output.status.success()) {
            return Ok(Key::Literal(key.to_owned()));
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        let said = escape_line(messages.lines().next().unwrap_or("nothing"));
        let why = format!("`gpg.ssh.defaultKeyCommand` printed no key and said `{said}`");
        Err(Error::CannotSign { why })
    }
}

/// The public key that a setting of git's is, if it is one and no file's name.
fn literal(value: &str) -> Option<&str> {
    value.strip_prefix("key::").or_else(|| value.starts_with("ssh-").then_some(value))
}

impl SigningKey {
    /// The armored signature of `message` for the purpose `namespace`. Files for the program are
    /// made in a folder of their own in `scratch`, and go away again.
    pub fn sign(&self, scratch: &Path, namespace: &str, message: &[u8]) -> Result<String> {
        let folder = Scratch::create(scratch)?;
        // A file, not standard input: where that is no terminal, ssh-keygen asks for no passphrase.
        let text = folder.0.join("message");
        files::write_atomic(&text, message, Executable::No)?;
        let mut command = Command::new(&self.program);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.args(["-Y", "sign", "-n", namespace, "-f"]);
        match &self.key {
            Key::File(file) => {
                command.arg(file);
            }
            Key::Literal(key) => {
                let file = folder.0.join("key.pub");
                files::write_atomic(&file, format!("{key}\n").as_bytes(), Executable::No)?;
                command.arg(file).arg("-U");
            }
        }
        command.arg(&text).stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.spawn().and_then(std::process::Child::wait_with_output);
        let output = output.map_err(|error| Error::CannotSign {
            why: format!("the program `{}` does not run: {error}", escape_line(&self.program)),
        })?;
        if !output.status.success() {
            return Err(self.failed(&output.stderr));
        }
        let signature = folder.0.join("message.sig");
        fs::read_to_string(&signature).map_err(Error::io("read", signature))
    }

    /// The error of a program that did not sign, in its own words.
    fn failed(&self, stderr: &[u8]) -> Error {
        let text = String::from_utf8_lossy(stderr);
        let noise = |line: &&str| line.starts_with("Signing file") || line.trim().is_empty();
        let lines: Vec<_> = text.lines().filter(|line| !noise(line)).map(escape_line).collect();
        let detail = lines.first().map_or("it did not say why", String::as_str).to_owned();
        Error::Signing { program: self.program.clone(), key: self.key.to_string(), detail }
    }
}

impl fmt::Display for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` with the key `{}`", escape_line(&self.program), self.key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::File(file) => escape_line(&file.display().to_string()),
            Self::Literal(key) => escape_line(key),
        })
    }
}

/// A folder that goes away again.
struct Scratch(PathBuf);

impl Scratch {
    fn create(place: &Path) -> Result<Self> {
        let this =
            Self(place.join(format!("{TEMP_PREFIX}{}", &DeedId::random().to_string()[..13])));
        files::create_folders(&this.0)?;
        Ok(this)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is taken for litter by the next changing command.
        let _ = files::remove_tree(&self.0);
    }
}
