//! What holds for the stub as a whole: the fixtures, byte by byte, and the properties.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::{MAX_STUB_BYTES, StubFault, Tombstone, Wrapping, check_id, looks_like_stub, parse};
use crate::error::{Error, Refusal};
use crate::model::{Digest, FileMode, GitOid, RepoLabel, RepoPath, TombstoneId};

/// A tombstone at `path` under the label `_codex_`.
pub(super) fn tombstone(path: &[u8]) -> Tombstone {
    let path = RepoPath::new(path).unwrap();
    let sha256 = Digest::of(b"hello\n");
    Tombstone {
        id: TombstoneId::derive(&RepoLabel::new("_codex_").unwrap(), &path, &sha256),
        sha256,
        size_bytes: 6,
        mode: FileMode::Regular,
        git_blob: "ce013625030ba8dba906f756967f9e9ca394464a".parse().unwrap(),
        path,
    }
}

fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "fixtures/tombstones", folder].iter().collect();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut all: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (name(&path), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn valid_fixtures_are_read_and_written_byte_by_byte() {
    let label = RepoLabel::new("_codex_").unwrap();
    let mut seen = BTreeSet::new();
    for (name, bytes) in fixtures("valid") {
        let (stub, wrapping) = parse(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(stub.render(wrapping).unwrap(), bytes, "{name}");
        assert!(looks_like_stub(&bytes), "{name}");
        assert!(check_id(&stub, &label), "{name}");
        if !name.starts_with("moved") {
            assert_eq!(Wrapping::for_path(&stub.path), wrapping, "{name}");
        }
        seen.insert(wrapping);
    }
    assert_eq!(seen, BTreeSet::from(Wrapping::ALL), "each wrapping has a fixture");
}

#[test]
fn invalid_fixtures_are_refused_for_their_own_reason() {
    let expected = include_str!("../../fixtures/tombstones/faults.txt");
    let seen: String = fixtures("invalid")
        .into_iter()
        .map(|(name, bytes)| match parse(&bytes) {
            Ok(_) => panic!("{name} is taken for a valid stub"),
            Err(fault) => format!("{name}: {fault}\n"),
        })
        .collect();
    assert_eq!(seen, expected, "each fixture has its line in faults.txt, in the order of names");
}

#[test]
fn the_stub_of_the_format_page() {
    let stub = tombstone(b"src/legacy/zendesk_v1.py");
    let id = stub.id;
    let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let lines = format!(
        "codex-tombstone v1\narchive-id: {id}\nsha256: {sha256}\nsize: 6\nmode: 100644\n\
         git-blob: ce013625030ba8dba906f756967f9e9ca394464a\npath: src/legacy/zendesk_v1.py\n\
         restore: git codex-archive restore --stage {id}\n"
    );
    let text = |wrapping| String::from_utf8(stub.render(wrapping).unwrap()).unwrap();
    assert_eq!(text(Wrapping::Plain), lines);
    assert_eq!(text(Wrapping::Xml), format!("<!--\n{lines}-->\n"));
    assert_eq!(text(Wrapping::CStyle), format!("/*\n{lines}*/\n"));
    let hashed: String = lines.lines().map(|line| format!("# {line}\n")).collect();
    assert_eq!(text(Wrapping::Hash), hashed);
    let json = format!(
        "{{\"$codex-tombstone\":{{\n  \"v\": 1,\n  \"archive-id\": \"{id}\",\n  \
         \"sha256\": \"{sha256}\",\n  \"size\": 6,\n  \"mode\": \"100644\",\n  \
         \"git-blob\": \"ce013625030ba8dba906f756967f9e9ca394464a\",\n  \
         \"path\": \"src/legacy/zendesk_v1.py\",\n  \
         \"restore\": \"git codex-archive restore --stage {id}\"\n}}}}\n"
    );
    assert_eq!(text(Wrapping::Json), json);
}

#[test]
fn json_is_json_and_says_the_same() {
    let stub = tombstone("a \"b\"\\\n\u{2028}--é.json".as_bytes());
    let bytes = stub.render(Wrapping::Json).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let object = &value["$codex-tombstone"];
    assert_eq!(object["v"], 1);
    assert_eq!(object["size"], 6);
    assert_eq!(object["path"], stub.path.to_string());
    assert_eq!(object["archive-id"], stub.id.to_string());
}

#[test]
fn the_longest_stub_has_exactly_the_limit() {
    for wrapping in Wrapping::ALL {
        let spare = MAX_STUB_BYTES - tombstone(b"p").render(wrapping).unwrap().len();
        let longest = tombstone(&vec![b'p'; 1 + spare]);
        let bytes = longest.render(wrapping).unwrap();
        assert_eq!(bytes.len(), MAX_STUB_BYTES);
        assert!(looks_like_stub(&bytes));
        assert_eq!(parse(&bytes), Ok((longest, wrapping)));
        let refused = tombstone(&vec![b'p'; 2 + spare]).render(wrapping).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Refused {
                    action: "archive",
                    refusal: Refusal::StubTooLong { limit: 4096 },
                    ..
                }
            ),
            "{refused:?}"
        );
        let mut longer = bytes;
        longer.push(b'\n');
        assert!(!looks_like_stub(&longer));
        assert_eq!(parse(&longer), Err(StubFault::TooLong { size_bytes: 4097 }));
    }
}

