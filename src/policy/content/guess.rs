//! Whether bytes look like something a machine drew by lot, or like something a person wrote as a
//! stand-in.

/// Stand-ins that documents and tests have in a credential's place, in small letters.
const STAND_INS: [&[u8]; 17] = [
    b"example",
    b"placeholder",
    b"changeme",
    b"change-me",
    b"change_me",
    b"your",
    b"dummy",
    b"sample",
    b"redacted",
    b"replace",
    b"insert",
    b"fixme",
    b"123456",
    b"654321",
    b"abcdef",
    b"qwerty",
    b"notreal",
];

/// Words that real credentials do not spell either, where only a name tells what a value is.
const WORDS: [&[u8]; 14] = [
    b"test", b"fake", b"mock", b"secret", b"passw", b"token", b"p@ss", b"apikey", b"api_key",
    b"api-key", b"default", b"invalid", b"foobar", b"unused",
];

/// As long a run of one character no machine draws.
const RUN: usize = 6;

/// Shannon's entropy, in bits per byte.
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let all = bytes.len() as f64;
    let share = |count: &u32| f64::from(*count) / all;
    counts.iter().filter(|count| **count > 0).map(share).map(|it| -it * it.log2()).sum()
}

/// Whether `bytes` holds `word`, which is in small letters, in whatever case.
pub fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// Whether somebody wrote this to stand for a credential.
pub fn is_stand_in(bytes: &[u8]) -> bool {
    let repeats = bytes.windows(RUN).any(|run| run.iter().all(|byte| *byte == run[0]));
    repeats || STAND_INS.iter().any(|word| holds(bytes, word))
}

/// The same where no form of its own speaks for the value: words and templates count too.
pub fn is_word_or_template(bytes: &[u8]) -> bool {
    let template = |byte: &u8| b"{}<>$`[]()".contains(byte);
    is_stand_in(bytes)
        || bytes.iter().any(template)
        || bytes
            .windows(3)
            .any(|it| it == b"***" || it == b"..." || it.eq_ignore_ascii_case(b"xxx"))
        || WORDS.iter().any(|word| holds(bytes, word))
}

/// Whether a token of a known form is filled with chance.
pub fn is_random(bytes: &[u8]) -> bool {
    !is_stand_in(bytes) && entropy(bytes) >= 2.8
}

/// Whether bytes without a known form are drawn by lot: letters and digits, mixed as words and
/// names are not.
pub fn is_key_like(bytes: &[u8]) -> bool {
    let has = |class: fn(&u8) -> bool| bytes.iter().any(class);
    let bits = if bytes.iter().all(u8::is_ascii_hexdigit) { 3.0 } else { 3.4 };
    has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && entropy(bytes) >= bits
        && changes(bytes) * 4 >= bytes.len()
}

/// How often the kind of character changes; a capital before a small letter begins a word, which is
/// no change.
fn changes(bytes: &[u8]) -> usize {
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let kinds: Vec<u8> = bytes.iter().map(kind).filter(|kind| *kind != 0).collect();
    kinds.windows(2).filter(|it| it[0] != it[1] && !(it[0] == 3 && it[1] == 2)).count()
}

/// Of small letters, capitals, digits and the rest, how many sorts there are.
pub fn sorts(bytes: &[u8]) -> usize {
    let of: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit, |byte| {
            !byte.is_ascii_alphanumeric()
        }];
    of.iter().filter(|sort| bytes.iter().any(**sort)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_and_words() {
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
        assert!(entropy(b"").abs() < 1e-9);
        for key in ["f3a9c0d1e2b47586", "Zk3qP9xV1mT7bQ2r", "9f86d081884c7d65"] {
            assert!(is_key_like(key.as_bytes()), "{key}");
        }
        for word in ["my-test-value-2", "AccessControlList2", "com.acme.auth.v2", "aaaaaaaaaaaa1b"]
        {
            assert!(!is_key_like(word.as_bytes()), "{word}");
        }
        assert!(is_stand_in(b"AKIAIOSFODNN7EXAMPLE") && is_stand_in(b"xoxb-000000000000"));
        assert!(is_word_or_template(b"${DB_PASS}") && is_word_or_template(b"hunter***"));
    }
}
