//! The format as a whole: fixtures made by another program, and properties of any record.

use std::path::PathBuf;
use std::process::Command;

use proptest::collection::{btree_map, vec};
use proptest::option::of as maybe;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::Value;

use super::{
    Action, ChainFault, Event, Head, Journal, LastLine, MAX_LINE_BYTES, Record, RecordFault,
    Segment, link, verify,
};
use crate::clock::Timestamp;
use crate::model::{DeedId, Digest, FileMode, GitOid, LogId, RepoPath, TombstoneId};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/evidence").join(name)
}

/// Reads a file of one log as `evidence verify` has to: each line, then the chain from its start.
fn walk(name: &str) -> Result<Head, &'static str> {
    let mut records = Vec::new();
    for line in Journal::at(fixture(name)).lines().unwrap() {
        let line = line.unwrap();
        if line.is_torn {
            return Err("torn");
        }
        records.push(line.record().map_err(|fault| fault.name())?);
    }
    let start = Head::empty(records[0].0.log);
    let head = verify(records.iter(), Some(start)).map_err(|fault: ChainFault| fault.name())?;
    Ok(head.unwrap())
}

#[test]
fn each_tampered_log_is_named_for_what_was_done_to_it() {
    let faults = [
        ("edited", "edited"),
        ("edited-first", "edited"),
        ("deleted", "gap"),
        ("deleted-first", "gap"),
        ("reordered", "reordered"),
        ("inserted", "edited"),
        ("inserted-linked", "fork"),
        ("duplicated", "duplicate"),
        ("forked", "fork"),
        ("other-log", "other-log"),
        ("torn", "torn"),
        ("crlf", "crlf"),
        ("spacing", "other-spelling"),
        ("key-order", "other-spelling"),
        ("escapes", "other-spelling"),
        ("duplicate-key", "duplicate-key"),
        ("unknown-key", "unknown-key"),
        ("missing-key", "missing-key"),
        ("float", "wrong-type"),
        ("null", "wrong-type"),
        ("version-2", "unknown-version"),
        ("latin1", "not-utf8"),
        ("bom", "not-json"),
    ];
    for (name, fault) in faults {
        assert_eq!(walk(&format!("tampered/{name}.jsonl")), Err(fault), "{name}");
    }
    let files = std::fs::read_dir(fixture("tampered")).unwrap().count();
    assert_eq!(files, faults.len() + 2, "a fixture that no test reads");
}

#[test]
fn what_a_chain_cannot_see_an_anchor_does() {
    let head = walk("valid/log.jsonl").unwrap();
    for name in ["cut", "edited-last"] {
        let other = walk(&format!("tampered/{name}.jsonl")).unwrap();
        assert_eq!(other.log, head.log);
        assert_ne!((other.seq, other.digest), (head.seq, head.digest), "{name}");
    }
}

