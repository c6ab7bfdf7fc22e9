//! What a PR cites, held against the segments that it adds.

use std::collections::BTreeSet;

use crate::evidence::{Segment, TRAILER, read_citations};
use crate::model::{Digest, Finding, escape_line};

use super::rules;

/// Every added segment is cited by its last digest; further digests must be lines of added
/// segments.
pub fn judge(body: &str, added: &[Segment], range: &str) -> Vec<Finding> {
    let cited = read_citations(body);
    let digests: BTreeSet<Digest> = cited.digests.iter().copied().collect();
    let lines: BTreeSet<Digest> =
        added.iter().flat_map(|segment| &segment.lines).map(|(_, digest)| *digest).collect();
    let hint = format!("git codex-archive evidence cite --range {range}");
    let mut findings = Vec::new();
    for segment in added {
        let last = segment.last_digest();
        if !digests.contains(&last) {
            let words = format!("its last digest {last} is not cited");
            let path = segment.path.to_string();
            findings.push(Finding::new(&rules::CITATION_MISSING, path, words).hint(&hint));
        }
    }
    for digest in digests.difference(&lines) {
        let words = format!("{digest} is no record of a segment that this range adds");
        findings.push(Finding::new(&rules::CITATION_UNKNOWN, "(citations)", words).hint(&hint));
    }
    for text in &cited.malformed {
        let words = format!("`{TRAILER}: {}` is no digest", escape_line(text));
        findings.push(Finding::new(&rules::CITATION_MALFORMED, "(citations)", words).hint(&hint));
    }
    findings
}
