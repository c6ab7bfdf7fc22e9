//! A segment: the records of one deed, as a file in the tree, named by what is in it.
//!
//! Promises: a segment that parses has the lines it was written with, as far as its name and its
//! chain can show. Whoever can commit can write one: it shows consistency, not authorship.

use super::chain::{self, ChainFault, Digests};
use super::fields::RecordFault;
use super::record::Record;
use crate::error::{Error, Result};
use crate::model::{Digest, RepoPath};

/// Where segments stand in a tree.
pub const SEGMENT_FOLDER: &str = ".codex/evidence/segments";

const EXTENSION: &str = ".jsonl";

const SIGNATURE_EXTENSION: &str = ".sig";

/// The records of one deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// `.codex/evidence/segments/YYYY/MM/<first 16 hex of the last digest>.jsonl`.
    pub path: RepoPath,
    /// The records and their digests; at least one.
    pub lines: Vec<(Record, Digest)>,
    /// The signature over the last record, as it stands in the file beside the segment.
    pub signature: Option<String>,
}

/// Why a file is no segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentFault {
    /// No line in it.
    #[error("the segment is empty")]
    Empty,
    /// The last line has no line feed.
    #[error("the segment's last line is torn")]
    Torn,
    /// A line is no record.
    #[error("line {line}: {fault}")]
    Line {
        /// From 1.
        line: usize,
        /// Why not.
        fault: RecordFault,
    },
    /// The records do not follow one another.
    #[error("{0}")]
    Chain(ChainFault),
    /// The records are of two deeds.
    #[error("line {line} is of another deed than line 1")]
    OtherDeed {
        /// From 1.
        line: usize,
    },
    /// Another name would follow from the content.
    #[error(
        "its last line is not the one that the segment is named by: its tail was truncated or \
         edited, or the file renamed from `{expected}`"
    )]
    Name {
        /// The path that follows.
        expected: RepoPath,
    },
}

impl SegmentFault {
    /// The fault's name, for findings and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Torn => "torn",
            Self::Line { fault, .. } => fault.name(),
            Self::Chain(fault) => fault.name(),
            Self::OtherDeed { .. } => "other-deed",
            Self::Name { .. } => "name",
        }
    }
}

impl Segment {
    /// The segment of records that were just linked. Fails when there are none, or they are not
    /// consecutive records of one log and one deed.
    pub fn new(lines: Vec<(Record, Digest)>) -> Result<Self> {
        let damaged = |fault: SegmentFault| Error::damaged("segment", "new", fault.to_string());
        let path = check(&lines).map_err(damaged)?;
        Ok(Self { path, lines, signature: None })
    }

    /// The same with the signature over its last record.
    pub fn signed(self, signature: Option<String>) -> Self {
        Self { signature, ..self }
    }

    /// The files that make it up, with their bytes: the segment, and its signature if it has one.
    pub fn files(&self) -> Result<Vec<(RepoPath, Vec<u8>)>> {
        let mut files = vec![(self.path.clone(), self.render()?)];
        if let Some(signature) = &self.signature {
            files.push((self.signature_path()?, signature.clone().into_bytes()));
        }
        Ok(files)
    }

    /// Where its signature stands: beside it, under its name and `.sig`.
    pub fn signature_path(&self) -> Result<RepoPath> {
        RepoPath::new(&[self.path.as_bytes(), SIGNATURE_EXTENSION.as_bytes()].concat())
    }

