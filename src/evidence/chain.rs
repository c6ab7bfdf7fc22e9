//! The chain: each record of a log holds the digest of the one before.
//!
//! A chain shows that a record was edited, deleted, moved, inserted or doubled. It cannot show
//! that records are missing at its end or that all of it was written anew: anchors do (the head in
//! the table, segments in git, cited digests; docs/security.md).

use super::event::Event;
use super::record::{Record, Rendered};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::{DeedId, Digest, LogId};

/// The end of a log: its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The log.
    pub log: LogId,
    /// The last record's number; 0 before the first.
    pub seq: u64,
    /// The last record's digest; [`Digest::ZERO`] before the first.
    pub digest: Digest,
}

impl Head {
    /// The head of a log without records.
    pub fn empty(log: LogId) -> Self {
        Self { log, seq: 0, digest: Digest::ZERO }
    }
}

/// Where and how a chain breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// Records are missing.
    #[error("the records between {after} and {found} are missing: they were deleted")]
    Gap {
        /// The last record before the gap.
        after: u64,
        /// The first record behind it.
        found: u64,
    },
    /// A record stands at another place than its number says.
    #[error("record {seq} stands behind record {after}: they were reordered")]
    Reordered {
        /// The record.
        seq: u64,
        /// The record before it.
        after: u64,
    },
    /// A record stands there twice.
    #[error("record {seq} stands there twice, as a duplicate")]
    Duplicate {
        /// The record.
        seq: u64,
    },
    /// Two different records follow the same one: two writers had one log.
    #[error("a fork: two records have the number {seq}, and both follow the same record")]
    Fork {
        /// The number of both.
        seq: u64,
    },
    /// A record is not what it was.
    #[error("record {seq} was edited: the chain does not hold there")]
    Edited {
        /// The record.
        seq: u64,
    },
    /// A record of another log.
    #[error("record {seq} is of log {found}, not of log {expected}")]
    OtherLog {
        /// The record.
        seq: u64,
        /// The log being walked.
        expected: LogId,
        /// The record's log.
        found: LogId,
    },
}

impl ChainFault {
    /// The fault's name, for findings and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gap { .. } => "gap",
            Self::Reordered { .. } => "reordered",
            Self::Duplicate { .. } => "duplicate",
            Self::Fork { .. } => "fork",
            Self::Edited { .. } => "edited",
            Self::OtherLog { .. } => "other-log",
        }
    }
}

/// A record with its digest and its texts.
#[derive(Debug)]
pub struct Linked {
    /// The record.
    pub record: Record,
    /// Its digest.
    pub digest: Digest,
    /// Its line, and the body in it.
    pub rendered: Rendered,
}

/// Puts `events` behind `head`, as one deed at one time; gives each record with its digest and the texts
/// that were made for it. Fails when an event cannot be rendered ([`Record::render`]).
pub fn link_rendered(
    head: Head,
    deed: DeedId,
    ts: Timestamp,
    events: Vec<Event>,
) -> Result<Vec<Linked>> {
    let Head { log, mut seq, digest: mut prev } = head;
    let mut records = Vec::with_capacity(events.len());
    for event in events {
        seq += 1;
        let record = Record { log, seq, prev, deed, ts, event };
        let rendered = record.render_both()?;
        let digest = Digest::of(rendered.line.as_bytes());
        prev = digest;
        records.push(Linked { record, digest, rendered });
    }
    Ok(records)
}

/// The same without the texts.
#[cfg(test)]
pub fn link(
    head: Head,
    deed: DeedId,
    ts: Timestamp,
    events: Vec<Event>,
) -> Result<Vec<(Record, Digest)>> {
    let linked = link_rendered(head, deed, ts, events)?;
    Ok(linked.into_iter().map(|it| (it.record, it.digest)).collect())
}

/// Checks that `records` are consecutive records of one log, each the record of its digest, and
/// that they follow `from` where that is given; gives the last, or `from` when there are none.
pub fn verify<'a>(
    records: impl Iterator<Item = &'a (Record, Digest)>,
    from: Option<Head>,
) -> std::result::Result<Option<Head>, ChainFault> {
    walk(records, from, Digests::Recomputed)
}

