//! What steers a terminal, in every text that comes from outside.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rusqlite::params;

use super::harness::{archived, portion, readers, some, tables, tries, tries_with};
use crate::common::TestRepo;
use crate::score::Score;

/// Escape sequences (7 and 8 bit), a bell, a turn of direction, DEL, a line that looks like ours.
const EVIL: &str =
    "a\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\u{85}\u{202e}gpj\u{2066}\u{7f}\r\nerror: x\u{8}";

/// What tags may hold of it.
const TURNED: &str = "a\u{202e}gpj\u{2066}";

fn evil_bytes(name: &str) -> OsString {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend_from_slice(EVIL.as_bytes());
    bytes.extend_from_slice(b"\xff\x9b2J\xc2");
    OsString::from_vec(bytes)
}

fn evil_repository() -> (TestRepo, String) {
    let repo = TestRepo::ready();
    let name = evil_bytes("src/");
    repo.file(&name, "evil name\n").file(evil_bytes("new-"), "x\n");
    repo.commit(EVIL);
    let tag = format!("--tag={TURNED}");
    let metadata = format!("--metadata=k{TURNED}=v{TURNED}");
    let mut line: Vec<OsString> =
        ["store", "_codex_", "src/old.py", "--reason", "dead"].iter().map(OsString::from).collect();
    line.extend([OsString::from(tag), metadata.into()]);
    line.push(name);
    let language = format!("--language={TURNED}");
    line.push(language.into());
    let told = repo.archive(line).ok().json();
    let id = told["items"][0]["tombstone"].as_str().unwrap().to_owned();
    repo.try_commit(EVIL).ok();
    // A branch and a remote as far as git lets their names go.
    repo.git(["branch", "b\u{9b}31m\u{202e}x"]).ok();
    repo.git(["switch", "-q", "b\u{9b}31m\u{202e}x"]).ok();
    (repo, id)
}

fn all_lines(id: &str) -> Vec<Vec<OsString>> {
    let mut lines: Vec<Vec<OsString>> = readers(id)
        .into_iter()
        .map(|line| line.into_iter().map(OsString::from).collect())
        .collect();
    let e = || OsString::from(EVIL);
    let w = |words: &str| -> Vec<OsString> { words.split(' ').map(OsString::from).collect() };
    let with = |words: &str, last: OsString| [w(words), vec![last]].concat();
    for word in ["", " --json"] {
        for (words, last) in [
            ("show", e()),
            ("cat", e()),
            ("log", e()),
            ("restore", e()),
            ("drop --reason x", e()),
            ("list --path", e()),
            ("list --tag", e()),
            ("list --by", e()),
            ("list --repo", e()),
            ("list --since", e()),
            ("list --after", e()),
            ("list --state", e()),
            ("verify --range", e()),
            ("verify --citations", e()),
            ("evidence digest", e()),
            ("evidence cite --range", e()),
            ("store _codex_ --reason dead", e()),
            ("store _codex_ src/live.py --reason", e()),
            ("store _codex_ src/live.py --reason dead --commit", e()),
            ("store _codex_ src/live.py --reason dead --by", e()),
            ("store _codex_ src/live.py --reason dead --metadata", e()),
            ("store _codex_ src/live.py --reason dead --delete-after", e()),
            ("store _codex_ src/live.py --reason dead --tag", e()),
            ("store _codex_ src/live.py --reason dead --language", e()),
            ("store src/live.py --reason dead", e()),
            ("init --repo", e()),
            ("init --url", e()),
            ("init --backend", e()),
            ("hook", e()),
            ("hooks", e()),
            ("--config", e()),
            ("-C", e()),
            ("--color", e()),
            ("status --config", e()),
            ("schema --dialect", e()),
            ("show", evil_bytes("src/")),
            ("log", evil_bytes("src/")),
            ("cat", evil_bytes("none")),
            ("restore --stage", evil_bytes("none")),
            ("drop --reason x", evil_bytes("new-")),
            ("store _codex_ --dry-run --reason dead", evil_bytes("new-")),
            ("restore src/old.py", evil_bytes("out-")),
        ] {
            let mut line = with(words, last);
            if !word.is_empty() {
                line.insert(0, "--json".into());
            }
            lines.push(line);
        }
    }
    lines.push(vec![e()]);
    lines.push(vec!["--json".into(), e()]);
    lines
}

