//! Credentials that carry their kind in front: a prefix and then so many characters of a class.

use std::ops::Range;

use super::guess;

/// What follows a prefix.
pub struct Token {
    /// Which characters.
    pub class: fn(u8) -> bool,
    /// The fewest of them.
    pub least: usize,
    /// The most of them; one more, and it is something else.
    pub most: usize,
    /// What else they must be.
    pub is_right: fn(&[u8]) -> bool,
}

impl Token {
    /// The token whose prefix `anchor` is.
    pub fn at(&self, text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
        if !begins_word(text, anchor.start) {
            return None;
        }
        let body = run(text, anchor.end, self.most + 1, self.class);
        let fits = (self.least..=self.most).contains(&body.len());
        let body = fits.then(|| &text[body.clone()]).filter(|body| (self.is_right)(body))?;
        Some(anchor.start..anchor.end + body.len())
    }
}

/// The characters of `class` from `at` on, at most `most`.
pub fn run(text: &[u8], at: usize, most: usize, class: fn(u8) -> bool) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let len = rest.iter().take(most).take_while(|byte| class(**byte)).count();
    at..at + len
}

/// The same backwards: the characters that end before `at`.
pub fn run_before(text: &[u8], at: usize, most: usize, class: fn(u8) -> bool) -> Range<usize> {
    let len = text[..at].iter().rev().take(most).take_while(|byte| class(**byte)).count();
    at - len..at
}

/// The text around `at`, so many bytes on either side.
pub fn around(text: &[u8], at: usize, reach: usize) -> &[u8] {
    &text[at.saturating_sub(reach)..(at + reach).min(text.len())]
}

/// Whether no word goes on at `at`. In `"\nghp_…"` and `%20ghp_…` none does.
pub fn begins_word(text: &[u8], at: usize) -> bool {
    match text[..at] {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !is_word(last),
        [] => true,
    }
}

/// Letters and digits.
pub fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Letters, digits and `_`.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The alphabet of base64 for URLs.
pub fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// The same with the dots between parts.
pub fn is_dotted(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

/// The alphabet of base64.
pub fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

/// Capitals and digits.
pub fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// Hexadecimal digits, in small letters.
pub fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Whether the last 6 of 36 characters are the checksum that GitHub puts there: CRC-32 of the
/// others, in base 62. Longer tokens are of forms without a known checksum.
pub fn has_github_checksum(body: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (Some((chance, told)), 36) = (body.split_at_checked(30), body.len()) else {
        return guess::is_random(body);
    };
    let mut rest = crc32fast::hash(chance);
    told.iter().rev().all(|digit| {
        let right = DIGITS[(rest % 62) as usize] == *digit;
        rest /= 62;
        right
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_published_token() {
        let body = ["zQWBuTSOoRi4A9spHcVY5n", "cnsDkxkJ0mLq17"].concat();
        assert!(has_github_checksum(body.as_bytes()));
        assert!(!has_github_checksum(body.replace('z', "y").as_bytes()));
        assert!(!has_github_checksum(body.replace("17", "18").as_bytes()));
    }

    #[test]
    fn where_words_begin() {
        for (text, at) in [("x\\nab", 3), ("%20ab", 3), ("=ab", 1), ("ab", 0), ("/ab", 1)] {
            assert!(begins_word(text.as_bytes(), at), "{text}");
        }
        for (text, at) in [("nab", 1), ("_ab", 1), ("9ab", 1)] {
            assert!(!begins_word(text.as_bytes(), at), "{text}");
        }
    }
}
