//! Whose approvals count: each condition alone makes one not count, with signatures by the real
//! ssh-keygen.

use crate::clock::Timestamp;
use crate::model::{
    Approval, Assurance, DeedId, Digest, GovernedAction, Observed, Request, RequestState,
};
use crate::policy::{Approved, Governance, NAMESPACE, Signers, counting};

use super::keygen::{KeyPair, Keygen};

const EXPIRES: &str = "2026-11-28T09:00:00.000Z";
const SIGNED_AT: &str = "2026-11-21T09:00:00.000Z";

/// What is approved, by whom, and under which rules.
struct Scene {
    keygen: Keygen,
    keys: [KeyPair; 3],
    signers: String,
    matter: Matter,
    rules: Governance,
    now: Timestamp,
    approvals: Vec<Approval>,
}

#[derive(Clone)]
struct Matter {
    archive: String,
    request: Request,
    record: Digest,
    tombstone: String,
    sha256: Digest,
}

type Change = fn(&mut Matter);

impl Matter {
    fn approved(&self) -> Approved<'_> {
        Approved {
            archive: &self.archive,
            request: &self.request,
            record: self.record,
            tombstone: &self.tombstone,
            sha256: self.sha256,
        }
    }
}

fn deed(last: u8) -> DeedId {
    let mut bytes = *DeedId::random().as_bytes();
    bytes[..].fill(0);
    (bytes[6], bytes[8], bytes[15]) = (0x40, 0x80, last);
    DeedId::from_slice(&bytes).unwrap()
}

fn matter() -> Matter {
    let request = Request {
        row_id: 1,
        deed: deed(1),
        action: GovernedAction::Purge,
        subject: "8f0c3f0a".to_owned(),
        repo: "r".to_owned(),
        item: Some(1),
        requested_by: "carol@example.com".to_owned(),
        reason: "GDPR \"17\"".to_owned(),
        policy_version: 3,
        at: SIGNED_AT.to_owned(),
        expires_at: EXPIRES.to_owned(),
        state: RequestState::Open,
    };
    let (record, sha256) = (Digest::of(b"record"), Digest::of(b"content"));
    Matter { archive: "a1".to_owned(), request, record, tombstone: "8f0c3f0a".to_owned(), sha256 }
}

impl Scene {
    /// Two who have signed, under rules that ask for signatures and for somebody else's request;
    /// `None` without ssh-keygen.
    fn new() -> Option<Self> {
        let keygen = Keygen::new()?;
        let keys = ["ann", "bob", "mallory"].map(|name| keygen.key_called(name, "ed25519", ""));
        let [ann, bob, _] = &keys;
        let signers = format!("ann@example.com {}\nbob@example.com {}\n", ann.public, bob.public);
        let rules =
            Governance { assurance: Assurance::Signed, separation: true, ..Governance::default() };
        let now = "2026-11-22T09:00:00.000Z".parse().unwrap();
        let (matter, approvals) = (matter(), Vec::new());
        let mut scene = Self { keygen, keys, signers, matter, rules, now, approvals };
        let line = scene.matter.approved().line();
        for (at, actor) in ["ann@example.com", "bob@example.com"].into_iter().enumerate() {
            let signature = scene.sign(at, NAMESPACE, &line);
            scene.approvals.push(approval(actor, Some(signature)));
        }
        Some(scene)
    }

    fn sign(&self, key: usize, namespace: &str, line: &str) -> String {
        self.keygen.sign(&self.keys[key], namespace, line.as_bytes())
    }

    /// Who counts.
    fn counted(&self) -> Vec<&str> {
        let signers = Signers::parse(&self.signers).unwrap();
        let approved = self.matter.approved();
        let counted = counting(&self.approvals, &approved, &self.rules, &signers, self.now);
        counted.into_iter().map(|it| it.actor.as_str()).collect()
    }
}

fn approval(actor: &str, signature: Option<String>) -> Approval {
    Approval {
        row_id: 1,
        actor: actor.to_owned(),
        observed: Observed::default(),
        assurance: Assurance::Signed,
        fingerprint: None,
        signature,
        at: SIGNED_AT.to_owned(),
        expires_at: EXPIRES.to_owned(),
        used_at: None,
    }
}

const BOTH: [&str; 2] = ["ann@example.com", "bob@example.com"];
const ANN: [&str; 1] = ["ann@example.com"];
const NOBODY: [&str; 0] = [];

