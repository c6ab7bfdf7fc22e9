//! Citations: the text for a pull request that names its evidence, and the digests that such a
//! text names.
//!
//! A digest is cited in the trailer `Codex-Evidence: <64 small hex digits>` or by standing in the
//! text as a word of its own. The reading is strict: a trailer that holds anything else is
//! reported, and every word of 64 hex digits counts, whatever was meant by it. What is written
//! here therefore never shows the SHA-256 of content. What does not count, since it is another
//! kind of thing by its form: a part of a path, a file name, a URL or a longer word,
//! `sha256:<digits>`, and an object id behind one of git's own words (`This reverts commit …`).

use super::record::Record;
use super::segment::Segment;
use crate::model::{Digest, escape_line};

/// The key of the trailer.
pub const TRAILER: &str = "Codex-Evidence";

const HEX_DIGITS: usize = 64;

/// What a text cites.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Citations {
    /// The cited digests, each once, in the order of the text.
    pub digests: Vec<Digest>,
    /// The trailers that hold no digest: their values, escaped and cut to 80 characters.
    pub malformed: Vec<String>,
}

/// The Markdown for a pull request: one item a record, and a trailer for each segment as the last
/// paragraph. Empty when there are no segments.
pub fn render(segments: &[Segment]) -> String {
    if segments.is_empty() {
        return String::new();
    }
    let mut out = String::from("**Archive evidence**\n\n");
    for (record, digest) in segments.iter().flat_map(|segment| &segment.lines) {
        render_record(&mut out, record, digest);
    }
    out.push('\n');
    for segment in segments {
        out.push_str(&format!("{TRAILER}: {}\n", segment.last_digest()));
    }
    out
}

fn render_record(out: &mut String, record: &Record, digest: &Digest) {
    let event = &record.event;
    out.push_str("- ");
    out.push_str(&code(event.action.as_str()));
    if let Some(path) = &event.path {
        out.push_str(&format!(" {}", code(&path.to_string())));
    }
    if let Some(id) = event.tombstone {
        out.push_str(&format!(", archive id `{id}`"));
    }
    if let Some(reason) = &event.reason {
        out.push_str(&format!(", reason {}", code(reason)));
    }
    out.push_str(&format!(", by {}, record `{digest}`\n", code(&event.actor)));
}

/// `text` as a Markdown code span on one line, in which nothing is a link, a mention, HTML or a
/// cited digest.
fn code(text: &str) -> String {
    let text = cut_hex(&escape_line(text));
    if text.is_empty() {
        return "(none)".to_owned();
    }
    // A fence longer than any run of backticks inside, and spaces, which Markdown takes off again.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let edge = |c: Option<char>| c.is_some_and(|c| c == '`' || c == ' ');
    let is_edged = edge(text.chars().next()) || edge(text.chars().next_back());
    let space = if is_edged { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// `text` with every run of exactly 64 hex digits cut to 16, as in a path that is named by one.
fn cut_hex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in hex_runs(text) {
        out.push_str(&text[from..at + 16]);
        out.push('…');
        from = at + HEX_DIGITS;
    }
    out.push_str(&text[from..]);
    out
}

/// The digests that a pull request's body or a commit message cites.
pub fn cited_digests(body: &str) -> Vec<Digest> {
    read_citations(body).digests
}

/// What a pull request's body or commit messages cite, the malformed trailers with it.
pub fn read_citations(body: &str) -> Citations {
    let mut found = Citations::default();
    let mut seen = std::collections::HashSet::new();
    let mut words_before = ["", ""];
    for line in body.lines() {
        let mut cite = |digest| {
            if seen.insert(digest) {
                found.digests.push(digest);
            }
        };
        if let Some(value) = trailer_value(line) {
            match value.parse() {
                Ok(digest) => cite(digest),
                Err(()) => {
                    found.malformed.push(escape_line(&value.chars().take(80).collect::<String>()));
                }
            }
            words_before = ["", ""];
            continue;
        }
        for word in line.split(is_delimiter).filter(|word| !word.is_empty()) {
            if !names_an_object(words_before) {
                digests_in(word).for_each(&mut cite);
            }
            words_before = [words_before[1], word];
        }
    }
    found
}

/// The value of a trailer of ours: git takes the key in any case, and `git log` indents messages.
fn trailer_value(line: &str) -> Option<&str> {
    let (key, value) = line.split_once(':')?;
    key.trim().eq_ignore_ascii_case(TRAILER).then(|| value.trim())
}

/// What ends a word: spaces, and what Markdown puts around a URL or a code span.
fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || "|`<>()[]\"".contains(c)
}

