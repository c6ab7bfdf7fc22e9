//! The search itself: one pass over the bytes for what any rule begins with, and a closer look there.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

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

/// What all rules begin with, and which rules those are; none where a name is what begins.
struct Anchors {
    automaton: AhoCorasick,
    rules: Vec<Vec<&'static Rule>>,
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
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(texts)
            .expect("some dozens of short words fit in an automaton");
        Self { automaton, rules }
    }
}

/// The credentials in `text`, in its order, none within another. In `binary` content names mean
/// nothing.
pub fn find(text: &[u8], binary: bool) -> Vec<Found> {
    let mut found = Vec::new();
    // The end of the last name that was looked at: its other words say nothing new.
    let mut named = 0;
    for hit in ANCHORS.automaton.find_overlapping_iter(text) {
        let anchor = hit.start()..hit.end();
        let rules = &ANCHORS.rules[hit.pattern().as_usize()];
        if rules.is_empty() {
            if !binary && anchor.start >= named {
                named = anchor.end;
                found.extend(by_name(text, anchor));
            }
            continue;
        }
        found.extend(rules.iter().find_map(|rule| by_form(rule, text, anchor.clone())));
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