#[test]
fn two_who_signed_what_is_approved_count() {
    let Some(scene) = Scene::new() else { return };
    assert_eq!(scene.counted(), BOTH);
}

#[test]
fn a_used_one_does_not_count() {
    let Some(mut scene) = Scene::new() else { return };
    scene.approvals[1].used_at = Some(SIGNED_AT.to_owned());
    assert_eq!(scene.counted(), ANN);
}

#[test]
fn none_counts_from_the_moment_of_its_end() {
    let Some(mut scene) = Scene::new() else { return };
    for (now, counted) in [
        ("2026-11-28T08:59:59.999Z", &BOTH[..]),
        (EXPIRES, &NOBODY),
        ("2026-11-28T09:00:00.001Z", &NOBODY),
    ] {
        scene.now = now.parse().unwrap();
        assert_eq!(scene.counted(), counted, "{now}");
    }
}

#[test]
fn one_that_ends_at_another_time_than_the_request_does_not_count() {
    let Some(mut scene) = Scene::new() else { return };
    for end in ["2026-11-27T09:00:00.000Z", "2026-12-28T09:00:00.000Z"] {
        scene.approvals[1].expires_at = end.to_owned();
        assert_eq!(scene.counted(), ANN, "{end}");
    }
}

#[test]
fn whoever_asked_does_not_count_where_the_rules_say_so() {
    let Some(mut scene) = Scene::new() else { return };
    scene.matter.request.requested_by = " BOB@example.com".to_owned();
    assert_eq!(scene.counted(), ANN);
    scene.rules.separation = false;
    assert_eq!(scene.counted(), BOTH);
}

#[test]
fn one_without_a_signature_does_not_count_where_keys_sign() {
    let Some(mut scene) = Scene::new() else { return };
    scene.approvals[1].signature = None;
    assert_eq!(scene.counted(), ANN);
    scene.approvals[1].signature = Some("-----BEGIN SSH SIGNATURE-----\n".to_owned());
    assert_eq!(scene.counted(), ANN);
    scene.rules.assurance = Assurance::Attested;
    assert_eq!(scene.counted(), BOTH);
    scene.approvals.iter_mut().for_each(|it| it.signature = None);
    assert_eq!(scene.counted(), BOTH);
}

#[test]
fn a_signature_of_anything_else_does_not_count() {
    let Some(mut scene) = Scene::new() else { return };
    let changes: [(&str, Change); 10] = [
        ("archive", |it| it.archive = "a2".to_owned()),
        ("item", |it| it.tombstone = "9f0c3f0a".to_owned()),
        ("subject", |it| it.request.subject = "9f0c3f0a".to_owned()),
        ("action", |it| it.request.action = GovernedAction::Restore),
        ("policy version", |it| it.request.policy_version = 2),
        ("reason", |it| it.request.reason = "GDPR 18".to_owned()),
        ("request", |it| it.request.deed = deed(2)),
        ("record", |it| it.record = Digest::ZERO),
        ("content", |it| it.sha256 = Digest::of(b"other")),
        ("end", |it| it.request.expires_at = "2026-11-29T09:00:00.000Z".to_owned()),
    ];
    for (what, change) in changes {
        let mut other = scene.matter.clone();
        change(&mut other);
        let signature = scene.sign(1, NAMESPACE, &other.approved().line());
        scene.approvals[1].signature = Some(signature);
        assert_eq!(scene.counted(), ANN, "{what}");
    }
    let line = scene.matter.approved().line();
    for (what, namespace, line) in [
        ("git's namespace", "git", line.clone()),
        ("a file's", "file", line.clone()),
        ("a line feed", NAMESPACE, format!("{line}\n")),
    ] {
        scene.approvals[1].signature = Some(scene.sign(1, namespace, &line));
        assert_eq!(scene.counted(), ANN, "{what}");
    }
    scene.approvals[1].signature = Some(scene.sign(1, NAMESPACE, &line));
    assert_eq!(scene.counted(), BOTH);
}

