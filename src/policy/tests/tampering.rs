//! Signatures that were changed, cut or dressed up.

use base64ct::{Base64, Encoding};

use super::keygen::{Case, Keygen, MESSAGE};
use crate::policy::{NAMESPACE, SignatureFault};

fn blob_of(armored: &str) -> Vec<u8> {
    let inside: String = armored.lines().filter(|line| !line.starts_with('-')).collect();
    Base64::decode_vec(&inside).unwrap()
}

/// The armor that ssh-keygen would put around `blob`.
pub(super) fn armored(blob: &[u8]) -> String {
    let text = Base64::encode_string(blob);
    let lines: Vec<_> = text.as_bytes().chunks(70).map(|it| str::from_utf8(it).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

#[test]
fn no_changed_bit_is_accepted() {
    let Some(keygen) = Keygen::new() else { return };
    for (kind, bits) in [("ed25519", ""), ("ecdsa", "256"), ("rsa", "2048")] {
        let key = keygen.key(kind, bits);
        let signers = format!("marc {}", key.public);
        let blob = blob_of(&keygen.sign(&key, NAMESPACE, MESSAGE));
        assert!(Case::new(&signers, "marc", &armored(&blob)).we_accept());
        for bit in 0..blob.len() * 8 {
            let mut changed = blob.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let text = armored(&changed);
            let case = Case::new(&signers, "marc", &text);
            assert!(!case.we_accept(), "{kind}: bit {bit}");
        }
    }
}

#[test]
fn nothing_cut_off_or_added_is_accepted() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("ed25519", "");
    let signers = format!("marc {}", key.public);
    let text = keygen.sign(&key, NAMESPACE, MESSAGE);
    for end in 0..text.trim_end().len() {
        let fault = Case::new(&signers, "marc", &text[..end]).ours().unwrap_err().unwrap();
        assert_eq!(fault.name(), "not-a-signature", "{end}");
    }
    let blob = blob_of(&text);
    for end in 0..blob.len() {
        assert!(!Case::new(&signers, "marc", &armored(&blob[..end])).we_accept(), "{end}");
    }
    let longer = [&blob[..], b"\0"].concat();
    let with = |from: &str, to: &str| text.replace(from, to);
    for bad in [
        armored(&longer),
        format!("x\n{text}"),
        format!("{text}x"),
        text.repeat(2),
        with("SSH SIGNATURE", "PGP SIGNATURE"),
        with("\n", " "),
        String::new(),
        "x".repeat(20_000),
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n".to_owned(),
        "-----BEGIN SSH SIGNATURE-----\n".to_owned(),
    ] {
        let fault = Case::new(&signers, "marc", &bad).ours().unwrap_err().unwrap();
        assert_eq!(fault.name(), "not-a-signature", "{bad}");
    }
    // What a mail or an editor does to it.
    for fine in [with("\n", "\r\n"), text.trim_end().to_owned(), format!("{text}\n\n")] {
        let case = Case::new(&signers, "marc", &fine);
        assert!(case.we_accept(), "{fine}");
    }
}

/// A blob with `reserved` between namespace and hash.
fn with_reserved(blob: &[u8], reserved: &[u8]) -> Vec<u8> {
    let name = [&(NAMESPACE.len() as u32).to_be_bytes()[..], NAMESPACE.as_bytes()].concat();
    let at = blob.windows(name.len()).position(|it| it == name).unwrap() + name.len();
    let field = [&(reserved.len() as u32).to_be_bytes()[..], reserved].concat();
    [&blob[..at], &field, &blob[at + 4..]].concat()
}

#[test]
fn what_openssh_passes_over_is_refused() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("ed25519", "");
    let signers = format!("marc {}", key.public);
    let blob = blob_of(&keygen.sign(&key, NAMESPACE, MESSAGE));
    let text = armored(&with_reserved(&blob, b"anything"));
    let case = Case::new(&signers, "marc", &text);
    let fault = case.ours().unwrap_err().unwrap();
    assert!(fault.to_string().ends_with("it has bytes that no field explains"), "{fault}");
}

#[test]
fn another_key_or_kind_in_the_same_armor_is_refused() {
    let Some(keygen) = Keygen::new() else { return };
    let (key, other) = (keygen.key("ed25519", ""), keygen.key_called("other", "ed25519", ""));
    let signers = format!("marc {}", key.public);
    let (mine, theirs) =
        (keygen.sign(&key, NAMESPACE, MESSAGE), keygen.sign(&other, NAMESPACE, MESSAGE));
    let fault = Case::new(&signers, "marc", &theirs).ours().unwrap_err().unwrap();
    assert_eq!(fault.name(), "unknown-key");
    // Their signature under my key.
    let (mine, theirs) = (blob_of(&mine), blob_of(&theirs));
    let mixed = armored(&[&mine[..mine.len() - 64], &theirs[theirs.len() - 64..]].concat());
    let case = Case::new(&signers, "marc", &mixed);
    assert_eq!(case.ours().unwrap_err(), Some(SignatureFault::WrongBytes));
    assert!(!keygen.verifies(&case));
}

#[test]
fn rsa_with_sha1_is_no_signature() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("rsa", "2048");
    let signers = format!("marc {}", key.public);
    let blob = blob_of(&keygen.sign(&key, NAMESPACE, MESSAGE));
    let at = blob.windows(12).position(|it| it == b"rsa-sha2-512").unwrap();
    let kind = [&7u32.to_be_bytes()[..], b"ssh-rsa"].concat();
    let mut changed = [&blob[..at - 4], &kind, &blob[at + 12..]].concat();
    // The length of the field that holds the kind shrank by five.
    let shorter = u32::from_be_bytes(blob[at - 8..at - 4].try_into().unwrap()) - 5;
    changed[at - 8..at - 4].copy_from_slice(&shorter.to_be_bytes());
    let text = armored(&changed);
    let fault = Case::new(&signers, "marc", &text).ours().unwrap_err().unwrap();
    assert_eq!(fault.name(), "not-a-signature");
}