    /// The file's bytes: each line with its line feed. Fails when a record is not its digest's.
    pub fn render(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.lines.len() * 768);
        for (record, digest) in &self.lines {
            let line = record.render()?;
            if Digest::of(line.as_bytes()) != *digest {
                let fault = ChainFault::Edited { seq: record.seq };
                return Err(Error::damaged("segment", self.path.to_string(), fault.to_string()));
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    /// The segment that stands at `path` with these `bytes`.
    pub fn parse(path: &RepoPath, bytes: &[u8]) -> std::result::Result<Self, SegmentFault> {
        if bytes.is_empty() {
            return Err(SegmentFault::Empty);
        }
        let Some(bytes) = bytes.strip_suffix(b"\n") else { return Err(SegmentFault::Torn) };
        let mut lines = Vec::new();
        for (n, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let record =
                Record::parse(line).map_err(|fault| SegmentFault::Line { line: n + 1, fault })?;
            lines.push((record, Digest::of(line)));
        }
        let expected = check(&lines)?;
        if expected != *path {
            return Err(SegmentFault::Name { expected });
        }
        Ok(Self { path: expected, lines, signature: None })
    }

    /// The last record's digest, which names and cites the segment.
    pub fn last_digest(&self) -> Digest {
        self.lines.last().map_or(Digest::ZERO, |(_, digest)| *digest)
    }
}

/// Checks that `lines` are one deed's and follow one another; gives the path that follows.
fn check(lines: &[(Record, Digest)]) -> std::result::Result<RepoPath, SegmentFault> {
    let (Some((first, _)), Some((last, digest))) = (lines.first(), lines.last()) else {
        return Err(SegmentFault::Empty);
    };
    chain::walk(lines.iter(), None, Digests::Trusted).map_err(SegmentFault::Chain)?;
    if let Some(n) = lines.iter().position(|(record, _)| record.deed != first.deed) {
        return Err(SegmentFault::OtherDeed { line: n + 1 });
    }
    let (year, month) = last.ts.year_month();
    let path = format!("{SEGMENT_FOLDER}/{year}/{month}/{}{EXTENSION}", digest.short());
    // The parts are digits and fixed words, so that the path is always valid.
    RepoPath::new(path.as_bytes()).map_err(|_| SegmentFault::Empty)
}

/// Whether a file at `path` has to be a segment: it lies below the folder and ends in `.jsonl`.
pub fn is_segment_path(path: &RepoPath) -> bool {
    path.is_in(SEGMENT_FOLDER) && path.as_bytes().ends_with(EXTENSION.as_bytes())
}

/// The path of the segment that a file at `path` is the signature of, by its name.
pub fn segment_signed_by(path: &RepoPath) -> Option<RepoPath> {
    let segment = path.as_bytes().strip_suffix(SIGNATURE_EXTENSION.as_bytes())?;
    RepoPath::new(segment).ok().filter(is_segment_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::evidence::{Action, Event, Head, link};
    use crate::model::{DeedId, LogId};

    fn lines(count: usize) -> Vec<(Record, Digest)> {
        let ts = Timestamp::from_unix_ms(1_795_253_290_007);
        let events = vec![Event::new(Action::Archive, "marc"); count];
        link(Head::empty(LogId::random()), DeedId::random(), ts, events).unwrap()
    }

    #[test]
    fn it_is_named_by_its_last_line_and_reads_back() {
        let lines = lines(3);
        let segment = Segment::new(lines.clone()).unwrap();
        let name = format!(".codex/evidence/segments/2026/11/{}.jsonl", lines[2].1.short());
        assert_eq!(segment.path.to_string(), name);
        assert_eq!(segment.last_digest(), lines[2].1);
        assert!(is_segment_path(&segment.path));
        let bytes = segment.render().unwrap();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert_eq!(Segment::parse(&segment.path, &bytes), Ok(segment));
    }

    #[test]
    fn a_part_of_a_log_is_a_segment_too() {
        let segment = Segment::new(lines(5).split_off(2)).unwrap();
        let bytes = segment.render().unwrap();
        assert_eq!(Segment::parse(&segment.path, &bytes), Ok(segment));
    }

    #[test]
    fn what_is_cut_off_or_stands_elsewhere_is_named() {
        let segment = Segment::new(lines(3)).unwrap();
        let bytes = segment.render().unwrap();
        let fault = |path: &str, bytes: &[u8]| {
            Segment::parse(&RepoPath::new(path.as_bytes()).unwrap(), bytes).unwrap_err().name()
        };
        let here = segment.path.to_string();
        let cut = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        assert_eq!(fault(&here, &bytes[..cut]), "name");
        assert_eq!(fault(&here, &bytes[..cut + 9]), "torn");
        assert_eq!(fault(&here, b""), "empty");
        assert_eq!(fault(&here, b"\n"), "not-json");
        assert_eq!(fault(&here, &[&bytes[..], b"\n"].concat()), "not-json");
        assert_eq!(fault(&here.replace("/11/", "/12/"), &bytes), "name");
        assert_eq!(fault(&here.replace("/2026/", "/2026/x/"), &bytes), "name");
    }

    #[test]
    fn two_deeds_or_digests_of_something_else_make_no_segment() {
        let mut two = lines(2);
        let (head, _) = (Head { log: two[1].0.log, seq: 2, digest: two[1].1 }, ());
        let events = vec![Event::new(Action::Archive, "marc")];
        two.extend(link(head, DeedId::random(), two[0].0.ts, events).unwrap());
        assert!(Segment::new(two).is_err());
        assert!(Segment::new(Vec::new()).is_err());
        let mut edited = lines(1);
        edited[0].0.event.actor = "mallory".into();
        assert!(Segment::new(edited).unwrap().render().is_err());
    }

    #[test]
    fn only_jsonl_below_the_folder_has_to_be_a_segment() {
        let is = |path: &str| is_segment_path(&RepoPath::new(path.as_bytes()).unwrap());
        assert!(is(".codex/evidence/segments/x.jsonl"));
        assert!(!is(".codex/evidence/segments/2026/11/00.sig"));
        assert!(!is(".codex/evidence/segments.jsonl"));
        assert!(!is("src/.codex/evidence/segments/x.jsonl"));
    }
}
