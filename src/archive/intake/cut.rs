//! Which files share a run.

use crate::model::RepoPath;

use super::super::selection::Candidate;
use super::large::LARGE_BYTES;

/// Bytes of content that a run holds: see docs/decisions/0036-runs.md.
pub const RUN_BYTES: u64 = (4 << 20) - (16 << 10);

/// What a member may take in a run beside its content, should that not compress: with it a run is
/// never longer than one of the values that stored bytes are spread over.
pub const MEMBER_BYTES: u64 = 8;

/// Files as they are taken in, by their places in the list.
#[derive(Debug, Default)]
pub struct Cut {
    /// Those that share a run, run by run.
    pub runs: Vec<Vec<usize>>,
    /// Those that are taken in by themselves, in parts.
    pub large: Vec<usize>,
}

/// Cuts the candidates into runs. What is alike stands together.
pub fn cut(candidates: &[Candidate]) -> Cut {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_cached_key(|at| likeness(&candidates[*at]));
    let mut cut = Cut::default();
    let mut room = 0;
    for at in order {
        let bytes = candidates[at].size_bytes;
        match cut.runs.last_mut() {
            _ if bytes > LARGE_BYTES => cut.large.push(at),
            Some(run) if bytes + MEMBER_BYTES <= room => {
                run.push(at);
                room -= bytes + MEMBER_BYTES;
            }
            _ => {
                cut.runs.push(vec![at]);
                room = RUN_BYTES.saturating_sub(bytes + MEMBER_BYTES);
            }
        }
    }
    cut
}

/// What sorts files so that those which are alike stand together: the extension, then the path without
/// its digits (the same file of `v1` and `v2`, or of two releases), then the path.
fn likeness(candidate: &Candidate) -> (Vec<u8>, Vec<u8>, RepoPath) {
    let path = &candidate.path;
    let extension = path.as_path().extension().unwrap_or_default().as_encoded_bytes().to_vec();
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let bare = path.as_bytes().iter().copied().filter(|byte| !is_digit(byte)).collect();
    (extension, bare, path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::PIECE_BYTES;
    use crate::blob::Encoder;

    #[test]
    fn what_does_not_compress_still_fits_one_value() {
        // A sequence that repeats after more bytes than a run has.
        let mut state = 1_u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        for bytes in [1, 3, 1000, 200_000, RUN_BYTES - MEMBER_BYTES] {
            let members = RUN_BYTES / (bytes + MEMBER_BYTES);
            let content: Vec<u8> = (0..members * bytes).map(|_| noise()).collect();
            let members: Vec<&[u8]> = content.chunks(bytes as usize).collect();
            let run = Encoder::new().unwrap().encode_run(&members).unwrap();
            assert!(run.bytes.len() <= PIECE_BYTES, "{bytes}: {}", run.bytes.len());
        }
    }
}
