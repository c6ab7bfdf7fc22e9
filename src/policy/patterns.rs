//! Lists of patterns as OpenSSH writes them: `alice,*@example.com,!eve@example.com`.
//!
//! Promises: `*` stands for any bytes, `?` for one; what a pattern with `!` fits is shut out,
//! wherever that stands in the list. A list has one spelling: sorted, each pattern once.

use std::fmt;

/// At least one pattern, one of them without `!`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// The list that `text` is, with commas between its patterns; why not, as a clause.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut patterns: Vec<_> = text.split(',').map(str::to_owned).collect();
        if patterns.iter().any(|it| it.strip_prefix('!').unwrap_or(it).is_empty()) {
            return Err("it is an empty name");
        }
        if patterns.iter().all(|it| it.starts_with('!')) {
            return Err("it only shuts out, and fits nothing");
        }
        patterns.sort();
        patterns.dedup();
        Ok(Self(patterns))
    }

    /// Whether `name` fits one of the patterns, and none with `!`.
    pub fn fit(&self, name: &str) -> bool {
        let fits = |pattern: &str| pattern_fits(pattern.as_bytes(), name.as_bytes());
        let is_shut_out = self.0.iter().filter_map(|it| it.strip_prefix('!')).any(fits);
        !is_shut_out && self.0.iter().any(|it| !it.starts_with('!') && fits(it))
    }

    /// Those that are plain names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|it| !it.starts_with('!') && !has_wildcard(it))
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Whether all of `text` is what `pattern` describes. Goes back only to the last `*`, so that the
/// work is at most the product of the lengths.
fn pattern_fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("*", "anything", true),
            ("*@x.org", "a@b@x.org", true),
            ("*@x.org", "a@x.org.evil", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("**", "", true),
            ("?", "", false),
        ] {
            assert_eq!(pattern_fits(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_shut_out_stays_out_wherever_that_stands() {
        for list in ["*@x.org,!eve@x.org", "!eve@x.org,*@x.org", "!e*,eve@x.org,a@x.org"] {
            let list = Patterns::parse(list).unwrap();
            assert!(list.fit("a@x.org") && !list.fit("eve@x.org"), "{list}");
        }
        assert_eq!(Patterns::parse("b,a,b,!c").unwrap().to_string(), "!c,a,b");
        assert_eq!(Patterns::parse("b,a*,!c,d").unwrap().names().collect::<Vec<_>>(), ["b", "d"]);
        for bad in ["", "a,,b", "!", "!a", "a,"] {
            assert!(Patterns::parse(bad).is_err(), "{bad}");
        }
    }
}
