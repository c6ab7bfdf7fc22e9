//! Values that only their names make credentials: `name = "value"` in all the ways that programs,
//! settings and documents write it.

use std::ops::Range;

use super::guess;
use super::token::{is_base64, is_hex, is_word, run, run_before};

/// Pieces of names, each where it stands in small letters, in capitals, or behind a capital.
pub const WORDS: &[&str] = &[
    "assw",
    "ASSW",
    "assphrase",
    "ASSPHRASE",
    "pwd",
    "PWD",
    "ecret",
    "ECRET",
    "oken",
    "OKEN",
    "_key",
    "_KEY",
    "-key",
    "ikey",
    "IKEY",
    "Key",
    "redential",
    "REDENTIAL",
    "uthoriz",
    "UTHORIZ",
];

/// The longest name and value, in bytes.
const NAME_BYTES: usize = 64;
const VALUE_BYTES: usize = 512;

/// A name and the value that it is given.
pub struct Assignment<'a> {
    /// The name, in small letters.
    pub name: Vec<u8>,
    /// The value, without its quotes.
    pub value: &'a [u8],
    /// Where the value stands.
    pub range: Range<usize>,
    /// Whether it is quoted.
    quoted: bool,
    /// Whether nothing else is on the line.
    alone: bool,
}

impl<'a> Assignment<'a> {
    /// The assignment to the name that has the piece at `anchor`.
    pub fn at(text: &'a [u8], anchor: Range<usize>) -> Option<Self> {
        let in_name = |byte: u8| is_word(byte) || b"-.".contains(&byte);
        let before = run_before(text, anchor.start, NAME_BYTES, in_name);
        let after = run(text, anchor.end, NAME_BYTES, in_name);
        let at = operator(text, before.start, after.end)?;
        let name = &text[before.start..after.end];
        if guess_name(name) == NameSays::Other {
            return None;
        }
        let (range, quoted) = value(text, at)?;
        let alone = !quoted && stands_alone(text, before.start, range.end);
        let value = &text[range.clone()];
        Some(Self { name: name.to_ascii_lowercase(), value, range, quoted, alone })
    }

    fn named(&self, piece: &str) -> bool {
        guess::holds(&self.name, piece.as_bytes())
    }

    /// An AWS secret key: 40 characters under a name that says so.
    pub fn is_aws_secret(&self) -> bool {
        let named = self.named("secret") && (self.named("aws") || self.named("access"));
        let of_class = self.value.iter().all(|byte| is_base64(*byte));
        named && self.value.len() == 40 && of_class && self.is_chance()
    }

    /// A key of Azure's storage or services.
    pub fn is_azure_key(&self) -> bool {
        let whole = [44, 88].contains(&self.value.len()) && self.value.ends_with(b"=");
        let of_class = self.value.iter().all(|byte| is_base64(*byte));
        self.named("account") && whole && of_class && self.is_chance()
    }

    /// An old key of Heroku's: a UUID under its name.
    pub fn is_heroku_key(&self) -> bool {
        self.named("heroku") && is_uuid(self.value) && !guess::is_stand_in(self.value)
    }

    /// A token of Twilio's: 32 digits under its name.
    pub fn is_twilio_token(&self) -> bool {
        let of_class = self.value.len() == 32 && self.value.iter().all(|byte| is_hex(*byte));
        self.named("twilio") && of_class && self.is_chance()
    }

    /// A Discord bot's token: three parts, the first of which is its number.
    pub fn is_discord_token(&self) -> bool {
        let parts: Vec<usize> = self.value.split(|byte| *byte == b'.').map(<[u8]>::len).collect();
        let [id, time, rest] = parts[..] else { return false };
        let of_length = (23..=28).contains(&id) && (6..=7).contains(&time) && rest >= 27;
        of_length && self.value.starts_with(b"M") && guess::is_key_like(self.value)
    }

    /// Anything drawn by lot under a name that means a secret.
    pub fn is_secret(&self) -> bool {
        let of_class = |byte: &u8| is_base64(*byte) || b"-_.~:%".contains(byte);
        let long = (if self.quoted { 16 } else { 20 }..=VALUE_BYTES).contains(&self.value.len());
        let plain = long && self.value.iter().all(of_class) && guess::is_key_like(self.value);
        plain && !self.is_known_not() && !guess::is_word_or_template(self.value)
    }