#[test]
fn sha256sum_agrees_with_every_digest() {
    let lines: Vec<_> = Journal::at(fixture("valid/log.jsonl")).lines().unwrap().collect();
    assert_eq!(lines.len(), 8);
    for line in lines {
        let (record, digest) = line.unwrap().record().unwrap();
        assert_eq!(record.digest().unwrap(), digest);
        // The command of docs/formats.md.
        let out = Command::new("sh")
            .args(["-c", r#"sed -n "$1p" "$2" | tr -d '\n' | sha256sum"#, "sh"])
            .arg(record.seq.to_string())
            .arg(fixture("valid/log.jsonl"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("{digest}  -\n"));
    }
}

#[test]
fn a_segment_in_the_tree_reads_back_and_its_tail_is_its_name() {
    let name = std::fs::read_to_string(fixture("valid/segment.path")).unwrap();
    let path = RepoPath::parse(name.trim_end()).unwrap();
    let bytes = std::fs::read(fixture("valid/segment.jsonl")).unwrap();
    let segment = Segment::parse(&path, &bytes).unwrap();
    assert_eq!(segment.render().unwrap(), bytes);
    assert!(segment.lines.iter().all(|(record, _)| record.event.belongs_in_segment()));
    let LastLine::Line { digest, record } =
        Journal::at(fixture("valid/segment.jsonl")).tail().unwrap().last
    else {
        panic!("no line")
    };
    assert_eq!(digest, segment.last_digest());
    assert_eq!(*record.unwrap(), segment.lines.last().unwrap().0);
}

#[test]
fn a_later_action_is_shown_as_it_stands() {
    let last = Journal::at(fixture("valid/log.jsonl")).lines().unwrap().last().unwrap().unwrap();
    assert_eq!(last.record().unwrap().0.event.action, Action::Unknown("FROM_2030".into()));
}

fn sample() -> Record {
    let ts = Timestamp::from_unix_ms(1_795_253_290_007);
    let mut event = Event::new(Action::Archive, "marc");
    event.path = Some(RepoPath::new(b"src/a b.py").unwrap());
    link(Head::empty(LogId::random()), DeedId::random(), ts, vec![event]).unwrap().remove(0).0
}

#[test]
fn only_what_can_be_read_back_is_rendered() {
    let refused = |change: &dyn Fn(&mut Record)| {
        let mut record = sample();
        change(&mut record);
        record.render().is_err() && record.render_body().is_err() && record.digest().is_err()
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|it| it.event.actor = " ".into()));
    assert!(refused(&|it| it.event.action = Action::Unknown("a".into())));
    assert!(refused(&|it| it.event.action = Action::Unknown("PURGE".into())));
    assert!(refused(&|it| it.seq = 0));
    assert!(refused(&|it| it.event.size = Some(1 << 53)));
    assert!(refused(&|it| it.ts = Timestamp::from_unix_ms(-1)));
    assert!(refused(&|it| it.event.reason = Some("x".repeat(MAX_LINE_BYTES))));
    for bad in ["null", "true", "0.5", "-1", "9007199254740992"] {
        let detail = serde_json::from_str(&format!("{{\"a\":[{bad}]}}")).unwrap();
        assert!(refused(&|it| it.event.detail = Some(serde_json::Map::clone(&detail))), "{bad}");
    }
}

#[test]
fn a_line_of_64_kib_is_the_longest() {
    let mut record = sample();
    record.event.reason = Some(String::new());
    let room = MAX_LINE_BYTES - record.render().unwrap().len();
    record.event.reason = Some("x".repeat(room));
    let line = record.render().unwrap();
    assert_eq!(Record::parse(line.as_bytes()).as_ref(), Ok(&record));
    record.event.reason = Some("x".repeat(room + 1));
    assert!(record.render().is_err());
    let longer = line.replacen("xx", "xxx", 1);
    assert_eq!(Record::parse(longer.as_bytes()), Err(RecordFault::TooLong));
}

#[test]
fn a_fault_says_what_it_is() {
    let line = sample().render().unwrap();
    let fault = |from: &str, to: &str| {
        assert!(line.contains(from), "{line}");
        Record::parse(line.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(
        fault("\"v\":1", "\"v\":2"),
        "the record has version 2; this program knows version 1"
    );
    assert_eq!(fault("a%20b", "a b"), "the value of `path` is not the text of a path");
    assert_eq!(
        fault("\"seq\":1", "\"seq\":0"),
        "the value of `seq` is not an integer from 1 to 2^53-1"
    );
    assert_eq!(fault("\"seq\":1,", ""), "the line has no key `seq`");
    assert_eq!(
        fault("ARCHIVE", "archive"),
        "the value of `action` is not a word of A-Z, 0-9 and _"
    );
    assert_eq!(fault("marc", ""), "the value of `actor` is not a name");
    assert_eq!(fault("\"path\"", "\"pa\\u001bth\""), "the line has the unknown key `pa\\u{1b}th`");
    assert_eq!(
        fault(".007Z", "Z"),
        "the value of `ts` is not a time such as 2026-11-21T09:28:10.123Z"
    );
    assert_eq!(
        fault("2026", "1926"),
        "the value of `ts` is not a time such as 2026-11-21T09:28:10.123Z"
    );
    assert_eq!(fault("}", ",}").split(':').next(), Some("the line is not a JSON object"));
    let approvers = fault("\"actor\":\"marc\"", "\"actor\":\"marc\",\"approvers\":[]");
    assert_eq!(approvers, "the value of `approvers` is not an array of one or more strings");
    let detail = fault("\"seq\"", "\"detail\":{\"a\":[1.5]},\"seq\"");
    assert!(detail.starts_with("the value of `detail` has no place in a record"), "{detail}");
    // A conversion is named as one only when nothing else is wrong.
    assert_eq!(Record::parse(format!("{line}\r").as_bytes()), Err(RecordFault::CrLf));
    assert_eq!(Record::parse(format!("{line} \r").as_bytes()), Err(RecordFault::OtherSpelling));
    assert_eq!(Record::parse(format!("{line}\n").as_bytes()), Err(RecordFault::OtherSpelling));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "[\\p{Any}]{0,12}", "[\"\\\\\u{0}-\u{1f}\u{7f}-\u{a0}]{0,6}"]
}

fn any_detail() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any_text().prop_map(Value::from), (0..1u64 << 53).prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let action = prop_oneof![
        (0..Action::KNOWN.len()).prop_map(|n| Action::KNOWN[n].clone()),
        "[A-Z0-9_]{1,20}".prop_map(|word| Action::parse(&word).unwrap()),
    ];
    let path = vec(any::<u8>(), 1..20).prop_map(|raw| RepoPath::new(&raw).ok());
    let oid = prop_oneof![vec(any::<u8>(), 20), vec(any::<u8>(), 32)];
    let id = any::<[u8; 16]>();
    let mode = prop_oneof![Just(FileMode::Regular), Just(FileMode::Executable)];
    let size = || maybe(0..1u64 << 53);
    let texts = (any_text(), maybe(any_text()), maybe(any_text()), maybe(any_text()));
    let more = (
        maybe(any_text()),
        vec(any_text(), 0..3),
        maybe(btree_map(any_text(), any_detail(), 0..4)),
    );
    let ids = (maybe(any::<[u8; 32]>()), maybe(oid), maybe(id), maybe(id));
    (action, path, texts, more, ids, maybe(mode), (size(), size(), size())).prop_map(
        |(action, path, texts, more, ids, mode, sizes)| Event {
            action,
            actor: format!("m{}", texts.0),
            repo: texts.1,
            path,
            commit: texts.2,
            sha256: ids.0.map(Digest::from_bytes),
            size: sizes.0,
            stored_size: sizes.1,
            git_blob: ids.1.map(|it| GitOid::from_slice(&it).unwrap()),
            mode,
            reason: texts.3,
            tombstone: ids.2.map(|it| TombstoneId::from_slice(&it).unwrap()),
            of: ids.3.map(|it| DeedId::from_slice(&it).unwrap()),
            approvers: more.1,
            assurance: more.0,
            detail: more.2.map(|map| map.into_iter().collect()),
            duration_ms: sizes.2,
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    let ids = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 32]>());
    (any_event(), ids, 1..1u64 << 53, 0..253_402_207_200_000i64).prop_map(
        |(event, ids, seq, unix_ms)| Record {
            log: LogId::from_slice(&ids.0).unwrap(),
            seq,
            prev: Digest::from_bytes(ids.2),
            deed: DeedId::from_slice(&ids.1).unwrap(),
            ts: Timestamp::from_unix_ms(unix_ms),
            event,
        },
    )
}

proptest! {
    #[test]
    fn a_record_reads_back_from_its_line_and_from_its_row(record in any_record()) {
        let line = record.render().unwrap();
        prop_assert_eq!(Record::parse(line.as_bytes()), Ok(record.clone()));
        prop_assert!(!line.chars().any(char::is_control), "{}", line);
        let body = record.render_body().unwrap();
        let read = Record::from_body(
            record.log, record.seq, record.prev, record.deed, body.as_bytes(),
        );
        prop_assert_eq!(read, Ok(record.clone()));
        let both = record.render_both().unwrap();
        prop_assert_eq!((&both.line, &both.body), (&line, &body));
        // serde_json sorts the same keys the same way.
        let value: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        let mut at = 0;
        for key in keys {
            let found = line[at..].find(&format!("\"{key}\":"));
            prop_assert!(found.is_some(), "{} is out of order in {}", key, line);
            at += found.unwrap();
        }
    }

    #[test]
    fn no_edit_of_a_byte_goes_unseen(
        record in any_record(),
        at in any::<usize>(),
        by in 1..=255u8,
    ) {
        let mut line = record.render().unwrap().into_bytes();
        let digest = Digest::of(&line);
        let at = at % line.len();
        line[at] ^= by;
        prop_assert!(Digest::of(&line) != digest);
        if let Ok(other) = Record::parse(&line) {
            prop_assert!(other != record);
            prop_assert_eq!(other.digest().unwrap(), Digest::of(&line));
        }
    }

    #[test]
    fn any_bytes_can_be_read(
        bytes in vec(any::<u8>(), 0..200),
        text in "[{}\\[\\]\",:0-9a-z\\\\ ]{0,60}",
    ) {
        prop_assert!(Record::parse(&bytes).is_err());
        prop_assert!(Record::parse(text.as_bytes()).is_err());
        let path = RepoPath::new(b".codex/evidence/segments/x.jsonl").unwrap();
        prop_assert!(Segment::parse(&path, &bytes).is_err());
    }
}
