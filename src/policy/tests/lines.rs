//! Lines of `.codex/allowed_signers`, each asked of ssh-keygen and of us.

use super::keygen::{Case, Keygen, MESSAGE};
use crate::policy::{NAMESPACE, Signers};

/// Patterns and options, with `K` for the key; principals to ask for; whether each signs.
const TABLE: &[(&str, &[(&str, bool)])] = &[
    ("marc K", &[("marc", true), ("marc2", false), ("mar", false), ("*", false)]),
    ("marc K a comment, with \"quotes\"", &[("marc", true)]),
    ("marc,jane K", &[("marc", true), ("jane", true), ("marc,jane", false)]),
    ("*@example.com K", &[("a@example.com", true), ("a@example.org", false)]),
    ("*@example.com,!eve@example.com K", &[("a@example.com", true), ("eve@example.com", false)]),
    ("!eve@*,* K", &[("a", true), ("eve@x", false)]),
    ("m?rc K", &[("marc", true), ("mrc", false), ("maarc", false)]),
    ("  \t marc \t K", &[("marc", true)]),
    ("\"marc doe\" K", &[("marc doe", true), ("marc", false)]),
    ("\"marc doe,jane\" K", &[("jane", true), ("marc doe", true)]),
    ("marc namespaces=\"codex-archive\" K", &[("marc", true)]),
    ("marc NameSpaces=\"codex-archive\" K", &[("marc", true)]),
    ("marc namespaces=\"git\" K", &[("marc", false)]),
    ("marc namespaces=\"git,codex-*\" K", &[("marc", true)]),
    ("marc namespaces=\"*,!codex-archive\" K", &[("marc", false)]),
    ("marc valid-after=\"20261121Z\" K", &[("marc", true)]),
    ("marc valid-after=\"202611210928Z\" K", &[("marc", true)]),
    ("marc valid-after=\"20261121092810Z\" K", &[("marc", true)]),
    ("marc valid-after=\"20261121092811Z\" K", &[("marc", false)]),
    ("marc valid-before=\"20261121092810Z\" K", &[("marc", true)]),
    ("marc valid-before=\"20261121092809Z\" K", &[("marc", false)]),
    ("marc valid-before=\"20261121Z\" K", &[("marc", false)]),
    ("marc valid-after=\"20260101Z\",valid-before=\"20270101Z\" K", &[("marc", true)]),
    ("marc namespaces=\"codex-archive\",valid-before=\"20270101Z\" K", &[("marc", true)]),
    ("marc namespaces=\"git\" K\nmarc K", &[("marc", true)]),
    ("marc K\nmarc K", &[("marc", true)]),
    ("jane O\nmarc K", &[("marc", true), ("jane", false)]),
    ("marc O\nmarc K", &[("marc", true)]),
    ("# marc K\n\nmarc O", &[("marc", false)]),
    ("marc O", &[("marc", false)]),
];

/// Lines that neither takes.
const NOBODY_TAKES: &[&str] = &[
    "marc",
    "K",
    "marc valid-after=\"20261321Z\" K",
    "marc valid-after=\"2026\" K",
    "marc valid-after=20261121Z K",
    "marc valid-after=\"20261121Z\",valid-after=\"20261122Z\" K",
    "marc valid-after=\"20270101Z\",valid-before=\"20260101Z\" K",
    "marc valid-after=\"20260101Z\",valid-before=\"20260101Z\" K",
    "marc namespaces=\"codex-archive K",
    "marc namespaces K",
    "marc no-touch-required K",
    "marc ssh-ed25519 AAAA",
    "marc ssh-ed25519 %%%%",
    "\"marc K",
];

/// Lines that only OpenSSH takes.
const WE_REFUSE: &[&str] = &[
    "marc valid-after=\"20261121\" K",
    "marc valid-before=\"20270101UTC\" K",
    "marc,,jane K",
    "!marc K",
    "marc namespaces=\"codex-archive,git x\" K",
];

