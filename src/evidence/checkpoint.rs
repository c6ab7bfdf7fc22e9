//! A checkpoint: how far all of an archive's evidence had come, in a few lines that can be kept
//! anywhere (C2SP tlog-checkpoint).
//!
//! The leaves of its tree are the lines of all records, in the order in which the archive came to
//! know them. That order only grows, so a later checkpoint of the same archive has an earlier one's
//! tree as its beginning.

use base64ct::{Base64, Encoding};

use crate::clock::Timestamp;
use crate::model::{ArchiveId, Digest, LogId};

/// What the first line begins with; the archive's id follows.
const ORIGIN: &str = "codex-archive/";

/// The text of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The archive.
    pub archive: ArchiveId,
    /// How many records there were.
    pub size: u64,
    /// The Merkle root over their lines.
    pub root: Digest,
    /// When it was made, as claimed.
    pub at: Timestamp,
    /// Where each log ended: its number and digest, in the order of the logs' ids.
    pub heads: Vec<(LogId, u64, Digest)>,
}

impl Checkpoint {
    /// The first line, which is the name of the key as well.
    pub fn origin(&self) -> String {
        format!("{ORIGIN}{}", self.archive)
    }

    /// The text: origin, size, root, and a line for the time and for each log.
    pub fn render(&self) -> String {
        let root = Base64::encode_string(self.root.as_bytes());
        let mut out = format!("{}\n{}\n{root}\ntime {}\n", self.origin(), self.size, self.at);
        for (log, seq, digest) in &self.heads {
            out.push_str(&format!("log {log} {seq} {digest}\n"));
        }
        out
    }

    /// Reads a text; `None` when it is not one that [`Checkpoint::render`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let archive = lines.next()?.strip_prefix(ORIGIN)?.parse().ok()?;
        let size = lines.next()?.parse().ok()?;
        let root = Digest::from_slice(&Base64::decode_vec(lines.next()?).ok()?)?;
        let at = lines.next()?.strip_prefix("time ")?.parse().ok()?;
        let head = |line: &str| {
            let mut words = line.strip_prefix("log ")?.split(' ');
            let (log, seq, digest) = (words.next()?, words.next()?, words.next()?);
            Some((log.parse().ok()?, seq.parse().ok()?, digest.parse().ok()?))
        };
        let heads = lines.map(head).collect::<Option<Vec<_>>>()?;
        let this = Self { archive, size, root, at, heads };
        (this.render() == text).then_some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let checkpoint = Checkpoint {
            archive: ArchiveId::random(),
            size: 3,
            root: Digest::of(b"x"),
            at: Timestamp::from_unix_ms(1_795_253_290_007),
            heads: vec![(LogId::random(), 3, Digest::of(b"y"))],
        };
        let text = checkpoint.render();
        assert_eq!(Checkpoint::parse(&text), Some(checkpoint));
        for (from, to) in
            [("\n3\n", "\n03\n"), ("time ", "time  "), ("log ", "logs "), ("codex", "Codex")]
        {
            assert_eq!(Checkpoint::parse(&text.replacen(from, to, 1)), None, "{from}");
        }
        assert_eq!(Checkpoint::parse(&text[..text.len() - 1]), None);
    }
}
