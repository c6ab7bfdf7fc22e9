//! A source file as the rules see it: code without comments, the text of its string literals, and
//! every path it names, with imports resolved. Parts under `#[cfg(test)]` are left out.

/// One file of src/.
pub struct Source {
    /// Path below src/.
    pub file: String,
    /// All of it.
    pub text: String,
    /// String literals outside tests, each with its line.
    pub strings: Vec<(usize, String)>,
    /// Paths outside tests, imports resolved, each with its line.
    pub paths: Vec<(usize, Vec<String>)>,
}

impl Source {
    pub fn new(file: &str, text: &str) -> Self {
        let (mut code, literals) = strip(text);
        blank_tests(&mut code);
        let code = String::from_utf8(code).expect("only ASCII was replaced, by ASCII");
        let strings = literals
            .into_iter()
            .filter(|(at, _)| code.as_bytes()[*at] != b' ')
            .map(|(at, literal)| (line_of(&code, at), literal))
            .collect();
        let paths = resolve(file, &code);
        Self { file: file.to_owned(), text: text.to_owned(), strings, paths }
    }

    /// The top-level module: `git` of `git/mod.rs`, `fs` of `fs.rs`.
    pub fn module(&self) -> &str {
        let first = self.file.split('/').next().unwrap_or(&self.file);
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn line_of(code: &str, at: usize) -> usize {
    1 + code.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Blanks comments and the inside of literals; gives the string literals with the offsets of their
/// opening quotes.
fn strip(text: &str) -> (Vec<u8>, Vec<(usize, String)>) {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut strings = Vec::new();
    let blank = |out: &mut Vec<u8>, from: usize, to: usize| {
        out[from..to].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    };
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"//") {
            let end = at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            blank(&mut out, at, end);
            at = end;
        } else if rest.starts_with(b"/*") {
            let end = at + comment_len(rest);
            blank(&mut out, at, end);
            at = end;
        } else if let Some(hashes) = raw_hashes(bytes, at) {
            let open = at + 1 + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            let end = text[open..].find(&close).map_or(bytes.len(), |found| open + found);
            strings.push((open - 1, text[open..end].to_owned()));
            blank(&mut out, open, end);
            at = (end + close.len()).min(bytes.len());
        } else if bytes[at] == b'"' {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let end = end.min(bytes.len());
            strings.push((at, text[at + 1..end].to_owned()));
            blank(&mut out, at + 1, end);
            at = end + 1;
        } else if bytes[at] == b'\'' {
            // A character, unless it is a lifetime.
            let len = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            if rest.get(1) == Some(&b'\\') {
                let end = at
                    + 3
                    + rest.get(3..).and_then(|r| r.iter().position(|b| *b == b'\'')).unwrap_or(0);
                blank(&mut out, at + 1, end.min(bytes.len()));
                at = end + 1;
            } else if rest.get(1 + len) == Some(&b'\'') {
                blank(&mut out, at + 1, at + 1 + len);
                at += len + 2;
            } else {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    (out, strings)
}

fn comment_len(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The number of `#` when a raw string begins at `at`.
fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map_or(b' ', |i| bytes[i]);
    let before_that = at.checked_sub(2).map_or(b' ', |i| bytes[i]);
    let starts = !is_word(before) || (matches!(before, b'b' | b'c') && !is_word(before_that));
    if bytes[at] != b'r' || !starts {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Blanks each item under `#[cfg(test)]`: up to its `;`, or through its closing brace.
fn blank_tests(code: &mut [u8]) {
    const MARK: &[u8] = b"#[cfg(test)]";
    let mut at = 0;
    while let Some(found) = code[at..].windows(MARK.len()).position(|it| it == MARK) {
        let start = at + found;
        let (mut depth, mut end) = (0, start + MARK.len());
        while end < code.len() {
            match code[end] {
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => depth -= 1,
                _ => {}
            }
            let over = matches!((code[end], depth), (b';' | b'}', 0));
            end += 1;
            if over {
                break;
            }
        }
        code[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
}

/// A token: a word, `::`, or one other character.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut chars = code.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\n' {
            line += 1;
        } else if c.is_alphanumeric() || c == '_' {
            let mut end = at + c.len_utf8();
            while let Some((next, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                end = next + c.len_utf8();
            }
            tokens.push((line, code[at..end].to_owned()));
        } else if c == ':' && chars.next_if(|(_, c)| *c == ':').is_some() {
            tokens.push((line, "::".to_owned()));
        } else if !c.is_whitespace() {
            tokens.push((line, c.to_string()));
        }
    }
    tokens
}

/// Every path of the code: what `use` trees import, and what expressions and types name.
fn resolve(file: &str, code: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut imports: Vec<(String, Vec<String>)> = Vec::new();
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (line, word) = &tokens[at];
        let is_name = word.bytes().all(is_word) && !word.as_bytes()[0].is_ascii_digit();
        if word == "use" {
            at = tree(&tokens, at + 1, &[], &mut |line, path, name| {
                imports.push((name.to_owned(), path.to_vec()));
                found.push((line, path.to_vec()));
            });
        } else if is_name {
            let mut path = vec![word.clone()];
            while tokens.get(at + 1).is_some_and(|it| it.1 == "::")
                && tokens.get(at + 2).is_some_and(|it| it.1.bytes().all(is_word))
            {
                path.push(tokens[at + 2].1.clone());
                at += 2;
            }
            found.push((*line, path));
        }
        at += 1;
    }
    let own = own_path(file);
    let full = |path: Vec<String>| {
        let import = imports.iter().find(|(name, _)| *name == path[0]);
        match import {
            Some((_, import)) if *import != path => {
                absolute(&own, import.iter().chain(&path[1..]).cloned().collect())
            }
            _ => absolute(&own, path),
        }
    };
    found.into_iter().map(|(line, path)| (line, full(path))).collect()
}

/// Reads a `use` tree from the token `at`; calls `leaf` with line, path and local name of each
/// leaf; gives the index of the token after it.
fn tree(
    tokens: &[(usize, String)],
    mut at: usize,
    before: &[String],
    leaf: &mut impl FnMut(usize, &[String], &str),
) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(at).map_or(0, |it| it.0);
    while let Some((_, token)) = tokens.get(at) {
        match token.as_str() {
            "::" => {}
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|it| it.1 != "}") {
                    at = tree(tokens, at, &path, leaf);
                    if tokens.get(at).is_some_and(|it| it.1 == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => {
                let name = tokens.get(at + 1).map_or("", |it| it.1.as_str());
                leaf(line, &path, name);
                return at + 2;
            }
            "," | "}" | ";" => break,
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    let name = path.last().cloned().unwrap_or_default();
    leaf(line, &path, &name);
    at
}

/// The module path of a file below src/.
fn own_path(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// `path` with `self` and `super` replaced: it begins with `crate` when it is of this package.
fn absolute(own: &[String], path: Vec<String>) -> Vec<String> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    if path[0] == "codex_archive" {
        return std::iter::once("crate".to_owned()).chain(path[1..].iter().cloned()).collect();
    }
    if ups == 0 && (path[0] != "self" || path.len() == 1) {
        return path;
    }
    let kept = own.len().saturating_sub(ups);
    let rest = &path[ups.max(1)..];
    let base = std::iter::once("crate".to_owned()).chain(own[..kept].iter().cloned());
    base.chain(rest.iter().cloned()).collect()
}
