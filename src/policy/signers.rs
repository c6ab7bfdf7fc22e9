//! Signers: the lines of `.codex/allowed_signers`, in OpenSSH's format ALLOWED SIGNERS
//! (ssh-keygen(1)).
//!
//! Promises: the lines are a set. Each has one canonical spelling (one space between fields, lists
//! sorted, options in one order, times in UTC with seconds, no comment), so two branches that each
//! add a line merge to the set of both. What OpenSSH would read and this does not is refused with
//! its line: a time without `Z`, which means another moment on each machine; certificates; keys
//! that are not taken.

use std::fmt;

use base64ct::{Base64, Encoding};
use unicode_normalization::UnicodeNormalization;

use super::patterns::Patterns;
use super::public_key::PublicKey;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{Actor, escape_line};

/// Where the file stands in a tree.
pub const SIGNERS_PATH: &str = ".codex/allowed_signers";

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A set of signers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers(Vec<Signer>);

/// One line: for whom a key speaks, for what and when.
#[derive(Debug, Clone)]
pub struct Signer {
    principals: Patterns,
    namespaces: Option<Patterns>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    key: PublicKey,
    /// The canonical spelling, by which lines are compared.
    text: String,
}

impl Signers {
    /// The signers of `.codex/allowed_signers` with this `text`. A line that cannot be read is an
    /// [`Error::Config`] that names it.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_from(SIGNERS_PATH, text)
    }

    /// [`Signers::parse`] of another file, which errors name.
    pub fn parse_from(file: &str, text: &str) -> Result<Self> {
        let wrong = |line: usize, what: String| Error::Config {
            what,
            origin: format!("{file}:{line}"),
            nearest: None,
        };
        if text.len() > MAX_FILE_BYTES {
            return Err(wrong(1, format!("the signers are more than {MAX_FILE_BYTES} bytes")));
        }
        let mut signers = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            signers.push(Signer::parse(line).map_err(|what| wrong(n + 1, what))?);
        }
        signers.sort();
        signers.dedup();
        Ok(Self(signers))
    }

    /// The lines in canonical spelling, sorted, each once.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|it| it.text.as_str())
    }

    /// The canonical text: each line with a line feed.
    pub fn render(&self) -> String {
        self.lines().flat_map(|line| [line, "\n"]).collect()
    }

    /// Whether there is no signer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are here and not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|it| other.0.binary_search(it).is_err()).cloned().collect())
    }

    /// The lines of `key`.
    pub(super) fn of_key<'a>(&'a self, key: &'a PublicKey) -> impl Iterator<Item = &'a Signer> {
        self.0.iter().filter(move |it| it.key == *key)
    }

    /// The lines that speak for the actor `name`, whatever they may sign, and when.
    pub fn of_actor<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Signer> {
        self.0.iter().filter(move |it| it.is_of(name))
    }
}

impl Signer {
    /// The line in canonical spelling.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key, as `SHA256:…`.
    pub fn key_fingerprint(&self) -> String {
        self.key.fingerprint()
    }

    /// The plain names that the key speaks for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.principals.names()
    }

    /// Whether the key speaks for the actor `name`; capitals and small letters are the same.
    pub fn is_of(&self, name: &str) -> bool {
        Patterns::parse(&fold(&self.principals.to_string()))
            .is_ok_and(|folded| folded.fit(&fold(name.trim())))
    }

    /// Whether it may sign for the purpose `namespace`.
    pub fn may_sign_for(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|it| it.fit(namespace))
    }

    /// The first moment at which it is in force.
    pub fn valid_after(&self) -> Option<Timestamp> {
        self.valid_after
    }

    /// The last second at which it is in force.
    pub fn valid_before(&self) -> Option<Timestamp> {
        self.valid_before
    }

    fn parse(line: &str) -> std::result::Result<Self, String> {
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err("the line has a control character".to_owned());
        }
        let (principals, rest) = split_principals(line)?;
        let principals = read_principals(principals)?;
        let (first, after) = split_word(rest);
        let (options, key) = match is_key_kind(first) {
            true => (Options::default(), rest),
            false => (Options::parse(first)?, after),
        };
        let key = read_key(key)?;
        let Options { namespaces, valid_after, valid_before } = options;
        let text = String::new();
        let mut signer = Self { principals, namespaces, valid_after, valid_before, key, text };
        signer.text = signer.render();
        Ok(signer)
    }

    fn render(&self) -> String {
        let principals = self.principals.to_string();
        let quote = if principals.contains([' ', '\t']) { "\"" } else { "" };
        let mut out = format!("{quote}{principals}{quote} ");
        let time = |name: &str, at: Option<Timestamp>| at.map(|at| (name.to_owned(), compact(at)));
        let options = [
            self.namespaces.as_ref().map(|it| ("namespaces".to_owned(), it.to_string())),
            time("valid-after", self.valid_after),
            time("valid-before", self.valid_before),
        ];
        let options: Vec<_> =
            options.into_iter().flatten().map(|(name, it)| format!("{name}=\"{it}\"")).collect();
        if !options.is_empty() {
            out.push_str(&options.join(","));
            out.push(' ');
        }
        out.push_str(&format!("{} {}", self.key.kind(), Base64::encode_string(self.key.blob())));
        out
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Signer {}

impl PartialOrd for Signer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Signer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name for comparing: in NFC, and its capitals as small letters.
fn fold(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The first field, which may stand between quotes, and what follows.
fn split_principals(line: &str) -> std::result::Result<(&str, &str), String> {
    let (principals, rest) = match line.strip_prefix('"') {
        None => split_word(line),
        Some(quoted) => {
            let (inside, rest) =
                quoted.split_once('"').ok_or("the quotes of the principals do not end")?;
            if !rest.starts_with([' ', '\t']) {
                return Err("behind the quotes of the principals stands no space".to_owned());
            }
            (inside, rest.trim_start_matches([' ', '\t']))
        }
    };
    if rest.is_empty() {
        return Err("the line has no key".to_owned());
    }
    Ok((principals, rest))
}

fn read_principals(text: &str) -> std::result::Result<Patterns, String> {
    let wrong = |why: &str| format!("the principals `{}`: {why}", escape_line(text));
    if text.contains(['"', '\\']) {
        return Err(wrong("a name has a quote or a backslash"));
    }
    let names = Patterns::parse(text).map_err(wrong)?;
    let mut normal = Vec::new();
    for name in names.to_string().split(',') {
        let (sign, bare) = name.strip_prefix('!').map_or(("", name), |bare| ("!", bare));
        let actor = Actor::new(bare).map_err(|_| wrong("a name could be no actor's"))?;
        // OpenSSH takes spaces at the ends for part of the name, and no actor has them.
        if bare.trim() != bare {
            return Err(wrong("a name begins or ends with a space"));
        }
        normal.push(format!("{sign}{actor}"));
    }
    Patterns::parse(&normal.join(",")).map_err(wrong)
}

/// The word up to a space outside of quotes, and what follows the spaces.
fn split_word(text: &str) -> (&str, &str) {
    let mut is_quoted = false;
    let end = text.find(|c| {
        is_quoted ^= c == '"';
        !is_quoted && (c == ' ' || c == '\t')
    });
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word, rest.trim_start_matches([' ', '\t']))
}

fn is_key_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "rsa-sha2-"].iter().any(|it| word.starts_with(it))
}

