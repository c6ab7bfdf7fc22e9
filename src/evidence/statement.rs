//! What a signature over evidence is over: one canonical line that names a record.

use crate::model::{Digest, LogId};

use super::Record;

/// The line that is signed for the record `seq` of `log`, without a line feed. By the chain it
/// speaks of every record of the log before it as well.
pub fn statement(log: &LogId, seq: u64, digest: &Digest) -> String {
    format!(
        "{{\"digest\":\"{digest}\",\"log\":\"{log}\",\"seq\":{seq},\"statement\":\"record\",\"v\":1}}"
    )
}

/// [`statement`] of the last of `lines`.
pub fn statement_of_last(lines: &[(Record, Digest)]) -> Option<String> {
    lines.last().map(|(record, digest)| statement(&record.log, record.seq, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_canonical_json() {
        let line = statement(&LogId::random(), 7, &Digest::of(b"x"));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        // serde_json keeps the keys of an object sorted and writes no spaces.
        assert_eq!(serde_json::to_string(&value).unwrap(), line);
    }
}
