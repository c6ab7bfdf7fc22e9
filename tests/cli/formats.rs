//! What is written, byte by byte: made here by hand from docs/formats.md and compared.

use serde_json::Value;

use crate::common::{TestRepo, id_of, is_embedded, sha256, stub_of};

#[test]
fn ids_are_a_pure_function_of_label_path_and_content() {
    if !is_embedded() {
        return;
    }
    let known = id_of("_codex_", "src/old.py", b"print('old')\n");
    let parts: Vec<_> = known.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    for seed in ["one", "two"] {
        let repo = TestRepo::named(seed);
        repo.file("src/old.py", "print('old')\n").commit(seed);
        assert_eq!(repo.store_one("src/old.py"), known);
    }
    let repo = TestRepo::new();
    repo.file("src/old.py", "print('old')\n").commit("one");
    let told = repo.archive(["store", "other", "src/old.py", "--reason", "dead"]).ok().json();
    assert_eq!(
        told["items"][0]["tombstone"],
        id_of("other", "src/old.py", b"print('old')\n").as_str()
    );
}

#[test]
fn a_stub_is_a_comment_of_its_file() {
    if !is_embedded() {
        return;
    }
    let repo = TestRepo::new();
    let prefixes = [
        ("a.py", "# "),
        ("b.rs", "// "),
        ("c.sql", "-- "),
        ("d.ini", "; "),
        ("e.tex", "% "),
        ("f.txt", ""),
        ("Makefile", "# "),
        ("Dockerfile", "# "),
        ("g.tsx", "// "),
        ("h", ""),
    ];
    for (name, _) in prefixes {
        repo.file(name, format!("content of {name}\n"));
    }
    repo.file("p.html", "<p>hello</p>\n").file("s.css", "p { color: red }\n");
    repo.file("j.json", "{\"a\": 1}\n").commit("one");
    repo.store(&["."]);
    for (name, prefix) in prefixes {
        let content = format!("content of {name}\n");
        let stub = stub_of(&repo, prefix, "_codex_", name, content.as_bytes());
        assert_eq!(repo.read(name), stub, "{name}");
    }
    let html = stub_of(&repo, "", "_codex_", "p.html", b"<p>hello</p>\n");
    assert_eq!(repo.read("p.html"), format!("<!--\n{html}-->\n"));
    let css = stub_of(&repo, "", "_codex_", "s.css", b"p { color: red }\n");
    assert_eq!(repo.read("s.css"), format!("/*\n{css}*/\n"));
    let id = id_of("_codex_", "j.json", b"{\"a\": 1}\n");
    let oid = repo.git(["hash-object", "--stdin", "-t", "blob"]);
    assert_eq!(oid.code, 0);
    let blob = repo.git(["rev-parse", "HEAD:j.json"]).ok().stdout;
    let json = format!(
        "{{\"$codex-tombstone\": {{\n  \"v\": 1,\n  \"archive-id\": \"{id}\",\n  \
         \"sha256\": \"{}\",\n  \"size\": 9,\n  \"mode\": \"100644\",\n  \"git-blob\": \"{}\",\n  \
         \"path\": \"j.json\",\n  \"restore\": \"git codex-archive restore --stage {id}\"\n}}}}\n",
        sha256(b"{\"a\": 1}\n"),
        blob.trim()
    );
    // docs/formats.md writes `{"$codex-tombstone":{` without a space.
    let json = json.replacen("\": {\n", "\":{\n", 1);
    assert_eq!(repo.read("j.json"), json);
    serde_json::from_str::<Value>(&repo.read("j.json")).unwrap();
}

#[test]
fn a_sidecar_stands_beside_the_tree() {
    let repo = TestRepo::ready();
    repo.file("main.go", "package main\n").commit("go");
    repo.archive(["store", "_codex_", "main.go", "--reason", "dead", "--sidecar"]).ok();
    assert!(!repo.has("main.go"));
    let stub = stub_of(&repo, "", "_codex_", "main.go", b"package main\n");
    assert_eq!(repo.read(".codex/tombstones/main.go.stub"), stub);
    repo.try_commit("retire go").ok();
    repo.is_well();
    repo.archive(["restore", "--stage", "main.go"]).ok();
    assert_eq!(repo.read("main.go"), "package main\n");
    assert!(!repo.has(".codex/tombstones/main.go.stub"));
    repo.try_commit("go is back").ok();
    repo.is_well();
}

#[test]
fn without_a_stub_the_file_stays() {
    let repo = TestRepo::ready();
    repo.archive(["store", "_codex_", "src/old.py", "--reason", "dead", "--no-stub"]).ok();
    assert_eq!(repo.read("src/old.py"), "print('old')\n");
    assert_eq!(repo.staged(), [""; 0]);
    // Another label is no matter where no stub is left.
    repo.archive(["store", "other", "src/old.py", "--reason", "dead", "--no-stub"]).ok();
}