/// Whether a record's digest is known to be its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digests {
    /// Rendered and hashed once more.
    Recomputed,
    /// Just computed from the line that the record was read from.
    Trusted,
}

/// [`verify`], which need not hash again what was hashed just now.
pub(super) fn walk<'a>(
    mut records: impl Iterator<Item = &'a (Record, Digest)>,
    from: Option<Head>,
    digests: Digests,
) -> std::result::Result<Option<Head>, ChainFault> {
    let mut walk =
        Walk { head: from, seen_from: from.map_or(0, |it| it.seq + 1), seen: Vec::new() };
    while let Some((record, digest)) = records.next() {
        if digests == Digests::Recomputed && record.digest().ok() != Some(*digest) {
            return Err(ChainFault::Edited { seq: record.seq });
        }
        if !walk.step(record, digest) {
            return Err(walk.name_fault(record, digest, records));
        }
    }
    Ok(walk.head)
}

/// How far a walk has come.
struct Walk {
    head: Option<Head>,
    /// The number of the first digest in `seen`.
    seen_from: u64,
    /// The digests so far, to tell a doubled record from a second one of the same number.
    seen: Vec<Digest>,
}

impl Walk {
    /// Goes on to `record`; `false` when it does not follow.
    fn step(&mut self, record: &Record, digest: &Digest) -> bool {
        let follows = match self.head {
            Some(head) => {
                record.log == head.log
                    && Some(record.seq) == head.seq.checked_add(1)
                    && record.prev == head.digest
            }
            None => {
                self.seen_from = record.seq;
                (record.seq == 1) == (record.prev == Digest::ZERO)
            }
        };
        if follows {
            self.head = Some(Head { log: record.log, seq: record.seq, digest: *digest });
            self.seen.push(*digest);
        }
        follows
    }

    /// The digest of the record `seq`, as far as this walk knows it.
    fn digest_of(&self, seq: u64) -> Option<Digest> {
        if let Some(head) = self.head.filter(|it| it.seq == seq) {
            return Some(head.digest);
        }
        let at = usize::try_from(seq.checked_sub(self.seen_from)?).ok()?;
        self.seen.get(at).copied()
    }

