//! The search itself: a few quick passes over the bytes for what any rule begins with, and a closer look there.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, packed};

use super::assignment::{Assignment, WORDS};
use super::private_key;
use super::rules::{Find, RULES, Rule};

/// A credential.
pub struct Found {
    /// By which rule.
    pub rule: &'static Rule,
    /// As far as was needed to know it.
    pub range: Range<usize>,
}

impl Found {
    /// Where it ends, for whoever takes it out.
    pub fn extent(&self, text: &[u8]) -> usize {
        match self.rule.id {
            "private-key" | "google-service-account" | "putty-private-key" => {
                private_key::extent(text, &self.range)
            }
            _ => self.range.end,
        }
    }
}

/// The most words that are looked for in one pass: more of them make each step stop too often.
const PASS: usize = 48;

/// What all rules begin with, and which rules those are; none where a name is what begins.
struct Anchors {
    passes: Vec<Pass>,
    rules: Vec<Vec<&'static Rule>>,
}

/// A pass over the bytes for some of the words.
struct Pass {
    searcher: Searcher,
    /// Which words.
    words: Vec<usize>,
}

/// How words are looked for: many bytes at a time where the processor can, else one by one.
enum Searcher {
    Packed(packed::Searcher),
    Table(AhoCorasick),
}

static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::of_all);

impl Anchors {
    fn of_all() -> Self {
        let mut texts: Vec<&str> = Vec::new();
        let mut rules: Vec<Vec<&'static Rule>> = Vec::new();
        for rule in RULES {
            let (Find::Prefix(anchors, _) | Find::Form(anchors, _)) = &rule.find else { continue };
            for anchor in *anchors {
                match texts.iter().position(|text| text == anchor) {
                    Some(at) => rules[at].push(rule),
                    None => {
                        texts.push(anchor);
                        rules.push(vec![rule]);
                    }
                }
            }
        }
        texts.extend(WORDS);
        rules.resize_with(texts.len(), Vec::new);
        // The shortest word of a pass decides how much each step tells.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| (texts[*at].len().min(4), texts[*at]));
        let passes = order.chunks(PASS).map(|words| Pass::of(&texts, words)).collect();
        Self { passes, rules }
    }
}

impl Pass {
    fn of(texts: &[&str], words: &[usize]) -> Self {
        let chosen: Vec<&str> = words.iter().map(|at| texts[*at]).collect();
        let searcher = match packed::Searcher::new(&chosen) {
            Some(packed) => Searcher::Packed(packed),
            None => Searcher::Table(
                AhoCorasick::new(&chosen).expect("some dozens of words fit in an automaton"),
            ),
        };
        Self { searcher, words: words.to_vec() }
    }

    /// The first word in `span` of `text`.
    fn next(&self, text: &[u8], span: Range<usize>) -> Option<(usize, Range<usize>)> {
        let found = match &self.searcher {
            Searcher::Packed(packed) => packed.find_in(text, span.into()),
            Searcher::Table(table) => table.find(Input::new(text).span(span)),
        }?;
        Some((self.words[found.pattern().as_usize()], found.range()))
    }
}

/// The credentials in `text`, in its order, none within another. In `binary` content names mean
/// nothing.
pub fn find(text: &[u8], binary: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for pass in &ANCHORS.passes {
        let mut at = 0;
        // Words may overlap: the next one is looked for from the second byte of this one on.
        while let Some((word, anchor)) = pass.next(text, at..text.len()) {
            at = anchor.start + 1;
            let rules = &ANCHORS.rules[word];
            if !rules.is_empty() {
                found.extend(rules.iter().find_map(|rule| by_form(rule, text, anchor.clone())));
            } else if !binary {
                found.extend(by_name(text, anchor));
            }
        }
    }
    distinct(found)
}

fn by_form(rule: &'static Rule, text: &[u8], anchor: Range<usize>) -> Option<Found> {
    let range = match &rule.find {
        Find::Prefix(_, token) => token.at(text, anchor)?,
        Find::Form(_, judge) => judge(text, anchor)?,
        Find::Name(_) => return None,
    };
    Some(Found { rule, range })
}

fn by_name(text: &[u8], anchor: Range<usize>) -> Option<Found> {
    let assignment = Assignment::at(text, anchor)?;
    let is = |rule: &&Rule| matches!(&rule.find, Find::Name(is) if is(&assignment));
    let rule = RULES.iter().find(is)?;
    Some(Found { rule, range: assignment.range })
}

/// Of those that overlap, the one whose rule comes first in the table.
fn distinct(mut found: Vec<Found>) -> Vec<Found> {
    let rank = |it: &Found| std::ptr::from_ref(it.rule) as usize;
    found.sort_by_key(|it| (it.range.start, rank(it)));
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for it in found {
        match kept.last_mut() {
            Some(last) if it.range.start < last.range.end => {
                if rank(&it) < rank(last) {
                    *last = it;
                }
            }
            _ => kept.push(it),
        }
    }
    kept
}