#[test]
fn another_persons_key_does_not_count() {
    let Some(mut scene) = Scene::new() else { return };
    let line = scene.matter.approved().line();
    for key in [0, 2] {
        scene.approvals[1].signature = Some(scene.sign(key, NAMESPACE, &line));
        assert_eq!(scene.counted(), ANN, "{key}");
    }
    // Nor one that was revoked since.
    scene.approvals[1].signature = Some(scene.sign(1, NAMESPACE, &line));
    scene.signers = scene.signers.lines().take(1).collect();
    assert_eq!(scene.counted(), ANN);
}

#[test]
fn a_key_was_in_force_when_it_signed_or_does_not_count() {
    let Some(mut scene) = Scene::new() else { return };
    let [ann, bob] = [0, 1].map(|at| scene.keys[at].public.clone());
    for (options, counted) in [
        ("valid-before=\"20261121090000Z\"", &BOTH[..]),
        ("valid-before=\"20261121085959Z\"", &ANN),
        ("valid-after=\"20261121090001Z\"", &ANN),
        ("namespaces=\"git\"", &ANN),
        ("namespaces=\"git,codex-archive\"", &BOTH),
    ] {
        scene.signers = format!("ann@example.com {ann}\nbob@example.com {options} {bob}\n");
        assert_eq!(scene.counted(), counted, "{options}");
    }
}

#[test]
fn one_key_under_two_names_counts_once() {
    let Some(mut scene) = Scene::new() else { return };
    scene.signers = format!("ann@example.com,bob@example.com {}\n", scene.keys[0].public);
    let line = scene.matter.approved().line();
    scene.approvals[1].signature = Some(scene.sign(0, NAMESPACE, &line));
    assert_eq!(scene.counted(), ANN);
}

#[test]
fn one_person_counts_once() {
    let Some(mut scene) = Scene::new() else { return };
    let again = approval("ANN@Example.com ", scene.approvals[0].signature.clone());
    scene.approvals.insert(1, again);
    assert_eq!(scene.counted(), BOTH);
    // Two keys make nobody two people.
    let bob = &scene.keys[1].public;
    scene.signers.push_str(&format!("ann@example.com {bob}\n"));
    scene.approvals[2].actor = "ann@example.com".to_owned();
    assert_eq!(scene.counted(), ANN);
    scene.rules.assurance = Assurance::Attested;
    assert_eq!(scene.counted(), ANN);
    scene.approvals[0].actor = " ".to_owned();
    assert_eq!(scene.counted(), ["ANN@Example.com "]);
}

#[test]
fn the_line_that_is_signed() {
    let matter = matter();
    let (record, sha256) = (matter.record, matter.sha256);
    let expected = format!(
        "{{\"action\":\"purge\",\"archive\":\"a1\",\"expires\":\"2026-11-28T09:00:00.000Z\",\
         \"policy\":3,\"reason\":\"GDPR \\\"17\\\"\",\"record\":\"{record}\",\
         \"request\":\"00000000-0000-4000-8000-000000000001\",\"sha256\":\"{sha256}\",\
         \"subject\":\"8f0c3f0a\",\"tombstone\":\"8f0c3f0a\",\"v\":1}}"
    );
    assert_eq!(matter.approved().line(), expected);
}

#[test]
fn looser_rules_are_named() {
    let strict = Governance {
        assurance: Assurance::Signed,
        restore_approvals: 3,
        approval_ttl_days: 5,
        separation: true,
    };
    assert_eq!(strict.looser_than(&strict), None);
    assert_eq!(strict.looser_than(&Governance::default()), None);
    for (looser, key) in [
        (Governance { assurance: Assurance::Attested, ..strict.clone() }, "governance.assurance"),
        (Governance { restore_approvals: 2, ..strict.clone() }, "governance.restore_approvals"),
        (Governance { approval_ttl_days: 6, ..strict.clone() }, "governance.approval_ttl"),
        (Governance { separation: false, ..strict.clone() }, "governance.separation"),
    ] {
        assert_eq!(looser.looser_than(&strict), Some(key));
        assert_eq!(strict.looser_than(&looser), None, "{key} is stricter");
        assert_eq!(looser.looser_than(&looser), None, "{key} is the same");
    }
}

#[test]
fn a_request_ends_after_whole_days() {
    let now: Timestamp = SIGNED_AT.parse().unwrap();
    assert_eq!(Governance::default().expiry(now).to_string(), EXPIRES);
    let forever = Governance { approval_ttl_days: u64::MAX, ..Governance::default() };
    assert_eq!(forever.expiry(now).unix_ms(), i64::MAX);
}