fn filled(line: &str, key: &str, other: &str) -> String {
    let fill = |word: &str| match word {
        "K" => key.to_owned(),
        "O" => other.to_owned(),
        word => word.to_owned(),
    };
    let lines = line.split('\n');
    lines.map(|line| line.split(' ').map(fill).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn ssh_keygen_and_we_read_the_same_lines() {
    let Some(keygen) = Keygen::new() else { return };
    let (key, other) = (keygen.key("ed25519", ""), keygen.key_called("other", "ed25519", ""));
    let armored = keygen.sign(&key, NAMESPACE, MESSAGE);
    for (line, asked) in TABLE {
        let signers = filled(line, &key.public, &other.public);
        let canonical = Signers::parse(&signers).unwrap().render();
        for (principal, signs) in *asked {
            for text in [&signers, &canonical] {
                let case = Case::new(text, principal, &armored);
                assert_eq!(case.we_accept(), *signs, "we: {principal} in {text}");
                assert_eq!(keygen.verifies(&case), *signs, "ssh-keygen: {principal} in {text}");
            }
        }
    }
    for line in NOBODY_TAKES {
        let signers = filled(line, &key.public, &other.public);
        assert!(Signers::parse(&signers).is_err(), "{signers}");
        assert!(!keygen.verifies(&Case::new(&signers, "marc", &armored)), "{signers}");
    }
    for line in WE_REFUSE {
        let signers = filled(line, &key.public, &other.public);
        assert!(Signers::parse(&signers).is_err(), "{signers}");
    }
}

#[test]
fn one_spelling_of_a_set() {
    let Some(keygen) = Keygen::new() else { return };
    let (key, other) = (keygen.key("ed25519", ""), keygen.key("ecdsa", "256"));
    let (k, o) = (&key.public, &other.public);
    let one = format!(
        "# signers\njane,marc,jane VALID-before=\"20270101Z\",namespaces=\"b,a\" {k} laptop\n\
         \"marc doe\"   {o}\n\n"
    );
    let two = format!(
        "\"marc doe\" {o} token\r\n\tmarc,jane namespaces=\"a,b,a\",valid-before=\"202701010000Z\" {k}\n"
    );
    let (one, two) = (Signers::parse(&one).unwrap(), Signers::parse(&two).unwrap());
    assert_eq!(one, two);
    let line = format!("jane,marc namespaces=\"a,b\",valid-before=\"20270101000000Z\" {k}");
    assert_eq!(one.lines().collect::<Vec<_>>(), [format!("\"marc doe\" {o}"), line]);
    assert_eq!(Signers::parse(&one.render()).unwrap(), one);
    let less = Signers::parse(&format!("\"marc doe\" {o}")).unwrap();
    assert_eq!(one.without(&less).lines().count(), 1);
    assert!(less.without(&one).is_empty());
    assert_eq!(one.of_actor("Marc DOE").count(), 1);
}

#[test]
fn names_are_compared_as_actors_are() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("ed25519", "");
    // A letter with its accent as two characters, and as one.
    let signers = Signers::parse(&format!("Jose\u{301} {}", key.public)).unwrap();
    let line = signers.of_actor("JOS\u{c9}").next().unwrap();
    assert!(line.text().starts_with("Jos\u{e9} "));
    for bad in ["a\u{1b}b", "\u{202e}a", "\" a\"", "a\\b", &"x".repeat(257)] {
        assert!(Signers::parse(&format!("{bad} {}", key.public)).is_err(), "{bad}");
    }
}

#[test]
fn two_keys_of_one_and_one_key_of_two() {
    let Some(keygen) = Keygen::new() else { return };
    let keys = [keygen.key("ed25519", ""), keygen.key("ecdsa", "384")];
    let signers =
        format!("marc {}\nmarc {}\njane {}", keys[0].public, keys[1].public, keys[1].public);
    let signed = keys.map(|key| {
        let armored = keygen.sign(&key, NAMESPACE, MESSAGE);
        Case::new(&signers, "marc", &armored).ours().unwrap()
    });
    assert_eq!(signed[0].principals, ["marc"]);
    assert_eq!(signed[1].principals, ["jane", "marc"]);
    assert_ne!(signed[0].key_fingerprint, signed[1].key_fingerprint);
    assert!(signed[0].key_fingerprint.starts_with("SHA256:"));
}

#[test]
fn the_time_decides_and_is_named() {
    let Some(keygen) = Keygen::new() else { return };
    let key = keygen.key("ed25519", "");
    let armored = keygen.sign(&key, NAMESPACE, MESSAGE);
    let options = "valid-after=\"20260101Z\",valid-before=\"20261231Z\"";
    let signers = format!("marc {options} {}", key.public);
    for (at, fault) in [
        ("2025-12-31T23:59:59.999Z", Some("not-yet-valid")),
        ("2026-01-01T00:00:00.000Z", None),
        ("2026-12-31T00:00:00.999Z", None),
        ("2026-12-31T00:00:01.000Z", Some("expired")),
    ] {
        let at = at.parse().unwrap();
        let case = Case { at, ..Case::new(&signers, "marc", &armored) };
        let ours = case.ours().err().map(|fault| fault.unwrap().name());
        assert_eq!(ours, fault, "{at}");
        assert_eq!(keygen.verifies(&case), fault.is_none(), "{at}");
    }
}