#[test]
fn a_record_is_one_canonical_line_and_the_chain_holds() {
    let repo = TestRepo::ready();
    repo.store(&["src/old.py"]);
    repo.store(&["src/live.py"]);
    let lines = repo.journal();
    let mut heads: std::collections::BTreeMap<String, (u64, String)> = Default::default();
    for line in &lines {
        let record: Value = serde_json::from_str(line).unwrap();
        let again = serde_json::to_string(&record).unwrap();
        assert_eq!(*line, again, "keys sorted, no spaces, nothing escaped that need not be");
        assert_eq!(record["v"], 1);
        let log = record["log"].as_str().unwrap().to_owned();
        let seq = record["seq"].as_u64().unwrap();
        let zeros = "0".repeat(64);
        let (last, digest) = heads.get(&log).cloned().unwrap_or((0, zeros));
        assert_eq!(seq, last + 1, "{line}");
        assert_eq!(record["prev"], digest.as_str(), "{line}");
        let ts = record["ts"].as_str().unwrap();
        assert!(ts.len() == 24 && ts.ends_with('Z') && ts.as_bytes()[19] == b'.', "{ts}");
        heads.insert(log, (seq, sha256(line.as_bytes())));
    }
    assert!(repo.actions().iter().filter(|action| *action == "ARCHIVE").count() == 2);
    repo.archive(["evidence", "verify"]).ok();
}

#[test]
fn a_segment_is_named_by_its_last_digest_and_its_date() {
    let repo = TestRepo::ready();
    let told = repo.store(&["src"]);
    let path = told["evidence_segment"].as_str().unwrap();
    let text = repo.read(path);
    let last = text.lines().last().unwrap();
    let record: Value = serde_json::from_str(last).unwrap();
    let (year, month) =
        (&record["ts"].as_str().unwrap()[..4], &record["ts"].as_str().unwrap()[5..7]);
    let name = &sha256(last.as_bytes())[..16];
    assert_eq!(path, format!(".codex/evidence/segments/{year}/{month}/{name}.jsonl"));
    // Line for line what the journal has.
    let journal = repo.journal();
    assert!(text.lines().all(|line| journal.iter().any(|known| known == line)));
}

#[test]
fn paths_are_spelt_one_way() {
    use std::os::unix::ffi::OsStrExt;
    let repo = TestRepo::ready();
    let raw: &[u8] = b"odd/a b%\"\\\n\xff--.py";
    repo.file(std::ffi::OsStr::from_bytes(raw), "odd\n").commit("odd");
    let told = repo.store(&["odd"]);
    let spelt = "odd/a%20b%25%22%5C%0A%FF-%2D.py";
    assert_eq!(told["items"][0]["path"], spelt);
    let stub = repo.read(std::ffi::OsStr::from_bytes(raw));
    assert!(stub.contains(&format!("# path: {spelt}\n")), "{stub}");
    // The id is made from the raw bytes.
    let mut text = b"codex-archive/item/v1\0_codex_\0".to_vec();
    text.extend_from_slice(raw);
    text.push(0);
    text.extend(
        (0..64).step_by(2).map(|at| u8::from_str_radix(&sha256(b"odd\n")[at..at + 2], 16).unwrap()),
    );
    let id = told["items"][0]["tombstone"].as_str().unwrap();
    assert_eq!(id[..8], sha256(&text)[..8]);
    repo.try_commit("retire odd").ok();
    repo.is_well();
    repo.archive(["restore", "--stage", id]).ok();
    assert_eq!(repo.read(std::ffi::OsStr::from_bytes(raw)), "odd\n");
}

#[test]
fn a_path_too_long_for_a_stub_is_refused() {
    let repo = TestRepo::ready();
    // Three bytes of text for each byte of the name.
    let folder = "\u{1}".repeat(200);
    let long = [folder.as_str(); 7].join("/");
    repo.file(format!("{long}/x.py"), "x\n").commit("long");
    repo.unchanged(|repo| {
        repo.archive(["store", "_codex_", &format!("{long}/x.py"), "--reason", "dead"]).fails(6);
    });
}

#[test]
fn attributes_exempt_stubs_that_are_shown() {
    let repo = TestRepo::ready();
    repo.file(".gitattributes", "fixtures/** -codex-tombstone\n").commit("attributes");
    repo.file("fixtures/shown.py", "# codex-tombstone v1\n# and nothing else\n");
    repo.commit("shown");
    repo.archive(["verify", "--all"]).ok();
    // A change cannot exempt itself.
    repo.file(".gitattributes", "fixtures/** -codex-tombstone\nother/** -codex-tombstone\n");
    repo.file("other/shown.py", "# codex-tombstone v1\n# and nothing else\n");
    repo.git(["add", "-A"]).ok();
    repo.try_commit("both at once").fails(1).says("other/shown.py");
}
