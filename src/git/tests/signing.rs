//! Signing with the real ssh-keygen and the real agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};
use crate::git::testing::TestRepo;

const PASSPHRASE: &str = "correct horse";

/// A repository whose owner has a key.
struct Signing {
    repo: TestRepo,
    key: PathBuf,
}

impl Signing {
    fn new(passphrase: &str) -> Self {
        let repo = TestRepo::new();
        let key = repo.dir.path().join("id");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f"]).arg(&key);
        assert!(command.status().unwrap().success());
        Self { repo, key }
    }

    fn public(&self) -> String {
        fs::read_to_string(self.key.with_extension("pub")).unwrap().trim().to_owned()
    }

    fn set(&self, key: &str, value: &str) -> &Self {
        self.repo.git(&["config", key, value]);
        self
    }

    fn sign(&self, more: &[(&str, &str)]) -> Result<String> {
        let sealed = [("SSH_AUTH_SOCK", ""), ("SSH_ASKPASS", "false")];
        let more = [&sealed[..], &[("SSH_ASKPASS_REQUIRE", "force")], more].concat();
        let open = self.repo.open_in(&self.repo.top, &more).unwrap().unwrap();
        let scratch = self.repo.dir.path().join("scratch");
        let signed = open.signing_key()?.sign(&scratch, "codex-archive", b"text");
        // Whatever came of it, nothing stays behind.
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        signed
    }

    /// Whether ssh-keygen takes it as a signature of what was signed.
    fn verifies(&self, armored: &str) -> bool {
        let (text, signature) = (self.repo.top.join("text"), self.repo.top.join("text.sig"));
        fs::write(&text, "text").unwrap();
        fs::write(&signature, armored).unwrap();
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "check-novalidate", "-n", "codex-archive", "-s"]).arg(signature);
        command.stdin(fs::File::open(text).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap().success()
    }
}

/// An agent that ends with the test.
struct Agent {
    child: Child,
    socket: String,
}

impl Agent {
    /// An agent that holds the key of `signing`, whose passphrase it was told once.
    fn with(signing: &Signing) -> Self {
        let folder = signing.repo.dir.path();
        let socket = folder.join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        while !socket.exists() {
            std::thread::yield_now();
        }
        let tell = folder.join("tell");
        fs::write(&tell, format!("#!/bin/sh\necho '{PASSPHRASE}'\n")).unwrap();
        fs::set_permissions(&tell, fs::Permissions::from_mode(0o755)).unwrap();
        let agent = Self { child, socket: socket.display().to_string() };
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(&signing.key).env("SSH_AUTH_SOCK", &agent.socket);
        add.env("SSH_ASKPASS", tell).env("SSH_ASKPASS_REQUIRE", "force").stdin(Stdio::null());
        assert!(add.status().unwrap().success());
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_key_is_gits() {
    let signing = Signing::new("");
    let file = signing.key.display().to_string();
    signing.set("gpg.format", "ssh");
    for named in [file.clone(), format!("{file}.pub"), "~/id".to_owned(), "../id".to_owned()] {
        signing.set("user.signingKey", &named);
        let armored = signing.sign(&[]).unwrap();
        assert!(signing.verifies(&armored), "{named}");
    }
}

#[test]
fn an_agent_signs_with_a_key_whose_passphrase_nobody_is_asked_for() {
    let signing = Signing::new(PASSPHRASE);
    let agent = Agent::with(&signing);
    let with = [("SSH_AUTH_SOCK", agent.socket.as_str())];
    signing.set("gpg.format", "ssh");
    let file = format!("{}.pub", signing.key.display());
    for named in [file, signing.public(), format!("key::{}", signing.public())] {
        signing.set("user.signingKey", &named);
        let armored = signing.sign(&with).unwrap();
        assert!(signing.verifies(&armored), "{named}");
        assert!(matches!(signing.sign(&[]), Err(Error::Signing { .. })), "{named}");
    }
    signing.repo.git(&["config", "--unset", "user.signingKey"]);
    signing.repo.git(&["config", "--unset", "gpg.format"]);
    signing.set("gpg.ssh.defaultKeyCommand", "ssh-add -L");
    assert!(signing.verifies(&signing.sign(&with).unwrap()));
    let error = signing.sign(&with[..0]);
    assert!(matches!(error, Err(Error::CannotSign { .. })), "{error:?}");
}

#[test]
fn what_does_not_sign_says_why() {
    let signing = Signing::new(PASSPHRASE);
    let said = || {
        let error = signing.sign(&[]).unwrap_err();
        let folder = signing.repo.dir.path().display().to_string();
        let folder = folder.as_str();
        (error.kind().exit_code(), error.to_string().replace(folder, "DIR"))
    };
    fs::create_dir(signing.repo.dir.path().join("scratch")).unwrap();
    assert_eq!(said(), (8, "cannot sign: `gpg.format` is `openpgp`".to_owned()));
    signing.set("user.signingKey", "0xDEADBEEF");
    assert_eq!(said().0, 8);
    signing.repo.git(&["config", "--unset", "user.signingKey"]);
    signing.set("gpg.format", "ssh");
    assert_eq!(said(), (8, "cannot sign: `user.signingKey` is not set".to_owned()));
    signing.set("gpg.ssh.defaultKeyCommand", "echo no such thing >&2; echo");
    assert_eq!(
        said(),
        (
            8,
            "cannot sign: `gpg.ssh.defaultKeyCommand` printed no key and said `no such thing`"
                .to_owned()
        )
    );
    signing.set("user.signingKey", &signing.key.display().to_string());
    let (exit, text) = said();
    let begin = "`ssh-keygen` did not sign with the key `DIR/id`: ";
    assert!(exit == 1 && text.starts_with(begin) && text.contains("passphrase"), "{text}");
    signing.set("user.signingKey", "no/such/key");
    assert!(said().1.contains("No such file or directory"), "{:?}", said());
    signing.set("gpg.ssh.program", "no-such-program");
    let (exit, text) = said();
    let begin = "cannot sign: the program `no-such-program` does not run: ";
    assert!(exit == 8 && text.starts_with(begin), "{text}");
}