#[test]
fn no_raw_control_byte_reaches_a_terminal() {
    let mut score = Score::of("attack: texts");
    let (repo, id) = evil_repository();
    for (_, line) in some(all_lines(&id)) {
        score.note(format!("{line:?}"), tries_with(&repo, &line, &[], b"").is_civil());
    }
    for name in [
        "CODEX_ACTOR",
        "CODEX_ARCHIVE_URL",
        "CODEX_ARCHIVE_CONFIG",
        "CODEX_EVIDENCE_DIR",
        "CODEX_ARCHIVE_LOG_LEVEL",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_WORK_TREE",
    ] {
        for line in [
            "status",
            "status --json",
            "config-show --origin",
            "config-show --origin --json",
            "store _codex_ src/live.py --reason dead --dry-run",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let value = format!("x{EVIL}");
            let held = tries_with(&repo, &words, &[(name, &value)], b"").is_civil();
            score.note(format!("{name}, {line}"), held);
        }
    }
    // Paths that are escaped in ids, stubs and JSON go their way all the same.
    let out = tries(&repo, ["list", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out.outcome.stdout).unwrap();
    let held = told.to_string().contains("%1B") && told.to_string().contains("dead");
    score.note("still whole", if held { Ok(()) } else { Err(told.to_string()) });
    configurations(&mut score);
    score.finish(150);
}

/// The tracked configuration and git's own, with the same in every value.
fn configurations(score: &mut Score) {
    let (repo, id) = archived();
    let escaped = "\\u001B]0;x\\u0007\\u009B31m\\u202E\\n";
    for (n, text) in [
        format!("[repo]\nlabel = \"{escaped}\"\n"),
        format!("[backend]\nurl = \"sqlite:////{escaped}\"\n"),
        format!("[backend]\nurl = \"postgres://u:p@{escaped}/x\"\n"),
        format!("[backend]\nbackend = \"{escaped}\"\n"),
        format!("[evidence]\ndir = \"../{escaped}\"\n"),
        format!("[evidence]\ndir = \"{escaped}\"\n"),
        format!("[\"{escaped}\"]\nx = 1\n"),
        format!("[repo]\n\"{escaped}\" = 1\n"),
        format!("[logging]\nlevel = \"{escaped}\"\n"),
        "[repo]\nlabel = 'x' \u{9b}\u{202e}\n".to_owned(),
        format!("{EVIL} = [\n"),
    ]
    .into_iter()
    .enumerate()
    {
        repo.file(".codex/archive.toml", &text);
        for line in portion(readers(&id), n) {
            score.note(format!("{text:?}, {line:?}"), tries(&repo, line).is_civil());
        }
    }
    repo.git(["checkout", "-q", "--", ".codex/archive.toml"]).ok();
    let path = repo.common_dir().join("config");
    let whole = std::fs::read(&path).unwrap();
    let inside = EVIL.replace('\n', "\\n").replace(['\u{8}', '\r'], "");
    for (n, text) in [
        format!("[user]\n\temail = \"{inside}\"\n"),
        format!("[core]\n\thooksPath = \"{inside}\"\n"),
        format!("[codexarchive]\n\ttrust = \"{inside}\"\n"),
        format!("[remote \"{}\"]\n\turl = \"{inside}\"\n", "x\u{9b}\u{202e}"),
        format!("[branch \"main\"]\n\tremote = \"{inside}\"\n\tmerge = refs/heads/\u{9b}\n"),
        format!("[core]\n\trepositoryformatversion = \"{inside}\"\n"),
        format!("[extensions]\n\tobjectFormat = \"{inside}\"\n"),
        format!("[{EVIL}\n"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&path, [&whole[..], text.as_bytes()].concat()).unwrap();
        for line in portion(readers(&id), n) {
            score.note(format!("git config {text:?}, {line:?}"), tries(&repo, line).is_civil());
        }
    }
    std::fs::write(&path, whole).unwrap();
}

/// The same out of the tables, where somebody wrote it past the program.
#[test]
fn nothing_of_the_tables_reaches_a_terminal_raw() {
    let mut score = Score::of("attack: texts in tables");
    for (n, statement) in some([
        "UPDATE batch SET actor = ?",
        "UPDATE batch SET repo = ?",
        "UPDATE batch SET reason = ?",
        "UPDATE batch SET at = ?",
        "UPDATE batch SET commit_sha = ?",
        "UPDATE item_row SET folder_id = NULL, path = ?",
        "UPDATE folder SET path = ?",
        "UPDATE item_row SET kind = ?",
        "UPDATE item_row SET language = ?",
        "UPDATE item_row SET delete_after = ?",
        "UPDATE item_row SET restored_at = ?",
        "UPDATE artifact_row SET created_at = ?",
        "UPDATE artifact_row SET purged_at = ?",
        "INSERT INTO tag SELECT id, ? FROM item_row",
        "INSERT INTO metadata SELECT id, ?1, ?1 FROM item_row",
        "UPDATE log SET repo = ?",
        "UPDATE log SET home = ?",
        "UPDATE evidence SET action = ?",
        "UPDATE meta SET v = ?",
        "UPDATE schema_migrations SET name = ?",
    ]) {
        let (repo, id) = archived();
        tables(&repo).execute(statement, params![EVIL]).unwrap();
        for line in portion(readers(&id), n) {
            score.note(format!("{statement}, {line:?}"), tries(&repo, line).is_civil());
        }
        for line in [&["restore", &id, "x.py"][..], &["restore", &id, "--stage"], &["undo"]] {
            score.note(format!("{statement}, {line:?}"), tries(&repo, line).is_civil());
        }
    }
    score.finish(50);
}

/// Segments, journal and stubs with it.
#[test]
fn nothing_of_the_evidence_reaches_a_terminal_raw() {
    let mut score = Score::of("attack: texts in evidence");
    let (repo, id) = archived();
    let segment = repo.segments().remove(0);
    let journal = repo.common_dir().join("codex-archive/archive_ops.jsonl");
    let records = std::fs::read_to_string(&journal).unwrap();
    let line = repo.read(&segment);
    let json = "\\u001b[2J\\u009b31m\u{202e}";
    for (n, (from, to)) in [
        ("\"actor\":\"", format!("\"actor\":\"{json}")),
        ("\"actor\":\"", "\"actor\":\"\u{1b}[2J\u{9b}".to_owned()),
        ("\"reason\":\"", format!("\"reason\":\"{json}")),
        ("\"path\":\"", format!("\"path\":\"{json}")),
        ("\"repo\":\"", format!("\"repo\":\"{json}")),
        ("\"action\":\"", format!("\"action\":\"{json}")),
        ("\"commit\":\"", format!("\"commit\":\"{json}")),
        ("{\"", format!("{{\"{json}\":1,\"")),
        ("\"ts\":\"", format!("\"ts\":\"{json}")),
        ("\n", format!("\n{EVIL}\n")),
    ]
    .into_iter()
    .enumerate()
    {
        let edited = line.replacen(from, &to, 1);
        // Under the name that follows from it, so that it is read as far as can be.
        let last = edited.trim_end_matches('\n').rsplit('\n').next().unwrap();
        let name = &crate::common::sha256(last.as_bytes())[..16];
        let path = format!("{}/{name}.jsonl", segment.rsplit_once('/').unwrap().0);
        repo.file(&path, &edited).git(["add", "-A"]).ok();
        std::fs::write(&journal, format!("{records}{}", records.replacen(from, &to, 1))).unwrap();
        for line in portion(readers(&id), n) {
            score.note(format!("{from:?} {to:?}, {line:?}"), tries(&repo, line).is_civil());
        }
        repo.git(["reset", "-q", "--hard"]).ok();
        std::fs::write(&journal, &records).unwrap();
    }
    // A name in the segments' folder.
    let mut bad = segment.clone().into_bytes();
    bad.truncate(segment.rfind('/').unwrap());
    bad.extend_from_slice(b"/\x1b[2J\xff\xc2\x9b.jsonl");
    let bad = std::ffi::OsStr::from_bytes(&bad);
    repo.file(bad, "x\n").git(["add", "-A"]).ok();
    for line in readers(&id) {
        score.note(format!("a name, {line:?}"), tries(&repo, line).is_civil());
    }
    score.finish(80);
}