    /// A password that somebody chose well.
    pub fn is_password(&self) -> bool {
        let named = ["passw", "pwd", "passphrase"].iter().any(|it| self.named(it));
        let long = (8..=128).contains(&self.value.len());
        let graphic = self.value.iter().all(|byte| byte.is_ascii_graphic());
        let sorts = guess::sorts(self.value) >= 3 && self.value.iter().any(u8::is_ascii_digit);
        let strong = sorts && guess::entropy(self.value) >= 2.8;
        let whole = self.quoted || self.alone;
        named
            && long
            && graphic
            && whole
            && strong
            && !self.is_known_not()
            && !guess::is_word_or_template(self.value)
    }

    fn is_chance(&self) -> bool {
        guess::is_key_like(self.value) && !guess::is_stand_in(self.value)
    }

    /// A UUID, a digest that says so, a date, an address, a path or a dotted name.
    fn is_known_not(&self) -> bool {
        const BEGINNINGS: [&[u8]; 12] = [
            b"sha1-", b"sha256", b"sha384", b"sha512", b"md5", b"http", b"/", b"./", b"../",
            b"urn:", b"arn:", b"0x",
        ];
        let value = self.value;
        let dots = value.iter().filter(|byte| b"./".contains(byte)).count();
        is_uuid(value)
            || BEGINNINGS.iter().any(|it| value.starts_with(it))
            || value.windows(3).any(|it| it == b"://")
            || (dots >= 2 && value.split(|byte| b"./".contains(byte)).all(|part| part.len() < 16))
    }
}

#[derive(PartialEq, Eq)]
enum NameSays {
    Secret,
    Other,
}

/// Whether a name means a secret, and not something about one.
fn guess_name(name: &[u8]) -> NameSays {
    /// What makes of a secret's name something else, wherever it stands.
    const ANYWHERE: [&[u8]; 17] = [
        b"public",
        b"hash",
        b"digest",
        b"checksum",
        b"csrf",
        b"xsrf",
        b"nonce",
        b"pagetoken",
        b"page_token",
        b"nexttoken",
        b"next_token",
        b"continuation",
        b"integrity",
        b"fingerprint",
        b"cancel",
        b"sealed",
        b"md5",
    ];
    /// What does so behind it.
    const BEHIND: [&[u8]; 28] = [
        b"_id",
        b"-id",
        b"id",
        b"name",
        b"url",
        b"uri",
        b"path",
        b"file",
        b"type",
        b"kind",
        b"field",
        b"label",
        b"prefix",
        b"suffix",
        b"format",
        b"regex",
        b"pattern",
        b"header",
        b"version",
        b"length",
        b"class",
        b"param",
        b"arn",
        b"endpoint",
        b"instance",
        b"algorithm",
        b"factory",
        b"alias",
    ];
    /// What makes a key a secret one.
    const BEFORE_KEY: [&[u8]; 14] = [
        b"api", b"access", b"auth", b"secret", b"private", b"sign", b"encr", b"account", b"shared",
        b"service", b"master", b"admin", b"app", b"jwt",
    ];
    const HEADS: [&[u8]; 8] =
        [b"passw", b"pwd", b"passphrase", b"secret", b"token", b"key", b"credential", b"auth"];
    let holds = |part: &[u8], words: &[&[u8]]| words.iter().any(|word| guess::holds(part, word));
    if holds(name, &ANYWHERE) {
        return NameSays::Other;
    }
    let others = HEADS.iter().filter(|head| **head != b"key");
    let is_key_alone = !others.clone().any(|head| guess::holds(name, head));
    if is_key_alone && !holds(name, &BEFORE_KEY) {
        return NameSays::Other;
    }
    let last = HEADS.iter().filter_map(|head| {
        let at = name.windows(head.len()).rposition(|part| part.eq_ignore_ascii_case(head))?;
        Some(at + head.len())
    });
    let tail = last.max().map_or(&[][..], |end| &name[end..]);
    if holds(tail, &BEHIND) { NameSays::Other } else { NameSays::Secret }
}