/// Whether git would write an object id behind these words: `commit X`, `tree X`, and
/// `reversing changes made to X`.
fn names_an_object(words_before: [&str; 2]) -> bool {
    let [before, last] = words_before.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    let is_kind = ["commit", "tree", "parent", "blob", "tag", "object"]
        .iter()
        .any(|kind| last.eq_ignore_ascii_case(kind));
    is_kind || (before == "made" && last == "to")
}

/// The digests that stand in `word` as words of their own.
fn digests_in(word: &str) -> impl Iterator<Item = Digest> {
    let url_from = word.find("://").unwrap_or(word.len());
    hex_runs(word)
        .take_while(move |at| *at < url_from)
        .filter(move |at| stands_alone(word, *at))
        // A digest is compared by its value, so that one in capitals is judged as well.
        .filter_map(move |at| word[at..at + HEX_DIGITS].to_ascii_lowercase().parse().ok())
}

/// Whether the run at `at` is no part of a path, a file name or `sha256:`.
fn stands_alone(word: &str, at: usize) -> bool {
    const CONTENT: &str = "sha256:";
    let (before, after) = (&word[..at], &word[at + HEX_DIGITS..]);
    // Looks at the last few bytes only: a word may be as long as the text.
    let marked = before.as_bytes().last_chunk::<{ CONTENT.len() }>();
    let is_content = marked.is_some_and(|it| it.eq_ignore_ascii_case(CONTENT.as_bytes()));
    let (mut back, mut on) = (before.chars().rev(), after.chars());
    !is_content && !joins(back.next(), back.next()) && !joins(on.next(), on.next())
}

/// Whether `near`, which touches a run, with `far` behind it makes the run part of something.
fn joins(near: Option<char>, far: Option<char>) -> bool {
    match near {
        Some('/' | '\\' | '@' | '#' | '%') => true,
        Some('.' | '-') => far.is_some_and(char::is_alphanumeric),
        _ => false,
    }
}