fn read_key(text: &str) -> std::result::Result<PublicKey, String> {
    let (kind, rest) = split_word(text);
    let (blob, _comment) = split_word(rest);
    if kind.contains("-cert-v") {
        return Err("certificates are not taken: list the key itself".to_owned());
    }
    if kind.is_empty() || blob.is_empty() {
        return Err("the line has no key".to_owned());
    }
    let wrong = |why: &str| format!("the key `{}`: {why}", escape_line(kind));
    let blob = Base64::decode_vec(blob).map_err(|_| wrong("it is not base64"))?;
    let key = PublicKey::from_blob(&blob).map_err(|why| wrong(&why))?;
    if key.kind() != kind {
        return Err(wrong(&format!("it is of the kind `{}`", key.kind())));
    }
    Ok(key)
}

/// What may stand between principals and key.
#[derive(Debug, Default)]
struct Options {
    namespaces: Option<Patterns>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Options {
    fn parse(mut text: &str) -> std::result::Result<Self, String> {
        let mut this = Self::default();
        loop {
            let end = text.find(['=', ',']).unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            let (value, rest) = match rest.strip_prefix('=') {
                None => (None, rest),
                Some(rest) => {
                    let unquoted = || format!("the value of `{}` has no quotes", escape_line(name));
                    let (value, rest) = rest
                        .strip_prefix('"')
                        .and_then(|it| it.split_once('"'))
                        .ok_or_else(unquoted)?;
                    (Some(value), rest)
                }
            };
            this.set(&name.to_ascii_lowercase(), value)?;
            match rest.strip_prefix(',') {
                Some(more) => text = more,
                None if rest.is_empty() => break,
                None => return Err("no comma stands between two options".to_owned()),
            }
        }
        match (this.valid_after, this.valid_before) {
            (Some(after), Some(before)) if before <= after => {
                Err("`valid-before` is not after `valid-after`".to_owned())
            }
            _ => Ok(this),
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> std::result::Result<(), String> {
        match (name, value) {
            ("cert-authority", _) => {
                Err("`cert-authority`: certificates are not taken; list each key".to_owned())
            }
            ("namespaces", Some(value)) => {
                let wrong = |why: &str| format!("`namespaces`: {why}");
                if value.contains(['\\', ' ', '\t']) {
                    return Err(wrong("a name has a space or a backslash"));
                }
                once(&mut self.namespaces, name, Patterns::parse(value).map_err(wrong)?)
            }
            ("valid-after", Some(value)) => once(&mut self.valid_after, name, read_time(value)?),
            ("valid-before", Some(value)) => once(&mut self.valid_before, name, read_time(value)?),
            ("namespaces" | "valid-after" | "valid-before", None) => {
                Err(format!("`{name}` has no value"))
            }
            _ => Err(format!("`{}` is no option of a signer", escape_line(name))),
        }
    }
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> std::result::Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` stands there twice")),
    }
}

/// `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ`.
fn read_time(text: &str) -> std::result::Result<Timestamp, String> {
    let shown = escape_line(text);
    let wrong = || format!("the time `{shown}` is not of the form YYYYMMDD[HHMM[SS]]Z");
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return Err(wrong());
    }
    if digits.len() == text.len() {
        let why = "has no `Z` behind it, and would mean another moment in each time zone";
        return Err(format!("the time `{shown}` {why}"));
    }
    let padded = format!("{digits:0<14}");
    let part = |from: usize, to: usize| &padded[from..to];
    let (date, time) =
        ([part(0, 4), part(4, 6), part(6, 8)], [part(8, 10), part(10, 12), part(12, 14)]);
    let at = format!("{}T{}.000Z", date.join("-"), time.join(":"));
    at.parse().ok().filter(|at: &Timestamp| at.unix_ms() > 0).ok_or_else(wrong)
}

/// `YYYYMMDDHHMMSSZ`.
fn compact(at: Timestamp) -> String {
    let text = at.to_string();
    let digits: String = text[..19].chars().filter(char::is_ascii_digit).collect();
    format!("{digits}Z")
}
