//! The parsers, given arbitrary bytes and valid inputs with some bytes changed. What must hold of
//! each stands in `tests/fuzz/invariants.rs`, which fuzz targets try with more patience.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use codex_archive::evidence::Journal;

use crate::common::{TestRepo, stub_of};
use crate::score::{Score, whole};

#[path = "../fuzz/invariants.rs"]
mod invariants;

type Invariant = fn(&[u8]);

/// A change to one place of valid bytes.
#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index),
    Repeat(Index, Index),
    Cut(Index),
    Move(Index, Index),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Self::Replace(at, byte) => bytes[at.index(len)] = *byte,
            Self::Insert(at, more) => {
                let at = at.index(len);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Delete(at) => drop(bytes.remove(at.index(len))),
            Self::Repeat(a, b) => {
                let (a, b) = (a.index(len).min(b.index(len)), a.index(len).max(b.index(len)));
                bytes.extend_from_within(a..b);
            }
            Self::Cut(at) => bytes.truncate(at.index(len)),
            Self::Move(a, b) => bytes.swap(a.index(len), b.index(len)),
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let near = || {
        prop_oneof![select(b"0123456789abcdefABF \t\r\n\"{}[]:,-_/#%+=.\\'".to_vec()), any::<u8>()]
    };
    let at = any::<Index>;
    let edit = prop_oneof![
        (at(), near()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at(), vec(near(), 1..4)).prop_map(|(at, more)| Edit::Insert(at, more)),
        at().prop_map(Edit::Delete),
        (at(), at()).prop_map(|(a, b)| Edit::Repeat(a, b)),
        at().prop_map(Edit::Cut),
        (at(), at()).prop_map(|(a, b)| Edit::Move(a, b)),
    ];
    vec(edit, 0..4)
}