/// Where maximal runs of exactly 64 hex digits begin that no letter, digit or `_` touches.
fn hex_runs(text: &str) -> impl Iterator<Item = usize> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        while let Some(start) = text[from..].find(is_part).map(|at| from + at) {
            let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |at| start + at);
            from = end;
            let run = &text[start..end];
            if run.len() == HEX_DIGITS && run.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Some(start);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::clock::Timestamp;
    use crate::evidence::{Action, Event, Head, link};
    use crate::model::{DeedId, LogId, RepoLabel, RepoPath, TombstoneId};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn archived(path: &[u8], actor: &str) -> Segment {
        let path = RepoPath::new(path).unwrap();
        let (label, sha256) = (RepoLabel::new("_codex_").unwrap(), Digest::of(b"x"));
        let event = Event {
            tombstone: Some(TombstoneId::derive(&label, &path, &sha256)),
            sha256: Some(sha256),
            path: Some(path),
            reason: Some("pruned".into()),
            ..Event::new(Action::Archive, actor)
        };
        let ts = Timestamp::from_unix_ms(1_795_253_290_007);
        let head = Head::empty(LogId::random());
        Segment::new(link(head, DeedId::random(), ts, vec![event; 2]).unwrap()).unwrap()
    }

    fn records(segments: &[Segment]) -> Vec<Digest> {
        segments.iter().flat_map(|it| &it.lines).map(|(_, digest)| *digest).collect()
    }

    #[test]
    fn what_is_rendered_cites_its_records_and_nothing_else() {
        let segments = [archived(b"src/a.py", "marc"), archived(B.as_bytes(), A)];
        let text = render(&segments);
        assert_eq!(cited_digests(&text), records(&segments), "{text}");
        assert_eq!(read_citations(&text.replace('\n', "\r\n")), read_citations(&text));
        let last = segments.iter().map(|it| format!("Codex-Evidence: {}\n", it.last_digest()));
        assert!(text.ends_with(&format!("\n\n{}", last.collect::<String>())), "{text}");
        assert!(!text.contains(&Digest::of(b"x").to_string()));
        assert_eq!(render(&[]), "");
    }

    #[test]
    fn each_item_is_one_line_a_person_can_read() {
        let segment = archived(b"src/a.py", "marc");
        let (record, digest) = &segment.lines[0];
        let id = record.event.tombstone.unwrap();
        let line = format!(
            "- `ARCHIVE` `src/a.py`, archive id `{id}`, reason `pruned`, by `marc`, record \
             `{digest}`"
        );
        assert_eq!(render(&[segment]).lines().nth(2), Some(line.as_str()));
    }

    #[test]
    fn git_reads_the_trailers() {
        let segments = [archived(b"a", "marc"), archived(b"b", "`x` @y <b>")];
        let mut git = Command::new("git")
            .args(["interpret-trailers", "--parse"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let message = format!("Archive two files\n\n{}", render(&segments));
        git.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
        let out = String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap();
        let expected = segments.iter().map(|it| format!("Codex-Evidence: {}\n", it.last_digest()));
        assert_eq!(out, expected.collect::<String>());
    }

    #[test]
    fn words_of_64_hex_digits_count_in_whatever_dress() {
        for text in [
            A.to_owned(),
            format!("see {A}, {A} and {A}."),
            format!("`{A}`"),
            format!("**{A}**, '{A}'; {A}... -{A}-"),
            format!("| a |{A}|"),
            format!("[{A}](https://example.org/x/{B}.jsonl)"),
            format!("digest:{A}"),
            format!("sha256: {A}"),
            A.to_uppercase(),
            format!("    Codex-Evidence: {A}"),
            format!("codex-evidence:{A}\r"),
        ] {
            let cited = read_citations(&text);
            assert_eq!(cited.digests, [A.parse().unwrap()], "{text}");
            assert_eq!(cited.malformed, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn parts_of_other_things_do_not() {
        for text in [
            format!("{A}0"),
            format!("x{A}"),
            format!("{A}_"),
            format!("é{A}"),
            A[1..].to_owned(),
            format!("alpine@sha256:{A}"),
            format!("objects/{A}"),
            format!("{A}.jsonl"),
            format!("x-{A}"),
            format!("https://example.org/?q={A}"),
            format!("This reverts commit {A}."),
            format!("This reverts `commit` **{A}**!"),
            format!("(cherry picked from commit {A})"),
            format!("This reverts commit {A}, reversing\nchanges made to {B}."),
            format!("tree {A}\nparent {B}"),
        ] {
            assert_eq!(read_citations(&text), Citations::default(), "{text}");
        }
    }

    #[test]
    fn a_trailer_that_holds_no_digest_is_reported() {
        for value in [
            "".to_owned(),
            "none".to_owned(),
            A[1..].to_owned(),
            A.to_uppercase(),
            format!("sha256:{A}"),
            format!("{A} {B}"),
            format!("`{A}`"),
        ] {
            let cited = read_citations(&format!("text\n\nCodex-Evidence: {value}\n"));
            let shown: String = value.chars().take(80).collect();
            assert_eq!(cited, Citations { digests: Vec::new(), malformed: vec![shown] });
        }
        let escapes = read_citations("Codex-Evidence: \u{1b}[2J");
        assert_eq!(escapes.malformed, ["\\u{1b}[2J"]);
    }

    #[test]
    fn a_long_text_is_read_in_one_pass() {
        let text = format!("{A}:").repeat(20_000);
        assert_eq!(cited_digests(&text).len(), 1);
    }

    proptest! {
        #[test]
        fn no_name_makes_a_citation(actor in "[ -~\\p{Any}]{1,80}", path in any::<Vec<u8>>()) {
            let actor = format!("x{actor}");
            let path = [b"p", path.as_slice()].concat();
            if RepoPath::new(&path).is_ok() {
                let segments = [archived(&path, &actor)];
                let cited = read_citations(&render(&segments));
                prop_assert_eq!(cited.digests, records(&segments));
                prop_assert_eq!(cited.malformed, Vec::<String>::new());
            }
        }

        #[test]
        fn any_text_can_be_read(text in "(\\PC|[0-9a-f]{64}|[:/@.`\n -]){0,40}") {
            read_citations(&text);
        }
    }
}