/// Where the value begins behind a name that ends at `end`: past closing quotes, an operator, and the
/// type that some languages put between.
fn operator(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let closing = |byte: u8| b"\"'`\\]".contains(&byte);
    let closed = run(text, end, 3, closing);
    let at = spaces(text, closed.end);
    let rest = text.get(at..)?;
    let behind = match rest {
        [b'=', b'=' | b'>', ..] | [b':', b'=', ..] => at + 2,
        [b'=', ..] => at + 1,
        [b':', b':', ..] => return None,
        [b':', ..] => typed(text, at + 1),
        [b',', ..] if !closed.is_empty() => at + 1,
        [b'(', ..] if closed.is_empty() => at + 1,
        [b'>', ..] if start > 0 && text[start - 1] == b'<' => at + 1,
        _ => return None,
    };
    Some(spaces(text, behind))
}

/// Past the type in `name: Type = value`; where there is none, `at`.
fn typed(text: &[u8], at: usize) -> usize {
    let begin = spaces(text, at);
    let in_type = |byte: u8| byte.is_ascii_alphanumeric() || b"_&'<>:[]?|. ".contains(&byte);
    let name = run(text, begin, 40, in_type);
    let quoted = text[name.clone()].iter().any(|byte| b"\"".contains(byte));
    let is_type = !name.is_empty() && !quoted && text.get(name.end) == Some(&b'=');
    if is_type { name.end + 1 } else { at }
}

fn spaces(text: &[u8], at: usize) -> usize {
    run(text, at, 16, |byte| matches!(byte, b' ' | b'\t')).end
}

/// The value at `at` without quotes, letters before them and words of HTTP, and whether it is quoted.
fn value(text: &[u8], at: usize) -> Option<(Range<usize>, bool)> {
    let letters = run(text, at, 2, |byte| b"bBrRfFuUL@".contains(&byte));
    let is_quote = |at: usize| text.get(at).is_some_and(|byte| b"\"'`".contains(byte));
    let open = if is_quote(letters.end) { letters.end } else { at };
    let escaped = text.get(open) == Some(&b'\\') && is_quote(open + 1);
    let open = if escaped { open + 1 } else { open };
    if is_quote(open) {
        let quote = text[open];
        let inner = scheme(text, open + 1);
        let rest = &text[inner..(inner + VALUE_BYTES + 2).min(text.len())];
        let end = rest.iter().position(|byte| *byte == quote || *byte == b'\n')?;
        let closes = rest[end] == quote;
        let end = if escaped && rest[..end].ends_with(b"\\") { end - 1 } else { end };
        return (closes && end > 0).then_some((inner..inner + end, true));
    }
    let inner = scheme(text, at);
    let in_value = |byte: u8| byte.is_ascii_graphic() && !b"\"'`,;<>(){}[]&|\\".contains(&byte);
    let found = run(text, inner, VALUE_BYTES + 1, in_value);
    let calls = matches!(text.get(found.end), Some(b'(' | b'[' | b'{' | b'>' | b'|' | b'\\'));
    (!found.is_empty() && !calls).then_some((found, false))
}

/// Past `Bearer` and the like.
fn scheme(text: &[u8], at: usize) -> usize {
    let schemes = [b"Bearer ".as_slice(), b"bearer ", b"Basic ", b"basic ", b"Token ", b"token "];
    let found = schemes.iter().find(|it| text[at..].starts_with(it));
    at + found.map_or(0, |it| it.len())
}

/// Whether a line has a name at its front and the value at its end, as settings do.
fn stands_alone(text: &[u8], name: usize, end: usize) -> bool {
    let ends = matches!(text.get(end), None | Some(b'\n' | b'\r'));
    let front = run_before(text, name, 16, |byte| byte != b'\n');
    let plain = |byte: &u8| matches!(byte, b' ' | b'\t' | b'-');
    let front = &text[front];
    ends && (front.iter().all(plain) || front.trim_ascii() == b"export")
}

fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
