//! The real ssh-keygen in a folder of its own, and a judge that asks it and us the same.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::clock::Timestamp;
use crate::policy::{NAMESPACE, SignatureFault, Signed, Signers, signature};

pub(super) const MESSAGE: &[u8] = b"approve 1\n";

/// A folder of keys.
pub(super) struct Keygen {
    folder: tempfile::TempDir,
}

/// A key with its public half as text, `kind base64`.
pub(super) struct KeyPair {
    pub(super) file: PathBuf,
    pub(super) public: String,
}

impl Keygen {
    /// `None` where there is no ssh-keygen, and nothing can be compared.
    pub(super) fn new() -> Option<Self> {
        let is_there = Command::new("ssh-keygen").arg("-?").stderr(Stdio::null()).status().is_ok();
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(is_there || !in_ci, "ssh-keygen is missing");
        is_there.then(|| Self { folder: tempfile::tempdir().unwrap() })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key without passphrase.
    pub(super) fn key(&self, kind: &str, bits: &str) -> KeyPair {
        self.key_called(&format!("{kind}-{bits}"), kind, bits)
    }

    pub(super) fn key_called(&self, name: &str, kind: &str, bits: &str) -> KeyPair {
        let file = self.path(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-C", "", "-t", kind]).arg("-f").arg(&file);
        if !bits.is_empty() {
            command.args(["-b", bits]);
        }
        assert!(command.status().unwrap().success());
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        KeyPair { file, public: public.trim().to_owned() }
    }

    pub(super) fn sign(&self, key: &KeyPair, namespace: &str, message: &[u8]) -> String {
        self.sign_with(key, namespace, message, &[])
    }

    pub(super) fn sign_with(
        &self,
        key: &KeyPair,
        namespace: &str,
        message: &[u8],
        options: &[&str],
    ) -> String {
        let text = self.path("message");
        fs::write(&text, message).unwrap();
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "sign", "-q", "-n", namespace]).args(options).arg("-f").arg(&key.file);
        command.stdin(File::open(&text).unwrap()).stderr(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether ssh-keygen takes the signature as one by `principal`.
    pub(super) fn verifies(&self, case: &Case<'_>) -> bool {
        let [signers, armored, message] = ["signers", "armored", "message"].map(|it| self.path(it));
        fs::write(&signers, case.signers).unwrap();
        fs::write(&armored, case.armored).unwrap();
        fs::write(&message, case.message).unwrap();
        let time = case.at.to_string();
        let digits: String = time[..19].chars().filter(char::is_ascii_digit).collect();
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-n", case.namespace, "-I", case.principal]);
        command.arg(format!("-Overify-time={digits}Z")).arg("-f").arg(signers);
        command.arg("-s").arg(armored).stdin(File::open(message).unwrap());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}

/// What both are asked.
pub(super) struct Case<'a> {
    pub(super) signers: &'a str,
    pub(super) principal: &'a str,
    pub(super) namespace: &'a str,
    pub(super) armored: &'a str,
    pub(super) message: &'a [u8],
    pub(super) at: Timestamp,
}

impl<'a> Case<'a> {
    pub(super) fn new(signers: &'a str, principal: &'a str, armored: &'a str) -> Self {
        let at = "2026-11-21T09:28:10.000Z".parse().unwrap();
        Self { signers, principal, namespace: NAMESPACE, armored, message: MESSAGE, at }
    }

    /// Our answer; a file of signers that we refuse is a fault of no name.
    pub(super) fn ours(&self) -> Result<Signed, Option<SignatureFault>> {
        let signers = Signers::parse(self.signers).map_err(|_| None)?;
        signature::verify(self.message, self.armored, self.namespace, &signers, self.at)
            .map_err(Some)
    }

    /// Whether we take it as one by the principal.
    pub(super) fn we_accept(&self) -> bool {
        self.ours().is_ok_and(|it| it.speaks_for(self.principal))
    }
}