#[test]
fn the_magic_is_the_whole_beginning_of_the_first_line() {
    for yes in [
        "codex-tombstone v1\n",
        "codex-tombstone v",
        "# codex-tombstone v2\nwhatever",
        "// codex-tombstone v1\r\n",
        "<!--\ncodex-tombstone v1\n-->\n",
        "/*\ncodex-tombstone v9",
        "{\"$codex-tombstone\":{\n",
    ] {
        assert!(looks_like_stub(yes.as_bytes()), "{yes:?}");
    }
    for no in [
        "",
        "\n# codex-tombstone v1\n",
        "#codex-tombstone v1\n",
        " # codex-tombstone v1\n",
        "\u{feff}# codex-tombstone v1\n",
        "# Codex-tombstone v1\n",
        "# codex-tombstone\n",
        "<!--\n",
        "<!-- codex-tombstone v1 -->\n",
        "<!--\n# codex-tombstone v1\n-->\n",
        "/*\n * codex-tombstone v1\n",
        "{ \"$codex-tombstone\":{\n",
        "{\"$codex-tombstone\":{ \n",
        "import os\n# codex-tombstone v1\n",
    ] {
        assert!(!looks_like_stub(no.as_bytes()), "{no:?}");
        assert_eq!(parse(no.as_bytes()), Err(StubFault::NotAStub), "{no:?}");
    }
}

/// Valid paths, rich in what stubs must withstand.
fn paths() -> impl Strategy<Value = RepoPath> {
    let piece = select(vec![
        "a",
        ".",
        "-",
        "--",
        "-->",
        "*",
        "*/",
        "/*",
        "/",
        "%",
        "%2D",
        "\"",
        "\\",
        "\n",
        "\r",
        " ",
        "\t",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "é",
        "\u{1f980}",
        "path: ",
        "}}",
        "//",
    ]);
    let tricky = proptest::collection::vec(piece, 1..24).prop_map(|it| it.concat().into_bytes());
    let raw = proptest::collection::vec(any::<u8>(), 1..64);
    proptest::prop_oneof![tricky, raw]
        .prop_filter_map("not a path", |bytes| RepoPath::new(&bytes).ok())
}

fn tombstones() -> impl Strategy<Value = Tombstone> {
    let oid = proptest::prop_oneof![
        any::<[u8; 20]>().prop_map(|it| GitOid::from_slice(&it)),
        any::<[u8; 32]>().prop_map(|it| GitOid::from_slice(&it)),
    ];
    let mode = select(FileMode::ALL);
    (paths(), any::<[u8; 32]>(), any::<u64>(), mode, oid).prop_map(
        |(path, sha256, size_bytes, mode, oid)| Tombstone {
            sha256: Digest::from_bytes(sha256),
            size_bytes,
            mode,
            git_blob: oid.unwrap(),
            ..tombstone(path.as_bytes())
        },
    )
}

fn wrappings() -> impl Strategy<Value = Wrapping> {
    select(Wrapping::ALL.to_vec())
}

/// Puts `byte` in place of, before, or takes away, the byte at `at`.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Replace,
    Insert,
    Delete,
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>, at: usize, byte: u8) {
        match self {
            Self::Replace => bytes[at] = byte,
            Self::Insert => bytes.insert(at, byte),
            Self::Delete => drop(bytes.remove(at)),
        }
    }
}

/// Bytes that a near miss is made of, more often than any other byte.
fn bytes() -> impl Strategy<Value = u8> {
    proptest::prop_oneof![select(b"0123456789abcdefABF \t\r\n\"{}:,-/#%+".to_vec()), any::<u8>()]
}

fn canonical_or_refused(bytes: &[u8]) -> Option<Tombstone> {
    let (stub, wrapping) = parse(bytes).ok()?;
    assert_eq!(stub.render(wrapping).unwrap(), bytes);
    Some(stub)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_what_it_writes(stub in tombstones(), wrapping in wrappings()) {
        let bytes = stub.render(wrapping).unwrap();
        prop_assert!(looks_like_stub(&bytes));
        prop_assert_eq!(parse(&bytes), Ok((stub, wrapping)));
    }

    #[test]
    fn no_path_leaves_its_comment(stub in tombstones()) {
        let inner = |wrapping, closer: &str| {
            let text = String::from_utf8(stub.render(wrapping).unwrap()).unwrap();
            prop_assert_eq!(text.matches(closer).count(), 1, "{}", text);
            prop_assert_eq!(text.lines().count(), 10, "{}", text);
            Ok(())
        };
        inner(Wrapping::Xml, "-->")?;
        inner(Wrapping::CStyle, "*/")?;
    }

    #[test]
    fn an_edit_is_refused_or_says_something_else(
        stub in tombstones(),
        wrapping in wrappings(),
        edit in select(vec![Edit::Replace, Edit::Insert, Edit::Delete]),
        at in any::<proptest::sample::Index>(),
        byte in bytes(),
    ) {
        let original = stub.render(wrapping).unwrap();
        let mut edited = original.clone();
        edit.apply(&mut edited, at.index(original.len()), byte);
        if let Some(other) = canonical_or_refused(&edited) {
            prop_assert_eq!(other == stub, edited == original);
        }
    }

    #[test]
    fn nothing_makes_it_panic(
        wrapping in wrappings(),
        keep in any::<proptest::sample::Index>(),
        tail in proptest::collection::vec(bytes(), 0..200),
        garbage in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        canonical_or_refused(&garbage);
        let mut bytes = tombstone(b"a/b").render(wrapping).unwrap();
        bytes.truncate(keep.index(bytes.len()));
        bytes.extend(tail);
        canonical_or_refused(&bytes);
    }

    #[test]
    fn every_path_has_a_wrapping(path in paths()) {
        prop_assert!(Wrapping::ALL.contains(&Wrapping::for_path(&path)));
    }
}
