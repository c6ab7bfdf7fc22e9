//! Private keys as files and programs hold them: PEM, OpenSSH, PGP, PuTTY, Google's JSON.

use std::ops::Range;

use memchr::memmem;

use super::guess;
use super::token::{around, is_base64, run};

/// How far behind a key's first line its body may begin: headers, line ends, quotes.
const HEAD_BYTES: usize = 512;
/// As much of the body is looked at.
const BODY_BYTES: usize = 64;
/// How far the parts of one file may be apart.
const FILE_BYTES: usize = 4096;

/// The key whose first line says `PRIVATE KEY` at `anchor`: a first line without a body, as programs
/// that read keys have it, is none.
pub fn pem(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let start = begin_line(text, anchor.start)?;
    let rest = &text[anchor.end..];
    let end = [b"-----".as_slice(), b" BLOCK-----", b" ----"];
    let closing = end.iter().find(|closing| rest.starts_with(closing))?;
    let body = body(text, anchor.end + closing.len())?;
    Some(start..body.end)
}

fn begin_line(text: &[u8], end: usize) -> Option<usize> {
    const OPENINGS: [&[u8]; 2] = [b"---- BEGIN ", b"-----BEGIN "];
    let line = &text[end.saturating_sub(40)..end];
    let found = |opening: &&[u8]| memmem::rfind(line, opening).map(|at| (at, at + opening.len()));
    let (at, words) = OPENINGS.iter().find_map(found)?;
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    line[words..].iter().all(plain).then_some(end - line.len() + at)
}

/// The first line of the key's own characters behind `at`.
fn body(text: &[u8], at: usize) -> Option<Range<usize>> {
    const HEADERS: [&[u8]; 7] =
        [b"Proc-Type", b"DEK-Info", b"Version:", b"Comment:", b"Hash:", b"Charset:", b"Subject:"];
    let limit = (at + HEAD_BYTES).min(text.len());
    let mut at = at;
    loop {
        at = filling(text, at, limit);
        if at >= limit {
            return None;
        }
        if !HEADERS.iter().any(|header| text[at..].starts_with(header)) {
            break;
        }
        let line = &text[at..limit];
        let ends = [memchr::memchr(b'\n', line), memmem::find(line, b"\\n")];
        at += ends.into_iter().flatten().min()?;
    }
    let body = run(text, at, BODY_BYTES, is_base64);
    let bytes = &text[body.clone()];
    let mixed =
        bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase);
    let real = bytes.len() >= 24 && mixed && guess::entropy(bytes) >= 3.0;
    (real && !guess::is_stand_in(&bytes[..24])).then_some(body)
}

/// Past line ends, written out or escaped, and what programs put around lines of text.
fn filling(text: &[u8], at: usize, limit: usize) -> usize {
    let mut at = at;
    while at < limit {
        match (text[at], text.get(at + 1)) {
            (b'\\', Some(b'n' | b'r' | b't')) => at += 2,
            (byte, _) if byte.is_ascii_whitespace() || b"\"'`+,.*#\\;|>".contains(&byte) => at += 1,
            _ => break,
        }
    }
    at
}

/// A service account's file, found by the name of its key.
pub fn google(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let value = filling_of_json(text, anchor.end);
    let words = memmem::find(text.get(value..value + 40)?, b"PRIVATE KEY")? + value;
    let key = pem(text, words..words + b"PRIVATE KEY".len())?;
    let near = around(text, anchor.start, FILE_BYTES);
    let is_account = [b"service_account".as_slice(), b"client_email"];
    is_account.iter().any(|name| memmem::find(near, name).is_some()).then_some(key)
}

fn filling_of_json(text: &[u8], at: usize) -> usize {
    let filling = |byte: u8| byte.is_ascii_whitespace() || b":\"\\".contains(&byte);
    run(text, at, 32, filling).end
}

/// A key of PuTTY's, if its private lines are there.
pub fn putty(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    const LINES: &[u8] = b"Private-Lines: ";
    text.get(anchor.end).filter(|byte| byte.is_ascii_digit())?;
    let near = &text[anchor.end..(anchor.end + FILE_BYTES).min(text.len())];
    let at = anchor.end + memmem::find(near, LINES)? + LINES.len();
    let count = run(text, at, 4, |byte| byte.is_ascii_digit());
    body(text, count.end).map(|body| anchor.start..body.end).filter(|_| !count.is_empty())
}

/// The end of the key that `found` begins, for whoever takes it out: up to its last line, or as far
/// as its characters go.
pub fn extent(text: &[u8], found: &Range<usize>) -> usize {
    const END: &[u8] = b"-----END ";
    let rest = &text[found.end..];
    if let Some(at) = memmem::find(rest, END) {
        let tail = found.end + at + END.len();
        let name = run(text, tail, 64, |byte| is_base64(byte) || b" -".contains(&byte));
        return name.end;
    }
    let mut end = found.end;
    loop {
        let next = run(text, filling(text, end, text.len()), usize::MAX, is_base64);
        if next.len() < 4 {
            return end;
        }
        end = next.end;
    }
}