    /// Why `record` does not follow; `rest` is what stands behind it.
    fn name_fault<'a>(
        &self,
        record: &Record,
        digest: &Digest,
        mut rest: impl Iterator<Item = &'a (Record, Digest)>,
    ) -> ChainFault {
        let seq = record.seq;
        let Some(head) = self.head else { return ChainFault::Edited { seq } };
        if record.log != head.log {
            return ChainFault::OtherLog { seq, expected: head.log, found: record.log };
        }
        let after = head.seq;
        if seq > after + 1 {
            // What is missing here may stand further on.
            let is_late = rest.any(|(it, _)| it.log == head.log && it.seq > after && it.seq < seq);
            return if is_late {
                ChainFault::Reordered { seq, after }
            } else {
                ChainFault::Gap { after, found: seq }
            };
        }
        if seq == after + 1 {
            return ChainFault::Edited { seq: self.edited(head, record, digest, rest) };
        }
        match self.digest_of(seq) {
            None => ChainFault::Reordered { seq, after },
            Some(seen) if seen == *digest => ChainFault::Duplicate { seq },
            // One that follows nothing we saw is no second writer's: it was put there.
            Some(_) if self.digest_of(seq - 1).is_none_or(|before| before == record.prev) => {
                ChainFault::Fork { seq }
            }
            Some(_) => ChainFault::Edited { seq },
        }
    }

    /// Which record was edited when `record` has the next number but follows another digest: the
    /// one before it, unless what stands behind shows that it is `record` itself.
    fn edited<'a>(
        &self,
        head: Head,
        record: &Record,
        digest: &Digest,
        rest: impl Iterator<Item = &'a (Record, Digest)>,
    ) -> u64 {
        if self.seen.is_empty() {
            return record.seq;
        }
        let own = rest.filter(|(it, _)| it.log == head.log).any(|(it, _)| {
            let is_the_true_one = it.seq == record.seq && it.prev == head.digest;
            let follows_another = it.seq == record.seq + 1 && it.prev != *digest;
            is_the_true_one || follows_another
        });
        if own { record.seq } else { head.seq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Action;

    type Log = Vec<(Record, Digest)>;

    fn log(count: usize) -> Log {
        let events = (0..count)
            .map(|n| Event { size: Some(n as u64), ..Event::new(Action::Archive, "marc") });
        let ts = Timestamp::from_unix_ms(1_795_253_290_007);
        link(Head::empty(LogId::random()), DeedId::random(), ts, events.collect()).unwrap()
    }

    fn head(pair: &(Record, Digest)) -> Head {
        Head { log: pair.0.log, seq: pair.0.seq, digest: pair.1 }
    }

    /// Edits a record as someone would who can compute its digest.
    fn edit(pair: &mut (Record, Digest)) {
        pair.0.event.actor = "mallory".into();
        pair.1 = pair.0.digest().unwrap();
    }

    fn fault(records: &[(Record, Digest)]) -> ChainFault {
        verify(records.iter(), None).unwrap_err()
    }

    #[test]
    fn a_log_holds_from_its_start_from_a_head_and_from_nothing() {
        let log = log(5);
        assert_eq!(log[0].0.prev, Digest::ZERO);
        assert_eq!(log[0].0.seq, 1);
        let end = Ok(Some(head(&log[4])));
        assert_eq!(verify(log.iter(), Some(Head::empty(log[0].0.log))), end);
        assert_eq!(verify(log.iter(), None), end);
        assert_eq!(verify(log[2..].iter(), Some(head(&log[1]))), end);
        assert_eq!(verify([].iter(), None), Ok(None));
        assert_eq!(verify([].iter(), Some(head(&log[1]))), Ok(Some(head(&log[1]))));
    }

    #[test]
    fn each_fault_has_its_name_and_place() {
        let good = log(6);
        let with = |change: &dyn Fn(&mut Log)| {
            let mut log = good.clone();
            change(&mut log);
            fault(&log)
        };
        assert_eq!(with(&|l| drop(l.remove(2))), ChainFault::Gap { after: 2, found: 4 });
        assert_eq!(with(&|l| l.swap(2, 3)), ChainFault::Reordered { seq: 4, after: 2 });
        assert_eq!(with(&|l| l.insert(4, l[1].clone())), ChainFault::Duplicate { seq: 2 });
        assert_eq!(with(&|l| edit(&mut l[2])), ChainFault::Edited { seq: 3 });
        let edited_stored = with(&|l| l[2].0.event.actor = "mallory".into());
        assert_eq!(edited_stored, ChainFault::Edited { seq: 3 });
        let relinked = with(&|l| {
            l[2].0.prev = Digest::of(b"x");
            edit(&mut l[2]);
        });
        assert_eq!(relinked, ChainFault::Edited { seq: 3 });
        let second = |l: &Log| {
            let mut second = l[2].clone();
            edit(&mut second);
            second
        };
        assert_eq!(with(&|l| l.insert(3, second(l))), ChainFault::Fork { seq: 3 });
        let inserted = with(&|l| {
            let mut forged = second(l);
            forged.0.prev = Digest::of(b"x");
            edit(&mut forged);
            l.insert(2, forged);
        });
        assert_eq!(inserted, ChainFault::Edited { seq: 3 });
        assert_eq!(with(&|l| l.push(log(7).remove(6))).name(), "other-log");
    }

    #[test]
    fn the_first_record_and_no_other_follows_zeros() {
        let mut log = log(3);
        log[0].0.prev = Digest::of(b"x");
        edit(&mut log[0]);
        assert_eq!(fault(&log[..1]), ChainFault::Edited { seq: 1 });
        log[1].0.prev = Digest::ZERO;
        edit(&mut log[1]);
        assert_eq!(fault(&log[1..2]), ChainFault::Edited { seq: 2 });
    }

    #[test]
    fn a_head_is_an_anchor() {
        let log = log(3);
        let mut anchor = head(&log[1]);
        anchor.digest = Digest::of(b"another history");
        assert_eq!(verify(log[2..].iter(), Some(anchor)), Err(ChainFault::Edited { seq: 3 }));
        let old = verify(log[..1].iter(), Some(head(&log[1])));
        assert_eq!(old, Err(ChainFault::Reordered { seq: 1, after: 2 }));
    }
}