/// Valid inputs of each parser, made by the program and by hand.
fn valid() -> Vec<(&'static str, Invariant, Vec<Vec<u8>>)> {
    let repo = TestRepo::ready();
    repo.file("docs/a b%.md", "text\n").file("x.json", "{}\n").file("x.css", "a{}\n");
    repo.commit("files");
    let line = ["store", "_codex_", "src", "docs", "x.json", "x.css", "--reason", "pruned"];
    repo.archive(line.iter().chain(&["--tag", "é", "--metadata", "k=\"v\\"])).ok();
    repo.try_commit("retire").ok();
    let stubs = ["src/old.py", "docs/a b%.md", "x.json", "x.css"].map(|path| repo.bytes(path));
    let mut stubs = stubs.to_vec();
    stubs.push(stub_of(&repo, "// ", "other", "a/b.rs", b"x").into_bytes());
    let records: Vec<Vec<u8>> = repo.journal().into_iter().map(String::into_bytes).collect();
    let segments = repo.segments().iter().map(|path| repo.bytes(path)).collect();
    let toml = repo.bytes(".codex/archive.toml");
    let all: String = String::from_utf8_lossy(&toml)
        .lines()
        .map(|line| line.strip_prefix('#').filter(|it| !it.starts_with(' ')).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let (a, b, none) = ("1".repeat(40), "2".repeat(40), "0".repeat(40));
    let push = format!("refs/heads/a {a} refs/heads/a {b}\nHEAD@{{1 day ago}} {a} x {none}\n");
    let body = repo.archive(["evidence", "cite"]).ok().bytes;
    let paths = [&b"src/a b\xff--x*/y.py"[..], b"a", b"%C2%85/%2Da"].map(<[u8]>::to_vec);
    let frame = zstd::bulk::compress(&b"again and again ".repeat(20), 3).unwrap();
    vec![
        ("stub", invariants::stub as Invariant, stubs),
        ("record", invariants::record, records),
        ("segment", invariants::segment, segments),
        ("configuration", invariants::configuration, vec![toml, all.into_bytes()]),
        ("push", invariants::push, vec![push.into_bytes()]),
        ("citations", invariants::citations, vec![body]),
        ("path", invariants::path, paths.to_vec()),
        ("frame", invariants::frame, vec![[&[64, 1][..], &frame].concat()]),
        ("manifest", invariants::manifest, manifests()),
        ("signers", invariants::signers, vec![signers()]),
        ("signature", invariants::signature, vec![ARMORED.as_bytes().to_vec()]),
        ("proof", invariants::proof, proofs(&repo)),
        ("journal", journal, vec![repo.journal().join("\n").into_bytes()]),
    ]
}

/// A signature by a key that was thrown away.
const ARMORED: &str = "-----BEGIN SSH SIGNATURE-----\n\
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgrHlUQBNBs5asfndbSvTvFLQrz/\n\
oqbRUXngLkEAeVz+MAAAANY29kZXgtYXJjaGl2ZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtz\n\
c2gtZWQyNTUxOQAAAECBh3eoAAXt9CPrOJIpcvWrJ2H7RoEw20Q2BVrLrh4nCUa3hcvMrG\n\
2MJJyH0C4JaSlQkLZWOUaYOkKH0DEaq6EF\n\
-----END SSH SIGNATURE-----\n";

/// Lines of signers with all that may stand in them.
fn signers() -> Vec<u8> {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKx5VEATQbOWrH53W0r07xS0K8/6Km0VF54C5BAHlc/j";
    let options = "namespaces=\"codex-archive,git\",valid-after=\"20260101Z\"";
    format!("# one\nmarc@example.com {key}\n\"a b,*@x,!eve@x\" {options} {key} token\n")
        .into_bytes()
}

/// A checkpoint, its text, and a proof.
fn proofs(repo: &TestRepo) -> Vec<Vec<u8>> {
    let note = repo.archive(["evidence", "checkpoint", "--unsigned"]).ok().bytes;
    let line = repo.journal().remove(0);
    let digest = crate::common::sha256(line.as_bytes());
    let proof = repo.archive(["evidence", "prove", &digest]).ok().bytes;
    vec![note, proof]
}

/// Manifests of both kinds in all forms.
fn manifests() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"items":[{"tombstone":"0badc0de","output":"a/b"},{"tombstone":"x","output":"../c"}]}"#,
        r#"[{"tombstone":"src/x.py","output":"/a","actor":"é"},{"tombstone":"y","output":"./b"}]"#,
        "{\"tombstone\":\"a\",\"output\":\"x\"}\n{\"tombstone\":\"b\",\"output\":\"x.y\"}\n",
        "tombstone,output,actor\na,\"x, \"\"y\"\"\",ops\r\nb,z,\r\n",
        r#"{"items":[{"path":"a","reason":"dead","tags":["t","é"],"metadata":{"k":"v"}}]}"#,
        "{\"path\":\"a\",\"reason\":\"legacy\"}\n{\"path\":\"b\",\"tags\":[]}\n",
        "path,reason,tags,metadata\na,dead,t;u,k=v;l=w\n\"b\",,,\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// A journal of any bytes can be read to its end, and holds no line that it did not say.
fn journal(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let journal = Journal::at(file.path());
    let lines: Vec<_> = journal.lines().unwrap().map(Result::unwrap).collect();
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    let torn = lines.iter().filter(|line| line.is_torn).count();
    assert_eq!(lines.len(), feeds + torn);
    assert_eq!(journal.tail().unwrap().torn_bytes > 0, torn == 1);
    for line in &lines {
        let _ = line.record();
    }
}

#[test]
fn parsers() {
    let mut score = Score::of("parsers: arbitrary and changed bytes");
    let cases = if whole() { 20_000 } else { 400 };
    for (name, holds, valid) in valid() {
        for input in &valid {
            holds(input);
        }
        let changed = (select(valid), edits()).prop_map(|(mut bytes, edits)| {
            edits.iter().for_each(|edit| edit.apply(&mut bytes));
            bytes
        });
        let long = (any::<u8>(), 0..90_000usize).prop_map(|(byte, count)| vec![byte; count]);
        let bytes = prop_oneof![
            90 => changed,
            9 => vec(any::<u8>(), 0..300),
            1 => long,
        ];
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let done = TestRunner::new(config).run(&bytes, |bytes| {
            holds(&bytes);
            Ok(())
        });
        score.note_all(u64::from(cases), done.err().map(|error| format!("{name}: {error}")));
    }
    score.finish(3000);
}
