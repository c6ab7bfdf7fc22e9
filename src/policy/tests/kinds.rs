//! Every kind of key that ssh-keygen makes here.

use super::keygen::{Case, Keygen, MESSAGE};
use crate::policy::{NAMESPACE, SignatureFault, Signers, signature};

#[test]
fn every_kind_of_key_verifies_and_nothing_else_does() {
    let Some(keygen) = Keygen::new() else { return };
    for (kind, bits) in [
        ("ed25519", ""),
        ("ecdsa", "256"),
        ("ecdsa", "384"),
        ("ecdsa", "521"),
        ("rsa", "2048"),
        ("rsa", "3072"),
        ("rsa", "4096"),
    ] {
        let key = keygen.key(kind, bits);
        let signers = format!("marc {}\n", key.public);
        for hash in ["sha256", "sha512"] {
            let option = format!("-Ohashalg={hash}");
            let armored = keygen.sign_with(&key, NAMESPACE, MESSAGE, &[&option]);
            let case = Case::new(&signers, "marc", &armored);
            let signed = case.ours().unwrap();
            assert_eq!(signed.principals, ["marc"], "{kind} {bits} {hash}");
            assert!(signed.speaks_for("MARC ") && !signed.speaks_for("marcel"));
            assert!(keygen.verifies(&case), "{kind} {bits} {hash}");
            let other = Case { message: b"approve 2\n", ..case };
            assert_eq!(other.ours().unwrap_err(), Some(SignatureFault::WrongBytes));
            assert!(!keygen.verifies(&other));
            assert!(signature::made_by(MESSAGE, &armored, NAMESPACE).is_ok());
        }
        let armored = keygen.sign(&key, "git", MESSAGE);
        let case = Case::new(&signers, "marc", &armored);
        let fault = case.ours().unwrap_err().unwrap();
        assert_eq!(fault.to_string(), "it was made for `git`, not for `codex-archive`");
        assert!(!keygen.verifies(&case) && keygen.verifies(&Case { namespace: "git", ..case }));
    }
}

#[test]
fn keys_that_are_too_small_or_too_large_are_no_signers() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("rsa", "1024");
    let error = Signers::parse(&format!("# one\nmarc {}\n", key.public)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration: the key `ssh-rsa`: it is an RSA key of 1024 bits, and 2048 to 4096 are \
         taken (.codex/allowed_signers:2)"
    );
    let armored = keygen.sign(&key, NAMESPACE, MESSAGE);
    let fault = signature::made_by(MESSAGE, &armored, NAMESPACE).unwrap_err();
    assert_eq!(fault.name(), "not-a-signature");
}

#[test]
fn a_certificate_is_refused_by_name() {
    let Some(keygen) = Keygen::new() else { return };
    let (authority, key) = (keygen.key_called("ca", "ed25519", ""), keygen.key("ed25519", ""));
    let certify = ["-q", "-s", authority.file.to_str().unwrap(), "-I", "id", "-n", "marc"];
    let mut command = std::process::Command::new("ssh-keygen");
    assert!(command.args(certify).arg(key.file.with_extension("pub")).status().unwrap().success());
    let certificate = std::fs::read_to_string(format!("{}-cert.pub", key.file.display())).unwrap();
    for (line, says) in [
        (format!("marc {}", certificate.trim()), "certificates are not taken"),
        (format!("* cert-authority {}", authority.public), "certificates are not taken"),
        (format!("* Cert-Authority,namespaces=\"git\" {}", authority.public), "not taken"),
    ] {
        let error = Signers::parse(&line).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(":1)"), "{error}");
    }
    // Signed with the certificate in place of the key: OpenSSH would look at its authority.
    let with = super::keygen::KeyPair {
        file: format!("{}-cert.pub", key.file.display()).into(),
        public: String::new(),
    };
    let armored = keygen.sign(&with, NAMESPACE, MESSAGE);
    let signers = format!("marc {}\nmarc {}\n", key.public, authority.public);
    let case = Case::new(&signers, "marc", &armored);
    let fault = case.ours().unwrap_err().unwrap();
    assert!(fault.to_string().contains("its key: certificates are not taken"), "{fault}");
}
